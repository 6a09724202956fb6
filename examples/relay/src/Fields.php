<?php

declare(strict_types=1);

namespace Relay;

/**
 * Fields by name, of JSON that somebody sent us or of a row of the database. It never complains: what is not there, or is of
 * another type than asked for, reads as empty, and the caller decides whether that will do.
 */
final class Fields
{
    /** Deep enough for every documented webhook. */
    private const DEPTH = 16;

    /** @param array<array-key, mixed> $values */
    private function __construct(private readonly array $values)
    {
    }

    public static function of(mixed $value): self
    {
        return new self(\is_array($value) ? $value : []);
    }

    /** Null for what is no JSON object. */
    public static function json(string $json): ?self
    {
        $value = \json_decode($json, true, self::DEPTH, \JSON_BIGINT_AS_STRING);

        return \is_array($value) && !\array_is_list($value) ? new self($value) : null;
    }

    public function has(string $name): bool
    {
        return isset($this->values[$name]);
    }

    /** A string, or a number as one; "" else. */
    public function text(string $name): string
    {
        $value = $this->values[$name] ?? '';

        return \is_string($value) || \is_int($value) || \is_float($value) ? (string) $value : '';
    }

    /** An integer, or a string of digits as one; 0 else. */
    public function int(string $name): int
    {
        $value = $this->values[$name] ?? 0;
        if (\is_string($value) && \preg_match('/^-?\d{1,18}$/D', $value) === 1) {
            return (int) $value;
        }

        return \is_int($value) ? $value : 0;
    }

    /** Whether it is the JSON value true. */
    public function isTrue(string $name): bool
    {
        return ($this->values[$name] ?? null) === true;
    }

    public function at(string $name): self
    {
        return self::of($this->values[$name] ?? null);
    }

    /** @return list<self> the objects in a list; empty if it is none */
    public function items(string $name): array
    {
        $value = $this->values[$name] ?? null;

        return \is_array($value) ? \array_map(self::of(...), \array_values(\array_filter($value, 'is_array'))) : [];
    }

    /** @return list<string> the strings in a list */
    public function texts(string $name): array
    {
        $value = $this->values[$name] ?? null;

        return \is_array($value) ? \array_values(\array_filter($value, 'is_string')) : [];
    }
}
