<?php

declare(strict_types=1);

namespace WsPush\Swoole;

use WsPush\Exception;

/**
 * Swoole\Http\Server: here only a type, as BaseServer. Swoole\WebSocket\Server with a 'request' handler serves HTTP too.
 */
class HttpServer extends BaseServer
{
    /** @throws Exception always */
    public function __construct(string $host = '0.0.0.0', int $port = 0, int $mode = 1, int $sock_type = 1)
    {
        throw Exception::notYet('Swoole\Http\Server', 'Swoole\WebSocket\Server takes on(\'request\', …)');
    }
}
