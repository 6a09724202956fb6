<?php

declare(strict_types=1);

namespace WsPush;

/**
 * The handlers of one client, by event. A record: Client::on() fills it, Native\Client and Native\Loop call them.
 *
 * @internal
 */
final class ClientHandlers
{
    public ?\Closure $open = null;
    /** Whom a message goes to now: the handler of the program, or another in its place. Null: the program has none. */
    public ?\Closure $message = null;
    public ?\Closure $drain = null;
    public ?\Closure $close = null;
    public ?\Closure $error = null;
    public ?\Closure $retry = null;
    public ?\Closure $end = null;
    /** The handler of the program for messages */
    private ?\Closure $own = null;
    /** What takes messages in its place */
    private ?\Closure $instead = null;

    public function setMessage(\Closure $handler): void
    {
        $this->own = $handler;
        $this->message = $this->instead ?? $handler;
    }

    /** The handler of the program for messages. */
    public function own(): ?\Closure
    {
        return $this->own;
    }

    /** Has messages go to another than the handler of the program, if there is one. */
    public function divert(\Closure $instead): void
    {
        $this->instead = $instead;
        $this->message = $this->own === null ? null : $instead;
    }

    /** Has them go to that again. */
    public function restore(): void
    {
        $this->instead = null;
        $this->message = $this->own;
    }
}
