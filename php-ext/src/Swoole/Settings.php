<?php

declare(strict_types=1);

namespace WsPush\Swoole;

/**
 * Swoole's settings, each with its fate: it becomes an option of the engine, it is the façade's own, it does no harm
 * to ignore, or it asks for what is not there yet and is refused by name.
 *
 * @internal used by Server
 */
final class Settings
{
    use Fates;

    /**
     * Setting => option of the engine, with the same unit (bytes, seconds, connections). Of several for one option the last that
     * is set wins: socket_buffer_size is the nearest in meaning of the three.
     */
    private const OPTIONS = [
        'package_max_length' => 'max_message_size',
        'output_buffer_size' => 'max_queued_bytes',
        'buffer_output_size' => 'max_queued_bytes',
        'socket_buffer_size' => 'max_queued_bytes',
        'buffer_high_watermark' => 'high_watermark',
        'buffer_low_watermark' => 'low_watermark',
        'max_conn' => 'max_connections',
        'max_connection' => 'max_connections',
        'heartbeat_idle_time' => 'idle_timeout',
        'backlog' => 'backlog',
        'enable_reuse_port' => 'reuse_port',
        'websocket_subprotocol' => 'subprotocols',
    ];

    /** max_queued_bytes, where it is not set */
    private const QUEUED_BYTES = 4 * 1024 * 1024;

    /** What Server itself acts on. */
    private const OWN = [
        'worker_num', 'max_wait_time', 'heartbeat_check_interval', 'log_file', 'pid_file', 'enable_static_handler', 'document_root',
    ];

    /**
     * Tuning of an inside that is different here, limits that one process in one thread cannot break, and preferences
     * whose absence no client notices.
     */
    private const HARMLESS = [
        'reactor_num', 'single_thread', 'dispatch_mode', 'dispatch_func', 'open_cpu_affinity', 'cpu_affinity_ignore',
        'open_tcp_nodelay', 'open_tcp_keepalive', 'tcp_keepidle', 'tcp_keepinterval', 'tcp_keepcount',
        'tcp_user_timeout', 'tcp_fastopen', 'tcp_defer_accept', 'kernel_socket_recv_buffer_size',
        'kernel_socket_send_buffer_size', 'input_buffer_size', 'buffer_input_size', 'send_yield', 'send_timeout', 'max_request', 'max_request_grace', 'reload_async',
        'max_concurrency', 'worker_max_concurrency', 'max_queued_bytes', 'discard_timeout_request',
        'enable_unsafe_event', 'start_session_id', 'enable_coroutine', 'max_coroutine', 'max_coro_num', 'hook_flags',
        'stack_size', 'c_stack_size', 'enable_deadlock_check', 'enable_preemptive_scheduler', 'log_level',
        'log_date_format', 'log_date_with_microseconds', 'log_rotation', 'display_errors', 'debug_mode',
        'trace_flags', 'http_compression', 'http_compression_level', 'http_compression_min_length',
        'http_compression_types', 'http_gzip_level', 'compression_level', 'compression_min_length',
        'compression_types', 'websocket_compression', 'http_parse_cookie', 'http_parse_post', 'http_parse_files',
        'upload_tmp_dir', 'upload_max_filesize', 'task_ipc_mode', 'task_tmpdir', 'task_max_request',
        'task_max_request_grace', 'task_use_object', 'task_enable_coroutine', 'message_queue_key',
    ];

    /** Fine as they are by default; they must not be switched on. */
    private const MUST_BE_OFF = [
        'daemonize', 'task_worker_num', 'user', 'group', 'chroot', 'open_websocket_close_frame',
        'open_websocket_ping_frame', 'open_websocket_pong_frame',
        'enable_delay_receive', 'open_http2_protocol', 'open_mqtt_protocol', 'open_redis_protocol', 'open_eof_check',
        'open_eof_split', 'open_length_check', 'stats_file', 'admin_server',
    ];

    private const MUST_BE_ON = ['open_http_protocol', 'open_websocket_protocol'];

    /**
     * The engine's options that the settings ask for, and Swoole's defaults where they are not the engine's.
     *
     * @param array<string, mixed> $settings checked ones
     *
     * @return array<string, int|float|string|bool>
     */
    public static function options(array $settings): array
    {
        $options = ['max_message_size' => 2 * 1024 * 1024];
        $interval = $settings['heartbeat_check_interval'] ?? null;
        if (\is_numeric($interval) && $interval > 0) {
            $options['idle_timeout'] = 2 * (int) $interval; // Swoole's heartbeat_idle_time when only this is set
        }
        if (($settings['enable_static_handler'] ?? false) && \is_string($settings['document_root'] ?? null)) {
            $options['document_root'] = $settings['document_root'];
        }
        $options = self::renamed($settings) + $options;
        if (($options['idle_timeout'] ?? 0) > 0) {
            // Any byte counts, and nobody is asked for one: a client that only listens has to ping, as it has with Swoole.
            $options += ['idle_counts_all' => true, 'ping_interval' => 0];
        }

        // Watermarks beyond the size of the buffer mean nothing to Swoole, and are refused by the engine.
        $limit = (int) ($options['max_queued_bytes'] ?? self::QUEUED_BYTES);
        if (isset($options['high_watermark'])) {
            $options['high_watermark'] = \min((int) $options['high_watermark'], $limit);
        }
        if (isset($options['low_watermark'])) {
            $options['low_watermark'] = \max(0, \min((int) $options['low_watermark'], self::highWatermark($options) - 1));
        }

        return $options;
    }

    /**
     * Bytes that wait for a connection when it counts as full.
     *
     * @param array<string, int|float|string|bool> $options of the engine
     */
    public static function highWatermark(array $options): int
    {
        return (int) ($options['high_watermark'] ?? 0) ?: \intdiv((int) ($options['max_queued_bytes'] ?? self::QUEUED_BYTES), 4);
    }
}
