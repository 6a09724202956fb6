<?php

/**
 * The client of wspush in PHP, many in one loop: wspush_client.php PORT CONNECTIONS SIZE IN_FLIGHT WARM_UP SECONDS
 */

declare(strict_types=1);

use WsPush\Client;
use WsPush\ClientLoop;

require __DIR__ . '/../php-ext/autoload.php';

[$port, $connections, $size, $inFlight] = array_map(intval(...), array_slice($argv, 1, 4));
[$warmUp, $seconds] = array_map(floatval(...), array_slice($argv, 5, 2));
$payload = str_repeat('x', $size);
$opened = 0;
$messages = 0;

/** Processor time of this process, in seconds. */
function cpu(): float
{
    $usage = getrusage();

    return $usage['ru_utime.tv_sec'] + $usage['ru_stime.tv_sec'] + ($usage['ru_utime.tv_usec'] + $usage['ru_stime.tv_usec']) / 1e6;
}

$loop = new ClientLoop();
for ($i = 0; $i < $connections; ++$i) {
    $client = new Client("ws://127.0.0.1:$port/", ['max_message_size' => '64M']);
    $client->on('open', function (Client $client) use ($payload, $inFlight, &$opened) {
        for ($k = 0; $k < $inFlight; ++$k) {
            $client->send($payload);
        }
        ++$opened;
    });
    $client->on('message', function (Client $client, string $data) use ($payload, $size, &$messages) {
        if (strlen($data) !== $size) {
            fwrite(STDERR, 'an answer of ' . strlen($data) . " bytes\n");
            exit(1);
        }
        ++$messages;
        $client->send($payload);
    });
    $client->on('close', function (Client $client, int $code) {
        fwrite(STDERR, "the server hung up: $code\n");
        exit(1);
    });
    $loop->add($client);
}
$loop->start();
while ($opened < $connections) {
    $loop->poll(1000);
}
for ($until = hrtime(true) + $warmUp * 1e9; hrtime(true) < $until;) {
    $loop->poll(100);
}
[$before, $started, $cpu] = [$messages, hrtime(true), cpu()];
for ($until = $started + $seconds * 1e9; hrtime(true) < $until;) {
    $loop->poll(100);
}
$took = (hrtime(true) - $started) / 1e9;
printf("messages_per_second=%.0f load_cpu=%.3f\n", ($messages - $before) / $took, (cpu() - $cpu) / $took);
