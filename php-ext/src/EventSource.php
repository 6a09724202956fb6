<?php

declare(strict_types=1);

namespace WsPush;

/** What an EventLoop can wait for: a Server, a Client, a ClientLoop. */
interface EventSource
{
    /** @throws Exception when it cannot be started, or was already */
    public function start(): void;

    /**
     * Takes one batch of events and calls their handlers.
     *
     * @param int $timeoutMs how long to wait for the first event: 0 not at all, -1 without limit
     *
     * @return int events taken
     */
    public function poll(int $timeoutMs = 0): int;

    /**
     * A file descriptor that is readable while events wait.
     *
     * @throws Exception STATE: not started
     */
    public function eventFd(): int;

    /** Whether there are events to come. */
    public function isRunning(): bool;

    /**
     * Begins the end. Events that are under way follow, until isRunning() is false.
     *
     * @param int $timeoutMs what the other ends get to agree; a client gives its server close_timeout instead
     */
    public function stop(int $timeoutMs = 5000): void;
}
