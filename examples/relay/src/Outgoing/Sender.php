<?php

declare(strict_types=1);

namespace Relay\Outgoing;

use Relay\Channel\Channels;
use Relay\Store\Outbox;

/**
 * The process that makes the calls, so that no slow API ever holds up the desk. SenderProcess starts it.
 *
 * What it has to do stands in the database. A line on its input says that there is more, the end of the input that the relay
 * has gone; a line on its output says that it has changed something. It outlives the relay until the call under way is over and
 * noted, and the next sender waits for it at the lock: to kill the relay leaves no doubt about any answer.
 */
final class Sender
{
    private const LOCK_RETRY_MS = 100;
    private const LONGEST_SLEEP_MS = 60_000;
    private const NOTE_RETRY_MS = 500;
    private const NOTE_TRIES = 1200;

    /** @var array<string, int> channel => when it may be called again, by the clock */
    private array $pausedUntil = [];
    /** @var resource|null */
    private $lock = null;

    /**
     * @param \Closure(): int $clock milliseconds that only go up
     * @param resource $input
     * @param resource $output
     */
    public function __construct(
        private readonly Outbox $outbox,
        private readonly Channels $channels,
        private readonly HttpClient $http,
        private readonly string $lockFile,
        private readonly \Closure $clock,
        private $input,
        private $output,
    ) {
        \stream_set_blocking($this->input, false);
    }

    /** Works until the relay has gone. */
    public function run(): void
    {
        if (!$this->isAlone()) {
            return;
        }
        $this->outbox->recover(fn (string $channel): int => $this->channels->named($channel)?->doubtMs() ?? 0);
        // Of that, and of what a former sender has noted since the relay started.
        $this->tell();
        do {
            $answer = $this->outbox->claim($this->paused());
            if ($answer !== null) {
                $this->send($answer);
            }
        } while ($this->sleep($answer !== null ? 0 : $this->idleMs()));
    }

    private function send(Answer $answer): void
    {
        $channel = $this->channels->named($answer->channel);
        $outcome = Outcome::failed("the channel \"$answer->channel\" is not set up any more");
        if ($channel !== null) {
            try {
                $outcome = $channel->judge($this->http->post($channel->call($answer)));
            } catch (NotSent $trouble) {
                $outcome = Outcome::later($trouble->getMessage());
            } catch (NoReply $trouble) {
                $outcome = Outcome::doubt($trouble->getMessage());
            }
        }
        $wait = $this->note($answer, $outcome, $channel?->doubtMs() ?? 0);
        if ($outcome->forAll) {
            $this->pausedUntil[$answer->channel] = ($this->clock)() + $wait;
        }
        if ($outcome->kind !== Outcome::SENT) {
            $which = "answer $answer->id by $answer->channel, attempt $answer->attempts";
            \error_log("relay: $which: $outcome->kind: $outcome->note");
        }
        $this->tell();
    }

    /**
     * Notes the outcome, which nobody else knows: on a disk that is full, or a database that is busy, as soon as that has passed.
     * To end instead would have the answer sent again.
     */
    private function note(Answer $answer, Outcome $outcome, int $doubtMs): int
    {
        for ($tries = 1; ; ++$tries) {
            try {
                return $this->outbox->settle($answer, $outcome, $doubtMs);
            } catch (\PDOException $trouble) {
                if ($tries === 1) {
                    \error_log("relay: answer $answer->id: $outcome->kind, which cannot be noted yet: {$trouble->getMessage()}");
                }
                if ($tries >= self::NOTE_TRIES) {
                    throw $trouble;
                }
                \usleep(1000 * self::NOTE_RETRY_MS);
            }
        }
    }

    /** Waits until no other sender of this database is left. False when the relay goes meanwhile. */
    private function isAlone(): bool
    {
        $this->lock = @\fopen($this->lockFile, 'ce') ?: throw new \RuntimeException("$this->lockFile cannot be opened");
        while (!\flock($this->lock, \LOCK_EX | \LOCK_NB)) {
            if (!$this->sleep(self::LOCK_RETRY_MS)) {
                return false;
            }
        }

        return true;
    }

    /** @return list<string> */
    private function paused(): array
    {
        $now = ($this->clock)();
        $this->pausedUntil = \array_filter($this->pausedUntil, static fn (int $until): bool => $until > $now);

        return \array_keys($this->pausedUntil);
    }

    private function idleMs(): int
    {
        $paused = $this->paused();
        $ends = \array_map(fn (int $until): int => $until - ($this->clock)(), \array_values($this->pausedUntil));

        return \max(0, \min(self::LONGEST_SLEEP_MS, $this->outbox->nextInMs($paused) ?? self::LONGEST_SLEEP_MS, ...$ends));
    }

    /** Sleeps until the relay says something, or the time is over. False when the relay has gone. */
    private function sleep(int $milliseconds): bool
    {
        $read = [$this->input];
        $none = null;
        // A signal ends the wait, too: then it is one round more.
        if (@\stream_select($read, $none, $none, \intdiv($milliseconds, 1000), $milliseconds % 1000 * 1000) > 0) {
            return \fread($this->input, 4096) !== '' || !\feof($this->input);
        }

        return true;
    }

    private function tell(): void
    {
        @\fwrite($this->output, "\n");
    }
}
