//! The short way for an answer: a push from inside a callback to the very connection whose message is being handled.
//!
//! Such a push needs no queue, no lock and no look-up but that of the thread's own `Turn`. The frame of a small answer is
//! written into a buffer of the reactor's thread, which is sent when the bytes that were received are worked off, so
//! that many answers leave in one call. A large answer is sent at once from where the callback has it, behind the small
//! ones before it, and is not copied at all.
//!
//! What is cheap here was dear once: how much the connection takes is asked when its turn begins, and what the turn has
//! done is counted when it ends. The order of what one thread pushes is kept: as soon as the callback has put anything
//! into the reactor's queue, later pushes of the same turn take the queue too.

use super::answers::Answers;
use super::registry::ConnId;
use crate::protocol::decoder::{FRAMED_MIN, Kind};
use crate::protocol::frame::{self, Opcode};
use crate::protocol::{Role, utf8};
use crate::sys::process;
use crate::sys::random;
use crate::sys::socket::{Alias, BytesAlias, Socket};
use std::cell::RefCell;
use std::collections::TryReserveError;
use std::num::NonZeroUsize;

thread_local! {
    static TURN: RefCell<Turn> = const { RefCell::new(Turn::new()) };
}

/// What a host calls its server, if it has a short name for it: the C API has its handle. Pushes that come with it find
/// the turn without looking the server up. It must be good as long as the reactors run.
pub type Host = Option<NonZeroUsize>;

/// The reactor of this thread, and its turn of one connection.
struct Turn {
    /// The link of the reactor, as a name, or 0 on any other thread.
    reactor: usize,
    role: Role,
    host: Host,
    /// How often the process had forked when the reactor began: a child has no reactor, though it has this memory.
    forks: u32,
    /// The connection whose answers are taken; 0 between turns, and as soon as they have to take the queue.
    conn: ConnId,
    /// The connection whose turn it is; 0 between turns. What is kept of its answers stays its own when later ones take the
    /// queue.
    of: ConnId,
    /// How many bytes of the answers the registry counts as waiting; they are the first.
    counted: usize,
    /// Answers are taken as long as fewer bytes of them wait.
    room: usize,
    /// The socket, while nothing waits to be sent to it but the answers here.
    direct: Option<Alias>,
    lent: Option<Lent>,
    answers: Answers,
    done: Done,
}

/// A long message that the host is being told of, should the host pass it on. If it is text, it is known to be UTF-8.
#[derive(Debug, Clone, Copy)]
struct Lent {
    kind: Kind,
    payload: BytesAlias,
    /// The message as it would be sent, if it stands in such a frame.
    frame: Option<BytesAlias>,
}

/// What a turn has done before its end.
#[derive(Debug, Default, Clone, Copy)]
pub struct Done {
    /// Messages taken, whether they are sent already or not.
    pub messages: u64,
    /// Bytes sent.
    pub bytes: u64,
    /// Bytes of a message of which a part was sent, and for the rest of which there was no memory: the connection is cut.
    pub cut: u64,
}

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It is on its way.
    Taken,
    /// The connection takes no more, or is not open.
    NoRoom,
    /// It is no answer and must take the queue.
    Elsewhere,
}

/// Answers with at least this much payload are sent from where they are, in bytes.
pub const DIRECT_MIN: usize = FRAMED_MIN;

/// Says that this thread runs a reactor of this role, for this host. A client's host has no short name.
pub fn begin_thread(reactor: usize, role: Role, host: Host) {
    with(|turn| *turn = Turn { reactor, role, host, forks: process::fork_generation(), ..Turn::new() });
}

/// Whether this thread runs that reactor.
#[must_use]
pub fn is_thread_of(reactor: usize) -> bool {
    with(|turn| turn.is_of(reactor)).unwrap_or(false)
}

/// Whether this thread runs any reactor as its own.
#[must_use]
pub fn is_in_use() -> bool {
    with(|turn| turn.is_of(turn.reactor)).unwrap_or(false)
}

/// Looks at the turn of this thread. `None` if the thread has come so far to its end that there is none any more, as in what
/// a program does at its exit.
#[inline]
fn with<T>(action: impl FnOnce(&mut Turn) -> T) -> Option<T> {
    TURN.try_with(|turn| action(&mut turn.borrow_mut())).ok()
}

/// Begins to handle what a connection has sent that takes `room` bytes of answers. `socket` is given if nothing waits to
/// be sent to it; it must live until [`end`].
pub fn begin(conn: ConnId, socket: Option<&Socket>, room: u64) {
    with(|turn| {
        turn.conn = conn;
        turn.of = conn;
        turn.direct = socket.map(Socket::alias);
        turn.room = usize::try_from(room).unwrap_or(usize::MAX);
    });
}

/// Goes on with a turn whose answers were taken in between; the arguments are those of [`begin`].
pub fn resume(conn: ConnId, socket: Option<&Socket>, room: u64) {
    with(|turn| {
        turn.direct = socket.map(Socket::alias);
        if turn.conn == conn {
            turn.room = usize::try_from(room).unwrap_or(usize::MAX);
        }
    });
}

/// Says that a connection has opened meanwhile, and takes `room` bytes of answers, if this is its turn.
pub fn admit(conn: ConnId, room: u64) {
    with(|turn| {
        if turn.conn == conn {
            turn.room = usize::try_from(room).unwrap_or(usize::MAX);
        }
    });
}

/// Says that something now waits to be sent to the connection, which answers must not overtake.
pub fn hold_back() {
    with(|turn| turn.direct = None);
}

/// Says that the queue of a reactor was used. If it is the one of this thread, later answers take it too: then the result is
/// whose answers are kept so far, and how many bytes of them the registry is to count from now on, for it is the registry that
/// the queue is bounded by.
#[inline]
pub fn divert(reactor: usize) -> Option<(ConnId, usize)> {
    with(|turn| {
        turn.is_of(reactor).then(|| {
            turn.conn = 0;
            turn.room = 0;
            let kept = turn.answers.len();
            (turn.of, kept - std::mem::replace(&mut turn.counted, kept))
        })
    })
    .flatten()
}

/// How many bytes of answers wait for a connection, beside those that the registry counts.
#[must_use]
pub fn waiting(reactor: usize, conn: ConnId) -> u64 {
    with(|turn| if turn.is_of(reactor) && turn.of == conn { turn.uncounted() } else { 0 }).unwrap_or(0)
}

/// The same, for whichever connection of the reactor has its turn.
#[must_use]
pub fn waiting_at(reactor: usize) -> u64 {
    with(|turn| if turn.is_of(reactor) { turn.uncounted() } else { 0 }).unwrap_or(0)
}

/// Sends a frame or keeps it to be sent, if it goes to the connection whose turn it is.
#[inline]
pub fn answer(reactor: usize, conn: ConnId, opcode: Opcode, payload: &[u8]) -> Answer {
    with(|turn| {
        if turn.conn != conn || !turn.is_of(reactor) {
            return Answer::Elsewhere;
        }
        if turn.answers.len() >= turn.room {
            return Answer::NoRoom;
        }
        // Without memory it takes the queue, where that is told.
        if turn.take(opcode, payload) { Answer::Taken } else { Answer::Elsewhere }
    })
    .unwrap_or(Answer::Elsewhere)
}

/// Takes a message of a host that names itself, if it is in order and goes to the connection whose turn it is. `false`
/// says no more than that it is to be pushed the long way, where whatever is wrong with it comes to light.
#[inline]
#[must_use]
pub fn answer_of(host: NonZeroUsize, conn: ConnId, kind: Kind, payload: &[u8]) -> bool {
    with(|turn| {
        let ours = turn.conn == conn && turn.host == Some(host);
        let may = turn.answers.len() < turn.room && turn.forks == process::fork_generation();
        ours && may && turn.take_message(kind, payload)
    })
    .unwrap_or(false)
}

/// Says that the host is told of this message now, until [`end_loan`]. It stands behind the header that it would be sent with,
/// of so many bytes, or behind none. The bytes must stay as they are until then.
pub fn lend(kind: Kind, message: &[u8], header: usize) {
    let frame = (header > 0).then(|| BytesAlias::of(message));
    let lent = Lent { kind, payload: BytesAlias::of(&message[header..]), frame };
    with(|turn| turn.lent = Some(lent));
}

/// Says that the host has been told.
pub fn end_loan() {
    with(|turn| turn.lent = None);
}

/// Whether these bytes are a long text message that the host is being told of, and so known to be UTF-8.
#[must_use]
pub fn is_lent(bytes: &[u8]) -> bool {
    let is_lent = |turn: &mut Turn| turn.lent.is_some_and(|lent| lent.is(Kind::Text, bytes));
    bytes.len() >= DIRECT_MIN && with(is_lent).unwrap_or(false)
}

/// Ends the handling. The answers that were kept are still there, to be taken.
pub fn end() {
    with(|turn| {
        turn.conn = 0;
        turn.of = 0;
        turn.room = 0;
        turn.direct = None;
        turn.lent = None;
    });
}

/// Lends the answers that were kept to `send`, if there are any, with how many of their first bytes the registry counts. It sees
/// to all of them. Returns what was done before that. Nothing else of this module can be used in `send`.
pub fn take_replies(send: impl FnOnce(&[u8], usize)) -> Done {
    with(|turn| {
        let counted = std::mem::take(&mut turn.counted);
        if !turn.answers.is_empty() {
            send(turn.answers.bytes(), counted);
            turn.answers.clear();
        }
        std::mem::take(&mut turn.done)
    })
    .unwrap_or_default()
}

/// Keeps a control frame of our own behind the answers.
///
/// # Errors
/// There is no memory for it.
pub fn reply(frame: &[u8]) -> Result<(), TryReserveError> {
    with(|turn| turn.answers.reserve(frame.len()).map(|()| turn.answers.add_frame(frame))).unwrap_or(Ok(()))
}

/// Whether no answers are kept.
#[must_use]
pub fn has_no_replies() -> bool {
    with(|turn| turn.answers.is_empty()).unwrap_or(true)
}

/// Whether answers are kept that could not be sent, or so many bytes of them.
#[must_use]
pub fn has_many_replies(many: usize) -> bool {
    with(|turn| !turn.answers.is_empty() && (turn.direct.is_none() || turn.answers.len() >= many)).unwrap_or(false)
}

impl Turn {
    const fn new() -> Self {
        Self {
            reactor: 0,
            role: Role::Server,
            host: None,
            forks: 0,
            conn: 0,
            of: 0,
            counted: 0,
            room: 0,
            direct: None,
            lent: None,
            answers: Answers::new(),
            done: Done { messages: 0, bytes: 0, cut: 0 },
        }
    }

    /// Whether it is this reactor's, in this process: in a child that was forked on its thread it has none, and another may come to
    /// have the name.
    #[inline]
    fn is_of(&self, reactor: usize) -> bool {
        self.reactor == reactor && reactor != 0 && self.forks == process::fork_generation()
    }

    const fn uncounted(&self) -> u64 {
        (self.answers.len() - self.counted) as u64
    }

    /// Takes a message, unless it is text that is not UTF-8.
    #[inline]
    fn take_message(&mut self, kind: Kind, payload: &[u8]) -> bool {
        if payload.len() <= frame::MAX_SHORT_PAYLOAD {
            let taken = self.answers.add_short_message(kind, payload);
            self.done.messages += u64::from(taken);
            return taken;
        }
        self.take_long_message(kind, payload)
    }

    fn take_long_message(&mut self, kind: Kind, payload: &[u8]) -> bool {
        let known = kind == Kind::Binary || self.lent.is_some_and(|lent| lent.is(kind, payload));
        let valid = known || utf8::is_valid(payload);
        valid && self.take(kind.into(), payload)
    }

    /// Takes a frame, if there is memory for it.
    fn take(&mut self, opcode: Opcode, payload: &[u8]) -> bool {
        let direct = self.direct.filter(|_| self.role == Role::Server && payload.len() >= DIRECT_MIN);
        if direct.is_none() && self.answers.reserve(frame::MAX_HEADER + payload.len()).is_err() {
            return false;
        }
        self.done.messages += u64::from(!opcode.is_control());
        match direct {
            Some(socket) => self.send(socket, opcode, payload),
            None if self.role == Role::Client => self.answers.add_masked(opcode, payload, random::key()),
            None => self.answers.add(opcode, payload),
        }
        true
    }

    /// Sends the answers that were kept and this one, and keeps what there was no room for.
    fn send(&mut self, socket: Alias, opcode: Opcode, payload: &[u8]) {
        let framed = match self.lent {
            Some(Lent { kind, payload: lent, frame }) if opcode == kind.into() && lent.is(payload) => frame,
            _ => None,
        };
        let framed = framed.filter(|_| self.answers.is_empty());
        let (sent, kept) = self.answers.send_with(opcode, payload, |pieces| {
            let sent = match framed {
                Some(frame) => socket.send_alias(frame),
                None => socket.send_pieces(pieces),
            };
            // A broken connection shows when what is kept is sent.
            sent.unwrap_or(0)
        });
        self.done.bytes += sent as u64;
        if kept.is_err() {
            // A part of the frame may be out, and nothing may come behind it.
            socket.shut_down();
            self.done.cut += payload.len() as u64;
        }
        if !self.answers.is_empty() {
            self.direct = None;
        }
    }
}

impl Lent {
    fn is(&self, kind: Kind, bytes: &[u8]) -> bool {
        self.kind == kind && self.payload.is(bytes)
    }
}
