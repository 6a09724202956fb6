<?php

declare(strict_types=1);

namespace Relay\Store;

use Relay\Fields;
use Relay\Outgoing\Answer;
use Relay\Outgoing\Backoff;
use Relay\Outgoing\Outcome;

/**
 * The queue of answers: the messages that are not yet out. One sender at a time works on it.
 *
 * An answer is noted as being sent before its call is made, and its outcome is noted when the call has returned. Only a sender
 * that dies in between leaves a doubt, which recover() finds.
 */
final class Outbox
{
    /** A clock that was set back by more than this since the last attempt says nothing about the next one. */
    private const CLOCK_SLACK_MS = 60_000;
    private const OPEN = [Message::QUEUED, Message::SENDING, Message::DOUBT];

    /** @param \Closure(): int $clock milliseconds since 1970 */
    public function __construct(
        private readonly Database $database,
        private readonly Messages $messages,
        private readonly Backoff $backoff,
        private readonly \Closure $clock,
    ) {
    }

    /**
     * The next answer whose time has come, now noted as being sent; null if there is none. A customer gets answers in the order
     * in which they were written: one that waits for its next attempt holds up those behind it.
     *
     * @param list<string> $paused channels that are left in peace for now
     */
    public function claim(array $paused = []): ?Answer
    {
        return $this->database->transaction(function () use ($paused): ?Answer {
            foreach ($this->heads() as $row) {
                if ($this->dueInMs($row) === 0 && !\in_array($row->text('channel'), $paused, true)) {
                    $this->database->run(
                        'UPDATE messages SET state = :sending, attempts = attempts + 1, sent_at = :now WHERE id = :id',
                        ['sending' => Message::SENDING, 'now' => ($this->clock)(), 'id' => $row->int('id')],
                    );

                    return $this->answer($row);
                }
            }

            return null;
        });
    }

    /**
     * Notes what became of a call.
     *
     * @param int $doubtMs see Channel::doubtMs()
     *
     * @return int milliseconds until the answer's next attempt; 0 if there will be none
     */
    public function settle(Answer $answer, Outcome $outcome, int $doubtMs): int
    {
        $now = ($this->clock)();
        $wait = match ($outcome->kind) {
            Outcome::LATER => $this->backoff->waitMs($answer->attempts),
            Outcome::DOUBT => \max($doubtMs, $this->backoff->waitMs($answer->attempts)),
            default => 0,
        };
        $values = match ($outcome->kind) {
            Outcome::SENT => ['state' => Message::SENT, 'note' => ''],
            Outcome::FAILED => ['state' => Message::FAILED, 'note' => $outcome->note],
            Outcome::LATER => ['state' => Message::QUEUED, 'due_at' => $now + $wait, 'note' => $outcome->note],
            Outcome::DOUBT => ['state' => Message::DOUBT, 'due_at' => $now + $wait, 'note' => $outcome->note],
        };
        if ($wait > 0 && $this->backoff->isOver($answer, $now)) {
            $values = ['state' => Message::FAILED, 'note' => "given up: $outcome->note"];
            $wait = 0;
        }
        $this->database->transaction(function () use ($answer, $outcome, $values): void {
            if ($outcome->externalId !== '' && !$this->messages->isKnown($answer->conversation, $outcome->externalId)) {
                $values['external_id'] = $outcome->externalId;
            }
            // If it is not being sent any more, its echo has come meanwhile, and knows better.
            $this->messages->change($answer->id, [Message::SENDING], $values);
        });

        return $wait;
    }

    /**
     * For a new sender: answers whose call a former one was making when it died. Their echo has some time to tell that they
     * arrived; then they are sent again.
     *
     * @param \Closure(string): int $doubtMs the time for a channel
     */
    public function recover(\Closure $doubtMs): void
    {
        $this->database->transaction(function () use ($doubtMs): void {
            $rows = $this->database->rows(Messages::SELECT . 'WHERE m.state = :sending', ['sending' => Message::SENDING]);
            foreach ($rows as $row) {
                $this->messages->change($row->int('id'), [Message::SENDING], [
                    'state' => Message::DOUBT,
                    'due_at' => ($this->clock)() + $doubtMs($row->text('channel')),
                    'note' => 'the sender was interrupted',
                ]);
            }
        });
    }

    /**
     * Milliseconds until an answer will be due; null when there is none to send.
     *
     * @param list<string> $paused as claim()
     */
    public function nextInMs(array $paused = []): ?int
    {
        $next = null;
        foreach ($this->heads() as $row) {
            if (!\in_array($row->text('channel'), $paused, true)) {
                $next = \min($next ?? \PHP_INT_MAX, $this->dueInMs($row));
            }
        }

        return $next;
    }

    private function dueInMs(Fields $row): int
    {
        $now = ($this->clock)();

        return $now < $row->int('sent_at') - self::CLOCK_SLACK_MS ? 0 : \max(0, $row->int('due_at') - $now);
    }

    /** @return list<Fields> the first open answer of each conversation, the one due first before the others */
    private function heads(): array
    {
        $open = "'" . \implode("', '", self::OPEN) . "'";
        $first = "SELECT min(id) AS first FROM messages WHERE state IN ($open) GROUP BY conversation";

        return $this->database->rows(
            Messages::SELECT . "JOIN ($first) ON first = m.id WHERE m.state != :sending ORDER BY m.due_at, m.id",
            ['sending' => Message::SENDING],
        );
    }

    private function answer(Fields $row): Answer
    {
        return new Answer(
            $row->int('id'),
            $row->int('conversation'),
            $row->text('channel'),
            $row->text('customer'),
            $row->text('text'),
            $row->int('attempts') + 1,
            $row->int('queued_at'),
            $this->messages->desk(),
        );
    }
}
