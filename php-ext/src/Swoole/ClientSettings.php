<?php

declare(strict_types=1);

namespace WsPush\Swoole;

/**
 * The settings of Swoole's HTTP client, each with its fate, as Settings are those of the server.
 *
 * @internal used by Client
 */
final class ClientSettings
{
    use Fates;

    /** Setting => option of the engine, with the same unit. */
    private const OPTIONS = ['package_max_length' => 'max_message_size', 'socket_buffer_size' => 'max_queued_bytes'];

    /** What Client itself acts on. */
    private const OWN = [
        'timeout', 'connect_timeout', 'read_timeout', 'open_websocket_close_frame',
        'http_proxy_host', 'http_proxy_port', 'http_proxy_user', 'http_proxy_username', 'http_proxy_password',
    ];

    private const HARMLESS = [
        'write_timeout', 'keep_alive', 'reconnect', 'max_retries', 'body_decompression', 'http_compression', 'websocket_compression',
        'lowercase_header', 'open_tcp_nodelay', 'tcp_nodelay', 'kernel_socket_recv_buffer_size', 'kernel_socket_send_buffer_size',
        'buffer_output_size', 'output_buffer_size',
    ];

    /** A server may do without none of them: RFC 6455 section 5.1 */
    private const MUST_BE_ON = ['websocket_mask'];

    private const MUST_BE_OFF = ['defer', 'open_websocket_ping_frame', 'open_websocket_pong_frame'];

    /** The longest that an option of the engine takes, in seconds: for what is without limit to Swoole. */
    private const NEVER = 86400;
    /** And the shortest */
    private const LEAST = 0.01;

    /**
     * The engine's options that the settings ask for, and Swoole's defaults where they are not the engine's.
     *
     * @param array<string, mixed> $settings checked ones
     *
     * @return array<string, int|float|string|bool>
     */
    public static function options(array $settings): array
    {
        $options = ['max_message_size' => 2 * 1024 * 1024, 'connect_timeout' => \max(self::LEAST, self::seconds($settings, 2.0, 'connect_timeout', 'timeout'))];
        if (isset($settings['timeout']) || isset($settings['read_timeout'])) {
            $options['handshake_timeout'] = \max(self::LEAST, self::seconds($settings, self::NEVER, 'read_timeout', 'timeout'));
        }
        $options = self::renamed($settings) + $options;
        $text = static fn (string $name): string => \is_scalar($settings[$name] ?? null) ? (string) $settings[$name] : '';
        if ($text('http_proxy_host') !== '') {
            $user = $text('http_proxy_username') ?: $text('http_proxy_user');
            $who = $user === '' ? '' : \rawurlencode($user) . ':' . \rawurlencode($text('http_proxy_password')) . '@';
            $host = $text('http_proxy_host');
            $options['proxy'] = "http://$who" . (\str_contains($host, ':') ? "[$host]" : $host) . ':' . ($text('http_proxy_port') ?: '80');
        }

        return $options;
    }

    /**
     * How long recv() waits, in seconds; null: without limit.
     *
     * @param array<string, mixed> $settings checked ones
     */
    public static function patience(array $settings): ?float
    {
        $seconds = self::seconds($settings, self::NEVER, 'read_timeout', 'timeout');

        return $seconds === (float) self::NEVER ? null : $seconds;
    }

    /**
     * The first of these settings that is there.
     *
     * @param array<string, mixed> $settings
     */
    private static function seconds(array $settings, float $default, string ...$names): float
    {
        foreach ($names as $name) {
            $value = $settings[$name] ?? null;
            if (\is_numeric($value)) {
                return $value > 0 ? \min((float) $value, self::NEVER) : (float) self::NEVER;
            }
        }

        return $default;
    }
}
