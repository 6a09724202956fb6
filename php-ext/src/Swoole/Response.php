<?php

declare(strict_types=1);

namespace WsPush\Swoole;

use WsPush\Exception;
use WsPush\Server as Engine;

/**
 * Swoole\Http\Response: the answer to one 'request' event. It is sent by end(), and by nothing else: a response that is
 * dropped without end() becomes a 500, as in Swoole.
 */
#[\AllowDynamicProperties]
class Response
{
    public int $fd = 0;
    /** @var array<string, string|list<string>> */
    public array $header = [];

    private ?Engine $engine = null;
    private int $status = 0;

    /** @internal */
    public static function to(Engine $engine, int $fd): self
    {
        $response = new self();
        $response->engine = $engine;
        $response->fd = $fd;

        return $response;
    }

    public function __destruct()
    {
        if ($this->engine !== null && $this->engine->isRunning()) {
            $this->status = $this->status ?: 500;
            try {
                $this->end();
            } catch (Exception) {
                // A destructor has nobody to tell.
            }
        }
    }

    /** @param string $reason not sent: the engine knows the reason phrases */
    public function status(int $http_code, string $reason = ''): bool
    {
        $this->status = $http_code;

        return $this->isWritable();
    }

    public function setStatusCode(int $http_code, string $reason = ''): bool
    {
        return $this->status($http_code, $reason);
    }

    /** @param string|list<string> $value */
    public function header(string $key, string|array $value, bool $format = true): bool
    {
        // Names have no case: "content-type" must not stand beside a default Content-Type.
        $this->header[$format ? \ucwords(\strtolower($key), '-') : $key] = $value;

        return $this->isWritable();
    }

    /** @param string|list<string> $value */
    public function setHeader(string $key, string|array $value, bool $format = true): bool
    {
        return $this->header($key, $value, $format);
    }

    public function redirect(string $location, int $http_code = 302): bool
    {
        $this->status($http_code);
        $this->header('Location', $location);

        return $this->end();
    }

    /**
     * Sends the response. Content-Type is text/html unless it was set.
     *
     * @return bool false: sent already, or the connection is closed
     *
     * @throws Exception ARGUMENT: an impossible status; a line break in a header
     */
    public function end(?string $content = null): bool
    {
        $engine = $this->engine;
        if ($engine === null) {
            return false;
        }
        $this->engine = null;
        $headers = $this->header + ['Content-Type' => 'text/html'];
        unset($headers['Content-Length'], $headers['Connection']); // the engine's own

        return $engine->respond($this->fd, $this->status ?: 200, $content ?? '', $headers);
    }

    public function isWritable(): bool
    {
        return $this->engine !== null;
    }

    /**
     * @param list<mixed> $arguments
     *
     * @throws Exception always, naming what is missing: write(), cookie(), sendfile(), detach(), upgrade() …
     */
    public function __call(string $name, array $arguments): never
    {
        throw Exception::notYet("Swoole\\Http\\Response::$name()");
    }
}
