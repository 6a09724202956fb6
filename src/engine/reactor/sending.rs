//! Sending: the way of a message to the peer, and what becomes of what the kernel does not take.

use super::super::connection::{State, Wire};
use super::super::outbox::Outbox;
use super::super::registry::ConnId;
use super::super::stats::Stats;
use super::super::turn;
use super::{Fate, Reactor};
use crate::protocol::Role;
use std::io;

/// Empty outboxes that are kept for reuse.
const SPARE_OUTBOXES: usize = 256;

impl Reactor {
    /// Adds bytes of our own to what waits for a connection.
    pub(super) fn queue(&mut self, wire: &mut Wire, bytes: &[u8]) {
        turn::hold_back();
        self.keep(wire, bytes);
    }

    /// Has bytes wait for room.
    fn keep(&mut self, wire: &mut Wire, bytes: &[u8]) {
        self.link.registry.note_queued(wire.id, bytes.len() as u64);
        outbox_of(wire, &mut self.outboxes).gather(bytes);
    }

    pub(super) fn keep_outbox(&mut self, mut outbox: Box<Outbox>) {
        if self.outboxes.len() < SPARE_OUTBOXES {
            outbox.clear();
            self.outboxes.push(outbox);
        }
    }

    /// Sends what callbacks have pushed in answer to what was received.
    pub(super) fn send_answers(&mut self, wire: &mut Wire) {
        let done = turn::end(|answers| {
            let sent = if wire.outbox.is_none() { send_now(wire, &self.link.stats, answers) } else { 0 };
            if sent < answers.len() {
                self.keep(wire, &answers[sent..]);
            }
        });
        self.link.stats.messages_out.add(done.messages);
        self.link.stats.bytes_out.add(done.bytes);
    }

    /// Sends what waits for a connection, as far as there is room.
    pub(super) fn flush(&mut self, wire: &mut Wire) -> Fate {
        if let Some(mut outbox) = wire.outbox.take() {
            let before = outbox.len();
            let result = outbox.send(&wire.socket);
            let sent = before - outbox.len();
            if sent > 0 {
                self.link.registry.sub_queued(wire.id, sent as u64);
                self.link.stats.bytes_out.add(sent as u64);
                self.note_progress(wire);
            }
            if let Some(buffer) = outbox.used.take() {
                self.commands.pool.give(buffer);
            }
            if outbox.is_empty() {
                self.keep_outbox(outbox);
                if wire.http.is_some() {
                    // The response has left, and there is less time for what comes next.
                    self.arm(wire);
                }
            } else {
                wire.outbox = Some(outbox);
                wire.flags.blocked = true;
                self.note_high(wire);
            }
            if result.is_err() {
                wire.flags.broken = true;
                return Fate::Ends;
            }
        }
        self.after_flush(wire)
    }

    /// Notes that a peer has given a sign of life. Others are told of it no more often than the clock ticks.
    #[inline]
    pub(super) fn hear(&self, wire: &mut Wire) {
        if wire.heard != self.now {
            wire.heard = self.now;
            self.link.registry.note_heard(wire.id, self.now);
        }
    }

    /// Notes that a peer has taken some of what waited for it. That shows that it is alive, though we may not be reading
    /// from it, and a connection that ends has its time from the last of it on.
    fn note_progress(&self, wire: &mut Wire) {
        if std::mem::take(&mut wire.flags.blocked) {
            self.hear(wire);
            wire.flags.pinged = false;
        }
        if matches!(wire.state, State::Closing | State::Ending | State::Handshake | State::Streaming) {
            wire.since = self.now;
        }
    }

    #[inline]
    pub(super) fn after_flush(&mut self, wire: &mut Wire) -> Fate {
        if matches!(wire.state, State::Open) && !wire.flags.high { Fate::Lives } else { self.go_on(wire) }
    }

    /// Does what waits for room, or for all to have left.
    #[inline(never)]
    fn go_on(&mut self, wire: &mut Wire) -> Fate {
        // The next request waits for the last response to have left.
        let falls_to = if matches!(wire.state, State::Handshake) { 0 } else { self.link.options.low_watermark };
        if wire.flags.high && wire.queued() as u64 <= falls_to {
            wire.flags.high = false;
            if takes_pushes(wire) {
                self.drained.push(wire.id);
            }
            self.list_unread(wire);
        }
        if matches!(wire.state, State::Streaming) && wire.outbox.is_none() {
            return self.send_rest(wire);
        }
        if matches!(wire.state, State::Ending) && wire.outbox.is_none() {
            // A peer that keeps its side open does not hold up a stop.
            if wire.flags.ended || self.stopping.is_some() {
                return Fate::Ends;
            }
            // A client waits for the server to end the connection (RFC 6455 section 7.1.1). To do it again would make the
            // socket ready again, and so on without end.
            if self.link.role == Role::Server && !std::mem::replace(&mut wire.flags.finished, true) {
                wire.socket.shut_down_sending();
            }
        }
        Fate::Lives
    }

    /// Notes it when what waits for a connection has risen to the high watermark. A server reads no more from it then, so that
    /// who does not take answers gets no further ones; a client is asked for nothing, and only tells the drain.
    #[inline]
    pub(super) fn note_high(&self, wire: &mut Wire) {
        let is_high = wire.queued() as u64 >= self.link.options.high_watermark;
        if is_high && !wire.flags.high && takes_pushes(wire) {
            wire.flags.high = true;
            if self.link.role == Role::Server {
                self.link.stats.reads_paused.add(1);
            }
        }
    }

    /// Tells the host of the connections for which there is room again. Not before the end of a turn: what it pushes then takes
    /// the queue, and an answer to what is received in the same turn would overtake it.
    pub(super) fn tell_drained(&mut self) {
        if self.drained.is_empty() {
            return;
        }
        let mut drained = std::mem::take(&mut self.drained);
        // What waited may have fallen, and a push been refused, in one turn.
        drained.sort_unstable();
        drained.dedup();
        for id in drained.drain(..) {
            self.with(id, |reactor, conn| {
                let wire = &mut conn.wire;
                if takes_pushes(wire) && !wire.flags.high {
                    // First of all, so that a push that is refused from now on is followed by another drain.
                    reactor.link.registry.forget_refused(id);
                    reactor.delivery.drain(id);
                    wire.mark = reactor.delivery.mark();
                }
                Fate::Lives
            });
        }
        self.drained = drained;
    }

    pub(super) fn list_unread(&mut self, wire: &mut Wire) {
        if wire.flags.readable || wire.has_next_request() {
            self.list(wire);
        }
    }

    /// Has a connection served in the next turn, whatever happens on it.
    pub(super) fn list(&mut self, wire: &mut Wire) {
        if !wire.flags.listed {
            wire.flags.listed = true;
            self.unread.push_back(wire.id);
        }
    }

    pub(super) fn flush_dirty(&mut self) {
        let mut dirty = std::mem::take(&mut self.dirty);
        for id in dirty.drain(..) {
            self.with(id, |reactor, conn| {
                conn.wire.flags.dirty = false;
                reactor.flush(&mut conn.wire)
            });
        }
        self.dirty = dirty;
    }
}

/// Whether the host may push to it, and wants to know when there is room.
pub(super) fn takes_pushes(wire: &Wire) -> bool {
    match wire.state {
        State::Open => true,
        // A file is ours to send, and none of the host's business.
        State::Streaming => wire.http.as_ref().is_none_or(|http| http.rest.is_none()),
        _ => false,
    }
}

/// Sends what there is room for, past an empty queue, and returns how much that was.
pub(super) fn send_now(wire: &mut Wire, stats: &Stats, bytes: &[u8]) -> usize {
    sent_now(wire, stats, |wire| wire.socket.send(bytes))
}

/// Notes what a call to send says of the connection, and returns how much it has sent.
pub(super) fn sent_now(wire: &mut Wire, stats: &Stats, send: impl FnOnce(&Wire) -> io::Result<usize>) -> usize {
    match send(wire) {
        Ok(count) => {
            stats.bytes_out.add(count as u64);
            count
        }
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => 0,
        Err(_) => {
            wire.flags.broken = true;
            0
        }
    }
}

/// The outbox of a connection, which is given a spare one if it has none.
#[allow(clippy::vec_box, reason = "a connection holds its outbox in this very box")]
pub(super) fn outbox_of<'a>(wire: &'a mut Wire, spares: &mut Vec<Box<Outbox>>) -> &'a mut Outbox {
    wire.outbox.get_or_insert_with(|| spares.pop().unwrap_or_default())
}

/// Has a connection flushed at the end of the turn.
pub(super) fn mark_dirty(wire: &mut Wire, dirty: &mut Vec<ConnId>) {
    if !wire.flags.dirty {
        wire.flags.dirty = true;
        dirty.push(wire.id);
    }
}
