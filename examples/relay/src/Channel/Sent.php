<?php

declare(strict_types=1);

namespace Relay\Channel;

/**
 * The channel says that a message went out to a customer: one of our answers, or one that somebody wrote elsewhere, such as in
 * the vendor's own inbox. Of our answers it is the proof that they arrived, whatever became of the reply to the call.
 */
final class Sent
{
    /**
     * @param string $id the channel's id of the message
     * @param string $reference what the call gave as reference: of our answers Answer::reference()
     * @param list<array{type: string, title: string, url: string}> $attachments
     */
    public function __construct(
        public readonly string $customer,
        public readonly string $id,
        public readonly string $reference,
        public readonly string $text,
        public readonly array $attachments = [],
    ) {
    }
}
