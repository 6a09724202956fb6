<?php

declare(strict_types=1);

namespace WsPush;

/**
 * The HTTP request of an 'open' or 'handshake' event (the upgrade) or of a 'request' event (plain HTTP).
 *
 * A copy: it may be kept as long as you like.
 */
final class Request
{
    /**
     * @param int $conn id of the connection
     * @param string $target as sent: "/chat?room=1"
     * @param string $path "/chat", percent-encoded as sent; "*" of an OPTIONS about the server as a whole
     * @param string $query "room=1", or "" if there is none
     * @param array<string, string> $headers names in lower case; repeated ones joined by ", " (cookies by "; ")
     * @param string $remoteAddress "192.0.2.7", "2001:db8::1" or "unix"
     * @param int $remotePort 0 for unix sockets, as the next
     * @param int $localPort the port it came in on
     * @param string $subprotocol chosen among those the client offers; "" if none, or none yet
     * @param string $body as it was sent, but for the transfer coding; at most max_request_body (1 MiB unless set)
     * @param string $version of HTTP: "1.1" or "1.0"
     */
    public function __construct(
        public readonly int $conn,
        public readonly string $method,
        public readonly string $target,
        public readonly string $path,
        public readonly string $query,
        public readonly array $headers,
        public readonly string $remoteAddress,
        public readonly int $remotePort,
        public readonly int $localPort,
        public readonly string $subprotocol = '',
        public readonly string $body = '',
        public readonly string $version = '1.1',
    ) {
    }

    /** The header of that name, in any case; null if it was not sent. */
    public function header(string $name): ?string
    {
        return $this->headers[\strtolower($name)] ?? null;
    }

    /**
     * The query, decoded as PHP does for $_GET.
     *
     * @return array<array-key, mixed>
     */
    public function params(): array
    {
        \parse_str($this->query, $params);

        return $params;
    }

    /**
     * A body of the type application/x-www-form-urlencoded, decoded as PHP does for $_POST; empty for any other type.
     *
     * @return array<array-key, mixed>
     */
    public function form(): array
    {
        $form = [];
        $type = \strtolower(\trim(\explode(';', $this->header('content-type') ?? '')[0]));
        if ($type === 'application/x-www-form-urlencoded') {
            \parse_str($this->body, $form);
        }

        return $form;
    }

    /**
     * The cookies, decoded; of two with one name the first counts.
     *
     * @return array<string, string>
     */
    public function cookies(): array
    {
        $cookies = [];
        foreach (\explode(';', $this->headers['cookie'] ?? '') as $pair) {
            [$name, $value] = \explode('=', $pair, 2) + [1 => null];
            if ($value !== null) {
                $cookies[\trim($name)] ??= \urldecode(\trim($value, " \t\""));
            }
        }

        return $cookies;
    }
}
