<?php

declare(strict_types=1);

namespace WsPush;

/**
 * Many clients in one loop: one thread of the engine has all their connections, and one call takes the events of all of them.
 *
 *     $loop = new WsPush\ClientLoop();
 *     foreach ($urls as $url) {
 *         $client = new WsPush\Client($url, ['reconnect' => true]);
 *         $client->on('message', fn (WsPush\Client $client, string $data) => print("{$client->url()}: $data\n"));
 *         $loop->add($client);
 *     }
 *     $loop->run();
 *
 * They have the options of the engine in common, max_message_size, ping_interval and so on: all but those of connecting. Clients
 * in a loop live by their handlers; what waits, receive() and its like, is not for them. What a handler throws goes to the log
 * of its client, but for message handlers, whose goes to the log of the loop.
 */
class ClientLoop extends Native\Loop implements EventSource, \Countable
{
    use Logging;

    /** How long run() waits for events at a stretch, as Server::run(). */
    private const WAIT_MS = 1000;

    /** @var \SplObjectStorage<Client, null> added and not started */
    private \SplObjectStorage $added;
    private bool $taking = false;
    /** @var list<Client> those that were resumed by a handler: what they have held is handed out behind the batch */
    private array $resumed = [];

    /**
     * @param string|null $library as that of Client
     *
     * @throws Exception LIBRARY; MEMORY
     */
    public function __construct(?string $library = null)
    {
        parent::__construct($library);
        $this->added = new \SplObjectStorage();
    }

    /**
     * Adds a client, before its start: Client::start() starts it, and so does start() or run() of the loop. At any time, inside
     * handlers too; then start it yourself.
     *
     * @return $this
     *
     * @throws Exception STATE: it was started already, or is in a loop
     */
    public function add(Client $client): static
    {
        $client->belongTo($this);
        $this->added[$client] = null;

        return $this;
    }

    /** @throws Exception as Client::start(): of the first that cannot be started */
    public function start(): void
    {
        foreach (\iterator_to_array($this->added, false) as $client) {
            $client->start();
        }
    }

    /**
     * Starts all clients that have not been started, and handles events until the last has ended, or SIGINT, SIGTERM or
     * SIGQUIT where the pcntl extension is there: all servers then get 1001.
     *
     * @param bool $signals false: leave the signals to the program
     *
     * @throws Exception as start()
     */
    public function run(bool $signals = true): void
    {
        $held = $signals ? new Signals(fn () => $this->stop()) : null;
        try {
            $this->start();
            while ($this->isRunning()) {
                $this->takeOne(self::WAIT_MS);
            }
        } finally {
            $held?->release();
        }
    }

    /**
     * Takes one batch of events and calls their handlers.
     *
     * @param int $timeoutMs how long to wait for the first event: 0 not at all, -1 without limit
     *
     * @return int events taken; 0 at the timeout, after a signal, and at once if no client runs
     *
     * @throws Exception STATE: called from inside a handler
     */
    public function poll(int $timeoutMs = 0): int
    {
        $count = $this->takeOne($timeoutMs);
        $count > 0 && $this->engineDone(); // as Client::poll()

        return $count;
    }

    /** Whether a client runs: has a connection, or will try for another. */
    public function isRunning(): bool
    {
        return $this->clients !== [];
    }

    /** How many clients run. */
    public function count(): int
    {
        return \count($this->clients);
    }

    /**
     * Ends all clients that run with close code 1001, and does not wait.
     *
     * @param int $timeoutMs without effect: each server has close_timeout to answer
     */
    public function stop(int $timeoutMs = 5000): void
    {
        foreach ($this->clients as $client) {
            $client->stop();
        }
    }

    /** @internal called by Client::start(), before C starts it */
    public function include(Client $client): void
    {
        $this->engineAdd($client);
        unset($this->added[$client]);
    }

    /**
     * Whether it is handing out events. If so, it goes on with what the client has held behind them.
     *
     * @internal called by Client::resume() and Client::close()
     */
    public function goesOnWith(Client $client): bool
    {
        if ($this->taking) {
            $this->resumed[] = $client;
        }

        return $this->taking;
    }

    /** @internal called by Client::start(), which has failed, and when it has ended */
    public function exclude(Client $client): void
    {
        $this->engineForget($client);
    }

    private function takeOne(int $timeoutMs): int
    {
        if ($this->taking) {
            throw new Exception('poll: called from inside a handler', Exception::STATE);
        }
        if ($this->clients === []) {
            return 0;
        }
        $this->taking = true;
        try {
            $count = $this->take($timeoutMs);
            while (($client = \array_shift($this->resumed)) !== null) {
                $client->handOut();
            }

            return $count;
        } finally {
            $this->taking = false;
        }
    }
}
