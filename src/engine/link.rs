//! One reactor as other threads see it: which connections it has, and the way to have it do something.

mod http;

use super::batch::{BatchNumber, Progress};
use super::census::Census;
use super::commands::{Call, Command, CommandQueue, Refused};
use super::events::EventQueue;
use super::facts::{FactTable, Facts};
use super::http::Undecided;
use super::inbox::RECEIVE;
use super::owner::{Owner, Signal, Waiters};
use super::registry::{ConnId, Phase, Registry, Standing};
use super::stats::Stats;
use super::topics::{NotSubscribed, Recipients, Topics};
use super::turn::{self, Answer, Host};
use super::worker::{self, Waiting};
use crate::cause::Cause;
use crate::error::{Error, Result, Status};
use crate::options::{Options, SlowClient};
use crate::protocol::frame::{self, Opcode};
use crate::protocol::{Role, mask};
use crate::sys::random;
use crate::sys::socket::Socket;
use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

/// Connections beyond `max_connections` that a reactor keeps until they have read that there are too many. Any more are
/// dropped without a word.
pub const TURNED_AWAY: u64 = 64;

/// The reason in the Close frame to a client that was closed for being slow.
pub const SLOW_CLIENT: &str = "slow client";

/// The shared part of a reactor.
pub struct Link {
    /// Which end of its connections is ours.
    pub role: Role,
    /// Its connections.
    pub registry: Registry,
    /// Its queue.
    pub commands: CommandQueue,
    /// The topics of its connections.
    pub topics: Topics,
    /// What is known of its connections.
    pub facts: FactTable,
    /// Its counters.
    pub stats: Stats,
    /// How many connections there are, over all reactors of its server.
    pub census: Arc<Census>,
    /// The options of its server.
    pub options: Arc<Options>,
    /// Upgrades that the host decides about.
    undecided: Mutex<HashMap<ConnId, Undecided>>,
    /// Clients whose end somebody waits for. They hear of it from the reactor, unless that ends before.
    awaited: Waiters<dyn Owner>,
    /// Those who wait for the reactor to have let go of a client.
    releases: Waiters<Signal>,
    /// How much may wait for each connection at this time, in bytes. Only the reactor changes it.
    most_queued: AtomicU64,
    /// The queue to the host, in poll mode.
    pub events: Option<Arc<EventQueue>>,
    /// How far its writer into that has come.
    pub progress: Arc<Progress>,
    /// The connection of this turn was open when the turn began, and no callback has used the queue since. Only the
    /// reactor's thread reads and writes it.
    steady: AtomicBool,
    /// The connection that a callback of this turn has paused, or 0. Only the reactor's thread reads and writes it.
    paused: AtomicU64,
    /// There is something in the queue that the host has pushed while it handled events: in a callback, or the thread that
    /// works on a batch.
    of_host: AtomicBool,
}

impl Link {
    /// The link of `reactor`.
    ///
    /// # Errors
    /// When there is no descriptor left.
    pub fn new(
        role: Role,
        reactor: usize,
        options: &Arc<Options>,
        census: &Arc<Census>,
        events: Option<&Arc<EventQueue>>,
    ) -> io::Result<Self> {
        Ok(Self {
            role,
            registry: Registry::new(reactor, options.reactors as usize, options.max_connections + TURNED_AWAY),
            commands: CommandQueue::new(options.max_command_bytes)?,
            topics: Topics::default(),
            facts: FactTable::default(),
            stats: Stats::default(),
            census: Arc::clone(census),
            options: Arc::clone(options),
            undecided: Mutex::default(),
            awaited: Waiters::default(),
            releases: Waiters::default(),
            most_queued: AtomicU64::new(options.max_queued_bytes),
            events: events.map(Arc::clone),
            progress: Arc::default(),
            steady: AtomicBool::new(false),
            paused: AtomicU64::new(0),
            of_host: AtomicBool::new(false),
        })
    }

    /// A name of this link that no other has.
    fn name(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// Says that the calling thread runs this reactor, for this host.
    pub fn begin_thread(&self, host: Host) {
        turn::begin_thread(self.name(), self.role, host);
    }

    /// The key for a frame that is to be sent, if frames are masked: a fresh one each time.
    #[inline]
    #[must_use]
    pub fn mask(&self) -> Option<mask::Key> {
        (self.role == Role::Client).then(random::key)
    }

    /// The bytes that a frame with this much payload takes.
    #[inline]
    #[must_use]
    pub fn frame_length(&self, payload: usize) -> usize {
        frame::length(payload, self.role == Role::Client)
    }

    /// Its counters, with how much waits at this time.
    #[must_use]
    pub fn stats(&self) -> &Stats {
        self.stats.queued_bytes.set(self.registry.queued() + turn::waiting_at(self.name()));
        self.stats.command_bytes.set(self.commands.bytes() as u64);
        if let Some(events) = self.events.as_ref().filter(|_| self.registry.is_first()) {
            self.stats.event_bytes.set(events.waiting_bytes());
        }
        &self.stats
    }

    /// How much may wait for each connection: `max_queued_bytes`, or its share while `max_total_queued_bytes` wait for all.
    #[inline]
    #[must_use]
    pub fn most_queued(&self) -> u64 {
        self.most_queued.load(Ordering::Relaxed)
    }

    /// Changes that, from the reactor.
    pub fn set_most_queued(&self, most: u64) {
        self.most_queued.store(most, Ordering::Relaxed);
    }

    /// How many bytes of answers a connection takes: none if it is not open.
    #[inline]
    #[must_use]
    pub fn room(&self, conn: ConnId) -> u64 {
        match self.registry.standing(conn) {
            // Answers to what was received at a time are kept before the kernel is asked to take them, and may be no more
            // than it takes.
            Some(Standing { phase: Phase::Open, queued: 0 }) => {
                self.most_queued().max(self.options.max_queued_bytes.min(RECEIVE as u64))
            }
            Some(Standing { phase: Phase::Open, queued }) => self.most_queued().saturating_sub(queued),
            _ => 0,
        }
    }

    /// Begins the turn of a connection, as [`turn::begin`].
    pub fn begin_turn(&self, conn: ConnId, socket: Option<&Socket>) {
        let room = self.room(conn);
        self.steady.store(room > 0, Ordering::Relaxed);
        self.paused.store(0, Ordering::Relaxed);
        turn::begin(conn, socket, room);
    }

    /// Goes on with a turn whose answers were taken in between, as [`turn::resume`].
    pub fn resume_turn(&self, conn: ConnId, socket: Option<&Socket>) {
        turn::resume(conn, socket, self.room(conn));
    }

    /// Whether the connection of this turn is open for sure: nothing was done in the turn that could have closed it.
    #[inline]
    #[must_use]
    pub fn is_steady(&self) -> bool {
        self.steady.load(Ordering::Relaxed)
    }

    /// Has what callbacks push in this turn take the queue, behind what is there. Whether this thread runs the reactor.
    pub fn divert(&self) -> bool {
        let diverted = turn::divert(self.name());
        if let Some((conn, bytes)) = diverted {
            self.steady.store(false, Ordering::Relaxed);
            if bytes > 0 {
                self.registry.note_queued(conn, bytes as u64);
            }
        }
        diverted.is_some()
    }

    /// Notes that something was pushed into the queue.
    fn note_pushed(&self, call: Call) {
        if self.divert() || call == Call::Later {
            self.of_host.store(true, Ordering::Relaxed);
        }
    }

    /// Whether the host, while it handled events, has pushed into the queue since this was last asked.
    pub fn take_of_host(&self) -> bool {
        self.of_host.load(Ordering::Relaxed) && self.of_host.swap(false, Ordering::Relaxed)
    }

    /// Whether it has, without forgetting it.
    #[must_use]
    pub fn is_of_host(&self) -> bool {
        self.of_host.load(Ordering::Relaxed)
    }

    /// Whether it has, and half of what may wait in the queue does: then it is told of no further events before the reactor has taken
    /// what is there, or its next push might be refused.
    #[inline]
    #[must_use]
    pub fn is_crowded(&self) -> bool {
        self.of_host.load(Ordering::Relaxed) && self.commands.is_crowded()
    }

    /// Stops the reactor within this time; see [`CommandQueue::stop`].
    pub fn stop(&self, time: Duration) {
        self.commands.stop(time);
        self.divert();
    }

    /// How a connection stands. What waits for it includes the answers of this thread that a callback has pushed in its turn.
    fn standing(&self, conn: ConnId) -> Option<Standing> {
        let standing = self.registry.standing(conn)?;
        Some(Standing { queued: standing.queued + turn::waiting(self.name(), conn), ..standing })
    }

    /// Whether the calling thread runs this reactor, so that a callback is on its stack.
    #[must_use]
    pub fn is_this_thread(&self) -> bool {
        turn::is_thread_of(self.name())
    }

    /// Has a client know it if the reactor ends without having told its end.
    pub fn await_end(&self, owner: Weak<dyn Owner>) {
        self.awaited.add(owner);
        if self.commands.is_closed() {
            self.tell_end();
        }
    }

    /// Has a signal given if the reactor ends without having done what gives it: a host may end its thread in a callback.
    pub fn await_release(&self, signal: &Arc<Signal>) {
        self.releases.add(Arc::downgrade(signal));
        if self.commands.is_closed() {
            signal.give();
        }
    }

    /// Says that the reactor has ended, and takes no more commands.
    pub fn tell_end(&self) {
        self.releases.take().for_each(|signal| signal.give());
        self.awaited.take().for_each(|owner| owner.ended());
    }

    /// Sends a frame to an open connection.
    ///
    /// # Errors
    /// `WS_ERR_CLOSED`, `WS_ERR_QUEUE_FULL`.
    #[inline]
    pub fn send(&self, to: ConnId, opcode: Opcode, payload: &[u8]) -> Result<()> {
        match turn::answer(self.name(), to, opcode, payload) {
            Answer::Taken => Ok(()),
            Answer::NoRoom => self.not_sent(to, self.standing(to)),
            Answer::Elsewhere => self.enqueue_frame(to, opcode, payload),
        }
    }

    fn enqueue_frame(&self, to: ConnId, opcode: Opcode, payload: &[u8]) -> Result<()> {
        let bytes = self.frame_length(payload.len()) as u64;
        if let Err(standing) = self.registry.add_queued(to, bytes, self.most_queued()) {
            return self.not_sent(to, standing);
        }
        let call = self.when_to_call();
        if call == Call::Later && self.commands.may_be_passed() {
            if let Some(waiting) = worker::push(&self.commands, to, opcode, payload) {
                self.look_behind_ring(waiting);
                return Ok(());
            }
        }
        if let Err(refused) = self.commands.push_frame(to, opcode, self.mask(), payload, call) {
            self.registry.sub_queued(to, bytes);
            self.owe_drain(to);
            return Err(self.not_taken(refused));
        }
        self.look_behind(call);
        self.note_pushed(call);
        Ok(())
    }

    /// Sends an encoded frame to every open connection.
    ///
    /// # Errors
    /// `WS_ERR_QUEUE_FULL` if the reactor's queue is full. A connection whose own queue is full is left out.
    pub fn broadcast(&self, frame: &Arc<Vec<u8>>) -> Result<()> {
        self.enqueue(Command::Broadcast { frame: Arc::clone(frame), receivers: self.registry.open_count() })
    }

    /// Subscribes an open connection to a topic.
    ///
    /// # Errors
    /// `WS_ERR_CLOSED`; `WS_ERR_LIMIT` if it has as many topics as it may have.
    pub fn subscribe(&self, conn: ConnId, topic: &str) -> Result<()> {
        let is_open = || self.registry.standing(conn).is_some_and(|standing| standing.phase == Phase::Open);
        let most = usize::try_from(self.options.max_topics).unwrap_or(usize::MAX);
        self.topics.subscribe(conn, topic, most, is_open).map_err(|why| match why {
            NotSubscribed::Closed => not_open(conn, self.registry.standing(conn)),
            NotSubscribed::Full => {
                let detail = format!("connection {conn} is subscribed to {most} topics already (max_topics)");
                Error::new(Status::WS_ERR_LIMIT, detail)
            }
        })
    }

    /// Sends an encoded frame to the subscribers of a topic.
    ///
    /// # Errors
    /// As [`Link::broadcast`].
    pub fn publish(&self, frame: &Arc<Vec<u8>>, to: Recipients, except: ConnId) -> Result<()> {
        let Recipients { list, is_first, .. } = to;
        self.enqueue(Command::Publish { frame: Arc::clone(frame), to: list, except, is_first })
    }

    /// Begins the closing handshake of an open connection, for the host, which gets no more of it than the close event.
    ///
    /// # Errors
    /// `WS_ERR_CLOSED`.
    pub fn close(&self, conn: ConnId, code: Option<u16>, reason: &str) -> Result<()> {
        self.discard(conn);
        self.close_for(Cause::WS_CAUSE_HOST, conn, code, reason)
    }

    /// The host closes a connection: in poll mode, what was received of it before is not handed over any more. It may have been
    /// closed by its peer meanwhile, or be gone.
    pub fn discard(&self, conn: ConnId) {
        let Some(events) = &self.events else { return };
        let mut last = None;
        if !self.is_over(conn, &mut last) {
            events.discard(conn, last);
        }
    }

    /// Whether the host has taken all events of a connection. `last` is the batch that has the last of them, once that is known.
    pub fn is_over(&self, conn: ConnId, last: &mut Option<BatchNumber>) -> bool {
        if last.is_none() && self.registry.standing(conn).is_none() {
            *last = Some(self.progress.written.load(Ordering::Acquire));
        }
        last.is_some_and(|last| self.progress.taken.load(Ordering::Acquire) >= last)
    }

    fn close_for(&self, cause: Cause, conn: ConnId, code: Option<u16>, reason: &str) -> Result<()> {
        if !self.registry.change_phase(conn, Phase::Open, Phase::Closing) {
            return Err(not_open(conn, self.registry.standing(conn)));
        }
        self.enqueue(Command::Close(conn, code, reason.into(), cause))
    }

    /// Sends a ping, and has the connection cut if nothing is heard of its peer within `pong_timeout`.
    ///
    /// # Errors
    /// `WS_ERR_CLOSED`, `WS_ERR_QUEUE_FULL`.
    pub fn ping(&self, conn: ConnId, payload: &[u8]) -> Result<()> {
        self.send(conn, Opcode::Ping, payload)?;
        self.enqueue(Command::AwaitPong(conn))
    }

    /// Has a drain told of an open connection as soon as there is room.
    ///
    /// # Errors
    /// `WS_ERR_CLOSED`.
    pub fn await_drain(&self, conn: ConnId) -> Result<()> {
        match self.registry.standing(conn) {
            Some(Standing { phase: Phase::Open | Phase::Streaming, .. }) => self.owe_drain(conn),
            standing => return Err(not_open(conn, standing)),
        }
        Ok(())
    }

    /// Has nothing more read from an open connection, or goes on reading.
    ///
    /// # Errors
    /// `WS_ERR_CLOSED`, `WS_ERR_QUEUE_FULL`.
    pub fn halt(&self, conn: ConnId, halted: bool) -> Result<()> {
        match self.registry.standing(conn) {
            Some(Standing { phase: Phase::Open, .. }) => {
                self.enqueue(Command::Halt(conn, halted))?;
                if self.is_this_thread() {
                    // It holds for what was received already, too.
                    self.paused.store(if halted { conn } else { 0 }, Ordering::Relaxed);
                }
                Ok(())
            }
            standing => Err(not_open(conn, standing)),
        }
    }

    /// Whether a callback of this turn has paused the connection, which is said once.
    pub fn take_pause(&self, conn: ConnId) -> bool {
        let is_paused = self.paused.load(Ordering::Relaxed) == conn;
        if is_paused {
            self.paused.store(0, Ordering::Relaxed);
        }
        is_paused
    }

    /// What is known of a connection that the host knows as open, or has begun to close.
    ///
    /// # Errors
    /// `WS_ERR_CLOSED`.
    pub fn facts_of(&self, conn: ConnId) -> Result<Facts> {
        let facts = self.facts.get(&self.registry, conn).ok_or_else(|| gone(conn))?;
        Ok(Facts { queued: facts.queued + turn::waiting(self.name(), conn), ..facts })
    }

    /// Bytes that wait to be sent to a connection that the host has not been told of as closed.
    ///
    /// # Errors
    /// `WS_ERR_CLOSED`.
    pub fn queued_bytes(&self, conn: ConnId) -> Result<u64> {
        match self.standing(conn) {
            Some(Standing { phase, queued }) if phase != Phase::Shut => Ok(queued),
            _ => Err(gone(conn)),
        }
    }

    /// Cuts a connection that the host has not been told of as closed, and of which it gets no more than that.
    ///
    /// # Errors
    /// `WS_ERR_CLOSED` if it is gone.
    pub fn disconnect(&self, conn: ConnId) -> Result<()> {
        self.discard(conn);
        if !self.registry.shut(conn) {
            return Err(gone(conn));
        }
        self.enqueue(Command::Disconnect(conn))
    }

    /// Has the reactor do something.
    ///
    /// # Errors
    /// `WS_ERR_QUEUE_FULL`, for what sends bytes; `WS_ERR_STOPPED`.
    pub fn enqueue(&self, command: Command) -> Result<()> {
        let is_message = matches!(command, Command::Broadcast { .. } | Command::Publish { .. });
        let call = if is_message { self.when_to_call() } else { Call::Now };
        self.commands.push(command, call).map_err(|refused| self.not_taken(refused))?;
        self.look_behind(call);
        self.note_pushed(call);
        Ok(())
    }

    /// A push of the thread that works on a batch need not call the reactor, which looks by itself meanwhile. That holds
    /// for the reactor that the batch came from, and so, for simplicity, only where there is but one.
    #[inline]
    fn when_to_call(&self) -> Call {
        match &self.events {
            Some(events) if self.options.reactors == 1 && events.is_worker() => Call::Later,
            _ => Call::Now,
        }
    }

    /// Looks behind a push that has not called the reactor whether that looks by itself, and whether this thread is still the
    /// one that may push so: both may have changed since [`Link::when_to_call`].
    #[inline]
    fn look_behind(&self, call: Call) {
        let is_seen = || self.commands.looks() && self.when_to_call() == Call::Later;
        if call == Call::Later && !is_seen() {
            self.commands.call_now();
        }
    }

    /// The same behind a push into the ring, which only the thread that may be quiet can write into. So much waits there now.
    #[inline]
    pub fn look_behind_ring(&self, waiting: Waiting) {
        if !self.commands.looks() {
            self.commands.call_now();
        } else if waiting.is_much() {
            self.commands.call_sooner();
        }
    }

    #[cold]
    fn not_taken(&self, refused: Refused) -> Error {
        if refused == Refused::Closed {
            return Error::new(Status::WS_ERR_STOPPED, "it has stopped");
        }
        self.stats.pushes_refused.add_shared(1);
        if refused == Refused::Memory {
            return Error::no_memory();
        }
        let most = self.options.max_command_bytes;
        Error::new(Status::WS_ERR_QUEUE_FULL, format!("{most} bytes wait for the reactor (max_command_bytes)"))
    }

    /// What becomes of a message that a connection does not take, standing like this.
    ///
    /// # Errors
    /// What the host is told of it.
    #[cold]
    pub fn not_sent(&self, to: ConnId, standing: Option<Standing>) -> Result<()> {
        let Some(Standing { phase: Phase::Open, queued }) = standing else { return Err(not_open(to, standing)) };
        match self.options.slow_client {
            SlowClient::Refuse => Err(self.refusal(to, standing, Phase::Open)),
            SlowClient::Drop => {
                self.note_full(queued);
                self.stats.messages_dropped.add_shared(1);
                self.owe_drain(to);
                Ok(())
            }
            SlowClient::Close(code) => {
                // Whoever closes it first is the one that counts it.
                if self.close_for(Cause::WS_CAUSE_SLOW_CLIENT, to, Some(code), SLOW_CLIENT).is_ok() {
                    self.note_full(queued);
                    self.stats.slow_clients_closed.add_shared(1);
                }
                let detail = format!("{}, and so it is closed with {code} (slow_client)", self.how_full(to, queued));
                Err(Error::new(Status::WS_ERR_CLOSED, detail))
            }
        }
    }

    /// Why a connection that stands like this does not do what it can only do in the phase that is `wanted`.
    #[cold]
    fn refusal(&self, conn: ConnId, standing: Option<Standing>, wanted: Phase) -> Error {
        match standing {
            Some(Standing { phase, queued }) if phase == wanted => {
                self.note_full(queued);
                self.stats.pushes_refused.add_shared(1);
                self.owe_drain(conn);
                Error::new(Status::WS_ERR_QUEUE_FULL, self.how_full(conn, queued))
            }
            Some(_) => {
                let what = match wanted {
                    Phase::Streaming => "no response is being streamed",
                    Phase::Deciding => "no upgrade waits for a decision",
                    _ => "no request waits for a response",
                };
                Error::new(Status::WS_ERR_CLOSED, format!("connection {conn}: {what}"))
            }
            None => gone(conn),
        }
    }

    fn how_full(&self, conn: ConnId, queued: u64) -> String {
        let most = self.options.max_queued_bytes;
        if queued < most {
            let total = self.options.max_total_queued_bytes;
            return format!(
                "connection {conn}: {queued} bytes wait to be sent, and for all {total} (max_total_queued_bytes)"
            );
        }
        format!("connection {conn}: {queued} bytes wait to be sent (max_queued_bytes is {most})")
    }

    /// Counts what is not taken for a connection for which so much waits, if that is only because of what waits for all.
    pub fn note_full(&self, queued: u64) {
        if queued < self.options.max_queued_bytes {
            self.stats.total_queued_refusals.add_shared(1);
        }
    }

    /// Sees to it that a drain follows a push that was refused: the reactor, which sends, does not know of it.
    fn owe_drain(&self, to: ConnId) {
        if let Some(to) = self.registry.note_refused(to) {
            let call = self.when_to_call();
            let _ = self.commands.push(Command::OweDrain(to), call);
            self.look_behind(call);
        }
    }
}

fn not_open(conn: ConnId, standing: Option<Standing>) -> Error {
    match standing {
        Some(_) => Error::new(Status::WS_ERR_CLOSED, format!("connection {conn} is closing")),
        None => gone(conn),
    }
}

fn gone(conn: ConnId) -> Error {
    Error::new(Status::WS_ERR_CLOSED, format!("connection {conn} is closed, or there never was one"))
}
