//! The short way for an answer: a push from inside a callback to the very connection whose message is being handled.
//!
//! Such a push needs no queue and no lock. Its frame is written into a buffer of the reactor's thread, which is sent
//! when the bytes that were received are worked off. The order of what one thread pushes is kept: as soon as the
//! callback has put anything into the reactor's queue, later pushes of the same turn take the queue too.

use super::registry::ConnId;
use crate::protocol::frame::{self, Opcode};
use std::cell::{Cell, RefCell};

struct Turn {
    /// The link of the reactor that runs on this thread, as a name, or 0 on any other thread.
    reactor: Cell<usize>,
    conn: Cell<ConnId>,
    diverted: Cell<bool>,
    answers: RefCell<Vec<u8>>,
}

thread_local! {
    static TURN: Turn = const {
        Turn { reactor: Cell::new(0), conn: Cell::new(0), diverted: Cell::new(false), answers: RefCell::new(Vec::new()) }
    };
}

/// A buffer that grew beyond this is not kept, in bytes.
const KEPT_MAX: usize = 512 * 1024;

/// Says that this thread runs a reactor.
pub fn begin_thread(reactor: usize) {
    TURN.with(|turn| turn.reactor.set(reactor));
}

/// Whether this thread runs that reactor.
pub fn is_thread_of(reactor: usize) -> bool {
    TURN.with(|turn| turn.reactor.get() == reactor)
}

/// Begins to handle what a connection has sent.
pub fn begin(conn: ConnId) {
    TURN.with(|turn| {
        turn.conn.set(conn);
        turn.diverted.set(false);
    });
}

/// Says that this thread has used the queue of a reactor.
pub fn divert(reactor: usize) {
    TURN.with(|turn| {
        if turn.reactor.get() == reactor {
            turn.diverted.set(true);
        }
    });
}

/// If this is an answer: writes its frame, unless `judge` refuses it given the bytes of answers so far. `None` if it
/// is not an answer and must take the queue.
#[inline]
pub fn answer<E>(
    reactor: usize,
    conn: ConnId,
    opcode: Opcode,
    payload: &[u8],
    judge: impl FnOnce(u64) -> Result<(), E>,
) -> Option<Result<(), E>> {
    TURN.with(|turn| {
        if turn.conn.get() != conn || turn.reactor.get() != reactor || turn.diverted.get() {
            return None;
        }
        let mut answers = turn.answers.borrow_mut();
        Some(judge(answers.len() as u64).map(|()| frame::write(&mut answers, opcode, true, None, payload)))
    })
}

/// Ends the handling and lends the answers to `send`, if there are any.
pub fn end(send: impl FnOnce(&[u8])) {
    TURN.with(|turn| {
        turn.conn.set(0);
        let mut answers = turn.answers.borrow_mut();
        if !answers.is_empty() {
            send(&answers);
            answers.clear();
            answers.shrink_to(KEPT_MAX);
        }
    });
}
