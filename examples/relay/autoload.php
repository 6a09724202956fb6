<?php

declare(strict_types=1);

require __DIR__ . '/../../php-ext/autoload.php'; // with Composer: vendor/autoload.php

spl_autoload_register(static function (string $class): void {
    if (strncmp($class, 'Relay\\', 6) === 0) {
        require __DIR__ . '/src/' . strtr(substr($class, 6), '\\', '/') . '.php';
    }
});
