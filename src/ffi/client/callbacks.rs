//! What a client calls, in callback mode.

use super::HostedClient;
use crate::cause::Cause;
use crate::engine::owner::ClientHandler;
use crate::engine::request::Request;
use crate::error::Status;
use crate::ffi::call::call;
use crate::ffi::error::tell_cause;
use crate::ffi::event::in_milliseconds;
use crate::ffi::guard_of;
use crate::ffi::handle::{self, ws_client};
use crate::ffi::request::ws_request;
use crate::ffi::server::UserData;
use crate::protocol::decoder::Kind;
use std::ffi::{CString, c_char, c_int, c_void};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Called when the connection of a client has opened. `response` is what the server answered, with status 101; it is valid
/// until the callback returns.
pub type ws_client_open_fn =
    Option<unsafe extern "C" fn(client: *mut ws_client, response: *const ws_request, user_data: *mut c_void)>;

/// Called for each message. `data` is not NUL-terminated and valid until the callback returns; `opcode` is `WS_TEXT`, and
/// then `data` is UTF-8, or `WS_BINARY`.
pub type ws_client_message_fn = Option<
    unsafe extern "C" fn(
        client: *mut ws_client,
        data: *const c_void,
        length: usize,
        opcode: c_int,
        user_data: *mut c_void,
    ),
>;

/// Called when there is room again for what is pushed: see `ws_server_on_drain`.
pub type ws_client_drain_fn = Option<unsafe extern "C" fn(client: *mut ws_client, user_data: *mut c_void)>;

/// Called once for each connection that was told as open, when it has closed. `code` is the close code: the server's, or ours
/// if we failed the connection; 1005 if the Close frame had none, 1006 if the connection was lost without one. `ws_close_cause` says why. `reason` is
/// UTF-8, not NUL-terminated, and valid until the callback returns.
pub type ws_client_close_fn = Option<
    unsafe extern "C" fn(
        client: *mut ws_client,
        code: c_int,
        reason: *const c_void,
        length: usize,
        user_data: *mut c_void,
    ),
>;

/// Called when an attempt to connect has failed. `status` is a `ws_status`, `detail` says what was tried, on what, and what to
/// do about it; it is UTF-8 and NUL-terminated. `response` is what the server or the proxy answered, NULL if that was nothing.
/// Both are valid until the callback returns.
pub type ws_client_error_fn = Option<
    unsafe extern "C" fn(
        client: *mut ws_client,
        status: c_int,
        detail: *const c_char,
        response: *const ws_request,
        user_data: *mut c_void,
    ),
>;

/// Called behind a close or an error: another attempt to connect follows, in `delay_ms` milliseconds.
pub type ws_client_retry_fn =
    Option<unsafe extern "C" fn(client: *mut ws_client, delay_ms: c_int, user_data: *mut c_void)>;

/// Called behind a close or an error, or when a client was closed before it opened: there is no other attempt. The last that is
/// heard of the client.
pub type ws_client_end_fn = Option<unsafe extern "C" fn(client: *mut ws_client, user_data: *mut c_void)>;

/// The callbacks of a client, each with the pointer it was set with.
#[derive(Clone, Default)]
pub(in crate::ffi) struct Callbacks {
    handle: usize,
    /// The client was freed inside a callback: none of these begins any more. There as soon as there is a callback.
    silenced: Option<Arc<AtomicBool>>,
    open: (ws_client_open_fn, UserData),
    message: (ws_client_message_fn, UserData),
    drain: (ws_client_drain_fn, UserData),
    close: (ws_client_close_fn, UserData),
    error: (ws_client_error_fn, UserData),
    retry: (ws_client_retry_fn, UserData),
    end: (ws_client_end_fn, UserData),
}

impl Callbacks {
    const fn is_empty(&self) -> bool {
        self.open.0.is_none()
            && self.message.0.is_none()
            && self.drain.0.is_none()
            && self.close.0.is_none()
            && self.error.0.is_none()
            && self.retry.0.is_none()
            && self.end.0.is_none()
    }

    const fn client(&self) -> *mut ws_client {
        std::ptr::without_provenance_mut(self.handle)
    }

    /// Has none of them begin any more.
    pub(super) fn silence(&self) {
        self.silenced.iter().for_each(|silenced| silenced.store(true, Ordering::SeqCst));
    }

    /// One of the callbacks, if it is set and may be called, and its pointer.
    #[inline]
    fn may_call<T: Copy>(&self, (callback, data): (Option<T>, UserData)) -> Option<(T, UserData)> {
        let is_silenced = self.silenced.as_ref().is_some_and(|silenced| silenced.load(Ordering::Acquire));
        Some((callback?, data)).filter(|_| !is_silenced)
    }
}

impl ClientHandler for Callbacks {
    fn open(&self, response: &Request) {
        if let Some((callback, data)) = self.may_call(self.open) {
            // SAFETY: the host's function, called as its type says.
            unsafe { call!(callback, self.client(), ws_request::lend(response), data.0) }
        }
    }

    #[inline]
    fn message(&self, kind: Kind, payload: &[u8]) {
        if let Some((callback, data)) = self.may_call(self.message) {
            // SAFETY: the host's function, called as its type says.
            unsafe {
                call!(callback, self.client(), payload.as_ptr().cast::<c_void>(), payload.len(), kind as c_int, data.0)
            }
        }
    }

    fn drain(&self) {
        if let Some((callback, data)) = self.may_call(self.drain) {
            // SAFETY: the host's function, called as its type says.
            unsafe { call!(callback, self.client(), data.0) }
        }
    }

    fn close(&self, code: u16, reason: &str, cause: Cause) {
        if let Some((callback, data)) = self.may_call(self.close) {
            tell_cause(cause);
            // SAFETY: the host's function, called as its type says.
            unsafe {
                call!(
                    callback,
                    self.client(),
                    c_int::from(code),
                    reason.as_ptr().cast::<c_void>(),
                    reason.len(),
                    data.0
                )
            }
            tell_cause(Cause::WS_CAUSE_NONE);
        }
    }

    fn error(&self, status: Status, detail: &str, response: Option<&Request>) {
        if let Some((callback, data)) = self.may_call(self.error) {
            let detail = CString::new(detail.replace('\0', "\u{fffd}")).unwrap_or_default();
            let response = response.map_or(std::ptr::null(), ws_request::lend);
            // SAFETY: the host's function, called as its type says.
            unsafe { call!(callback, self.client(), status as c_int, detail.as_ptr(), response, data.0) }
        }
    }

    fn retry(&self, delay: Duration) {
        if let Some((callback, data)) = self.may_call(self.retry) {
            // SAFETY: the host's function, called as its type says.
            unsafe { call!(callback, self.client(), in_milliseconds(delay), data.0) }
        }
    }

    fn end(&self) {
        if let Some((callback, data)) = self.may_call(self.end) {
            // SAFETY: the host's function, called as its type says.
            unsafe { call!(callback, self.client(), data.0) }
        }
    }
}

const OK: c_int = Status::WS_OK as c_int;

/// Sets one of the callbacks and passes all of them down.
fn set_callback(client: *mut ws_client, set: impl FnOnce(&mut Callbacks)) -> c_int {
    guard_of(client, || {
        handle::with(client, |hosted: &HostedClient| {
            let mut callbacks = hosted.callbacks.write();
            let mut changed = callbacks.clone();
            set(&mut changed);
            changed.handle = client.addr();
            changed.silenced.get_or_insert_default();
            let handler: Option<Arc<dyn ClientHandler>> =
                if changed.is_empty() { None } else { Some(Arc::new(changed.clone())) };
            hosted.client.set_handler(handler)?;
            *callbacks = changed;
            Ok(OK)
        })
    })
}

/// Sets the function to be called when the connection opens, before the start. NULL unsets it.
///
/// If at least one callback is set at the start, the client is in callback mode: its callbacks run on a thread that all clients
/// in callback mode share whose options are the same, but for those of connecting; with `user_data` as it was given, and must
/// not block, throw or end their thread: see `ws_server_on_open`. From inside a callback, of whatever server or client, everything may
/// be called but `ws_client_wait`, `ws_server_wait` and `ws_server_run`, and `ws_client_free` for clients of that thread. If no
/// callback is set, the client is in poll mode: see `ws_client_poll`.
///
/// Errors: `WS_ERR_STATE` once started, `WS_ERR_NULL`, `WS_ERR_HANDLE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_client_on_open(
    client: *mut ws_client,
    callback: ws_client_open_fn,
    user_data: *mut c_void,
) -> c_int {
    set_callback(client, |callbacks| callbacks.open = (callback, UserData(user_data)))
}

/// Sets the function to be called for each message. See `ws_client_on_open`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_client_on_message(
    client: *mut ws_client,
    callback: ws_client_message_fn,
    user_data: *mut c_void,
) -> c_int {
    set_callback(client, |callbacks| callbacks.message = (callback, UserData(user_data)))
}

/// Sets the function to be called when there is room again for what is pushed, as `ws_server_on_drain`. See `ws_client_on_open`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_client_on_drain(
    client: *mut ws_client,
    callback: ws_client_drain_fn,
    user_data: *mut c_void,
) -> c_int {
    set_callback(client, |callbacks| callbacks.drain = (callback, UserData(user_data)))
}

/// Sets the function to be called when the connection has closed. See `ws_client_on_open`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_client_on_close(
    client: *mut ws_client,
    callback: ws_client_close_fn,
    user_data: *mut c_void,
) -> c_int {
    set_callback(client, |callbacks| callbacks.close = (callback, UserData(user_data)))
}

/// Sets the function to be called when an attempt to connect has failed. See `ws_client_on_open`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_client_on_error(
    client: *mut ws_client,
    callback: ws_client_error_fn,
    user_data: *mut c_void,
) -> c_int {
    set_callback(client, |callbacks| callbacks.error = (callback, UserData(user_data)))
}

/// Sets the function to be called when another attempt follows. See `ws_client_on_open`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_client_on_retry(
    client: *mut ws_client,
    callback: ws_client_retry_fn,
    user_data: *mut c_void,
) -> c_int {
    set_callback(client, |callbacks| callbacks.retry = (callback, UserData(user_data)))
}

/// Sets the function to be called when there is no other attempt. See `ws_client_on_open`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_client_on_end(
    client: *mut ws_client,
    callback: ws_client_end_fn,
    user_data: *mut c_void,
) -> c_int {
    set_callback(client, |callbacks| callbacks.end = (callback, UserData(user_data)))
}
