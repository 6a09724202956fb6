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
//! the host does nothing but wait, the keeper sleeps. While it does nothing at all, too: see
//! [`CommandQueue::stop_looking`](super::commands::CommandQueue::stop_looking).
//!
//! Who leaves the seat says so to whoever has asked for it (see [`ownership`](crate::sys::ownership)). The threads that poll may
//! change: the one that comes sees to it that the pushes of the one before are not forgotten.
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
use crate::sys::barrier;
use crate::sys::futex::Waited;
use crate::sys::ownership::{Found, Owned, Ownership};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How often the keeper looks while the host comes and goes.
const LOOK: Duration = Duration::from_millis(1);

/// The seat of one reactor.
pub struct Seat {
    /// `None` when the reactor has stopped.
    reactor: Ownership<Option<Reactor>>,
    link: Arc<Link>,
    /// What the host goes by.
    host: Host,
    /// Counts each coming and each going of the host: odd while it is in a poll.
    visits: AtomicU32,
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
            reactor: Ownership::new(Arc::clone(link.commands.standing()), Some(reactor)),
            link: Arc::clone(link),
            visits: AtomicU32::new(0),
            kept: AtomicBool::new(!shared),
            asleep: AtomicBool::new(false),
        }
    }

    // ---- the keeper ------------------------------------------------------------------------------------------------

    /// What the keeper does: serves whenever the host does not, until the reactor has stopped.
    pub fn keep(&self) {
        self.link.begin_thread(self.host);
        let (standing, bell) = (self.link.commands.standing(), self.link.commands.bell());
        loop {
            let heard = bell.heard();
            let mut place = match self.reactor.own_or_want() {
                Ok(place) => place,
                Err(found) => {
                    // The host has come back meanwhile, or does not know yet that it has nothing more to do here. It rings when it
                    // leaves.
                    self.link.commands.wake_found(found);
                    let is_kept = self.kept.load(Ordering::SeqCst);
                    bell.wait(heard, (!is_kept).then_some(LOOK));
                    self.stand_by();
                    continue;
                }
            };
            let Some(reactor) = place.as_mut() else { return };
            reactor.begin_keeping();
            while !reactor.is_done() {
                if standing.is_wanted() {
                    if !reactor.is_stopping() && !self.kept.load(Ordering::SeqCst) {
                        break;
                    }
                    standing.forget_wanted();
                }
                // The keeper receives no signals.
                let _ = reactor.turn(None);
            }
            if reactor.is_done() {
                reactor.finish();
                *place = None;
                return;
            }
            self.vacate(place);
            self.stand_by();
        }
    }

    /// What is done when the keeper's thread has ended, however that came about: nobody waits for the reactor any more. One that was
    /// not told to stop has ended by a fault of ours, and goes with its connections, or within a callback of a host that has ended
    /// the thread. Then it stays as it was at that moment, for what the host was told of may be in use by it.
    pub fn end(&self) {
        drop(self.link.commands.close());
        let left = self.reactor.try_own().and_then(|mut place| place.take());
        drop(left);
        self.link.tell_end();
    }

    /// Waits until the seat needs the keeper.
    fn stand_by(&self) {
        let bell = self.link.commands.bell();
        loop {
            let heard = bell.heard();
            let visits = self.visits.load(Ordering::SeqCst);
            if self.kept.load(Ordering::SeqCst) || is_away(visits) && self.link.commands.is_called() {
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

    /// Leaves the seat free, and tells whoever waits for that.
    fn vacate(&self, place: Owned<'_, Option<Reactor>>) {
        // Nobody but the keeper, which sits down when the host has been away for long enough, looks for what is pushed quietly.
        self.link.commands.look_again();
        let is_wanted = place.give_up();
        if is_wanted {
            if let Some(events) = &self.link.events {
                events.announce();
            }
        }
        // A keeper that has the seat alone waits without end for whoever is here to leave, and may have been taken back what it wants.
        if is_wanted || self.link.commands.is_called() || self.kept.load(Ordering::SeqCst) {
            self.link.commands.bell().ring();
        }
    }

    // ---- the host --------------------------------------------------------------------------------------------------

    /// The host comes to wait for events. `changed`: another of its threads did so the last time, and may be in the middle of a
    /// push. In a callback of another server it cannot serve meanwhile: its thread runs that one's reactor, and is in the middle
    /// of a turn. Whether what the thread before has pushed is to be looked for.
    pub fn enter(&self, changed: bool) -> bool {
        if turn::is_in_use() {
            self.keep_alone();
        }
        let taken = worker::own(self.host, &self.link);
        if changed && !taken {
            barrier::heavy();
        }
        self.visits.fetch_add(1, Ordering::SeqCst);
        changed || taken
    }

    /// The host is off to its own work.
    pub fn leave(&self) {
        self.visits.fetch_add(1, Ordering::SeqCst);
        if self.asleep.load(Ordering::SeqCst) || self.link.commands.is_called() {
            self.link.commands.bell().ring();
        }
    }

    /// Leaves the seat to the keeper for good.
    pub fn keep_alone(&self) {
        self.kept.store(true, Ordering::SeqCst);
        self.link.commands.bell().ring();
    }

    /// Serves on the thread of the host, if the seat is free, until there is something in `events` or until `deadline`.
    /// Whether it was free. If it was not and the host `asks` for it, the queue of events is announced once it is.
    ///
    /// # Errors
    /// `Interrupted` after a signal handler ran.
    pub fn serve(&self, events: &EventQueue, deadline: Option<Instant>, asks: bool) -> io::Result<bool> {
        let is_called_off = || {
            let standing = self.link.commands.standing();
            // The keeper wants it, which may have had another reason than this, by now gone. Whether it is the keeper's alone is asked
            // behind that: what was taken back may have been said for this very reason.
            standing.is_wanted() && {
                standing.forget_wanted();
                self.kept.load(Ordering::SeqCst)
            }
        };
        let served = self.sit(asks, |reactor| serve(reactor, events, deadline, is_called_off));
        served.map_or(Ok(false), |served| served.map(|()| true))
    }

    /// Asks for the seat no longer.
    pub fn give_way(&self) {
        self.link.commands.standing().forget_wanted();
    }

    /// Sends a large message of a host at work at once, if the seat is free. `None` if it is not, or if too much is to be sent
    /// before.
    pub fn send(&self, to: ConnId, opcode: Opcode, payload: &[u8]) -> Option<Result<()>> {
        let result = self.sit(false, |reactor| reactor.send_directly(to, opcode, payload))??;
        Some(result.or_else(|standing| self.link.not_sent(to, standing)))
    }

    /// Does something with the reactor, if the seat is free.
    fn sit<T>(&self, asks: bool, action: impl FnOnce(&mut Reactor) -> T) -> Option<T> {
        if self.kept.load(Ordering::SeqCst) {
            return None;
        }
        let owned = if asks { self.reactor.own_or_want() } else { self.reactor.try_own().ok_or(Found::Awake) };
        let mut place = match owned {
            Ok(place) => place,
            Err(found) => {
                self.link.commands.wake_found(found);
                return None;
            }
        };
        let reactor = place.as_mut()?;
        let result = action(reactor);
        if reactor.is_stopping() {
            self.keep_alone();
        }
        self.vacate(place);
        Some(result)
    }
}

fn serve(
    reactor: &mut Reactor,
    events: &EventQueue,
    deadline: Option<Instant>,
    is_called_off: impl Fn() -> bool,
) -> io::Result<()> {
    reactor.send_pushed(true);
    reactor.serve_host(true);
    let mut result = Ok(());
    while result.is_ok() && !events.has_news() && !reactor.is_stopping() && !is_called_off() {
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

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::engine::commands::Command;
    use crate::engine::delivery::Delivery;
    use crate::engine::events::BatchWriter;
    use crate::engine::site::Site;
    use crate::options::Options;
    use crate::protocol::Role;

    /// A keeper that has the seat alone waits without end for the host to leave. The host, or another of its threads, may have taken
    /// the keeper's wish for its own meanwhile, and taken it back.
    #[test]
    fn a_keeper_whose_wish_was_taken_back_has_the_seat_all_the_same() {
        let events = Arc::new(EventQueue::new(1024).unwrap());
        let link = Link::new(Role::Server, 0, &Arc::new(Options::default()), &Arc::default(), Some(&events)).unwrap();
        let link = Arc::new(link);
        let site = Arc::new(Site { links: vec![Arc::clone(&link)], ..Site::default() });
        let delivery = Delivery::Batches(BatchWriter::new(events, Arc::clone(&link.progress)));
        let reactor = Reactor::new(Arc::clone(&link), site, Vec::new(), delivery).unwrap();
        let seat = Arc::new(Seat::new(&link, reactor, true, None));
        let standing = link.commands.standing();
        let keeper = seat
            .sit(false, |_| {
                seat.keep_alone();
                let kept = Arc::clone(&seat);
                let keeper = std::thread::spawn(move || kept.keep());
                while !(standing.is_wanted() && link.commands.bell().is_awaited()) {
                    std::thread::yield_now();
                }
                seat.give_way();
                keeper
            })
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while !standing.is_owned() {
            assert!(Instant::now() < deadline, "nobody has the seat");
            std::thread::yield_now();
        }
        link.enqueue(Command::Stop(Duration::ZERO)).unwrap();
        keeper.join().unwrap();
    }
}
