<?php

declare(strict_types=1);

namespace Relay\Store;

use Relay\Fields;

/**
 * The SQLite file, which is all that the relay remembers.
 *
 * The relay and its sender hold it open together. In WAL mode a reader never waits for the writer; writers wait for one another,
 * and no transaction here lasts longer than its few statements. With synchronous=FULL a commit is on the disk.
 */
final class Database
{
    private const VERSION = 1;
    private const BUSY_TIMEOUT_MS = 5000;

    /** Of version 0, which is an empty file, to 1. The next one goes below, and is applied to what is there. */
    private const STEPS = [
        <<<'SQL'
            CREATE TABLE desk (id TEXT NOT NULL, seq INTEGER NOT NULL);

            CREATE TABLE conversations (
                id INTEGER PRIMARY KEY,
                channel TEXT NOT NULL,
                customer TEXT NOT NULL,      -- the channel's id of the customer
                name TEXT NOT NULL,
                last INTEGER NOT NULL DEFAULT 0, -- id of the last message
                UNIQUE (channel, customer)
            );
            CREATE INDEX conversations_by_last ON conversations (last);

            CREATE TABLE messages (
                id INTEGER PRIMARY KEY AUTOINCREMENT,
                seq INTEGER NOT NULL UNIQUE, -- of its last change: the desk counts changes, without a gap
                conversation INTEGER NOT NULL REFERENCES conversations,
                agent TEXT,                  -- who wrote it; NULL: the customer
                text TEXT NOT NULL,
                attachments TEXT NOT NULL,   -- JSON
                at INTEGER NOT NULL,         -- when we took it; milliseconds since 1970, as all times
                external_id TEXT,            -- the channel's id of it
                client_id TEXT UNIQUE,       -- made by the agent's page
                state TEXT NOT NULL,         -- see Message
                attempts INTEGER NOT NULL DEFAULT 0,
                queued_at INTEGER NOT NULL DEFAULT 0,
                due_at INTEGER NOT NULL DEFAULT 0,    -- when the next attempt may be made
                sent_at INTEGER NOT NULL DEFAULT 0,   -- when the last attempt began
                note TEXT NOT NULL DEFAULT ''
            );
            CREATE UNIQUE INDEX messages_once ON messages (conversation, external_id) WHERE external_id IS NOT NULL;
            CREATE INDEX messages_of ON messages (conversation, id);
            CREATE INDEX messages_to_send ON messages (conversation, id) WHERE state IN ('queued', 'sending', 'doubt');
            SQL,
    ];

    private readonly \PDO $pdo;

    public function __construct(string $path)
    {
        $this->pdo = new \PDO("sqlite:$path", null, null, [
            \PDO::ATTR_ERRMODE => \PDO::ERRMODE_EXCEPTION,
            \PDO::ATTR_DEFAULT_FETCH_MODE => \PDO::FETCH_ASSOC,
        ]);
        $this->pdo->exec('PRAGMA busy_timeout = ' . self::BUSY_TIMEOUT_MS);
        $this->pdo->exec('PRAGMA journal_mode = WAL');
        $this->pdo->exec('PRAGMA synchronous = FULL');
        $this->pdo->exec('PRAGMA foreign_keys = ON');
        $this->migrate();
    }

    /**
     * What is done inside is done as a whole or not at all, and by one process at a time.
     *
     * @template T
     *
     * @param callable(): T $work
     *
     * @return T
     */
    public function transaction(callable $work): mixed
    {
        $this->pdo->exec('BEGIN IMMEDIATE');
        try {
            $result = $work();
            $this->pdo->exec('COMMIT');

            return $result;
        } catch (\Throwable $thrown) {
            // SQLite has rolled back by itself after some errors, a full disk among them.
            try {
                $this->pdo->exec('ROLLBACK');
            } catch (\PDOException) {
            }
            throw $thrown;
        }
    }

    /**
     * @param array<string, string|int|null> $values by the names that stand in the SQL as :name
     *
     * @return list<Fields>
     */
    public function rows(string $sql, array $values = []): array
    {
        return \array_map(Fields::of(...), \array_values($this->execute($sql, $values)->fetchAll()));
    }

    /** @param array<string, string|int|null> $values */
    public function row(string $sql, array $values = []): ?Fields
    {
        return $this->rows($sql, $values)[0] ?? null;
    }

    /**
     * @param array<string, string|int|null> $values
     *
     * @return int rows that were changed
     */
    public function run(string $sql, array $values = []): int
    {
        return $this->execute($sql, $values)->rowCount();
    }

    public function lastId(): int
    {
        return (int) $this->pdo->lastInsertId();
    }

    /** @param array<string, string|int|null> $values */
    private function execute(string $sql, array $values): \PDOStatement
    {
        $statement = $this->pdo->prepare($sql);
        foreach ($values as $name => $value) {
            $type = match (true) {
                $value === null => \PDO::PARAM_NULL,
                \is_int($value) => \PDO::PARAM_INT,
                default => \PDO::PARAM_STR,
            };
            $statement->bindValue($name, $value, $type);
        }
        $statement->execute();

        return $statement;
    }

    private function migrate(): void
    {
        $this->transaction(function (): void {
            $version = $this->row('PRAGMA user_version')?->int('user_version') ?? 0;
            if ($version > self::VERSION) {
                throw new \RuntimeException("the database is of version $version; this relay knows " . self::VERSION);
            }
            foreach (\array_slice(self::STEPS, $version) as $step) {
                $this->pdo->exec($step);
            }
            if ($version === 0) {
                $this->run('INSERT INTO desk VALUES (:id, 0)', ['id' => \bin2hex(\random_bytes(6))]);
            }
            $this->pdo->exec('PRAGMA user_version = ' . self::VERSION);
        });
    }
}
