<?php

declare(strict_types=1);

namespace WsPush\Native;

use WsPush\CloseCause;

/**
 * Connections whose events are not delivered as they come. Of one that the program has closed no message is delivered any more,
 * though the batch that is being handed out may have some yet: the engine leaves them out of later ones. What a paused one has sent
 * waits here until it is resumed, and its end behind that. Of one connection it is no more than the engine had received when it heard
 * of the pause. Of all together it is bounded: a script beyond its memory_limit would be no more. Once it is too much, the connection
 * for which the most waits is closed with 1013, and its messages are dropped.
 *
 * @internal a part of WsPush\Native\Server
 */
final class Withheld
{
    /** The reason that is told of a connection that was closed for what waited of it. */
    public const REASON = 'too much waits for paused connections';
    private const CODE = 1013;
    /** How much may wait for all of them, in bytes; a quarter of memory_limit if that is less. */
    private const MOST = 64 << 20;
    /** What a message takes beside its payload, in bytes. */
    private const COST = 256;

    /** Bytes that wait, those of all connections. */
    public int $bytes = 0;
    /** How many may. */
    public int $most;
    /** How many connections were closed for it. */
    public int $shed = 0;
    /** @var array<int, int> bytes that wait, by connection */
    private array $bytesOf = [];
    /** @var array<int, true> connections that were closed for what waited of them, until that is told */
    private array $shedding = [];
    /** @var array<int, list<array{string, int, ?CloseCause}>|null> by connection: null: closed, until the end of the batch. Payload or
     *                                                        reason, opcode or code, and the cause if it is the close event. Most of
     *                                                        the time it is empty */
    public array $events = [];
    /** @var array<int, true> connections that were resumed and have events here yet */
    private array $resumed = [];
    /** @var list<int> connections that were closed by handlers of this batch */
    private array $closed = [];

    public function __construct()
    {
        $limit = self::bytes((string) \ini_get('memory_limit'));
        $this->most = $limit > 0 ? \min(self::MOST, \intdiv($limit, 4)) : self::MOST;
    }

    /** The program has closed it, in a handler if a batch is being handed out. That is told all the same. */
    public function close(int $conn, bool $inBatch): void
    {
        $end = $this->end($conn);
        $this->drop($conn);
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
            $cost = \strlen($data) + self::COST;
            $this->bytes += $cost;
            $this->bytesOf[$conn] = ($this->bytesOf[$conn] ?? 0) + $cost;
        }

        return true;
    }

    /** The connection to be closed because too much waits: the one of which the most does. Null: it is not too much. */
    public function tooMuch(): ?int
    {
        return $this->bytes > $this->most ? (int) \array_search(\max($this->bytesOf), $this->bytesOf, true) : null;
    }

    /** Drops what waits of a connection that is closed for it. If it has ended already, that is told as such an end. */
    public function shed(int $conn): void
    {
        ++$this->shed;
        $hasEnded = $this->end($conn) !== null;
        $this->drop($conn);
        if ($hasEnded) {
            $this->events[$conn] = [[self::REASON, self::CODE, CloseCause::Memory]];
            $this->resumed[$conn] = true;
        } else {
            $this->events[$conn] = null;
            $this->closed[] = $conn;
            $this->shedding[$conn] = true;
        }
    }

    /**
     * What is told of the end of a connection: code, reason and cause.
     *
     * @return array{int, string, CloseCause}
     */
    public function told(int $conn, int $code, string $reason, CloseCause $cause): array
    {
        if (!isset($this->shedding[$conn])) {
            return [$code, $reason, $cause];
        }
        unset($this->shedding[$conn]);

        return [self::CODE, self::REASON, CloseCause::Memory];
    }

    /** Whether the end of a connection waits behind its messages. If not, nothing is known of it any more. */
    public function takesEnd(int $conn, int $code, string $reason, CloseCause $cause): bool
    {
        if (($this->events[$conn] ?? []) === []) {
            $this->drop($conn);

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
        $this->drop($conn);
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
            if ($event !== null && $event[2] === null) {
                $cost = \strlen($event[0]) + self::COST;
                $this->bytes -= $cost;
                $this->bytesOf[$conn] -= $cost;
            }
            if (($this->events[$conn] ?? []) === []) {
                $this->drop($conn);
            }
            if ($event !== null) {
                return [$conn, ...$event];
            }
        }

        return null;
    }

    /** Nothing of a connection waits any more. */
    private function drop(int $conn): void
    {
        $this->bytes -= $this->bytesOf[$conn] ?? 0;
        unset($this->events[$conn], $this->resumed[$conn], $this->bytesOf[$conn]);
    }

    /** How many bytes a setting such as 128M is; -1 is no limit. */
    private static function bytes(string $setting): int
    {
        $shift = match (\strtoupper(\substr(\rtrim($setting), -1))) {
            'G' => 30,
            'M' => 20,
            'K' => 10,
            default => 0,
        };

        return (int) $setting << $shift;
    }

    /** @return array{string, int, ?CloseCause}|null the close event, if it waits */
    private function end(int $conn): ?array
    {
        $events = $this->events[$conn] ?? [];
        $last = $events === [] ? null : $events[\count($events) - 1];

        return $last !== null && $last[2] !== null ? $last : null;
    }
}
