<?php

declare(strict_types=1);

namespace WsPush;

/**
 * Gives the façades the names that programs written for Swoole or Workerman use.
 *
 * The real ones always win: a loaded extension defines its classes before any autoloader is asked, and a real
 * Workerman in vendor/ is found by Composer's autoloader, which comes before this one.
 *
 * @internal called by src/register.php
 */
final class Facades
{
    /** Asking for one of these brings the whole of Swoole's names in. */
    private const SWOOLE_DOORS = ['swoole\websocket\server', 'swoole\websocket\frame', 'swoole\websocket\closeframe'];

    /** Parents and parameter types too: PHP does not autoload a class to check an argument against it. */
    private const SWOOLE = [
        'Swoole\Server' => Swoole\BaseServer::class,
        'Swoole\Http\Server' => Swoole\HttpServer::class,
        'Swoole\WebSocket\Server' => Swoole\Server::class,
        'Swoole\WebSocket\Frame' => Swoole\Frame::class,
        'Swoole\WebSocket\CloseFrame' => Swoole\CloseFrame::class,
        'Swoole\Http\Request' => Swoole\Request::class,
        'Swoole\Http\Response' => Swoole\Response::class,
        'Swoole\Exception' => Exception::class,
    ];

    /** What asks for the client gets these besides. Only then is there a Swoole\Coroutine, which programs probe for. */
    private const SWOOLE_CLIENT_DOORS = ['swoole\coroutine\http\client'];

    private const SWOOLE_CLIENT = [
        'Swoole\Coroutine\Http\Client' => Swoole\Client::class,
        'Swoole\Coroutine' => Swoole\Coroutine::class,
    ];

    private const WORKERMAN = [
        'Workerman\Worker' => Workerman\Worker::class,
        'Workerman\Connection\TcpConnection' => Workerman\TcpConnection::class,
        'Workerman\Connection\AsyncTcpConnection' => Workerman\AsyncTcpConnection::class,
        'Workerman\Connection\ConnectionInterface' => Workerman\TcpConnection::class,
        'Workerman\Protocols\Websocket' => Workerman\Websocket::class,
        'Workerman\Timer' => Workerman\Timer::class,
        'Workerman\Lib\Timer' => Workerman\Timer::class,
        'Workerman\Protocols\Ws' => Workerman\Websocket::class,
        'Workerman\Protocols\Http\Request' => Workerman\Request::class,
        'Workerman\Protocols\Http\Response' => Workerman\Response::class,
    ];

    private static bool $registered = false;

    /** Appends the autoloader and defines Swoole's constants and run(), unless Swoole itself is here. Once is enough. */
    public static function register(): void
    {
        if (self::$registered) {
            return;
        }
        self::$registered = true;
        if (!\extension_loaded('swoole')) {
            Swoole\Constants::define();
            require_once __DIR__ . '/Swoole/functions.php';
        }
        \spl_autoload_register(self::resolve(...));
    }

    private static function resolve(string $class): void
    {
        $name = \strtolower($class);
        if (\in_array($name, self::SWOOLE_DOORS, true)) {
            self::alias(self::SWOOLE);
        } elseif (\in_array($name, self::SWOOLE_CLIENT_DOORS, true)) {
            self::alias(self::SWOOLE + self::SWOOLE_CLIENT);
        } elseif (\in_array($name, \array_map('strtolower', \array_keys(self::WORKERMAN)), true)) {
            self::alias(self::WORKERMAN);
        }
    }

    /** @param array<string, class-string> $aliases */
    private static function alias(array $aliases): void
    {
        foreach ($aliases as $name => $class) {
            if (!\class_exists($name, false)) {
                \class_alias($class, $name);
            }
        }
    }
}
