<?php

declare(strict_types=1);

namespace Relay\Channel;

use Relay\Config;

/** The channels that the settings turn on. A new kind of channel is named here. */
final class Channels
{
    /** @var array<string, Channel> by name */
    private array $channels = [];

    public function __construct(Channel ...$channels)
    {
        foreach ($channels as $channel) {
            $this->channels[$channel->name()] = $channel;
        }
    }

    public static function of(Config $config): self
    {
        $channels = [];
        if ($config->text('messenger.app_secret') !== '') {
            $channels[] = new Messenger(
                $config->text('messenger.verify_token'),
                $config->text('messenger.app_secret'),
                $config->text('messenger.page_token'),
                \rtrim($config->text('messenger.base_url'), '/'),
                $config->text('messenger.version'),
                $config->milliseconds('messenger.echo_wait'),
            );
        }
        if ($config->text('web.secret') !== '') {
            $channels[] = new Web($config->text('web.secret'), $config->text('web.reply_url'));
        }

        return new self(...$channels);
    }

    public function named(string $name): ?Channel
    {
        return $this->channels[$name] ?? null;
    }

    /** @return list<string> */
    public function names(): array
    {
        return \array_keys($this->channels);
    }
}
