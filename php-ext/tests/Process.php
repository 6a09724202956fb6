<?php

declare(strict_types=1);

namespace WsPush\Tests;

/** A PHP program as a child process, with its output to wait for. Whatever happens, it does not outlive the test. */
final class Process
{
    private const SECONDS = 20;

    public readonly int $pid;
    public string $output = '';
    public string $errors = '';

    /** @var resource|null */
    private $process;
    /** @var array<int, resource> */
    private array $pipes;

    /**
     * @param list<string|int> $arguments script and arguments
     * @param array<string, string> $environment on top of ours
     * @param array<int, resource> $descriptors that it inherits, by the numbers that it has them under
     */
    public function __construct(array $arguments, array $environment = [], array $descriptors = [])
    {
        $command = [PHP_BINARY, '-d', 'error_log=', '-d', 'display_errors=stderr', '-d', 'log_errors=0', ...array_map('strval', $arguments)];
        $process = proc_open(
            $command,
            [['file', '/dev/null', 'r'], ['pipe', 'w'], ['pipe', 'w']] + $descriptors,
            $pipes,
            null,
            $environment + getenv(),
        );
        if ($process === false) {
            throw new \RuntimeException('cannot start ' . implode(' ', $command));
        }
        $this->process = $process;
        $this->pipes = $pipes;
        $this->pid = proc_get_status($process)['pid'];
        foreach ($pipes as $pipe) {
            stream_set_blocking($pipe, false);
        }
    }

    public function __destruct()
    {
        if ($this->process !== null) {
            $this->kill();
        }
    }

    /** Starts an example that announces its port, and waits for that. @return array{self, int} process and port */
    public static function announcing(string $script, string ...$arguments): array
    {
        $process = new self([$script, ...$arguments]);

        return [$process, (int) $process->waitFor('/^listening on \S*:(\d+)$/m')[1]];
    }

    /**
     * Waits until what was printed matches.
     *
     * @return array<array-key, string> the match
     */
    public function waitFor(string $pattern, bool $onStderr = false): array
    {
        $deadline = microtime(true) + self::SECONDS;
        while (true) {
            if (preg_match($pattern, $onStderr ? $this->errors : $this->output, $match) === 1) {
                return $match;
            }
            if (!$this->pump($deadline)) {
                throw new \RuntimeException(
                    "no $pattern came" . ($this->pipes === [] ? ' before the end' : '')
                    . "; stdout:\n$this->output\nstderr:\n$this->errors",
                );
            }
        }
    }

    public function signal(int $signal): void
    {
        posix_kill($this->pid, $signal);
    }

    /**
     * Waits until the process, and every process that it forked, has ended: until nobody holds their output open.
     *
     * @return int exit status of the first one; not 0 when a signal killed it
     */
    public function wait(): int
    {
        $deadline = microtime(true) + self::SECONDS;
        while ($this->pipes !== []) {
            if (!$this->pump($deadline) && $this->pipes !== []) {
                throw new \RuntimeException("it does not end; stdout:\n$this->output\nstderr:\n$this->errors");
            }
        }
        $process = $this->process ?? throw new \LogicException('waited for twice');
        $this->process = null;

        return proc_close($process);
    }

    /** SIGKILL, to the end. */
    public function kill(): void
    {
        $this->signal(SIGKILL);
        $this->wait();
    }

    /** @return list<int> processes that it has forked */
    public function children(): array
    {
        $list = @file_get_contents("/proc/$this->pid/task/$this->pid/children");

        return array_map('intval', preg_split('/\s+/', (string) $list, -1, PREG_SPLIT_NO_EMPTY) ?: []);
    }

    /** Reads what there is, waiting for it. False at the deadline and at the end of all output. */
    private function pump(float $deadline): bool
    {
        $left = $deadline - microtime(true);
        if ($this->pipes === [] || $left <= 0) {
            return false;
        }
        $readable = $this->pipes;
        $none = null;
        if (stream_select($readable, $none, $none, (int) $left, 200_000) === false) {
            return true;
        }
        foreach ($readable as $number => $pipe) {
            $bytes = fread($pipe, 65536);
            if ($bytes === false || ($bytes === '' && feof($pipe))) {
                fclose($pipe);
                unset($this->pipes[$number]);
            } elseif ($number === 1) {
                $this->output .= $bytes;
            } else {
                $this->errors .= $bytes;
            }
        }

        return true;
    }
}
