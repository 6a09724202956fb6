<?php

declare(strict_types=1);

namespace WsPush;

/** Where a server is in its life. It goes through these in order, and never back. */
enum State
{
    case New;
    case Running;
    /** stop() has closed the connections; events that were under way are still to be taken by poll(). */
    case Stopping;
    case Stopped;
}
