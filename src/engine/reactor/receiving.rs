//! Receiving, and taking apart what was received: the way of a message to the host. It is one function to the processor: what
//! else needs a part of it has a copy of its own.

use super::super::connection::{Connection, State, Wire};
use super::super::delivery::Delivery;
use super::super::inbox::RECEIVE;
use super::super::log::Level;
use super::super::pool::POOLED_MIN;
use super::super::registry::Phase;
use super::super::turn;
use super::{Fate, Reactor};
use crate::cause::Cause;
use crate::protocol::decoder::Event;
use crate::protocol::frame::{ControlFrame, Opcode};
use crate::protocol::http::{Persistence, Refusal};
use crate::protocol::{Role, Violation};
use std::io;

/// Bytes that are received at a time where a request is expected. What a client sends behind it is kept, and looked at
/// request by request.
const RECEIVE_HEAD: usize = 16 * 1024;

/// And where a body is expected.
const RECEIVE_BODY: usize = 48 * 1024;

/// How long the host is behind when that is worth a word, in milliseconds. For a moment it may be at any time.
const BEHIND_MS: u64 = 1000;

/// Calls to receive that one connection gets in a turn.
const RECEIVES_PER_TURN: usize = 4;

/// What is answered where something that was received cannot be kept.
const NO_MEMORY: Violation = Violation::out_of_memory("no memory for what was received");
const NO_MEMORY_FOR_REQUEST: Refusal = Refusal { status: 503, detail: "no memory for the request" };

impl Reactor {
    /// Goes on with the connections that had more to read than their share, and with accepting.
    pub(super) fn go_on_reading(&mut self) {
        if self.host_behind && !self.delivery.is_full() {
            self.host_behind = false;
            self.awake = self.now;
            let time = self.now_ms.saturating_sub(self.behind_since_ms);
            if time >= BEHIND_MS {
                self.log(Level::Warning, |_| {
                    format!("reading had paused for {time} ms, until the host took its events")
                });
            }
        }
        if !self.host_behind && !self.owes_host {
            self.unread.append(&mut self.held);
        }
        self.accept();
        for _ in 0..self.unread.len() {
            let Some(id) = self.unread.pop_front() else { return };
            if self.delivery.is_immediate() {
                self.take_commands(false);
            }
            self.with(id, |reactor, conn| {
                conn.wire.flags.listed = false;
                reactor.serve(conn, false)
            });
            self.shed_messages();
        }
    }

    /// Does all there is to do for a connection at this time.
    pub(super) fn serve(&mut self, conn: &mut Connection, writable: bool) -> Fate {
        if writable && conn.wire.is_waiting() && self.flush(&mut conn.wire) == Fate::Ends {
            return Fate::Ends;
        }
        self.sender.begin_turn(&conn.wire);
        let fate = self.receive(conn);
        self.sender.end_turn(&mut conn.wire);
        if fate == Fate::Ends || conn.wire.flags.broken {
            return Fate::Ends;
        }
        if conn.wire.is_waiting() && !conn.wire.flags.dirty {
            self.flush(&mut conn.wire)
        } else {
            self.after_flush(&mut conn.wire)
        }
    }

    /// Reads the request that a connection has sent so far, before its readiness is reported.
    #[inline(never)]
    pub(super) fn read_early(&mut self, conn: &mut Connection) -> Fate {
        conn.wire.flags.readable = true;
        self.sender.begin_turn(&conn.wire);
        let mut fate = Fate::Lives;
        // A head is bounded, and so is this.
        while fate == Fate::Lives && conn.wire.flags.pending && conn.wire.flags.readable {
            fate = self.receive_once(conn);
        }
        self.sender.end_turn(&mut conn.wire);
        if fate == Fate::Ends || conn.wire.flags.broken { Fate::Ends } else { self.flush(&mut conn.wire) }
    }

    fn receive(&mut self, conn: &mut Connection) -> Fate {
        for receives in 0..RECEIVES_PER_TURN {
            let has_next = self.has_next(&conn.wire);
            if !has_next && !conn.wire.flags.readable {
                return Fate::Lives;
            }
            if receives > 0 {
                // Before more is read it shows how much waits for the peer.
                self.sender.settle_many(&mut conn.wire);
            }
            if self.is_paused(&mut conn.wire) || !self.may_read(&mut conn.wire) {
                return Fate::Lives;
            }
            let fate = if has_next { self.digest_kept(conn) } else { self.receive_once(conn) };
            if fate == Fate::Ends {
                return Fate::Ends;
            }
        }
        self.list_unread(&mut conn.wire);
        Fate::Lives
    }

    /// Whether to read on. What can bring events waits for the host to catch up, an open connection of a server for its peer to
    /// take what it was sent and any one for the host to want it, the next request for the last response to have left, and one that is
    /// leaving for its end.
    #[inline(always)]
    fn may_read(&mut self, wire: &mut Wire) -> bool {
        let brings_events = matches!(wire.state, State::Handshake | State::Body | State::Open);
        if brings_events && self.is_deaf() {
            if !wire.flags.listed {
                wire.flags.listed = true;
                self.held.push_back(wire.id);
            }
            return false;
        }
        match wire.state {
            State::Leaving(_) | State::Request | State::Streaming | State::Deciding => false,
            State::Handshake => {
                wire.flags.high = wire.is_waiting();
                !wire.flags.high
            }
            State::Open => {
                self.note_high(wire);
                // One side has to go on reading while it has more to send, or two that have would wait for each other.
                let waits = wire.flags.high && self.link.role == Role::Server;
                !waits && !wire.flags.halted
            }
            _ => true,
        }
    }

    pub(super) fn is_host_behind(&mut self) -> bool {
        if !self.host_behind && self.delivery.is_full() {
            self.host_behind = true;
            self.behind_since_ms = self.now_ms;
            self.link.stats.host_paused.add(1);
        }
        self.host_behind
    }

    #[inline(always)]
    fn receive_once(&mut self, conn: &mut Connection) -> Fate {
        if matches!(conn.wire.state, State::Open | State::Closing) {
            if let Some((buffer, most)) = conn.decoder.direct() {
                let received = conn.wire.socket.receive_appending(buffer, most);
                let Some(count) = self.judge_receive(&mut conn.wire, received, most) else {
                    return self.after_end_of_stream(&mut conn.wire);
                };
                let fate = match conn.decoder.received(count) {
                    Ok(Some(event)) => self.on_event(&mut conn.wire, event),
                    Ok(None) => {
                        conn.wire.message_at = self.now;
                        Fate::Lives
                    }
                    Err(violation) => {
                        conn.decoder.discard();
                        self.on_violation(&mut conn.wire, violation)
                    }
                };
                conn.decoder.release(|buffer| self.pool.give(buffer));
                return fate;
            }
        }
        let mut inbox = std::mem::take(&mut self.inbox);
        let input = inbox.behind(conn.pending.bytes());
        let kept = conn.pending.bytes().len();
        let most = match conn.wire.state {
            State::Handshake => RECEIVE_HEAD,
            // What stands behind the body is kept, too.
            State::Body => RECEIVE_BODY,
            _ => RECEIVE,
        };
        let received = conn.wire.socket.receive(&mut input[kept..kept + most]);
        let fate = match self.judge_receive(&mut conn.wire, received, most) {
            Some(count) => self.digest(conn, &mut input[..kept + count]),
            None => self.after_end_of_stream(&mut conn.wire),
        };
        self.inbox = inbox;
        fate
    }

    /// Notes what a receive says of the connection. `None` if nothing was received.
    #[inline(always)]
    fn judge_receive(&mut self, wire: &mut Wire, received: io::Result<usize>, most: usize) -> Option<usize> {
        match received {
            Ok(0) => {
                wire.flags.readable = false;
                wire.flags.ended = true;
                None
            }
            Ok(count) => {
                // A short count means that the kernel has no more, unless the end of the stream is still to be seen.
                wire.flags.readable = count == most || wire.flags.hangup;
                wire.flags.pinged = false;
                self.begin_reading(wire, count);
                self.hear(wire);
                self.link.stats.bytes_in.add(count as u64);
                Some(count)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                wire.flags.readable = false;
                None
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => None,
            Err(error) => {
                wire.flags.readable = false;
                wire.note_broken(&error);
                None
            }
        }
    }

    fn after_end_of_stream(&mut self, wire: &mut Wire) -> Fate {
        if wire.flags.broken {
            return Fate::Ends;
        }
        match wire.state {
            _ if !wire.flags.ended => Fate::Lives,
            // Whoever has asked may end its side and still wait for the answer.
            State::Ending => self.after_flush(wire),
            State::Open | State::Closing => {
                self.on_end_of_stream(wire);
                Fate::Lives
            }
            _ => Fate::Ends,
        }
    }

    /// Works off what was received, with what was kept from before in front of it.
    #[inline(always)]
    fn digest(&mut self, conn: &mut Connection, input: &mut [u8]) -> Fate {
        let mut used = 0;
        if matches!(conn.wire.state, State::Handshake | State::Body) {
            used = self.read_request(&mut conn.wire, input);
        }
        let mut fate = Fate::Lives;
        match conn.wire.state {
            State::Open | State::Closing => fate = self.decode(conn, input, &mut used),
            // What stands behind a request is looked at when that is answered.
            State::Handshake | State::Body | State::Request | State::Streaming | State::Deciding => {
                conn.wire.http().has_next = used > 0 && used < input.len();
            }
            // Bytes after the end are of no interest.
            State::Leaving(_) | State::Ending => used = input.len(),
        }
        if used < input.len() && (conn.wire.flags.halted || self.link.is_crowded()) {
            self.undigested.insert(self.link.registry.slot_of(conn.wire.id), ());
        }
        if conn.pending.keep(&input[used..]).is_err() {
            return self.on_missing(&mut conn.wire, fate);
        }
        fate
    }

    /// What was received and not worked off could not be kept: nothing that comes behind it can be understood.
    #[cold]
    fn on_missing(&mut self, wire: &mut Wire, fate: Fate) -> Fate {
        self.undigested.remove(self.link.registry.slot_of(wire.id));
        match wire.state {
            _ if fate == Fate::Ends => {}
            State::Open | State::Closing => return self.on_violation(wire, NO_MEMORY),
            State::Handshake | State::Body => self.refuse(wire, NO_MEMORY_FOR_REQUEST),
            // Frames that came before the answer to their upgrade.
            State::Deciding if self.withdraw_request(wire) => self.refuse(wire, NO_MEMORY_FOR_REQUEST),
            State::Deciding => {
                // The answer is on its way, and what it opens would begin in the middle.
                wire.note_cause(Cause::WS_CAUSE_MEMORY);
                return Fate::Ends;
            }
            // Another request came behind this one, which is the last that is answered.
            State::Request | State::Streaming => {
                let http = wire.http();
                http.exchange.persistence = Persistence::Close;
                http.has_next = false;
            }
            State::Leaving(_) | State::Ending => {}
        }
        fate
    }

    /// Whether there are bytes that were received and not looked at: of a request behind the last one, or what a callback has
    /// left by pausing the connection or by pushing much.
    #[inline]
    pub(super) fn has_next(&self, wire: &Wire) -> bool {
        wire.has_next_request() || self.undigested.contains(self.link.registry.slot_of(wire.id))
    }

    /// Whether the connection is paused, by a callback in this very turn too.
    #[inline]
    fn is_paused(&mut self, wire: &mut Wire) -> bool {
        if !self.link.is_steady() && self.link.take_pause(wire.id) {
            wire.flags.broken |= self.halt(wire, true, self.silent_since()) == Fate::Ends;
        }
        wire.flags.halted && matches!(wire.state, State::Open)
    }

    /// Goes on with what was received together with an earlier request.
    #[inline(never)]
    pub(super) fn digest_kept(&mut self, conn: &mut Connection) -> Fate {
        let mut kept = conn.pending.take();
        self.undigested.remove(self.link.registry.slot_of(conn.wire.id));
        self.begin_reading_kept(&conn.wire);
        self.digest(conn, &mut kept)
    }

    fn decode(&mut self, conn: &mut Connection, input: &mut [u8], used: &mut usize) -> Fate {
        if input.len() >= POOLED_MIN {
            // What does not fit a receive is likely to be the beginning of a large message.
            conn.decoder.supply(|| self.pool.take());
        }
        while *used < input.len() && !self.is_paused(&mut conn.wire) && !self.link.is_crowded() {
            let step = match self.deliver_short(conn, &mut input[*used..]) {
                Ok(0) => conn.decoder.step(&mut input[*used..], &self.limits),
                taken => taken.map(|taken| (taken, None)),
            };
            match step {
                Ok((0, _)) => break,
                Ok((taken, None)) => {
                    // A part of a message: it is under way, and its peer not idle.
                    *used += taken;
                    conn.wire.message_at = self.now;
                }
                Ok((taken, Some(event))) => {
                    *used += taken;
                    if self.on_event(&mut conn.wire, event) == Fate::Ends {
                        return Fate::Ends;
                    }
                }
                Err(violation) => {
                    *used = input.len();
                    conn.decoder.discard();
                    return self.on_violation(&mut conn.wire, violation);
                }
            }
            if matches!(conn.wire.state, State::Leaving(_) | State::Ending) {
                *used = input.len();
                break;
            }
        }
        conn.decoder.release(|buffer| self.pool.give(buffer));
        Fate::Lives
    }

    /// Delivers the short messages at the start of `input`, as long as it is sure that they are expected. Returns how
    /// many bytes they took.
    #[inline]
    fn deliver_short(&mut self, conn: &mut Connection, input: &mut [u8]) -> Result<usize, Violation> {
        if !self.link.is_steady() || !matches!(conn.wire.state, State::Open) {
            return Ok(0);
        }
        let (link, id) = (&*self.link, conn.wire.id);
        let before = link.stats.messages_in.get();
        let mut is_kept = true;
        let taken = match &mut self.delivery {
            Delivery::Callbacks(handler) => {
                let handler = &**handler;
                conn.decoder.short_messages(input, &self.limits, |kind, payload| {
                    link.stats.messages_in.add(1);
                    handler.message(id, kind, payload);
                    link.is_steady()
                })
            }
            Delivery::Each(handlers) => {
                let Some(handler) = handlers.of(id) else { return Ok(0) };
                conn.decoder.short_unmasked_messages(input, &self.limits, |kind, payload| {
                    link.stats.messages_in.add(1);
                    handler.message(kind, payload);
                    link.is_steady()
                })
            }
            Delivery::Batches(writer) if link.role == Role::Client => {
                conn.decoder.short_unmasked_messages(input, &self.limits, |kind, payload| {
                    link.stats.messages_in.add(1);
                    is_kept = writer.message(id, kind, payload).is_ok();
                    is_kept
                })
            }
            Delivery::Batches(writer) => conn.decoder.short_messages(input, &self.limits, |kind, payload| {
                link.stats.messages_in.add(1);
                is_kept = writer.message(id, kind, payload).is_ok();
                is_kept
            }),
        };
        // Some may have been delivered before the one that breaks the protocol.
        if self.link.stats.messages_in.get() > before {
            self.note_message(&mut conn.wire);
        }
        if is_kept { taken } else { Err(NO_MEMORY) }
    }

    fn on_event(&mut self, wire: &mut Wire, event: Event<'_>) -> Fate {
        match event {
            Event::Message(kind, payload) if self.expects_message(wire) => {
                self.link.stats.messages_in.add(1);
                let kept = self.delivery.message(wire.id, kind, payload);
                return self.note_delivered(wire, kept.is_ok());
            }
            Event::Framed(kind, frame, header) if self.expects_message(wire) => {
                self.link.stats.messages_in.add(1);
                turn::lend(kind, frame, header);
                let kept = self.delivery.message(wire.id, kind, &frame[header..]);
                turn::end_loan();
                return self.note_delivered(wire, kept.is_ok());
            }
            Event::Assembled(kind, message) if self.expects_message(wire) => {
                self.link.stats.messages_in.add(1);
                turn::lend(kind, message.payload(), 0);
                let kept = self.delivery.assembled(wire.id, kind, message);
                turn::end_loan();
                return self.note_delivered(wire, kept.is_ok());
            }
            Event::Ping(_) | Event::Pong(_) if !self.may_control(wire) => {}
            Event::Ping(payload) if matches!(wire.state, State::Open) => {
                let pong = ControlFrame::new(Opcode::Pong, payload, self.link.mask());
                self.sender.reply(wire, pong.bytes());
            }
            Event::Pong(payload) if self.link.options.pong_events && matches!(wire.state, State::Open) => {
                self.delivery.pong(wire.id, payload);
            }
            Event::Close(code, reason) => self.on_close_frame(wire, code, reason),
            Event::Message(..) | Event::Framed(..) | Event::Assembled(..) | Event::Ping(_) | Event::Pong(_) => {}
        }
        Fate::Lives
    }

    /// Whether a message is to be delivered: not after the closing handshake has begun from our side.
    #[inline]
    fn expects_message(&self, wire: &Wire) -> bool {
        if !matches!(wire.state, State::Open) {
            return false;
        }
        if self.delivery.is_immediate() {
            let standing = self.link.registry.standing(wire.id);
            if standing.is_none_or(|standing| standing.phase != Phase::Open) {
                return false;
            }
        }
        true
    }

    /// Notes a message that the host got, or, if there was no memory to keep it, has its connection fail.
    #[inline]
    fn note_delivered(&mut self, wire: &mut Wire, is_kept: bool) -> Fate {
        if is_kept {
            self.note_message(wire);
            return Fate::Lives;
        }
        self.on_violation(wire, NO_MEMORY)
    }

    #[inline]
    fn note_message(&self, wire: &mut Wire) {
        wire.message_at = self.now;
        wire.mark = self.delivery.mark();
        wire.note_asked();
    }
}
