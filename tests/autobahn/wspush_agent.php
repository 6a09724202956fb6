<?php

/**
 * WsPush\Client under Autobahn's fuzzingserver: echoes what comes, case by case, and has the report written.
 *
 *     tests/autobahn/run-client php-client php tests/autobahn/wspush_agent.php {url} {agent}
 */

declare(strict_types=1);

use WsPush\Client;
use WsPush\ClosedException;

require __DIR__ . '/../../php-ext/autoload.php';

const OPTIONS = ['max_message_size' => '64M', 'max_queued_bytes' => '256M', 'max_command_bytes' => '256M', 'max_control_frames' => 0];

[, $url, $agent] = $argv;
$counter = new Client("$url/getCaseCount");
$counter->connect(10);
$count = (int) (string) $counter->receive(10);
$counter->close();
for ($case = 1; $case <= $count; ++$case) {
    $client = new Client("$url/runCase?case=$case&agent=$agent", OPTIONS);
    $client->connect(10);
    try {
        foreach ($client as $message) {
            $message->isText() ? $client->send($message->data) : $client->sendBinary($message->data);
        }
    } catch (ClosedException) {
        // many cases end so
    }
}
$reporter = new Client("$url/updateReports?agent=$agent");
$reporter->connect(10);
foreach ($reporter as $message) {
    // nothing is said, and the end means that it is written
}
