//! Limits that need to know who came first, who came from where, or who spoke too often. What they keep is kept beside the
//! connections, and only where an option asks for it: an idle connection is no larger for it.

use super::super::census::Block;
use super::super::connection::{Connection, State, Wire};
use super::super::registry::{ConnId, Registry};
use super::super::timers::{TICK_MS, Tick, ticks_in, until};
use super::{Fate, Reactor};
use crate::protocol::close;
use crate::protocol::handshake::Refusal;
use crate::sys::socket::Peer;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::Ordering;

const SECOND: Tick = (1000 / TICK_MS) as Tick;

/// Entries of connections that are gone, beside which a line is not tidied up.
const STALE_MAX: usize = 64;

/// Connections in the order in which they came. Who leaves is only struck off when that is due, or when most have.
#[derive(Debug, Default)]
pub(super) struct Line(VecDeque<(ConnId, Tick)>);

impl Line {
    fn join(&mut self, id: ConnId, now: Tick, living: usize, lives: impl Fn(ConnId) -> bool) {
        if self.0.len() > 2 * living + STALE_MAX {
            self.0.retain(|(id, _)| lives(*id));
            self.0.shrink_to(4 * (living + STALE_MAX));
        }
        self.0.push_back((id, now));
    }

    fn first(&mut self, lives: impl Fn(ConnId) -> bool) -> Option<(ConnId, Tick)> {
        while let Some(&(id, tick)) = self.0.front() {
            if lives(id) {
                return Some((id, tick));
            }
            self.0.pop_front();
        }
        None
    }
}

/// What the limits of a reactor keep.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// Where the connection in each slot comes from, if that is counted.
    blocks: Vec<Option<Block>>,
    /// Those that have not sent their first request whole, and how many there are.
    pending: Line,
    pending_count: usize,
    /// All, if their time is limited.
    ages: Line,
    /// Pings and pongs of this second, by those who have sent any.
    control: HashMap<ConnId, u64>,
    /// When this second began.
    second: Tick,
}

impl Reactor {
    // ---- who comes and goes ----------------------------------------------------------------------------------------

    /// Counts a connection in, or says why it has to go.
    pub(super) fn count_in(&mut self, wire: &mut Wire) -> Result<(), Refusal> {
        let options = &self.link.options;
        if !self.link.census.admit(options.max_connections) {
            return Err(Refusal { status: 503, detail: "too many connections (max_connections)" });
        }
        let block = match wire.socket.peer() {
            Ok(Peer::Tcp(peer)) if options.max_connections_per_address > 0 => Some(Block::of(peer.ip())),
            _ => None,
        };
        if let Some(block) = block {
            if !self.link.census.enter(block, options.max_connections_per_address) {
                self.link.census.dismiss();
                self.link.stats.address_refusals.add(1);
                let detail = "too many connections from this address (max_connections_per_address)";
                return Err(Refusal { status: 503, detail });
            }
            let slot = self.link.registry.slot_of(wire.id);
            if slot >= self.kept.blocks.len() {
                self.kept.blocks.resize(slot + 1, None);
            }
            self.kept.blocks[slot] = Some(block);
        }
        if options.max_pending_handshakes > 0 {
            let (connections, registry) = (&self.connections, &self.link.registry);
            wire.flags.pending = true;
            self.link.census.pending.fetch_add(1, Ordering::Relaxed);
            let is_pending = |id| is_pending(connections, registry, id);
            self.kept.pending.join(wire.id, self.now, self.kept.pending_count, is_pending);
            self.kept.pending_count += 1;
        }
        self.begin_lifetime(wire.id);
        Ok(())
    }

    /// Counts the time of a connection from now on.
    pub(super) fn begin_lifetime(&mut self, id: ConnId) {
        if !self.link.options.max_lifetime.is_zero() {
            let (connections, registry) = (&self.connections, &self.link.registry);
            let lives = |id| living(connections, registry, id).is_some();
            self.kept.ages.join(id, self.now, self.ids.live(), lives);
        }
    }

    /// Counts a connection out.
    pub(super) fn count_out(&mut self, wire: &mut Wire) {
        self.settle(wire);
        let slot = self.link.registry.slot_of(wire.id);
        if let Some(block) = self.kept.blocks.get_mut(slot).and_then(Option::take) {
            self.link.census.leave(block);
        }
        if wire.flags.turned_away {
            self.turned_away -= 1;
        } else {
            self.link.census.dismiss();
        }
    }

    // ---- those who have not asked yet ------------------------------------------------------------------------------

    /// Notes that a connection no longer owes its first request.
    pub(super) fn settle(&mut self, wire: &mut Wire) {
        if std::mem::take(&mut wire.flags.pending) {
            self.link.census.pending.fetch_sub(1, Ordering::Relaxed);
            self.kept.pending_count -= 1;
        }
    }

    /// Turns away whoever has owed its first request the longest, as long as too many do. A flood of connections that
    /// never ask is so pushed out by itself, while one that does ask has its time, if a shorter one.
    pub(super) fn keep_pending_few(&mut self) {
        let most = self.link.options.max_pending_handshakes;
        while most > 0 && self.link.census.pending.load(Ordering::Relaxed) > most {
            let (connections, registry) = (&self.connections, &self.link.registry);
            let first = self.kept.pending.first(|id| is_pending(connections, registry, id));
            // Those of other reactors are pushed out by who comes there.
            let Some((id, _)) = first else { return };
            self.link.stats.handshakes_dropped.add(1);
            self.with(id, |reactor, conn| {
                let detail = "too many connections without a request (max_pending_handshakes)";
                reactor.settle(&mut conn.wire);
                reactor.turn_away(&mut conn.wire, Refusal { status: 503, detail })
            });
        }
    }

    // ---- those whose time is over ----------------------------------------------------------------------------------

    /// When the oldest connection has been there for as long as any may.
    pub(super) fn next_end(&mut self) -> Option<Tick> {
        let limit = self.link.options.max_lifetime;
        if limit.is_zero() {
            return None;
        }
        let (connections, registry) = (&self.connections, &self.link.registry);
        let first = self.kept.ages.first(|id| living(connections, registry, id).is_some());
        first.map(|(_, since)| since.wrapping_add(ticks_in(limit)))
    }

    /// Ends the connections whose time is over.
    pub(super) fn end_lifetimes(&mut self) {
        while self.next_end().is_some_and(|end| until(end, self.now) == 0) {
            let Some((id, _)) = self.kept.ages.0.pop_front() else { return };
            self.with(id, |reactor, conn| reactor.end_lifetime(&mut conn.wire));
        }
    }

    fn end_lifetime(&mut self, wire: &mut Wire) -> Fate {
        match wire.state {
            State::Open => {
                self.link.stats.lifetimes_ended.add(1);
                self.begin_close(wire, Some(close::GOING_AWAY), "connection lifetime");
            }
            State::Handshake => {
                self.link.stats.lifetimes_ended.add(1);
                self.refuse(wire, Refusal { status: 408, detail: "the connection's time is over (max_lifetime)" });
            }
            // It ends by itself, when it has its response or when it is closed.
            _ => return Fate::Lives,
        }
        self.flush(wire)
    }

    // ---- those who ping too much -----------------------------------------------------------------------------------

    /// Counts a ping or pong, and closes the connection if that is one too many. Whether it may be answered.
    pub(super) fn may_control(&mut self, wire: &mut Wire) -> bool {
        let most = self.link.options.max_control_frames;
        if most == 0 || !matches!(wire.state, State::Open) {
            return true;
        }
        if self.now.wrapping_sub(self.kept.second) >= SECOND {
            self.kept.second = self.now;
            self.kept.control.clear();
            self.kept.control.shrink_to(1024);
        }
        let count = self.kept.control.entry(wire.id).or_default();
        *count += 1;
        if *count > most {
            self.link.stats.control_floods.add(1);
            self.fail(wire, close::POLICY_VIOLATION, "too many control frames (max_control_frames)");
            return false;
        }
        true
    }
}

fn living<'a>(connections: &'a [Option<Box<Connection>>], registry: &Registry, id: ConnId) -> Option<&'a Connection> {
    connections.get(registry.slot_of(id))?.as_deref().filter(|conn| conn.wire.id == id)
}

fn is_pending(connections: &[Option<Box<Connection>>], registry: &Registry, id: ConnId) -> bool {
    living(connections, registry, id).is_some_and(|conn| conn.wire.flags.pending)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_in_line_is_the_oldest_that_is_still_there() {
        let mut line = Line::default();
        for id in 1..=5 {
            line.join(id, id as Tick, 0, |_| true);
        }
        assert_eq!(line.first(|id| id > 2), Some((3, 3)));
        assert_eq!(line.first(|id| id > 4), Some((5, 5)));
        assert_eq!(line.first(|_| false), None);
    }

    #[test]
    fn a_line_does_not_grow_with_those_who_have_left() {
        let mut line = Line::default();
        for id in 1..=100_000 {
            line.join(id, 0, 1, |other| other == 1);
            assert!(line.0.len() <= 2 + STALE_MAX + 1);
        }
        assert_eq!(line.first(|other| other == 1), Some((1, 0)));
        assert!(line.0.capacity() < 1024);
    }
}
