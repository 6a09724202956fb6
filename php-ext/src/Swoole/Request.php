<?php

declare(strict_types=1);

namespace WsPush\Swoole;

use WsPush\Exception;
use WsPush\Request as Original;

/** Swoole\Http\Request: of an 'open' or a 'request' event. */
#[\AllowDynamicProperties]
class Request
{
    public int $fd = 0;
    public int $streamId = 0;
    /** @var array<string, string>|null names in lower case */
    public ?array $header = null;
    /** @var array<string, string|int|float> request_method, request_uri, path_info, remote_addr and so on */
    public array $server = [];
    /** @var array<string, string>|null null when the client sent none */
    public ?array $cookie = null;
    /** @var array<array-key, mixed>|null the query; null when there is none */
    public ?array $get = null;
    /** @var array<array-key, mixed>|null a form of the type application/x-www-form-urlencoded; null when there is none */
    public ?array $post = null;
    /** @var null uploads (multipart/form-data) are not taken apart: so is the next */
    public ?array $files = null;
    /** @var null */
    public ?array $tmpfiles = null;

    private string $content = '';

    /** @internal */
    public static function of(Original $original): self
    {
        $request = new self();
        $request->fd = $original->conn;
        $request->header = $original->headers;
        $now = \microtime(true);
        $query = $original->query === '' ? [] : ['query_string' => $original->query];
        $request->server = $query + [
            'request_method' => $original->method,
            'request_uri' => $original->path,
            'path_info' => \urldecode($original->path), // as in Swoole, which leaves request_uri as it is
            'request_time' => (int) $now,
            'request_time_float' => $now,
            'server_protocol' => "HTTP/$original->version",
            'server_port' => $original->localPort,
            'remote_port' => $original->remotePort,
            'remote_addr' => $original->remoteAddress,
            'master_time' => (int) $now,
        ];
        $request->cookie = $original->cookies() ?: null;
        $request->post = $original->form() ?: null;
        $request->content = $original->body;
        $request->get = $original->query === '' ? null : $original->params();

        return $request;
    }

    public function getMethod(): string
    {
        return (string) ($this->server['request_method'] ?? '');
    }

    /** The body as it was sent. */
    public function rawContent(): string
    {
        return $this->content;
    }

    public function getContent(): string
    {
        return $this->content;
    }

    /**
     * @param list<mixed> $arguments
     *
     * @throws Exception always, naming what is missing: getData() and others
     */
    public function __call(string $name, array $arguments): never
    {
        throw Exception::notYet("Swoole\\Http\\Request::$name()");
    }
}
