//! Many clients that are polled together.

use super::client::HostedClient;
use super::error::LastError;
use super::event::{View, Whose, give, give_packed, ws_batch, ws_event};
use super::handle::{self, ws_client, ws_loop};
use super::{check_structure, guard_of, limit, null};
use crate::client::{List, Loop};
use crate::engine::owner::Tag;
use crate::engine::registry::ConnId;
use crate::error::{Result, Status};
use std::ffi::c_int;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a `ws_loop *` leads to.
#[derive(Default)]
pub(super) struct HostedLoop {
    shared: Arc<Loop>,
    view: View,
    pub(super) last_error: LastError,
}

const OK: c_int = Status::WS_OK as c_int;

/// The clients of a loop are known by their handles.
impl Whose for &mut List {
    fn of(&mut self, conn: ConnId) -> Option<*mut ws_client> {
        List::of(self, conn).map(handle_of)
    }

    fn named(&mut self, tag: Tag) -> Option<*mut ws_client> {
        self.has(tag).then(|| handle_of(tag))
    }

    fn forget(&mut self, conn: ConnId) {
        List::forget(self, conn);
    }
}

const fn handle_of(tag: Tag) -> *mut ws_client {
    std::ptr::without_provenance_mut(tag as usize)
}

/// Makes a loop: what several clients that are polled have in common, one thread and one queue of events. It is freed with
/// `ws_loop_free`. Clients with callbacks need none: they share a thread by themselves.
///
/// Returns NULL if 1024 loops live already. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn ws_loop_new() -> *mut ws_loop {
    super::made(|| handle::insert(|_| HostedLoop::default()))
}

/// Has the events of a client come with those of the loop, before the client is started; it must have no callbacks then. The
/// first client that is started brings the options that concern the loop, all but those of connecting; the others must have
/// the same.
///
/// Errors: `WS_ERR_STATE` once started, or if it is in a loop already; `WS_ERR_NULL`, `WS_ERR_HANDLE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_loop_add(looping: *mut ws_loop, client: *mut ws_client) -> c_int {
    guard_of(looping, || {
        let hosted = handle::get::<HostedLoop>(looping)?;
        handle::with(client, |client: &HostedClient| client.client.join(&hosted.shared)).map(|()| OK)
    })
}

/// Polls until there are events that somebody still wants, or the time is up: a batch may have none but those of clients that were
/// freed meanwhile.
fn until_wanted<T>(
    timeout_ms: c_int,
    mut poll: impl FnMut(Option<Duration>) -> Result<Option<(T, usize)>>,
) -> Result<Option<(T, usize)>> {
    let limit = limit(timeout_ms);
    let begun = Instant::now();
    loop {
        let left = limit.map(|limit| limit.saturating_sub(begun.elapsed()));
        match poll(left)? {
            Some((_, 0)) => {}
            taken => return Ok(taken),
        }
    }
}

/// Takes events of all clients of the loop, as `ws_server_poll` takes those of a server; `client` says whose an event is. Those of
/// clients that were freed meanwhile are left out.
///
/// Errors: those of `ws_server_poll`; `WS_ERR_STATE` before the first client was started.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_loop_poll(looping: *mut ws_loop, events: *mut *const ws_event, timeout_ms: c_int) -> c_int {
    guard_of(looping, || {
        if events.is_null() {
            return Err(null("events"));
        }
        let hosted = handle::get::<HostedLoop>(looping)?;
        let members = hosted.shared.members();
        hosted.view.prepare_to_list()?;
        let taken = until_wanted(timeout_ms, |left| {
            hosted.shared.poll(left, |batch| hosted.view.see(|view| view.list(batch, &mut &mut *members.list())))
        })?;
        // SAFETY: the caller's pointer is not NULL and leads to room for a pointer.
        Ok(unsafe { give(taken, events) })
    })
}

/// The same in numbers, as `ws_server_poll_packed`. Messages come with their connection alone: whose that is was told when it
/// opened.
///
/// Errors: those of `ws_loop_poll`; `WS_ERR_ARGUMENT` for a `size` below that of the first version.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_loop_poll_packed(looping: *mut ws_loop, batch: *mut ws_batch, timeout_ms: c_int) -> c_int {
    guard_of(looping, || {
        // SAFETY: the caller's pointer leads to at least the size, which is its first field.
        unsafe { check_structure(batch, "batch", "ws_batch")? };
        let hosted = handle::get::<HostedLoop>(looping)?;
        let members = hosted.shared.members();
        hosted.view.prepare_to_pack()?;
        let taken = until_wanted(timeout_ms, |left| {
            hosted.shared.poll(left, |read| hosted.view.see(|view| view.pack(read, &mut &mut *members.list())))
        })?;
        // SAFETY: the caller says with `size` that there is room for all of it.
        Ok(unsafe { give_packed(taken, batch) })
    })
}

/// Says that the host has handled the events that it has taken, and does not call for the next ones yet, as `ws_server_done`.
///
/// Errors: those of `ws_server_done`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_loop_done(looping: *mut ws_loop) -> c_int {
    guard_of(looping, || handle::with(looping, |hosted: &HostedLoop| hosted.shared.finish()).map(|()| OK))
}

/// A file descriptor that is readable while events wait, as `ws_server_event_fd`.
///
/// Errors: those of `ws_loop_poll`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_loop_event_fd(looping: *mut ws_loop) -> c_int {
    guard_of(looping, || handle::with(looping, |hosted: &HostedLoop| hosted.shared.event_fd()))
}

/// Frees a loop, and ends the connections of its clients at once. NULL is fine. The clients are freed for themselves, before or
/// afterwards. Calls of other threads that wait for its events end. Inside a callback, of whatever server or client, it does not wait
/// for its thread to end.
///
/// Errors: `WS_ERR_HANDLE` if it was freed already.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_loop_free(looping: *mut ws_loop) -> c_int {
    guard_of(looping, || {
        if !looping.is_null() {
            handle::remove::<HostedLoop>(looping)?.shared.retire();
        }
        Ok(OK)
    })
}
