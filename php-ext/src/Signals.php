<?php

declare(strict_types=1);

namespace WsPush;

/**
 * SIGINT, SIGTERM and SIGQUIT go to one handler for as long as this object has them; then the previous handlers
 * come back. Without the pcntl extension it does nothing, and the signals do what they always do.
 *
 * @internal used by Server::run() and the worker processes
 */
final class Signals
{
    /** @var array<int, callable|int> signal => what handled it before */
    private array $previous = [];
    private bool $wasAsync = false;

    /** @param callable(int): void $handler takes the signal's number */
    public function __construct(callable $handler)
    {
        if (!\function_exists('pcntl_signal') || !\function_exists('pcntl_async_signals')) {
            return;
        }
        $this->wasAsync = \pcntl_async_signals(true);
        foreach ([\SIGINT, \SIGTERM, \SIGQUIT] as $signal) {
            $this->previous[$signal] = self::current($signal);
            // No restart of system calls: the wait for events must end when a signal comes.
            \pcntl_signal($signal, static function (int $signal) use ($handler): void {
                $handler($signal);
            }, false);
        }
    }

    /** Puts the previous handlers back. */
    public function release(): void
    {
        foreach ($this->previous as $signal => $handler) {
            \pcntl_signal($signal, $handler);
        }
        if ($this->previous !== []) {
            \pcntl_async_signals($this->wasAsync);
            $this->previous = [];
        }
    }

    /** @return callable|int */
    private static function current(int $signal)
    {
        $handler = \pcntl_signal_get_handler($signal);

        return \is_callable($handler) || \is_int($handler) ? $handler : \SIG_DFL;
    }
}
