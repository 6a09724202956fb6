<?php

declare(strict_types=1);

namespace WsPush\Tests;

use PHPUnit\Framework\TestCase;
use WsPush\CloseCause;
use WsPush\Native\Withheld;
use WsPush\Request;
use WsPush\Server;

/** What the engine had received of a connection when a handler closes or pauses it. */
final class WithheldTest extends TestCase
{
    private Server $server;
    /** @var list<string> */
    private array $heard = [];
    private int $conn = 0;

    protected function setUp(): void
    {
        $this->heard = [];
        $this->conn = 0;
        $this->server = new Server(['close_timeout' => '10s']);
        $this->server->listen();
        $this->server->on('open', function (Server $server, Request $request): void {
            $this->conn = $request->conn;
        });
        $this->server->on('close', function (Server $server, int $conn, int $code): void {
            $this->heard[] = "closed $code";
        });
    }

    /** @return array<string, array{\Closure(Server, int): bool, int}> */
    public function waysToClose(): array
    {
        return [
            'close' => [static fn (Server $server, int $conn): bool => $server->close($conn, 4000), 4000],
            'disconnect' => [static fn (Server $server, int $conn): bool => $server->disconnect($conn), 1006],
            'both' => [static fn (Server $server, int $conn): bool => $server->close($conn, 4000) && $server->disconnect($conn), 1006],
        ];
    }

    /**
     * @dataProvider waysToClose
     *
     * @param \Closure(Server, int): bool $close
     */
    public function testNothingOfAConnectionThatItsHostHasClosedIsDelivered(\Closure $close, int $code): void
    {
        $client = $this->client(function (Server $server, int $conn, string $data) use ($close): void {
            $this->heard[] = $data;
            if ($data === 'let me in') {
                self::assertTrue($close($server, $conn));
            }
        });
        $this->receive($client, 'hello', 'let me in', 'transfer all', \str_repeat('x', 70000), 'now');
        if ($code === 4000) {
            $this->pollUntil(fn (): bool => \count($this->heard) === 2);
            $client->close(4000);
        }
        $this->pollUntil(fn (): bool => \count($this->heard) > 2);
        $this->server->poll(20);
        self::assertSame(['hello', 'let me in', "closed $code"], $this->heard);
        self::assertSame([], $this->kept());
    }

    public function testWhatAPausedConnectionHasSentWaitsUntilItIsResumed(): void
    {
        $client = $this->client(function (Server $server, int $conn, string $data): void {
            $this->heard[] = \substr($data, 0, 5);
            if ($data === '2' || $data === '4') {
                self::assertTrue($server->pause($conn));
            }
        });
        $large = \str_repeat('large', 20000);
        $this->receive($client, '1', '2', '3', $large, '4', '5');
        $this->pollUntil(fn (): bool => \count($this->heard) === 2);
        $this->server->poll(50);
        self::assertSame(['1', '2'], $this->heard);
        self::assertTrue($this->server->resume($this->conn)); // outside of handlers, it delivers at once
        self::assertSame(['1', '2', '3', 'large', '4'], $this->heard);
        $this->server->poll(50);
        self::assertSame(['1', '2', '3', 'large', '4'], $this->heard);
        self::assertTrue($this->server->resume($this->conn));
        $client->send('6');
        $this->pollUntil(fn (): bool => \count($this->heard) === 7);
        self::assertSame(['1', '2', '3', 'large', '4', '5', '6'], $this->heard);
        self::assertSame([], $this->kept());
    }

    public function testTheEndOfAPausedConnectionIsToldBehindItsMessages(): void
    {
        $client = $this->client(function (Server $server, int $conn, string $data): void {
            $this->heard[] = $data;
            $data === '1' && $server->pause($conn);
        });
        $client->send('1');
        $client->send('2');
        $client->send(\pack('n', 4001), 8);
        $this->stats('closed_application', 1);
        $this->pollUntil(fn (): bool => $this->heard !== []);
        $this->server->poll(50);
        self::assertSame(['1'], $this->heard);
        self::assertTrue($this->server->resume($this->conn));
        self::assertSame(['1', '2', 'closed 4001'], $this->heard);
        self::assertSame([], $this->kept());
    }

    public function testAPausedConnectionThatIsClosedIsToldAsClosed(): void
    {
        $client = $this->client(function (Server $server, int $conn, string $data): void {
            $this->heard[] = $data;
            $server->pause($conn);
        });
        $client->send('1');
        $client->send('2');
        $client->send(\pack('n', 4001), 8);
        $this->stats('closed_application', 1);
        $this->pollUntil(fn (): bool => $this->heard !== []);
        $this->server->disconnect($this->conn);
        $this->server->poll(50);
        self::assertSame(['1', 'closed 4001'], $this->heard);
        self::assertSame([], $this->kept());
    }

    public function testAConnectionIsResumedByTheMessageOfAnother(): void
    {
        $first = 0;
        $client = $this->client(function (Server $server, int $conn, string $data) use (&$first): void {
            $this->heard[] = $data;
            if ($data === 'pause') {
                $first = $conn;
                $server->pause($conn);
            } elseif ($data === 'resume') {
                self::assertTrue($server->resume($first));
            }
        });
        $this->receive($client, 'pause', 'later', 'last');
        $this->pollUntil(fn (): bool => $this->heard !== []);
        $other = new Client($this->server->port());
        $other->send('resume');
        $this->pollUntil(fn (): bool => \count($this->heard) === 4);
        self::assertSame(['pause', 'resume', 'later', 'last'], $this->heard);
        self::assertSame([], $this->kept());
    }

    public function testToCloseAgainWhatHasClosedKeepsNothing(): void
    {
        $this->server->on('close', function (Server $server, int $conn): void {
            $this->heard[] = 'closed';
            $server->close($conn);
            $server->disconnect($conn);
        });
        $client = $this->client(fn () => null);
        $client->send(\pack('n', 1000), 8);
        $this->pollUntil(fn (): bool => $this->heard !== []);
        self::assertSame([], $this->kept());
    }

    public function testWhatIsKeptOfAllPausedConnectionsIsBounded(): void
    {
        $causes = $log = [];
        $this->server->setLogger(function (string $line) use (&$log): void {
            $log[] = $line;
        });
        $this->server->on('close', function (Server $server, int $conn, int $code, string $reason, CloseCause $cause) use (&$causes): void {
            $causes[] = [$conn, $code, $reason, $cause];
        });
        $first = $this->client(function (Server $server, int $conn, string $data): void {
            $this->heard[] = "$conn " . \substr($data, 0, 5);
            $data === 'pause' && $server->pause($conn);
        });
        $conns = [$this->conn];
        $clients = [$first];
        foreach ([1, 2] as $_) {
            $clients[] = new Client($this->server->port());
            $this->pollUntil(fn (): bool => !\in_array($this->conn, $conns, true));
            $conns[] = $this->conn;
        }
        $withheld = $this->withheld();
        $withheld->most = 200_000;
        $this->receive($clients[0], 'pause', \str_repeat('a', 70_000), \str_repeat('b', 10_000));
        $this->receive($clients[1], 'pause', \str_repeat('c', 30_000), \str_repeat('d', 60_000), \str_repeat('e', 20));
        $this->pollUntil(fn (): bool => \count($this->heard) === 2 && $withheld->bytes > 170_000);
        self::assertSame(0, $this->server->stats()['withheld_shed']);
        // With the third it is too much, and the second has the most.
        $this->receive($clients[2], 'pause', \str_repeat('f', 40_000), 'last');
        $this->pollUntil(fn (): bool => \count($this->heard) === 3);
        $this->pollUntil(fn (): bool => $this->server->stats()['withheld_shed'] === 1);
        $this->pollUntil(fn (): bool => $withheld->bytes === 80_000 + 40_004 + 4 * 256);
        self::assertSame($withheld->bytes, $this->server->stats()['withheld_bytes']);
        $this->server->poll(0);
        self::assertSame(1013, $clients[1]->closeCode());
        $this->pollUntil(function () use (&$causes): bool {
            return $causes !== [];
        });
        self::assertSame([[$conns[1], 1013, 'too much waits for paused connections', CloseCause::Memory]], $causes);
        self::assertSame(["connection $conns[1]: closed with 1013, too much waits for paused connections"], $log);
        // The others have lost nothing.
        self::assertTrue($this->server->resume($conns[0]));
        self::assertTrue($this->server->resume($conns[2]));
        self::assertSame(
            ["$conns[0] aaaaa", "$conns[0] bbbbb", "$conns[2] fffff", "$conns[2] last"],
            \array_slice($this->heard, 3),
        );
        self::assertSame([0, []], [$withheld->bytes, $withheld->events]);
    }

    public function testAConnectionThatHadEndedAndWasDroppedIsToldAsSuch(): void
    {
        $causes = [];
        $this->server->setLogger(static fn () => null);
        $this->server->on('close', function (Server $server, int $conn, int $code, string $reason, CloseCause $cause) use (&$causes): void {
            $causes[] = [$code, $cause];
        });
        $client = $this->client(function (Server $server, int $conn, string $data): void {
            $this->heard[] = $data;
            $data === 'pause' && $server->pause($conn);
        });
        $withheld = $this->withheld();
        $this->receive($client, 'pause', \str_repeat('a', 70_000));
        $client->send(\pack('n', 1000), 8);
        $this->stats('closed_1000', 1);
        $this->pollUntil(fn (): bool => $withheld->bytes > 70_000);
        $this->server->poll(20);
        $other = new Client($this->server->port());
        $withheld->most = 10_000;
        $this->receive($other, 'pause', 'more');
        $this->pollUntil(function () use (&$causes): bool {
            return $causes !== [];
        });
        self::assertSame([[1013, CloseCause::Memory]], $causes);
        self::assertSame(['pause', 'pause'], $this->heard);
        self::assertSame(4 + 256, $withheld->bytes);
    }

    /** One that has opened. */
    private function client(\Closure $onMessage): Client
    {
        $this->server->on('message', $onMessage);
        $this->server->start();
        $client = new Client($this->server->port());
        $this->pollUntil(fn (): bool => $this->conn !== 0);

        return $client;
    }

    /** Has the engine receive messages, before the host takes any of them. */
    private function receive(Client $client, string ...$messages): void
    {
        $before = $this->server->stats()['messages_in'];
        \array_map($client->send(...), $messages);
        $this->stats('messages_in', $before + \count($messages));
    }

    private function stats(string $name, int $value): void
    {
        $deadline = \microtime(true) + 10;
        while ($this->server->stats()[$name] < $value) {
            self::assertLessThan($deadline, \microtime(true), "$name does not rise to $value");
            \usleep(1000);
        }
    }

    /** What the server withholds. */
    private function kept(): mixed
    {
        return $this->withheld()->events;
    }

    private function withheld(): Withheld
    {
        $withheld = (new \ReflectionProperty(\WsPush\Native\Server::class, 'withheld'))->getValue($this->server);
        self::assertInstanceOf(Withheld::class, $withheld);

        return $withheld;
    }

    private function pollUntil(callable $done): void
    {
        $deadline = \microtime(true) + 10;
        while (!$done()) {
            self::assertLessThan($deadline, \microtime(true), 'what was waited for did not come');
            $this->server->poll(100);
        }
    }
}
