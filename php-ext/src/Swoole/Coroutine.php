<?php

declare(strict_types=1);

namespace WsPush\Swoole;

use WsPush\Exception;

/** Swoole\Coroutine: what a program with one client needs of it. There is one coroutine, the program itself. */
final class Coroutine
{
    /** Waits for so many seconds. */
    public static function sleep(float $seconds): bool
    {
        \usleep((int) \max(0.0, $seconds * 1e6));

        return true;
    }

    /** As Swoole answers outside of all coroutines. */
    public static function getCid(): int
    {
        return -1;
    }

    /**
     * @param list<mixed> $arguments
     *
     * @throws Exception always, naming the method: create(), set() …
     */
    public static function __callStatic(string $name, array $arguments): never
    {
        throw Exception::notYet("Swoole\\Coroutine::$name()");
    }
}
