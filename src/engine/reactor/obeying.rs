//! What the host and other threads want done: their messages, and their commands.
//!
//! A turn carries out no more than a slice of them. What is left stays in its order, and the next turn, which does not wait,
//! goes on with it: so receiving, accepting, deadlines and a stop have their part of the time however much is pushed. A
//! message to many may take several slices. Nothing younger is taken before all is done, neither from the queue nor from
//! the ring of the worker. And while what the host has pushed as it handled events is left over, no further events are
//! read for it: the pushes of callbacks keep their order, and a host that pushes much for each message slows down those
//! who send them rather than fill the queue.

use super::super::commands::{Command, Cost, RECEIVER_COST, Taken};
use super::super::connection::{Connection, State, Wire};
use super::super::link::SLOW_CLIENT;
use super::super::log::Level;
use super::super::registry::{ConnId, Registry, Standing};
use super::super::timers::{Tick, ticks_in};
use super::super::worker;
use super::sending::{mark_dirty, takes_pushes};
use super::{Fate, Reactor};
use crate::cause::Cause;
use crate::options::SlowClient;
use crate::protocol::frame::{self, Header, Opcode};
use crate::sys::ring::Consumer;
use std::io::IoSlice;
use std::sync::Arc;

/// Bytes for one connection that are worth a call of their own, rather than being copied to go with others.
const AT_ONCE_MIN: usize = 4 * 1024;

/// What one turn carries out, by what it costs, in bytes: some milliseconds of work.
pub(crate) const SLICE: usize = 1024 * 1024;

/// What is carried out at the very end, when no time is left.
pub(crate) const LAST_SLICE: usize = 16 * 1024 * 1024;

/// What a command costs beside the bytes that it sends, and a call that sends.
const COMMAND_COST: usize = 64;
const CALL_COST: usize = 512;

/// A message to many that is being sent.
pub(super) struct FanOut {
    frame: Arc<Vec<u8>>,
    to: Arc<[ConnId]>,
    except: ConnId,
    /// How many of them have it.
    done: usize,
    /// What it still counts for.
    cost: Cost,
}

impl FanOut {
    fn left(&self) -> usize {
        self.to.len() - self.done
    }
}

impl Reactor {
    /// Carries out what was pushed, as far as the slice of this turn goes. Whether that is all.
    pub(super) fn take_commands(&mut self, with_quiet: bool) -> bool {
        if !with_quiet && !self.link.commands.is_waiting() {
            return true;
        }
        if self.has_backlog() && !self.carry_out() {
            return false;
        }
        if self.slice == 0 {
            self.owes_host = self.link.is_of_host();
            self.link.commands.call_again();
            return false;
        }
        let ring_end = || self.ring.as_ref().map_or(0, Consumer::end);
        let taken = self.link.commands.take(&mut self.commands, with_quiet, ring_end);
        if let Some(Taken { ring_end, quiet }) = taken {
            if quiet {
                self.note_host();
            }
            self.takes += 1;
            self.owes_host = self.link.take_of_host();
            self.take_ring(Some(ring_end));
            if !self.carry_out() {
                return false;
            }
        }
        if taken.is_some() || with_quiet {
            self.take_ring(None);
        }
        true
    }

    /// Whether something that was taken from the queue is not carried out.
    pub(super) fn has_backlog(&self) -> bool {
        self.fan_out.is_some() || !self.commands.list.is_empty()
    }

    /// Whether all is carried out that was in the queue when the `take`-th was taken from it.
    pub(super) fn has_carried_out(&self, take: u64) -> bool {
        self.takes > take || self.takes == take && !self.has_backlog()
    }

    /// Goes on with what was taken from the queue. Whether that is done.
    fn carry_out(&mut self) -> bool {
        let frames = std::mem::take(&mut self.commands.frames);
        while self.slice > 0 {
            if let Some(fan_out) = self.fan_out.take() {
                self.go_on_with(fan_out);
                continue;
            }
            let Some(command) = self.commands.list.pop_front() else { break };
            let cost = command.cost();
            self.charge(COMMAND_COST);
            match command {
                Command::Broadcast { frame, .. } => {
                    let to = self.everybody();
                    self.fan_out = Some(FanOut { frame, to, except: 0, done: 0, cost });
                    continue;
                }
                Command::Publish { frame, to, except, .. } => {
                    self.fan_out = Some(FanOut { frame, to, except, done: 0, cost });
                    continue;
                }
                Command::Send { length, .. } => {
                    let end = self.frames_done + length;
                    self.charge(length);
                    self.obey(command, &frames[self.frames_done..end]);
                    self.frames_done = end;
                }
                command => {
                    self.charge(cost.sum());
                    self.obey(command, &[]);
                }
            }
            self.commands.spend(cost);
        }
        self.commands.frames = frames;
        let is_left = self.has_backlog();
        if is_left {
            self.owes_host |= self.link.is_of_host();
        } else {
            self.end_backlog();
        }
        self.link.commands.note_taken(self.commands.cost(), is_left);
        !is_left
    }

    /// All that was taken is done.
    fn end_backlog(&mut self) {
        self.commands.clear();
        self.frames_done = 0;
        self.everybody = None;
        self.owes_host = false;
    }

    fn charge(&mut self, cost: usize) {
        self.slice = self.slice.saturating_sub(cost);
    }

    /// Who gets a broadcast. The list is good until somebody else comes.
    fn everybody(&mut self) -> Arc<[ConnId]> {
        let opened = self.link.registry.opened();
        match &self.everybody {
            Some((when, list)) if *when == opened => Arc::clone(list),
            _ => {
                // Those, too, that the host has begun to close since: their Close frame comes behind it.
                let takes = self.connections.iter().flatten().filter(|conn| takes_messages(&conn.wire));
                let list: Arc<[ConnId]> = takes.map(|conn| conn.wire.id).collect();
                self.everybody = Some((opened, Arc::clone(&list)));
                list
            }
        }
    }

    /// Sends a message to those of many who do not have it yet, as far as the slice goes.
    fn go_on_with(&mut self, mut fan_out: FanOut) {
        // What follows goes with it.
        let is_last = self.commands.list.is_empty();
        let each = Cost { many: fan_out.cost.many / fan_out.left().max(1), rest: 0 };
        while let Some(&id) = fan_out.to.get(fan_out.done) {
            if self.slice == 0 {
                self.fan_out = Some(fan_out);
                return;
            }
            if id != fan_out.except {
                self.with(id, |reactor, conn| reactor.share(&mut conn.wire, &fan_out.frame, is_last));
            }
            fan_out.done += 1;
            fan_out.cost.many -= each.many;
            self.charge(RECEIVER_COST);
            self.commands.spend(each);
        }
        self.commands.spend(fan_out.cost);
    }

    /// Drops what was taken and still is to be sent, as there is no time for it, and carries out the rest.
    pub(super) fn give_up_backlog(&mut self) {
        let cut = |fan_out: &FanOut| fan_out.frame.len() * fan_out.left();
        let mut bytes = self.fan_out.take().as_ref().map_or(0, cut);
        while let Some(command) = self.commands.list.pop_front() {
            match command {
                Command::Send { to, length, .. } => self.drop_queued(to, length),
                Command::SendWhole(to, bytes) | Command::SendPiece(to, bytes) => self.drop_queued(to, bytes.len()),
                Command::Broadcast { frame, receivers } => bytes += frame.len() * receivers,
                Command::Publish { frame, to, .. } => bytes += frame.len() * to.len(),
                command => self.obey(command, &[]),
            }
        }
        self.link.stats.bytes_cut.add(bytes as u64);
        self.end_backlog();
        self.link.commands.note_taken(Cost::default(), false);
    }

    /// Takes what the host has pushed through the ring, up to a position or all of it.
    fn take_ring(&mut self, end: Option<usize>) {
        let Some(mut ring) = self.ring.take() else { return };
        let end = end.unwrap_or_else(|| ring.end());
        if ring.has_more(end) {
            self.note_host();
        }
        ring.read(end, |records| {
            let frames = records.filter_map(worker::read);
            for (to, _) in frames.clone() {
                if let Some(wire) = receiver(&mut self.connections, &self.link.registry, to) {
                    wire.pushed = wire.pushed.saturating_add(1);
                }
            }
            for (to, frame) in frames {
                self.send_gathered(to, frame);
                self.link.stats.messages_out.add(u64::from(!frame::is_control(frame)));
            }
        });
        self.ring = Some(ring);
    }

    /// Sends bytes, which whoever pushed them has counted: at once, if they are many or all that was pushed to their
    /// connection, and nothing waits before them, and otherwise together with what else this turn has for it.
    fn send_gathered(&mut self, to: ConnId, bytes: &[u8]) {
        let Some(wire) = receiver(&mut self.connections, &self.link.registry, to) else {
            return self.drop_queued(to, bytes.len());
        };
        let at_once = wire.pushed == 1 || bytes.len() >= AT_ONCE_MIN;
        wire.pushed = wire.pushed.saturating_sub(1);
        let mut sent = 0;
        if at_once && !wire.is_waiting() {
            sent = self.sender.send_now(wire, bytes);
            self.link.registry.sub_queued(to, sent as u64);
        }
        if sent < bytes.len() {
            self.sender.gather_counted(wire, &bytes[sent..]);
            mark_dirty(wire, &mut self.dirty);
        }
    }

    /// Sends a large message of the host at once, from where the host has it, behind all that it has pushed before. `None` if
    /// that is more than a slice: the message is to take the queue then.
    ///
    /// # Errors
    /// How the connection stands if it does not take the message, or `None` if it is gone.
    pub fn send_directly(
        &mut self,
        to: ConnId,
        opcode: Opcode,
        payload: &[u8],
    ) -> Option<Result<(), Option<Standing>>> {
        self.slice = self.slice_most;
        if !self.take_commands(true) {
            return None;
        }
        let length = frame::length(payload.len(), false) as u64;
        if let Err(standing) = self.link.registry.add_queued(to, length, self.link.most_queued()) {
            return Some(Err(standing));
        }
        let mut left = length;
        self.with(to, |reactor, conn| reactor.send_frame(&mut conn.wire, opcode, payload, &mut left));
        self.drop_queued(to, left as usize);
        self.link.stats.messages_out.add(u64::from(left == 0));
        Some(Ok(()))
    }

    /// Sends a frame behind what waits, and has it wait too as far as there is no room. Takes off `left` what it has seen to.
    fn send_frame(&mut self, wire: &mut Wire, opcode: Opcode, payload: &[u8], left: &mut u64) -> Fate {
        if !takes_messages(wire) || wire.is_waiting() && self.flush(wire) == Fate::Ends {
            return if wire.flags.broken { Fate::Ends } else { Fate::Lives };
        }
        let mut buffer = [0; frame::MAX_HEADER];
        let header = Header { fin: true, opcode, mask: None, length: payload.len() as u64 };
        let header_length = header.write(&mut buffer);
        let header = &buffer[..header_length];
        let sent = self.sender.send_pieces_now(wire, &[IoSlice::new(header), IoSlice::new(payload)]);
        if wire.flags.broken {
            return Fate::Ends;
        }
        self.link.registry.sub_queued(wire.id, sent as u64);
        if sent < header.len() + payload.len() {
            self.sender.gather_counted(wire, &header[sent.min(header.len())..]);
            self.sender.copy_counted(wire, &payload[sent.saturating_sub(header.len())..]);
            wire.flags.blocked = true;
            self.note_high(wire);
        }
        *left = 0;
        Fate::Lives
    }

    /// Sends a large frame that has a buffer of its own, and was counted in the same way.
    fn send_whole(&mut self, to: ConnId, bytes: Vec<u8>) {
        let Some(wire) = receiver(&mut self.connections, &self.link.registry, to) else {
            return self.drop_queued(to, bytes.len());
        };
        self.sender.append_counted(wire, bytes);
        mark_dirty(wire, &mut self.dirty);
    }

    /// Gives up bytes that were counted for a connection.
    pub(super) fn drop_queued(&self, to: ConnId, length: usize) {
        self.link.registry.sub_queued(to, length as u64);
        self.link.stats.bytes_cut.add(length as u64);
    }

    /// Carries out a command. `frames` are the bytes of one that came without.
    fn obey(&mut self, command: Command, frames: &[u8]) {
        match command {
            Command::Send { to, messages, .. } => {
                self.send_gathered(to, frames);
                self.link.stats.messages_out.add(u64::from(messages));
            }
            Command::SendWhole(to, bytes) => {
                self.send_whole(to, bytes);
                self.link.stats.messages_out.add(1);
            }
            // They have a way of their own.
            Command::Broadcast { .. } | Command::Publish { .. } => {}
            Command::Close(id, code, reason, cause) => self.with(id, |reactor, conn| {
                reactor.begin_close(&mut conn.wire, code, &reason, cause);
                reactor.flush(&mut conn.wire)
            }),
            Command::AwaitPong(id) => self.with(id, |reactor, conn| reactor.await_pong(&mut conn.wire)),
            Command::Disconnect(id) => self.with(id, |_, conn| {
                conn.wire.note_cause(Cause::WS_CAUSE_DISCONNECT);
                Fate::Ends
            }),
            Command::Halt(id, halted) => self.with(id, |reactor, conn| {
                let since = conn.wire.heard;
                reactor.halt(&mut conn.wire, halted, since)
            }),
            Command::OweDrain(id) => self.with(id, |reactor, conn| reactor.owe_drain(&mut conn.wire)),
            Command::Respond { to, head, body } => {
                self.with(to, |reactor, conn| reactor.respond(conn, |reactor, wire| reactor.answer(wire, *head, body)));
            }
            Command::BeginStream(to, head) => self.with(to, |reactor, conn| {
                let fate = reactor.respond(conn, |reactor, wire| reactor.begin_stream(wire, *head));
                // Another thread may have asked for a drain before we got here.
                if fate == Fate::Ends { fate } else { reactor.owe_drain(&mut conn.wire) }
            }),
            Command::SendPiece(to, piece) => {
                self.stream(to, piece.len(), |reactor, wire| reactor.send_piece(wire, piece))
            }
            Command::EndStream(to) => self.stream(to, 0, Reactor::end_stream),
            Command::Accept { to, response, request } => self.with(to, |reactor, conn| {
                reactor.accept_upgrade(&mut conn.wire, &response, request);
                reactor.sender.begin_turn(&conn.wire);
                // What was pushed since the upgrade was accepted lies in the queue: answers do not overtake it.
                reactor.link.divert();
                // A client in a hurry may have sent frames already.
                let fate = reactor.digest_kept(conn);
                reactor.sender.end_turn(&mut conn.wire);
                reactor.list_unread(&mut conn.wire);
                if fate == Fate::Ends { fate } else { reactor.flush(&mut conn.wire) }
            }),
            Command::Adopt(newcomer) => self.adopt(*newcomer),
            Command::Tell(owner, failed, next) => self.tell(&*owner, failed.as_deref(), next),
            Command::Release(id, done) => {
                self.release(id);
                drop(done);
            }
            Command::LogStart => self.log_start(),
            Command::Stop(time) => {
                let (time_ms, left) = (time.as_millis(), self.ids.live());
                self.log(Level::Notice, |_| {
                    format!("stopping within {time_ms} ms; connections that are there: {left}")
                });
                self.begin_stop(self.now.wrapping_add(ticks_in(time)));
            }
        }
    }

    /// Goes on with a streamed response. If the connection is gone, so are the `counted` bytes.
    fn stream(&mut self, to: ConnId, counted: usize, action: impl FnOnce(&mut Self, &mut Wire)) {
        let mut is_there = false;
        self.with(to, |reactor, conn| {
            is_there = true;
            action(reactor, &mut conn.wire);
            reactor.flush(&mut conn.wire)
        });
        if !is_there {
            self.drop_queued(to, counted);
        }
    }

    /// Sends a frame that many connections get to one of them: at once, if it is all that there is, and otherwise in one call
    /// with what else this turn has for that one.
    fn share(&mut self, wire: &mut Wire, frame: &Arc<Vec<u8>>, at_once: bool) -> Fate {
        if !takes_messages(wire) {
            return Fate::Lives;
        }
        let most = self.link.most_queued();
        // What was gathered may be no more than the kernel takes.
        if wire.queued() as u64 >= most && wire.flags.dirty && !wire.flags.blocked && self.flush(wire) == Fate::Ends {
            return Fate::Ends;
        }
        if wire.queued() as u64 >= most {
            return self.leave_out(wire);
        }
        self.link.stats.messages_out.add(1);
        self.charge(frame.len());
        let mut waits = wire.flags.blocked;
        if at_once && !wire.is_waiting() {
            self.charge(CALL_COST);
            self.sender.share(wire, frame);
            if !wire.is_waiting() {
                return Fate::Lives;
            }
            waits = true;
        } else {
            self.sender.share_later(wire, frame);
        }
        if waits {
            self.note_high(wire);
        } else if wire.queued() as u64 >= self.sender.high_watermark() {
            self.charge(CALL_COST);
            return self.flush(wire);
        } else {
            mark_dirty(wire, &mut self.dirty);
        }
        Fate::Lives
    }

    /// What becomes of a connection that does not take a message that many get.
    fn leave_out(&mut self, wire: &mut Wire) -> Fate {
        self.link.note_full(wire.queued() as u64);
        match self.link.options.slow_client {
            SlowClient::Close(code) if matches!(wire.state, State::Open) => {
                self.link.stats.slow_clients_closed.add_shared(1);
                self.begin_close(wire, Some(code), SLOW_CLIENT, Cause::WS_CAUSE_SLOW_CLIENT);
                return self.flush(wire);
            }
            SlowClient::Drop => self.link.stats.messages_dropped.add_shared(1),
            SlowClient::Refuse | SlowClient::Close(_) => self.link.stats.pushes_refused.add_shared(1),
        }
        Fate::Lives
    }

    /// A push was refused. If what waited then has gone meanwhile, the drain is due now.
    fn owe_drain(&mut self, wire: &mut Wire) -> Fate {
        wire.flags.high |= takes_pushes(wire) && self.link.registry.is_refused(wire.id);
        self.after_flush(wire)
    }

    /// Reads nothing more from a connection, of which nothing was read `since` then, or goes on.
    pub(super) fn halt(&mut self, wire: &mut Wire, halted: bool, since: Tick) -> Fate {
        if !matches!(wire.state, State::Open) || wire.flags.halted == halted {
            return Fate::Lives;
        }
        wire.flags.halted = halted;
        self.note_unread(wire, since);
        if wire.is_lost() {
            return Fate::Ends;
        }
        // While it was not read from, it was silent through no fault of its own.
        wire.flags.pinged = false;
        wire.since = self.now;
        wire.message_at = self.now;
        // As if a tick ago: it was not heard of now.
        wire.heard = self.now.wrapping_sub(1);
        if !halted {
            self.list_unread(wire);
        }
        self.arm(wire);
        Fate::Lives
    }
}

/// The connection that messages to this id go to, if they may still be sent.
fn receiver<'a>(
    connections: &'a mut [Option<Box<Connection>>],
    registry: &Registry,
    to: ConnId,
) -> Option<&'a mut Wire> {
    let conn = connections.get_mut(registry.slot_of(to))?.as_mut().filter(|conn| conn.wire.id == to)?;
    takes_messages(&conn.wire).then_some(&mut conn.wire)
}

/// Whether what the host has pushed may still be sent.
const fn takes_messages(wire: &Wire) -> bool {
    matches!(wire.state, State::Open | State::Leaving(_))
}

#[cfg(test)]
mod tests;
