<?php

declare(strict_types=1);

namespace Relay\Outgoing;

/** The call is out, and nothing sensible came back: it may have had its effect, or not. */
final class NoReply extends \RuntimeException
{
}
