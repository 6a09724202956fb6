//! The dialer's thread: waits for sockets, orders and deadlines, and has the calls go on that they concern.
//!
//! At most [`PLACES`](super::places::PLACES) calls connect at a time, for the sake of our descriptors and of the queues of servers,
//! which lose what does not fit. A place is kept until the answer is there, but no longer than a quarter of a second from the
//! moment at which the connection is, so that servers that answer slowly delay nobody for long; nor is it kept for long by one that
//! nobody answers (`places`). Others wait in the order in which they were dialled; their time to connect does not run meanwhile.

use super::call::{Call, Desk, Progress, call_of};
use super::mailbox::{Mailbox, Order};
use super::network::Network;
use super::places::Places;
use super::resolver::Resolver;
use super::{CallId, Failure};
use crate::error::Status;
use crate::sys::epoll::{Epoll, Events};
use crate::sys::fault;
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap};
use std::io;
use std::sync::Arc;
use std::time::Instant;

/// Sockets told of per wait.
const EVENTS: usize = 512;

/// The token of the mailbox. No call has the id 0.
const BELL: u64 = 0;

/// Who does the work.
pub struct Operator {
    mailbox: Arc<Mailbox>,
    desk: Desk,
    calls: HashMap<CallId, Box<Call>>,
    /// Calls that wait for a place.
    queued: BTreeSet<CallId>,
    /// Of these, those that lead to crowded addresses.
    crowded: BTreeSet<CallId>,
    deadlines: Deadlines,
    has_ended: bool,
}

impl Operator {
    /// One that takes its orders from `mailbox`.
    ///
    /// # Errors
    /// When there is no descriptor left.
    pub fn new(mailbox: Arc<Mailbox>, network: Arc<dyn Network>, epoll: Epoll) -> Self {
        let resolver = Resolver::new(&network, &mailbox);
        let desk = Desk { epoll, network, resolver, places: Places::new(), now: Instant::now(), tokens: 0 };
        let (calls, queued, deadlines) = (HashMap::new(), BTreeSet::new(), Deadlines::default());
        Self { mailbox, desk, calls, queued, crowded: BTreeSet::new(), deadlines, has_ended: false }
    }

    /// Has an epoll tell of the mailbox.
    ///
    /// # Errors
    /// When the kernel is out of memory or watches.
    pub fn listen(mailbox: &Mailbox, epoll: &Epoll) -> io::Result<()> {
        epoll.add(mailbox.bell(), BELL)
    }

    /// Works until nobody holds the dialer any more.
    pub fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS);
        while !self.has_ended {
            // It is never interrupted: the thread receives no signals.
            let _ = self.desk.epoll.wait(&mut events, self.until_alarm());
            self.desk.now = Instant::now();
            let mut rings = false;
            for ready in (0..events.len()).map(|index| events.get(index)) {
                match ready.token {
                    BELL => rings = true,
                    token => self.with(call_of(token), |call, desk| call.ready(ready, desk)),
                }
            }
            // What was held up hears what has come meanwhile before it gives anybody up: names too.
            if rings || self.deadlines.next().is_some_and(|time| time <= self.desk.now) {
                let mailbox = Arc::clone(&self.mailbox);
                mailbox.take().for_each(|order| self.obey(order));
            }
            while let Some(call) = self.deadlines.pop(self.desk.now, &self.calls) {
                self.with(call, Call::on_alarm);
            }
            self.desk.resolver.see_to_threads(self.desk.now);
            self.admit();
        }
        self.calls.values_mut().for_each(|call| call.hang_up(&mut self.desk));
    }

    /// Milliseconds until something is due; -1 if nothing is.
    fn until_alarm(&self) -> i32 {
        let next = self.deadlines.next().into_iter().chain(self.desk.resolver.alarm(self.desk.now)).min();
        let Some(next) = next else { return -1 };
        let left = next.saturating_duration_since(Instant::now());
        // Rounded up, so as not to wake just before it.
        i32::try_from(left.as_micros().div_ceil(1000)).unwrap_or(i32::MAX)
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Dial(id, until, plan, caller) => {
                // A call may be younger than this round. It begins in its order all the same, and does not wait for an alarm.
                let is_due = until <= self.desk.now || until <= Instant::now();
                self.calls.insert(id, Box::new(Call::new(id, until, plan, caller)));
                self.with(id, |call, desk| if is_due { call.begin_in_time(desk) } else { Ok(None) });
            }
            Order::Cancel(id) => {
                self.queued.remove(&id);
                self.crowded.remove(&id);
                if let Some(mut call) = self.calls.remove(&id) {
                    call.hang_up(&mut self.desk);
                }
            }
            Order::Replan(id, plan) => {
                if let Some(call) = self.calls.get_mut(&id).filter(|call| call.is_delayed()) {
                    call.replan(plan);
                }
            }
            Order::Hurry(id) => {
                self.with(id, |call, desk| if call.is_delayed() { call.begin_in_time(desk) } else { Ok(None) });
            }
            Order::Found(host, found) => {
                for id in self.desk.resolver.found(&host) {
                    self.with(id, |call, desk| call.found(&found, desk));
                }
            }
            Order::End => self.has_ended = true,
        }
    }

    /// Has calls that wait for a place connect.
    fn admit(&mut self) {
        if self.desk.places.take_thinned() {
            self.queued.append(&mut self.crowded);
        }
        while self.desk.places.has_room() {
            let Some(id) = self.queued.pop_first() else { return };
            if self.calls.get(&id).is_some_and(|call| call.is_crowded(&self.desk.places)) {
                self.crowded.insert(id);
            } else {
                self.with(id, Call::connect);
            }
        }
    }

    /// Does something with a call, if it is still there, and tells the caller if that was its end.
    fn with(&mut self, id: CallId, action: impl FnOnce(&mut Call, &mut Desk) -> Progress) {
        let Some(mut call) = self.calls.remove(&id) else { return };
        let before = call.alarm();
        let progress = fault::caught(|| action(&mut call, &mut self.desk));
        match progress.unwrap_or_else(|fault| Err(Failure::new(Status::WS_ERR_PANIC, fault))) {
            Ok(None) => {
                if call.is_queued() {
                    self.queued.insert(id);
                }
                // A call that was just made has entered none yet.
                let alarm = call.alarm();
                if let Some(alarm) = alarm.filter(|alarm| before != Some(*alarm) || call.is_delayed()) {
                    self.deadlines.enter(alarm, id);
                }
                self.calls.insert(id, call);
                self.deadlines.tidy(&self.calls);
            }
            Ok(Some(connected)) => guarded(|| call.caller.connected(id, connected)),
            Err(failure) => {
                guarded(|| call.hang_up(&mut self.desk));
                guarded(|| call.caller.failed(id, failure));
            }
        }
    }
}

/// A fault costs the call that met it, and no other.
fn guarded(action: impl FnOnce()) {
    let _ = fault::caught(action);
}

/// When calls are to be looked at. One whose time has changed is entered anew, and the old entry is stale.
#[derive(Default)]
struct Deadlines {
    heap: BinaryHeap<Reverse<(Instant, CallId)>>,
}

impl Deadlines {
    fn enter(&mut self, time: Instant, id: CallId) {
        self.heap.push(Reverse((time, id)));
    }

    /// The next time; a stale one at times, which only leads to one look too many.
    fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((time, _))| *time)
    }

    /// Takes out a call whose time has come.
    fn pop(&mut self, now: Instant, calls: &HashMap<CallId, Box<Call>>) -> Option<CallId> {
        while self.next().is_some_and(|time| time <= now) {
            let Reverse((time, id)) = self.heap.pop()?;
            if is_current(calls, time, id) {
                return Some(id);
            }
        }
        None
    }

    /// Sees to it that there are not many more entries than calls, however many were given up.
    fn tidy(&mut self, calls: &HashMap<CallId, Box<Call>>) {
        const SLACK: usize = 64;
        if self.heap.len() > 4 * calls.len() + SLACK {
            self.heap.retain(|Reverse((time, id))| is_current(calls, *time, *id));
        }
    }
}

fn is_current(calls: &HashMap<CallId, Box<Call>>, time: Instant, id: CallId) -> bool {
    calls.get(&id).is_some_and(|call| call.alarm() == Some(time))
}
