//! Counters.

use super::handle::{self, ws_server};
use super::{check_structure, guard};
use crate::engine::stats::Stats;
use crate::error::Status;
use std::ffi::c_int;

/// What a server has counted since its start, over all reactors. It may grow at its end in later versions: the caller
/// says with `size` how much of it there is.
#[repr(C)]
#[derive(Debug, Default, Clone, Copy)]
pub struct ws_stats {
    /// Set by the caller to `sizeof(ws_stats)`.
    pub size: usize,
    /// Connections at this time, in whatever phase.
    pub connections_open: u64,
    /// Connections accepted.
    pub connections_accepted: u64,
    /// Connections that have ended.
    pub connections_closed: u64,
    /// Connections beyond a limit of connections: answered with 503, or dropped if there are very many.
    pub connections_refused: u64,
    /// Request heads received whole.
    pub requests: u64,
    /// Answers of ours with an error, 4xx or 5xx, those to connections that sent no whole request included.
    pub requests_refused: u64,
    /// Requests that were not whole within `request_timeout`.
    pub requests_timed_out: u64,
    /// Messages received.
    pub messages_in: u64,
    /// Messages handed to the kernel or to the queue of a connection, each receiver of a broadcast counted.
    pub messages_out: u64,
    /// Bytes received, of everything.
    pub bytes_in: u64,
    /// Bytes sent, of everything.
    pub bytes_out: u64,
    /// Connections failed for a breach of the protocol or of a limit: 1002, 1007, 1009.
    pub protocol_errors: u64,
    /// Connections cut for silence after a ping.
    pub pong_timeouts: u64,
    /// Connections closed by `idle_timeout`.
    pub idle_timeouts: u64,
    /// Connections cut because the peer did not end them within `close_timeout`.
    pub close_timeouts: u64,
    /// Connections beyond `max_connections_per_address`, which are among those refused.
    pub address_refusals: u64,
    /// Connections beyond `max_pending_handshakes`, the oldest each time: answered with 503, or dropped if there are very many.
    pub handshakes_dropped: u64,
    /// Connections closed by `max_lifetime`.
    pub lifetimes_ended: u64,
    /// Connections closed by `max_control_frames`.
    pub control_floods: u64,
    /// Pushes refused, or receivers of a broadcast left out, because a queue was full.
    pub pushes_refused: u64,
    /// Times that reading from a connection paused because it did not take what was sent to it.
    pub reads_paused: u64,
    /// Times that accepting paused because there were no descriptors left.
    pub accepts_paused: u64,
    /// Times that all reading paused because the host did not take its events.
    pub host_paused: u64,
    /// Faults inside wspush that cost a connection.
    pub panics: u64,
}

impl ws_stats {
    fn add(&mut self, stats: &Stats) {
        self.connections_open += stats.connections_open.get();
        self.connections_accepted += stats.connections_accepted.get();
        self.connections_closed += stats.connections_closed.get();
        self.connections_refused += stats.connections_refused.get();
        self.requests += stats.requests.get();
        self.requests_refused += stats.requests_refused.get();
        self.requests_timed_out += stats.requests_timed_out.get();
        self.messages_in += stats.messages_in.get();
        self.messages_out += stats.messages_out.get();
        self.bytes_in += stats.bytes_in.get();
        self.bytes_out += stats.bytes_out.get();
        self.protocol_errors += stats.protocol_errors.get();
        self.pong_timeouts += stats.pong_timeouts.get();
        self.idle_timeouts += stats.idle_timeouts.get();
        self.close_timeouts += stats.close_timeouts.get();
        self.address_refusals += stats.address_refusals.get();
        self.handshakes_dropped += stats.handshakes_dropped.get();
        self.lifetimes_ended += stats.lifetimes_ended.get();
        self.control_floods += stats.control_floods.get();
        self.pushes_refused += stats.pushes_refused.get();
        self.reads_paused += stats.reads_paused.get();
        self.accepts_paused += stats.accepts_paused.get();
        self.host_paused += stats.host_paused.get();
        self.panics += stats.panics.get();
    }
}

/// Fills `stats`, of which `size` must be set. Any thread, from the start on; also after the stop.
///
/// Errors: `WS_ERR_NULL`, `WS_ERR_ARGUMENT` for a `size` below that of the first version, `WS_ERR_STATE`,
/// `WS_ERR_HANDLE`, `WS_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_server_stats(server: *mut ws_server, stats: *mut ws_stats) -> c_int {
    guard(|| {
        // SAFETY: the caller's pointer leads to at least the size, which is its first field.
        unsafe { check_structure(stats, "stats", "ws_stats")? };
        let mut sum = ws_stats { size: size_of::<ws_stats>(), ..ws_stats::default() };
        handle::with(server, |hosted| {
            hosted.server.stats()?.for_each(|stats| sum.add(stats));
            Ok(())
        })?;
        // SAFETY: the caller says with `size` that there is room for all of it.
        unsafe { *stats = sum };
        Ok(Status::WS_OK as c_int)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::stats::TABLE;

    #[test]
    fn every_number_of_the_engine_is_told() {
        let stats = Stats::default();
        let values = || (1000..).zip(TABLE);
        values().for_each(|(value, row)| (row.field)(&stats).set(value));
        let mut sum = ws_stats::default();
        sum.add(&stats);
        let told = format!("{sum:?}");
        for (value, row) in values() {
            assert!(told.contains(&format!(" {}: {value}", row.name)), "{}: {told}", row.name);
        }
    }
}
