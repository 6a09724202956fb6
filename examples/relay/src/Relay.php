<?php

declare(strict_types=1);

namespace Relay;

use Relay\Channel\Channels;
use Relay\Outgoing\Backoff;
use Relay\Outgoing\HttpClient;
use Relay\Outgoing\Sender;
use Relay\Outgoing\SenderProcess;
use Relay\Store\Database;
use Relay\Store\Messages;
use Relay\Store\Outbox;
use WsPush\Server;

/** Puts the parts together, and runs them: as the relay, or as its sender. */
final class Relay
{
    /**
     * One loop watches the server and the sender with stream_select(), which takes descriptors below 1024 and so sets a limit.
     * A desk is far from it; settings under [engine] can lower it.
     */
    private const ENGINE = [
        'max_connections' => '900',
        'max_message_size' => '64K',
        'max_queued_bytes' => '8M',
        // A page that does not keep up comes back when it can, and catches up then.
        'slow_client' => 'close_1013',
        'paths' => '/desk',
        // A page that stays open has to show a session that is still good.
        'max_lifetime' => '12h',
    ];
    private const STOP_MS = 5000;
    private const LOCK_WAIT_MS = 2000;
    private const LOCK_RETRY_MS = 20;

    /** @param list<string> $senderCommand */
    public static function serve(Config $config, array $senderCommand): void
    {
        $clock = self::clock();
        $lock = self::lock($config->text('database'));
        $messages = new Messages(new Database($config->text('database')), $clock);
        $channels = Channels::of($config);
        $sessions = new Sessions($config->agents, \str_starts_with($config->text('public_url'), 'https:'), $clock);
        $sender = new SenderProcess($senderCommand, self::steadyClock());

        $most = self::ENGINE['max_connections'];
        if ((int) ($config->engine['max_connections'] ?? 0) > (int) $most) {
            throw new \InvalidArgumentException("engine.max_connections: at most $most, for stream_select() watches no descriptor above 1023");
        }
        $server = new Server($config->engine + self::ENGINE);
        $origin = self::origin($config->text('public_url'));
        $desk = new Desk($server, $messages, $sessions, $channels, $origin, $sender->wake(...));
        $http = new Http($config, $channels, $messages, $sessions, $desk->changed(...));
        // nginx is another user: a Unix socket is for all of this machine, as a port of the loopback is.
        $mask = \umask(0);
        $server->listen(...$config->address());
        $server->on('request', $http(...));
        $server->on('handshake', $desk->handshake(...));
        $server->on('open', $desk->open(...));
        $server->on('message', $desk->message(...));
        $server->on('close', $desk->close(...));
        $isToStop = self::whetherToStop();
        $server->start();
        \umask($mask);
        [$host] = $config->address();
        \fwrite(\STDOUT, "listening on $host:{$server->port()}\n");

        self::loop($server, $desk, $sender, $isToStop);
        $sender->stop($config->milliseconds('retry.timeout') + 1000);
        \fclose($lock);
    }

    public static function send(Config $config): void
    {
        // Ctrl-C and a service manager mean the relay, and it tells us by closing our input.
        foreach (\function_exists('pcntl_signal') ? [\SIGINT, \SIGTERM, \SIGQUIT, \SIGPIPE] : [] as $signal) {
            \pcntl_signal($signal, \SIG_IGN);
        }
        $clock = self::clock();
        $database = new Database($config->text('database'));
        $backoff = new Backoff(
            $config->milliseconds('retry.first'),
            $config->milliseconds('retry.longest'),
            $config->milliseconds('retry.give_up'),
        );
        $outbox = new Outbox($database, new Messages($database, $clock), $backoff, $clock);
        $http = new HttpClient($config->milliseconds('retry.timeout'));
        $lockFile = $config->text('database') . '.sender-lock';
        (new Sender($outbox, Channels::of($config), $http, $lockFile, self::steadyClock(), \STDIN, \STDOUT))->run();
    }

    /**
     * One relay at a time works on a database. The lock of one that was killed can outlive it by a moment: in a sender that
     * it was just about to start.
     *
     * @return resource held until it is closed, or the process ends
     */
    private static function lock(string $database)
    {
        $lock = @\fopen("$database.relay-lock", 'ce');
        if ($lock === false) {
            throw new \RuntimeException("$database: cannot be written");
        }
        for ($waited = 0; !\flock($lock, \LOCK_EX | \LOCK_NB); $waited += self::LOCK_RETRY_MS) {
            if ($waited >= self::LOCK_WAIT_MS) {
                throw new \RuntimeException("$database: another relay has it");
            }
            \usleep(1000 * self::LOCK_RETRY_MS);
        }

        return $lock;
    }

    /** @return \Closure(): bool that says whether a signal has come */
    private static function whetherToStop(): \Closure
    {
        $isToStop = false;
        if (\function_exists('pcntl_signal')) {
            \pcntl_async_signals(true);
            foreach ([\SIGINT, \SIGTERM, \SIGQUIT] as $signal) {
                // No restart of system calls: the loop must not wait on.
                \pcntl_signal($signal, static function () use (&$isToStop): void {
                    $isToStop = true;
                }, false);
            }
        }

        return static function () use (&$isToStop): bool {
            return $isToStop;
        };
    }

    /** @param \Closure(): bool $isToStop */
    private static function loop(Server $server, Desk $desk, SenderProcess $sender, \Closure $isToStop): void
    {
        $events = $server->eventStream();
        while ($server->isRunning()) {
            if ($isToStop()) {
                $server->stop(self::STOP_MS);
            }
            $read = \array_filter([$events, $sender->stream()]);
            $none = null;
            $wait = \min(1000, $sender->dueInMs() ?? 1000);
            @\stream_select($read, $none, $none, 0, 1000 * ($isToStop() ? 10 : $wait));
            $server->poll(0);
            if ($sender->tend()) {
                $desk->publish();
            }
        }
    }

    /** "https://desk.example/page" → "https://desk.example" */
    private static function origin(string $url): string
    {
        $origin = \strtolower((string) \preg_replace('~^(https?://[^/?#]+).*~i', '$1', $url));

        return (string) \preg_replace('~^(http(?=:.*:80$)|https(?=:.*:443$))(.*):\d+$~', '$1$2', $origin);
    }

    /** @return \Closure(): int milliseconds that only go up, whatever is done to the clock */
    private static function steadyClock(): \Closure
    {
        return static fn (): int => \intdiv(\hrtime(true), 1_000_000);
    }

    /** @return \Closure(): int milliseconds since 1970 */
    private static function clock(): \Closure
    {
        return static fn (): int => (int) (\microtime(true) * 1000);
    }
}
