<?php

declare(strict_types=1);

namespace WsPush\Native;

use WsPush\ClientHandlers;
use WsPush\Exception;
use WsPush\Native;

/**
 * One loop of many clients as PHP holds it: keeps the handle, and turns batches of events into calls of the handlers of the
 * clients that they are of. WsPush\ClientLoop builds on it.
 */
abstract class Loop extends Native
{
    /** @var array<int, Client> the clients that have not ended, by the number of their handle */
    protected array $clients = [];
    private \FFI\CData $handle;
    /** @var array<int, Client> the same by the id of their connection, those that have one */
    private array $open = [];
    /** @var array<int, ClientHandlers> their handlers, likewise */
    private array $handlers = [];

    /**
     * @param string|null $library path of libwspush.so; null: see Library::candidates()
     *
     * @throws Exception LIBRARY when it cannot be loaded; MEMORY
     */
    protected function __construct(?string $library)
    {
        parent::__construct($library);
        $handle = $this->ffi->ws_loop_new();
        if (!$handle instanceof \FFI\CData) {
            throw $this->failure(Exception::MEMORY);
        }
        $this->handle = $handle;
    }

    public function __destruct()
    {
        if (isset($this->handle)) {
            $this->ffi->ws_loop_free($this->handle);
        }
    }

    public function eventFd(): int
    {
        return $this->check($this->ffi->ws_loop_event_fd($this->handle));
    }

    protected function engineAdd(Client $client): void
    {
        $this->check($this->ffi->ws_loop_add($this->handle, $client->handle()));
        $this->clients[$this->number($client->handle())] = $client;
    }

    /** Takes a client out that has ended, or has not started after all. */
    protected function engineForget(Client $client): void
    {
        unset($this->clients[$this->number($client->handle())]);
    }

    /**
     * Takes one batch of events and calls the handlers. As Server::take(), whose reasons are here too.
     *
     * @param int $timeoutMs -1: wait without limit, 0: do not wait
     *
     * @return int events taken; 0 at the timeout or after a signal
     *
     * @throws Exception STATE, FORKED, WRONG_THREAD, PANIC
     */
    protected function take(int $timeoutMs): int
    {
        $count = $this->ffi->ws_loop_poll_packed($this->handle, $this->batchOut, $timeoutMs);
        if ($count <= 0) {
            return match ($count) {
                0, Exception::INTERRUPTED, Exception::STOPPED => 0,
                default => throw $this->failure($count),
            };
        }
        $batch = $this->batch;
        $numbers = $this->numbers ??= $batch->numbers;
        $payloads = $batch->payloads;
        $size = $batch->payloads_length;
        $all = $size <= $count * self::CUT_MAX ? \FFI::string($payloads, $size) : null;
        for ($i = 0, $end = 4 * $count; $i < $end;) {
            $conn = $numbers[$i++];
            $opcode = $numbers[$i++];
            $at = $numbers[$i++];
            $length = $numbers[$i++];
            if ($opcode === 0) {
                $this->happened($batch->others[$at], $conn);
                continue;
            }
            $message = ($this->handlers[$conn] ?? null)?->message;
            if ($message !== null) {
                try {
                    $message(
                        $this->open[$conn],
                        $all !== null ? \substr($all, $at, $length) : \FFI::string($payloads + $at, $length),
                        $opcode,
                    );
                } catch (\Throwable $thrown) {
                    $this->handlerFailed('message', $conn, $thrown);
                }
            }
        }

        return $count;
    }

    /** Says that the handlers are done with what was taken, and that it may be long until the next is. */
    protected function engineDone(): void
    {
        $this->ffi->ws_loop_done($this->handle);
    }

    /** Any event but a message that is told in numbers: keeps the tables, and hands it to its client. */
    private function happened(\FFI\CData $event, int $conn): void
    {
        $number = $this->number($event->client);
        $client = $this->clients[$number] ?? null;
        if ($client === null) {
            return; // it was freed: these are the last that are left of it
        }
        if ($event->type === self::EVENT_OPEN) {
            $this->open[$conn] = $client;
            $this->handlers[$conn] = $client->handlers();
        } elseif ($event->type === self::EVENT_CLOSE) {
            unset($this->open[$conn], $this->handlers[$conn]);
        }
        $client->happened($event);
    }

    /** Handles are numbers in a pointer's clothing, and no two that live are equal. */
    private function number(\FFI\CData $handle): int
    {
        return (int) $this->ffi->cast('intptr_t', $handle)->cdata;
    }
}
