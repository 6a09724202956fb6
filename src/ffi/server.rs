//! A server's life: made, set up, started, stopped, freed.

use super::call::call;
use super::error::{LastError, tell_cause};
use super::event::{View, ws_conn};
use super::handle::{self, ws_server};
use super::log::ws_log_fn;
use super::request::ws_request;
use super::{guard_of, limit, text};
use crate::cause::Cause;
use crate::engine::delivery::Handler;
use crate::engine::log::Logger;
use crate::engine::request::Request;
use crate::engine::running::check_may_wait;
use crate::error::{Error, Result, Status};
use crate::protocol::decoder::Kind;
use crate::server::Server;
use crate::sys::lock::Lock;
use crate::sys::process;
use std::ffi::{c_char, c_int, c_void};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Called when a WebSocket connection has opened. `request` is valid until the callback returns.
pub type ws_open_fn = Option<
    unsafe extern "C" fn(server: *mut ws_server, conn: ws_conn, request: *const ws_request, user_data: *mut c_void),
>;

/// Called for each message. `data` is not NUL-terminated and valid until the callback returns; `opcode` is `WS_TEXT`, and
/// then `data` is UTF-8, or `WS_BINARY`.
pub type ws_message_fn = Option<
    unsafe extern "C" fn(
        server: *mut ws_server,
        conn: ws_conn,
        data: *const c_void,
        length: usize,
        opcode: c_int,
        user_data: *mut c_void,
    ),
>;

/// Called when there is room again for a connection that was slow: see `ws_server_on_drain`.
pub type ws_drain_fn = Option<unsafe extern "C" fn(server: *mut ws_server, conn: ws_conn, user_data: *mut c_void)>;

/// Called once for each connection that was told as open, when it has closed; nothing is heard of it after that. `code`
/// is the close code: the peer's, or ours if we failed the connection; 1005 if the Close frame had none, 1006 if the
/// connection was lost without one. `reason` is UTF-8, not NUL-terminated, and valid until the callback returns.
pub type ws_close_fn = Option<
    unsafe extern "C" fn(
        server: *mut ws_server,
        conn: ws_conn,
        code: c_int,
        reason: *const c_void,
        length: usize,
        user_data: *mut c_void,
    ),
>;

/// Called for each plain HTTP request, to be answered with `ws_respond` now or later. `request` is valid until the
/// callback returns.
pub type ws_request_fn = Option<
    unsafe extern "C" fn(server: *mut ws_server, conn: ws_conn, request: *const ws_request, user_data: *mut c_void),
>;

/// Called for each upgrade that the options admit, to be accepted with `ws_accept` or refused with `ws_respond`, now or later.
/// `request` is valid until the callback returns.
pub type ws_handshake_fn = Option<
    unsafe extern "C" fn(server: *mut ws_server, conn: ws_conn, request: *const ws_request, user_data: *mut c_void),
>;

/// A host's pointer, handed back to its callbacks and never followed.
#[derive(Clone, Copy)]
pub(super) struct UserData(pub(super) *mut c_void);

impl Default for UserData {
    fn default() -> Self {
        Self(std::ptr::null_mut())
    }
}

// SAFETY: wspush only hands the pointer back; that it may be used on the reactor threads is the host's side of the
// contract of the `ws_server_on_` functions.
unsafe impl Send for UserData {}
// SAFETY: as above.
unsafe impl Sync for UserData {}

/// What a `ws_server *` leads to.
#[derive(Default)]
pub(super) struct HostedServer {
    pub(super) server: Server,
    pub(super) callbacks: Lock<Callbacks>,
    /// The batch that the host reads, in poll mode.
    pub(super) view: View,
    pub(super) last_error: LastError,
}

/// The callbacks of a server, each with the pointer it was set with.
#[derive(Clone, Default)]
pub(super) struct Callbacks {
    handle: usize,
    /// The server was freed inside a callback: none of these begins any more.
    silenced: Arc<AtomicBool>,
    open: (ws_open_fn, UserData),
    message: (ws_message_fn, UserData),
    drain: (ws_drain_fn, UserData),
    close: (ws_close_fn, UserData),
    request: (ws_request_fn, UserData),
    handshake: (ws_handshake_fn, UserData),
    pub(super) log: (ws_log_fn, UserData),
}

impl Callbacks {
    const fn is_empty(&self) -> bool {
        self.open.0.is_none()
            && self.message.0.is_none()
            && self.drain.0.is_none()
            && self.close.0.is_none()
            && self.request.0.is_none()
            && self.handshake.0.is_none()
    }

    pub(super) fn server(&self) -> *mut ws_server {
        std::ptr::without_provenance_mut(self.handle)
    }

    /// Has none of them begin any more.
    fn silence(&self) {
        self.silenced.store(true, Ordering::SeqCst);
    }

    /// One of the callbacks, if it is set and may be called, and its pointer.
    #[inline]
    pub(super) fn may_call<T: Copy>(&self, (callback, data): (Option<T>, UserData)) -> Option<(T, UserData)> {
        Some((callback?, data)).filter(|_| !self.silenced.load(Ordering::Acquire))
    }
}

impl Handler for Callbacks {
    fn open(&self, conn: ws_conn, request: &Request) {
        if let Some((callback, data)) = self.may_call(self.open) {
            // SAFETY: the host's function, called as its type says.
            unsafe { call!(callback, self.server(), conn, ws_request::lend(request), data.0) }
        }
    }

    #[inline]
    fn message(&self, conn: ws_conn, kind: Kind, payload: &[u8]) {
        if let Some((callback, data)) = self.may_call(self.message) {
            // SAFETY: the host's function, called as its type says.
            unsafe {
                call!(
                    callback,
                    self.server(),
                    conn,
                    payload.as_ptr().cast::<c_void>(),
                    payload.len(),
                    kind as c_int,
                    data.0
                )
            }
        }
    }

    fn drain(&self, conn: ws_conn) {
        if let Some((callback, data)) = self.may_call(self.drain) {
            // SAFETY: the host's function, called as its type says.
            unsafe { call!(callback, self.server(), conn, data.0) }
        }
    }

    fn close(&self, conn: ws_conn, code: u16, reason: &str, cause: Cause) {
        if let Some((callback, data)) = self.may_call(self.close) {
            tell_cause(cause);
            // SAFETY: the host's function, called as its type says.
            unsafe {
                call!(
                    callback,
                    self.server(),
                    conn,
                    c_int::from(code),
                    reason.as_ptr().cast::<c_void>(),
                    reason.len(),
                    data.0
                )
            }
            tell_cause(Cause::WS_CAUSE_NONE);
        }
    }

    fn request(&self, conn: ws_conn, request: &Request) -> bool {
        let Some((callback, data)) = self.may_call(self.request) else { return false };
        // SAFETY: the host's function, called as its type says.
        unsafe { call!(callback, self.server(), conn, ws_request::lend(request), data.0) }
        true
    }

    fn decides(&self) -> bool {
        self.handshake.0.is_some()
    }

    fn handshake(&self, conn: ws_conn, request: &Request) {
        if let Some((callback, data)) = self.may_call(self.handshake) {
            // SAFETY: the host's function, called as its type says.
            unsafe { call!(callback, self.server(), conn, ws_request::lend(request), data.0) }
        }
    }
}

const OK: c_int = Status::WS_OK as c_int;

/// Makes a server with the default options. It is freed with `ws_server_free`.
///
/// Returns NULL if 1024 servers live already. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn ws_server_new() -> *mut ws_server {
    super::made(|| handle::insert(|_| HostedServer::default()))
}

/// Sets an option by its name, before the start: `ws_server_set(server, "max_message_size", "2M")`. The README has a
/// table of all options. Sizes are in bytes and take K, M or G (1024 each); times are in seconds and take ms, s, m or h.
///
/// Errors: `WS_ERR_OPTION`, `WS_ERR_VALUE`, `WS_ERR_STATE` once started, `WS_ERR_NULL`, `WS_ERR_UTF8`, `WS_ERR_HANDLE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_server_set(server: *mut ws_server, name: *const c_char, value: *const c_char) -> c_int {
    guard_of(server, || {
        // SAFETY: the contract of this function: both are NUL-terminated.
        let (name, value) = unsafe { (text(name, "name")?, text(value, "value")?) };
        handle::with(server, |hosted: &HostedServer| hosted.server.set(name, value)).map(|()| OK)
    })
}

/// Adds an address to listen on, before the start; any number of them. `host` is an IPv4 or IPv6 address, a name, or
/// "unix:" and a path (then `port` is ignored). `port` is 0 to 65535; 0 lets the kernel choose, see `ws_server_port`.
/// "::" takes IPv6 alone: add "0.0.0.0" for IPv4. A name that is not an address is looked up here, which may block; of
/// several addresses the first that can be bound is taken.
///
/// "fd:3" is a listening TCP or Unix socket that is open already, as descriptor 3 here, and `port` is ignored. "systemd:" is
/// every socket that a service manager has passed to this process by socket activation (`LISTEN_PID`, `LISTEN_FDS`), each a
/// listener of its own for `ws_server_port`; "systemd:web" is those of them that `LISTEN_FDNAMES` calls web. Such a socket
/// outlives the server, so that a restart refuses nobody: what nobody accepts meanwhile waits in it. The server takes a
/// duplicate at the start. The descriptor itself stays the host's, open; it is made non-blocking and close-on-exec.
///
/// Nothing is bound before `ws_server_start`.
///
/// Errors: `WS_ERR_ADDRESS`, `WS_ERR_ARGUMENT`, `WS_ERR_STATE` once started, `WS_ERR_NULL`, `WS_ERR_UTF8`,
/// `WS_ERR_HANDLE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_server_listen(server: *mut ws_server, host: *const c_char, port: c_int) -> c_int {
    guard_of(server, || {
        // SAFETY: the contract of this function: `host` is NUL-terminated.
        let host = unsafe { text(host, "host")? };
        handle::with(server, |hosted: &HostedServer| hosted.server.listen(host, port)).map(|()| OK)
    })
}

/// The port of the `listener`-th call of `ws_server_listen`, counted from 0, after the start. 0 for a Unix socket.
///
/// Any thread. Errors: `WS_ERR_ARGUMENT` if there is no such listener, `WS_ERR_STATE` before the start,
/// `WS_ERR_HANDLE`, `WS_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_server_port(server: *mut ws_server, listener: c_int) -> c_int {
    guard_of(server, || {
        let index = usize::try_from(listener).unwrap_or(usize::MAX);
        handle::with(server, |hosted: &HostedServer| hosted.server.port(index)).map(c_int::from)
    })
}

/// Sets one of the callbacks and passes all of them down.
pub(super) fn set_callback(server: *mut ws_server, set: impl FnOnce(&mut Callbacks)) -> c_int {
    guard_of(server, || {
        handle::with(server, |hosted: &HostedServer| {
            let mut callbacks = hosted.callbacks.write();
            let mut changed = callbacks.clone();
            set(&mut changed);
            changed.handle = server.addr();
            let handler: Option<Arc<dyn Handler>> =
                if changed.is_empty() { None } else { Some(Arc::new(changed.clone())) };
            hosted.server.set_handler(handler)?;
            hosted.server.set_logger(changed.log.0.map(|_| Arc::new(changed.clone()) as Arc<dyn Logger>))?;
            *callbacks = changed;
            Ok(OK)
        })
    })
}

/// Sets the function to be called when a connection opens, before the start. NULL unsets it.
///
/// If at least one callback is set at the start, the server is in callback mode: callbacks run on the reactor threads,
/// with `user_data` as it was given, and must not block. With more than one reactor they run at the same time, though
/// never two for one connection. From inside a callback, of whatever server or client, everything may be called but
/// `ws_server_wait`, `ws_server_run` and `ws_client_wait`, and `ws_server_free` for the server itself. If no callback is set,
/// the server is in poll mode: see `ws_server_poll`.
///
/// A callback returns: it must not throw a C++ exception, which ends the process (`std::terminate`), nor `longjmp` out. One that ends its
/// thread (`pthread_exit`, as CPython does at its exit) ends what the thread serves: the server stops without a word, its connections
/// stay until the process ends, and calls that wait for it return.
///
/// A callback may fork. In the child it calls `exec` or `_exit`, or lives on; what it starts there is the child's own. If it returns in
/// the child, its thread ends there, for what it served is the parent's: no socket is touched, and a child without another
/// thread ends by `exit(0)`.
///
/// Errors: `WS_ERR_STATE` once started, `WS_ERR_NULL`, `WS_ERR_HANDLE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_server_on_open(
    server: *mut ws_server,
    callback: ws_open_fn,
    user_data: *mut c_void,
) -> c_int {
    set_callback(server, |callbacks| callbacks.open = (callback, UserData(user_data)))
}

/// Sets the function to be called for each message. See `ws_server_on_open`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_server_on_message(
    server: *mut ws_server,
    callback: ws_message_fn,
    user_data: *mut c_void,
) -> c_int {
    set_callback(server, |callbacks| callbacks.message = (callback, UserData(user_data)))
}

/// Sets the function to be called when there is room again for a connection that was slow: once each time that what waits
/// to be sent to it had risen to the option `high_watermark` and has fallen to `low_watermark`; and once after a push to it
/// was refused with `WS_ERR_QUEUE_FULL`, or dropped, when no more than `low_watermark` waits. So a host that is refused
/// goes on when it is called, and never waits in vain, but for a connection that closes. See `ws_server_on_open`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_server_on_drain(
    server: *mut ws_server,
    callback: ws_drain_fn,
    user_data: *mut c_void,
) -> c_int {
    set_callback(server, |callbacks| callbacks.drain = (callback, UserData(user_data)))
}

/// Sets the function to be called when a connection has closed. See `ws_server_on_open`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_server_on_close(
    server: *mut ws_server,
    callback: ws_close_fn,
    user_data: *mut c_void,
) -> c_int {
    set_callback(server, |callbacks| callbacks.close = (callback, UserData(user_data)))
}

/// Sets the function to be called for each plain HTTP request. Without it, in callback mode, they are answered with
/// 404. See `ws_server_on_open`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_server_on_request(
    server: *mut ws_server,
    callback: ws_request_fn,
    user_data: *mut c_void,
) -> c_int {
    set_callback(server, |callbacks| callbacks.request = (callback, UserData(user_data)))
}

/// Sets the function that decides about upgrades. Without it, in callback mode, all that the options admit are accepted. See
/// `ws_server_on_open`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_server_on_handshake(
    server: *mut ws_server,
    callback: ws_handshake_fn,
    user_data: *mut c_void,
) -> c_int {
    set_callback(server, |callbacks| callbacks.handshake = (callback, UserData(user_data)))
}

/// Binds the addresses and starts the reactor threads. A server starts once; if it fails, it may be tried again. In a
/// process that forks, start after the fork. The threads receive no signals.
///
/// Errors: `WS_ERR_ADDRESS_IN_USE`, `WS_ERR_PERMISSION`, `WS_ERR_ADDRESS`, `WS_ERR_SYSTEM`, `WS_ERR_MEMORY`,
/// `WS_ERR_VALUE` for options that do not go together, `WS_ERR_STATE` if it was started already or has no address,
/// `WS_ERR_NULL`, `WS_ERR_HANDLE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_server_start(server: *mut ws_server) -> c_int {
    guard_of(server, || {
        handle::get::<HostedServer>(server)?.server.start_as(NonZeroUsize::new(server.addr())).map(|()| OK)
    })
}

/// Waits until the server has stopped.
///
/// Errors: `WS_ERR_IN_CALLBACK` inside a callback, of whatever server or client; `WS_ERR_STATE` before the start, `WS_ERR_NULL`,
/// `WS_ERR_HANDLE`, `WS_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_server_wait(server: *mut ws_server) -> c_int {
    guard_of(server, || handle::get::<HostedServer>(server)?.server.wait().map(|()| OK))
}

/// `ws_server_start`, then `ws_server_wait`.
///
/// Errors: those of the two.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_server_run(server: *mut ws_server) -> c_int {
    guard_of(server, || {
        check_may_wait()?;
        let hosted = handle::get::<HostedServer>(server)?;
        hosted.server.start_as(NonZeroUsize::new(server.addr()))?;
        hosted.server.wait().map(|()| OK)
    })
}

/// Stops the server: closes the listening sockets, sends Close 1001 to every connection behind what waits for it, gives
/// queues and peers at most `timeout_ms` milliseconds (negative: an hour), and cuts what is left; `connections_cut` and
/// `bytes_cut` of `ws_stats` say how much that was. Every open connection is told as closed. Plain requests that wait for
/// a response are answered with 503. What was pushed before the stop is sent first, as long as its time lasts; what is still on
/// its way to a reactor when the time is over is cut, all but a last part of 16 MiB, so that a flood of pushes holds up no stop.
///
/// Who has connected less than a second before still has a request served: an upgrade opens, and is closed with 1001; a
/// plain request goes to its callback, and in poll mode it is answered with 503. With the option `reuse_port` a successor
/// may listen before this one stops. In the moment in which a socket closes the kernel may yet reset a connection that has
/// just come to it, more rarely if the sysctl `net.ipv4.tcp_migrate_req` is on; with a socket that is inherited, see
/// `ws_server_listen`, that cannot happen.
///
/// Waits until that is done; inside a callback, of this server or of another server or client, it only begins it. In poll mode the last events can be taken afterwards.
/// To stop again does no harm, and shortens the time if it is less. Any thread, and any callback; not from a signal
/// handler.
///
/// Errors: `WS_ERR_STATE` before the start, `WS_ERR_NULL`, `WS_ERR_HANDLE`, `WS_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_server_stop(server: *mut ws_server, timeout_ms: c_int) -> c_int {
    guard_of(server, || {
        let time = limit(timeout_ms).unwrap_or(Duration::from_secs(3600));
        handle::get::<HostedServer>(server)?.server.stop(time).map(|()| OK)
    })
}

/// Frees a server, and stops it at once if it runs. NULL is fine. The handle, and all events and requests of the server,
/// are invalid from now on; calls of other threads that wait for it end. When this returns, none of its callbacks runs, and none will.
///
/// Inside a callback, of whatever other server or client, it does not wait, so that callbacks may free one another's servers: its
/// connections and listening sockets close a moment later, and none of the server's callbacks begins after that, but one that
/// its threads are in, or about to enter, may still be running. What that one uses must live on until it returns.
///
/// Errors: `WS_ERR_IN_CALLBACK` inside a callback of this server, which is not freed then; `WS_ERR_HANDLE` if it was
/// freed already.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_server_free(server: *mut ws_server) -> c_int {
    guard_of(server, || {
        if server.is_null() {
            return Ok(OK);
        }
        check_outside_callback(server)?;
        // Calls of other threads that wait hold a share each, and end with this.
        let hosted = handle::remove::<HostedServer>(server)?;
        if process::is_our_thread() {
            hosted.callbacks.read().silence();
        }
        hosted.server.retire();
        Ok(OK)
    })
}

fn check_outside_callback(server: *mut ws_server) -> Result<()> {
    handle::with(server, |hosted: &HostedServer| {
        if hosted.server.is_in_callback() {
            let detail = "free: a server cannot be freed inside a callback of its own; stop it there, free it later";
            return Err(Error::new(Status::WS_ERR_IN_CALLBACK, detail));
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_is_told_from_what_is_none() {
        let server = ws_server_new();
        let stale = Status::WS_ERR_HANDLE as c_int;
        // SAFETY: handles are checked, and the strings are NUL-terminated.
        unsafe {
            assert_eq!(ws_server_set(server, c"backlog".as_ptr(), c"5".as_ptr()), OK);
            assert_eq!(ws_server_free(server), OK);
            assert_eq!(ws_server_free(server), stale);
            assert_eq!(ws_server_set(server, c"backlog".as_ptr(), c"5".as_ptr()), stale);
            assert_eq!(ws_server_start(std::ptr::without_provenance_mut(12345)), stale);
            assert_eq!(ws_server_start(std::ptr::null_mut()), Status::WS_ERR_NULL as c_int);
        }
    }
}
