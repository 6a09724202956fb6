<?php

declare(strict_types=1);

namespace Relay\Channel;

use Relay\Outgoing\Answer;
use Relay\Outgoing\Call;
use Relay\Outgoing\HttpReply;
use Relay\Outgoing\Outcome;
use WsPush\Request;

/**
 * A way on which customers reach the desk: it reads the webhook of a vendor, and writes the call that sends an answer back.
 *
 * A channel holds no state and does no input or output of its own. Storing, queueing, retrying and showing are the same
 * for all of them, so that a new one is one class.
 */
interface Channel
{
    /** Its name in the database and in the path of its webhook, /hook/NAME. */
    public function name(): string;

    /** Reads a request to its webhook; the body is as it came. */
    public function receive(Request $request): Received;

    /** The most characters that an answer may have. */
    public function longestAnswer(): int;

    /** The call that sends this answer. */
    public function call(Answer $answer): Call;

    /** What the reply to that call means for the answer. */
    public function judge(HttpReply $reply): Outcome;

    /**
     * How long to wait, in milliseconds, before an answer of which nobody knows whether it arrived is sent again. In this time
     * its echo may tell. 0 where sending twice does no harm.
     */
    public function doubtMs(): int;
}
