<?php

declare(strict_types=1);

namespace WsPush\Tests;

use PHPUnit\Framework\TestCase;
use WsPush\Request;
use WsPush\Response;
use WsPush\Server;

/** What options make the engine do without a handler: files, counters, and clients behind proxies. */
final class ServedByTheEngineTest extends TestCase
{
    private string $root;

    protected function setUp(): void
    {
        $this->root = sys_get_temp_dir() . '/wspush-root-' . bin2hex(random_bytes(8));
        mkdir($this->root);
        file_put_contents("$this->root/page.html", '<h1>page</h1>');
    }

    protected function tearDown(): void
    {
        unlink("$this->root/page.html");
        rmdir($this->root);
    }

    public function testFilesComeBeforeTheHandler(): void
    {
        $server = $this->server(['document_root' => $this->root, 'metrics_path' => '/metrics']);
        $asked = [];
        $server->on('request', function (Request $request, Response $response) use (&$asked): void {
            $asked[] = "$request->method $request->path";
            $response->send(200, 'by the handler');
        });
        $server->start();
        $page = $this->ask($server, "GET /page.html HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        self::assertStringContainsString("\r\nContent-Type: text/html; charset=utf-8\r\n", $page);
        self::assertStringEndsWith("\r\n\r\n<h1>page</h1>", $page);
        $metrics = $this->ask($server, "GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        self::assertStringContainsString("\nwspush_requests_total{reactor=\"0\"} 2\n", $metrics);
        foreach (['GET /other', 'GET /../page.html', 'POST /page.html'] as $line) {
            $answer = $this->ask($server, "$line HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
            self::assertStringEndsWith('by the handler', $answer);
        }
        self::assertSame(['GET /other', 'GET /../page.html', 'POST /page.html'], $asked);
    }

    public function testTheRemoteAddressIsTheClients(): void
    {
        foreach (['off' => "X-Forwarded-For: 192.0.2.66, 192.0.2.7\r\n", 'on' => ''] as $protocol => $header) {
            $server = $this->server(['trusted_proxies' => '127.0.0.0/8', 'proxy_protocol' => $protocol]);
            $from = '';
            $server->on('request', function (Request $request, Response $response) use (&$from): void {
                $from = "$request->remoteAddress $request->remotePort";
                $response->send(204);
            });
            $server->start();
            $before = $protocol === 'on' ? "PROXY TCP4 192.0.2.7 127.0.0.1 5000 80\r\n" : '';
            $this->ask($server, "{$before}GET / HTTP/1.1\r\nHost: a\r\n{$header}Connection: close\r\n\r\n");
            self::assertSame($protocol === 'on' ? '192.0.2.7 5000' : '192.0.2.7 0', $from);
        }
    }

    /** @param array<string, string> $options */
    private function server(array $options): Server
    {
        return (new Server($options))->listen();
    }

    /** Sends a request and polls until the answer has come to its end. */
    private function ask(Server $server, string $request): string
    {
        $stream = stream_socket_client('tcp://127.0.0.1:' . $server->port(), $code, $message, 10);
        self::assertNotFalse($stream, $message);
        fwrite($stream, $request);
        stream_set_blocking($stream, false);
        $answer = '';
        for ($end = microtime(true) + 10; !feof($stream); $answer .= (string) fread($stream, 65536)) {
            self::assertLessThan($end, microtime(true), $answer);
            $server->poll(10);
        }

        return $answer;
    }
}
