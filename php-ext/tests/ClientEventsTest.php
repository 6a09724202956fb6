<?php

declare(strict_types=1);

namespace WsPush\Tests;

use PHPUnit\Framework\TestCase;
use WsPush\Client as PushClient;
use WsPush\ClientLoop;
use WsPush\ConnectException;
use WsPush\EventLoop;
use WsPush\Exception;
use WsPush\Server;

/** WsPush\Client with handlers, alone, in a ClientLoop, and beside a server in an EventLoop. */
final class ClientEventsTest extends TestCase
{
    private const PEER = __DIR__ . '/fixtures/peer.php';
    private const SECONDS = 20;

    /** @var list<string> */
    private array $told = [];

    public function testALifeInEvents(): void
    {
        [$peer, $port] = Process::announcing(self::PEER);
        $client = $this->telling(new PushClient("ws://127.0.0.1:$port/hello"));
        $client->on('message', function (PushClient $client, string $data, int $opcode): void {
            $this->told[] = "message $opcode $data";
            $client->send($data === 'hello' ? 'close 4003 so' : 'x');
        });
        $client->run();
        self::assertSame(['open 101', 'message 1 hello', 'close 4003 so', 'end'], $this->told);
        self::assertFalse($client->isRunning());
        self::assertSame(0, $client->poll());
    }

    public function testAFailureInEvents(): void
    {
        $port = Programs::freePort();
        $client = $this->telling(new PushClient("ws://127.0.0.1:$port/"));
        $client->run();
        self::assertSame(['error ' . Exception::CONNECT . ' 0', 'end'], $this->told);
        [$peer, $port] = Process::announcing(self::PEER);
        $this->told = [];
        $client = $this->telling(new PushClient("ws://127.0.0.1:$port/status/503"));
        $client->run();
        self::assertSame(['error ' . Exception::UNAVAILABLE . ' 503', 'end'], $this->told);
    }

    public function testReconnecting(): void
    {
        $port = Programs::freePort();
        $client = $this->telling(new PushClient("ws://127.0.0.1:$port/hello", [
            'reconnect' => true, 'reconnect_min' => '10ms', 'reconnect_max' => '20ms', 'max_offline_bytes' => '1K',
        ]));
        $client->on('message', function (PushClient $client, string $data): void {
            $this->told[] = "message $data";
        });
        $client->start();
        $this->pollUntil($client, fn (): bool => count(array_keys($this->told, 'retry', true)) === 3);
        self::assertSame(array_merge(...array_fill(0, 3, ['error ' . Exception::CONNECT . ' 0', 'retry'])), $this->told);
        self::assertTrue($client->push('kept'));
        self::assertFalse($client->push(str_repeat('x', 1024)));
        $peer = new Process([self::PEER, $port]);
        $this->pollUntil($client, fn (): bool => in_array('message kept', $this->told, true));
        self::assertContains('message hello', $this->told);
        $this->told = [];
        $client->push('drop');
        $this->pollUntil($client, fn (): bool => in_array('message hello', $this->told, true));
        self::assertSame(['close 1006 ', 'retry', 'open 101', 'message hello'], $this->told);
        $client->close();
        self::assertSame(['close 1000 ', 'end'], array_slice($this->told, -2));
    }

    public function testAnAttemptThatIsHurried(): void
    {
        [$peer, $port] = Process::announcing(self::PEER);
        $client = $this->telling(new PushClient("ws://127.0.0.1:$port/", ['reconnect' => true, 'reconnect_min' => '1h', 'reconnect_max' => '1h']));
        $client->connect(10);
        $client->push('drop');
        $this->pollUntil($client, fn (): bool => in_array('retry', $this->told, true));
        self::assertTrue($client->isRunning());
        self::assertFalse($client->isOpen());
        $client->reconnect();
        self::assertSame(101, $client->connect(10)->status, 'which waits for the next one');
        self::assertTrue($client->isOpen());
        $client->close();
        self::assertSame(['open 101', 'close 1006 ', 'retry', 'open 101', 'close 1000 ', 'end'], $this->told);
    }

    public function testTheLastOfSeveralAttempts(): void
    {
        $port = Programs::freePort();
        $client = $this->telling(new PushClient("ws://127.0.0.1:$port/", [
            'reconnect' => true, 'reconnect_min' => '10ms', 'reconnect_max' => '20ms', 'reconnect_attempts' => 2,
        ]));
        try {
            $client->connect();
            self::fail('connected');
        } catch (ConnectException $exception) {
            self::assertSame(Exception::CONNECT, $exception->status);
        }
        self::assertSame('end', end($this->told));
        self::assertCount(2, array_keys($this->told, 'retry', true));
    }

    public function testAHandlerThatThrowsIsLoggedAndCostsNobodyElse(): void
    {
        [$peer, $port] = Process::announcing(self::PEER);
        $log = [];
        $client = new PushClient("ws://127.0.0.1:$port/hello");
        $client->setLogger(function (string $line) use (&$log): void {
            $log[] = strstr($line, "\n", true) ?: $line;
        });
        foreach (['open', 'message', 'close', 'end'] as $event) {
            $client->on($event, function (PushClient $client) use ($event): void {
                $this->told[] = $event;
                $event === 'message' && $client->close();
                throw new \DomainException("in $event");
            });
        }
        $client->run();
        self::assertSame(['open', 'message', 'close', 'end'], $this->told);
        self::assertCount(4, $log);
        self::assertStringContainsString('the message handler threw DomainException: in message', $log[1]);
    }

    public function testWaitingIsRefusedInsideAHandler(): void
    {
        [$peer, $port] = Process::announcing(self::PEER);
        $client = new PushClient("ws://127.0.0.1:$port/");
        $codes = [];
        $client->on('open', function (PushClient $client) use (&$codes): void {
            foreach (['connect', 'receive', 'poll', 'run'] as $method) {
                try {
                    $client->$method();
                } catch (Exception $exception) {
                    $codes[$method] = $exception->getCode();
                }
            }
            $client->close(); // begins it
        });
        $client->run();
        self::assertSame(array_fill_keys(['connect', 'receive', 'poll', 'run'], Exception::STATE), $codes);
    }

    public function testAForeignLoop(): void
    {
        [$peer, $port] = Process::announcing(self::PEER);
        $client = $this->telling(new PushClient("ws://127.0.0.1:$port/hello"));
        $client->on('message', fn (PushClient $client, string $data) => $client->close(1000, $data));
        $client->start();
        $stream = $client->eventStream();
        $deadline = microtime(true) + self::SECONDS;
        while ($client->isRunning() && microtime(true) < $deadline) {
            $readable = [$stream];
            $none = null;
            stream_select($readable, $none, $none, self::SECONDS);
            $client->poll();
        }
        self::assertSame(['open 101', 'close 1000 hello', 'end'], $this->told);
    }

    public function testWhatCameBeforeTheHandlerWasSetIsNotLost(): void
    {
        [$peer, $port] = Process::announcing(self::PEER);
        $client = new PushClient("ws://127.0.0.1:$port/");
        $client->connect(10);
        $client->send('count 3');
        self::assertSame('1', (string) $client->receive(10));
        $client->on('message', function (PushClient $client, string $data): void {
            $this->told[] = $data;
        });
        $this->pollUntil($client, fn (): bool => count($this->told) === 2);
        self::assertSame(['2', '3'], $this->told);
        $client->close();
    }

    public function testAHandlerCountsFromTheNextMessageOn(): void
    {
        [$peer, $port] = Process::announcing(self::PEER);
        $client = new PushClient("ws://127.0.0.1:$port/");
        $client->on('message', function (PushClient $client, string $data): void {
            $this->told[] = "first $data";
            $client->on('message', function (PushClient $client, string $data): void {
                $this->told[] = "then $data";
                count($this->told) === 100 && $client->close();
            });
        });
        $client->connect(10);
        $client->push('count 100');
        $client->run();
        self::assertSame(['first 1', 'then 2', 'then 3'], array_slice($this->told, 0, 3));
        self::assertSame('then 100', end($this->told));
    }

    public function testAMessageHandlerThatTheOpenHandlerSets(): void
    {
        // The response and the messages come in one packet, and so in one batch.
        [$standIn, $port] = Process::announcing(__DIR__ . '/fixtures/stand-in.php', 'early');
        $client = new PushClient("ws://127.0.0.1:$port/");
        $client->on('open', fn (PushClient $client) => $client->on('message', function (PushClient $client, string $data): void {
            $this->told[] = $data;
        }));
        $client->start();
        $this->pollUntil($client, fn (): bool => count($this->told) === 2);
        self::assertSame(['first', "\xff\0"], $this->told);
    }

    public function testManyClientsInOneLoop(): void
    {
        [$peer, $port] = Process::announcing(self::PEER);
        $loop = new ClientLoop();
        self::assertFalse($loop->isRunning());
        $heard = [];
        for ($i = 0; $i < 100; ++$i) {
            $client = new PushClient("ws://127.0.0.1:$port/client/$i");
            $client->on('open', fn (PushClient $client) => $client->push("I am $i"));
            $client->on('message', function (PushClient $client, string $data, int $opcode) use (&$heard, $i): void {
                $heard[$i][] = $data;
                count($heard[$i]) < 3 ? $client->sendBinary("again $data") : $client->close();
            });
            $client->on('close', fn (PushClient $client, int $code) => $this->told[] = "close $code");
            $loop->add($client);
        }
        $loop->start();
        self::assertCount(100, $loop);
        $loop->run();
        self::assertCount(100, $heard);
        foreach ($heard as $i => $messages) {
            self::assertSame(["I am $i", "again I am $i", "again again I am $i"], $messages);
        }
        self::assertSame(array_fill(0, 100, 'close 1000'), $this->told);
        self::assertCount(0, $loop);
        self::assertFalse($loop->isRunning());
    }

    public function testLargeMessagesInALoop(): void
    {
        [$peer, $port] = Process::announcing(self::PEER);
        $loop = new ClientLoop();
        $sizes = [0, 20, 2047, 65_536, 65_537, 300_000, 1_000_000];
        $right = 0;
        for ($i = 0; $i < 5; ++$i) {
            $client = new PushClient("ws://127.0.0.1:$port/");
            $client->on('open', fn (PushClient $client) => array_map(
                fn (int $size) => $client->push(str_repeat("$i", $size), PushClient::BINARY),
                $sizes,
            ));
            $left = $sizes;
            $client->on('message', function (PushClient $client, string $data) use (&$left, &$right, $i): void {
                $right += (int) ($data === str_repeat("$i", (int) array_shift($left)));
                $left === [] && $client->close();
            });
            $loop->add($client);
            unset($left);
        }
        $loop->run();
        self::assertSame(5 * count($sizes), $right);
    }

    public function testALoopTakesClientsAtAnyTimeAndKeepsThemApart(): void
    {
        [$peer, $port] = Process::announcing(self::PEER);
        $log = [];
        $loop = (new ClientLoop())->setLogger(function (string $line) use (&$log): void {
            $log[] = $line;
        });
        $nobody = Programs::freePort();
        $failing = $this->telling(new PushClient("ws://127.0.0.1:$nobody/"));
        $failing->on('error', function (PushClient $client) use ($loop, $port): void {
            $second = new PushClient("ws://127.0.0.1:$port/hello");
            $second->on('message', function (PushClient $client, string $data): void {
                $this->told[] = $data;
                $client->close();
                throw new \DomainException('on purpose');
            });
            $loop->add($second);
            $second->start();
        });
        $loop->add($failing);
        $loop->run();
        self::assertSame(['end', 'hello'], $this->told);
        self::assertCount(1, $log);
        self::assertStringContainsString('on purpose', $log[0]);

        $failing->on('error', fn () => null);
        $failing->start(); // again, in the same loop
        self::assertTrue($loop->isRunning());
        $loop->run();
        foreach ([fn () => $failing->receive(), fn () => $failing->poll(), fn () => $loop->add($failing), fn () => $failing->connect()] as $mistake) {
            try {
                $mistake();
                self::fail('no exception');
            } catch (Exception $exception) {
                self::assertSame(Exception::STATE, $exception->getCode());
            }
        }
    }

    public function testALoopThatIsStopped(): void
    {
        [$peer, $port] = Process::announcing(self::PEER);
        $loop = new ClientLoop();
        for ($i = 0; $i < 5; ++$i) {
            $loop->add($this->telling(new PushClient("ws://127.0.0.1:$port/", ['reconnect' => true])));
        }
        $loop->start();
        $deadline = microtime(true) + self::SECONDS;
        while (count($this->told) < 5 && microtime(true) < $deadline) {
            $loop->poll(100);
        }
        $loop->stop();
        while ($loop->isRunning() && microtime(true) < $deadline) {
            $loop->poll(100);
        }
        self::assertCount(5, array_keys($this->told, 'close 1001 ', true));
        self::assertCount(5, array_keys($this->told, 'end', true));
    }

    public function testARelayInOneProcess(): void
    {
        [$peer, $port] = Process::announcing(self::PEER);
        $server = (new Server(['close_timeout' => '1s']))->listen();
        $upstream = new PushClient("ws://127.0.0.1:$port/", ['reconnect' => true, 'max_offline_bytes' => '64K']);
        $server->on('message', fn (Server $server, int $conn, string $data) => $upstream->push("$conn $data"));
        $upstream->on('message', function (PushClient $upstream, string $data) use ($server): void {
            [$conn, $text] = explode(' ', $data, 2);
            $server->push((int) $conn, "relayed $text");
        });
        $loop = (new EventLoop())->add($server)->add($upstream);
        $server->start();
        $upstream->start();
        $clients = array_map(fn () => new Client($server->port()), range(1, 5));
        foreach ($clients as $i => $client) {
            $client->send("from $i");
        }
        $deadline = microtime(true) + self::SECONDS;
        foreach ($clients as $i => $client) {
            while (!$client->isReadable() && microtime(true) < $deadline) {
                $loop->poll(100);
            }
            self::assertSame("relayed from $i", $client->text());
        }
        array_map(fn (Client $client) => $client->drop(), $clients);
        $loop->after(60, fn () => $this->told[] = 'never');
        $loop->after(0.01, fn () => throw new \DomainException('which costs nobody anything'));
        $cancelled = $loop->after(0.01, fn () => $this->told[] = 'cancelled');
        $loop->cancel($cancelled);
        $loop->after(0.02, function () use ($loop): void {
            $this->told[] = 'timer';
            $loop->stop(1000);
        });
        $log = (string) tempnam(sys_get_temp_dir(), 'wspush');
        $before = ini_set('error_log', $log);
        $loop->run(false);
        ini_set('error_log', (string) $before);
        self::assertSame(['timer'], $this->told);
        self::assertStringContainsString('which costs nobody anything', (string) file_get_contents($log));
        unlink($log);
        self::assertFalse($server->isRunning() || $upstream->isRunning());
        $peer->waitFor('/^close 1001/m');
    }

    public function testAnEventLoopStartsWhatItsHandlersAdd(): void
    {
        [$peer, $port] = Process::announcing(self::PEER);
        $loop = new EventLoop();
        $second = new PushClient("ws://127.0.0.1:$port/hello");
        $second->on('message', function (PushClient $client, string $data): void {
            $this->told[] = "second $data";
            $client->close();
        });
        $first = new PushClient("ws://127.0.0.1:$port/hello");
        $first->on('message', function (PushClient $client, string $data) use ($loop, $second): void {
            $this->told[] = "first $data";
            $loop->add($second);
            $client->close();
        });
        $loop->add($first)->run();
        self::assertSame(['first hello', 'second hello'], $this->told);

        $loop->add($first);
        self::assertFalse($loop->isRunning());
        self::assertSame(0, $loop->poll(0)); // which does not lose it
        $this->told = [];
        $first->on('message', fn (PushClient $client) => [$this->told[] = 'again', $loop->add($second), $loop->stop()]);
        $first->start();
        $loop->run(false);
        self::assertSame(['again'], $this->told, 'what was not started when it was stopped does not begin');
    }

    public function testWhatHasEndedInALoopMayBeAddedToItAgain(): void
    {
        [$peer, $port] = Process::announcing(self::PEER);
        $loop = new EventLoop();
        $client = new PushClient("ws://127.0.0.1:$port/hello");
        $client->on('message', function (PushClient $client, string $data): void {
            $this->told[] = $data;
            $client->close();
        });
        $loop->add($client)->run();
        $loop->add($client)->run();
        self::assertSame(['hello', 'hello'], $this->told);
    }

    public function testATimerThatNeverComes(): void
    {
        $loop = new EventLoop();
        $loop->after(INF, fn () => $this->told[] = 'never');
        $loop->after(1e300, fn () => $this->told[] = 'never');
        $loop->after(-INF, fn () => $this->told[] = 'at once');
        $loop->after(0.2, fn () => $loop->stop());
        $before = getrusage();
        $loop->run(false);
        $after = getrusage();
        self::assertSame(['at once'], $this->told);
        $used = 0;
        foreach (['ru_utime', 'ru_stime'] as $of) {
            $used += ($after["$of.tv_sec"] - $before["$of.tv_sec"]) * 1_000_000 + $after["$of.tv_usec"] - $before["$of.tv_usec"];
        }
        self::assertLessThan(100_000, $used, 'microseconds of processor time in 200 ms of waiting');
        $this->expectExceptionCode(Exception::ARGUMENT);
        $loop->after(NAN, fn () => null);
    }

    public function testASignalEndsRun(): void
    {
        [$peer, $port] = Process::announcing(self::PEER);
        $process = new Process([Programs::file(<<<PHP
            \$client = new WsPush\\Client('ws://127.0.0.1:$port/', ['reconnect' => true]);
            \$client->on('open', fn () => print "open\\n");
            \$client->on('close', fn (\$client, int \$code) => print "close \$code\\n");
            \$client->run();
            echo "after\\n";
            PHP)]);
        $process->waitFor('/^open$/m');
        $process->signal(SIGTERM);
        self::assertSame(0, $process->wait());
        self::assertSame("open\nclose 1001\nafter\n", $process->output);
        $peer->waitFor('/^close 1001/m');
    }

    /** The client, and what happens to it goes into $told. */
    private function telling(PushClient $client): PushClient
    {
        return $client
            ->on('open', fn (PushClient $client, \WsPush\UpgradeResponse $response) => $this->told[] = "open $response->status")
            ->on('close', fn (PushClient $client, int $code, string $reason) => $this->told[] = "close $code $reason")
            ->on('error', fn (PushClient $client, ConnectException $failure) => $this->told[] = "error $failure->status $failure->httpStatus")
            ->on('retry', function (PushClient $client, float $seconds): void {
                self::assertGreaterThan(0, $seconds);
                $this->told[] = 'retry';
            })
            ->on('end', fn () => $this->told[] = 'end');
    }

    /** @param callable(): bool $condition */
    private function pollUntil(PushClient $client, callable $condition): void
    {
        $deadline = microtime(true) + self::SECONDS;
        while (!$condition()) {
            if (microtime(true) > $deadline) {
                self::fail('it did not happen; told: ' . implode(', ', $this->told));
            }
            $client->poll(100);
        }
    }
}
