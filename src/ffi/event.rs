//! Poll mode: events taken by the host on its own thread.

use super::handle::{self, BatchView, ws_server};
use super::log::ws_log_level;
use super::request::ws_request;
use super::{check_structure, guard, limit, null};
use crate::engine::batch::{Batch, EVENTS_MAX, Event, Span};
use crate::error::Result;
use std::ffi::{c_int, c_void};
use std::sync::PoisonError;

/// The id of a connection: from 1 to below 2^63, in the order of arrival as far as it fits, and never used again.
pub type ws_conn = u64;

/// The type of an event.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(non_camel_case_types)]
pub enum ws_event_type {
    /// A WebSocket connection opened; `request` is what it asked for.
    WS_EVENT_OPEN = 1,
    /// A message arrived: `data`, `length`, and its opcode in `code`.
    WS_EVENT_MESSAGE = 2,
    /// An open connection closed: the last event of it. The reason is in `data`, the close code in `code`.
    WS_EVENT_CLOSE = 3,
    /// A plain HTTP request, to be answered with `ws_respond`.
    WS_EVENT_REQUEST = 4,
    /// An upgrade, to be decided about with `ws_accept` or `ws_respond`; only with the option `decide_upgrades`.
    WS_EVENT_HANDSHAKE = 5,
    /// What waits to be sent to a connection has fallen: see `ws_server_on_drain`.
    WS_EVENT_DRAIN = 6,
    /// A message for the log: `data`, `length`, and its `ws_log_level` in `code`; of no connection, and only with the option
    /// `log_events`. It is UTF-8, in one line.
    WS_EVENT_LOG = 7,
}

/// Something that happened, most often on a connection.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ws_event {
    /// Which connection; LOG: 0.
    pub conn: ws_conn,
    /// MESSAGE: the payload; CLOSE: the reason; LOG: the message; otherwise NULL. Not NUL-terminated.
    pub data: *const c_void,
    /// Bytes at `data`.
    pub length: usize,
    /// OPEN, REQUEST and HANDSHAKE: the request; otherwise NULL.
    pub request: *const ws_request,
    /// A `ws_event_type`.
    pub r#type: i32,
    /// MESSAGE: `WS_TEXT` or `WS_BINARY`. CLOSE: the close code of RFC 6455 section 7.4; 1005 if the peer gave none, 1006
    /// if the connection was lost without a Close frame. LOG: the level.
    pub code: i32,
}

impl ws_event {
    fn new(batch: &Batch, event: &Event) -> Self {
        let bare = |conn, r#type: ws_event_type| Self {
            conn,
            data: std::ptr::null(),
            length: 0,
            request: std::ptr::null(),
            r#type: r#type as i32,
            code: 0,
        };
        match event {
            Event::Message(conn, kind, span) => {
                bare(*conn, ws_event_type::WS_EVENT_MESSAGE).with(batch.payload(*span), *kind as i32)
            }
            Event::Close(conn, code, span) => {
                bare(*conn, ws_event_type::WS_EVENT_CLOSE).with(batch.payload(*span), i32::from(*code))
            }
            Event::Log(level, span) => {
                bare(0, ws_event_type::WS_EVENT_LOG).with(batch.payload(*span), ws_log_level::from(*level) as i32)
            }
            Event::Drain(conn) => bare(*conn, ws_event_type::WS_EVENT_DRAIN),
            Event::Open(conn, request) => {
                Self { request: ws_request::lend(request), ..bare(*conn, ws_event_type::WS_EVENT_OPEN) }
            }
            Event::Request(conn, request) => {
                Self { request: ws_request::lend(request), ..bare(*conn, ws_event_type::WS_EVENT_REQUEST) }
            }
            Event::Handshake(conn, request) => {
                Self { request: ws_request::lend(request), ..bare(*conn, ws_event_type::WS_EVENT_HANDSHAKE) }
            }
        }
    }

    fn with(self, payload: &[u8], code: i32) -> Self {
        Self { data: payload.as_ptr().cast(), length: payload.len(), code, ..self }
    }
}

/// Takes events, in poll mode: when no callback was set before the start.
///
/// Waits until there are events or `timeout_ms` milliseconds have passed (0: does not wait; negative: waits without
/// end), and returns their number and, in `*events`, the first of them. All that they point to stays as it is until the
/// next call for this server, or until it is freed. Events of one connection come in their order.
///
/// A connection that its peer closes gets its Close answer when the host calls again, so that the answers to the last
/// messages go before it; `close_timeout` bounds the wait.
///
/// 0 means that the time was up. One thread at a time may poll a server; pushing from others meanwhile is fine.
///
/// Errors: `WS_ERR_INTERRUPTED` if a signal handler ran on this thread or the process was stopped and continued (call
/// again), `WS_ERR_STOPPED` once the server has stopped and every event was taken, `WS_ERR_STATE` before the start or if
/// callbacks are set, `WS_ERR_WRONG_THREAD` while another thread polls, `WS_ERR_NULL`, `WS_ERR_HANDLE`, `WS_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_server_poll(
    server: *mut ws_server,
    events: *mut *const ws_event,
    timeout_ms: c_int,
) -> c_int {
    guard(|| {
        if events.is_null() {
            return Err(null("events"));
        }
        let read = |view: &mut BatchView, batch: &Batch| {
            view.events.extend(batch.events().iter().map(|event| ws_event::new(batch, event)));
            (view.events.as_ptr(), view.events.len())
        };
        let Some((first, count)) = poll(server, timeout_ms, read)? else { return Ok(0) };
        // SAFETY: the caller's pointer is not NULL and leads to room for a pointer.
        unsafe { *events = first };
        Ok(c_int::try_from(count).unwrap_or(c_int::MAX))
    })
}

/// Takes a batch and has it read into an empty view, which stays until the next batch.
fn poll<T>(
    server: *mut ws_server,
    timeout_ms: c_int,
    read: impl FnOnce(&mut BatchView, &Batch) -> T,
) -> Result<Option<T>> {
    let hosted = handle::get(server)?;
    hosted.server.poll(limit(timeout_ms), |batch| {
        let mut view = hosted.batch.lock().unwrap_or_else(PoisonError::into_inner);
        view.events.clear();
        view.numbers.clear();
        read(&mut view, batch)
    })
}

/// A batch of events in numbers, as `ws_server_poll_packed` gives it. It may grow at its end in later versions: the
/// caller says with `size` how much of it there is.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ws_batch {
    /// Set by the caller to `sizeof(ws_batch)`.
    pub size: usize,
    /// Four numbers for each event. Of a message: the connection, the opcode, where in `payloads` its payload begins,
    /// and the length of that. Of any other event, or if the message is too large to be among `payloads`: the
    /// connection, 0, its place in `others`, and 0. The address is the same for all batches of a server.
    pub numbers: *const u64,
    /// Where the payloads of messages lie, in one piece.
    pub payloads: *const c_void,
    /// Bytes at `payloads`.
    pub payloads_length: usize,
    /// The events that are not told in numbers alone.
    pub others: *const ws_event,
}

/// Numbers that an event is told in.
const NUMBERS: usize = 4;

impl BatchView {
    fn pack(&mut self, batch: &Batch) -> ws_batch {
        // The most that there can ever be, so that they never move.
        self.numbers.reserve_exact(NUMBERS * EVENTS_MAX);
        for event in batch.events() {
            let numbers: [u64; NUMBERS] = match *event {
                Event::Message(conn, kind, Span::Arena(start, length)) => {
                    [conn, kind as u64, start.into(), length.into()]
                }
                Event::Message(conn, ..)
                | Event::Drain(conn)
                | Event::Close(conn, ..)
                | Event::Open(conn, _)
                | Event::Request(conn, _)
                | Event::Handshake(conn, _) => {
                    self.events.push(ws_event::new(batch, event));
                    [conn, 0, self.events.len() as u64 - 1, 0]
                }
                Event::Log(..) => {
                    self.events.push(ws_event::new(batch, event));
                    [0, 0, self.events.len() as u64 - 1, 0]
                }
            };
            self.numbers.extend(numbers);
        }
        ws_batch {
            size: size_of::<ws_batch>(),
            numbers: self.numbers.as_ptr(),
            payloads: batch.arena().as_ptr().cast(),
            payloads_length: batch.arena().len(),
            others: self.events.as_ptr(),
        }
    }
}

/// `ws_server_poll` for hosts to which a number in memory is cheap and a structure is not, as is the way of PHP and other
/// scripting languages. It fills `batch`, of which `size` must be set, and returns the number of events. What `batch`
/// points to stays as it is for as long as events of `ws_server_poll` do.
///
/// Errors: those of `ws_server_poll`; `WS_ERR_ARGUMENT` for a `size` below that of the first version.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_server_poll_packed(
    server: *mut ws_server,
    batch: *mut ws_batch,
    timeout_ms: c_int,
) -> c_int {
    guard(|| {
        // SAFETY: the caller's pointer leads to at least the size, which is its first field.
        unsafe { check_structure(batch, "batch", "ws_batch")? };
        let read = |view: &mut BatchView, batch: &Batch| (view.pack(batch), batch.events().len());
        let Some((packed, count)) = poll(server, timeout_ms, read)? else { return Ok(0) };
        // SAFETY: the caller says with `size` that there is room for all of it.
        unsafe { *batch = packed };
        Ok(c_int::try_from(count).unwrap_or(c_int::MAX))
    })
}

/// A file descriptor that is readable while events wait, for an event loop of the host's own (poll, epoll, libuv,
/// ReactPHP). Do not read from it or close it: when it is readable, call `ws_server_poll` with a timeout of 0 until it
/// returns 0. It may be readable once more after the last event was taken. It lives as long as the server.
///
/// Errors: those of `ws_server_poll`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_server_event_fd(server: *mut ws_server) -> c_int {
    guard(|| handle::with(server, |hosted| hosted.server.event_fd()))
}
