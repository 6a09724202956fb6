<?php

declare(strict_types=1);

namespace Relay\Outgoing;

/** The call failed before all of it was out: it has certainly had no effect. */
final class NotSent extends \RuntimeException
{
}
