//! The thread of the host that works on a batch, in poll mode, and its own way to the reactor.
//!
//! What it pushes goes into a ring (see [`ring`](crate::sys::ring)), without a lock, and is taken from there when the host
//! is done with the batch, when enough has come together, or when somebody looks. Only what does not fit in there takes
//! the queue that other threads use.
//!
//! The writing end of the ring lives with the thread, which has it from its first poll on and keeps it: to poll one server
//! from changing threads works, but all of them but the first then use the queue.

use super::registry::ConnId;
use crate::protocol::frame::{self, Header, Opcode};
use crate::sys::ring::Producer;
use std::cell::RefCell;

thread_local! {
    static OWN: RefCell<Option<Own>> = const { RefCell::new(None) };
}

/// A ring of this thread.
struct Own {
    /// The queue of commands that it goes beside, as a name.
    queue: usize,
    producer: Producer,
    waiting: Waiting,
}

/// What this thread has pushed since the ring was last empty.
#[derive(Debug, Default, Clone, Copy)]
pub struct Waiting {
    /// Messages.
    pub messages: usize,
    /// Bytes of payload.
    pub bytes: usize,
}

/// Has this thread own the ring beside `queue`, if it has no other that is in use.
pub fn own(queue: usize, producer: &mut Option<Producer>) {
    OWN.with_borrow_mut(|own| {
        if own.as_ref().is_none_or(|own| own.producer.is_abandoned()) {
            *own = producer.take().map(|producer| Own { queue, producer, waiting: Waiting::default() });
        }
    });
}

/// Writes a message into the ring. Returns how much waits there now, or `None` if it did not fit or the ring is not this
/// thread's.
#[inline]
pub fn push(queue: usize, to: ConnId, opcode: Opcode, payload: &[u8]) -> Option<Waiting> {
    with(queue, |own| {
        let mut buffer = [0; frame::MAX_HEADER];
        let length = Header { fin: true, opcode, mask: None, length: payload.len() as u64 }.write(&mut buffer);
        let Waiting { messages, bytes } = if own.producer.is_empty() { Waiting::default() } else { own.waiting };
        own.waiting = Waiting { messages: messages + 1, bytes: bytes + payload.len() };
        own.producer.push([&to.to_ne_bytes(), &buffer[..length], payload]).then_some(own.waiting)
    })
    .flatten()
}

/// How far this thread has written into the ring.
pub fn position(queue: usize) -> Option<usize> {
    with(queue, |own| own.producer.position())
}

/// Whether this thread has written anything into the ring that was not taken.
pub fn has_pushed(queue: usize) -> bool {
    with(queue, |own| !own.producer.is_empty()).unwrap_or(false)
}

/// The receiver and the frame of a record.
#[must_use]
pub fn read(record: &[u8]) -> Option<(ConnId, &[u8])> {
    let (to, frame) = record.split_first_chunk()?;
    Some((ConnId::from_ne_bytes(*to), frame))
}

#[inline]
fn with<T>(queue: usize, action: impl FnOnce(&mut Own) -> T) -> Option<T> {
    OWN.with_borrow_mut(|own| own.as_mut().filter(|own| own.queue == queue).map(action))
}
