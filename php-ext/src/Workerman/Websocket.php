<?php

declare(strict_types=1);

namespace WsPush\Workerman;

/** Workerman\Protocols\Websocket: the values of $connection->websocketType. */
final class Websocket
{
    /** Messages sent are text. The default. */
    public const BINARY_TYPE_BLOB = "\x81";
    /** Messages sent are binary. */
    public const BINARY_TYPE_ARRAYBUFFER = "\x82";
}
