//! What happened so far, counted by each reactor for itself and added up when somebody asks.
//!
//! The counters are one list, at the end: from it come the structure that the reactors write and the table that whoever
//! shows all of them reads.

use std::sync::atomic::{AtomicU64, Ordering};

/// A count that one thread raises and any thread reads.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Raises it, from the thread that owns it.
    #[inline]
    pub fn add(&self, count: u64) {
        // One writer, so that a plain load and store do and no locked instruction is needed.
        self.0.store(self.0.load(Ordering::Relaxed) + count, Ordering::Relaxed);
    }

    /// Raises it from any thread.
    pub fn add_shared(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// Its value.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Sets it, from the thread that owns it.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }
}

/// What a number of [`Stats`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only rises: how often something has happened.
    Counter,
    /// It rises and falls: how much there is at this time.
    Gauge,
}

/// One number of [`Stats`].
pub struct Row {
    /// Its name.
    pub name: &'static str,
    /// What it means, in a sentence or two.
    pub help: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Where it is.
    pub field: fn(&Stats) -> &Counter,
}

macro_rules! stats {
    ($($(#[doc = $help:literal])+ $name:ident: $kind:ident,)+) => {
        /// The numbers of one reactor.
        #[derive(Debug, Default)]
        pub struct Stats {
            $($(#[doc = $help])+ pub $name: Counter,)+
        }

        /// All of [`Stats`], in its order.
        pub const TABLE: &[Row] = &[
            $(Row {
                name: stringify!($name),
                help: concat!($($help),+).trim_ascii(),
                kind: Kind::$kind,
                field: |stats| &stats.$name,
            },)+
        ];
    };
}

stats! {
    /// Connections at this time, in whatever phase.
    connections_open: Gauge,
    /// Connections accepted.
    connections_accepted: Counter,
    /// Connections that have ended.
    connections_closed: Counter,
    /// Connections beyond a limit of connections: answered with 503, or dropped if there are very many.
    connections_refused: Counter,
    /// Request heads received whole.
    requests: Counter,
    /// Answers of ours with an error, 4xx or 5xx, those to connections that sent no whole request included.
    requests_refused: Counter,
    /// Requests that were not whole within `request_timeout`.
    requests_timed_out: Counter,
    /// Messages received.
    messages_in: Counter,
    /// Messages handed to the kernel or to the queue of a connection, each receiver of a broadcast counted.
    messages_out: Counter,
    /// Bytes received, of everything.
    bytes_in: Counter,
    /// Bytes sent, of everything.
    bytes_out: Counter,
    /// Connections failed for a breach of the protocol or of a limit: 1002, 1007, 1009.
    protocol_errors: Counter,
    /// Connections cut for silence after a ping.
    pong_timeouts: Counter,
    /// Connections closed by `idle_timeout`.
    idle_timeouts: Counter,
    /// Connections cut because the peer did not end them within `close_timeout`.
    close_timeouts: Counter,
    /// Connections beyond `max_connections_per_address`, which are among those refused.
    address_refusals: Counter,
    /// Connections beyond `max_pending_handshakes`, the oldest each time: answered with 503, or dropped if there are very many.
    handshakes_dropped: Counter,
    /// Connections closed by `max_lifetime`.
    lifetimes_ended: Counter,
    /// Connections closed by `max_control_frames`.
    control_floods: Counter,
    /// Pushes refused, or receivers of a broadcast left out, because a queue was full.
    pushes_refused: Counter,
    /// Times that reading from a connection paused because it did not take what was sent to it.
    reads_paused: Counter,
    /// Times that accepting paused because there were no descriptors left.
    accepts_paused: Counter,
    /// Times that all reading paused because the host did not take its events.
    host_paused: Counter,
    /// Faults inside wspush that cost a connection.
    panics: Counter,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_leads_to_every_number() {
        let stats = Stats::default();
        for row in TABLE {
            assert_eq!((row.field)(&stats).get(), 0, "{} stands for a number of another row", row.name);
            (row.field)(&stats).add(1);
            assert!(row.help.ends_with('.') && !row.help.starts_with(' ') && !row.help.contains('\n'), "{}", row.help);
        }
        assert_eq!(TABLE.len() * size_of::<Counter>(), size_of::<Stats>());
    }
}
