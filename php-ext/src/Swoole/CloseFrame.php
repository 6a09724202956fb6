<?php

declare(strict_types=1);

namespace WsPush\Swoole;

/** Swoole\WebSocket\CloseFrame: pushed, it begins the close handshake. */
class CloseFrame extends Frame
{
    public int $opcode = 8;
    public int $code = 1000;
    public string $reason = '';

    protected function payload(): string
    {
        return \pack('n', $this->code) . $this->reason;
    }
}
