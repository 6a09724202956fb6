<?php

/**
 * A chat room: the page and the WebSocket on one port, from one process.
 *
 *     php chat.php 8080            then open http://127.0.0.1:8080/ in two tabs
 *
 * Clients send {"type": "join", "name": …} and {"type": "say", "text": …}. They receive "welcome" (with the last
 * messages), "say", "join" and "leave"; all of these carry "online", the number of people in the room, but "say".
 */

declare(strict_types=1);

use WsPush\Request;
use WsPush\Response;
use WsPush\Server;

require __DIR__ . '/../autoload.php';

const KEPT_MESSAGES = 30;

if (!isset($argv[1])) {
    fwrite(STDERR, "usage: php chat.php PORT [HOST]\n");
    exit(2);
}
$host = $argv[2] ?? '127.0.0.1';
$page = (string) file_get_contents(__DIR__ . '/chat.html');
/** @var array<int, string> $names of those in the room, by connection */
$names = [];
/** @var list<array<string, mixed>> $history */
$history = [];

/** At most $most characters on one line, without control characters; '' for what is no text at all. */
$tidy = static function (mixed $text, int $most): string {
    $text = is_string($text) ? trim((string) preg_replace('/[\p{Cc}\p{Zl}\p{Zp}]+/u', ' ', $text)) : '';

    return preg_match("/^.{1,$most}/us", $text, $match) === 1 ? $match[0] : '';
};

/** @param array<string, mixed> $message */
$tell = static function (Server $server, array $message) use (&$names): void {
    $json = json_encode($message, JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE);
    foreach ($names as $conn => $_) {
        $server->push($conn, $json);
    }
};

$server = new Server(['max_message_size' => '16K']);
$server->listen($host, (int) $argv[1]);

$server->on('start', function (Server $server) use ($host): void {
    fwrite(STDOUT, "listening on $host:{$server->port()}\nopen http://$host:{$server->port()}/\n");
});

$server->on('request', function (Request $request, Response $response) use ($page): void {
    if ($request->path !== '/') {
        $response->send(404, "Not found\n", ['Content-Type' => 'text/plain; charset=utf-8']);

        return;
    }
    $response->send(200, $page, [
        'Content-Type' => 'text/html; charset=utf-8',
        'Cache-Control' => 'no-cache',
        'Content-Security-Policy' => "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
            . "script-src 'unsafe-inline'; connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'",
    ]);
});

$server->on('message', function (Server $server, int $conn, string $data) use (&$names, &$history, $tidy, $tell): void {
    $message = json_decode($data, true, 4);
    $type = is_array($message) ? $message['type'] ?? '' : '';
    if ($type === 'join' && !isset($names[$conn])) {
        $name = $tidy($message['name'] ?? '', 24) ?: "guest $conn";
        $tell($server, ['type' => 'join', 'name' => $name, 'online' => count($names) + 1]);
        $names[$conn] = $name;
        $welcome = ['type' => 'welcome', 'name' => $name, 'online' => count($names), 'history' => $history];
        $server->push($conn, json_encode($welcome, JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE));
    } elseif ($type === 'say' && isset($names[$conn])) {
        $text = $tidy($message['text'] ?? '', 2000);
        if ($text !== '') {
            $say = ['type' => 'say', 'id' => $conn, 'name' => $names[$conn], 'text' => $text, 'time' => time()];
            $history = array_slice([...$history, $say], -KEPT_MESSAGES);
            $tell($server, $say);
        }
    }
});

$server->on('close', function (Server $server, int $conn) use (&$names, $tell): void {
    if (isset($names[$conn])) {
        $name = $names[$conn];
        unset($names[$conn]);
        $tell($server, ['type' => 'leave', 'name' => $name, 'online' => count($names)]);
    }
});

$server->run();
