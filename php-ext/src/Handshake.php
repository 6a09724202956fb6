<?php

declare(strict_types=1);

namespace WsPush;

/**
 * The decision about one upgrade, a 'handshake' event: accept() or refuse(), now or later, within response_timeout
 * (30 s unless set), once. One that is dropped undecided is refused with 500.
 */
final class Handshake
{
    private bool $decided = false;

    /**
     * @param int $conn id of the connection: the 'open' event will have the same
     *
     * @internal
     */
    public function __construct(private readonly Native\Server $server, public readonly int $conn)
    {
    }

    public function __destruct()
    {
        $this->fail();
    }

    /**
     * Refuses with 500 what was not decided.
     *
     * @internal
     */
    public function fail(): void
    {
        try {
            $this->refuse(500, "Internal Server Error\n", ['Content-Type' => 'text/plain']);
        } catch (Exception) {
            // A destructor has nobody to tell.
        }
    }

    /**
     * Makes it a WebSocket: messages may be pushed from now on, and the 'open' event follows.
     *
     * @param string|null $subprotocol one of those the client offers (header Sec-WebSocket-Protocol); null: the one that the
     *                                 option subprotocols has chosen, or none
     * @param array<string, string|list<string>> $headers for the 101 response, such as Set-Cookie
     *
     * @return bool false: it was decided already, or the client is gone
     *
     * @throws Exception ARGUMENT: a subprotocol that was not offered, or a header that cannot be sent; UTF8: one that
     *                   is not. It may be tried again
     */
    public function accept(?string $subprotocol = null, array $headers = []): bool
    {
        return !$this->decided && $this->decided = $this->server->accept($this->conn, $subprotocol, $headers);
    }

    /**
     * Answers it as a plain request, and ends the connection.
     *
     * @param int $status 200..599: 401, 403, 302 with a Location …
     * @param array<string, string|list<string>> $headers
     *
     * @return bool false: it was decided already, or the client is gone
     *
     * @throws Exception ARGUMENT: a status or header that cannot be sent; UTF8: a header that is not
     */
    public function refuse(int $status = 403, string $body = '', array $headers = []): bool
    {
        return !$this->decided && $this->decided = $this->server->respond($this->conn, $status, $body, $headers);
    }
}
