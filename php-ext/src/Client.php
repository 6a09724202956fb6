<?php

declare(strict_types=1);

namespace WsPush;

/**
 * A WebSocket client. For a script, which waits:
 *
 *     $client = new WsPush\Client('ws://127.0.0.1:9502/chat', ['subprotocols' => 'v2.chat'], ['Authorization' => 'Bearer …']);
 *     $client->connect(timeout: 5);
 *     $client->send('hello');
 *     echo $client->receive(timeout: 2)?->data;
 *     foreach ($client as $message) { … }
 *     $client->close();
 *
 * For a program that reacts, with handlers, and here until it is stopped, over lost connections:
 *
 *     $client = new WsPush\Client('ws://127.0.0.1:9502/', ['reconnect' => true]);
 *     $client->on('message', function (WsPush\Client $client, string $data, int $opcode): void {
 *         $client->push($data, $opcode);
 *     });
 *     $client->run();
 *
 * The engine connects, reads, answers Pings, closes and reconnects on a thread of its own. Handlers run here, one after the
 * other, whenever this thread waits: in run(), poll(), connect(), receive(), send() and close().
 *
 * @implements \IteratorAggregate<int, Message>
 */
class Client extends Native\Client implements EventSource, \IteratorAggregate
{
    use Client\Waiting;
    use Logging;

    /** How long a wait is at a stretch, because of signals that come in the instant before it. */
    private const WAIT_MS = 1000;

    private ?ClientLoop $loop = null;
    /** The handle of C has been started, which each is once. */
    private bool $isSpent = false;
    private bool $running = false;
    /** How often it was started */
    private int $life = 0;
    /** How often it has opened since the start */
    private int $openings = 0;
    private ?UpgradeResponse $response = null;
    /** @var array{int, string, CloseCause, string}|null code, reason and cause of the last close, and that in words */
    private ?array $lastClose = null;
    private ?ConnectException $lastFailure = null;

    /**
     * @param string $url "ws://host:port/path?query", "unix:/path/to.sock" or "unix:/path/to.sock:/path?query"; with
     *        "user:password@" before the host for basic authentication. It is judged by start()
     * @param array<string, string|int|float|bool|list<string>> $options the engine's options by name: connect_timeout (10 s),
     *        subprotocols, reconnect (off), max_message_size (1M), proxy, max_redirects (0) and more. Sizes in bytes or with K, M, G; times
     *        in seconds, fractions too, or with ms, s, m; true and false are on and off; a list is joined by commas
     * @param array<string, string|list<string>> $headers more fields for the request; a list sends the field several times
     * @param string|null $library path of libwspush.so. Null: the environment variable WSPUSH_LIBRARY, else the
     *        package's lib/, the build tree, the system's loader
     *
     * @throws ConnectException URL: one with a NUL in it, or that is not UTF-8
     * @throws Exception OPTION (no such name), VALUE, ARGUMENT or UTF8 (a header that cannot be sent), LIBRARY
     */
    public function __construct(
        #[\SensitiveParameter] private string $url,
        #[\SensitiveParameter] private array $options = [],
        #[\SensitiveParameter] private array $headers = [],
        ?string $library = null,
    ) {
        parent::__construct($library);
        $this->prepare();
    }

    /**
     * Sets the handler of an event; the last one set counts. What a handler throws is logged, and costs nobody else anything:
     *
     *     open     (Client $client, UpgradeResponse $response)        connected, or connected again
     *     message  (Client $client, string $data, int $opcode)        TEXT or BINARY, whole. With this handler receive() has nothing
     *                                                                 to give, and refuses
     *     drain    (Client $client)                                   there is room again after a push() that was refused, or
     *                                                                 after high_watermark bytes had waited
     *     close    (Client $client, int $code, string $reason, CloseCause $cause)
     *                                                                 of each opened connection, once. 1005: a Close without a
     *                                                                 code, 1006: lost without one; the cause says why
     *     error    (Client $client, ConnectException $failure)        an attempt to connect has failed
     *     retry    (Client $client, float $seconds)                   with the option reconnect, after a close or an error: so
     *                                                                 long from now it is tried again
     *     end      (Client $client)                                   there will be no further attempt: the last event
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
            'message' => $this->on->setMessage($handler),
            'drain' => $this->on->drain = $handler,
            'close' => $this->on->close = $handler,
            'error' => $this->on->error = $handler,
            'retry' => $this->on->retry = $handler,
            'end' => $this->on->end = $handler,
            default => throw new Exception(
                "on: no event \"$event\"; there are open, message, drain, close, error, retry, end",
                Exception::ARGUMENT,
            ),
        };

        return $this;
    }

    /**
     * Ends it with close code 1001, going away, and does not wait.
     *
     * @param int $timeoutMs without effect: the server has close_timeout to answer
     */
    public function stop(int $timeoutMs = 5000): void
    {
        if ($this->running) {
            $this->engineClose(1001, '');
        }
    }

    /**
     * Starts if need be and handles events until the end: until close(), or the connection is lost without the option reconnect,
     * or SIGINT, SIGTERM or SIGQUIT where the pcntl extension is there: the server then gets 1001. Handlers of these signals that
     * were there before are back afterwards.
     *
     * @param bool $signals false: leave the signals to the program
     *
     * @throws Exception as start()
     */
    public function run(bool $signals = true): void
    {
        $this->mustWaitHere('run');
        $held = $signals ? new Signals(fn () => $this->stop()) : null;
        try {
            if (!$this->running) {
                $this->start();
            }
            while ($this->running) {
                $this->handleSome(self::WAIT_MS);
            }
        } finally {
            $held?->release();
        }
    }

    /**
     * Begins to connect and returns: for programs with an event loop of their own, which then watch eventStream() and call
     * poll(). It may be started again after its end; messages of its earlier life are forgotten then. Start after forking: threads do not survive a fork.
     *
     * @throws ConnectException URL: one that cannot be read; UNSUPPORTED: wss://
     * @throws Exception STATE when it runs already; SYSTEM, MEMORY
     */
    public function start(): void
    {
        if ($this->running) {
            throw new Exception('start: it was started already', Exception::STATE);
        }
        if ($this->isSpent) {
            $this->prepare();
        }
        $this->isSpent = true;
        ++$this->life;
        $this->inbox->clear();
        $this->beginHolding();
        $this->paused = false;
        $this->openings = 0;
        $this->response = $this->lastClose = $this->lastFailure = null;
        $this->loop?->include($this);
        try {
            $this->engineStart();
        } catch (Exception $exception) {
            $this->loop?->exclude($this);

            throw $exception;
        }
        $this->running = true;
    }

    /**
     * Takes one batch of events and calls their handlers. run() is a loop around this. Messages without a handler are dropped.
     *
     * @param int $timeoutMs how long to wait for the first event: 0 not at all, -1 without limit
     *
     * @return int events taken; 0 at the timeout, after a signal, and when there will be no more: then
     *             isRunning() is false
     *
     * @throws Exception STATE: not started, called from inside a handler, or in a loop
     */
    public function poll(int $timeoutMs = 0): int
    {
        $this->mustWaitHere('poll');
        if (!$this->isSpent) {
            throw new Exception('poll: start() it first', Exception::STATE);
        }
        $count = $this->handleSome($timeoutMs);
        // What is sent from here on answers nothing: once the server has closed it, it is for the next connection.
        $count > 0 && $this->running && $this->engineDone();

        return $count;
    }

    /** From start() until the 'end' event: as long as there is a connection, or will be another attempt. */
    public function isRunning(): bool
    {
        return $this->running;
    }

    /** What the server answered when the connection last opened; null if it never has since the start. */
    public function response(): ?UpgradeResponse
    {
        return $this->response;
    }

    /** The URL as it was given. It may have a password in it. */
    public function url(): string
    {
        return $this->url;
    }

    /**
     * Sets the URL. While it runs it is for the next attempt to connect: a connection that is open stays.
     *
     * @return $this
     *
     * @throws ConnectException URL, UNSUPPORTED: one that will not do, while it runs; otherwise start() judges it
     * @throws Exception CLOSED: it was closed, and connects no more
     */
    public function setUrl(#[\SensitiveParameter] string $url): static
    {
        $this->change(fn () => $this->engineSetUrl($url));
        $this->url = $url;

        return $this;
    }

    /**
     * Sets a field of the request in the place of all of its name; null: none of that name. While it runs it is for the next
     * attempt to connect, such as a fresh token after a 401, in a handler of 'error' or 'retry':
     *
     *     $client->on('error', fn ($client, $failure) => $failure->httpStatus === 401 && $client->setHeader('Authorization', token()));
     *
     * @return $this
     *
     * @throws Exception ARGUMENT: what cannot be sent; CLOSED: it was closed, and connects no more
     */
    public function setHeader(string $name, #[\SensitiveParameter] ?string $value): static
    {
        $this->change(fn () => $this->engineSetHeader($name, $value));
        $this->headers = \array_filter($this->headers, static fn (mixed $other): bool => \strcasecmp((string) $other, $name) !== 0, \ARRAY_FILTER_USE_KEY);
        if ($value !== null) {
            $this->headers[$name] = $value;
        }

        return $this;
    }

    /**
     * Sets an option. While it runs, those that say how to connect are for the next attempt: cookie, subprotocols, proxy,
     * connect_timeout and their like.
     *
     * @param string|int|float|bool|list<string> $value
     *
     * @return $this
     *
     * @throws Exception OPTION, VALUE; STATE: one that cannot change while it runs; CLOSED: it was closed, and connects no more
     */
    public function setOption(string $name, #[\SensitiveParameter] mixed $value): static
    {
        $this->change(fn () => $this->engineSet($name, self::optionText($name, $value)));
        $this->options[$name] = $value;

        return $this;
    }

    /** @internal called by ClientLoop::add() */
    public function belongTo(ClientLoop $loop): void
    {
        if ($this->running || $this->loop !== null) {
            throw new Exception('add: the client was started, or is in a loop already', Exception::STATE);
        }
        $this->loop = $loop;
    }

    protected function opened(UpgradeResponse $response): void
    {
        ++$this->openings;
        $this->response = $response;
        $this->lastFailure = null;
    }

    protected function closed(int $code, string $reason, CloseCause $cause, string $why): void
    {
        $this->lastClose = [$code, $reason, $cause, $why];
    }

    protected function failed(ConnectException $failure): void
    {
        $this->lastFailure = $failure;
    }

    protected function ended(): void
    {
        $this->running = false;
        $this->loop?->exclude($this);
    }

    protected function handsOutLater(): bool
    {
        return $this->loop === null ? $this->taking : $this->loop->goesOnWith($this);
    }

    /** A handle of C with everything set, so that mistakes show here. */
    private function prepare(): void
    {
        $this->isSpent = false;
        $this->engineNew($this->url);
        foreach ($this->options as $name => $value) {
            $this->engineSet((string) $name, self::optionText((string) $name, $value));
        }
        foreach ($this->headers as $name => $values) {
            if (!\is_string($name)) {
                throw new Exception("header $name: it takes names as keys", Exception::ARGUMENT);
            }
            foreach (self::list($values) as $value) {
                $this->engineAddHeader($name, (string) self::scalar("header \"$name\"", $value, Exception::ARGUMENT));
            }
        }
    }

    /** Has the handle of C changed, if there is one that counts: a client that has ended gets a new one by its next start. */
    private function change(\Closure $change): void
    {
        $this->running || !$this->isSpent ? $change() : null;
    }

    private static function optionText(string $name, mixed $value): string
    {
        return \implode(',', \array_map(static fn (mixed $one): string => self::value(self::scalar("option $name", $one, Exception::VALUE)), self::list($value)));
    }

    /** @return array<array-key, mixed> */
    private static function list(mixed $value): array
    {
        return \is_array($value) ? $value : [$value];
    }

    /** @throws Exception of that code: it is none */
    private static function scalar(string $what, mixed $value, int $code): string|int|float|bool
    {
        return \is_scalar($value) ? $value : throw new Exception("$what takes no " . \get_debug_type($value), $code);
    }

    private function handleSome(int $timeoutMs): int
    {
        $kept = $this->on->message === null ? 0 : $this->handleKept();

        return $kept > 0 ? $kept : $this->takeOne($timeoutMs);
    }

    private function takeOne(int $timeoutMs): int
    {
        $this->taking = true;
        try {
            $count = $this->running ? $this->take($timeoutMs) : 0;
        } finally {
            $this->taking = false;
        }
        $count < 0 ? $this->handOutAll() : $this->handOut();
        if ($count < 0) {
            $this->running = false;
        }

        return \max(0, $count);
    }

    /** Messages that came before there was a handler for them. */
    private function handleKept(): int
    {
        for ($count = 0; $this->on->message !== null && ($message = $this->inbox->next()) !== null; ++$count) {
            $this->taking = true;
            try {
                $this->call('message', 0, $this->on->message, $this, $message->data, $message->opcode);
            } finally {
                $this->taking = false;
            }
        }
        $this->handOut();

        return $count;
    }
}
