<?php

declare(strict_types=1);

namespace WsPush;

/**
 * Where a server, a client or a loop writes what nobody else is there to hear: what handlers threw, above all.
 *
 * @internal a part of Server, Client and ClientLoop
 */
trait Logging
{
    /** @var null|\Closure(string, string, array<string, mixed>): void */
    private ?\Closure $logger = null;
    /** The logger wants what the engine has to say, too. */
    private bool $logsEngine = false;

    /**
     * Where the log goes: what handlers throw and log() writes. The default is error_log(): on the command line, stderr.
     *
     * A logger of PSR-3 also gets what the engine of a server has to say, of the option log_level (notice: the start, the stop, and what
     * is graver; info: who was refused and why; debug) and graver; so does a callable that takes a level. Set it before
     * start() for that. It is called on this thread, by run() and poll(). The option log_events, if it is set, decides instead.
     *
     *     $server->setLogger(new Monolog\Logger('wspush', $handlers));
     *     $server->setLogger(fn (string $message, string $level) => fprintf(STDERR, "[%s] %s\n", $level, $message));
     *
     * @param object|callable $logger a Psr\Log\LoggerInterface, or whatever else has its log() method; or a callable
     *        (string $message, string $level = ..., array $context = ...): void. Levels are those of PSR-3. The context of what
     *        a handler threw has exception, event and connection.
     *
     * @return $this
     *
     * @throws Exception ARGUMENT: neither of the two
     */
    public function setLogger(object|callable $logger): static
    {
        $method = [$logger, 'log'];
        if (\is_object($logger) && !$logger instanceof \Closure && \is_callable($method)) {
            $this->logger = static function (string $line, string $level, array $context) use ($method): void {
                $method($level, $line, $context);
            };
            $this->logsEngine = true;
        } elseif (\is_callable($logger)) {
            $logger = $logger(...);
            $function = new \ReflectionFunction($logger);
            // A function of PHP itself takes no argument that it does not know, and some take another second one.
            $alone = $function->isInternal() || $function->getNumberOfParameters() < 2 && !$function->isVariadic();
            $this->logger = $alone ? static fn (string $line) => $logger($line) : $logger;
            $this->logsEngine = !$alone;
        } else {
            throw new Exception('setLogger: neither callable nor an object with a method log()', Exception::ARGUMENT);
        }

        return $this;
    }

    /**
     * Writes a line to the log, as the server does for a handler that threw.
     *
     * @param string $level a level of PSR-3: debug, info, notice, warning, error, critical, alert, emergency
     * @param array<string, mixed> $context for a logger that takes one
     */
    public function log(string $line, string $level = 'error', array $context = []): void
    {
        try {
            $this->logger === null ? \error_log($line) : ($this->logger)($line, $level, $context);
        } catch (\Throwable $thrown) {
            \error_log($line);
            \error_log("wspush: the logger threw: $thrown");
        }
    }

    protected function handlerFailed(string $event, int $conn, \Throwable $thrown): void
    {
        $of = $conn === 0 ? '' : " of connection $conn";
        $context = ['exception' => $thrown, 'event' => $event, 'connection' => $conn];
        $this->log("wspush: the $event handler$of threw $thrown", 'error', $context);
    }
}
