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
    public ?\Closure $message = null;
    public ?\Closure $drain = null;
    public ?\Closure $close = null;
    public ?\Closure $error = null;
    public ?\Closure $retry = null;
    public ?\Closure $end = null;
}
