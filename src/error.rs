//! What can go wrong: a number that hosts can rely on, and a sentence about the case at hand.

use std::fmt;
use std::io;

/// The outcome of a call. `WS_OK` is 0 and errors are negative; a number is never used again for something else.
/// What went wrong in the case at hand is told by `ws_last_error`. Each function lists its errors; besides, all that
/// take a length may give `WS_ERR_TOO_LARGE` for one that no memory has, all that act on a started server
/// `WS_ERR_STOPPED` after its stop, and every one `WS_ERR_PANIC`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(non_camel_case_types, clippy::upper_case_acronyms)]
pub enum Status {
    /// Done.
    WS_OK = 0,
    /// A NULL where there must be none.
    WS_ERR_NULL = -1,
    /// Not a live server, client or loop: freed already, or never one.
    WS_ERR_HANDLE = -2,
    /// An argument out of its range: an opcode, a close code, a port, a reason over 123 bytes, a bad header.
    WS_ERR_ARGUMENT = -3,
    /// Text or a close reason that is not UTF-8.
    WS_ERR_UTF8 = -4,
    /// No option has this name.
    WS_ERR_OPTION = -5,
    /// The option does not take this value.
    WS_ERR_VALUE = -6,
    /// Not at this time: started already, not started yet, or not in this mode.
    WS_ERR_STATE = -7,
    /// The server has stopped, and every event was taken.
    WS_ERR_STOPPED = -8,
    /// The connection is closed or closing, or there never was one of this id.
    WS_ERR_CLOSED = -9,
    /// The queue of the connection, or the one on the way to it, is full.
    WS_ERR_QUEUE_FULL = -10,
    /// More bytes than fit: a ping of more than 125.
    WS_ERR_TOO_LARGE = -11,
    /// The address cannot be read or resolved, or is not one of this machine.
    WS_ERR_ADDRESS = -12,
    /// Something else listens on the address.
    WS_ERR_ADDRESS_IN_USE = -13,
    /// The system does not allow it.
    WS_ERR_PERMISSION = -14,
    /// Another error of the operating system.
    WS_ERR_SYSTEM = -15,
    /// Out of memory or of handles.
    WS_ERR_MEMORY = -16,
    /// Not from inside a callback.
    WS_ERR_IN_CALLBACK = -17,
    /// Another thread is doing this already.
    WS_ERR_WRONG_THREAD = -18,
    /// The server was started in another process: start after the fork.
    WS_ERR_FORKED = -19,
    /// A signal handler ran during the wait, or the process was stopped and continued: call again.
    WS_ERR_INTERRUPTED = -20,
    /// A fault inside wspush.
    WS_ERR_PANIC = -21,
    /// As many as an option allows are there already.
    WS_ERR_LIMIT = -22,
    /// The URL of a client cannot be read.
    WS_ERR_URL = -23,
    /// Not built in: `wss://`, until this library speaks TLS.
    WS_ERR_UNSUPPORTED = -24,
    /// The name of the server has no address, or could not be looked up.
    WS_ERR_RESOLVE = -25,
    /// No connection: refused, unreachable, no such socket.
    WS_ERR_CONNECT = -26,
    /// No connection within `connect_timeout`.
    WS_ERR_CONNECT_TIMEOUT = -27,
    /// No whole response within `handshake_timeout`.
    WS_ERR_HANDSHAKE_TIMEOUT = -28,
    /// A response that makes no WebSocket: malformed, or without the fields of an upgrade, or with a choice that was not offered.
    WS_ERR_HANDSHAKE = -29,
    /// A response whose Sec-WebSocket-Accept does not answer our key.
    WS_ERR_ACCEPT = -30,
    /// The server ended the connection before its response was whole.
    WS_ERR_TRUNCATED = -31,
    /// The connection was reset before it opened.
    WS_ERR_RESET = -32,
    /// The server answered with another status than 101.
    WS_ERR_HTTP_STATUS = -33,
    /// The server answered with 401, or the proxy with 407.
    WS_ERR_UNAUTHORIZED = -34,
    /// The server answered with 503.
    WS_ERR_UNAVAILABLE = -35,
    /// The proxy does not let us through.
    WS_ERR_PROXY = -36,
    /// A redirection that is not to be followed: none is allowed, there were too many, or it leads nowhere.
    WS_ERR_REDIRECT = -37,
    /// A response head over `max_response_head`.
    WS_ERR_HEAD_TOO_LARGE = -38,
}

impl Status {
    /// The status of this number, if there is one.
    #[must_use]
    pub fn from_number(number: i32) -> Option<Self> {
        ALL.iter().map(|row| row.0).find(|status| *status as i32 == number)
    }

    /// Its name in the C header, NUL-terminated.
    #[must_use]
    pub fn name(self) -> &'static std::ffi::CStr {
        self.row().1
    }

    /// What it means in a few words, NUL-terminated.
    #[must_use]
    pub fn text(self) -> &'static std::ffi::CStr {
        self.row().2
    }

    fn row(self) -> &'static (Self, &'static std::ffi::CStr, &'static std::ffi::CStr) {
        // The table is in the order of the numbers, which a test holds it to.
        &ALL[(self as i32).unsigned_abs() as usize]
    }
}

const ALL: &[(Status, &std::ffi::CStr, &std::ffi::CStr)] = &[
    (Status::WS_OK, c"WS_OK", c"no error"),
    (Status::WS_ERR_NULL, c"WS_ERR_NULL", c"NULL where there must be none"),
    (Status::WS_ERR_HANDLE, c"WS_ERR_HANDLE", c"not a live handle"),
    (Status::WS_ERR_ARGUMENT, c"WS_ERR_ARGUMENT", c"argument out of range"),
    (Status::WS_ERR_UTF8, c"WS_ERR_UTF8", c"text is not UTF-8"),
    (Status::WS_ERR_OPTION, c"WS_ERR_OPTION", c"unknown option"),
    (Status::WS_ERR_VALUE, c"WS_ERR_VALUE", c"value not taken by the option"),
    (Status::WS_ERR_STATE, c"WS_ERR_STATE", c"not possible at this time"),
    (Status::WS_ERR_STOPPED, c"WS_ERR_STOPPED", c"server has stopped"),
    (Status::WS_ERR_CLOSED, c"WS_ERR_CLOSED", c"connection is closed"),
    (Status::WS_ERR_QUEUE_FULL, c"WS_ERR_QUEUE_FULL", c"queue is full"),
    (Status::WS_ERR_TOO_LARGE, c"WS_ERR_TOO_LARGE", c"too many bytes"),
    (Status::WS_ERR_ADDRESS, c"WS_ERR_ADDRESS", c"address cannot be used"),
    (Status::WS_ERR_ADDRESS_IN_USE, c"WS_ERR_ADDRESS_IN_USE", c"address already in use"),
    (Status::WS_ERR_PERMISSION, c"WS_ERR_PERMISSION", c"permission denied"),
    (Status::WS_ERR_SYSTEM, c"WS_ERR_SYSTEM", c"operating system error"),
    (Status::WS_ERR_MEMORY, c"WS_ERR_MEMORY", c"out of memory or handles"),
    (Status::WS_ERR_IN_CALLBACK, c"WS_ERR_IN_CALLBACK", c"not allowed inside a callback"),
    (Status::WS_ERR_WRONG_THREAD, c"WS_ERR_WRONG_THREAD", c"another thread is doing this"),
    (Status::WS_ERR_FORKED, c"WS_ERR_FORKED", c"started in another process"),
    (Status::WS_ERR_INTERRUPTED, c"WS_ERR_INTERRUPTED", c"interrupted by a signal"),
    (Status::WS_ERR_PANIC, c"WS_ERR_PANIC", c"fault inside wspush"),
    (Status::WS_ERR_LIMIT, c"WS_ERR_LIMIT", c"limit reached"),
    (Status::WS_ERR_URL, c"WS_ERR_URL", c"URL cannot be read"),
    (Status::WS_ERR_UNSUPPORTED, c"WS_ERR_UNSUPPORTED", c"not supported by this build"),
    (Status::WS_ERR_RESOLVE, c"WS_ERR_RESOLVE", c"name could not be looked up"),
    (Status::WS_ERR_CONNECT, c"WS_ERR_CONNECT", c"could not connect"),
    (Status::WS_ERR_CONNECT_TIMEOUT, c"WS_ERR_CONNECT_TIMEOUT", c"no connection in time"),
    (Status::WS_ERR_HANDSHAKE_TIMEOUT, c"WS_ERR_HANDSHAKE_TIMEOUT", c"no response in time"),
    (Status::WS_ERR_HANDSHAKE, c"WS_ERR_HANDSHAKE", c"response makes no WebSocket"),
    (Status::WS_ERR_ACCEPT, c"WS_ERR_ACCEPT", c"wrong Sec-WebSocket-Accept"),
    (Status::WS_ERR_TRUNCATED, c"WS_ERR_TRUNCATED", c"response ended too early"),
    (Status::WS_ERR_RESET, c"WS_ERR_RESET", c"connection was reset"),
    (Status::WS_ERR_HTTP_STATUS, c"WS_ERR_HTTP_STATUS", c"HTTP status other than 101"),
    (Status::WS_ERR_UNAUTHORIZED, c"WS_ERR_UNAUTHORIZED", c"credentials wanted"),
    (Status::WS_ERR_UNAVAILABLE, c"WS_ERR_UNAVAILABLE", c"server is unavailable"),
    (Status::WS_ERR_PROXY, c"WS_ERR_PROXY", c"proxy refused"),
    (Status::WS_ERR_REDIRECT, c"WS_ERR_REDIRECT", c"redirection not followed"),
    (Status::WS_ERR_HEAD_TOO_LARGE, c"WS_ERR_HEAD_TOO_LARGE", c"response head too large"),
];

/// An error with the detail of its case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// Which error it is.
    pub status: Status,
    /// What was tried, on what, and what to do about it.
    pub detail: String,
}

/// The result of most calls.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error of this status, told in these words.
    pub fn new(status: Status, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into() }
    }

    /// There is no memory for what the host has asked to be sent.
    #[must_use]
    pub fn no_memory() -> Self {
        Self::new(Status::WS_ERR_MEMORY, "there is no memory for it; nothing was sent")
    }

    /// An error of the operating system, met while doing `what`.
    #[must_use]
    pub fn system(what: &str, error: &io::Error) -> Self {
        let (status, advice) = match error.kind() {
            io::ErrorKind::AddrInUse if what.starts_with("listen unix:") => {
                (Status::WS_ERR_ADDRESS_IN_USE, " (another server listens there)")
            }
            io::ErrorKind::AlreadyExists => (Status::WS_ERR_ADDRESS, " (remove it, or listen at another path)"),
            io::ErrorKind::AddrInUse => {
                (Status::WS_ERR_ADDRESS_IN_USE, " (another socket listens there; see the option reuse_port)")
            }
            io::ErrorKind::AddrNotAvailable => (Status::WS_ERR_ADDRESS, " (no interface of this machine has it)"),
            io::ErrorKind::PermissionDenied if what.starts_with("listen unix:") => {
                (Status::WS_ERR_PERMISSION, " (this user cannot make a file there, or not give it away)")
            }
            io::ErrorKind::PermissionDenied if what.starts_with("listen") => {
                (Status::WS_ERR_PERMISSION, " (ports below 1024 need CAP_NET_BIND_SERVICE)")
            }
            io::ErrorKind::PermissionDenied => (Status::WS_ERR_PERMISSION, ""),
            io::ErrorKind::InvalidInput | io::ErrorKind::NotFound => (Status::WS_ERR_ADDRESS, ""),
            io::ErrorKind::OutOfMemory => (Status::WS_ERR_MEMORY, ""),
            _ => (Status::WS_ERR_SYSTEM, ""),
        };
        Self::new(status, format!("{what}: {error}{advice}"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_numbers() {
        for (index, row) in ALL.iter().enumerate() {
            assert_eq!(row.0 as i32, -(index as i32));
            assert_eq!(row.1.to_str(), Ok(format!("{:?}", row.0).as_str()));
            assert_eq!(Status::from_number(row.0 as i32), Some(row.0));
        }
        assert_eq!(Status::from_number(1), None);
        assert_eq!(Status::from_number(-(ALL.len() as i32)), None);
    }
}
