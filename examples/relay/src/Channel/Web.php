<?php

declare(strict_types=1);

namespace Relay\Channel;

use Relay\Fields;
use Relay\Outgoing\Answer;
use Relay\Outgoing\Call;
use Relay\Outgoing\HttpReply;
use Relay\Outgoing\Outcome;
use WsPush\Request;

/**
 * Plain JSON, for a contact form, a ticket system or a shop of your own. A message is posted to /hook/web as
 *
 *     {"id": "order-17-1", "customer": {"id": "c42", "name": "Order 17"}, "text": "Where is my parcel?"}
 *
 * with the header X-Signature-256: sha256=HMAC, over the body and with the secret that both sides know. An answer is posted to
 * reply_url in the same way: {"id", "customer": {"id"}, "text"}. Its id is in the header Idempotency-Key, too: one that
 * comes a second time is the same answer.
 */
final class Web implements Channel
{
    private const LONGEST_TEXT = 8000;
    private const TOO_MANY = 429;

    public function __construct(
        private readonly string $secret,
        private readonly string $replyUrl,
    ) {
    }

    public function name(): string
    {
        return 'web';
    }

    public function receive(Request $request): Received
    {
        if ($request->method !== 'POST') {
            return Received::reply(405, "POST is what this is for\n");
        }
        if (!Signature::isRight($request->header('X-Signature-256'), $request->body, $this->secret)) {
            return Received::reply(403, "the signature is missing or wrong\n");
        }
        $body = Fields::json($request->body) ?? Fields::of([]);
        $customer = $body->at('customer');
        if ($body->text('id') === '' || $customer->text('id') === '' || $body->text('text') === '') {
            return Received::reply(400, "a JSON object with id, customer.id and text is wanted\n");
        }

        return Received::events([
            new Incoming($customer->text('id'), $body->text('id'), $body->text('text'), [], $customer->text('name')),
        ]);
    }

    public function longestAnswer(): int
    {
        return self::LONGEST_TEXT;
    }

    public function call(Answer $answer): Call
    {
        $body = ['id' => $answer->reference(), 'customer' => ['id' => $answer->customer], 'text' => $answer->text];

        return new Call($this->replyUrl, $body, ['Idempotency-Key' => $answer->reference()], $this->secret);
    }

    public function judge(HttpReply $reply): Outcome
    {
        return match (true) {
            $reply->status >= 200 && $reply->status < 300 => Outcome::sent(''),
            $reply->status === self::TOO_MANY => Outcome::later('too many answers', true),
            $reply->status >= 500 => Outcome::later("the receiver answered $reply->status"),
            default => Outcome::failed("the receiver answered $reply->status"),
        };
    }

    public function doubtMs(): int
    {
        return 0;
    }
}
