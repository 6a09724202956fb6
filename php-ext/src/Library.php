<?php

declare(strict_types=1);

namespace WsPush;

/**
 * Where libwspush.so is looked for, and the words for when it is not found. Knows paths, not FFI.
 *
 * @internal used by Native
 */
final class Library
{
    /** The environment variable that names the library; it wins over everything but an explicit path. */
    public const VARIABLE = 'WSPUSH_LIBRARY';

    /**
     * The files to try, best first. A path that was asked for by name is the only one: to load another one
     * behind the back of whoever named it would hide their mistake.
     *
     * @param string|null $explicit the path given in code
     *
     * @return non-empty-list<string>
     */
    public static function candidates(?string $explicit): array
    {
        if ($explicit !== null) {
            return [$explicit];
        }
        $named = \getenv(self::VARIABLE);
        if (\is_string($named) && $named !== '') {
            return [$named];
        }
        $package = \dirname(__DIR__);
        $root = \dirname($package);

        return [
            "$package/lib/libwspush.so",
            "$root/build/lib/libwspush.so",
            "$root/target/release/libwspush.so",
            'libwspush.so.1',
            'libwspush.so',
        ];
    }

    /** A bare name is for the system's loader to find. */
    public static function isBareName(string $candidate): bool
    {
        return !\str_contains($candidate, '/');
    }

    /** Anything but a bare name must be a file. */
    public static function isThere(string $candidate): bool
    {
        return self::isBareName($candidate) || \is_file($candidate);
    }

    /** @param array<string, string> $tried candidate => what came of it */
    public static function notFound(array $tried): Exception
    {
        $lines = [];
        foreach ($tried as $candidate => $outcome) {
            $lines[] = "  $candidate: $outcome";
        }

        return new Exception(
            "libwspush.so was not found. Tried:\n" . \implode("\n", $lines) . "\n"
            . 'Build it (`make` in the source tree), or name the file in the environment variable '
            . self::VARIABLE . ' or in the argument $library of WsPush\Server or WsPush\Client.',
            Exception::LIBRARY,
        );
    }

    /** Why FFI cannot be used in this PHP, with what to do about it; null when it can. */
    public static function whyNoFfi(): ?Exception
    {
        if (!\extension_loaded('ffi')) {
            return new Exception(
                'wspush needs PHP\'s FFI extension, and it is not loaded. Install it (Debian and Ubuntu: '
                . '`apt install php-ffi`; Docker: `docker-php-ext-install ffi`) or add `extension=ffi` to php.ini.',
                Exception::LIBRARY,
            );
        }
        $enable = \strtolower((string) \ini_get('ffi.enable'));
        if (\in_array($enable, ['0', '', 'off', 'false', 'no'], true)) {
            return new Exception(
                'FFI is switched off by `ffi.enable` in php.ini. Set `ffi.enable=preload` (enough for the command '
                . 'line) or `ffi.enable=true`, or run `php -d ffi.enable=true …`.',
                Exception::LIBRARY,
            );
        }
        if ($enable === 'preload' && !\in_array(\PHP_SAPI, ['cli', 'phpdbg', 'embed'], true)) {
            return new Exception(
                'wspush runs on the command line: `php server.php`. (With `ffi.enable=preload`, FFI is closed to scripts of the '
                . \PHP_SAPI . ' SAPI; there, a client needs `ffi.enable=true`.)',
                Exception::LIBRARY,
            );
        }

        return null;
    }
}
