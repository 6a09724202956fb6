//! What a client is between its start and its end: dialing, online, waiting to dial again.
//!
//! It is told what happens by the dialer, on the dialer's thread, and by the reactor, on the reactor's. Each change is made
//! under one lock, which is never held while a host is called; what the host is to hear is left to the reactor, so that it
//! hears everything from one thread and in its order.

use super::lock;
use super::members::Members;
use crate::cause::Cause;
use crate::engine::backoff::Backoff;
use crate::engine::commands::Command;
use crate::engine::dialer::{CallId, Caller, Connected, Dialer, Failure, Plan};
use crate::engine::link::Link;
use crate::engine::owner::{ClientHandler, Failed, Kept, Next, Owner, Signal, Tag};
use crate::engine::reactor::Newcomer;
use crate::engine::registry::{ConnId, Phase};
use crate::error::{Error, Result, Status};
use crate::options::ClientOptions;
use crate::protocol::decoder::Kind;
use crate::protocol::frame;
use crate::sys::{process, random};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

/// What a client does when it has no connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Policy {
    reconnect: bool,
    backoff: Backoff,
    /// Attempts in a row that may fail; 0: any number.
    attempts: u64,
    max_offline_bytes: usize,
    /// Zero: none.
    max_offline_age: Duration,
    /// Its loop ends with it.
    alone: bool,
    close_timeout: Duration,
}

impl Policy {
    pub(super) fn new(options: &ClientOptions, alone: bool) -> Self {
        Self {
            reconnect: options.reconnect,
            backoff: Backoff { min: options.reconnect_min, max: options.reconnect_max },
            attempts: options.reconnect_attempts,
            max_offline_age: options.max_offline_age,
            max_offline_bytes: usize::try_from(options.max_offline_bytes).unwrap_or(usize::MAX),
            alone,
            close_timeout: options.engine.close_timeout,
        }
    }
}

/// A client that was started.
pub(super) struct Core {
    tag: Tag,
    policy: Policy,
    link: Arc<Link>,
    /// Whoever holds the client holds it, and so is the one that waits for the dialer's thread when the last client goes.
    dialer: Weak<Dialer>,
    handler: Option<Arc<dyn ClientHandler>>,
    /// Where it says which connection is its own, if others share its events.
    members: Option<Arc<Members>>,
    myself: Weak<Core>,
    /// The connection, or 0: what [`Stage::Online`] has, for those who do not want to wait for the lock.
    conn: AtomicU64,
    /// How its last connection closed: the code, and behind it in eight bits the cause; 0 if none has closed since one has opened.
    closed: AtomicU32,
    state: Mutex<State>,
    ended: Condvar,
}

struct State {
    plan: Option<Arc<Plan>>,
    stage: Stage,
    /// It was closed: there is no further attempt.
    closing: bool,
    /// Its host is to hear nothing more.
    released: bool,
    /// Its connection is closing, and the next attempt is to be made as soon as it has closed.
    hurries: bool,
    /// Attempts that have failed in a row, and connections that did not last.
    failures: u32,
    kept: Kept,
    online_since: Instant,
    /// Connections of which a polling host may have messages to take yet.
    conns: Vec<ConnId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The dialer is at it, or waits to be.
    Dialing(CallId),
    /// The dialer is done, and the reactor not there yet.
    Arriving,
    /// It has a connection.
    Online(ConnId),
    /// It has none, and will have none.
    Ended,
    /// The same, and its host knows it.
    Told,
}

impl Stage {
    const fn is_over(self) -> bool {
        matches!(self, Self::Ended | Self::Told)
    }
}

/// A connection that has lasted for this long was a good one: what comes after it counts anew.
const LASTING: Duration = Duration::from_secs(10);

impl Core {
    pub(super) fn new(
        tag: Tag,
        policy: Policy,
        link: Arc<Link>,
        dialer: Weak<Dialer>,
        handler: Option<Arc<dyn ClientHandler>>,
        members: Option<Arc<Members>>,
    ) -> Arc<Self> {
        let state = State {
            plan: None,
            stage: Stage::Arriving,
            closing: false,
            released: false,
            hurries: false,
            failures: 0,
            kept: Kept::default(),
            online_since: Instant::now(),
            conns: Vec::new(),
        };
        let core = Arc::new_cyclic(|myself| Self {
            tag,
            policy,
            link,
            dialer,
            handler,
            members,
            myself: Weak::clone(myself),
            conn: AtomicU64::new(0),
            closed: AtomicU32::new(0),
            state: Mutex::new(state),
            ended: Condvar::new(),
        });
        if let Some(members) = &core.members {
            members.list().join(tag, Arc::downgrade(&core));
        }
        core
    }

    pub(super) fn link(&self) -> &Link {
        &self.link
    }

    /// Makes the first attempt, unless somebody was so quick as to close it before that.
    pub(super) fn begin(&self, plan: Arc<Plan>) {
        let mut state = lock(&self.state);
        if state.closing {
            return;
        }
        state.plan = Some(plan);
        self.dial(&mut state, Duration::ZERO);
    }

    /// Has the dialer at work. It cannot have an answer before the lock is free.
    fn dial(&self, state: &mut State, delay: Duration) {
        let (Some(plan), Some(myself)) = (&state.plan, self.myself.upgrade()) else { return };
        let Some(dialer) = self.dialer.upgrade() else { return };
        state.stage = Stage::Dialing(dialer.dial(Arc::clone(plan), delay, myself));
    }

    fn cancel(&self, call: CallId) {
        self.dialer.upgrade().inspect(|dialer| dialer.cancel(call));
    }

    // ---- what the host wants ---------------------------------------------------------------------------------------

    /// The connection.
    pub(super) fn conn(&self) -> Result<ConnId> {
        match self.conn.load(Ordering::Acquire) {
            0 => Err(offline()),
            conn => Ok(conn),
        }
    }

    #[inline]
    pub(super) fn push(&self, kind: Kind, payload: &[u8]) -> Result<()> {
        let conn = self.conn.load(Ordering::Acquire);
        if conn == 0 {
            return self.keep(conn, kind, payload);
        }
        match self.link.send(conn, kind.into(), payload) {
            Err(error) if error.status == Status::WS_ERR_CLOSED => self.keep(conn, kind, payload),
            result => result,
        }
    }

    /// Keeps a message that the connection `before`, if there was one, did not take.
    #[cold]
    fn keep(&self, before: ConnId, kind: Kind, payload: &[u8]) -> Result<()> {
        let mut state = lock(&self.state);
        if state.closing || state.stage.is_over() {
            return Err(Error::new(Status::WS_ERR_CLOSED, "the client is closed"));
        }
        if let Stage::Online(conn) = state.stage {
            // There is another meanwhile; unless that closes already.
            let sent = if conn == before { Err(offline()) } else { self.link.send(conn, kind.into(), payload) };
            match sent {
                Err(error) if error.status == Status::WS_ERR_CLOSED => {}
                result => return result,
            }
            if !self.policy.reconnect {
                // It is the last.
                return Err(offline());
            }
        }
        if self.policy.max_offline_bytes == 0 {
            return Err(offline());
        }
        self.drop_aged(&mut state.kept);
        let (kept, most) = (state.kept.frames.len(), self.policy.max_offline_bytes);
        if kept + self.link.frame_length(payload.len()) > most {
            self.link.stats.pushes_refused.add_shared(1);
            let detail = format!("{kept} bytes are kept for the next connection already (max_offline_bytes is {most})");
            return Err(Error::new(Status::WS_ERR_QUEUE_FULL, detail));
        }
        frame::reserve(&mut state.kept.frames, payload.len()).map_err(|_| Error::no_memory())?;
        state.kept.keep(Instant::now(), |frames| frame::write(frames, kind.into(), true, self.link.mask(), payload));
        Ok(())
    }

    /// Drops what was kept for too long.
    fn drop_aged(&self, kept: &mut Kept) {
        let age = self.policy.max_offline_age;
        let oldest = Instant::now().checked_sub(age).filter(|_| !age.is_zero());
        if let Some(oldest) = oldest {
            self.link.stats.messages_dropped.add_shared(kept.drop_before(oldest));
        }
    }

    /// Drops all that is kept, and returns how many messages that was.
    pub(super) fn clear_kept(&self) -> u64 {
        std::mem::take(&mut lock(&self.state).kept).messages
    }

    /// Has the next attempt go by another plan.
    pub(super) fn change_plan(&self, change: impl FnOnce(&mut Plan) -> Result<()>) -> Result<()> {
        let mut state = lock(&self.state);
        let Some(plan) = state.plan.as_ref().filter(|_| !state.closing && !state.stage.is_over()) else {
            return Err(Error::new(Status::WS_ERR_CLOSED, "the client is closed, and connects no more"));
        };
        let mut changed = Plan::clone(plan);
        change(&mut changed)?;
        let changed = Arc::new(changed);
        state.plan = Some(Arc::clone(&changed));
        if let Stage::Dialing(call) = state.stage {
            self.dialer.upgrade().inspect(|dialer| dialer.replan(call, changed));
        }
        Ok(())
    }

    pub(super) fn close(&self, code: Option<u16>, reason: &str) -> Result<()> {
        let mut state = lock(&self.state);
        // Its last connection may be gone, and messages of it, and of others before, still on their way to the host.
        std::mem::take(&mut state.conns).into_iter().for_each(|conn| self.link.discard(conn));
        if state.stage.is_over() {
            return Err(Error::new(Status::WS_ERR_CLOSED, "the client has ended"));
        }
        state.closing = true;
        match state.stage {
            Stage::Online(conn) => {
                // If it is lost at this moment, that is told, and the end behind it.
                let _ = self.link.close(conn, code, reason);
            }
            Stage::Dialing(call) => {
                self.cancel(call);
                self.tell(&mut state, None, Next::End);
            }
            Stage::Arriving => self.tell(&mut state, None, Next::End),
            Stage::Ended | Stage::Told => {}
        }
        Ok(())
    }

    pub(super) fn hurry(&self) {
        let mut state = lock(&self.state);
        match state.stage {
            Stage::Dialing(call) => drop(self.dialer.upgrade().inspect(|dialer| dialer.hurry(call))),
            // One whose queue is full shows by itself whether it is still there.
            Stage::Online(conn) => {
                let pinged = self.link.ping(conn, b"");
                state.hurries = pinged.is_err_and(|error| error.status == Status::WS_ERR_CLOSED);
            }
            Stage::Arriving | Stage::Ended | Stage::Told => {}
        }
    }

    /// The code with which its last connection has closed, and why; 0 if there is one, or was none. It is known before it is told.
    pub(super) fn last_close(&self) -> (u16, Cause) {
        let closed = self.closed.load(Ordering::Acquire);
        ((closed >> 8) as u16, Cause::from_number((closed & 0xff) as i32).unwrap_or_default())
    }

    pub(super) fn is_open(&self) -> bool {
        let conn = self.conn.load(Ordering::Acquire);
        self.link.registry.standing(conn).is_some_and(|standing| standing.phase == Phase::Open)
    }

    pub(super) fn queued_bytes(&self) -> u64 {
        let mut state = lock(&self.state);
        self.drop_aged(&mut state.kept);
        let kept = state.kept.frames.len() as u64;
        drop(state);
        kept + self.link.queued_bytes(self.conn.load(Ordering::Acquire)).unwrap_or(0)
    }

    pub(super) fn wait(&self, limit: Option<Duration>) -> bool {
        const AGES: Duration = Duration::from_secs(u32::MAX as u64);
        let myself: Weak<Self> = Weak::clone(&self.myself);
        self.link.await_end(myself);
        let is_under_way = |state: &mut State| state.stage != Stage::Told;
        let waited = self.ended.wait_timeout_while(lock(&self.state), limit.unwrap_or(AGES), is_under_way);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Gives up, whatever it is at, and has its host hear nothing more.
    pub(super) fn abandon(&self) -> ConnId {
        let mut state = lock(&self.state);
        state.closing = true;
        state.released = true;
        if let Stage::Dialing(call) = state.stage {
            self.cancel(call);
        }
        self.end(&mut state);
        self.note_told(&mut state);
        self.conn.swap(0, Ordering::AcqRel)
    }

    /// The same where others share the reactor. Waits until no callback of it can be running, except inside a callback, of whatever
    /// client or server: no thread of ours waits for another, which may wait for it.
    pub(super) fn release(&self) {
        let conn = self.abandon();
        if let Some(members) = &self.members {
            members.list().leave(self.tag, conn);
        }
        let (released, done) = Signal::new();
        self.link.await_release(&released);
        // A loop that takes no more commands calls nobody, and drops what it was to say.
        let _ = self.link.enqueue(Command::Release(conn, done));
        if self.handler.is_some() && !process::is_our_thread() {
            released.wait();
        }
    }

    // ---- what comes next -------------------------------------------------------------------------------------------

    /// Decides what comes after a connection or an attempt, of which `why` tells if it has failed, and sees to it.
    fn go_on(&self, state: &mut State, why: Option<&Failure>) -> Next {
        let enough = self.policy.attempts > 0 && u64::from(state.failures) >= self.policy.attempts;
        let is_final = why.is_some_and(|why| why.is_final);
        if state.closing || !self.policy.reconnect || enough || is_final {
            self.end(state);
            return Next::End;
        }
        let mut random_bytes = [0; 8];
        random::fill(&mut random_bytes);
        let retry_after = why.and_then(|why| why.retry_after);
        let delay = self.policy.backoff.delay(state.failures, u64::from_ne_bytes(random_bytes), retry_after);
        state.failures = state.failures.saturating_add(1);
        let delay = if std::mem::take(&mut state.hurries) { Duration::ZERO } else { delay };
        self.dial(state, delay);
        Next::Retry(delay)
    }

    fn end(&self, state: &mut State) {
        state.stage = Stage::Ended;
        state.kept = Kept::default();
    }

    /// Says that nothing more is to be told: whoever waits for the end has it.
    fn note_told(&self, state: &mut State) {
        state.stage = Stage::Told;
        self.ended.notify_all();
    }

    /// Has the reactor do something. If that has stopped, all is over.
    fn ask(&self, state: &mut State, command: Command) {
        if self.link.enqueue(command).is_err() {
            if let Stage::Dialing(call) = state.stage {
                self.cancel(call);
            }
            self.end(state);
            self.note_told(state);
        }
    }

    /// Has the reactor tell the host of a failure, if there was one, and of what comes next.
    fn tell(&self, state: &mut State, failed: Option<Box<Failed>>, next: Next) {
        if next == Next::End {
            self.end(state);
        }
        if let Some(myself) = self.myself.upgrade() {
            self.ask(state, Command::Tell(myself, failed, next));
        }
        self.end_loop(next);
    }

    /// A loop that is the client's own ends with it, as soon as its last connection has.
    fn end_loop(&self, next: Next) {
        if next == Next::End && self.policy.alone {
            self.link.stop(self.policy.close_timeout);
        }
    }
}

impl Owner for Core {
    fn tag(&self) -> Tag {
        self.tag
    }

    fn handler(&self) -> Option<Arc<dyn ClientHandler>> {
        let released = lock(&self.state).released;
        self.handler.clone().filter(|_| !released)
    }

    fn online(&self, conn: ConnId) -> Option<Kept> {
        let mut state = lock(&self.state);
        if state.stage != Stage::Arriving {
            return None;
        }
        state.stage = Stage::Online(conn);
        state.online_since = Instant::now();
        self.closed.store(0, Ordering::Release);
        self.conn.store(conn, Ordering::Release);
        if self.link.events.is_some() {
            state.conns.retain(|&before| !self.link.is_over(before, &mut None));
            state.conns.push(conn);
        }
        if let Some(members) = &self.members {
            members.list().enter(conn, self.tag);
        }
        self.drop_aged(&mut state.kept);
        Some(std::mem::take(&mut state.kept))
    }

    fn turned_away(&self) -> Option<Next> {
        let mut state = lock(&self.state);
        if state.stage != Stage::Arriving {
            return None;
        }
        let next = self.go_on(&mut state, None);
        self.end_loop(next);
        Some(next)
    }

    fn closes(&self, code: u16, cause: Cause) {
        self.closed.store(u32::from(code) << 8 | cause as u32, Ordering::Release);
    }

    fn offline(&self, conn: ConnId, stops: bool) -> Next {
        let mut state = lock(&self.state);
        state.closing |= stops;
        if state.stage != Stage::Online(conn) {
            return Next::End;
        }
        self.conn.store(0, Ordering::Release);
        if state.online_since.elapsed() >= LASTING {
            state.failures = 0;
        }
        let next = self.go_on(&mut state, None);
        self.end_loop(next);
        next
    }

    fn ended(&self) {
        self.note_told(&mut lock(&self.state));
    }
}

impl Caller for Core {
    fn is_busy(&self) -> bool {
        self.link.events.as_ref().is_some_and(|events| events.is_full())
    }

    fn connected(&self, call: CallId, connected: Connected) {
        let mut state = lock(&self.state);
        let Some(myself) = self.myself.upgrade().filter(|_| state.stage == Stage::Dialing(call)) else { return };
        state.stage = Stage::Arriving;
        let Connected { socket, received, request } = connected;
        let newcomer = Newcomer { owner: myself, socket, received, response: request };
        self.ask(&mut state, Command::Adopt(Box::new(newcomer)));
    }

    fn failed(&self, call: CallId, failure: Failure) {
        let mut state = lock(&self.state);
        if state.stage != Stage::Dialing(call) {
            return;
        }
        let next = self.go_on(&mut state, Some(&failure));
        let Failure { status, detail, request, .. } = failure;
        self.tell(&mut state, Some(Box::new(Failed { status, detail, response: request })), next);
    }
}

fn offline() -> Error {
    let detail = "the client has no connection at this time (max_offline_bytes keeps messages for the next one)";
    Error::new(Status::WS_ERR_CLOSED, detail)
}
