<?php

declare(strict_types=1);

namespace WsPush\Swoole;

use WsPush\Exception;

/**
 * Swoole\Server: here only the type that handlers declare their parameter with. The server itself does not exist yet.
 */
class BaseServer
{
    /** @throws Exception always: there is only Swoole\WebSocket\Server for now */
    public function __construct(string $host = '0.0.0.0', int $port = 0, int $mode = 1, int $sock_type = 1)
    {
        throw Exception::notYet('Swoole\Server', 'there is Swoole\WebSocket\Server');
    }
}
