//! Bringing a client's connection to the point where frames flow: names are looked up, addresses connected to, proxies asked for
//! a tunnel, the upgrade negotiated and redirects followed. What comes of it goes to a [`Caller`]; from there on the
//! connection is a reactor's.
//!
//! One thread does it for the whole process, and the [`Dialer`] is a handle to it: it is there as long as anybody holds one.
//! It waits in an epoll of its own and nowhere else; whatever blocks, and that is the system's resolver, has
//! threads of its own (`resolver`). A call dials once: whether to dial again, and when, is the business of whoever
//! dials, which says so with a delay.
//!
//! `operator` is the thread, `places` says how many may connect at a time, `call` is one call with its stages, `connecting`
//! and `talking` are the two long ones, and `failures` are the ways in which it all can end otherwise.

mod call;
pub(crate) mod connecting;
mod failures;
mod mailbox;
mod network;
mod operator;
pub(crate) mod places;
pub(crate) mod resolver;
pub(crate) mod talking;
#[cfg(test)]
mod tests;

use super::request::Request;
use crate::error::Status;
use crate::protocol::handshake::negotiation::Upgrade;
use crate::protocol::resolution::Resolution;
use crate::protocol::url::Url;
use crate::sys::epoll::Epoll;
use crate::sys::lock::Lock;
use crate::sys::process::{self, Thread};
use crate::sys::socket::Socket;
use mailbox::{Mailbox, Order};
use network::{Network, System};
use operator::Operator;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// What to connect to, and how.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The server.
    pub url: Url,
    /// The proxy to go through. It is left out on the way to a Unix socket.
    pub proxy: Option<Url>,
    /// Addresses that were chosen for hosts and ports: nobody is asked for theirs.
    pub resolutions: Vec<Resolution>,
    /// What to ask of the server.
    pub upgrade: Upgrade,
    /// Redirects to follow.
    pub max_redirects: u32,
    /// For looking up and connecting, and for a proxy to answer. It begins anew with each redirect.
    pub connect_timeout: Duration,
    /// For the server to answer. It begins anew with each redirect.
    pub handshake_timeout: Duration,
}

/// A connection on which frames flow.
#[derive(Debug)]
pub struct Connected {
    /// The connection. Nobody watches it.
    pub socket: Socket,
    /// What has been received behind the response: frames, or the beginning of one.
    pub received: Vec<u8>,
    /// The response as hosts see it.
    pub request: Arc<Request>,
}

/// Why there is no connection.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The kind.
    pub status: Status,
    /// A sentence: what was tried, on what, and what can be done.
    pub detail: String,
    /// The response that was the reason, if one came whole: the server's, or the proxy's.
    pub request: Option<Arc<Request>>,
    /// How long the server asks us to wait before the next attempt.
    pub retry_after: Option<Duration>,
    /// Trying again cannot help: the URL leads to what is not built in, or what is asked for cannot be sent.
    pub is_final: bool,
}

/// Who dials. Of each call that is not cancelled exactly one of these is called, once, on the dialer's thread: it must not wait
/// for anything. It may dial, cancel and hurry, and let go of its dialer.
pub trait Caller: Send + Sync {
    /// The connection is there.
    fn connected(&self, call: CallId, connected: Connected);
    /// There is none.
    fn failed(&self, call: CallId, failure: Failure);
    /// Its host is so far behind with what it was told that the call is to wait.
    fn is_busy(&self) -> bool {
        false
    }
}

/// A call. No other of the same dialer has its number, which is not 0.
pub type CallId = u64;

/// The dialer of this process. Calls of a dialer that nobody holds any more are given up without a word.
pub struct Dialer {
    mailbox: Arc<Mailbox>,
    calls: AtomicU64,
    thread: Option<Thread>,
    /// The forks before its thread was started.
    forks: u32,
}

/// The dialer of this process.
static SHARED: Lock<Weak<Dialer>> = Lock::new(Weak::new());

impl Dialer {
    /// The dialer of this process; a new one if nobody holds any. In a forked child that is not the one of its parent.
    ///
    /// # Errors
    /// When there is no descriptor left, or the system does not allow another thread.
    pub fn shared() -> io::Result<Arc<Self>> {
        process::watch_forks();
        let forks = process::fork_generation();
        let mut shared = SHARED.write();
        if let Some(dialer) = shared.upgrade().filter(|dialer| dialer.forks == forks) {
            return Ok(dialer);
        }
        let dialer = Self::start(Arc::new(System))?;
        *shared = Arc::downgrade(&dialer);
        Ok(dialer)
    }

    /// A dialer of its own.
    fn start(network: Arc<dyn Network>) -> io::Result<Arc<Self>> {
        process::watch_forks();
        let mailbox = Arc::new(Mailbox::new()?);
        let epoll = Epoll::new()?;
        Operator::listen(&mailbox, &epoll)?;
        let own = Arc::clone(&mailbox);
        let thread = process::spawn("wspush-dialer".to_owned(), move || Operator::new(own, network, epoll).run())?;
        let (calls, forks) = (AtomicU64::new(0), process::fork_generation());
        Ok(Arc::new(Self { mailbox, calls, thread: Some(thread), forks }))
    }

    /// Dials once, after a delay. The first callback may come before this has returned.
    pub fn dial(&self, plan: Arc<Plan>, delay: Duration, caller: Arc<dyn Caller>) -> CallId {
        let call = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        self.post(Order::Dial(call, after(Instant::now(), delay), plan, caller));
        call
    }

    /// Gives a call up. At most one callback that was under way may still come.
    pub fn cancel(&self, call: CallId) {
        self.post(Order::Cancel(call));
    }

    /// Has a call that is delayed dial by another plan. Others go on as they are.
    pub fn replan(&self, call: CallId, plan: Arc<Plan>) {
        self.post(Order::Replan(call, plan));
    }

    /// Has a call that is delayed begin now. Others go on as they are.
    pub fn hurry(&self, call: CallId) {
        self.post(Order::Hurry(call));
    }

    /// In a forked child there is nobody to do it, and the lock may be locked for good.
    fn post(&self, order: Order) {
        if !self.is_of_another_process() {
            self.mailbox.post(order);
        }
    }

    fn is_of_another_process(&self) -> bool {
        self.forks != process::fork_generation()
    }
}

impl Drop for Dialer {
    /// Ends the thread, and waits for it, unless that could have to wait for this one.
    fn drop(&mut self) {
        let Some(thread) = self.thread.take().filter(|_| !self.is_of_another_process()) else { return };
        self.mailbox.post(Order::End);
        if !process::is_our_thread() {
            thread.join();
        }
    }
}

/// A point in time. One that no clock can show is as good as a century away.
fn after(now: Instant, time: Duration) -> Instant {
    now.checked_add(time).unwrap_or(now + Duration::from_secs(100 * 365 * 86_400))
}
