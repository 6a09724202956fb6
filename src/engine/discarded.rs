//! Connections that the host of a server or client in poll mode has closed itself. Of these it gets the close event and nothing more,
//! though messages of them may be in batches that wait for it.
//!
//! The list is empty most of the time, and costs a look at a counter for each batch then. An entry goes when the close event is handed
//! over. Where that has happened before, or where none follows, it goes once the connection is gone and the host has taken the batch
//! that was the last one then.

use super::batch::{Batch, BatchNumber, Event};
use super::registry::ConnId;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Entries of connections that were gone already when the host closed them. Those that are there are bounded by `max_connections`.
pub(crate) const GONE_MAX: usize = 64 * 1024;

/// The list.
#[derive(Debug, Default)]
pub(super) struct Discarded {
    /// How many there are; changed under the lock alone.
    count: AtomicUsize,
    list: Mutex<List>,
}

#[derive(Debug, Default)]
struct List {
    /// By connection: the batch of its reactor that has the last event of it, once that is known.
    conns: HashMap<ConnId, Option<BatchNumber>>,
    /// Events that were looked at since the last search for entries that nobody needs: so many pay for one.
    looked_at: usize,
}

impl Discarded {
    /// Adds a connection. `last` is the batch that has the last event of it, if it is gone.
    pub(super) fn add(&self, conn: ConnId, last: Option<BatchNumber>) {
        let mut list = self.list();
        if last.is_none() || list.conns.len() < GONE_MAX {
            list.conns.entry(conn).or_insert(last);
            self.count.store(list.conns.len(), Ordering::Release);
        }
    }

    /// Takes the events of these connections out of a batch that the host is about to get. `is_over` says whether the host has
    /// taken all of a connection.
    #[inline]
    pub(super) fn filter(&self, batch: &mut Batch, is_over: impl FnMut(ConnId, &mut Option<BatchNumber>) -> bool) {
        if self.count.load(Ordering::Acquire) > 0 {
            self.filter_some(batch, is_over);
        }
    }

    #[cold]
    fn filter_some(&self, batch: &mut Batch, mut is_over: impl FnMut(ConnId, &mut Option<BatchNumber>) -> bool) {
        let mut list = self.list();
        list.looked_at += batch.events().len();
        batch.retain(|event| match event {
            Event::Message(conn, ..) | Event::Drain(conn) | Event::Pong(conn, _) => !list.conns.contains_key(conn),
            Event::Close(conn, ..) => {
                list.conns.remove(conn);
                true
            }
            _ => true,
        });
        if list.looked_at >= list.conns.len() {
            list.looked_at = 0;
            list.conns.retain(|&conn, last| !is_over(conn, last));
        }
        if list.conns.is_empty() {
            list.conns = HashMap::new();
        }
        self.count.store(list.conns.len(), Ordering::Release);
    }

    fn list(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cause::Cause;
    use crate::protocol::decoder::Kind;

    fn batch() -> Batch {
        let mut batch = Batch::new();
        for conn in 1..=3 {
            batch.push_message(conn, Kind::Text, b"text").unwrap();
            batch.push_drain(conn);
            batch.push_pong(conn, b"pong");
        }
        batch
    }

    fn conns(batch: &Batch) -> Vec<ConnId> {
        let conn = |event: &Event| match event {
            Event::Message(conn, ..) | Event::Drain(conn) | Event::Pong(conn, _) | Event::Close(conn, ..) => *conn,
            _ => 0,
        };
        batch.events().iter().map(conn).collect()
    }

    #[test]
    fn the_close_event_is_all_that_is_left_of_a_connection_and_ends_its_entry() {
        let discarded = Discarded::default();
        discarded.add(2, None);
        let mut first = batch();
        discarded.filter(&mut first, |_, _| false);
        assert_eq!(conns(&first), [1, 1, 1, 3, 3, 3]);
        let mut last = batch();
        last.push_close(2, 1000, "", Cause::WS_CAUSE_HOST);
        discarded.filter(&mut last, |_, _| false);
        assert_eq!(conns(&last), [1, 1, 1, 3, 3, 3, 2]);
        assert_eq!(discarded.count.into_inner(), 0);
    }

    #[test]
    fn an_entry_that_no_event_ends_goes_when_the_host_has_taken_all_of_it() {
        let discarded = Discarded::default();
        discarded.add(2, Some(7));
        let mut first = batch();
        discarded.filter(&mut first, |conn, last| (conn, *last) != (2, Some(7)));
        assert_eq!(conns(&first), [1, 1, 1, 3, 3, 3]);
        let mut second = batch();
        discarded.filter(&mut second, |_, _| true);
        assert_eq!(conns(&second), [1, 1, 1, 3, 3, 3]);
        let mut third = batch();
        discarded.filter(&mut third, |_, _| unreachable!("there is no entry"));
        assert_eq!(third.events().len(), 9);
    }

    #[test]
    fn no_more_are_remembered_of_those_that_were_gone_than_the_bound() {
        let discarded = Discarded::default();
        (1..=GONE_MAX as ConnId + 9).for_each(|conn| discarded.add(conn, Some(1)));
        assert_eq!(discarded.count.load(Ordering::Relaxed), GONE_MAX);
        discarded.add(1 << 40, None);
        assert_eq!(discarded.count.load(Ordering::Relaxed), GONE_MAX + 1);
    }
}
