//! What becomes of requests: responses, whole or piece by piece, and upgrades that are accepted.

use super::event::ws_conn;
use super::handle::{self, ws_server};
use super::server::HostedServer;
use super::{bytes, guard_of, text};
use crate::error::{Error, Result, Status};
use std::ffi::{c_char, c_int, c_void};

const OK: c_int = Status::WS_OK as c_int;

/// Answers the HTTP request of a request event, once; or refuses the upgrade of a handshake event. Whether the connection
/// takes another request after it is for its client to say (RFC 9112 section 9.3); that one will have another `ws_conn`.
///
/// `status` is 200 to 599. `headers` is NULL or lines of "Name: value", each ended by CR LF; `Date`, `Content-Length` and
/// `Connection` are added, and the latter two must not be there. A HEAD request is answered without the body. Who has none
/// made for it may say how long that for a GET would be: with an empty body `Content-Length` may be there, and counts if the
/// request is a HEAD (RFC 9110 section 8.6).
///
/// While `max_total_queued_bytes` wait to be sent to all clients, a body of more than 64 KiB is not sent: the client gets 503.
///
/// Any thread, and any callback, now or later within `response_timeout`.
///
/// Errors: `WS_ERR_ARGUMENT` for a status or header that cannot be sent, `WS_ERR_CLOSED` if no request of this
/// connection waits, `WS_ERR_QUEUE_FULL`, `WS_ERR_MEMORY` if there is none for the body, `WS_ERR_UTF8` for the headers, `WS_ERR_NULL`,
/// `WS_ERR_HANDLE`, `WS_ERR_STATE`, `WS_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_respond(
    server: *mut ws_server,
    conn: ws_conn,
    status: c_int,
    headers: *const c_char,
    body: *const c_void,
    length: usize,
) -> c_int {
    guard_of(server, || {
        // SAFETY: the contract of this function: `headers` is NULL or NUL-terminated, and `body` leads to `length` bytes.
        let (headers, body) = unsafe { (optional(headers, "headers")?, bytes(body, length, "body")?) };
        let status = checked(status)?;
        handle::with(server, |hosted: &HostedServer| {
            hosted.server.respond(conn, status, headers.unwrap_or_default(), body)
        })
        .map(|()| OK)
    })
}

/// Begins to answer an HTTP request piece by piece: when its length is not known, or it is too large to be in memory at a
/// time, or its pieces come as time goes by. `ws_respond_write` and `ws_respond_end` go on with it. `status` and `headers`
/// are as for `ws_respond`; statuses that have no body (204, 205, 304) cannot be streamed.
///
/// Any thread, and any callback. Errors: those of `ws_respond`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_respond_begin(
    server: *mut ws_server,
    conn: ws_conn,
    status: c_int,
    headers: *const c_char,
) -> c_int {
    guard_of(server, || {
        // SAFETY: the contract of this function: `headers` is NULL or NUL-terminated.
        let headers = unsafe { optional(headers, "headers")? }.unwrap_or_default();
        let status = checked(status)?;
        handle::with(server, |hosted: &HostedServer| hosted.server.begin_stream(conn, status, headers)).map(|()| OK)
    })
}

/// Sends the next piece of a response; an empty one does nothing. `ws_conn_queued_bytes` tells how much waits. Between two
/// pieces no more than `response_timeout` may pass, or the connection is cut.
///
/// Any thread, and any callback. Errors: `WS_ERR_QUEUE_FULL` once `max_queued_bytes` wait to be sent, or 64 KiB while
/// `max_total_queued_bytes` wait for all: try again when the drain event tells that there is room;
/// `WS_ERR_CLOSED` if no response of this connection is being streamed, or its client is gone; `WS_ERR_MEMORY` if
/// there is none for the piece; `WS_ERR_NULL`, `WS_ERR_TOO_LARGE`, `WS_ERR_HANDLE`, `WS_ERR_STATE`, `WS_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_respond_write(
    server: *mut ws_server,
    conn: ws_conn,
    data: *const c_void,
    length: usize,
) -> c_int {
    guard_of(server, || {
        // SAFETY: the contract of this function: `data` leads to `length` bytes.
        let data = unsafe { bytes(data, length, "data")? };
        handle::with(server, |hosted: &HostedServer| hosted.server.send_piece(conn, data)).map(|()| OK)
    })
}

/// Ends a response that was sent piece by piece.
///
/// Any thread, and any callback. Errors: `WS_ERR_CLOSED` if no response of this connection is being streamed, or its client
/// is gone; `WS_ERR_HANDLE`, `WS_ERR_STATE`, `WS_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_respond_end(server: *mut ws_server, conn: ws_conn) -> c_int {
    guard_of(server, || handle::with(server, |hosted: &HostedServer| hosted.server.end_stream(conn)).map(|()| OK))
}

/// Accepts the upgrade of a handshake event: the connection is a WebSocket, messages may be pushed to it, and the open
/// event follows, unless its client is gone by then. To refuse it, `ws_respond` is called instead. What is not decided within `response_timeout` is refused
/// with 504.
///
/// `subprotocol` is one of those that the client offers (header `Sec-WebSocket-Protocol`); NULL is the one that the option
/// `subprotocols` has chosen, or none. `headers` is NULL or lines of "Name: value", each ended by CR LF, such as
/// `Set-Cookie`, for the 101 response (RFC 6455 section 4.2.2).
///
/// Any thread, and any callback, now or later. Errors: `WS_ERR_CLOSED` if no upgrade of this connection waits;
/// `WS_ERR_ARGUMENT` for a subprotocol that was not offered or a header that cannot be sent, and then it still waits;
/// `WS_ERR_UTF8`, `WS_ERR_STOPPED`, `WS_ERR_NULL`, `WS_ERR_HANDLE`, `WS_ERR_STATE`, `WS_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_accept(
    server: *mut ws_server,
    conn: ws_conn,
    subprotocol: *const c_char,
    headers: *const c_char,
) -> c_int {
    guard_of(server, || {
        // SAFETY: the contract of this function: both are NULL or NUL-terminated.
        let (subprotocol, headers) = unsafe { (optional(subprotocol, "subprotocol")?, optional(headers, "headers")?) };
        handle::with(server, |hosted: &HostedServer| {
            hosted.server.accept(conn, subprotocol, headers.unwrap_or_default())
        })
        .map(|()| OK)
    })
}

/// # Safety
/// `string` is NULL or points to a NUL-terminated string that does not change during the call.
unsafe fn optional<'a>(string: *const c_char, what: &str) -> Result<Option<&'a str>> {
    // SAFETY: the caller's promise.
    if string.is_null() { Ok(None) } else { unsafe { text(string, what) }.map(Some) }
}

fn checked(status: c_int) -> Result<u16> {
    u16::try_from(status).map_err(|_| Error::new(Status::WS_ERR_ARGUMENT, format!("status {status} is out of range")))
}
