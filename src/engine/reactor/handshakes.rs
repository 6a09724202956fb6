//! The beginning and the end of a WebSocket: it opens, and is closed from either side.

use super::super::connection::{State, Wire};
use super::super::log::Level;
use super::super::registry::{ConnId, Phase};
use super::super::request::Request;
use super::super::timers::ticks_in;
use super::super::turn;
use super::logging::named;
use super::{Fate, Reactor};
use crate::cause::Cause;
use crate::protocol::frame::{self, ControlFrame, Opcode};
use crate::protocol::{Role, Violation, close};
use std::sync::Arc;

impl Reactor {
    // ---- the opening handshake ---------------------------------------------------------------------

    pub(super) fn open(&mut self, wire: &mut Wire, response: &[u8], request: Arc<Request>) {
        self.sender.gather(wire, response);
        wire.http = None;
        self.enter(wire, State::Open);
        self.link.registry.change_phase(wire.id, Phase::Shut, Phase::Open);
        turn::admit(wire.id, self.link.room(wire.id));
        wire.flags.announced = true;
        self.log(Level::Debug, |link| {
            let (path, client) = (request.path().to_string_lossy(), request.remote_address().to_string_lossy());
            format!("{}: opened at {path} for {client}", named(link, wire))
        });
        self.delivery.open(wire.id, request);
        wire.mark = self.delivery.mark();
        self.close_if_stopping(wire);
    }

    // ---- the closing handshake -------------------------------------------------------------------------------

    pub(super) fn on_close_frame(&mut self, wire: &mut Wire, code: Option<u16>, reason: &str) {
        if matches!(wire.state, State::Open) {
            wire.note_cause(Cause::WS_CAUSE_PEER);
        }
        self.conclude(wire, Some(self.close_frame(code, reason)));
        self.tell_closed(wire, code.unwrap_or(close::NO_STATUS), reason);
    }

    /// The peer has ended its side without a Close frame, and may still read: what waits for it goes out, and what the host
    /// answers to what came before, as with a Close frame. It gets none, for it has not asked for an orderly end.
    pub(super) fn on_end_of_stream(&mut self, wire: &mut Wire) {
        wire.note_cause(Cause::WS_CAUSE_END_OF_STREAM);
        self.conclude(wire, None);
        self.tell_closed(wire, close::ABNORMAL, "");
    }

    pub(super) fn on_violation(&mut self, wire: &mut Wire, violation: Violation) -> Fate {
        let stats = &self.link.stats;
        match violation.code {
            close::TRY_AGAIN => stats.messages_shed.add(1),
            _ => stats.protocol_errors.add(1),
        }
        let cause = match violation.code {
            close::TRY_AGAIN => Cause::WS_CAUSE_MEMORY,
            close::INVALID_PAYLOAD => Cause::WS_CAUSE_UTF8,
            close::MESSAGE_TOO_BIG => Cause::WS_CAUSE_TOO_BIG,
            _ => Cause::WS_CAUSE_PROTOCOL,
        };
        self.fail(wire, violation.code, violation.reason, cause);
        Fate::Lives
    }

    /// Fails the connection (RFC 6455 section 7.1.7): a Close frame, if none was sent yet, and nothing after it.
    pub(super) fn fail(&mut self, wire: &mut Wire, code: u16, reason: &str, cause: Cause) {
        wire.note_cause(cause);
        self.log(Level::Info, |link| format!("{}: failed with {code}, {reason}", named(link, wire)));
        self.conclude(wire, Some(self.close_frame(Some(code), reason)));
        self.tell_closed(wire, code, reason);
    }

    /// Nothing more will be taken from the peer. Unless our Close frame is out already, it follows the answers to what
    /// came before, and so waits until the host has handled that: at the least until the end of this turn, if the answers
    /// may lie in the command queue.
    fn conclude(&mut self, wire: &mut Wire, close: Option<ControlFrame>) {
        self.sender.end_turn(wire);
        if !matches!(wire.state, State::Open) {
            self.link.registry.shut(wire.id);
            self.link.topics.leave(wire.id);
            return self.enter(wire, State::Ending);
        }
        let close = close.as_ref().map_or(&[][..], ControlFrame::bytes);
        if wire.mark != 0 || self.link.commands.is_waiting() {
            self.delivery.begin_leaving();
            self.leaving.push(wire.id);
            self.limit_answers(wire);
            self.enter(wire, State::Leaving(Box::new(close.to_vec())));
        } else {
            self.part(wire, close);
        }
    }

    /// Has a connection whose peer has closed it take answers of the host and nothing else. What a host pushes that holds no
    /// message of it, or does not poll, would be lost: it is refused, so that a client keeps it for the next connection.
    fn limit_answers(&self, wire: &mut Wire) {
        if wire.mark == 0 {
            // The host is called, and all that it has to say lies in the queue.
            return;
        }
        let age = self.now.wrapping_sub(wire.message_at);
        let is_due = age <= ticks_in(self.link.options.close_timeout);
        // A host that has opened it may push before it is asked. A server's knows of no connection that it has not taken.
        self.link.registry.change_phase(wire.id, Phase::Open, Phase::Leaving);
        let is_taken = self.delivery.is_taken(wire.mark);
        let may_answer = wire.has_asked() || self.link.role == Role::Server && !is_taken;
        if !is_due || !may_answer {
            self.link.registry.shut(wire.id);
            wire.mark = 0;
        } else if is_taken {
            self.link.registry.change_phase(wire.id, Phase::Leaving, Phase::Open);
        }
    }

    /// Sends the Close frame that ends it, if it gets one.
    fn part(&mut self, wire: &mut Wire, close: &[u8]) {
        self.link.registry.shut(wire.id);
        self.link.topics.leave(wire.id);
        self.sender.gather(wire, close);
        self.enter(wire, State::Ending);
    }

    /// Ends the wait of a connection whose end was concluded.
    pub(super) fn leave(&mut self, wire: &mut Wire) {
        if let State::Leaving(close) = &mut wire.state {
            let close = std::mem::take(&mut **close);
            self.part(wire, &close);
            self.lose(wire.id);
        }
    }

    /// Ends the wait of those connections whose last messages the host has handled.
    pub(super) fn let_leave(&mut self) {
        loop {
            let handled = self.take_handled();
            if !handled.is_empty() {
                // The answers were pushed before the host said that it is done, and may have come after the last look.
                let before = self.takes;
                self.take_commands(true);
                // They are in what was just taken; or else in what is taken next, unless there is nothing to take.
                let is_all = self.takes > before || !self.link.commands.is_waiting();
                let take = if is_all { self.takes } else { self.takes + 1 };
                self.parting.extend(handled.into_iter().map(|id| (id, take)));
            }
            let has_parted =
                |reactor: &Self| reactor.parting.front().is_some_and(|&(_, take)| reactor.has_carried_out(take));
            if !has_parted(self) {
                return;
            }
            while has_parted(self) {
                let Some((id, _)) = self.parting.pop_front() else { break };
                self.with(id, |reactor, conn| {
                    reactor.leave(&mut conn.wire);
                    reactor.flush(&mut conn.wire)
                });
            }
        }
    }

    fn take_handled(&mut self) -> Vec<ConnId> {
        let mut handled = Vec::new();
        let mut leaving = std::mem::take(&mut self.leaving);
        leaving.retain(|&id| {
            let conn = self.connections[self.link.registry.slot_of(id)].as_ref().filter(|conn| conn.wire.id == id);
            let Some(wire) = conn.map(|conn| &conn.wire).filter(|wire| matches!(wire.state, State::Leaving(_))) else {
                return false;
            };
            let done = self.delivery.is_handled(wire.mark);
            if done {
                handled.push(id);
            }
            !done
        });
        self.leaving = leaving;
        handled
    }

    /// Begins the closing handshake from our side. The end of the connection is told when the peer has answered.
    pub(super) fn begin_close(&mut self, wire: &mut Wire, code: Option<u16>, reason: &str, cause: Cause) {
        if let State::Leaving(close) = &mut wire.state {
            // Of a peer that only ended its side nothing has settled how we close.
            if close.is_empty() {
                **close = self.close_frame(code, reason).bytes().to_vec();
            }
        }
        self.leave(wire);
        if matches!(wire.state, State::Open) {
            wire.note_cause(cause);
            self.link.registry.change_phase(wire.id, Phase::Open, Phase::Closing);
            self.link.topics.leave(wire.id);
            let close = self.close_frame(code, reason);
            self.sender.gather(wire, close.bytes());
            self.enter(wire, State::Closing);
        }
    }

    fn close_frame(&self, code: Option<u16>, reason: &str) -> ControlFrame {
        let mut payload = [0; frame::MAX_CONTROL_PAYLOAD];
        let length = close::write(&mut payload, code, reason);
        ControlFrame::new(Opcode::Close, &payload[..length], self.link.mask())
    }

    /// Tells the host that a connection closed, unless it knows or never knew the connection.
    pub(super) fn tell_closed(&mut self, wire: &mut Wire, code: u16, reason: &str) {
        if std::mem::take(&mut wire.flags.announced) {
            self.link.stats.closed(code).add(1);
            self.log(Level::Debug, |link| {
                let why = wire.cause().text().to_string_lossy();
                format!("{}: closed with {code} {reason:?}: {why}", named(link, wire))
            });
            if let Some(Some(owner)) = self.owners.get(self.link.registry.slot_of(wire.id)) {
                owner.closes(code, wire.cause());
            }
            self.delivery.close(wire.id, code, reason, wire.cause());
            // One that is leaving is its client's for as long as answers to what came before may be pushed.
            if !matches!(wire.state, State::Leaving(_)) {
                self.lose(wire.id);
            }
        }
    }

    pub(super) fn enter(&mut self, wire: &mut Wire, state: State) {
        if matches!(wire.state, State::Leaving(_)) {
            self.delivery.end_leaving();
        }
        if !matches!(state, State::Body) {
            self.settle(wire);
        }
        self.watches.forget(self.link.registry.slot_of(wire.id));
        wire.state = state;
        wire.since = self.now;
        match wire.state {
            State::Open => wire.message_at = self.now,
            State::Handshake => self.list_unread(wire),
            State::Closing | State::Ending => {
                // No message of it is delivered any more, so there is nothing that reading has to wait for.
                wire.flags.high = false;
                wire.flags.halted = false;
                wire.flags.listed = false;
                self.list_unread(wire);
            }
            _ => {}
        }
        self.arm(wire);
    }
}
