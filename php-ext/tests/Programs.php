<?php

declare(strict_types=1);

namespace WsPush\Tests;

/** The programs that must run as they stand, and copies of them that are fit for a test: on a port that is free. */
final class Programs
{
    public const SWOOLE = <<<'PHP'
        $ws = new Swoole\WebSocket\Server('0.0.0.0', 9502);
        $ws->on('open', function ($ws, $request) {
            var_dump($request->fd, $request->server);
            $ws->push($request->fd, "hello, welcome\n");
        });
        $ws->on('message', function ($ws, $frame) {
            echo "Message: {$frame->data}\n";
            $ws->push($frame->fd, "server: {$frame->data}");
        });
        $ws->on('close', function ($ws, $fd) { echo "client-{$fd} is closed\n"; });
        $ws->start();

        PHP;

    public const WORKERMAN = <<<'PHP'
        use Workerman\Worker;
        $ws_worker = new Worker("websocket://0.0.0.0:2000");
        $ws_worker->count = 4;
        $ws_worker->onMessage = function($connection, $data) {
            $connection->send('hello ' . $data);
        };
        Worker::runAll();

        PHP;

    public const SWOOLE_CLIENT = <<<'PHP'
        use Swoole\Coroutine;
        use Swoole\Coroutine\Http\Client;
        use function Swoole\Coroutine\run;

        run(function () {
            $client = new Client('127.0.0.1', 9501);
            $ret = $client->upgrade('/');
            if ($ret) {
                while(true) {
                    $client->push('hello');
                    var_dump($client->recv());
                    Coroutine::sleep(0.1);
                }
            }
        });

        PHP;

    public const WORKERMAN_CLIENT = <<<'PHP'
        use Workerman\Protocols\Ws;
        use Workerman\Worker;
        use Workerman\Connection\AsyncTcpConnection;
        $worker = new Worker();
        $worker->onWorkerStart = function()
        {
            $ws_connection = new AsyncTcpConnection("ws://127.0.0.1:1234");
            $ws_connection->websocketPingInterval = 55;
            $ws_connection->headers = [
                'Cookie' => 'PHPSID=82u98fjhakfusuanfnahfi; token=2hf9a929jhfihaf9i',
                'OtherKey' => 'values'
            ];
            $ws_connection->websocketType = Ws::BINARY_TYPE_BLOB;
            $ws_connection->onConnect = function($connection){
                echo "tcp connected\n";
            };
            $ws_connection->onWebSocketConnect = function(AsyncTcpConnection $con, $response) {
                echo $response;
                $con->send('hello');
            };
            $ws_connection->onMessage = function($connection, $data){
                echo "recv: $data\n";
            };
            $ws_connection->onError = function($connection, $code, $msg){
                echo "error: $msg\n";
            };
            $ws_connection->onClose = function($connection){
                echo "connection closed and try to reconnect\n";
                $connection->reConnect(1);
            };
            $ws_connection->connect();
        };
        Worker::runAll();

        PHP;

    /** The addresses in the programs, and what comes in their place. */
    private const ADDRESSES = [
        '0.0.0.0:2000' => '127.0.0.1:%d',
        "'0.0.0.0', 9502" => "'127.0.0.1', %d",
        "'127.0.0.1', 9501" => "'127.0.0.1', %d",
        '127.0.0.1:1234' => '127.0.0.1:%d',
    ];

    /** @var list<string> files to remove at the end */
    private static array $written = [];

    /** The program with its address on this loopback port instead, in a file. */
    public static function onPort(string $program, int $port): string
    {
        $addresses = array_map(static fn (string $address): string => sprintf($address, $port), self::ADDRESSES);
        $moved = str_replace(array_keys($addresses), array_values($addresses), $program, $count);
        if ($count !== 1) {
            throw new \LogicException('the address is not in the program, or more than once');
        }

        return self::file($moved);
    }

    /** A file with the autoloader's line and these lines. */
    public static function file(string $program): string
    {
        $file = (string) tempnam(sys_get_temp_dir(), 'wspush');
        file_put_contents($file, "<?php\nrequire " . var_export(dirname(__DIR__) . '/autoload.php', true) . ";\n$program");
        if (self::$written === []) {
            register_shutdown_function(static fn () => array_map('unlink', self::$written));
        }

        return self::$written[] = $file;
    }

    /** A port of 127.0.0.1 that nobody has just now. */
    public static function freePort(): int
    {
        $socket = stream_socket_server('tcp://127.0.0.1:0');
        $name = $socket === false ? '' : (string) stream_socket_get_name($socket, false);

        return (int) substr((string) strrchr($name, ':'), 1);
    }

    /** A client of a program that does not say when it listens: tries until it does. */
    public static function client(int $port): Client
    {
        $deadline = microtime(true) + 10;
        while (($socket = @stream_socket_client("tcp://127.0.0.1:$port")) === false) {
            if (microtime(true) > $deadline) {
                throw new \RuntimeException("nothing listens on port $port");
            }
            usleep(2000);
        }
        fclose($socket);

        return new Client($port);
    }
}
