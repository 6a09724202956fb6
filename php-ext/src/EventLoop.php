<?php

declare(strict_types=1);

namespace WsPush;

/**
 * Waits for a server, clients and timers in one thread: for a relay, which is both ends, without an event loop from elsewhere.
 *
 *     $loop = new WsPush\EventLoop();
 *     $loop->add($server)->add($upstream);
 *     $loop->run();
 *
 * With one source it is as quick as that source's own run(). With more, it waits for their descriptors.
 */
final class EventLoop
{
    /** How long a wait is at a stretch, because of signals that come in the instant before it. */
    private const WAIT_MS = 1000;

    /** The longest wait for a timer, which comes when it comes: more does not fit what C takes. */
    private const LONGEST_MS = 86_400_000;

    /** @var list<EventSource> */
    private array $sources = [];
    /** @var list<EventSource> those that have not been seen running yet */
    private array $added = [];
    /** @var array<int, array{float, callable(): mixed}> when, in seconds of now(), and what */
    private array $timers = [];
    private int $lastTimer = 0;

    /** @param \Closure(\Throwable): void|null $log where goes what timers throw; null: error_log() */
    public function __construct(private readonly ?\Closure $log = null)
    {
    }

    /**
     * Adds what is to be waited for: at any time, inside handlers too, started or not. run() starts it, if it does not run. It
     * leaves the loop when it has ended.
     *
     * @return $this
     */
    public function add(EventSource $source): static
    {
        if (!$source->isRunning()) {
            // It may have ended, and still be here.
            $this->sources = \array_values(\array_filter($this->sources, static fn (EventSource $other): bool => $other !== $source));
        }
        if (!\in_array($source, $this->sources, true) && !\in_array($source, $this->added, true)) {
            $this->added[] = $source;
        }

        return $this;
    }

    /**
     * Calls a function later, once.
     *
     * @param float $seconds from now; INF: never, and until then there is something to wait for
     * @param callable(): mixed $call
     *
     * @return int for cancel()
     *
     * @throws Exception ARGUMENT: not a number
     */
    public function after(float $seconds, callable $call): int
    {
        if (\is_nan($seconds)) {
            throw new Exception('after: a time that is not a number', Exception::ARGUMENT);
        }
        $this->timers[++$this->lastTimer] = [self::now() + $seconds, $call];

        return $this->lastTimer;
    }

    /** Takes a timer back. To do so twice, or too late, does no harm. */
    public function cancel(int $timer): void
    {
        unset($this->timers[$timer]);
    }

    /**
     * Starts what does not run yet, and handles events until every source has ended and no timer waits, or SIGINT, SIGTERM or
     * SIGQUIT where the pcntl extension is there: then all are stopped, and timers forgotten.
     *
     * @param bool $signals false: leave the signals to the program
     *
     * @throws Exception of a source that cannot be started
     */
    public function run(bool $signals = true): void
    {
        $held = $signals ? new Signals(fn () => $this->stop()) : null;
        try {
            $this->startAdded();
            while ($this->isRunning()) {
                $this->poll(self::WAIT_MS);
                $this->startAdded();
            }
        } finally {
            $held?->release();
        }
    }

    /**
     * Waits for events and timers, and handles them.
     *
     * @param int $timeoutMs how long at most; 0 not at all
     *
     * @return int events taken, timers included
     */
    public function poll(int $timeoutMs): int
    {
        $this->added === [] || $this->takeIn();
        if (\count($this->sources) === 1 && $this->sources[0]->isRunning()) {
            $count = $this->sources[0]->poll($this->timers === [] ? $timeoutMs : $this->untilTimer($timeoutMs));

            return $this->timers === [] ? $count : $count + $this->callTimers();
        }
        $this->sources = \array_values(\array_filter($this->sources, static fn (EventSource $source): bool => $source->isRunning()));
        $count = $this->takeAll();
        if ($count > 0 || $timeoutMs === 0) {
            return $count;
        }
        $descriptors = [];
        foreach ($this->sources as $source) {
            if ($source->isRunning()) {
                $descriptors[] = $source->eventFd();
            }
        }
        Native::waitForAny($descriptors, $this->untilTimer($timeoutMs));

        return $this->takeAll();
    }

    /** Whether there is anything to wait for. */
    public function isRunning(): bool
    {
        foreach ([...$this->sources, ...$this->added] as $source) {
            if ($source->isRunning()) {
                return true;
            }
        }

        return $this->timers !== [];
    }

    /**
     * Stops every source, and forgets all timers, and what was to be started. Events that are under way follow.
     *
     * @param int $timeoutMs milliseconds that clients of a server get
     */
    public function stop(int $timeoutMs = Server::STOP_TIMEOUT_MS): void
    {
        $this->timers = [];
        $this->takeIn();
        $this->added = [];
        // Servers come last, for their stop() waits.
        \usort($this->sources, static fn (EventSource $a, EventSource $b): int => $a instanceof Server <=> $b instanceof Server);
        foreach ($this->sources as $source) {
            $source->isRunning() && $source->stop($timeoutMs);
        }
    }

    private function startAdded(): void
    {
        while (($source = \array_shift($this->added)) !== null) {
            $this->sources[] = $source;
            $source->isRunning() || $source->start();
        }
    }

    /** Those that run by now. */
    private function takeIn(): void
    {
        foreach ($this->added as $i => $source) {
            if ($source->isRunning()) {
                $this->sources[] = $source;
                unset($this->added[$i]);
            }
        }
        $this->added = \array_values($this->added);
    }

    /** What is there, of each source one batch. */
    private function takeAll(): int
    {
        $count = 0;
        foreach ($this->sources as $source) {
            $count += $source->isRunning() ? $source->poll(0) : 0;
        }

        return $count + $this->callTimers();
    }

    /** Those whose time has come. */
    private function callTimers(): int
    {
        $count = 0;
        $now = self::now();
        foreach ($this->timers as $number => [$at, $call]) {
            if ($at <= $now && isset($this->timers[$number])) {
                unset($this->timers[$number]);
                ++$count;
                try {
                    $call();
                } catch (\Throwable $thrown) {
                    $this->log === null ? \error_log("wspush: a timer threw $thrown") : ($this->log)($thrown);
                }
            }
        }

        return $count;
    }

    private function untilTimer(int $timeoutMs): int
    {
        foreach ($this->timers as [$at]) {
            $left = (int) \ceil(\min(\max(0.0, ($at - self::now()) * 1000), self::LONGEST_MS));
            $timeoutMs = $timeoutMs < 0 ? $left : \min($timeoutMs, $left);
        }

        return $timeoutMs;
    }

    /** Seconds by a clock that nobody sets. */
    private static function now(): float
    {
        return \hrtime(true) / 1e9;
    }
}
