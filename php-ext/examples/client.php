<?php

/**
 * Sends each line of its input as a message, and prints what comes back, until its input ends or the server closes.
 *
 *     php client.php ws://127.0.0.1:9001/
 */

declare(strict_types=1);

use WsPush\Client;
use WsPush\ConnectException;
use WsPush\Exception;

require __DIR__ . '/../autoload.php';

if (!isset($argv[1])) {
    fwrite(STDERR, "usage: php client.php URL\n");
    exit(2);
}

$client = new Client($argv[1], ['max_message_size' => '64M']);
$client->on('message', function (Client $client, string $data, int $opcode): void {
    fwrite(STDOUT, $opcode === Client::TEXT ? "$data\n" : bin2hex($data) . " (binary)\n");
});
$client->on('close', function (Client $client, int $code, string $reason): void {
    fwrite(STDERR, "closed with $code $reason\n");
});
try {
    $client->connect();
} catch (ConnectException $exception) {
    fwrite(STDERR, "{$exception->getMessage()}\n");
    exit(1);
}

// Two things to wait for: a line, and the server.
$events = $client->eventStream();
$input = '';
while ($client->isRunning()) {
    $readable = [STDIN, $events];
    $none = null;
    if (@stream_select($readable, $none, $none, null) > 0 && in_array(STDIN, $readable, true)) {
        $more = fread(STDIN, 65536);
        $ends = $more === '' || $more === false;
        $lines = explode("\n", $input . $more);
        $input = array_pop($lines);
        if ($ends && $input !== '') {
            $lines[] = $input; // the last one, which no line break ends
        }
        foreach ($lines as $line) {
            try {
                $client->send($line);
            } catch (Exception $exception) {
                fwrite(STDERR, "{$exception->getMessage()}\n"); // it has closed, or the line is not UTF-8
            }
        }
        if ($ends) {
            $client->close(); // what was sent goes out; what comes from now on is not told
            break;
        }
    }
    $client->poll();
}
