<?php

declare(strict_types=1);

namespace RelayTests;

use PHPUnit\Framework\TestCase;
use Relay\Sessions;

final class SessionsTest extends TestCase
{
    private const TOKENS = ['ada' => '0123456789abcdef', 'Agent B. Ö' => 'fedcba9876543210', '42' => '42424242424242424'];

    private int $now = 1_700_000_000_000;

    public function testTheTokenSaysWho(): void
    {
        $sessions = $this->sessions();
        self::assertSame('ada', $sessions->byToken('0123456789abcdef'));
        self::assertSame('Agent B. Ö', $sessions->byToken('fedcba9876543210'));
        foreach (['', '0123456789abcde', '0123456789abcdeff', 'ada'] as $wrong) {
            self::assertNull($sessions->byToken($wrong));
        }
    }

    public function testTheCookieSaysWhoUntilItIsOld(): void
    {
        foreach (array_keys(self::TOKENS) as $agent) {
            self::assertSame((string) $agent, $this->agent($this->sessions()->cookie((string) $agent)));
        }
        $cookie = $this->sessions()->cookie('ada');
        $this->now += 12 * 3600 * 1000;
        self::assertSame('ada', $this->agent($cookie));
        $this->now += 1000;
        self::assertNull($this->agent($cookie));
    }

    public function testAForgedCookieSaysNothing(): void
    {
        $cookie = $this->sessions()->cookie('ada');
        self::assertSame('ada', $this->agent($cookie));
        $value = substr($cookie, 0, (int) strpos($cookie, ';'));
        [$agent, $until, $signature] = explode('.', $value);
        $forgeries = [
            "$agent." . ((int) $until + 60) . ".$signature",
            'relay_session=Bob%20B.%20%C3%96z.' . "$until.$signature",
            "$agent.$until." . strrev($signature),
            "$agent.$until.", "$agent.$until", $agent, 'relay_session=', 'relay_session=...', "other=$value",
        ];
        foreach ($forgeries as $forgery) {
            self::assertNull($this->agent($forgery), $forgery);
        }
    }

    public function testANewTokenEndsTheOldCookies(): void
    {
        $cookie = $this->sessions()->cookie('ada');
        $request = Support::request('GET', '/', '', ['cookie' => substr($cookie, 0, (int) strpos($cookie, ';'))]);
        self::assertNull((new Sessions(['ada' => 'another token 12345'], false, fn (): int => $this->now))->agent($request));
        self::assertNull((new Sessions([], false, fn (): int => $this->now))->agent($request));
    }

    public function testOverHttpsTheCookieIsForHttpsAlone(): void
    {
        self::assertStringEndsWith('; HttpOnly; SameSite=Strict', $this->sessions()->cookie('ada'));
        $secure = new Sessions(self::TOKENS, true, fn (): int => $this->now);
        self::assertStringEndsWith('; HttpOnly; SameSite=Strict; Secure', $secure->cookie('ada'));
        self::assertStringContainsString('Max-Age=0', $secure->noCookie());
    }

    public function testWhoGuessesHasToWait(): void
    {
        $sessions = $this->sessions();
        for ($i = 0; $i < 10; ++$i) {
            self::assertFalse($sessions->isLockedOut('192.0.2.1'));
            $sessions->noteWrong('192.0.2.1');
        }
        self::assertTrue($sessions->isLockedOut('192.0.2.1'));
        self::assertFalse($sessions->isLockedOut('192.0.2.2'));
        $this->now += 60_000;
        self::assertFalse($sessions->isLockedOut('192.0.2.1'));
        $sessions->noteWrong('192.0.2.1');
        self::assertFalse($sessions->isLockedOut('192.0.2.1'), 'it counts anew');
    }

    public function testManyWhoGuessDoNotHideOneAnother(): void
    {
        $sessions = $this->sessions();
        for ($i = 0; $i < 10_000; ++$i) {
            $sessions->noteWrong("2001:db8::$i");
        }
        for ($i = 0; $i < 10; ++$i) {
            $sessions->noteWrong('192.0.2.1');
        }
        self::assertTrue($sessions->isLockedOut('192.0.2.1'));
        $this->now -= 86_400_000;
        self::assertFalse($sessions->isLockedOut('192.0.2.1'), 'the clock was set back');
    }

    private function sessions(): Sessions
    {
        return new Sessions(self::TOKENS, false, fn (): int => $this->now);
    }

    private function agent(string $setCookie): ?string
    {
        return $this->sessions()->agent(Support::request('GET', '/', '', ['cookie' => explode(';', $setCookie)[0]]));
    }
}
