//! Whom a client's connection belongs to, and what its host hears.
//!
//! A client outlives its connections: it has none while it dials, and another after it was lost. So the reactor asks the
//! owner of a connection when it comes and when it goes, and tells the host what the owner says comes next. All of it happens
//! on the thread that runs the reactor: the host of a client hears everything from there, in its order.

use super::registry::ConnId;
use super::request::Request;
use crate::error::Status;
use crate::protocol::decoder::Kind;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

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
    fn close(&self, code: u16, reason: &str);
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

    /// Waits for it.
    pub fn wait(&self) {
        let given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.change.wait_while(given, |given| !*given));
    }
}

impl Drop for Done {
    fn drop(&mut self) {
        *self.0.given.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.change.notify_all();
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
