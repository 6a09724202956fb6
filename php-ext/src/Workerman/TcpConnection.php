<?php

declare(strict_types=1);

namespace WsPush\Workerman;

use WsPush\Exception;
use WsPush\Request as Original;
use WsPush\Server;

/**
 * Workerman\Connection\TcpConnection: one client of a Worker. Programs may put properties of their own on it.
 *
 * Its handlers start as copies of the worker's; onConnect is the place to change them.
 */
#[\AllowDynamicProperties]
class TcpConnection
{
    public const STATUS_INITIAL = 0;
    public const STATUS_CONNECTING = 1;
    public const STATUS_ESTABLISHED = 2;
    public const STATUS_CLOSING = 4;
    public const STATUS_CLOSED = 8;
    /** Codes of onError */
    public const CONNECT_FAIL = 1;
    public const SEND_FAIL = 2;

    /** Largest message taken, in bytes. Read when a worker process starts. */
    public static int $defaultMaxPackageSize = 10 * 1024 * 1024;
    /** Bytes that may wait for one client before send() returns false. Read when a worker process starts. */
    public static int $defaultMaxSendBufferSize = 1024 * 1024;

    /** Properties that mean something to Workerman and nothing here yet. */
    private const NOT_YET = [
        'maxSendBufferSize', 'maxPackageSize', 'onWebSocketClose', 'onWebSocketPing',
        'onWebSocketPong', 'onWebSocketConnected', 'headers', 'context', 'bytesRead', 'bytesWritten',
    ];

    public int $id;
    public ?Worker $worker;
    /** What send() sends: "\x81" text, "\x82" binary, "\x89" a Ping */
    public string $websocketType = Websocket::BINARY_TYPE_BLOB;
    public string $transport = 'tcp';
    public string $protocol = Websocket::class;
    /** @var callable|null ($connection, $data) */
    public $onMessage;
    /** @var callable|null ($connection) */
    public $onClose;
    /** @var callable|null ($connection, int $code, string $message) */
    public $onError;
    /** @var callable|null ($connection): $defaultMaxSendBufferSize bytes wait; what is sent now is refused */
    public $onBufferFull;
    /** @var callable|null ($connection): there is room again, most of what waited has left */
    public $onBufferDrain;
    /** @var callable|null ($connection, Request $request) */
    public $onWebSocketConnect;

    protected int $status = self::STATUS_ESTABLISHED;
    protected bool $isFull = false;
    protected string $remoteIp = '';
    protected int $remotePort = 0;
    protected string $localIp = '';
    protected int $localPort = 0;

    /** @internal */
    public function __construct(private readonly Server $server, Worker $worker, Original $request)
    {
        $this->id = $request->conn;
        $this->worker = $worker;
        $this->remoteIp = $request->remoteAddress;
        $this->remotePort = $request->remotePort;
        $this->localIp = $server->info($this->id)->localAddress ?? '';
        $this->localPort = $request->localPort;
        $this->onMessage = $worker->onMessage;
        $this->onClose = $worker->onClose;
        $this->onError = $worker->onError;
        $this->onBufferFull = $worker->onBufferFull;
        $this->onBufferDrain = $worker->onBufferDrain;
        $this->onWebSocketConnect = $worker->onWebSocketConnect;
    }

    /**
     * Sends a message of the kind that websocketType says.
     *
     * @param mixed $data a string, or what turns into one: a number, a boolean, a Stringable
     *
     * @return bool false: the connection is closed or closing; or its queue is full, then onError was called
     *
     * @throws Exception UTF8: text that is not; ARGUMENT: data of a type that cannot be sent; NOT_YET: $raw
     */
    public function send(mixed $data, bool $raw = false): bool
    {
        if ($raw || !\is_string($data)) {
            $data = self::sendable($data, $raw);
        }
        $sent = match ($this->websocketType) {
            "\x81" => $this->server->push($this->id, $data),
            "\x82" => $this->server->push($this->id, $data, Server::BINARY),
            "\x89" => $this->server->ping($this->id, $data),
            default => throw Exception::notYet('websocketType "\x' . \bin2hex($this->websocketType) . '"'),
        };
        if ($this->onBufferFull !== null && !$this->isFull) {
            $this->lookWhetherFull();
        }
        if (!$sent && $this->onError !== null && $this->server->isOpen($this->id)) {
            ($this->onError)($this, self::SEND_FAIL, 'send buffer full and drop package');
        }

        return $sent;
    }

    /** Reads nothing more from this client until resumeRecv(). It is not closed for silence meanwhile. */
    public function pauseRecv(): void
    {
        $this->server->pause($this->id);
    }

    /** Reads on after pauseRecv(). */
    public function resumeRecv(): void
    {
        $this->server->resume($this->id);
    }

    /**
     * Closes with code 1000, after what was sent so far, and after $data if it is given.
     *
     * @throws Exception as send()
     */
    public function close(mixed $data = null, bool $raw = false): void
    {
        if ($data !== null) {
            $this->send($data, $raw);
        }
        if ($this->server->close($this->id)) {
            $this->status = self::STATUS_CLOSING;
        }
    }

    /** Cuts the connection at once. onClose follows. */
    public function destroy(): void
    {
        if ($this->server->disconnect($this->id)) {
            $this->status = self::STATUS_CLOSING;
        }
    }

    public function getRemoteIp(): string
    {
        return $this->remoteIp;
    }

    public function getRemotePort(): int
    {
        return $this->remotePort;
    }

    /** "192.0.2.7:50312", "[2001:db8::1]:50312" */
    public function getRemoteAddress(): string
    {
        return ($this->isIpV6() ? "[$this->remoteIp]" : $this->remoteIp) . ":$this->remotePort";
    }

    public function getLocalIp(): string
    {
        return $this->localIp;
    }

    public function getLocalPort(): int
    {
        return $this->localPort;
    }

    /** As getRemoteAddress(), of this end. */
    public function getLocalAddress(): string
    {
        return (\str_contains($this->localIp, ':') ? "[$this->localIp]" : $this->localIp) . ":$this->localPort";
    }

    public function isIpV4(): bool
    {
        return \str_contains($this->remoteIp, '.');
    }

    public function isIpV6(): bool
    {
        return \str_contains($this->remoteIp, ':');
    }

    /** @return int|string one of the STATUS_ constants, or its name */
    public function getStatus(bool $rawOutput = true): int|string
    {
        return $rawOutput ? $this->status : match ($this->status) {
            self::STATUS_INITIAL => 'INITIAL',
            self::STATUS_CONNECTING => 'CONNECTING',
            self::STATUS_ESTABLISHED => 'ESTABLISHED',
            self::STATUS_CLOSING => 'CLOSING',
            default => 'CLOSED',
        };
    }

    /** Bytes that wait in the engine for this client. */
    public function getSendBufferQueueSize(): int
    {
        return $this->server->queuedBytes($this->id);
    }

    /**
     * There is room again.
     *
     * @internal called by the worker
     */
    public function drained(): void
    {
        $this->isFull = false;
        if ($this->onBufferDrain !== null) {
            ($this->onBufferDrain)($this);
        }
    }

    /**
     * Calls onClose and lets go of everything.
     *
     * @internal called by the worker when the connection has gone
     */
    public function closed(): void
    {
        $this->status = self::STATUS_CLOSED;
        try {
            if ($this->onClose !== null) {
                ($this->onClose)($this);
            }
        } finally {
            if ($this->worker !== null) {
                unset($this->worker->connections[$this->id]);
            }
            $this->onMessage = $this->onClose = $this->onError = $this->onWebSocketConnect = $this->worker = null;
            $this->onBufferFull = $this->onBufferDrain = null;
        }
    }

    /** @throws Exception NOT_YET, for a name that Workerman gives a meaning; any other becomes a property */
    public function __set(string $name, mixed $value): void
    {
        if (\in_array($name, self::NOT_YET, true)) {
            throw Exception::notYet("TcpConnection::\$$name");
        }
        $this->$name = $value;
    }

    /**
     * @param list<mixed> $arguments
     *
     * @throws Exception always, naming the method: pipe() …
     */
    public function __call(string $name, array $arguments): never
    {
        throw Exception::notYet("TcpConnection::$name()");
    }

    /**
     * What send() was given, as a string.
     *
     * @throws Exception ARGUMENT, NOT_YET
     */
    protected static function sendable(mixed $data, bool $raw): string
    {
        if ($raw) {
            throw Exception::notYet('TcpConnection::send($data, true): raw bytes past the protocol');
        }
        if (!\is_scalar($data) && !$data instanceof \Stringable) {
            throw new Exception('send: a ' . \get_debug_type($data) . ' cannot be sent; make it a string', Exception::ARGUMENT);
        }

        return (string) $data;
    }

    /** Tells, once until there is room again, that no more fits; and has that be told. */
    private function lookWhetherFull(): void
    {
        if ($this->server->queuedBytes($this->id) >= self::$defaultMaxSendBufferSize && $this->server->awaitDrain($this->id)) {
            $this->isFull = true;
            $this->onBufferFull !== null && ($this->onBufferFull)($this);
        }
    }
}
