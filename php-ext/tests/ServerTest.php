<?php

declare(strict_types=1);

namespace WsPush\Tests;

use PHPUnit\Framework\TestCase;
use WsPush\Exception;
use WsPush\Request;
use WsPush\Server;

/** WsPush\Server in this process: the engine is on its own thread, so client and handlers can take turns here. */
final class ServerTest extends TestCase
{
    private Server $server;
    /** @var list<string> */
    private array $log = [];

    protected function setUp(): void
    {
        $this->log = [];
        $this->server = new Server(['max_message_size' => '2M', 'close_timeout' => '1s']);
        $this->server->listen();
        $this->server->setLogger(function (string $line): void {
            $this->log[] = $line;
        });
    }

    public function testTheOpenRequestIsComplete(): void
    {
        $opened = null;
        $this->server->on('open', function (Server $server, Request $request) use (&$opened): void {
            $opened = $request;
        });
        $this->server->start();
        $client = new Client($this->server->port(), '/chat/room?name=J%C3%B6rg&n=2', [
            'Cookie' => 'a=1; b=two%20words; a=3',
            'X-Thing' => 'one',
            'User-Agent' => 'test',
        ]);
        $this->pollUntil(function () use (&$opened): bool {
            return $opened !== null;
        });
        self::assertInstanceOf(Request::class, $opened);
        self::assertSame(1, $opened->conn);
        self::assertSame('GET', $opened->method);
        self::assertSame('/chat/room?name=J%C3%B6rg&n=2', $opened->target);
        self::assertSame('/chat/room', $opened->path);
        self::assertSame('name=J%C3%B6rg&n=2', $opened->query);
        self::assertSame(['name' => 'Jörg', 'n' => '2'], $opened->params());
        self::assertSame(['a' => '1', 'b' => 'two words'], $opened->cookies());
        self::assertSame('one', $opened->header('x-thing'));
        self::assertSame('one', $opened->headers['x-thing']);
        self::assertSame('test', $opened->header('User-Agent'));
        self::assertNull($opened->header('X-Other'));
        self::assertSame('127.0.0.1', $opened->remoteAddress);
        self::assertGreaterThan(0, $opened->remotePort);
        self::assertSame($this->server->port(), $opened->localPort);
        self::assertSame('', $opened->subprotocol);
        $client->close();
    }

    public function testOptionsRuleOutUpgradesAndChooseASubprotocol(): void
    {
        $this->server = new Server([
            'allowed_origins' => 'https://desk.example',
            'paths' => '/agents',
            'subprotocols' => 'v2.desk,v1.desk',
        ]);
        $this->server->listen();
        $opened = [];
        $this->server->on('open', function (Server $server, Request $request) use (&$opened): void {
            $opened[] = $request->subprotocol;
        });
        $this->server->start();
        $client = new Client($this->server->port(), '/agents', [
            'Origin' => 'https://desk.example',
            'Sec-WebSocket-Protocol' => 'v1.desk, v2.desk',
        ]);
        self::assertStringContainsString("\r\nSec-WebSocket-Protocol: v2.desk\r\n", $client->response);
        foreach ([['/agents', 'https://evil.example', 403], ['/other', 'https://desk.example', 404]] as [$path, $origin, $status]) {
            try {
                new Client($this->server->port(), $path, ['Origin' => $origin]);
                self::fail('upgraded');
            } catch (\RuntimeException $exception) {
                self::assertStringContainsString("HTTP/1.1 $status ", $exception->getMessage());
            }
        }
        $this->pollUntil(function () use (&$opened): bool {
            return $opened !== [];
        });
        self::assertSame(['v2.desk'], $opened);
    }

    public function testPushIsTrueForAnOpenConnectionAndFalseForAClosedOne(): void
    {
        [$client, $conn] = $this->connected();
        self::assertTrue($this->server->isOpen($conn));
        self::assertSame([$conn], $this->server->connections());
        self::assertTrue($this->server->push($conn, 'hello'));
        self::assertSame('hello', $client->text());
        self::assertTrue($this->server->push($conn, "\xff\0", Server::BINARY));
        self::assertSame([Client::BINARY, "\xff\0"], $client->receive());

        $closed = null;
        $this->server->on('close', function (Server $server, int $conn, int $code, string $reason) use (&$closed): void {
            $closed = [$conn, $code, $reason];
        });
        $client->close(4001, 'bye');
        $this->pollUntil(function () use (&$closed): bool {
            return $closed !== null;
        });
        self::assertSame([$conn, 4001, 'bye'], $closed);
        self::assertFalse($this->server->push($conn, 'too late'));
        self::assertFalse($this->server->push(987_654_321, 'nobody'));
        self::assertFalse($this->server->close($conn));
        self::assertFalse($this->server->ping($conn));
        self::assertFalse($this->server->isOpen($conn));
        self::assertSame([], $this->server->connections());
        self::assertSame(0, $this->server->queuedBytes($conn));
    }

    /** @return iterable<string, array{\Closure(Server, int): mixed, int}> */
    public static function mistakes(): iterable
    {
        yield 'text that is not UTF-8' => [fn (Server $s, int $c) => $s->push($c, "\xff"), Exception::UTF8];
        yield 'an opcode that is none' => [fn (Server $s, int $c) => $s->push($c, 'x', 9), Exception::ARGUMENT];
        yield 'a close code of the protocol itself' => [fn (Server $s, int $c) => $s->close($c, 1005), Exception::ARGUMENT];
        yield 'a reason over 123 bytes' => [fn (Server $s, int $c) => $s->close($c, 1000, str_repeat('x', 124)), Exception::ARGUMENT];
        yield 'a status that is none' => [fn (Server $s, int $c) => $s->respond($c, 99), Exception::ARGUMENT];
        yield 'a header that smuggles one' => [
            fn (Server $s, int $c) => $s->respond($c, 200, '', ['X' => "a\r\nY: b"]),
            Exception::ARGUMENT,
        ];
        yield 'an unknown event' => [fn (Server $s) => $s->on('mesage', fn () => null), Exception::ARGUMENT];
        yield 'a second start' => [fn (Server $s) => $s->start(), Exception::STATE];
    }

    /**
     * @dataProvider mistakes
     *
     * @param \Closure(Server, int): mixed $mistake
     */
    #[\PHPUnit\Framework\Attributes\DataProvider('mistakes')]
    public function testAMistakeOfTheProgramIsAnException(\Closure $mistake, int $code): void
    {
        [$client, $conn] = $this->connected();
        try {
            $mistake($this->server, $conn);
            self::fail('no exception');
        } catch (Exception $exception) {
            self::assertSame($code, $exception->getCode(), $exception->getMessage());
            self::assertNotSame('', $exception->getMessage());
        }
        $this->server->push($conn, 'still here');
        self::assertSame('still here', $client->text());
    }

    public function testBeforeTheStartPushThrowsAndSaysSo(): void
    {
        $this->expectException(Exception::class);
        $this->expectExceptionCode(Exception::STATE);
        $this->server->push(1, 'x');
    }

    public function testAnUnknownOptionAndABadValueAreNamed(): void
    {
        foreach ([['max_mesage_size' => 1, Exception::OPTION], ['max_message_size' => 'much', Exception::VALUE]] as $case) {
            $code = array_pop($case);
            try {
                new Server($case);
                self::fail('no exception');
            } catch (Exception $exception) {
                self::assertSame($code, $exception->getCode());
                self::assertStringContainsString((string) key($case), $exception->getMessage());
            }
        }
    }

    public function testATakenPortIsNamed(): void
    {
        $this->server->start();
        $port = $this->server->port();
        $second = new Server();
        $second->listen('127.0.0.1', $port);
        $this->expectException(Exception::class);
        $this->expectExceptionCode(Exception::ADDRESS_IN_USE);
        $this->expectExceptionMessageMatches("/127\\.0\\.0\\.1:$port/");
        $second->start();
    }

    public function testAHandlerThatThrowsIsLoggedAndCostsNobodyAConnection(): void
    {
        $handled = 0;
        $this->server->on('message', function (Server $server, int $conn, string $data) use (&$handled): void {
            ++$handled;
            if ($data === 'throw') {
                throw new \DomainException('on purpose');
            }
            if ($data === 'error') {
                $data(); // a call to an undefined function
            }
            $server->push($conn, "echo $data");
        });
        [$first, $one] = $this->connected();
        [$second, $two] = $this->connected();
        $first->send('throw');
        $first->send('error');
        $first->send('a');
        $second->send('b');
        $this->pollUntil(function () use (&$handled): bool {
            return $handled === 4;
        });
        self::assertSame('echo a', $first->text());
        self::assertSame('echo b', $second->text());
        self::assertCount(2, $this->log);
        self::assertStringContainsString("message handler of connection $one threw DomainException: on purpose", $this->log[0]);
        self::assertStringContainsString('ServerTest.php', $this->log[0]);
        self::assertStringContainsString('undefined function error', $this->log[1]);
        self::assertNotSame($one, $two);
    }

    /** @return iterable<string, array{list<int>}> */
    public static function lengths(): iterable
    {
        yield 'small ones' => [[20, 0, 1, 125, 126, 20, 20, 0]];
        yield 'larger ones' => [[16_384, 0, 2047, 2048, 65_536, 20]];
        yield 'some that have buffers of their own' => [[20, 65_537, 0, 300_000, 5, 70_000]];
    }

    /**
     * @dataProvider lengths
     *
     * @param list<int> $lengths
     */
    #[\PHPUnit\Framework\Attributes\DataProvider('lengths')]
    public function testEachMessageOfABatchIsWholeAndItsHandlersOwn(array $lengths): void
    {
        [$client, $conn] = $this->connected();
        $sent = $kept = [];
        foreach ($lengths as $number => $length) {
            $sent[] = [Client::BINARY, substr(str_repeat("$number\0\xff", $length), 0, $length)];
        }
        $this->server->on('message', function (Server $server, int $from, string $data, int $opcode) use (&$kept, $conn): void {
            self::assertSame($conn, $from);
            $kept[] = [$opcode, $data];
            $server->push($from, $data, $opcode);
            $data .= 'changed';
            $data[0] = '!';
            throw new \RuntimeException('which costs the next one nothing');
        });
        foreach ([1, 2] as $time) {
            foreach ($sent as [$opcode, $data]) {
                $client->send($data, $opcode);
            }
            $this->pollUntil(function () use (&$kept, $sent, $time): bool {
                return count($kept) === $time * count($sent);
            });
            foreach ($sent as $message) {
                self::assertSame($message, $client->receive());
            }
        }
        self::assertSame([...$sent, ...$sent], $kept);
        self::assertCount(count($kept), $this->log);
    }

    public function testALoggerThatThrowsHarmsNothing(): void
    {
        $sink = (string) tempnam(sys_get_temp_dir(), 'wspush');
        $before = (string) ini_set('error_log', $sink);
        try {
            $this->server->setLogger(fn () => throw new \LogicException('the logger'));
            $this->server->log('a line');
            self::assertStringContainsString('a line', (string) file_get_contents($sink));
            self::assertStringContainsString('the logger', (string) file_get_contents($sink));
        } finally {
            ini_set('error_log', $before);
            unlink($sink);
        }
    }

    public function testBroadcastReachesEveryone(): void
    {
        $clients = [$this->connected()[0], $this->connected()[0], $this->connected()[0]];
        $this->server->broadcast('to all');
        foreach ($clients as $client) {
            self::assertSame('to all', $client->text());
        }
        self::assertSame(3, $this->server->connectionCount());
    }

    public function testWhatIsPublishedReachesTheSubscribers(): void
    {
        [[$first, $one], [$second, $two], [$third, $three]] = [$this->connected(), $this->connected(), $this->connected()];
        foreach ([$one, $two, $three] as $conn) {
            self::assertTrue($this->server->subscribe($conn, 'room'));
        }
        self::assertTrue($this->server->subscribe($three, 'Küche'));
        self::assertSame([3, 1, 0], array_map($this->server->subscriberCount(...), ['room', 'Küche', 'empty']));
        self::assertSame(2, $this->server->topicCount($three));

        self::assertSame(2, $this->server->publish('room', 'not to the first', except: $one));
        self::assertSame(1, $this->server->publish('Küche', "\0\xff", Server::BINARY));
        $this->server->unsubscribe($two, 'room');
        self::assertSame(2, $this->server->publish('room', 'not to the second'));
        self::assertSame(0, $this->server->publish('empty', 'to nobody'));
        self::assertSame('not to the second', $first->text());
        self::assertSame('not to the first', $second->text());
        self::assertSame(['not to the first', "\0\xff", 'not to the second'], [$third->text(), $third->receive()[1], $third->text()]);

        $third->close();
        $this->pollUntil(fn (): bool => $this->server->subscriberCount('Küche') === 0);
        self::assertSame(0, $this->server->topicCount($three));
        self::assertFalse($this->server->subscribe($three, 'room'));
        foreach ([['', Exception::ARGUMENT], ["a\0b", Exception::ARGUMENT], ["\xff", Exception::UTF8]] as [$topic, $code]) {
            try {
                $this->server->subscribe($one, $topic);
                self::fail('subscribed to a topic that cannot be');
            } catch (Exception $exception) {
                self::assertSame($code, $exception->getCode());
            }
        }
    }

    /** @return iterable<string, array{string, bool, string}> */
    public static function policies(): iterable
    {
        yield 'refused' => ['refuse', false, 'pushes_refused'];
        yield 'dropped' => ['drop', true, 'messages_dropped'];
        yield 'closed' => ['close_1013', false, 'slow_clients_closed'];
    }

    /** @dataProvider policies */
    #[\PHPUnit\Framework\Attributes\DataProvider('policies')]
    public function testAClientThatDoesNotReadIsTreatedAsTheOptionSays(string $policy, bool $last, string $counter): void
    {
        $this->server = new Server(['max_queued_bytes' => '1M', 'slow_client' => $policy, 'close_timeout' => '1s']);
        $this->server->listen();
        $drained = $codes = [];
        $this->server->on('drain', function (Server $server, int $conn) use (&$drained): void {
            $drained[] = $conn;
            $server->push($conn, 'drained');
        });
        $this->server->on('close', function (Server $server, int $conn, int $code) use (&$codes): void {
            $codes[] = $code;
        });
        [$client, $conn] = $this->connected();
        for ($count = 0; ; ++$count) {
            $pushed = $this->server->push($conn, str_repeat('x', 1 << 16));
            if ($this->server->stats()[$counter] > 0) {
                break;
            }
            self::assertTrue($pushed);
        }
        self::assertSame($last, $pushed);
        self::assertSame($policy !== 'close_1013', $this->server->isOpen($conn));
        for (; $count > 0; --$count) {
            self::assertSame(1 << 16, strlen($client->text()));
        }
        if ($policy === 'close_1013') {
            self::assertSame(1013, $client->closeCode());
            $this->pollUntil(function () use (&$codes): bool {
                return $codes !== [];
            });
            self::assertSame([[], [1013]], [$drained, $codes]);

            return;
        }
        $this->pollUntil(function () use (&$drained): bool {
            return $drained !== [];
        });
        $this->server->poll(); // what the handler has pushed leaves
        self::assertSame('drained', $client->text());
        self::assertSame([[$conn], []], [array_unique($drained), $codes]);
    }

    public function testWhatIsKnownOfAConnection(): void
    {
        $this->server = new Server(['subprotocols' => 'chat', 'max_queued_bytes' => '64M']);
        $this->server->listen();
        $seen = null;
        $this->server->on('message', function (Server $server, int $conn) use (&$seen): void {
            $seen = $server->info($conn);
        });
        $this->server->start();
        $before = microtime(true);
        $client = new Client($this->server->port(), '/rooms/7?token=1', ['Sec-WebSocket-Protocol' => 'chat']);
        $opened = null;
        $this->server->on('open', function (Server $server, Request $request) use (&$opened): void {
            $opened = $request;
        });
        $this->pollUntil(function () use (&$opened): bool {
            return $opened !== null;
        });
        self::assertInstanceOf(Request::class, $opened);
        self::assertTrue($this->server->subscribe($opened->conn, 'a topic'));
        $client->send('now');
        $this->pollUntil(function () use (&$seen): bool {
            return $seen !== null;
        });
        self::assertInstanceOf(\WsPush\ConnectionInfo::class, $seen);
        self::assertSame(
            [$opened->conn, '127.0.0.1', $opened->remotePort, '127.0.0.1', $this->server->port(), '/rooms/7', 'chat', 0, 1],
            [
                $seen->conn, $seen->remoteAddress, $seen->remotePort, $seen->localAddress, $seen->localPort, $seen->path,
                $seen->subprotocol, $seen->queuedBytes, $seen->topicCount,
            ],
        );
        self::assertEqualsWithDelta($before, $seen->openedAt, 5.0);
        self::assertGreaterThanOrEqual($seen->openedAt, $seen->heardAt);
        self::assertLessThan(microtime(true) + 0.1, $seen->heardAt);
        for ($i = 0; $i < 20; ++$i) {
            self::assertTrue($this->server->push($opened->conn, str_repeat('x', 1 << 20)));
        }
        $this->server->poll();
        self::assertGreaterThan(1 << 20, $this->server->info($opened->conn)?->queuedBytes);
        $client->drop();
        $this->pollUntil(fn (): bool => $this->server->connectionCount() === 0);
        self::assertNull($this->server->info($opened->conn));
        self::assertNull($this->server->info(99));
    }

    public function testAPausedConnectionIsNotReadFrom(): void
    {
        $messages = [];
        $this->server->on('message', function (Server $server, int $conn, string $data) use (&$messages): void {
            $messages[] = $data;
            $server->push($conn, $data);
        });
        [$client, $conn] = $this->connected();
        [$other] = $this->connected();
        self::assertTrue($this->server->pause($conn));
        self::assertTrue($this->server->push($conn, 'paused'));
        $this->server->poll();
        self::assertSame('paused', $client->text());
        $client->send('first');
        $other->send('second');
        $this->pollUntil(function () use (&$messages): bool {
            return $messages !== [];
        });
        self::assertSame(['second'], $messages);
        self::assertTrue($this->server->resume($conn));
        $this->pollUntil(function () use (&$messages): bool {
            return count($messages) === 2;
        });
        self::assertSame(['second', 'first'], $messages);
        $asked = 0;
        $this->server->on('drain', function () use (&$asked): void {
            ++$asked;
        });
        self::assertTrue($this->server->awaitDrain($conn));
        $this->pollUntil(function () use (&$asked): bool {
            return $asked === 1;
        });
        $client->close();
        $this->pollUntil(fn (): bool => !$this->server->isOpen($conn));
        self::assertFalse($this->server->pause($conn));
        self::assertFalse($this->server->resume($conn));
        self::assertFalse($this->server->awaitDrain($conn));
    }

    public function testPingAndCloseAndDisconnect(): void
    {
        [$client, $conn] = $this->connected();
        $this->server->ping($conn, 'are you there');
        $this->server->push($conn, 'after the ping');
        self::assertSame('after the ping', $client->text());
        $this->server->close($conn, 4000, 'enough');
        self::assertSame(4000, $client->closeCode());

        [$client, $conn] = $this->connected();
        $code = null;
        $this->server->on('close', function (Server $server, int $id, int $given) use (&$code, $conn): void {
            $code = $id === $conn ? $given : $code;
        });
        self::assertTrue($this->server->disconnect($conn));
        $client->waitForEnd();
        $this->pollUntil(function () use (&$code): bool {
            return $code !== null;
        });
        self::assertSame(1006, $code);
    }

    public function testAClientThatVanishesIsACloseWith1006(): void
    {
        $codes = [];
        $this->server->on('close', function (Server $server, int $conn, int $code) use (&$codes): void {
            $codes[] = $code;
        });
        [$client] = $this->connected();
        $client->drop();
        $this->pollUntil(function () use (&$codes): bool {
            return $codes !== [];
        });
        self::assertSame([1006], $codes);
    }

    public function testStatsCount(): void
    {
        [$client] = $this->connected();
        $client->send('one');
        $client->send('two');
        $seen = 0;
        $this->server->on('message', function () use (&$seen): void {
            ++$seen;
        });
        $this->pollUntil(function () use (&$seen): bool {
            return $seen === 2;
        });
        $stats = $this->server->stats();
        self::assertSame(2, $stats['messages_in']);
        self::assertSame(1, $stats['connections_open']);
        self::assertSame($stats['messages_in'], $this->server->stats(0)['messages_in']);
        $this->expectException(Exception::class);
        $this->server->stats(1);
    }

    public function testAForeignEventLoopWatchesTheStream(): void
    {
        $this->server->on('message', function (Server $server, int $conn, string $data): void {
            $server->push($conn, strrev($data));
            $server->stop(200); // what the client, which reads later, does not answer in this time
        });
        $stopped = 0;
        $this->server->on('stop', function () use (&$stopped): void {
            ++$stopped;
        });
        $this->server->start();
        $events = $this->server->eventStream();
        $client = new Client($this->server->port());
        $client->send('abc');
        while ($this->server->isRunning()) {
            $readable = [$events];
            $none = null;
            self::assertNotSame(0, stream_select($readable, $none, $none, 10), 'no event came');
            $this->server->poll();
        }
        self::assertSame('cba', $client->text());
        self::assertSame(1001, $client->closeCode());
        self::assertSame(1, $stopped);
        self::assertSame(0, $this->server->poll());
    }

    public function testPollInsideAHandlerIsRefused(): void
    {
        $this->server->on('message', fn (Server $server) => $server->poll());
        [$client] = $this->connected();
        $client->send('x');
        $this->pollUntil(fn (): bool => $this->log !== []);
        self::assertStringContainsString('poll: called from inside a handler', $this->log[0]);
    }

    public function testStopTellsEveryHandlerOfAClose(): void
    {
        $closed = [];
        $this->server->on('close', function (Server $server, int $conn, int $code) use (&$closed): void {
            $closed[$conn] = $code;
        });
        [, $one] = $this->connected();
        [, $two] = $this->connected();
        $this->server->stop(200);
        self::assertTrue($this->server->isRunning(), 'events are still to be taken');
        $this->pollUntil(fn (): bool => !$this->server->isRunning());
        ksort($closed);
        self::assertSame([$one, $two], array_keys($closed));
    }

    /** @return array{Client, int} a client, and the id its connection has */
    private function connected(): array
    {
        $conn = null;
        $this->server->on('open', function (Server $server, Request $request) use (&$conn): void {
            $conn = $request->conn;
        });
        if (!$this->server->isRunning()) {
            $this->server->start();
        }
        $client = new Client($this->server->port());
        $this->pollUntil(function () use (&$conn): bool {
            return $conn !== null;
        });

        return [$client, (int) $conn];
    }

    private function pollUntil(callable $done): void
    {
        $deadline = microtime(true) + 10;
        while (!$done()) {
            if (microtime(true) > $deadline) {
                self::fail('what was waited for did not come');
            }
            $this->server->poll(100);
        }
    }
}
