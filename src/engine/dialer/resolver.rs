//! Looking up names. The system's resolver blocks, for half a minute if it has to, and so it is only asked on threads made
//! for that: at most a few, which end when nothing was asked for a while.
//!
//! A name is looked up once for all who ask for it while that lasts. One that takes long costs nobody else: a thread that
//! is stuck no longer counts as one of the few. How long a caller waits is the caller's business; when nobody waits any
//! more for a name that no thread has begun with, it is forgotten.

use super::CallId;
use super::mailbox::{Mailbox, Order};
use super::network::Network;
use crate::sys::fault;
use crate::sys::process::{self, Thread};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

/// Addresses of a name, or why there are none.
pub type Found = Result<Vec<SocketAddr>, String>;

/// Threads that look names up, but for those that are stuck.
pub(crate) const THREADS: usize = 4;

/// All of them.
pub(crate) const ALL_THREADS: usize = 32;

/// All of them in the process, with those of dialers that are gone: a lookup cannot be broken off.
pub(crate) const MOST_THREADS: u32 = 128;

/// How long to leave it at that before looking whether there are fewer.
const PAUSE: Duration = Duration::from_millis(100);

/// A lookup that has taken so long is stuck.
const STUCK: Duration = Duration::from_secs(1);

/// How long a thread waits for more to do.
const PATIENCE: Duration = Duration::from_secs(5);

/// The resolver, as the dialer's thread has it.
pub struct Resolver {
    shared: Arc<Shared>,
    names: HashMap<Arc<str>, Asked>,
    threads: Vec<Thread>,
    asked: u64,
    /// There would be another thread if the process had not so many.
    is_held_back: bool,
    count: &'static Count,
}

/// A name that somebody waits for, or a thread is at work on.
struct Asked {
    turn: u64,
    callers: BTreeSet<CallId>,
}

struct Shared {
    work: Mutex<Work>,
    news: Condvar,
    network: Arc<dyn Network>,
    mailbox: Arc<Mailbox>,
}

#[derive(Default)]
struct Work {
    /// Names that no thread has begun with, in the order of their turns.
    waiting: BTreeMap<u64, Arc<str>>,
    /// Threads that look something up, and since when.
    busy: HashMap<ThreadId, Instant>,
    /// Threads that wait, or are about to look for work.
    idle: usize,
    has_ended: bool,
}

impl Resolver {
    /// One without threads, which answers to `mailbox`.
    pub fn new(network: &Arc<dyn Network>, mailbox: &Arc<Mailbox>) -> Self {
        let shared = Shared {
            work: Mutex::default(),
            news: Condvar::new(),
            network: Arc::clone(network),
            mailbox: Arc::clone(mailbox),
        };
        Self {
            shared: Arc::new(shared),
            names: HashMap::new(),
            threads: Vec::new(),
            asked: 0,
            is_held_back: false,
            count: &COUNT,
        }
    }

    /// Has a name looked up for a call.
    pub fn ask(&mut self, name: &Arc<str>, call: CallId) {
        if let Some(asked) = self.names.get_mut(name) {
            asked.callers.insert(call);
            return;
        }
        self.asked += 1;
        self.names.insert(Arc::clone(name), Asked { turn: self.asked, callers: BTreeSet::from([call]) });
        self.shared.work().waiting.insert(self.asked, Arc::clone(name));
        self.shared.news.notify_one();
        self.see_to_threads(Instant::now());
    }

    /// A call no longer waits for a name.
    pub fn forget(&mut self, name: &Arc<str>, call: CallId) {
        let Some(asked) = self.names.get_mut(name) else { return };
        asked.callers.remove(&call);
        if asked.callers.is_empty() && self.shared.work().waiting.remove(&asked.turn).is_some() {
            self.names.remove(name);
        }
    }

    /// Who waits for a name that was found.
    pub fn found(&mut self, name: &str) -> BTreeSet<CallId> {
        self.names.remove(name).map(|asked| asked.callers).unwrap_or_default()
    }

    /// When to see to the threads again, which was done at the time of `seen`: one of them may be stuck by then while names wait.
    pub fn alarm(&self, seen: Instant) -> Option<Instant> {
        if self.names.is_empty() {
            return None;
        }
        let work = self.shared.work();
        if work.waiting.len() <= work.idle {
            return None;
        }
        let stuck = work.busy.values().map(|since| *since + STUCK).filter(|stuck| *stuck > seen);
        stuck.chain(self.is_held_back.then_some(seen + PAUSE)).min()
    }

    /// Sees to it that there are threads for the names that wait.
    pub fn see_to_threads(&mut self, now: Instant) {
        self.is_held_back = false;
        loop {
            let mut work = self.shared.work();
            let stuck = work.busy.values().filter(|since| now.duration_since(**since) >= STUCK).count();
            let all = work.busy.len() + work.idle;
            if work.waiting.len() <= work.idle || all - stuck >= THREADS || all >= ALL_THREADS {
                return;
            }
            let Some(leave) = self.count.leave() else {
                self.is_held_back = true;
                return;
            };
            work.idle += 1;
            drop(work);
            self.threads.retain(|thread| !thread.has_ended());
            let shared = Arc::clone(&self.shared);
            let serve = move || {
                let _leave = leave;
                shared.serve();
            };
            match process::spawn("wspush-resolver".to_owned(), serve) {
                Ok(thread) => self.threads.push(thread),
                Err(error) => return self.shared.without_thread(&error.to_string()),
            }
        }
    }
}

impl Drop for Resolver {
    /// Threads that wait are waited for. Those that are in a lookup end when they come out of it.
    fn drop(&mut self) {
        let mut work = self.shared.work();
        work.has_ended = true;
        let busy: Vec<ThreadId> = work.busy.keys().copied().collect();
        drop(work);
        self.shared.news.notify_all();
        self.threads.drain(..).filter(|thread| !busy.contains(&thread.id())).for_each(Thread::join);
    }
}

impl Shared {
    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a thread does.
    fn serve(&self) {
        let own = std::thread::current().id();
        let mut work = self.work();
        while !work.has_ended {
            if let Some((_, name)) = work.waiting.pop_first() {
                work.idle -= 1;
                work.busy.insert(own, Instant::now());
                drop(work);
                self.look_up(name);
                work = self.work();
                work.busy.remove(&own);
                work.idle += 1;
                continue;
            }
            let (waited, patience) = self.news.wait_timeout(work, PATIENCE).unwrap_or_else(PoisonError::into_inner);
            work = waited;
            if patience.timed_out() && work.waiting.is_empty() {
                break;
            }
        }
        work.idle -= 1;
    }

    fn look_up(&self, name: Arc<str>) {
        let found = fault::caught(|| self.network.look_up(&name));
        let found = match found {
            Ok(Ok(addresses)) if addresses.is_empty() => Err("it has no address".to_owned()),
            Ok(found) => found.map_err(|error| error.to_string()),
            Err(fault) => Err(fault),
        };
        self.mailbox.post(Order::Found(name, found));
    }

    /// The system gives no thread: whoever waits is told if there is no other that could do it.
    fn without_thread(&self, why: &str) {
        let mut work = self.work();
        work.idle -= 1;
        if work.idle + work.busy.len() > 0 {
            return;
        }
        for name in std::mem::take(&mut work.waiting).into_values() {
            self.mailbox.post(Order::Found(name, Err(format!("no thread to look it up: {why}"))));
        }
    }
}

/// Counts threads: in the lower half how many there are, in the upper the forks before them, for those of a parent are not there in
/// its child.
struct Count(AtomicU64);

static COUNT: Count = Count(AtomicU64::new(0));

/// Leave for one thread, as long as this lives.
struct Leave(&'static Count);

impl Count {
    /// Leave for another thread, unless there are too many.
    fn leave(&'static self) -> Option<Leave> {
        self.change(|threads| (threads < MOST_THREADS).then_some(threads + 1)).then(|| Leave(self))
    }

    /// Whether `change` has agreed to one.
    fn change(&self, change: impl Fn(u32) -> Option<u32>) -> bool {
        let forks = u64::from(process::fork_generation());
        let changed = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |before| {
            let threads = if before >> u32::BITS == forks { before as u32 } else { 0 };
            change(threads).map(|threads| forks << u32::BITS | u64::from(threads))
        });
        changed.is_ok()
    }
}

impl Drop for Leave {
    fn drop(&mut self) {
        self.0.change(|threads| threads.checked_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::super::network::System;
    use super::*;

    #[test]
    fn a_process_has_so_many_threads_for_names_and_no_more() {
        let count: &'static Count = Box::leak(Box::new(Count(AtomicU64::new(0))));
        // Those of dialers that are gone, in lookups that do not end.
        let mut others: Vec<Leave> = std::iter::from_fn(|| count.leave()).collect();
        assert_eq!(others.len(), MOST_THREADS as usize);
        let network: Arc<dyn Network> = Arc::new(System);
        let mailbox = Arc::new(Mailbox::new().unwrap());
        let mut resolver = Resolver::new(&network, &mailbox);
        resolver.count = count;
        resolver.ask(&"localhost".into(), 1);
        let now = Instant::now();
        assert_eq!((resolver.threads.len(), resolver.alarm(now)), (0, Some(now + PAUSE)));
        others.pop();
        resolver.see_to_threads(now + PAUSE);
        assert_eq!((resolver.threads.len(), resolver.alarm(now)), (1, None));
        drop(resolver);
        // It ends, and gives its leave back.
        others.push(std::iter::repeat_with(|| (std::thread::yield_now(), count.leave()).1).flatten().next().unwrap());
        assert!(count.leave().is_none());
        // What a parent counted is nothing to its child.
        count.0.fetch_add(1 << u32::BITS, Ordering::Relaxed);
        assert!(count.leave().is_some());
    }
}
