<?php

declare(strict_types=1);

namespace WsPush;

/**
 * The answer to one 'request' event: whole, with send(), or piece by piece, with begin(), write() and end(). Now or
 * later, within response_timeout (30 s unless set), once. One that is dropped unanswered becomes a 500; one that is dropped
 * between begin() and end() is cut, so that nobody takes it for whole.
 */
final class Response
{
    private bool $begun = false;
    private bool $ended = false;

    /**
     * @param int $conn id of the request's connection
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
     * Answers with 500 what was not answered, and cuts what was only begun.
     *
     * @internal
     */
    public function fail(): void
    {
        try {
            if ($this->begun && !$this->ended) {
                $this->server->disconnect($this->conn);
            } else {
                $this->send(500, "Internal Server Error\n", ['Content-Type' => 'text/plain']);
            }
        } catch (Exception) {
            // A destructor has nobody to tell.
        }
    }

    /**
     * Sends all of it. Date, Content-Length and Connection are added; a HEAD request gets the head alone. For one the body
     * need not be made: with an empty one, Content-Length may be among the headers.
     *
     * @param int $status 200..599
     * @param array<string, string|list<string>> $headers a list sends the header several times
     *
     * @return bool false: it was answered already, the client is gone, or max_command_bytes wait for the engine: then it may
     *              be tried again
     *
     * @throws Exception ARGUMENT: a status or header that cannot be sent; UTF8: a header that is not
     */
    public function send(int $status = 200, string $body = '', array $headers = []): bool
    {
        if ($this->begun || $this->ended) {
            return false;
        }

        return $this->ended = $this->server->respond($this->conn, $status, $body, $headers);
    }

    /**
     * Sends the head; the pieces follow.
     *
     * @param int $status 200..599, but for 204, 205 and 304, which have no body
     * @param array<string, string|list<string>> $headers
     *
     * @return bool false: it was answered already, or the client is gone
     *
     * @throws Exception ARGUMENT: a status or header that cannot be sent; UTF8: a header that is not
     */
    public function begin(int $status = 200, array $headers = []): bool
    {
        if ($this->begun || $this->ended) {
            return false;
        }

        return $this->begun = $this->server->respondBegin($this->conn, $status, $headers);
    }

    /**
     * Sends a piece. No more than response_timeout may pass between two.
     *
     * @return bool false: the client is gone, or max_queued_bytes wait for it already: then a 'drain' event of its
     *              connection follows when there is room again. Server::queuedBytes() tells how much waits
     */
    public function write(string $data): bool
    {
        return $this->begun && !$this->ended && $this->server->respondWrite($this->conn, $data);
    }

    /** Ends it. False: the client is gone, so that it may not have all of it. */
    public function end(): bool
    {
        $open = $this->begun && !$this->ended;
        $this->ended = true;

        return $open && $this->server->respondEnd($this->conn);
    }
}
