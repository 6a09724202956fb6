<?php

declare(strict_types=1);

namespace WsPush;

/**
 * What went wrong, in words, with the engine's status as its code.
 *
 * getMessage() says what was tried, on what, and what to do; getCode() is one of the constants below.
 */
class Exception extends \RuntimeException
{
    /** An argument out of its range: opcode, close code, port, reason over 123 bytes, unknown event. */
    public const ARGUMENT = -3;
    /** A text message or a close reason that is not UTF-8. */
    public const UTF8 = -4;
    /** No option of that name. */
    public const OPTION = -5;
    /** A value the option does not take. */
    public const VALUE = -6;
    /** Not now: started already, not started yet, a request answered twice. */
    public const STATE = -7;
    public const STOPPED = -8;
    public const CLOSED = -9;
    public const QUEUE_FULL = -10;
    public const TOO_LARGE = -11;
    /** The address cannot be parsed or resolved, or is not of this machine. */
    public const ADDRESS = -12;
    public const ADDRESS_IN_USE = -13;
    public const PERMISSION = -14;
    /** Another error of the operating system. */
    public const SYSTEM = -15;
    public const MEMORY = -16;
    /** A server, a client or a loop that was started in another process: start after the fork. */
    public const FORKED = -19;
    /** A signal handler ran while waiting. It is dealt with, and never thrown. */
    public const INTERRUPTED = -20;
    /** A fault inside the library. */
    public const PANIC = -21;
    /** As many as an option allows are there already. */
    public const LIMIT = -22;
    /** The URL of a client cannot be read. */
    public const URL = -23;
    /** Not built in: wss://, until the library speaks TLS. */
    public const UNSUPPORTED = -24;
    /** The name of the server has no address, or could not be looked up. */
    public const RESOLVE = -25;
    /** No connection: refused, unreachable, no such socket. */
    public const CONNECT = -26;
    /** No connection within connect_timeout, or within what connect() was given. */
    public const CONNECT_TIMEOUT = -27;
    /** No whole response within handshake_timeout. */
    public const HANDSHAKE_TIMEOUT = -28;
    /** A response that makes no WebSocket. */
    public const HANDSHAKE = -29;
    /** A response whose Sec-WebSocket-Accept does not answer our key. */
    public const ACCEPT = -30;
    /** The server ended the connection before its response was whole. */
    public const TRUNCATED = -31;
    /** The connection was reset before it opened. */
    public const RESET = -32;
    /** The server answered with another status than 101. */
    public const HTTP_STATUS = -33;
    /** 401 of the server, or 407 of the proxy. */
    public const UNAUTHORIZED = -34;
    /** 503 of the server. */
    public const UNAVAILABLE = -35;
    /** The proxy does not let us through. */
    public const PROXY = -36;
    /** A redirection that is not to be followed. */
    public const REDIRECT = -37;
    /** A response head over max_response_head. */
    public const HEAD_TOO_LARGE = -38;
    /** The library, or PHP's FFI, could not be loaded. Not a status of the engine. */
    public const LIBRARY = 1;
    /** Part of a façade that does not exist yet; the message names it. Not a status of the engine. */
    public const NOT_YET = 2;

    /** @internal for the façades */
    public static function notYet(string $what, string $instead = ''): self
    {
        return new self("$what is not in wspush yet" . ($instead === '' ? '' : ": $instead"), self::NOT_YET);
    }
}
