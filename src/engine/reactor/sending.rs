//! Sending: the way of a message to the peer, and what becomes of what the kernel does not take.

use super::super::connection::{State, Wire};
use super::super::registry::ConnId;
use super::{Fate, Reactor};
use crate::protocol::Role;
use std::collections::VecDeque;

/// Connections that are flushed at a time.
pub(crate) const FLUSHES_PER_TURN: usize = 2048;

impl Reactor {
    /// Sends what waits for a connection, as far as there is room.
    pub(super) fn flush(&mut self, wire: &mut Wire) -> Fate {
        if let Some(flushed) = self.sender.flush(wire) {
            if flushed.sent > 0 {
                self.note_progress(wire);
            }
            if let Some(buffer) = flushed.used {
                self.commands.pool.give(buffer);
            }
            if wire.is_waiting() {
                wire.flags.blocked = true;
                self.note_high(wire);
            } else if wire.http.is_some() {
                // The response has left, and there is less time for what comes next.
                self.arm(wire);
            }
            if let Err(error) = flushed.result {
                wire.note_broken(&error);
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
    pub(super) fn note_progress(&mut self, wire: &mut Wire) {
        if std::mem::take(&mut wire.flags.blocked) {
            if wire.flags.high || wire.flags.halted {
                self.note_unread(wire, wire.heard);
            }
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
        let falls_to = if matches!(wire.state, State::Handshake) { 0 } else { self.sender.low_watermark() };
        if wire.flags.high && wire.queued() as u64 <= falls_to {
            wire.flags.high = false;
            if takes_pushes(wire) {
                self.drained.push(wire.id);
            }
            self.list_unread(wire);
        }
        if matches!(wire.state, State::Streaming) && !wire.is_waiting() {
            return self.send_rest(wire);
        }
        if matches!(wire.state, State::Ending) && !wire.is_waiting() {
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
        let is_high = wire.queued() as u64 >= self.sender.high_watermark();
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
        if self.sender.take_relief() {
            self.go_on_after_relief();
        }
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

    /// There is room again for all: those who waited at the lower watermarks look at their own.
    #[cold]
    fn go_on_after_relief(&mut self) {
        let high = self.connections.iter().flatten().filter(|conn| conn.wire.flags.high);
        let ids: Vec<ConnId> = high.map(|conn| conn.wire.id).collect();
        for id in ids {
            self.with(id, |reactor, conn| reactor.after_flush(&mut conn.wire));
        }
    }

    pub(super) fn list_unread(&mut self, wire: &mut Wire) {
        if wire.flags.readable || self.has_next(wire) {
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

    /// Sends what was gathered for connections in this turn. Of very many some are left to the next turn.
    pub(super) fn flush_dirty(&mut self) {
        for _ in 0..self.dirty.len().min(FLUSHES_PER_TURN) {
            let Some(id) = self.dirty.pop_front() else { break };
            self.with(id, |reactor, conn| {
                conn.wire.flags.dirty = false;
                reactor.flush(&mut conn.wire)
            });
        }
        if !self.dirty.is_empty() {
            self.link.commands.call_again();
        }
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

/// Has a connection flushed at the end of the turn.
pub(super) fn mark_dirty(wire: &mut Wire, dirty: &mut VecDeque<ConnId>) {
    if !wire.flags.dirty {
        wire.flags.dirty = true;
        dirty.push_back(wire.id);
    }
}

#[cfg(test)]
mod tests;
