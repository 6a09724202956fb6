<?php

declare(strict_types=1);

namespace Relay\Store;

use Relay\Channel\Incoming;
use Relay\Channel\Receipt;
use Relay\Channel\Sent;
use Relay\Outgoing\Answer;

/**
 * What was said, and what agents have to be told of it.
 *
 * Each change of a message gets the desk's next sequence number. Who knows all up to a number asks changesSince(), and gets
 * every message that was added or changed since then, as it is now.
 */
final class Messages
{
    /** What Message::of() needs; m is the message, c its conversation. */
    public const SELECT = 'SELECT m.*, c.channel, c.name, c.customer '
        . 'FROM messages m JOIN conversations c ON c.id = m.conversation ';
    /** The same with the beginning of the text alone: for lists. */
    private const PREVIEW = 'SELECT m.*, substr(m.text, 1, 200) AS text, c.channel, c.name, c.customer '
        . 'FROM messages m JOIN conversations c ON c.id = m.conversation ';
    /** What is beyond is cut, so that a page full of messages has a size that one can count on. Characters. */
    private const LONGEST_TEXT = 20_000;
    private const LONGEST_NAME = 80;
    private const MOST_ATTACHMENTS = 20;
    private const LONGEST_URL = 2048;
    /** Who wrote an answer that came from elsewhere, such as from the Page's inbox. */
    public const ELSEWHERE = 'elsewhere';

    private readonly string $desk;

    /** @param \Closure(): int $clock milliseconds since 1970 */
    public function __construct(private readonly Database $database, private readonly \Closure $clock)
    {
        $this->desk = $database->row('SELECT id FROM desk')?->text('id') ?? '';
    }

    /** What distinguishes this database from all others. */
    public function desk(): string
    {
        return $this->desk;
    }

    /** The number of the last change. */
    public function seq(): int
    {
        return $this->database->row('SELECT seq FROM desk')?->int('seq') ?? 0;
    }

    /**
     * Stores what a channel received, all of it or, with an exception, nothing. What was stored before is dropped.
     *
     * @param list<Incoming|Receipt|Sent> $events
     */
    public function take(string $channel, array $events): void
    {
        if ($events === []) {
            return;
        }
        $this->database->transaction(function () use ($channel, $events): void {
            foreach ($events as $event) {
                match (true) {
                    $event instanceof Incoming => $this->incoming($channel, $event),
                    $event instanceof Receipt => $this->receipt($channel, $event),
                    $event instanceof Sent => $this->sent($channel, $event),
                };
            }
        });
    }

    /**
     * Puts an answer into the queue, once for each client id: a page that does not know whether its answer has arrived sends
     * it again.
     *
     * @return bool false when there is no such conversation
     */
    public function answer(int $conversation, string $agent, string $text, string $clientId): bool
    {
        return $this->database->transaction(function () use ($conversation, $agent, $text, $clientId): bool {
            if ($this->database->row('SELECT id FROM conversations WHERE id = :id', ['id' => $conversation]) === null) {
                return false;
            }
            if ($this->byClientId($clientId) === null) {
                $this->insert($conversation, [
                    'agent' => $agent,
                    'text' => $text,
                    'client_id' => $clientId,
                    'state' => Message::QUEUED,
                    'queued_at' => ($this->clock)(),
                ]);
            }

            return true;
        });
    }

    /** An agent wants a failed answer to be tried again. False when it is not one. */
    public function again(int $id): bool
    {
        return $this->database->transaction(fn (): bool => $this->change($id, [Message::FAILED], [
            'state' => Message::QUEUED,
            'attempts' => 0,
            'queued_at' => ($this->clock)(),
            'due_at' => 0,
            'note' => '',
        ]));
    }

    public function byClientId(string $clientId): ?Message
    {
        $row = $this->database->row(self::SELECT . 'WHERE m.client_id = :id', ['id' => $clientId]);

        return $row === null ? null : Message::of($row);
    }

    /** The channel of a conversation; null when there is none such. */
    public function channelOf(int $conversation): ?string
    {
        $row = $this->database->row('SELECT channel FROM conversations WHERE id = :id', ['id' => $conversation]);

        return $row?->text('channel');
    }

    /** @return list<Message> those changed after that number, in order of their change */
    public function changesSince(int $seq, int $most): array
    {
        return $this->messages('WHERE m.seq > :seq ORDER BY m.seq LIMIT :most', ['seq' => $seq, 'most' => $most]);
    }

    /** @return list<Message> the last message of each conversation, the newest first; of the text, the beginning */
    public function lastOfEach(int $most): array
    {
        return $this->messages(
            'WHERE m.id = c.last AND c.last > 0 ORDER BY c.last DESC LIMIT :most',
            ['most' => $most],
            self::PREVIEW,
        );
    }

    /** @return list<Message> as lastOfEach(), of customers whose name contains this */
    public function find(string $name, int $most): array
    {
        return $this->messages(
            "WHERE m.id = c.last AND c.name LIKE :name ESCAPE '\\' ORDER BY c.last DESC LIMIT :most",
            ['name' => '%' . \addcslashes($name, '%_\\') . '%', 'most' => $most],
            self::PREVIEW,
        );
    }

    /** @return list<Message> of a conversation, those before that id, the newest first */
    public function before(int $conversation, int $id, int $most): array
    {
        return $this->messages(
            'WHERE m.conversation = :conversation AND m.id < :id ORDER BY m.id DESC LIMIT :most',
            ['conversation' => $conversation, 'id' => $id, 'most' => $most],
        );
    }

    /**
     * Changes a message if it is in one of these states. Inside a transaction.
     *
     * @param list<string> $states
     * @param array<string, string|int> $values
     *
     * @internal for Outbox
     */
    public function change(int $id, array $states, array $values): bool
    {
        $now = $this->database->row('SELECT state FROM messages WHERE id = :id', ['id' => $id]);
        if ($now === null || !\in_array($now->text('state'), $states, true)) {
            return false;
        }
        $values['seq'] = $this->nextSeq();
        $sets = \implode(', ', \array_map(static fn (string $name): string => "$name = :$name", \array_keys($values)));

        return $this->database->run("UPDATE messages SET $sets WHERE id = :id", $values + ['id' => $id]) === 1;
    }

    /** @internal for Outbox */
    public function isKnown(int $conversation, string $externalId): bool
    {
        return $this->database->row(
            'SELECT id FROM messages WHERE conversation = :conversation AND external_id = :id',
            ['conversation' => $conversation, 'id' => $externalId],
        ) !== null;
    }

    private function incoming(string $channel, Incoming $event): void
    {
        $conversation = $this->conversation($channel, $event->customer, $event->name);
        if (!$this->isKnown($conversation, $event->id)) {
            $this->insert($conversation, [
                'text' => self::tidy($event->text),
                'attachments' => self::json($event->attachments),
                'external_id' => $event->id,
                'state' => Message::RECEIVED,
            ]);
        }
    }

    private function sent(string $channel, Sent $event): void
    {
        $conversation = $this->conversation($channel, $event->customer, '');
        if ($this->isKnown($conversation, $event->id)) {
            return;
        }
        $sent = ['state' => Message::SENT, 'external_id' => $event->id, 'note' => ''];
        $id = Answer::idOf($event->reference, $this->desk);
        if ($id !== null) {
            // Even one that waits for its next attempt, or was given up: it has arrived.
            $this->change($id, [Message::QUEUED, Message::SENDING, Message::DOUBT, Message::FAILED], $sent);
        } else {
            $this->insert($conversation, $sent + [
                'sent_at' => ($this->clock)(),
                'agent' => self::ELSEWHERE,
                'text' => self::tidy($event->text),
                'attachments' => self::json($event->attachments),
            ]);
        }
    }

    private function receipt(string $channel, Receipt $event): void
    {
        $state = $event->read ? Message::READ : Message::DELIVERED;
        $from = $event->read ? [Message::SENT, Message::DELIVERED] : [Message::SENT];
        $rows = $this->database->rows(
            'SELECT m.id, m.external_id, m.sent_at FROM messages m JOIN conversations c ON c.id = m.conversation '
            . "WHERE c.channel = :channel AND c.customer = :customer AND m.state IN ('" . \implode("', '", $from) . "')",
            ['channel' => $channel, 'customer' => $event->customer],
        );
        foreach ($rows as $row) {
            if ($row->int('sent_at') <= $event->watermark || \in_array($row->text('external_id'), $event->ids, true)) {
                $this->change($row->int('id'), $from, ['state' => $state]);
            }
        }
    }

    private function conversation(string $channel, string $customer, string $name): int
    {
        $key = ['channel' => $channel, 'customer' => $customer];
        $name = \mb_substr(self::tidy($name), 0, self::LONGEST_NAME);
        $row = $this->database->row('SELECT id, name FROM conversations WHERE channel = :channel AND customer = :customer', $key);
        if ($row === null) {
            $name = $name !== '' ? $name : 'Customer ' . \mb_substr($customer, -6);
            $this->database->run(
                'INSERT INTO conversations (channel, customer, name) VALUES (:channel, :customer, :name)',
                $key + ['name' => $name],
            );

            return $this->database->lastId();
        }
        if ($name !== '' && $name !== $row->text('name')) {
            $values = ['name' => $name, 'id' => $row->int('id')];
            $this->database->run('UPDATE conversations SET name = :name WHERE id = :id', $values);
        }

        return $row->int('id');
    }

    /** @param array<string, string|int|null> $values */
    private function insert(int $conversation, array $values): void
    {
        $values += ['conversation' => $conversation, 'seq' => $this->nextSeq(), 'at' => ($this->clock)(), 'attachments' => '[]'];
        $names = \array_keys($values);
        $this->database->run(
            'INSERT INTO messages (' . \implode(', ', $names) . ') VALUES (:' . \implode(', :', $names) . ')',
            $values,
        );
        $this->database->run('UPDATE conversations SET last = :last WHERE id = :id', [
            'last' => $this->database->lastId(),
            'id' => $conversation,
        ]);
    }

    private function nextSeq(): int
    {
        $this->database->run('UPDATE desk SET seq = seq + 1');

        return $this->seq();
    }

    /**
     * @param array<string, string|int|null> $values
     *
     * @return list<Message>
     */
    private function messages(string $condition, array $values, string $select = self::SELECT): array
    {
        return \array_map(Message::of(...), $this->database->rows($select . $condition, $values));
    }

    /** Without control characters, but for line breaks and tabs. */
    private static function tidy(string $text): string
    {
        $text = \trim((string) \preg_replace('/[^\P{Cc}\n\t]+/u', '', \str_replace("\r\n", "\n", $text)));

        return \mb_strlen($text) > self::LONGEST_TEXT ? \mb_substr($text, 0, self::LONGEST_TEXT - 1) . '…' : $text;
    }

    /** @param list<array{type: string, title: string, url: string}> $attachments */
    private static function json(array $attachments): string
    {
        $attachments = \array_map(static fn (array $attachment): array => [
            'type' => \mb_substr($attachment['type'], 0, self::LONGEST_NAME),
            'title' => \mb_substr($attachment['title'], 0, self::LONGEST_NAME),
            'url' => \strlen($attachment['url']) > self::LONGEST_URL ? '' : $attachment['url'],
        ], \array_slice($attachments, 0, self::MOST_ATTACHMENTS));

        return \json_encode($attachments, \JSON_THROW_ON_ERROR | \JSON_UNESCAPED_UNICODE | \JSON_UNESCAPED_SLASHES);
    }
}
