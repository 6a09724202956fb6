<?php

declare(strict_types=1);

namespace WsPush\Tests;

use PHPUnit\Framework\TestCase;
use WsPush\Exception;
use WsPush\Workerman\CommandLine;
use WsPush\Workerman\Worker;

/** The façade with Workerman's names, and its processes. */
final class WorkermanTest extends TestCase
{
    public function testTheExampleIsTheProgramByteForByte(): void
    {
        $example = (string) file_get_contents(__DIR__ . '/../examples/workerman-hello.php');
        self::assertSame("<?php\n\nrequire __DIR__ . '/../autoload.php';\n\n" . Programs::WORKERMAN, $example);
    }

    public function testTheProgramRunsAsItStands(): void
    {
        $port = Programs::freePort();
        $process = self::started(Programs::onPort(Programs::WORKERMAN, $port));
        self::assertStringContainsString("none  websocket://127.0.0.1:$port  4 processes", $process->output);
        self::assertCount(4, $process->children());
        for ($i = 0; $i < 12; ++$i) {
            $client = new Client($port);
            $client->send("world $i");
            self::assertSame("hello world $i", $client->text());
        }
        $process->signal(SIGTERM);
        self::assertSame(1001, $client->closeCode());
        self::assertSame(0, $process->wait(), 'and so have all its processes ended');
        self::assertSame('', $process->errors);
    }

    public function testCtrlCStopsThemAll(): void
    {
        $port = Programs::freePort();
        $process = self::started(Programs::onPort(Programs::WORKERMAN, $port));
        $client = new Client($port);
        // A terminal sends SIGINT to the workers too.
        foreach ([...$process->children(), $process->pid] as $pid) {
            posix_kill($pid, SIGINT);
        }
        self::assertSame(1001, $client->closeCode());
        self::assertSame(0, $process->wait());
    }

    public function testAWorkerThatIsKilledIsReplaced(): void
    {
        $port = Programs::freePort();
        $process = self::started(Programs::onPort(Programs::WORKERMAN, $port));
        $first = $process->children();
        foreach ($first as $pid) {
            posix_kill($pid, SIGKILL);
        }
        foreach ($first as $pid) {
            $process->waitFor("/process $pid\\) was killed by signal 9; a new one starts in 0\\.25 s/", true);
        }
        $client = Programs::client($port);
        $client->send('again');
        self::assertSame('hello again', $client->text());
        self::assertSame([], array_intersect($first, $process->children()));
        $client->close();
        $process->signal(SIGTERM);
        self::assertSame(0, $process->wait());
    }

    public function testWorkersDoNotOutliveTheirMaster(): void
    {
        $port = Programs::freePort();
        $script = Programs::onPort(Programs::WORKERMAN, $port);
        $process = self::started($script);
        $client = new Client($port);
        $process->kill(); // and waits for the end of everyone who holds its output: the workers
        $client->waitForEnd();
        $process = self::started($script);
        $client = new Client($port);
        $client->send('world');
        self::assertSame('hello world', $client->text());
        $client->close();
        $process->signal(SIGTERM);
        self::assertSame(0, $process->wait());
    }

    public function testATakenAddressIsNamedAndNothingStarts(): void
    {
        $port = Programs::freePort();
        $script = Programs::onPort(Programs::WORKERMAN, $port);
        $first = self::started($script);
        $second = new Process([$script, 'start']);
        self::assertSame(255, $second->wait());
        self::assertMatchesRegularExpression("/websocket:\\/\\/127\\.0\\.0\\.1:$port: Address already in use/", $second->errors);
        self::assertSame('', $second->output);
        $client = new Client($port);
        $client->send('world');
        self::assertSame('hello world', $client->text());
        $client->close();
        $first->signal(SIGTERM);
        self::assertSame(0, $first->wait());
    }

    public function testTheConnection(): void
    {
        $process = self::started(__DIR__ . '/fixtures/workerman.php');
        $port = (int) $process->waitFor('{any  websocket://127\.0\.0\.1:(\d+)  1 process$}m')[1];
        $client = new Client($port, '/x?token=t', ['Origin' => 'http://example.test']);
        self::assertSame('connect 1', $client->text());
        self::assertSame('upgrade /x t http://example.test GET /x?token=t HTTP/1.1', $client->text());
        foreach (
            [
                'ip' => '127.0.0.1',
                'local' => "127.0.0.1 $port 127.0.0.1:$port",
                'own' => 'set in onConnect',
                'count' => '1',
                'status' => 'ESTABLISHED',
                'number' => '42',
                'raw' => 'TcpConnection::send($data, true): raw bytes past the protocol is not in wspush yet',
                'array' => 'send: a array cannot be sent; make it a string',
                'buffer' => 'TcpConnection::$maxSendBufferSize is not in wspush yet',
            ] as $question => $answer
        ) {
            $client->send($question);
            self::assertSame($answer, $client->text(), $question);
        }
        $client->send('binary');
        self::assertSame([Client::BINARY, "\0\xff"], $client->receive());
        $client->send('bye');
        self::assertSame('so long', $client->text());
        self::assertSame(1000, $client->closeCode());
        $process->waitFor('/^close 1, 0 left, CLOSED$/m');

        $client = new Client($port);
        $client->text();
        $client->text();
        $client->send('destroy');
        $client->waitForEnd();
        $process->waitFor('/^close 2, 0 left/m');

        $process->signal(SIGTERM);
        self::assertSame(0, $process->wait());
        self::assertMatchesRegularExpression("/^start 0\$.*^stop 0\$.*^master stop\$/ms", $process->output);
    }

    public function testAClientThatIsSlowAndOneThatIsPaused(): void
    {
        $process = self::started(__DIR__ . '/fixtures/workerman.php');
        $port = (int) $process->waitFor('{any  websocket://127\.0\.0\.1:(\d+)  1 process$}m')[1];
        [$client, $other] = [new Client($port), new Client($port)];
        foreach ([$client, $client, $other, $other] as $each) {
            $each->text();
        }
        foreach ([1, 2] as $time) {
            $client->send('flood');
            $pattern = "/(?:full 1\n(?:drain 1\n)*error 2 send buffer full and drop package\nflooded (\\d+)\n.*){{$time}}/s";
            $count = (int) $process->waitFor($pattern)[1];
            self::assertGreaterThanOrEqual(16, $count);
            for (; $count > 0; --$count) {
                self::assertSame(65536, strlen($client->text()));
            }
            $process->waitFor("/(?:full 1.*drain 1\n){{$time}}/s");
        }
        $client->send('pause');
        self::assertSame('paused', $client->text());
        $client->send('count');
        $other->send('count');
        self::assertSame('2', $other->text());
        self::assertFalse($client->isReadable());
        $other->send('resume');
        self::assertSame('2', $client->text());
    }

    public function testSeveralWorkersInOneProgram(): void
    {
        [$one, $two] = [Programs::freePort(), Programs::freePort()];
        $process = self::started(Programs::file(<<<PHP
            foreach ([$one => 'one', $two => 'two'] as \$port => \$name) {
                \$worker = new Workerman\Worker("websocket://127.0.0.1:\$port");
                \$worker->name = \$name;
                \$worker->onMessage = fn (\$connection, \$data) => \$connection->send("\$name \$data");
            }
            Workerman\Worker::runAll();
            PHP));
        foreach ([$one => 'one', $two => 'two'] as $port => $name) {
            $client = new Client($port);
            $client->send('x');
            self::assertSame("$name x", $client->text());
            $client->close();
        }
        $process->signal(SIGTERM);
        self::assertSame(0, $process->wait());
    }

    public function testAWorkerThatHangsIsKilledInTheEnd(): void
    {
        $process = self::started(Programs::file(<<<'PHP'
            Workerman\Worker::$stopTimeout = 0.3;
            $worker = new Workerman\Worker('websocket://127.0.0.1:0');
            $worker->onMessage = function () { echo "hanging\n"; while (true) { @time_nanosleep(60, 0); } };
            Workerman\Worker::runAll();
            PHP));
        $client = new Client((int) $process->waitFor('{:(\d+)  1 process$}m')[1]);
        $client->send('x');
        $process->waitFor('/^hanging$/m');
        $process->signal(SIGTERM);
        self::assertSame(0, $process->wait());
    }

    public function testWhenNoWorkerComesUpTheMasterGivesUp(): void
    {
        $process = new Process([Programs::file(<<<'PHP'
            $worker = new Workerman\Worker('websocket://127.0.0.1:0', ['socket' => ['backlog' => -5]]);
            Workerman\Worker::runAll();
            PHP), 'start']);
        self::assertSame(1, $process->wait());
        self::assertStringContainsString('backlog', $process->errors);
    }

    public function testWithoutPcntlOneProcessServes(): void
    {
        $port = Programs::freePort();
        $process = new Process(['-d', 'disable_functions=pcntl_fork', Programs::onPort(Programs::WORKERMAN, $port), 'start']);
        $client = Programs::client($port);
        $client->send('world');
        self::assertSame('hello world', $client->text());
        $process->signal(SIGTERM);
        self::assertSame(1001, $client->closeCode());
        self::assertSame(0, $process->wait());
    }

    /** @return iterable<string, array{list<string>, string}> */
    public static function commands(): iterable
    {
        yield 'nothing' => [[], '/^Usage: php .* start$/m'];
        yield 'nonsense' => [['strat'], '/^Usage: php .* start$/m'];
        foreach (['stop', 'restart', 'reload', 'status', 'connections'] as $command) {
            yield $command => [[$command], "/ $command` is not in wspush yet/"];
        }
        yield 'daemon' => [['start', '-d'], '/ start -d` is not in wspush yet/'];
    }

    /**
     * @dataProvider commands
     *
     * @param list<string> $words
     */
    #[\PHPUnit\Framework\Attributes\DataProvider('commands')]
    public function testOtherCommandsSaySo(array $words, string $pattern): void
    {
        self::assertMatchesRegularExpression($pattern, (string) CommandLine::complaint(['/a/hello.php', ...$words]));
        self::assertNull(CommandLine::complaint(['hello.php', 'start']));
    }

    public function testACommandThatIsMissingEndsWithOne(): void
    {
        $process = new Process([__DIR__ . '/../examples/workerman-hello.php', 'stop']);
        self::assertSame(1, $process->wait());
        self::assertSame('', $process->output);
        self::assertStringContainsString('`workerman-hello.php stop` is not in wspush yet', $process->errors);
    }

    public function testWhatIsMissingSaysItsName(): void
    {
        self::missing("the protocol 'http' of Worker(\"http://0.0.0.0:80\") is not", fn () => new Worker('http://0.0.0.0:80'));
        self::missing('Worker::safeEcho() is not', fn () => Worker::safeEcho('x'));
        self::missing('TLS (the context option "ssl") is not', fn () => new Worker('websocket://0.0.0.0:443', ['ssl' => []]));
        $worker = new Worker('websocket://[::1]:1');
        self::assertSame('websocket://[::1]:1', $worker->getSocketName());
        self::assertSame('::1', $worker->getHost());
        self::missing('Worker::listen() is not', fn () => $worker->listen());
        self::missing('Worker::$onWebSocketClose is not', fn () => $worker->onWebSocketClose = 'strlen');
    }

    private static function missing(string $message, callable $use): void
    {
        try {
            $use();
            self::fail("no exception: $message");
        } catch (Exception $exception) {
            self::assertSame(Exception::NOT_YET, $exception->getCode());
            self::assertStringContainsString($message, $exception->getMessage());
        }
    }

    private static function started(string $script): Process
    {
        $process = new Process([$script, 'start']);
        $process->waitFor('/^Listening\. Ctrl-C stops\.$/m');

        return $process;
    }
}
