//! Who runs a reactor: its keeper, a thread of its own, or the host, while that waits for events in poll mode.
//!
//! Handing every batch from one thread to another, and every answer back, would cost two wake-ups for each round trip. So
//! a host that waits takes the seat and runs the reactor itself: it waits in `epoll_wait`, decodes what comes, and returns
//! with it; what it pushes then leaves when it is back. No thread is woken on that way, and none waits awake.
//!
//! But a host at work may be away for long, and pings, accepts and other threads' pushes must not wait for it. So the keeper
//! looks once a millisecond while the host comes and goes. If the host has been away for a whole one, or somebody calls,
//! the keeper sits down and serves, and the two threads work side by side: what arrives gathers in the queue of events,
//! and the host takes it from there. Once the host has emptied the queue and wants to wait, it asks for the seat. While
//! the host does nothing but wait, the keeper sleeps.
//!
//! The keeper alone has the seat where callbacks run on its thread, where there are several reactors, where the host waits
//! elsewhere, for the descriptor of the queue, or in a callback of another server, and from a stop on.

use super::events::EventQueue;
use super::link::Link;
use super::reactor::Reactor;
use super::registry::ConnId;
use super::turn::{self, Host};
use super::worker;
use crate::error::Result;
use crate::protocol::frame::Opcode;
use crate::sys::futex::Waited;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

/// How often the keeper looks while the host comes and goes.
const LOOK: Duration = Duration::from_millis(1);

/// The seat of one reactor.
pub struct Seat {
    /// `None` when the reactor has stopped.
    reactor: Mutex<Option<Reactor>>,
    link: Arc<Link>,
    /// What the host goes by.
    host: Host,
    /// Counts each coming and each going of the host: odd while it is in a poll.
    visits: AtomicU32,
    /// The host is in a poll and asks for the seat.
    wanted: AtomicBool,
    /// The seat is the keeper's alone.
    kept: AtomicBool,
    /// The keeper sleeps until it is called.
    asleep: AtomicBool,
}

impl Seat {
    /// The seat of `reactor`, which the keeper has from the start. A host may have it later if it is `shared`.
    #[must_use]
    pub fn new(link: &Arc<Link>, reactor: Reactor, shared: bool, host: Host) -> Self {
        Self {
            host,
            reactor: Mutex::new(Some(reactor)),
            link: Arc::clone(link),
            visits: AtomicU32::new(0),
            wanted: AtomicBool::new(false),
            kept: AtomicBool::new(!shared),
            asleep: AtomicBool::new(false),
        }
    }

    // ---- the keeper ------------------------------------------------------------------------------------------------

    /// What the keeper does: serves whenever the host does not, until the reactor has stopped.
    pub fn keep(&self) {
        self.link.begin_thread(self.host);
        loop {
            let mut place = self.reactor.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(reactor) = place.as_mut() else { return };
            self.link.commands.begin_run();
            reactor.send_pushed(true);
            while !reactor.is_done() && (reactor.is_stopping() || !self.is_wanted()) {
                // The keeper receives no signals.
                let _ = reactor.turn(None);
            }
            if reactor.is_done() {
                reactor.finish();
                *place = None;
                return;
            }
            self.vacate(place);
            if let Some(events) = &self.link.events {
                events.announce();
            }
            self.stand_by();
        }
    }

    fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::SeqCst) && !self.kept.load(Ordering::SeqCst)
    }

    /// Waits until the seat needs the keeper.
    fn stand_by(&self) {
        let bell = self.link.commands.bell();
        loop {
            let heard = bell.heard();
            let visits = self.visits.load(Ordering::SeqCst);
            if self.kept.load(Ordering::SeqCst) || is_away(visits) && self.link.commands.is_waiting() {
                return;
            }
            let waited = bell.wait(heard, Some(LOOK));
            if waited != Waited::TimedOut || self.visits.load(Ordering::SeqCst) != visits {
                continue;
            }
            if is_away(visits) {
                return;
            }
            // The host waits and serves meanwhile. It calls when it leaves.
            self.asleep.store(true, Ordering::SeqCst);
            let heard = bell.heard();
            if self.visits.load(Ordering::SeqCst) == visits && !self.kept.load(Ordering::SeqCst) {
                bell.wait(heard, None);
            }
            self.asleep.store(false, Ordering::SeqCst);
        }
    }

    /// Leaves the seat free.
    fn vacate(&self, place: MutexGuard<'_, Option<Reactor>>) {
        // Said while nobody else can sit down and say otherwise.
        let free = self.link.commands.begin_vacancy();
        drop(place);
        if !free {
            self.link.commands.bell().ring();
        }
    }

    // ---- the host --------------------------------------------------------------------------------------------------

    /// The host comes to wait for events. In a callback of another server it cannot serve meanwhile: its thread runs that
    /// one's reactor, and is in the middle of a turn.
    pub fn enter(&self) {
        if turn::is_in_use() {
            self.keep_alone();
        }
        self.link.commands.give_ring(|ring| worker::own(self.host, &self.link, ring));
        self.visits.fetch_add(1, Ordering::SeqCst);
    }

    /// The host is off to its own work.
    pub fn leave(&self) {
        self.wanted.store(false, Ordering::SeqCst);
        self.visits.fetch_add(1, Ordering::SeqCst);
        if self.asleep.load(Ordering::SeqCst) || self.link.commands.is_waiting() {
            self.link.commands.bell().ring();
        }
    }

    /// Asks the keeper for the seat. If it was taken up to now, the queue of events is announced once it is free.
    pub fn ask(&self) {
        if !self.kept.load(Ordering::SeqCst) {
            self.wanted.store(true, Ordering::SeqCst);
            self.link.commands.nudge();
        }
    }

    /// Leaves the seat to the keeper for good.
    pub fn keep_alone(&self) {
        self.kept.store(true, Ordering::SeqCst);
        self.link.commands.bell().ring();
    }

    /// Serves on the thread of the host, if the seat is free, until there is something in `events` or until `deadline`.
    /// Whether it was free.
    ///
    /// # Errors
    /// `Interrupted` after a signal handler ran.
    pub fn serve(&self, events: &EventQueue, deadline: Option<Instant>) -> io::Result<bool> {
        self.sit(|reactor| serve(reactor, events, deadline)).map_or(Ok(false), |served| served.map(|()| true))
    }

    /// Sends a large message of a host at work at once, if the seat is free. `None` if it is not.
    pub fn send(&self, to: ConnId, opcode: Opcode, payload: &[u8]) -> Option<Result<()>> {
        let result = self.sit(|reactor| reactor.send_directly(to, opcode, payload))?;
        Some(result.or_else(|standing| self.link.not_sent(to, standing)))
    }

    /// Does something with the reactor, if the seat is free.
    fn sit<T>(&self, action: impl FnOnce(&mut Reactor) -> T) -> Option<T> {
        if self.kept.load(Ordering::SeqCst) {
            return None;
        }
        let mut place = match self.reactor.try_lock() {
            Ok(place) => place,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        let reactor = place.as_mut()?;
        self.link.commands.begin_run();
        let result = action(reactor);
        if reactor.is_stopping() {
            self.keep_alone();
        }
        self.vacate(place);
        Some(result)
    }
}

fn serve(reactor: &mut Reactor, events: &EventQueue, deadline: Option<Instant>) -> io::Result<()> {
    reactor.send_pushed(true);
    reactor.serve_host(true);
    let mut result = Ok(());
    while result.is_ok() && !events.has_news() && !reactor.is_stopping() {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        result = reactor.turn(left);
        if left == Some(Duration::ZERO) {
            break;
        }
    }
    reactor.serve_host(false);
    result
}

/// Whether a host that has come and gone so often is at its own work.
const fn is_away(visits: u32) -> bool {
    visits % 2 == 0
}
