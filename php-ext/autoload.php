<?php

/**
 * The way in without Composer: one require, and the classes are there.
 *
 * It gives what Composer's autoloader gives: the classes of WsPush\ by PSR-4, and the façades registered.
 */

declare(strict_types=1);

spl_autoload_register(static function (string $class): void {
    if (strncmp($class, 'WsPush\\', 7) === 0) {
        $file = __DIR__ . '/src/' . strtr(substr($class, 7), '\\', '/') . '.php';
        if (is_file($file)) {
            require $file;
        }
    }
});

require_once __DIR__ . '/src/register.php';
