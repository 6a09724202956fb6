<?php

declare(strict_types=1);

namespace Relay;

/**
 * The settings: from an ini file, and over it from the environment, where "messenger.app_secret" is called
 * RELAY_MESSENGER_APP_SECRET. relay.ini.example explains each. A name that does not exist is an error, and not a setting that
 * somebody believes to be in force.
 */
final class Config
{
    private const DEFAULTS = [
        'listen' => '127.0.0.1:8080',
        'database' => 'relay.sqlite',
        'public_url' => '',
        'desk_name' => 'Customer desk',
        'notice' => '',
        'messenger.verify_token' => '',
        'messenger.app_secret' => '',
        'messenger.page_token' => '',
        'messenger.base_url' => 'https://graph.facebook.com',
        'messenger.version' => 'v25.0',
        'messenger.echo_wait' => '15',
        'web.secret' => '',
        'web.reply_url' => '',
        'retry.first' => '1',
        'retry.longest' => '300',
        'retry.give_up' => '86400',
        'retry.timeout' => '10',
    ];
    private const SHORTEST_TOKEN = 16;

    /**
     * @param array<string, string> $values
     * @param array<string, string> $agents name => token
     * @param array<string, string> $engine options of the server
     */
    private function __construct(
        private readonly array $values,
        public readonly array $agents,
        public readonly array $engine,
        public readonly ?string $file,
    ) {
    }

    /**
     * @param string|null $file null: the environment alone
     * @param array<string, string> $environment
     *
     * @throws \InvalidArgumentException that says which setting is wrong
     */
    public static function load(?string $file, array $environment): self
    {
        $values = self::DEFAULTS;
        $agents = $engine = [];
        foreach ($file === null ? [] : self::parse($file) as $name => $value) {
            [$section, $key] = \explode('.', $name, 2) + [1 => ''];
            if ($section === 'agents' && $key !== '') {
                $agents[$key] = $value;
            } elseif ($section === 'engine' && $key !== '') {
                $engine[$key] = $value;
            } elseif (isset(self::DEFAULTS[$name])) {
                $values[$name] = $value;
            } else {
                throw new \InvalidArgumentException("$file: there is no setting \"$name\"");
            }
        }
        foreach (\array_keys(self::DEFAULTS) as $name) {
            $values[$name] = $environment['RELAY_' . \strtoupper(\strtr($name, '.', '_'))] ?? $values[$name];
        }
        foreach ($environment as $name => $value) {
            if (\str_starts_with($name, 'RELAY_ENGINE_')) {
                $engine[\strtolower(\substr($name, 13))] = $value;
            }
        }
        foreach (\array_filter(\explode(',', $environment['RELAY_AGENTS'] ?? '')) as $pair) {
            [$name, $token] = \explode(':', $pair, 2) + [1 => ''];
            $agents[\trim($name)] = \trim($token);
        }
        self::check($values, $agents);

        return new self($values, $agents, $engine, $file);
    }

    public function text(string $name): string
    {
        return $this->values[$name] ?? throw new \LogicException("there is no setting \"$name\"");
    }

    /** A number of seconds as milliseconds. */
    public function milliseconds(string $name): int
    {
        return (int) \round(1000 * (float) $this->text($name));
    }

    /** @return array{string, int} host and port to listen on; the port is 0 for "unix:/path" */
    public function address(): array
    {
        $listen = $this->text('listen');
        if (\str_starts_with($listen, 'unix:')) {
            return [$listen, 0];
        }
        $colon = (int) \strrpos($listen, ':');

        return [\trim(\substr($listen, 0, $colon), '[]'), (int) \substr($listen, $colon + 1)];
    }

    /** @return array<string, string> "section.key" => value, "key" => value outside of sections */
    private static function parse(string $file): array
    {
        $parsed = \is_readable($file) ? \parse_ini_file($file, true, \INI_SCANNER_RAW) : false;
        if ($parsed === false) {
            throw new \InvalidArgumentException("$file: cannot be read as an ini file");
        }
        $flat = [];
        foreach ($parsed as $section => $entry) {
            foreach (\is_array($entry) ? $entry : ['' => $entry] as $key => $value) {
                if (!\is_string($value)) {
                    throw new \InvalidArgumentException("$file: \"$section\" has a list where a value is wanted");
                }
                $flat[$key === '' ? (string) $section : "$section.$key"] = $value;
            }
        }

        return $flat;
    }

    /**
     * @param array<string, string> $values
     * @param array<string, string> $agents
     */
    private static function check(array $values, array $agents): void
    {
        foreach (\array_keys(self::DEFAULTS) as $name) {
            $isNumber = \str_starts_with($name, 'retry.') || $name === 'messenger.echo_wait';
            if ($isNumber && (!\is_numeric($values[$name]) || (float) $values[$name] < 0)) {
                throw new \InvalidArgumentException("$name: a number of seconds is wanted, not \"$values[$name]\"");
            }
            $isUrl = \str_ends_with($name, '_url') && $values[$name] !== '';
            if ($isUrl && \preg_match('~^https?://[^/?#\s]+~', $values[$name]) !== 1) {
                throw new \InvalidArgumentException("$name: an http:// or https:// URL is wanted, not \"$values[$name]\"");
            }
        }
        if (\preg_match('~^(unix:/.+|.+:\d{1,5})$~D', $values['listen']) !== 1) {
            throw new \InvalidArgumentException("listen: HOST:PORT or unix:/path is wanted, not \"{$values['listen']}\"");
        }
        if ($agents === []) {
            throw new \InvalidArgumentException('agents: none, so nobody could log in; [agents], or RELAY_AGENTS=name:token,…');
        }
        foreach ($agents as $name => $token) {
            // PHP makes an integer of the key "42".
            if (\preg_match('/^[\p{L}\p{N}][\p{L}\p{N} ._-]{0,31}$/Du', (string) $name) !== 1) {
                throw new \InvalidArgumentException("agents: \"$name\" is no name: up to 32 letters, digits, blanks, ._-");
            }
            if (\strlen($token) < self::SHORTEST_TOKEN) {
                $wanted = self::SHORTEST_TOKEN;
                throw new \InvalidArgumentException("agents: the token of \"$name\" has less than $wanted characters");
            }
        }
        if (\count(\array_unique($agents)) !== \count($agents)) {
            throw new \InvalidArgumentException('agents: two have the same token');
        }
        if ($values['messenger.page_token'] !== '' && $values['messenger.app_secret'] === '') {
            throw new \InvalidArgumentException('messenger.app_secret is missing: without it, anybody could post to the webhook');
        }
        if (($values['web.secret'] === '') !== ($values['web.reply_url'] === '')) {
            throw new \InvalidArgumentException('web.secret and web.reply_url: both or none');
        }
    }
}
