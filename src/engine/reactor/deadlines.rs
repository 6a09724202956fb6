//! Deadlines: requests, responses, pings, idleness, closing.

use super::super::connection::{State, Wire};
use super::super::log::Level;
use super::super::timers::{self, TICK_MS, Tick, ticks_in, until};
use super::logging::named;
use super::{Fate, Reactor};
use crate::cause::Cause;
use crate::protocol::frame::{ControlFrame, Opcode};
use crate::protocol::http::Refusal;
use crate::protocol::{Role, close};

/// The longest time that any option takes, in ticks: a day.
const LONGEST: Tick = (24 * 60 * 60 * 1000 / TICK_MS) as Tick;

/// So long after a deadline its connection is looked at only if we were held up, in ticks.
const HELD_UP: Tick = (500 / TICK_MS) as Tick;

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
        for entry in due.drain(..) {
            let slot = entry.0 as usize;
            if self.due(entry).is_some_and(|wire| self.is_overdue(wire) && self.may_end(wire)) {
                // It may have sent what it is waited for.
                self.hear_out(slot);
            }
            let Some(id) = self.due(entry).map(|wire| wire.id) else { continue };
            self.with(id, |reactor, conn| {
                conn.wire.timer = None;
                if !reactor.is_overdue(&conn.wire) {
                    reactor.watches.excused.remove(slot);
                } else if reactor.on_deadline(&mut conn.wire) == Fate::Ends {
                    return Fate::Ends;
                }
                reactor.arm(&mut conn.wire);
                reactor.flush(&mut conn.wire)
            });
        }
        self.due = due;
        self.end_lifetimes();
        self.end_silent();
        self.end_grace();
    }

    /// The connection that an entry of the wheel is of, if it is current.
    fn due(&self, (slot, tick): timers::Entry) -> Option<&Wire> {
        let wire = &self.connections.get(slot as usize)?.as_ref()?.wire;
        (wire.timer == Some(tick)).then_some(wire)
    }

    fn is_overdue(&self, wire: &Wire) -> bool {
        wire.deadline(&self.link.options, self.awake).is_some_and(|deadline| until(deadline, self.now) == 0)
    }

    /// Whether more may come of its deadline than a ping.
    fn may_end(&self, wire: &Wire) -> bool {
        !matches!(wire.state, State::Open) || !wire.flags.halted && (wire.flags.pinged || self.is_idle_too_long(wire))
    }

    fn on_deadline(&mut self, wire: &mut Wire) -> Fate {
        if self.is_given_time(wire) {
            return Fate::Lives;
        }
        let stats = &self.link.stats;
        match wire.state {
            // Nobody has asked for anything.
            State::Handshake if wire.is_between_requests() => {
                stats.close_timeouts.add(u64::from(wire.is_waiting()));
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
                wire.note_cause(Cause::WS_CAUSE_CLOSE_TIMEOUT);
                stats.close_timeouts.add(1);
                stats.connections_cut.add(u64::from(self.stopping.is_some()));
                return Fate::Ends;
            }
            State::Open if !wire.flags.halted && self.is_idle_too_long(wire) => {
                stats.idle_timeouts.add(1);
                self.begin_close(wire, Some(close::GOING_AWAY), "idle for too long", Cause::WS_CAUSE_IDLE_TIMEOUT);
            }
            State::Open if wire.flags.pinged => {
                wire.note_cause(Cause::WS_CAUSE_PONG_TIMEOUT);
                stats.pong_timeouts.add(1);
                self.log(Level::Info, |link| {
                    format!("{}: cut, as it answered no ping (pong_timeout)", named(link, wire))
                });
                return Fate::Ends;
            }
            State::Open => {
                let ping = ControlFrame::new(Opcode::Ping, b"", self.link.mask());
                self.sender.gather(wire, ping.bytes());
                wire.flags.pinged = !wire.flags.halted;
                self.watch_ping(wire);
                wire.since = self.now;
                self.watches.excused.remove(self.link.registry.slot_of(wire.id));
            }
        }
        Fate::Lives
    }

    /// The host has sent a ping: the peer has the same time to give a sign of life as after one of ours. That of one that is
    /// awaited already does not begin anew, however often the host sends another.
    pub(super) fn await_pong(&mut self, wire: &mut Wire) -> Fate {
        if matches!(wire.state, State::Open) && !wire.flags.halted && !wire.flags.pinged {
            wire.flags.pinged = true;
            self.watch_ping(wire);
            wire.since = self.now;
            self.watches.excused.remove(self.link.registry.slot_of(wire.id));
            self.arm(wire);
        }
        self.flush(wire)
    }

    /// Whether its time is not over after all: it could not be heard, or still takes what it was sent.
    fn is_given_time(&mut self, wire: &mut Wire) -> bool {
        let time = match wire.state {
            State::Handshake | State::Body | State::Open if self.is_unheard(wire) => {
                // Nobody is timed out while the host is behind.
                if self.host_behind {
                    self.awake = self.now;
                }
                return true;
            }
            _ if self.was_held_up(wire) => {
                self.note_unread(wire, wire.heard);
                self.watches.excused.insert(self.link.registry.slot_of(wire.id), ());
                wire.excuse(self.now.wrapping_sub(self.before), self.now);
                return true;
            }
            // It is not read from until it has taken what waits for it.
            State::Open if wire.flags.high && self.link.role == Role::Server && self.is_idle_too_long(wire) => {
                self.note_unread(wire, wire.heard);
                wire.message_at = self.now;
                wire.heard = self.now;
                return !wire.flags.pinged;
            }
            State::Open if self.is_idle_too_long(wire) => return false,
            State::Open if wire.flags.pinged => self.link.options.pong_timeout,
            State::Handshake | State::Streaming if wire.is_waiting() => self.link.options.response_timeout,
            State::Ending if wire.http.is_some() && wire.is_waiting() => self.link.options.response_timeout,
            State::Closing | State::Ending => self.link.options.close_timeout,
            _ => return false,
        };
        self.still_takes(wire, time)
    }

    /// Whether its deadline passed while we were held up, for so long that what it sends may still be on its way. Such time
    /// does not count, once for all that it is waited for at this time: what holds us up may not stop.
    fn was_held_up(&self, wire: &Wire) -> bool {
        let deadline = wire.deadline(&self.link.options, self.awake);
        let is_late = |deadline: Tick| self.now.wrapping_sub(deadline) > HELD_UP && until(deadline, self.before) > 0;
        deadline.is_some_and(is_late) && !self.watches.excused.contains(self.link.registry.slot_of(wire.id))
    }

    fn is_too_slow(&self, wire: &Wire) -> bool {
        let later = |tick| if until(self.awake, tick) > 0 { self.awake } else { tick };
        wire.slow_at(&self.link.options, later).is_some_and(|tick| until(tick, self.now) == 0)
    }

    fn is_idle_too_long(&self, wire: &Wire) -> bool {
        let limit = self.link.options.idle_timeout;
        let sign = if self.link.options.idle_counts_all { wire.heard } else { wire.message_at };
        let heard = if until(self.awake, sign) > 0 { self.awake } else { sign };
        !limit.is_zero() && until(heard.wrapping_add(ticks_in(limit)), self.now) == 0
    }
}
