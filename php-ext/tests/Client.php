<?php

declare(strict_types=1);

namespace WsPush\Tests;

/**
 * A WebSocket client small enough to be trusted: it masks, frames and reads what is asked of it, checks what comes back,
 * and knows nothing of wspush.
 */
final class Client
{
    public const TEXT = 1;
    public const BINARY = 2;
    public const CLOSE = 8;
    public const PING = 9;
    public const PONG = 10;

    private const SECONDS = 10;

    /** @var resource */
    private $socket;
    /** The head of the response to the upgrade, as it came. */
    public readonly string $response;

    /** @param array<string, string> $headers more of them */
    public function __construct(int $port, string $target = '/', array $headers = [])
    {
        $this->socket = self::connect($port);
        $key = base64_encode(random_bytes(16));
        $headers += [
            'Host' => "127.0.0.1:$port",
            'Upgrade' => 'websocket',
            'Connection' => 'Upgrade',
            'Sec-WebSocket-Key' => $key,
            'Sec-WebSocket-Version' => '13',
        ];
        $head = "GET $target HTTP/1.1\r\n";
        foreach ($headers as $name => $value) {
            $head .= "$name: $value\r\n";
        }
        $this->write("$head\r\n");
        $response = '';
        do {
            $line = fgets($this->socket);
            if ($line === false) {
                throw new \RuntimeException("no response to the upgrade, but: $response");
            }
            $response .= $line;
        } while ($line !== "\r\n");
        $this->response = $response;
        $accept = base64_encode(sha1($key . '258EAFA5-E914-47DA-95CA-C5AB0DC85B11', true));
        if (!str_starts_with($response, 'HTTP/1.1 101 ') || stripos($response, "sec-websocket-accept: $accept") === false) {
            throw new \RuntimeException("the upgrade was not accepted: $response");
        }
    }

    /** @return resource */
    public static function connect(int $port)
    {
        $socket = @stream_socket_client("tcp://127.0.0.1:$port", $errno, $error, self::SECONDS);
        if ($socket === false) {
            throw new \RuntimeException("connect 127.0.0.1:$port: $error");
        }
        stream_set_timeout($socket, self::SECONDS);

        return $socket;
    }

    /** A plain HTTP request on a connection of its own; the whole response. */
    public static function http(int $port, string $target, string $method = 'GET', string $headers = '', string $body = '', string $version = '1.1'): string
    {
        $socket = self::connect($port);
        $headers .= $body === '' ? '' : 'Content-Length: ' . strlen($body) . "\r\n";
        fwrite($socket, "$method $target HTTP/$version\r\nHost: 127.0.0.1:$port\r\nConnection: close\r\n$headers\r\n$body");

        return (string) stream_get_contents($socket);
    }

    public function send(string $data, int $opcode = self::TEXT): void
    {
        $length = strlen($data);
        $mask = random_bytes(4);
        $frame = chr(0x80 | $opcode) . match (true) {
            $length < 126 => chr(0x80 | $length),
            $length < 65536 => chr(0x80 | 126) . pack('n', $length),
            default => chr(0x80 | 127) . pack('J', $length),
        } . $mask;
        $this->write($frame . ($data ^ str_pad('', $length, $mask)));
    }

    /** @return array{int, string} opcode and payload of the next frame; Pings are answered and passed over */
    public function receive(): array
    {
        [$first, $second] = array_values((array) unpack('C2', $this->read(2)));
        $length = match ($second & 0x7f) {
            126 => ((array) unpack('n', $this->read(2)))[1],
            127 => ((array) unpack('J', $this->read(8)))[1],
            default => $second & 0x7f,
        };
        if (($second & 0x80) !== 0 || ($first & 0xf0) !== 0x80) {
            throw new \RuntimeException(sprintf('a frame that begins with %02x %02x', $first, $second));
        }
        $payload = $this->read($length);
        if ($first === (0x80 | self::PING)) {
            $this->send($payload, self::PONG);

            return $this->receive();
        }

        return [$first & 0x0f, $payload];
    }

    /** The payload of the next message, which must be text. */
    public function text(): string
    {
        [$opcode, $payload] = $this->receive();
        if ($opcode !== self::TEXT) {
            throw new \RuntimeException("expected text, received opcode $opcode: " . bin2hex(substr($payload, 0, 40)));
        }

        return $payload;
    }

    /** The code of the Close frame that comes next; it is answered, and the connection brought to its end. */
    public function closeCode(): int
    {
        [$opcode, $payload] = $this->receive();
        if ($opcode !== self::CLOSE) {
            throw new \RuntimeException("expected Close, received opcode $opcode");
        }
        $this->send(substr($payload, 0, 2), self::CLOSE);
        $this->waitForEnd();

        return strlen($payload) < 2 ? 1005 : ((array) unpack('n', $payload))[1];
    }

    /** Sends Close, and waits until the server has ended the connection. */
    public function close(int $code = 1000, string $reason = ''): void
    {
        $this->send(pack('n', $code) . $reason, self::CLOSE);
        do {
            [$opcode] = $this->receive();
        } while ($opcode !== self::CLOSE);
        $this->waitForEnd();
    }

    /** Waits until the server has ended the TCP connection, and ends it on this side. */
    public function waitForEnd(): void
    {
        while (($rest = @fread($this->socket, 8192)) !== false && $rest !== '') {
        }
        if (!feof($this->socket)) {
            throw new \RuntimeException('the server did not end the connection');
        }
        fclose($this->socket);
    }

    /** Whether nothing comes in so many seconds. For tests of silence; all others wait for what comes. */
    public function isQuietFor(int $seconds): bool
    {
        $readable = [$this->socket];
        $none = null;

        return stream_select($readable, $none, $none, $seconds) === 0;
    }

    /** Whether something has come that was not read. */
    public function isReadable(): bool
    {
        return !$this->isQuietFor(0);
    }

    /** Ends the TCP connection without a Close frame. */
    public function drop(): void
    {
        fclose($this->socket);
    }

    public function write(string $bytes): void
    {
        for ($sent = 0; $sent < strlen($bytes); $sent += $written) {
            $written = @fwrite($this->socket, substr($bytes, $sent, 1 << 20));
            if ($written === false || $written === 0) {
                throw new \RuntimeException('the connection broke while writing');
            }
        }
    }

    private function read(int $length): string
    {
        $bytes = '';
        while (strlen($bytes) < $length) {
            $more = @fread($this->socket, min(1 << 20, $length - strlen($bytes)));
            if ($more === false || $more === '') {
                $why = stream_get_meta_data($this->socket)['timed_out'] ? 'nothing came in time' : 'the connection ended';
                throw new \RuntimeException("$why; " . strlen($bytes) . " of $length bytes are here");
            }
            $bytes .= $more;
        }

        return $bytes;
    }
}
