//! The short way for an answer: a push from inside a callback to the very connection whose message is being handled.
//!
//! Such a push needs no queue and no lock. The frame of a small answer is written into a buffer of the reactor's
//! thread, which is sent when the bytes that were received are worked off, so that many answers leave in one call. A
//! large answer is sent at once from where the callback has it, behind the small ones before it, and is not copied at
//! all. The order of what one thread pushes is kept: as soon as the callback has put anything into the reactor's
//! queue, later pushes of the same turn take the queue too.

use super::registry::ConnId;
use crate::protocol::frame::{self, Header, Opcode};
use crate::sys::socket::{Alias, Socket};
use std::cell::{Cell, RefCell};
use std::io::IoSlice;

thread_local! {
    /// The link of the reactor that runs on this thread, as a name, or 0 on any other thread.
    static REACTOR: Cell<usize> = const { Cell::new(0) };
    static TURN: RefCell<Turn> = const { RefCell::new(Turn::new()) };
}

/// What a turn of one connection has gathered.
struct Turn {
    conn: ConnId,
    /// The socket, while nothing waits to be sent to it but the answers here.
    direct: Option<Alias>,
    /// A push of this turn has used the queue.
    diverted: bool,
    answers: Vec<u8>,
    sent: usize,
}

/// Answers with at least this much payload are sent from where they are, in bytes.
pub const DIRECT_MIN: usize = 8 * 1024;

/// A buffer that grew beyond this is not kept, in bytes.
const KEPT_MAX: usize = 512 * 1024;

/// Says that this thread runs a reactor.
pub fn begin_thread(reactor: usize) {
    REACTOR.set(reactor);
}

/// Whether this thread runs that reactor.
#[inline]
pub fn is_thread_of(reactor: usize) -> bool {
    REACTOR.get() == reactor
}

/// Begins to handle what a connection has sent. `socket` is given if nothing waits to be sent to it; it must live until
/// [`end`].
pub fn begin(conn: ConnId, socket: Option<&Socket>) {
    TURN.with_borrow_mut(|turn| {
        turn.conn = conn;
        turn.direct = socket.map(Socket::alias);
        turn.diverted = false;
    });
}

/// Says that this thread has used the queue of a reactor.
#[inline]
pub fn divert(reactor: usize) {
    if is_thread_of(reactor) {
        TURN.with_borrow_mut(|turn| turn.diverted = true);
    }
}

/// If this is an answer: sends its frame or keeps it to be sent, unless `judge` refuses it given the bytes of answers
/// that are kept. `None` if it is not an answer and must take the queue.
#[inline]
pub fn answer<E>(
    reactor: usize,
    conn: ConnId,
    opcode: Opcode,
    payload: &[u8],
    judge: impl FnOnce(u64) -> Result<(), E>,
) -> Option<Result<(), E>> {
    if !is_thread_of(reactor) {
        return None;
    }
    TURN.with_borrow_mut(|turn| {
        if turn.conn != conn || turn.diverted {
            return None;
        }
        Some(judge(turn.answers.len() as u64).map(|()| turn.add(opcode, payload)))
    })
}

/// Says that something now waits to be sent to the connection, which answers must not overtake.
pub fn hold_back() {
    TURN.with_borrow_mut(|turn| turn.direct = None);
}

/// Ends the handling and lends the answers that were kept to `send`, if there are any. Returns how many bytes were sent
/// before that.
pub fn end(send: impl FnOnce(&[u8])) -> usize {
    let (mut answers, sent) = TURN.with_borrow_mut(|turn| {
        turn.conn = 0;
        turn.direct = None;
        (std::mem::take(&mut turn.answers), std::mem::take(&mut turn.sent))
    });
    if !answers.is_empty() {
        send(&answers);
        answers.clear();
        answers.shrink_to(KEPT_MAX);
    }
    TURN.with_borrow_mut(|turn| turn.answers = answers);
    sent
}

impl Turn {
    const fn new() -> Self {
        Self { conn: 0, direct: None, diverted: false, answers: Vec::new(), sent: 0 }
    }

    #[inline]
    fn add(&mut self, opcode: Opcode, payload: &[u8]) {
        match self.direct {
            Some(socket) if payload.len() >= DIRECT_MIN => self.send(socket, opcode, payload),
            _ => frame::write(&mut self.answers, opcode, true, None, payload),
        }
    }

    /// Sends the answers that were kept and this one, and keeps what there was no room for.
    fn send(&mut self, socket: Alias, opcode: Opcode, payload: &[u8]) {
        let mut buffer = [0; frame::MAX_HEADER];
        let length = Header { fin: true, opcode, mask: None, length: payload.len() as u64 }.write(&mut buffer);
        let header = &buffer[..length];
        let pieces = [&self.answers, header, payload].map(IoSlice::new);
        // A broken connection shows when what is kept is sent.
        let sent = socket.send_pieces(&pieces).unwrap_or(0);
        self.sent += sent;
        let kept = sent.min(self.answers.len());
        self.answers.drain(..kept);
        let mut past = sent - kept;
        for piece in [header, payload] {
            let skip = past.min(piece.len());
            past -= skip;
            self.answers.extend_from_slice(&piece[skip..]);
        }
        if !self.answers.is_empty() {
            self.direct = None;
        }
    }
}
