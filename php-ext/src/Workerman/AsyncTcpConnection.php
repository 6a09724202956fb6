<?php

declare(strict_types=1);

namespace WsPush\Workerman;

use WsPush\Client;
use WsPush\ConnectException;
use WsPush\Exception;
use WsPush\RequestFields;
use WsPush\UpgradeResponse;

/**
 * Workerman\Connection\AsyncTcpConnection, for ws:// alone: a client in a worker process, beside whatever that serves.
 *
 * What differs from Workerman, because it is better so: onConnect comes when the WebSocket is open, just before
 * onWebSocketConnect; the engine pings by itself; close() says goodbye with a Close frame; what a handler throws is logged. As
 * in Workerman, a connection that could not be made gets onError and then onClose.
 */
class AsyncTcpConnection extends TcpConnection
{
    /** Options that the clients of one loop have in common */
    private const SHARED = ['max_message_size' => 1, 'max_queued_bytes' => 1, 'ping_interval' => 1];

    private const WATCH_SECONDS = 0.01;

    private static int $count = 0;

    /** @var callable|null ($connection) */
    public $onConnect;
    /** @var array<array-key, mixed>|string fields for the request: by name, or as lines */
    public array|string $headers = [];
    /** Seconds; null: the engine's own, 30 */
    public int|float|null $websocketPingInterval = null;
    /** Subprotocols to offer, with commas between them */
    public string $websocketClientProtocol = '';
    public string $websocketOrigin = '';
    /** "host:port" of an HTTP proxy */
    public string $proxyHttp = '';

    private readonly string $url;
    private ?Client $client = null;
    private ?int $reconnectTimer = null;
    /** @var array<int, array{string, string}> type and data of what was sent before it was open */
    private array $early = [];
    private int $earlyBytes = 0;

    /**
     * @param string $remoteAddress "ws://host:port/path?query"
     * @param array<string, mixed> $contextOption must be empty for now
     *
     * @throws Exception NOT_YET: another protocol, an option of the context
     */
    public function __construct(string $remoteAddress, array $contextOption = [])
    {
        $scheme = \strtolower((string) \strstr($remoteAddress, '://', true));
        if ($scheme !== 'ws' && $scheme !== 'wss') {
            throw Exception::notYet("the protocol '$scheme' of AsyncTcpConnection(\"$remoteAddress\")", 'there is ws://');
        }
        foreach (\array_keys($contextOption) as $name) {
            throw Exception::notYet("the context option \"$name\" of AsyncTcpConnection");
        }
        $this->url = $remoteAddress;
        $this->id = -(++self::$count); // so that none is that of a connection of the server
        $this->worker = null;
        $this->status = self::STATUS_INITIAL;
        $this->remoteIp = \trim($this->getRemoteHost(), '[]'); // until it is known which address of that name it is
        $this->remotePort = \parse_url($remoteAddress, \PHP_URL_PORT) ?: ($scheme === 'wss' ? 443 : 80);
    }

    /**
     * Begins to connect; what happens is told to the handlers.
     *
     * @throws Exception STATE: not in a worker process; URL, UNSUPPORTED: an address that will not do; ARGUMENT, VALUE: headers or
     *                   properties that will not do
     */
    public function connect(): void
    {
        if (!\in_array($this->status, [self::STATUS_INITIAL, self::STATUS_CLOSING, self::STATUS_CLOSED], true)) {
            return;
        }
        Worker::loop();
        $this->cancelReconnect();
        [$options, $headers] = $this->request();
        $url = $this->transport === 'ssl' ? (string) \preg_replace('{^ws:}i', 'wss:', $this->url) : $this->url;
        $client = new Client($url, $options, $headers);
        $client->setLogger(Worker::log(...));
        // Of a client that another has taken the place of, nothing counts any more.
        $client->on('open', fn (Client $client, UpgradeResponse $response) => $this->client === $client && $this->opened($response));
        $client->on('message', function (Client $client, string $data): void {
            if ($this->onMessage !== null && $this->client === $client) {
                ($this->onMessage)($this, $data);
            }
        });
        $client->on('drain', fn (Client $client) => $this->client === $client && $this->drained());
        $client->on('error', fn (Client $client, ConnectException $failure) => $this->client === $client && $this->failed($failure));
        $client->on('close', fn (Client $client) => $this->ended($client));
        $client->on('end', fn (Client $client) => $this->ended($client));
        Worker::clients(\implode(' ', \array_intersect_key($options, self::SHARED)))->add($client);
        $client->start();
        $this->leave();
        $this->client = $client;
        $this->status = self::STATUS_CONNECTING;
    }

    /**
     * Connects again, after so many seconds: the thing to do in onClose. A connection that there still is, is closed, and nothing
     * more is told of it. While the worker stops it does nothing.
     */
    public function reConnect(int|float $after = 0): void
    {
        if (Worker::isStopping()) {
            return;
        }
        $this->cancelReconnect();
        $this->status = self::STATUS_INITIAL;
        $this->leave();
        if ($after > 0) {
            $this->reconnectTimer = Worker::loop()->after((float) $after, $this->connect(...));
        } else {
            $this->connect();
        }
    }

    /** Takes back a reConnect() that has not begun. */
    public function cancelReconnect(): void
    {
        if ($this->reconnectTimer !== null) {
            Worker::loop()->cancel($this->reconnectTimer);
            $this->reconnectTimer = null;
        }
    }

    /**
     * Sends a message of the kind that websocketType says. Before it is open it is kept, up to $defaultMaxSendBufferSize bytes.
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
        if ($this->status === self::STATUS_INITIAL || $this->status === self::STATUS_CONNECTING) {
            $sent = $this->keep($data);
        } elseif ($this->status === self::STATUS_ESTABLISHED) {
            $sent = $this->early === [] ? $this->transmit($this->websocketType, $data) : $this->keep($data);
        } else {
            return false;
        }
        if (!$this->isFull && (!$sent || $this->getSendBufferQueueSize() >= self::$defaultMaxSendBufferSize)) {
            $this->isFull = true;
            $sent && $this->watch();
            $this->onBufferFull !== null && ($this->onBufferFull)($this);
        }
        if (!$sent && $this->onError !== null && $this->status !== self::STATUS_CLOSED) {
            ($this->onError)($this, self::SEND_FAIL, 'send buffer full and drop package');
        }

        return $sent;
    }

    public function pauseRecv(): void
    {
        $this->client?->pause();
    }

    public function resumeRecv(): void
    {
        $this->client?->resume();
    }

    /** Closes with code 1000, after what was sent so far, and after $data if it is given. onClose follows. */
    public function close(mixed $data = null, bool $raw = false): void
    {
        if ($data !== null) {
            $this->send($data, $raw);
        }
        $this->cancelReconnect();
        if ($this->client !== null && $this->client->isRunning()) {
            $this->status = self::STATUS_CLOSING;
            $this->client->close();
        } elseif ($this->status !== self::STATUS_CLOSED) {
            $this->closed();
        }
    }

    /** As close(): the engine says goodbye. */
    public function destroy(): void
    {
        $this->close();
    }

    public function getSendBufferQueueSize(): int
    {
        return $this->earlyBytes + ($this->client?->queuedBytes() ?? 0);
    }

    public function getRemoteHost(): string
    {
        return (string) \parse_url($this->url, \PHP_URL_HOST);
    }

    public function getRemoteURI(): string
    {
        $query = \parse_url($this->url, \PHP_URL_QUERY);

        return (\parse_url($this->url, \PHP_URL_PATH) ?: '/') . (\is_string($query) ? "?$query" : '');
    }

    /**
     * Calls onClose; and lets go of the handlers, unless that has begun to connect again.
     *
     * @internal
     */
    public function closed(): void
    {
        $this->status = self::STATUS_CLOSED;
        $this->client = null;
        $this->early = [];
        $this->earlyBytes = 0;
        try {
            if ($this->onClose !== null) {
                ($this->onClose)($this);
            }
        } finally {
            $this->isFull = false;
        }
    }

    private function opened(UpgradeResponse $response): void
    {
        $this->status = self::STATUS_ESTABLISHED;
        $this->remoteIp = $response->remoteAddress;
        $this->remotePort = $response->remotePort;
        $this->flush();
        if ($this->isFull && $this->early === []) {
            parent::drained(); // it was full of what waited here, of which the engine does not know
        }
        if ($this->onConnect !== null) {
            ($this->onConnect)($this);
        }
        if ($this->onWebSocketConnect !== null) {
            ($this->onWebSocketConnect)($this, new Response($response));
        }
    }

    /** @internal */
    public function drained(): void
    {
        $this->flush();
        if ($this->early === []) {
            parent::drained();
        }
    }

    /**
     * Looks for room until there is some: the engine tells it after a push that was refused, but not where all went out before
     * it saw how much that was.
     */
    private function watch(): void
    {
        $client = $this->client;
        $client === null || Worker::isStopping() || Worker::loop()->after(self::WATCH_SECONDS, function () use ($client): void {
            if ($this->isFull && $this->client === $client) {
                $this->getSendBufferQueueSize() <= self::$defaultMaxSendBufferSize / 2 ? $this->drained() : $this->watch();
            }
        });
    }

    /** Sends what was kept until it was open, as far as there is room for it; the rest goes when there is more. */
    private function flush(): void
    {
        foreach ($this->early as $i => [$type, $data]) {
            try {
                if (!$this->transmit($type, $data)) {
                    return;
                }
            } catch (Exception $exception) {
                Worker::log("wspush: a message sent before the connection was open is lost: {$exception->getMessage()}");
            }
            unset($this->early[$i]);
            $this->earlyBytes -= \strlen($data);
        }
    }

    /** Has done with the client of before, if there is one: it says goodbye by itself. */
    private function leave(): void
    {
        $client = $this->client;
        $this->client = null;
        $client?->close();
    }

    private function failed(ConnectException $failure): void
    {
        $this->status = self::STATUS_CLOSING;
        if ($this->onError !== null) {
            ($this->onError)($this, self::CONNECT_FAIL, $failure->getMessage());
        }
    }

    /** The end of this client, told once: a close, or a failure, or the end of an attempt that was given up. */
    private function ended(Client $client): void
    {
        if ($this->client === $client) {
            $this->closed();
        }
    }

    private function transmit(string $type, string $data): bool
    {
        return match ($type) {
            "\x81" => (bool) $this->client?->push($data),
            "\x82" => (bool) $this->client?->push($data, Client::BINARY),
            "\x89" => (bool) $this->client?->ping($data),
            default => throw Exception::notYet('websocketType "\x' . \bin2hex($type) . '"'),
        };
    }

    private function keep(string $data): bool
    {
        if ($this->websocketType === Websocket::BINARY_TYPE_BLOB && \preg_match('//u', $data) !== 1) {
            throw new Exception('send: a text message must be UTF-8; the websocketType of other bytes is BINARY_TYPE_ARRAYBUFFER', Exception::UTF8);
        }
        if ($this->earlyBytes + \strlen($data) > self::$defaultMaxSendBufferSize) {
            return false;
        }
        $this->early[] = [$this->websocketType, $data];
        $this->earlyBytes += \strlen($data);

        return true;
    }

    /** @return array{array<string, int|float|string>, array<string, list<string>>} options and headers of a Client */
    private function request(): array
    {
        $fields = \is_string($this->headers) ? \preg_split('/\R/', $this->headers, -1, \PREG_SPLIT_NO_EMPTY) : $this->headers;
        [$options, $headers] = RequestFields::split($fields ?: [], (string) \preg_replace('{^.*?://([^/?]*@)?([^/?]*).*}', '$2', $this->url));
        if ($this->websocketOrigin !== '') {
            $headers['Origin'] = [$this->websocketOrigin];
        }
        $options += [
            'max_message_size' => self::$defaultMaxPackageSize,
            'max_queued_bytes' => self::$defaultMaxSendBufferSize,
            'ping_interval' => $this->websocketPingInterval,
            'subprotocols' => $this->websocketClientProtocol,
            'proxy' => $this->proxyHttp === '' ? '' : "http://$this->proxyHttp",
        ];

        return [\array_filter($options, static fn (mixed $value): bool => $value !== null && $value !== ''), $headers];
    }
}
