<?php

declare(strict_types=1);

namespace WsPush\Tests;

use PHPUnit\Framework\TestCase;
use WsPush\Exception;
use WsPush\Library;
use WsPush\Native;
use WsPush\Server;

/** How the library is found, and what is said when it is not. */
final class LibraryTest extends TestCase
{
    protected function tearDown(): void
    {
        putenv(Library::VARIABLE);
    }

    public function testALibraryThatIsNotThereIsNamedWithWhatToDo(): void
    {
        $this->expectException(Exception::class);
        $this->expectExceptionCode(Exception::LIBRARY);
        $this->expectExceptionMessageMatches('{/nowhere/libwspush\.so: no such file.*WSPUSH_LIBRARY}s');
        new Server([], '/nowhere/libwspush.so');
    }

    public function testTheVariableNamesTheOnlyCandidate(): void
    {
        putenv(Library::VARIABLE . '=/somewhere/else.so');
        self::assertSame(['/somewhere/else.so'], Library::candidates(null));
        self::assertSame(['/explicit.so'], Library::candidates('/explicit.so'));
    }

    public function testWithoutHintsThePackageComesFirstAndTheSystemLast(): void
    {
        putenv(Library::VARIABLE);
        $candidates = Library::candidates(null);
        self::assertSame(dirname(__DIR__) . '/lib/libwspush.so', $candidates[0]);
        self::assertSame('libwspush.so', end($candidates));
    }

    public function testAFileThatIsNoLibraryIsNamed(): void
    {
        $this->expectException(Exception::class);
        $this->expectExceptionMessageMatches('{' . preg_quote(__FILE__) . ': Failed loading}');
        new Server([], __FILE__);
    }

    public function testAnotherLibraryIsNotMistakenForOurs(): void
    {
        $this->expectException(Exception::class);
        $this->expectExceptionMessageMatches('{libc\.so\.6: Failed resolving C function .ws_}');
        new Server([], 'libc.so.6');
    }

    public function testItIsLoadedOnce(): void
    {
        $library = new \ReflectionProperty(Native::class, 'ffi');
        $library->setAccessible(true);
        self::assertSame($library->getValue(new Server()), $library->getValue(new Server()));
        self::assertMatchesRegularExpression('/^\d+\.\d+\.\d+$/', Server::version());
    }

    public function testFfiSwitchedOffIsExplained(): void
    {
        $process = new Process(['-d', 'ffi.enable=false', __DIR__ . '/../examples/echo.php', 0]);
        self::assertNotSame(0, $process->wait());
        self::assertStringContainsString('ffi.enable=preload', $process->errors);
    }
}
