//! What the dialer's thread is asked to do, and how it hears of it.

use super::resolver::Found;
use super::{CallId, Caller, Plan};
use crate::sys::eventfd::EventFd;
use crossbeam_channel::{Receiver, Sender};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Instant;

/// Something to do.
pub enum Order {
    /// Dial, at this time.
    Dial(CallId, Instant, Arc<Plan>, Arc<dyn Caller>),
    /// Give up a call.
    Cancel(CallId),
    /// Dial by this plan, if the call has not begun.
    Replan(CallId, Arc<Plan>),
    /// Do not wait for the rest of the delay of a call.
    Hurry(CallId),
    /// A name was looked up.
    Found(Arc<str>, Found),
    /// Nobody holds the dialer any more.
    End,
}

/// Orders in their order. There are never more than there are calls and names, and a few for each.
pub struct Mailbox {
    sender: Sender<Order>,
    receiver: Receiver<Order>,
    bell: EventFd,
}

impl Mailbox {
    /// An empty one.
    ///
    /// # Errors
    /// When there is no descriptor left.
    pub fn new() -> io::Result<Self> {
        let (sender, receiver) = crossbeam_channel::unbounded();
        Ok(Self { sender, receiver, bell: EventFd::new()? })
    }

    /// Puts an order in.
    pub fn post(&self, order: Order) {
        // Both ends of the channel live as long as this does, so that no order is refused.
        let _ = self.sender.send(order);
        self.bell.signal();
    }

    /// Takes all that is in it.
    pub fn take(&self) -> impl Iterator<Item = Order> + '_ {
        // First: an order that is put in behind this rings again.
        self.bell.clear();
        self.receiver.try_iter()
    }

    /// Readable as long as an order is in it.
    pub fn bell(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}
