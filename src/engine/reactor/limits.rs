//! Limits that need to know who came first, or who came from where. What they keep is kept beside the
//! connections, and only where an option asks for it: an idle connection is no larger for it.

use super::super::census::Block;
use super::super::connection::{Connection, State, Wire};
use super::super::registry::ConnId;
use super::super::timers::{Tick, ticks_in, until};
use super::{Fate, Reactor};
use crate::cause::Cause;
use crate::protocol::close;
use crate::protocol::http::{Persistence, Refusal};
use crate::sys::socket::Peer;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::atomic::Ordering;

/// Entries of connections that are gone, beside which a line is not tidied up.
const STALE_MAX: usize = 64;

/// An arrival at a slot, which the connection there keeps whatever ids it has one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Arrival {
    slot: usize,
    number: u64,
    at: Tick,
}

/// Connections in the order in which they came. Who leaves is only struck off when that is due, or when most have.
#[derive(Debug, Default)]
struct Line(VecDeque<Arrival>);

impl Line {
    fn join(&mut self, arrival: Arrival, living: usize, lives: impl Fn(Arrival) -> bool) {
        if self.0.len() > 2 * living + STALE_MAX {
            self.0.retain(|arrival| lives(*arrival));
            self.0.shrink_to(4 * (living + STALE_MAX));
        }
        self.0.push_back(arrival);
    }

    fn first(&mut self, lives: impl Fn(Arrival) -> bool) -> Option<Arrival> {
        while let Some(&arrival) = self.0.front() {
            if lives(arrival) {
                return Some(arrival);
            }
            self.0.pop_front();
        }
        None
    }
}

/// What is kept of the connection in a slot.
#[derive(Debug, Default, Clone, Copy)]
struct Guest {
    /// The number of its arrival, 0 if there is none.
    number: u64,
    /// Where it comes from, if that is counted.
    block: Option<Block>,
}

/// What the limits of a reactor keep.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// By slot, if any limit needs it.
    guests: Vec<Guest>,
    arrivals: u64,
    /// Those that have not sent their first request whole, and how many there are.
    pending: Line,
    pending_count: usize,
    /// All, if their time is limited.
    ages: Line,
}

impl Reactor {
    // ---- who comes and goes ----------------------------------------------------------------------------------------

    /// Counts a connection from `far_end` in, or says why it has to go.
    pub(super) fn count_in(&mut self, wire: &mut Wire, far_end: Peer) -> Result<(), Refusal> {
        let options = &self.link.options;
        if !self.link.census.admit(options.max_connections) {
            return Err(Refusal { status: 503, detail: "too many connections (max_connections)" });
        }
        let block = match far_end {
            // What a proxy brings is counted where it comes from, once the proxy has said so.
            Peer::Tcp(address) if options.max_connections_per_address > 0 && !self.is_trusted(far_end) => {
                Some(self.enter_block(address.ip()).inspect_err(|_| self.link.census.dismiss())?)
            }
            _ => None,
        };
        let limits_pending = options.max_pending_handshakes > 0;
        let limits_age = !options.max_lifetime.is_zero();
        if block.is_none() && !limits_pending && !limits_age {
            return Ok(());
        }
        let slot = self.link.registry.slot_of(wire.id);
        let kept = &mut self.kept;
        kept.arrivals += 1;
        let arrival = Arrival { slot, number: kept.arrivals, at: self.now };
        if slot >= kept.guests.len() {
            kept.guests.resize(slot + 1, Guest::default());
        }
        kept.guests[slot] = Guest { number: arrival.number, block };
        let guests = &kept.guests;
        if limits_pending {
            wire.flags.pending = true;
            self.link.census.pending.fetch_add(1, Ordering::Relaxed);
            kept.pending.join(arrival, kept.pending_count, |other| is_pending(&self.connections, guests, other));
            kept.pending_count += 1;
        }
        if limits_age {
            kept.ages.join(arrival, self.ids.live(), |other| is_there(guests, other));
        }
        Ok(())
    }

    /// Counts a connection for this address, unless it is counted for another, or says why it has to go.
    pub(super) fn count_address(&mut self, wire: &Wire, address: IpAddr) -> Result<(), Refusal> {
        let slot = self.link.registry.slot_of(wire.id);
        let is_counted = self.kept.guests.get(slot).is_some_and(|guest| guest.block.is_some());
        if self.link.options.max_connections_per_address > 0 && !is_counted {
            let block = self.enter_block(address).inspect_err(|_| self.link.stats.connections_refused.add(1))?;
            if slot >= self.kept.guests.len() {
                self.kept.guests.resize(slot + 1, Guest::default());
            }
            self.kept.guests[slot].block = Some(block);
        }
        Ok(())
    }

    fn enter_block(&self, address: IpAddr) -> Result<Block, Refusal> {
        let block = Block::of(address);
        if self.link.census.enter(block, self.link.options.max_connections_per_address) {
            return Ok(block);
        }
        self.link.stats.address_refusals.add(1);
        let detail = "too many connections from this address (max_connections_per_address)";
        Err(Refusal { status: 503, detail })
    }

    /// Counts a connection out.
    pub(super) fn count_out(&mut self, wire: &mut Wire) {
        self.settle(wire);
        let slot = self.link.registry.slot_of(wire.id);
        let guest = self.kept.guests.get_mut(slot).map(std::mem::take);
        if let Some(block) = guest.and_then(|guest| guest.block) {
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
            let guests = &self.kept.guests;
            let first = self.kept.pending.first(|arrival| is_pending(&self.connections, guests, arrival));
            // Those of other reactors are pushed out by who comes there.
            let Some(id) = first.and_then(|arrival| self.id_in(arrival.slot)) else { return };
            self.with(id, |reactor, conn| {
                // Many are accepted before any is read from: it may have asked already.
                let fate = reactor.read_early(conn);
                if fate == Fate::Ends || !conn.wire.flags.pending {
                    return fate;
                }
                reactor.link.stats.handshakes_dropped.add(1);
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
        let guests = &self.kept.guests;
        let first = self.kept.ages.first(|arrival| is_there(guests, arrival));
        first.map(|arrival| arrival.at.wrapping_add(ticks_in(limit)))
    }

    /// Ends the connections whose time is over.
    pub(super) fn end_lifetimes(&mut self) {
        while self.next_end().is_some_and(|end| until(end, self.now) == 0) {
            let Some(arrival) = self.kept.ages.0.pop_front() else { return };
            if self.owes_request(arrival.slot) {
                self.hear_out(arrival.slot);
            }
            let Some(id) = self.id_in(arrival.slot) else { continue };
            let mut is_ended = true;
            self.with(id, |reactor, conn| {
                is_ended = reactor.end_lifetime(&mut conn.wire);
                reactor.flush(&mut conn.wire)
            });
            if !is_ended {
                self.kept.ages.0.push_front(Arrival { at: arrival.at.wrapping_add(1), ..arrival });
            }
        }
    }

    /// Whether that was to be done now, and not in a moment.
    fn end_lifetime(&mut self, wire: &mut Wire) -> bool {
        const DETAIL: &str = "the connection's time is over (max_lifetime)";
        match wire.state {
            State::Open => {
                self.begin_close(wire, Some(close::GOING_AWAY), "connection lifetime", Cause::WS_CAUSE_LIFETIME)
            }
            State::Handshake if wire.is_between_requests() => self.enter(wire, State::Ending),
            State::Handshake | State::Body => self.refuse(wire, Refusal { status: 408, detail: DETAIL }),
            State::Deciding if self.withdraw_request(wire) => {
                self.refuse(wire, Refusal { status: 503, detail: DETAIL });
            }
            // It was accepted this moment, which is about to be seen.
            State::Deciding => return false,
            // It ends with its response.
            State::Request | State::Streaming => wire.http().exchange.persistence = Persistence::Close,
            // It is ending already.
            State::Leaving(_) | State::Closing | State::Ending => return true,
        }
        self.link.stats.lifetimes_ended.add(1);
        true
    }

    pub(super) fn id_in(&self, slot: usize) -> Option<ConnId> {
        self.connections.get(slot)?.as_deref().map(|conn| conn.wire.id)
    }
}

fn is_there(guests: &[Guest], arrival: Arrival) -> bool {
    guests[arrival.slot].number == arrival.number
}

fn is_pending(connections: &[Option<Box<Connection>>], guests: &[Guest], arrival: Arrival) -> bool {
    let conn = connections.get(arrival.slot).and_then(Option::as_deref);
    is_there(guests, arrival) && conn.is_some_and(|conn| conn.wire.flags.pending)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn arrival(number: u64) -> Arrival {
        Arrival { slot: 0, number, at: 0 }
    }

    #[test]
    fn the_first_in_line_is_the_oldest_that_is_still_there() {
        let mut line = Line::default();
        for number in 1..=5 {
            line.join(arrival(number), 0, |_| true);
        }
        assert_eq!(line.first(|other| other.number > 2), Some(arrival(3)));
        assert_eq!(line.first(|other| other.number > 4), Some(arrival(5)));
        assert_eq!(line.first(|_| false), None);
    }

    #[test]
    fn a_line_does_not_grow_with_those_who_have_left() {
        let mut line = Line::default();
        for number in 1..=100_000 {
            line.join(arrival(number), 1, |other| other.number == 1);
            assert!(line.0.len() <= 2 + STALE_MAX + 1);
        }
        assert_eq!(line.first(|other| other.number == 1), Some(arrival(1)));
        assert!(line.0.capacity() < 1024);
    }
}
