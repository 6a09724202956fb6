<?php

declare(strict_types=1);

namespace Relay\Outgoing;

/** What became of a call, and so what is to be done about its answer. */
final class Outcome
{
    private const LONGEST_NOTE = 300;

    public const SENT = 'sent';
    public const LATER = 'later';
    public const DOUBT = 'doubt';
    public const FAILED = 'failed';

    public readonly string $note;

    /**
     * @param self::* $kind
     * @param string $note for the agent, in the cases but SENT; what others have said in it is made one line of text
     * @param string $externalId the channel's id of the message, if it told
     * @param bool $forAll it is not about this answer: the whole channel had better wait
     */
    private function __construct(
        public readonly string $kind,
        string $note = '',
        public readonly string $externalId = '',
        public readonly bool $forAll = false,
    ) {
        $this->note = \mb_substr((string) \preg_replace('/[\p{Cc}\s]+/u', ' ', $note), 0, self::LONGEST_NOTE);
    }

    public static function sent(string $externalId): self
    {
        return new self(self::SENT, '', $externalId);
    }

    /** It was not sent, and may be later. */
    public static function later(string $note, bool $forAll = false): self
    {
        return new self(self::LATER, $note, '', $forAll);
    }

    /** Nobody knows whether it was sent. */
    public static function doubt(string $note): self
    {
        return new self(self::DOUBT, $note);
    }

    /** It was not sent, and trying again as it is would not help. */
    public static function failed(string $note): self
    {
        return new self(self::FAILED, $note);
    }
}
