<?php

declare(strict_types=1);

namespace WsPush\Tests;

use PHPUnit\Framework\TestCase;
use Swoole\WebSocket\Frame;
use Swoole\WebSocket\Server;
use WsPush\Exception;
use WsPush\Swoole\Settings;

/** The façade with Swoole's names. */
final class SwooleTest extends TestCase
{
    public function testTheExampleIsTheProgramByteForByte(): void
    {
        $example = (string) file_get_contents(__DIR__ . '/../examples/swoole-server.php');
        self::assertSame("<?php\n\nrequire __DIR__ . '/../autoload.php';\n\n" . Programs::SWOOLE, $example);
    }

    public function testTheProgramRunsAsItStands(): void
    {
        $port = Programs::freePort();
        $process = new Process([Programs::onPort(Programs::SWOOLE, $port)]);
        $client = Programs::client($port);
        self::assertSame("hello, welcome\n", $client->text());
        $client->send('Zoë');
        self::assertSame('server: Zoë', $client->text());
        $client->close();
        $process->waitFor('/^client-\d+ is closed$/m');
        self::assertMatchesRegularExpression('/^int\(\d+\)$/m', $process->output);
        self::assertStringContainsString("Message: Zoë\n", $process->output);
        foreach (
            [
                '["request_method"]=>' => 'string(3) "GET"',
                '["request_uri"]=>' => 'string(1) "/"',
                '["path_info"]=>' => 'string(1) "/"',
                '["server_protocol"]=>' => 'string(8) "HTTP/1.1"',
                '["server_port"]=>' => "int($port)",
                '["remote_addr"]=>' => 'string(9) "127.0.0.1"',
            ] as $key => $value
        ) {
            self::assertStringContainsString("$key\n  $value\n", $process->output);
        }
        $process->signal(SIGTERM);
        self::assertSame(0, $process->wait());
        self::assertSame('', $process->errors);
    }

    public function testTheRestOfTheApi(): void
    {
        [$process, $port] = Process::announcing(__DIR__ . '/fixtures/swoole.php');
        $client = new Client($port, '/room?x=1', ['Cookie' => 'sid=abc', 'X-Test' => 'yes']);
        $request = json_decode($client->text(), true);
        self::assertIsArray($request);
        self::assertSame(['x' => '1'], $request['get']);
        self::assertSame(['sid' => 'abc'], $request['cookie']);
        self::assertSame('yes', $request['header']['x-test']);
        self::assertSame('x=1', $request['server']['query_string']);
        self::assertSame('/room', $request['server']['request_uri']);

        $client->send("\0\xff", Client::BINARY);
        self::assertSame([Client::BINARY, "\0\xff"], $client->receive(), 'a Frame is pushed with its opcode');
        foreach (
            [
                'list' => '[1] 1 [1]',
                'exist 1' => 'true true true',
                'exist 99' => 'false false false',
                'push 99' => 'false',
                'fragment' => 'push() of a fragment (a frame without FIN) is not in wspush yet',
                'task' => 'Swoole\WebSocket\Server::task() is not in wspush yet',
                'on' => 'Swoole\WebSocket\Server::on(): the server was started already',
            ] as $question => $answer
        ) {
            $client->send($question);
            self::assertSame($answer, $client->text());
        }
        $client->send('info 99');
        self::assertSame('false', $client->text());
        $client->send('info');
        $info = json_decode($client->text(), true);
        self::assertIsArray($info);
        self::assertSame(['127.0.0.1', $port, 3], [$info['remote_ip'], $info['server_port'], $info['websocket_status']]);
        self::assertGreaterThan(0, $info['remote_port']);
        self::assertEqualsWithDelta(time(), $info['connect_time'], 10);
        self::assertGreaterThanOrEqual($info['connect_time'], $info['last_time']);
        $client->send('disconnect');
        self::assertSame(4000, $client->closeCode());
        $process->waitFor('/^closed 1$/m');
        $client = new Client($port);
        $client->text();
        $client->send('closeframe');
        self::assertSame(4001, $client->closeCode());
    }

    public function testAClientThatIsSlowAndOneThatIsPaused(): void
    {
        [$process, $port] = Process::announcing(__DIR__ . '/fixtures/swoole.php');
        [$client, $other] = [new Client($port), new Client($port)];
        $client->text();
        $other->text();
        foreach ([1, 2] as $time) {
            $client->send('flood');
            $count = (int) $process->waitFor("/(?:full 1\n(?:empty 1\n)*flooded (\\d+)\n.*){{$time}}/s")[1];
            self::assertGreaterThanOrEqual(16, $count);
            for (; $count > 0; --$count) {
                self::assertSame(65536, strlen($client->text()));
            }
            $process->waitFor("/(?:full 1.*empty 1\n){{$time}}/s");
        }
        $client->send('pause');
        self::assertSame('true false', $client->text());
        $client->send('exist 1');
        $other->send('exist 2');
        self::assertSame('true true true', $other->text());
        self::assertFalse($client->isReadable());
        $other->send('resume 1');
        self::assertSame('true false', $other->text());
        self::assertSame('true true true', $client->text());
    }

    public function testPlainHttp(): void
    {
        [$process, $port] = Process::announcing(__DIR__ . '/fixtures/swoole.php');
        $response = Client::http($port, '/page?q=1');
        self::assertStringStartsWith('HTTP/1.1 200 ', $response);
        self::assertStringContainsString("Content-Type: text/html\r\n", $response);
        self::assertStringEndsWith('q=1', $response);
        $response = Client::http($port, '/json');
        self::assertStringStartsWith('HTTP/1.1 418 ', $response);
        self::assertStringContainsString("Content-Type: application/json\r\n", $response);
        self::assertStringNotContainsString('text/html', $response);
        self::assertStringStartsWith('HTTP/1.1 500 ', Client::http($port, '/throw'));
        self::assertStringStartsWith('HTTP/1.1 500 ', Client::http($port, '/forget'));
        self::assertStringContainsString("Location: /there\r\n", Client::http($port, '/redirect'));
        $type = "Content-Type: application/x-www-form-urlencoded\r\n";
        self::assertStringEndsWith(
            "\r\n\r\n" . '[{"a":"1"},"a=1","a=1"]',
            Client::http($port, '/form', 'POST', $type, 'a=1'),
        );
        self::assertStringEndsWith("\r\n\r\n" . '[null,"a=1","a=1"]', Client::http($port, '/form', 'POST', '', 'a=1'));
        $response = Client::http($port, '/cookies');
        $lines = "Set-Cookie: a=b+c; Expires=Fri, 02 Jan 1970 00:00:00 GMT; Path=/; Secure; HttpOnly; SameSite=Lax\r\n"
            . "Set-Cookie: d=e; Path=/\r\n";
        self::assertStringContainsString($lines, $response);
        $itself = (string) file_get_contents(__DIR__ . '/fixtures/swoole.php');
        self::assertStringEndsWith("\r\n\r\n$itself", Client::http($port, '/swoole.php')); // enable_static_handler
        $response = Client::http($port, '/pieces');
        self::assertStringContainsString("Content-Type: text/html\r\n", $response);
        self::assertStringEndsWith("\r\n\r\n4\r\none \r\n4\r\ntwo \r\n5\r\nthree\r\n0\r\n\r\n", $response);
    }

    /** As Swoole gives it: path_info is decoded, a plus is a space in it, and request_uri is left as it was sent. */
    public function testWhatARequestSaysOfItself(): void
    {
        [$process, $port] = Process::announcing(__DIR__ . '/fixtures/swoole.php');
        $target = '/what%20is+this?q=%20';
        self::assertStringEndsWith(
            '["/what%20is+this","/what is this","q=%20","HTTP/1.1"]',
            Client::http($port, $target),
        );
        self::assertStringEndsWith(
            '["/what%20is+this","/what is this","q=%20","HTTP/1.0"]',
            Client::http($port, $target, version: '1.0'),
        );
    }

    /** A program that answers HEAD without making the body says how long it would be. */
    public function testAHeadIsAnsweredWithTheLengthThatTheProgramSets(): void
    {
        [$process, $port] = Process::announcing(__DIR__ . '/fixtures/swoole.php');
        $head = Client::http($port, '/length', 'HEAD');
        self::assertStringStartsWith('HTTP/1.1 200 ', $head);
        self::assertStringContainsString("\r\nContent-Length: 1234\r\n", $head);
        self::assertSame(1, substr_count(strtolower($head), 'content-length'));
        self::assertStringContainsString("\r\nContent-Length: 0\r\n", Client::http($port, '/length'));
        self::assertStringNotContainsString('Content-Length', Client::http($port, '/no-length', 'HEAD'));
    }

    public function testAProgramThatMakesTheHandshakeItself(): void
    {
        [$process, $port] = Process::announcing(__DIR__ . '/fixtures/swoole-handshake.php');
        $client = new Client($port, '/?token=1', ['Sec-WebSocket-Protocol' => 'chat']);
        self::assertStringContainsString("\r\nSec-WebSocket-Protocol: chat\r\nX-Who: you\r\n", $client->response);
        self::assertSame(1, substr_count(strtolower($client->response), 'sec-websocket-accept'));
        $client->send('hello');
        self::assertSame('hello', $client->text());
        try {
            new Client($port, '/');
            self::fail('it was accepted without a token');
        } catch (\RuntimeException $exception) {
            self::assertStringContainsString('HTTP/1.1 403 ', $exception->getMessage());
        }
        self::assertSame("listening on 127.0.0.1:$port\n", $process->output);
    }

    public function testTheServersLife(): void
    {
        [$process, $port] = Process::announcing(__DIR__ . '/fixtures/swoole.php');
        $client = new Client($port);
        $client->text();
        $client->send('shutdown');
        self::assertSame(1001, $client->closeCode());
        self::assertSame(0, $process->wait());
        self::assertSame("listening on 127.0.0.1:$port\nworker 0\nclosed 1\nworker stop\nshutdown\n", $process->output);
        self::assertStringContainsString('worker_num is 4; one PHP process serves all connections for now', $process->errors);
    }

    public function testWhatIsMissingSaysItsName(): void
    {
        $server = new Server('127.0.0.1', 0);
        self::missing("Swoole's event 'task' is not in wspush yet", fn () => $server->on('task', 'strlen'));
        self::missing("setting 'daemonize' => true is not", fn () => $server->set(['daemonize' => true]));
        self::missing("setting 'task_worker_num' => 2 is not", fn () => $server->set(['task_worker_num' => 2]));
        self::missing("setting 'ssl_cert_file' => 'x' is not", fn () => $server->set(['ssl_cert_file' => 'x']));
        self::missing("setting 'open_http_protocol' => false is not", fn () => $server->set(['open_http_protocol' => false]));
        self::missing('Swoole\WebSocket\Server::reload() is not', fn () => $server->reload());
        self::missing('Swoole\WebSocket\Frame::unpack() is not', fn () => Frame::unpack(''));
        self::missing('Swoole\Http\Server is not', fn () => new \Swoole\Http\Server('127.0.0.1', 0));
        self::missing('SWOOLE_SSL', fn () => new Server('127.0.0.1', 0, SWOOLE_BASE, SWOOLE_SOCK_TCP | SWOOLE_SSL));
    }

    public function testSettingsBecomeOptions(): void
    {
        $settings = [
            'worker_num' => 1,
            'daemonize' => 0,
            'package_max_length' => 8 << 20,
            'max_conn' => 500,
            'heartbeat_check_interval' => 30,
            'backlog' => 128,
            'open_tcp_nodelay' => true,
            'buffer_output_size' => 1 << 20,
            'socket_buffer_size' => 4 << 20,
            'enable_reuse_port' => true,
        ];
        Settings::check($settings);
        self::assertEquals([
            'max_message_size' => 8 << 20,
            'max_connections' => 500,
            'idle_timeout' => 60,
            'idle_counts_all' => true,
            'ping_interval' => 0,
            'backlog' => 128,
            'max_queued_bytes' => 4 << 20,
            'reuse_port' => true,
        ], Settings::options($settings));
        new \WsPush\Server(Settings::options($settings)); // the engine takes them all
        self::assertSame(600, Settings::options($settings + ['heartbeat_idle_time' => 600])['idle_timeout']);
        self::assertSame(['max_message_size' => 2 << 20], Settings::options([]));
        self::assertArrayNotHasKey('ping_interval', Settings::options(['heartbeat_idle_time' => 0]));
    }

    public function testAFrameAsAStringIsItsBytesOnTheWire(): void
    {
        $frame = new Frame();
        $frame->data = 'hi';
        self::assertSame("\x81\x02hi", (string) $frame);
        $frame->opcode = WEBSOCKET_OPCODE_BINARY;
        $frame->finish = false;
        self::assertSame("\x02\x02hi", (string) $frame);
        self::assertSame("\x81\x7e\x01\x00" . str_repeat('x', 256), Frame::pack(str_repeat('x', 256)));
        self::assertSame("\x82\x7f\0\0\0\0\0\x01\0\0", substr(Frame::pack(str_repeat('x', 65536), 2), 0, 10));
        $close = new \Swoole\WebSocket\CloseFrame();
        $close->reason = 'bye';
        self::assertSame("\x88\x05\x03\xe8bye", (string) $close);
    }

    public function testStartNeedsAMessageHandler(): void
    {
        $this->expectException(Exception::class);
        $this->expectExceptionMessage("on('message', …)");
        (new Server('127.0.0.1', 0))->start();
    }

    public function testPushBeforeTheStartSaysSo(): void
    {
        $this->expectException(Exception::class);
        $this->expectExceptionCode(Exception::STATE);
        (new Server('127.0.0.1', 0))->push(1, 'x');
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
}
