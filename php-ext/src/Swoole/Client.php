<?php

declare(strict_types=1);

namespace WsPush\Swoole;

use WsPush\Client as Engine;
use WsPush\ClosedException;
use WsPush\ConnectException;
use WsPush\Exception;
use WsPush\RequestFields;

/**
 * Swoole\Coroutine\Http\Client over WsPush\Client: the WebSocket half of it. Plain HTTP, get(), post() and their like, throw.
 *
 * It waits where Swoole would let another coroutine run; a program with one client does not see the difference. As Swoole's it
 * tells what went wrong by $errCode, $errMsg and $statusCode, and by what it returns.
 */
#[\AllowDynamicProperties]
class Client
{
    private const ETIMEDOUT = 110;
    private const ECONNRESET = 104;
    private const ECONNREFUSED = 111;

    public int $errCode = 0;
    public string $errMsg = '';
    public bool $connected = false;
    public string $host;
    public int $port;
    public bool $ssl;
    /** @var array<string, mixed> all that was given to set() */
    public array $setting = [];
    public ?string $requestMethod = null;
    /** @var array<string, mixed>|null */
    public ?array $requestHeaders = null;
    /** @var array<string, string>|null */
    public ?array $cookies = null;
    /** Of the answer to upgrade(): 101, 403 …; negative: there was none, SWOOLE_HTTP_CLIENT_ESTATUS_… says why */
    public int $statusCode = 0;
    /** @var array<string, string>|null of that answer, names in lower case */
    public ?array $headers = null;
    /** @var list<string>|null its Set-Cookie lines */
    public ?array $set_cookie_headers = null;
    public string $body = '';

    private ?Engine $engine = null;
    private string $credentials = '';

    /**
     * @param string $host a name, an address, or "unix:/path"
     * @param int $port 0: the usual one
     * @param bool $ssl wss://, which upgrade() refuses for now
     */
    public function __construct(string $host, int $port = 0, bool $ssl = false)
    {
        $this->host = $host;
        $this->port = $port ?: ($ssl ? 443 : 80);
        $this->ssl = $ssl;
    }

    /**
     * Settings by Swoole's names: timeout, connect_timeout, package_max_length, http_proxy_host and so on. They count from the next
     * upgrade().
     *
     * @param array<string, mixed> $settings
     *
     * @throws Exception NOT_YET, naming a setting that cannot be honoured; VALUE
     */
    public function set(array $settings): bool
    {
        ClientSettings::check($settings);
        $this->setting = $settings + $this->setting;

        return true;
    }

    /** @param array<string, mixed> $headers all of them: those of an earlier call are forgotten */
    public function setHeaders(array $headers): bool
    {
        $this->requestHeaders = $headers;

        return true;
    }

    /** @param array<string, mixed> $cookies name => value, which is URL-encoded */
    public function setCookies(array $cookies): bool
    {
        $this->cookies = \array_map(static fn (mixed $value): string => \is_scalar($value) ? (string) $value : '', $cookies);

        return true;
    }

    public function setBasicAuth(string $username, string $password): void
    {
        $this->credentials = 'Basic ' . \base64_encode("$username:$password");
    }

    /** @throws Exception NOT_YET: any method but GET */
    public function setMethod(string $method): bool
    {
        $this->requestMethod = \strtoupper($method) === 'GET' ? 'GET' : throw Exception::notYet("setMethod('$method')", 'an upgrade is a GET');

        return true;
    }

    /**
     * Connects, and makes it a WebSocket.
     *
     * @return bool false: $errMsg says why, and $statusCode what the server has answered
     *
     * @throws Exception UNSUPPORTED: TLS; URL, ARGUMENT: a host, a path or a header that cannot be sent
     */
    public function upgrade(string $path): bool
    {
        $this->close();
        $this->errCode = $this->statusCode = 0;
        $this->errMsg = $this->body = '';
        $this->headers = $this->set_cookie_headers = null;
        [$options, $headers] = RequestFields::split($this->requestHeaders ?? [], (\str_contains($this->host, ':') ? "[$this->host]" : $this->host) . ":$this->port");
        if ($this->credentials !== '') {
            $headers['Authorization'] = [$this->credentials];
        }
        $cookies = isset($options['cookie']) ? [$options['cookie']] : [];
        foreach ($this->cookies ?? [] as $name => $value) {
            $cookies[] = "$name=" . \urlencode($value);
        }
        if ($cookies !== []) {
            $options['cookie'] = \implode('; ', $cookies);
        }
        $engine = new Engine($this->url($path), $options + ClientSettings::options($this->setting), $headers);
        try {
            $response = $engine->connect();
        } catch (ConnectException $exception) {
            $this->fail($exception);

            return false;
        }
        $this->engine = $engine;
        $this->connected = true;
        $this->statusCode = $response->status;
        $this->headers = $response->headers;
        $this->set_cookie_headers = $response->cookies ?: null;

        return true;
    }

    /**
     * Sends a message, or a Frame as it is: a Ping, a CloseFrame.
     *
     * @param int|bool $flags SWOOLE_WEBSOCKET_FLAG_FIN must be in it
     *
     * @return bool false: there is no connection, see $errCode
     *
     * @throws Exception UTF8, ARGUMENT (opcode); NOT_YET: a fragment, a Pong
     */
    public function push(mixed $data, int $opcode = Engine::TEXT, int|bool $flags = 1): bool
    {
        if ($this->engine === null) {
            return $this->disconnected();
        }
        $reason = null;
        if ($data instanceof Frame) {
            $opcode = $data->opcode;
            $flags = $data->finish ?? $data->flags;
            $reason = $data instanceof CloseFrame ? $data->reason : null;
            $code = $data instanceof CloseFrame ? $data->code : 1000;
            $data = $data->data;
        }
        if (((int) $flags & 1) === 0) {
            throw Exception::notYet('push() of a fragment (a frame without FIN)');
        }
        if (!\is_scalar($data) && !$data instanceof \Stringable) {
            throw new Exception('push: a ' . \get_debug_type($data) . ' cannot be sent; make it a string', Exception::ARGUMENT);
        }
        $data = (string) $data;
        try {
            match ($opcode) {
                Engine::TEXT => $this->engine->send($data),
                Engine::BINARY => $this->engine->sendBinary($data),
                8 => $this->engine->close($code ?? 1000, $reason ?? $data, 0.0),
                9 => $this->engine->ping($data) || throw new ClosedException('push: it is not open'),
                10 => throw Exception::notYet('push() of a Pong', 'the engine answers Pings by itself'),
                default => throw new Exception("push: no opcode $opcode", Exception::ARGUMENT),
            };
        } catch (ClosedException) {
            return $this->disconnected();
        }

        return true;
    }

    /**
     * Waits for the next message.
     *
     * @param float $timeout seconds; 0: the setting timeout, without which it waits without limit, as -1 does
     *
     * @return Frame|string|false a Frame; false when none came in time (then $errCode is 110), or there is no connection; '' when it
     *                            has just closed. With the setting open_websocket_close_frame that is a CloseFrame
     */
    public function recv(float $timeout = 0): Frame|string|false
    {
        if ($this->engine === null) {
            return $this->disconnected(\SWOOLE_ERROR_CLIENT_NO_CONNECTION);
        }
        $patience = $timeout > 0 ? $timeout : ($timeout < 0 ? null : ClientSettings::patience($this->setting));
        try {
            $message = $this->engine->receive($patience);
        } catch (ClosedException $closed) {
            $this->drop();
            [$this->errCode, $this->errMsg] = [self::ECONNRESET, $closed->getMessage()];
            $this->statusCode = \SWOOLE_HTTP_CLIENT_ESTATUS_SERVER_RESET;

            return ($this->setting['open_websocket_close_frame'] ?? false) ? self::closeFrame($closed) : '';
        }
        if ($message === null) {
            [$this->errCode, $this->errMsg] = [self::ETIMEDOUT, 'Operation timed out'];

            return false;
        }
        $frame = new Frame();
        $frame->data = $message->data;
        $frame->opcode = $message->opcode;
        $frame->finish = true;

        return $frame;
    }

    /** Says goodbye with a Close frame, and waits for the answer. False: there is no connection. */
    public function close(): bool
    {
        $engine = $this->engine;
        $this->drop();
        $engine?->close();

        return $engine !== null;
    }

    public function getStatusCode(): int|false
    {
        return $this->statusCode ?: false;
    }

    /** @return array<string, string>|false */
    public function getHeaders(): array|false
    {
        return $this->headers ?? false;
    }

    public function getBody(): string|false
    {
        return $this->body;
    }

    /**
     * @param list<mixed> $arguments
     *
     * @throws Exception always, naming the method: get(), post(), execute(), download() …
     */
    public function __call(string $name, array $arguments): never
    {
        throw Exception::notYet("Swoole\\Coroutine\\Http\\Client::$name()", 'there is the WebSocket half: upgrade(), push(), recv(), close()');
    }

    private function url(string $path): string
    {
        $path = \str_starts_with($path, '/') ? $path : "/$path";
        if (\str_starts_with($this->host, 'unix:')) {
            return 'unix:/' . \ltrim(\substr($this->host, 5), '/') . ":$path";
        }
        $host = \str_contains($this->host, ':') ? "[$this->host]" : $this->host;

        return ($this->ssl ? 'wss' : 'ws') . "://$host:$this->port$path";
    }

    /** @throws ConnectException what is a mistake of the program, and not the network's doing */
    private function fail(ConnectException $exception): void
    {
        if (\in_array($exception->status, [Exception::URL, Exception::UNSUPPORTED], true)) {
            throw $exception;
        }
        $this->errMsg = $exception->getMessage();
        $this->headers = $exception->response?->headers;
        $this->body = $exception->body;
        $this->set_cookie_headers = $exception->response?->cookies ?: null;
        [$this->errCode, $this->statusCode] = match ($exception->status) {
            Exception::RESOLVE => [\SWOOLE_ERROR_DNSLOOKUP_RESOLVE_FAILED, \SWOOLE_HTTP_CLIENT_ESTATUS_CONNECT_FAILED],
            Exception::CONNECT => [self::ECONNREFUSED, \SWOOLE_HTTP_CLIENT_ESTATUS_CONNECT_FAILED],
            Exception::CONNECT_TIMEOUT => [self::ETIMEDOUT, \SWOOLE_HTTP_CLIENT_ESTATUS_CONNECT_FAILED],
            Exception::HANDSHAKE_TIMEOUT => [self::ETIMEDOUT, \SWOOLE_HTTP_CLIENT_ESTATUS_REQUEST_TIMEOUT],
            Exception::RESET, Exception::TRUNCATED => [self::ECONNRESET, \SWOOLE_HTTP_CLIENT_ESTATUS_SERVER_RESET],
            default => [
                \SWOOLE_ERROR_WEBSOCKET_HANDSHAKE_FAILED,
                $exception->httpStatus ?: \SWOOLE_HTTP_CLIENT_ESTATUS_CONNECT_FAILED,
            ],
        };
    }

    private function drop(): void
    {
        $this->engine = null;
        $this->connected = false;
    }

    /** @return false */
    private function disconnected(int $errCode = \SWOOLE_ERROR_WEBSOCKET_UNCONNECTED): bool
    {
        $this->drop();
        $this->errCode = $errCode;
        $this->errMsg = 'connection is not available';
        $this->statusCode = \SWOOLE_HTTP_CLIENT_ESTATUS_SERVER_RESET;

        return false;
    }

    private static function closeFrame(ClosedException $closed): CloseFrame
    {
        $frame = new CloseFrame();
        $frame->code = $closed->closeCode;
        $frame->reason = $closed->reason;
        $frame->finish = true;

        return $frame;
    }
}
