//! The beginning and the end of a connection: the request and its answer, the closing handshake from either side.

use super::super::connection::{State, Wire};
use super::super::registry::Phase;
use super::super::request::Request;
use super::{Fate, Reactor};
use crate::protocol::frame::{self, Opcode};
use crate::protocol::handshake::{Body, Judgement, Refusal, RequestHead, judge};
use crate::protocol::{Violation, close};
use crate::sys::socket::Peer;

impl Reactor {
    // ---- the opening handshake ---------------------------------------------------------------------

    pub(super) fn on_request(&mut self, wire: &mut Wire, head: &RequestHead<'_>) {
        self.link.stats.requests.add(1);
        match judge(head) {
            Judgement::Refuse(refusal) => self.refuse(wire, refusal),
            Judgement::Upgrade(upgrade) => {
                let Ok(response) = upgrade.response(None, "") else {
                    // Nothing of ours is in it that could be invalid.
                    return self.refuse(wire, Refusal { status: 500, detail: "internal error" });
                };
                self.queue(wire, &response);
                self.enter(wire, State::Open);
                self.link.registry.change_phase(wire.id, Phase::Shut, Phase::Open);
                wire.flags.announced = true;
                self.delivery.open(wire.id, self.describe(wire, head));
            }
            Judgement::Plain(body) => self.on_plain_request(wire, head, body),
        }
    }

    pub(super) fn on_plain_request(&mut self, wire: &mut Wire, head: &RequestHead<'_>, body: Body) {
        if body != Body::None {
            return self.refuse(wire, Refusal { status: 501, detail: "requests with a body are not served here" });
        }
        wire.flags.head_only = head.method() == "HEAD";
        self.enter(wire, State::Request);
        self.link.registry.change_phase(wire.id, Phase::Shut, Phase::Request);
        if !self.delivery.request(wire.id, self.describe(wire, head)) {
            self.link.registry.change_phase(wire.id, Phase::Request, Phase::Shut);
            self.refuse(wire, Refusal { status: 404, detail: "not found" });
        }
    }

    pub(super) fn describe(&self, wire: &Wire, head: &RequestHead<'_>) -> Request {
        let peer = wire.socket.peer().unwrap_or(Peer::Unix);
        Request::new(head, peer, wire.socket.local_port())
    }

    /// Answers a request that cannot be served, and ends the connection.
    pub(super) fn refuse(&mut self, wire: &mut Wire, refusal: Refusal) {
        self.link.stats.requests_refused.add(1);
        self.queue(wire, &refusal.response());
        self.enter(wire, State::Ending);
    }

    // ---- the closing handshake ---------------------------------------------------------------------

    pub(super) fn on_close_frame(&mut self, wire: &mut Wire, code: Option<u16>, reason: &str) {
        if matches!(wire.state, State::Open) {
            self.send_answers(wire);
            self.link.registry.change_phase(wire.id, Phase::Open, Phase::Shut);
            self.queue_close(wire, code, reason);
        }
        self.tell_closed(wire, code.unwrap_or(close::NO_STATUS), reason);
        self.enter(wire, State::Ending);
    }

    pub(super) fn on_violation(&mut self, wire: &mut Wire, violation: Violation) -> Fate {
        self.link.stats.protocol_errors.add(1);
        self.send_answers(wire);
        self.fail(wire, violation.code, violation.reason);
        Fate::Lives
    }

    /// Fails the connection (RFC 6455 section 7.1.7): a Close frame, if none was sent yet, and nothing after it.
    pub(super) fn fail(&mut self, wire: &mut Wire, code: u16, reason: &str) {
        if matches!(wire.state, State::Open) {
            self.queue_close(wire, Some(code), reason);
        }
        self.link.registry.change_phase(wire.id, Phase::Open, Phase::Shut);
        self.tell_closed(wire, code, reason);
        self.enter(wire, State::Ending);
    }

    /// Begins the closing handshake from our side. The end of the connection is told when the peer has answered.
    pub(super) fn begin_close(&mut self, wire: &mut Wire, code: Option<u16>, reason: &str) {
        if matches!(wire.state, State::Open) {
            self.link.registry.change_phase(wire.id, Phase::Open, Phase::Shut);
            self.queue_close(wire, code, reason);
            self.enter(wire, State::Closing);
        }
    }

    pub(super) fn queue_close(&mut self, wire: &mut Wire, code: Option<u16>, reason: &str) {
        let mut payload = [0; frame::MAX_CONTROL_PAYLOAD];
        let length = close::write(&mut payload, code, reason);
        let mut close = [0; frame::MAX_CONTROL_FRAME];
        let length = frame::write_control(&mut close, Opcode::Close, &payload[..length]);
        self.queue(wire, &close[..length]);
    }

    /// Tells the host that a connection closed, unless it knows or never knew the connection.
    pub(super) fn tell_closed(&mut self, wire: &mut Wire, code: u16, reason: &str) {
        if std::mem::take(&mut wire.flags.announced) {
            self.delivery.close(wire.id, code, reason);
        }
    }

    pub(super) fn enter(&mut self, wire: &mut Wire, state: State) {
        wire.state = state;
        wire.since = self.now;
        if matches!(wire.state, State::Ending) && wire.flags.paused {
            // What it still sends is dropped, so there is nothing to wait for.
            wire.flags.paused = false;
            self.list_unread(wire);
        }
        self.arm(wire);
    }
}
