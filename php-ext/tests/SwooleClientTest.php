<?php

declare(strict_types=1);

namespace WsPush\Tests;

use PHPUnit\Framework\TestCase;
use Swoole\Coroutine\Http\Client as SwooleClient;
use Swoole\WebSocket\CloseFrame;
use Swoole\WebSocket\Frame;
use WsPush\Exception;

/** The façade with the name of Swoole's client. */
final class SwooleClientTest extends TestCase
{
    private const PEER = __DIR__ . '/fixtures/peer.php';
    private const ETIMEDOUT = 110;

    public function testTheProgramRunsAsItStands(): void
    {
        [$peer, $port] = Process::announcing(self::PEER);
        $process = new Process([Programs::onPort(Programs::SWOOLE_CLIENT, $port)]);
        $process->waitFor('/(\["data"\]=>\s+string\(5\) "hello".*){3}/s');
        self::assertStringContainsString('["opcode"]=>' . "\n  int(1)", $process->output);
        self::assertSame('', $process->errors);
        $process->signal(SIGTERM);
        $process->wait();
    }

    public function testMessagesAndFrames(): void
    {
        [$peer, $port] = Process::announcing(self::PEER);
        $client = new SwooleClient('127.0.0.1', $port);
        self::assertTrue($client->set(['timeout' => 10, 'websocket_mask' => true, 'keep_alive' => true, 'package_max_length' => 1 << 20]));
        $client->setHeaders(['Host' => "127.0.0.1:$port", 'User-Agent' => 'swoole', 'X-Test' => 'yes', 'Connection' => 'keep-alive', 'Cookie' => 'z=0']);
        $client->setCookies(['sid' => 'a b', 'n' => 1]);
        $client->setBasicAuth('ada', 'secret');
        self::assertTrue($client->upgrade('/request?x=1'), $client->errMsg);
        self::assertTrue($client->connected);
        self::assertSame([101, 101, 0], [$client->statusCode, $client->getStatusCode(), $client->errCode]);
        self::assertSame('peer', $client->headers['x-from'] ?? null);
        self::assertSame(['a=1; Path=/', 'b=2'], $client->set_cookie_headers);
        $frame = $client->recv();
        self::assertInstanceOf(Frame::class, $frame);
        $request = json_decode($frame->data, true);
        self::assertIsArray($request);
        self::assertSame('/request?x=1', $request['target']);
        self::assertSame(['z' => '0', 'sid' => 'a b', 'n' => '1'], $request['cookies']);
        self::assertSame('Basic ' . base64_encode('ada:secret'), $request['headers']['authorization']);
        self::assertSame(['swoole', 'yes'], [$request['headers']['user-agent'], $request['headers']['x-test']]);

        self::assertTrue($client->push('Zoë'));
        self::assertSame('Zoë', $this->data($client));
        self::assertTrue($client->push("\0\xff", WEBSOCKET_OPCODE_BINARY));
        $frame = $client->recv();
        self::assertInstanceOf(Frame::class, $frame);
        self::assertSame(["\0\xff", WEBSOCKET_OPCODE_BINARY, true], [$frame->data, $frame->opcode, $frame->finish]);
        $frame = new Frame();
        $frame->data = 'a frame';
        self::assertTrue($client->push($frame));
        self::assertSame('a frame', $this->data($client));
        self::assertTrue($client->push('', WEBSOCKET_OPCODE_PING));
        self::assertTrue($client->push(42));
        self::assertSame('42', $this->data($client));
        self::assertFalse($client->recv(0.01));
        self::assertSame(self::ETIMEDOUT, $client->errCode);
        self::assertTrue($client->connected);

        self::assertTrue($client->close());
        self::assertFalse($client->connected);
        self::assertFalse($client->close());
        self::assertFalse($client->push('x'));
        self::assertSame(SWOOLE_ERROR_WEBSOCKET_UNCONNECTED, $client->errCode);
        self::assertFalse($client->recv());
        $peer->waitFor('/^close 1000 $/m');
        self::assertTrue($client->upgrade('/'), 'and it may be used again');
    }

    public function testTheEndOfAConnection(): void
    {
        [$peer, $port] = Process::announcing(self::PEER);
        $client = new SwooleClient('127.0.0.1', $port);
        self::assertTrue($client->upgrade('/bye'));
        self::assertSame('hello', $this->data($client));
        self::assertSame('', $client->recv());
        self::assertFalse($client->connected);
        self::assertFalse($client->recv());
        $client->set(['open_websocket_close_frame' => true]);
        self::assertTrue($client->upgrade('/bye'));
        self::assertSame('hello', $this->data($client));
        $frame = $client->recv(10);
        self::assertInstanceOf(CloseFrame::class, $frame);
        self::assertSame([4001, 'go away'], [$frame->code, $frame->reason]);
        self::assertTrue($client->upgrade('/'));
        $frame = new CloseFrame();
        $frame->code = 4004;
        $frame->reason = 'mine';
        self::assertTrue($client->push($frame));
        self::assertInstanceOf(CloseFrame::class, $client->recv(10));
        $peer->waitFor('/^close 4004 mine$/m');
    }

    public function testFailuresAreToldAsSwooleTellsThem(): void
    {
        [$peer, $port] = Process::announcing(self::PEER);
        $client = new SwooleClient('127.0.0.1', $port);
        self::assertFalse($client->upgrade('/status/403'));
        self::assertSame([403, SWOOLE_ERROR_WEBSOCKET_HANDSHAKE_FAILED, false], [$client->statusCode, $client->errCode, $client->connected]);
        self::assertSame('because', $client->headers['x-why'] ?? null);
        self::assertStringContainsString('403', $client->errMsg);
        $client = new SwooleClient('127.0.0.1', Programs::freePort());
        self::assertFalse($client->upgrade('/'));
        self::assertSame([SWOOLE_HTTP_CLIENT_ESTATUS_CONNECT_FAILED, 111], [$client->statusCode, $client->errCode]);
        foreach (
            [
                'silent' => [SWOOLE_HTTP_CLIENT_ESTATUS_REQUEST_TIMEOUT, self::ETIMEDOUT],
                'reset' => [SWOOLE_HTTP_CLIENT_ESTATUS_SERVER_RESET, 104],
                'plain' => [200, SWOOLE_ERROR_WEBSOCKET_HANDSHAKE_FAILED],
            ] as $fault => $told
        ) {
            [$process, $port] = Process::announcing(__DIR__ . '/fixtures/stand-in.php', $fault);
            $client = new SwooleClient('127.0.0.1', $port);
            $client->set(['timeout' => 0.3]);
            self::assertFalse($client->upgrade('/'));
            self::assertSame($told, [$client->statusCode, $client->errCode], $fault);
        }
    }

    public function testTheSmallPrint(): void
    {
        [$peer, $port] = Process::announcing(self::PEER);
        foreach (['localhost', "LOCALHOST:$port", '127.0.0.1', "127.0.0.1:$port"] as $host) {
            $client = new SwooleClient('127.0.0.1', $port);
            $client->setHeaders(['Host' => $host]); // as the example in Swoole's manual
            $client->set(['timeout' => INF]);
            self::assertTrue($client->upgrade('/hello'), $client->errMsg);
            self::assertSame('hello', $this->data($client));
        }
        self::assertTrue($client->close());
        self::assertFalse($client->recv());
        self::assertSame(SWOOLE_ERROR_CLIENT_NO_CONNECTION, $client->errCode);
        self::assertFalse($client->push('x'));
        self::assertSame(SWOOLE_ERROR_WEBSOCKET_UNCONNECTED, $client->errCode);
        $client->set(['timeout' => 0.000001]); // shorter than the engine's shortest
        $client->upgrade('/');
        $client = new SwooleClient('::1', Programs::freePort());
        $client->setHeaders(['Host' => '[::1]']);
        self::assertFalse($client->upgrade('/'));
        self::assertSame(SWOOLE_HTTP_CLIENT_ESTATUS_CONNECT_FAILED, $client->statusCode);
        $this->expectExceptionMessage('a header Host: other.example for 127.0.0.1');
        $client = new SwooleClient('127.0.0.1', $port);
        $client->setHeaders(['Host' => 'other.example']);
        $client->upgrade('/');
    }

    public function testWhatIsMissingSaysItsName(): void
    {
        $client = new SwooleClient('127.0.0.1', 1);
        foreach (
            [
                'Swoole\Coroutine\Http\Client::get() is not in wspush yet: there is the WebSocket half' => fn () => $client->get('/'),
                'Swoole\Coroutine\Http\Client::post() is' => fn () => $client->post('/', []),
                'Swoole\Coroutine::create() is' => fn () => \Swoole\Coroutine::create(fn () => null),
                "Swoole's setting 'defer' => true is" => fn () => $client->set(['defer' => true]),
                "Swoole's setting 'websocket_mask' => false is" => fn () => $client->set(['websocket_mask' => false]),
                "Swoole's setting 'socks5_host' => 'x' is" => fn () => $client->set(['socks5_host' => 'x']),
                "setMethod('POST') is" => fn () => $client->setMethod('POST'),
                'a header Host: other for 127.0.0.1:1 is' => fn () => $client->setHeaders(['Host' => 'other']) && $client->upgrade('/'),
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
        $this->expectExceptionCode(Exception::UNSUPPORTED);
        (new SwooleClient('127.0.0.1', 443, true))->upgrade('/');
    }

    private function data(SwooleClient $client): string
    {
        $frame = $client->recv(10);
        self::assertInstanceOf(Frame::class, $frame, $client->errMsg);

        return $frame->data;
    }
}
