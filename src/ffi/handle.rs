//! The tables behind `ws_server *`, `ws_client *` and `ws_loop *`.
//!
//! What a host holds is not a pointer to anything but a number in a pointer's clothing: a place in a table, the generation of
//! its tenant, and of which table. So a handle that was freed, is of another kind, or never was one, is told from a live one
//! without touching memory.

use super::error::LastError;
use super::looping::HostedLoop;
use super::server::HostedServer;
use crate::error::{Error, Result, Status};
use crate::ffi::client::HostedClient;
use crate::sys::lock::Lock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// A server. Opaque: only functions of this library know what to do with it. All functions that take one check it, and
/// return `WS_ERR_HANDLE` for one that was freed.
pub struct ws_server {
    _opaque: (),
}

/// A client. Opaque, and checked as a `ws_server` is.
pub struct ws_client {
    _opaque: (),
}

/// What several clients that are polled have in common: one thread, and one queue of events. Opaque, and checked as a
/// `ws_server` is.
pub struct ws_loop {
    _opaque: (),
}

/// What a kind of handle leads to.
pub(super) trait Hosted: Sized + 'static {
    /// What the host sees.
    type Handle;
    /// What it is called.
    const NAME: &'static str;
    /// Its table.
    fn table() -> &'static Table<Self>;
    /// Where it keeps the words for its last error.
    fn last_error(&self) -> &LastError;
}

/// What a host holds.
pub(super) trait Handle: Copy {
    /// Keeps the words for an error of a call that is about it, if it leads anywhere.
    fn note(self, detail: &str);
}

impl Handle for *mut ws_server {
    fn note(self, detail: &str) {
        note::<HostedServer>(self, detail);
    }
}

impl Handle for *mut ws_client {
    fn note(self, detail: &str) {
        note::<HostedClient>(self, detail);
    }
}

impl Handle for *mut ws_loop {
    fn note(self, detail: &str) {
        note::<HostedLoop>(self, detail);
    }
}

/// Keeps the words for an error of a call that is about a handle, if it leads anywhere.
#[cold]
pub(super) fn note<T: Hosted>(handle: *mut T::Handle, detail: &str) {
    let _ = with(handle, |hosted: &T| {
        hosted.last_error().set(detail);
        Ok(())
    });
}

static SERVERS: Table<HostedServer> = Table::new(0, 1);
static CLIENTS: Table<HostedClient> = Table::new(1, SEGMENTS);
static LOOPS: Table<HostedLoop> = Table::new(2, 1);

impl Hosted for HostedServer {
    type Handle = ws_server;
    const NAME: &'static str = "server";
    fn table() -> &'static Table<Self> {
        &SERVERS
    }
    fn last_error(&self) -> &LastError {
        &self.last_error
    }
}

impl Hosted for HostedClient {
    type Handle = ws_client;
    const NAME: &'static str = "client";
    fn table() -> &'static Table<Self> {
        &CLIENTS
    }
    fn last_error(&self) -> &LastError {
        &self.last_error
    }
}

impl Hosted for HostedLoop {
    type Handle = ws_loop;
    const NAME: &'static str = "loop";
    fn table() -> &'static Table<Self> {
        &LOOPS
    }
    fn last_error(&self) -> &LastError {
        &self.last_error
    }
}

/// All that are there of one kind.
pub(super) struct Table<T> {
    segments: [OnceLock<Segment<T>>; SEGMENTS],
    /// How many segments are used.
    most: usize,
    kind: usize,
    /// Where the next place is looked for.
    next: AtomicUsize,
}

type Segment<T> = Box<[Lock<Place<T>>]>;

struct Place<T> {
    generation: usize,
    tenant: Option<Arc<T>>,
}

/// What a child finds where a thread of its parent was putting something in, or taking it out: nobody, under a generation
/// that no handle has had.
impl<T> Default for Place<T> {
    fn default() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(1 << 32);
        Self { generation: NEXT.fetch_add(1 << 16, Ordering::Relaxed), tenant: None }
    }
}

/// Places of a segment.
const SEGMENT: usize = 1024;

const SEGMENTS: usize = 1024;

/// Places that a table may have.
const PLACES: usize = SEGMENT * SEGMENTS;

/// Kinds of handles that may be.
const KINDS: usize = 4;

/// Handles are multiples of this, as pointers to anything would be.
const STEP: usize = 16;

impl<T> Table<T> {
    const fn new(kind: usize, most: usize) -> Self {
        Self { segments: [const { OnceLock::new() }; SEGMENTS], most, kind, next: AtomicUsize::new(0) }
    }

    fn place(&self, index: usize) -> &Lock<Place<T>> {
        let empty = || (0..SEGMENT).map(|_| Lock::new(Place { generation: 1, tenant: None })).collect();
        &self.segments[index / SEGMENT].get_or_init(empty)[index % SEGMENT]
    }

    const fn handle(&self, index: usize, generation: usize) -> usize {
        ((generation * PLACES + index) * KINDS + self.kind) * STEP
    }

    /// Puts in what `make` makes for its handle. `None` if there is no place left.
    fn insert(&self, make: impl FnOnce(usize) -> T) -> Option<usize> {
        let most = self.most * SEGMENT;
        let first = self.next.load(Ordering::Relaxed);
        for index in (0..most).map(|offset| (first + offset) % most) {
            // A place that somebody looks at is taken.
            let Some(mut place) = self.place(index).try_write() else { continue };
            if place.tenant.is_none() {
                let handle = self.handle(index, place.generation);
                place.tenant = Some(Arc::new(make(handle)));
                // No lower one is free, as far as that is known.
                self.next.store(index + 1, Ordering::Relaxed);
                return Some(handle);
            }
        }
        None
    }

    /// The place of a handle, and its generation.
    #[inline]
    fn find(&self, handle: usize) -> Option<(&Lock<Place<T>>, usize)> {
        let number = handle / STEP / KINDS;
        let is_ours = handle % (STEP * KINDS) == STEP * self.kind;
        let segment = self.segments[number % PLACES / SEGMENT].get()?;
        is_ours.then_some((&segment[number % SEGMENT], number / PLACES))
    }
}

/// Puts into its table what `make` makes for its handle, which it is given as a number.
///
/// # Errors
/// `WS_ERR_MEMORY` when there is no place left.
pub(super) fn insert<T: Hosted>(make: impl FnOnce(usize) -> T) -> Result<*mut T::Handle> {
    let table = T::table();
    let handle = table.insert(make).ok_or_else(|| {
        let most = table.most * SEGMENT;
        Error::new(Status::WS_ERR_MEMORY, format!("{most} {}s live already", T::NAME))
    })?;
    Ok(std::ptr::without_provenance_mut(handle))
}

#[inline]
fn find<T: Hosted>(handle: *mut T::Handle) -> Result<(&'static Lock<Place<T>>, usize)> {
    match T::table().find(handle.addr()) {
        Some(found) if !handle.is_null() => Ok(found),
        _ if handle.is_null() => Err(super::null(T::NAME)),
        _ => Err(stale::<T>()),
    }
}

#[cold]
fn stale<T: Hosted>() -> Error {
    let name = T::NAME;
    Error::new(Status::WS_ERR_HANDLE, format!("not a live {name}: it was freed, or ws_{name}_new never returned it"))
}

/// Does something short with what a handle leads to. It cannot be freed meanwhile.
#[inline]
pub(super) fn with<T: Hosted, R>(handle: *mut T::Handle, action: impl FnOnce(&T) -> Result<R>) -> Result<R> {
    let (place, generation) = find::<T>(handle)?;
    let place = place.read();
    match &place.tenant {
        Some(hosted) if place.generation == generation => action(hosted),
        _ => Err(stale::<T>()),
    }
}

/// A share in it, for calls that wait: it may lose its handle meanwhile.
pub(super) fn get<T: Hosted>(handle: *mut T::Handle) -> Result<Arc<T>> {
    let (place, generation) = find::<T>(handle)?;
    let place = place.read();
    match &place.tenant {
        Some(hosted) if place.generation == generation => Ok(Arc::clone(hosted)),
        _ => Err(stale::<T>()),
    }
}

/// Takes it out of the table. Its handle is stale from now on.
pub(super) fn remove<T: Hosted>(handle: *mut T::Handle) -> Result<Arc<T>> {
    let (place, generation) = find::<T>(handle)?;
    let mut place = place.write();
    if place.generation != generation {
        return Err(stale::<T>());
    }
    let hosted = place.tenant.take().ok_or_else(stale::<T>)?;
    place.generation += 1;
    T::table().next.fetch_min(handle.addr() / STEP / KINDS % PLACES, Ordering::Relaxed);
    Ok(hosted)
}
