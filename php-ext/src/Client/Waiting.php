<?php

declare(strict_types=1);

namespace WsPush\Client;

use WsPush\ClosedException;
use WsPush\CloseCause;
use WsPush\ConnectException;
use WsPush\Exception;
use WsPush\Inbox;
use WsPush\Message;
use WsPush\UpgradeResponse;

/**
 * What a script does with a client: connect, send, receive, close, and wait each time until it is done. While it waits, handlers
 * are called as ever, and messages that have none are kept.
 *
 * @internal a part of WsPush\Client
 */
trait Waiting
{
    /** Seconds; a longer timeout is none. INF is one of them. */
    private const FOREVER = 1e9;

    /** Reading was paused by a send() that waited. */
    private bool $paused = false;

    /**
     * Starts if need be, and waits until the connection is open, or open again. With the option reconnect, attempts that fail are
     * followed by others meanwhile.
     *
     * @param float|null $timeout seconds; then it is given up. Null, or INF: as long as connect_timeout, handshake_timeout and
     *                            reconnect_attempts let it try
     *
     * @return UpgradeResponse what the server has answered
     *
     * @throws ConnectException what the last attempt came to
     * @throws Exception STATE: inside a handler, or in a loop; ARGUMENT: a timeout that is not a number
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
                throw $this->lastFailure ?? new ConnectException(
                    "connect {$this->place()}: " . ($before > 0 ? 'it has closed, and does not open again' : 'it was closed before it opened'),
                    Exception::CONNECT,
                );
            }
            if (!$this->wait($deadline)) {
                $this->giveUp();

                throw new ConnectException("connect {$this->place()}: not open after $timeout s", Exception::CONNECT_TIMEOUT, $this->lastFailure?->response);
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
            $this->running && $this->engineResume();
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
     * Ends it: what was sent before goes out, then a Close frame, and there is no further attempt to connect. The handler of messages is
     * not called any more, even for what has been received. It waits until
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
        $deadline = self::deadline($timeout);
        $this->engineClose($code, $reason);
        if ($timeout === 0.0 || $this->taking || $this->loop !== null) {
            return;
        }
        if ($this->paused) {
            $this->paused = false;
            $this->engineResume(); // or the answer would not be read
        }
        $this->waitForEnd($deadline);
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
                $this->paused = $this->enginePause();
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
            $count = $this->takeOne($wait);
        } finally {
            $this->collects = false;
        }
        // A script may be long in coming back. If it has no message to answer, the server's Close need not wait for it.
        $count > 0 && $this->running && $this->inbox->isEmpty() && $this->engineDone();

        return $count > 0 || $deadline === null || \hrtime(true) < $deadline;
    }

    /** The URL, fit to be told: without a password and a query, in which there may be a secret. */
    private function place(): string
    {
        return (string) \preg_replace(['{^(\w+://[^/?#:@]*):[^/?#]*@}', '{[?#].*$}s'], ['$1:…@', '?…'], $this->url);
    }

    private function giveUp(): void
    {
        $life = $this->life;
        $this->engineClose(1001, '');
        $this->waitForEnd(self::deadline(1.0));
        $this->running = $this->running && $this->life !== $life;
    }

    /** Until this life is over: a handler of 'end' may have begun another. */
    private function waitForEnd(?int $deadline): void
    {
        $life = $this->life;
        while ($this->running && $this->life === $life && $this->wait($deadline)) {
        }
    }

    private function closedException(string $what): Exception
    {
        if (!$this->isSpent) {
            return new Exception("$what: connect() it first", Exception::STATE);
        }
        $this->hearOfClose();
        $close = $this->lastClose;
        if ($this->isClosedUntold()) {
            [$code, $cause, $why] = $this->untoldClose(); // inside a handler, or in a loop, the event comes later
            $close = [$code, '', $cause, $why];
        }
        [$code, $reason, $cause, $why] = $close ?? [0, '', CloseCause::None, ''];
        $how = match (true) {
            $this->lastFailure !== null => $this->lastFailure->getMessage(),
            $close === null => 'it is not open',
            default => "the connection has closed with $code" . ($reason === '' ? '' : " ($reason)") . ": $why",
        };

        return new ClosedException("$what: $how", $code, $reason, $this->lastFailure, $cause);
    }

    /** A connection that is found closed has an event on its way that says how: it is taken, where that can be done. */
    private function hearOfClose(): void
    {
        if ($this->taking || $this->loop !== null) {
            return;
        }
        $deadline = self::deadline(1.0);
        while ($this->running && $this->isClosedUntold() && $this->wait($deadline)) {
        }
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

    /**
     * @return int|null nanoseconds as of hrtime(); null: without limit
     *
     * @throws Exception ARGUMENT
     */
    private static function deadline(?float $timeout): ?int
    {
        if ($timeout !== null && \is_nan($timeout)) {
            throw new Exception('a timeout that is not a number', Exception::ARGUMENT);
        }

        // What does not fit an integer would become any other one.
        return $timeout === null || $timeout > self::FOREVER ? null : (int) (\hrtime(true) + \max(0.0, $timeout) * 1e9);
    }
}
