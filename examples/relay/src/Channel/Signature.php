<?php

declare(strict_types=1);

namespace Relay\Channel;

/** "sha256=" and the HMAC of a body in hexadecimal, as Meta, GitHub and many others sign what they post. */
final class Signature
{
    public static function of(string $body, string $secret): string
    {
        return 'sha256=' . \hash_hmac('sha256', $body, $secret);
    }

    /** Compares in constant time. An empty secret is no secret: nothing is signed with it. */
    public static function isRight(?string $signature, string $body, string $secret): bool
    {
        return $secret !== '' && $signature !== null && \hash_equals(self::of($body, $secret), $signature);
    }
}
