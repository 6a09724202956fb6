//! The one way to a peer: whatever is sent to a connection passes here, in one order.
//!
//! Bytes for a connection wait in two places: in its outbox, and, in its turn, among the replies of the thread
//! ([`turn`]), which may begin with the rest of a frame that the kernel has taken in part. So whatever is added to an
//! outbox, and whatever is sent past an empty one, first has the replies moved there. The outbox of a connection is
//! within reach of this module alone, so that no other can forget to.
//!
//! So it is known here, too, how much waits in all outboxes together: bytes for each receiver, though a long message to many is
//! in memory once. That is never less than what is held, the gauge `queued_bytes` counts in the same way, and who holds what is
//! not asked for each message. Once it is `max_total_queued_bytes`, each connection has a small share only, in place of
//! `max_queued_bytes`, until an eighth of the budget is free again. So those for whom much waits take no more, and the others go on.
//!
//! Only the connection whose turn it is has replies. It is known here by its id, so that to ask costs one comparison.

use super::Wire;
use crate::cause::Cause;
use crate::engine::link::Link;
use crate::engine::outbox::Outbox;
use crate::engine::registry::ConnId;
use crate::engine::turn;
use crate::sys::copy;
use crate::sys::socket::Socket;
use std::collections::TryReserveError;
use std::io::{self, IoSlice};
use std::sync::Arc;

/// Empty outboxes that are kept for reuse.
const SPARE_OUTBOXES: usize = 256;

/// Replies of this length are sent, or counted as waiting, before more is read, in bytes.
const MANY_REPLIES: usize = 64 * 1024;

/// A connection for which less than this waits is served whatever waits for all, in bytes; less of it if there are so many connections
/// that their shares would be more than the budget once more.
const SHARE_MAX: u64 = 64 * 1024;
const SHARE_MIN: u64 = 4 * 1024;

/// The sending side of a reactor.
pub struct Sender {
    link: Arc<Link>,
    #[allow(clippy::vec_box, reason = "a connection holds its outbox in this very box")]
    spares: Vec<Box<Outbox>>,
    /// The connection whose turn it is; 0 between turns.
    turn: ConnId,
    /// Bytes that wait in all outboxes.
    total: u64,
    /// How much may wait for each connection while `max_total_queued_bytes` wait for all.
    share: Option<u64>,
    /// There is room again, which nobody has been told.
    relieved: bool,
}

/// What a flush did.
#[derive(Debug)]
pub struct Flushed {
    /// Bytes that were sent.
    pub sent: usize,
    /// A large buffer that was sent, for reuse.
    pub used: Option<Vec<u8>>,
    /// What breaks the connection, if anything does.
    pub result: io::Result<()>,
}

impl Sender {
    /// The sending side of the reactor of `link`.
    #[must_use]
    pub const fn new(link: Arc<Link>) -> Self {
        Self { link, spares: Vec::new(), turn: 0, total: 0, share: None, relieved: false }
    }

    // ---- the turn of a connection ----------------------------------------------------------------------------------

    /// Begins to handle what a connection has sent. Until [`Sender::end_turn`] the connection must stay where it is.
    pub fn begin_turn(&mut self, wire: &Wire) {
        // One turn at a time, and each is ended: what an older one has left would be sent to a stranger.
        assert!(self.turn == 0 || turn::has_no_replies(), "the replies of a turn are sent before the next turn");
        self.turn = wire.id;
        self.link.begin_turn(wire.id, free_socket(wire));
    }

    /// Ends the handling: what callbacks have pushed meanwhile is sent, or waits. Does nothing between turns.
    pub fn end_turn(&mut self, wire: &mut Wire) {
        if self.turn == wire.id {
            self.turn = 0;
            turn::end();
            self.move_replies(wire);
        }
    }

    /// In the turn of a connection, before more of it is read: sends its replies if they are many or if others wait
    /// already, so that all who ask how much waits are told.
    pub fn settle_many(&mut self, wire: &mut Wire) {
        if self.turn == wire.id && turn::has_many_replies(MANY_REPLIES) {
            self.settle(wire);
        }
    }

    /// Sends a control frame of ours behind the replies, if it is the connection's turn, and otherwise behind what waits.
    pub fn reply(&mut self, wire: &mut Wire, frame: &[u8]) {
        if self.turn != wire.id {
            return self.gather(wire, frame);
        }
        if turn::reply(frame).is_err() {
            self.settle(wire);
            self.gather(wire, frame);
        }
    }

    /// Moves the replies of a turn out of the way, and goes on with the turn.
    fn settle(&mut self, wire: &mut Wire) {
        self.move_replies(wire);
        self.link.resume_turn(wire.id, free_socket(wire));
    }

    fn move_replies(&mut self, wire: &mut Wire) {
        let done = turn::take_replies(|replies, counted| {
            let sent = if wire.outbox.is_none() { self.send_past(wire, &[IoSlice::new(replies)]) } else { 0 };
            if counted > 0 {
                self.link.registry.sub_queued(wire.id, sent.min(counted) as u64);
            }
            if sent < replies.len() {
                self.link.registry.note_queued(wire.id, (replies.len() - sent.max(counted)) as u64);
                self.add(wire, replies.len() - sent, |outbox| outbox.gather(&replies[sent..]));
            }
        });
        self.link.stats.messages_out.add(done.messages);
        self.link.stats.bytes_out.add(done.bytes);
        if done.cut > 0 {
            wire.flags.broken = true;
            wire.note_cause(Cause::WS_CAUSE_MEMORY);
            self.link.stats.slow_clients_closed.add_shared(1);
            self.link.stats.bytes_cut.add(done.cut);
        }
    }

    // ---- what goes behind ------------------------------------------------------------------------------------------

    /// Adds bytes that are counted as waiting, behind everything that was to be sent to the connection so far.
    fn add_behind(
        &mut self,
        wire: &mut Wire,
        length: usize,
        add: impl FnOnce(&mut Outbox) -> Result<(), TryReserveError>,
    ) {
        if self.turn == wire.id {
            self.settle(wire);
            turn::hold_back();
        }
        self.add(wire, length, add);
    }

    /// Nothing but this adds to an outbox. Without memory the connection is cut: a part of a frame may be out, and nothing
    /// may come behind what is missing, a Close frame no more than anything else.
    fn add(&mut self, wire: &mut Wire, length: usize, add: impl FnOnce(&mut Outbox) -> Result<(), TryReserveError>) {
        if !wire.flags.broken {
            let mut outbox = wire.outbox.take().unwrap_or_else(|| self.spares.pop().unwrap_or_default());
            let added = add(&mut outbox);
            if outbox.is_empty() {
                self.keep(outbox);
            } else {
                wire.outbox = Some(outbox);
            }
            if added.is_ok() {
                self.total += length as u64;
                return self.weigh();
            }
            wire.flags.broken = true;
            wire.note_cause(Cause::WS_CAUSE_MEMORY);
            self.link.stats.slow_clients_closed.add_shared(1);
        }
        self.link.registry.sub_queued(wire.id, length as u64);
        self.link.stats.bytes_cut.add(length as u64);
    }

    /// Adds bytes of our own.
    pub fn gather(&mut self, wire: &mut Wire, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.link.registry.note_queued(wire.id, bytes.len() as u64);
            self.gather_counted(wire, bytes);
        }
    }

    /// Adds bytes that are counted as waiting already.
    #[inline]
    pub fn gather_counted(&mut self, wire: &mut Wire, bytes: &[u8]) {
        // Where some wait already there is less to do.
        let outbox = wire.outbox.as_mut().filter(|_| self.turn != wire.id && !wire.flags.broken);
        if outbox.is_some_and(|outbox| outbox.gather(bytes).is_ok()) {
            self.total += bytes.len() as u64;
            self.weigh();
        } else {
            self.gather_first(wire, bytes);
        }
    }

    #[inline(never)]
    fn gather_first(&mut self, wire: &mut Wire, bytes: &[u8]) {
        self.add_behind(wire, bytes.len(), |outbox| outbox.gather(bytes));
    }

    /// Adds a buffer of bytes that are counted as waiting already, without copying them unless they are few.
    pub fn append_counted(&mut self, wire: &mut Wire, bytes: Vec<u8>) {
        self.add_behind(wire, bytes.len(), |outbox| outbox.append(bytes));
    }

    /// Adds a copy of bytes that are counted as waiting already, which may be many, in a buffer of its own.
    pub fn copy_counted(&mut self, wire: &mut Wire, bytes: &[u8]) {
        self.add_behind(wire, bytes.len(), |outbox| {
            let mut copied = Vec::new();
            copied.try_reserve_exact(bytes.len())?;
            copy::append(&mut copied, bytes);
            outbox.append(copied)
        });
    }

    /// Adds a buffer of our own.
    pub fn append(&mut self, wire: &mut Wire, bytes: Vec<u8>) {
        self.link.registry.note_queued(wire.id, bytes.len() as u64);
        self.append_counted(wire, bytes);
    }

    /// Sends a frame that many get, as far as there is room, and has the rest wait.
    pub fn share(&mut self, wire: &mut Wire, frame: &Arc<Vec<u8>>) {
        let sent = self.send_now(wire, frame);
        if sent < frame.len() {
            self.link.registry.note_queued(wire.id, (frame.len() - sent) as u64);
            self.add_behind(wire, frame.len() - sent, |outbox| outbox.share(frame, sent));
        }
    }

    /// Adds a frame that many get.
    pub fn share_later(&mut self, wire: &mut Wire, frame: &Arc<Vec<u8>>) {
        self.link.registry.note_queued(wire.id, frame.len() as u64);
        self.add_behind(wire, frame.len(), |outbox| outbox.share(frame, 0));
    }

    // ---- what waits for all ----------------------------------------------------------------------------------------

    /// Looks whether too much waits for all connections together, or no longer.
    #[inline]
    fn weigh(&mut self) {
        self.link.stats.outbox_bytes.set(self.total);
        if self.share.is_some() || self.total >= self.link.options.max_total_queued_bytes {
            self.share_out();
        }
    }

    #[cold]
    fn share_out(&mut self) {
        let stats = &self.link.stats;
        let most = self.link.options.max_total_queued_bytes;
        let each = self.link.options.max_queued_bytes;
        if self.share.is_none() && self.total >= most {
            let share = (most / stats.connections_open.get().max(1)).clamp(SHARE_MIN, SHARE_MAX).min(each);
            self.share = Some(share);
            self.relieved = false;
            self.link.set_most_queued(share);
        } else if self.share.is_some() && self.total <= most - most / 8 {
            self.share = None;
            self.relieved = true;
            self.link.set_most_queued(each);
        }
    }

    fn take_off(&mut self, length: usize) {
        self.total -= length as u64;
        self.weigh();
    }

    /// How much may wait for each connection, while too much waits for all.
    #[must_use]
    pub const fn fair_share(&self) -> Option<u64> {
        self.share
    }

    /// The high watermark of each connection at this time: a quarter of its share at most.
    #[must_use]
    pub fn high_watermark(&self) -> u64 {
        let high = self.link.options.high_watermark;
        self.share.map_or(high, |share| high.min(share / 4))
    }

    /// The low watermark: half of that at most.
    #[must_use]
    pub fn low_watermark(&self) -> u64 {
        let low = self.link.options.low_watermark;
        self.share.map_or(low, |_| low.min(self.high_watermark() / 2))
    }

    /// Whether there is room again, which [`Sender::take_relief`] has not told.
    #[must_use]
    pub const fn is_relieved(&self) -> bool {
        self.relieved
    }

    /// Whether there is room again for those whose watermarks were low, which is said once.
    pub const fn take_relief(&mut self) -> bool {
        std::mem::replace(&mut self.relieved, false)
    }

    // ---- what is sent at once --------------------------------------------------------------------------------------

    /// Sends as much as there is room for, if nothing waits before it, and returns how much that was.
    pub fn send_now(&mut self, wire: &mut Wire, bytes: &[u8]) -> usize {
        self.send_pieces_now(wire, &[IoSlice::new(bytes)])
    }

    /// The same of several pieces.
    pub fn send_pieces_now(&mut self, wire: &mut Wire, pieces: &[IoSlice<'_>]) -> usize {
        if self.turn == wire.id {
            self.settle(wire);
        }
        if wire.outbox.is_some() { 0 } else { self.send_past(wire, pieces) }
    }

    /// Sends past an empty outbox, and notes what that says of the connection.
    fn send_past(&self, wire: &mut Wire, pieces: &[IoSlice<'_>]) -> usize {
        if wire.flags.broken {
            // What was to come before may be missing.
            return 0;
        }
        let sent = match pieces {
            [bytes] => wire.socket.send(bytes),
            _ => wire.socket.send_pieces(pieces),
        };
        match sent {
            Ok(count) => {
                self.link.stats.bytes_out.add(count as u64);
                count
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => 0,
            Err(error) => {
                wire.note_broken(&error);
                0
            }
        }
    }

    /// Sends what waits in the outbox, as far as there is room. `None` if nothing does.
    pub fn flush(&mut self, wire: &mut Wire) -> Option<Flushed> {
        let mut outbox = wire.outbox.take()?;
        let before = outbox.len();
        let result = outbox.send(&wire.socket).map(|_| ());
        let sent = before - outbox.len();
        let used = outbox.used.take();
        if sent > 0 {
            self.link.registry.sub_queued(wire.id, sent as u64);
            self.link.stats.bytes_out.add(sent as u64);
            self.take_off(sent);
        }
        if outbox.is_empty() {
            self.keep(outbox);
        } else {
            wire.outbox = Some(outbox);
        }
        Some(Flushed { sent, used, result })
    }

    /// Gives up what waits for a connection that ends, and returns how many bytes that was.
    pub fn give_up(&mut self, wire: &mut Wire) -> usize {
        self.end_turn(wire);
        let Some(outbox) = wire.outbox.take() else { return 0 };
        let length = outbox.len();
        self.keep(outbox);
        self.take_off(length);
        length
    }

    fn keep(&mut self, mut outbox: Box<Outbox>) {
        if self.spares.len() < SPARE_OUTBOXES {
            outbox.clear();
            self.spares.push(outbox);
        }
    }
}

/// The socket, if nothing waits to be sent to it.
fn free_socket(wire: &Wire) -> Option<&Socket> {
    (wire.outbox.is_none() && !wire.flags.broken).then_some(&wire.socket)
}
