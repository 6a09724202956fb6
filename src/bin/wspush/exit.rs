//! How the program ends: the numbers that scripts look at. The help of `connect` has them too.

use wspush::error::Status;

/// The connection was closed in order, or `serve` was told to stop.
pub const DONE: u8 = 0;
/// The arguments make no sense, or a file cannot be used.
pub const USAGE: u8 = 1;
/// There was no connection.
pub const NOT_CONNECTED: u8 = 2;
/// There was one, but it did not become a WebSocket.
pub const REFUSED: u8 = 3;
/// It was closed with a code that tells of a fault, or cut, or before what was wanted had come.
pub const ABNORMAL: u8 = 4;
/// The time was up.
pub const TIMEOUT: u8 = 5;

/// For an attempt to connect that failed like this.
pub fn of_failure(status: Status) -> u8 {
    use Status as S;
    match status {
        S::WS_ERR_URL
        | S::WS_ERR_UNSUPPORTED
        | S::WS_ERR_ARGUMENT
        | S::WS_ERR_OPTION
        | S::WS_ERR_VALUE
        | S::WS_ERR_TOO_LARGE => USAGE,
        S::WS_ERR_CONNECT_TIMEOUT | S::WS_ERR_HANDSHAKE_TIMEOUT => TIMEOUT,
        S::WS_ERR_HANDSHAKE
        | S::WS_ERR_ACCEPT
        | S::WS_ERR_TRUNCATED
        | S::WS_ERR_RESET
        | S::WS_ERR_HTTP_STATUS
        | S::WS_ERR_UNAUTHORIZED
        | S::WS_ERR_UNAVAILABLE
        | S::WS_ERR_PROXY
        | S::WS_ERR_REDIRECT
        | S::WS_ERR_HEAD_TOO_LARGE => REFUSED,
        _ => NOT_CONNECTED,
    }
}

/// For a signal, as shells have it.
pub fn of_signal(signal: i32) -> u8 {
    u8::try_from(128 + signal).unwrap_or(u8::MAX)
}
