<?php

declare(strict_types=1);

namespace WsPush;

/**
 * A WebSocket server.
 *
 *     $server = new WsPush\Server(['max_message_size' => '4M']);
 *     $server->listen('127.0.0.1', 9502);
 *     $server->on('message', function (WsPush\Server $server, int $conn, string $data, int $opcode): void {
 *         $server->push($conn, $data, $opcode);
 *     });
 *     $server->run();
 *
 * The engine accepts, reads, pings and writes on a thread of its own; handlers run here, one after the other, whenever
 * this thread is in run() or poll(). A handler that takes its time delays other handlers, never the pings.
 */
class Server extends Native\Server implements EventSource
{
    use Logging;

    /** Default of stop(): milliseconds that clients get to take what is queued for them and answer the Close. */
    public const STOP_TIMEOUT_MS = 5000;

    /**
     * How long run() waits for events at a stretch. A signal ends the wait at once, but for one that comes in the
     * instant between PHP's look at pending signals and the wait itself: that one is seen after this time.
     */
    private const WAIT_MS = 1000;

    private readonly Handlers $on;
    private State $state = State::New;
    /** Milliseconds, once stop() was called where the engine could not be stopped on the spot. */
    private ?int $stopWithin = null;
    private bool $taking = false;
    /** Whether it gets that was said by the option log_events. */
    private bool $knowsWhatToLog = false;

    /**
     * @param array<string, string|int|float|bool> $options the engine's options by name: max_message_size (1M),
     *        max_connections (100000), max_queued_bytes (4M per connection), max_total_queued_bytes (1G),
     *        ping_interval (30 s), idle_timeout (off) and more. Sizes in bytes or with K, M, G; times in seconds or with ms, s, m; true and false are on and off.
     * @param string|null $library path of libwspush.so. Null: the environment variable WSPUSH_LIBRARY, else the
     *        package's lib/, the build tree, the system's loader
     *
     * @throws Exception OPTION (no such name), VALUE, LIBRARY
     */
    public function __construct(array $options = [], ?string $library = null)
    {
        parent::__construct($library);
        $this->on = new Handlers();
        $this->knowsWhatToLog = isset($options['log_events']);
        foreach ($options as $name => $value) {
            $this->engineSet($name, self::value($value));
        }
    }

    /**
     * Adds an address to listen on; any number of times, before start(), which binds it.
     *
     * @param string $host "127.0.0.1", "0.0.0.0", "::", "localhost", or "unix:/path" (then the port does not matter).
     *                     "fd:3" is a listening socket that this process has as descriptor 3, and "systemd:" are all those
     *                     that a service manager has passed by socket activation, "systemd:web" those it calls web: with
     *                     such a socket, a restart refuses nobody
     * @param int $port 0: any free one; port() tells which
     *
     * @return $this
     *
     * @throws Exception ADDRESS, ARGUMENT, STATE
     */
    public function listen(string $host = '127.0.0.1', int $port = 0): static
    {
        $this->engineListen($host, $port);

        return $this;
    }

    /**
     * Sets the handler of an event; the last one set counts. What a handler throws is logged, and costs nobody a
     * connection:
     *
     *     open     (Server $server, Request $request)                           a WebSocket opened: $request->conn
     *     message  (Server $server, int $conn, string $data, int $opcode)       TEXT or BINARY, whole
     *     drain    (Server $server, int $conn)                                  there is room again for a slow client: once
     *                                                                           after high_watermark bytes had waited, or
     *                                                                           a push() was refused, and no more than
     *                                                                           low_watermark wait
     *     close    (Server $server, int $conn, int $code, string $reason, CloseCause $cause)
     *                                                                           of each opened one, once. 1005: a Close
     *                                                                           without a code, 1006: lost without one;
     *                                                                           the cause says why
     *     request  (Request $request, Response $response)                       plain HTTP: a page, a webhook. Without
     *                                                                           this handler: 426
     *     handshake (Request $request, Handshake $handshake)                    an upgrade: accept() or refuse() it. Without
     *                                                                           this handler all are accepted
     *     start    (Server $server)                                             listening; port() is known
     *     stop     (Server $server)                                             after the last other event
     *
     * @return $this
     *
     * @throws Exception ARGUMENT: no such event
     */
    public function on(string $event, callable $handler): static
    {
        $handler = $handler(...);
        match ($event) {
            'open' => $this->on->open = $handler,
            'message' => $this->on->message = $handler,
            'drain' => $this->on->drain = $handler,
            'close' => $this->on->close = $handler,
            'request' => $this->on->request = $handler,
            'handshake' => $this->on->handshake = $handler,
            'start' => $this->on->start = $handler,
            'stop' => $this->on->stop = $handler,
            default => throw new Exception(
                "on: no event \"$event\"; there are open, message, drain, close, request, handshake, start, stop",
                Exception::ARGUMENT,
            ),
        };

        return $this;
    }

    /**
     * Starts the server if need be and serves until stop(), or until SIGINT, SIGTERM or SIGQUIT where the pcntl
     * extension is there: clients then get 1001, every 'close' event its handler, and the method returns. Handlers of
     * these signals that were there before are back afterwards.
     *
     * @param bool $signals false: leave the signals to the program
     *
     * @throws Exception as start()
     */
    public function run(bool $signals = true): void
    {
        $held = $signals ? new Signals(fn () => $this->stop()) : null;
        try {
            if ($this->state === State::New) {
                $this->start();
            }
            while ($this->state !== State::Stopped) {
                $this->poll(self::WAIT_MS);
            }
        } finally {
            $held?->release();
        }
    }

    /**
     * Binds, starts the engine and returns: for programs with an event loop of their own, which then watch
     * eventStream() and call poll(). Start after forking: threads do not survive a fork.
     *
     * @throws Exception ADDRESS_IN_USE, PERMISSION, ADDRESS, SYSTEM; STATE when started before
     */
    public function start(): void
    {
        if ($this->on->handshake !== null) {
            $this->engineSet('decide_upgrades', 'on');
        }
        if ($this->logsEngine && !$this->knowsWhatToLog) {
            $this->engineSet('log_events', 'on');
        }
        $this->engineStart();
        $this->state = State::Running;
        if ($this->on->start !== null) {
            $this->call('start', 0, $this->on->start, $this);
        }
    }

    /**
     * Takes one batch of events and calls their handlers. run() is a loop around this.
     *
     * @param int $timeoutMs how long to wait for the first event: 0 not at all, -1 without limit
     *
     * @return int events taken; 0 at the timeout, after a signal, and when there will be no more: then
     *             isRunning() is false
     *
     * @throws Exception STATE: not started, or called from inside a handler
     */
    public function poll(int $timeoutMs = 0): int
    {
        if ($this->taking) {
            throw new Exception('poll: called from inside a handler', Exception::STATE);
        }
        if ($this->state === State::Stopped) {
            return 0;
        }
        if ($this->stopWithin !== null) {
            $this->stopNow();
        }
        $this->taking = true;
        try {
            $count = $this->take($timeoutMs, $this->on);
        } finally {
            $this->taking = false;
        }
        if ($count < 0) {
            $this->state = State::Stopped;
            if ($this->on->stop !== null) {
                $this->call('stop', 0, $this->on->stop, $this);
            }

            return 0;
        }
        if ($this->stopWithin !== null) {
            $this->stopNow();
        }

        return $count;
    }

    /**
     * Stops: no new connections, Close 1001 to every client, what is queued is sent, and what is left after the
     * timeout is cut. From inside a handler it only notes the wish: the batch is finished first, its answers still
     * go out. Elsewhere it blocks until done. Either way events that are under way follow, until isRunning() is false.
     *
     * @param int $timeoutMs milliseconds
     */
    public function stop(int $timeoutMs = self::STOP_TIMEOUT_MS): void
    {
        $this->stopWithin ??= $timeoutMs;
        if ($this->state === State::Running && !$this->taking) {
            $this->stopNow();
        }
    }

    protected function handlers(): Handlers
    {
        return $this->on;
    }

    protected function isTaking(): bool
    {
        return $this->taking;
    }

    /** From start() until the last event was taken after stop(). */
    public function isRunning(): bool
    {
        return $this->state === State::Running || $this->state === State::Stopping;
    }

    private function stopNow(): void
    {
        if ($this->state === State::Running) {
            $this->state = State::Stopping;
            $this->engineStop($this->stopWithin ?? self::STOP_TIMEOUT_MS);
        }
    }
}
