<?php

declare(strict_types=1);

namespace Relay;

use Relay\Channel\Channels;
use Relay\Store\Messages;
use WsPush\Handshake;
use WsPush\Request;
use WsPush\Server;

/**
 * What is said between the relay and the pages of its agents, in JSON.
 *
 * A page says: hello (with the desk and the number of the last change that it knows, if any), look (at a conversation), earlier
 * (messages of one), find (a customer), answer (with an id of its own making), again (try a failed answer), ping.
 *
 * It hears: welcome (all anew, or what it has missed), news (what has changed: "after" is the number before, so that a page
 * sees when it has missed some), earlier, found, agents (who is here, and looks at what), known or refused (an answer), pong.
 */
final class Desk
{
    private const TOPIC = 'desk';
    private const CONVERSATIONS = 200;
    private const PAGE = 50;
    /** Who has missed more than this starts anew. */
    private const CATCH_UP = 500;
    private const CATCH_UP_BYTES = 4 << 20;
    private const NEWS = 50;

    /** @var array<int, array{name: string, looking: int}> by connection: those that have said hello */
    private array $agents = [];
    /** @var array<int, string> by connection: whose cookie it came with */
    private array $names = [];
    /** All changes up to this have been published. */
    private int $published;

    /**
     * @param string $origin of the page, such as "https://desk.example"; "": of the host that it was asked from
     * @param \Closure(): void $wakeSender called when there is something to send
     */
    public function __construct(
        private readonly Server $server,
        private readonly Messages $messages,
        private readonly Sessions $sessions,
        private readonly Channels $channels,
        private readonly string $origin,
        private readonly \Closure $wakeSender,
    ) {
        $this->published = $messages->seq();
    }

    /** Agents may connect, and pages of this desk: a cookie comes along whatever page it was that connects. */
    public function handshake(Request $request, Handshake $handshake): void
    {
        $host = $request->header('Host') ?? '';
        $ours = $this->origin !== '' ? [$this->origin] : ["http://$host", "https://$host"];
        if (!\in_array($request->header('Origin') ?? $ours[0], $ours, true)) {
            $handshake->refuse(403, "this page is not of this desk\n");
        } elseif ($this->sessions->agent($request) === null) {
            $handshake->refuse(401, "log in\n");
        } else {
            $handshake->accept();
        }
    }

    public function open(Server $server, Request $request): void
    {
        $this->names[$request->conn] = (string) $this->sessions->agent($request);
    }

    public function message(Server $server, int $conn, string $data): void
    {
        $message = Fields::json($data);
        if ($message === null || !isset($this->names[$conn])) {
            return;
        }
        match ($message->text('type')) {
            'hello' => $this->hello($conn, $message),
            'look' => $this->look($conn, $message->int('conversation')),
            'earlier' => $this->earlier($conn, $message),
            'find' => $this->find($conn, $message->text('name')),
            'answer' => $this->answer($conn, $message),
            'again' => $this->messages->again($message->int('id')) && $this->changed(),
            // With the number, so that a page finds out that news were lost though none came after them.
            'ping' => $this->tell($conn, ['type' => 'pong', 'seq' => $this->published]),
            default => null,
        };
    }

    public function close(Server $server, int $conn): void
    {
        unset($this->names[$conn]);
        if (isset($this->agents[$conn])) {
            unset($this->agents[$conn]);
            $this->tellWhoIsHere();
        }
    }

    /** Tells everyone what has changed in the database since the last time, whoever changed it. */
    public function publish(): void
    {
        do {
            $changes = $this->messages->changesSince($this->published, self::NEWS);
            if ($changes !== []) {
                $seq = $changes[\count($changes) - 1]->seq();
                $news = ['type' => 'news', 'after' => $this->published, 'seq' => $seq, 'messages' => $changes];
                $this->server->publish(self::TOPIC, self::json($news));
                $this->published = $seq;
            }
        } while (\count($changes) === self::NEWS);
    }

    /** After a change by this process: tells everyone, and has the sender look. */
    public function changed(): bool
    {
        ($this->wakeSender)();
        $this->publish();

        return true;
    }

    /**
     * From here on the connection gets all news, and before that what it has missed. A change that is in both does no harm: of
     * two states of a message the one with the higher number counts.
     */
    private function hello(int $conn, Fields $message): void
    {
        $this->publish();
        $since = $message->int('since');
        $isKnown = $message->text('desk') === $this->messages->desk() && $since > 0 && $since <= $this->published;
        $missed = $isKnown ? $this->messages->changesSince($since, self::CATCH_UP + 1) : [];
        $welcome = [
            'type' => 'welcome',
            'me' => $this->names[$conn],
            'desk' => $this->messages->desk(),
            'seq' => $this->published,
            'fresh' => false,
            'messages' => $missed,
            'longest' => $this->longestAnswers(),
        ];
        $json = self::json($welcome);
        if (!$isKnown || \count($missed) > self::CATCH_UP || \strlen($json) > self::CATCH_UP_BYTES) {
            $json = self::json(['fresh' => true, 'messages' => $this->messages->lastOfEach(self::CONVERSATIONS)] + $welcome);
        }
        $this->server->push($conn, $json);
        $this->server->subscribe($conn, self::TOPIC);
        $this->agents[$conn] = ['name' => $this->names[$conn], 'looking' => $message->int('looking')];
        $this->tellWhoIsHere();
    }

    private function look(int $conn, int $conversation): void
    {
        if (isset($this->agents[$conn])) {
            $this->agents[$conn]['looking'] = $conversation;
            $this->tellWhoIsHere();
        }
    }

    private function earlier(int $conn, Fields $message): void
    {
        $conversation = $message->int('conversation');
        $messages = $this->messages->before($conversation, $message->int('before') ?: \PHP_INT_MAX, self::PAGE + 1);
        $this->tell($conn, [
            'type' => 'earlier',
            'conversation' => $conversation,
            'more' => \count($messages) > self::PAGE,
            'messages' => \array_slice($messages, 0, self::PAGE),
        ]);
    }

    /** Customers beyond those of the welcome. */
    private function find(int $conn, string $name): void
    {
        $this->tell($conn, ['type' => 'found', 'messages' => $this->messages->find($name, self::PAGE)]);
    }

    private function answer(int $conn, Fields $message): void
    {
        $client = $message->text('client');
        $conversation = $message->int('conversation');
        $text = \trim($message->text('text'));
        $channel = $this->channels->named($this->messages->channelOf($conversation) ?? '');
        $why = match (true) {
            \preg_match('/^[\w-]{8,64}$/D', $client) !== 1 => 'an answer needs an id',
            $channel === null => 'there is no such conversation, or its channel is not set up',
            $text === '' => 'an empty answer',
            \mb_strlen($text) > $channel->longestAnswer() => "longer than {$channel->longestAnswer()} characters",
            default => null,
        };
        if ($why !== null) {
            $this->tell($conn, ['type' => 'refused', 'client' => $client, 'why' => $why]);

            return;
        }
        $known = $this->messages->byClientId($client);
        if ($known !== null) {
            // It came a second time: the page has missed that it came a first time.
            $this->tell($conn, ['type' => 'known', 'messages' => [$known]]);

            return;
        }
        $this->messages->answer($conversation, $this->names[$conn], $text, $client);
        $this->changed();
    }

    private function tellWhoIsHere(): void
    {
        $agents = [];
        foreach ($this->agents as ['name' => $name, 'looking' => $looking]) {
            $agents[$name][] = $looking;
        }
        \ksort($agents);
        $list = [];
        foreach ($agents as $name => $looking) {
            $list[] = ['name' => (string) $name, 'looking' => \array_values(\array_unique(\array_filter($looking)))];
        }
        $this->server->publish(self::TOPIC, self::json(['type' => 'agents', 'agents' => $list]));
    }

    /** @return array<string, int> */
    private function longestAnswers(): array
    {
        $longest = [];
        foreach ($this->channels->names() as $name) {
            $longest[$name] = $this->channels->named($name)?->longestAnswer() ?? 0;
        }

        return $longest;
    }

    /** @param array<string, mixed> $message */
    private function tell(int $conn, array $message): void
    {
        $this->server->push($conn, self::json($message));
    }

    /** @param array<string, mixed> $message */
    private static function json(array $message): string
    {
        return \json_encode($message, \JSON_THROW_ON_ERROR | \JSON_UNESCAPED_UNICODE | \JSON_UNESCAPED_SLASHES);
    }
}
