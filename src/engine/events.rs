//! Poll mode: the way from the reactors to the thread of the host.
//!
//! A turn of a reactor fills one batch: a list of events and an arena with their payloads. The batch crosses threads
//! as a whole, and the host reads it where it stands; emptied, it travels back to be used again. So a message costs no
//! allocation, no lock and no wake-up of its own. A message that the decoder has assembled moves into the batch with
//! its buffer. While the host is away the next turns go on filling the batch that waits for it.

use super::batch::{Batch, BatchNumber, Progress};
use super::discarded::Discarded;
use super::pool::Pool;
use super::registry::ConnId;
use crate::error::{Error, Result, Status};
use crate::protocol::decoder::Kind;
use crate::sys::eventfd::EventFd;
use crate::sys::futex::{Bell, Waited};
use std::collections::{TryReserveError, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

/// Batches that are kept for reuse.
const SPARE_BATCHES: usize = 16;

#[allow(clippy::vec_box, reason = "batches cross threads in these very boxes")]
type Spares = Vec<Box<Batch>>;
#[allow(clippy::vec_box, reason = "batches cross threads in these very boxes")]
type Batches = VecDeque<Box<Batch>>;

/// The queue between the reactors of a server and its host.
#[derive(Debug)]
pub struct EventQueue {
    full: Mutex<Batches>,
    /// How many there are; changed under the lock alone.
    full_count: AtomicUsize,
    /// Those that the host is done with. The last one is used first: it is still in the processor's cache.
    empty: Mutex<Spares>,
    /// Bytes of the batches that the host has not taken.
    waiting: AtomicU64,
    max_waiting: u64,
    /// Rings with every change that a sleeping host must see.
    changes: Bell,
    stopped: AtomicBool,
    closed: AtomicBool,
    fd: EventFd,
    fd_wanted: AtomicBool,
    /// The batch that the host reads, and so the right to poll.
    taken: Mutex<Option<Box<Batch>>>,
    /// The thread that works on a batch, or 0.
    worker: AtomicUsize,
    /// Connections that wait for the host to be done with a batch.
    leaving: AtomicUsize,
    /// Connections that the host has closed.
    discarded: Discarded,
}

/// The reactors of a queue, as its host needs them.
pub trait Reactors {
    /// The host comes to wait for events; on another thread than the last time, if that is `changed`. Whether that one may have
    /// pushed something that nobody was called for.
    fn enter(&self, changed: bool) -> bool;
    /// The host has what it came for, and is off to its own work.
    fn leave(&self);
    /// Runs the reactor on the calling thread, if it is free, until there is something in the queue or until `deadline`.
    /// If it is not and the calling thread `asks`, whoever runs it is to leave it, and announces the queue then.
    fn serve(&self, deadline: Option<Instant>, asks: bool) -> Served;
    /// Takes back what was asked.
    fn give_way(&self);
    /// Has whoever runs them take the pushes that they were not called for: there will be no more of them soon.
    fn take_pushes(&self);
    /// Has whoever runs them take a turn: the queue is no longer full, or a connection waits for the host to be done.
    fn go_on(&self);
    /// Has them take a turn, even if no thread runs them: the host has handled its batch, and does not come to wait.
    fn look(&self);
    /// The host has taken this batch: what came on connections that their peers have closed may be answered from now on.
    fn reopen(&self, batch: &Batch);
    /// Whether the host has taken all events of a connection. The batch that has the last of them is noted once it is known.
    fn is_over(&self, conn: ConnId, last: &mut Option<BatchNumber>) -> bool;
}

/// Who has run the reactor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Served {
    /// The calling thread.
    Here,
    /// Another thread, which still does.
    Elsewhere,
    /// The calling thread, until a signal handler ran on it.
    Interrupted,
}

/// A name of the calling thread that no other thread has at this time.
pub fn this_thread() -> usize {
    thread_local!(static PLACE: u8 = const { 0 });
    PLACE.with(|place| std::ptr::from_ref(place).addr())
}

impl EventQueue {
    /// An empty queue that is full when `max_waiting` bytes of events wait in it.
    ///
    /// # Errors
    /// When there is no descriptor left.
    pub fn new(max_waiting: u64) -> std::io::Result<Self> {
        Ok(Self {
            full: Mutex::default(),
            full_count: AtomicUsize::new(0),
            empty: Mutex::default(),
            waiting: AtomicU64::new(0),
            max_waiting,
            changes: Bell::default(),
            stopped: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            fd: EventFd::new()?,
            fd_wanted: AtomicBool::new(false),
            taken: Mutex::new(None),
            worker: AtomicUsize::new(0),
            leaving: AtomicUsize::new(0),
            discarded: Discarded::default(),
        })
    }

    /// Whether the host has fallen so far behind that the reactors must not read on.
    #[inline]
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) >= self.max_waiting
    }

    /// How much waits in it, in bytes.
    #[must_use]
    pub fn waiting_bytes(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Whether the calling thread works on a batch, and will call for the next when it is done.
    #[inline]
    #[must_use]
    pub fn is_worker(&self) -> bool {
        self.worker() == this_thread()
    }

    /// The name of the thread that works on a batch, or 0.
    #[inline]
    #[must_use]
    pub fn worker(&self) -> usize {
        self.worker.load(Ordering::Relaxed)
    }

    /// Has the host get no more of a connection than its close event: the host has closed it. `last` is the batch that has the last
    /// event of it, if it is gone.
    pub fn discard(&self, conn: ConnId, last: Option<BatchNumber>) {
        self.discarded.add(conn, last);
    }

    /// Says that no further batch will come, and wakes the host to see it.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        self.announce();
    }

    /// Has every call of [`EventQueue::poll`] end without events, now and from now on.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.announce();
    }

    /// Waits until no thread is in [`EventQueue::poll`].
    pub fn wait_for_poll(&self) {
        drop(self.taken.lock());
    }

    /// A descriptor that is readable while events wait.
    #[must_use]
    pub fn fd(&self) -> std::os::fd::RawFd {
        if !self.fd_wanted.swap(true, Ordering::SeqCst) && self.has_news() {
            self.fd.signal();
        }
        self.fd.raw()
    }

    /// Waits for events for at most `limit` (`None`: without end) and reads them with `read`. The batch stays where it
    /// is until the next call. Returns what `read` returns, or `None` when the time was up.
    ///
    /// # Errors
    /// `WS_ERR_WRONG_THREAD` while another thread polls, `WS_ERR_INTERRUPTED` after a signal handler ran,
    /// `WS_ERR_STOPPED` once everything was taken from a stopped server.
    pub fn poll<T>(
        &self,
        limit: Option<Duration>,
        reactors: &impl Reactors,
        read: impl FnOnce(&Batch) -> T,
    ) -> Result<Option<T>> {
        let mut taken = self.right_to_poll()?;
        let before = self.worker();
        self.worker.store(0, Ordering::Relaxed);
        let mut visit = Visit::begin(reactors, before != 0 && before != this_thread());
        if let Some(batch) = taken.take() {
            self.finish_batch(batch, &mut visit);
        }
        let deadline = match limit {
            Some(Duration::ZERO) | None => limit.map(|_| Instant::now()),
            Some(limit) => Instant::now().checked_add(limit),
        };
        loop {
            let Some(mut batch) = self.wait_for_batch(deadline, &mut visit)? else { return Ok(None) };
            self.take(&mut batch, reactors);
            if batch.is_empty() {
                self.finish_batch(batch, &mut visit);
                continue;
            }
            self.worker.store(this_thread(), Ordering::Relaxed);
            return Ok(Some(read(taken.insert(batch))));
        }
    }

    /// Makes a batch the host's.
    fn take(&self, batch: &mut Batch, reactors: &impl Reactors) {
        let bytes = batch.bytes() as u64;
        batch.tell_taken();
        // Between this and the look at `leaving` nothing passes: a reactor that adds to that looks here behind it.
        let before = self.waiting.fetch_sub(bytes, Ordering::SeqCst);
        self.discarded.filter(batch, |conn, last| reactors.is_over(conn, last));
        if self.leaving.load(Ordering::SeqCst) > 0 {
            reactors.reopen(batch);
        }
        if before >= self.max_waiting && before - bytes < self.max_waiting {
            reactors.go_on();
        }
    }

    /// The host is done with a batch.
    fn finish_batch<R: Reactors>(&self, mut batch: Box<Batch>, visit: &mut Visit<'_, R>) {
        batch.tell_done();
        visit.go_on |= self.leaving.load(Ordering::SeqCst) > 0;
        batch.clear();
        self.keep(batch);
    }

    /// Says that the host has handled the batch that it has taken, and goes about other things before it calls for the next: nothing
    /// that it pushes until then is an answer. The batch stays where it is, and what is pushed is sent as before.
    ///
    /// # Errors
    /// `WS_ERR_WRONG_THREAD` while another thread polls.
    pub fn finish(&self, reactors: &impl Reactors) -> Result<()> {
        let taken = self.right_to_poll()?;
        if let Some(batch) = taken.as_ref() {
            batch.tell_handled();
            if self.leaving.load(Ordering::SeqCst) > 0 {
                reactors.look();
            }
        }
        Ok(())
    }

    fn right_to_poll(&self) -> Result<MutexGuard<'_, Option<Box<Batch>>>> {
        match self.taken.try_lock() {
            Ok(guard) => Ok(guard),
            Err(TryLockError::Poisoned(poisoned)) => Ok(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => {
                Err(Error::new(Status::WS_ERR_WRONG_THREAD, "poll: another thread is polling"))
            }
        }
    }

    fn wait_for_batch<R: Reactors>(
        &self,
        deadline: Option<Instant>,
        visit: &mut Visit<'_, R>,
    ) -> Result<Option<Box<Batch>>> {
        let reactors = visit.reactors;
        match reactors.serve(deadline, false) {
            Served::Here => {}
            Served::Elsewhere if visit.go_on => reactors.go_on(),
            Served::Elsewhere => reactors.take_pushes(),
            Served::Interrupted => return Err(interrupted()),
        }
        loop {
            let heard = self.changes.heard();
            if self.closed.load(Ordering::SeqCst) {
                return Err(Error::new(Status::WS_ERR_STOPPED, "poll: it was freed"));
            }
            if let Some(batch) = self.take_first() {
                return Ok(Some(batch));
            }
            if self.stopped.load(Ordering::SeqCst) && !self.has_batch() {
                return Err(Error::new(Status::WS_ERR_STOPPED, "poll: it has stopped, and every event was taken"));
            }
            if self.fd_wanted.load(Ordering::SeqCst) {
                self.fd.clear();
                if self.has_news() {
                    self.fd.signal();
                    continue;
                }
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return Ok(None);
            }
            let served = reactors.serve(deadline, true);
            let waits = served == Served::Elsewhere;
            visit.asks = waits;
            if served == Served::Interrupted || waits && self.changes.wait(heard, left) == Waited::Interrupted {
                return Err(interrupted());
            }
        }
    }

    /// Whether a poll would return at once.
    #[must_use]
    pub fn has_news(&self) -> bool {
        self.has_batch() || self.stopped.load(Ordering::SeqCst)
    }

    #[inline]
    fn has_batch(&self) -> bool {
        self.full_count.load(Ordering::SeqCst) > 0
    }

    /// Does something with the batches that wait.
    fn with_full<T>(&self, action: impl FnOnce(&mut Batches) -> T) -> T {
        let mut full = self.full.lock().unwrap_or_else(PoisonError::into_inner);
        let result = action(&mut full);
        self.full_count.store(full.len(), Ordering::Release);
        result
    }

    fn take_first(&self) -> Option<Box<Batch>> {
        if self.has_batch() { self.with_full(VecDeque::pop_front) } else { None }
    }

    /// Takes the last batch that waits back to its writer, if it has room for more. It is to be sent again in the same turn.
    fn take_last(&self, progress: &Arc<Progress>, length: usize) -> Option<Box<Batch>> {
        let is_ours = |batch: &mut Batch| batch.is_of(progress) && batch.has_room(length);
        let batch =
            self.with_full(
                |full| if full.back_mut().is_some_and(|batch| is_ours(batch)) { full.pop_back() } else { None },
            )?;
        self.waiting.fetch_sub(batch.bytes() as u64, Ordering::SeqCst);
        Some(batch)
    }

    fn spare(&self) -> Box<Batch> {
        let kept = self.empty().pop();
        kept.unwrap_or_else(|| Box::new(Batch::new()))
    }

    fn keep(&self, batch: Box<Batch>) {
        let mut empty = self.empty();
        if empty.len() < SPARE_BATCHES {
            empty.push(batch);
        }
    }

    fn empty(&self) -> MutexGuard<'_, Spares> {
        self.empty.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, batch: Box<Batch>) {
        self.waiting.fetch_add(batch.bytes() as u64, Ordering::AcqRel);
        self.with_full(|full| full.push_back(batch));
        self.announce();
    }

    /// Has a sleeping host look again.
    pub fn announce(&self) {
        self.changes.ring();
        if self.fd_wanted.load(Ordering::SeqCst) {
            self.fd.signal();
        }
    }
}

/// The time of the host in a poll.
struct Visit<'a, R: Reactors> {
    reactors: &'a R,
    /// Whoever runs the reactor is to take a turn: there is something that it was not called for.
    go_on: bool,
    /// The host has asked for the reactor.
    asks: bool,
}

impl<'a, R: Reactors> Visit<'a, R> {
    fn begin(reactors: &'a R, changed: bool) -> Self {
        Self { reactors, go_on: reactors.enter(changed), asks: false }
    }
}

impl<R: Reactors> Drop for Visit<'_, R> {
    fn drop(&mut self) {
        if self.asks {
            self.reactors.give_way();
        }
        self.reactors.leave();
    }
}

fn interrupted() -> Error {
    Error::new(Status::WS_ERR_INTERRUPTED, "poll: interrupted by a signal")
}

/// The reactor's end of the queue: the batch of this turn.
#[derive(Debug)]
pub struct BatchWriter {
    queue: Arc<EventQueue>,
    batch: Box<Batch>,
    number: BatchNumber,
    progress: Arc<Progress>,
}

impl BatchWriter {
    /// A writer into `queue`, which tells in `progress` how far it has come.
    #[must_use]
    pub fn new(queue: Arc<EventQueue>, progress: Arc<Progress>) -> Self {
        Self { batch: queue.spare(), queue, number: 1, progress }
    }

    /// The number of the batch that is being written.
    #[inline]
    #[must_use]
    pub const fn number(&self) -> BatchNumber {
        self.number
    }

    /// Whether the host has handled the batch of this number: it has called for the next, or said so.
    #[must_use]
    pub fn is_handled(&self, number: BatchNumber) -> bool {
        self.progress.handled.load(Ordering::SeqCst) >= number || self.is_done(number)
    }

    /// Whether the host is done with the batch of this number: it has called for the next.
    #[must_use]
    pub fn is_done(&self, number: BatchNumber) -> bool {
        self.progress.done.load(Ordering::SeqCst) >= number
    }

    /// Whether the host has taken the batch of this number. Asked behind [`BatchWriter::begin_leaving`], `false` means that the
    /// host finds the connection among those that leave when it takes the batch.
    #[must_use]
    pub fn is_taken(&self, number: BatchNumber) -> bool {
        // What the host has done before it last changed this is seen from here on.
        self.queue.waiting.load(Ordering::SeqCst);
        self.progress.taken.load(Ordering::Acquire) >= number
    }

    /// Says that a connection begins to wait for the host to be done with a batch.
    pub fn begin_leaving(&self) {
        self.queue.leaving.fetch_add(1, Ordering::SeqCst);
    }

    /// Says that a connection no longer waits.
    pub fn end_leaving(&self) {
        self.queue.leaving.fetch_sub(1, Ordering::AcqRel);
    }

    /// The queue it writes into.
    #[must_use]
    pub fn queue(&self) -> &EventQueue {
        &self.queue
    }

    /// The batch of this turn, with room for an event with a payload of this length.
    #[inline]
    pub fn batch(&mut self, length: usize) -> &mut Batch {
        if self.batch.is_empty() {
            self.go_on_filling(length);
            self.progress.written.store(self.number, Ordering::Release);
        } else if !self.batch.has_room(length) {
            self.send();
            self.progress.written.store(self.number, Ordering::Release);
        }
        &mut self.batch
    }

    /// Adds a message.
    ///
    /// # Errors
    /// There is no memory for it.
    #[inline]
    pub fn message(&mut self, conn: ConnId, kind: Kind, payload: &[u8]) -> std::result::Result<(), TryReserveError> {
        if self.batch.push_short_message(conn, kind, payload) {
            return Ok(());
        }
        self.batch(payload.len()).push_message(conn, kind, payload)
    }

    /// Begins with the batch that waits for the host, if there is one: it costs less than another.
    #[inline]
    fn go_on_filling(&mut self, length: usize) {
        if self.queue.has_batch() {
            if let Some(batch) = self.queue.take_last(&self.progress, length) {
                self.number -= 1;
                let empty = std::mem::replace(&mut self.batch, batch);
                self.queue.keep(empty);
            }
        }
    }

    /// Hands the batch over, if there is anything in it. Large buffers that the host is done with go to `pool`.
    #[inline]
    pub fn flush(&mut self, pool: &mut Pool) {
        if !self.batch.is_empty() {
            self.send();
        }
        pool.give_all(self.batch.used());
    }

    fn send(&mut self) {
        let next = self.queue.spare();
        let mut batch = std::mem::replace(&mut self.batch, next);
        batch.seal(self.number, &self.progress);
        self.number += 1;
        self.queue.send(batch);
    }
}

#[cfg(test)]
mod tests;
