<?php

declare(strict_types=1);

namespace Relay\Channel;

/** Answers have reached the customer's device, or have been read there. */
final class Receipt
{
    /**
     * @param list<string> $ids the channel's ids of the messages, where it names them
     * @param int $watermark milliseconds since 1970: all that was sent until then is meant; 0 for none
     */
    public function __construct(
        public readonly string $customer,
        public readonly bool $read,
        public readonly array $ids,
        public readonly int $watermark,
    ) {
    }
}
