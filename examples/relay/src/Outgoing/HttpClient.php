<?php

declare(strict_types=1);

namespace Relay\Outgoing;

/**
 * Makes one call at a time, over a connection of its own, within a deadline.
 *
 * It is here, and not PHP's http:// streams, for the sake of one question that those leave open: did a call that failed go
 * out, or not? Only what certainly did not may be repeated at once.
 */
final class HttpClient
{
    private const LONGEST_REPLY = 1 << 20;

    /** @param array<string, mixed> $tls context options for ssl://; certificates are checked unless they say otherwise */
    public function __construct(private readonly int $timeoutMs, private readonly array $tls = [])
    {
    }

    /**
     * @throws NotSent
     * @throws NoReply
     */
    public function post(Call $call): HttpReply
    {
        $url = \parse_url($call->url);
        $isTls = ($url['scheme'] ?? '') === 'https';
        $host = $url['host'] ?? '';
        $port = $url['port'] ?? ($isTls ? 443 : 80);
        $target = ($url['path'] ?? '/') . (isset($url['query']) ? "?{$url['query']}" : '');
        $head = "POST $target HTTP/1.1\r\nHost: $host" . (isset($url['port']) ? ":$port" : '') . "\r\nConnection: close\r\n"
            . "User-Agent: wspush-relay\r\nAccept: application/json\r\nContent-Type: application/json\r\n"
            . 'Content-Length: ' . \strlen($call->body) . "\r\n";
        foreach ($call->headers as $name => $value) {
            $head .= "$name: $value\r\n";
        }

        $deadline = \microtime(true) + $this->timeoutMs / 1000;
        $socket = $this->connect(($isTls ? 'ssl' : 'tcp') . "://$host:$port", $host);
        try {
            $this->write($socket, "$head\r\n$call->body", $deadline);

            return self::parse($this->read($socket, $deadline));
        } finally {
            \fclose($socket);
        }
    }

    /** @return resource */
    private function connect(string $address, string $host)
    {
        $context = \stream_context_create(['ssl' => $this->tls + ['peer_name' => $host, 'SNI_enabled' => true]]);
        $socket = @\stream_socket_client($address, $_, $error, $this->timeoutMs / 1000, \STREAM_CLIENT_CONNECT, $context);
        if ($socket === false) {
            throw new NotSent("no connection to $host: " . ($error ?: 'TLS was not agreed upon'));
        }
        \stream_set_blocking($socket, false);

        return $socket;
    }

    /** @param resource $socket */
    private function write($socket, string $bytes, float $deadline): void
    {
        while ($bytes !== '') {
            $written = @\fwrite($socket, $bytes);
            if ($written === false || ($written === 0 && !$this->wait($socket, $deadline, true))) {
                throw new NotSent('the connection broke, or stood still, before the call was out');
            }
            $bytes = \substr($bytes, $written);
        }
    }

    /** @param resource $socket */
    private function read($socket, float $deadline): string
    {
        $reply = '';
        while (!\feof($socket)) {
            $bytes = @\fread($socket, 65536);
            if ($bytes === false) {
                break;
            }
            $reply .= $bytes;
            if (\strlen($reply) > self::LONGEST_REPLY) {
                throw new NoReply('the reply is too long');
            }
            if (self::isComplete($reply)) {
                break; // whatever becomes of the connection
            }
            if ($bytes === '' && !\feof($socket) && !$this->wait($socket, $deadline, false)) {
                throw new NoReply('no reply in time');
            }
        }

        return $reply;
    }

    /** @param resource $socket */
    private function wait($socket, float $deadline, bool $toWrite): bool
    {
        $left = $deadline - \microtime(true);
        if ($left <= 0) {
            return false;
        }
        [$read, $write, $none] = $toWrite ? [null, [$socket], null] : [[$socket], null, null];

        return @\stream_select($read, $write, $none, (int) $left, (int) (($left - (int) $left) * 1e6)) !== 0;
    }

    /** A reply that tells its length, and has it. */
    private static function isComplete(string $reply): bool
    {
        [$head] = \explode("\r\n\r\n", $reply, 2);
        if (\preg_match('~^(content-length|transfer-encoding):|^HTTP/1\.[01] 204~mi', $head) !== 1) {
            return false;
        }
        try {
            return self::parse($reply)->status > 0;
        } catch (NoReply) {
            return false;
        }
    }

    private static function parse(string $reply): HttpReply
    {
        [$head, $body] = \explode("\r\n\r\n", $reply, 2) + [1 => null];
        if ($body === null || \preg_match('~^HTTP/1\.[01] (\d{3})~', $head, $match) !== 1) {
            throw new NoReply('the connection ended without a reply');
        }
        if ($match[1][0] === '1') {
            return self::parse($body); // 100 Continue, 103 Early Hints: the reply proper follows
        }
        if (\preg_match('/^transfer-encoding:.*\bchunked/mi', $head) === 1) {
            $body = self::unchunk($body);
        } elseif (\preg_match('/^content-length:\s*(\d+)/mi', $head, $length) === 1 && \strlen($body) < (int) $length[1]) {
            throw new NoReply('the connection ended within the reply');
        }

        return new HttpReply((int) $match[1], $body);
    }

    private static function unchunk(string $chunks): string
    {
        $body = '';
        while (\preg_match('/^([0-9a-f]{1,7})[^\r\n]*\r\n/i', $chunks, $match) === 1) {
            $length = (int) \hexdec($match[1]);
            if ($length === 0) {
                return $body;
            }
            $body .= \substr($chunks, \strlen($match[0]), $length);
            $chunks = \substr($chunks, \strlen($match[0]) + $length + 2);
        }

        throw new NoReply('the connection ended within the reply');
    }
}
