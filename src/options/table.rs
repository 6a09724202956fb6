//! Every option of a server: its name, its default, the values it takes, and what it means. README.md has the same table.

use super::row::{Field, Row};
use super::values::{DAY_MS, G, K, is_account, permissions};
use super::{Options, SlowClient};
use crate::engine::log::Level;
use crate::protocol::handshake::{is_path, is_sent_by_browsers, is_subprotocol};
use crate::protocol::networks::is_network;

/// Every option.
pub const TABLE: &[Row<Options>] = &[
    Row {
        name: "reactors",
        default: "1",
        meaning: "Threads that serve connections. More than one turns `reuse_port` on.",
        field: Field::Count(|o| &mut o.reactors, 1, 64),
    },
    Row {
        name: "max_connections",
        default: "100000",
        meaning: "Connections at one time, over all reactors. One more is answered with 503.",
        field: Field::Count(|o| &mut o.max_connections, 1, 16_000_000),
    },
    Row {
        name: "max_connections_per_address",
        default: "0",
        meaning: "Connections at one time from one IPv4 address or one IPv6 subnet (/64), over all reactors. One more is \
                  answered with 503. Those over Unix sockets are not counted. 0: no limit.",
        field: Field::Count(|o| &mut o.max_connections_per_address, 0, 16_000_000),
    },
    Row {
        name: "max_pending_handshakes",
        default: "0",
        meaning: "Connections at one time that have not sent their first request whole, with its body, over all reactors. With one more, the \
                  one that has owed it the longest is answered with 503: a flood of them pushes itself out, and who has \
                  something to ask gets in. 0: no limit but `max_connections`.",
        field: Field::Count(|o| &mut o.max_pending_handshakes, 0, 16_000_000),
    },
    Row {
        name: "max_message_size",
        default: "1M",
        meaning: "The longest message taken, all fragments together. A longer one is answered with Close 1009.",
        field: Field::Bytes(|o| &mut o.max_message_size, 1, 2 * G),
    },
    Row {
        name: "max_frame_size",
        default: "2G",
        meaning: "The longest payload of one frame. A longer one is answered with Close 1009.",
        field: Field::Bytes(|o| &mut o.max_frame_size, 125, 2 * G),
    },
    Row {
        name: "max_fragments",
        default: "131072",
        meaning: "The most frames of one message. One more is answered with Close 1009.",
        field: Field::Count(|o| &mut o.max_fragments, 1, 4_000_000_000),
    },
    Row {
        name: "max_message_bytes",
        default: "256M",
        meaning: "Per reactor: once messages that are still arriving take this much, those that have stood still the longest \
                  are answered with Close 1013, until an eighth of it is free. One message alone may take more.",
        field: Field::Bytes(|o| &mut o.max_message_bytes, 64 * K, 64 * G),
    },
    Row {
        name: "max_queued_bytes",
        default: "4M",
        meaning: "Per connection: once this much waits to be sent, its client is slow, and `slow_client` says what becomes \
                  of further messages.",
        field: Field::Bytes(|o| &mut o.max_queued_bytes, K, 64 * G),
    },
    Row {
        name: "max_total_queued_bytes",
        default: "1G",
        meaning: "Per reactor: once this much waits to be sent to all connections together, one for which 64 KiB wait is slow: \
                  `max_queued_bytes` and the watermarks are so low until an eighth of this is free again. A response with a \
                  longer body is answered with 503. What goes to many counts for each receiver. The share is less than \
                  64 KiB if those of all connections would be more than this, but at least 4 KiB. 1G is 256 clients \
                  that read nothing at all, and fits small machines.",
        field: Field::Bytes(|o| &mut o.max_total_queued_bytes, 64 * K, 64 * G),
    },
    Row {
        name: "high_watermark",
        default: "0",
        meaning: "Per connection: once this much waits to be sent, reading from it pauses, until no more than \
                  `low_watermark` waits. At most `max_queued_bytes`. 0: a quarter of that.",
        field: Field::Bytes(|o| &mut o.high_watermark, 0, 64 * G),
    },
    Row {
        name: "low_watermark",
        default: "0",
        meaning: "Per connection: once no more than this waits to be sent after it had risen to `high_watermark`, or after a \
                  push was refused, the drain event is told, once. Below `high_watermark`. 0: half of that.",
        field: Field::Bytes(|o| &mut o.low_watermark, 0, 64 * G),
    },
    Row {
        name: "slow_client",
        default: "refuse",
        meaning: "What becomes of a message for a connection for which `max_queued_bytes` wait. refuse: `ws_push` gives \
                  `WS_ERR_QUEUE_FULL`, and what goes to many leaves it out, both counted in `pushes_refused`. drop: it is \
                  dropped, which nobody is told of, and counted in `messages_dropped`. close_1008, close_1013: the \
                  connection is closed with that code behind what waits, and `ws_push` gives `WS_ERR_CLOSED`.",
        field: Field::Choice(SlowClient::NAMES, |o, index| o.slow_client = SlowClient::ALL[index]),
    },
    Row {
        name: "max_topics",
        default: "10000",
        meaning: "Topics that one connection may be subscribed to; `ws_subscribe` refuses one more with `WS_ERR_LIMIT`.",
        field: Field::Count(|o| &mut o.max_topics, 1, 1_000_000),
    },
    Row {
        name: "max_event_bytes",
        default: "1M",
        meaning: "Poll mode: once events of this size wait for the host, reading pauses until it has taken them.",
        field: Field::Bytes(|o| &mut o.max_event_bytes, 4 * K, 64 * G),
    },
    Row {
        name: "max_command_bytes",
        default: "64M",
        meaning: "Per reactor: once pushes of this size wait for the reactor, `ws_push`, `ws_broadcast` and `ws_publish` refuse \
                  with `WS_ERR_QUEUE_FULL`. A message to many counts for each receiver, with 16 bytes more; and all of \
                  them by themselves, so that a flood of them leaves room for the rest.",
        field: Field::Bytes(|o| &mut o.max_command_bytes, 64 * K, 64 * G),
    },
    Row {
        name: "max_request_head",
        default: "8K",
        meaning: "The longest request head. A longer one is answered with 431, or 414 if its first line alone is.",
        field: Field::Bytes(|o| &mut o.max_request_head, 256, 64 * K),
    },
    Row {
        name: "max_request_body",
        default: "1M",
        meaning: "The longest body of a plain HTTP request. A longer one is answered with 413.",
        field: Field::Bytes(|o| &mut o.max_request_body, 0, 2 * G),
    },
    Row {
        name: "max_body_bytes",
        default: "256M",
        meaning: "Per reactor: once bodies that are still arriving take this much, the next to grow is answered with 503.",
        field: Field::Bytes(|o| &mut o.max_body_bytes, 64 * K, 64 * G),
    },
    Row {
        name: "decide_upgrades",
        default: "off",
        meaning: "Poll mode: the host decides about each upgrade that the options below admit; see `ws_accept`. In callback \
                  mode it does if `ws_server_on_handshake` is set.",
        field: Field::Switch(|o| &mut o.decide_upgrades),
    },
    Row {
        name: "allowed_origins",
        default: "",
        meaning: "Pages that may connect, by their Origin as browsers send it: without a slash, and without the port if \
                  it is the scheme's own, 443 or 80. Others get 403; clients that send no Origin are no browsers, and may. Empty: any \
                  page.",
        field: Field::List(
            |o| &mut o.admission.origins,
            is_sent_by_browsers,
            "origins as browsers send them, such as https://example.com",
        ),
    },
    Row {
        name: "paths",
        default: "",
        meaning: "Where WebSockets are served; an upgrade elsewhere gets 404. Plain HTTP requests are not concerned. \
                  Empty: everywhere.",
        field: Field::List(|o| &mut o.admission.paths, is_path, "paths such as /chat"),
    },
    Row {
        name: "subprotocols",
        default: "",
        meaning: "Subprotocols that the host speaks, the best first. The first that a client offers is chosen, and told \
                  with its request; a client that offers none of them is served without.",
        field: Field::List(|o| &mut o.admission.subprotocols, is_subprotocol, "names of subprotocols"),
    },
    Row {
        name: "trusted_proxies",
        default: "",
        meaning: "Proxies that are believed to say whom a request is from: in X-Forwarded-For, whose last address that is \
                  not in this list is the client's, or by the PROXY protocol. Name only such as write that header \
                  themselves. `unix` stands for whoever comes over a Unix socket. Empty: nobody.",
        field: Field::List(|o| &mut o.trusted_proxies, is_network, "networks such as 10.0.0.0/8, addresses, or `unix`"),
    },
    Row {
        name: "proxy_protocol",
        default: "off",
        meaning: "Connections from `trusted_proxies` must begin with a header of the PROXY protocol, version 1 or 2; one \
                  without gets 400. What others send is taken as HTTP, and such a header is none.",
        field: Field::Switch(|o| &mut o.proxy_protocol),
    },
    Row {
        name: "document_root",
        default: "",
        meaning: "Serves the files below this directory to GET and HEAD, before the host is asked; what is no file there \
                  is the host's to answer. No symbolic link below it is followed, and nothing is served that has a name \
                  with a dot at its beginning, but for what is in `/.well-known/`. A directory stands for the `index.html` in \
                  it. Empty: none.",
        field: Field::Text(|o| &mut o.document_root, |_| true, "the path of a directory"),
    },
    Row {
        name: "metrics_path",
        default: "",
        meaning: "Answers GET at this path with all counters as a text for Prometheus, whoever asks. Empty: nowhere.",
        field: Field::Text(|o| &mut o.metrics_path, is_path, "a path such as /metrics"),
    },
    Row {
        name: "log_level",
        default: "notice",
        meaning: "How much is told to the log: each level takes in those before it. `error`: faults. `warning`: descriptors \
                  or the host's time are short. `notice`: the start and the stop. `info`: who was refused or failed, and \
                  why. `debug`: who came and went. Empty: nothing.",
        field: Field::Text(
            |o| &mut o.log_level,
            |name| Level::named(name).is_some(),
            "error, warning, notice, info or debug",
        ),
    },
    Row {
        name: "log_events",
        default: "off",
        meaning: "Poll mode: what is told to the log comes as events `WS_EVENT_LOG`. In callback mode it goes to the \
                  callback of `ws_server_on_log`.",
        field: Field::Switch(|o| &mut o.log_events),
    },
    Row {
        name: "request_timeout",
        default: "10s",
        meaning: "The time a client has to send the head of its request, from the moment it connects, or has begun to send \
                  another; then 408.",
        field: Field::Time(|o| &mut o.request_timeout, 10, DAY_MS),
    },
    Row {
        name: "body_timeout",
        default: "30s",
        meaning: "The time a client has to send the body of its request; then 408.",
        field: Field::Time(|o| &mut o.body_timeout, 10, DAY_MS),
    },
    Row {
        name: "min_receive_rate",
        default: "0",
        meaning: "Bytes a second at which a request has to come, head and body together, beyond five seconds that each may \
                  take besides; then 408. It bounds what a slow body costs where `body_timeout` is long. 0: no rate.",
        field: Field::Bytes(|o| &mut o.min_receive_rate, 0, G),
    },
    Row {
        name: "keep_alive_timeout",
        default: "15s",
        meaning: "The time for which a connection stays open after a plain HTTP request for another one. 0: it does not.",
        field: Field::Time(|o| &mut o.keep_alive_timeout, 0, DAY_MS),
    },
    Row {
        name: "response_timeout",
        default: "30s",
        meaning: "The time the host has to answer a plain HTTP request, to decide about an upgrade, or to send the next piece \
                  of a response; then 504, or the connection is cut. A client that takes nothing of a response for this \
                  long is cut, too.",
        field: Field::Time(|o| &mut o.response_timeout, 10, DAY_MS),
    },
    Row {
        name: "ping_interval",
        default: "30s",
        meaning: "A connection that was silent for this long is pinged. 0: never.",
        field: Field::Time(|o| &mut o.ping_interval, 0, DAY_MS),
    },
    Row {
        name: "pong_timeout",
        default: "15s",
        meaning: "A connection that stays silent for this long after a ping is cut, with close code 1006. Time in which it still \
                  takes what was sent before the ping does not count.",
        field: Field::Time(|o| &mut o.pong_timeout, 10, DAY_MS),
    },
    Row {
        name: "idle_timeout",
        default: "0",
        meaning: "A connection that sent no message for this long, nor any more of one that is under way, is closed with 1001, \
                  pongs or not. 0: never.",
        field: Field::Time(|o| &mut o.idle_timeout, 0, DAY_MS),
    },
    Row {
        name: "idle_counts_all",
        default: "off",
        meaning: "Whatever a connection sends counts for `idle_timeout`, pings and pongs too. It answers the pings of \
                  `ping_interval`, so set that to 0 if answers alone are not to keep it.",
        field: Field::Switch(|o| &mut o.idle_counts_all),
    },
    Row {
        name: "max_lifetime",
        default: "0",
        meaning: "A connection that was accepted this long ago is closed with 1001, whatever happens on it; one that serves \
                  HTTP ends with the response that is under way. 0: never.",
        field: Field::Time(|o| &mut o.max_lifetime, 0, DAY_MS),
    },
    Row {
        name: "max_control_frames",
        default: "1000",
        meaning: "Pings and pongs of one connection within a second. One more is answered with Close 1008. Of a connection of \
                  which nothing was read for a while, as many may lie there for each second of that, up to a minute. 0: no limit.",
        field: Field::Count(|o| &mut o.max_control_frames, 0, 1_000_000_000),
    },
    Row {
        name: "close_timeout",
        default: "5s",
        meaning: "The time a peer has to answer a Close frame and to end the connection, from when it last took something that \
                  was sent before; then it is cut.",
        field: Field::Time(|o| &mut o.close_timeout, 10, DAY_MS),
    },
    Row {
        name: "backlog",
        default: "1024",
        meaning: "Connections that the kernel holds for us until we accept them; the kernel caps it at `somaxconn`.",
        field: Field::Count(|o| &mut o.backlog, 1, 65_535),
    },
    Row {
        name: "reuse_port",
        default: "off",
        meaning: "Lets several servers of one user, in one process or in many, listen on one port together.",
        field: Field::Switch(|o| &mut o.reuse_port),
    },
    Row {
        name: "unix_mode",
        default: "",
        meaning: "The permissions of the Unix sockets that the server makes. Whoever may write to one may connect. They are \
                  set before anybody can connect. Empty: 660 if `unix_owner` or `unix_group` is set, and else what the \
                  umask of the process leaves.",
        field: Field::Text(
            |o| &mut o.unix_mode,
            |text| permissions(text).is_some(),
            "permissions in octal, such as 660",
        ),
    },
    Row {
        name: "unix_owner",
        default: "",
        meaning: "The user who owns the Unix sockets that the server makes. To give them to another needs CAP_CHOWN. Empty: \
                  the user of the process.",
        field: Field::Text(|o| &mut o.unix_owner, is_account, "the name or the number of a user"),
    },
    Row {
        name: "unix_group",
        default: "",
        meaning: "The group of the Unix sockets that the server makes, one in which the user of the process is. Empty: the \
                  group that the directory or the process gives them.",
        field: Field::Text(|o| &mut o.unix_group, is_account, "the name or the number of a group"),
    },
];
