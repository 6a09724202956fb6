<?php

declare(strict_types=1);

namespace WsPush\Native;

use WsPush\Exception;

/**
 * Topics: who is subscribed to what, and messages to all of them.
 *
 * @internal a part of WsPush\Native\Server
 */
trait Topics
{
    /**
     * Subscribes a connection to a topic: from now on it gets what is published there, until it closes or is taken off.
     * To subscribe again does no harm.
     *
     * @param string $topic any UTF-8 name of 1 to 255 bytes, without NUL; a topic exists as long as it has subscribers
     *
     * @return bool false when the connection is closed
     *
     * @throws Exception ARGUMENT (topic), UTF8, LIMIT (max_topics, 10000 unless set), STATE, FORKED
     */
    public function subscribe(int $conn, string $topic): bool
    {
        $status = $this->ffi->ws_subscribe($this->handle, $conn, self::topic($topic));

        return $status === 0 || $this->refused($status);
    }

    /**
     * Takes a connection off a topic. It still gets what was published before.
     *
     * @throws Exception ARGUMENT (topic), UTF8, STATE, FORKED
     */
    public function unsubscribe(int $conn, string $topic): void
    {
        $this->check($this->ffi->ws_unsubscribe($this->handle, $conn, self::topic($topic)));
    }

    /**
     * Sends a message to all connections that are subscribed to a topic now; the frame is built once. A connection whose
     * queue is full misses it.
     *
     * @param int $opcode TEXT or BINARY
     * @param int $except a connection that does not get it, such as the one it came from; 0: none
     *
     * @return int|false how many they are; false when the server has stopped, or is behind with what it was given to send
     *
     * @throws Exception ARGUMENT (topic, opcode), UTF8, STATE, FORKED
     */
    public function publish(string $topic, string $data, int $opcode = self::TEXT, int $except = 0): int|false
    {
        $topic = self::topic($topic);
        $status = $this->ffi->ws_publish($this->handle, $topic, $data, \strlen($data), $opcode, $except);

        return $status >= 0 ? $status : $this->refused($status);
    }

    /**
     * How many connections are subscribed to a topic.
     *
     * @throws Exception ARGUMENT (topic), UTF8, STATE, FORKED
     */
    public function subscriberCount(string $topic): int
    {
        return $this->check($this->ffi->ws_topic_subscribers($this->handle, self::topic($topic)));
    }

    /**
     * How many topics a connection is subscribed to; 0 when it is closed.
     *
     * @throws Exception STATE, FORKED
     */
    public function topicCount(int $conn): int
    {
        return $this->check($this->ffi->ws_conn_topics($this->handle, $conn));
    }

    /** A name as C takes it, which would end at a NUL. */
    private static function topic(string $name): string
    {
        if (\str_contains($name, "\0")) {
            throw new Exception('a topic whose name has a NUL', Exception::ARGUMENT);
        }

        return $name;
    }
}
