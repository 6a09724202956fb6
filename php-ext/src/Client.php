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
    use Logging;

    /** How long a wait is at a stretch, because of signals that come in the instant before it. */
    private const WAIT_MS = 1000;

    private ?ClientLoop $loop = null;
    /** The handle of C has been started, which each is once. */
    private bool $isSpent = false;
    private bool $running = false;
    private bool $taking = false;
    /** Reading was paused by a send() that waited. */
    private bool $paused = false;
    /** How often it has opened since the start */
    private int $openings = 0;
    private ?UpgradeResponse $response = null;
    /** @var array{int, string}|null code and reason of the last close */
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
     * @throws Exception OPTION (no such name), VALUE, ARGUMENT (a header that cannot be sent), LIBRARY
     */
    public function __construct(
        private readonly string $url,
        private readonly array $options = [],
        private readonly array $headers = [],
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
     *     close    (Client $client, int $code, string $reason)        of each opened connection, once. 1005: a Close without a
     *                                                                 code, 1006: lost without one
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
            'message' => $this->on->message = $handler,
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
     * Starts if need be, and waits until the connection is open, or open again. With the option reconnect, attempts that fail are
     * followed by others meanwhile.
     *
     * @param float|null $timeout seconds; then it is given up. Null: as long as connect_timeout, handshake_timeout and
     *                            reconnect_attempts let it try
     *
     * @return UpgradeResponse what the server has answered
     *
     * @throws ConnectException what the last attempt came to
     * @throws Exception STATE: inside a handler, or in a loop
     */
    public function connect(?float $timeout = null): UpgradeResponse
    {
        $this->mustWaitHere('connect');
        $deadline = self::deadline($timeout);
        if (!$this->running) {
            $this->start();
        }
        // Those that have opened and closed by the next look count, too: what they have brought is to be received.
        $before = $this->isOpen() ? -1 : $this->openings;
        while ($this->openings <= $before) {
            if (!$this->running) {
                throw $this->lastFailure ?? new ConnectException("connect $this->url: it was closed before it opened", Exception::CONNECT);
            }
            if (!$this->wait($deadline)) {
                $this->giveUp();

                throw new ConnectException("connect $this->url: not open after $timeout s", Exception::CONNECT_TIMEOUT, $this->lastFailure?->response);
            }
        }

        return $this->response ?? throw new \LogicException('open, and without a response');
    }

    /**
     * Sends a text message. If max_queued_bytes wait already, or max_offline_bytes for the next connection, it waits until the
     * server has taken some of them; messages that arrive meanwhile are kept for receive(). Inside a handler and in a loop it does not wait; push() tells by what it returns.
     *
     * @param string $data UTF-8
     *
     * @throws ClosedException there is no connection, and without the option max_offline_bytes no queue for the next one
     * @throws Exception UTF8, TOO_LARGE; STATE: not started; QUEUE_FULL: where it cannot wait
     */
    public function send(string $data): void
    {
        $this->sendOrWait($data, self::TEXT);
    }

    /**
     * As send(), a binary message.
     *
     * @throws ClosedException
     * @throws Exception
     */
    public function sendBinary(string $data): void
    {
        $this->sendOrWait($data, self::BINARY);
    }

    /**
     * Waits for the next message. With the option reconnect it waits on while the connection is lost.
     *
     * @param float|null $timeout seconds; 0: what is here already. Null: until there is one, or the end
     *
     * @return Message|null null: none came in time. Never null without a timeout
     *
     * @throws ClosedException the connection is closed, there will be no other, and everything that had come was taken
     * @throws Exception STATE: not started, inside a handler, in a loop, or messages have a handler
     */
    public function receive(?float $timeout = null): ?Message
    {
        $message = $this->inbox->next();
        if ($message !== null) {
            return $message;
        }
        $this->mustWaitHere('receive');
        if ($this->on->message !== null) {
            throw new Exception("receive: messages go to the handler set by on('message', …)", Exception::STATE);
        }
        if ($this->paused) {
            $this->paused = false;
            $this->running && $this->resume();
        }
        $deadline = self::deadline($timeout);
        do {
            if (!$this->running) {
                throw $this->closedException('receive');
            }
            $more = $this->wait($deadline);
            $message = $this->inbox->next();
        } while ($message === null && $more);

        return $message;
    }

    /**
     * The messages that arrive, one after the other, until the connection has ended as it should: with close code 1000, 1001, or
     * none.
     *
     * @return \Generator<int, Message>
     *
     * @throws ClosedException it ended in another way
     * @throws Exception as receive()
     */
    public function getIterator(): \Generator
    {
        while (true) {
            try {
                $message = $this->receive();
            } catch (ClosedException $exception) {
                if ($exception->isClean()) {
                    return;
                }

                throw $exception;
            }
            if ($message !== null) {
                yield $message;
            }
        }
    }

    /**
     * Ends it: what was sent before goes out, then a Close frame, and there is no further attempt to connect. It waits until
     * the server has answered, or close_timeout is over; inside a handler and in a loop it does not wait, and the events
     * 'close' and 'end' follow. To close what is closed does no harm.
     *
     * @param int $code 1000..1014 as RFC 6455 7.4 lets an endpoint send, 3000..4999, or 0 for none
     * @param string $reason UTF-8, at most 123 bytes
     * @param float|null $timeout seconds to wait; 0: the events follow by poll(). Null: until it is done
     *
     * @throws Exception ARGUMENT, UTF8, STATE
     */
    public function close(int $code = 1000, string $reason = '', ?float $timeout = null): void
    {
        if (!$this->running) {
            return;
        }
        $this->engineClose($code, $reason);
        if ($timeout === 0.0 || $this->taking || $this->loop !== null) {
            return;
        }
        if ($this->paused) {
            $this->paused = false;
            $this->resume(); // or the answer would not be read
        }
        $deadline = self::deadline($timeout);
        while ($this->running && $this->wait($deadline)) {
        }
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
                $this->poll(self::WAIT_MS);
            }
        } finally {
            $held?->release();
        }
    }

    /**
     * Begins to connect and returns: for programs with an event loop of their own, which then watch eventStream() and call
     * poll(). It may be started again after its end. Start after forking: threads do not survive a fork.
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
        $kept = $this->on->message === null ? 0 : $this->handleKept();

        return $kept > 0 ? $kept : $this->takeOne($timeoutMs);
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

    protected function closed(int $code, string $reason): void
    {
        $this->lastClose = [$code, $reason];
    }

    protected function failed(ConnectException $failure): void
    {
        $this->lastFailure = $failure;
    }

    protected function ended(): void
    {
        $this->running = false;
    }

    /** A handle of C with everything set, so that mistakes show here. */
    private function prepare(): void
    {
        $this->isSpent = false;
        $this->engineNew($this->url);
        foreach ($this->options as $name => $value) {
            $this->engineSet($name, \is_array($value) ? \implode(',', $value) : self::value($value));
        }
        foreach ($this->headers as $name => $values) {
            foreach ((array) $values as $value) {
                $this->engineAddHeader($name, $value);
            }
        }
    }

    private function sendOrWait(string $data, int $opcode): void
    {
        while (($status = $this->enginePush($data, $opcode)) !== 0) {
            if ($status === Exception::CLOSED || $status === Exception::STOPPED) {
                throw $this->closedException('send');
            }
            if ($status !== Exception::QUEUE_FULL || $this->taking || $this->loop !== null) {
                throw $this->failure($status);
            }
            if ($this->inbox->bytes > Inbox::FULL && !$this->paused) {
                $this->paused = $this->pause();
            }
            $this->wait(null);
        }
    }

    /** Takes one batch, its messages into the inbox. False: the time is over, and nothing came. */
    private function wait(?int $deadline): bool
    {
        $wait = self::WAIT_MS;
        if ($deadline !== null) {
            $left = (int) \ceil(($deadline - \hrtime(true)) / 1e6);
            $wait = \max(0, \min($wait, $left));
        }
        $this->collects = true;
        try {
            return $this->takeOne($wait) > 0 || $deadline === null || \hrtime(true) < $deadline;
        } finally {
            $this->collects = false;
        }
    }

    private function takeOne(int $timeoutMs): int
    {
        $this->taking = true;
        try {
            $count = $this->running ? $this->take($timeoutMs) : 0;
        } finally {
            $this->taking = false;
        }
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

        return $count;
    }

    private function giveUp(): void
    {
        $this->engineClose(1001, '');
        $deadline = self::deadline(1.0);
        while ($this->running && $this->wait($deadline)) {
        }
        $this->running = false;
    }

    private function closedException(string $what): Exception
    {
        if (!$this->isSpent) {
            return new Exception("$what: connect() it first", Exception::STATE);
        }
        [$code, $reason] = $this->lastClose ?? [0, ''];
        $how = match (true) {
            $this->lastFailure !== null => $this->lastFailure->getMessage(),
            $this->lastClose === null => 'it is not open',
            default => "the connection has closed with $code" . ($reason === '' ? '' : " ($reason)"),
        };

        return new ClosedException("$what: $how", $code, $reason, $this->lastFailure);
    }

    /** @throws Exception STATE: where it would wait for what only comes when it returns */
    private function mustWaitHere(string $what): void
    {
        if ($this->taking) {
            throw new Exception("$what: called from inside a handler", Exception::STATE);
        }
        if ($this->loop !== null) {
            throw new Exception("$what: the client is in a loop, which waits for it; set handlers", Exception::STATE);
        }
    }

    /** @return int|null nanoseconds as of hrtime() */
    private static function deadline(?float $timeout): ?int
    {
        return $timeout === null ? null : (int) (\hrtime(true) + $timeout * 1e9);
    }
}
