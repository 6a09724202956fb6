<?php

declare(strict_types=1);

namespace WsPush;

/** A message that Client::receive() has taken. As a string it is its data. */
final class Message implements \Stringable
{
    /** @param int $opcode Client::TEXT, then the data is UTF-8, or Client::BINARY */
    public function __construct(public readonly string $data, public readonly int $opcode)
    {
    }

    public function isText(): bool
    {
        return $this->opcode === Native::TEXT;
    }

    public function isBinary(): bool
    {
        return $this->opcode === Native::BINARY;
    }

    public function __toString(): string
    {
        return $this->data;
    }
}
