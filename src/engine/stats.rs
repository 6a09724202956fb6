//! What happened so far, counted by each reactor for itself and added up when somebody asks.

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

/// The counters of one reactor.
#[derive(Debug, Default)]
#[allow(missing_docs, reason = "documented in the C API, under the same names")]
pub struct Stats {
    pub connections_open: Counter,
    pub connections_accepted: Counter,
    pub connections_closed: Counter,
    pub connections_refused: Counter,
    pub requests: Counter,
    pub requests_refused: Counter,
    pub requests_timed_out: Counter,
    pub messages_in: Counter,
    pub messages_out: Counter,
    pub bytes_in: Counter,
    pub bytes_out: Counter,
    pub protocol_errors: Counter,
    pub pong_timeouts: Counter,
    pub idle_timeouts: Counter,
    pub close_timeouts: Counter,
    pub pushes_refused: Counter,
    pub reads_paused: Counter,
    pub host_paused: Counter,
    pub panics: Counter,
}
