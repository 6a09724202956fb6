<?php

declare(strict_types=1);

namespace RelayTests;

use Relay\Channel\Messenger;
use Relay\Channel\Received;
use Relay\Channel\Signature;
use Relay\Outgoing\Answer;
use Relay\Outgoing\Backoff;
use Relay\Store\Database;
use Relay\Store\Messages;
use Relay\Store\Outbox;
use WsPush\Request;

/** What several tests need: requests, a messenger, and a database with a clock that is set by hand. */
final class Support
{
    public const SECRET = 'the app secret of the tests';
    public const VERIFY = 'the verify token of the tests';
    public const PAGE_TOKEN = 'the page token of the tests';

    public int $now = 1_700_000_000_000;
    public readonly Database $database;
    public readonly Messages $messages;
    public readonly Outbox $outbox;

    public function __construct(string $path = ':memory:')
    {
        $clock = fn (): int => $this->now;
        $this->database = new Database($path);
        $this->messages = new Messages($this->database, $clock);
        $this->outbox = new Outbox($this->database, $this->messages, new Backoff(1000, 60_000, 600_000), $clock);
    }

    public static function messenger(int $echoWaitMs = 15_000): Messenger
    {
        return new Messenger(self::VERIFY, self::SECRET, self::PAGE_TOKEN, 'https://graph.example', 'v25.0', $echoWaitMs);
    }

    /** @param array<string, string> $headers names in lower case */
    public static function request(string $method, string $target, string $body = '', array $headers = []): Request
    {
        [$path, $query] = explode('?', $target, 2) + [1 => ''];

        return new Request(
            conn: 1,
            method: $method,
            target: $target,
            path: $path,
            query: $query,
            headers: $headers,
            remoteAddress: '192.0.2.7',
            remotePort: 40000,
            localPort: 8080,
            body: $body,
        );
    }

    /** Posts to the webhook of Messenger what its documentation says that it is sent. @param list<array<string, mixed>> $items */
    public static function hook(array $items, string $object = 'page'): Received
    {
        $body = json_encode(['object' => $object, 'entry' => [['id' => '1', 'time' => 1, 'messaging' => $items]]], JSON_THROW_ON_ERROR);

        return self::messenger()->receive(self::signed($body));
    }

    public static function signed(string $body): Request
    {
        return self::request('POST', '/hook/messenger', $body, ['x-hub-signature-256' => Signature::of($body, self::SECRET)]);
    }

    /** Has a customer write, and an agent answer; the id of the answer. */
    public function answered(string $text = 'Hello!', string $customer = 'c1', string $channel = 'messenger'): int
    {
        $this->messages->take($channel, [new \Relay\Channel\Incoming($customer, "in-$customer-" . $this->messages->seq(), 'Help!')]);
        $all = $this->messages->lastOfEach(1);
        $conversation = json_decode((string) json_encode($all[0]), true)['conversation']['id'];
        $this->messages->answer($conversation, 'ada', $text, bin2hex(random_bytes(8)));

        return $this->messages->lastOfEach(1)[0]->id();
    }

    /** A field of a message, as agents see it. */
    public function field(int $id, string $name): mixed
    {
        $row = $this->database->row(Messages::SELECT . 'WHERE m.id = :id', ['id' => $id]);

        return $row === null ? null : \Relay\Store\Message::of($row)->jsonSerialize()[$name];
    }

    public function claim(): Answer
    {
        return $this->outbox->claim() ?? throw new \RuntimeException('nothing is due');
    }
}
