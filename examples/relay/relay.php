<?php

/**
 * A customer-service desk: webhooks in, agents' browsers, answers out. README.md has the set-up.
 *
 *     php relay.php relay.ini          with settings from a file, and from the environment
 *     php relay.php                    from the environment alone
 */

declare(strict_types=1);

use Relay\Config;
use Relay\Relay;

require __DIR__ . '/autoload.php';

$arguments = array_slice($argv, 1);
$isSender = ($arguments[0] ?? '') === '--sender'; // how the relay starts its sender
$file = $isSender ? $arguments[1] ?? null : $arguments[0] ?? null;
if (count($arguments) > ($isSender ? 2 : 1) || str_starts_with((string) $file, '-')) {
    fwrite(STDERR, "usage: php relay.php [relay.ini]\n");
    exit(2);
}
foreach (['ffi', 'pdo_sqlite', 'mbstring', 'openssl'] as $extension) {
    if (!extension_loaded($extension)) {
        fwrite(STDERR, "relay: this PHP has no $extension (apt install php-cli php-sqlite3 php-mbstring)\n");
        exit(1);
    }
}
// What is written here is customers' mail.
umask(0o077);
ini_set('error_log', '');
try {
    $config = Config::load($file, getenv());
    if ($isSender) {
        Relay::send($config);
    } else {
        Relay::serve($config, array_values(array_filter([PHP_BINARY, __FILE__, '--sender', $file], 'is_string')));
    }
} catch (InvalidArgumentException | RuntimeException $trouble) {
    fwrite(STDERR, "relay: {$trouble->getMessage()}\n");
    exit(1);
}
