<?php

declare(strict_types=1);

namespace WsPush\Swoole;

use WsPush\Server as Engine;

/**
 * What $server->connections is: the ids of the open connections, asked for afresh by each foreach.
 *
 * @implements \IteratorAggregate<int, int>
 */
final class Connections implements \IteratorAggregate, \Countable
{
    private ?Engine $engine = null;

    /** @internal */
    public function of(Engine $engine): void
    {
        $this->engine = $engine;
    }

    /** @return \ArrayIterator<int, int> */
    public function getIterator(): \ArrayIterator
    {
        return new \ArrayIterator($this->ids());
    }

    public function count(): int
    {
        return $this->engine?->connectionCount() ?? 0;
    }

    /** @return list<int> in ascending order */
    public function ids(): array
    {
        $ids = $this->engine?->connections() ?? [];
        \sort($ids);

        return $ids;
    }
}
