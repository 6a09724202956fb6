<?php

declare(strict_types=1);

namespace WsPush\Native;

use WsPush\Exception;

/**
 * What a client does with events that are not delivered as they come. After its own close() it hands out no more messages, though a
 * batch may have some yet. What was received before a pause() waits here until resume(), and the end of the connection behind it.
 *
 * It costs a message nothing: another closure takes the place of the handler meanwhile.
 *
 * @internal a part of WsPush\Native\Client
 */
trait Holding
{
    /** @var \SplQueue<array{int, \Closure|string, int}> type, payload or what tells the event, opcode */
    private \SplQueue $held;
    /** What is held is to be handed out. */
    private bool $goesOn = false;
    private bool $handsOut = false;
    /** The program has closed it. */
    private bool $drops = false;

    /**
     * Reads nothing more until resume(): what the server sends waits in the kernel, and then with the server. Messages that were
     * received before wait for that too, and if there are any, so does the 'close' event behind them. The next connection is read from
     * again. A client that is in no ClientLoop gets what waits when it has ended, too.
     *
     * @return bool false: there is no connection
     *
     * @throws Exception STATE
     */
    public function pause(): bool
    {
        $isPaused = $this->enginePause();
        if ($isPaused) {
            $this->goesOn = false;
            $this->on->divert(static function (self $client, string $data, int $opcode): void {
                $client->held->enqueue([self::EVENT_MESSAGE, $data, $opcode]);
            });
        }

        return $isPaused;
    }

    /**
     * Reads on after pause(). What was received before comes first: once the handler that calls this has returned, or right here outside
     * of handlers.
     *
     * @return bool false: there is no connection, and nothing has waited
     *
     * @throws Exception STATE
     */
    public function resume(): bool
    {
        $hasWaited = !$this->held->isEmpty();
        $reads = $this->engineResume();
        $this->goOn();

        return $reads || $hasWaited;
    }

    /**
     * Hands out what is held, if it was resumed, and as far as it is not paused again.
     *
     * @internal called when events have been handed out, by the loop that the client is in too
     */
    public function handOut(): void
    {
        if ($this->handsOut || !$this->goesOn) {
            return;
        }
        $this->handsOut = true;
        [$wasTaking, $this->taking] = [$this->taking, true];
        try {
            while ($this->goesOn && !$this->held->isEmpty()) {
                [$type, $what, $opcode] = $this->held->dequeue();
                $message = $this->on->own();
                if ($what instanceof \Closure) {
                    $what();
                } elseif ($message !== null) {
                    $this->call('message', 0, $message, $this, $what, $opcode);
                }
            }
        } finally {
            $this->handsOut = false;
            $this->taking = $wasTaking;
        }
        if ($this->goesOn) {
            $this->goesOn = false;
            $this->drops || $this->on->restore();
        }
    }

    /** Whether events are being handed out, behind which handOut() is called. */
    abstract protected function handsOutLater(): bool;

    /** A new life: nothing is held. */
    protected function beginHolding(): void
    {
        $this->held = new \SplQueue();
        $this->goesOn = $this->drops = false;
        $this->on->restore();
    }

    /** There are no more events, and so nobody to resume it: what is held is handed out. */
    protected function handOutAll(): void
    {
        while (!$this->held->isEmpty() && !$this->handsOut) {
            $this->goesOn = true;
            $this->handOut();
        }
    }

    /** The program has closed it: of messages there are no more, and the rest does not wait. */
    private function dropMessages(): void
    {
        $this->drops = true;
        $this->on->divert(static function (): void {
        });
        for ($i = \count($this->held); $i > 0; --$i) {
            $event = $this->held->dequeue();
            $event[0] === self::EVENT_MESSAGE || $this->held->enqueue($event);
        }
        $this->goOn();
    }

    private function goOn(): void
    {
        $this->goesOn = true;
        $this->handsOutLater() || $this->handOut();
    }

    /** Tells an event behind what is held. */
    private function tell(int $type, \Closure $tell): void
    {
        if ($type === self::EVENT_OPEN) {
            $this->goesOn = true; // the pause was of the connection before
            $this->handOut();
        }
        if ($this->held->isEmpty()) {
            $tell();

            return;
        }
        if ($type === self::EVENT_ERROR) {
            $this->forgetAttempt();
        }
        $this->held->enqueue([$type, $tell, 0]);
    }

    /** Of attempts to connect that have failed while something is held, the last is told. */
    private function forgetAttempt(): void
    {
        $last = \count($this->held) - 1;
        if ($last > 0 && $this->held[$last][0] === self::EVENT_RETRY && $this->held[$last - 1][0] === self::EVENT_ERROR) {
            $this->held->pop();
            $this->held->pop();
        }
    }

    protected function enginePause(): bool
    {
        $status = $this->ffi->ws_client_pause($this->handle);

        return $status === 0 || $this->refused($status);
    }

    protected function engineResume(): bool
    {
        $status = $this->ffi->ws_client_resume($this->handle);

        return $status === 0 || $this->refused($status);
    }
}
