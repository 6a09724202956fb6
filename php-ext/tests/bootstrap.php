<?php

declare(strict_types=1);

require __DIR__ . '/../autoload.php';

spl_autoload_register(static function (string $class): void {
    if (strncmp($class, 'WsPush\\Tests\\', 13) === 0) {
        require __DIR__ . '/' . strtr(substr($class, 13), '\\', '/') . '.php';
    }
});

// As a terminal has them. Whoever runs the tests in the background has them ignored, and that is inherited.
foreach ([SIGHUP, SIGINT, SIGQUIT, SIGTERM] as $signal) {
    pcntl_signal($signal, SIG_DFL);
}
