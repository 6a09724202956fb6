<?php

declare(strict_types=1);

namespace Relay\Outgoing;

/** An answer that is on its way to a customer. */
final class Answer
{
    private const PREFIX = 'relay-';

    /**
     * @param int $id of the message in our database
     * @param int $attempts calls made for it, the one that is about to be made included
     * @param int $queuedAt milliseconds since 1970
     */
    public function __construct(
        public readonly int $id,
        public readonly int $conversation,
        public readonly string $channel,
        public readonly string $customer,
        public readonly string $text,
        public readonly int $attempts,
        public readonly int $queuedAt,
        private readonly string $desk,
    ) {
    }

    /** What names this answer to the other side, so that it can name it to us: unlike the id, never another desk's. */
    public function reference(): string
    {
        return self::PREFIX . "$this->desk-$this->id";
    }

    /** The id of the answer with this reference; null if it is not one of this desk. */
    public static function idOf(string $reference, string $desk): ?int
    {
        $start = self::PREFIX . "$desk-";
        $id = \str_starts_with($reference, $start) ? \substr($reference, \strlen($start)) : '';

        return \preg_match('/^[1-9]\d{0,17}$/D', $id) === 1 ? (int) $id : null;
    }
}
