<?php

declare(strict_types=1);

namespace WsPush\Workerman;

use WsPush\ClientLoop;
use WsPush\EventLoop;
use WsPush\Exception;
use WsPush\Request as Original;
use WsPush\Server;
use WsPush\Signals;

/**
 * Workerman\Worker over WsPush\Server: an address, handlers, and a number of processes that share the address.
 *
 * What differs from Workerman, because it is better so: a handler that throws is logged and the process lives on; the
 * engine pings and answers Pings; close() says goodbye with a Close frame. onConnect comes when the WebSocket is open.
 */
#[\AllowDynamicProperties]
class Worker
{
    /** @var bool true is not there yet: `start -d` */
    public static $daemonize = false;
    /** @var string where the master's process id is written; '' for nowhere */
    public static $pidFile = '';
    /** @var string where log lines go, besides stderr; '' for nowhere */
    public static $logFile = '';
    /** @var int|float seconds that workers have to stop before they are killed */
    public static $stopTimeout = 5;
    /** @var callable|null called in the master once all workers have gone */
    public static $onMasterStop;
    /** @var string without effect: it matters only to a daemon */
    public static $stdoutFile = '/dev/null';
    /** @var string without effect: the engine has an event loop of its own */
    public static $eventLoopClass = '';
    /** @var string without effect */
    public static $statusFile = '';
    /** @var callable|null without effect until there is `reload` */
    public static $onMasterReload;

    /** How long a wait is at a stretch, because of signals that come in the instant before it. */
    private const WAIT_MS = 1000;
    /** Properties that mean something to Workerman and nothing here yet. */
    private const NOT_YET = ['onWebSocketClose', 'onWebSocketConnected'];

    /** @var list<Worker> */
    private static array $workers = [];
    /** What this worker process waits for; null in the master */
    private static ?EventLoop $loop = null;
    /** @var array<string, ClientLoop> those of the AsyncTcpConnections of this process, by what their clients have in common */
    private static array $clients = [];
    /** When a stop has to be over, in seconds of microtime() */
    private static ?float $stopAt = null;

    /** Number of this process among the worker's processes, from 0 */
    public int $id = 0;
    public string $name = 'none';
    /** How many processes serve the address; one where the pcntl extension is missing */
    public int $count = 1;
    public string $user = '';
    public string $group = '';
    public string $transport = 'tcp';
    /** Without effect: the processes share the address by SO_REUSEPORT always */
    public bool $reusePort = false;
    /** Without effect until there is `reload` */
    public bool $reloadable = true;
    /** @var array<int, TcpConnection> the open connections of this process, by id */
    public array $connections = [];
    /** @var callable|null ($worker): in each process, once it listens */
    public $onWorkerStart;
    /** @var callable|null ($worker) */
    public $onWorkerStop;
    /** @var callable|null ($worker): without effect until there is `reload` */
    public $onWorkerReload;
    /** @var callable|null ($connection) */
    public $onConnect;
    /** @var callable|null ($connection, Request $request): the upgrade has been accepted; close() to turn it down */
    public $onWebSocketConnect;
    /** @var callable|null ($connection, string $data) */
    public $onMessage;
    /** @var callable|null ($connection) */
    public $onClose;
    /** @var callable|null ($connection, int $code, string $message): a message could not be sent */
    public $onError;
    /** @var callable|null ($connection): what is sent now is refused */
    public $onBufferFull;
    /** @var callable|null ($connection): there is room again */
    public $onBufferDrain;

    /** '' and 0: it listens nowhere */
    private readonly string $host;
    private int $port;

    /**
     * @param string|null $socket_name "websocket://0.0.0.0:2000"; port 0: any free one. Null: it does not listen, and has only what
     *        its onWorkerStart begins, an AsyncTcpConnection say
     * @param array<string, array<string, mixed>> $context_option of "socket", "backlog" is used
     *
     * @throws Exception NOT_YET: another protocol, TLS; ADDRESS
     */
    public function __construct(?string $socket_name = null, private readonly array $context_option = [])
    {
        if ($socket_name === null || $socket_name === '') {
            $this->host = '';
            $this->port = 0;
            self::$workers[] = $this;

            return;
        }
        $scheme = \strtolower((string) \strstr($socket_name, '://', true));
        if ($scheme !== 'websocket') {
            throw Exception::notYet("the protocol '$scheme' of Worker(\"$socket_name\")", 'there is websocket://');
        }
        if (isset($context_option['ssl'])) {
            throw Exception::notYet('TLS (the context option "ssl")');
        }
        $address = \parse_url($socket_name);
        if ($address === false || !isset($address['host'], $address['port'])) {
            throw new Exception("\"$socket_name\" is no address; websocket://host:port is one", Exception::ADDRESS);
        }
        $this->host = \trim($address['host'], '[]');
        $this->port = $address['port'];
        self::$workers[] = $this;
    }

    /**
     * Runs all workers that were made: a master that forks their processes, minds them, and does not return. Without
     * the pcntl and posix extensions one worker runs in this process, and this returns when it has stopped.
     *
     * @throws Exception NOT_YET, naming what was asked for and is missing; ADDRESS_IN_USE and others
     */
    public static function runAll(): void
    {
        CommandLine::start();
        foreach (self::$workers as $worker) {
            $worker->refuseWhatIsMissing();
        }
        if (Master::isPossible()) {
            exit((new Master(self::$workers))->run());
        }
        if (\count(self::$workers) !== 1) {
            throw new Exception('Several Workers need the extensions pcntl and posix', Exception::STATE);
        }
        self::$workers[0]->serve(0, false);
    }

    /** Stops this worker process; in the master, all of them. */
    public static function stopAll(): void
    {
        if (self::$loop !== null) {
            self::$stopAt ??= \microtime(true) + self::stopMilliseconds() / 1000;
            self::$loop->stop(self::stopMilliseconds());
        } elseif (Master::isPossible()) {
            \posix_kill((int) \getmypid(), \SIGTERM);
        }
    }

    /** @return list<Worker> */
    public static function getAllWorkers(): array
    {
        return self::$workers;
    }

    /** Writes a line to stderr, and to $logFile if that is set. */
    public static function log(mixed $message): void
    {
        $line = \date('Y-m-d H:i:s') . ' pid:' . \getmypid() . ' '
            . (\is_scalar($message) || $message instanceof \Stringable ? $message : \get_debug_type($message)) . "\n";
        \fwrite(\STDERR, $line);
        if (self::$logFile !== '') {
            \file_put_contents(self::$logFile, $line, \FILE_APPEND | \LOCK_EX);
        }
    }

    public function getSocketName(): string
    {
        return $this->host === '' ? 'none' : 'websocket://' . (\str_contains($this->host, ':') ? "[$this->host]" : $this->host) . ":$this->port";
    }

    /** @internal */
    public function getHost(): string
    {
        return $this->host;
    }

    /** @internal */
    public function getPort(): int
    {
        return $this->port;
    }

    /** @internal the master has chosen a port, where the program left it open with 0 */
    public function setPort(int $port): void
    {
        $this->port = $port;
    }

    /**
     * The life of one worker process: an engine of its own, from start to stop.
     *
     * @internal
     *
     * @param callable(): void|null $signalsHeld called when signals may come
     * @param callable(): void|null $listening called when clients may come
     *
     * @throws Exception when it cannot listen; and what onWorkerStart throws
     */
    public function serve(int $id, bool $reusePort, ?callable $signalsHeld = null, ?callable $listening = null): void
    {
        $this->id = $id;
        $server = $this->host === '' ? null : $this->server($reusePort);
        $loop = self::$loop = new EventLoop(static fn (\Throwable $thrown) => self::log("wspush: a timer threw $thrown"));
        $held = new Signals(static fn () => self::stopAll());
        $signalsHeld === null || $signalsHeld();
        if ($server !== null) {
            $server->start();
            $this->port = $server->port();
            $loop->add($server);
        }
        $listening === null || $listening();
        if ($this->onWorkerStart !== null) {
            ($this->onWorkerStart)($this);
        }
        // Of a server that has stopped the last events come yet; servers that do not answer our goodbye are not waited for.
        while (self::$stopAt === null || $server?->isRunning() || ($loop->isRunning() && \microtime(true) < self::$stopAt)) {
            $loop->poll(self::WAIT_MS);
        }
        if ($this->onWorkerStop !== null) {
            ($this->onWorkerStop)($this);
        }
        $held->release();
    }

    /**
     * The loop for an AsyncTcpConnection: those with the same options share one.
     *
     * @internal
     *
     * @throws Exception STATE: not in a worker process
     */
    public static function clients(string $options): ClientLoop
    {
        $loop = self::loop();
        $clients = self::$clients[$options] ??= (new ClientLoop())->setLogger(self::log(...));
        $loop->add($clients); // which it has left if none of them ran any more

        return $clients;
    }

    /**
     * What this process waits for.
     *
     * @internal
     *
     * @throws Exception STATE: not in a worker process
     */
    public static function loop(): EventLoop
    {
        return self::$loop ?? throw new Exception('in onWorkerStart or later: there is no worker process yet', Exception::STATE);
    }

    /** @internal whether this process begins nothing any more */
    public static function isStopping(): bool
    {
        return self::$stopAt !== null;
    }

    /** @throws Exception NOT_YET, for a name that Workerman gives a meaning; any other becomes a property */
    public function __set(string $name, mixed $value): void
    {
        if (\in_array($name, self::NOT_YET, true)) {
            throw Exception::notYet("Worker::\$$name");
        }
        $this->$name = $value;
    }

    /**
     * @param list<mixed> $arguments
     *
     * @throws Exception always, naming the method
     */
    public function __call(string $name, array $arguments): never
    {
        throw Exception::notYet("Worker::$name()");
    }

    /**
     * @param list<mixed> $arguments
     *
     * @throws Exception always, naming the method
     */
    public static function __callStatic(string $name, array $arguments): never
    {
        throw Exception::notYet("Worker::$name()");
    }

    /** What workers get of the time the master gives them, so that they are gone before it loses patience. */
    private static function stopMilliseconds(): int
    {
        return (int) (\max(0.2, self::$stopTimeout * 0.8) * 1000);
    }

    private function server(bool $reusePort): Server
    {
        $server = new Server($this->options($reusePort));
        $server->setLogger(self::log(...));
        $server->listen($this->host, $this->port);
        $this->passOn($server);

        return $server;
    }

    /** @return array<string, int|string|bool> */
    private function options(bool $reusePort): array
    {
        $backlog = $this->context_option['socket']['backlog'] ?? null;

        return [
            'max_message_size' => TcpConnection::$defaultMaxPackageSize,
            'max_queued_bytes' => TcpConnection::$defaultMaxSendBufferSize,
            'reuse_port' => $reusePort,
        ] + (\is_int($backlog) ? ['backlog' => \min($backlog, 65535)] : []);
    }

    private function passOn(Server $server): void
    {
        $server->on('open', function (Server $server, Original $request): void {
            $connection = $this->connections[$request->conn] = new TcpConnection($server, $this, $request);
            if ($this->onConnect !== null) {
                ($this->onConnect)($connection);
            }
            if ($connection->onWebSocketConnect !== null) {
                ($connection->onWebSocketConnect)($connection, new Request($request, $connection));
            }
        });
        $server->on('message', function (Server $server, int $conn, string $data): void {
            $connection = $this->connections[$conn];
            if ($connection->onMessage !== null) {
                ($connection->onMessage)($connection, $data);
            }
        });
        $server->on('drain', function (Server $server, int $conn): void {
            ($this->connections[$conn] ?? null)?->drained();
        });
        $server->on('close', function (Server $server, int $conn): void {
            $this->connections[$conn]->closed();
        });
    }

    /** @throws Exception NOT_YET */
    private function refuseWhatIsMissing(): void
    {
        match (true) {
            $this->transport !== 'tcp' => throw Exception::notYet("the transport '$this->transport' of Worker"),
            $this->user !== '', $this->group !== '' => throw Exception::notYet('Worker::$user and $group'),
            (bool) self::$daemonize => throw Exception::notYet('Worker::$daemonize', 'let systemd or Docker run it'),
            default => null,
        };
    }
}
