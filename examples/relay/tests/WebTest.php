<?php

declare(strict_types=1);

namespace RelayTests;

use PHPUnit\Framework\TestCase;
use Relay\Channel\Incoming;
use Relay\Channel\Received;
use Relay\Channel\Signature;
use Relay\Channel\Web;
use Relay\Outgoing\Answer;
use Relay\Outgoing\HttpReply;
use Relay\Outgoing\Outcome;

final class WebTest extends TestCase
{
    private const SECRET = 'shared with the shop';

    public function testAMessageIsTaken(): void
    {
        $received = self::post('{"id": "o-17-1", "customer": {"id": "c42", "name": "Order 17"}, "text": "Where is it?"}');
        self::assertSame(200, $received->status);
        self::assertEquals([new Incoming('c42', 'o-17-1', 'Where is it?', [], 'Order 17')], $received->events);
    }

    public function testWhatIsIncompleteIsABadRequest(): void
    {
        foreach (['', '[]', '{}', '{"id": "1", "customer": {"id": "c"}, "text": ""}', '{"id": "1", "customer": "c", "text": "x"}'] as $body) {
            self::assertSame(400, self::post($body)->status, $body);
        }
    }

    public function testWithoutTheRightSignatureItIsRefused(): void
    {
        $body = '{"id": "1", "customer": {"id": "c"}, "text": "x"}';
        self::assertSame(403, self::post($body, Signature::of($body, 'guessed'))->status);
        self::assertSame(403, self::channel()->receive(Support::request('POST', '/hook/web', $body))->status);
        self::assertSame(405, self::channel()->receive(Support::request('GET', '/hook/web'))->status);
    }

    public function testAnAnswerIsSignedAndHasAnIdempotencyKey(): void
    {
        $call = self::channel()->call(new Answer(7, 1, 'web', 'c42', 'On its way', 1, 0, 'd'));
        self::assertSame('https://shop.example/answers', $call->url);
        self::assertSame(['id' => 'relay-d-7', 'customer' => ['id' => 'c42'], 'text' => 'On its way'], json_decode($call->body, true));
        self::assertSame(
            ['Idempotency-Key' => 'relay-d-7', 'X-Signature-256' => Signature::of($call->body, self::SECRET)],
            $call->headers,
        );
    }

    public function testRepliesAreJudgedByTheirStatus(): void
    {
        $expected = [200 => Outcome::SENT, 204 => Outcome::SENT, 400 => Outcome::FAILED, 404 => Outcome::FAILED,
            429 => Outcome::LATER, 500 => Outcome::LATER, 503 => Outcome::LATER, 302 => Outcome::FAILED];
        foreach ($expected as $status => $kind) {
            self::assertSame($kind, self::channel()->judge(new HttpReply($status, ''))->kind, "$status");
        }
        self::assertSame(0, self::channel()->doubtMs(), 'the key makes sending twice harmless');
    }

    private static function channel(): Web
    {
        return new Web(self::SECRET, 'https://shop.example/answers');
    }

    private static function post(string $body, ?string $signature = null): Received
    {
        $headers = ['x-signature-256' => $signature ?? Signature::of($body, self::SECRET)];

        return self::channel()->receive(Support::request('POST', '/hook/web', $body, $headers));
    }
}
