<?php

declare(strict_types=1);

namespace WsPush\Native;

use WsPush\CloseCause;
use WsPush\Exception;
use WsPush\Handlers;
use WsPush\Handshake;
use WsPush\Native;
use WsPush\Response;

/**
 * One server as PHP holds it: keeps the handle, and turns batches of events into calls of handlers. WsPush\Server builds on it
 * and adds what is PHP's own: options, handlers, the loop, signals. What is not on the way of a message is in the traits beside it.
 *
 * Methods that name a connection return false, and do not throw, when that connection is closed: with a network in
 * between, that can happen at any moment and is nobody's mistake.
 */
abstract class Server extends Native
{
    use Connections;
    use Http;
    use Topics;

    /** Levels of the engine's log, in the words of PSR-3 */
    private const LEVELS = [3 => 'error', 4 => 'warning', 5 => 'notice', 6 => 'info', 7 => 'debug'];

    private \FFI\CData $handle;
    private readonly Withheld $withheld;
    private bool $handsOut = false;
    /** ws_push_arguments: those of the last push() */
    private \FFI\CData $arguments;
    /** ws_push_arguments *: the address of the above, made once */
    private \FFI\CData $argumentsIn;

    /**
     * @param string|null $library path of libwspush.so; null: see Library::candidates()
     *
     * @throws Exception LIBRARY when it cannot be loaded; MEMORY
     */
    protected function __construct(?string $library)
    {
        parent::__construct($library);
        $handle = $this->ffi->ws_server_new();
        if (!$handle instanceof \FFI\CData) {
            throw $this->failure(Exception::MEMORY);
        }
        $this->handle = $handle;
        $this->withheld = new Withheld();
        $this->arguments = $this->ffi->new('ws_push_arguments');
        $this->arguments->server = $handle;
        $this->argumentsIn = \FFI::addr($this->arguments);
    }

    public function __destruct()
    {
        if (isset($this->handle)) {
            $this->ffi->ws_server_free($this->handle);
        }
    }

    /**
     * Sends a message to one connection. Thread-safe in C; here it never blocks.
     *
     * @param int $opcode TEXT or BINARY
     *
     * @return bool true: it is on its way. False, and nothing was sent: the connection is closed or closing, or
     *              max_queued_bytes (4 MiB unless set) wait for this slow client already. Then a 'drain' event follows when
     *              there is room again, unless it closes. What becomes of it instead is for the option slow_client to say.
     *
     * @throws Exception UTF8, ARGUMENT (opcode), TOO_LARGE, STATE (not started), FORKED
     */
    public function push(int $conn, string $data, int $opcode = self::TEXT): bool
    {
        // An argument of a call into C costs twice what a field does.
        $arguments = $this->arguments;
        $arguments->length = \strlen($data);
        $arguments->conn = $conn;
        $arguments->opcode = $opcode;
        $status = $this->ffi->ws_push_with($this->argumentsIn, $data);

        return $status === 0 || $this->refused($status);
    }

    /**
     * Sends a message to every open connection; the frame is built once. A connection whose queue is full misses it.
     *
     * @param int $opcode TEXT or BINARY
     *
     * @return bool false when the server has stopped, or is behind with what it was given to send
     *
     * @throws Exception as push()
     */
    public function broadcast(string $data, int $opcode = self::TEXT): bool
    {
        $status = $this->ffi->ws_broadcast($this->handle, $data, \strlen($data), $opcode);

        return $status >= 0 || $this->refused($status);
    }

    /**
     * The port of the n-th listen() call, from 0; the real one if 0 was asked for. 0 for a unix: socket.
     *
     * @throws Exception STATE (not started), ARGUMENT (no such listener)
     */
    public function port(int $listener = 0): int
    {
        return $this->check($this->ffi->ws_server_port($this->handle, $listener));
    }

    /**
     * Counters since the start: connections_open, messages_in, bytes_out, pushes_refused, refused_404, closed_1006 and so
     * on; include/wspush.h says what each of them is. Two are of PHP, for all reactors together: withheld_bytes, which wait of
     * paused connections, and withheld_shed, connections that were closed because that was too much.
     *
     * @param int|null $reactor the number of a reactor, from 0, for its share alone; null: all of them together
     *
     * @return array<string, int>
     *
     * @throws Exception STATE (not started), ARGUMENT (no such reactor)
     */
    public function stats(?int $reactor = null): array
    {
        $stats = $this->ffi->new('ws_stats');
        $stats->size = \FFI::sizeof($stats);
        $this->check($reactor === null
            ? $this->ffi->ws_server_stats($this->handle, \FFI::addr($stats))
            : $this->ffi->ws_reactor_stats($this->handle, $reactor, \FFI::addr($stats)));
        $counters = [];
        foreach (\FFI::typeof($stats)->getStructFieldNames() as $name) {
            if ($name !== 'size') {
                $counters[$name] = (int) $stats->$name;
            }
        }
        if ($reactor === null) {
            $counters['withheld_bytes'] = $this->withheld->bytes;
            $counters['withheld_shed'] = $this->withheld->shed;
        }

        return $counters;
    }

    public function eventFd(): int
    {
        return $this->check($this->ffi->ws_server_event_fd($this->handle));
    }

    protected function engineSet(string $name, string $value): void
    {
        $this->check($this->ffi->ws_server_set($this->handle, $name, $value));
    }

    protected function engineListen(string $host, int $port): void
    {
        $this->check($this->ffi->ws_server_listen($this->handle, $host, $port));
    }

    protected function engineStart(): void
    {
        $this->check($this->ffi->ws_server_start($this->handle));
    }

    protected function engineStop(int $timeoutMs): void
    {
        $this->check($this->ffi->ws_server_stop($this->handle, $timeoutMs));
    }

    /**
     * Takes one batch of events and calls the handlers.
     *
     * This loop is what a message costs in PHP. Per batch: one call into C, and one string of all payloads. Per message:
     * four numbers read in place, one piece cut from that string, one handler called. To read the fields of a C
     * struct, and to make the string of a message with FFI, takes half as much again.
     *
     * @param int $timeoutMs -1: wait without limit, 0: do not wait
     *
     * @return int events taken; 0 at the timeout or after a signal; -1 when stopped and every event was taken
     *
     * @throws Exception STATE, FORKED, WRONG_THREAD, PANIC
     */
    protected function take(int $timeoutMs, Handlers $on): int
    {
        $count = $this->ffi->ws_server_poll_packed($this->handle, $this->batchOut, $timeoutMs);
        if ($count <= 0) {
            if ($count === Exception::STOPPED && $this->withheld->events !== []) {
                $this->withheld->resumeAll();
                $this->handOut($on);
            }

            return match ($count) {
                0, Exception::INTERRUPTED => 0,
                Exception::STOPPED => -1,
                default => throw $this->failure($count),
            };
        }
        $batch = $this->batch;
        $numbers = $this->numbers ??= $batch->numbers;
        $payloads = $batch->payloads;
        $size = $batch->payloads_length;
        $all = $size <= $count * self::CUT_MAX ? \FFI::string($payloads, $size) : null;
        $message = $on->message;
        // By reference: a handler may close or pause a connection of which more is in this batch.
        $withheld = &$this->withheld->events;
        for ($i = 0, $end = 4 * $count; $i < $end;) {
            $conn = $numbers[$i++];
            $opcode = $numbers[$i++];
            $at = $numbers[$i++];
            $length = $numbers[$i++];
            if ($opcode === 0) {
                $this->takeOther($batch->others[$at], $on);
            } elseif ($message !== null) {
                if ($withheld !== [] && \array_key_exists($conn, $withheld)) {
                    $this->withhold($conn, $all !== null ? \substr($all, $at, $length) : \FFI::string($payloads + $at, $length), $opcode);
                    continue;
                }
                try {
                    // Made right here, so that the handler alone holds it and can change it in place.
                    $message(
                        $this,
                        $conn,
                        $all !== null ? \substr($all, $at, $length) : \FFI::string($payloads + $at, $length),
                        $opcode,
                    );
                } catch (\Throwable $thrown) {
                    $this->handlerFailed('message', $conn, $thrown);
                }
            }
        }
        if ($withheld !== []) {
            $this->handOut($on);
            $this->withheld->endBatch();
        }

        return $count;
    }

    /** The handlers that are set now. */
    abstract protected function handlers(): Handlers;

    /** Whether events are being handed out. */
    abstract protected function isTaking(): bool;

    /** Goes on with what a connection has sent while it was paused, unless that follows at the end of the batch. */
    private function goOn(): void
    {
        if (!$this->isTaking()) {
            $this->handOut($this->handlers());
        }
    }

    /** Events of connections that were resumed. */
    private function handOut(Handlers $on): void
    {
        if ($this->handsOut) {
            return; // a handler has resumed another one: that follows
        }
        $this->handsOut = true;
        try {
            while (($event = $this->withheld->next()) !== null) {
                [$conn, $data, $code, $cause] = $event;
                if ($cause !== null) {
                    $on->close !== null && $this->call('close', $conn, $on->close, $this, $conn, $code, $data, $cause);
                    $this->withheld->forget($conn);
                } elseif ($on->message !== null) {
                    $this->call('message', $conn, $on->message, $this, $conn, $data, $code);
                }
            }
        } finally {
            $this->handsOut = false;
        }
    }

    /** Whether a message is not delivered now. If too much waits with it, the connections of which the most does are closed. */
    private function withhold(int $conn, string $data, int $opcode): bool
    {
        $takes = $this->withheld->takes($conn, $data, $opcode);
        while (($much = $this->withheld->tooMuch()) !== null) {
            $this->ffi->ws_close($this->handle, $much, 1013, Withheld::REASON, \strlen(Withheld::REASON));
            $this->withheld->shed($much);
            $this->log("connection $much: closed with 1013, " . Withheld::REASON, 'warning');
        }

        return $takes;
    }

    /** Any event but a small message. */
    private function takeOther(\FFI\CData $event, Handlers $on): void
    {
        $conn = $event->conn;
        if ($event->type === self::EVENT_MESSAGE) {
            if ($on->message !== null) {
                $data = \FFI::string($event->data, $event->length);
                if (!$this->withhold($conn, $data, $event->code)) {
                    $this->call('message', $conn, $on->message, $this, $conn, $data, $event->code);
                }
            }
        } elseif ($event->type === self::EVENT_CLOSE) {
            $reason = $event->length === 0 ? '' : \FFI::string($event->data, $event->length);
            $cause = CloseCause::tryFrom($event->cause) ?? CloseCause::None;
            [$code, $reason, $cause] = $this->withheld->told($conn, $event->code, $reason, $cause);
            if (!$this->withheld->takesEnd($conn, $code, $reason, $cause)) {
                $on->close !== null && $this->call('close', $conn, $on->close, $this, $conn, $code, $reason, $cause);
                $this->withheld->forget($conn); // if the handler has closed it once more
            }
        } elseif ($event->type === self::EVENT_OPEN) {
            if ($on->open !== null) {
                $this->call('open', $conn, $on->open, $this, $this->request($conn, $event->request));
            }
        } elseif ($event->type === self::EVENT_DRAIN) {
            if ($on->drain !== null) {
                $this->call('drain', $conn, $on->drain, $this, $conn);
            }
        } elseif ($event->type === self::EVENT_LOG) {
            $this->log('wspush: ' . \FFI::string($event->data, $event->length), self::LEVELS[$event->code] ?? 'info');
        } elseif ($event->type === self::EVENT_HANDSHAKE) {
            $handshake = new Handshake($this, $conn);
            if ($on->handshake === null) {
                $handshake->accept();
            } elseif (!$this->call('handshake', $conn, $on->handshake, $this->request($conn, $event->request), $handshake)) {
                $handshake->fail(); // unless it had decided
            }
        } elseif ($on->request === null) {
            $request = $this->request($conn, $event->request);
            if ($request->path === '*') { // OPTIONS *: is the server there?
                $this->respond($conn, 200, '', ['Allow' => 'OPTIONS']);

                return;
            }
            $this->respond($conn, 426, "This is a WebSocket server.\n", ['Upgrade' => 'websocket', 'Content-Type' => 'text/plain']);
        } else {
            $response = new Response($this, $conn);
            if (!$this->call('request', $conn, $on->request, $this->request($conn, $event->request), $response)) {
                $response->fail(); // unless it had answered
            }
        }
    }
}
