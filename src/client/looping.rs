//! A loop: the thread on which the connections of clients live, and the queue of their events if they are polled.

use super::members::Members;
use crate::engine::batch::Batch;
use crate::engine::delivery::{Delivery, Handlers};
use crate::engine::events::{BatchWriter, EventQueue};
use crate::engine::link::Link;
use crate::engine::reactor::Reactor;
use crate::engine::running::{Crew, Running};
use crate::engine::site::Site;
use crate::error::{Error, Result, Status};
use crate::options::Options;
use crate::protocol::Role;
use crate::sys::lock::Lock;
use crate::sys::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

/// Loops that are shared by clients with callbacks, each by those whose options for the engine are the same.
static OF_CALLBACKS: Lock<Vec<Weak<Loop>>> = Lock::new(Vec::new());

/// What clients share. It starts with the first of them.
#[derive(Default)]
pub struct Loop {
    starting: Lock<()>,
    /// Nobody takes its events any more.
    retired: AtomicBool,
    running: OnceLock<Running>,
    members: Arc<Members>,
}

impl Loop {
    /// A loop that is polled.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The loop of all clients with callbacks that have these options.
    pub(super) fn of_callbacks(options: &Options) -> Result<Arc<Self>> {
        process::watch_forks();
        // Declared before the lock: a loop that others let go of meanwhile ends here, and must not end under it.
        let mut there: Vec<Arc<Self>> = Vec::new();
        let mut loops = OF_CALLBACKS.write();
        loops.retain(|shared| shared.strong_count() > 0);
        there.extend(loops.iter().filter_map(Weak::upgrade));
        let is_it = |shared: &&Arc<Self>| shared.is_running() && shared.link(options, false).is_ok();
        if let Some(found) = there.iter().find(is_it) {
            return Ok(Arc::clone(found));
        }
        let made = Arc::new(Self::default());
        made.link(options, false)?;
        loops.push(Arc::downgrade(&made));
        Ok(made)
    }

    /// Its reactor as other threads see it, running with these options from now on.
    ///
    /// # Errors
    /// `WS_ERR_VALUE` if it runs with others, `WS_ERR_FORKED`, `WS_ERR_SYSTEM`.
    pub(super) fn link(&self, options: &Options, polled: bool) -> Result<Arc<Link>> {
        let _starting = self.starting.write();
        if self.retired.load(Ordering::Acquire) {
            return Err(Error::new(Status::WS_ERR_STATE, "start: the loop of the client was freed"));
        }
        if self.running.get().is_none() {
            // The lock is held, so nobody else can have set it.
            let _ = self.running.set(start(options, polled)?);
        }
        let link = &self.running()?.links[0];
        if *link.options != *options {
            let detail = "start: the clients of a loop have the same options, but for those of connecting: \
                          the first that was started has others";
            return Err(Error::new(Status::WS_ERR_VALUE, detail));
        }
        Ok(Arc::clone(link))
    }

    pub(super) fn running(&self) -> Result<&Running> {
        let not_started = || Error::new(Status::WS_ERR_STATE, "no client of the loop was started");
        self.running.get().ok_or_else(not_started)?.here()
    }

    /// Whether it runs in this process, and takes what it is asked to do.
    fn is_running(&self) -> bool {
        self.running().is_ok_and(|running| !running.links[0].commands.is_closed())
    }

    /// Its clients, and which connection is whose.
    #[must_use]
    pub fn members(&self) -> Arc<Members> {
        Arc::clone(&self.members)
    }

    /// Waits for events of its clients for at most `limit` and reads them with `read`; see
    /// [`EventQueue::poll`](crate::engine::events::EventQueue::poll).
    ///
    /// # Errors
    /// `WS_ERR_STATE` before the first client was started, `WS_ERR_FORKED`, and those of
    /// [`EventQueue::poll`](crate::engine::events::EventQueue::poll).
    pub fn poll<T>(&self, limit: Option<Duration>, read: impl FnOnce(&Batch) -> T) -> Result<Option<T>> {
        self.running()?.poll(limit, read)
    }

    /// Says that the host is done with the events that it has taken; see
    /// [`EventQueue::finish`](crate::engine::events::EventQueue::finish).
    ///
    /// # Errors
    /// As [`Loop::poll`].
    pub fn finish(&self) -> Result<()> {
        self.running()?.finish()
    }

    /// A descriptor that is readable while events wait.
    ///
    /// # Errors
    /// As [`Loop::poll`].
    pub fn event_fd(&self) -> Result<std::os::fd::RawFd> {
        self.running()?.event_fd()
    }

    /// Whether the calling thread is inside a callback of one of its clients.
    #[must_use]
    pub fn is_in_callback(&self) -> bool {
        self.running.get().is_some_and(Running::is_in_callback)
    }

    /// Ends it at once, with all connections that are there; calls of [`Loop::poll`] end without events.
    pub fn retire(&self) {
        self.retired.store(true, Ordering::Release);
        if let Some(running) = self.running.get() {
            running.retire();
            if !running.is_elsewhere() {
                self.members.abandon();
            }
        }
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        self.retire();
    }
}

fn start(options: &Options, polled: bool) -> Result<Running> {
    process::watch_forks();
    let system = |what: &'static str| move |error: std::io::Error| Error::system(what, &error);
    let options = Arc::new(options.clone());
    let events = match polled {
        true => Some(Arc::new(EventQueue::new(options.max_event_bytes).map_err(system("eventfd"))?)),
        false => None,
    };
    let link = Link::new(Role::Client, 0, &options, &Arc::default(), events.as_ref()).map_err(system("eventfd"))?;
    let link = Arc::new(link);
    let delivery = match &events {
        Some(events) => Delivery::Batches(BatchWriter::new(Arc::clone(events), Arc::clone(&link.progress))),
        None => Delivery::Each(Handlers::new(Arc::clone(&link))),
    };
    let site = Arc::new(Site { links: vec![Arc::clone(&link)], ..Site::default() });
    let reactor = Reactor::new(link, site, Vec::new(), delivery).map_err(system("epoll"))?;
    Running::start(Crew { name: "wspush-client", reactors: vec![reactor], events, host: None })
}
