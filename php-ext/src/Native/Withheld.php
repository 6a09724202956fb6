<?php

declare(strict_types=1);

namespace WsPush\Native;

use WsPush\CloseCause;

/**
 * Connections whose events are not delivered as they come. Of one that the program has closed no message is delivered any more,
 * though the batch that is being handed out may have some yet: the engine leaves them out of later ones. What a paused one has sent
 * waits here until it is resumed, and its end behind that. It is no more than the engine had received when it heard of the pause: at
 * most about max_event_bytes at a time.
 *
 * @internal a part of WsPush\Native\Server
 */
final class Withheld
{
    /** @var array<int, list<array{string, int, ?CloseCause}>|null> by connection: null: closed, until the end of the batch. Payload or
     *                                                        reason, opcode or code, and the cause if it is the close event. Most of
     *                                                        the time it is empty */
    public array $events = [];
    /** @var array<int, true> connections that were resumed and have events here yet */
    private array $resumed = [];
    /** @var list<int> connections that were closed by handlers of this batch */
    private array $closed = [];

    /** The program has closed it, in a handler if a batch is being handed out. That is told all the same. */
    public function close(int $conn, bool $inBatch): void
    {
        $end = $this->end($conn);
        unset($this->events[$conn], $this->resumed[$conn]);
        if ($end !== null) {
            $this->events[$conn] = [$end];
            $this->resumed[$conn] = true;
        } elseif ($inBatch) {
            $this->events[$conn] = null;
            $this->closed[] = $conn;
        }
    }

    /** A batch was handed out. */
    public function endBatch(): void
    {
        foreach ($this->closed as $conn) {
            if (!isset($this->events[$conn])) {
                unset($this->events[$conn]);
            }
        }
        $this->closed = [];
    }

    public function pause(int $conn): void
    {
        if (!\array_key_exists($conn, $this->events)) {
            $this->events[$conn] = [];
        }
        unset($this->resumed[$conn]);
    }

    /** Whether there is anything to be resumed. */
    public function resume(int $conn): bool
    {
        if (!isset($this->events[$conn])) {
            return false;
        }
        if ($this->events[$conn] === []) {
            unset($this->events[$conn]);
        } else {
            $this->resumed[$conn] = true;
        }

        return true;
    }

    /** Whether a message is not to be delivered now. */
    public function takes(int $conn, string $data, int $opcode): bool
    {
        if (!\array_key_exists($conn, $this->events)) {
            return false;
        }
        if ($this->events[$conn] !== null) {
            $this->events[$conn][] = [$data, $opcode, null];
        }

        return true;
    }

    /** Whether the end of a connection waits behind its messages. If not, nothing is known of it any more. */
    public function takesEnd(int $conn, int $code, string $reason, CloseCause $cause): bool
    {
        if (($this->events[$conn] ?? []) === []) {
            unset($this->events[$conn], $this->resumed[$conn]);

            return false;
        }
        $this->events[$conn][] = [$reason, $code, $cause];

        return true;
    }

    /** All that are paused go on. */
    public function resumeAll(): void
    {
        \array_map($this->resume(...), \array_keys($this->events));
    }

    /** The end of a connection was told. */
    public function forget(int $conn): void
    {
        unset($this->events[$conn], $this->resumed[$conn]);
    }

    /**
     * The next event of those that were resumed: its connection, payload or reason, opcode or code, the cause if it is the end.
     *
     * @return array{int, string, int, ?CloseCause}|null
     */
    public function next(): ?array
    {
        foreach ($this->resumed as $conn => $_) {
            $event = isset($this->events[$conn]) ? \array_shift($this->events[$conn]) : null;
            if (($this->events[$conn] ?? []) === []) {
                unset($this->events[$conn], $this->resumed[$conn]);
            }
            if ($event !== null) {
                return [$conn, ...$event];
            }
        }

        return null;
    }

    /** @return array{string, int, ?CloseCause}|null the close event, if it waits */
    private function end(int $conn): ?array
    {
        $events = $this->events[$conn] ?? [];
        $last = $events === [] ? null : $events[\count($events) - 1];

        return $last !== null && $last[2] !== null ? $last : null;
    }
}
