<?php

declare(strict_types=1);

namespace WsPush\Workerman;

use WsPush\Exception;
use WsPush\Native;

/**
 * The first process: it forks the workers' processes, starts a new one for each that dies, and stops them all.
 *
 * It never holds an engine, for an engine has threads and threads do not survive a fork. Its signals are blocked, and
 * taken one by one from sigtimedwait: nothing can come between looking and waiting. A master that is killed takes its
 * workers along (the kernel sees to that), so that the address is free for the next one.
 *
 * @internal used by Worker::runAll()
 */
final class Master
{
    /** A process that dies sooner than this after its start is not restarted at once. */
    private const QUICK_DEATH_SECONDS = 1.0;
    private const FIRST_DELAY_SECONDS = 0.25;
    private const LONGEST_DELAY_SECONDS = 8.0;
    /** Linux's numbers; PHP names them only in its sockets extension. */
    private const EADDRINUSE = 98;
    private const EACCES = 13;

    /** @var array<int, array{worker: Worker, id: int, since: float, delay: float}> by process id */
    private array $processes = [];
    /** @var list<array{worker: Worker, id: int, at: float, delay: float}> to be started again */
    private array $due = [];
    /** @var list<resource> bound, never listening: ports that were chosen for port 0 */
    private array $reserved = [];
    private ?float $killAt = null;

    /** @param list<Worker> $workers */
    public function __construct(private readonly array $workers)
    {
    }

    public static function isPossible(): bool
    {
        return \function_exists('pcntl_fork') && \function_exists('pcntl_sigtimedwait') && \function_exists('posix_kill');
    }

    /**
     * @return int the exit status
     *
     * @throws Exception LIBRARY, ADDRESS_IN_USE, PERMISSION, ADDRESS: before anything was started
     */
    public function run(): int
    {
        $version = Native::version();
        foreach ($this->workers as $worker) {
            $worker->getHost() === '' || $this->probe($worker);
        }
        \pcntl_sigprocmask(\SIG_BLOCK, self::signals());
        if (Worker::$pidFile !== '') {
            \file_put_contents(Worker::$pidFile, (string) \getmypid());
        }
        $ready = $this->startAll();
        if ($ready === 0) {
            $this->stop();
        } else {
            echo $this->banner($version, $ready);
        }
        while ($this->processes !== [] || ($this->killAt === null && $this->due !== [])) {
            $this->mind($this->nextSignal());
        }
        if (Worker::$pidFile !== '') {
            @\unlink(Worker::$pidFile);
        }
        if (Worker::$onMasterStop !== null) {
            (Worker::$onMasterStop)();
        }

        return $ready === 0 ? 1 : 0;
    }

    /**
     * Binds and lets go, to say what is wrong with an address before there are processes that fail one by one. It must
     * not set SO_REUSEPORT: with it, the address of another server that sets it too would seem free.
     *
     * @throws Exception
     */
    private function probe(Worker $worker): void
    {
        $any = $worker->getPort() === 0;
        $host = $worker->getHost();
        $address = 'tcp://' . (\str_contains($host, ':') ? "[$host]" : $host) . ':' . $worker->getPort();
        $context = \stream_context_create(['socket' => ['so_reuseport' => $any]]);
        $socket = @\stream_socket_server($address, $errno, $error, \STREAM_SERVER_BIND, $context);
        if ($socket === false) {
            throw new Exception(
                "{$worker->getSocketName()}: " . ($error ?: 'the address cannot be bound'),
                match ($errno) {
                    self::EADDRINUSE => Exception::ADDRESS_IN_USE,
                    self::EACCES => Exception::PERMISSION,
                    default => Exception::ADDRESS,
                },
            );
        }
        if ($any) {
            $worker->setPort((int) \substr((string) \strrchr((string) \stream_socket_get_name($socket, false), ':'), 1));
            $this->reserved[] = $socket;
        } else {
            \fclose($socket);
        }
    }

    /** Starts every process and waits until each listens or has died. Returns how many listen. */
    private function startAll(): int
    {
        $pair = \stream_socket_pair(\STREAM_PF_UNIX, \STREAM_SOCK_STREAM, 0);
        foreach ($this->workers as $worker) {
            for ($id = 0; $id < \max(1, $worker->count); ++$id) {
                $this->fork($worker, $id, 0.0, $pair === false ? null : $pair[1]);
            }
        }
        if ($pair === false) {
            return \count($this->processes);
        }
        \fclose($pair[1]);

        return \strlen((string) \stream_get_contents($pair[0]));
    }

    /** @param resource|null $announce where the process writes a byte once it listens */
    private function fork(Worker $worker, int $id, float $delay, $announce = null): void
    {
        $master = (int) \getmypid();
        $pid = \pcntl_fork();
        if ($pid === 0) {
            $this->beWorker($master, $worker, $id, $announce);
        }
        if ($pid < 0) {
            Worker::log('fork: ' . \pcntl_strerror(\pcntl_get_last_error()));
            $this->restartLater($worker, $id, \max($delay, self::FIRST_DELAY_SECONDS));

            return;
        }
        $this->processes[$pid] = ['worker' => $worker, 'id' => $id, 'since' => \microtime(true), 'delay' => $delay];
    }

    /**
     * All that a worker process does, from its first instruction to its exit.
     *
     * @param resource|null $announce
     */
    private function beWorker(int $master, Worker $worker, int $id, $announce): never
    {
        Native::dieWithParent(\SIGKILL);
        if (\posix_getppid() !== $master) {
            exit(1); // the master died before the line above
        }
        \array_map('fclose', $this->reserved);
        \mt_srand();
        foreach ([\SIGHUP, \SIGUSR1, \SIGUSR2] as $signal) {
            \pcntl_signal($signal, \SIG_IGN); // the master's; a terminal sends them to all
        }
        try {
            $worker->serve(
                $id,
                true,
                static fn () => \pcntl_sigprocmask(\SIG_UNBLOCK, self::signals()),
                static function () use ($announce): void {
                    if ($announce !== null) {
                        \fwrite($announce, '.');
                        \fclose($announce);
                    }
                },
            );
            exit(0);
        } catch (\Throwable $thrown) {
            Worker::log("worker {$worker->name}: $thrown");
            exit(250);
        }
    }

    /** The signal that came, or null when it is time to look at the clock. */
    private function nextSignal(): ?int
    {
        $times = \array_column($this->due, 'at');
        if ($this->killAt !== null) {
            $times = [$this->killAt];
        }
        if ($times === []) {
            $signal = \pcntl_sigwaitinfo(self::signals());
        } else {
            $wait = \max(0.0, \min($times) - \microtime(true));
            $signal = @\pcntl_sigtimedwait(self::signals(), $info, (int) $wait, (int) (\fmod($wait, 1) * 1e9));
        }

        return \is_int($signal) && $signal > 0 ? $signal : null;
    }

    private function mind(?int $signal): void
    {
        match ($signal) {
            \SIGINT, \SIGTERM, \SIGQUIT, \SIGHUP => $this->stop(),
            \SIGUSR1, \SIGUSR2 => Worker::log('reload is not in wspush yet; the signal is ignored'),
            default => null,
        };
        $this->reap();
        if ($this->killAt !== null) {
            if (\microtime(true) >= $this->killAt) {
                $this->signalAll(\SIGKILL);
                $this->killAt = \INF;
            }

            return;
        }
        $now = \microtime(true);
        $due = \array_filter($this->due, static fn (array $one): bool => $one['at'] <= $now);
        $this->due = \array_values(\array_diff_key($this->due, $due));
        foreach ($due as $one) {
            $this->fork($one['worker'], $one['id'], $one['delay']);
        }
    }

    private function reap(): void
    {
        while (($pid = \pcntl_waitpid(-1, $status, \WNOHANG)) > 0) {
            $process = $this->processes[$pid] ?? null;
            unset($this->processes[$pid]);
            if ($process === null || $this->killAt !== null) {
                continue;
            }
            $quick = \microtime(true) - $process['since'] < self::QUICK_DEATH_SECONDS;
            $delay = $quick
                ? \min(\max(2 * $process['delay'], self::FIRST_DELAY_SECONDS), self::LONGEST_DELAY_SECONDS)
                : 0.0;
            $how = \pcntl_wifsignaled($status)
                ? 'was killed by signal ' . \pcntl_wtermsig($status)
                : 'exited with status ' . \pcntl_wexitstatus($status);
            Worker::log("worker {$process['worker']->name} (process $pid) $how; a new one starts" . ($quick ? " in $delay s" : ''));
            $this->restartLater($process['worker'], $process['id'], $delay);
        }
    }

    private function restartLater(Worker $worker, int $id, float $delay): void
    {
        $this->due[] = ['worker' => $worker, 'id' => $id, 'at' => \microtime(true) + $delay, 'delay' => $delay];
    }

    private function stop(): void
    {
        if ($this->killAt === null) {
            $this->killAt = \microtime(true) + (float) Worker::$stopTimeout;
            $this->signalAll(\SIGTERM);
        }
    }

    private function signalAll(int $signal): void
    {
        foreach (\array_keys($this->processes) as $pid) {
            \posix_kill($pid, $signal);
        }
    }

    private function banner(string $version, int $ready): string
    {
        $lines = "wspush $version with Workerman's API, PHP " . \PHP_VERSION . "\n";
        $all = 0;
        foreach ($this->workers as $worker) {
            $count = \max(1, $worker->count);
            $all += $count;
            $lines .= "  {$worker->name}  {$worker->getSocketName()}  $count process" . ($count === 1 ? '' : 'es') . "\n";
        }

        $what = \array_filter($this->workers, static fn (Worker $worker): bool => $worker->getHost() !== '') === [] ? 'running' : 'listening';

        return $lines . ($ready === $all ? \ucfirst($what) . '.' : "$ready of $all processes are $what.") . " Ctrl-C stops.\n";
    }

    /** @return list<int> */
    private static function signals(): array
    {
        return [\SIGCHLD, \SIGINT, \SIGTERM, \SIGQUIT, \SIGHUP, \SIGUSR1, \SIGUSR2];
    }
}
