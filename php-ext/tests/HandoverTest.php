<?php

declare(strict_types=1);

namespace WsPush\Tests;

use PHPUnit\Framework\TestCase;
use WsPush\Exception;
use WsPush\Server;

/** A restart with a socket that outlives the server: nobody is refused. */
final class HandoverTest extends TestCase
{
    private const ECHO = [__DIR__ . '/../examples/echo.php', '0', 'fd:3'];
    private const ACTIVATED = [__DIR__ . '/fixtures/activated.php'];

    /** @return iterable<string, array{list<string>}> */
    public static function servers(): iterable
    {
        yield 'fd:3' => [self::ECHO];
        yield 'systemd:' => [self::ACTIVATED];
    }

    /**
     * @param list<string> $program
     *
     * @dataProvider servers
     */
    #[\PHPUnit\Framework\Attributes\DataProvider('servers')]
    public function testARestartRefusesNobody(array $program): void
    {
        $socket = stream_socket_server('tcp://127.0.0.1:0');
        self::assertIsResource($socket);
        $port = (int) substr((string) strrchr((string) stream_socket_get_name($socket, false), ':'), 1);
        $server = new Process($program, [], [3 => $socket]);
        $server->waitFor('/^listening on .*\b' . $port . '$/m');
        $echoes = 0;
        for ($round = 0; $round < 3; ++$round) {
            $before = new Client($port);
            $before->send('before');
            self::assertSame('before', $before->text());
            $server->signal(SIGTERM);
            $successor = new Process($program, [], [3 => $socket]);
            for ($i = 0; $i < 20; ++$i) {
                $client = new Client($port); // one of the two takes it, now or in a moment
                $client->send('meanwhile');
                [$opcode, $payload] = $client->receive();
                self::assertContains([$opcode, $payload], [[Client::TEXT, 'meanwhile'], [Client::CLOSE, "\x03\xe9server stops"]]);
                $echoes += (int) ($opcode === Client::TEXT);
                $client->drop();
            }
            self::assertSame(1001, $before->closeCode());
            self::assertSame(0, $server->wait());
            self::assertSame('', $server->errors);
            $server = $successor;
        }
        self::assertGreaterThan(0, $echoes);
        $server->waitFor('/^listening/m');
        $server->signal(SIGTERM);
        self::assertSame(0, $server->wait());
    }

    public function testWhatIsNoListeningSocketIsRefused(): void
    {
        foreach (['fd:x', 'fd:-3', 'systemd:'] as $address) {
            try {
                (new Server())->listen($address);
                self::fail("$address was taken");
            } catch (Exception $exception) {
                self::assertSame(Exception::ADDRESS, $exception->getCode());
                self::assertStringContainsString($address, $exception->getMessage());
            }
        }
        $server = (new Server())->listen('fd:1');
        $this->expectExceptionCode(Exception::ADDRESS);
        $server->start();
    }
}
