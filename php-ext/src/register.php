<?php

/**
 * Run once by either autoloader: from here on Swoole's and Workerman's names resolve to the façades,
 * where the real ones are absent.
 */

declare(strict_types=1);

WsPush\Facades::register();
