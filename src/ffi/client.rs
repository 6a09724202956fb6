//! A client's life: made, set up, started, pushed to, closed, freed.

mod callbacks;

use self::callbacks::Callbacks;
use super::connection::kind;
use super::error::LastError;
use super::event::{Alone, View, give, give_packed, ws_batch, ws_event};
use super::handle::{self, ws_client};
use super::{bytes, check_structure, close_code, guard_of, limit, null, text};
use crate::client::Client;
use crate::error::{Error, Result, Status};
use crate::sys::lock::Lock;
use crate::sys::process;
use std::ffi::{c_char, c_int, c_void};

/// What a `ws_client *` leads to.
pub(super) struct HostedClient {
    pub(super) client: Client,
    callbacks: Lock<Callbacks>,
    /// The batch that the host reads, if it polls this client alone.
    view: View,
    pub(super) last_error: LastError,
}

const OK: c_int = Status::WS_OK as c_int;

/// Makes a client of the server at `url`, with the default options. It is freed with `ws_client_free`.
///
/// `url` is "ws://host:port/path?query"; the port is 80 if there is none. IPv6 addresses stand in brackets. "ws://user:password@host"
/// sends the two by HTTP basic authentication. "unix:/path/of/socket" connects to a Unix socket, and
/// "unix:/path/of/socket:/path?query" asks for that path there. "wss://" is not supported yet. What is wrong with the URL is told
/// by `ws_client_start`.
///
/// Returns NULL if `url` is NULL or not UTF-8, or if 1,048,576 clients live already; `ws_last_error` says which. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_client_new(url: *const c_char) -> *mut ws_client {
    super::made(|| {
        // SAFETY: the contract of this function: `url` is NUL-terminated.
        let url = unsafe { text(url, "url")? };
        handle::insert(|handle| HostedClient {
            client: Client::tagged(url, handle as u64),
            callbacks: Lock::default(),
            view: View::default(),
            last_error: LastError::default(),
        })
    })
}

/// Sets an option by its name, before the start: `ws_client_set(client, "reconnect", "on")`. The README has a table of all
/// options of a client. Sizes and times are written as for `ws_server_set`.
///
/// Once started, these can be set for the next attempt to connect: `connect_timeout`, `handshake_timeout`, `subprotocols`,
/// `origin`, `cookie`, `user_agent`, `proxy`, `host`, `resolve`, `max_redirects`, `max_response_head`. Then any thread, and any
/// callback. An attempt that is under way goes on as it is.
///
/// Errors: `WS_ERR_OPTION`, `WS_ERR_VALUE`; once started `WS_ERR_STATE` for any other option, `WS_ERR_CLOSED` if it has ended;
/// `WS_ERR_NULL`, `WS_ERR_UTF8`, `WS_ERR_HANDLE`, `WS_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_client_set(client: *mut ws_client, name: *const c_char, value: *const c_char) -> c_int {
    guard_of(client, || {
        // SAFETY: the contract of this function: both are NUL-terminated.
        let (name, value) = unsafe { (text(name, "name")?, text(value, "value")?) };
        handle::with(client, |hosted: &HostedClient| hosted.client.set(name, value)).map(|()| OK)
    })
}

/// Sets the URL, as `ws_client_new` takes it. Once started it is for the next attempt to connect, with `reconnect`: an open
/// connection, and an attempt that is under way, go on as they are.
///
/// Any thread, and any callback. Errors: once started `WS_ERR_URL` and `WS_ERR_UNSUPPORTED`, which `ws_client_start` tells
/// otherwise, and `WS_ERR_CLOSED` if it has ended; `WS_ERR_NULL`, `WS_ERR_UTF8`, `WS_ERR_HANDLE`, `WS_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_client_set_url(client: *mut ws_client, url: *const c_char) -> c_int {
    guard_of(client, || {
        // SAFETY: the contract of this function: `url` is NUL-terminated.
        let url = unsafe { text(url, "url")? };
        handle::with(client, |hosted: &HostedClient| hosted.client.set_url(url)).map(|()| OK)
    })
}

/// Has the request have this header field in the place of all of its name; NULL as `value`: none of that name. Once started it is
/// for the next attempt to connect: a fresh token, say, after an error event with status 401.
///
/// Any thread, and any callback. Errors: those of `ws_client_add_header`, but for `WS_ERR_STATE`; `WS_ERR_CLOSED` if the client has
/// ended; `WS_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_client_set_header(
    client: *mut ws_client,
    name: *const c_char,
    value: *const c_char,
) -> c_int {
    guard_of(client, || {
        // SAFETY: the contract of this function: `name` is NUL-terminated, and `value` NULL or likewise.
        let (name, value) =
            unsafe { (text(name, "name")?, if value.is_null() { None } else { Some(text(value, "value")?) }) };
        handle::with(client, |hosted: &HostedClient| hosted.client.set_header(name, value)).map(|()| OK)
    })
}

/// Adds a header field to the request, before the start. The same name may be added several times.
///
/// Errors: `WS_ERR_ARGUMENT` for what cannot stand in a request (CR, LF, NUL, a name that is no token), and for Host and the
/// fields of the handshake itself; `WS_ERR_TOO_LARGE` for more than 64 KiB in all; `WS_ERR_STATE` once started, `WS_ERR_NULL`,
/// `WS_ERR_UTF8`, `WS_ERR_HANDLE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_client_add_header(
    client: *mut ws_client,
    name: *const c_char,
    value: *const c_char,
) -> c_int {
    guard_of(client, || {
        // SAFETY: the contract of this function: both are NUL-terminated.
        let (name, value) = unsafe { (text(name, "name")?, text(value, "value")?) };
        handle::with(client, |hosted: &HostedClient| hosted.client.add_header(name, value)).map(|()| OK)
    })
}

/// Begins to connect, and returns at once: what comes of it is told by an open or an error event. A client starts once. In a
/// process that forks, start after the fork. The threads receive no signals.
///
/// Errors: `WS_ERR_URL`; `WS_ERR_UNSUPPORTED` for "wss://"; `WS_ERR_VALUE` for options that do not go together, or not with those
/// of its loop; `WS_ERR_STATE` if it was started already, or has callbacks and is in a loop; `WS_ERR_SYSTEM`, `WS_ERR_MEMORY`,
/// `WS_ERR_NULL`, `WS_ERR_HANDLE`, `WS_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_client_start(client: *mut ws_client) -> c_int {
    guard_of(client, || handle::get::<HostedClient>(client)?.client.start().map(|()| OK))
}

/// Waits until the client has ended: it was closed, or has no connection and will not try for another.
///
/// Errors: `WS_ERR_IN_CALLBACK` inside a callback, of whatever client or server; `WS_ERR_STATE` before the start, `WS_ERR_NULL`,
/// `WS_ERR_HANDLE`, `WS_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_client_wait(client: *mut ws_client) -> c_int {
    guard_of(client, || handle::get::<HostedClient>(client)?.client.wait(None).map(|_| OK))
}

/// Takes events of a client in poll mode that is in no loop, as `ws_server_poll` takes those of a server.
///
/// Errors: `WS_ERR_STOPPED` once the client has ended and every event was taken; `WS_ERR_STATE` before the start, with callbacks, or
/// in a loop; and the others of `ws_server_poll`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_client_poll(
    client: *mut ws_client,
    events: *mut *const ws_event,
    timeout_ms: c_int,
) -> c_int {
    guard_of(client, || {
        if events.is_null() {
            return Err(null("events"));
        }
        let hosted = handle::get::<HostedClient>(client)?;
        hosted.view.prepare_to_list()?;
        let taken = hosted
            .client
            .poll(limit(timeout_ms), |batch| hosted.view.see(|view| view.list(batch, &mut Alone(client))))?;
        // SAFETY: the caller's pointer is not NULL and leads to room for a pointer.
        Ok(unsafe { give(taken, events) })
    })
}

/// The same in numbers, as `ws_server_poll_packed`.
///
/// Errors: those of `ws_client_poll`; `WS_ERR_ARGUMENT` for a `size` below that of the first version.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_client_poll_packed(
    client: *mut ws_client,
    batch: *mut ws_batch,
    timeout_ms: c_int,
) -> c_int {
    guard_of(client, || {
        // SAFETY: the caller's pointer leads to at least the size, which is its first field.
        unsafe { check_structure(batch, "batch", "ws_batch")? };
        let hosted = handle::get::<HostedClient>(client)?;
        hosted.view.prepare_to_pack()?;
        let taken = hosted
            .client
            .poll(limit(timeout_ms), |read| hosted.view.see(|view| view.pack(read, &mut Alone(client))))?;
        // SAFETY: the caller says with `size` that there is room for all of it.
        Ok(unsafe { give_packed(taken, batch) })
    })
}

/// Says that the host has handled the events that it has taken, and does not call for the next ones yet, as `ws_server_done`.
/// A host that sends for long without a poll should say so: what it pushes once the server has closed the connection is then
/// refused, or kept for the next connection, rather than taken for an answer.
///
/// Errors: those of `ws_server_done`; `WS_ERR_STATE` in a loop, too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_client_done(client: *mut ws_client) -> c_int {
    guard_of(client, || handle::with(client, |hosted: &HostedClient| hosted.client.finish()).map(|()| OK))
}

/// A file descriptor that is readable while events wait, as `ws_server_event_fd`. It lives as long as the client.
///
/// Errors: those of `ws_client_poll`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_client_event_fd(client: *mut ws_client) -> c_int {
    guard_of(client, || handle::with(client, |hosted: &HostedClient| hosted.client.event_fd()))
}

/// Sends a message. `data` is copied before the call returns; NULL is fine if `length` is 0. Masking is done here.
///
/// `WS_OK` means that the message is in the queue of the connection, behind all that this thread has pushed before. While
/// there is no connection it is kept for the next one, up to the option `max_offline_bytes`, which is 0 at first: then it is
/// refused with `WS_ERR_CLOSED`. What was in the queue of a connection that is lost is lost with it. A connection that the
/// server has closed takes answers to its last messages and nothing else, as with `ws_server_poll`.
///
/// Any thread, and any callback. Errors: `WS_ERR_CLOSED`; `WS_ERR_QUEUE_FULL` once `max_queued_bytes` wait for the connection, or
/// 64 KiB while `max_total_queued_bytes` wait for those of all clients of its thread, which is
/// followed by a drain event or by the close event, or `max_offline_bytes` for the next; `WS_ERR_UTF8` for text that is not UTF-8;
/// `WS_ERR_MEMORY` if there is none to keep it in; `WS_ERR_ARGUMENT` for another opcode; `WS_ERR_NULL`, `WS_ERR_HANDLE`,
/// `WS_ERR_STATE`, `WS_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_client_push(
    client: *mut ws_client,
    data: *const c_void,
    length: usize,
    opcode: c_int,
) -> c_int {
    guard_of(client, || {
        // SAFETY: the contract of this function: `data` leads to `length` bytes.
        let payload = unsafe { bytes(data, length, "data")? };
        let kind = kind(opcode)?;
        handle::with(client, |hosted: &HostedClient| hosted.client.push(kind, payload)).map(|()| OK)
    })
}

/// Sends a ping of at most 125 bytes (RFC 6455 section 5.5.2). Its pong counts as a sign of life and is not told; without any
/// within `pong_timeout` the connection is cut. The option `ping_interval` sends pings by itself.
///
/// Any thread, and any callback. Errors: `WS_ERR_TOO_LARGE`, and those of `ws_client_push`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_client_ping(client: *mut ws_client, data: *const c_void, length: usize) -> c_int {
    guard_of(client, || {
        // SAFETY: the contract of this function: `data` leads to `length` bytes.
        let payload = unsafe { bytes(data, length, "data")? };
        handle::with(client, |hosted: &HostedClient| hosted.client.ping(payload)).map(|()| OK)
    })
}

/// Ends a client: what was pushed before is sent, then a Close frame as by `ws_close`, and no further connection is made. A
/// client that is not open gives up its attempt, and messages that were kept are dropped. The close event, if there was a
/// connection, and the end event follow; in poll mode messages that wait for the host are left out, as by `ws_close`.
///
/// Any thread, and any callback. Errors: `WS_ERR_CLOSED` if it has ended; `WS_ERR_ARGUMENT`, `WS_ERR_UTF8`, `WS_ERR_NULL`,
/// `WS_ERR_HANDLE`, `WS_ERR_STATE`, `WS_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_client_close(
    client: *mut ws_client,
    code: c_int,
    reason: *const c_void,
    length: usize,
) -> c_int {
    guard_of(client, || {
        // SAFETY: the contract of this function: `reason` leads to `length` bytes.
        let (code, reason) = unsafe { close_code(code, reason, length)? };
        handle::with(client, |hosted: &HostedClient| hosted.client.close(code, reason)).map(|()| OK)
    })
}

/// For hosts that know that the network is back, or another. Has the next attempt to connect made at once, if one is waiting. On
/// an open connection it sends a ping: unless something is heard within `pong_timeout`, the connection is cut, and with `reconnect`
/// made again. Otherwise nothing happens.
///
/// Any thread, and any callback. Errors: `WS_ERR_NULL`, `WS_ERR_HANDLE`, `WS_ERR_STATE`, `WS_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_client_reconnect(client: *mut ws_client) -> c_int {
    guard_of(client, || handle::with(client, |hosted: &HostedClient| hosted.client.reconnect()).map(|()| OK))
}

/// Drops the messages that are kept for the next connection (`max_offline_bytes`), and returns how many they were.
///
/// Any thread, and any callback. Errors: `WS_ERR_NULL`, `WS_ERR_HANDLE`, `WS_ERR_STATE`, `WS_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_client_clear_offline(client: *mut ws_client) -> c_int {
    guard_of(client, || {
        let dropped = handle::with(client, |hosted: &HostedClient| hosted.client.clear_offline())?;
        Ok(c_int::try_from(dropped).unwrap_or(c_int::MAX))
    })
}

/// Reads nothing more from the connection until `ws_client_resume`, as `ws_conn_pause`. The next connection is read from again.
///
/// Any thread, and any callback. Errors: `WS_ERR_CLOSED` without an open connection; `WS_ERR_NULL`, `WS_ERR_HANDLE`,
/// `WS_ERR_STATE`, `WS_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_client_pause(client: *mut ws_client) -> c_int {
    guard_of(client, || handle::with(client, |hosted: &HostedClient| hosted.client.pause()).map(|()| OK))
}

/// Reads on after `ws_client_pause`.
///
/// Any thread, and any callback. Errors: those of `ws_client_pause`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_client_resume(client: *mut ws_client) -> c_int {
    guard_of(client, || handle::with(client, |hosted: &HostedClient| hosted.client.resume()).map(|()| OK))
}

/// 1 if the client has an open connection, 0 if it has none.
///
/// Any thread, and any callback. Errors: `WS_ERR_NULL`, `WS_ERR_HANDLE`, `WS_ERR_STATE`, `WS_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_client_is_open(client: *mut ws_client) -> c_int {
    guard_of(client, || handle::with(client, |hosted: &HostedClient| hosted.client.is_open()).map(c_int::from))
}

/// The close code of the connection that the client had last, as soon as that is over: in poll mode before the close event, which tells
/// the same, is taken. 0 while it has a connection, and before the first. If `cause` is not NULL, why it closed is written there,
/// a `ws_cause`.
///
/// Any thread, and any callback. Errors: `WS_ERR_NULL`, `WS_ERR_HANDLE`, `WS_ERR_STATE`, `WS_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_client_close_code(client: *mut ws_client, cause: *mut c_int) -> c_int {
    guard_of(client, || {
        let (code, why) = handle::with(client, |hosted: &HostedClient| hosted.client.last_close())?;
        if !cause.is_null() {
            // SAFETY: the contract of this function: what is not NULL leads to a number of this type.
            unsafe { *cause = why as c_int };
        }
        Ok(c_int::from(code))
    })
}

/// Bytes that wait to be sent, frame headers included, and those that are kept for the next connection.
///
/// Any thread, and any callback. Errors: `WS_ERR_NULL`, `WS_ERR_HANDLE`, `WS_ERR_STATE`, `WS_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_client_queued_bytes(client: *mut ws_client) -> i64 {
    guard_of(client, || {
        let queued = handle::with(client, |hosted: &HostedClient| hosted.client.queued_bytes())?;
        Ok(i64::try_from(queued).unwrap_or(i64::MAX))
    })
}

/// Frees a client, and ends it at once if it runs, with a Close frame 1001 if there is room for one. NULL is fine. The handle,
/// and all events and responses of the client, are invalid from now on. When this returns, none of its callbacks runs, and none
/// will; calls of other threads that wait for it end, and a callback that is running finds the handle gone.
///
/// Inside a callback, of whatever server or client, it does not wait, so that callbacks may free one another's clients: none of
/// the client's callbacks begins after that, but one that its thread is in, or about to enter, may still be running. What that one
/// uses must live on until it returns.
///
/// Errors: `WS_ERR_IN_CALLBACK` inside a callback of a client of its thread, and then it is not freed; `WS_ERR_HANDLE` if it was
/// freed already.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_client_free(client: *mut ws_client) -> c_int {
    guard_of(client, || {
        if client.is_null() {
            return Ok(OK);
        }
        check_outside_callback(client)?;
        let hosted = handle::remove::<HostedClient>(client)?;
        if process::is_our_thread() {
            hosted.callbacks.read().silence();
        }
        hosted.client.retire();
        Ok(OK)
    })
}

fn check_outside_callback(client: *mut ws_client) -> Result<()> {
    handle::with(client, |hosted: &HostedClient| {
        if hosted.client.is_in_callback() {
            let detail =
                "free: a client cannot be freed inside a callback of its thread; close it there, free it later";
            return Err(Error::new(Status::WS_ERR_IN_CALLBACK, detail));
        }
        Ok(())
    })
}
