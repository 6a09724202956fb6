<?php

/**
 * Sends every message to everyone, and announces nobody.
 *
 *     php wspush_broadcast.php PORT [publish]
 *
 * With "publish", by way of a topic that everyone is subscribed to.
 */

declare(strict_types=1);

use WsPush\Request;
use WsPush\Server;

require __DIR__ . '/../php-ext/autoload.php';

$server = new Server(['max_message_size' => '64M']);
$server->listen('127.0.0.1', (int) $argv[1]);
if (($argv[2] ?? '') === 'publish') {
    $server->on('open', function (Server $server, Request $request): void {
        $server->subscribe($request->conn, 'everyone');
    });
    $server->on('message', function (Server $server, int $conn, string $data, int $opcode): void {
        $server->publish('everyone', $data, $opcode);
    });
} else {
    $server->on('message', function (Server $server, int $conn, string $data, int $opcode): void {
        $server->broadcast($data, $opcode);
    });
}
$server->run();
