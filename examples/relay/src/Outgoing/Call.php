<?php

declare(strict_types=1);

namespace Relay\Outgoing;

use Relay\Channel\Signature;

/** A POST of JSON that is to be made. */
final class Call
{
    public readonly string $body;
    /** @var array<string, string> */
    public readonly array $headers;

    /**
     * @param array<string, mixed> $json
     * @param array<string, string> $headers more of them
     * @param string|null $secret if given, X-Signature-256 signs the body with it
     */
    public function __construct(public readonly string $url, array $json, array $headers = [], ?string $secret = null)
    {
        $this->body = \json_encode($json, \JSON_THROW_ON_ERROR | \JSON_UNESCAPED_UNICODE | \JSON_UNESCAPED_SLASHES);
        if ($secret !== null) {
            $headers['X-Signature-256'] = Signature::of($this->body, $secret);
        }
        $this->headers = $headers;
    }
}
