<?php

declare(strict_types=1);

namespace WsPush\Tests;

use PHPUnit\Framework\TestCase;
use WsPush\Client as PushClient;
use WsPush\ClosedException;
use WsPush\CloseCause;
use WsPush\ConnectException;
use WsPush\Exception;
use WsPush\UpgradeResponse;

/** WsPush\Client as a script uses it, which waits: against a server of ours in another process. */
final class ClientTest extends TestCase
{
    private const PEER = __DIR__ . '/fixtures/peer.php';

    public function testMessagesComeBackAsTheyWent(): void
    {
        [$peer, $port] = Process::announcing(self::PEER);
        $client = new PushClient("ws://127.0.0.1:$port/", ['max_message_size' => '64M', 'max_queued_bytes' => '64M']);
        self::assertFalse($client->isOpen());
        self::assertSame(101, $client->connect(10)->status);
        self::assertTrue($client->isOpen());
        foreach (ExamplesTest::messages() as $name => [$opcode, $data]) {
            $opcode === PushClient::TEXT ? $client->send($data) : $client->sendBinary($data);
            $message = $client->receive(10);
            self::assertNotNull($message, $name);
            self::assertSame($opcode, $message->opcode, $name);
            self::assertTrue($data === $message->data, "$name: " . strlen($message->data) . ' bytes came back');
            self::assertSame($opcode === PushClient::TEXT, $message->isText());
            self::assertSame($opcode === PushClient::BINARY, $message->isBinary());
        }
        $client->close(4002, 'enough');
        self::assertFalse($client->isOpen());
        self::assertFalse($client->isRunning());
        $peer->waitFor('/^close 4002 enough$/m');
    }

    public function testTheyComeInOrderHoweverTheyAreTaken(): void
    {
        [$peer, $port] = Process::announcing(self::PEER);
        $client = new PushClient("ws://localhost:$port");
        $client->connect(10);
        for ($i = 0; $i < 3000; ++$i) {
            $client->send("message $i");
        }
        for ($i = 0; $i < 3000; ++$i) {
            self::assertSame("message $i", (string) $client->receive(10));
        }
        self::assertNull($client->receive(0));
        self::assertNull($client->receive(0.02));
    }

    public function testTheRequestAndTheResponse(): void
    {
        [$peer, $port] = Process::announcing(self::PEER);
        $client = new PushClient(
            "ws://ada:p%40ss@127.0.0.1:$port/request?room=1",
            [
                'subprotocols' => ['v1.desk', 'v3.desk'],
                'origin' => 'https://desk.example',
                'cookie' => 'sid=abc; lang=en',
                'user_agent' => 'desk/1',
            ],
            ['X-One' => 1, 'X-Many' => ['2', '3']],
        );
        self::assertNull($client->response());
        $response = $client->connect(10);
        self::assertSame($response, $client->response());
        self::assertSame('v1.desk', $response->subprotocol);
        self::assertSame('peer', $response->header('X-From'));
        self::assertSame('peer', $response->headers['x-from']);
        self::assertNull($response->header('X-Other'));
        self::assertSame(['a=1; Path=/', 'b=2'], $response->cookies);
        self::assertSame('127.0.0.1', $response->remoteAddress);
        self::assertSame($port, $response->remotePort);
        $request = json_decode((string) $client->receive(10), true);
        self::assertIsArray($request);
        self::assertSame('/request?room=1', $request['target']);
        self::assertSame('v1.desk', $request['subprotocol']);
        self::assertSame(['sid' => 'abc', 'lang' => 'en'], $request['cookies']);
        $headers = $request['headers'];
        self::assertSame('Basic ' . base64_encode('ada:p@ss'), $headers['authorization']);
        self::assertSame('https://desk.example', $headers['origin']);
        self::assertSame('desk/1', $headers['user-agent']);
        self::assertSame('1', $headers['x-one']);
        self::assertSame('2, 3', $headers['x-many']);
        self::assertSame("127.0.0.1:$port", $headers['host']);
    }

    public function testAUnixSocket(): void
    {
        $path = sys_get_temp_dir() . '/wspush-' . bin2hex(random_bytes(8)) . '.sock';
        $process = new Process([__DIR__ . '/../examples/echo.php', '0', "unix:$path"]);
        $process->waitFor('/^listening/m');
        $client = new PushClient("unix:$path");
        self::assertSame('unix', $client->connect(10)->remoteAddress);
        $client->send('through a file');
        self::assertSame('through a file', $client->receive(10)?->data);
        $client->close();
    }

    public function testAnIterationEndsWithTheConnection(): void
    {
        [$peer, $port] = Process::announcing(self::PEER);
        $client = new PushClient("ws://127.0.0.1:$port/");
        $client->connect(10);
        $client->send('count 5');
        $client->send('close 1000 done');
        $taken = [];
        foreach ($client as $message) {
            $taken[] = $message->data;
        }
        self::assertSame(['1', '2', '3', '4', '5'], $taken);
        self::assertFalse($client->isRunning());
        try {
            $client->receive();
            self::fail('received');
        } catch (ClosedException $closed) {
            self::assertTrue($closed->isClean());
            self::assertSame([1000, 'done', Exception::CLOSED], [$closed->closeCode, $closed->reason, $closed->getCode()]);
        }
    }

    public function testAnIterationThatWasCutShortSaysSo(): void
    {
        [$peer, $port] = Process::announcing(self::PEER);
        foreach (['drop' => [1006, ''], 'close 4007 full' => [4007, 'full']] as $question => $answer) {
            $client = new PushClient("ws://127.0.0.1:$port/");
            $client->connect(10);
            $client->send('before');
            self::assertSame('before', (string) $client->receive(10));
            $client->send($question);
            try {
                foreach ($client as $message) {
                    self::fail("received $message");
                }
                self::fail("$question: ended quietly");
            } catch (ClosedException $closed) {
                self::assertFalse($closed->isClean());
                self::assertSame($answer, [$closed->closeCode, $closed->reason]);
            }
            try {
                $client->send('after');
                self::fail('sent');
            } catch (ClosedException $closed) {
                self::assertSame($answer, [$closed->closeCode, $closed->reason]);
                self::assertStringContainsString((string) $answer[0], $closed->getMessage());
            }
            self::assertFalse($client->push('after'));
            self::assertFalse($client->ping());
            $client->close(); // which does no harm
        }
    }

    public function testWhatCameBeforeTheCloseIsReceivedAfterIt(): void
    {
        [$peer, $port] = Process::announcing(self::PEER);
        $client = new PushClient("ws://127.0.0.1:$port/bye");
        $client->connect(10);
        self::assertSame('hello', (string) $client->receive(10));
        try {
            $client->receive(10);
            self::fail('received');
        } catch (ClosedException $closed) {
            self::assertStringContainsString('4001 (go away)', $closed->getMessage());
        }
        $peer->waitFor('/^close 4001/m');
    }

    public function testItStartsAgainAfterItsEnd(): void
    {
        [$peer, $port] = Process::announcing(self::PEER);
        $client = new PushClient("ws://127.0.0.1:$port/hello", ['subprotocols' => 'v2.desk'], ['X' => 'y']);
        for ($round = 0; $round < 3; ++$round) {
            self::assertSame('v2.desk', $client->connect(10)->subprotocol);
            self::assertSame('hello', (string) $client->receive(10));
            $client->send("left over from round $round");
            $client->send('also');
            self::assertSame("left over from round $round", (string) $client->receive(10));
            $client->close();
        }
    }

    /** @return iterable<string, array{string, int, int}> */
    public static function faults(): iterable
    {
        yield 'a reset' => ['reset', Exception::RESET, 0];
        yield 'half a head' => ['truncated', Exception::TRUNCATED, 0];
        yield 'no HTTP' => ['nonsense', Exception::HANDSHAKE, 0];
        yield 'a page' => ['plain', Exception::HTTP_STATUS, 200];
        yield 'a wrong accept' => ['accept', Exception::ACCEPT, 101];
        yield 'an extension nobody asked for' => ['extension', Exception::HANDSHAKE, 101];
        yield 'a head without end' => ['large', Exception::HEAD_TOO_LARGE, 0];
        yield 'silence' => ['silent', Exception::HANDSHAKE_TIMEOUT, 0];
    }

    /** @dataProvider faults */
    #[\PHPUnit\Framework\Attributes\DataProvider('faults')]
    public function testEachFaultOfAServerIsAnExceptionOfItsOwn(string $fault, int $status, int $httpStatus): void
    {
        [$process, $port] = Process::announcing(__DIR__ . '/fixtures/stand-in.php', $fault);
        $client = new PushClient("ws://127.0.0.1:$port/", ['handshake_timeout' => '500ms']);
        try {
            $client->connect();
            self::fail('connected');
        } catch (ConnectException $exception) {
            self::assertSame($status, $exception->status, $exception->getMessage());
            self::assertSame($status, $exception->getCode());
            self::assertSame($httpStatus, $exception->httpStatus, $exception->getMessage());
            self::assertSame($httpStatus === 200 ? 'page' : null, $exception->headers['x-kind'] ?? null);
            self::assertStringContainsString('WS_ERR_', $exception->getMessage());
        }
        self::assertFalse($client->isRunning());
        self::assertFalse($client->isOpen());
        try {
            $client->send('x');
            self::fail('sent');
        } catch (ClosedException $closed) {
            self::assertSame($exception, $closed->getPrevious());
        }
    }

    public function testARefusalHasItsStatusAndItsHeaders(): void
    {
        [$peer, $port] = Process::announcing(self::PEER);
        foreach ([401 => Exception::UNAUTHORIZED, 403 => Exception::HTTP_STATUS, 503 => Exception::UNAVAILABLE] as $httpStatus => $status) {
            try {
                (new PushClient("ws://127.0.0.1:$port/status/$httpStatus"))->connect();
                self::fail('connected');
            } catch (ConnectException $exception) {
                self::assertSame([$status, $httpStatus], [$exception->status, $exception->httpStatus]);
                self::assertSame('because', $exception->headers['x-why']);
                self::assertSame('7', $exception->response?->header('Retry-After'));
            }
        }
        try {
            (new PushClient("ws://127.0.0.1:$port/redirect/hello"))->connect();
            self::fail('connected');
        } catch (ConnectException $exception) {
            self::assertSame(Exception::REDIRECT, $exception->status);
        }
        $client = new PushClient("ws://127.0.0.1:$port/redirect/hello", ['max_redirects' => 1]);
        $client->connect(10);
        self::assertSame('hello', (string) $client->receive(10));
    }

    public function testNobodyThere(): void
    {
        $port = Programs::freePort();
        $client = new PushClient("ws://127.0.0.1:$port/");
        $this->expectException(ConnectException::class);
        $this->expectExceptionCode(Exception::CONNECT);
        $this->expectExceptionMessageMatches("/127\\.0\\.0\\.1:$port/");
        $client->connect();
    }

    public function testConnectGivesUpWhenItsTimeIsOver(): void
    {
        [$process, $port] = Process::announcing(__DIR__ . '/fixtures/stand-in.php', 'silent');
        $client = new PushClient("ws://ada:secret@127.0.0.1:$port/");
        $before = microtime(true);
        try {
            $client->connect(0.1);
            self::fail('connected');
        } catch (ConnectException $exception) {
            self::assertStringContainsString("ws://ada:…@127.0.0.1:$port/", $exception->getMessage());
            self::assertSame(Exception::CONNECT_TIMEOUT, $exception->status);
            self::assertGreaterThan(0.09, microtime(true) - $before);
        }
        self::assertFalse($client->isRunning());
    }

    public function testNoSecretOfTheUrlIsTold(): void
    {
        [$peer, $port] = Process::announcing(self::PEER);
        foreach (["ws://me:s3cret@127.0.0.1:$port/status/503?token=s3cret", "ws://me@127.0.0.1:$port/redirect/x?s3cret", 'unix:/run/none.sock:/?s3cret', 'ws://me:s3cret@127.0.0.1:1/?s3cret', 'wss://me:s3cret@127.0.0.1/?s3cret', 'ws://me:s3cret@127.0.0.1:x/'] as $url) {
            foreach ([null, 0.0] as $timeout) {
                $client = new PushClient($url);
                try {
                    $client->connect($timeout);
                    self::fail('it is open');
                } catch (ConnectException $failure) {
                    self::assertStringNotContainsString('s3cret', (string) $failure);
                }
            }
        }
    }

    public function testATimeoutOfAnySize(): void
    {
        [$peer, $port] = Process::announcing(self::PEER);
        foreach ([INF, 1e300, 1e12] as $long) {
            $client = new PushClient("ws://127.0.0.1:$port/hello");
            self::assertSame(101, $client->connect($long)->status);
            self::assertSame('hello', (string) $client->receive($long));
            $client->close(1000, '', $long);
            self::assertFalse($client->isRunning());
        }
        foreach ([0.0, -1.0, -INF] as $none) {
            $client = new PushClient("ws://127.0.0.1:$port/");
            $client->connect(10);
            self::assertNull($client->receive($none));
            $client->close(1000, '', $none);
        }
    }

    public function testAClientThatIsStartedAgainByItsEnd(): void
    {
        [$peer, $port] = Process::announcing(self::PEER);
        [$standIn, $silent] = Process::announcing(__DIR__ . '/fixtures/stand-in.php', 'silent');
        foreach ([$port, $silent] as $i => $port) {
            $client = new PushClient("ws://127.0.0.1:$port/");
            $ends = 0;
            $client->on('end', function (PushClient $client) use (&$ends): void {
                ++$ends === 1 && $client->start();
            });
            try {
                $client->connect($i === 0 ? 10 : 0.1);
                $client->close(); // the first life, and no other
            } catch (ConnectException $exception) {
                self::assertSame([1, Exception::CONNECT_TIMEOUT], [$i, $exception->status]);
            }
            self::assertSame(1, $ends);
            self::assertTrue($client->isRunning());
        }
    }

    public function testAMaskedFrameOfAServerEndsIt(): void
    {
        [$process, $port] = Process::announcing(__DIR__ . '/fixtures/stand-in.php', 'masked');
        $client = new PushClient("ws://127.0.0.1:$port/");
        $client->connect(10);
        try {
            $client->receive(10);
            self::fail('received');
        } catch (ClosedException $closed) {
            self::assertSame(1002, $closed->closeCode);
        }
    }

    public function testAnswersToWhatCameBeforeABreachStillCount(): void
    {
        foreach (['receive' => false, 'run' => true] as $reacts) {
            [$process, $port] = Process::announcing(__DIR__ . '/fixtures/stand-in.php', 'breach');
            $client = new PushClient("ws://127.0.0.1:$port/");
            if ($reacts) {
                $client->on('message', fn (PushClient $client, string $data) => $client->push("answer to $data"));
                $client->run();
            } else {
                $client->connect(10);
                $client->send('answer to ' . $client->receive(10));
                try {
                    $client->receive(10);
                    self::fail('received');
                } catch (ClosedException $closed) {
                    self::assertSame(1002, $closed->closeCode);
                }
            }
            $process->waitFor('/^done$/m');
            self::assertStringEndsWith('frame 1 ' . bin2hex('answe') . "\nframe 8 " . bin2hex("\x03\xea") . bin2hex('res') . "\ndone\n", $process->output);
        }
    }

    public function testFramesInThePacketOfTheResponse(): void
    {
        [$process, $port] = Process::announcing(__DIR__ . '/fixtures/stand-in.php', 'early');
        $client = new PushClient("ws://127.0.0.1:$port/");
        $client->connect(10);
        self::assertSame('first', (string) $client->receive(10));
        self::assertSame("\xff\0", (string) $client->receive(10));
    }

    public function testSendWaitsForAServerThatTakesNothing(): void
    {
        [$process, $port] = Process::announcing(__DIR__ . '/fixtures/stand-in.php', 'late');
        $client = new PushClient("ws://127.0.0.1:$port/", ['max_queued_bytes' => '64K']);
        $drained = 0;
        $client->on('drain', function () use (&$drained): void {
            ++$drained;
        });
        $client->connect(10);
        $data = str_repeat('x', 65536);
        for ($pushed = 0; $client->push($data); ++$pushed) {
        }
        self::assertGreaterThan(0, $pushed);
        self::assertGreaterThanOrEqual(65536, $client->queuedBytes());
        fclose(Client::connect($port)); // from now on it reads
        for ($sent = 0; $sent < 50; ++$sent) {
            $client->send($data);
        }
        self::assertGreaterThan(0, $drained);
    }

    public function testWhatArrivesWhileSendWaitsIsBounded(): void
    {
        [$process, $port] = Process::announcing(__DIR__ . '/fixtures/stand-in.php', 'flood');
        $client = new PushClient("ws://127.0.0.1:$port/", ['max_queued_bytes' => '64K', 'max_message_size' => '2M']);
        $client->connect(10);
        $before = memory_get_usage();
        for ($i = 0; $i < 400; ++$i) {
            $client->sendBinary(str_repeat('x', 65536)); // 25 MiB, more than any kernel keeps
        }
        self::assertLessThan(24 << 20, memory_get_usage() - $before);
        for ($i = 0; $i < 40; ++$i) {
            $message = $client->receive(20);
            self::assertSame(1 << 20, strlen((string) $message), "message $i");
        }
        self::assertNull($client->receive(0));
    }

    public function testAScriptThatEndsSaysGoodbye(): void
    {
        [$peer, $port] = Process::announcing(self::PEER);
        $process = new Process([Programs::file(<<<PHP
            \$client = new WsPush\\Client('ws://127.0.0.1:$port/');
            \$client->connect(10);
            \$client->send('last words');
            PHP)]);
        self::assertSame(0, $process->wait(), $process->errors);
        $peer->waitFor('/^close 1001/m');
    }

    public function testAForkLeavesTheClientToTheParent(): void
    {
        [$peer, $port] = Process::announcing(self::PEER);
        $process = new Process([Programs::file(<<<PHP
            \$client = new WsPush\\Client('ws://127.0.0.1:$port/');
            \$client->connect(10);
            if (pcntl_fork() === 0) {
                try {
                    \$client->send('from the child');
                    echo "sent\\n";
                } catch (WsPush\\Exception \$exception) {
                    echo "child {\$exception->getCode()}\\n";
                }
                \$own = new WsPush\\Client('ws://127.0.0.1:$port/hello');
                \$own->connect(10);
                echo "child {\$own->receive(10)}\\n";
                exit(0);
            }
            pcntl_wait(\$status);
            \$client->send('parent');
            echo \$client->receive(10), "\\n";
            \$client->close();
            PHP)]);
        self::assertSame(0, $process->wait(), $process->errors);
        self::assertSame('child ' . Exception::FORKED . "\nchild hello\nparent\n", $process->output);
    }

    /** @return iterable<string, array{\Closure(int): mixed, int}> */
    public static function mistakes(): iterable
    {
        $to = static fn (int $port, mixed ...$more): PushClient => new PushClient("ws://127.0.0.1:$port/", ...$more);
        $open = static function (int $port) use ($to): PushClient {
            $client = $to($port);
            $client->connect(10);

            return $client;
        };
        yield 'an unknown option' => [fn (int $port) => $to($port, ['reconect' => true]), Exception::OPTION];
        yield 'a bad value' => [fn (int $port) => $to($port, ['connect_timeout' => 'soon']), Exception::VALUE];
        yield 'a header that smuggles one' => [fn (int $port) => $to($port, [], ['X' => "a\r\nY: b"]), Exception::ARGUMENT];
        yield 'a header of the engine' => [fn (int $port) => $to($port, [], ['Sec-WebSocket-Key' => 'mine']), Exception::ARGUMENT];
        yield 'an unknown event' => [fn (int $port) => $to($port)->on('mesage', fn () => null), Exception::ARGUMENT];
        yield 'a URL that is none' => [fn () => (new PushClient('http//x'))->connect(), Exception::URL];
        yield 'a URL with a NUL' => [fn () => new PushClient("ws://x/\0"), Exception::URL];
        yield 'a URL that is not UTF-8' => [fn () => new PushClient("ws://x/\xff"), Exception::URL];
        yield 'an option with a NUL' => [fn (int $port) => $to($port, ['user_agent' => "desk\0/1"]), Exception::VALUE];
        yield 'an option with a NUL in its name' => [fn (int $port) => $to($port, ["origin\0s" => 'https://x']), Exception::VALUE];
        yield 'an option without a name' => [fn (int $port) => $to($port, ['reconnect']), Exception::OPTION];
        yield 'an option without a value' => [fn (int $port) => $to($port, ['origin' => null]), Exception::VALUE];
        yield 'an option of lists of lists' => [fn (int $port) => $to($port, ['subprotocols' => ['a', ['b']]]), Exception::VALUE];
        yield 'a header without a value' => [fn (int $port) => $to($port, [], ['X' => null]), Exception::ARGUMENT];
        yield 'a header as a line' => [fn (int $port) => $to($port, [], ['X: y']), Exception::ARGUMENT];
        yield 'a timeout that is no number' => [fn (int $port) => $open($port)->receive(NAN), Exception::ARGUMENT];
        yield 'TLS' => [fn () => (new PushClient('wss://example.test/'))->connect(), Exception::UNSUPPORTED];
        yield 'sending before connecting' => [fn (int $port) => $to($port)->send('x'), Exception::STATE];
        yield 'receiving before connecting' => [fn (int $port) => $to($port)->receive(), Exception::STATE];
        yield 'polling before starting' => [fn (int $port) => $to($port)->poll(), Exception::STATE];
        yield 'starting twice' => [fn (int $port) => $open($port)->start(), Exception::STATE];
        yield 'text that is not UTF-8' => [fn (int $port) => $open($port)->send("\xff"), Exception::UTF8];
        yield 'an opcode that is none' => [fn (int $port) => $open($port)->push('x', 9), Exception::ARGUMENT];
        yield 'a close code of the protocol itself' => [fn (int $port) => $open($port)->close(1005), Exception::ARGUMENT];
        yield 'a long ping' => [fn (int $port) => $open($port)->ping(str_repeat('x', 126)), Exception::TOO_LARGE];
        yield 'receiving beside a handler' => [fn (int $port) => $open($port)->on('message', fn () => null)->receive(), Exception::STATE];
    }

    /**
     * @dataProvider mistakes
     *
     * @param \Closure(int): mixed $mistake
     */
    #[\PHPUnit\Framework\Attributes\DataProvider('mistakes')]
    public function testAMistakeOfTheProgramIsAnException(\Closure $mistake, int $code): void
    {
        [$peer, $port] = Process::announcing(self::PEER);
        try {
            $mistake($port);
            self::fail('no exception');
        } catch (Exception $exception) {
            self::assertSame($code, $exception->getCode(), $exception->getMessage());
            self::assertNotSame('', $exception->getMessage());
        }
    }

    public function testAClientIsNotCloned(): void
    {
        $this->expectException(\Error::class);
        clone new PushClient('ws://127.0.0.1:1/');
    }

    public function testAScriptThatOnlySendsLosesNothingWhenTheServerCloses(): void
    {
        [$peer, $port] = Process::announcing(self::PEER);
        $client = new PushClient("ws://127.0.0.1:$port/", [
            'reconnect' => true, 'reconnect_min' => '10ms', 'max_offline_bytes' => '64K', 'close_timeout' => '1h',
        ]);
        $client->connect(10);
        $client->send('close 1012 deploy');
        self::waitUntil(fn (): bool => !$client->isOpen());
        for ($i = 0; $i < 60; ++$i) {
            $client->send("message $i");
        }
        for ($i = 0; $i < 60; ++$i) {
            self::assertSame("message $i", (string) $client->receive(10));
        }
    }

    public function testAScriptThatOnlySendsIsToldThatTheServerHasClosed(): void
    {
        [$peer, $port] = Process::announcing(self::PEER);
        $client = new PushClient("ws://127.0.0.1:$port/", ['close_timeout' => '1h']);
        $client->connect(10);
        $client->send('close 4001 enough');
        self::waitUntil(fn (): bool => !$client->isOpen());
        self::assertFalse($client->push('late'));
        $this->expectException(ClosedException::class);
        $client->send('late');
    }

    public function testAConnectionThatWasResetIsToldWithItsCode(): void
    {
        [$peer, $port] = Process::announcing(self::PEER);
        $client = new PushClient("ws://127.0.0.1:$port/");
        $client->connect(10);
        $client->send('drop');
        self::waitUntil(fn (): bool => !$client->isOpen());
        try {
            $client->send('late');
            self::fail('it was sent');
        } catch (ClosedException $closed) {
            self::assertSame(1006, $closed->closeCode);
            self::assertContains($closed->cause, [CloseCause::EndOfStream, CloseCause::Reset]);
            self::assertStringContainsString('closed with 1006', $closed->getMessage());
        }
    }

    /** @dataProvider ends */
    public function testInsideAHandlerTheCodeOfAConnectionThatIsOverIsKnownBeforeItsEvent(string $order, int $code, array $causes): void
    {
        [$peer, $port] = Process::announcing(self::PEER);
        $client = new PushClient("ws://127.0.0.1:$port/");
        $closed = null;
        $told = [];
        $client->on('message', function (PushClient $client) use ($order, &$closed): void {
            $client->send($order);
            self::waitUntil(fn (): bool => !$client->isOpen());
            try {
                $client->send('late');
            } catch (ClosedException $exception) {
                $closed = $exception;
            }
        });
        $client->on('close', function (PushClient $client, int $code) use (&$told): void {
            $told[] = $code;
        });
        $client->connect(10);
        $client->send('first');
        self::waitUntil(function () use ($client, &$told): bool {
            $client->poll(100);

            return $told !== [];
        });
        self::assertNotNull($closed);
        self::assertSame($code, $closed->closeCode);
        self::assertContains($closed->cause, $causes);
        self::assertStringContainsString("closed with $code", $closed->getMessage());
        self::assertSame([$code], $told);
    }

    /** @return array<string, array{string, int, list<CloseCause>}> */
    public static function ends(): array
    {
        return [
            'a reset' => ['drop', 1006, [CloseCause::EndOfStream, CloseCause::Reset]],
            'a Close' => ['close 1000 done', 1000, [CloseCause::Peer]],
        ];
    }

    public function testAMessageBeyondALimitSaysWhoseItWas(): void
    {
        [$peer, $port] = Process::announcing(self::PEER);
        $client = new PushClient("ws://127.0.0.1:$port/", ['max_message_size' => 10]);
        $client->connect(10);
        $client->send(str_repeat('x', 11));
        try {
            $client->receive(10);
            self::fail('it was received');
        } catch (ClosedException $closed) {
            self::assertSame([1009, CloseCause::TooBig], [$closed->closeCode, $closed->cause]);
            self::assertStringContainsString('max_message_size', $closed->getMessage());
        }
        $client = new PushClient("ws://127.0.0.1:$port/");
        $client->connect(10);
        $client->send('close 1009 too much');
        try {
            $client->receive(10);
            self::fail('it was received');
        } catch (ClosedException $closed) {
            self::assertSame([1009, CloseCause::Peer, 'too much'], [$closed->closeCode, $closed->cause, $closed->reason]);
        }
    }

    public function testTheCausesAreThoseOfTheEngine(): void
    {
        $library = array_values(array_filter(\WsPush\Library::candidates(null), 'is_file'))[0];
        $ffi = \FFI::cdef('const char *ws_cause_name(int cause);', $library);
        foreach (CloseCause::cases() as $cause) {
            $name = 'WS_CAUSE_' . strtoupper((string) preg_replace('/(?<=[a-z])(?=[A-Z])/', '_', $cause->name));
            self::assertSame($name, $ffi->ws_cause_name($cause->value));
        }
        self::assertSame('WS_CAUSE_UNKNOWN', $ffi->ws_cause_name(count(CloseCause::cases())));
    }

    public function testARefusalSaysWhyAndAFreshTokenIsSentAfterIt(): void
    {
        [$peer, $port] = Process::announcing(self::PEER);
        $client = new PushClient("ws://127.0.0.1:$port/status/401", ['reconnect' => true, 'reconnect_min' => '1h', 'reconnect_max' => '1h', 'max_offline_bytes' => '1K']);
        $told = null;
        $client->on('error', function (PushClient $client, ConnectException $failure) use (&$told, $port): void {
            $told = $failure;
            $client->setHeader('Authorization', 'Bearer new')->setOption('cookie', 'a=new')->setUrl("ws://127.0.0.1:$port/request")->reconnect();
        });
        $client->start();
        self::assertTrue($client->push('never'));
        self::assertSame(1, $client->clearOffline());
        $client->connect(10);
        self::assertSame([401, 'Unauthorized', "no\n"], [$told->httpStatus, $told->reason, $told->body]);
        $request = json_decode((string) $client->receive(10), true);
        self::assertSame('/request', $request['target']);
        self::assertSame('Bearer new', $request['headers']['authorization']);
        self::assertSame(['a' => 'new'], $request['cookies']);
        self::assertSame("ws://127.0.0.1:$port/request", $client->url());
        self::assertNull($client->receive(0));
        try {
            $client->setOption('reconnect', false);
            self::fail('it was set');
        } catch (Exception $exception) {
            self::assertSame(Exception::STATE, $exception->getCode());
        }
        $client->close();
        // What was set is there at the next start, too.
        $client->setHeader('authorization', null);
        $client->connect(10);
        $request = json_decode((string) $client->receive(10), true);
        self::assertArrayNotHasKey('authorization', $request['headers']);
        self::assertSame(['a' => 'new'], $request['cookies']);
    }

    /** Without taking events: as a script that does other things. */
    private static function waitUntil(\Closure $isSo): void
    {
        for ($deadline = hrtime(true) + 10e9; !$isSo(); usleep(1000)) {
            self::assertLessThan($deadline, hrtime(true), 'it did not happen');
        }
    }

    public function testAScriptWaitsOverALostConnection(): void
    {
        $port = Programs::freePort();
        $peer = new Process([self::PEER, $port]);
        $peer->waitFor('/^listening/m');
        $client = new PushClient("ws://127.0.0.1:$port/hello", ['reconnect' => true, 'reconnect_min' => '10ms', 'reconnect_max' => '50ms']);
        $told = [];
        $client->on('open', function (PushClient $client, UpgradeResponse $response) use (&$told): void {
            $told[] = "open $response->status";
        });
        $client->on('close', function (PushClient $client, int $code) use (&$told): void {
            $told[] = "close $code";
        });
        $client->connect(10);
        self::assertSame('hello', (string) $client->receive(10));
        $peer->kill();
        $peer = new Process([self::PEER, $port]);
        self::assertSame('hello', (string) $client->receive(20));
        self::assertSame(['open 101', 'close 1006', 'open 101'], $told);
        $client->close();
        self::assertFalse($client->isRunning());
    }
}
