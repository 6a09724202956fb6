<?php

declare(strict_types=1);

namespace WsPush\Tests;

use PHPUnit\Framework\TestCase;
use WsPush\Server;

/** Stopping, by signal and by force. */
final class SignalsTest extends TestCase
{
    private const ECHO = __DIR__ . '/../examples/echo.php';

    /** @return iterable<string, array{int}> */
    public static function signals(): iterable
    {
        yield 'SIGTERM' => [SIGTERM];
        yield 'SIGINT' => [SIGINT];
        yield 'SIGQUIT' => [SIGQUIT];
    }

    /**
     * @dataProvider signals
     */
    #[\PHPUnit\Framework\Attributes\DataProvider('signals')]
    public function testASignalStopsCleanly(int $signal): void
    {
        [$process, $port] = Process::announcing(self::ECHO, '0');
        $client = new Client($port);
        $client->send('hello');
        self::assertSame('hello', $client->text());
        $process->signal($signal);
        self::assertSame(1001, $client->closeCode());
        self::assertSame(0, $process->wait());
        self::assertSame('', $process->errors);
    }

    public function testASignalDuringAHandlerLetsItFinish(): void
    {
        [$process, $port] = Process::announcing(__DIR__ . '/fixtures/busy.php');
        $client = new Client($port);
        $client->send('work');
        $process->waitFor('/^working$/m');
        $process->signal(SIGTERM);
        self::assertSame('done', $client->text());
        self::assertSame(1001, $client->closeCode());
        self::assertSame(0, $process->wait());
        self::assertSame("listening on 127.0.0.1:$port\nworking\nclosed 1\nstopped\n", $process->output);
    }

    public function testKilledAndStartedAgainOnTheSamePort(): void
    {
        [$process, $port] = Process::announcing(self::ECHO, '0');
        $client = new Client($port);
        $client->send('hello');
        $client->text();
        $process->kill();
        [$process, $again] = Process::announcing(self::ECHO, (string) $port);
        self::assertSame($port, $again);
        $client = new Client($port);
        $client->send('again');
        self::assertSame('again', $client->text());
    }

    public function testEarlierHandlersAreBackAfterTheRun(): void
    {
        $mine = static function (): void {
        };
        pcntl_signal(SIGTERM, $mine);
        try {
            $server = new Server();
            $server->listen();
            $during = null;
            $server->on('start', function (Server $server) use (&$during): void {
                $during = pcntl_signal_get_handler(SIGTERM);
                $server->stop();
            });
            $server->run();
            self::assertNotSame($mine, $during);
            self::assertSame($mine, pcntl_signal_get_handler(SIGTERM));
            self::assertSame(SIG_DFL, pcntl_signal_get_handler(SIGINT));
        } finally {
            pcntl_signal(SIGTERM, SIG_DFL);
        }
    }

    public function testAForkOfARunningServerIsRefusedAndHarmsNothing(): void
    {
        $process = new Process([Programs::file(<<<'PHP'
            $server = new WsPush\Server();
            $server->listen();
            $server->on('start', fn ($server) => print "listening on 127.0.0.1:{$server->port()}\n");
            $server->on('message', function ($server, int $conn, string $data): void {
                if ($data === 'fork' && pcntl_fork() === 0) {
                    try {
                        $server->push($conn, 'from the child');
                    } catch (WsPush\Exception $exception) {
                        echo $exception->getCode() === WsPush\Exception::FORKED ? "forked\n" : "$exception\n";
                    }
                    exit(0); // and with it the destructor of the parent's server
                }
                $server->push($conn, "echo $data");
            });
            $server->run();
            PHP)]);
        $client = new Client((int) $process->waitFor('/^listening on \S*:(\d+)$/m')[1]);
        $client->send('fork');
        self::assertSame('echo fork', $client->text());
        $process->waitFor('/^forked$/m');
        $client->send('after');
        self::assertSame('echo after', $client->text());
    }

    public function testItServesWithoutPcntl(): void
    {
        $process = new Process(['-d', 'disable_functions=pcntl_signal,pcntl_fork', self::ECHO, 0]);
        $client = new Client((int) $process->waitFor('/^listening on \S*:(\d+)$/m')[1]);
        $client->send('hello');
        self::assertSame('hello', $client->text());
        $process->signal(SIGTERM);
        self::assertNotSame(0, $process->wait(), 'the signal does what it always does');
    }

    public function testIdleCostsNoMeasurableTime(): void
    {
        [$process, $port] = Process::announcing(self::ECHO, '0');
        $client = new Client($port);
        $client->send('warm');
        $client->text();
        $before = self::ticks($process->pid);
        self::assertTrue($client->isQuietFor(2));
        self::assertLessThanOrEqual(1, self::ticks($process->pid) - $before, 'ticks of 10 ms in 2 s');
    }

    private static function ticks(int $pid): int
    {
        $stat = (string) file_get_contents("/proc/$pid/stat");
        $fields = explode(' ', substr($stat, (int) strrpos($stat, ')') + 2));

        return (int) $fields[11] + (int) $fields[12];
    }
}
