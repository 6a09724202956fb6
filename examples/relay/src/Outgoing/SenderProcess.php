<?php

declare(strict_types=1);

namespace Relay\Outgoing;

/** The sender as the relay sees it: a child process to start, to wake, to listen to, and to start again when it dies. */
final class SenderProcess
{
    private const FIRST_RESTART_MS = 200;
    private const LONGEST_RESTART_MS = 30_000;
    /** Who ran for so long was healthy. */
    private const HEALTHY_MS = 60_000;

    /** @var resource|null */
    private $process = null;
    /** @var array<int, resource> its input (0) and its output (1) */
    private array $pipes = [];
    private int $startAt = 0;
    private int $startedAt = 0;
    private int $restartMs = self::FIRST_RESTART_MS;

    /**
     * @param list<string> $command
     * @param \Closure(): int $clock milliseconds that only go up
     */
    public function __construct(private readonly array $command, private readonly \Closure $clock)
    {
    }

    /** @return resource|null readable when there is news, or when the process has died; null while there is no process */
    public function stream()
    {
        return $this->pipes[1] ?? null;
    }

    /** Milliseconds until tend() must be called, readable or not; null: no need. */
    public function dueInMs(): ?int
    {
        return $this->process === null ? \max(0, $this->startAt - ($this->clock)()) : null;
    }

    /** Starts the process if there is none, and takes what it says. True when it has changed something in the database. */
    public function tend(): bool
    {
        if ($this->process === null) {
            if (($this->clock)() >= $this->startAt) {
                $this->start();
            }

            return false;
        }
        $said = (string) @\fread($this->pipes[1], 65536);
        if ($said === '' && \feof($this->pipes[1])) {
            $this->ended();

            return true; // whatever it did last
        }

        return $said !== '';
    }

    /** There is something to send. */
    public function wake(): void
    {
        if ($this->process !== null) {
            @\fwrite($this->pipes[0], "\n");
        }
    }

    /** Lets it finish the call that it is making, but no longer than this. */
    public function stop(int $milliseconds): void
    {
        if ($this->process === null) {
            return;
        }
        \fclose($this->pipes[0]);
        \stream_set_blocking($this->pipes[1], true);
        \stream_set_timeout($this->pipes[1], \intdiv($milliseconds, 1000), $milliseconds % 1000 * 1000);
        do {
            $said = \fread($this->pipes[1], 65536);
        } while ($said !== false && $said !== '');
        \proc_terminate($this->process, \SIGKILL);
        \fclose($this->pipes[1]);
        \proc_close($this->process);
        $this->process = null;
        $this->pipes = [];
    }

    private function start(): void
    {
        $process = \proc_open($this->command, [['pipe', 'r'], ['pipe', 'w'], \STDERR], $this->pipes);
        if ($process === false) {
            throw new \RuntimeException('the sender cannot be started: ' . \implode(' ', $this->command));
        }
        $this->process = $process;
        $this->startedAt = ($this->clock)();
        foreach ($this->pipes as $pipe) {
            \stream_set_blocking($pipe, false);
        }
    }

    private function ended(): void
    {
        \array_map('fclose', $this->pipes);
        $status = $this->process === null ? 0 : \proc_close($this->process);
        $this->process = null;
        $this->pipes = [];
        $wasHealthy = ($this->clock)() - $this->startedAt >= self::HEALTHY_MS;
        $this->restartMs = $wasHealthy ? self::FIRST_RESTART_MS : \min(self::LONGEST_RESTART_MS, 2 * $this->restartMs);
        $this->startAt = ($this->clock)() + $this->restartMs;
        \error_log("relay: the sender ended with status $status; the next one starts in $this->restartMs ms");
    }
}
