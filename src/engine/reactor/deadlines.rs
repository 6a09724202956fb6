//! Deadlines: requests, responses, pings, idleness, closing.

use super::super::connection::{State, Wire};
use super::super::log::Level;
use super::super::timers::{TICK_MS, Tick, ticks_in, until};
use super::logging::named;
use super::{Fate, Reactor};
use crate::protocol::close;
use crate::protocol::frame::{ControlFrame, Opcode};
use crate::protocol::http::Refusal;

/// The longest time that any option takes, in ticks: a day.
const LONGEST: Tick = (24 * 60 * 60 * 1000 / TICK_MS) as Tick;

impl Reactor {
    /// Sees to it that the connection comes up at its deadline.
    pub(super) fn arm(&mut self, wire: &mut Wire) {
        let Some(deadline) = wire.deadline(&self.link.options, self.awake) else { return };
        let sooner = wire.timer.is_none_or(|timer| until(timer, deadline) > 0);
        if sooner {
            wire.timer = Some(self.wheel.enter(self.link.registry.slot_of(wire.id), deadline));
        }
    }

    pub(super) fn look_at_deadlines(&mut self) {
        for listening in &mut self.listeners {
            listening.paused_until = listening.paused_until.filter(|tick| until(*tick, self.now) > 0);
        }
        // Ticks wrap, so that a point in the far past would come to lie in the future.
        if self.now.wrapping_sub(self.awake) > 2 * LONGEST {
            self.awake = self.now.wrapping_sub(LONGEST);
        }
        let mut due = std::mem::take(&mut self.due);
        self.wheel.turn(self.now, &mut due);
        for (slot, tick) in due.drain(..) {
            let there = self.connections.get(slot as usize).and_then(Option::as_ref);
            let Some(id) = there.filter(|conn| conn.wire.timer == Some(tick)).map(|conn| conn.wire.id) else {
                continue;
            };
            self.with(id, |reactor, conn| {
                conn.wire.timer = None;
                let passed = |deadline| until(deadline, reactor.now) == 0;
                let late = conn.wire.deadline(&reactor.link.options, reactor.awake).is_some_and(passed);
                if late && reactor.on_deadline(&mut conn.wire) == Fate::Ends {
                    return Fate::Ends;
                }
                reactor.arm(&mut conn.wire);
                reactor.flush(&mut conn.wire)
            });
        }
        self.due = due;
        self.end_lifetimes();
        self.end_grace();
    }

    fn on_deadline(&mut self, wire: &mut Wire) -> Fate {
        let stats = &self.link.stats;
        match wire.state {
            State::Handshake | State::Body | State::Open if self.host_behind => {
                // What it sent may lie unread: nobody is timed out while the host is behind.
                self.awake = self.now;
            }
            // Nobody has asked for anything.
            State::Handshake if wire.is_between_requests() => {
                stats.close_timeouts.add(u64::from(wire.outbox.is_some()));
                return Fate::Ends;
            }
            State::Handshake | State::Body if self.is_too_slow(wire) => {
                stats.slow_requests.add(1);
                self.refuse(wire, Refusal { status: 408, detail: "the request comes too slowly (min_receive_rate)" });
            }
            State::Handshake => {
                stats.requests_timed_out.add(1);
                self.refuse(wire, Refusal { status: 408, detail: "the request took too long (request_timeout)" });
            }
            State::Body => {
                stats.requests_timed_out.add(1);
                self.refuse(wire, Refusal { status: 408, detail: "the body took too long (body_timeout)" });
            }
            // The head is sent already: that the rest is missing is all that can still be told.
            State::Streaming => return Fate::Ends,
            // The answer is on its way.
            State::Request | State::Deciding if !self.withdraw_request(wire) => wire.since = self.now,
            State::Request | State::Deciding => {
                self.refuse(wire, Refusal { status: 504, detail: "no answer in time (response_timeout)" });
            }
            State::Leaving(_) => self.leave(wire),
            State::Closing | State::Ending => {
                stats.close_timeouts.add(1);
                stats.connections_cut.add(u64::from(self.stopping.is_some()));
                return Fate::Ends;
            }
            State::Open if !wire.flags.halted && self.is_idle_too_long(wire) => {
                stats.idle_timeouts.add(1);
                self.begin_close(wire, Some(close::GOING_AWAY), "idle for too long");
            }
            State::Open if wire.flags.pinged => {
                stats.pong_timeouts.add(1);
                self.log(Level::Info, |link| {
                    format!("{}: cut, as it answered no ping (pong_timeout)", named(link, wire))
                });
                return Fate::Ends;
            }
            State::Open => {
                let ping = ControlFrame::new(Opcode::Ping, b"", self.link.mask());
                self.queue(wire, ping.bytes());
                wire.flags.pinged = !wire.flags.halted;
                wire.since = self.now;
            }
        }
        Fate::Lives
    }

    fn is_too_slow(&self, wire: &Wire) -> bool {
        let later = |tick| if until(self.awake, tick) > 0 { self.awake } else { tick };
        wire.slow_at(&self.link.options, later).is_some_and(|tick| until(tick, self.now) == 0)
    }

    fn is_idle_too_long(&self, wire: &Wire) -> bool {
        let limit = self.link.options.idle_timeout;
        !limit.is_zero() && until(wire.message_at.wrapping_add(ticks_in(limit)), self.now) == 0
    }
}
