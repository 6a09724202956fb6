//! Whom a client's connection belongs to, and what its host hears.
//!
//! A client outlives its connections: it has none while it dials, and another after it was lost. So the reactor asks the
//! owner of a connection when it comes and when it goes, and tells the host what the owner says comes next. All of it happens
//! on the thread that runs the reactor: the host of a client hears everything from there, in its order.

use super::registry::ConnId;
use super::request::Request;
use crate::cause::Cause;
use crate::error::Status;
use crate::protocol::decoder::Kind;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// A name of a client that no other has at this time, in the events of those that share a loop.
pub type Tag = u64;

/// A host of one client that is called on the reactor's thread. It may push and close from there, and must not block: the other
/// clients of the reactor wait meanwhile.
pub trait ClientHandler: Send + Sync {
    /// The connection opened, with this response.
    fn open(&self, response: &Request);
    /// A message arrived. Text is UTF-8.
    fn message(&self, kind: Kind, payload: &[u8]);
    /// What waits to be sent has fallen to the low watermark, or there is room again after a push was refused.
    fn drain(&self);
    /// The open connection closed.
    fn close(&self, code: u16, reason: &str, cause: Cause);
    /// An attempt to connect failed, and why; with the response if there was one.
    fn error(&self, status: Status, detail: &str, response: Option<&Request>);
    /// Behind a close or an error: another attempt follows in so long.
    fn retry(&self, delay: Duration);
    /// Behind a close or an error: there is no other attempt. The last that is heard of the client.
    fn end(&self);
}

/// The client of a connection, as the reactor knows it.
pub trait Owner: Send + Sync {
    /// Its name.
    fn tag(&self) -> Tag;
    /// Whom to call, in callback mode; `None` if the host is to hear nothing more.
    fn handler(&self) -> Option<Arc<dyn ClientHandler>>;
    /// It has this connection, which is open. Returns what was kept to be sent until now; `None` if the client wants no
    /// connection any more.
    fn online(&self, conn: ConnId) -> Option<Kept>;
    /// There is no room for its connection. Returns what comes next; `None` if the client wants none any more.
    fn turned_away(&self) -> Option<Next>;
    /// Its connection is about to be told as closed, with this code, for this cause.
    fn closes(&self, code: u16, cause: Cause);
    /// It has lost that connection. Returns what comes next, which is the end if its loop `stops`.
    fn offline(&self, conn: ConnId, stops: bool) -> Next;
    /// Its host was told of the end.
    fn ended(&self);
}

/// Messages that were kept until there is a connection: frames end to end, masked.
#[derive(Debug, Default)]
pub struct Kept {
    /// The frames.
    pub frames: Vec<u8>,
    /// How many they are.
    pub messages: u64,
    /// Since when which of them are kept: those of a moment together.
    since: VecDeque<Moment>,
}

/// Messages that are kept since the same moment.
#[derive(Debug)]
struct Moment {
    at: Instant,
    bytes: usize,
    messages: u64,
}

/// How long a moment is.
const MOMENT: Duration = Duration::from_millis(10);

impl Kept {
    /// Keeps the message that `write` puts behind the others.
    pub fn keep(&mut self, now: Instant, write: impl FnOnce(&mut Vec<u8>)) {
        let before = self.frames.len();
        write(&mut self.frames);
        self.messages += 1;
        let bytes = self.frames.len() - before;
        match self.since.back_mut() {
            Some(moment) if now.saturating_duration_since(moment.at) < MOMENT => {
                moment.bytes += bytes;
                moment.messages += 1;
            }
            _ => self.since.push_back(Moment { at: now, bytes, messages: 1 }),
        }
    }

    /// Drops those that were kept before this time, and returns how many they were.
    pub fn drop_before(&mut self, time: Instant) -> u64 {
        let (mut bytes, mut messages) = (0, 0);
        while self.since.front().is_some_and(|moment| moment.at < time) {
            let Some(moment) = self.since.pop_front() else { break };
            bytes += moment.bytes;
            messages += moment.messages;
        }
        self.frames.drain(..bytes);
        self.messages -= messages;
        messages
    }
}

/// What comes after a close or an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Another attempt, in so long.
    Retry(Duration),
    /// Nothing.
    End,
}

/// What tells, by being dropped, that something is done; whether it was done, or will never be.
#[derive(Debug)]
pub struct Done(Arc<Signal>);

/// Where that is waited for.
#[derive(Debug, Default)]
pub struct Signal {
    given: Mutex<bool>,
    change: Condvar,
}

impl Signal {
    /// One, and what gives it.
    #[must_use]
    pub fn new() -> (Arc<Self>, Done) {
        let signal = Arc::<Self>::default();
        (Arc::clone(&signal), Done(signal))
    }

    /// Gives it.
    pub fn give(&self) {
        *self.given.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.change.notify_all();
    }

    /// Waits for it.
    pub fn wait(&self) {
        let given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.change.wait_while(given, |given| !*given));
    }
}

/// Those who wait for something, as long as they live, and each once.
#[derive(Debug)]
pub struct Waiters<T: ?Sized>(Mutex<Vec<Weak<T>>>);

impl<T: ?Sized> Default for Waiters<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: ?Sized> Waiters<T> {
    /// Adds one.
    pub fn add(&self, waiter: Weak<T>) {
        let mut all = self.all();
        all.retain(|other| other.strong_count() > 0 && !Weak::ptr_eq(other, &waiter));
        all.push(waiter);
    }

    /// Takes out all of them.
    pub fn take(&self) -> impl Iterator<Item = Arc<T>> + use<T> {
        let all = std::mem::take(&mut *self.all());
        all.into_iter().filter_map(|waiter| waiter.upgrade())
    }

    fn all(&self) -> MutexGuard<'_, Vec<Weak<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Done {
    fn drop(&mut self) {
        self.0.give();
    }
}

/// Why an attempt to connect failed.
#[derive(Debug, Clone)]
pub struct Failed {
    /// Which error it is.
    pub status: Status,
    /// What was tried, on what, and what to do about it.
    pub detail: String,
    /// The response, if there was one.
    pub response: Option<Arc<Request>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_ages_from_the_oldest_on() {
        let start = Instant::now();
        let mut kept = Kept::default();
        for (after_ms, text) in [(0, &b"one"[..]), (5, b"two"), (20, b"three"), (40, b"four")] {
            kept.keep(start + Duration::from_millis(after_ms), |frames| frames.extend_from_slice(text));
        }
        assert_eq!((kept.drop_before(start), kept.messages), (0, 4));
        assert_eq!((kept.drop_before(start + Duration::from_millis(20)), kept.messages), (2, 2));
        assert_eq!(kept.frames, b"threefour");
        assert_eq!((kept.drop_before(start + Duration::from_secs(1)), kept.messages), (2, 0));
        assert!(kept.frames.is_empty() && kept.since.is_empty());
    }
}
