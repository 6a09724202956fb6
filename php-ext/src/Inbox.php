<?php

declare(strict_types=1);

namespace WsPush;

/**
 * Messages of one client that were taken from the engine and not yet by receive(): the rest of a batch, as a rule.
 *
 * @internal
 */
final class Inbox
{
    /** Bytes that may lie here before a send() that waits for room has the engine stop reading. */
    public const FULL = 16 * 1024 * 1024;

    /** Payload bytes in it */
    public int $bytes = 0;
    /** @var array<int, Message> */
    private array $messages = [];
    private int $first = 0;

    public function put(Message $message): void
    {
        $this->messages[] = $message;
        $this->bytes += \strlen($message->data);
    }

    public function clear(): void
    {
        $this->messages = [];
        $this->bytes = $this->first = 0;
    }

    public function isEmpty(): bool
    {
        return $this->messages === [];
    }

    /** The oldest; null if it is empty. */
    public function next(): ?Message
    {
        $message = $this->messages[$this->first] ?? null;
        if ($message === null) {
            return null;
        }
        unset($this->messages[$this->first++]);
        $this->bytes -= \strlen($message->data);
        if ($this->messages === []) {
            $this->messages = []; // which begins its numbers again
            $this->first = 0;
        }

        return $message;
    }
}
