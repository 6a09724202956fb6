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
    /// Requests that came more slowly than `min_receive_rate`.
    slow_requests: Counter,
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
    /// Connections of proxies that began with no header of the PROXY protocol, or with one that is none.
    proxy_errors: Counter,
    /// Connections closed by `max_lifetime`.
    lifetimes_ended: Counter,
    /// Connections closed by `max_control_frames`.
    control_floods: Counter,
    /// Connections closed by `max_message_bytes`, or because there was no memory for a message.
    messages_shed: Counter,
    /// Connections that a stop cut, because its time was over, or `close_timeout`.
    connections_cut: Counter,
    /// Bytes that waited for connections and never left, because the connection was cut or lost before.
    bytes_cut: Counter,
    /// Pushes refused, or receivers of a broadcast left out, because a queue was full.
    pushes_refused: Counter,
    /// Messages dropped because a queue was full, each receiver of a broadcast counted: with `slow_client` as drop.
    messages_dropped: Counter,
    /// Connections closed because their queue was full: with `slow_client` as close_1008 or close_1013.
    slow_clients_closed: Counter,
    /// Messages, and receivers of one, that were refused, dropped, or closed for, and responses answered with 503, only because
    /// `max_total_queued_bytes` waited for all. They are in the counters of those, too.
    total_queued_refusals: Counter,
    /// Times that reading from a connection paused because it did not take what was sent to it.
    reads_paused: Counter,
    /// Times that accepting paused because there were no descriptors left, or an inherited listener was shut down.
    accepts_paused: Counter,
    /// Times that all reading paused because the host did not take its events.
    host_paused: Counter,
    /// Messages for the log that were left out: there were more than 100 of a kind in a second, or the host did not take its events.
    logs_dropped: Counter,
    /// Faults inside wspush that cost a connection.
    panics: Counter,
    /// Bytes that wait for connections to take them, in all.
    queued_bytes: Gauge,
    /// Those of them that wait in the outboxes of connections, which `max_total_queued_bytes` bounds.
    outbox_bytes: Gauge,
    /// Bytes of memory that messages take which are still arriving.
    message_bytes: Gauge,
    /// Bytes of pushes and commands of other threads that wait for a reactor, each receiver of a message to many counted.
    command_bytes: Gauge,
    /// Poll mode: bytes of events that wait for the host, in the one queue of all reactors: told of reactor 0.
    event_bytes: Gauge,
    /// Requests refused with 400: the request is no HTTP that is taken here.
    refused_400: Counter,
    /// Requests refused with 403: the page's Origin is not allowed.
    refused_403: Counter,
    /// Requests refused with 404: there is nothing there.
    refused_404: Counter,
    /// Requests refused with 405: the method is not served.
    refused_405: Counter,
    /// Requests refused with 408: it was not whole in time, or the connection's time was over.
    refused_408: Counter,
    /// Requests refused with 413: its body is too long.
    refused_413: Counter,
    /// Requests refused with 414: its target is too long.
    refused_414: Counter,
    /// Requests refused with 417: it expects what cannot be met.
    refused_417: Counter,
    /// Requests refused with 426: another version of the WebSocket protocol is needed.
    refused_426: Counter,
    /// Requests refused with 431: its head is too long.
    refused_431: Counter,
    /// Requests refused with 500: a fault inside wspush.
    refused_500: Counter,
    /// Requests refused with 501: it asks for what is not implemented.
    refused_501: Counter,
    /// Requests refused with 503: there are too many, or the server stops.
    refused_503: Counter,
    /// Requests refused with 504: the host did not answer in time.
    refused_504: Counter,
    /// Requests refused with 505: another version of HTTP is needed.
    refused_505: Counter,
    /// Requests refused with any other status. All of these together are `requests_refused`.
    refused_other: Counter,
    /// WebSockets that closed with 1000: normal.
    closed_1000: Counter,
    /// WebSockets that closed with 1001: going away.
    closed_1001: Counter,
    /// WebSockets that closed with 1002: a breach of the protocol.
    closed_1002: Counter,
    /// WebSockets that closed with 1003: data of a kind that is not taken.
    closed_1003: Counter,
    /// WebSockets that closed with 1005: a Close without a code.
    closed_1005: Counter,
    /// WebSockets that closed with 1006: lost without a Close.
    closed_1006: Counter,
    /// WebSockets that closed with 1007: text that is not UTF-8, or other data that is not what it is said to be.
    closed_1007: Counter,
    /// WebSockets that closed with 1008: a breach of a policy.
    closed_1008: Counter,
    /// WebSockets that closed with 1009: a message that is too long.
    closed_1009: Counter,
    /// WebSockets that closed with 1011: an error inside.
    closed_1011: Counter,
    /// WebSockets that closed with 1012: the service restarts.
    closed_1012: Counter,
    /// WebSockets that closed with 1013: try again later.
    closed_1013: Counter,
    /// WebSockets that closed with a code of the application's, 3000 to 4999.
    closed_application: Counter,
    /// WebSockets that closed with any other code. All of these together are the closes told to the host.
    closed_other: Counter,
}

impl Stats {
    /// What counts the requests that were refused with this status.
    #[must_use]
    pub const fn refused(&self, status: u16) -> &Counter {
        match status {
            400 => &self.refused_400,
            403 => &self.refused_403,
            404 => &self.refused_404,
            405 => &self.refused_405,
            408 => &self.refused_408,
            413 => &self.refused_413,
            414 => &self.refused_414,
            417 => &self.refused_417,
            426 => &self.refused_426,
            431 => &self.refused_431,
            500 => &self.refused_500,
            501 => &self.refused_501,
            503 => &self.refused_503,
            504 => &self.refused_504,
            505 => &self.refused_505,
            _ => &self.refused_other,
        }
    }

    /// What counts the WebSockets that closed with this code.
    #[must_use]
    pub const fn closed(&self, code: u16) -> &Counter {
        match code {
            1000 => &self.closed_1000,
            1001 => &self.closed_1001,
            1002 => &self.closed_1002,
            1003 => &self.closed_1003,
            1005 => &self.closed_1005,
            1006 => &self.closed_1006,
            1007 => &self.closed_1007,
            1008 => &self.closed_1008,
            1009 => &self.closed_1009,
            1011 => &self.closed_1011,
            1012 => &self.closed_1012,
            1013 => &self.closed_1013,
            3000..=4999 => &self.closed_application,
            _ => &self.closed_other,
        }
    }
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
        // Each of them is now told by its own name.
        for code in (400..=505).chain(1000..=1013) {
            let name = format!("{}_{code}", if code < 1000 { "refused" } else { "closed" });
            let counter = if code < 1000 { stats.refused(code) } else { stats.closed(code) };
            if let Some(row) = TABLE.iter().find(|row| row.name == name) {
                assert!(std::ptr::eq(counter, (row.field)(&stats)), "{name}");
            }
        }
        assert_eq!(TABLE.len() * size_of::<Counter>(), size_of::<Stats>());
    }
}
