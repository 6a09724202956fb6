<?php

declare(strict_types=1);

namespace WsPush;

/**
 * Why a connection closed: ws_cause of C. The close code alone does not tell: 1006 has many causes, and the same code may be the
 * peer's or that of this side.
 */
enum CloseCause: int
{
    /** Nothing was closed. */
    case None = 0;
    /** The peer closed it with a Close frame, with the code and the reason that are told: a 1009 is of the peer's limit. */
    case Peer = 1;
    /** close() of this side */
    case Host = 2;
    /** disconnect() of this side */
    case Disconnect = 3;
    /** The server was stopped, or the client or its loop ended. */
    case Stop = 4;
    /** The peer ended the stream without a Close frame. */
    case EndOfStream = 5;
    /** The peer, or something on the way, reset the connection. */
    case Reset = 6;
    /** The system gave the connection up: the network is down, or the peer could not be reached for too long. */
    case Network = 7;
    /** The peer was silent after a Ping. */
    case PongTimeout = 8;
    /** The peer did not answer the Close frame. */
    case CloseTimeout = 9;
    /** The peer sent no message for too long: idle_timeout. */
    case IdleTimeout = 10;
    /** The connection was too old: max_lifetime. */
    case Lifetime = 11;
    /** The peer read too slowly: max_queued_bytes, slow_client. */
    case SlowClient = 12;
    /** The peer sent too many Pings and Pongs: max_control_frames. */
    case ControlFlood = 13;
    /** The peer broke the protocol: 1002. */
    case Protocol = 14;
    /** The peer sent text that is not UTF-8: 1007. */
    case Utf8 = 15;
    /** The peer sent a message beyond a limit of this side: max_message_size, max_frame_size or max_fragments; 1009. */
    case TooBig = 16;
    /** A fault inside wspush: 1011. */
    case Fault = 17;
    /** Messages that were arriving, or waited while paused, took too much memory all together, or there was none for what was
     * received or was to be sent; 1013, or 1006 where a part of a message was sent. */
    case Memory = 18;
}
