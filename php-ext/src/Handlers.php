<?php

declare(strict_types=1);

namespace WsPush;

/**
 * The handlers of one server, by event. A record: Server::on() fills it, Native calls it.
 *
 * @internal
 */
final class Handlers
{
    public ?\Closure $open = null;
    public ?\Closure $message = null;
    public ?\Closure $drain = null;
    public ?\Closure $close = null;
    public ?\Closure $request = null;
    public ?\Closure $handshake = null;
    public ?\Closure $start = null;
    public ?\Closure $stop = null;
}
