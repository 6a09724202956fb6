<?php

declare(strict_types=1);

namespace WsPush\Swoole;

use WsPush\Exception;
use WsPush\Server as Engine;

/**
 * Swoole\WebSocket\Server over WsPush\Server: the shapes of Swoole's API, one PHP process, one engine.
 *
 * What differs from Swoole, because it is better so: a mistake of the program is an exception where Swoole warns
 * and goes on; the address is bound in start(), so with port 0 $server->port is known in the 'start' handler; the
 * 'close' event comes for WebSocket connections only. Handlers run one after the other in one process, whatever
 * worker_num says. What does not exist yet throws, and says its name.
 */
#[\AllowDynamicProperties]
class Server extends HttpServer
{
    /** SWOOLE_BASE */
    private const BASE = 1;
    /** SWOOLE_SOCK_TCP and its like */
    private const TCP = 1;
    private const TCP6 = 3;
    private const UNIX_STREAM = 5;
    private const SSL = 512;

    private const EVENTS = [
        'open', 'message', 'close', 'request', 'start', 'shutdown', 'beforeshutdown', 'workerstart', 'workerstop',
        'handshake',
        'bufferfull', 'bufferempty',
    ];

    public string $host;
    /** The real one once started */
    public int $port;
    public int $type;
    public int $mode;
    /** @var array<string, mixed> all that was given to set() */
    public array $setting = [];
    /** Iterable and countable: the ids of the open connections */
    public Connections $connections;
    public int $master_pid = 0;
    public int $manager_pid = 0;
    public int $worker_pid = 0;
    public int $worker_id = 0;
    public bool $taskworker = false;

    private ?Engine $engine = null;
    /** @var array<string, \Closure> by lower-case name */
    private array $handlers = [];
    /** Bytes that wait for a connection when it is told as full */
    private int $highWatermark = 0;
    /** @var array<int, true> connections that were told as full and not as empty since */
    private array $full = [];

    /**
     * @param int $mode SWOOLE_BASE or SWOOLE_PROCESS: all one here
     * @param int $sock_type SWOOLE_SOCK_TCP, SWOOLE_SOCK_TCP6, or SWOOLE_SOCK_UNIX_STREAM ($host is then a path)
     *
     * @throws Exception NOT_YET: another kind of socket, TLS
     */
    public function __construct(
        string $host = '0.0.0.0',
        int $port = 0,
        int $mode = self::BASE,
        int $sock_type = self::TCP,
    ) {
        if (!\in_array($sock_type, [self::TCP, self::TCP6, self::UNIX_STREAM], true)) {
            throw Exception::notYet("Swoole's socket type $sock_type" . ($sock_type & self::SSL ? ' (SWOOLE_SSL)' : ''));
        }
        $this->host = $host;
        $this->port = $port;
        $this->mode = $mode;
        $this->type = $sock_type;
        $this->connections = new Connections();
    }

    /**
     * Settings by Swoole's names; may be called several times before start().
     *
     * @param array<string, mixed> $settings
     *
     * @throws Exception NOT_YET, naming a setting that cannot be honoured; VALUE; STATE
     */
    public function set(array $settings): bool
    {
        $this->mustNotRun('set');
        Settings::check($settings);
        $this->setting = $settings + $this->setting;

        return true;
    }

    /**
     * Sets the handler of an event: open, message, close, request, start, shutdown, beforeShutdown, workerStart,
     * workerStop, handShake, bufferFull, bufferEmpty. The name is taken in any case.
     *
     * @throws Exception NOT_YET, naming the event
     */
    public function on(string $event_name, callable $callback): bool
    {
        $event = \strtolower($event_name);
        if (!\in_array($event, self::EVENTS, true)) {
            throw Exception::notYet("Swoole's event '$event_name'");
        }
        $this->mustNotRun('on');
        $this->handlers[$event] = $callback(...);

        return true;
    }

    /**
     * Serves until shutdown(), SIGINT or SIGTERM.
     *
     * @throws Exception ADDRESS_IN_USE, PERMISSION and others; STATE: no message handler, or started already
     */
    public function start(): bool
    {
        $this->mustNotRun('start');
        $message = $this->handlers['message'] ?? throw new Exception(
            'Swoole\WebSocket\Server::start(): set the message handler first, with on(\'message\', …)',
            Exception::STATE,
        );
        $options = Settings::options($this->setting);
        $this->highWatermark = Settings::highWatermark($options);
        $engine = new Engine($options);
        $unix = $this->type === self::UNIX_STREAM;
        $engine->listen($unix ? "unix:$this->host" : $this->host, $this->port);
        $this->useLogFile($engine);
        $engine->on('message', function (Engine $engine, int $fd, string $data, int $opcode) use ($message): void {
            $frame = new Frame();
            $frame->fd = $fd;
            $frame->data = $data;
            $frame->opcode = $opcode;
            $frame->finish = true;
            $message($this, $frame);
        });
        $this->passOn($engine);
        $this->engine = $engine;
        $this->connections->of($engine);
        try {
            $engine->run();
        } catch (Exception $exception) {
            $this->engine = null; // it never ran: start() may be tried again
            throw $exception;
        }

        return true;
    }

    /** Stops cleanly: clients get 1001, and at most max_wait_time (default 3) seconds. */
    public function shutdown(): bool
    {
        $seconds = $this->setting['max_wait_time'] ?? 3;
        $this->engine()->stop(\is_numeric($seconds) ? (int) ($seconds * 1000) : Engine::STOP_TIMEOUT_MS);

        return true;
    }

    /**
     * Sends a message to one connection.
     *
     * @param Frame|string $data a Frame brings its own opcode and flags
     * @param int|bool $flags SWOOLE_WEBSOCKET_FLAG_FIN, or $finish as in older versions: true
     *
     * @return bool false: the connection is closed, or its queue is full
     *
     * @throws Exception UTF8: text that is not; ARGUMENT; NOT_YET: a fragment, a Pong; STATE: not started
     */
    public function push(int $fd, Frame|string $data, int $opcode = 1, int|bool $flags = 1): bool
    {
        $engine = $this->engine ?? $this->engine();
        if ($opcode === Engine::TEXT && $flags === 1 && \is_string($data)) {
            return isset($this->handlers['bufferfull'])
                ? $this->pushAndLook($engine, $fd, $data, $opcode)
                : $engine->push($fd, $data);
        }
        if ($data instanceof Frame) {
            if ($data instanceof CloseFrame) {
                return $engine->close($fd, $data->code, $data->reason);
            }
            $opcode = $data->opcode;
            $flags = $data->finish ?? $data->flags;
            $data = $data->data;
        }
        if (((int) $flags & 1) === 0) {
            throw Exception::notYet('push() of a fragment (a frame without FIN)');
        }

        return match ($opcode) {
            8 => $engine->close($fd, 1000, $data),
            9 => $engine->ping($fd, $data),
            10 => throw Exception::notYet('push() of a Pong', 'the engine answers Pings by itself'),
            default => $this->pushAndLook($engine, $fd, $data, $opcode),
        };
    }

    /** Reads nothing more from a connection until resume(). It is not closed for silence meanwhile. */
    public function pause(int $fd): bool
    {
        return $this->engine()->pause($fd);
    }

    /** Reads on after pause(). */
    public function resume(int $fd): bool
    {
        return $this->engine()->resume($fd);
    }

    /** Begins the close handshake. */
    public function disconnect(int $fd, int $code = 1000, string $reason = ''): bool
    {
        return $this->engine()->close($fd, $code, $reason);
    }

    /** @param bool $reset true: cut at once; false: a Close frame with 1000 first */
    public function close(int $fd, bool $reset = false): bool
    {
        return $reset ? $this->engine()->disconnect($fd) : $this->engine()->close($fd);
    }

    public function isEstablished(int $fd): bool
    {
        return $this->engine !== null && $this->engine->isOpen($fd);
    }

    public function exist(int $fd): bool
    {
        return $this->isEstablished($fd);
    }

    public function exists(int $fd): bool
    {
        return $this->isEstablished($fd);
    }

    /**
     * What is known of a connection: remote_ip, remote_port, server_port, connect_time, last_time and other keys of Swoole's.
     *
     * @param int $reactor_id without effect, as $ignore_error
     *
     * @return array<string, int|string|float>|false false: it is closed
     */
    public function getClientInfo(int $fd, int $reactor_id = -1, bool $ignore_error = false): array|false
    {
        $info = $this->engine()->info($fd);

        return $info === null ? false : [
            'server_fd' => 0,
            'socket_type' => $this->type,
            'reactor_id' => 0,
            'uid' => 0,
            'remote_ip' => $info->remoteAddress,
            'remote_port' => $info->remotePort,
            'server_port' => $info->localPort,
            'connect_time' => (int) $info->openedAt,
            'last_time' => (int) $info->heardAt,
            'last_recv_time' => $info->heardAt,
            'close_errno' => 0,
            'send_queued_bytes' => $info->queuedBytes,
            'websocket_status' => $this->engine()->isOpen($fd) ? \WEBSOCKET_STATUS_ACTIVE : \WEBSOCKET_STATUS_CLOSING,
        ];
    }

    /**
     * A page of the ids of the open connections, ascending, after $start_fd.
     *
     * @return list<int>|false false: no more
     */
    public function getClientList(int $start_fd = 0, int $find_count = 10): array|false
    {
        $ids = \array_filter($this->connections->ids(), static fn (int $id): bool => $id > $start_fd);

        return \array_slice($ids, 0, $find_count) ?: false;
    }

    /**
     * @param list<mixed> $arguments
     *
     * @throws Exception always, naming the method
     */
    public function __call(string $name, array $arguments): never
    {
        throw Exception::notYet("Swoole\\WebSocket\\Server::$name()");
    }

    /** Connects the engine's events to the handlers, with Swoole's arguments. */
    private function passOn(Engine $engine): void
    {
        $on = $this->handlers;
        if (isset($on['open']) && !isset($on['handshake'])) { // as in Swoole
            $engine->on('open', function (Engine $engine, \WsPush\Request $request) use ($on): void {
                ($on['open'])($this, Request::of($request));
            });
        }
        if (isset($on['bufferempty']) || isset($on['bufferfull'])) {
            $engine->on('drain', function (Engine $engine, int $fd) use ($on): void {
                unset($this->full[$fd]);
                isset($on['bufferempty']) && ($on['bufferempty'])($this, $fd);
            });
        }
        if (isset($on['close']) || isset($on['bufferfull'])) {
            $engine->on('close', function (Engine $engine, int $fd) use ($on): void {
                unset($this->full[$fd]);
                isset($on['close']) && ($on['close'])($this, $fd, 0);
            });
        }
        if (isset($on['request'])) {
            $engine->on('request', function (\WsPush\Request $request, \WsPush\Response $response) use ($on): void {
                ($on['request'])(Request::of($request), Response::to($response));
            });
        }
        if (isset($on['handshake'])) {
            $engine->on('handshake', function (\WsPush\Request $request, \WsPush\Handshake $handshake) use ($on): void {
                ($on['handshake'])(Request::of($request), Response::to($handshake));
            });
        }
        $engine->on('start', function (Engine $engine): void {
            $this->port = $engine->port();
            $this->master_pid = $this->worker_pid = (int) \getmypid();
            $this->pidFile(true);
            $this->tell('start');
            $this->tell('workerstart', 0);
        });
        $engine->on('stop', function (): void {
            $this->tell('workerstop', 0);
            $this->tell('beforeshutdown');
            $this->tell('shutdown');
            $this->pidFile(false);
        });
    }

    /** Pushes, and tells of a connection for which so much waits: once, until it was told as empty. */
    private function pushAndLook(Engine $engine, int $fd, string $data, int $opcode): bool
    {
        $pushed = $engine->push($fd, $data, $opcode);
        if (isset($this->handlers['bufferfull']) && !isset($this->full[$fd]) && $engine->queuedBytes($fd) >= $this->highWatermark) {
            if ($engine->awaitDrain($fd)) {
                $this->full[$fd] = true;
                ($this->handlers['bufferfull'])($this, $fd);
            }
        }

        return $pushed;
    }

    /** Calls a handler of the server's own life; what it throws is logged, and the next one is called all the same. */
    private function tell(string $event, int ...$more): void
    {
        try {
            if (isset($this->handlers[$event])) {
                $this->handlers[$event]($this, ...$more);
            }
        } catch (\Throwable $thrown) {
            $this->engine()->log("wspush: the $event handler threw $thrown");
        }
    }

    private function useLogFile(Engine $engine): void
    {
        $file = $this->setting['log_file'] ?? '';
        if (\is_string($file) && $file !== '') {
            $engine->setLogger(static function (string $line) use ($file): void {
                \error_log(\date('[Y-m-d H:i:s] ') . $line . "\n", 3, $file);
            });
        }
        $workers = $this->setting['worker_num'] ?? 1;
        if (\is_numeric($workers) && $workers > 1) {
            $engine->log("wspush: worker_num is $workers; one PHP process serves all connections for now");
        }
    }

    private function pidFile(bool $running): void
    {
        $file = $this->setting['pid_file'] ?? '';
        if (\is_string($file) && $file !== '') {
            $running ? \file_put_contents($file, (string) \getmypid()) : @\unlink($file);
        }
    }

    private function engine(): Engine
    {
        return $this->engine ?? throw new Exception('Swoole\WebSocket\Server: start() it first', Exception::STATE);
    }

    private function mustNotRun(string $method): void
    {
        if ($this->engine !== null) {
            throw new Exception("Swoole\\WebSocket\\Server::$method(): the server was started already", Exception::STATE);
        }
    }
}
