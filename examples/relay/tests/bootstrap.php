<?php

declare(strict_types=1);

require __DIR__ . '/../autoload.php';

spl_autoload_register(static function (string $class): void {
    if (strncmp($class, 'RelayTests\\', 11) === 0) {
        require __DIR__ . '/' . strtr(substr($class, 11), '\\', '/') . '.php';
    }
});
