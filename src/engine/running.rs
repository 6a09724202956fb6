//! Reactors on their threads, from their start to their stop: what a server is while it runs, and what clients share.

use super::batch::{Batch, BatchNumber, Event};
use super::events::{EventQueue, Reactors, Served};
use super::link::Link;
use super::reactor::Reactor;
use super::registry::{ConnId, Phase, reactor_of};
use super::seat::Seat;
use super::turn::Host;
use super::worker;
use crate::error::{Error, Result, Status};
use crate::protocol::frame::Opcode;
use crate::sys::process::{self, Thread};
use crate::sys::{barrier, clock};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What is to run.
pub struct Crew {
    /// What the threads are called.
    pub name: &'static str,
    /// The reactors.
    pub reactors: Vec<Reactor>,
    /// The queue to the host, in poll mode.
    pub events: Option<Arc<EventQueue>>,
    /// What the host goes by.
    pub host: Host,
}

/// Reactors that run.
pub struct Running {
    /// Each as other threads see it.
    pub links: Vec<Arc<Link>>,
    seats: Vec<Arc<Seat>>,
    events: Option<Arc<EventQueue>>,
    threads: Mutex<Vec<Thread>>,
    alive: Arc<Alive>,
    forks: u32,
    /// When the clock that the reactors go by was 0, in milliseconds of Unix time.
    pub epoch_ms: u64,
}

/// How many reactors run.
struct Alive {
    count: AtomicUsize,
    lock: Mutex<()>,
    none: Condvar,
}

impl Running {
    /// Starts these reactors, each on a thread of its own that is called `name` and its number.
    ///
    /// # Errors
    /// When the system does not allow another thread. Nothing runs then.
    pub fn start(crew: Crew) -> Result<Self> {
        let Crew { name, reactors, events, host } = crew;
        barrier::prepare();
        let count = reactors.len();
        let mut links = Vec::new();
        let mut seats = Vec::new();
        for mut reactor in reactors {
            let link = Arc::clone(reactor.link());
            // A host can run one reactor while it waits, and not several.
            let shared = events.is_some() && count == 1;
            if shared {
                reactor.open_ring();
            }
            seats.push(Arc::new(Seat::new(&link, reactor, shared, host)));
            links.push(link);
        }
        let running = Self {
            links,
            seats,
            events,
            threads: Mutex::default(),
            alive: Arc::new(Alive::new(count)),
            forks: process::fork_generation(),
            epoch_ms: clock::epoch_ms(),
        };
        for (index, seat) in running.seats.iter().enumerate() {
            if let Err(error) = running.spawn(format!("{name}-{index}"), Arc::clone(seat)) {
                running.alive.leave(count - index);
                running.begin_stop(Duration::ZERO);
                running.join();
                return Err(Error::system("start a thread", &error));
            }
        }
        Ok(running)
    }

    fn spawn(&self, name: String, seat: Arc<Seat>) -> std::io::Result<()> {
        let alive = Arc::clone(&self.alive);
        let events = self.events.clone();
        let own = Arc::clone(&seat);
        let keep = move || seat.keep();
        let at_end = move || {
            own.end();
            if alive.leave(1) {
                if let Some(events) = &events {
                    events.stop();
                }
            }
        };
        let thread = process::spawn_with_end(name, keep, at_end)?;
        lock(&self.threads).push(thread);
        Ok(())
    }

    /// Itself, unless it runs in another process.
    ///
    /// # Errors
    /// `WS_ERR_FORKED`.
    pub fn here(&self) -> Result<&Self> {
        if self.is_elsewhere() {
            return Err(Error::new(
                Status::WS_ERR_FORKED,
                "it was started before a fork, and its threads stayed in the parent: start after the fork",
            ));
        }
        Ok(self)
    }

    /// Whether this process is a child of the one in which it runs.
    #[must_use]
    pub fn is_elsewhere(&self) -> bool {
        self.forks != process::fork_generation()
    }

    fn events(&self) -> Result<&EventQueue> {
        self.events.as_deref().ok_or_else(|| {
            Error::new(Status::WS_ERR_STATE, "poll: callbacks are set, and take the events on the reactor threads")
        })
    }

    /// Waits for events for at most `limit` and reads them with `read`; see [`EventQueue::poll`].
    ///
    /// # Errors
    /// `WS_ERR_STATE` if callbacks are set, and those of [`EventQueue::poll`].
    pub fn poll<T>(&self, limit: Option<Duration>, read: impl FnOnce(&Batch) -> T) -> Result<Option<T>> {
        self.events()?.poll(limit, self, read)
    }

    /// Says that the host is done with the batch that it has taken; see [`EventQueue::finish`].
    ///
    /// # Errors
    /// `WS_ERR_STATE` if callbacks are set, `WS_ERR_WRONG_THREAD` while another thread polls.
    pub fn finish(&self) -> Result<()> {
        self.events()?.finish(self)
    }

    /// The descriptor that is readable while events wait. A host that waits for it does not wait in a poll, so that the
    /// reactors are left to their keepers.
    ///
    /// # Errors
    /// `WS_ERR_STATE` if callbacks are set.
    pub fn event_fd(&self) -> Result<std::os::fd::RawFd> {
        let fd = self.events()?.fd();
        self.seats.iter().for_each(|seat| seat.keep_alone());
        Ok(fd)
    }

    /// Has every reactor close its connections, and end when that is done or `time` is over.
    pub fn begin_stop(&self, time: Duration) {
        self.links.iter().for_each(|link| link.stop(time));
    }

    /// The same, and waits until it is done, except inside a callback, of whatever reactor: no thread of ours waits for another,
    /// which may wait for it.
    pub fn stop(&self, time: Duration) {
        self.begin_stop(time);
        if !process::is_our_thread() {
            self.join();
        }
    }

    /// Stops at once, and has calls of [`Running::poll`] end without events: what they would lead to is about to go. The
    /// calling thread has no more to do with the reactors.
    pub fn retire(&self) {
        if !self.is_elsewhere() {
            if let Some(events) = &self.events {
                events.close();
            }
            self.stop(Duration::ZERO);
            if let Some(events) = self.events.as_ref().filter(|_| !process::is_our_thread()) {
                events.wait_for_poll();
            }
        }
        self.links.iter().for_each(|link| worker::disown(&link.commands));
    }

    /// Waits until every reactor has stopped.
    ///
    /// # Errors
    /// `WS_ERR_IN_CALLBACK`.
    pub fn wait(&self) -> Result<()> {
        check_may_wait()?;
        self.alive.wait();
        Ok(())
    }

    /// Sends a large message of the thread that works on a batch at once, if the reactor is free.
    pub fn send_directly(&self, conn: ConnId, opcode: Opcode, payload: &[u8]) -> Option<Result<()>> {
        let ([seat], Some(events)) = (&self.seats[..], &self.events) else { return None };
        if events.is_worker() { seat.send(conn, opcode, payload) } else { None }
    }

    /// Whether the calling thread is inside a callback of theirs.
    #[must_use]
    pub fn is_in_callback(&self) -> bool {
        self.links.iter().any(|link| link.is_this_thread())
    }

    fn join(&self) {
        self.alive.wait();
        let threads = std::mem::take(&mut *lock(&self.threads));
        threads.into_iter().for_each(Thread::join);
    }
}

impl Reactors for Running {
    fn enter(&self, changed: bool) -> bool {
        // Where there are several reactors, every push calls the one that it is for.
        let changed = changed && self.seats.len() == 1;
        let mut pushed = false;
        self.seats.iter().for_each(|seat| pushed |= seat.enter(changed));
        pushed
    }

    fn leave(&self) {
        self.seats.iter().for_each(|seat| seat.leave());
    }

    fn serve(&self, deadline: Option<Instant>, asks: bool) -> Served {
        let ([seat], Some(events)) = (&self.seats[..], &self.events) else { return Served::Elsewhere };
        match seat.serve(events, deadline, asks) {
            Ok(true) => Served::Here,
            Ok(false) => Served::Elsewhere,
            Err(_) => Served::Interrupted,
        }
    }

    fn give_way(&self) {
        self.seats.iter().for_each(|seat| seat.give_way());
    }

    fn take_pushes(&self) {
        self.links.iter().for_each(|link| link.commands.call());
    }

    fn go_on(&self) {
        self.links.iter().for_each(|link| link.commands.nudge());
    }

    fn look(&self) {
        self.links.iter().for_each(|link| link.commands.call_now());
    }

    fn reopen(&self, batch: &Batch) {
        let reactors = self.links.len() as u64;
        for event in batch.events() {
            if let Event::Message(conn, ..) | Event::Open(conn, _) = event {
                let link = &self.links[reactor_of(*conn, reactors)];
                link.registry.change_phase(*conn, Phase::Leaving, Phase::Open);
            }
        }
    }

    fn is_over(&self, conn: ConnId, last: &mut Option<BatchNumber>) -> bool {
        self.links[reactor_of(conn, self.links.len() as u64)].is_over(conn, last)
    }
}

impl Alive {
    fn new(count: usize) -> Self {
        Self { count: AtomicUsize::new(count), lock: Mutex::new(()), none: Condvar::new() }
    }

    /// Takes `count` reactors off. Whether none is left.
    fn leave(&self, count: usize) -> bool {
        let _guard = lock(&self.lock);
        let last = self.count.fetch_sub(count, Ordering::AcqRel) == count;
        self.none.notify_all();
        last
    }

    fn wait(&self) {
        let mut guard = lock(&self.lock);
        while self.count.load(Ordering::Acquire) > 0 {
            guard = self.none.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Whether the calling thread may wait for reactors: not inside a callback, of whatever server or client.
///
/// # Errors
/// `WS_ERR_IN_CALLBACK`.
pub fn check_may_wait() -> Result<()> {
    if process::is_our_thread() {
        let detail = "wait: a callback cannot wait for a server or a client, for that may wait for it";
        return Err(Error::new(Status::WS_ERR_IN_CALLBACK, detail));
    }
    Ok(())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
