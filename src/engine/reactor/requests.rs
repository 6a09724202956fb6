//! HTTP: one request after the other, each with its body, and what becomes of it. An upgrade is admitted, decided about by
//! the host, or refused; a plain request is the host's to answer, whole or piece by piece.
//!
//! Of one connection one request at a time is dealt with. The next is read when the response has left, so that a client
//! that asks without reading holds up nobody but itself. Each request that the host is told of has an id of its own: a
//! late answer can never become that of a later request.

use super::super::connection::{Connection, State, Wire};
use super::super::http::{Exchange, Undecided};
use super::super::log::Level;
use super::super::registry::Phase;
use super::super::request::Request;
use super::logging::named;
use super::sending::mark_dirty;
use super::{Fate, Reactor};
use crate::protocol::handshake::{Judgement, Plain, Upgrade, judge};
use crate::protocol::http::{Body, BodyReader, HeadStatus, Persistence, Refusal, RequestHead, ResponseHead, Version};
use std::os::fd::AsFd;
use std::sync::Arc;

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

impl Reactor {
    // ---- requests -------------------------------------------------------------------------------------------------

    /// Takes what belongs to one request off the start of `input`, and returns how many bytes that was.
    pub(super) fn read_request(&mut self, wire: &mut Wire, input: &[u8]) -> usize {
        let mut used = 0;
        let is_head = matches!(wire.state, State::Handshake);
        if is_head {
            let Some(introduction) = self.read_introduction(wire, input) else { return 0 };
            used = introduction + self.read_head(wire, &input[introduction..]);
        }
        if matches!(wire.state, State::Body) {
            if used == input.len() && std::mem::take(&mut wire.http().exchange.expects_continue) {
                self.sender.gather(wire, CONTINUE);
            }
            used += self.read_body(wire, &input[used..]);
        }
        if self.stopping.is_some() && self.has_no_time_for(wire) {
            self.refuse_for_stop(wire);
            return input.len();
        }
        let read = if matches!(wire.state, State::Handshake) { input.len() } else { used };
        self.note_arrival(wire, read, is_head);
        used
    }

    /// Notes how much of a request has come, if it has to come at some rate. A head is looked at from its start each time.
    fn note_arrival(&mut self, wire: &mut Wire, read: usize, is_head: bool) {
        let Some(http) = wire.http.as_mut() else { return };
        if self.link.options.min_receive_rate == 0 || read == 0 {
            return;
        }
        let before = http.arriving;
        let (began, received) = before.unwrap_or((self.now, 0));
        http.arriving = Some((began, if is_head { 0 } else { received } + read as u64));
        if before.is_none() {
            self.arm(wire);
        }
    }

    fn read_head(&mut self, wire: &mut Wire, input: &[u8]) -> usize {
        let http = wire.http();
        if !input.is_empty() && std::mem::take(&mut http.is_between) {
            wire.since = self.now;
        }
        match wire.http().reader.read(input, &self.head_limits) {
            HeadStatus::Partial => {
                self.arm(wire);
                0
            }
            HeadStatus::Refused(refusal) => {
                self.refuse(wire, refusal);
                input.len()
            }
            HeadStatus::Complete { request, length } => {
                self.on_request(wire, &request);
                length
            }
        }
    }

    fn on_request(&mut self, wire: &mut Wire, head: &RequestHead<'_>) {
        self.link.stats.requests.add(1);
        wire.http().exchange.head_only = head.method() == "HEAD";
        match judge(head) {
            Judgement::Refuse(refusal) => self.refuse(wire, refusal),
            Judgement::Upgrade(upgrade) => self.on_upgrade(wire, head, upgrade),
            Judgement::Plain(plain) => self.on_plain_request(wire, head, plain),
        }
    }

    fn on_plain_request(&mut self, wire: &mut Wire, head: &RequestHead<'_>, plain: Plain) {
        let may_persist = plain.keep_alive && !self.link.options.keep_alive_timeout.is_zero();
        wire.http().exchange = Exchange {
            version: head.version(),
            persistence: if may_persist { Persistence::KeepAlive } else { Persistence::Close },
            expects_continue: plain.expects_continue,
            ..wire.http().exchange
        };
        if plain.body == Body::None && self.answer_by_itself(wire, head) {
            return;
        }
        let Some(request) = self.describe(wire, head) else { return };
        match BodyReader::new(plain.body, self.link.options.max_request_body) {
            Ok(reader) if reader.is_done() => self.deliver_request(wire, request),
            Ok(reader) => {
                wire.http().incoming = Some((request, reader));
                self.enter(wire, State::Body);
            }
            Err(refusal) => self.refuse(wire, refusal),
        }
    }

    fn read_body(&mut self, wire: &mut Wire, input: &[u8]) -> usize {
        let Some((request, mut reader)) = self.take_incoming(wire) else { return 0 };
        let read = reader.read(input);
        if self.bodies + reader.size() as u64 > self.link.options.max_body_bytes {
            self.refuse(wire, Refusal { status: 503, detail: "too many bodies at a time (max_body_bytes)" });
            return input.len();
        }
        match read {
            Ok(used) if reader.is_done() => {
                self.deliver_request(wire, request.with_body(reader.into_body()));
                used
            }
            Ok(used) => {
                self.bodies += reader.size() as u64;
                wire.http().incoming = Some((request, reader));
                used
            }
            Err(refusal) => {
                self.refuse(wire, refusal);
                input.len()
            }
        }
    }

    /// Takes a body that is arriving, which is no longer counted then.
    pub(super) fn take_incoming(&mut self, wire: &mut Wire) -> Option<(Request, BodyReader)> {
        let incoming = wire.http.as_mut()?.incoming.take()?;
        self.bodies -= incoming.1.size() as u64;
        Some(incoming)
    }

    fn deliver_request(&mut self, wire: &mut Wire, request: Request) {
        if self.refuses_requests() {
            return self.refuse_for_stop(wire);
        }
        self.tell_as_new(wire);
        self.enter(wire, State::Request);
        self.link.registry.change_phase(wire.id, Phase::Shut, Phase::Request);
        let request = Arc::new(request);
        if !self.delivery.request(wire.id, Arc::clone(&request)) {
            self.link.registry.shut(wire.id);
            self.answer_for_host(wire, &request);
        }
    }

    /// What the host is told of a request. `None` if nobody waits for the answer any more.
    fn describe(&self, wire: &mut Wire, head: &RequestHead<'_>) -> Option<Request> {
        Some(Request::new(head, self.client_of(wire, head)?, wire.socket.local()))
    }

    /// Gives a connection an id that the host does not know yet, for the host is about to be told of it.
    fn tell_as_new(&mut self, wire: &mut Wire) {
        if !std::mem::replace(&mut wire.http().is_told, true) {
            return;
        }
        let id = self.ids.renew(&self.link.registry, wire.id);
        let Some(id) = id.filter(|id| self.epoll.rename(wire.socket.as_fd(), *id).is_ok()) else {
            wire.flags.broken = true;
            return;
        };
        wire.id = id;
        // The lists know it by its old id, under which it will not be found.
        wire.flags.listed = false;
        if std::mem::take(&mut wire.flags.dirty) {
            mark_dirty(wire, &mut self.dirty);
        }
        self.sender.begin_turn(wire);
    }

    // ---- upgrades -------------------------------------------------------------------------------------------------

    fn on_upgrade(&mut self, wire: &mut Wire, head: &RequestHead<'_>, upgrade: Upgrade) {
        let subprotocol = match self.link.options.admission.admit(head, &upgrade) {
            Ok(subprotocol) => subprotocol.map(str::to_owned),
            Err(refusal) => return self.refuse(wire, refusal),
        };
        if let Err(refusal) = self.count_client(wire, head) {
            return self.refuse(wire, refusal);
        }
        let Some(request) = self.describe(wire, head) else { return };
        if self.delivery.decides(self.link.options.decide_upgrades) {
            let request = Arc::new(request);
            return self.ask_host(wire, Undecided { request, upgrade, subprotocol });
        }
        let request = match &subprotocol {
            Some(subprotocol) => request.with_subprotocol(subprotocol),
            None => request,
        };
        match upgrade.response(subprotocol.as_deref(), "") {
            Ok(response) => {
                self.tell_as_new(wire);
                self.link.facts.put(&self.link.registry, wire.id, &request, self.now);
                self.open(wire, &response, Arc::new(request));
            }
            // Nothing of ours is in it that could be invalid.
            Err(_) => self.refuse(wire, Refusal { status: 500, detail: "internal error" }),
        }
    }

    fn ask_host(&mut self, wire: &mut Wire, undecided: Undecided) {
        if self.refuses_requests() {
            return self.refuse_for_stop(wire);
        }
        self.tell_as_new(wire);
        let request = Arc::clone(&undecided.request);
        self.enter(wire, State::Deciding);
        self.link.await_decision(wire.id, undecided);
        self.delivery.handshake(wire.id, request);
    }

    /// Opens a connection whose upgrade the host has accepted.
    pub(super) fn accept_upgrade(&mut self, wire: &mut Wire, response: &[u8], request: Arc<Request>) {
        if matches!(wire.state, State::Deciding) {
            self.link.registry.change_phase(wire.id, Phase::Claimed, Phase::Open);
            self.open(wire, response, request);
        }
    }

    // ---- responses ------------------------------------------------------------------------------------------------

    /// Answers a request that cannot be served, and ends the connection.
    pub(super) fn refuse(&mut self, wire: &mut Wire, refusal: Refusal) {
        self.take_incoming(wire);
        wire.http().exchange.persistence = Persistence::Close;
        self.answer_with(wire, refusal);
    }

    /// Answers a request that nobody serves. There may be others on the same connection that somebody does.
    pub(super) fn answer_with(&mut self, wire: &mut Wire, refusal: Refusal) {
        self.link.stats.requests_refused.add(1);
        self.link.stats.refused(refusal.status).add(1);
        self.log(Level::Info, |link| format!("{}: refused with {refusal}", named(link, wire)));
        let Exchange { persistence, head_only, .. } = self.settle_exchange(wire);
        let response = refusal.response(self.date.now(), persistence, head_only);
        self.sender.gather(wire, &response);
        self.end_exchange(wire);
    }

    /// Sends a whole response. The body is of the length that the head tells.
    pub(super) fn answer(&mut self, wire: &mut Wire, head: ResponseHead, body: Vec<u8>) {
        let is_much = self.sender.fair_share().is_some_and(|share| body.len() as u64 > share);
        if is_much && !wire.http().exchange.head_only {
            self.link.stats.total_queued_refusals.add_shared(1);
            let detail = "too much waits to be sent to other clients (max_total_queued_bytes)";
            return self.answer_with(wire, Refusal { status: 503, detail });
        }
        self.send_head(wire, head);
        if !wire.http().exchange.head_only && !body.is_empty() {
            self.sender.append(wire, body);
        }
        self.end_exchange(wire);
    }

    /// Begins a response that comes piece by piece.
    pub(super) fn begin_stream(&mut self, wire: &mut Wire, head: ResponseHead) {
        self.send_head(wire, head);
        self.enter(wire, State::Streaming);
    }

    /// Sends a piece of a response. Its bytes are counted as waiting already.
    pub(super) fn send_piece(&mut self, wire: &mut Wire, piece: Vec<u8>) {
        self.link.registry.sub_queued(wire.id, piece.len() as u64);
        let exchange = wire.http().exchange;
        if !matches!(wire.state, State::Streaming) {
            return;
        }
        wire.since = self.now;
        if exchange.head_only {
            return;
        }
        if exchange.version < Version::Http11 {
            return self.sender.append(wire, piece);
        }
        self.sender.gather(wire, format!("{:x}\r\n", piece.len()).as_bytes());
        self.sender.append(wire, piece);
        self.sender.gather(wire, b"\r\n");
    }

    /// Ends a response that came piece by piece.
    pub(super) fn end_stream(&mut self, wire: &mut Wire) {
        if matches!(wire.state, State::Streaming) {
            let exchange = wire.http().exchange;
            if exchange.version >= Version::Http11 && !exchange.head_only {
                self.sender.gather(wire, b"0\r\n\r\n");
            }
            self.end_exchange(wire);
        }
    }

    /// How the request is answered: during a stop it is the last of its connection.
    fn settle_exchange(&self, wire: &mut Wire) -> Exchange {
        let exchange = &mut wire.http().exchange;
        if self.stopping.is_some() {
            exchange.persistence = Persistence::Close;
        }
        *exchange
    }

    fn send_head(&mut self, wire: &mut Wire, head: ResponseHead) {
        let exchange = self.settle_exchange(wire);
        let head = head.encode(self.date.now(), exchange.version, exchange.persistence, exchange.head_only);
        self.sender.gather(wire, &head);
    }

    /// Takes a request back from the host, to be answered by us. `false` if the host has answered it: then that is on its way.
    #[must_use]
    pub(super) fn withdraw_request(&self, wire: &Wire) -> bool {
        let claim = |phase| self.link.registry.change_phase(wire.id, phase, Phase::Shut);
        let is_ours = claim(Phase::Request) || claim(Phase::Deciding);
        if is_ours {
            self.link.forget_decision(wire.id);
        }
        is_ours
    }

    /// What comes after a response: the next request, or the end.
    pub(super) fn end_exchange(&mut self, wire: &mut Wire) {
        let http = wire.http();
        match http.exchange.persistence {
            // A response that began before a stop has promised that there may be another.
            Persistence::KeepAlive if self.stopping.is_none() || http.has_next => {
                wire.http().begin_again();
                self.enter(wire, State::Handshake);
            }
            Persistence::KeepAlive | Persistence::Close => self.enter(wire, State::Ending),
        }
    }

    /// Answers the request of a connection, if it still waits for that.
    pub(super) fn respond(&mut self, conn: &mut Connection, respond: impl FnOnce(&mut Self, &mut Wire)) -> Fate {
        if matches!(conn.wire.state, State::Request | State::Deciding) {
            respond(self, &mut conn.wire);
        }
        self.flush(&mut conn.wire)
    }
}
