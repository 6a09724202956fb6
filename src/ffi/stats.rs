//! Counters.

use super::client::HostedClient;
use super::handle::{self, Hosted, ws_client, ws_server};
use super::server::HostedServer;
use super::{check_structure, guard_any};
use crate::engine::stats::Stats;
use crate::error::{Result, Status};
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
    /// Requests that came more slowly than `min_receive_rate`.
    pub slow_requests: u64,
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
    /// Connections of proxies that began with no header of the PROXY protocol, or with one that is none.
    pub proxy_errors: u64,
    /// Connections closed by `max_lifetime`.
    pub lifetimes_ended: u64,
    /// Connections closed by `max_control_frames`.
    pub control_floods: u64,
    /// Connections closed by `max_message_bytes`, or because there was no memory for a message.
    pub messages_shed: u64,
    /// Connections that a stop cut, because its time was over, or `close_timeout`.
    pub connections_cut: u64,
    /// Bytes that waited for connections and never left, because the connection was cut or lost before.
    pub bytes_cut: u64,
    /// Pushes refused, or receivers of a broadcast left out, because a queue was full.
    pub pushes_refused: u64,
    /// Messages dropped because a queue was full, each receiver of a broadcast counted: with `slow_client` as drop.
    pub messages_dropped: u64,
    /// Connections closed because their queue was full: with `slow_client` as close_1008 or close_1013.
    pub slow_clients_closed: u64,
    /// Messages, and receivers of one, that were refused, dropped, or closed for, and responses answered with 503, only because
    /// `max_total_queued_bytes` waited for all. They are in the counters of those, too.
    pub total_queued_refusals: u64,
    /// Times that reading from a connection paused because it did not take what was sent to it.
    pub reads_paused: u64,
    /// Times that accepting paused because there were no descriptors left, or an inherited listener was shut down.
    pub accepts_paused: u64,
    /// Times that all reading paused because the host did not take its events.
    pub host_paused: u64,
    /// Messages for the log that were left out: there were more than 100 of a kind in a second, or the host did not take its events.
    pub logs_dropped: u64,
    /// Faults inside wspush that cost a connection.
    pub panics: u64,
    /// Bytes that wait for connections to take them, in all.
    pub queued_bytes: u64,
    /// Those of them that wait in the outboxes of connections, which `max_total_queued_bytes` bounds.
    pub outbox_bytes: u64,
    /// Bytes of memory that messages take which are still arriving.
    pub message_bytes: u64,
    /// Bytes of pushes and commands of other threads that wait for a reactor, each receiver of a message to many counted.
    pub command_bytes: u64,
    /// Poll mode: bytes of events that wait for the host, in the one queue of all reactors: told of reactor 0.
    pub event_bytes: u64,
    /// Requests refused with 400: the request is no HTTP that is taken here.
    pub refused_400: u64,
    /// Requests refused with 403: the page's Origin is not allowed.
    pub refused_403: u64,
    /// Requests refused with 404: there is nothing there.
    pub refused_404: u64,
    /// Requests refused with 405: the method is not served.
    pub refused_405: u64,
    /// Requests refused with 408: it was not whole in time, or the connection's time was over.
    pub refused_408: u64,
    /// Requests refused with 413: its body is too long.
    pub refused_413: u64,
    /// Requests refused with 414: its target is too long.
    pub refused_414: u64,
    /// Requests refused with 417: it expects what cannot be met.
    pub refused_417: u64,
    /// Requests refused with 426: another version of the WebSocket protocol is needed.
    pub refused_426: u64,
    /// Requests refused with 431: its head is too long.
    pub refused_431: u64,
    /// Requests refused with 500: a fault inside wspush.
    pub refused_500: u64,
    /// Requests refused with 501: it asks for what is not implemented.
    pub refused_501: u64,
    /// Requests refused with 503: there are too many, or the server stops.
    pub refused_503: u64,
    /// Requests refused with 504: the host did not answer in time.
    pub refused_504: u64,
    /// Requests refused with 505: another version of HTTP is needed.
    pub refused_505: u64,
    /// Requests refused with any other status. All of these together are `requests_refused`.
    pub refused_other: u64,
    /// WebSockets that closed with 1000: normal.
    pub closed_1000: u64,
    /// WebSockets that closed with 1001: going away.
    pub closed_1001: u64,
    /// WebSockets that closed with 1002: a breach of the protocol.
    pub closed_1002: u64,
    /// WebSockets that closed with 1003: data of a kind that is not taken.
    pub closed_1003: u64,
    /// WebSockets that closed with 1005: a Close without a code.
    pub closed_1005: u64,
    /// WebSockets that closed with 1006: lost without a Close.
    pub closed_1006: u64,
    /// WebSockets that closed with 1007: text that is not UTF-8, or other data that is not what it is said to be.
    pub closed_1007: u64,
    /// WebSockets that closed with 1008: a breach of a policy.
    pub closed_1008: u64,
    /// WebSockets that closed with 1009: a message that is too long.
    pub closed_1009: u64,
    /// WebSockets that closed with 1011: an error inside.
    pub closed_1011: u64,
    /// WebSockets that closed with 1012: the service restarts.
    pub closed_1012: u64,
    /// WebSockets that closed with 1013: try again later.
    pub closed_1013: u64,
    /// WebSockets that closed with a code of the application's, 3000 to 4999.
    pub closed_application: u64,
    /// WebSockets that closed with any other code. All of these together are the closes told to the host.
    pub closed_other: u64,
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
        self.slow_requests += stats.slow_requests.get();
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
        self.proxy_errors += stats.proxy_errors.get();
        self.lifetimes_ended += stats.lifetimes_ended.get();
        self.control_floods += stats.control_floods.get();
        self.messages_shed += stats.messages_shed.get();
        self.connections_cut += stats.connections_cut.get();
        self.bytes_cut += stats.bytes_cut.get();
        self.pushes_refused += stats.pushes_refused.get();
        self.messages_dropped += stats.messages_dropped.get();
        self.slow_clients_closed += stats.slow_clients_closed.get();
        self.total_queued_refusals += stats.total_queued_refusals.get();
        self.reads_paused += stats.reads_paused.get();
        self.accepts_paused += stats.accepts_paused.get();
        self.host_paused += stats.host_paused.get();
        self.logs_dropped += stats.logs_dropped.get();
        self.panics += stats.panics.get();
        self.queued_bytes += stats.queued_bytes.get();
        self.outbox_bytes += stats.outbox_bytes.get();
        self.message_bytes += stats.message_bytes.get();
        self.command_bytes += stats.command_bytes.get();
        self.event_bytes += stats.event_bytes.get();
        self.refused_400 += stats.refused_400.get();
        self.refused_403 += stats.refused_403.get();
        self.refused_404 += stats.refused_404.get();
        self.refused_405 += stats.refused_405.get();
        self.refused_408 += stats.refused_408.get();
        self.refused_413 += stats.refused_413.get();
        self.refused_414 += stats.refused_414.get();
        self.refused_417 += stats.refused_417.get();
        self.refused_426 += stats.refused_426.get();
        self.refused_431 += stats.refused_431.get();
        self.refused_500 += stats.refused_500.get();
        self.refused_501 += stats.refused_501.get();
        self.refused_503 += stats.refused_503.get();
        self.refused_504 += stats.refused_504.get();
        self.refused_505 += stats.refused_505.get();
        self.refused_other += stats.refused_other.get();
        self.closed_1000 += stats.closed_1000.get();
        self.closed_1001 += stats.closed_1001.get();
        self.closed_1002 += stats.closed_1002.get();
        self.closed_1003 += stats.closed_1003.get();
        self.closed_1005 += stats.closed_1005.get();
        self.closed_1006 += stats.closed_1006.get();
        self.closed_1007 += stats.closed_1007.get();
        self.closed_1008 += stats.closed_1008.get();
        self.closed_1009 += stats.closed_1009.get();
        self.closed_1011 += stats.closed_1011.get();
        self.closed_1012 += stats.closed_1012.get();
        self.closed_1013 += stats.closed_1013.get();
        self.closed_application += stats.closed_application.get();
        self.closed_other += stats.closed_other.get();
    }
}

/// Fills `stats`, of which `size` must be set, with the sums over all reactors. To tell `queued_bytes` takes a look at each
/// connection, some microseconds for a thousand of them: ask once a second rather than for each message. Any thread, from the start on; also after the stop.
///
/// Errors: `WS_ERR_NULL`, `WS_ERR_ARGUMENT` for a `size` below that of the first version, `WS_ERR_STATE`,
/// `WS_ERR_HANDLE`, `WS_ERR_FORKED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_server_stats(server: *mut ws_server, stats: *mut ws_stats) -> c_int {
    // SAFETY: the caller's pointer leads to at least the size, which is its first field.
    unsafe {
        fill(server, stats, |hosted: &HostedServer, sum| {
            hosted.server.stats().map(|all| all.for_each(|stats| sum.add(stats)))
        })
    }
}

/// The same for one reactor, counted from 0: the share of one thread in what `ws_server_stats` tells.
///
/// Any thread, from the start on; also after the stop. Errors: as `ws_server_stats`, and `WS_ERR_ARGUMENT` if there is no
/// such reactor.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_reactor_stats(server: *mut ws_server, reactor: c_int, stats: *mut ws_stats) -> c_int {
    let index = usize::try_from(reactor).unwrap_or(usize::MAX);
    // SAFETY: the caller's pointer leads to at least the size, which is its first field.
    unsafe {
        fill(server, stats, |hosted: &HostedServer, sum| hosted.server.reactor_stats(index).map(|stats| sum.add(stats)))
    }
}

/// The same for the thread of a client, with the numbers of all clients that share it. What only a server counts stays 0;
/// `connections_accepted` are the connections that were made.
///
/// Any thread, from the start of the client on. Errors: as `ws_server_stats`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_client_stats(client: *mut ws_client, stats: *mut ws_stats) -> c_int {
    // SAFETY: the caller's pointer leads to at least the size, which is its first field.
    unsafe { fill(client, stats, |hosted: &HostedClient, sum| hosted.client.stats(|stats| sum.add(stats))) }
}

/// # Safety
/// `stats` is NULL or leads to at least its first field, which says how much more there is.
unsafe fn fill<T: Hosted>(
    handle: *mut T::Handle,
    stats: *mut ws_stats,
    add: impl FnOnce(&T, &mut ws_stats) -> Result<()>,
) -> c_int {
    guard_any::<T, _>(handle, || {
        // SAFETY: the contract of this function.
        unsafe { check_structure(stats, "stats", "ws_stats")? };
        let mut sum = ws_stats { size: size_of::<ws_stats>(), ..ws_stats::default() };
        handle::with(handle, |hosted: &T| add(hosted, &mut sum))?;
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
