<?php

declare(strict_types=1);

namespace WsPush\Tests;

use PHPUnit\Framework\TestCase;
use WsPush\Exception;
use WsPush\Workerman\AsyncTcpConnection;

/** The façade with the name of Workerman's client, in workers of the façade. */
final class WorkermanClientTest extends TestCase
{
    private const PEER = __DIR__ . '/fixtures/peer.php';

    /** @return iterable<string, array{list<string>}> */
    public static function processes(): iterable
    {
        yield 'under a master' => [[]];
        yield 'alone' => [['-d', 'disable_functions=pcntl_fork']];
    }

    /**
     * @dataProvider processes
     *
     * @param list<string> $php
     */
    #[\PHPUnit\Framework\Attributes\DataProvider('processes')]
    public function testTheProgramRunsAsItStands(array $php): void
    {
        $port = Programs::freePort();
        $process = new Process([...$php, Programs::onPort(Programs::WORKERMAN_CLIENT, $port), 'start']);
        $process->waitFor('/^error: .*127\.0\.0\.1:' . $port . '.*\nconnection closed and try to reconnect$/m');
        $peer = new Process([self::PEER, $port]);
        $process->waitFor('/^tcp connected\nHTTP\/1\.1 101 Switching Protocols\r\n(.+\r\n)+\r\nrecv: hello$/m');
        $peer->waitFor('{^open /$}m');
        $peer->kill();
        $process->waitFor('/recv: hello\nconnection closed and try to reconnect$/m');
        $peer = new Process([self::PEER, $port]);
        $process->waitFor('/(recv: hello.*){2}/s');
        $process->signal(SIGTERM);
        self::assertSame(0, $process->wait());
        $peer->waitFor('/^close 1001 $/m');
        self::assertSame('', $process->errors);
    }

    public function testBesideAWorkerThatServes(): void
    {
        [$peer, $port] = Process::announcing(self::PEER);
        $process = new Process([__DIR__ . '/fixtures/workerman-relay.php', 'start'], ['UPSTREAM' => "ws://127.0.0.1:$port/room"]);
        $own = (int) $process->waitFor('{relay  websocket://127\.0\.0\.1:(\d+)  1 process$}m')[1];
        $clients = [new Client($own), new Client($own)];
        foreach ($clients as $i => $client) {
            $client->send("from $i");
            self::assertSame("relayed from $i", $client->text());
        }
        $clients[0]->send('close 4009 up');
        $process->waitFor('/^upstream closed CLOSED$/m');
        $clients[1]->send('kept'); // until it has connected again
        self::assertSame('relayed kept', $clients[1]->text());
        foreach (
            [
                'status' => 'ESTABLISHED',
                'address' => "127.0.0.1:$port 127.0.0.1 $port 127.0.0.1 /room",
                'binary' => 'relayed binary',
                'number' => 'relayed 42',
                'raw' => 'TcpConnection::send($data, true): raw bytes past the protocol is not in wspush yet',
                'pipe' => 'TcpConnection::pipe() is not in wspush yet',
                'ids' => 'true',
            ] as $question => $answer
        ) {
            $clients[1]->send("ask $question");
            self::assertSame($answer, $clients[1]->text(), $question);
        }
        $peer->waitFor('/^binary: 322062696e617279$/m');
        $clients[1]->send('ask refused');
        self::assertSame('refused 1 401', $clients[1]->text());
        self::assertSame('closed', $clients[1]->text());
        $process->signal(SIGTERM);
        self::assertSame(1001, $clients[0]->closeCode());
        self::assertSame(1001, $clients[1]->closeCode());
        self::assertSame(0, $process->wait());
        $peer->waitFor('/^close 1001 $/m');
        self::assertSame('', $process->errors);
        self::assertStringEndsWith("upstream closed CLOSED\nstop\n", $process->output);
    }

    public function testAServerThatTakesNothing(): void
    {
        [$standIn, $port] = Process::announcing(__DIR__ . '/fixtures/stand-in.php', 'late');
        $process = new Process([Programs::file(<<<PHP
            Workerman\\Worker::\$stopTimeout = 0.3; // the server will not say goodbye
            \$worker = new Workerman\\Worker();
            \$worker->onWorkerStart = function () {
                \$connection = new Workerman\\Connection\\AsyncTcpConnection('ws://127.0.0.1:$port/');
                \$connection->onBufferFull = function (\$connection) { echo "full\\n"; };
                \$connection->onBufferDrain = function (\$connection) { echo "drain\\n"; };
                \$connection->onError = function (\$connection, \$code, \$message) { echo "error \$code \$message\\n"; };
                \$connection->onConnect = function (\$connection) {
                    while (\$connection->send(str_repeat('x', 65536))) {
                    }
                    echo "refused\\n";
                };
                \$connection->connect();
            };
            Workerman\\Worker::runAll();
            PHP), 'start']);
        $process->waitFor('/^Running\. Ctrl-C stops\.$/m');
        $process->waitFor('/^full\nerror 2 send buffer full and drop package\nrefused$/m');
        fclose(Client::connect($port)); // from now on it reads
        $process->waitFor('/^drain$/m');
        $process->signal(SIGTERM);
        self::assertSame(0, $process->wait());
        self::assertSame('', $process->errors);
    }

    public function testWhatIsSentBeforeItIsOpen(): void
    {
        [$peer, $port] = Process::announcing(self::PEER);
        $process = $this->worker(<<<PHP
            \$connection = new Workerman\\Connection\\AsyncTcpConnection('ws://127.0.0.1:$port/');
            echo \$connection->getRemoteAddress(), "\\n";
            \$connection->onBufferFull = function () { echo "full\\n"; };
            \$connection->onBufferDrain = function () { echo "drain\\n"; };
            \$connection->onConnect = function () { echo "open\\n"; };
            \$connection->onError = function (\$connection, \$code) { echo \$code === \$connection::SEND_FAIL ? "refused\\n" : "?\\n"; };
            \$count = 0;
            \$connection->onMessage = function (\$connection, \$data) use (&\$count) {
                ++\$count;
                \$data === 'last' && print "\$count came\\n";
            };
            try {
                \$connection->send("\\xff");
            } catch (WsPush\\Exception \$exception) {
                echo \$exception->getCode() === WsPush\\Exception::UTF8 ? "bad text\\n" : "?\\n";
            }
            \$connection->websocketType = "\\x89";
            \$connection->send(str_repeat('too long a ping', 10));
            \$connection->websocketType = "\\x81";
            for (\$i = 0; \$i < 200000; ++\$i) {
                \$connection->send('x'); // each of which is seven bytes on its way
            }
            for (\$i = 0; \$i < 12; ++\$i) {
                \$connection->send(str_repeat('x', 65536));
            }
            \$connection->send('last');
            \$connection->send(str_repeat('x', 65536));
            \$connection->connect();
            PHP);
        $process->waitFor('/^200013 came$/m');
        self::assertMatchesRegularExpression("/^127\\.0\\.0\\.1:$port\\nbad text\\nfull\\nrefused\\n(drain\\n)*open\\n(drain\\n)*200013 came\\n/m", $process->output);
        self::assertStringContainsString("drain\n", $process->output);
        self::assertStringContainsString('a message sent before the connection was open is lost', $process->errors);
    }

    public function testAFullBufferIsFollowedByADrainedOne(): void
    {
        [$peer, $port] = Process::announcing(self::PEER);
        $process = $this->worker(<<<PHP
            \$connection = new Workerman\\Connection\\AsyncTcpConnection('ws://127.0.0.1:$port/');
            \$rounds = 0;
            \$fill = function (\$connection) use (&\$full) {
                for (\$full = false; !\$full;) {
                    \$connection->send(str_repeat('x', 65536));
                }
            };
            \$connection->onBufferFull = function () use (&\$full) { \$full = true; };
            \$connection->onBufferDrain = function (\$connection) use (&\$full, &\$rounds, \$fill) {
                if (\$full) {
                    echo 'round ', ++\$rounds, "\\n";
                    \$fill(\$connection);
                }
            };
            \$connection->onConnect = \$fill;
            \$connection->connect();
            PHP);
        $process->waitFor('/^round 20$/m');
        self::assertSame('', $process->errors);
    }

    public function testReConnectLeavesTheConnectionThatItHas(): void
    {
        [$peer, $port] = Process::announcing(self::PEER);
        $process = $this->worker(<<<PHP
            \$connection = new Workerman\\Connection\\AsyncTcpConnection('ws://127.0.0.1:$port/');
            \$opened = 0;
            \$connection->onConnect = function (\$connection) use (&\$opened) {
                ++\$opened < 3 ? \$connection->reConnect() : \$connection->send('here');
            };
            \$connection->onMessage = function (\$connection, \$data) { echo "\$data\\n"; };
            \$connection->onClose = function () { echo "close\\n"; };
            \$connection->connect();
            PHP);
        $process->waitFor('/^here$/m');
        $peer->waitFor('/(close 1000 .*){2}/s');
        self::assertStringNotContainsString('close', $process->output);
    }

    /** A process of a worker that serves nothing, alone, with this in its onWorkerStart. */
    private function worker(string $start): Process
    {
        $program = Programs::file("\$worker = new Workerman\\Worker();\n\$worker->onWorkerStart = function () {\n$start\n};\nWorkerman\\Worker::runAll();\n");

        return new Process(['-d', 'disable_functions=pcntl_fork', $program, 'start']);
    }

    public function testTimers(): void
    {
        $process = new Process([Programs::file(<<<'PHP'
            use Workerman\Timer;
            use Workerman\Worker;
            $worker = new Worker();
            $worker->onWorkerStart = function () {
                Timer::add(0.01, fn (string ...$words) => print implode(' ', $words) . "\n", ['once', 'only'], false);
                $gone = Timer::add(0.01, fn () => print "never\n");
                echo json_encode([Timer::del($gone), Timer::del($gone)]) . "\n";
                $count = 0;
                $timer = Timer::add(0.01, function () use (&$count, &$timer) {
                    echo 'tick ' . ++$count . "\n"; // in one piece: the master writes, too
                    if ($count === 3) {
                        Timer::del($timer);
                        Timer::add(0.05, fn () => Worker::stopAll(), null, false);
                    }
                    throw new \DomainException("on purpose $count");
                });
            };
            $worker->onWorkerStop = fn () => print "stop\n";
            Worker::runAll();
            PHP), 'start']);
        $process->waitFor('/^stop$/m');
        self::assertStringContainsString("[true,false]\n", $process->output);
        self::assertStringContainsString("once only\n", $process->output);
        self::assertStringNotContainsString('never', $process->output);
        self::assertSame(3, preg_match_all('/^tick \d$/m', $process->output));
        $process->waitFor('/on purpose 3/', true);
        $process->signal(SIGTERM);
        self::assertSame(0, $process->wait());
        $this->expectExceptionCode(Exception::STATE);
        \Workerman\Timer::add(1, fn () => null);
    }

    public function testWhatIsMissingSaysItsName(): void
    {
        foreach (
            [
                "the protocol 'tcp' of AsyncTcpConnection(\"tcp://x:1\") is not" => fn () => new AsyncTcpConnection('tcp://x:1'),
                'the context option "ssl" of AsyncTcpConnection is not' => fn () => new AsyncTcpConnection('ws://x:1', ['ssl' => []]),
                'TcpConnection::pipe() is not' => fn () => (new AsyncTcpConnection('ws://x:1'))->pipe(),
            ] as $message => $use
        ) {
            try {
                $use();
                self::fail("no exception: $message");
            } catch (Exception $exception) {
                self::assertSame(Exception::NOT_YET, $exception->getCode());
                self::assertStringContainsString($message, $exception->getMessage());
            }
        }
        $this->expectExceptionCode(Exception::STATE);
        (new AsyncTcpConnection('ws://127.0.0.1:1'))->connect();
    }
}
