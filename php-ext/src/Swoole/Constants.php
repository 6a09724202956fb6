<?php

declare(strict_types=1);

namespace WsPush\Swoole;

/**
 * Swoole's global constants, those that a WebSocket program names. Each is defined only where it is not yet.
 *
 * @internal
 */
final class Constants
{
    /** Under two names each: SWOOLE_WEBSOCKET_… and the older WEBSOCKET_…. */
    private const WEBSOCKET = [
        'STATUS_CONNECTION' => 1,
        'STATUS_HANDSHAKE' => 2,
        'STATUS_ACTIVE' => 3,
        'STATUS_CLOSING' => 4,
        'OPCODE_CONTINUATION' => 0x0,
        'OPCODE_TEXT' => 0x1,
        'OPCODE_BINARY' => 0x2,
        'OPCODE_CLOSE' => 0x8,
        'OPCODE_PING' => 0x9,
        'OPCODE_PONG' => 0xa,
        'CLOSE_NORMAL' => 1000,
        'CLOSE_GOING_AWAY' => 1001,
        'CLOSE_PROTOCOL_ERROR' => 1002,
        'CLOSE_DATA_ERROR' => 1003,
        'CLOSE_STATUS_ERROR' => 1005,
        'CLOSE_ABNORMAL' => 1006,
        'CLOSE_MESSAGE_ERROR' => 1007,
        'CLOSE_POLICY_ERROR' => 1008,
        'CLOSE_MESSAGE_TOO_BIG' => 1009,
        'CLOSE_EXTENSION_MISSING' => 1010,
        'CLOSE_SERVER_ERROR' => 1011,
        'CLOSE_TLS' => 1015,
    ];

    private const OTHER = [
        'WEBSOCKET_STATUS_FRAME' => 3,
        'SWOOLE_WEBSOCKET_FLAG_FIN' => 1,
        'SWOOLE_WEBSOCKET_FLAG_COMPRESS' => 2,
        'SWOOLE_BASE' => 1,
        'SWOOLE_PROCESS' => 2,
        'SWOOLE_SOCK_TCP' => 1,
        'SWOOLE_SOCK_UDP' => 2,
        'SWOOLE_SOCK_TCP6' => 3,
        'SWOOLE_SOCK_UDP6' => 4,
        'SWOOLE_SOCK_UNIX_STREAM' => 5,
        'SWOOLE_SOCK_UNIX_DGRAM' => 6,
        'SWOOLE_TCP' => 1,
        'SWOOLE_TCP6' => 3,
        'SWOOLE_SSL' => 512,
        'SWOOLE_HTTP_CLIENT_ESTATUS_CONNECT_FAILED' => -1,
        'SWOOLE_HTTP_CLIENT_ESTATUS_REQUEST_TIMEOUT' => -2,
        'SWOOLE_HTTP_CLIENT_ESTATUS_SERVER_RESET' => -3,
        'SWOOLE_HTTP_CLIENT_ESTATUS_SEND_FAILED' => -4,
        'SWOOLE_ERROR_DNSLOOKUP_RESOLVE_FAILED' => 704,
        'SWOOLE_ERROR_CLIENT_NO_CONNECTION' => 5001,
        'SWOOLE_ERROR_WEBSOCKET_BAD_OPCODE' => 8502,
        'SWOOLE_ERROR_WEBSOCKET_UNCONNECTED' => 8503,
        'SWOOLE_ERROR_WEBSOCKET_HANDSHAKE_FAILED' => 8504,
        'SWOOLE_LOG_DEBUG' => 0,
        'SWOOLE_LOG_TRACE' => 1,
        'SWOOLE_LOG_INFO' => 2,
        'SWOOLE_LOG_NOTICE' => 3,
        'SWOOLE_LOG_WARNING' => 4,
        'SWOOLE_LOG_ERROR' => 5,
        'SWOOLE_LOG_NONE' => 6,
    ];

    public static function define(): void
    {
        $all = self::OTHER;
        foreach (self::WEBSOCKET as $name => $value) {
            $all["WEBSOCKET_$name"] = $value;
            $all["SWOOLE_WEBSOCKET_$name"] = $value;
        }
        foreach ($all as $name => $value) {
            \defined($name) || \define($name, $value);
        }
    }
}
