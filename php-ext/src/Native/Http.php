<?php

declare(strict_types=1);

namespace WsPush\Native;

use WsPush\Exception;
use WsPush\Request;

/**
 * HTTP beside WebSocket: requests, answers to them, and decisions about upgrades.
 *
 * @internal a part of WsPush\Native\Server
 */
trait Http
{
    /**
     * Answers a 'request' event: at once or later, once. Content-Length and Connection are added. With an empty body a
     * Content-Length may be there: that of the answer to a GET, with which a HEAD is answered.
     *
     * @param int $status 200..599
     * @param array<string, string|list<string>> $headers a list sends the header several times
     *
     * @return bool false when the connection is closed, or no request of it waits for an answer any more
     *
     * @throws Exception ARGUMENT (status; a header that cannot be sent), STATE
     */
    public function respond(int $conn, int $status, string $body = '', array $headers = []): bool
    {
        $result = $this->ffi->ws_respond($this->handle, $conn, $status, self::lines($headers), $body, \strlen($body));

        return $result === 0 || $this->refused($result);
    }

    /**
     * Begins to answer a 'request' event piece by piece.
     *
     * @param int $status 200..599, but for 204, 205 and 304, which have no body
     * @param array<string, string|list<string>> $headers a list sends the header several times
     *
     * @return bool false when the connection is closed, or no request of it waits for an answer any more
     *
     * @throws Exception ARGUMENT (status; a header that cannot be sent), STATE
     */
    public function respondBegin(int $conn, int $status, array $headers = []): bool
    {
        $result = $this->ffi->ws_respond_begin($this->handle, $conn, $status, self::lines($headers));

        return $result === 0 || $this->refused($result);
    }

    /**
     * Sends the next piece of an answer. No more than response_timeout may pass between two.
     *
     * @return bool false when the connection is closed, or max_queued_bytes wait for it already
     *
     * @throws Exception STATE
     */
    public function respondWrite(int $conn, string $data): bool
    {
        $result = $this->ffi->ws_respond_write($this->handle, $conn, $data, \strlen($data));

        return $result === 0 || $this->refused($result);
    }

    /**
     * Ends an answer that came piece by piece.
     *
     * @return bool false when the connection is closed
     *
     * @throws Exception STATE
     */
    public function respondEnd(int $conn): bool
    {
        $result = $this->ffi->ws_respond_end($this->handle, $conn);

        return $result === 0 || $this->refused($result);
    }

    /**
     * Accepts the upgrade of a 'handshake' event; respond() refuses it.
     *
     * @param string|null $subprotocol one of those the client offers; null: the one that the option subprotocols has
     *                                 chosen, or none
     * @param array<string, string|list<string>> $headers for the 101 response, such as Set-Cookie
     *
     * @return bool false when the connection is closed, or no upgrade of it waits for a decision any more
     *
     * @throws Exception ARGUMENT (a subprotocol that was not offered; a header that cannot be sent), STATE
     */
    public function accept(int $conn, ?string $subprotocol = null, array $headers = []): bool
    {
        $result = $this->ffi->ws_accept($this->handle, $conn, $subprotocol, self::lines($headers));

        return $result === 0 || $this->refused($result);
    }

    private function request(int $conn, \FFI\CData $request): Request
    {
        $ffi = $this->ffi;
        $length = $ffi->new('size_t');
        $body = $ffi->ws_request_body($request, \FFI::addr($length));

        return new Request(
            $conn,
            $ffi->ws_request_method($request),
            $ffi->ws_request_target($request),
            $ffi->ws_request_path($request),
            $ffi->ws_request_query($request),
            $this->headers($request),
            $ffi->ws_request_remote_address($request),
            $ffi->ws_request_remote_port($request),
            $ffi->ws_request_local_port($request),
            $ffi->ws_request_subprotocol($request),
            $length->cdata === 0 ? '' : \FFI::string($body, $length->cdata),
            $ffi->ws_request_version($request) === 10 ? '1.0' : '1.1',
        );
    }
}
