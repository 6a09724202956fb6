<?php

/**
 * Sends every message to everyone, and announces nobody.
 *
 *     php wspush_broadcast.php PORT
 */

declare(strict_types=1);

use WsPush\Server;

require __DIR__ . '/../php-ext/autoload.php';

$server = new Server(['max_message_size' => '64M']);
$server->listen('127.0.0.1', (int) $argv[1]);
$server->on('message', function (Server $server, int $conn, string $data, int $opcode): void {
    $server->broadcast($data, $opcode);
});
$server->run();
