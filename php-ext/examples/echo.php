<?php

/**
 * Sends every message back, as text or binary as it came, up to 64 MiB.
 *
 *     php echo.php 9001            on 127.0.0.1
 *     php echo.php 0 0.0.0.0       on any free port, on all addresses
 */

declare(strict_types=1);

use WsPush\Server;

require __DIR__ . '/../autoload.php';

if (!isset($argv[1])) {
    fwrite(STDERR, "usage: php echo.php PORT [HOST]\n");
    exit(2);
}
$host = $argv[2] ?? '127.0.0.1';

$server = new Server(['max_message_size' => '64M']);
$server->listen($host, (int) $argv[1]);

$server->on('start', function (Server $server) use ($host): void {
    fwrite(STDOUT, "listening on $host:{$server->port()}\n");
});

$server->on('message', function (Server $server, int $conn, string $data, int $opcode): void {
    if (!$server->push($conn, $data, $opcode)) {
        $server->disconnect($conn); // it has gone, or takes none of its answers
    }
});

$server->run();
