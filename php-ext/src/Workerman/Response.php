<?php

declare(strict_types=1);

namespace WsPush\Workerman;

use WsPush\Exception;
use WsPush\UpgradeResponse;

/** Workerman\Protocols\Http\Response: what a server has answered to an AsyncTcpConnection. As a string it is the head as text. */
class Response implements \Stringable
{
    /** @internal */
    public function __construct(private readonly UpgradeResponse $original)
    {
    }

    public function getStatusCode(): int
    {
        return $this->original->status;
    }

    /** The header of that name, in any case; null if it was not sent. */
    public function getHeader(string $name): ?string
    {
        return $this->original->header($name);
    }

    /** @return array<string, string> names in lower case */
    public function getHeaders(): array
    {
        return $this->original->headers;
    }

    public function __toString(): string
    {
        $head = "HTTP/1.1 {$this->original->status} Switching Protocols\r\n";
        foreach ($this->original->headers as $name => $value) {
            foreach ($name === 'set-cookie' ? $this->original->cookies : [$value] as $line) {
                $head .= \ucwords($name, '-') . ": $line\r\n";
            }
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
        throw Exception::notYet("Workerman\\Protocols\\Http\\Response::$name()");
    }
}
