//! What can be done with a connection, from any thread, at any time between start and stop.

use super::event::ws_conn;
use super::handle::{self, ws_server};
use super::server::HostedServer;
use super::{bytes, close_code, guard, guard_of, lent, null};
use crate::engine::{turn, worker};
use crate::error::{Error, Result, Status};
use crate::protocol::decoder::Kind;
use std::ffi::{c_int, c_void};
use std::num::NonZeroUsize;
use std::panic::catch_unwind;

/// The type of a message (RFC 6455 section 11.8).
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(non_camel_case_types)]
pub enum ws_opcode {
    /// UTF-8 text.
    WS_TEXT = 1,
    /// Any bytes.
    WS_BINARY = 2,
}

const fn known_kind(opcode: c_int) -> Option<Kind> {
    const TEXT: c_int = ws_opcode::WS_TEXT as c_int;
    const BINARY: c_int = ws_opcode::WS_BINARY as c_int;
    match opcode {
        TEXT => Some(Kind::Text),
        BINARY => Some(Kind::Binary),
        _ => None,
    }
}

pub(super) fn kind(opcode: c_int) -> Result<Kind> {
    known_kind(opcode)
        .ok_or_else(|| Error::new(Status::WS_ERR_ARGUMENT, format!("opcode {opcode}: WS_TEXT (1) or WS_BINARY (2)")))
}

const OK: c_int = Status::WS_OK as c_int;

/// Sends a message to a connection. `data` is copied, or sent, before the call returns; NULL is fine if `length` is 0.
///
/// `WS_OK` means that the message is in the queue of the connection, behind all that this thread has pushed to it
/// before. Whether the peer gets it is for TCP and the peer to say.
///
/// Any thread, and any callback. Inside a message callback, an answer to the same connection is the fastest.
///
/// Once `max_queued_bytes` wait for the connection, or its share while `max_total_queued_bytes` wait for all, at most 64 KiB, the
/// option `slow_client` rules: refuse gives `WS_ERR_QUEUE_FULL`; drop
/// gives `WS_OK`, and the message is dropped; close_1008 and close_1013 begin to close the connection, with a Close frame
/// behind what waits, and give `WS_ERR_CLOSED`; if the client takes nothing for `close_timeout`, it is cut. A push that was
/// refused as full, or dropped, is followed by a drain event (`ws_server_on_drain`) or by the close event.
///
/// Errors: `WS_ERR_CLOSED`; `WS_ERR_QUEUE_FULL` as said, and once `max_command_bytes` wait for the reactor of the
/// connection; `WS_ERR_MEMORY` if there is none to keep it in; `WS_ERR_UTF8` for text that is not UTF-8; `WS_ERR_ARGUMENT` for
/// another opcode; `WS_ERR_NULL`, `WS_ERR_HANDLE`, `WS_ERR_STATE`, `WS_ERR_FORKED`. Nothing was sent then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_push(
    server: *mut ws_server,
    conn: ws_conn,
    data: *const c_void,
    length: usize,
    opcode: c_int,
) -> c_int {
    // SAFETY: the contract of this function: `data` leads to `length` bytes.
    let payload = unsafe { lent(data, length) };
    if let (Some(host), Some(payload), Some(kind)) = (NonZeroUsize::new(server.addr()), payload, known_kind(opcode)) {
        // Where these look is what sets a callback's thread and a host's at work on a batch apart from all others.
        let taken =
            catch_unwind(|| turn::answer_of(host, conn, kind, payload) || worker::push_of(host, conn, kind, payload));
        if taken.is_ok_and(|taken| taken) {
            return OK;
        }
    }
    // SAFETY: as above.
    unsafe { push(server, conn, data, length, opcode) }
}

/// [`ws_push`] for all but answers, which shall not pay for what they do not need: hence a function of its own.
#[inline(never)]
unsafe fn push(server: *mut ws_server, conn: ws_conn, data: *const c_void, length: usize, opcode: c_int) -> c_int {
    guard_of(server, || {
        // SAFETY: the contract of this function: `data` leads to `length` bytes.
        let payload = unsafe { bytes(data, length, "data")? };
        let kind = kind(opcode)?;
        handle::with(server, |hosted: &HostedServer| hosted.server.push(conn, kind, payload)).map(|()| OK)
    })
}

/// The arguments of `ws_push`, but for the data. They are as fixed as those are.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ws_push_arguments {
    /// Whose connection it is.
    pub server: *mut ws_server,
    /// To whom.
    pub conn: ws_conn,
    /// Bytes of the payload.
    pub length: usize,
    /// `WS_TEXT` or `WS_BINARY`.
    pub opcode: c_int,
}

/// `ws_push` for hosts to which a field is cheaper to write than an argument is to pass, as is the way of PHP and other
/// scripting languages. `arguments` is the caller's: it is read during the call, and may serve for the next one.
///
/// Any thread, and any callback. Errors: those of `ws_push`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_push_with(arguments: *const ws_push_arguments, data: *const c_void) -> c_int {
    if arguments.is_null() {
        return guard(|| Err(null("arguments")));
    }
    // SAFETY: the contract of this function: what is not NULL leads to arguments.
    let ws_push_arguments { server, conn, length, opcode } = unsafe { *arguments };
    // SAFETY: the contract of this function: they are what `ws_push` may be called with.
    unsafe { ws_push(server, conn, data, length, opcode) }
}

/// Sends a message to every open connection. It is encoded once. Connections whose queue is full are left out and
/// counted, or closed, by the option `slow_client`; that concerns nobody else, and is no error.
///
/// A program may broadcast faster than a reactor sends. What waits for the reactor counts for each receiver, and at
/// `max_command_bytes` a broadcast is refused; it can be repeated a moment later. In callback mode, once half of that waits and a
/// callback has pushed some of it, no further message is delivered before the reactor has taken it: so a callback that pushes less
/// than half at a time is not refused for what callbacks have pushed, however many messages came at a time.
///
/// Any thread, and any callback. Errors: those of `ws_push`, without `WS_ERR_CLOSED`; `WS_ERR_QUEUE_FULL` means that
/// `max_command_bytes` wait for a reactor, of whose connections none gets the message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_broadcast(
    server: *mut ws_server,
    data: *const c_void,
    length: usize,
    opcode: c_int,
) -> c_int {
    guard_of(server, || {
        // SAFETY: the contract of this function: `data` leads to `length` bytes.
        let payload = unsafe { bytes(data, length, "data")? };
        let kind = kind(opcode)?;
        handle::with(server, |hosted: &HostedServer| hosted.server.broadcast(kind, payload)).map(|()| OK)
    })
}

/// Sends a ping of at most 125 bytes (RFC 6455 section 5.5.2). Its pong counts as a sign of life and is not told; without any
/// within `pong_timeout` the connection is cut. The option `ping_interval` sends pings by itself.
///
/// Any thread, and any callback. Errors: `WS_ERR_TOO_LARGE`, and those of `ws_push`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_ping(server: *mut ws_server, conn: ws_conn, data: *const c_void, length: usize) -> c_int {
    guard_of(server, || {
        // SAFETY: the contract of this function: `data` leads to `length` bytes.
        let payload = unsafe { bytes(data, length, "data")? };
        handle::with(server, |hosted: &HostedServer| hosted.server.ping(conn, payload)).map(|()| OK)
    })
}

/// Begins the closing handshake (RFC 6455 section 7): what was pushed before is sent, then a Close frame with `code` and a
/// UTF-8 `reason` of at most 123 bytes. `code` is 1000 to 1003, 1007 to 1014 or 3000 to 4999, or 0 for a Close frame
/// without code and reason. The close event follows when the peer has answered, or after `close_timeout`.
///
/// Messages that still arrive are dropped. In poll mode so are those that wait for the host: the batches that it takes from now on have
/// no message, drain or pong of the connection, only its close event. That holds with `WS_ERR_CLOSED`, too. The batch that the host
/// holds already stays as it is: a host that wants no more of the connection passes over the rest of it there, and need remember
/// that until the end of the batch only.
///
/// Any thread, and any callback. Errors: `WS_ERR_CLOSED` also if it is closing already, `WS_ERR_ARGUMENT`,
/// `WS_ERR_UTF8`, `WS_ERR_NULL`, `WS_ERR_HANDLE`, `WS_ERR_STATE`, `WS_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_close(
    server: *mut ws_server,
    conn: ws_conn,
    code: c_int,
    reason: *const c_void,
    length: usize,
) -> c_int {
    guard_of(server, || {
        // SAFETY: the contract of this function: `reason` leads to `length` bytes.
        let (code, reason) = unsafe { close_code(code, reason, length)? };
        handle::with(server, |hosted: &HostedServer| hosted.server.close(conn, code, reason)).map(|()| OK)
    })
}

/// Asks for a drain event (`ws_server_on_drain`) as soon as no more than the option `low_watermark` waits to be sent to this
/// connection, which may be at once; as a push that was refused does by itself. For hosts that stop sending of their own
/// accord, at a mark of their own (`ws_conn_queued_bytes`). To ask again before it has come does no harm, and it comes once.
///
/// Any thread, and any callback. Errors: those of `ws_conn_pause`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conn_await_drain(server: *mut ws_server, conn: ws_conn) -> c_int {
    guard_of(server, || handle::with(server, |hosted: &HostedServer| hosted.server.await_drain(conn)).map(|()| OK))
}

/// Reads nothing more from a connection until `ws_conn_resume`: what its peer sends waits in the kernel, and when that is
/// full, the peer has to wait. To pause again does no harm.
///
/// From a callback of the connection it holds at once: what was received with the message, up to 256 KiB, is kept until it is resumed.
/// In poll mode, and from another thread, what was received before still comes, in its order: a host that polls gets the rest of the
/// batch that it holds, and of the batches that wait for it (at most about `max_event_bytes`), and then nothing until it resumes. One
/// that is not to handle it yet copies it: payloads are there until the next poll only.
///
/// Nobody is closed for silence meanwhile, and time spent so does not count; pings go out all the same (option
/// `ping_interval`), though nothing comes of their pongs. Pushing and closing work as ever: `ws_close` and
/// `ws_server_stop` end the pause. A connection that breaks is told as closed; a peer that ends it in order is not noticed
/// before reading goes on, with all that it has sent before.
///
/// Any thread, and any callback. Errors: `WS_ERR_CLOSED`, also if it is closing; `WS_ERR_QUEUE_FULL` once twice
/// `max_command_bytes` wait for the reactor, which only a loop of pauses leads to; `WS_ERR_HANDLE`, `WS_ERR_STATE`,
/// `WS_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conn_pause(server: *mut ws_server, conn: ws_conn) -> c_int {
    guard_of(server, || handle::with(server, |hosted: &HostedServer| hosted.server.pause(conn)).map(|()| OK))
}

/// Reads on after `ws_conn_pause`. Nothing happens if the connection is not paused.
///
/// Any thread, and any callback. Errors: those of `ws_conn_pause`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conn_resume(server: *mut ws_server, conn: ws_conn) -> c_int {
    guard_of(server, || handle::with(server, |hosted: &HostedServer| hosted.server.resume(conn)).map(|()| OK))
}

/// Cuts a connection at once, without a Close frame; what waits to be sent is lost. The close event tells 1006. In poll mode nothing
/// else of it is in the batches that the host takes from now on, as with `ws_close`.
///
/// Any thread, and any callback. Errors: `WS_ERR_CLOSED`, `WS_ERR_HANDLE`, `WS_ERR_STATE`, `WS_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_disconnect(server: *mut ws_server, conn: ws_conn) -> c_int {
    guard_of(server, || handle::with(server, |hosted: &HostedServer| hosted.server.disconnect(conn)).map(|()| OK))
}

/// 1 if messages may be pushed to this connection, 0 if it is closing, closed or never was.
///
/// Any thread, and any callback. Errors: `WS_ERR_HANDLE`, `WS_ERR_STATE`, `WS_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conn_is_open(server: *mut ws_server, conn: ws_conn) -> c_int {
    guard_of(server, || handle::with(server, |hosted: &HostedServer| hosted.server.is_open(conn)).map(c_int::from))
}

/// Bytes that wait to be sent to this connection, frame headers included.
///
/// Any thread, and any callback. Errors: `WS_ERR_CLOSED` if it is gone, `WS_ERR_HANDLE`, `WS_ERR_STATE`,
/// `WS_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conn_queued_bytes(server: *mut ws_server, conn: ws_conn) -> i64 {
    guard_of(server, || {
        let queued = handle::with(server, |hosted: &HostedServer| hosted.server.queued_bytes(conn))?;
        Ok(i64::try_from(queued).unwrap_or(i64::MAX))
    })
}

/// Writes the ids of open connections to `ids`, at most `capacity` of them, and returns how many are open. If that is
/// more than `capacity`, the rest is not written. `ids` may be NULL if `capacity` is 0.
///
/// Any thread, and any callback; connections may open and close meanwhile. Errors: `WS_ERR_NULL`, `WS_ERR_HANDLE`,
/// `WS_ERR_STATE`, `WS_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_server_connections(server: *mut ws_server, ids: *mut ws_conn, capacity: usize) -> i64 {
    guard_of(server, || {
        if ids.is_null() && capacity > 0 {
            return Err(null("ids"));
        }
        handle::with(server, |hosted: &HostedServer| {
            let mut count = 0;
            for id in hosted.server.connections()? {
                if count < capacity {
                    // SAFETY: the contract of this function: `ids` has room for `capacity` ids.
                    unsafe { *ids.add(count) = id };
                }
                count += 1;
            }
            Ok(i64::try_from(count).unwrap_or(i64::MAX))
        })
    })
}
