<?php

declare(strict_types=1);

namespace WsPush\Swoole;

use WsPush\Exception;
use WsPush\Handshake;
use WsPush\Response as Original;

/**
 * Swoole\Http\Response: the answer to one 'request' event, or to one 'handshake' event, which status 101 accepts. It is
 * sent by end(), piece by piece by write() before that, and by nothing else: a response that is dropped without end()
 * becomes a 500, as in Swoole.
 */
#[\AllowDynamicProperties]
class Response
{
    /** Headers that are the engine's own. */
    private const OWN = ['Content-Length', 'Transfer-Encoding', 'Connection'];
    /** Headers of a 101 response that are the engine's own, too. */
    private const OWN_OF_UPGRADE = [...self::OWN, 'Upgrade', 'Sec-Websocket-Accept', 'Sec-Websocket-Version', 'Content-Type'];

    public int $fd = 0;
    /** @var array<string, string|list<string>> */
    public array $header = [];
    /** @var list<string> Set-Cookie lines */
    public array $cookie = [];

    private Original|Handshake|null $answer = null;
    private int $status = 0;
    private bool $begun = false;
    /** A piece was not taken, so that what is sent has a hole in it. */
    private bool $broken = false;

    /** @internal */
    public static function to(Original|Handshake $answer): self
    {
        $response = new self();
        $response->answer = $answer;
        $response->fd = $answer->conn;

        return $response;
    }

    /** @param string $reason not sent: the engine knows the reason phrases */
    public function status(int $http_code, string $reason = ''): bool
    {
        $this->status = $http_code;

        return $this->isWritable();
    }

    public function setStatusCode(int $http_code, string $reason = ''): bool
    {
        return $this->status($http_code, $reason);
    }

    /** @param string|list<string> $value */
    public function header(string $key, string|array $value, bool $format = true): bool
    {
        // Names have no case: "content-type" must not stand beside a default Content-Type.
        $this->header[$format ? \ucwords(\strtolower($key), '-') : $key] = $value;

        return $this->isWritable();
    }

    /** @param string|list<string> $value */
    public function setHeader(string $key, string|array $value, bool $format = true): bool
    {
        return $this->header($key, $value, $format);
    }

    public function redirect(string $location, int $http_code = 302): bool
    {
        $this->status($http_code);
        $this->header('Location', $location);

        return $this->end();
    }

    /**
     * Sends a cookie with the response; the value is URL-encoded.
     *
     * @param int $expires seconds since 1970; 0: until the browser ends
     */
    public function cookie(
        string $name,
        string $value = '',
        int $expires = 0,
        string $path = '/',
        string $domain = '',
        bool $secure = false,
        bool $httponly = false,
        string $samesite = '',
    ): bool {
        return $this->rawCookie($name, \urlencode($value), $expires, $path, $domain, $secure, $httponly, $samesite);
    }

    /** As cookie(), with the value as it is. */
    public function rawCookie(
        string $name,
        string $value = '',
        int $expires = 0,
        string $path = '/',
        string $domain = '',
        bool $secure = false,
        bool $httponly = false,
        string $samesite = '',
    ): bool {
        $this->cookie[] = "$name=$value"
            . ($expires === 0 ? '' : '; Expires=' . \gmdate('D, d M Y H:i:s', $expires) . ' GMT')
            . ($path === '' ? '' : "; Path=$path")
            . ($domain === '' ? '' : "; Domain=$domain")
            . ($secure ? '; Secure' : '')
            . ($httponly ? '; HttpOnly' : '')
            . ($samesite === '' ? '' : "; SameSite=$samesite");

        return $this->isWritable();
    }

    /**
     * Sends a piece of the response, and the headers before the first; end() ends it. If a piece was not taken, the response is
     * cut: it could pass for whole.
     *
     * @return bool false: sent already, the client is gone, or it takes no more for now
     *
     * @throws Exception ARGUMENT: an impossible status; a line break in a header; an upgrade, whose answer has no pieces
     */
    public function write(string $content): bool
    {
        if (!$this->answer instanceof Original) {
            return $this->answer !== null
                && throw new Exception('Swoole\Http\Response::write(): the answer to a handshake has no pieces', Exception::ARGUMENT);
        }
        $this->begun = $this->begun || $this->answer->begin($this->status ?: 200, $this->headers(self::OWN));
        $written = $this->begun && $this->answer->write($content);
        $this->broken = $this->broken || !$written;

        return $written;
    }

    /**
     * Sends the response, or what is left of it. Content-Type is text/html unless it was set.
     *
     * @return bool false: sent already, or the connection is closed
     *
     * @throws Exception ARGUMENT: an impossible status; a line break in a header
     */
    public function end(?string $content = null): bool
    {
        $answer = $this->answer;
        if ($answer === null) {
            return false;
        }
        if ($this->begun && $answer instanceof Original) {
            $whole = !$this->broken && ($content === null || $content === '' || $answer->write($content));
            $this->answer = null;

            return $whole && $answer->end(); // cut otherwise, when it is dropped
        }
        $this->answer = null;
        if ($answer instanceof Original) {
            return $answer->send($this->status ?: 200, $content ?? '', $this->length($content ?? '') + $this->headers(self::OWN));
        }
        if ($this->status !== 101) {
            return $answer->refuse($this->status ?: 403, $content ?? '', $this->headers(self::OWN));
        }
        $headers = $this->headers(self::OWN_OF_UPGRADE);
        $subprotocol = $headers['Sec-Websocket-Protocol'] ?? null;
        unset($headers['Sec-Websocket-Protocol']);

        return $answer->accept(\is_string($subprotocol) ? $subprotocol : null, $headers);
    }

    public function isWritable(): bool
    {
        return $this->answer !== null;
    }

    /**
     * The Content-Length that the program has set, if it has: the engine answers a HEAD with it. What has a body has its
     * length, and these two statuses have none.
     *
     * @return array<string, string>
     */
    private function length(string $content): array
    {
        foreach ($this->header as $name => $value) {
            if ($content === '' && \strcasecmp((string) $name, 'Content-Length') === 0 && \is_scalar($value)) {
                $known = \ctype_digit((string) $value) && !\in_array($this->status, [204, 304], true);

                return $known ? ['Content-Length' => (string) $value] : [];
            }
        }

        return [];
    }

    /**
     * @param list<string> $without
     *
     * @return array<string, string|list<string>>
     */
    private function headers(array $without): array
    {
        $cookies = $this->cookie === [] ? [] : ['Set-Cookie' => $this->cookie];

        // header() may have been told to leave the name as it is written.
        $theirs = \array_filter(
            $this->header,
            fn (int|string $name): bool => !\in_array(\ucwords(\strtolower((string) $name), '-'), $without, true),
            \ARRAY_FILTER_USE_KEY,
        );
        $typed = \in_array('content-type', \array_map('strtolower', \array_keys($theirs)), true)
            || \in_array('Content-Type', $without, true);

        return $theirs + $cookies + ($typed ? [] : ['Content-Type' => 'text/html']);
    }

    /**
     * @param list<mixed> $arguments
     *
     * @throws Exception always, naming what is missing: sendfile(), detach(), upgrade() …
     */
    public function __call(string $name, array $arguments): never
    {
        throw Exception::notYet("Swoole\\Http\\Response::$name()");
    }
}
