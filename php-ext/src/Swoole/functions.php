<?php

/**
 * Swoole\Coroutine\run() and Co\run(), where Swoole is absent: functions cannot be loaded when they are asked for.
 *
 * There is one coroutine, the program itself, which waits where Swoole would switch.
 */

declare(strict_types=1);

namespace Swoole\Coroutine {
    if (!\function_exists('Swoole\Coroutine\run')) {
        /** Calls the function. */
        function run(callable $fn, mixed ...$args): bool
        {
            $fn(...$args);

            return true;
        }
    }
}

namespace Co {
    if (!\function_exists('Co\run')) {
        /** Calls the function. */
        function run(callable $fn, mixed ...$args): bool
        {
            return \Swoole\Coroutine\run($fn, ...$args);
        }
    }
}
