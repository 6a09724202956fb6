<?php

declare(strict_types=1);

namespace Relay;

use WsPush\Request;

/**
 * Who is an agent: by token when logging in, by cookie from then on.
 *
 * The cookie says who and until when, signed with the agent's token. So nothing has to be kept, a restart logs nobody out, and a
 * new token, or none, ends the old cookies.
 */
final class Sessions
{
    private const COOKIE = 'relay_session';
    private const SECONDS = 12 * 3600;
    /** Wrong tokens that an address may send within the window. */
    private const TRIES = 10;
    private const WINDOW_MS = 60_000;
    private const MOST_ADDRESSES = 10_000;

    /** @var array<string, array{int, int}> address => wrong tokens, and when the first of them came */
    private array $wrong = [];

    /**
     * @param array<string, string> $tokens name => token
     * @param bool $isSecure whether the page comes by https
     * @param \Closure(): int $clock milliseconds since 1970
     */
    public function __construct(
        private readonly array $tokens,
        private readonly bool $isSecure,
        private readonly \Closure $clock,
    ) {
    }

    /** The agent who has this token; null if none has. It takes equally long for all that are wrong. */
    public function byToken(string $token): ?string
    {
        $found = null;
        foreach ($this->tokens as $name => $right) {
            if (\hash_equals(\hash('sha256', $right), \hash('sha256', $token))) {
                $found = (string) $name;
            }
        }

        return $found;
    }

    /** Whether this address has to wait before it may try again. */
    public function isLockedOut(string $address): bool
    {
        [$count, $since] = $this->wrong[$address] ?? [0, 0];

        return $count >= self::TRIES && \abs(($this->clock)() - $since) < self::WINDOW_MS;
    }

    public function noteWrong(string $address): void
    {
        $now = ($this->clock)();
        [$count, $since] = $this->wrong[$address] ?? [0, $now];
        $isOld = \abs($now - $since) >= self::WINDOW_MS;
        if (\count($this->wrong) >= self::MOST_ADDRESSES) {
            $this->wrong = \array_filter($this->wrong, static fn (array $entry): bool => \abs($now - $entry[1]) < self::WINDOW_MS);
        }
        if (\count($this->wrong) >= self::MOST_ADDRESSES && !isset($this->wrong[$address])) {
            unset($this->wrong[\array_key_first($this->wrong)]);
        }
        $this->wrong[$address] = $isOld ? [1, $now] : [$count + 1, $since];
    }

    /** The value of Set-Cookie that logs this agent in. */
    public function cookie(string $agent): string
    {
        $until = \intdiv(($this->clock)(), 1000) + self::SECONDS;
        $value = \rawurlencode($agent) . ".$until";

        return $this->setCookie("$value." . $this->signature($value, $this->tokens[$agent]), self::SECONDS);
    }

    public function noCookie(): string
    {
        return $this->setCookie('', 0);
    }

    /** Whose cookie the request has; null for none, an old one, or a forged one. */
    public function agent(Request $request): ?string
    {
        $parts = \explode('.', $request->cookies()[self::COOKIE] ?? '');
        $signature = (string) \array_pop($parts);
        $until = (int) \array_pop($parts);
        // urldecode() has been applied to the whole already.
        $agent = \implode('.', $parts);
        $token = $this->tokens[$agent] ?? null;
        if ($token === null || $until * 1000 < ($this->clock)()) {
            return null;
        }

        return \hash_equals($this->signature(\rawurlencode($agent) . ".$until", $token), $signature) ? $agent : null;
    }

    private function signature(string $value, string $token): string
    {
        return \hash_hmac('sha256', "session:$value", $token);
    }

    private function setCookie(string $value, int $seconds): string
    {
        $secure = $this->isSecure ? '; Secure' : '';

        return self::COOKIE . "=$value; Path=/; Max-Age=$seconds; HttpOnly; SameSite=Strict$secure";
    }
}
