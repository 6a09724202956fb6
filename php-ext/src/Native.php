<?php

declare(strict_types=1);

namespace WsPush;

/**
 * The library as PHP holds it: this class and those in Native/ are the only ones that touch \FFI.
 *
 * Here is what servers and clients have in common: the library is found and loaded once, statuses of C become exceptions,
 * heads of HTTP become objects, and handlers are called so that what they throw costs nobody else. Native\Server,
 * Native\Client and Native\Loop add the functions of their handles and the way of a message; Server, Client and ClientLoop build on
 * those and add what is PHP's own. They are parents and not parts because a method call more per message is a tenth of
 * what a message costs.
 */
abstract class Native
{
    /** Opcode of a text message: UTF-8, checked. */
    public const TEXT = 1;
    /** Opcode of a binary message: any bytes. */
    public const BINARY = 2;

    protected const EVENT_OPEN = 1;
    protected const EVENT_MESSAGE = 2;
    protected const EVENT_CLOSE = 3;
    protected const EVENT_HANDSHAKE = 5;
    protected const EVENT_DRAIN = 6;
    protected const EVENT_LOG = 7;
    protected const EVENT_ERROR = 8;
    protected const EVENT_RETRY = 9;
    protected const EVENT_END = 10;
    /** Payloads of up to so many bytes, on average, are cheaper copied as one and then cut than copied one by one. */
    protected const CUT_MAX = 1024;

    private const ABI_VERSION = 1;
    private const POLLIN = 1;

    /** @var array<string, \FFI> libraries loaded in this process, by path */
    private static array $loaded = [];
    private static ?\FFI $libc = null;

    protected \FFI $ffi;
    /** ws_batch: the last batch of events */
    protected \FFI\CData $batch;
    /** ws_batch *: the address of the above, for C to write to; made once */
    protected \FFI\CData $batchOut;
    /** uint64_t *: the numbers of the last batch, which are in the same place for every batch of a handle */
    protected ?\FFI\CData $numbers = null;

    /**
     * @param string|null $library path of libwspush.so; null: see Library::candidates()
     *
     * @throws Exception LIBRARY when it cannot be loaded
     */
    protected function __construct(?string $library)
    {
        $this->ffi = self::load($library);
        $this->batch = $this->ffi->new('ws_batch');
        $this->batch->size = \FFI::sizeof($this->batch);
        $this->batchOut = \FFI::addr($this->batch);
    }

    /** A handle of C has one owner. */
    private function __clone()
    {
    }

    /**
     * Version of the loaded library: "0.1.0".
     *
     * @throws Exception LIBRARY when it cannot be loaded
     */
    public static function version(?string $library = null): string
    {
        return (string) self::load($library)->ws_version();
    }

    /**
     * From now on the kernel kills this process when its parent dies, however that dies.
     *
     * @internal for worker processes: right after fork, before anything is loaded
     */
    public static function dieWithParent(int $signal): void
    {
        $setParentDeathSignal = 1; // PR_SET_PDEATHSIG, <linux/prctl.h>
        \FFI::cdef('int prctl(int, unsigned long, unsigned long, unsigned long, unsigned long);')
            ->prctl($setParentDeathSignal, $signal, 0, 0, 0);
    }

    /**
     * Waits until one of these descriptors is readable. Unlike stream_select() it takes any number of them, and of any value.
     *
     * @internal used by EventLoop
     *
     * @param list<int> $descriptors
     * @param int $timeoutMs -1: without limit
     */
    public static function waitForAny(array $descriptors, int $timeoutMs): void
    {
        $libc = self::$libc ??= \FFI::cdef(
            'typedef struct { int fd; short events; short revents; } pollfd; int poll(pollfd *, unsigned long, int);',
        );
        $count = \count($descriptors);
        $polled = $libc->new('pollfd[' . \max(1, $count) . ']');
        foreach ($descriptors as $i => $descriptor) {
            $polled[$i]->fd = $descriptor;
            $polled[$i]->events = self::POLLIN;
        }
        $libc->poll($polled, $count, $timeoutMs);
    }

    /**
     * A file descriptor that is readable while events wait. Watch it, do not read it, and call poll(0).
     *
     * @throws Exception STATE: not started
     */
    abstract public function eventFd(): int;

    /**
     * A stream that is readable while events wait, for stream_select() and the event loops of ReactPHP, Revolt and
     * others. Never read it; call poll(0) when it is readable, until isRunning() is false.
     *
     * @return resource
     *
     * @throws Exception STATE: not started; SYSTEM
     */
    public function eventStream()
    {
        $stream = \fopen('php://fd/' . $this->eventFd(), 'r');
        if ($stream === false) {
            throw new Exception('eventStream: the descriptor cannot be opened as a stream', Exception::SYSTEM);
        }

        return $stream;
    }

    /**
     * Writes to the log.
     *
     * @param array<string, mixed> $context
     */
    abstract public function log(string $line, string $level = 'error', array $context = []): void;

    /** Something a handler threw: to be told, not to be passed on. */
    abstract protected function handlerFailed(string $event, int $conn, \Throwable $thrown): void;

    /** Calls a handler; false when it threw. */
    protected function call(string $event, int $conn, \Closure $handler, mixed ...$arguments): bool
    {
        try {
            $handler(...$arguments);

            return true;
        } catch (\Throwable $thrown) {
            $this->handlerFailed($event, $conn, $thrown);

            return false;
        }
    }

    /** False for what a network does; an exception for what a program does wrong. */
    protected function refused(int $status): bool
    {
        return match ($status) {
            Exception::CLOSED, Exception::QUEUE_FULL, Exception::STOPPED => false,
            default => throw $this->failure($status),
        };
    }

    /** The value of an option as C takes it, which has no fractions: those are of seconds, for nothing else has them. */
    protected static function value(string|int|float|bool $value): string
    {
        return match (true) {
            \is_bool($value) => $value ? 'on' : 'off',
            \is_float($value) && \fmod($value, 1.0) !== 0.0 => \ceil($value * 1000) . 'ms',
            default => (string) $value,
        };
    }

    /** What a pointer to a C string leads to. PHP may have made a string of it already. */
    protected static function text(\FFI\CData|string $pointer): string
    {
        return \is_string($pointer) ? $pointer : \FFI::string($pointer);
    }

    protected function check(int $status): int
    {
        return $status >= 0 ? $status : throw $this->failure($status);
    }

    protected function failure(int $status): Exception
    {
        $detail = (string) $this->ffi->ws_last_error();
        if ($detail === '') {
            $detail = (string) $this->ffi->ws_strerror($status);
        }

        return new Exception("$detail ({$this->ffi->ws_error_name($status)})", $status);
    }

    /**
     * The header fields of a request or a response: names in lower case, values of one name joined.
     *
     * @return array<string, string>
     */
    protected function headers(\FFI\CData $head): array
    {
        $headers = [];
        $count = $this->ffi->ws_request_header_count($head);
        for ($i = 0; $i < $count; ++$i) {
            $name = \strtolower($this->ffi->ws_request_header_name($head, $i));
            $value = $this->ffi->ws_request_header_value($head, $i);
            $headers[$name] = isset($headers[$name])
                ? $headers[$name] . ($name === 'cookie' ? '; ' : ', ') . $value
                : $value;
        }

        return $headers;
    }

    /**
     * Headers as C takes them.
     *
     * @param array<string, string|list<string>> $headers
     */
    protected static function lines(array $headers): string
    {
        $lines = '';
        foreach ($headers as $name => $values) {
            foreach ((array) $values as $value) {
                if (\strpbrk("$name$value", "\r\n\0") !== false) {
                    throw new Exception("a line break or NUL in the header \"$name\"", Exception::ARGUMENT);
                }
                $lines .= "$name: $value\r\n";
            }
        }

        return $lines;
    }

    private static function load(?string $library): \FFI
    {
        $obstacle = Library::whyNoFfi();
        if ($obstacle !== null) {
            throw $obstacle;
        }
        $tried = [];
        foreach (Library::candidates($library) as $candidate) {
            if (!Library::isThere($candidate)) {
                $tried[$candidate] = 'no such file';
                continue;
            }
            $path = (string) \realpath($candidate) ?: $candidate;
            if (isset(self::$loaded[$path])) {
                return self::$loaded[$path];
            }
            try {
                $ffi = \FFI::cdef((string) \file_get_contents(__DIR__ . '/wspush.h'), $candidate);
                $abi = $ffi->ws_abi_version();
                if ($abi === self::ABI_VERSION) {
                    return self::$loaded[$path] = $ffi;
                }
                $tried[$candidate] = "its ABI version is $abi, this package speaks " . self::ABI_VERSION;
            } catch (\FFI\Exception $exception) {
                $tried[$candidate] = Library::isBareName($candidate) && \str_starts_with($exception->getMessage(), 'Failed loading')
                    ? 'not among the libraries of this system'
                    : $exception->getMessage();
            }
        }

        throw Library::notFound($tried);
    }
}
