<?php

declare(strict_types=1);

namespace WsPush\Tests;

use PHPUnit\Framework\TestCase;

/** Which names the façades take, and when they must not. */
final class FacadesTest extends TestCase
{
    public function testTheNamesComeWhenTheyAreAskedFor(): void
    {
        self::assertSame('no no yes yes yes', self::outputOf(<<<'PHP'
            $has = fn ($class) => print (class_exists($class, false) ? 'yes ' : 'no ');
            $has('Swoole\WebSocket\Server');
            $has('Workerman\Worker');
            new swoole\websocket\SERVER('127.0.0.1', 0);
            $has('Swoole\WebSocket\Server');
            $has('Swoole\Http\Request');
            echo class_exists('Workerman\Connection\TcpConnection') ? 'yes' : 'no';
            PHP));
    }

    public function testTheRealClassesWin(): void
    {
        self::assertSame('real real', self::outputOf(<<<'PHP'
            eval('namespace Swoole\WebSocket; class Server { public const IS = "real"; }');
            spl_autoload_register(function ($class) {
                if ($class === 'Workerman\Worker') {
                    eval('namespace Workerman; class Worker { public const IS = "real"; }');
                }
            }, true, true);
            echo Swoole\WebSocket\Server::IS, ' ', Workerman\Worker::IS;
            PHP));
    }

    public function testProbingForSwooleDoesNotFindIt(): void
    {
        self::assertSame('', self::outputOf(<<<'PHP'
            echo extension_loaded('swoole') || class_exists('Swoole\Coroutine') || class_exists('Swoole\Server') ? 'found' : '';
            PHP));
    }

    public function testSwoolesCoroutinesComeWithItsClientAlone(): void
    {
        self::assertSame('run no no yes yes yes -1', self::outputOf(<<<'PHP'
            $has = fn ($class) => class_exists($class) ? 'yes' : 'no';
            Co\run(function (string $word) { echo "$word "; }, 'run');
            echo $has('Swoole\Coroutine'), ' ';
            new Swoole\WebSocket\Server('127.0.0.1', 0);
            echo $has('Swoole\Coroutine'), ' ', $has('Swoole\Coroutine\Http\Client'), ' ', $has('Swoole\Coroutine'), ' ';
            echo $has('Workerman\Connection\AsyncTcpConnection'), ' ', Swoole\Coroutine::getCid();
            PHP));
    }

    public function testARunOfTheProgramsOwnStays(): void
    {
        self::assertSame('own', self::outputOf(
            'Swoole\Coroutine\run(fn () => null);',
            'eval(\'namespace Swoole\Coroutine; function run($fn) { echo "own"; }\');',
        ));
    }

    public function testConstantsAreThereAndOnesThatWereStay(): void
    {
        self::assertSame('1 2 9 1000 77', self::outputOf(
            "echo implode(' ', [WEBSOCKET_OPCODE_TEXT, SWOOLE_PROCESS, SWOOLE_WEBSOCKET_OPCODE_PING, WEBSOCKET_CLOSE_NORMAL, SWOOLE_BASE]);",
            "define('SWOOLE_BASE', 77);",
        ));
    }

    public function testComposersAutoloaderGivesTheSame(): void
    {
        $composer = json_decode((string) file_get_contents(__DIR__ . '/../composer.json'), true, 512, JSON_THROW_ON_ERROR);
        self::assertIsArray($composer);
        self::assertSame(['WsPush\\' => 'src/'], $composer['autoload']['psr-4']);
        self::assertSame(['src/register.php'], $composer['autoload']['files']);
    }

    private static function outputOf(string $code, string $before = ''): string
    {
        $file = Programs::file($code);
        if ($before !== '') {
            file_put_contents($file, "<?php\n$before?>" . file_get_contents($file));
        }
        $process = new Process([$file]);
        self::assertSame(0, $process->wait(), $process->errors);
        self::assertSame('', $process->errors);

        return $process->output;
    }
}
