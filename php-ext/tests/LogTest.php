<?php

declare(strict_types=1);

namespace WsPush\Tests;

use PHPUnit\Framework\TestCase;
use WsPush\Exception;
use WsPush\Server;

/** What is logged, and by whom: loggers of PSR-3, callables with and without a level. */
final class LogTest extends TestCase
{
    /** @var list<array{string, string, array<string, mixed>}> level, message, context */
    private array $log = [];

    /** A logger as PSR-3 has it, without the package: `log` alone is called. */
    private function psr(): object
    {
        return new class (function (mixed $level, string|\Stringable $message, array $context): void {
            $this->log[] = [(string) $level, (string) $message, $context];
        }) {
            public function __construct(private readonly \Closure $keep)
            {
            }

            /** @param array<string, mixed> $context */
            public function log(mixed $level, string|\Stringable $message, array $context = []): void
            {
                ($this->keep)($level, $message, $context);
            }
        };
    }

    public function testALoggerOfPsr3GetsWhatTheEngineSays(): void
    {
        $server = $this->server(['log_level' => 'debug']);
        $server->setLogger($this->psr());
        $server->start();
        $port = $server->port();
        $this->pollUntil($server, 'notice', "wspush: listening on 127.0.0.1:$port");
        $nonsense = $this->connect($port);
        fwrite($nonsense, "nonsense\r\n\r\n");
        $this->pollUntil($server, 'info', 'refused with 400 Bad Request: ');
        $client = new Client($port, '/chat');
        $this->pollUntil($server, 'debug', ': opened at /chat for 127.0.0.1');
        $client->send(pack('n', 1000), Client::CLOSE); // answered when the next poll comes
        $this->pollUntil($server, 'debug', ': closed with 1000 ');
        $server->stop(0);
        $this->pollUntil($server, 'notice', 'wspush: stopping within 0 ms; connections that are there: ');
        $this->pollUntil($server, 'notice', 'wspush: stopped');
    }

    public function testTheContextTellsOfTheHandlerThatThrew(): void
    {
        $server = $this->server();
        $server->setLogger($this->psr());
        $thrown = new \DomainException('on purpose');
        $server->on('open', fn () => throw $thrown);
        $server->start();
        $client = new Client($server->port());
        [, $message, $context] = $this->pollUntil($server, 'error', 'open handler');
        self::assertStringContainsString('on purpose', $message);
        self::assertSame(['exception' => $thrown, 'event' => 'open', 'connection' => 1], $context);
        $server->log('mine', 'warning', ['a' => 1]);
        self::assertSame(['warning', 'mine', ['a' => 1]], end($this->log));
        $client->drop();
    }

    public function testACallableGetsAsMuchAsItTakes(): void
    {
        $lines = [];
        $callables = [
            'alone' => function (string $line) use (&$lines): void {
                $lines[] = $line;
            },
            'with its level' => function (string $line, string $level) use (&$lines): void {
                $lines[] = "$level: $line";
            },
            'with all' => function (mixed ...$all) use (&$lines): void {
                $lines[] = implode(' ', array_map(json_encode(...), $all));
            },
        ];
        $expected = [
            'alone' => ['mine'],
            'with its level' => ['notice: wspush: listening', 'notice: wspush: stopping', 'notice: wspush: stopped', 'error: mine'],
            'with all' => ['"wspush: listening', '"wspush: stopping', '"wspush: stopped', '"mine" "error" []'],
        ];
        foreach ($callables as $name => $callable) {
            $lines = [];
            $server = $this->server();
            $server->setLogger($callable);
            $server->start();
            $server->stop(0);
            while ($server->isRunning()) {
                $server->poll(1000);
            }
            $server->log('mine');
            self::assertCount(count($expected[$name]), $lines, $name);
            foreach ($expected[$name] as $index => $start) {
                self::assertStringStartsWith($start, $lines[$index], $name);
            }
        }
    }

    public function testTheOptionDecides(): void
    {
        foreach (['on' => 3, 'off' => 0] as $value => $count) {
            $lines = [];
            $server = $this->server(['log_events' => $value]);
            $value === 'off' ? $server->setLogger($this->psr()) : $server->setLogger(function (string $line) use (&$lines): void {
                $lines[] = $line;
            });
            $server->start();
            $server->stop(0);
            while ($server->isRunning()) {
                $server->poll(1000);
            }
            self::assertCount($count, $lines);
            self::assertSame([], $this->log);
        }
    }

    public function testFunctionsOfPhpGetTheMessageAlone(): void
    {
        $sink = (string) tempnam(sys_get_temp_dir(), 'wspush');
        $before = (string) ini_set('error_log', $sink);
        try {
            $server = $this->server();
            $server->setLogger('error_log');
            $server->log('a line'); // with a level behind it, error_log would take that for a type
            self::assertStringContainsString('a line', (string) file_get_contents($sink));
        } finally {
            ini_set('error_log', $before);
            unlink($sink);
        }
    }

    public function testWhatIsNoLoggerIsRefused(): void
    {
        $this->expectException(Exception::class);
        $this->expectExceptionCode(Exception::ARGUMENT);
        $this->server()->setLogger(new \stdClass());
    }

    /** @param array<string, string> $options */
    private function server(array $options = []): Server
    {
        $this->log = [];

        return (new Server($options))->listen();
    }

    /** @return resource */
    private function connect(int $port)
    {
        $stream = stream_socket_client("tcp://127.0.0.1:$port", $code, $message, 10);
        self::assertNotFalse($stream, $message);

        return $stream;
    }

    /**
     * Polls until something of this level with this text in it is logged.
     *
     * @return array{string, string, array<string, mixed>}
     */
    private function pollUntil(Server $server, string $level, string $text): array
    {
        $end = microtime(true) + 10;
        for ($next = 0; ; $server->poll(100)) {
            for (; $next < count($this->log); ++$next) {
                if (str_contains($this->log[$next][1], $text)) {
                    self::assertSame($level, $this->log[$next][0]);

                    return $this->log[$next];
                }
            }
            self::assertLessThan($end, microtime(true), "\"$text\" is not in " . json_encode($this->log));
        }
    }
}
