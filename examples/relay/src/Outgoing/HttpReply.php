<?php

declare(strict_types=1);

namespace Relay\Outgoing;

/** What came back on a call. */
final class HttpReply
{
    public function __construct(public readonly int $status, public readonly string $body)
    {
    }
}
