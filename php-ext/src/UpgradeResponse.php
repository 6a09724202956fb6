<?php

declare(strict_types=1);

namespace WsPush;

/**
 * What a server answered to a client that wanted a WebSocket: 101 if it opened, anything else if it was refused.
 *
 * A copy: it may be kept as long as you like.
 */
final class UpgradeResponse
{
    /**
     * @param int $status 101, 401, 503 …
     * @param array<string, string> $headers names in lower case; repeated ones joined by ", "
     * @param list<string> $cookies Set-Cookie lines, one by one
     * @param string $subprotocol that the server has chosen among those that were offered; "" if none
     * @param string $remoteAddress "192.0.2.7", "2001:db8::1" or "unix": which of the server's addresses it was
     * @param int $remotePort 0 for unix sockets
     * @param string $reason the reason phrase: "Unauthorized"; "" if there is none
     * @param string $body of a refusal: the beginning of its body, 4 KiB at most
     */
    public function __construct(
        public readonly int $status,
        public readonly array $headers,
        public readonly array $cookies,
        public readonly string $subprotocol,
        public readonly string $remoteAddress,
        public readonly int $remotePort,
        public readonly string $reason = '',
        public readonly string $body = '',
    ) {
    }

    /** The header of that name, in any case; null if it was not sent. */
    public function header(string $name): ?string
    {
        return $this->headers[\strtolower($name)] ?? null;
    }
}
