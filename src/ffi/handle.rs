//! The table behind `ws_server *`.
//!
//! What a host holds is not a pointer to anything but a number in a pointer's clothing: a place in this table and the
//! generation of its tenant. So a handle that was freed, or never was one, is told from a live one without touching
//! memory.

use super::event::ws_event;
use super::server::Callbacks;
use crate::error::{Error, Result, Status};
use crate::server::Server;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// A server. Opaque: only functions of this library know what to do with it. All functions that take one check it, and
/// return `WS_ERR_HANDLE` for one that was freed.
pub struct ws_server {
    _opaque: (),
}

/// What a handle stands for.
#[derive(Default)]
pub(super) struct Hosted {
    pub(super) server: Server,
    pub(super) callbacks: Mutex<Callbacks>,
    /// The batch that the host reads, in poll mode.
    pub(super) batch: Mutex<BatchView>,
}

/// A batch as hosts see it: events whose pointers lead into it, and numbers in place of those that are packed.
#[derive(Default)]
pub(super) struct BatchView {
    pub(super) events: Vec<ws_event>,
    pub(super) numbers: Vec<u64>,
}

// SAFETY: the pointers lead to memory that the server owns, which only moves from thread to thread with the list; they
// are followed by the host alone, under the contract of `ws_server_poll`.
unsafe impl Send for BatchView {}

struct Place {
    generation: usize,
    tenant: Option<Arc<Hosted>>,
}

/// Servers that may live at one time.
const PLACES: usize = 1024;

/// Handles are multiples of this, as pointers to anything would be.
const STEP: usize = 16;

static TABLE: [RwLock<Place>; PLACES] = [const { RwLock::new(Place { generation: 1, tenant: None }) }; PLACES];

/// Puts a server into the table. `None` if there is no place left.
pub(super) fn insert() -> Option<*mut ws_server> {
    let hosted = Arc::new(Hosted::default());
    for (index, place) in TABLE.iter().enumerate() {
        // A place that somebody looks at is taken, or was when this process was forked: then it stays locked for ever.
        let Ok(mut place) = place.try_write() else { continue };
        if place.tenant.is_none() {
            place.tenant = Some(hosted);
            return Some(std::ptr::without_provenance_mut((place.generation * PLACES + index) * STEP));
        }
    }
    None
}

fn place_of(handle: *mut ws_server) -> Result<(&'static RwLock<Place>, usize)> {
    let number = handle.addr();
    if number == 0 {
        return Err(super::null("server"));
    }
    if number % STEP != 0 {
        return Err(stale());
    }
    Ok((&TABLE[number / STEP % PLACES], number / STEP / PLACES))
}

fn stale() -> Error {
    Error::new(Status::WS_ERR_HANDLE, "not a live server: it was freed, or ws_server_new never returned it")
}

/// Does something short with a server. It cannot be freed meanwhile.
#[inline]
pub(super) fn with<T>(handle: *mut ws_server, action: impl FnOnce(&Hosted) -> Result<T>) -> Result<T> {
    let (place, generation) = place_of(handle)?;
    let place = place.read().unwrap_or_else(PoisonError::into_inner);
    match &place.tenant {
        Some(hosted) if place.generation == generation => action(hosted),
        _ => Err(stale()),
    }
}

/// A share in a server, for calls that wait: it may lose its handle meanwhile.
pub(super) fn get(handle: *mut ws_server) -> Result<Arc<Hosted>> {
    let (place, generation) = place_of(handle)?;
    let place = place.read().unwrap_or_else(PoisonError::into_inner);
    match &place.tenant {
        Some(hosted) if place.generation == generation => Ok(Arc::clone(hosted)),
        _ => Err(stale()),
    }
}

/// Takes a server out of the table. Its handle is stale from now on.
pub(super) fn remove(handle: *mut ws_server) -> Result<Arc<Hosted>> {
    let (place, generation) = place_of(handle)?;
    let mut place = place.write().unwrap_or_else(PoisonError::into_inner);
    if place.generation != generation {
        return Err(stale());
    }
    let hosted = place.tenant.take().ok_or_else(stale)?;
    place.generation += 1;
    Ok(hosted)
}
