//! A reactor: one epoll, and the connections that are its own. One thread at a time runs it (see [`super::seat`]).
//!
//! A turn goes: wait; receive from every connection that has something, decode, and deliver; hand the batch over; carry out
//! a slice of the commands of other threads; send what has gathered, one call per connection; look at the deadlines that
//! came up.
//!
//! Descriptors are registered once, edge-triggered. So the reactor remembers itself who has bytes left to read: a
//! connection that sent more than its share of a turn, one whose own answers wait unsent, or all of them while the
//! host is behind.

mod accepting;
mod adopting;
mod control;
mod deadlines;
pub(crate) mod files;
mod handshakes;
mod limits;
mod logging;
pub(crate) mod obeying;
mod proxies;
mod receiving;
mod requests;
pub(crate) mod sending;
mod shedding;
mod stopping;
#[cfg(test)]
mod testing;
mod waiting;

pub use self::adopting::Newcomer;
pub use self::files::Rest;
use self::logging::named;
use self::obeying::{FanOut, SLICE};
pub use self::proxies::Introduction;
use super::batch::BatchNumber;
use super::commands::Commands;
use super::connection::{Connection, Sender, State};
use super::delivery::Delivery;
use super::http::Date;
use super::inbox::Inbox;
use super::link::Link;
use super::log::{Level, Ration};
use super::owner::Owner;
use super::pool::Pool;
use super::registry::{ConnId, IdAllocator};
use super::site::Site;
use super::sparse::Sparse;
use super::timers::{self, Tick, Wheel, tick_of, until};
use crate::cause::Cause;
use crate::protocol::Role;
use crate::protocol::close;
use crate::protocol::decoder::Limits;
use crate::protocol::http::HeadLimits;
use crate::sys::clock;
use crate::sys::epoll::{Epoll, Events, Ready};
use crate::sys::fault;
use crate::sys::ring::Consumer;
use crate::sys::socket::Listener;
use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

/// Descriptors that one wait reports.
const EVENTS: usize = 512;

/// How long to sleep at most while the host is at work and pushes quietly, in milliseconds.
const LOOK_MS: i32 = 1;

/// For how long to look for what the host pushes quietly when nothing comes of it, in milliseconds. After that it has to call.
const PATIENCE_MS: u64 = 2;

const WAKE: u64 = u64::MAX;
const LISTENER: u64 = 1 << 63;

/// A reactor.
pub struct Reactor {
    link: Arc<Link>,
    site: Arc<Site>,
    ration: Ration,
    delivery: Delivery,
    epoll: Epoll,
    ready: Events,
    listeners: Vec<Listening>,
    connections: Vec<Option<Box<Connection>>>,
    /// The clients that the connections belong to, by slot; none on a server.
    owners: Vec<Option<Arc<dyn Owner>>>,
    ids: IdAllocator,
    turned_away: u64,
    kept: limits::Kept,
    control: control::ControlFrames,
    limits: Limits,
    head_limits: HeadLimits,
    inbox: Inbox,
    wheel: Wheel,
    now: Tick,
    now_ms: u64,
    /// When the turn before this one began.
    before: Tick,
    /// When it last looked for quiet commands.
    looked_ms: u64,
    /// When something last came of the host at work, or it was given something to do; and the batch that it was given last.
    host_ms: u64,
    host_has: BatchNumber,
    /// It looks for what the host pushes quietly.
    looks: bool,
    /// When reading last began again after the host had been behind.
    awake: Tick,
    host_behind: bool,
    behind_since_ms: u64,
    /// The host itself runs the reactor, and wants no more at a time than it can take: one batch.
    for_host: bool,
    /// Connections with bytes to read, for the next turn.
    unread: VecDeque<ConnId>,
    /// The same, but they have to wait for the host to catch up.
    held: VecDeque<ConnId>,
    dirty: VecDeque<ConnId>,
    /// Connections of which the host is told, at the end of the turn, that what waited for them has fallen.
    drained: Vec<ConnId>,
    /// What was taken from the queue and is not carried out.
    commands: Commands,
    /// How many of its frames are.
    frames_done: usize,
    /// The message to many that is being sent.
    fan_out: Option<FanOut>,
    /// How often the queue was taken.
    takes: u64,
    /// What this turn may still carry out, by what it costs, in bytes.
    slice: usize,
    /// What a turn carries out at most.
    slice_most: usize,
    /// There is more than a slice of what the host has pushed while it handled events.
    owes_host: bool,
    /// Who gets a broadcast, and how many had opened when the list was made.
    everybody: Option<(u64, Arc<[ConnId]>)>,
    /// What the host pushes while it works on a batch.
    ring: Option<Consumer>,
    /// Connections that wait for the host before they end.
    leaving: Vec<ConnId>,
    /// Those whose last messages the host has handled, and which of the takes has its answers.
    parting: VecDeque<(ConnId, u64)>,
    /// Buffers for large messages on their way in.
    pool: Pool,
    sender: Sender,
    due: Vec<timers::Entry>,
    date: Date,
    /// Bytes of bodies that are arriving.
    bodies: u64,
    /// What messages that are arriving take of memory, in bytes.
    arriving: u64,
    watches: waiting::Watches,
    /// Slots of connections of which frames were received that nobody was told of: a callback has paused them, or pushed so much
    /// that it is to be carried out first.
    undigested: Sparse<()>,
    /// When a stop has to be over.
    stopping: Option<Tick>,
    /// When it ends whatever waits, once it was asked to stop.
    ends_by: Option<Tick>,
    /// When requests that are on their way at a stop have to be there.
    grace: Option<Tick>,
    /// A stop has begun, and those that have not asked yet were not looked at.
    stop_began: bool,
}

struct Listening {
    listener: Arc<Listener>,
    /// Connections may wait that were not accepted.
    waiting: bool,
    paused_until: Option<Tick>,
    /// There was no descriptor for the last one.
    starved: bool,
}

/// What becomes of a connection after something happened on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Lives,
    Ends,
}

impl Reactor {
    /// A reactor for these listeners, not running yet.
    ///
    /// # Errors
    /// When there is no descriptor left.
    pub fn new(
        link: Arc<Link>,
        site: Arc<Site>,
        listeners: Vec<Arc<Listener>>,
        delivery: Delivery,
    ) -> io::Result<Self> {
        let epoll = Epoll::new()?;
        epoll.add(link.commands.wake_fd().as_fd(), WAKE)?;
        for (index, listener) in listeners.iter().enumerate() {
            epoll.add(listener.as_fd(), LISTENER | index as u64)?;
        }
        let listeners = listeners.into_iter();
        let now = tick_of(clock::now_ms());
        Ok(Self {
            limits: link.options.limits(),
            head_limits: HeadLimits { max_head: link.options.max_request_head as usize },
            sender: Sender::new(Arc::clone(&link)),
            link,
            site,
            ration: Ration::default(),
            delivery,
            epoll,
            ready: Events::with_capacity(EVENTS),
            listeners: listeners.map(Listening::new).collect(),
            connections: Vec::new(),
            owners: Vec::new(),
            ids: IdAllocator::default(),
            turned_away: 0,
            kept: limits::Kept::default(),
            control: control::ControlFrames::default(),
            inbox: Inbox::default(),
            wheel: Wheel::new(now),
            now,
            now_ms: 0,
            before: now,
            looked_ms: 0,
            host_ms: 0,
            host_has: 0,
            looks: true,
            awake: now,
            host_behind: false,
            behind_since_ms: 0,
            for_host: false,
            unread: VecDeque::new(),
            held: VecDeque::new(),
            dirty: VecDeque::new(),
            drained: Vec::new(),
            commands: Commands::default(),
            frames_done: 0,
            fan_out: None,
            takes: 0,
            slice: 0,
            slice_most: SLICE,
            owes_host: false,
            everybody: None,
            ring: None,
            leaving: Vec::new(),
            parting: VecDeque::new(),
            pool: Pool::default(),
            due: Vec::new(),
            date: Date::default(),
            bodies: 0,
            arriving: 0,
            watches: waiting::Watches::default(),
            undigested: Sparse::default(),
            stopping: None,
            ends_by: None,
            grace: None,
            stop_began: false,
        })
    }

    /// It as other threads see it.
    #[must_use]
    pub const fn link(&self) -> &Arc<Link> {
        &self.link
    }

    /// Has it take what the host pushes from a ring, too.
    pub fn open_ring(&mut self) {
        self.ring = Some(self.link.commands.make_ring());
    }

    /// Takes a turn. It waits for something to do for at most `limit`; `None` is without end.
    ///
    /// # Errors
    /// `Interrupted` if the wait was ended by a signal handler. The turn was taken all the same.
    pub fn turn(&mut self, limit: Option<Duration>) -> io::Result<()> {
        self.look_for_host();
        if !self.leaving.is_empty() {
            // They may have begun to wait for the host behind the last look, and nobody calls for one that is done already.
            self.send_pushed(false);
        }
        let waited = self.wait(limit);
        self.slice = self.slice_most;
        self.hear_of_stop();
        self.go_on_reading();
        for index in 0..self.ready.len() {
            self.on_ready(self.ready.get(index));
        }
        self.delivery.flush(&mut self.pool);
        let look = self.is_time_to_look();
        self.send_in_slice(look);
        self.look_at_deadlines();
        self.flush_dirty();
        self.tell_drained();
        self.delivery.flush(&mut self.pool);
        waited
    }

    /// Says that the turns to come are taken beside the host, which is at work, and sends what that has pushed.
    pub fn begin_keeping(&mut self) {
        self.now_ms = clock::now_ms();
        self.note_host();
        self.send_pushed(true);
    }

    /// Notes that something came of the host, so that more may follow.
    fn note_host(&mut self) {
        self.host_ms = self.now_ms;
        self.looks = true;
        self.link.commands.look_again();
    }

    /// Ends the looking for what the host pushes quietly when nothing has come of it for a while, so that a host which sits elsewhere
    /// with its batch costs nothing.
    fn look_for_host(&mut self) {
        if self.for_host || self.ring.is_none() || !self.delivery.awaits_host() {
            return;
        }
        let given = self.delivery.mark();
        if given != self.host_has {
            self.host_has = given;
            self.note_host();
        } else if self.looks && self.now_ms.saturating_sub(self.host_ms) >= PATIENCE_MS {
            self.looks = false;
            self.link.commands.stop_looking();
            // What it has pushed without knowing.
            self.send_pushed(true);
        }
    }

    /// Says whether the turns to come are taken by a host that waits for events, and not beside it.
    pub const fn serve_host(&mut self, serves: bool) {
        self.for_host = serves;
    }

    /// Sends what was pushed, as far as a slice goes, with what was pushed quietly if that is wanted.
    pub fn send_pushed(&mut self, with_quiet: bool) {
        self.slice = self.slice_most;
        self.hear_of_stop();
        self.send_in_slice(with_quiet);
    }

    fn send_in_slice(&mut self, with_quiet: bool) {
        self.take_commands(with_quiet);
        self.let_leave();
        self.flush_dirty();
        self.tell_drained();
        // What that led to is told before anybody waits.
        self.delivery.flush(&mut self.pool);
    }

    fn wait(&mut self, limit: Option<Duration>) -> io::Result<()> {
        // Whether the host is behind is asked anew: it may have caught up since this turn began.
        let behind = self.host_behind && self.delivery.is_full();
        let may_accept = |listening: &Listening| listening.waiting && listening.paused_until.is_none();
        let may_go_on = || !self.held.is_empty() || self.listeners.iter().any(may_accept);
        let busy = !self.unread.is_empty() || self.sender.is_relieved() || !behind && may_go_on();
        let mut timeout = if busy { 0 } else { self.next_deadline_ms() };
        let shorter = |timeout: i32, other: i32| if timeout < 0 { other } else { timeout.min(other) };
        if let Some(limit) = limit {
            timeout = shorter(timeout, i32::try_from(limit.as_micros().div_ceil(1000)).unwrap_or(i32::MAX));
        }
        if timeout != 0 && self.looks && self.ring.is_some() && self.delivery.awaits_host() {
            timeout = shorter(timeout, LOOK_MS);
        }
        if timeout != 0 && !self.link.commands.begin_wait() {
            timeout = 0;
        }
        let waited = self.epoll.wait(&mut self.ready, timeout);
        self.link.commands.begin_run();
        self.now_ms = clock::now_ms();
        self.before = self.now;
        self.now = tick_of(self.now_ms);
        match waited {
            // epoll_wait fails for nothing else but arguments that are wrong, and these are not.
            Err(error) if error.kind() != io::ErrorKind::Interrupted => unreachable!("epoll_wait: {error}"),
            waited => waited,
        }
    }

    /// Whether to look for what a host at work has pushed quietly: once a millisecond.
    fn is_time_to_look(&mut self) -> bool {
        let due = self.now_ms != self.looked_ms;
        self.looked_ms = self.now_ms;
        due
    }

    fn next_deadline_ms(&mut self) -> i32 {
        let end = self.next_end();
        let paused = self.listeners.iter().filter_map(|listening| listening.paused_until);
        let own = paused
            .chain(self.stopping)
            .chain(self.ends_by)
            .chain(self.grace)
            .chain(end)
            .map(|tick| u64::from(until(tick, self.now)) * timers::TICK_MS);
        own.chain(self.wheel.next_ms(self.now)).min().map_or(-1, |ms| i32::try_from(ms).unwrap_or(i32::MAX))
    }

    fn on_ready(&mut self, ready: Ready) {
        match ready.token {
            WAKE => self.link.commands.wake_fd().clear(),
            token if token & LISTENER != 0 => {
                if let Some(listening) = self.listeners.get_mut((token & !LISTENER) as usize) {
                    listening.waiting = true;
                }
                self.accept();
            }
            id => {
                if self.delivery.is_immediate() {
                    // What callbacks have pushed so far goes before what they push in answer to what comes now.
                    self.take_commands(false);
                }
                self.with(id, |reactor, conn| {
                    conn.wire.flags.readable |= ready.readable;
                    conn.wire.flags.hangup |= ready.hangup;
                    if ready.gone && conn.wire.awaits_host() || conn.wire.is_lost() {
                        return Fate::Ends;
                    }
                    let fate = reactor.serve(conn, ready.writable);
                    // It came with the request, and will not be reported again.
                    if ready.gone && conn.wire.awaits_host() { Fate::Ends } else { fate }
                });
                self.shed_messages();
            }
        }
    }

    /// Does something with a connection, if it is still there, and lets it go if that was its end.
    fn with(&mut self, id: ConnId, action: impl FnOnce(&mut Self, &mut Connection) -> Fate) {
        let slot = self.link.registry.slot_of(id);
        let Some(entry) = self.connections.get_mut(slot) else { return };
        let Some(mut conn) = entry.take_if(|conn| conn.wire.id == id) else { return };
        let held = conn.decoder.held();
        let result = fault::caught(|| action(self, &mut conn));
        let fate = result.unwrap_or_else(|fault| self.after_panic(&mut conn, &fault));
        self.count_arriving(held, &mut conn.decoder, fate == Fate::Lives && !conn.wire.flags.broken);
        if fate == Fate::Lives && !conn.wire.flags.broken {
            self.connections[slot] = Some(conn);
        } else {
            self.let_go(*conn);
        }
    }

    /// A fault of ours costs the connection that met it, and no other.
    fn after_panic(&mut self, conn: &mut Connection, fault: &str) -> Fate {
        self.link.stats.panics.add(1);
        // A part of what it was answered may be out already.
        self.sender.end_turn(&mut conn.wire);
        self.log(Level::Error, |link| format!("{}: {fault}", named(link, &conn.wire)));
        if matches!(conn.wire.state, State::Open) {
            self.fail(&mut conn.wire, close::INTERNAL_ERROR, "internal error", Cause::WS_CAUSE_FAULT);
            return self.flush(&mut conn.wire);
        }
        Fate::Ends
    }

    fn let_go(&mut self, mut conn: Connection) {
        let wire = &mut conn.wire;
        self.link.registry.shut(wire.id);
        self.link.topics.leave(wire.id);
        if matches!(wire.state, State::Deciding) {
            self.link.forget_decision(wire.id);
        }
        self.take_incoming(wire);
        if wire.cause() == Cause::WS_CAUSE_NONE {
            wire.note_cause(if wire.is_lost() { Cause::WS_CAUSE_RESET } else { Cause::WS_CAUSE_FAULT });
        }
        self.tell_closed(wire, close::ABNORMAL, "");
        self.lose(wire.id);
        if matches!(wire.state, State::Leaving(_)) {
            self.delivery.end_leaving();
        }
        let given_up = self.sender.give_up(wire);
        if given_up > 0 {
            self.drop_queued(wire.id, given_up);
        }
        if self.link.role == Role::Server {
            self.count_out(wire);
        }
        self.accept_again();
        wire.socket.shut_down();
        let slot = self.link.registry.slot_of(wire.id);
        self.link.facts.remove(slot);
        self.watches.forget(slot);
        self.undigested.remove(slot);
        self.control.forget(slot);
        self.ids.give_back(&self.link.registry, wire.id);
        self.link.stats.connections_open.set(self.ids.live() as u64);
        self.link.stats.connections_closed.add(1);
    }
}
