<?php

declare(strict_types=1);

namespace RelayTests;

use PHPUnit\Framework\TestCase;
use Relay\Outgoing\Answer;
use Relay\Outgoing\Backoff;
use Relay\Outgoing\Outcome;
use Relay\Store\Message;
use Relay\Store\Messages;

final class OutboxTest extends TestCase
{
    public function testAnAnswerIsClaimedOnceAndThenSent(): void
    {
        $desk = new Support();
        $id = $desk->answered('Hello!');
        self::assertSame(0, $desk->outbox->nextInMs());
        $answer = $desk->claim();
        self::assertSame([$id, 'messenger', 'c1', 'Hello!', 1], [$answer->id, $answer->channel, $answer->customer, $answer->text, $answer->attempts]);
        self::assertNull($desk->outbox->claim(), 'it is being sent');
        self::assertSame(0, $desk->outbox->settle($answer, Outcome::sent('x1'), 0));
        self::assertSame(Message::SENT, $desk->field($id, 'state'));
        self::assertNull($desk->outbox->claim());
        self::assertNull($desk->outbox->nextInMs());
    }

    public function testALaterAttemptWaitsTwiceAsLongEachTime(): void
    {
        $desk = new Support();
        $id = $desk->answered();
        foreach ([1000, 2000, 4000, 8000] as $i => $wait) {
            $answer = $desk->claim();
            self::assertSame($i + 1, $answer->attempts);
            $waited = $desk->outbox->settle($answer, Outcome::later('busy'), 0);
            self::assertGreaterThanOrEqual($wait * 0.8, $waited);
            self::assertLessThanOrEqual($wait * 1.2, $waited);
            self::assertSame([Message::QUEUED, 'busy', $waited], [$desk->field($id, 'state'), $desk->field($id, 'note'), $desk->outbox->nextInMs()]);
            $desk->now += $waited - 1;
            self::assertNull($desk->outbox->claim(), 'not yet');
            ++$desk->now;
        }
        self::assertSame(5, $desk->claim()->attempts);
    }

    public function testBackoffHasALimitAndSpreads(): void
    {
        $backoff = new Backoff(1000, 60_000, 600_000);
        self::assertSame([800, 1000, 1200], [$backoff->waitMs(1, 0.0), $backoff->waitMs(1, 0.5), $backoff->waitMs(1, 1.0)]);
        self::assertSame([60_000, 60_000], [$backoff->waitMs(7, 0.5), $backoff->waitMs(1_000_000, 0.5)]);
    }

    public function testItIsGivenUpAfterItsTime(): void
    {
        $desk = new Support();
        $id = $desk->answered();
        $answer = $desk->claim();
        $desk->now += 600_000;
        self::assertSame(0, $desk->outbox->settle($answer, Outcome::later('busy'), 0));
        self::assertSame([Message::FAILED, 'given up: busy'], [$desk->field($id, 'state'), $desk->field($id, 'note')]);
        self::assertNull($desk->outbox->nextInMs());
    }

    public function testALastingErrorIsNotTriedAgain(): void
    {
        $desk = new Support();
        $id = $desk->answered();
        $desk->outbox->settle($desk->claim(), Outcome::failed('blocked'), 0);
        self::assertSame([Message::FAILED, 'blocked'], [$desk->field($id, 'state'), $desk->field($id, 'note')]);
        $desk->now += 3_600_000;
        self::assertNull($desk->outbox->claim());
    }

    public function testACustomerGetsAnswersInOrderAndNobodyWaitsForAnother(): void
    {
        $desk = new Support();
        $first = $desk->answered('one');
        $desk->messages->answer(1, 'bob', 'two', 'client-two');
        $other = $desk->answered('for another', 'c2');
        $desk->outbox->settle($desk->claim(), Outcome::later('busy'), 0);
        self::assertSame($other, $desk->claim()->id, 'two waits for one');
        self::assertNull($desk->outbox->claim());
        $desk->now += 2000;
        $again = $desk->claim();
        self::assertSame($first, $again->id);
        self::assertNull($desk->outbox->claim(), 'one is being sent, and two still waits');
        $desk->outbox->settle($again, Outcome::sent('x1'), 0);
        self::assertSame('two', $desk->claim()->text);
    }

    public function testAPausedChannelHoldsUpNoOther(): void
    {
        $desk = new Support();
        $desk->answered('by messenger');
        $desk->answered('by web', 'c2', 'web');
        self::assertSame(0, $desk->outbox->nextInMs(['messenger']));
        self::assertSame('by web', $desk->outbox->claim(['messenger'])?->text);
        self::assertNull($desk->outbox->claim(['messenger']));
        self::assertNull($desk->outbox->nextInMs(['messenger']));
        self::assertSame('by messenger', $desk->claim()->text);
    }

    public function testInDoubtItWaitsForTheEchoAndIsThenSentAgain(): void
    {
        $desk = new Support();
        $id = $desk->answered();
        $desk->outbox->settle($desk->claim(), Outcome::doubt('no reply'), 15_000);
        self::assertSame([Message::DOUBT, 15_000], [$desk->field($id, 'state'), $desk->outbox->nextInMs()]);
        $desk->now += 15_000;
        self::assertSame(2, $desk->claim()->attempts);
    }

    public function testWhatADeadSenderWasSendingIsFound(): void
    {
        $desk = new Support();
        $here = $desk->answered('messenger');
        $there = $desk->answered('web', 'c2', 'web');
        $waiting = $desk->answered('not yet claimed', 'c3');
        $desk->claim();
        $desk->claim();
        $desk->outbox->recover(static fn (string $channel): int => $channel === 'web' ? 0 : 15_000);
        self::assertSame([Message::DOUBT, Message::DOUBT], [$desk->field($here, 'state'), $desk->field($there, 'state')]);
        self::assertSame(Message::QUEUED, $desk->field($waiting, 'state'));
        $seq = $desk->messages->seq();
        $desk->outbox->recover(static fn (): int => 0);
        self::assertSame($seq, $desk->messages->seq(), 'once');
        $claimed = [$desk->claim()->id, $desk->claim()->id];
        sort($claimed);
        self::assertSame([$there, $waiting], $claimed, 'sending twice does no harm to web');
        self::assertNull($desk->outbox->claim());
        $desk->now += 15_000;
        self::assertSame($here, $desk->claim()->id);
    }

    public function testAnIdThatIsKnownAlreadyDoesNoHarm(): void
    {
        $desk = new Support();
        $desk->answered('one');
        $desk->outbox->settle($desk->claim(), Outcome::sent('x1'), 0);
        $id = $desk->answered('two');
        $desk->outbox->settle($desk->claim(), Outcome::sent('x1'), 0);
        self::assertSame(Message::SENT, $desk->field($id, 'state'));
    }

    public function testAClockThatIsSetBackHoldsUpNobody(): void
    {
        $desk = new Support();
        $id = $desk->answered();
        $desk->outbox->settle($desk->claim(), Outcome::later('busy'), 0);
        self::assertNull($desk->outbox->claim());
        $desk->now -= 86_400_000;
        self::assertSame(0, $desk->outbox->nextInMs());
        self::assertSame($id, $desk->claim()->id);
    }

    public function testTheQueueIsReadFromItsIndex(): void
    {
        $desk = new Support();
        $states = "state IN ('queued', 'sending', 'doubt')";
        $plan = $desk->database->rows("EXPLAIN QUERY PLAN SELECT min(id) FROM messages WHERE $states GROUP BY conversation");
        self::assertStringContainsString('messages_to_send', $plan[0]->text('detail'));
        $plan = $desk->database->rows('EXPLAIN QUERY PLAN ' . Messages::SELECT . 'WHERE m.id = c.last AND c.last > 0 ORDER BY c.last DESC LIMIT 9');
        self::assertStringContainsString('conversations_by_last', $plan[0]->text('detail'));
    }
}
