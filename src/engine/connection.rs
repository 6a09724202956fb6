//! One connection as its reactor keeps it: small while it is idle, for there may be a hundred thousand of them.

mod sender;

pub use self::sender::Sender;
use super::batch::BatchNumber;
use super::http::Http;
use super::outbox::Outbox;
use super::registry::ConnId;
use super::timers::{Tick, ticks_in, until};
use crate::cause::Cause;
use crate::options::Options;
use crate::protocol::Role;
use crate::protocol::decoder::Decoder;
use crate::sys::socket::Socket;
use std::collections::TryReserveError;
use std::time::Duration;

/// Beside the number of a cause: the connection has sent a message.
const ASKED: u8 = 1 << 7;

/// What a request may take beyond the time that its bytes have at `min_receive_rate`.
const RATE_GRACE: Duration = Duration::from_secs(5);

/// Where a connection is in its life. It only ever moves down this list, but for a plain HTTP request, behind whose
/// response it is at the beginning again.
#[derive(Debug)]
pub enum State {
    /// It has not sent the whole head of a request yet.
    Handshake,
    /// The body of its plain HTTP request is arriving.
    Body,
    /// Its plain HTTP request waits for the host's response.
    Request,
    /// The host sends the response piece by piece.
    Streaming,
    /// The host decides about its upgrade.
    Deciding,
    /// Frames flow.
    Open,
    /// It is over: the peer has sent a Close frame, or something that it must not. But the host has not handled yet
    /// what came before that. Until it has, it may answer; then this Close frame is sent, and the connection ended. It is empty
    /// where the peer has ended its side without one.
    #[allow(clippy::box_collection, reason = "a state is smaller for it")]
    Leaving(Box<Vec<u8>>),
    /// We have sent a Close frame and wait for the peer's.
    Closing,
    /// Everything is said: what is queued leaves, then the connection is ended, and what still arrives is dropped
    /// until the peer has ended it too.
    Ending,
}

/// A connection: the half that decodes, and the half that acts on what was decoded.
#[derive(Debug)]
pub struct Connection {
    /// Assembles messages.
    pub decoder: Decoder,
    /// Bytes received that are not worked off: a piece of a request head, a header or a control frame.
    pub pending: Leftover,
    /// Everything else.
    pub wire: Wire,
}

/// Bytes left over from a receive: no more than a pointer while there are none.
#[derive(Debug, Default)]
#[allow(clippy::box_collection, reason = "a connection is smaller for it")]
pub struct Leftover(Option<Box<Vec<u8>>>);

impl From<Vec<u8>> for Leftover {
    fn from(bytes: Vec<u8>) -> Self {
        Self((!bytes.is_empty()).then(|| Box::new(bytes)))
    }
}

impl Leftover {
    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.0.as_ref().map_or(&[], |bytes| bytes)
    }

    /// Takes them out.
    #[must_use]
    pub fn take(&mut self) -> Vec<u8> {
        self.0.take().map_or_else(Vec::new, |bytes| *bytes)
    }

    /// Keeps these instead. Without any there is no buffer for them either.
    ///
    /// # Errors
    /// There is no memory for them, and none are kept.
    #[inline]
    pub fn keep(&mut self, left: &[u8]) -> Result<(), TryReserveError> {
        if left.is_empty() {
            if self.0.is_some() {
                self.0 = None;
            }
        } else {
            let bytes = self.0.get_or_insert_default();
            bytes.clear();
            bytes.try_reserve(left.len())?;
            bytes.extend_from_slice(left);
        }
        Ok(())
    }
}

/// The socket and what is known of the peer.
#[derive(Debug)]
pub struct Wire {
    /// Its id.
    pub id: ConnId,
    /// Its socket.
    pub socket: Socket,
    /// Where it is in its life.
    pub state: State,
    /// What is known of HTTP, from the first bytes on until it is a WebSocket. Were it there from the start, what a crowd
    /// that comes at once leaves behind would lie between its connections.
    pub http: Option<Box<Http>>,
    /// What waits to be sent, if anything does. Only a [`Sender`] has it in its hands.
    outbox: Option<Box<Outbox>>,
    /// When it entered its state, or was last sent a ping while open.
    pub since: Tick,
    /// When it last sent anything, or took what had waited for it.
    pub heard: Tick,
    /// When it last sent a message.
    pub message_at: Tick,
    /// The batch that its last event went into, 0 before that and where there are no batches.
    pub mark: BatchNumber,
    /// When its entry in the wheel comes up.
    pub timer: Option<Tick>,
    /// Frames for it in what is just being taken from the host, as far as they were counted.
    pub pushed: u8,
    /// Why it closes, as soon as something has happened that ends it: the number of a [`Cause`]. The top bit says that it has sent a
    /// message. A byte more, and a connection would take eight.
    cause: u8,
    /// The flags below.
    pub flags: Flags,
}

/// The earlier of two points in time.
fn earlier(one: Option<Tick>, other: Option<Tick>) -> Option<Tick> {
    match (one, other) {
        (Some(one), Some(other)) => Some(if until(one, other) > 0 { other } else { one }),
        (one, other) => one.or(other),
    }
}

/// What is the case with a connection beside its state.
#[derive(Debug, Default, Clone, Copy)]
#[allow(clippy::struct_excessive_bools, reason = "independent facts, not a state")]
pub struct Flags {
    /// The kernel may hold bytes that we have not received.
    pub readable: bool,
    /// It is in the list of connections to go on with in the next turn.
    pub listed: bool,
    /// It is in the list of connections to flush in this turn.
    pub dirty: bool,
    /// The peer has ended its side, or the connection is broken: receive until that shows.
    pub hangup: bool,
    /// The host knows that it opened, and does not know yet that it closed.
    pub announced: bool,
    /// A ping was sent and nothing was heard since.
    pub pinged: bool,
    /// The socket can no longer be used.
    pub broken: bool,
    /// The peer has ended its side.
    pub ended: bool,
    /// We have ended ours.
    pub finished: bool,
    /// What waits to be sent has risen to the high watermark and not fallen to the low one since, or a push was refused. Nothing
    /// is read meanwhile, and the host is told when it is over.
    pub high: bool,
    /// The host wants nothing read from it.
    pub halted: bool,
    /// There was no room to send all that waited.
    pub blocked: bool,
    /// It came beyond a limit of connections, and stays only to read that.
    pub turned_away: bool,
    /// It has not sent its first request whole, and is counted for that.
    pub pending: bool,
}

impl Connection {
    /// A connection that was just accepted, or that a client has just made.
    #[must_use]
    pub fn new(role: Role, id: ConnId, socket: Socket, now: Tick) -> Self {
        let wire = Wire {
            id,
            socket,
            state: State::Handshake,
            http: None,
            outbox: None,
            since: now,
            heard: now,
            message_at: now,
            mark: 0,
            timer: None,
            pushed: 0,
            cause: 0,
            flags: Flags::default(),
        };
        Self { decoder: Decoder::new(role), pending: Leftover::default(), wire }
    }
}

impl Wire {
    /// Notes that its socket can no longer be used, and for what error.
    pub fn note_broken(&mut self, error: &std::io::Error) {
        self.flags.broken = true;
        self.note_cause(Cause::of_error(error));
    }

    /// Notes that it has sent a message, which the host may answer.
    #[inline]
    pub const fn note_asked(&mut self) {
        self.cause |= ASKED;
    }

    /// Whether it has sent a message.
    #[must_use]
    pub const fn has_asked(&self) -> bool {
        self.cause & ASKED != 0
    }

    /// Notes what ends it.
    pub const fn note_cause(&mut self, cause: Cause) {
        self.cause = self.cause & ASKED | cause as u8;
    }

    /// Why it closes, if something has happened that ends it.
    #[must_use]
    pub fn cause(&self) -> Cause {
        Cause::from_number((self.cause & !ASKED).into()).unwrap_or_default()
    }

    /// Bytes that wait to be sent, but for the replies of its turn.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.outbox.as_ref().map_or(0, |outbox| outbox.len())
    }

    /// Whether anything waits to be sent. The replies of its turn are not among it.
    #[inline]
    #[must_use]
    pub const fn is_waiting(&self) -> bool {
        self.outbox.is_some()
    }

    /// What is known of HTTP.
    pub fn http(&mut self) -> &mut Http {
        self.http.get_or_insert_default()
    }

    /// Whether there are bytes of a request that were received behind the last one.
    #[must_use]
    pub fn has_next_request(&self) -> bool {
        matches!(self.state, State::Handshake) && self.http.as_ref().is_some_and(|http| http.has_next)
    }

    /// Whether it waits for another request.
    #[must_use]
    pub fn is_between_requests(&self) -> bool {
        matches!(self.state, State::Handshake) && self.http.as_ref().is_some_and(|http| http.is_between)
    }

    /// Whether the host has to act before anything more is read.
    #[must_use]
    pub const fn awaits_host(&self) -> bool {
        matches!(self.state, State::Request | State::Streaming | State::Deciding)
    }

    /// Whether its peer has cut it while the host wants nothing read from it, so that a receive does not show that. What the
    /// peer sends before it ends its side in order is not lost by this: a connection of which only one side has ended is there.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.flags.halted && self.flags.hangup && self.socket.peer().is_err()
    }

    /// When something is to be done about it if nothing happens; `awake` is when the engine last began to read after
    /// a pause of the host, for which no peer is to blame.
    #[must_use]
    pub fn deadline(&self, options: &Options, awake: Tick) -> Option<Tick> {
        let after = |start: Tick, time| Some(start.wrapping_add(ticks_in(time)));
        let later = |tick: Tick| if until(awake, tick) > 0 { awake } else { tick };
        match self.state {
            // A response that its client does not take.
            State::Handshake | State::Ending if self.http.is_some() && self.outbox.is_some() => {
                after(self.since, options.response_timeout)
            }
            State::Handshake if self.is_between_requests() => after(later(self.since), options.keep_alive_timeout),
            State::Handshake => {
                earlier(after(later(self.since), options.request_timeout), self.slow_at(options, later))
            }
            State::Body => earlier(after(later(self.since), options.body_timeout), self.slow_at(options, later)),
            State::Request | State::Streaming | State::Deciding => after(self.since, options.response_timeout),
            State::Leaving(_) | State::Closing | State::Ending => after(self.since, options.close_timeout),
            // Nothing is read from it, so that its silence says nothing. Pings show all the same whether it is there.
            State::Open if self.flags.halted && options.ping_interval.is_zero() => None,
            State::Open if self.flags.halted => after(self.since, options.ping_interval),
            State::Open => {
                let silence = match self.flags.pinged {
                    true => after(later(self.since), options.pong_timeout),
                    false if options.ping_interval.is_zero() => None,
                    false => after(later(self.heard), options.ping_interval),
                };
                let idle = match options.idle_timeout.is_zero() {
                    true => None,
                    false if options.idle_counts_all => after(later(self.heard), options.idle_timeout),
                    false => after(later(self.message_at), options.idle_timeout),
                };
                earlier(silence, idle)
            }
        }
    }

    /// Does not count some time in which nobody listened to it.
    pub fn excuse(&mut self, time: Tick, now: Tick) {
        let began = self.http.as_mut().and_then(|http| http.arriving.as_mut()).map(|(began, _)| began);
        for tick in [&mut self.since, &mut self.message_at, &mut self.heard].into_iter().chain(began) {
            *tick = tick.wrapping_add(time.min(now.wrapping_sub(*tick)));
        }
    }

    /// When its request will have come too slowly, if no more of it comes; `later` makes up for pauses of ours.
    #[must_use]
    pub fn slow_at(&self, options: &Options, later: impl Fn(Tick) -> Tick) -> Option<Tick> {
        let (began, received) = self.http.as_ref()?.arriving?;
        let paid = Duration::from_millis(received.saturating_mul(1000).checked_div(options.min_receive_rate)?);
        Some(later(began).wrapping_add(ticks_in(RATE_GRACE + paid)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_small() {
        // With what the allocator adds it takes 160 bytes, of the 250 that an idle connection may.
        assert!(size_of::<Connection>() <= 152, "{} bytes", size_of::<Connection>());
    }

    #[test]
    fn leftovers_are_replaced() {
        let mut pending = Leftover::default();
        for left in [&b""[..], b"one", b"another", b""] {
            pending.keep(left).unwrap();
            assert_eq!(pending.bytes(), left);
        }
        pending.keep(b"more").unwrap();
        assert_eq!((pending.take(), pending.bytes()), (b"more".to_vec(), &b""[..]));
    }
}
