<?php

declare(strict_types=1);

namespace Relay\Channel;

/** What a channel made of a request: events to store before it is answered, and the answer. */
final class Received
{
    /** @param list<Incoming|Receipt|Sent> $events */
    private function __construct(
        public readonly int $status,
        public readonly string $body,
        public readonly array $events = [],
    ) {
    }

    /** @param list<Incoming|Receipt|Sent> $events */
    public static function events(array $events): self
    {
        return new self(200, "ok\n", $events);
    }

    public static function reply(int $status, string $body): self
    {
        return new self($status, $body);
    }
}
