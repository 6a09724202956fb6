<?php

declare(strict_types=1);

namespace RelayTests;

use PHPUnit\Framework\TestCase;
use Relay\Channel\Channels;
use Relay\Config;

final class ConfigTest extends TestCase
{
    private const AGENTS = ['RELAY_AGENTS' => 'ada:0123456789abcdef, Agent B.:fedcba9876543210'];

    /** @var list<string> */
    private array $files = [];

    protected function tearDown(): void
    {
        array_map('unlink', $this->files);
    }

    public function testTheExampleIsReadAsItStands(): void
    {
        $example = (string) file_get_contents(dirname(__DIR__) . '/relay.ini.example');
        $config = Config::load($this->file(str_replace('ada =', 'ada = 0123456789abcdef', $example)), []);
        self::assertSame(['127.0.0.1', 8080], $config->address());
        self::assertSame('https://graph.facebook.com', $config->text('messenger.base_url'));
        self::assertSame([1000, 15_000], [$config->milliseconds('retry.first'), $config->milliseconds('messenger.echo_wait')]);
        self::assertSame(['ada' => '0123456789abcdef'], $config->agents);
        self::assertSame([], Channels::of($config)->names(), 'no channel without its secret');
    }

    public function testTheEnvironmentComesBeforeTheFile(): void
    {
        $file = $this->file("listen = 127.0.0.1:1\ndatabase = a.sqlite\n[messenger]\napp_secret = \"of; the file\"\n[engine]\nmax_request_body = 2M\n");
        $config = Config::load($file, self::AGENTS + [
            'RELAY_LISTEN' => '[::1]:2', 'RELAY_RETRY_FIRST' => '0.25', 'RELAY_ENGINE_TRUSTED_PROXIES' => '10.0.0.0/8',
        ]);
        self::assertSame(['::1', 2], $config->address());
        self::assertSame(['a.sqlite', 'of; the file'], [$config->text('database'), $config->text('messenger.app_secret')]);
        self::assertSame(250, $config->milliseconds('retry.first'));
        self::assertSame(['max_request_body' => '2M', 'trusted_proxies' => '10.0.0.0/8'], $config->engine);
        self::assertSame(['ada' => '0123456789abcdef', 'Agent B.' => 'fedcba9876543210'], $config->agents);
        self::assertSame(['messenger'], Channels::of($config)->names());
        self::assertSame(['unix:/run/relay.sock', 0], Config::load(null, self::AGENTS + ['RELAY_LISTEN' => 'unix:/run/relay.sock'])->address());
    }

    /** @return iterable<string, array{string, array<string, string>, string}> */
    public static function mistakes(): iterable
    {
        yield 'a name that does not exist' => ["datbase = x\n", self::AGENTS, 'no setting "datbase"'];
        yield 'one in a section' => ["[messenger]\nsecret = x\n", self::AGENTS, 'no setting "messenger.secret"'];
        yield 'a list' => ["[messenger]\napp_secret[] = x\n", self::AGENTS, 'a list'];
        yield 'no agents' => ['', [], 'nobody could log in'];
        yield 'a short token' => ['', ['RELAY_AGENTS' => 'ada:short'], 'less than 16'];
        yield 'two with one token' => ['', ['RELAY_AGENTS' => 'ada:0123456789abcdef,bob:0123456789abcdef'], 'the same token'];
        yield 'no name' => ['', ['RELAY_AGENTS' => '<b>:0123456789abcdef'], 'is no name'];
        yield 'no number' => ['', self::AGENTS + ['RELAY_RETRY_FIRST' => 'soon'], 'a number of seconds'];
        yield 'no URL' => ['', self::AGENTS + ['RELAY_MESSENGER_BASE_URL' => 'file:///etc'], 'URL is wanted'];
        yield 'no address' => ['', self::AGENTS + ['RELAY_LISTEN' => '8080'], 'HOST:PORT'];
        yield 'a page token without the secret' => ['', self::AGENTS + ['RELAY_MESSENGER_PAGE_TOKEN' => 'x'], 'app_secret is missing'];
        yield 'half of the web channel' => ['', self::AGENTS + ['RELAY_WEB_SECRET' => 'x'], 'both or none'];
    }

    /**
     * @dataProvider mistakes
     *
     * @param array<string, string> $environment
     */
    public function testAMistakeIsNamed(string $ini, array $environment, string $complaint): void
    {
        $this->expectException(\InvalidArgumentException::class);
        $this->expectExceptionMessage($complaint);
        Config::load($this->file($ini), $environment);
    }

    public function testAFileThatIsNotThereIsAnError(): void
    {
        $this->expectExceptionMessage('/nowhere/relay.ini: cannot be read');
        Config::load('/nowhere/relay.ini', self::AGENTS);
    }

    private function file(string $ini): string
    {
        $file = (string) tempnam(sys_get_temp_dir(), 'relay');
        file_put_contents($file, $ini);

        return $this->files[] = $file;
    }
}
