<?php

declare(strict_types=1);

namespace WsPush\Tests;

use PHPUnit\Framework\TestCase;

/** The example programs, run as a user runs them. */
final class ExamplesTest extends TestCase
{
    private const EXAMPLES = __DIR__ . '/../examples';

    /** @return iterable<string, array{int, string}> */
    public static function messages(): iterable
    {
        yield 'text' => [Client::TEXT, 'Grüße, 世界 🌍'];
        yield 'empty text' => [Client::TEXT, ''];
        yield 'empty binary' => [Client::BINARY, ''];
        yield 'binary' => [Client::BINARY, "\0\xff\x80\0"];
        yield '125 bytes' => [Client::TEXT, str_repeat('a', 125)];
        yield '126 bytes' => [Client::TEXT, str_repeat('b', 126)];
        yield '64 KiB and one' => [Client::BINARY, str_repeat("\xfe", 65537)];
        yield '1 MiB' => [Client::TEXT, str_repeat('0123456789abcdef', 65536)];
        yield '5 MiB' => [Client::BINARY, str_repeat(random_bytes(1024), 5120)];
    }

    public function testEchoSendsEachMessageBackAsItCame(): void
    {
        [$process, $port] = Process::announcing(self::EXAMPLES . '/echo.php', '0');
        $client = new Client($port);
        foreach (self::messages() as $name => [$opcode, $data]) {
            $client->send($data, $opcode);
            [$backOpcode, $back] = $client->receive();
            self::assertSame($opcode, $backOpcode, $name);
            self::assertTrue($data === $back, "$name: " . strlen($back) . ' bytes came back');
        }
        $client->close();
        self::assertSame('', $process->errors);
    }

    public function testEchoKeepsTheOrderOfMessagesInFlight(): void
    {
        [$process, $port] = Process::announcing(self::EXAMPLES . '/echo.php', '0');
        $client = new Client($port);
        for ($i = 0; $i < 1000; ++$i) {
            $client->send("message $i");
        }
        for ($i = 0; $i < 1000; ++$i) {
            self::assertSame("message $i", $client->text());
        }
    }

    public function testEchoWithoutAPortSaysHowItIsUsed(): void
    {
        $process = new Process([self::EXAMPLES . '/echo.php']);
        self::assertSame(2, $process->wait());
        self::assertStringContainsString('usage: php echo.php PORT', $process->errors);
    }

    public function testTheClientSendsLinesAndPrintsWhatComesBack(): void
    {
        [$server, $port] = Process::announcing(self::EXAMPLES . '/echo.php', '0');
        $command = [PHP_BINARY, self::EXAMPLES . '/client.php', "ws://127.0.0.1:$port/"];
        $process = proc_open($command, [['pipe', 'r'], ['pipe', 'w'], ['pipe', 'w']], $pipes);
        self::assertIsResource($process);
        stream_set_timeout($pipes[1], 20);
        fwrite($pipes[0], "eins\n\xff\nzwei\n");
        self::assertSame("eins\n", fgets($pipes[1]));
        self::assertSame("zwei\n", fgets($pipes[1]));
        fclose($pipes[0]);
        self::assertSame('', stream_get_contents($pipes[1]));
        $errors = (string) stream_get_contents($pipes[2]);
        self::assertMatchesRegularExpression('/^.*UTF-8.*\nclosed with 1000 \n$/D', $errors, 'a line that is no text costs no other');
        self::assertSame(0, proc_close($process));

        $process = new Process([self::EXAMPLES . '/client.php', 'ws://127.0.0.1:' . Programs::freePort()]);
        self::assertSame(1, $process->wait());
        self::assertStringContainsString('refused', $process->errors);
    }

    public function testTheChatPageIsServedByTheSameProcess(): void
    {
        [$process, $port] = Process::announcing(self::EXAMPLES . '/chat.php', '0');
        $response = Client::http($port, '/');
        self::assertStringStartsWith('HTTP/1.1 200 ', $response);
        foreach (['name', 'join', 'input', 'send', 'messages', 'online'] as $id) {
            self::assertStringContainsString("id=\"$id\"", $response);
        }
        self::assertStringNotContainsString('innerHTML', $response);
        self::assertStringStartsWith('HTTP/1.1 404 ', Client::http($port, '/other'));
    }

    public function testTheChatTellsEveryoneWhatIsSaid(): void
    {
        [$process, $port] = Process::announcing(self::EXAMPLES . '/chat.php', '0');
        $ada = new Client($port, '/chat');
        $ada->send('{"type": "join", "name": "Ada"}');
        self::assertSame(['welcome', 'Ada', 1], self::told($ada, 'type', 'name', 'online'));
        $bob = new Client($port, '/chat');
        $bob->send('nonsense');
        $bob->send('{"type": "say", "text": "before joining"}');
        $bob->send('{"type": "join", "name": "  Bob\u0007 "}');
        self::assertSame(['welcome', 'Bob', 2], self::told($bob, 'type', 'name', 'online'));
        self::assertSame(['join', 'Bob', 2], self::told($ada, 'type', 'name', 'online'));
        $bob->send('{"type": "say", "text": "<b>hello</b> 🌍"}');
        self::assertSame(['say', 'Bob', '<b>hello</b> 🌍'], self::told($ada, 'type', 'name', 'text'));
        self::assertSame(['say', 'Bob', '<b>hello</b> 🌍'], self::told($bob, 'type', 'name', 'text'));
        $bob->drop();
        self::assertSame(['leave', 'Bob', 1], self::told($ada, 'type', 'name', 'online'));
    }

    /** @return list<mixed> */
    private static function told(Client $client, string ...$keys): array
    {
        $message = json_decode($client->text(), true, 512, JSON_THROW_ON_ERROR);

        return array_map(static fn (string $key) => is_array($message) ? $message[$key] : null, array_values($keys));
    }
}
