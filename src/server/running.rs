//! What a server is from its start on: bound addresses, reactors on their threads, and the count of those that run.

use super::{Setup, lock};
use crate::engine::commands::Command;
use crate::engine::delivery::Delivery;
use crate::engine::events::{BatchWriter, EventQueue, Reactors, Served};
use crate::engine::link::Link;
use crate::engine::reactor::Reactor;
use crate::engine::registry::ConnId;
use crate::engine::seat::Seat;
use crate::engine::site::Site;
use crate::engine::turn::Host;
use crate::engine::worker;
use crate::error::{Error, Result, Status};
use crate::options::Options;
use crate::protocol::Role;
use crate::protocol::frame::Opcode;
use crate::sys::socket::{Address, Listener};
use crate::sys::{clock, process};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What is there from the start on.
pub(super) struct Running {
    pub(super) links: Vec<Arc<Link>>,
    seats: Vec<Arc<Seat>>,
    pub(super) events: Option<Arc<EventQueue>>,
    pub(super) ports: Vec<u16>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    pub(super) alive: Arc<Alive>,
    pub(super) forks: u32,
    /// When the clock that the reactors go by was 0, in milliseconds of Unix time.
    pub(super) epoch_ms: u64,
}

/// How many reactors run.
pub(super) struct Alive {
    count: AtomicUsize,
    lock: Mutex<()>,
    none: Condvar,
}

impl Running {
    pub(super) fn start(setup: &Setup, host: Host) -> Result<Self> {
        let mut options = setup.options.clone();
        options.settle()?;
        let options = Arc::new(options);
        let reactors = options.reactors as usize;
        let mut site = Site::new(&options, setup.logger.clone(), setup.handler.is_none())?;
        let (per_reactor, ports) = bind(setup, reactors)?;
        let system = |what: &'static str| move |error: std::io::Error| Error::system(what, &error);
        let events = match setup.handler {
            Some(_) => None,
            None => Some(Arc::new(EventQueue::new(options.max_event_bytes).map_err(system("eventfd"))?)),
        };
        let census = Arc::default();
        for index in 0..reactors {
            let link = Link::new(Role::Server, index, &options, &census, events.as_ref()).map_err(system("eventfd"))?;
            site.links.push(Arc::new(link));
        }
        let site = Arc::new(site);
        let links = site.links.clone();
        let mut seats = Vec::new();
        for (link, listeners) in links.iter().zip(per_reactor) {
            let delivery = match (&setup.handler, &events) {
                (Some(handler), _) => Delivery::Callbacks(Arc::clone(handler)),
                (None, Some(events)) => Delivery::Batches(BatchWriter::new(Arc::clone(events))),
                (None, None) => unreachable!("one of the two is set above"),
            };
            let mut reactor =
                Reactor::new(Arc::clone(link), Arc::clone(&site), listeners, delivery).map_err(system("epoll"))?;
            let shared = events.is_some() && reactors == 1;
            if shared {
                reactor.open_ring();
            }
            seats.push(Arc::new(Seat::new(link, reactor, shared, host)));
        }
        let alive = Arc::new(Alive::new(reactors));
        let running = Self {
            links,
            seats,
            events,
            ports,
            threads: Mutex::default(),
            alive,
            forks: process::fork_generation(),
            epoch_ms: clock::epoch_ms(),
        };
        for (index, seat) in running.seats.iter().enumerate() {
            if let Err(error) = running.spawn(index, Arc::clone(seat)) {
                running.alive.leave(reactors - index);
                running.links.iter().for_each(|link| drop(link.enqueue(Command::Stop(Duration::ZERO))));
                running.join();
                return Err(Error::system("start a thread", &error));
            }
        }
        Ok(running)
    }

    fn spawn(&self, index: usize, seat: Arc<Seat>) -> std::io::Result<()> {
        let alive = Arc::clone(&self.alive);
        let events = self.events.clone();
        let thread = process::spawn(format!("wspush-{index}"), move || {
            // Dropped last, and also if the reactor comes to its end by a panic.
            let _leaving = Leaving { alive, events };
            seat.keep();
        })?;
        lock(&self.threads).push(thread);
        Ok(())
    }

    pub(super) fn events(&self) -> Result<&EventQueue> {
        self.events.as_deref().ok_or_else(|| {
            Error::new(Status::WS_ERR_STATE, "poll: callbacks are set, and take the events on the reactor threads")
        })
    }

    /// The descriptor that is readable while events wait. A host that waits for it does not wait in a poll, so that the
    /// reactors are left to their keepers.
    pub(super) fn event_fd(&self) -> Result<std::os::fd::RawFd> {
        let fd = self.events()?.fd();
        self.seats.iter().for_each(|seat| seat.keep_alone());
        Ok(fd)
    }

    /// Says that the calling thread has no more to do with the reactors.
    pub(super) fn part(&self) {
        self.links.iter().for_each(|link| worker::disown(&link.commands));
    }

    /// Sends a large message of the thread that works on a batch at once, if the reactor is free.
    pub(super) fn send_directly(&self, conn: ConnId, opcode: Opcode, payload: &[u8]) -> Option<Result<()>> {
        let ([seat], Some(events)) = (&self.seats[..], &self.events) else { return None };
        if events.is_worker() { seat.send(conn, opcode, payload) } else { None }
    }

    pub(super) fn is_in_callback(&self) -> bool {
        self.links.iter().any(|link| link.is_this_thread())
    }

    pub(super) fn join(&self) {
        self.alive.wait();
        let threads = std::mem::take(&mut *lock(&self.threads));
        for thread in threads {
            let _ = thread.join();
        }
    }
}

impl Reactors for Running {
    fn enter(&self) {
        self.seats.iter().for_each(|seat| seat.enter());
    }

    fn leave(&self) {
        self.seats.iter().for_each(|seat| seat.leave());
    }

    fn serve(&self, deadline: Option<Instant>) -> Served {
        let ([seat], Some(events)) = (&self.seats[..], &self.events) else { return Served::Elsewhere };
        match seat.serve(events, deadline) {
            Ok(true) => Served::Here,
            Ok(false) => Served::Elsewhere,
            Err(_) => Served::Interrupted,
        }
    }

    fn ask_to_serve(&self) {
        self.seats.iter().for_each(|seat| seat.ask());
    }

    fn take_pushes(&self) {
        self.links.iter().for_each(|link| link.commands.call());
    }

    fn go_on(&self) {
        self.links.iter().for_each(|link| link.commands.nudge());
    }
}

/// Takes a reactor off when its thread ends, however that ends.
struct Leaving {
    alive: Arc<Alive>,
    events: Option<Arc<EventQueue>>,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        if self.alive.leave(1) {
            if let Some(events) = &self.events {
                events.stop();
            }
        }
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

    pub(super) fn wait(&self) {
        let mut guard = lock(&self.lock);
        while self.count.load(Ordering::Acquire) > 0 {
            guard = self.none.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// The listeners of each reactor, and the port of each address.
type Bound = (Vec<Vec<Arc<Listener>>>, Vec<u16>);

/// Binds every address for every reactor. TCP listeners are one per reactor, and the kernel spreads connections over
/// them; a Unix socket and an inherited one have one listener, which all reactors accept from.
fn bind(setup: &Setup, reactors: usize) -> Result<Bound> {
    let mut listeners: Vec<Vec<Arc<Listener>>> = vec![Vec::new(); reactors];
    let mut ports = Vec::new();
    for candidates in &setup.addresses {
        let first = Arc::new(bind_first(candidates, &setup.options)?);
        let address = first.address().clone();
        ports.push(match &address {
            Address::Tcp(address) => address.port(),
            Address::Unix(_) | Address::Descriptor(_) => 0,
        });
        for (index, list) in listeners.iter_mut().enumerate() {
            list.push(match &address {
                Address::Tcp(_) if index > 0 && !first.is_inherited() => Arc::new(bind_one(&address, &setup.options)?),
                _ => Arc::clone(&first),
            });
        }
    }
    Ok((listeners, ports))
}

/// A name may stand for several addresses: the first that can be bound is taken.
fn bind_first(candidates: &[Address], options: &Options) -> Result<Listener> {
    let mut result = Err(Error::new(Status::WS_ERR_ADDRESS, "listen: no address"));
    for address in candidates {
        result = bind_one(address, options);
        if result.is_ok() {
            break;
        }
    }
    result
}

fn bind_one(address: &Address, options: &Options) -> Result<Listener> {
    Listener::bind(address, options.backlog as i32, options.reuse_port)
        .map_err(|error| Error::system(&format!("listen {address}"), &error))
}
