<?php

declare(strict_types=1);

namespace Relay\Channel;

/** A message of a customer. */
final class Incoming
{
    /**
     * @param string $customer the channel's id of the customer
     * @param string $id the channel's id of the message: a second one with this id is dropped
     * @param string $name of the customer, if the channel tells
     * @param list<array{type: string, title: string, url: string}> $attachments
     */
    public function __construct(
        public readonly string $customer,
        public readonly string $id,
        public readonly string $text,
        public readonly array $attachments = [],
        public readonly string $name = '',
    ) {
    }
}
