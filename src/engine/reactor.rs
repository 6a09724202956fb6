//! A reactor: one thread, one epoll, and the connections that are its own.
//!
//! A turn goes: wait; receive from every connection that has something, decode, and deliver; hand the batch over; take
//! the commands of other threads; send what has gathered, one call per connection; look at the deadlines that came up.
//!
//! Descriptors are registered once, edge-triggered. So the reactor remembers itself who has bytes left to read: a
//! connection that sent more than its share of a turn, one whose own answers wait unsent, or all of them while the
//! host is behind.

mod accepting;
mod deadlines;
mod handshakes;
mod receiving;
mod sending;

use super::commands::Commands;
use super::connection::{Connection, State};
use super::delivery::Delivery;
use super::link::Link;
use super::outbox::Outbox;
use super::pool::Pool;
use super::registry::{ConnId, IdAllocator};
use super::timers::{self, Tick, Wheel, tick_of, until};
use super::turn;
use crate::protocol::close;
use crate::protocol::decoder::Limits;
use crate::protocol::handshake::HeadLimits;
use crate::sys::clock;
use crate::sys::epoll::{Epoll, Events, Ready};
use crate::sys::socket::Listener;
use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Descriptors that one wait reports.
const EVENTS: usize = 512;

/// How long to wait awake for a host that is at work.
const LINGER: Duration = Duration::from_micros(20);

/// How long to sleep at most while the host is at work, in milliseconds.
const LOOK_MS: i32 = 1;

/// After so many waits in vain, only one in [`RETRY`] is tried.
const MISSES: u32 = 4;
const RETRY: u32 = 64;

const WAKE: u64 = u64::MAX;
const LISTENER: u64 = 1 << 63;

/// A reactor, on its own thread.
pub struct Reactor {
    link: Arc<Link>,
    delivery: Delivery,
    epoll: Epoll,
    listeners: Vec<Listening>,
    connections: Vec<Option<Box<Connection>>>,
    ids: IdAllocator,
    turned_away: u64,
    limits: Limits,
    head_limits: HeadLimits,
    buffer: Vec<u8>,
    wheel: Wheel,
    now: Tick,
    now_ms: u64,
    /// When it last looked for quiet commands.
    looked_ms: u64,
    /// When reading last began again after the host had been behind.
    awake: Tick,
    host_behind: bool,
    /// Connections with bytes to read, for the next turn.
    unread: VecDeque<ConnId>,
    /// The same, but they have to wait for the host to catch up.
    held: VecDeque<ConnId>,
    dirty: Vec<ConnId>,
    commands: Commands,
    /// Connections that wait for the host before they end.
    leaving: Vec<ConnId>,
    /// Buffers for large messages on their way in.
    pool: Pool,
    #[allow(clippy::vec_box, reason = "a connection holds its outbox in this very box")]
    outboxes: Vec<Box<Outbox>>,
    due: Vec<(ConnId, Tick)>,
    patience: Patience,
    stopping: Option<Tick>,
}

/// What waiting for the host has come to so far.
#[derive(Debug, Default)]
struct Patience {
    tries: u32,
    misses: u32,
}

struct Listening {
    listener: Arc<Listener>,
    /// Connections may wait that were not accepted.
    waiting: bool,
    paused_until: Option<Tick>,
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
    pub fn new(link: Arc<Link>, listeners: Vec<Arc<Listener>>, delivery: Delivery) -> io::Result<Self> {
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
            link,
            delivery,
            epoll,
            listeners: listeners.map(|listener| Listening { listener, waiting: false, paused_until: None }).collect(),
            connections: Vec::new(),
            ids: IdAllocator::default(),
            turned_away: 0,
            buffer: Vec::new(),
            wheel: Wheel::new(now),
            now,
            now_ms: 0,
            looked_ms: 0,
            awake: now,
            host_behind: false,
            unread: VecDeque::new(),
            held: VecDeque::new(),
            dirty: Vec::new(),
            commands: Commands::default(),
            leaving: Vec::new(),
            pool: Pool::default(),
            outboxes: Vec::new(),
            due: Vec::new(),
            patience: Patience::default(),
            stopping: None,
        })
    }

    /// Serves until it is told to stop.
    pub fn run(&mut self) {
        self.link.begin_thread();
        let mut events = Events::with_capacity(EVENTS);
        while !self.is_done() {
            self.wait(&mut events);
            for index in 0..events.len() {
                self.on_ready(events.get(index));
            }
            self.go_on_reading();
            self.delivery.flush(&mut self.pool);
            let look = self.is_time_to_look();
            self.take_commands(look);
            self.let_leave();
            self.flush_dirty();
            self.look_at_deadlines();
            self.flush_dirty();
            self.delivery.flush(&mut self.pool);
        }
        let left: Vec<ConnId> = self.connections.iter().flatten().map(|conn| conn.wire.id).collect();
        for id in left {
            self.with(id, |_, _| Fate::Ends);
        }
        self.delivery.flush(&mut self.pool);
        self.link.commands.close();
    }

    fn is_done(&self) -> bool {
        self.stopping.is_some_and(|deadline| self.ids.live() == 0 || until(deadline, self.now) == 0)
    }

    fn wait(&mut self, events: &mut Events) {
        // Whether the host is behind is asked anew: it may have caught up since this turn began.
        let caught_up = self.host_behind && !self.delivery.is_full();
        let may_accept = |listening: &Listening| listening.waiting && listening.paused_until.is_none();
        let busy = !self.unread.is_empty() || caught_up || !self.host_behind && self.listeners.iter().any(may_accept);
        let mut timeout = if busy { 0 } else { self.next_deadline_ms() };
        if timeout != 0 && self.delivery.awaits_host() {
            self.linger();
            timeout = if timeout < 0 { LOOK_MS } else { timeout.min(LOOK_MS) };
        }
        if timeout != 0 && !self.link.commands.fall_asleep() {
            timeout = 0;
        }
        if let Err(error) = self.epoll.wait(events, timeout) {
            // epoll_wait fails only for arguments that are wrong, and these are not.
            unreachable!("epoll_wait: {error}");
        }
        self.link.commands.awake();
        self.now_ms = clock::now_ms();
        self.now = tick_of(self.now_ms);
    }

    /// Waits awake, for a moment, until a host at work is done with what it was given: a wake-up costs more than most
    /// handlers take. With a host that takes longer it is hardly ever tried.
    fn linger(&mut self) {
        self.patience.tries = self.patience.tries.wrapping_add(1);
        if self.patience.misses >= MISSES && self.patience.tries % RETRY != 0 {
            return;
        }
        let start = Instant::now();
        while !self.link.commands.is_waiting() && self.delivery.awaits_host() {
            if start.elapsed() > LINGER {
                self.patience.misses = self.patience.misses.saturating_add(1);
                return;
            }
            std::hint::spin_loop();
        }
        self.patience.misses = 0;
    }

    /// Whether to look for what a host at work has pushed quietly: once a millisecond.
    fn is_time_to_look(&mut self) -> bool {
        let due = self.now_ms != self.looked_ms;
        self.looked_ms = self.now_ms;
        due
    }

    fn next_deadline_ms(&mut self) -> i32 {
        let paused = self.listeners.iter().filter_map(|listening| listening.paused_until);
        let own = paused.chain(self.stopping).map(|tick| u64::from(until(tick, self.now)) * timers::TICK_MS);
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
                    reactor.serve(conn, ready.writable)
                });
            }
        }
    }

    /// Does something with a connection, if it is still there, and lets it go if that was its end.
    fn with(&mut self, id: ConnId, action: impl FnOnce(&mut Self, &mut Connection) -> Fate) {
        let slot = self.link.registry.slot_of(id);
        let Some(entry) = self.connections.get_mut(slot) else { return };
        let Some(mut conn) = entry.take_if(|conn| conn.wire.id == id) else { return };
        let result = catch_unwind(AssertUnwindSafe(|| action(self, &mut conn)));
        let fate = result.unwrap_or_else(|_| self.after_panic(&mut conn));
        if fate == Fate::Lives && !conn.wire.flags.broken {
            self.connections[slot] = Some(conn);
        } else {
            self.let_go(*conn);
        }
    }

    /// A fault of ours costs the connection that met it, and no other.
    fn after_panic(&mut self, conn: &mut Connection) -> Fate {
        self.link.stats.panics.add(1);
        turn::end(|_| ());
        if matches!(conn.wire.state, State::Open) {
            self.fail(&mut conn.wire, close::INTERNAL_ERROR, "internal error");
            return self.flush(&mut conn.wire);
        }
        Fate::Ends
    }

    fn let_go(&mut self, mut conn: Connection) {
        let wire = &mut conn.wire;
        self.link.registry.shut(wire.id);
        self.tell_closed(wire, close::ABNORMAL, "");
        if matches!(wire.state, State::Leaving(_)) {
            self.delivery.end_leaving();
        }
        if let Some(outbox) = wire.outbox.take() {
            self.link.registry.sub_queued(wire.id, outbox.len() as u64);
            self.keep_outbox(outbox);
        }
        if wire.flags.turned_away {
            self.turned_away -= 1;
        } else {
            self.link.admitted.fetch_sub(1, Ordering::Relaxed);
        }
        wire.socket.shut_down();
        self.ids.give_back(&self.link.registry, wire.id);
        self.link.stats.connections_open.set(self.ids.live() as u64);
        self.link.stats.connections_closed.add(1);
    }
}
