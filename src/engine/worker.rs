//! The thread of the host that works on a batch, in poll mode, and its own way to the reactor.
//!
//! What it pushes goes into a ring (see [`ring`](crate::sys::ring)), without a lock, and is taken from there when the host
//! is done with the batch, when enough has come together, or when somebody looks. Only what does not fit in there takes
//! the queue that other threads use.
//!
//! The thread that polls has the writing end of the ring. Another one that begins to poll takes it from there (see
//! [`lease`](crate::sys::lease)), so that the one before pushes as any thread does, however far it was with a push. A thread has
//! one ring at a time: who polls several servers uses their queues, for all but the first.
//!
//! With the ring, the thread has all that a push needs to know at hand, so that [`push_of`] is one look at what is the
//! thread's own.

use super::commands::CommandQueue;
use super::events::this_thread;
use super::link::Link;
use super::outbox::GATHER_MAX;
use super::registry::ConnId;
use super::turn::{DIRECT_MIN, Host};
use crate::protocol::decoder::Kind;
use crate::protocol::frame::{self, Header, Opcode};
use crate::protocol::{Role, utf8};
use crate::sys::lease::Holder;
use crate::sys::process;
use crate::sys::ring::Producer;
use std::cell::RefCell;
use std::num::NonZeroUsize;
use std::sync::Arc;

thread_local! {
    static OWN: RefCell<Option<Own>> = const { RefCell::new(None) };
}

/// Messages that may wait until the host is done with its batch.
const QUIET_MESSAGES: usize = 400;

/// Bytes of payload that may wait until the host is done with its batch.
pub const QUIET_MAX: usize = 256 * 1024;

/// A ring of this thread, and the reactor that it leads to.
struct Own {
    host: Host,
    thread: usize,
    /// How often the process had forked: a child has no reactor, though it has this memory.
    forks: u32,
    link: Arc<Link>,
    producer: Holder<Producer>,
    waiting: Waiting,
    /// Where a client masks what it writes into the ring.
    masked: Vec<u8>,
}

/// What this thread has pushed since the ring was last empty.
#[derive(Debug, Default, Clone, Copy)]
pub struct Waiting {
    /// Messages.
    pub messages: usize,
    /// Bytes of payload.
    pub bytes: usize,
}

/// Has this thread own the ring to the reactor of `link`, if it has no other that is in use. Whether another thread had it.
pub fn own(host: Host, link: &Arc<Link>) -> bool {
    let (thread, forks) = (this_thread(), process::fork_generation());
    let is_free = || {
        let is_free = |own: &RefCell<Option<Own>>| own.borrow_mut().as_mut().is_none_or(|own| own.is_over(forks));
        OWN.try_with(is_free).unwrap_or(false)
    };
    let Some(passed) = link.commands.pass_ring(thread, is_free) else { return false };
    if let Some(producer) = passed.holder {
        let own = Own {
            host,
            thread,
            forks,
            link: Arc::clone(link),
            producer,
            waiting: Waiting::default(),
            masked: Vec::new(),
        };
        let before = OWN.try_with(|place| place.replace(Some(own)));
        drop(before);
    }
    passed.was_lent
}

/// Has this thread let go of the ring beside `queue`, if it owns that.
pub fn disown(queue: &CommandQueue) {
    let own = OWN.try_with(|own| own.borrow_mut().take_if(|own| own.is_beside(queue)));
    drop(own);
}

/// Takes a message of a host that names itself, if it is in order and this thread works on a batch of the server of that
/// name. `false` says no more than that it is to be pushed the long way, where whatever is wrong with it comes to light.
#[inline]
#[must_use]
pub fn push_of(host: NonZeroUsize, to: ConnId, kind: Kind, payload: &[u8]) -> bool {
    let pushed = OWN.try_with(|own| {
        let mut own = own.borrow_mut();
        let own = own.as_mut().filter(|own| own.host == Some(host))?;
        let waiting = own.push_message(to, kind, payload)?;
        let calls = waiting.is_much() || !own.link.commands.looks();
        Some(calls.then(|| (Arc::clone(&own.link), waiting)))
    });
    let pushed = pushed.ok().flatten();
    if let Some(Some((link, waiting))) = &pushed {
        link.look_behind_ring(*waiting);
    }
    pushed.is_some()
}

/// Writes a message into the ring beside `queue`. Returns how much waits there now, or `None` if it did not fit or the ring
/// is not this thread's.
#[inline]
pub fn push(queue: &CommandQueue, to: ConnId, opcode: Opcode, payload: &[u8]) -> Option<Waiting> {
    with(queue, |own| own.write(to, opcode, payload)).flatten()
}

/// Whether this thread has written anything into the ring that was not taken.
pub fn has_pushed(queue: &CommandQueue) -> bool {
    with(queue, |own| own.producer.with(|producer| !producer.is_empty())).flatten().unwrap_or(false)
}

/// The receiver and the frame of a record.
#[must_use]
pub fn read(record: &[u8]) -> Option<(ConnId, &[u8])> {
    let (to, frame) = record.split_first_chunk()?;
    Some((ConnId::from_ne_bytes(*to), frame))
}

#[inline]
fn with<T>(queue: &CommandQueue, action: impl FnOnce(&mut Own) -> T) -> Option<T> {
    // There is none when the thread has come so far to its end, as in what a program does at its exit.
    OWN.try_with(|own| own.borrow_mut().as_mut().filter(|own| own.is_beside(queue)).map(action)).ok().flatten()
}

impl Own {
    /// Whether the ring is no longer of use: nobody reads it, or another thread has it.
    fn is_over(&mut self, forks: u32) -> bool {
        self.forks != forks || self.producer.with(|producer| producer.is_abandoned()).unwrap_or(true)
    }

    fn is_beside(&self, queue: &CommandQueue) -> bool {
        std::ptr::eq(&self.link.commands, queue)
    }

    fn push_message(&mut self, to: ConnId, kind: Kind, payload: &[u8]) -> Option<Waiting> {
        let link = &*self.link;
        let works = link.events.as_ref().is_some_and(|events| events.worker() == self.thread);
        if payload.len() >= DIRECT_MIN || !works || !link.commands.may_be_passed() {
            return None;
        }
        if self.forks != process::fork_generation() || kind == Kind::Text && !utf8::is_valid(payload) {
            return None;
        }
        let bytes = link.frame_length(payload.len()) as u64;
        link.registry.add_queued(to, bytes, link.most_queued()).ok()?;
        let waiting = self.write(to, kind.into(), payload);
        if waiting.is_none() {
            self.link.registry.sub_queued(to, bytes);
        }
        waiting
    }

    #[inline]
    fn write(&mut self, to: ConnId, opcode: Opcode, payload: &[u8]) -> Option<Waiting> {
        let link = &*self.link;
        let mut header = [0; frame::MAX_HEADER];
        let (head, body) = if link.role == Role::Client {
            if payload.len() > GATHER_MAX {
                // It is masked once, into a buffer of its own, which the queue passes on.
                return None;
            }
            (mask_into(&mut self.masked, link, opcode, payload), &[][..])
        } else {
            let length = Header { fin: true, opcode, mask: None, length: payload.len() as u64 }.write(&mut header);
            (&header[..length], payload)
        };
        let waiting = &mut self.waiting;
        self.producer.with(|producer| {
            let Waiting { messages, bytes } = if producer.is_empty() { Waiting::default() } else { *waiting };
            *waiting = Waiting { messages: messages + 1, bytes: bytes + payload.len() };
            producer.push([&to.to_ne_bytes(), head, body]).then_some(*waiting)
        })?
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        if self.forks == process::fork_generation() {
            self.link.commands.leave_ring(self.thread);
        }
    }
}

/// The frame of a client, which is masked before it goes into the ring.
#[inline(never)]
fn mask_into<'a>(masked: &'a mut Vec<u8>, link: &Link, opcode: Opcode, payload: &[u8]) -> &'a [u8] {
    masked.clear();
    frame::write(masked, opcode, true, link.mask(), payload);
    masked
}

impl Waiting {
    /// Whether it is so much that the reactor is called to look. It is then worth having a second thread send while the
    /// host goes on with its batch: many messages have taken the host a while, and more to come will take as long; many
    /// bytes fill the ring.
    #[must_use]
    pub const fn is_much(self) -> bool {
        self.messages >= QUIET_MESSAGES || self.bytes >= QUIET_MAX
    }
}
