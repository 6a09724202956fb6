<?php

declare(strict_types=1);

namespace RelayTests;

use PHPUnit\Framework\TestCase;
use Relay\Channel\Incoming;
use Relay\Channel\Receipt;
use Relay\Channel\Sent;
use Relay\Channel\Signature;
use Relay\Outgoing\Answer;
use Relay\Outgoing\HttpReply;
use Relay\Outgoing\Outcome;

final class MessengerTest extends TestCase
{
    private const FROM = ['sender' => ['id' => 'psid-1'], 'recipient' => ['id' => 'page-1'], 'timestamp' => 1458692752478];

    public function testTheVerificationIsAnsweredWithItsChallenge(): void
    {
        $query = http_build_query(['hub.mode' => 'subscribe', 'hub.challenge' => '1158201444', 'hub.verify_token' => Support::VERIFY]);
        $received = Support::messenger()->receive(Support::request('GET', "/hook/messenger?$query"));
        self::assertSame([200, '1158201444', []], [$received->status, $received->body, $received->events]);
    }

    /** @return iterable<string, array{array<string, string>}> */
    public static function wrongVerifications(): iterable
    {
        $right = ['hub.mode' => 'subscribe', 'hub.challenge' => '1', 'hub.verify_token' => Support::VERIFY];
        yield 'another token' => [['hub.verify_token' => 'guessed'] + $right];
        yield 'no token' => [array_diff_key($right, ['hub.verify_token' => 0])];
        yield 'another mode' => [['hub.mode' => 'unsubscribe'] + $right];
        yield 'no challenge' => [array_diff_key($right, ['hub.challenge' => 0])];
        yield 'a challenge that never ends' => [['hub.challenge' => str_repeat('1', 300)] + $right];
    }

    /**
     * @dataProvider wrongVerifications
     *
     * @param array<string, string> $query
     */
    public function testAWrongVerificationIsRefused(array $query): void
    {
        $received = Support::messenger()->receive(Support::request('GET', '/hook/messenger?' . http_build_query($query)));
        self::assertSame(403, $received->status);
    }

    public function testTheSignatureIsThatOfMetasExample(): void
    {
        // Computed with: printf '%s' 'hello' | openssl dgst -sha256 -hmac key
        self::assertSame('sha256=9307b3b915efb5171ff14d8cb55fbcc798c6c0ef1456d66ded1a6aa723a58b7b', Signature::of('hello', 'key'));
        self::assertTrue(Signature::isRight(Signature::of('hello', 'key'), 'hello', 'key'));
        self::assertFalse(Signature::isRight(Signature::of('hello', ''), 'hello', ''), 'no secret');
    }

    public function testWithoutTheRightSignatureNothingIsRead(): void
    {
        $body = '{"object": "page", "entry": []}';
        $right = Signature::of($body, Support::SECRET);
        $signatures = [null, '', 'sha256=', strtoupper($right), substr($right, 0, -1), Signature::of("$body ", Support::SECRET),
            Signature::of($body, 'another'), str_replace('sha256=', 'sha1=', $right)];
        foreach ($signatures as $signature) {
            $headers = $signature === null ? [] : ['x-hub-signature-256' => $signature];
            $received = Support::messenger()->receive(Support::request('POST', '/hook/messenger', $body, $headers));
            self::assertSame([403, []], [$received->status, $received->events], var_export($signature, true));
        }
        self::assertSame(200, Support::messenger()->receive(Support::signed($body))->status);
    }

    public function testWhatIsNoJsonObjectIsABadRequest(): void
    {
        foreach (['', 'nonsense', '[]', '"text"', '{"object": "pa', str_repeat('{"a":', 50) . '1' . str_repeat('}', 50)] as $body) {
            self::assertSame(400, Support::messenger()->receive(Support::signed($body))->status, $body);
        }
        self::assertSame(405, Support::messenger()->receive(Support::request('PUT', '/hook/messenger'))->status);
    }

    public function testABatchHasSeveralEntriesWithSeveralItems(): void
    {
        $item = fn (string $psid, string $mid): array => ['sender' => ['id' => $psid], 'message' => ['mid' => $mid, 'text' => "text of $mid"]];
        $body = json_encode(['object' => 'page', 'entry' => [
            ['id' => '1', 'messaging' => [$item('p1', 'm1'), $item('p2', 'm2')]],
            ['id' => '1', 'standby' => [$item('p9', 'm9')]],
            ['id' => '1', 'messaging' => [$item('p1', 'm3')]],
        ]], JSON_THROW_ON_ERROR);
        $events = Support::messenger()->receive(Support::signed($body))->events;
        self::assertEquals([
            new Incoming('p1', 'm1', 'text of m1'),
            new Incoming('p2', 'm2', 'text of m2'),
            new Incoming('p1', 'm3', 'text of m3'),
        ], $events);
    }

    public function testAttachmentsAreKeptWithTheirAddresses(): void
    {
        $events = Support::hook([self::FROM + ['message' => ['mid' => 'm1', 'attachments' => [
            ['type' => 'image', 'payload' => ['url' => 'https://cdn.example/1.png', 'sticker_id' => 369239263222822]],
            ['type' => 'location', 'payload' => ['coordinates' => ['lat' => 52.5, 'long' => 13.4]]],
            ['type' => 'fallback', 'title' => 'A page', 'url' => 'https://example.org/'],
            'nonsense',
        ]]]])->events;
        self::assertEquals([new Incoming('psid-1', 'm1', '', [
            ['type' => 'image', 'title' => '', 'url' => 'https://cdn.example/1.png'],
            ['type' => 'location', 'title' => '52.5, 13.4', 'url' => ''],
            ['type' => 'fallback', 'title' => 'A page', 'url' => 'https://example.org/'],
        ])], $events);
    }

    public function testAButtonThatWasPressedIsAMessage(): void
    {
        self::assertEquals(
            [new Incoming('psid-1', 'm1', 'Get started'), new Incoming('psid-1', 'postback:1458692752478', 'ORDERS')],
            Support::hook([
                self::FROM + ['postback' => ['mid' => 'm1', 'title' => 'Get started', 'payload' => 'START']],
                self::FROM + ['postback' => ['payload' => 'ORDERS']],
            ])->events,
        );
    }

    public function testDeliveriesAndReadsAreReceipts(): void
    {
        self::assertEquals(
            [new Receipt('psid-1', false, ['m1', 'm2'], 1458668856253), new Receipt('psid-1', true, [], 1458668856253)],
            Support::hook([
                self::FROM + ['delivery' => ['mids' => ['m1', 'm2'], 'watermark' => 1458668856253]],
                self::FROM + ['read' => ['watermark' => 1458668856253]],
            ])->events,
        );
    }

    public function testAnEchoIsAMessageThatWentOut(): void
    {
        $echo = ['sender' => ['id' => 'page-1'], 'recipient' => ['id' => 'psid-1'],
            'message' => ['is_echo' => true, 'app_id' => 1517776481860111, 'metadata' => 'relay-d-7', 'mid' => 'm1', 'text' => 'Hello']];
        self::assertEquals([new Sent('psid-1', 'm1', 'relay-d-7', 'Hello')], Support::hook([$echo])->events);
    }

    public function testWhatADeskHasNoUseForIsPassedOver(): void
    {
        $received = Support::hook([
            self::FROM + ['reaction' => ['reaction' => 'love', 'action' => 'react', 'mid' => 'm1']],
            self::FROM + ['optin' => ['ref' => 'x']],
            self::FROM + ['message' => ['text' => 'without an id']],
            ['message' => ['mid' => 'm2', 'text' => 'of nobody']],
            ['sender' => ['id' => ['no', 'string']], 'message' => ['mid' => 'm3', 'text' => 'x']],
            self::FROM + ['message' => 'no object'],
        ]);
        self::assertSame([200, []], [$received->status, $received->events]);
        self::assertSame([], Support::hook([self::FROM + ['message' => ['mid' => 'm1', 'text' => 'x']]], 'instagram')->events);
    }

    public function testWhateverIsInABodyItIsReadOrRefused(): void
    {
        $item = self::FROM + ['message' => ['mid' => 'm', 'text' => 'x', 'is_echo' => true, 'attachments' => [['payload' => ['url' => 'u']]]],
            'delivery' => ['mids' => ['m'], 'watermark' => 1], 'postback' => ['title' => 't']];
        $seed = 4711;
        $random = static function (int $below) use (&$seed): int {
            $seed = ($seed * 1_103_515_245 + 12_345) % 2_147_483_648;

            return intdiv($seed, 65_536) % $below;
        };
        $others = [null, true, 0, -1, 1.5, '', 'text', [], [[]], ['a' => 1], PHP_INT_MAX];
        $mangle = static function (array $value) use (&$mangle, $random, $others): array {
            foreach ($value as $key => $inner) {
                if ($random(6) === 0) {
                    $value[$key] = $others[$random(count($others))];
                } elseif ($random(12) === 0) {
                    unset($value[$key]);
                } elseif (is_array($inner)) {
                    $value[$key] = $mangle($inner);
                }
            }

            return $value;
        };
        $desk = new Support();
        for ($i = 0; $i < 3000; ++$i) {
            $body = json_encode($mangle(['object' => 'page', 'entry' => [['messaging' => [$item, $item]]]]), JSON_THROW_ON_ERROR);
            $received = Support::messenger()->receive(Support::signed($body));
            self::assertContains($received->status, [200, 400], $body);
            $desk->messages->take('messenger', $received->events);
        }
        self::assertGreaterThan(0, $desk->messages->seq(), 'some of it was sound');
    }

    public function testACallIsAsTheSendApiWantsIt(): void
    {
        $call = Support::messenger()->call(new Answer(7, 1, 'messenger', 'psid-1', 'Grüße "1"', 1, 0, 'd'));
        $url = parse_url($call->url);
        parse_str($url['query'] ?? '', $query);
        self::assertSame('https://graph.example/v25.0/me/messages', strstr($call->url, '?', true));
        $proof = hash_hmac('sha256', Support::PAGE_TOKEN, Support::SECRET);
        self::assertSame(['access_token' => Support::PAGE_TOKEN, 'appsecret_proof' => $proof], $query);
        self::assertSame([
            'recipient' => ['id' => 'psid-1'],
            'messaging_type' => 'RESPONSE',
            'message' => ['text' => 'Grüße "1"', 'metadata' => 'relay-d-7'],
        ], json_decode($call->body, true));
    }

    public function testASuccessBringsTheIdOfTheMessage(): void
    {
        $outcome = Support::messenger()->judge(new HttpReply(200, '{"recipient_id": "psid-1", "message_id": "AG5Hz2U"}'));
        self::assertSame([Outcome::SENT, 'AG5Hz2U'], [$outcome->kind, $outcome->externalId]);
    }

    /** @return iterable<string, array{int, int|null, int, string, bool}> status, code, subcode; kind, forAll */
    public static function errors(): iterable
    {
        foreach ([4, 17, 32, 613, 80006] as $code) {
            yield "limit $code" => [400, $code, 0, Outcome::LATER, true];
        }
        yield 'limit by status' => [429, null, 0, Outcome::LATER, true];
        yield 'unknown' => [500, 1, 0, Outcome::LATER, false];
        yield 'service' => [500, 2, 0, Outcome::LATER, false];
        yield 'temporary send failure' => [400, 1200, 0, Outcome::LATER, false];
        yield 'an error though it was sent' => [400, 1, 1357046, Outcome::DOUBT, false];
        yield 'the limit of the app' => [400, 341, 0, Outcome::LATER, true];
        yield 'a gateway that knows nothing' => [504, null, 0, Outcome::DOUBT, false];
        yield 'a server in trouble, without JSON' => [503, null, 0, Outcome::LATER, false];
        foreach ([[10, 2018278], [100, 2018001], [190, 0], [200, 0], [551, 1545041], [1, 99], [2, 2018344], [4, 2018354], [368, 0]] as [$code, $sub]) {
            yield "lasting $code-$sub" => [400, $code, $sub, Outcome::FAILED, false];
        }
        yield 'no JSON, and nobody in trouble' => [404, null, 0, Outcome::FAILED, false];
    }

    /** @dataProvider errors */
    public function testErrorsPassOrStay(int $status, ?int $code, int $subcode, string $kind, bool $forAll): void
    {
        $error = ['message' => 'Why', 'type' => 'OAuthException', 'code' => $code, 'error_subcode' => $subcode, 'fbtrace_id' => 'x'];
        $body = $code === null ? '<html>' : json_encode(['error' => $error], JSON_THROW_ON_ERROR);
        $outcome = Support::messenger()->judge(new HttpReply($status, $body));
        self::assertSame([$kind, $forAll], [$outcome->kind, $outcome->forAll], $outcome->note);
    }

    public function testTheWordsOfTheApiAreOneLine(): void
    {
        $body = json_encode(['error' => ['message' => "two\nlines\0" . str_repeat('ü', 400), 'code' => 100]], JSON_THROW_ON_ERROR);
        $note = Support::messenger()->judge(new HttpReply(400, $body))->note;
        self::assertStringStartsWith('two lines üü', $note);
        self::assertSame(300, mb_strlen($note));
    }

    public function testWhatTheApiCallsTransientPasses(): void
    {
        $body = '{"error": {"message": "x", "code": 999, "is_transient": true}}';
        self::assertSame(Outcome::LATER, Support::messenger()->judge(new HttpReply(400, $body))->kind);
        self::assertSame(Outcome::FAILED, Support::messenger()->judge(new HttpReply(400, str_replace('true', 'false', $body)))->kind);
    }
}
