<?php

declare(strict_types=1);

namespace WsPush;

/** What is known of an open WebSocket at one moment: Server::info() tells it. */
final class ConnectionInfo
{
    /**
     * @param string $remoteAddress "192.0.2.7", "2001:db8::1" or "unix"; of a client behind a trusted proxy its own
     * @param int $remotePort 0 for unix sockets, as $localPort
     * @param string $localAddress of ours, that it came in at
     * @param string $path of its request, without the query; of a longer one the first 1024 bytes
     * @param string $subprotocol chosen among those it offered; "" if none
     * @param float $openedAt seconds of Unix time, to the hundredth
     * @param float $heardAt when the client last sent anything, or took what had waited for it; in the same way
     * @param int $queuedBytes that wait to be sent to it
     * @param int $topicCount of the topics that it is subscribed to
     */
    public function __construct(
        public readonly int $conn,
        public readonly string $remoteAddress,
        public readonly int $remotePort,
        public readonly string $localAddress,
        public readonly int $localPort,
        public readonly string $path,
        public readonly string $subprotocol,
        public readonly float $openedAt,
        public readonly float $heardAt,
        public readonly int $queuedBytes,
        public readonly int $topicCount,
    ) {
    }
}
