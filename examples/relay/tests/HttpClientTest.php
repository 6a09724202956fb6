<?php

declare(strict_types=1);

namespace RelayTests;

use PHPUnit\Framework\TestCase;
use Relay\Outgoing\Call;
use Relay\Outgoing\HttpClient;
use Relay\Outgoing\NoReply;
use Relay\Outgoing\NotSent;

/** Against a server of a few lines, in a process of its own, which says whatever it is told to say. */
final class HttpClientTest extends TestCase
{
    /** Takes one connection and one request, sends what its argument says, and closes; prints its port, then the request. */
    private const SERVER = <<<'PHP'
        $context = stream_context_create(['ssl' => ['local_cert' => $argv[3]]]);
        $server = stream_socket_server($argv[3] === '' ? 'tcp://127.0.0.1:0' : 'ssl://127.0.0.1:0', $code, $error, STREAM_SERVER_BIND | STREAM_SERVER_LISTEN, $context);
        echo substr(strrchr(stream_socket_get_name($server, false), ':'), 1), "\n";
        $socket = stream_socket_accept($server, 20);
        $request = '';
        while (!preg_match('/\r\n\r\n/', $request)) $request .= fread($socket, 8192);
        preg_match('/^content-length: (\d+)/mi', $request, $match);
        while (strlen($request) < strpos($request, "\r\n\r\n") + 4 + $match[1]) $request .= fread($socket, 8192);
        fwrite($socket, base64_decode($argv[1]));
        echo $request;
        if ($argv[2] === 'stay') sleep(20);
        PHP;

    /** @var resource|null */
    private $process = null;
    /** @var array<int, resource> */
    private array $pipes = [];

    protected function tearDown(): void
    {
        if ($this->process !== null) {
            proc_terminate($this->process, SIGKILL);
            proc_close($this->process);
        }
    }

    public function testACallGoesOutWholeAndItsReplyComesBack(): void
    {
        $url = $this->server("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        $reply = (new HttpClient(5000))->post(new Call("$url/path?a=b%20c", ['text' => 'Grüße / 世界'], ['X-More' => '1']));
        self::assertSame([200, 'ok'], [$reply->status, $reply->body]);
        $request = (string) stream_get_contents($this->pipes[1]);
        [$head, $body] = explode("\r\n\r\n", $request, 2);
        self::assertStringStartsWith("POST /path?a=b%20c HTTP/1.1\r\nHost: 127.0.0.1:", $head);
        self::assertStringContainsString("\r\nX-More: 1", $head);
        self::assertSame('{"text":"Grüße / 世界"}', $body);
    }

    public function testAReplyThatIsCompleteCountsThoughTheConnectionStaysOpen(): void
    {
        foreach (["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"] as $bytes) {
            self::assertSame('ok', (new HttpClient(5000))->post(new Call($this->server($bytes, 'stay'), []))->body);
        }
        self::assertSame(204, (new HttpClient(5000))->post(new Call($this->server("HTTP/1.1 204 No Content\r\n\r\n", 'stay'), []))->status);
    }

    /** @return iterable<string, array{string, int, string}> */
    public static function replies(): iterable
    {
        yield 'chunked' => ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n", 200, 'hello world'];
        yield 'until the end' => ["HTTP/1.0 503 Sorry\r\nContent-Type: text/html\r\n\r\n<html>", 503, '<html>'];
        yield 'after a hint' => ["HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", 204, ''];
        yield 'an error' => ["HTTP/1.1 400 Bad Request\r\nContent-Length: 13\r\n\r\n{\"error\": {}}", 400, '{"error": {}}'];
    }

    /** @dataProvider replies */
    public function testRepliesAreReadInAllTheirForms(string $bytes, int $status, string $body): void
    {
        $reply = (new HttpClient(5000))->post(new Call($this->server($bytes), []));
        self::assertSame([$status, $body], [$reply->status, $reply->body]);
    }

    /** @return iterable<string, array{string}> */
    public static function broken(): iterable
    {
        yield 'nothing' => [''];
        yield 'half a head' => ["HTTP/1.1 200 OK\r\nContent-"];
        yield 'half a body' => ["HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"];
        yield 'half of the chunks' => ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"];
        yield 'no HTTP' => ["SSH-2.0-OpenSSH\r\n\r\n"];
    }

    /** @dataProvider broken */
    public function testABrokenReplyLeavesADoubt(string $bytes): void
    {
        $this->expectException(NoReply::class);
        (new HttpClient(5000))->post(new Call($this->server($bytes), []));
    }

    public function testAServerThatSaysNothingIsLeftInTime(): void
    {
        $url = $this->server('', 'stay');
        $this->expectException(NoReply::class);
        $this->expectExceptionMessage('no reply in time');
        (new HttpClient(200))->post(new Call($url, []));
    }

    public function testWithoutAConnectionNothingWasSent(): void
    {
        $this->expectException(NotSent::class);
        (new HttpClient(1000))->post(new Call('http://127.0.0.1:1/', []));
    }

    public function testACertificateOfNobodyIsRefused(): void
    {
        $url = str_replace('http:', 'https:', $this->server("this is not TLS\r\n"));
        $this->expectException(NotSent::class);
        (new HttpClient(1000))->post(new Call($url, []));
    }

    public function testTheCertificateIsLookedAtAndALongReplyReadWhole(): void
    {
        $file = self::certificate('graph.test');
        try {
            $bytes = "HTTP/1.1 200 OK\r\n\r\n" . str_repeat('0123456789', 9_000);
            $url = str_replace('http:', 'https:', $this->server($bytes, 'go', $file));
            $reply = (new HttpClient(5000, ['cafile' => $file, 'peer_name' => 'graph.test']))->post(new Call($url, ['a' => 1]));
            self::assertSame([200, 90_000], [$reply->status, strlen($reply->body)]);

            $url = str_replace('http:', 'https:', $this->server($bytes, 'go', $file));
            $this->expectException(NotSent::class);
            (new HttpClient(5000, ['cafile' => $file, 'peer_name' => 'another.test']))->post(new Call($url, []));
        } finally {
            unlink($file);
        }
    }

    /** A file with a certificate that has signed itself, and its key. */
    private static function certificate(string $name): string
    {
        $key = openssl_pkey_new(['private_key_type' => OPENSSL_KEYTYPE_EC, 'curve_name' => 'prime256v1']);
        self::assertNotFalse($key);
        $request = openssl_csr_new(['commonName' => $name], $key);
        $certificate = $request instanceof \OpenSSLCertificateSigningRequest ? openssl_csr_sign($request, null, $key, 1) : false;
        self::assertNotFalse($certificate);
        openssl_x509_export($certificate, $public);
        openssl_pkey_export($key, $private);
        $file = (string) tempnam(sys_get_temp_dir(), 'relay');
        file_put_contents($file, $public . $private);

        return $file;
    }

    private function server(string $bytes, string $then = 'go', string $certificate = ''): string
    {
        $this->tearDown();
        $process = proc_open([PHP_BINARY, '-r', self::SERVER, '--', base64_encode($bytes), $then, $certificate], [1 => ['pipe', 'w'], 2 => ['file', '/dev/null', 'w']], $this->pipes);
        self::assertNotFalse($process);
        $this->process = $process;

        return 'http://127.0.0.1:' . trim((string) fgets($this->pipes[1]));
    }
}
