<?php

declare(strict_types=1);

namespace WsPush\Native;

use WsPush\ConnectionInfo;
use WsPush\Exception;

/**
 * One connection: what can be done with it and what is known of it.
 *
 * @internal a part of WsPush\Native\Server
 */
trait Connections
{
    /**
     * Sends a Ping. The engine sends its own already (option ping_interval).
     *
     * @param string $data at most 125 bytes
     *
     * @return bool false when the connection is closed
     *
     * @throws Exception ARGUMENT or TOO_LARGE (over 125 bytes), STATE
     */
    public function ping(int $conn, string $data = ''): bool
    {
        $status = $this->ffi->ws_ping($this->handle, $conn, $data, \strlen($data));

        return $status === 0 || $this->refused($status);
    }

    /**
     * Begins the close handshake. The 'close' event follows when it is done, or after close_timeout. No message of the
     * connection is delivered any more, even if it has been received.
     *
     * @param int $code 1000..1014 as RFC 6455 7.4 lets an endpoint send, 3000..4999, or 0 for none
     * @param string $reason UTF-8, at most 123 bytes
     *
     * @return bool false when the connection is closed or closing already
     *
     * @throws Exception ARGUMENT, UTF8, STATE
     */
    public function close(int $conn, int $code = 1000, string $reason = ''): bool
    {
        $status = $this->ffi->ws_close($this->handle, $conn, $code, $reason, \strlen($reason));
        $closes = $status === 0 || $this->refused($status);
        $this->withheld->close($conn, $this->isTaking());
        $this->goOn();

        return $closes;
    }

    /**
     * Reads nothing more from a connection until resume(): what its client sends waits in the kernel, and then with the
     * client. Messages that were received before wait, too, and if there are any, so does the 'close' event behind them. Once 64 MiB
     * wait of all paused connections, or a quarter of memory_limit, the one of which the most waits is closed with 1013, and the
     * messages of it that wait are dropped. It is not timed out for silence meanwhile; pushing and closing work as ever.
     *
     * @return bool false when the connection is closed or closing
     *
     * @throws Exception STATE, FORKED
     */
    public function pause(int $conn): bool
    {
        $status = $this->ffi->ws_conn_pause($this->handle, $conn);
        if ($status === 0) {
            $this->withheld->pause($conn);
        }

        return $status === 0 || $this->refused($status);
    }

    /**
     * Reads on after pause(). What was received before comes first: once the handler that calls this has returned, or right here
     * outside of handlers.
     *
     * @return bool false when the connection is closed or closing
     *
     * @throws Exception STATE, FORKED
     */
    public function resume(int $conn): bool
    {
        $status = $this->ffi->ws_conn_resume($this->handle, $conn);
        $resumed = $this->withheld->resume($conn);
        $this->goOn();

        return $status === 0 || $resumed || $this->refused($status);
    }

    /**
     * Asks for a 'drain' event as soon as no more than low_watermark bytes wait for this connection, as a push() that was
     * refused does by itself.
     *
     * @return bool false when the connection is closed or closing
     *
     * @throws Exception STATE, FORKED
     */
    public function awaitDrain(int $conn): bool
    {
        $status = $this->ffi->ws_conn_await_drain($this->handle, $conn);

        return $status === 0 || $this->refused($status);
    }

    /**
     * Cuts a connection at once, without a Close frame. The 'close' event follows, with code 1006, and no message before it.
     *
     * @return bool false when the connection has gone already
     *
     * @throws Exception STATE
     */
    public function disconnect(int $conn): bool
    {
        $status = $this->ffi->ws_disconnect($this->handle, $conn);
        $cuts = $status === 0 || $this->refused($status);
        $this->withheld->close($conn, $this->isTaking());
        $this->goOn();

        return $cuts;
    }

    /** Whether messages can be pushed to this connection now. False too before start() and after stop(). */
    public function isOpen(int $conn): bool
    {
        return $this->ffi->ws_conn_is_open($this->handle, $conn) === 1;
    }

    /** Bytes that wait in the engine to be sent to this connection; 0 when it is closed. */
    public function queuedBytes(int $conn): int
    {
        return \max(0, (int) $this->ffi->ws_conn_queued_bytes($this->handle, $conn));
    }

    /**
     * What is known of an open connection, one that is closing by close() included; null when it is gone.
     *
     * @throws Exception STATE, FORKED
     */
    public function info(int $conn): ?ConnectionInfo
    {
        $facts = $this->ffi->new('ws_conn_facts');
        $facts->size = \FFI::sizeof($facts);
        $status = $this->ffi->ws_conn_info($this->handle, $conn, \FFI::addr($facts));
        if ($status !== 0) {
            $this->refused($status);

            return null;
        }

        return new ConnectionInfo(
            $conn,
            self::text($facts->remote_address),
            $facts->remote_port,
            self::text($facts->local_address),
            $facts->local_port,
            self::text($facts->path),
            self::text($facts->subprotocol),
            $facts->opened_ms / 1000,
            $facts->heard_ms / 1000,
            $facts->queued_bytes,
            $facts->topics,
        );
    }

    /**
     * Ids of the open connections, in no order. To send to all of them, broadcast() is the cheap way.
     *
     * @return list<int>
     */
    public function connections(): array
    {
        $count = $this->connectionCount();
        if ($count === 0) {
            return [];
        }
        $room = $count + 64; // for those that come between the two calls
        $ids = $this->ffi->new("uint64_t[$room]");
        $written = \min($room, \max(0, (int) $this->ffi->ws_server_connections($this->handle, $ids, $room)));
        $unpacked = \unpack('P*', \FFI::string($ids, $written * 8));

        return $unpacked === false ? [] : \array_values($unpacked);
    }

    /** How many connections are open; 0 when the server is not running. */
    public function connectionCount(): int
    {
        return \max(0, (int) $this->ffi->ws_server_connections($this->handle, null, 0));
    }
}
