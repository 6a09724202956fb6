<?php

declare(strict_types=1);

namespace WsPush;

/**
 * Header fields as the façades take them for the upgrade, in which some are options of a client and some are the engine's own.
 *
 * @internal used by Swoole\Client and Workerman\AsyncTcpConnection
 */
final class RequestFields
{
    private const OPTIONS = ['cookie' => 'cookie', 'sec-websocket-protocol' => 'subprotocols'];
    /** Written by the engine as the protocol wants them, or of a body, which an upgrade has not. */
    private const OWN = [
        'upgrade', 'connection', 'sec-websocket-key', 'sec-websocket-version', 'sec-websocket-extensions', 'content-length',
        'transfer-encoding',
    ];

    /**
     * @param iterable<array-key, mixed> $fields by name; or lines "Name: value"
     * @param string $host that of the URL, with the port: what the engine sends as Host
     *
     * @return array{array<string, string>, array<string, list<string>>} options of a Client, and what is left as headers
     *
     * @throws Exception ARGUMENT: a value that is no text; NOT_YET: a Host that is not that of the URL
     */
    public static function split(iterable $fields, string $host): array
    {
        $options = $headers = [];
        foreach ($fields as $name => $values) {
            if (\is_int($name) && \is_string($values)) {
                [$name, $values] = \array_map('trim', \explode(':', $values, 2)) + [1 => ''];
            }
            $name = (string) $name;
            $key = \strtolower($name);
            foreach ((array) $values as $value) {
                if (!\is_scalar($value) && !$value instanceof \Stringable) {
                    throw new Exception("the header \"$name\" takes no " . \get_debug_type($value), Exception::ARGUMENT);
                }
                if (isset(self::OPTIONS[$key])) {
                    $options[self::OPTIONS[$key]] = (string) $value;
                } elseif ($key === 'host') {
                    if (!self::isThat((string) $value, $host)) {
                        throw Exception::notYet("a header Host: $value for $host", 'connect to that name');
                    }
                } elseif (!\in_array($key, self::OWN, true)) {
                    $headers[$name][] = (string) $value;
                }
            }
        }

        return [$options, $headers];
    }

    /** Whether the Host that was given is that of the URL; "localhost" is each address that never leaves the machine. */
    private static function isThat(string $given, string $host): bool
    {
        $bare = static fn (string $name): string => (string) \preg_replace('/:\d+$/D', '', $name);
        if (\in_array(\strtolower($given), [\strtolower($host), \strtolower($bare($host))], true)) {
            return true;
        }

        return \strtolower($bare($given)) === 'localhost' && \preg_match('/^(127(\.\d+){3}|\[::1\]|\[unix:.*\])$/D', $bare($host)) === 1;
    }
}
