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
    /** A server started in another process: start after the fork. */
    public const FORKED = -19;
    /** A signal handler ran while waiting. WsPush\Server deals with it; it is never thrown. */
    public const INTERRUPTED = -20;
    /** A fault inside the library. */
    public const PANIC = -21;
    /** As many as an option allows are there already. */
    public const LIMIT = -22;
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
