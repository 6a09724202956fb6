<?php

declare(strict_types=1);

namespace WsPush\Native;

use WsPush\ClientHandlers;
use WsPush\CloseCause;
use WsPush\ConnectException;
use WsPush\Exception;
use WsPush\Inbox;
use WsPush\Message;
use WsPush\Native;
use WsPush\UpgradeResponse;

/**
 * One client as PHP holds it: keeps the handle, and turns batches of events into calls of handlers, or into messages that
 * receive() gives out. WsPush\Client builds on it and adds what is PHP's own: options, handlers, waiting.
 *
 * A handle of C starts once; so each start has one of its own.
 */
abstract class Client extends Native
{
    use Holding;

    /** Statuses from this one on, and below, are of attempts to connect. */
    private const CONNECT_STATUSES = Exception::URL;

    protected readonly ClientHandlers $on;
    protected readonly Inbox $inbox;
    /** Messages go to the inbox, if there is no handler for them. */
    protected bool $collects = false;
    /** Handlers are being called. */
    protected bool $taking = false;
    /** It was told as open, and not as closed since. */
    private bool $isUp = false;
    /** It was closed from this side. */
    private bool $isClosing = false;
    private ?\FFI\CData $handle = null;

    /**
     * @param string|null $library path of libwspush.so; null: see Library::candidates()
     *
     * @throws Exception LIBRARY when it cannot be loaded
     */
    protected function __construct(?string $library)
    {
        parent::__construct($library);
        $this->on = new ClientHandlers();
        $this->inbox = new Inbox();
        $this->beginHolding();
    }

    public function __destruct()
    {
        $this->engineFree();
    }

    /**
     * Sends a message, and never waits: for handlers and loops. send() is the same for scripts.
     *
     * @param int $opcode TEXT or BINARY
     *
     * @return bool true: it is on its way, or in the queue for the next connection (option max_offline_bytes). False, and nothing
     *              was sent: there is no connection, or max_queued_bytes (4 MiB unless set) wait already; then a 'drain' event
     *              follows when there is room again, unless it closes
     *
     * @throws Exception UTF8, ARGUMENT (opcode), TOO_LARGE, STATE (not started), FORKED
     */
    public function push(string $data, int $opcode = self::TEXT): bool
    {
        $status = $this->ffi->ws_client_push($this->handle, $data, \strlen($data), $opcode);

        return $status === 0 || $this->refused($status);
    }

    /**
     * Sends a Ping. The engine sends its own already (option ping_interval), and answers those of the server. Unless something is
     * heard within pong_timeout the connection is given up.
     *
     * @param string $data at most 125 bytes
     *
     * @return bool false: there is no connection
     *
     * @throws Exception TOO_LARGE (over 125 bytes), STATE
     */
    public function ping(string $data = ''): bool
    {
        $status = $this->ffi->ws_client_ping($this->handle, $data, \strlen($data));

        return $status === 0 || $this->refused($status);
    }

    /**
     * For a program that knows that the network is back, or another. With the option reconnect, while it waits for the next
     * attempt: makes it now. While it is open: sends a Ping, and unless something is heard within pong_timeout the connection is
     * given up, and made again.
     *
     * @throws Exception STATE
     */
    public function reconnect(): void
    {
        $this->check($this->ffi->ws_client_reconnect($this->handle));
    }

    /**
     * Drops the messages that are kept for the next connection (option max_offline_bytes).
     *
     * @return int how many they were
     *
     * @throws Exception STATE
     */
    public function clearOffline(): int
    {
        return $this->check($this->ffi->ws_client_clear_offline($this->handle));
    }

    /** Whether it was told as open, and its close waits to be told. */
    protected function isClosedUntold(): bool
    {
        return $this->isUp && !$this->isClosing && $this->held->isEmpty() && !$this->isOpen();
    }

    /**
     * How the connection has closed that isClosedUntold() says is over: the engine knows it before the event is taken.
     *
     * @return array{int, CloseCause, string} the code, the cause, and that in words
     */
    protected function untoldClose(): array
    {
        $cause = $this->ffi->new('int');
        $code = $this->handle === null ? 0 : (int) $this->ffi->ws_client_close_code($this->handle, \FFI::addr($cause));

        // 0 or less: it ends at this very moment.
        return $code > 0
            ? [$code, CloseCause::tryFrom($cause->cdata) ?? CloseCause::None, (string) $this->ffi->ws_cause_text($cause->cdata)]
            : [1006, CloseCause::None, 'its close is on the way'];
    }

    /** Whether there is a connection that messages can be sent on now. */
    public function isOpen(): bool
    {
        // What the server has closed still takes answers to what came before, for a moment, and counts as open to C.
        return $this->isUp && $this->handle !== null && $this->ffi->ws_client_is_open($this->handle) === 1;
    }

    /** Bytes that wait in the engine to be sent. */
    public function queuedBytes(): int
    {
        return $this->handle === null ? 0 : \max(0, (int) $this->ffi->ws_client_queued_bytes($this->handle));
    }

    public function eventFd(): int
    {
        return $this->check($this->ffi->ws_client_event_fd($this->handle));
    }

    /**
     * The handle of C, for the loop that the client is in.
     *
     * @internal
     */
    public function handle(): \FFI\CData
    {
        return $this->handle ?? throw new Exception('the client has not been started', Exception::STATE);
    }

    /**
     * The handlers as they are, for the loop that the client is in.
     *
     * @internal
     */
    public function handlers(): ClientHandlers
    {
        return $this->on;
    }

    /**
     * Any event but a message that is told in numbers.
     *
     * @internal called by take(), and by the loop that the client is in
     */
    public function happened(\FFI\CData $event): void
    {
        $on = $this->on;
        switch ($event->type) {
            case self::EVENT_MESSAGE:
                $data = $event->length === 0 ? '' : \FFI::string($event->data, $event->length);
                if ($on->message !== null) {
                    $this->call('message', 0, $on->message, $this, $data, $event->code);
                } elseif ($this->collects) {
                    $this->inbox->put(new Message($data, $event->code));
                }
                break;
            case self::EVENT_OPEN:
                $response = $this->response($event->request);
                $this->tell(self::EVENT_OPEN, function () use ($on, $response): void {
                    $this->isUp = true;
                    $this->opened($response);
                    $on->open !== null && $this->call('open', 0, $on->open, $this, $response);
                });
                break;
            case self::EVENT_CLOSE:
                $reason = $event->length === 0 ? '' : \FFI::string($event->data, $event->length);
                $code = $event->code;
                $cause = CloseCause::tryFrom($event->cause) ?? CloseCause::None;
                $why = (string) $this->ffi->ws_cause_text($event->cause);
                $this->tell(self::EVENT_CLOSE, function () use ($on, $code, $reason, $cause, $why): void {
                    $this->isUp = false;
                    $this->closed($code, $reason, $cause, $why);
                    $on->close !== null && $this->call('close', 0, $on->close, $this, $code, $reason, $cause);
                });
                break;
            case self::EVENT_DRAIN:
                $on->drain !== null && $this->call('drain', 0, $on->drain, $this);
                break;
            case self::EVENT_ERROR:
                $request = $event->request;
                $answered = $request instanceof \FFI\CData && !\FFI::isNull($request);
                $why = $event->length === 0 ? '' : \FFI::string($event->data, $event->length);
                $name = (string) $this->ffi->ws_error_name($event->code);
                $failure = new ConnectException("$why ($name)", $event->code, $answered ? $this->response($request) : null);
                $this->tell(self::EVENT_ERROR, function () use ($on, $failure): void {
                    $this->failed($failure);
                    $on->error !== null && $this->call('error', 0, $on->error, $this, $failure);
                });
                break;
            case self::EVENT_RETRY:
                $seconds = $event->code / 1000;
                $this->tell(self::EVENT_RETRY, fn () => $on->retry !== null && $this->call('retry', 0, $on->retry, $this, $seconds));
                break;
            case self::EVENT_END:
                $this->tell(self::EVENT_END, function () use ($on): void {
                    $this->ended();
                    $on->end !== null && $this->call('end', 0, $on->end, $this);
                });
                break;
        }
    }

    /** The connection is there, or there again. */
    abstract protected function opened(UpgradeResponse $response): void;

    /** The connection is gone. */
    abstract protected function closed(int $code, string $reason, CloseCause $cause, string $why): void;

    /** An attempt to connect has failed. */
    abstract protected function failed(ConnectException $failure): void;

    /** There will be no further attempt, and no further event. */
    abstract protected function ended(): void;

    /** @throws Exception MEMORY: as many live as may; ConnectException URL: one that is no text */
    protected function engineNew(#[\SensitiveParameter] string $url): void
    {
        $this->engineFree();
        self::mustBeText($url);
        $handle = $this->ffi->ws_client_new($url);
        if (!$handle instanceof \FFI\CData) {
            throw $this->failure(Exception::MEMORY);
        }
        $this->handle = $handle;
        $this->numbers = null;
        $this->isUp = $this->isClosing = false;
    }

    protected function engineFree(): void
    {
        if ($this->handle !== null) {
            $this->ffi->ws_client_free($this->handle);
            $this->handle = null;
        }
    }

    protected function engineSet(string $name, #[\SensitiveParameter] string $value): void
    {
        if (\str_contains("$name$value", "\0")) {
            throw new Exception("a NUL in the option \"$name\"", Exception::VALUE); // where C would see the end of it
        }
        $this->check($this->ffi->ws_client_set($this->handle, $name, $value));
    }

    protected function engineAddHeader(string $name, #[\SensitiveParameter] string $value): void
    {
        if (\strpbrk("$name$value", "\r\n\0") !== false) {
            throw new Exception("a line break or NUL in the header \"$name\"", Exception::ARGUMENT);
        }
        $this->check($this->ffi->ws_client_add_header($this->handle, $name, $value));
    }

    /** @throws Exception ARGUMENT, TOO_LARGE; CLOSED: it has ended */
    protected function engineSetHeader(string $name, #[\SensitiveParameter] ?string $value): void
    {
        if (\strpbrk($name . $value, "\r\n\0") !== false) {
            throw new Exception("a line break or NUL in the header \"$name\"", Exception::ARGUMENT);
        }
        $this->check($this->ffi->ws_client_set_header($this->handle, $name, $value));
    }

    /** @throws Exception ConnectException for a URL that will not do; CLOSED: it has ended */
    protected function engineSetUrl(#[\SensitiveParameter] string $url): void
    {
        self::mustBeText($url);
        $this->checkConnecting($this->ffi->ws_client_set_url($this->handle, $url));
    }

    /** @throws Exception ConnectException for a URL that will not do; STATE, SYSTEM, MEMORY */
    protected function engineStart(): void
    {
        $this->checkConnecting($this->ffi->ws_client_start($this->handle));
    }

    private function checkConnecting(int $status): void
    {
        if ($status < 0) {
            $failure = $this->failure($status);

            throw $status <= self::CONNECT_STATUSES ? new ConnectException($failure->getMessage(), $status) : $failure;
        }
    }

    /** @throws ConnectException URL */
    private static function mustBeText(string $url): void
    {
        if (\str_contains($url, "\0")) {
            throw new ConnectException('a URL with a NUL', Exception::URL);
        }
        if (\preg_match('//u', $url) !== 1) {
            throw new ConnectException('a URL that is not UTF-8', Exception::URL);
        }
    }

    /** @return bool false: it was closed already, or is closing */
    protected function engineClose(int $code, string $reason): bool
    {
        $status = $this->ffi->ws_client_close($this->handle, $code, $reason, \strlen($reason));
        $this->isClosing = $this->isClosing || $status === 0;
        $closes = $status === 0 || $this->refused($status);
        $this->dropMessages();

        return $closes;
    }

    /** As push(), with the status as it is. */
    protected function enginePush(string $data, int $opcode): int
    {
        return $this->ffi->ws_client_push($this->handle, $data, \strlen($data), $opcode);
    }

    /**
     * Takes one batch of events and calls the handlers. As Server::take(), whose reasons are here too.
     *
     * @param int $timeoutMs -1: wait without limit, 0: do not wait
     *
     * @return int events taken; 0 at the timeout or after a signal; -1 when every event was taken and there will be no more
     *
     * @throws Exception STATE, FORKED, WRONG_THREAD, PANIC
     */
    protected function take(int $timeoutMs): int
    {
        $count = $this->ffi->ws_client_poll_packed($this->handle, $this->batchOut, $timeoutMs);
        if ($count <= 0) {
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
        // By reference: a handler may set another for the messages behind the one that it has, close the client, or pause it.
        $on = $this->on;
        $message = &$on->message;
        $inbox = $this->collects ? $this->inbox : null;
        for ($i = 0, $end = 4 * $count; $i < $end; $i += 4) {
            $opcode = $numbers[$i + 1];
            $at = $numbers[$i + 2];
            if ($opcode === 0) {
                $this->happened($batch->others[$at]);
                continue;
            }
            if ($message === null && $inbox === null) {
                continue;
            }
            $length = $numbers[$i + 3];
            if ($message === null) {
                $inbox->put(new Message($all !== null ? \substr($all, $at, $length) : \FFI::string($payloads + $at, $length), $opcode));
                continue;
            }
            try {
                // Made right here, so that the handler alone holds it and can change it in place.
                $message($this, $all !== null ? \substr($all, $at, $length) : \FFI::string($payloads + $at, $length), $opcode);
            } catch (\Throwable $thrown) {
                $this->handlerFailed('message', 0, $thrown);
            }
        }

        return $count;
    }

    /** Says that the handlers are done with what was taken, and that it may be long until the next is. */
    protected function engineDone(): void
    {
        $this->ffi->ws_client_done($this->handle);
    }

    private function response(\FFI\CData $response): UpgradeResponse
    {
        $ffi = $this->ffi;
        $cookies = [];
        $count = $ffi->ws_request_header_count($response);
        for ($i = 0; $i < $count; ++$i) {
            if (\strtolower($ffi->ws_request_header_name($response, $i)) === 'set-cookie') {
                $cookies[] = (string) $ffi->ws_request_header_value($response, $i);
            }
        }

        $length = $ffi->new('size_t');
        $body = $ffi->ws_request_body($response, \FFI::addr($length));

        return new UpgradeResponse(
            $ffi->ws_request_status($response),
            $this->headers($response),
            $cookies,
            $ffi->ws_request_subprotocol($response),
            $ffi->ws_request_remote_address($response),
            $ffi->ws_request_remote_port($response),
            (string) $ffi->ws_request_reason($response),
            $length->cdata === 0 ? '' : \FFI::string($body, $length->cdata),
        );
    }
}
