<?php

declare(strict_types=1);

namespace WsPush;

/**
 * A client could not connect. getMessage() says what was tried and what came of it; getCode(), and $status, which of the
 * constants of Exception it is: RESOLVE, CONNECT, CONNECT_TIMEOUT, HTTP_STATUS, UNAUTHORIZED, ACCEPT and so on.
 */
final class ConnectException extends Exception
{
    /** As getCode() */
    public readonly int $status;
    /** What the server answered: 401, 503 …; 0 if it did not answer */
    public readonly int $httpStatus;
    /** @var array<string, string> of that answer, names in lower case */
    public readonly array $headers;
    /** Of that answer: "Unauthorized"; "" if there is none */
    public readonly string $reason;
    /** Of that answer: the beginning, 4 KiB at most */
    public readonly string $body;

    /** @param UpgradeResponse|null $response the answer, if there was one */
    public function __construct(string $message, int $status, public readonly ?UpgradeResponse $response = null)
    {
        parent::__construct($message, $status);
        $this->status = $status;
        $this->httpStatus = $response->status ?? 0;
        $this->headers = $response->headers ?? [];
        $this->reason = $response->reason ?? '';
        $this->body = $response->body ?? '';
    }
}
