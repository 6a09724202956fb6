<?php

declare(strict_types=1);

namespace WsPush\Workerman;

use WsPush\Exception;
use WsPush\Request as Original;

/** Workerman\Protocols\Http\Request: the upgrade, as onWebSocketConnect gets it. As a string it is the head as text. */
class Request implements \Stringable
{
    /** @internal */
    public function __construct(private readonly Original $original, public readonly TcpConnection $connection)
    {
    }

    /** @return mixed one parameter of the query, or all of them without a name */
    public function get(?string $name = null, mixed $default = null): mixed
    {
        $params = $this->original->params();

        return $name === null ? $params : $params[$name] ?? $default;
    }

    /** @return mixed one header, or all of them without a name; names in lower case */
    public function header(?string $name = null, mixed $default = null): mixed
    {
        return $name === null ? $this->original->headers : $this->original->header($name) ?? $default;
    }

    /** @return mixed one cookie, or all of them without a name */
    public function cookie(?string $name = null, mixed $default = null): mixed
    {
        $cookies = $this->original->cookies();

        return $name === null ? $cookies : $cookies[$name] ?? $default;
    }

    public function method(): string
    {
        return $this->original->method;
    }

    public function uri(): string
    {
        return $this->original->target;
    }

    public function path(): string
    {
        return $this->original->path;
    }

    public function queryString(): string
    {
        return $this->original->query;
    }

    /** "1.1": an upgrade has no other. */
    public function protocolVersion(): string
    {
        return $this->original->version;
    }

    public function host(bool $withoutPort = false): string
    {
        $host = $this->original->header('host') ?? '';

        return $withoutPort ? (string) \preg_replace('/:\d+$/', '', $host) : $host;
    }

    public function __toString(): string
    {
        $head = "{$this->original->method} {$this->original->target} HTTP/{$this->original->version}\r\n";
        foreach ($this->original->headers as $name => $value) {
            $head .= \ucwords($name, '-') . ": $value\r\n";
        }

        return "$head\r\n";
    }

    /**
     * @param list<mixed> $arguments
     *
     * @throws Exception always, naming the method
     */
    public function __call(string $name, array $arguments): never
    {
        throw Exception::notYet("Workerman\\Protocols\\Http\\Request::$name()");
    }
}
