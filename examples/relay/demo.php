<?php

/**
 * The relay with customers that are a program: to look at, without an account anywhere. Nothing leaves this machine.
 *
 *     php demo.php [PORT]          8080 when not given; then open the address that it prints
 *
 * It runs relay.php as anybody would, on a database that is removed at the end, and plays the other side of its web channel: it
 * posts signed messages to /hook/web, and takes the answers at its reply_url.
 */

declare(strict_types=1);

use Relay\Channel\Signature;
use Relay\Fields;
use Relay\Outgoing\Call;
use Relay\Outgoing\HttpClient;

require __DIR__ . '/autoload.php';

const TOKEN = 'demo-demo-demo-demo';
/** What simulated customers say: the first line by themselves, each further one on an answer. */
const SCRIPTS = [
    ['Hello! Where is my parcel? It was to come yesterday.', 'Oh good. Can I choose another day?', 'Perfect, thank you!'],
    ['Can I change the address of my order?', 'It is number 15 b, not 15.', 'Thanks, that was quick.'],
    ['The lamp came without a bulb. Is that as it should be?', 'I see. Which one fits?', 'Ordered. Have a nice day!'],
    ['Is it possible to send one of the two back?', 'And the label is in the box?', 'Found it!'],
];
const FIRST_AFTER = 1.0;
const NEXT_CUSTOMER_AFTER = 12.0;
const MOST_CUSTOMERS = 12;
const THINKING = 2.5;

$port = $argv[1] ?? '8080';
if (count($argv) > 2 || preg_match('/^\d{1,5}$/D', $port) !== 1) {
    fwrite(STDERR, "usage: php demo.php [PORT]\n");
    exit(2);
}

$secret = bin2hex(random_bytes(16));
$directory = sys_get_temp_dir() . '/relay-demo-' . bin2hex(random_bytes(6));
mkdir($directory, 0o700);
register_shutdown_function(static function () use ($directory): void {
    array_map('unlink', (array) glob("$directory/*"));
    @rmdir($directory);
});
$replies = stream_socket_server('tcp://127.0.0.1:0') ?: throw new RuntimeException('no port is free');
$relay = proc_open([PHP_BINARY, __DIR__ . '/relay.php'], [1 => ['pipe', 'w'], 2 => STDERR], $pipes, null, [
    'RELAY_LISTEN' => "127.0.0.1:$port",
    'RELAY_DATABASE' => "$directory/relay.sqlite",
    'RELAY_AGENTS' => 'agent:' . TOKEN,
    'RELAY_DESK_NAME' => 'Demo desk',
    'RELAY_NOTICE' => 'A demo with simulated customers: nothing leaves this machine. Token: ' . TOKEN,
    'RELAY_WEB_SECRET' => $secret,
    'RELAY_WEB_REPLY_URL' => 'http://' . stream_socket_get_name($replies, false),
] + getenv());
if ($relay === false || preg_match('/:(\d+)$/m', (string) fgets($pipes[1]), $match) !== 1) {
    exit(1); // it has said why
}
$url = "http://127.0.0.1:$match[1]";
fwrite(STDOUT, "listening on 127.0.0.1:$match[1]\nopen $url/ and log in with " . TOKEN . "\n");

// Ctrl-C goes to the relay as well, which ends; SIGTERM we pass on. Then its output ends, and with it the loop below.
if (function_exists('pcntl_signal')) {
    pcntl_async_signals(true);
    pcntl_signal(SIGINT, static fn () => null, false);
    pcntl_signal(SIGTERM, static fn () => proc_terminate($relay), false);
}

$http = new HttpClient(5000);
/** @var array<string, int> $told customer => lines that were said */
$told = [];
/** @var list<array{float, string}> $plans when, and which customer speaks */
$plans = [[microtime(true) + FIRST_AFTER, 'c1']];
$say = static function (string $customer) use ($http, $url, $secret, &$told): void {
    $number = (int) substr($customer, 1);
    $line = SCRIPTS[($number - 1) % count(SCRIPTS)][$told[$customer] ?? 0] ?? null;
    if ($line !== null) {
        $told[$customer] = ($told[$customer] ?? 0) + 1;
        $name = 'Order ' . (1100 + 37 * $number) . ' (simulated)';
        $message = ['id' => "$customer-$told[$customer]", 'customer' => ['id' => $customer, 'name' => $name], 'text' => $line];
        $http->post(new Call("$url/hook/web", $message, [], $secret));
    }
};
/** Takes one answer of the relay; the customer whom it was for, if its signature is right. */
$take = static function ($connection) use ($secret): string {
    stream_set_timeout($connection, 2);
    $request = '';
    do {
        $more = (string) fread($connection, 65536);
        $request .= $more;
        [$head, $body] = explode("\r\n\r\n", $request, 2) + [1 => ''];
        preg_match('/^content-length: *(\d+)/mi', $head, $length);
    } while ($more !== '' && strlen($body) < (int) ($length[1] ?? 1));
    preg_match('/^x-signature-256: *(\S+)/mi', $head, $signature);
    $isRight = Signature::isRight($signature[1] ?? null, $body, $secret);
    fwrite($connection, 'HTTP/1.1 ' . ($isRight ? '204 No Content' : '403 Forbidden') . "\r\n\r\n");

    return $isRight ? Fields::json($body)?->at('customer')->text('id') ?? '' : '';
};

while (true) {
    $wait = $plans === [] ? 60.0 : max(0.0, min(array_column($plans, 0)) - microtime(true));
    $read = [$replies, $pipes[1]];
    $none = null;
    $ready = @stream_select($read, $none, $none, (int) $wait, (int) (fmod($wait, 1) * 1e6));
    if ($ready > 0 && in_array($pipes[1], $read, true)) {
        break; // the relay has nothing more to say: it has ended
    }
    if ($ready > 0 && ($connection = @stream_socket_accept($replies, 0)) !== false) {
        $customer = $take($connection);
        fclose($connection);
        if ($customer !== '') {
            $plans[] = [microtime(true) + THINKING, $customer];
        }
    }
    foreach ($plans as $i => [$at, $customer]) {
        if ($at <= microtime(true)) {
            unset($plans[$i]);
            $isNew = !isset($told[$customer]);
            $say($customer);
            if ($isNew && count($told) < MOST_CUSTOMERS) {
                $plans[] = [microtime(true) + NEXT_CUSTOMER_AFTER, 'c' . (count($told) + 1)];
            }
        }
    }
}
exit(proc_close($relay));
