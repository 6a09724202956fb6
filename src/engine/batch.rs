//! What crosses from a reactor to the host in poll mode: a list of events, and an arena with their payloads.

use super::log::Level;
use super::owner::{Failed, Next, Tag};
use super::pool::Pool;
use super::registry::ConnId;
use super::request::Request;
use crate::cause::Cause;
use crate::error::Status;
use crate::protocol::decoder::Kind;
use crate::protocol::message::Message;
use crate::sys::copy;
use std::collections::TryReserveError;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Payload bytes that an arena holds. A turn that brings more fills several batches.
const ARENA: usize = 256 * 1024;

/// Payloads larger than this get a buffer of their own, in bytes.
const ARENA_PAYLOAD_MAX: usize = ARENA / 4;

/// Once large payloads of so many bytes are in a batch, it is full. It is better for the host to have them soon, and to use
/// their buffers again while they are in the processor's cache.
const OWN_MAX: usize = ARENA;

/// Events that a batch holds at most.
pub const EVENTS_MAX: usize = 4096;

/// Events that it has room for from the start, and by which it grows where there is no memory for more.
const EVENTS_MIN: usize = 256;
const EVENTS_STEP: usize = 16;

/// What an event and a batch cost beside payloads and requests, for the bound on what may wait, in bytes.
const EVENT_COST: usize = 64;
const BATCH_COST: usize = 16 * 1024;

/// The place of a batch among those of its writer, from 1.
pub type BatchNumber = u64;

/// How far a writer, and the host with its batches, have come.
#[derive(Debug, Default)]
pub struct Progress {
    /// The last that has something in it.
    pub(super) written: AtomicU64,
    /// The last that it has taken.
    pub(super) taken: AtomicU64,
    /// The last that it has said to have handled before it called for another.
    pub(super) handled: AtomicU64,
    /// The last that it is done with: it has called for another.
    pub(super) done: AtomicU64,
}

/// Something that happened, on a connection or to the whole. Payloads are [`Span`]s of the batch.
#[derive(Debug)]
pub enum Event {
    /// It opened, by this request.
    Open(ConnId, Arc<Request>),
    /// A message arrived.
    Message(ConnId, Kind, Span),
    /// What waits to be sent to it has fallen.
    Drain(ConnId),
    /// A pong arrived, with this payload.
    Pong(ConnId, Span),
    /// It closed, with this code and reason, and why.
    Close(ConnId, u16, Span, Cause),
    /// A plain HTTP request wants an answer.
    Request(ConnId, Arc<Request>),
    /// The engine has something to say, which is of no connection.
    Log(Level, Span),
    /// An upgrade wants a decision.
    Handshake(ConnId, Arc<Request>),
    /// The attempt of a client to connect failed, for this reason and with this response.
    Failed(Tag, Status, Span, Option<Arc<Request>>),
    /// The client will try again in so long.
    Retry(Tag, Duration),
    /// The client will not try again.
    End(Tag),
}

/// Where the payload of an event lies.
#[derive(Debug, Clone, Copy)]
pub enum Span {
    /// In the arena.
    Arena(u32, u32),
    /// In a buffer of its own.
    Own(u32),
}

/// Events of one turn of one reactor.
#[derive(Debug)]
pub struct Batch {
    events: Vec<Event>,
    arena: Vec<u8>,
    own: Vec<Message>,
    /// Buffers of messages that the host is done with.
    used: Pool,
    /// Bytes that are neither in the arena nor among the payloads.
    beside: usize,
    /// What it costs, once it is sealed.
    bytes: usize,
    number: BatchNumber,
    /// Where the writer looks how far the host has come.
    progress: Arc<Progress>,
}

impl Batch {
    /// An empty one. Without memory for an arena it has none until there is some.
    pub(super) fn new() -> Self {
        let mut batch = Self {
            events: Vec::new(),
            arena: Vec::new(),
            own: Vec::new(),
            used: Pool::default(),
            beside: 0,
            bytes: 0,
            number: 0,
            progress: Arc::default(),
        };
        let _ = batch.events.try_reserve_exact(EVENTS_MIN);
        let _ = batch.arena.try_reserve_exact(ARENA);
        batch
    }

    /// The events, in their order.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// The payload of an event of this batch.
    #[must_use]
    pub fn payload(&self, span: Span) -> &[u8] {
        match span {
            Span::Arena(start, length) => &self.arena[start as usize..][..length as usize],
            Span::Own(index) => self.own[index as usize].payload(),
        }
    }

    /// Where the payloads are that have no buffer of their own.
    #[must_use]
    pub fn arena(&self) -> &[u8] {
        &self.arena
    }

    /// What it costs, in bytes.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Ends the writing: counts what it costs and gives it its number.
    pub(super) fn seal(&mut self, number: BatchNumber, progress: &Arc<Progress>) {
        self.bytes = self.beside
            + BATCH_COST
            + self.arena.len()
            + self.own.iter().map(Message::capacity).sum::<usize>()
            + self.events.len() * EVENT_COST;
        self.number = number;
        self.progress = Arc::clone(progress);
    }

    /// Tells the writer that the host has it.
    #[inline]
    pub(super) fn tell_taken(&self) {
        self.progress.taken.store(self.number, Ordering::Release);
    }

    /// Tells the writer that the host has handled it, and does not call for another yet.
    pub(super) fn tell_handled(&self) {
        self.progress.handled.store(self.number, Ordering::SeqCst);
    }

    /// Tells the writer that the host is done with it.
    pub(super) fn tell_done(&self) {
        self.progress.done.store(self.number, Ordering::SeqCst);
    }

    /// Buffers of messages that the host is done with.
    pub(super) const fn used(&mut self) -> &mut Pool {
        &mut self.used
    }

    /// Empties it for reuse.
    pub(super) fn clear(&mut self) {
        self.events.clear();
        self.arena.clear();
        self.own.drain(..).for_each(|message| self.used.give(message.into_buffer()));
        self.beside = 0;
        self.bytes = 0;
    }

    /// Whether it was sealed by this writer.
    pub(super) fn is_of(&self, progress: &Arc<Progress>) -> bool {
        Arc::ptr_eq(&self.progress, progress)
    }

    /// Whether an event with a payload of this length still fits.
    pub(super) fn has_room(&mut self, length: usize) -> bool {
        (self.events.len() < self.events.capacity().min(EVENTS_MAX) || self.grows())
            && self.own.iter().map(Message::len).sum::<usize>() < OWN_MAX
            && (length > ARENA_PAYLOAD_MAX
                || self.arena.len() + copy::MAX_GAP + length <= self.arena.capacity()
                || self.arena.capacity() == 0 && self.events.len() < EVENTS_MIN)
    }

    /// Whether it may have more events, and there is memory for them.
    #[cold]
    fn grows(&mut self) -> bool {
        self.events.len() < EVENTS_MAX && self.events.try_reserve(1).is_ok()
    }

    /// Leaves out the events that are not to be kept.
    pub(super) fn retain(&mut self, keep: impl FnMut(&Event) -> bool) {
        self.events.retain(keep);
    }

    /// Whether nothing is in it.
    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    pub(super) fn push_request(&mut self, request: Arc<Request>, event: impl FnOnce(Arc<Request>) -> Event) {
        self.beside += request.size();
        self.push(event(request));
    }

    /// Adds a short message to others, if there is room for it. Whether that was done: [`Batch::push_message`] does it at all times, and
    /// looks at more.
    #[inline]
    pub(super) fn push_short_message(&mut self, conn: ConnId, kind: Kind, payload: &[u8]) -> bool {
        let room = self.arena.capacity() - self.arena.len();
        let fits = payload.len() < copy::LONG && room >= payload.len() + copy::MAX_GAP;
        let events = self.events.len();
        if !fits || !self.own.is_empty() || events == 0 || events >= self.events.capacity().min(EVENTS_MAX) {
            return false;
        }
        let start = self.arena.len() as u32;
        self.arena.extend_from_slice(payload);
        self.events.push(Event::Message(conn, kind, Span::Arena(start, payload.len() as u32)));
        true
    }

    /// Adds a message.
    ///
    /// # Errors
    /// There is no memory for it.
    pub(super) fn push_message(&mut self, conn: ConnId, kind: Kind, payload: &[u8]) -> Result<(), TryReserveError> {
        self.events.try_reserve(1)?;
        let span = match self.put(payload) {
            Some(span) => span,
            None => self.put_copied(payload)?,
        };
        self.events.push(Event::Message(conn, kind, span));
        Ok(())
    }

    /// Adds a message with the buffer that it is in, unless it is small.
    ///
    /// # Errors
    /// There is no memory to note it.
    pub(super) fn push_assembled(
        &mut self,
        conn: ConnId,
        kind: Kind,
        message: &mut Message,
    ) -> Result<(), TryReserveError> {
        self.events.try_reserve(1)?;
        let span = match self.put(message.payload()) {
            Some(span) => span,
            None => self.put_own(std::mem::take(message))?,
        };
        self.events.push(Event::Message(conn, kind, span));
        Ok(())
    }

    pub(super) fn push_log(&mut self, level: Level, message: &str) {
        let span = self.put_text(message.as_bytes());
        self.push(Event::Log(level, span));
    }

    pub(super) fn push_failed(&mut self, tag: Tag, failed: &Failed) {
        let span = self.put_text(failed.detail.as_bytes());
        self.beside += failed.response.as_ref().map_or(0, |response| response.size());
        self.push(Event::Failed(tag, failed.status, span, failed.response.clone()));
    }

    pub(super) fn push_next(&mut self, tag: Tag, next: Next) {
        self.push(match next {
            Next::Retry(delay) => Event::Retry(tag, delay),
            Next::End => Event::End(tag),
        });
    }

    pub(super) fn push_drain(&mut self, conn: ConnId) {
        self.push(Event::Drain(conn));
    }

    pub(super) fn push_pong(&mut self, conn: ConnId, payload: &[u8]) {
        let span = self.put_text(payload);
        self.push(Event::Pong(conn, span));
    }

    pub(super) fn push_close(&mut self, conn: ConnId, code: u16, reason: &str, cause: Cause) {
        let span = self.put_text(reason.as_bytes());
        self.push(Event::Close(conn, code, span, cause));
    }

    /// Adds an event that must not be missing. Without memory for many more it makes room for a few.
    fn push(&mut self, event: Event) {
        if self.events.try_reserve(1).is_err() {
            self.events.reserve_exact(EVENTS_STEP);
        }
        self.events.push(event);
    }

    /// Puts a payload into the arena. `None` if it is large, or there is no room; [`Batch::has_room`] tells that before, but an
    /// arena may be missing for want of memory.
    #[inline]
    fn put(&mut self, payload: &[u8]) -> Option<Span> {
        let room = self.arena.capacity() - self.arena.len();
        if payload.len() > ARENA_PAYLOAD_MAX || room < payload.len() + copy::MAX_GAP && !self.makes_room(payload.len())
        {
            return None;
        }
        if payload.len() >= copy::LONG {
            let gap = copy::gap(self.arena.as_ptr().addr() + self.arena.len());
            self.arena.resize(self.arena.len() + gap, 0);
        }
        let start = self.arena.len() as u32;
        copy::append(&mut self.arena, payload);
        Some(Span::Arena(start, payload.len() as u32))
    }

    /// Whether there is room for so much payload all the same: for none, for the last that fits, or in an arena that the batch now has.
    #[cold]
    fn makes_room(&mut self, length: usize) -> bool {
        if self.arena.capacity() == 0 && length > 0 {
            let _ = self.arena.try_reserve_exact(ARENA);
        }
        length + if length >= copy::LONG { copy::MAX_GAP } else { 0 } <= self.arena.capacity() - self.arena.len()
    }

    /// The same with a text that must not be missing.
    fn put_text(&mut self, text: &[u8]) -> Span {
        self.put(text).unwrap_or_else(|| {
            self.own.push(Message::short(text));
            Span::Own(self.own.len() as u32 - 1)
        })
    }

    #[inline(never)]
    fn put_copied(&mut self, payload: &[u8]) -> Result<Span, TryReserveError> {
        self.put_own(Message::copied(payload)?)
    }

    fn put_own(&mut self, message: Message) -> Result<Span, TryReserveError> {
        self.own.try_reserve(1)?;
        self.own.push(message);
        Ok(Span::Own(self.own.len() as u32 - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_full_before_its_arena_would_move() {
        let mut batch = Batch::new();
        while batch.has_room(10_000) {
            batch.push_message(1, Kind::Binary, &[7; 10_000]).unwrap();
        }
        assert_eq!(batch.arena.capacity(), ARENA);
        assert!(batch.arena.len() + 10_000 > ARENA);
    }

    #[test]
    fn a_batch_is_full_of_empty_messages_too() {
        let mut batch = Batch::new();
        while batch.has_room(0) {
            batch.push_message(1, Kind::Text, b"").unwrap();
        }
        assert_eq!(batch.events().len(), EVENTS_MAX);
    }
}
