<?php

declare(strict_types=1);

namespace Relay;

use Relay\Channel\Channels;
use Relay\Store\Messages;
use WsPush\Request;
use WsPush\Response;

/** What is not a WebSocket: the page and its files, logging in and out, the webhooks, and a word on the relay's health. */
final class Http
{
    private const FILES = [
        '/' => ['index.html', 'text/html; charset=utf-8'],
        '/desk.css' => ['desk.css', 'text/css; charset=utf-8'],
        '/desk.js' => ['desk.js', 'text/javascript; charset=utf-8'],
        '/line.js' => ['line.js', 'text/javascript; charset=utf-8'],
        '/view.js' => ['view.js', 'text/javascript; charset=utf-8'],
    ];
    private const HEADERS = [
        'Cache-Control' => 'no-cache',
        'X-Content-Type-Options' => 'nosniff',
        'X-Frame-Options' => 'DENY',
        'Referrer-Policy' => 'no-referrer',
        'Content-Security-Policy' => "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self' ws: wss:; "
            . "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ];
    /** A token needs no more, and whoever sends more before logging in need not cost us the memory. Bytes. */
    private const LONGEST_LOGIN = 4096;
    private const TEXT = ['Content-Type' => 'text/plain; charset=utf-8', 'X-Content-Type-Options' => 'nosniff'];

    /** @param \Closure(): void $changed called when the database has changed */
    public function __construct(
        private readonly Config $config,
        private readonly Channels $channels,
        private readonly Messages $messages,
        private readonly Sessions $sessions,
        private readonly \Closure $changed,
    ) {
    }

    public function __invoke(Request $request, Response $response): void
    {
        if (\str_starts_with($request->path, '/hook/')) {
            $this->hook($request, $response, \substr($request->path, 6));
        } elseif (isset(self::FILES[$request->path])) {
            $this->file($request, $response, ...self::FILES[$request->path]);
        } else {
            match ("$request->method $request->path") {
                'POST /login' => $this->login($request, $response),
                'POST /logout' => $response->send(204, '', ['Set-Cookie' => $this->sessions->noCookie()]),
                'GET /session' => $this->session($request, $response),
                'GET /health' => $response->send(200, "ok {$this->messages->seq()}\n", self::TEXT),
                default => $response->send(404, "Not found\n", self::TEXT),
            };
        }
    }

    /** Answered 200 only when all of it is in the database: who hears of a failure sends it again. */
    private function hook(Request $request, Response $response, string $name): void
    {
        $channel = $this->channels->named($name);
        if ($channel === null) {
            $response->send(404, "there is no such channel\n", self::TEXT);

            return;
        }
        $received = $channel->receive($request);
        try {
            $this->messages->take($name, $received->events);
        } catch (\PDOException $trouble) {
            \error_log("relay: $name: not stored, answered with 503: {$trouble->getMessage()}");
            $response->send(503, "not stored\n", self::TEXT + ['Retry-After' => '5']);

            return;
        }
        $response->send($received->status, $received->body, self::TEXT);
        if ($received->events !== []) {
            ($this->changed)();
        }
    }

    private function login(Request $request, Response $response): void
    {
        $address = $request->remoteAddress;
        if ($this->sessions->isLockedOut($address)) {
            $response->send(429, "too many wrong tokens: wait a minute\n", self::TEXT + ['Retry-After' => '60']);

            return;
        }
        $body = \strlen($request->body) <= self::LONGEST_LOGIN ? Fields::json($request->body) : null;
        $agent = $this->sessions->byToken($body?->text('token') ?? '');
        if ($agent === null) {
            $this->sessions->noteWrong($address);
            $response->send(403, "this is nobody's token\n", self::TEXT);

            return;
        }
        $response->send(200, self::json(['agent' => $agent]), [
            'Content-Type' => 'application/json',
            'Set-Cookie' => $this->sessions->cookie($agent),
        ]);
    }

    private function session(Request $request, Response $response): void
    {
        $response->send(200, self::json([
            'agent' => $this->sessions->agent($request),
            'desk' => $this->config->text('desk_name'),
            'notice' => $this->config->text('notice'),
        ]), ['Content-Type' => 'application/json', 'Cache-Control' => 'no-store']);
    }

    private function file(Request $request, Response $response, string $file, string $type): void
    {
        if ($request->method !== 'GET' && $request->method !== 'HEAD') {
            $response->send(405, "GET is what this is for\n", self::TEXT + ['Allow' => 'GET, HEAD']);

            return;
        }
        $body = (string) \file_get_contents(\dirname(__DIR__) . "/public/$file");
        $response->send(200, $body, self::HEADERS + ['Content-Type' => $type]);
    }

    /** @param array<string, mixed> $value */
    private static function json(array $value): string
    {
        return \json_encode($value, \JSON_THROW_ON_ERROR | \JSON_UNESCAPED_UNICODE);
    }
}
