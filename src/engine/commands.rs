//! The way from any thread to a reactor: what to send, what to close.
//!
//! Frames are encoded on the thread of the caller and laid end to end in one buffer, which the reactor takes as a
//! whole, leaving an empty one in its place: no allocation per message, one short lock, and a wake-up only if the
//! reactor sleeps. Large frames travel in a buffer of their own and are not copied again.
//!
//! What the queue takes is bounded, and counted by what it will cost the reactor: a message to many counts once for each
//! of them. The reactor carries the commands out in slices (see [`super::reactor`]); what it has taken and not carried out
//! counts as waiting.
//!
//! A host that works on a batch of events pushes one answer after the other. Called for each, the reactor would send
//! them one by one. So these pushes are quiet: they are taken when the host is done with the batch, the reactor is called
//! when enough has come together, and while the host is at work the thread that runs the reactor looks once a millisecond.
//! When that has seen nothing of the host for a while it looks no more, and says so ([`CommandQueue::stop_looking`]); each
//! quiet push is followed by a look whether it was one of the last ([`CommandQueue::looks`]).

use super::outbox::GATHER_MAX;
use super::owner::{Done, Failed, Next, Owner};
use super::pool::Pool;
use super::reactor::Newcomer;
use super::registry::ConnId;
use super::request::Request;
use super::worker::{self, QUIET_MAX};
use crate::cause::Cause;
use crate::protocol::frame::{self, Opcode};
use crate::protocol::http::ResponseHead;
use crate::protocol::mask;
use crate::sys::barrier;
use crate::sys::clock;
use crate::sys::eventfd::EventFd;
use crate::sys::futex::Bell;
use crate::sys::lease::{self, Holder, Lessor};
use crate::sys::ownership::{Found, Standing};
use crate::sys::ring::{Consumer, Producer, ring};
use crate::sys::sync::{AtomicBool, AtomicUsize, Mutex, MutexGuard};
use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// What a reactor is asked to do.
pub enum Command {
    /// Send the next `length` gathered bytes.
    Send {
        /// To whom.
        to: ConnId,
        /// How many bytes.
        length: usize,
        /// In how many messages.
        messages: u32,
    },
    /// Send this frame.
    SendWhole(ConnId, Vec<u8>),
    /// Send this frame to every open connection.
    Broadcast {
        /// The frame.
        frame: Arc<Vec<u8>>,
        /// To how many that was when it was pushed.
        receivers: usize,
    },
    /// Send this frame to these connections, but not to one of them.
    Publish {
        /// The frame.
        frame: Arc<Vec<u8>>,
        /// To whom.
        to: Arc<[ConnId]>,
        /// But not to whom, or 0.
        except: ConnId,
        /// The list of receivers was made for this message, and is no other's yet.
        is_first: bool,
    },
    /// Begin the closing handshake, with this code and reason, and why.
    Close(ConnId, Option<u16>, Box<str>, Cause),
    /// The host has sent a ping: await its pong.
    AwaitPong(ConnId),
    /// Cut the connection.
    Disconnect(ConnId),
    /// Read nothing from the connection, or go on.
    Halt(ConnId, bool),
    /// A push to the connection was refused: tell when there is room again.
    OweDrain(ConnId),
    /// Answer an HTTP request.
    Respond {
        /// Whom.
        to: ConnId,
        /// How.
        head: Box<ResponseHead>,
        /// And with what.
        body: Vec<u8>,
    },
    /// Begin to answer an HTTP request piece by piece.
    BeginStream(ConnId, Box<ResponseHead>),
    /// Send the next piece of an answer.
    SendPiece(ConnId, Vec<u8>),
    /// End an answer that came piece by piece.
    EndStream(ConnId),
    /// Open a connection whose upgrade was accepted.
    Accept {
        /// Whose.
        to: ConnId,
        /// The 101 response.
        response: Vec<u8>,
        /// What it answers, with the subprotocol in it.
        request: Arc<Request>,
    },
    /// Take in a connection that a client has made.
    Adopt(Box<Newcomer>),
    /// Tell the host of a client that its attempt to connect failed, if it did, and what comes next.
    Tell(Arc<dyn Owner>, Option<Box<Failed>>, Next),
    /// Let the connection of a client go that is no more, if it has one, and say so.
    Release(ConnId, Done),
    /// Tell the log where the server listens.
    LogStart,
    /// Close every connection, wait this long for queues and peers, cut what is left, and end.
    Stop(Duration),
}

/// What each receiver of a message to many costs beside its bytes, in bytes.
pub const RECEIVER_COST: usize = 16;

impl Command {
    /// Bytes that it sends, each receiver counted; 0 for what sends nothing.
    fn sends(&self) -> usize {
        match self {
            Self::Send { length, .. } => *length,
            Self::SendWhole(_, bytes) | Self::SendPiece(_, bytes) | Self::Respond { body: bytes, .. } => bytes.len(),
            Self::Broadcast { frame, receivers } => fan_out_cost(frame, *receivers),
            Self::Publish { frame, to, is_first, .. } => {
                fan_out_cost(frame, to.len()) + if *is_first { size_of_val(&**to) } else { 0 }
            }
            _ => 0,
        }
    }

    /// Whether the one who asks can be told that there is no memory for it. Of the others there is one for each connection, or client,
    /// and each is taken where there is memory for no more than itself.
    const fn can_be_refused(&self) -> bool {
        matches!(
            self,
            Self::Send { .. }
                | Self::SendWhole(..)
                | Self::Broadcast { .. }
                | Self::Publish { .. }
                | Self::Halt(..)
                | Self::Respond { .. }
                | Self::BeginStream(..)
                | Self::SendPiece(..)
        )
    }

    /// What it counts for in its queue, in bytes.
    #[must_use]
    pub fn cost(&self) -> Cost {
        let bytes = size_of::<Self>() + self.sends();
        match self {
            Self::Broadcast { .. } | Self::Publish { .. } => Cost { many: bytes, rest: 0 },
            _ => Cost { many: 0, rest: bytes },
        }
    }
}

/// What commands count for, in bytes: messages to many, and everything else. Each has its bound, so that a flood of the one
/// leaves room for the other.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Messages to many.
    pub many: usize,
    /// The rest.
    pub rest: usize,
}

impl Cost {
    /// Both together.
    #[must_use]
    pub const fn sum(self) -> usize {
        self.many + self.rest
    }

    /// Adds another one.
    const fn add(&mut self, other: Self) {
        self.many += other.many;
        self.rest += other.rest;
    }

    /// Takes another one off.
    const fn take_off(&mut self, other: Self) {
        self.many = self.many.saturating_sub(other.many);
        self.rest = self.rest.saturating_sub(other.rest);
    }
}

/// What a message to many costs. It is something even if there is nobody.
fn fan_out_cost(frame: &[u8], receivers: usize) -> usize {
    (frame.len() + RECEIVER_COST).saturating_mul(receivers.max(1))
}

/// Commands in their order, and the bytes that the small ones send.
#[derive(Default)]
pub struct Commands {
    /// The commands.
    pub list: VecDeque<Command>,
    /// The gathered frames, end to end.
    pub frames: Vec<u8>,
    /// Buffers for large frames.
    pub pool: Pool,
    cost: Cost,
    closed: bool,
}

/// Why a command was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Enough waits already.
    Full,
    /// The reactor has stopped.
    Closed,
    /// There is no memory for it.
    Memory,
}

/// A buffer that carried more than this is not kept for the next turn, in bytes.
const KEPT_MAX: usize = 1024 * 1024;

impl Commands {
    /// Empties it for reuse.
    pub fn clear(&mut self) {
        self.list.clear();
        self.frames.clear();
        self.frames.shrink_to(KEPT_MAX);
        self.list.shrink_to(KEPT_MAX / size_of::<Command>());
        self.cost = Cost::default();
    }

    /// Takes off what a command counted for that is carried out.
    pub const fn spend(&mut self, cost: Cost) {
        self.cost.take_off(cost);
    }

    /// What the commands count for.
    #[must_use]
    pub const fn cost(&self) -> Cost {
        self.cost
    }
}

/// What fits into the ring of a worker, in bytes.
const RING: usize = 2 * QUIET_MAX;

/// Whether a push calls the reactor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// At once.
    Now,
    /// When enough has come together, or [`CommandQueue::call`] says so.
    Later,
}

/// Who has the writing end of the ring.
#[derive(Default)]
enum RingEnd {
    /// There is no ring.
    #[default]
    None,
    /// Nobody.
    Free(Producer),
    /// A thread, from which it can be taken.
    Lent(Lessor<Producer>),
}

/// In place of the name of a thread: there is no ring.
const NO_RING: usize = 0;
/// In place of the name of a thread: the one that had it has ended, or there was none.
const NO_HOLDER: usize = 1;

/// What has become of the ring.
pub struct Passed {
    /// The end that writes, for the thread that wanted it.
    pub holder: Option<Holder<Producer>>,
    /// It was another thread's until now.
    pub was_lent: bool,
}

/// What was taken from a queue.
#[derive(Debug, Clone, Copy)]
pub struct Taken {
    /// How far the ring was written then.
    pub ring_end: usize,
    /// There were quiet commands.
    pub quiet: bool,
}

/// The queue of one reactor.
pub struct CommandQueue {
    commands: Mutex<Commands>,
    /// Whether there are commands; changed under the lock alone.
    filled: AtomicBool,
    /// Whether the reactor is called to look; changed under the lock alone.
    waiting: AtomicBool,
    /// Whether there are commands that it was not called for; changed under the lock alone.
    quiet: AtomicBool,
    /// Whether half of what may wait does; changed under the lock alone.
    crowded: AtomicBool,
    /// Whether the reactor looks for what was pushed quietly, at least once a millisecond. Its owner alone changes it.
    looks: AtomicBool,
    /// Who runs the reactor.
    standing: Arc<Standing>,
    /// What the reactor has taken and not carried out: bytes of messages to many, and of everything else. It alone writes that.
    taken_many: AtomicU64,
    taken: AtomicU64,
    /// By when it is to have stopped, by the clock of the reactors; the largest number until it is asked to.
    stop_by: AtomicU64,
    wake: EventFd,
    bell: Bell,
    /// The worker's end of its ring.
    ring: Mutex<RingEnd>,
    /// The thread that has it, or one of the two names that are none.
    ring_holder: AtomicUsize,
    max_bytes: usize,
}

impl CommandQueue {
    /// An empty queue that takes commands until `max_bytes` wait in it.
    ///
    /// # Errors
    /// When there is no descriptor left for the wake-up.
    pub fn new(max_bytes: u64) -> io::Result<Self> {
        Ok(Self {
            commands: Mutex::default(),
            filled: AtomicBool::new(false),
            waiting: AtomicBool::new(false),
            quiet: AtomicBool::new(false),
            crowded: AtomicBool::new(false),
            looks: AtomicBool::new(true),
            standing: Arc::default(),
            taken_many: AtomicU64::new(0),
            taken: AtomicU64::new(0),
            stop_by: AtomicU64::new(u64::MAX),
            wake: EventFd::new()?,
            bell: Bell::default(),
            ring: Mutex::default(),
            ring_holder: AtomicUsize::new(NO_RING),
            max_bytes: usize::try_from(max_bytes).unwrap_or(usize::MAX),
        })
    }

    /// Makes the ring of a worker, and returns the reactor's end of it.
    pub fn make_ring(&self) -> Consumer {
        let (producer, consumer) = ring(RING);
        *self.ring() = RingEnd::Free(producer);
        self.ring_holder.store(NO_HOLDER, Ordering::Relaxed);
        consumer
    }

    /// Gives the ring to the calling thread, which begins to poll and is called `thread`, if it has not got it: takes it from
    /// the one before, which pushes as any thread does from then on, and lends it if this one `wants` it. `None` if all
    /// is as it was.
    #[inline]
    pub fn pass_ring(&self, thread: usize, wants: impl FnOnce() -> bool) -> Option<Passed> {
        let holder = self.ring_holder.load(Ordering::Relaxed);
        (holder != thread && holder != NO_RING).then(|| self.pass_ring_to(thread, wants()))
    }

    #[cold]
    fn pass_ring_to(&self, thread: usize, wants: bool) -> Passed {
        let mut ring = self.ring();
        let (producer, was_lent) = match std::mem::take(&mut *ring) {
            RingEnd::None => (None, false),
            RingEnd::Free(producer) => (Some(producer), false),
            RingEnd::Lent(lessor) => (lessor.take(), true),
        };
        let mut holder = None;
        if let Some(producer) = producer {
            *ring = if wants {
                let (new, lessor) = lease::lend(producer);
                holder = Some(new);
                RingEnd::Lent(lessor)
            } else {
                RingEnd::Free(producer)
            };
        }
        self.ring_holder.store(if holder.is_some() { thread } else { NO_HOLDER }, Ordering::Relaxed);
        Passed { holder, was_lent }
    }

    /// Says that the thread that had the ring is about to end, or wants no more of it: another may have its name.
    pub fn leave_ring(&self, thread: usize) {
        let _ = self.ring_holder.compare_exchange(thread, NO_HOLDER, Ordering::Relaxed, Ordering::Relaxed);
    }

    fn ring(&self) -> MutexGuard<'_, RingEnd> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether its worker may push past the queue: not while there is something in it, which it would overtake.
    #[inline]
    #[must_use]
    pub fn may_be_passed(&self) -> bool {
        !self.filled.load(Ordering::Acquire)
    }

    /// Calls the reactor. It takes what the calling thread has pushed before.
    #[cold]
    pub fn call_now(&self) {
        // Whether it is called already is only known under the lock: else it might be past its look at the ring, and this
        // thread not know that yet.
        self.announce(self.lock(), Call::Now);
    }

    /// Calls the reactor, which looks by itself, to look sooner, unless it seems to be called already.
    pub fn call_sooner(&self) {
        if !self.is_waiting() {
            self.call_now();
        }
    }

    /// Encodes a message, masked if a client sends it, and asks to send it.
    ///
    /// # Errors
    /// Why it was not taken.
    #[inline]
    pub fn push_frame(
        &self,
        to: ConnId,
        opcode: Opcode,
        mask: Option<mask::Key>,
        payload: &[u8],
        call: Call,
    ) -> Result<(), Refused> {
        if payload.len() > GATHER_MAX {
            // The lock is not held while the payload is copied.
            let mut bytes = self.lock().pool.take();
            frame::reserve(&mut bytes, payload.len()).map_err(|_| Refused::Memory)?;
            frame::write(&mut bytes, opcode, true, mask, payload);
            return self.push(Command::SendWhole(to, bytes), call);
        }
        let mut commands = self.lock();
        self.admit(&commands, |waits| waits.rest, self.max_bytes)?;
        frame::reserve(&mut commands.frames, payload.len()).map_err(|_| Refused::Memory)?;
        commands.list.try_reserve(1).map_err(|_| Refused::Memory)?;
        let before = commands.frames.len();
        frame::write(&mut commands.frames, opcode, true, mask, payload);
        let length = commands.frames.len() - before;
        let message = u32::from(!opcode.is_control());
        commands.cost.rest += length;
        match commands.list.back_mut() {
            Some(Command::Send { to: last, length: so_far, messages }) if *last == to => {
                *so_far += length;
                *messages += message;
            }
            _ => {
                commands.cost.rest += size_of::<Command>();
                commands.list.push_back(Command::Send { to, length, messages: message });
            }
        }
        self.announce(commands, call);
        Ok(())
    }

    /// Adds a command. Those that send nothing are taken by a full queue, too; one that can be repeated without end only
    /// up to twice as much.
    ///
    /// # Errors
    /// Why it was not taken.
    pub fn push(&self, command: Command, call: Call) -> Result<(), Refused> {
        let mut commands = self.lock();
        let cost = command.cost();
        match &command {
            Command::Broadcast { .. } | Command::Publish { .. } => {
                self.admit(&commands, |waits| waits.many, self.max_bytes)?;
            }
            Command::Halt(..) => self.admit(&commands, |waits| waits.rest, self.max_bytes.saturating_mul(2))?,
            command if command.sends() > 0 => self.admit(&commands, |waits| waits.rest, self.max_bytes)?,
            _ => self.admit(&commands, |waits| waits.rest, usize::MAX)?,
        }
        if commands.list.try_reserve(1).is_err() {
            if command.can_be_refused() {
                return Err(Refused::Memory);
            }
            commands.list.reserve_exact(1);
        }
        commands.cost.add(cost);
        commands.list.push_back(command);
        self.announce(commands, call);
        Ok(())
    }

    /// What waits in the queue, and with the reactor that has taken it and not carried it out.
    #[inline]
    fn waits(&self, commands: &Commands) -> Cost {
        Cost {
            many: commands.cost.many + self.taken_many.load(Ordering::Relaxed) as usize,
            rest: commands.cost.rest + self.taken.load(Ordering::Relaxed) as usize,
        }
    }

    /// Whether a command is taken, if there may be `most` bytes of its kind.
    #[inline]
    fn admit(&self, commands: &Commands, kind: impl Fn(Cost) -> usize, most: usize) -> Result<(), Refused> {
        if commands.closed {
            return Err(Refused::Closed);
        }
        if kind(self.waits(commands)) >= most {
            return Err(Refused::Full);
        }
        Ok(())
    }

    /// Whether half of what may wait does, of either kind, in the queue that the reactor has not taken yet.
    #[inline]
    #[must_use]
    pub fn is_crowded(&self) -> bool {
        self.crowded.load(Ordering::Relaxed)
    }

    /// Asks the reactor to stop within this time. It closes its connections behind all that was pushed before, but when the time
    /// is over it ends, whatever waits.
    pub fn stop(&self, time: Duration) {
        let by = clock::now_ms().saturating_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        self.stop_by.fetch_min(by, Ordering::Relaxed);
        // A reactor that takes no more commands has stopped.
        let _ = self.push(Command::Stop(time), Call::Now);
    }

    /// By when the reactor is to have stopped, by its clock, in milliseconds; the largest number if it is not to.
    #[must_use]
    pub fn stop_by(&self) -> u64 {
        self.stop_by.load(Ordering::Relaxed)
    }

    /// Takes no more commands, and drops those that wait. Returns how many bytes were to be sent to whom.
    pub fn close(&self) -> Vec<(ConnId, usize)> {
        let closed = Commands { closed: true, ..Commands::default() };
        // What falls with them may be the last of a client, and whatever its host has left there: the lock is free by then.
        let dropped = std::mem::replace(&mut *self.lock(), closed);
        let bytes = |command| match command {
            Command::Send { to, length, .. } => Some((to, length)),
            Command::SendWhole(to, bytes) | Command::SendPiece(to, bytes) => Some((to, bytes.len())),
            _ => None,
        };
        dropped.list.into_iter().filter_map(bytes).collect()
    }

    /// Whether it takes no more commands.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// How much waits in it, and with the reactor that has taken it, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.waits(&self.lock()).sum()
    }

    /// Says how much of what the reactor has taken is not carried out. If there is anything it is called to look again, and so
    /// neither waits nor leaves.
    pub fn note_taken(&self, cost: Cost, is_left: bool) {
        self.taken.store(cost.rest as u64, Ordering::Relaxed);
        self.taken_many.store(cost.many as u64, Ordering::Relaxed);
        if is_left {
            self.call_again();
        }
    }

    /// Has the reactor look again in its next turn, which is not to wait.
    pub fn call_again(&self) {
        let commands = self.lock();
        self.waiting.store(true, Ordering::SeqCst);
        drop(commands);
    }

    /// Whether the reactor is called to look.
    #[inline]
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.waiting.load(Ordering::Acquire)
    }

    /// Takes all commands, leaving `empty` in their place, if the reactor is called or if there are quiet ones and they
    /// are wanted. Returns how far the ring of the worker was written then, as `ring_end` tells: what is before that is
    /// to go before the commands, as all that their authors could know of is, and what is behind it after them.
    pub fn take(&self, empty: &mut Commands, with_quiet: bool, ring_end: impl FnOnce() -> usize) -> Option<Taken> {
        let wanted = self.is_waiting() || with_quiet && self.quiet.load(Ordering::Acquire);
        if !wanted {
            return None;
        }
        let mut commands = self.lock();
        // While the queue is filled its worker writes nothing into the ring that it has pushed after a command of its own.
        let ring_end = ring_end();
        let quiet = self.quiet.load(Ordering::Relaxed);
        self.waiting.store(false, Ordering::Release);
        self.quiet.store(false, Ordering::Release);
        self.filled.store(false, Ordering::Release);
        self.crowded.store(false, Ordering::Relaxed);
        self.note_taken(commands.cost, false);
        std::mem::swap(&mut *commands, empty);
        Some(Taken { ring_end, quiet })
    }

    // ---- who runs the reactor --------------------------------------------------------------------------------------

    /// Who runs the reactor.
    #[must_use]
    pub const fn standing(&self) -> &Arc<Standing> {
        &self.standing
    }

    /// Says that the reactor is about to wait for its sockets. `false` if it must not, for it is called, or wanted by
    /// another thread.
    #[must_use]
    pub fn begin_wait(&self) -> bool {
        let may_wait = self.standing.begin_sleep() && !self.waiting.load(Ordering::SeqCst);
        if !may_wait {
            self.begin_run();
        }
        may_wait
    }

    /// Says that the reactor runs.
    pub fn begin_run(&self) {
        self.standing.end_sleep();
    }

    /// Whether the reactor, which nobody runs any more, is called, so that somebody must.
    #[must_use]
    pub fn is_called(&self) -> bool {
        self.waiting.load(Ordering::SeqCst)
    }

    /// Whether the reactor will look within a millisecond for what was pushed quietly before this call; if not, it is to be
    /// called.
    #[inline]
    #[must_use]
    pub fn looks(&self) -> bool {
        barrier::light();
        self.looks.load(Ordering::Relaxed)
    }

    /// Says that nobody will look any more for what is pushed quietly. What was pushed before, without knowing, is to be looked
    /// for once more behind this.
    pub fn stop_looking(&self) {
        self.looks.store(false, Ordering::Relaxed);
        barrier::heavy();
    }

    /// Says that the reactor looks once a millisecond from now on.
    pub fn look_again(&self) {
        if !self.looks.load(Ordering::Relaxed) {
            self.looks.store(true, Ordering::Relaxed);
        }
    }

    /// Has the reactor take a turn, though there may be no command for it, unless no thread runs it.
    pub fn nudge(&self) {
        if self.standing.is_owned() {
            self.announce(self.lock(), Call::Now);
        }
    }

    /// Calls the reactor if there are commands that it was not called for.
    #[inline]
    pub fn call(&self) {
        if self.quiet.load(Ordering::Acquire) || worker::has_pushed(self) {
            self.announce(self.lock(), Call::Now);
        }
    }

    /// Wakes the reactor if it waits, and calls for a thread to run it if there is none.
    fn wake(&self) {
        self.wake_found(self.standing.find());
    }

    /// The same with what was found.
    pub fn wake_found(&self, found: Found) {
        match found {
            Found::Nobody => self.bell.ring(),
            Found::Asleep => self.wake.signal(),
            Found::Awake => {}
        }
    }

    /// What rings when a thread is needed to run the reactor.
    #[must_use]
    pub const fn bell(&self) -> &Bell {
        &self.bell
    }

    /// The descriptor that wakes the reactor.
    #[must_use]
    pub const fn wake_fd(&self) -> &EventFd {
        &self.wake
    }

    /// Lets go of the lock and sees to it that the reactor comes to look.
    #[inline]
    fn announce(&self, commands: MutexGuard<'_, Commands>, call: Call) {
        if !commands.list.is_empty() {
            self.filled.store(true, Ordering::Relaxed);
        }
        let waits = self.waits(&commands);
        if waits.many.max(waits.rest) >= self.max_bytes / 2 {
            self.crowded.store(true, Ordering::Relaxed);
        }
        // The flags only change under the lock, so that looking is enough for all but the first.
        let called = self.waiting.load(Ordering::Relaxed);
        let first = !called && (call == Call::Now || commands.cost.sum() >= QUIET_MAX);
        if first {
            self.waiting.store(true, Ordering::SeqCst);
        } else if !called && !self.quiet.load(Ordering::Relaxed) {
            self.quiet.store(true, Ordering::SeqCst);
        }
        drop(commands);
        if first {
            self.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Commands> {
        // A panic cannot leave the queue half changed: the vectors are pushed to last.
        self.commands.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(all(test, loom))]
mod model;
#[cfg(test)]
mod tests;
