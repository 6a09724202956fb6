<?php

declare(strict_types=1);

namespace Relay\Channel;

use Relay\Fields;
use Relay\Outgoing\Answer;
use Relay\Outgoing\Call;
use Relay\Outgoing\GraphErrors;
use Relay\Outgoing\HttpReply;
use Relay\Outgoing\Outcome;
use WsPush\Request;

/**
 * Facebook Messenger: the webhook of a Page, and the Send API of the Graph API.
 *
 * https://developers.facebook.com/docs/messenger-platform/webhooks and .../reference/send-api describe both.
 */
final class Messenger implements Channel
{
    private const LONGEST_TEXT = 2000;
    private const LONGEST_CHALLENGE = 256;

    /**
     * @param string $verifyToken what the App Dashboard was given as such
     * @param string $appSecret signs the webhook, and our calls
     * @param string $pageToken the Page's access token
     * @param string $baseUrl https://graph.facebook.com, and something else in tests
     * @param int $echoWaitMs see doubtMs()
     */
    public function __construct(
        private readonly string $verifyToken,
        private readonly string $appSecret,
        private readonly string $pageToken,
        private readonly string $baseUrl,
        private readonly string $version,
        private readonly int $echoWaitMs,
    ) {
    }

    public function name(): string
    {
        return 'messenger';
    }

    public function receive(Request $request): Received
    {
        if ($request->method === 'GET') {
            return $this->verification(Fields::of($request->params()));
        }
        if ($request->method !== 'POST') {
            return Received::reply(405, "GET and POST are what this is for\n");
        }
        if (!Signature::isRight($request->header('X-Hub-Signature-256'), $request->body, $this->appSecret)) {
            return Received::reply(403, "the signature is missing or wrong\n");
        }
        $body = Fields::json($request->body);
        if ($body === null) {
            return Received::reply(400, "a JSON object is wanted\n");
        }
        $events = [];
        // What belongs to another app (standby) is not ours to answer. Other objects than a Page are not asked for.
        foreach ($body->text('object') === 'page' ? $body->items('entry') : [] as $entry) {
            foreach ($entry->items('messaging') as $item) {
                $events[] = $this->event($item);
            }
        }

        return Received::events(\array_values(\array_filter($events)));
    }

    public function longestAnswer(): int
    {
        return self::LONGEST_TEXT;
    }

    public function call(Answer $answer): Call
    {
        $query = \http_build_query([
            'access_token' => $this->pageToken,
            // Proves that who has the token has the secret, too: apps may demand it.
            'appsecret_proof' => \hash_hmac('sha256', $this->pageToken, $this->appSecret),
        ]);

        return new Call("$this->baseUrl/$this->version/me/messages?$query", [
            'recipient' => ['id' => $answer->customer],
            'messaging_type' => 'RESPONSE',
            // The echo of the message brings the metadata back.
            'message' => ['text' => $answer->text, 'metadata' => $answer->reference()],
        ]);
    }

    public function judge(HttpReply $reply): Outcome
    {
        $body = Fields::json($reply->body);
        if ($reply->status >= 200 && $reply->status < 300 && $body?->has('error') !== true) {
            return Outcome::sent($body?->text('message_id') ?? '');
        }

        return GraphErrors::judge($reply->status, $body?->at('error') ?? Fields::of([]));
    }

    public function doubtMs(): int
    {
        return $this->echoWaitMs;
    }

    private function verification(Fields $query): Received
    {
        // PHP makes underscores of the dots.
        $challenge = $query->text('hub_challenge');
        $isRight = $this->verifyToken !== ''
            && $query->text('hub_mode') === 'subscribe'
            && \hash_equals($this->verifyToken, $query->text('hub_verify_token'))
            && $challenge !== '' && \strlen($challenge) <= self::LONGEST_CHALLENGE;

        return $isRight ? Received::reply(200, $challenge) : Received::reply(403, "the verify token is missing or wrong\n");
    }

    /** Null for what a desk has no use for: reactions, opt-ins, referrals, and what is yet to be invented. */
    private function event(Fields $item): Incoming|Receipt|Sent|null
    {
        $customer = $item->at('sender')->text('id');
        $message = $item->at('message');
        if ($message->isTrue('is_echo')) {
            [$customer, $reference] = [$item->at('recipient')->text('id'), $message->text('metadata')];
            $event = new Sent($customer, $message->text('mid'), $reference, $message->text('text'), $this->attachments($message));
        } elseif ($item->has('message')) {
            $event = new Incoming($customer, $message->text('mid'), $message->text('text'), $this->attachments($message));
        } elseif ($item->has('postback')) {
            // A button was pressed. Old ones come without an id: who and when tells them apart.
            $postback = $item->at('postback');
            $id = $postback->text('mid') ?: 'postback:' . $item->text('timestamp');
            $event = new Incoming($customer, $id, $postback->text('title') ?: $postback->text('payload'));
        } elseif ($item->has('delivery') || $item->has('read')) {
            $isRead = $item->has('read');
            $receipt = $item->at($isRead ? 'read' : 'delivery');

            return $customer === '' ? null : new Receipt($customer, $isRead, $receipt->texts('mids'), $receipt->int('watermark'));
        } else {
            return null;
        }

        return $event->customer === '' || $event->id === '' ? null : $event;
    }

    /** @return list<array{type: string, title: string, url: string}> */
    private function attachments(Fields $message): array
    {
        $attachments = [];
        foreach ($message->items('attachments') as $attachment) {
            $payload = $attachment->at('payload');
            $place = $payload->at('coordinates');
            $attachments[] = [
                'type' => $attachment->text('type') ?: 'attachment',
                'title' => $place->has('lat')
                    ? "{$place->text('lat')}, {$place->text('long')}"
                    : ($attachment->text('title') ?: $payload->text('title')),
                'url' => $payload->text('url') ?: $attachment->text('url'),
            ];
        }

        return $attachments;
    }
}
