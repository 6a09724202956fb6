<?php

declare(strict_types=1);

namespace WsPush\Swoole;

use WsPush\Exception;

/** Swoole\WebSocket\Frame: a message that came in, or one to push. */
class Frame implements \Stringable
{
    public int $fd = 0;
    public string $data = '';
    /** WEBSOCKET_OPCODE_TEXT, _BINARY; to push also _PING and _CLOSE */
    public int $opcode = 1;
    /** SWOOLE_WEBSOCKET_FLAG_FIN, and _FLAG_COMPRESS, which asks for something not negotiated yet and changes nothing */
    public int $flags = 1;
    /** Messages arrive whole: true in all that come in */
    public ?bool $finish = null;

    /** The frame as it goes over the wire from a server, as in Swoole. The payload is $frame->data. */
    public function __toString(): string
    {
        return self::pack($this);
    }

    /**
     * One WebSocket frame: unmasked, as a server sends it (RFC 6455 5.2).
     *
     * @param int $flags SWOOLE_WEBSOCKET_FLAG_FIN, or 0 for a fragment that others follow
     */
    public static function pack(Frame|string $data, int $opcode = 1, int $flags = 1): string
    {
        if ($data instanceof self) {
            $opcode = $data->opcode;
            $flags = $data->finish === false ? 0 : $data->flags;
            $data = $data->payload();
        }
        $length = \strlen($data);
        $first = \chr(($flags & 1 ? 0x80 : 0) | ($opcode & 0x0f));

        return $first . match (true) {
            $length < 126 => \chr($length),
            $length < 65536 => \chr(126) . \pack('n', $length),
            default => \chr(127) . \pack('J', $length),
        } . $data;
    }

    /**
     * @param list<mixed> $arguments
     *
     * @throws Exception always, naming what is missing: unpack()
     */
    public static function __callStatic(string $name, array $arguments): never
    {
        throw Exception::notYet("Swoole\\WebSocket\\Frame::$name()");
    }

    protected function payload(): string
    {
        return $this->data;
    }
}
