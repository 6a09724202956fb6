<?php

/**
 * WsPush\Client against an echo server: what comes back is sent again, on all connections by one ClientLoop.
 *
 *     php wspush_client.php PORT CONNECTIONS SIZE IN_FLIGHT WARM_UP SECONDS
 *
 * One connection alone is a Client of its own; with SCRIPT=1 in the environment it waits, by send() and receive().
 */

declare(strict_types=1);

use WsPush\Client;
use WsPush\ClientLoop;

require __DIR__ . '/../php-ext/autoload.php';

[, $port, $connections, $size, $inFlight, $warmUp, $seconds] = $argv;
$payload = str_repeat('x', (int) $size);
$options = ['max_message_size' => '64M', 'ping_interval' => 0];
$messages = 0;
$make = static fn (): Client => new Client("ws://127.0.0.1:$port/", $options);

if (getenv('SCRIPT') === '1') {
    $client = $make();
    $client->connect(10);
    for ($i = 0; $i < $inFlight; ++$i) {
        $client->send($payload);
    }
    $turn = static function () use ($client, &$messages): void {
        for ($i = 0; $i < 64; ++$i) {
            $client->send($client->receive()->data ?? '');
            ++$messages;
        }
    };
} else {
    $source = $connections > 1 ? new ClientLoop() : $make();
    for ($i = 0; $i < $connections; ++$i) {
        $client = $source instanceof Client ? $source : $make();
        $client->on('open', static function (Client $client) use ($payload, $inFlight): void {
            for ($i = 0; $i < $inFlight; ++$i) {
                $client->push($payload);
            }
        });
        $client->on('message', static function (Client $client, string $data) use (&$messages): void {
            ++$messages;
            $client->push($data);
        });
        $client->on('error', static fn (Client $client, Throwable $failure) => throw $failure);
        $source === $client || $source->add($client);
    }
    $source->start();
    $turn = static fn (): int => $source->poll(100);
}

/** Seconds of processor time. */
$busy = static function (): float {
    $used = getrusage();

    return $used['ru_utime.tv_sec'] + $used['ru_stime.tv_sec'] + ($used['ru_utime.tv_usec'] + $used['ru_stime.tv_usec']) / 1e6;
};
for ($end = microtime(true) + $warmUp; microtime(true) < $end;) {
    $turn();
}
[$before, $started, $cpu] = [$messages, microtime(true), $busy()];
for ($end = $started + $seconds; microtime(true) < $end;) {
    $turn();
}
$took = microtime(true) - $started;
printf("messages_per_second=%.0f load_cpu=%.3f\n", ($messages - $before) / $took, ($busy() - $cpu) / $took);
