<?php

declare(strict_types=1);

namespace WsPush;

/**
 * The connection is closed: nothing can be sent, or there is nothing more to receive. Its code is CLOSED.
 *
 * getPrevious() is a ConnectException if the last that happened was an attempt to connect that failed.
 */
final class ClosedException extends Exception
{
    /**
     * @param int $closeCode the close code (RFC 6455 section 7.4): the server's, or ours; 1005: a Close without one, 1006: the
     *                       connection was lost without a Close; 0 if there was no connection to close
     * @param string $reason UTF-8, as it came with the code
     * @param CloseCause $cause why: what 1006 does not say, and whose limit a 1009 is of
     */
    public function __construct(
        string $message,
        public readonly int $closeCode = 0,
        public readonly string $reason = '',
        ?\Throwable $previous = null,
        public readonly CloseCause $cause = CloseCause::None,
    ) {
        parent::__construct($message, self::CLOSED, $previous);
    }

    /** Whether it ended as it should: 1000, 1001, or a Close without a code. */
    public function isClean(): bool
    {
        return \in_array($this->closeCode, [1000, 1001, 1005], true);
    }
}
