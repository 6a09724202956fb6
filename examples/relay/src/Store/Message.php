<?php

declare(strict_types=1);

namespace Relay\Store;

use Relay\Fields;

/** A message as agents see it: a row of the database, with its conversation. */
final class Message implements \JsonSerializable
{
    /** From a customer. */
    public const RECEIVED = 'received';
    /** An answer that waits for its turn, or for the next attempt. */
    public const QUEUED = 'queued';
    /** The call is being made. If the sender dies now, its successor finds it so. */
    public const SENDING = 'sending';
    /** The call was made, and nobody knows what came of it. */
    public const DOUBT = 'doubt';
    /** The channel has it. */
    public const SENT = 'sent';
    public const DELIVERED = 'delivered';
    public const READ = 'read';
    public const FAILED = 'failed';

    private function __construct(private readonly Fields $row)
    {
    }

    /** @param Fields $row of a query that Messages::SELECT begins */
    public static function of(Fields $row): self
    {
        return new self($row);
    }

    public function id(): int
    {
        return $this->row->int('id');
    }

    public function seq(): int
    {
        return $this->row->int('seq');
    }

    public function state(): string
    {
        return $this->row->text('state');
    }

    /** @return array<string, mixed> */
    public function jsonSerialize(): array
    {
        return [
            'id' => $this->id(),
            'seq' => $this->seq(),
            'conversation' => [
                'id' => $this->row->int('conversation'),
                'channel' => $this->row->text('channel'),
                'name' => $this->row->text('name'),
            ],
            'agent' => $this->row->has('agent') ? $this->row->text('agent') : null,
            'text' => $this->row->text('text'),
            'attachments' => \json_decode($this->row->text('attachments'), true),
            'at' => $this->row->int('at'),
            'client' => $this->row->text('client_id'),
            'state' => $this->state(),
            'attempts' => $this->row->int('attempts'),
            'due' => $this->row->int('due_at'),
            'note' => $this->row->text('note'),
        ];
    }
}
