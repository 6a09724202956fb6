//! Where events go: to callbacks on the reactor's thread, or in batches to the thread of the host.

use super::batch::{BatchNumber, Event as Batched};
use super::events::BatchWriter;
use super::link::Link;
use super::log::Level;
use super::owner::{ClientHandler, Failed, Next, Tag};
use super::pool::Pool;
use super::registry::ConnId;
use super::request::Request;
use crate::cause::Cause;
use crate::protocol::decoder::Kind;
use crate::protocol::message::Message;
use std::collections::TryReserveError;
use std::sync::Arc;

/// A host that is called on the reactor's thread. It may push, close and stop from there, and must not block: the
/// connections of the reactor wait meanwhile.
pub trait Handler: Send + Sync {
    /// A connection opened, by this request.
    fn open(&self, conn: ConnId, request: &Request);
    /// A message arrived. Text is UTF-8.
    fn message(&self, conn: ConnId, kind: Kind, payload: &[u8]);
    /// What waits to be sent to a connection has fallen to the low watermark, or there is room again after a push was refused.
    fn drain(&self, conn: ConnId);
    /// An open connection closed: the last that is heard of it.
    fn close(&self, conn: ConnId, code: u16, reason: &str, cause: Cause);
    /// A plain HTTP request arrived, to be answered now or later. `false`: nobody will, answer with 404.
    fn request(&self, conn: ConnId, request: &Request) -> bool;
    /// Whether it decides about upgrades.
    fn decides(&self) -> bool;
    /// An upgrade arrived, to be accepted or refused now or later.
    fn handshake(&self, conn: ConnId, request: &Request);
}

/// One of the ways.
pub enum Delivery {
    /// Callbacks.
    Callbacks(Arc<dyn Handler>),
    /// Callbacks that each connection has for itself, as those of clients do.
    Each(Handlers),
    /// Batches.
    Batches(BatchWriter),
}

/// Whom to call for the connection in a slot.
pub struct Handlers {
    link: Arc<Link>,
    by_slot: Vec<Option<Arc<dyn ClientHandler>>>,
}

impl Handlers {
    /// None yet, for the connections of this link.
    #[must_use]
    pub const fn new(link: Arc<Link>) -> Self {
        Self { link, by_slot: Vec::new() }
    }

    /// Has the connection in a slot call this one.
    pub fn put(&mut self, slot: usize, handler: Option<Arc<dyn ClientHandler>>) {
        if slot >= self.by_slot.len() {
            self.by_slot.resize_with(slot + 1, || None);
        }
        self.by_slot[slot] = handler;
    }

    /// Whom a connection calls.
    #[inline]
    #[must_use]
    pub fn of(&self, conn: ConnId) -> Option<&dyn ClientHandler> {
        self.by_slot.get(self.link.registry.slot_of(conn))?.as_deref()
    }
}

impl Delivery {
    /// Whether events are handled before the call that delivers them returns.
    #[inline]
    #[must_use]
    pub const fn is_immediate(&self) -> bool {
        matches!(self, Self::Callbacks(_) | Self::Each(_))
    }

    /// Whether the host is so far behind that reading must pause.
    #[inline]
    #[must_use]
    pub fn is_full(&self) -> bool {
        match self {
            Self::Callbacks(_) | Self::Each(_) => false,
            Self::Batches(writer) => writer.queue().is_full(),
        }
    }

    /// Whether the host has events to take.
    #[inline]
    #[must_use]
    pub fn has_news(&self) -> bool {
        match self {
            Self::Callbacks(_) | Self::Each(_) => false,
            Self::Batches(writer) => writer.queue().has_news(),
        }
    }

    /// A connection opened.
    pub fn open(&mut self, conn: ConnId, request: Arc<Request>) {
        match self {
            Self::Callbacks(handler) => handler.open(conn, &request),
            Self::Each(handlers) => handlers.of(conn).into_iter().for_each(|handler| handler.open(&request)),
            Self::Batches(writer) => writer.batch(0).push_request(request, |request| Batched::Open(conn, request)),
        }
    }

    /// A message arrived, and lies in a buffer of the reactor.
    ///
    /// # Errors
    /// There is no memory to keep it for the host.
    #[inline]
    pub fn message(&mut self, conn: ConnId, kind: Kind, payload: &[u8]) -> Result<(), TryReserveError> {
        match self {
            Self::Callbacks(handler) => handler.message(conn, kind, payload),
            Self::Each(handlers) => handlers.of(conn).into_iter().for_each(|handler| handler.message(kind, payload)),
            Self::Batches(writer) => return writer.message(conn, kind, payload),
        }
        Ok(())
    }

    /// A message arrived, and lies in a buffer that may be taken.
    ///
    /// # Errors
    /// As [`Delivery::message`].
    pub fn assembled(&mut self, conn: ConnId, kind: Kind, message: &mut Message) -> Result<(), TryReserveError> {
        match self {
            Self::Callbacks(handler) => handler.message(conn, kind, message.payload()),
            Self::Each(handlers) => {
                handlers.of(conn).into_iter().for_each(|handler| handler.message(kind, message.payload()))
            }
            Self::Batches(writer) => return writer.batch(message.len()).push_assembled(conn, kind, message),
        }
        Ok(())
    }

    /// What waits to be sent to a connection has fallen.
    pub fn drain(&mut self, conn: ConnId) {
        match self {
            Self::Callbacks(handler) => handler.drain(conn),
            Self::Each(handlers) => handlers.of(conn).into_iter().for_each(|handler| handler.drain()),
            Self::Batches(writer) => writer.batch(0).push_drain(conn),
        }
    }

    /// A pong arrived. Callbacks have none for it.
    pub fn pong(&mut self, conn: ConnId, payload: &[u8]) {
        if let Self::Batches(writer) = self {
            writer.batch(payload.len()).push_pong(conn, payload);
        }
    }

    /// Something is to be told to the log. Callbacks have one of their own for that.
    pub fn log(&mut self, level: Level, message: &str) {
        if let Self::Batches(writer) = self {
            writer.batch(message.len()).push_log(level, message);
        }
    }

    /// The attempt of a client to connect failed. Those that are called are told by the owner of the connection.
    pub fn failed(&mut self, tag: Tag, failed: &Failed) {
        if let Self::Batches(writer) = self {
            writer.batch(failed.detail.len()).push_failed(tag, failed);
        }
    }

    /// What comes after a close or a failure of a client, in the same way.
    pub fn next(&mut self, tag: Tag, next: Next) {
        if let Self::Batches(writer) = self {
            writer.batch(0).push_next(tag, next);
        }
    }

    /// A connection closed.
    pub fn close(&mut self, conn: ConnId, code: u16, reason: &str, cause: Cause) {
        match self {
            Self::Callbacks(handler) => handler.close(conn, code, reason, cause),
            Self::Each(handlers) => {
                handlers.of(conn).into_iter().for_each(|handler| handler.close(code, reason, cause))
            }
            Self::Batches(writer) => writer.batch(reason.len()).push_close(conn, code, reason, cause),
        }
    }

    /// A plain HTTP request arrived. `false`: nobody will answer it.
    #[must_use]
    pub fn request(&mut self, conn: ConnId, request: Arc<Request>) -> bool {
        match self {
            Self::Callbacks(handler) => handler.request(conn, &request),
            Self::Each(_) => false,
            Self::Batches(writer) => {
                writer.batch(0).push_request(request, |request| Batched::Request(conn, request));
                true
            }
        }
    }

    /// Whether the host decides about upgrades; `wanted` is what the options say of it.
    #[must_use]
    pub fn decides(&self, wanted: bool) -> bool {
        match self {
            Self::Callbacks(handler) => handler.decides(),
            Self::Each(_) => false,
            Self::Batches(_) => wanted,
        }
    }

    /// An upgrade arrived that the host decides about.
    pub fn handshake(&mut self, conn: ConnId, request: Arc<Request>) {
        match self {
            Self::Callbacks(handler) => handler.handshake(conn, &request),
            Self::Each(_) => {}
            Self::Batches(writer) => {
                writer.batch(0).push_request(request, |request| Batched::Handshake(conn, request));
            }
        }
    }

    /// What a connection has to wait for if the host is to answer what was delivered last before more is done. 0 if
    /// there is nothing to wait for, because the host is called.
    #[inline]
    #[must_use]
    pub fn mark(&self) -> BatchNumber {
        match self {
            Self::Callbacks(_) | Self::Each(_) => 0,
            Self::Batches(writer) => writer.number(),
        }
    }

    /// Whether the host has handled what was delivered up to this mark.
    #[must_use]
    pub fn is_handled(&self, mark: BatchNumber) -> bool {
        match self {
            Self::Callbacks(_) | Self::Each(_) => true,
            Self::Batches(writer) => writer.is_handled(mark),
        }
    }

    /// Whether the host has taken what was delivered up to this mark; asked behind [`Delivery::begin_leaving`].
    #[must_use]
    pub fn is_taken(&self, mark: BatchNumber) -> bool {
        match self {
            Self::Callbacks(_) | Self::Each(_) => true,
            Self::Batches(writer) => writer.is_taken(mark),
        }
    }

    /// Whether the host has events that it has not handled yet.
    #[inline]
    #[must_use]
    pub fn awaits_host(&self) -> bool {
        match self {
            Self::Callbacks(_) | Self::Each(_) => false,
            Self::Batches(writer) => !writer.is_done(writer.number() - 1),
        }
    }

    /// Says that a connection begins to wait for a mark.
    pub fn begin_leaving(&self) {
        if let Self::Batches(writer) = self {
            writer.begin_leaving();
        }
    }

    /// Says that a connection no longer waits for a mark.
    pub fn end_leaving(&self) {
        if let Self::Batches(writer) = self {
            writer.end_leaving();
        }
    }

    /// Ends a turn: what was gathered is on its way. Large buffers that the host is done with go to `pool`.
    #[inline]
    pub fn flush(&mut self, pool: &mut Pool) {
        if let Self::Batches(writer) = self {
            writer.flush(pool);
        }
    }
}
