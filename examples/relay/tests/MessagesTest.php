<?php

declare(strict_types=1);

namespace RelayTests;

use PHPUnit\Framework\TestCase;
use Relay\Channel\Incoming;
use Relay\Channel\Receipt;
use Relay\Channel\Sent;
use Relay\Outgoing\Answer;
use Relay\Outgoing\Outcome;
use Relay\Store\Database;
use Relay\Store\Message;
use Relay\Store\Messages;

final class MessagesTest extends TestCase
{
    public function testAMessageWithAKnownIdIsDropped(): void
    {
        $desk = new Support();
        $twice = [new Incoming('c1', 'm1', 'first'), new Incoming('c1', 'm1', 'again')];
        $desk->messages->take('messenger', $twice);
        $desk->messages->take('messenger', $twice);
        self::assertSame(['first'], self::texts($desk->messages->changesSince(0, 10)));
        self::assertSame(1, $desk->messages->seq());
        // The id is the channel's, and of that customer.
        $desk->messages->take('web', [new Incoming('c1', 'm1', 'elsewhere')]);
        $desk->messages->take('messenger', [new Incoming('c2', 'm1', 'of another')]);
        self::assertSame(['first', 'elsewhere', 'of another'], self::texts($desk->messages->changesSince(0, 10)));
    }

    public function testABatchIsStoredAsAWholeOrNotAtAll(): void
    {
        $desk = new Support();
        $desk->database->run('CREATE TRIGGER fails BEFORE INSERT ON messages WHEN NEW.text = \'bad\' BEGIN SELECT RAISE(ABORT, \'no\'); END');
        try {
            $desk->messages->take('messenger', [new Incoming('c1', 'm1', 'good'), new Incoming('c1', 'm2', 'bad')]);
            self::fail('stored');
        } catch (\PDOException) {
            self::assertSame([[], 0], [$desk->messages->changesSince(0, 10), $desk->messages->seq()]);
        }
        $desk->messages->take('messenger', [new Incoming('c1', 'm1', 'good')]);
        self::assertSame(['good'], self::texts($desk->messages->changesSince(0, 10)));
    }

    public function testEachChangeHasTheNextNumberAndAMessageIsToldAsItIsNow(): void
    {
        $desk = new Support();
        $id = $desk->answered('one');
        self::assertSame([1, 2], self::seqs($desk->messages->changesSince(0, 10)));
        $desk->messages->take('messenger', [new Incoming('c1', 'm9', 'more')]);
        $desk->outbox->settle($desk->claim(), Outcome::sent('x1'), 0);
        $changes = $desk->messages->changesSince(2, 10);
        self::assertSame([3, 4], self::seqs($changes));
        self::assertSame([$id, Message::SENT], [$changes[1]->id(), $changes[1]->state()]);
        self::assertSame(4, $desk->messages->seq());
        self::assertSame([3], self::seqs($desk->messages->changesSince(2, 1)), 'no more than wanted');
    }

    public function testAnAnswerThatIsSentTwiceIsQueuedOnce(): void
    {
        $desk = new Support();
        $desk->messages->take('web', [new Incoming('c1', 'm1', 'Help!')]);
        self::assertTrue($desk->messages->answer(1, 'ada', 'Here I am', 'client-id-1'));
        self::assertTrue($desk->messages->answer(1, 'ada', 'Here I am', 'client-id-1'));
        self::assertFalse($desk->messages->answer(99, 'ada', 'Anyone?', 'client-id-2'));
        self::assertSame(['Help!', 'Here I am'], self::texts($desk->messages->changesSince(0, 10)));
        self::assertSame(2, $desk->messages->seq());
    }

    public function testTheConversationsAreListedByTheirLastMessage(): void
    {
        $desk = new Support();
        foreach (['c1', 'c2', 'c1', 'c3'] as $i => $customer) {
            $desk->messages->take('web', [new Incoming($customer, "m$i", "text $i", [], "Name of $customer")]);
        }
        self::assertSame(['text 3', 'text 2', 'text 1'], self::texts($desk->messages->lastOfEach(10)));
        self::assertSame(['text 3', 'text 2'], self::texts($desk->messages->lastOfEach(2)));
        self::assertSame(['text 2', 'text 0'], self::texts($desk->messages->before(1, PHP_INT_MAX, 10)));
        self::assertSame(['text 0'], self::texts($desk->messages->before(1, 3, 10)));
        self::assertSame(['text 2'], self::texts($desk->messages->find('OF C1', 10)));
        self::assertSame(['text 3', 'text 2'], self::texts($desk->messages->find('name', 2)));
        self::assertSame([], self::texts($desk->messages->find('_ame%', 10)));
        self::assertSame('Name of c1', self::conversation($desk->messages->before(1, 3, 10)[0])['name']);
    }

    public function testReceiptsMoveWhatWasSentBeforeThem(): void
    {
        $desk = new Support();
        $id = $desk->answered();
        $sentAt = $desk->now;
        $claimed = $desk->claim();
        $desk->now += 400;
        $desk->outbox->settle($claimed, Outcome::sent('x1'), 0);
        $desk->messages->take('messenger', [new Receipt('c1', true, [], $sentAt - 1), new Receipt('c2', true, ['x1'], $sentAt)]);
        self::assertSame(Message::SENT, $desk->field($id, 'state'), 'too early, or of somebody else');
        $desk->messages->take('messenger', [new Receipt('c1', false, ['x1'], 0)]);
        self::assertSame(Message::DELIVERED, $desk->field($id, 'state'));
        $desk->messages->take('messenger', [new Receipt('c1', true, [], $sentAt)]);
        self::assertSame(Message::READ, $desk->field($id, 'state'));
        $seq = $desk->messages->seq();
        $desk->messages->take('messenger', [new Receipt('c1', false, ['x1'], $sentAt)]);
        self::assertSame([Message::READ, $seq], [$desk->field($id, 'state'), $desk->messages->seq()], 'never backwards');
    }

    public function testAnEchoConfirmsAnAnswerInWhateverStateItIs(): void
    {
        foreach ([Outcome::later('x'), Outcome::doubt('x'), Outcome::failed('x')] as $outcome) {
            $desk = new Support();
            $id = $desk->answered();
            $desk->outbox->settle($desk->claim(), $outcome, 15_000);
            $reference = "relay-{$desk->messages->desk()}-$id";
            $desk->messages->take('messenger', [new Sent('c1', 'x1', $reference, 'Hello!'), new Sent('c1', 'x1', $reference, 'Hello!')]);
            self::assertSame([Message::SENT, ''], [$desk->field($id, 'state'), $desk->field($id, 'note')]);
            $desk->now += 3_600_000;
            self::assertNull($desk->outbox->claim(), 'nothing is sent again');
            self::assertCount(2, $desk->messages->changesSince(0, 10), 'the echo is not a message of its own');
        }
    }

    public function testAnEchoThatComesBeforeTheReplyWins(): void
    {
        $desk = new Support();
        $id = $desk->answered();
        $claimed = $desk->claim();
        $desk->messages->take('messenger', [new Sent('c1', 'x1', "relay-{$desk->messages->desk()}-$id", 'Hello!')]);
        $desk->outbox->settle($claimed, Outcome::doubt('no reply'), 15_000);
        self::assertSame(Message::SENT, $desk->field($id, 'state'));
        self::assertNull($desk->outbox->nextInMs());
    }

    public function testAnEchoOfSomebodyElseIsShown(): void
    {
        $desk = new Support();
        $desk->messages->take('messenger', [
            new Sent('c1', 'x1', '', 'Written in the inbox of the Page'),
            new Sent('c1', 'x2', 'relay-ffffffffffff-1', 'By another desk'),
        ]);
        $changes = $desk->messages->changesSince(0, 10);
        self::assertSame(['Written in the inbox of the Page', 'By another desk'], self::texts($changes));
        self::assertSame(Messages::ELSEWHERE, $desk->field($changes[0]->id(), 'agent'));
        self::assertNull($desk->outbox->claim());
    }

    public function testAFailedAnswerCanBeTriedAgain(): void
    {
        $desk = new Support();
        $id = $desk->answered();
        self::assertFalse($desk->messages->again($id), 'it has not failed');
        $desk->outbox->settle($desk->claim(), Outcome::failed('no'), 0);
        self::assertTrue($desk->messages->again($id));
        self::assertFalse($desk->messages->again(999));
        $claimed = $desk->claim();
        self::assertSame([$id, 1], [$claimed->id, $claimed->attempts]);
    }

    public function testControlCharactersAreLeftOut(): void
    {
        $desk = new Support();
        $desk->messages->take('web', [new Incoming('c1', 'm1', " a\r\nb\tc\0\x07\u{85} ", [], "Li\nn\u{202e}")]);
        self::assertSame(["a\nb\tc"], self::texts($desk->messages->changesSince(0, 10)));
    }

    public function testWhatIsTooLongIsCut(): void
    {
        $desk = new Support();
        $attachment = ['type' => 'file', 'title' => str_repeat('t', 999), 'url' => 'https://x.example/' . str_repeat('u', 9999)];
        $desk->messages->take('web', [new Incoming('c1', 'm1', str_repeat('ü', 20_000), [], str_repeat('n', 999))]);
        $desk->messages->take('web', [new Incoming('c1', 'm2', str_repeat('ü', 20_001), array_fill(0, 99, $attachment))]);
        [$whole, $cut] = array_map(static fn (Message $m): array => $m->jsonSerialize(), $desk->messages->changesSince(0, 9));
        self::assertSame(str_repeat('ü', 20_000), $whole['text']);
        self::assertSame(str_repeat('ü', 19_999) . '…', $cut['text']);
        self::assertSame(array_fill(0, 20, ['type' => 'file', 'title' => str_repeat('t', 80), 'url' => '']), $cut['attachments']);
        self::assertSame(str_repeat('n', 80), self::conversation($desk->messages->lastOfEach(1)[0])['name']);
        self::assertSame([str_repeat('ü', 200)], self::texts($desk->messages->lastOfEach(1)), 'a preview');
    }

    public function testAFileOfALaterVersionIsLeftAlone(): void
    {
        $file = (string) tempnam(sys_get_temp_dir(), 'relay');
        try {
            (new Support($file))->database->run('PRAGMA user_version = 99');
            $this->expectExceptionMessage('the database is of version 99');
            new Database($file);
        } finally {
            array_map('unlink', (array) glob("$file*"));
        }
    }

    public function testAFileIsFoundAsItWasLeft(): void
    {
        $file = (string) tempnam(sys_get_temp_dir(), 'relay');
        try {
            $desk = new Support($file);
            $desk->answered('kept');
            $again = new Support($file);
            self::assertSame($desk->messages->desk(), $again->messages->desk());
            self::assertSame(['Help!', 'kept'], self::texts($again->messages->changesSince(0, 10)));
            self::assertSame('wal', $again->database->row('PRAGMA journal_mode')?->text('journal_mode'));
            self::assertSame(2, $again->database->row('PRAGMA synchronous')?->int('synchronous'), 'FULL');
        } finally {
            array_map('unlink', (array) glob("$file*"));
        }
    }

    public function testAReferenceIsThatOfItsDeskAlone(): void
    {
        $answer = new Answer(7, 1, 'web', 'c', 'x', 1, 0, 'abc');
        self::assertSame(7, Answer::idOf($answer->reference(), 'abc'));
        foreach (['relay-abd-7', 'relay-abc-', 'relay-abc-07', 'relay-abc-7x', "relay-abc-7\n", ''] as $other) {
            self::assertNull(Answer::idOf($other, 'abc'), $other);
        }
    }

    /**
     * @param list<Message> $messages
     *
     * @return list<mixed>
     */
    private static function texts(array $messages): array
    {
        return array_map(static fn (Message $message) => $message->jsonSerialize()['text'], $messages);
    }

    /**
     * @param list<Message> $messages
     *
     * @return list<int>
     */
    private static function seqs(array $messages): array
    {
        return array_map(static fn (Message $message) => $message->seq(), $messages);
    }

    /** @return array<array-key, mixed> */
    private static function conversation(Message $message): array
    {
        return (array) $message->jsonSerialize()['conversation'];
    }
}
