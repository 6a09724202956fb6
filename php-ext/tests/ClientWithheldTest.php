<?php

declare(strict_types=1);

namespace WsPush\Tests;

use PHPUnit\Framework\TestCase;
use WsPush\Client as PushClient;
use WsPush\ClientLoop;
use WsPush\Server;

/** What the engine had received for a client when a handler closes or pauses it. */
final class ClientWithheldTest extends TestCase
{
    private const PEER = __DIR__ . '/fixtures/peer.php';
    private const SECONDS = 20;

    /** @var list<string> */
    private array $heard = [];
    private Process $peer;
    private int $port;

    protected function setUp(): void
    {
        $this->heard = [];
        [$this->peer, $this->port] = Process::announcing(self::PEER);
    }

    /** @return array<string, array{bool}> */
    public static function places(): array
    {
        return ['alone' => [false], 'in a loop' => [true]];
    }

    /** @dataProvider places */
    #[\PHPUnit\Framework\Attributes\DataProvider('places')]
    public function testAHandlerGetsNoMessageAfterItsOwnClose(bool $inLoop): void
    {
        $client = $this->client('3', static fn (PushClient $client) => $client->close(4000));
        $client->on('open', static fn (PushClient $client) => $client->push('count 500'));
        $this->runToItsEnd($client, $inLoop);
        self::assertSame(['1', '2', '3', 'close 4000', 'end'], $this->heard);
    }

    /** @dataProvider places */
    #[\PHPUnit\Framework\Attributes\DataProvider('places')]
    public function testTheMessagesOfTheNextLifeAreDelivered(bool $inLoop): void
    {
        $client = $this->client('2', static fn (PushClient $client) => $client->close(4000));
        $client->on('open', static fn (PushClient $client) => $client->push('count 3'));
        $client->on('end', function (PushClient $client): void {
            $this->heard[] = 'end';
            \count(\array_keys($this->heard, 'end', true)) < 2 && $client->start();
        });
        $this->runToItsEnd($client, $inLoop);
        self::assertSame(['1', '2', 'close 4000', 'end', '1', '2', 'close 4000', 'end'], $this->heard);
    }

    public function testWhatWasReceivedBeforeAPauseWaitsAndTheEndOfTheConnectionBehindIt(): void
    {
        $client = $this->client('2', static fn (PushClient $client) => $client->pause());
        $client->on('open', static fn (PushClient $client) => $client->push('count 20') && $client->push('close 4001 so'));
        $loop = new ClientLoop();
        $loop->add($client)->start();
        $this->pollUntil($loop, fn (): bool => \count($this->heard) >= 2);
        $this->pass($loop);
        self::assertSame(['1', '2'], $this->heard);
        self::assertSame(2, \count($loop));
        self::assertTrue($client->resume());
        $this->pollUntil($loop, fn (): bool => \in_array('end', $this->heard, true));
        self::assertSame([...\array_map('strval', \range(1, 20)), 'close 4001', 'end'], $this->heard);
        self::assertSame(1, \count($loop));
        self::assertFalse($client->resume());
    }

    /** @dataProvider places */
    #[\PHPUnit\Framework\Attributes\DataProvider('places')]
    public function testAHandlerThatPausesAndResumesTakesThemOneByOneInTheirOrder(bool $inLoop): void
    {
        $client = new PushClient("ws://127.0.0.1:$this->port/");
        $depth = 0;
        $client->on('message', function (PushClient $client, string $data) use (&$depth): void {
            self::assertSame(0, $depth++);
            $this->heard[] = $data;
            self::assertTrue($client->pause());
            self::assertTrue($client->resume());
            $data === '300' && $client->close();
            --$depth;
        });
        $client->on('open', static fn (PushClient $client) => $client->push('count 400'));
        $this->runToItsEnd($client, $inLoop);
        self::assertSame(\array_map('strval', \range(1, 300)), $this->heard);
    }

    public function testOneThatIsResumedByAnotherGoesOnBehindTheBatch(): void
    {
        $client = $this->client('1', static fn (PushClient $client) => $client->pause());
        $client->on('open', static fn (PushClient $client) => $client->push('count 3'));
        $other = new PushClient("ws://127.0.0.1:$this->port/");
        $other->on('message', function (PushClient $other, string $data) use ($client): void {
            $this->heard[] = $data;
            self::assertTrue($client->resume());
            $this->heard[] = 'resumed';
        });
        $loop = new ClientLoop();
        $loop->add($client)->add($other)->start();
        $this->pollUntil($loop, fn (): bool => $this->heard === ['1'] && $other->isOpen());
        $this->pass($loop);
        self::assertTrue($other->push('go on'));
        $this->pollUntil($loop, fn (): bool => \count($this->heard) === 5);
        self::assertSame(['1', 'go on', 'resumed', '2', '3'], $this->heard);
    }

    public function testAPausedOneThatIsClosedIsToldAsClosed(): void
    {
        $client = $this->client('1', static fn (PushClient $client) => $client->pause());
        $client->on('open', static fn (PushClient $client) => $client->push('count 20') && $client->push('close 4001 so'));
        $loop = new ClientLoop();
        $loop->add($client)->start();
        $this->pollUntil($loop, fn (): bool => $this->heard === ['1']);
        $this->pass($loop);
        $client->close(4000);
        $this->pollUntil($loop, fn (): bool => \in_array('end', $this->heard, true));
        self::assertCount(3, $this->heard);
        self::assertMatchesRegularExpression('/^1 close 400[01] end$/', \implode(' ', $this->heard));
    }

    public function testThePauseEndsWithTheNextConnection(): void
    {
        $client = $this->client('2', static fn (PushClient $client) => $client->pause(), ['reconnect' => true, 'reconnect_min' => '10ms', 'reconnect_max' => '20ms']);
        $client->on('open', function (PushClient $client): void {
            $this->heard[] = 'open';
            $client->push('count 4');
            \count(\array_keys($this->heard, 'open', true)) === 1 && $client->push('close 4001 so');
        });
        $client->start();
        $deadline = \microtime(true) + self::SECONDS;
        while (\count(\array_keys($this->heard, '2', true)) < 2) {
            self::assertLessThan($deadline, \microtime(true));
            // Unless the end came together with the messages, nothing is read that says so.
            $client->poll(500) === 0 && $client->resume();
        }
        self::assertSame(['open', '1', '2', '3', '4', 'close 4001', 'open', '1', '2'], $this->heard);
        $client->close();
        self::assertSame(['close 1000', 'end'], \array_slice($this->heard, -2));
        self::assertCount(11, $this->heard);
    }

    public function testAConnectionThatHasBrokenIsClosedByItsHostAllTheSame(): void
    {
        $server = new Server();
        $server->listen();
        $server->on('message', function (Server $server, int $conn, string $data): void {
            $this->heard[] = $data;
            $data === '1' && $server->close($conn, 4000); // which is in time only to drop what is behind it
        });
        $server->on('close', function (Server $server, int $conn, int $code): void {
            $this->heard[] = "close $code";
        });
        $server->start();
        $client = new Client($server->port());
        while ($server->poll(100) === 0) { // it has opened
        }
        \array_map($client->send(...), ['1', '2', \str_repeat('x', 400_000), '3']);
        self::waitFor($server, 'messages_in', 4);
        $client->drop();
        self::waitFor($server, 'closed_1006', 1);
        $server->disconnect(\PHP_INT_MAX >> 2); // one that never was
        $this->heard = [];
        $deadline = \microtime(true) + self::SECONDS;
        while (!\in_array('close 1006', $this->heard, true)) {
            self::assertLessThan($deadline, \microtime(true));
            $server->poll(100);
        }
        self::assertSame(['1', 'close 1006'], $this->heard);
    }

    /** @param array<string, mixed> $options */
    private function client(string $last, \Closure $then, array $options = []): PushClient
    {
        $client = new PushClient("ws://127.0.0.1:$this->port/", $options);
        $client->on('message', function (PushClient $client, string $data) use ($last, $then): void {
            $this->heard[] = $data;
            $data === $last && $then($client);
        });
        $client->on('close', function (PushClient $client, int $code): void {
            $this->heard[] = "close $code";
        });
        $client->on('end', function (): void {
            $this->heard[] = 'end';
        });

        return $client;
    }

    private function runToItsEnd(PushClient $client, bool $inLoop): void
    {
        if ($inLoop) {
            (new ClientLoop())->add($client)->run();
        } else {
            $client->run();
        }
    }

    /** Until what was on its way to a loop has come: another client of it hears the answers to what it asks. */
    private function pass(ClientLoop $loop): void
    {
        $answers = 0;
        $other = new PushClient("ws://127.0.0.1:$this->port/");
        $other->on('open', static fn (PushClient $other) => $other->push('one'));
        $other->on('message', static function (PushClient $other) use (&$answers): void {
            ++$answers < 3 && $other->push('more');
        });
        $loop->add($other)->start();
        $this->pollUntil($loop, static function () use (&$answers): bool {
            return $answers === 3;
        });
    }

    private function pollUntil(ClientLoop $loop, callable $done): void
    {
        $deadline = \microtime(true) + self::SECONDS;
        while (!$done()) {
            self::assertLessThan($deadline, \microtime(true), 'what was waited for did not come: ' . \implode(', ', $this->heard));
            $loop->poll(100);
        }
    }

    private static function waitFor(Server $server, string $name, int $value): void
    {
        $deadline = \microtime(true) + self::SECONDS;
        while ($server->stats()[$name] < $value) {
            self::assertLessThan($deadline, \microtime(true), "$name does not rise to $value");
            \usleep(1000);
        }
    }
}
