<?php

declare(strict_types=1);

namespace WsPush\Workerman;

/**
 * The words after `php hello.php`. There is `start` for now; the others say so and end the program.
 *
 * @internal used by Worker::runAll()
 */
final class CommandLine
{
    private const NOT_YET = ['stop', 'restart', 'reload', 'status', 'connections'];

    /** Returns if the command is `start`; otherwise says why not on stderr and exits with 1. */
    public static function start(): void
    {
        /** @var list<string> $argv */
        $argv = $_SERVER['argv'] ?? [''];
        $complaint = self::complaint($argv);
        if ($complaint !== null) {
            \fwrite(\STDERR, $complaint);
            exit(1);
        }
    }

    /**
     * @param list<string> $argv script and words
     *
     * @return string|null null: start
     */
    public static function complaint(array $argv): ?string
    {
        $script = \basename($argv[0] ?? '');
        $words = \array_slice($argv, 1);
        $command = $words[0] ?? '';
        if (\in_array('-d', $words, true) || \in_array('-g', $words, true)) {
            return "`$script " . \implode(' ', $words) . "` is not in wspush yet. Leave the option out, and let systemd "
                . "or Docker keep it running.\n";
        }
        if (\in_array($command, self::NOT_YET, true)) {
            return "`$script $command` is not in wspush yet. To stop the server: Ctrl-C, or SIGTERM to the master.\n";
        }
        if ($command !== 'start') {
            return "Usage: php $script start\n\nRuns in the foreground until Ctrl-C or SIGTERM.\n"
                . 'Not in wspush yet: start -d, ' . \implode(', ', self::NOT_YET) . "\n";
        }

        return null;
    }
}
