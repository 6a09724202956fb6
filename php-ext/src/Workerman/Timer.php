<?php

declare(strict_types=1);

namespace WsPush\Workerman;

use WsPush\Exception;

/** Workerman\Timer: functions that are called later, in a worker process, in between its events. */
final class Timer
{
    /** @var array<int, int> number that the program has => number of what waits in the loop */
    private static array $waiting = [];
    private static int $last = 0;

    /**
     * Calls a function after so many seconds, and again after each further so many unless $persistent is false.
     *
     * @param callable(mixed...): mixed $func what it throws is logged, and the timer goes on
     * @param array<array-key, mixed>|null $args
     *
     * @return int for del()
     *
     * @throws Exception STATE: not in a worker process; ARGUMENT: an interval that is none
     */
    public static function add(float $interval, callable $func, ?array $args = [], bool $persistent = true): int
    {
        if (!($interval > 0)) { // nor what is no number
            throw new Exception("Timer::add($interval): more than no seconds", Exception::ARGUMENT);
        }
        $number = ++self::$last;
        self::wait($number, $interval, static fn () => $func(...\array_values($args ?? [])), $persistent);

        return $number;
    }

    /** Takes a timer back. False: there is none of that number. */
    public static function del(int $timer_id): bool
    {
        if (!isset(self::$waiting[$timer_id])) {
            return false;
        }
        Worker::loop()->cancel(self::$waiting[$timer_id]);
        unset(self::$waiting[$timer_id]);

        return true;
    }

    /** Takes all of them back. */
    public static function delAll(): void
    {
        foreach (\array_keys(self::$waiting) as $number) {
            self::del($number);
        }
    }

    /**
     * @param list<mixed> $arguments
     *
     * @throws Exception always, naming the method
     */
    public static function __callStatic(string $name, array $arguments): never
    {
        throw Exception::notYet("Workerman\\Timer::$name()");
    }

    private static function wait(int $number, float $interval, \Closure $call, bool $persistent): void
    {
        self::$waiting[$number] = Worker::loop()->after($interval, static function () use ($number, $interval, $call, $persistent): void {
            unset(self::$waiting[$number]);
            if ($persistent && !Worker::isStopping()) {
                self::wait($number, $interval, $call, true);
            }
            $call();
        });
    }
}
