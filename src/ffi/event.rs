//! Poll mode: events taken by the host on its own thread.

use super::handle::{self, ws_client, ws_server};
use super::log::ws_log_level;
use super::request::ws_request;
use super::server::HostedServer;
use super::{check_structure, guard_of, limit, null};
use crate::engine::batch::{Batch, EVENTS_MAX, Event, Span};
use crate::engine::owner::Tag;
use crate::engine::registry::ConnId;
use crate::error::{Error, Result, Status};
use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

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
    /// An attempt of a client to connect failed: why in `code`, a status, and in `data`, a sentence; with the response in
    /// `request`, if there was one.
    WS_EVENT_ERROR = 8,
    /// Behind CLOSE or ERROR of a client: another attempt follows, in `code` milliseconds.
    WS_EVENT_RETRY = 9,
    /// Behind CLOSE or ERROR of a client, or when it was closed before it opened: there is no other attempt. The last event of
    /// it. The answer to a Close frame may be on its way yet: free the client, or poll on until `WS_ERR_STOPPED`, before the process
    /// ends.
    WS_EVENT_END = 10,
    /// A pong arrived, with the payload of the ping that it answers in `data`; only with the client's option `pong_events`.
    WS_EVENT_PONG = 11,
}

/// Something that happened, most often on a connection.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ws_event {
    /// Which connection; LOG, ERROR, RETRY, END: 0.
    pub conn: ws_conn,
    /// Which client; NULL in the events of a server.
    pub client: *mut ws_client,
    /// MESSAGE, PONG: the payload; CLOSE: the reason; LOG, ERROR: the message; otherwise NULL. Not NUL-terminated.
    pub data: *const c_void,
    /// Bytes at `data`.
    pub length: usize,
    /// OPEN, REQUEST and HANDSHAKE: the request; OPEN and ERROR of a client: the response, NULL if an ERROR has none;
    /// otherwise NULL.
    pub request: *const ws_request,
    /// A `ws_event_type`.
    pub r#type: i32,
    /// MESSAGE: `WS_TEXT` or `WS_BINARY`. CLOSE: the close code of RFC 6455 section 7.4; 1005 if the peer gave none, 1006
    /// if the connection was lost without a Close frame. LOG: the level. ERROR: the status. RETRY: milliseconds.
    pub code: i32,
    /// CLOSE: a `ws_cause`, which says why; otherwise 0.
    pub cause: i32,
}

impl ws_event {
    fn new(batch: &Batch, event: &Event, client: *mut ws_client) -> Self {
        let bare = |conn, r#type: ws_event_type| Self {
            conn,
            client,
            data: std::ptr::null(),
            length: 0,
            request: std::ptr::null(),
            r#type: r#type as i32,
            code: 0,
            cause: 0,
        };
        match event {
            Event::Message(conn, kind, span) => {
                bare(*conn, ws_event_type::WS_EVENT_MESSAGE).with(batch.payload(*span), *kind as i32)
            }
            Event::Close(conn, code, span, cause) => Self {
                cause: *cause as i32,
                ..bare(*conn, ws_event_type::WS_EVENT_CLOSE).with(batch.payload(*span), i32::from(*code))
            },
            Event::Log(level, span) => {
                bare(0, ws_event_type::WS_EVENT_LOG).with(batch.payload(*span), ws_log_level::from(*level) as i32)
            }
            Event::Pong(conn, span) => bare(*conn, ws_event_type::WS_EVENT_PONG).with(batch.payload(*span), 0),
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
            Event::Failed(_, status, span, response) => Self {
                request: response.as_deref().map_or(std::ptr::null(), ws_request::lend),
                ..bare(0, ws_event_type::WS_EVENT_ERROR).with(batch.payload(*span), *status as i32)
            },
            Event::Retry(_, delay) => Self { code: in_milliseconds(*delay), ..bare(0, ws_event_type::WS_EVENT_RETRY) },
            Event::End(_) => bare(0, ws_event_type::WS_EVENT_END),
        }
    }

    fn with(self, payload: &[u8], code: i32) -> Self {
        Self { data: payload.as_ptr().cast(), length: payload.len(), code, ..self }
    }
}

pub(super) fn in_milliseconds(time: Duration) -> c_int {
    c_int::try_from(time.as_millis()).unwrap_or(c_int::MAX)
}

/// Whose the events of a batch are.
pub(super) trait Whose {
    /// The client with this connection; NULL if it is a server's. `None` if it is no more, so that nobody wants the event.
    fn of(&mut self, conn: ConnId) -> Option<*mut ws_client>;
    /// The client of this name.
    fn named(&mut self, tag: Tag) -> Option<*mut ws_client>;
    /// Says that a connection was told as closed.
    fn forget(&mut self, conn: ConnId);
}

/// All are those of one client, or of a server if that is NULL.
pub(super) struct Alone(pub(super) *mut ws_client);

impl Whose for Alone {
    fn of(&mut self, _: ConnId) -> Option<*mut ws_client> {
        Some(self.0)
    }

    fn named(&mut self, _: Tag) -> Option<*mut ws_client> {
        Some(self.0)
    }

    fn forget(&mut self, _: ConnId) {}
}

/// A batch as hosts see it: events whose pointers lead into it, and numbers in place of those that are packed.
#[derive(Default)]
pub(super) struct BatchView {
    events: Vec<ws_event>,
    numbers: Vec<u64>,
}

// SAFETY: the pointers lead to memory that the server owns, which only moves from thread to thread with the list; they
// are followed by the host alone, under the contract of `ws_server_poll`.
unsafe impl Send for BatchView {}

/// The view of the batch that a host reads, which stays until the next batch.
#[derive(Default)]
pub(super) struct View {
    batch: Mutex<BatchView>,
    /// There is room for the events of any batch, and for their numbers.
    can_list: AtomicBool,
    can_pack: AtomicBool,
}

impl View {
    /// Sees to it that the events of any batch can be listed. Asked before one is taken, so that none is lost.
    ///
    /// # Errors
    /// `WS_ERR_MEMORY`.
    pub(super) fn prepare_to_list(&self) -> Result<()> {
        if self.can_list.load(Ordering::Relaxed) { Ok(()) } else { self.make_room(0, &self.can_list) }
    }

    /// The same, in numbers.
    ///
    /// # Errors
    /// `WS_ERR_MEMORY`.
    pub(super) fn prepare_to_pack(&self) -> Result<()> {
        // The most that there can ever be, so that they never move.
        if self.can_pack.load(Ordering::Relaxed) {
            Ok(())
        } else {
            self.make_room(NUMBERS * EVENTS_MAX, &self.can_pack)
        }
    }

    #[cold]
    fn make_room(&self, numbers: usize, is_made: &AtomicBool) -> Result<()> {
        let mut view = self.lock();
        // What another thread reads at this time does not move: where there is something, there is room already.
        let (events, numbers) = (EVENTS_MAX - view.events.len(), numbers.saturating_sub(view.numbers.len()));
        let made = view.events.try_reserve_exact(events).and_then(|()| view.numbers.try_reserve_exact(numbers));
        made.map_err(|_| {
            Error::new(Status::WS_ERR_MEMORY, "poll: there is no memory for a list of events; none was taken")
        })?;
        is_made.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Has a batch seen anew.
    pub(super) fn see<T>(&self, see: impl FnOnce(&mut BatchView) -> T) -> T {
        let mut view = self.lock();
        view.events.clear();
        view.numbers.clear();
        see(&mut view)
    }

    fn lock(&self) -> MutexGuard<'_, BatchView> {
        self.batch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes events, in poll mode: when no callback was set before the start.
///
/// Waits until there are events or `timeout_ms` milliseconds have passed (0: does not wait; negative: waits without
/// end), and returns their number and, in `*events`, the first of them. All that they point to stays as it is until the
/// next call for this server, or until it is freed. Events of one connection come in their order.
///
/// A connection that its peer closes gets its Close answer when the host calls again, so that the answers to the last
/// messages go before it; `close_timeout` bounds the wait, counted from the last message as well. Meanwhile `ws_push` takes what
/// is pushed to it only while the host has a batch with a message of it; otherwise it gives `WS_ERR_CLOSED`. A host that goes
/// about other things before it calls again says so by `ws_server_done`.
///
/// 0 means that the time was up. One thread at a time may poll a server, another one each time if that is convenient;
/// pushing from others meanwhile is fine. The same thread all the time is a little cheaper.
///
/// Errors: `WS_ERR_INTERRUPTED` if a signal handler ran on this thread or the process was stopped and continued (call
/// again), `WS_ERR_STOPPED` once the server has stopped and every event was taken, `WS_ERR_STATE` before the start or if
/// callbacks are set, `WS_ERR_WRONG_THREAD` while another thread polls, `WS_ERR_MEMORY` if there is none to list the events in,
/// which stay where they are, `WS_ERR_NULL`, `WS_ERR_HANDLE`, `WS_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_server_poll(
    server: *mut ws_server,
    events: *mut *const ws_event,
    timeout_ms: c_int,
) -> c_int {
    guard_of(server, || {
        if events.is_null() {
            return Err(null("events"));
        }
        let hosted = handle::get::<HostedServer>(server)?;
        hosted.view.prepare_to_list()?;
        let taken = hosted.server.poll(limit(timeout_ms), |batch| {
            hosted.view.see(|view| view.list(batch, &mut Alone(std::ptr::null_mut())))
        })?;
        // SAFETY: the caller's pointer is not NULL and leads to room for a pointer.
        Ok(unsafe { give(taken, events) })
    })
}

/// Says that the host has handled the events that it has taken, and does not call for the next ones yet: connections that their
/// peers have closed, or will close, do not wait for answers to them any longer. Without this the next poll says so. The events
/// stay as they are until then.
///
/// One thread at a time, as with `ws_server_poll`. Errors: `WS_ERR_STATE` before the start or if callbacks are set,
/// `WS_ERR_WRONG_THREAD` while another thread polls, `WS_ERR_NULL`, `WS_ERR_HANDLE`, `WS_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_server_done(server: *mut ws_server) -> c_int {
    guard_of(server, || handle::with(server, |hosted: &HostedServer| hosted.server.finish()).map(|()| 0))
}

/// Gives a host the events that were taken: the first of them, and their number.
///
/// # Safety
/// `to` leads to room for a pointer.
pub(super) unsafe fn give(taken: Option<(*const ws_event, usize)>, to: *mut *const ws_event) -> c_int {
    let Some((first, count)) = taken else { return 0 };
    // SAFETY: the caller's promise.
    unsafe { *to = first };
    c_int::try_from(count).unwrap_or(c_int::MAX)
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
    /// All events of a batch, one after the other: the first, and how many they are.
    pub(super) fn list(&mut self, batch: &Batch, whose: &mut impl Whose) -> (*const ws_event, usize) {
        for event in batch.events() {
            let Some(client) = client_of(event, whose) else { continue };
            self.events.push(ws_event::new(batch, event, client));
        }
        (self.events.as_ptr(), self.events.len())
    }

    /// The same in numbers, where that can be.
    pub(super) fn pack(&mut self, batch: &Batch, whose: &mut impl Whose) -> (ws_batch, usize) {
        for event in batch.events() {
            if let Event::Message(conn, kind, Span::Arena(start, length)) = *event {
                // Whoever knows the connection knows whose it is.
                self.numbers.extend([conn, kind as u64, start.into(), length.into()]);
                continue;
            }
            let Some(client) = client_of(event, whose) else { continue };
            let event = ws_event::new(batch, event, client);
            self.numbers.extend([event.conn, 0, self.events.len() as u64, 0]);
            self.events.push(event);
        }
        let packed = ws_batch {
            size: size_of::<ws_batch>(),
            numbers: self.numbers.as_ptr(),
            payloads: batch.arena().as_ptr().cast(),
            payloads_length: batch.arena().len(),
            others: self.events.as_ptr(),
        };
        (packed, self.numbers.len() / NUMBERS)
    }
}

/// Whose an event is; `None` if nobody wants it any more.
fn client_of(event: &Event, whose: &mut impl Whose) -> Option<*mut ws_client> {
    match event {
        Event::Message(conn, ..)
        | Event::Drain(conn)
        | Event::Pong(conn, _)
        | Event::Open(conn, _)
        | Event::Request(conn, _)
        | Event::Handshake(conn, _) => whose.of(*conn),
        Event::Close(conn, ..) => {
            let client = whose.of(*conn);
            whose.forget(*conn);
            client
        }
        Event::Failed(tag, ..) | Event::Retry(tag, _) | Event::End(tag) => whose.named(*tag),
        Event::Log(..) => Some(std::ptr::null_mut()),
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
    guard_of(server, || {
        // SAFETY: the caller's pointer leads to at least the size, which is its first field.
        unsafe { check_structure(batch, "batch", "ws_batch")? };
        let hosted = handle::get::<HostedServer>(server)?;
        hosted.view.prepare_to_pack()?;
        let taken = hosted.server.poll(limit(timeout_ms), |read| {
            hosted.view.see(|view| view.pack(read, &mut Alone(std::ptr::null_mut())))
        })?;
        // SAFETY: the caller says with `size` that there is room for all of it.
        Ok(unsafe { give_packed(taken, batch) })
    })
}

/// Gives a host the batch that was taken, and the number of its events.
///
/// # Safety
/// `to` leads to room for a `ws_batch`.
pub(super) unsafe fn give_packed(taken: Option<(ws_batch, usize)>, to: *mut ws_batch) -> c_int {
    let Some((packed, count)) = taken else { return 0 };
    // SAFETY: the caller's promise.
    unsafe { *to = packed };
    c_int::try_from(count).unwrap_or(c_int::MAX)
}

/// A file descriptor that is readable while events wait, for an event loop of the host's own (poll, epoll, libuv,
/// ReactPHP). Do not read from it or close it: when it is readable, call `ws_server_poll` with a timeout of 0 until it
/// returns 0. It may be readable once more after the last event was taken. It lives as long as the server.
///
/// Errors: those of `ws_server_poll`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_server_event_fd(server: *mut ws_server) -> c_int {
    guard_of(server, || handle::with(server, |hosted: &HostedServer| hosted.server.event_fd()))
}
