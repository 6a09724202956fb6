//! What is known of a connection.

use super::client::HostedClient;
use super::event::ws_conn;
use super::handle::{self, Handle, ws_client, ws_server};
use super::server::HostedServer;
use super::{check_structure, guard_of};
use crate::engine::facts::{Facts, Place};
use crate::engine::timers::ms_of;
use crate::error::{Error, Result, Status};
use crate::sys::clock;
use std::cell::RefCell;
use std::ffi::{CString, c_char, c_int};
use std::sync::Arc;

/// What is known of a WebSocket connection. Strings are UTF-8 and never NULL, and stay until the same thread asks again. It
/// may grow at its end in later versions: the caller says with `size` how much of it there is.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ws_conn_facts {
    /// Set by the caller to `sizeof(ws_conn_facts)`.
    pub size: usize,
    /// Where it comes from, as `ws_request_remote_address` tells it.
    pub remote_address: *const c_char,
    /// The IP address of ours that it came in at; "unix" over a Unix socket.
    pub local_address: *const c_char,
    /// The path of its request, without the query; of a longer one the first 1,024 bytes.
    pub path: *const c_char,
    /// The subprotocol that was chosen, empty if none was.
    pub subprotocol: *const c_char,
    /// When it opened, in milliseconds of Unix time, to the hundredth of a second; by the clock of the start of the server.
    pub opened_ms: u64,
    /// When its peer last gave a sign of life, sent anything or took what had waited for it; in the same way.
    pub heard_ms: u64,
    /// Bytes that wait to be sent to it, as `ws_conn_queued_bytes` tells them.
    pub queued_bytes: u64,
    /// The port that it comes from; 0 over a Unix socket.
    pub remote_port: c_int,
    /// The port of ours that it came in at; 0 over a Unix socket.
    pub local_port: c_int,
    /// How many topics it is subscribed to.
    pub topics: c_int,
}

/// What the strings of the last facts of a thread stand in.
#[derive(Default)]
struct Lent {
    remote: CString,
    local: CString,
    place: Option<Arc<Place>>,
}

thread_local! {
    static LENT: RefCell<Lent> = RefCell::default();
}

/// Fills `facts`, of which `size` must be set, with what is known of an open WebSocket connection, one that is closing by
/// `ws_close` included. It is the connection of this id and never another; where that closes at the same moment, either what
/// was known of it is told or `WS_ERR_CLOSED`.
///
/// Any thread, and any callback but that of the close event, when it is gone. The strings stay until this thread calls it
/// again or ends.
///
/// Errors: `WS_ERR_CLOSED`; `WS_ERR_NULL`, `WS_ERR_ARGUMENT` for a `size` below that of the first version;
/// `WS_ERR_HANDLE`, `WS_ERR_STATE`, `WS_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_conn_info(server: *mut ws_server, conn: ws_conn, facts: *mut ws_conn_facts) -> c_int {
    let ask = || {
        handle::with(server, |hosted: &HostedServer| {
            let (known, epoch_ms) = hosted.server.facts(conn)?;
            Ok((known, epoch_ms, hosted.server.topics_of(conn)?))
        })
    };
    // SAFETY: the contract of this function.
    unsafe { tell(server, facts, ask) }
}

/// The same for the connection that a client has now: the address that it came from is the server's, or the proxy's, and the
/// path that of its own request.
///
/// Any thread, and any callback but that of the close event. Errors: `WS_ERR_CLOSED` if it has none; the others of
/// `ws_conn_info`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_client_info(client: *mut ws_client, facts: *mut ws_conn_facts) -> c_int {
    let ask = || {
        handle::with(client, |hosted: &HostedClient| {
            let (known, epoch_ms) = hosted.client.facts()?;
            Ok((known, epoch_ms, 0))
        })
    };
    // SAFETY: the contract of this function.
    unsafe { tell(client, facts, ask) }
}

/// Fills `facts` with what is known, when the clock of its ticks was 0, and how many topics there are.
///
/// # Safety
/// `facts` is NULL or leads to at least its first field, which says how much more there is.
unsafe fn tell(
    handle: impl Handle,
    facts: *mut ws_conn_facts,
    ask: impl FnOnce() -> Result<(Facts, u64, usize)>,
) -> c_int {
    guard_of(handle, || {
        // SAFETY: the contract of this function.
        unsafe { check_structure(facts, "facts", "ws_conn_facts")? };
        let (known, epoch_ms, topics) = ask()?;
        let now_ms = clock::now_ms();
        let (remote, local) = (known.remote, known.place.local);
        let told = LENT.try_with(|lent| {
            let lent = &mut *lent.borrow_mut();
            lent.remote = CString::new(remote.address()).unwrap_or_default();
            lent.local = CString::new(local.address()).unwrap_or_default();
            let place = lent.place.insert(known.place);
            ws_conn_facts {
                size: size_of::<ws_conn_facts>(),
                remote_address: lent.remote.as_ptr(),
                local_address: lent.local.as_ptr(),
                path: place.path.as_ptr(),
                subprotocol: place.subprotocol.as_ptr(),
                opened_ms: epoch_ms + ms_of(known.opened, now_ms),
                heard_ms: epoch_ms + ms_of(known.heard, now_ms),
                queued_bytes: known.queued,
                remote_port: remote.port().into(),
                local_port: local.port().into(),
                topics: c_int::try_from(topics).unwrap_or(c_int::MAX),
            }
        });
        let told = told.map_err(|_| Error::new(Status::WS_ERR_STATE, "info: this thread is at its end"))?;
        // SAFETY: the caller says with `size` that there is room for all of it.
        unsafe { *facts = told };
        Ok(Status::WS_OK as c_int)
    })
}
