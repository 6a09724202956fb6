//! What the dialer's thread is asked to do, and how it hears of it.

use super::resolver::Found;
use super::{CallId, Caller, Plan};
use crate::sys::eventfd::EventFd;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, PoisonError};
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
    orders: Mutex<Vec<Order>>,
    bell: EventFd,
}

impl Mailbox {
    /// An empty one.
    ///
    /// # Errors
    /// When there is no descriptor left.
    pub fn new() -> io::Result<Self> {
        Ok(Self { orders: Mutex::default(), bell: EventFd::new()? })
    }

    /// Puts an order in.
    pub fn post(&self, order: Order) {
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = orders.is_empty();
        orders.push(order);
        drop(orders);
        if is_first {
            self.bell.signal();
        }
    }

    /// Takes all that is in it, in exchange for an empty list.
    pub fn take(&self, orders: &mut Vec<Order>) {
        // First: what is put in behind this rings again.
        self.bell.clear();
        std::mem::swap(&mut *self.orders.lock().unwrap_or_else(PoisonError::into_inner), orders);
    }

    /// Readable as long as something is in it.
    pub fn bell(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}
