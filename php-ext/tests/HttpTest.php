<?php

declare(strict_types=1);

namespace WsPush\Tests;

use PHPUnit\Framework\TestCase;
use WsPush\Exception;
use WsPush\Handshake;
use WsPush\Request;
use WsPush\Response;
use WsPush\Server;

/** HTTP beside WebSocket: requests with bodies, responses whole or in pieces, and upgrades that the program decides about. */
final class HttpTest extends TestCase
{
    private const UPGRADE = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        . "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

    private Server $server;
    /** @var list<string> */
    private array $log = [];

    protected function setUp(): void
    {
        $this->log = [];
        $this->server = new Server(['max_request_body' => 1000, 'close_timeout' => '1s']);
        $this->server->listen();
        $this->server->setLogger(function (string $line): void {
            $this->log[] = $line;
        });
    }

    public function testPlainHttpIsAnsweredByTheHandler(): void
    {
        $response = $this->ask('GET /thing?x=1', function (Request $request, Response $response): void {
            $response->send(201, "made {$request->path}", ['X-Two' => ['a', 'b']]);
        });
        self::assertMatchesRegularExpression('{^HTTP/1\.1 201 }', $response);
        self::assertMatchesRegularExpression('{^Date: \w\w\w, \d\d \w\w\w \d{4} \d\d:\d\d:\d\d GMT\r$}m', $response);
        self::assertStringContainsString("X-Two: a\r\nX-Two: b\r\n", $response);
        self::assertStringEndsWith("\r\n\r\nmade /thing", $response);
    }

    public function testAForm(): void
    {
        $type = "Content-Type: application/x-www-form-urlencoded; charset=utf-8\r\n";
        $response = $this->ask('POST /', function (Request $request, Response $response): void {
            $response->send(200, (string) json_encode([$request->method, $request->body, $request->form()]));
        }, "{$type}Content-Length: 11\r\n", 'a=1&b[]=%20');
        self::assertStringEndsWith("\r\n\r\n" . '["POST","a=1&b[]=%20",{"a":"1","b":[" "]}]', $response);
    }

    public function testABodyOfAnyBytesInChunks(): void
    {
        $response = $this->ask('PUT /', function (Request $request, Response $response): void {
            self::assertSame([], $request->form());
            $response->send(200, bin2hex($request->body));
        }, "Transfer-Encoding: chunked\r\n", "3\r\n\0\xff\n\r\n1;x=y\r\n!\r\n0\r\nX-Trailer: 1\r\n\r\n");
        self::assertStringEndsWith("\r\n\r\n00ff0a21", $response);
    }

    public function testABodyThatIsTooLargeNeverArrives(): void
    {
        $response = $this->ask('POST /', fn () => self::fail('it arrived'), "Content-Length: 1001\r\n", '', 0);
        self::assertMatchesRegularExpression('{^HTTP/1\.1 413 }', $response);
    }

    public function testARequestIsAnsweredOnce(): void
    {
        $answers = [];
        $response = $this->ask('GET /', function (Request $request, Response $response) use (&$answers): void {
            $answers = [
                $response->send(200, 'first'),
                $response->send(200, 'second'),
                $response->begin(),
                $response->write('third'),
                $response->end(),
                $this->server->respond($request->conn, 200, 'fourth'),
            ];
        });
        self::assertSame([true, false, false, false, false, false], $answers);
        self::assertStringEndsWith('first', $response);
    }

    public function testAnAnswerMayComeLater(): void
    {
        $kept = null;
        $this->server->on('request', function (Request $request, Response $response) use (&$kept): void {
            $kept = $response;
        });
        $socket = $this->sent("GET / HTTP/1.0\r\n\r\n");
        self::assertInstanceOf(Response::class, $kept);
        self::assertTrue($kept->send(200, 'at last'));
        self::assertStringEndsWith("\r\n\r\nat last", $this->received($socket));
    }

    public function testAnAnswerInPieces(): void
    {
        $answer = function (Request $request, Response $response): void {
            self::assertTrue($response->begin(200, ['Content-Type' => 'text/event-stream']));
            self::assertFalse($response->begin());
            self::assertTrue($response->write("data: 1\n\n"));
            self::assertTrue($response->write(''));
            self::assertTrue($response->write("data: 2\n\n"));
            self::assertTrue($response->end());
            self::assertFalse($response->end());
        };
        $response = $this->ask('GET /', $answer);
        self::assertStringContainsString("\r\nTransfer-Encoding: chunked\r\n", $response);
        self::assertStringEndsWith("\r\n\r\n9\r\ndata: 1\n\n\r\n9\r\ndata: 2\n\n\r\n0\r\n\r\n", $response);
    }

    public function testAnAnswerThatIsDroppedHalfwayIsCut(): void
    {
        $response = $this->ask('GET /', function (Request $request, Response $response): void {
            $response->begin();
            $response->write('half');
        });
        self::assertStringNotContainsString("0\r\n\r\n", $response);
    }

    public function testAThrowingRequestHandlerIsA500(): void
    {
        $response = $this->ask('GET /', fn () => throw new \DomainException('on purpose'));
        self::assertMatchesRegularExpression('{^HTTP/1\.1 500 }', $response);
        self::assertStringContainsString('request handler', $this->log[0]);
    }

    public function testAHandlerThatThrowsHalfwayCutsItsAnswer(): void
    {
        $response = $this->ask('GET /', function (Request $request, Response $response): void {
            $response->begin();
            $response->write('half');
            self::assertFalse($response->send(200, 'whole'));
            throw new \DomainException('on purpose');
        });
        self::assertStringEndsWith("\r\n4\r\nhalf\r\n", $response);
        self::assertStringContainsString('on purpose', $this->log[0]);
    }

    public function testAForgottenResponseIsA500(): void
    {
        self::assertMatchesRegularExpression('{^HTTP/1\.1 500 }', $this->ask('GET /', fn () => null));
    }

    public function testWithoutARequestHandlerPlainHttpIsTold426(): void
    {
        $response = $this->ask('GET /', null);
        self::assertMatchesRegularExpression('{^HTTP/1\.1 426 }', $response);
        self::assertMatchesRegularExpression('{^Upgrade: websocket\r$}mi', $response);
    }

    /** As a balancer asks whether the server is there, which without a request handler it is all the same. */
    public function testOptionsAsksAboutTheServerAsAWhole(): void
    {
        self::assertMatchesRegularExpression('{^HTTP/1\.1 200 .*\r\nContent-Length: 0\r\n}s', $this->ask('OPTIONS *', null));
    }

    public function testTheHandlerIsToldOfARequestAboutTheServer(): void
    {
        $response = $this->ask('OPTIONS *', function (Request $request, Response $response): void {
            $response->send(200, "$request->method $request->path $request->target");
        });
        self::assertStringEndsWith("\r\n\r\nOPTIONS * *", $response);
    }

    public function testAHeaderCannotSmuggleALine(): void
    {
        $this->ask('GET /', function (Request $request, Response $response): void {
            try {
                $response->send(200, '', ['X-A' => "b\r\nX-C: d"]);
                self::fail('it was sent');
            } catch (Exception $exception) {
                self::assertSame(Exception::ARGUMENT, $exception->getCode());
            }
            self::assertTrue($response->send(204));
        });
        self::assertSame([], $this->log);
    }

    public function testRequestsFollowOneAnotherOnOneConnection(): void
    {
        $conns = [];
        $this->server->on('request', function (Request $request, Response $response) use (&$conns): void {
            $conns[] = $request->conn;
            $response->send(200, $request->path);
        });
        $this->server->start();
        $socket = Client::connect($this->server->port());
        fwrite($socket, "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET /3 HTTP/1.0\r\n\r\n");
        while (count($conns) < 3) {
            self::assertGreaterThan(0, $this->server->poll(10_000));
        }
        $response = $this->received($socket);
        self::assertMatchesRegularExpression('{^HTTP.*\r\n\r\n/1HTTP.*\r\n\r\n/2HTTP.*\r\n\r\n/3$}s', $response);
        self::assertSame($conns, array_unique($conns));
        foreach ($conns as $conn) {
            self::assertFalse($this->server->respond($conn, 200, 'late'));
        }
    }

    public function testAnUpgradeIsAcceptedWithASubprotocolAndACookie(): void
    {
        $opened = null;
        $this->server->on('handshake', function (Request $request, Handshake $handshake): void {
            self::assertSame('/chat', $request->path);
            self::assertSame('', $request->subprotocol);
            try {
                $handshake->accept('v9');
                self::fail('v9 was not offered');
            } catch (Exception $exception) {
                self::assertSame(Exception::ARGUMENT, $exception->getCode());
            }
            self::assertTrue($handshake->accept('v1', ['Set-Cookie' => ['a=1', 'b=2']]));
            self::assertFalse($handshake->accept());
            self::assertTrue($this->server->push($request->conn, 'hi'));
        });
        $this->server->on('open', function (Server $server, Request $request) use (&$opened): void {
            $opened = $request;
        });
        $socket = $this->sent("GET /chat HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Protocol: v2, v1\r\n" . self::UPGRADE . "\r\n");
        $deadline = microtime(true) + 10;
        while ($opened === null && microtime(true) < $deadline) {
            $this->server->poll(1000);
        }
        self::assertInstanceOf(Request::class, $opened);
        self::assertSame('v1', $opened->subprotocol);
        $head = '';
        while (!str_ends_with($head, "\r\n\r\n")) {
            $head .= (string) fgets($socket);
        }
        self::assertMatchesRegularExpression('{^HTTP/1\.1 101 }', $head);
        self::assertStringContainsString("Sec-WebSocket-Protocol: v1\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n", $head);
        self::assertSame("\x81\x02hi", fread($socket, 4));
    }

    public function testAnUpgradeIsRefused(): void
    {
        $this->server->on('open', fn () => self::fail('it opened'));
        $this->server->on('handshake', function (Request $request, Handshake $handshake): void {
            self::assertTrue($handshake->refuse(401, 'who are you?', ['WWW-Authenticate' => 'Bearer']));
            self::assertFalse($handshake->accept());
        });
        $socket = $this->sent("GET / HTTP/1.1\r\nHost: a\r\n" . self::UPGRADE . "\r\n");
        stream_socket_shutdown($socket, STREAM_SHUT_WR);
        $response = $this->received($socket);
        self::assertMatchesRegularExpression('{^HTTP/1\.1 401 .*\r\nWWW-Authenticate: Bearer\r\n.*who are you\?$}s', $response);
    }

    public function testAForgottenHandshakeIsRefused(): void
    {
        $this->server->on('handshake', fn () => null);
        $socket = $this->sent("GET / HTTP/1.1\r\nHost: a\r\n" . self::UPGRADE . "\r\n");
        stream_socket_shutdown($socket, STREAM_SHUT_WR);
        self::assertMatchesRegularExpression('{^HTTP/1\.1 500 }', $this->received($socket));
    }

    /** One request, and the whole response to it. */
    private function ask(string $line, ?callable $handler, string $headers = '', string $body = '', int $events = 1): string
    {
        if ($handler !== null) {
            $this->server->on('request', $handler);
        }
        $request = "$line HTTP/1.1\r\nHost: a\r\nConnection: close\r\n$headers\r\n$body";

        return $this->received($this->sent($request, $events));
    }

    /**
     * Starts the server, sends bytes on a socket beside its loop, and has it take so many events.
     *
     * @return resource
     */
    private function sent(string $bytes, int $events = 1)
    {
        $this->server->start();
        $socket = Client::connect($this->server->port());
        fwrite($socket, $bytes);
        for (; $events > 0; --$events) {
            self::assertSame(1, $this->server->poll(10_000));
        }

        return $socket;
    }

    /**
     * All that comes until the end.
     *
     * @param resource $socket
     */
    private function received($socket): string
    {
        self::assertSame(0, $this->server->poll(0)); // what was pushed is on its way now
        $bytes = (string) stream_get_contents($socket);
        self::assertFalse(stream_get_meta_data($socket)['timed_out'], "the response does not end: $bytes");

        return $bytes;
    }
}
