<?php

declare(strict_types=1);

namespace Relay\Outgoing;

/** How long to wait before the next attempt: twice as long each time, up to a limit, and not all at one moment. */
final class Backoff
{
    private const JITTER = 0.2;

    public function __construct(
        public readonly int $firstMs,
        public readonly int $longestMs,
        public readonly int $giveUpMs,
    ) {
    }

    /**
     * @param int $attempts those that have failed, from 1
     * @param float|null $chance from 0 to 1; null: random
     */
    public function waitMs(int $attempts, ?float $chance = null): int
    {
        $wait = \min($this->longestMs, $this->firstMs * 2 ** \min(30, $attempts - 1));
        $chance ??= \mt_rand() / \mt_getrandmax();

        return (int) \round($wait * (1 - self::JITTER + 2 * self::JITTER * $chance));
    }

    /** Whether there is no point in yet another attempt. */
    public function isOver(Answer $answer, int $now): bool
    {
        return $now - $answer->queuedAt >= $this->giveUpMs;
    }
}
