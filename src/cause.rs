//! Why a connection closed: a number that hosts can rely on, and a sentence.
//!
//! The close code says what the two ends have told each other, and 1006 that they have told nothing. This says what happened.

use std::ffi::CStr;

/// Why a connection closed, which the close code alone does not tell: 1006 has many causes, and the same code may be the
/// peer's or ours. A number is never used again for something else. `ws_cause_text` has each in words.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(non_camel_case_types, clippy::upper_case_acronyms)]
pub enum Cause {
    /// Nothing was closed.
    #[default]
    WS_CAUSE_NONE = 0,
    /// The peer closed it with a Close frame, for the reason and with the code that are told: a 1009 is of the peer's limit.
    WS_CAUSE_PEER = 1,
    /// The host closed it, by `ws_close` or `ws_client_close`.
    WS_CAUSE_HOST = 2,
    /// The host cut it, by `ws_disconnect`.
    WS_CAUSE_DISCONNECT = 3,
    /// The server was stopped, or the client or its loop ended.
    WS_CAUSE_STOP = 4,
    /// The peer ended the stream without a Close frame.
    WS_CAUSE_END_OF_STREAM = 5,
    /// The peer, or something on the way, reset the connection.
    WS_CAUSE_RESET = 6,
    /// The system gave the connection up: the network is down, or the peer could not be reached for too long.
    WS_CAUSE_NETWORK = 7,
    /// The peer was silent after a ping: `pong_timeout`.
    WS_CAUSE_PONG_TIMEOUT = 8,
    /// The peer did not answer the Close frame: `close_timeout`.
    WS_CAUSE_CLOSE_TIMEOUT = 9,
    /// The peer sent no message for too long: `idle_timeout`.
    WS_CAUSE_IDLE_TIMEOUT = 10,
    /// The connection was too old: `max_lifetime`.
    WS_CAUSE_LIFETIME = 11,
    /// The peer read too slowly: `max_queued_bytes`, `slow_client`.
    WS_CAUSE_SLOW_CLIENT = 12,
    /// The peer sent too many pings and pongs: `max_control_frames`.
    WS_CAUSE_CONTROL_FLOOD = 13,
    /// The peer broke the protocol: 1002.
    WS_CAUSE_PROTOCOL = 14,
    /// The peer sent text that is not UTF-8: 1007.
    WS_CAUSE_UTF8 = 15,
    /// The peer sent a message beyond a limit of ours: `max_message_size`, `max_frame_size` or `max_fragments`; 1009.
    WS_CAUSE_TOO_BIG = 16,
    /// A fault inside wspush: 1011.
    WS_CAUSE_FAULT = 17,
    /// Messages that were arriving took too much memory all together, and this one had stood still the longest:
    /// `max_message_bytes`; or there was no memory for what was received. 1013. Or for what was to be sent: 1006.
    WS_CAUSE_MEMORY = 18,
}

impl Cause {
    /// The cause of this number, if there is one.
    #[must_use]
    pub fn from_number(number: i32) -> Option<Self> {
        ALL.iter().map(|row| row.0).find(|cause| *cause as i32 == number)
    }

    /// Its name in the C header, NUL-terminated.
    #[must_use]
    pub fn name(self) -> &'static CStr {
        self.row().1
    }

    /// What happened, in a few words, NUL-terminated.
    #[must_use]
    pub fn text(self) -> &'static CStr {
        self.row().2
    }

    fn row(self) -> &'static (Self, &'static CStr, &'static CStr) {
        // The table is in the order of the numbers, which a test holds it to.
        &ALL[self as usize]
    }

    /// What an error of its socket says.
    #[must_use]
    pub fn of_error(error: &std::io::Error) -> Self {
        use std::io::ErrorKind;
        match error.kind() {
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted => Self::WS_CAUSE_RESET,
            _ => Self::WS_CAUSE_NETWORK,
        }
    }
}

const ALL: &[(Cause, &CStr, &CStr)] = &[
    (Cause::WS_CAUSE_NONE, c"WS_CAUSE_NONE", c"nothing was closed"),
    (Cause::WS_CAUSE_PEER, c"WS_CAUSE_PEER", c"the peer closed it"),
    (Cause::WS_CAUSE_HOST, c"WS_CAUSE_HOST", c"it was closed on this side"),
    (Cause::WS_CAUSE_DISCONNECT, c"WS_CAUSE_DISCONNECT", c"it was cut on this side"),
    (Cause::WS_CAUSE_STOP, c"WS_CAUSE_STOP", c"this side stopped"),
    (Cause::WS_CAUSE_END_OF_STREAM, c"WS_CAUSE_END_OF_STREAM", c"the peer ended the stream without a Close frame"),
    (Cause::WS_CAUSE_RESET, c"WS_CAUSE_RESET", c"the connection was reset"),
    (Cause::WS_CAUSE_NETWORK, c"WS_CAUSE_NETWORK", c"the network lost the connection"),
    (Cause::WS_CAUSE_PONG_TIMEOUT, c"WS_CAUSE_PONG_TIMEOUT", c"the peer answered no ping (pong_timeout)"),
    (
        Cause::WS_CAUSE_CLOSE_TIMEOUT,
        c"WS_CAUSE_CLOSE_TIMEOUT",
        c"the peer did not answer the Close frame (close_timeout)",
    ),
    (Cause::WS_CAUSE_IDLE_TIMEOUT, c"WS_CAUSE_IDLE_TIMEOUT", c"the peer sent no message for too long (idle_timeout)"),
    (Cause::WS_CAUSE_LIFETIME, c"WS_CAUSE_LIFETIME", c"the connection was too old (max_lifetime)"),
    (Cause::WS_CAUSE_SLOW_CLIENT, c"WS_CAUSE_SLOW_CLIENT", c"the peer read too slowly (max_queued_bytes, slow_client)"),
    (Cause::WS_CAUSE_CONTROL_FLOOD, c"WS_CAUSE_CONTROL_FLOOD", c"the peer sent too many pings (max_control_frames)"),
    (Cause::WS_CAUSE_PROTOCOL, c"WS_CAUSE_PROTOCOL", c"the peer broke the protocol"),
    (Cause::WS_CAUSE_UTF8, c"WS_CAUSE_UTF8", c"the peer sent text that is not UTF-8"),
    (
        Cause::WS_CAUSE_TOO_BIG,
        c"WS_CAUSE_TOO_BIG",
        c"the peer sent more than this side takes (max_message_size, max_frame_size, max_fragments)",
    ),
    (Cause::WS_CAUSE_FAULT, c"WS_CAUSE_FAULT", c"a fault inside wspush"),
    (Cause::WS_CAUSE_MEMORY, c"WS_CAUSE_MEMORY", c"there was too little memory for it (max_message_bytes)"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_numbers() {
        for (index, row) in ALL.iter().enumerate() {
            assert_eq!(row.0 as usize, index);
            assert_eq!(row.1.to_str(), Ok(format!("{:?}", row.0).as_str()));
            assert_eq!(Cause::from_number(index as i32), Some(row.0));
        }
        assert_eq!(Cause::from_number(-1), None);
        assert_eq!(Cause::from_number(ALL.len() as i32), None);
    }
}
