//! What is bounded, by what, what happens at the bound, and what counts it: docs/bounds.md, which is made of this table. Limits are
//! taken from where they are set: the tables of options, or the constant itself.
//!
//! `BOUNDS=write cargo test --lib bounds` writes the page; without that the test compares it.

use super::values::in_bytes;
use super::{CLIENT_TABLE, Row, TABLE};
use crate::engine::dialer::connecting::MOST as ADDRESSES;
use crate::engine::dialer::places::{CROWD, PLACES, SILENT_MAX};
use crate::engine::dialer::resolver::{ALL_THREADS, MOST_THREADS, THREADS};
use crate::engine::dialer::talking::READ;
use crate::engine::discarded::GONE_MAX;
use crate::engine::inbox::RECEIVE;
use crate::engine::log::PER_SECOND;
use crate::engine::reactor::files::PIECE;
use crate::engine::reactor::obeying::{LAST_SLICE, SLICE};
use crate::engine::reactor::sending::FLUSHES_PER_TURN;
use crate::engine::stats;
use crate::engine::topics::NAME_MAX;
use crate::error::Status;
use crate::options::client::MAX_HEADERS;
use crate::options::values::LIST_MAX;
use crate::protocol::close::MAX_REASON;
use crate::protocol::frame::MAX_CONTROL_PAYLOAD;
use crate::protocol::handshake::negotiation::BODY_MAX;
use crate::protocol::http::HeadLimits;
use crate::protocol::http::chunked::EXTRAS_MAX;
use crate::protocol::proxy::{MAX_V1, MAX_V2};
use std::fmt::Write;

/// Where a limit is set.
#[derive(Clone, Copy)]
enum Limit {
    /// An option of servers.
    Server(&'static str),
    /// An option of clients.
    Client(&'static str),
    /// An option of both, with the same default.
    Both(&'static str),
    /// So many bytes, whatever is set.
    Bytes(usize),
    /// So many of something.
    Count(usize, &'static str),
    /// What no number says.
    Words(&'static str),
}

use Limit::{Both, Bytes, Client, Count, Server, Words};

struct Bound {
    /// What is bounded.
    what: &'static str,
    limits: &'static [Limit],
    /// What happens there.
    answer: &'static str,
    /// Names of [`stats::TABLE`], or why there is none.
    counters: Counters,
}

enum Counters {
    /// Any of these, as the answer is.
    Named(&'static [&'static str]),
    /// None, for this reason.
    None(&'static str),
}

use Counters::{Named, None as Uncounted};

struct Part {
    title: &'static str,
    bounds: &'static [Bound],
}

const fn bound(what: &'static str, limits: &'static [Limit], answer: &'static str, counters: Counters) -> Bound {
    Bound { what, limits, answer, counters }
}

const TOLD: Counters = Uncounted("none: the caller is told");
const ERROR: Counters = Uncounted("none: the error is told");

const PARTS: &[Part] = &[
    Part {
        title: "Connections",
        bounds: &[
            bound("Connections at one time", &[Server("max_connections")], "503", Named(&["connections_refused"])),
            bound(
                "Connections from one IPv4 address, or one IPv6 network of 64 bits",
                &[Server("max_connections_per_address")],
                "503",
                Named(&["address_refusals", "connections_refused"]),
            ),
            bound(
                "Connections that owe their first request",
                &[Server("max_pending_handshakes")],
                "503 to the oldest",
                Named(&["handshakes_dropped"]),
            ),
            bound(
                "Connections that the kernel has made and the server has not accepted",
                &[Server("backlog")],
                "The kernel lets further ones wait",
                Uncounted("none of ours: `ss -lt` shows it"),
            ),
            bound(
                "Descriptors",
                &[Words("the system's")],
                "Accepting pauses until one is free",
                Named(&["accepts_paused"]),
            ),
            bound("Age of a connection", &[Server("max_lifetime")], "Close 1001", Named(&["lifetimes_ended"])),
        ],
    },
    Part {
        title: "HTTP",
        bounds: &[
            bound(
                "Request head",
                &[Server("max_request_head"), Count(HeadLimits::MAX_HEADERS, "header fields")],
                "431, or 414 if the first line alone is too long",
                Named(&["refused_431", "refused_414"]),
            ),
            bound(
                "Time for the request head",
                &[Server("request_timeout")],
                "408",
                Named(&["requests_timed_out", "refused_408"]),
            ),
            bound("Request body", &[Server("max_request_body")], "413", Named(&["refused_413"])),
            bound(
                "Time for the request body",
                &[Server("body_timeout")],
                "408",
                Named(&["requests_timed_out", "refused_408"]),
            ),
            bound(
                "Rate at which a request arrives",
                &[Server("min_receive_rate")],
                "408",
                Named(&["slow_requests", "refused_408"]),
            ),
            bound(
                "Bodies that are arriving, per reactor",
                &[Server("max_body_bytes")],
                "503 to the next that grows",
                Named(&["refused_503"]),
            ),
            bound(
                "Chunk extensions and trailers of one body",
                &[Bytes(EXTRAS_MAX as usize)],
                "400",
                Named(&["refused_400"]),
            ),
            bound(
                "Header of the PROXY protocol, version 1 and version 2",
                &[Bytes(MAX_V1), Bytes(MAX_V2)],
                "400",
                Named(&["proxy_errors", "refused_400"]),
            ),
            bound(
                "Time between two requests of one connection",
                &[Server("keep_alive_timeout")],
                "The connection ends",
                Named(&["connections_closed"]),
            ),
            bound(
                "Time for the host to answer a request, or to decide about an upgrade",
                &[Server("response_timeout")],
                "504; a response that has begun is cut",
                Named(&["refused_504"]),
            ),
            bound(
                "What is read ahead of a file that is being sent",
                &[Bytes(PIECE as usize)],
                "The next piece is read when this one has left",
                Uncounted("none: nothing is refused"),
            ),
        ],
    },
    Part {
        title: "Messages that arrive",
        bounds: &[
            bound(
                "A message",
                &[Both("max_message_size"), Both("max_frame_size"), Both("max_fragments")],
                "Close 1009, from the header alone",
                Named(&["protocol_errors", "closed_1009"]),
            ),
            bound(
                "Payload of a control frame (RFC 6455 section 5.5)",
                &[Bytes(MAX_CONTROL_PAYLOAD)],
                "Close 1002; `WS_ERR_TOO_LARGE` to the host",
                Named(&["protocol_errors", "closed_1002"]),
            ),
            bound(
                "Messages that are arriving, per reactor",
                &[Both("max_message_bytes"), Words("memory")],
                "Close 1013 to those that have stood still the longest",
                Named(&["messages_shed"]),
            ),
            bound(
                "Pings and pongs of one connection in a second; after a time without reading, of each such second, a minute at most",
                &[Both("max_control_frames")],
                "Close 1008",
                Named(&["control_floods"]),
            ),
            bound(
                "What was received of a connection that a callback pauses",
                &[Bytes(RECEIVE)],
                "It is kept; nothing more is read until the host resumes it",
                Uncounted("none: nothing is refused"),
            ),
        ],
    },
    Part {
        title: "What waits for peers",
        bounds: &[
            bound(
                "What waits for one connection, before reading from it pauses",
                &[Server("high_watermark"), Server("low_watermark")],
                "Reading pauses until `low_watermark` is reached; then the host gets the drain event",
                Named(&["reads_paused"]),
            ),
            bound(
                "What waits for one connection",
                &[Both("max_queued_bytes")],
                "`slow_client`: the push gives `WS_ERR_QUEUE_FULL`, or is dropped, or Close 1008 or 1013",
                Named(&["pushes_refused", "messages_dropped", "slow_clients_closed"]),
            ),
            bound(
                "What waits for all connections, per reactor; a message to many counts for each",
                &[Both("max_total_queued_bytes")],
                "As `max_queued_bytes`, for each connection for which 64 KiB wait; a response with a longer body is answered \
                 with 503",
                Named(&["total_queued_refusals"]),
            ),
            bound(
                "The same",
                &[Words("memory")],
                "The connection for which there is no memory is cut",
                Named(&["slow_clients_closed", "bytes_cut"]),
            ),
            bound(
                "Pushes that wait for a reactor: those to many, each receiver counted, and all others, each by themselves",
                &[Both("max_command_bytes")],
                "`WS_ERR_QUEUE_FULL`",
                Named(&["pushes_refused"]),
            ),
            bound(
                "What a turn of a reactor carries out of them, and the connections that it flushes",
                &[Bytes(SLICE), Count(FLUSHES_PER_TURN, "connections")],
                "The next turn goes on",
                Uncounted("none: nothing is refused"),
            ),
            bound(
                "What a stop whose time is over still sends of them",
                &[Bytes(LAST_SLICE)],
                "The rest is cut",
                Named(&["bytes_cut"]),
            ),
            bound(
                "Topics of one connection, and the name of a topic",
                &[Server("max_topics"), Bytes(NAME_MAX)],
                "`ws_subscribe` gives `WS_ERR_LIMIT`, or `WS_ERR_ARGUMENT`",
                TOLD,
            ),
            bound("Reason of a Close frame", &[Bytes(MAX_REASON)], "`WS_ERR_ARGUMENT`", TOLD),
        ],
    },
    Part {
        title: "What waits for the host",
        bounds: &[
            bound(
                "Events that a polling host has not taken, requests included",
                &[Both("max_event_bytes")],
                "Reading, accepting and dialling pause; nobody is timed out for it",
                Named(&["host_paused"]),
            ),
            bound(
                "Connections that a polling host has closed, that were gone already, and whose messages wait in its batches",
                &[Count(GONE_MAX, "connections")],
                "Messages of further ones are handed over",
                Uncounted("none: nothing is lost"),
            ),
            bound(
                "PHP: messages of a paused connection that were received before",
                &[Words("what waited for the host then: `max_event_bytes`, and a batch")],
                "They are kept until it is resumed; nothing more is read",
                Uncounted("none: nothing is lost"),
            ),
            bound(
                "PHP: messages that a server keeps of all its paused connections",
                &[Words("64 MiB, or a quarter of PHP's `memory_limit`")],
                "Close 1013 to the connection of which the most is kept; what is kept of it is dropped",
                Uncounted("`withheld_shed` of `Server::stats()`"),
            ),
            bound(
                "PHP: failed attempts behind the end of a connection that a paused client keeps",
                &[Count(1, "attempt")],
                "Earlier ones are not told",
                Uncounted("none: the last one is told"),
            ),
            bound(
                "Messages of the log in a second, per reactor, and as many graver ones",
                &[Count(PER_SECOND as usize, "messages")],
                "They are left out",
                Named(&["logs_dropped"]),
            ),
        ],
    },
    Part {
        title: "Silence and slow ends",
        bounds: &[
            bound("Silence until a ping", &[Both("ping_interval")], "A ping", Uncounted("none: nothing is refused")),
            bound(
                "Silence after a ping",
                &[Both("pong_timeout")],
                "The connection is cut: 1006",
                Named(&["pong_timeouts"]),
            ),
            bound("Time without a message", &[Both("idle_timeout")], "Close 1001", Named(&["idle_timeouts"])),
            bound(
                "Time for the peer to answer a Close frame, since it last took anything",
                &[Both("close_timeout")],
                "The connection is cut",
                Named(&["close_timeouts"]),
            ),
        ],
    },
    Part {
        title: "Clients",
        bounds: &[
            bound(
                "Time to connect, names and proxies included",
                &[Client("connect_timeout")],
                "`WS_ERR_CONNECT_TIMEOUT`",
                ERROR,
            ),
            bound("Time for the response", &[Client("handshake_timeout")], "`WS_ERR_HANDSHAKE_TIMEOUT`", ERROR),
            bound(
                "Response head, interim ones included",
                &[Client("max_response_head"), Count(HeadLimits::MAX_HEADERS, "header fields")],
                "`WS_ERR_HEAD_TOO_LARGE`",
                ERROR,
            ),
            bound(
                "Body of a refusal that is told",
                &[Bytes(BODY_MAX), Words("a second from its head")],
                "The rest is not read",
                Uncounted("none: the first bytes are told"),
            ),
            bound("Redirects in a row", &[Client("max_redirects")], "`WS_ERR_REDIRECT`", ERROR),
            bound(
                "Retry-After of a server",
                &[Words("a day")],
                "It is taken as a day",
                Uncounted("none: the delay is told"),
            ),
            bound("Header fields that the host adds", &[Bytes(MAX_HEADERS)], "`WS_ERR_TOO_LARGE`", TOLD),
            bound(
                "Messages that are kept for the next connection",
                &[Client("max_offline_bytes")],
                "`WS_ERR_QUEUE_FULL`",
                Named(&["pushes_refused"]),
            ),
            bound("Age of such a message", &[Client("max_offline_age")], "It is dropped", Named(&["messages_dropped"])),
            bound(
                "Attempts of one process that connect at one time, without those that nobody has answered for half a second",
                &[Count(PLACES, "attempts")],
                "Further ones wait, and so does their time",
                Uncounted("none: nothing is lost"),
            ),
            bound(
                "Attempts that nobody answers, in all and to one address",
                &[Count(SILENT_MAX, "attempts"), Words("a quarter of the descriptors"), Count(CROWD, "attempts")],
                "They count among the attempts above; no other to that address begins",
                Uncounted("none: nothing is lost"),
            ),
            bound(
                "Addresses that are tried of one name",
                &[Count(ADDRESSES, "addresses")],
                "The rest is left out",
                ERROR,
            ),
            bound(
                "Names that are looked up at one time: quick ones, with those that take longer than a second, and in the process",
                &[Count(THREADS, "names"), Count(ALL_THREADS, "names"), Count(MOST_THREADS as usize, "names")],
                "Further ones wait, within `connect_timeout`",
                ERROR,
            ),
            bound(
                "Bytes that are read behind a response",
                &[Bytes(READ)],
                "The rest waits in the kernel until the connection is open",
                Uncounted("none: nothing is lost"),
            ),
        ],
    },
    Part {
        title: "Options",
        bounds: &[bound("Entries of a list", &[Count(LIST_MAX, "entries")], "`WS_ERR_VALUE`", TOLD)],
    },
];

fn default_of<O>(table: &[Row<O>], name: &str) -> &'static str {
    table.iter().find(|row| row.name == name).unwrap_or_else(|| panic!("there is no option {name}")).default
}

impl Limit {
    fn words(self) -> String {
        match self {
            Server(name) => format!("`{name}` ({})", default_of(TABLE, name)),
            Client(name) => format!("`{name}` ({})", default_of(CLIENT_TABLE, name)),
            Both(name) => {
                assert_eq!(default_of(TABLE, name), default_of(CLIENT_TABLE, name), "{name}");
                Server(name).words()
            }
            Bytes(count) if count < 1024 => format!("{count} bytes"),
            Bytes(count) => format!("{}iB", in_bytes(count as u64).replace('K', " K").replace('M', " M")),
            Count(count, what) => format!("{count} {what}"),
            Words(words) => words.to_owned(),
        }
    }

    const fn option(self) -> Option<&'static str> {
        match self {
            Server(name) | Client(name) | Both(name) => Some(name),
            Bytes(_) | Count(..) | Words(_) => None,
        }
    }
}

fn page() -> String {
    let mut page = String::from(
        "# Bounds\n\nEverything that a peer or the host can make grow has a limit, an answer at the limit, and a counter. Limits that are \
         options\nhave their default in brackets; [README.md](../README.md#options) says what each takes. The counters are fields of \
         `ws_stats`, which\n`ws_server_stats`, `ws_reactor_stats` and `ws_client_stats` fill in, and names behind `wspush_` in what \
         `metrics_path` serves.\n1K is 1,024 bytes, 1M 1,048,576. 0 is no limit, or no such time, but for the watermarks: 0 is a quarter of \
         `max_queued_bytes`,\nand half of that.\n",
    );
    for part in PARTS {
        let _ = write!(page, "\n## {}\n\n| what | limit | at the limit | counter |\n|---|---|---|---|\n", part.title);
        for bound in part.bounds {
            let limits: Vec<_> = bound.limits.iter().map(|limit| limit.words()).collect();
            let counters = match bound.counters {
                Named(names) => names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
                Uncounted(why) => why.to_owned(),
            };
            let _ = writeln!(page, "| {} | {} | {} | {counters} |", bound.what, limits.join(", "), bound.answer);
        }
    }
    page
}

fn bounds() -> impl Iterator<Item = &'static Bound> {
    PARTS.iter().flat_map(|part| part.bounds)
}

#[test]
fn the_page_has_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/bounds.md");
    if std::env::var_os("BOUNDS").is_some_and(|what| what == "write") {
        std::fs::write(path, page()).unwrap();
    }
    assert!(
        std::fs::read_to_string(path).is_ok_and(|there| there == page()),
        "docs/bounds.md is stale: BOUNDS=write cargo test --lib bounds"
    );
}

#[test]
fn every_counter_is_one() {
    for bound in bounds() {
        if let Named(names) = bound.counters {
            for name in names {
                assert!(stats::TABLE.iter().any(|row| row.name == *name), "{}: {name}", bound.what);
            }
        }
    }
}

#[test]
fn every_status_is_one() {
    for bound in bounds() {
        for word in bound.answer.split('`').filter(|word| word.starts_with("WS_")) {
            let known = (0..100).filter_map(|number| Status::from_number(-number));
            assert!(known.into_iter().any(|status| status.name().to_str() == Ok(word)), "{}: {word}", bound.what);
        }
    }
}

#[test]
fn every_option_that_limits_is_in_the_table() {
    // What a host waits for or chooses is no bound of what grows.
    let others = ["reconnect_max"];
    let limits = |name: &str| name.starts_with("max_") || name.ends_with("_timeout") || name.ends_with("_max");
    let names = TABLE.iter().map(|row| row.name).chain(CLIENT_TABLE.iter().map(|row| row.name));
    for name in names.filter(|name| limits(name) && !others.contains(name)) {
        let has = |bound: &Bound| bound.limits.iter().any(|limit| limit.option() == Some(name));
        assert!(bounds().any(has), "what does {name} bound?");
    }
}
