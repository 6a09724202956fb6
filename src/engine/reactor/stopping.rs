//! A stop: nobody new, everybody told, some time for what is under way, and then the end.
//!
//! Everybody is told behind what was pushed before. But when there is no more time is noted beside the queue, so that a flood of
//! pushes does not hold up the end: what is left of it then is cut, and counted.
//!
//! Connections that wait to be accepted would be reset as their listener closes, and clients that have connected a moment
//! ago have a request on its way. Both are served: an upgrade opens and is closed with 1001, as all others are. So a
//! client that comes while one server makes way for another never meets a closed door. In the moment between the last look
//! and the close of a listener one may yet arrive, and is reset; less often where the kernel hands it to another listener of
//! the port (`net.ipv4.tcp_migrate_req`). At a listener that is inherited nobody ever is.

use super::super::connection::State;
use super::super::connection::Wire;
use super::super::log::Level;
use super::super::registry::ConnId;
use super::super::timers::{TICK_MS, Tick, ticks_in, until};
use super::obeying::LAST_SLICE;
use super::{Fate, Listening, Reactor};
use crate::cause::Cause;
use crate::protocol::Role;
use crate::protocol::close;
use crate::protocol::http::Refusal;
use std::os::fd::AsFd;
use std::time::Duration;

/// How old a connection may be that has not sent its request yet, and is waited for, in ticks.
const GRACE: Tick = (1000 / TICK_MS) as Tick;

const REFUSAL: Refusal = Refusal { status: 503, detail: "the server stops" };

impl Reactor {
    /// Whether it was told to stop.
    #[must_use]
    pub const fn is_stopping(&self) -> bool {
        self.stopping.is_some() || self.ends_by.is_some()
    }

    /// Whether it was told to stop and has, or has no more time to.
    #[must_use]
    pub fn is_done(&self) -> bool {
        let is_over = |deadline: Option<Tick>| deadline.is_some_and(|deadline| until(deadline, self.now) == 0);
        self.stopping.is_some() && self.ids.live() == 0 || is_over(self.stopping) || is_over(self.ends_by)
    }

    /// Notes when there is no more time: that does not wait for what was pushed before.
    pub(super) fn hear_of_stop(&mut self) {
        let by = self.link.commands.stop_by();
        if by != u64::MAX {
            let left = Duration::from_millis(by.saturating_sub(self.now_ms));
            let deadline = self.now.wrapping_add(ticks_in(left));
            if self.ends_by.is_none_or(|current| until(current, self.now) > until(deadline, self.now)) {
                self.ends_by = Some(deadline);
            }
        }
    }

    pub(super) fn begin_stop(&mut self, deadline: Tick) {
        let sooner = self.stopping.is_none_or(|current| until(current, deadline) > 0);
        if sooner {
            self.stopping = Some(deadline);
        }
        if !self.listeners.is_empty() {
            self.stop_accepting();
            self.grace = Some(self.now.wrapping_add(GRACE));
        }
        self.stop_began = true;
        for id in self.all() {
            self.with(id, |reactor, conn| {
                reactor.tell_stop(&mut conn.wire);
                reactor.flush(&mut conn.wire)
            });
        }
    }

    fn tell_stop(&mut self, wire: &mut Wire) {
        match wire.state {
            State::Body if self.refuses_requests() => self.refuse(wire, REFUSAL),
            State::Handshake | State::Body | State::Streaming => {}
            State::Request | State::Deciding => self.refuse_to_wait(wire),
            _ => self.begin_close(wire, Some(close::GOING_AWAY), self.farewell(), Cause::WS_CAUSE_STOP),
        }
    }

    /// Closes a connection that has opened during a stop.
    pub(super) fn close_if_stopping(&mut self, wire: &mut Wire) {
        if self.stopping.is_some() {
            self.sender.end_turn(wire);
            self.begin_close(wire, Some(close::GOING_AWAY), self.farewell(), Cause::WS_CAUSE_STOP);
        }
    }

    fn farewell(&self) -> &'static str {
        match self.link.role {
            Role::Server => "server stops",
            Role::Client => "client stops",
        }
    }

    /// Whether a request that the host would have to think about is refused: a host that polls may be busy with the stop.
    pub(super) fn refuses_requests(&self) -> bool {
        self.stopping.is_some() && !self.delivery.is_immediate()
    }

    /// Whether a stop does not wait for the rest of a request of which some has come: not for a body if its request would be
    /// refused, and for nothing once the time for that is over.
    pub(super) fn has_no_time_for(&self, wire: &Wire) -> bool {
        match wire.state {
            State::Handshake => self.grace.is_none(),
            State::Body => self.grace.is_none() || self.refuses_requests(),
            _ => false,
        }
    }

    pub(super) fn refuse_for_stop(&mut self, wire: &mut Wire) {
        self.refuse(wire, REFUSAL);
    }

    /// Answers a request for the host, unless that has answered it.
    fn refuse_to_wait(&mut self, wire: &mut Wire) {
        if self.withdraw_request(wire) {
            self.refuse(wire, REFUSAL);
        }
    }

    /// Whether it has had time to send a request, and has not.
    fn is_late(&self, wire: &Wire) -> bool {
        self.now.wrapping_sub(wire.since) >= GRACE
    }

    /// Ends those who have nothing under way as a stop begins.
    pub(super) fn end_silent(&mut self) {
        if std::mem::take(&mut self.stop_began) {
            self.end_unasked(|reactor, wire| {
                if matches!(wire.state, State::Handshake) && (wire.is_between_requests() || reactor.is_late(wire)) {
                    reactor.enter(wire, State::Ending);
                }
                reactor.flush(wire)
            });
        }
    }

    /// Ends those who have not sent their requests in time, and refuses those whose bodies still arrive: a body may take
    /// longer than a stop.
    pub(super) fn end_grace(&mut self) {
        if self.grace.is_none_or(|grace| until(grace, self.now) > 0) {
            return;
        }
        self.grace = None;
        self.end_unasked(|reactor, wire| {
            if matches!(wire.state, State::Body) {
                reactor.refuse(wire, REFUSAL);
                return reactor.flush(wire);
            }
            // Whoever still takes the last response has sent its request, or may do so behind that.
            if wire.is_waiting() {
                return Fate::Lives;
            }
            reactor.link.stats.connections_cut.add(1);
            Fate::Ends
        });
    }

    /// Does something with those whose next request is not there, once what the kernel holds of them was read.
    fn end_unasked(&mut self, mut action: impl FnMut(&mut Self, &mut Wire) -> Fate) {
        for slot in 0..self.connections.len() {
            if self.owes_request(slot) {
                self.hear_out(slot);
            }
            let Some(id) = self.id_in(slot) else { continue };
            self.with(id, |reactor, conn| match conn.wire.state {
                State::Handshake | State::Body if reactor.is_unheard(&conn.wire) => {
                    // It is looked at again when the host has caught up.
                    reactor.grace.get_or_insert(reactor.now.wrapping_add(1));
                    Fate::Lives
                }
                State::Handshake | State::Body => action(reactor, &mut conn.wire),
                _ => Fate::Lives,
            });
        }
    }

    /// Cuts what is left, after its last turn.
    pub fn finish(&mut self) {
        // What there is room for leaves, unless it is very much.
        self.slice = LAST_SLICE;
        self.take_commands(true);
        self.give_up_backlog();
        if self.stopping.is_none() {
            self.begin_stop(self.now);
        }
        while !self.dirty.is_empty() {
            self.flush_dirty();
        }
        for slot in 0..self.connections.len() {
            // The answer to a Close frame may be there.
            if self.is_in(slot, |state| matches!(state, State::Closing | State::Ending)) {
                self.hear_out(slot);
            }
        }
        let left = self.all();
        self.link.stats.connections_cut.add(left.len() as u64);
        self.log(Level::Notice, |_| format!("stopped; connections that had to be cut: {}", left.len()));
        for id in left {
            self.with(id, |reactor, conn| {
                if matches!(conn.wire.state, State::Request | State::Deciding) {
                    reactor.refuse_to_wait(&mut conn.wire);
                    reactor.flush(&mut conn.wire);
                }
                conn.wire.note_cause(Cause::WS_CAUSE_STOP);
                Fate::Ends
            });
        }
        self.delivery.flush(&mut self.pool);
        // What was pushed to them meanwhile is lost with them, and counted.
        self.slice = LAST_SLICE;
        self.take_commands(true);
        self.give_up_backlog();
        for (to, bytes) in self.link.commands.close() {
            self.drop_queued(to, bytes);
        }
    }

    fn all(&self) -> Vec<ConnId> {
        self.connections.iter().flatten().map(|conn| conn.wire.id).collect()
    }

    fn stop_accepting(&mut self) {
        for mut listening in std::mem::take(&mut self.listeners) {
            // A descriptor of a socket that others have, too, would go on to be reported.
            self.epoll.remove(listening.listener.as_fd());
            // What waits at an inherited one waits for whoever accepts there next.
            if !listening.listener.is_inherited() {
                self.drain(&mut listening);
            }
        }
    }

    fn drain(&mut self, listening: &mut Listening) {
        listening.waiting = true;
        // That there were no descriptors a moment ago says nothing of now.
        listening.starved = false;
        // A flood does not hold up a stop for ever.
        for _ in 0..2 * self.link.options.backlog {
            let next = listening.next(self.now);
            self.take_in(next);
            if !listening.waiting || listening.starved {
                return;
            }
        }
    }
}
