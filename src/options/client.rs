//! The options of a client, and the headers that it sends besides those of the handshake.
//!
//! What concerns an open connection is set in the options of the engine, which are those of a server; the rest says how
//! one comes to be.

use super::Options;
use super::row::{self, Field, Row};
use super::table::TABLE;
use super::values::{DAY_MS, G, K};
use crate::error::{Error, Result, Status};
use crate::protocol::handshake::negotiation::{Upgrade, header_fault};
use crate::protocol::handshake::{is_origin, is_subprotocol};
use crate::protocol::http::is_authority;
use crate::protocol::http::is_field_value;
use crate::protocol::resolution::Resolution;
use crate::protocol::url::Url;
use std::time::Duration;

/// The most that all headers of a client may come to: no server takes more.
pub(super) const MAX_HEADERS: usize = 64 * 1024;

/// Headers that a request has once, and of which another would be two truths.
const SINGLE: &[&str] = &["Origin", "Cookie", "User-Agent", "Authorization", "Proxy-Authorization"];

/// Everything about a client that can be set before it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "documented in CLIENT_TABLE, under the same names")]
pub struct ClientOptions {
    pub connect_timeout: Duration,
    pub handshake_timeout: Duration,
    pub subprotocols: Vec<String>,
    pub origin: String,
    pub cookie: String,
    pub user_agent: String,
    pub proxy: String,
    pub host: String,
    pub resolve: Vec<String>,
    pub max_redirects: u64,
    pub reconnect: bool,
    pub reconnect_min: Duration,
    pub reconnect_max: Duration,
    pub reconnect_attempts: u64,
    pub max_offline_bytes: u64,
    pub max_offline_age: Duration,
    pub max_response_head: u64,
    /// What the engine has to know. Clients for which it is equal can share a thread.
    pub engine: Options,
    /// Headers that were added by hand, as lines that each end in CRLF.
    headers: String,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            handshake_timeout: Duration::from_secs(10),
            subprotocols: Vec::new(),
            origin: String::new(),
            cookie: String::new(),
            user_agent: String::new(),
            proxy: String::new(),
            host: String::new(),
            resolve: Vec::new(),
            max_redirects: 0,
            reconnect: false,
            reconnect_min: Duration::from_millis(500),
            reconnect_max: Duration::from_secs(30),
            reconnect_attempts: 0,
            max_offline_bytes: 0,
            max_offline_age: Duration::ZERO,
            max_response_head: 16 * K,
            engine: Options::default(),
            headers: String::new(),
        }
    }
}

impl ClientOptions {
    /// Sets the option of this name.
    ///
    /// # Errors
    /// `WS_ERR_OPTION` for a name that is not in [`CLIENT_TABLE`], `WS_ERR_VALUE` for a value out of its range or form.
    pub fn set(&mut self, name: &str, value: &str) -> Result<()> {
        row::set(CLIENT_TABLE, self, name, value)
    }

    /// Adds a header to every request for an upgrade; Proxy-Authorization, if there is a proxy, to the one that it gets. One
    /// that is added by hand is sent in place of the one that an option gives.
    ///
    /// # Errors
    /// `WS_ERR_ARGUMENT` for a name that is no token, for a control character in the value, for a header that the handshake
    /// writes itself, and for a second one of a kind that comes once. `WS_ERR_TOO_LARGE` for more than 64 KiB in all.
    pub fn add_header(&mut self, name: &str, value: &str) -> Result<()> {
        let lines = header_added(&self.headers, name, value)?;
        self.headers = lines;
        Ok(())
    }

    /// Has this header in the place of all of its name that were added by hand; with `None` none.
    ///
    /// # Errors
    /// As [`ClientOptions::add_header`].
    pub fn set_header(&mut self, name: &str, value: Option<&str>) -> Result<()> {
        self.headers = header_replaced(&self.headers, name, value)?;
        Ok(())
    }

    /// Fills in what follows from other options, and checks that they go together.
    ///
    /// # Errors
    /// `WS_ERR_VALUE`.
    pub fn settle(&mut self) -> Result<()> {
        self.engine.settle()?;
        let refused = |detail: String| Err(Error::new(Status::WS_ERR_VALUE, detail));
        let (min, max) = (self.reconnect_min.as_millis(), self.reconnect_max.as_millis());
        if min > max {
            return refused(format!("option reconnect_min is {min}ms: it is at most reconnect_max, which is {max}ms"));
        }
        let (kept, queued) = (self.max_offline_bytes, self.engine.max_queued_bytes);
        if kept > queued {
            return refused(format!(
                "option max_offline_bytes is {kept}: it is at most max_queued_bytes, which is {queued}, for all of it is \
                 sent at once"
            ));
        }
        let mut seen = self.subprotocols.iter().enumerate();
        match seen.find(|(index, subprotocol)| self.subprotocols[..*index].contains(subprotocol)) {
            Some((_, twice)) => refused(format!("option subprotocols: \"{twice}\" is in it twice")),
            None => Ok(()),
        }
    }

    /// The headers that the server gets besides those of the handshake, as lines that each end in CRLF: those of the options and
    /// those added by hand.
    #[must_use]
    pub fn header_lines(&self) -> String {
        let mut lines = String::new();
        let options = [("Origin", &self.origin), ("Cookie", &self.cookie), ("User-Agent", &self.user_agent)];
        for (name, value) in options.into_iter().filter(|(name, value)| !value.is_empty() && !self.has_header(name)) {
            lines.extend([name, ": ", value, "\r\n"]);
        }
        lines + &self.headers
    }

    /// What is asked of a server.
    #[must_use]
    pub fn upgrade(&self) -> Upgrade {
        Upgrade {
            host: self.host.clone(),
            headers: self.header_lines(),
            subprotocols: self.subprotocols.clone(),
            max_head: usize::try_from(self.max_response_head).unwrap_or(usize::MAX),
        }
    }

    /// The proxy, if there is one.
    #[must_use]
    pub fn proxy_url(&self) -> Option<Url> {
        Url::parse_proxy(&self.proxy).ok()
    }

    /// The addresses that were chosen for hosts and ports.
    #[must_use]
    pub fn resolutions(&self) -> Vec<Resolution> {
        self.resolve.iter().filter_map(|text| Resolution::parse(text)).collect()
    }

    /// Whether one of this name was added by hand.
    fn has_header(&self, name: &str) -> bool {
        has_header(&self.headers, name)
    }
}

/// These header lines and another one.
///
/// # Errors
/// As [`ClientOptions::add_header`].
fn header_added(lines: &str, name: &str, value: &str) -> Result<String> {
    let refused = |fault: &str| {
        let detail = format!("header \"{}\": {fault}", name.escape_debug());
        Err(Error::new(Status::WS_ERR_ARGUMENT, detail))
    };
    if let Some(fault) = header_fault(name, value) {
        return refused(fault);
    }
    if SINGLE.iter().any(|single| single.eq_ignore_ascii_case(name)) && has_header(lines, name) {
        return refused("it has been added already, and comes once");
    }
    if lines.len() + name.len() + value.len() > MAX_HEADERS {
        let detail = format!("header \"{name}\": all headers together take {} KiB at most", MAX_HEADERS / 1024);
        return Err(Error::new(Status::WS_ERR_TOO_LARGE, detail));
    }
    Ok([lines, name, ": ", value, "\r\n"].concat())
}

/// These header lines with one in the place of all of its name, or without any of that name.
///
/// # Errors
/// As [`ClientOptions::add_header`].
pub fn header_replaced(lines: &str, name: &str, value: Option<&str>) -> Result<String> {
    let is_other = |line: &&str| !line.split_once(':').is_some_and(|(other, _)| other.eq_ignore_ascii_case(name));
    let others: String = lines.split_inclusive("\r\n").filter(is_other).collect();
    // What cannot be added cannot be there.
    let added = header_added(&others, name, value.unwrap_or_default())?;
    Ok(if value.is_some() { added } else { others })
}

fn has_header(lines: &str, name: &str) -> bool {
    let names = lines.split("\r\n").filter_map(|line| line.split_once(':'));
    names.map(|(other, _)| other).any(|other| other.eq_ignore_ascii_case(name))
}

/// The row of a server's option that is a client's too.
const fn engine(name: &str) -> &'static Row<Options> {
    let mut index = 0;
    while !is_same(TABLE[index].name, name) {
        index += 1;
    }
    &TABLE[index]
}

const fn is_same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let mut index = 0;
    while index < one.len() && index < other.len() && one[index] == other[index] {
        index += 1;
    }
    index == one.len() && index == other.len()
}

/// An option that means to a client what it means to a server.
const fn same(name: &str) -> Row<ClientOptions> {
    meaning(name, engine(name).meaning)
}

/// An option that takes what a server's does, and has to be told of in other words.
const fn meaning(name: &str, meaning: &'static str) -> Row<ClientOptions> {
    let row = engine(name);
    Row { name: row.name, default: row.default, meaning, field: Field::Engine(|o| &mut o.engine, row) }
}

/// Every option of a client.
pub const CLIENT_TABLE: &[Row<ClientOptions>] = &[
    Row {
        name: "connect_timeout",
        default: "10s",
        meaning: "The time to find the addresses of the host, or of the proxy, and to connect to one of them; with a proxy, until \
                  it has given its tunnel. Then `WS_ERR_CONNECT_TIMEOUT`.",
        field: Field::Time(|o| &mut o.connect_timeout, 10, DAY_MS),
    },
    Row {
        name: "handshake_timeout",
        default: "10s",
        meaning: "The time from then on until the server has answered; then `WS_ERR_HANDSHAKE_TIMEOUT`.",
        field: Field::Time(|o| &mut o.handshake_timeout, 10, DAY_MS),
    },
    Row {
        name: "subprotocols",
        default: "",
        meaning: "Subprotocols to offer, the best first and none twice. The server chooses one of them, or none; if it \
                  chooses another one that is `WS_ERR_HANDSHAKE`.",
        field: Field::List(|o| &mut o.subprotocols, is_subprotocol, "names of subprotocols"),
    },
    Row {
        name: "origin",
        default: "",
        meaning: "The header Origin, as a browser sends it for a page: without a slash at its end. Empty: none.",
        field: Field::Text(|o| &mut o.origin, is_origin, "an origin such as https://example.com"),
    },
    Row {
        name: "cookie",
        default: "",
        meaning: "The header Cookie. It does not go to another server that a redirect leads to. Empty: none.",
        field: Field::Secret(|o| &mut o.cookie, is_field_value, "cookies such as a=b; c=d"),
    },
    Row {
        name: "user_agent",
        default: "",
        meaning: "The header User-Agent. Empty: none.",
        field: Field::Text(|o| &mut o.user_agent, is_field_value, "a text without control characters"),
    },
    Row {
        name: "proxy",
        default: "",
        meaning: "Connects through this HTTP proxy, which is asked for a tunnel with CONNECT. A name and a password in its URL \
                  are sent to it alone. There is none on the way to a Unix socket. Empty: none.",
        field: Field::Secret(
            |o| &mut o.proxy,
            |text| Url::parse_proxy(text).is_ok(),
            "a URL such as http://proxy.example:3128, or http://name:password@proxy.example:3128",
        ),
    },
    Row {
        name: "host",
        default: "",
        meaning: "The header Host, in place of the one that follows from the URL: the server that is asked for, where another \
                  is connected to. It does not go to another server that a redirect leads to. Empty: that of the URL.",
        field: Field::Text(
            |o| &mut o.host,
            |text| is_authority(text.as_bytes()),
            "a host such as example.com or example.com:8080",
        ),
    },
    Row {
        name: "resolve",
        default: "",
        meaning: "Addresses to connect to for a host and a port, be they of the URL, of the proxy or of a redirect; `*` is any \
                  host. Everything else, the header Host above all, stays as the URL has it. Several for one host are tried as \
                  those of a name are. Empty: none.",
        field: Field::List(
            |o| &mut o.resolve,
            |text| Resolution::parse(text).is_some(),
            "addresses such as example.com:80:192.0.2.1",
        ),
    },
    Row {
        name: "max_redirects",
        default: "0",
        meaning: "Redirects that are followed, one after the other. To another server go neither the name and the password \
                  of the URL nor the headers Authorization and Cookie. One more is `WS_ERR_REDIRECT`.",
        field: Field::Count(|o| &mut o.max_redirects, 0, 20),
    },
    Row {
        name: "reconnect",
        default: "off",
        meaning: "Connects again when the connection has ended or an attempt has failed, until `ws_client_close`.",
        field: Field::Switch(|o| &mut o.reconnect),
    },
    Row {
        name: "reconnect_min",
        default: "500ms",
        meaning: "The delay before another attempt is between half and all of this, by chance, so that the clients of one \
                  server do not come back to it at once. It doubles with each attempt in a row that fails. What the server \
                  asks for by Retry-After is waited out. At most `reconnect_max`.",
        field: Field::Time(|o| &mut o.reconnect_min, 10, DAY_MS),
    },
    Row {
        name: "reconnect_max",
        default: "30s",
        meaning: "What the delay does not exceed however many attempts have failed, unless the server asks for more.",
        field: Field::Time(|o| &mut o.reconnect_max, 10, DAY_MS),
    },
    Row {
        name: "reconnect_attempts",
        default: "0",
        meaning: "Further attempts in a row, after one that has failed or a connection that was lost; behind them the end is told. One that \
                  leads to a connection of ten seconds or more begins the count anew. 0: no limit.",
        field: Field::Count(|o| &mut o.reconnect_attempts, 0, 1_000_000_000),
    },
    Row {
        name: "max_offline_bytes",
        default: "0",
        meaning: "Messages of this size, all together, that are pushed while there is no connection are kept, and sent when there \
                  is one, before anything that is pushed when that is told; more are refused. At most `max_queued_bytes`. 0: all are refused.",
        field: Field::Bytes(|o| &mut o.max_offline_bytes, 0, 64 * G),
    },
    Row {
        name: "max_offline_age",
        default: "0",
        meaning: "A message that was kept for longer than this is not sent any more: it is dropped, which nobody is told of, and \
                  counted in `messages_dropped`. 0: none is too old.",
        field: Field::Time(|o| &mut o.max_offline_age, 0, DAY_MS),
    },
    Row {
        name: "max_response_head",
        default: "16K",
        meaning: "The longest head of a response to the handshake, with interim ones before it. A longer one is \
                  `WS_ERR_HEAD_TOO_LARGE`.",
        field: Field::Bytes(|o| &mut o.max_response_head, 256, 256 * K),
    },
    same("max_message_size"),
    same("max_frame_size"),
    same("max_fragments"),
    meaning(
        "max_message_bytes",
        "Once messages that are still arriving take this much, for all clients that share a thread, those that have stood still \
         the longest are answered with Close 1013, until an eighth of it is free. One message alone may take more.",
    ),
    meaning(
        "max_queued_bytes",
        "Once this much waits to be sent, `ws_client_push` refuses with `WS_ERR_QUEUE_FULL`, until the drain event.",
    ),
    meaning(
        "max_total_queued_bytes",
        "Once this much waits to be sent to the servers of all clients that share a thread, `ws_client_push` refuses where \
         64 KiB wait, as if that were `max_queued_bytes`, until an eighth of this is free again. The share is less than 64 KiB \
         if those of all connections would be more than this, but at least 4 KiB.",
    ),
    meaning(
        "high_watermark",
        "Once this much waits to be sent, the drain event is owed. Reading goes on, other than a server's: two that \
         both read no more before they are read from would wait for each other. At most `max_queued_bytes`. 0: a quarter of that.",
    ),
    meaning(
        "low_watermark",
        "Once no more than this waits to be sent after it had risen to `high_watermark`, or after a push was refused, the \
         drain event is told, once. Below `high_watermark`. 0: half of that.",
    ),
    same("max_event_bytes"),
    meaning(
        "max_command_bytes",
        "Once pushes of this size, of all clients that share a thread, are on their way to it, `ws_client_push` refuses with \
         `WS_ERR_QUEUE_FULL`.",
    ),
    same("ping_interval"),
    same("pong_timeout"),
    meaning(
        "idle_timeout",
        "A server that sent no message for this long, nor any more of one that is under way, is left with Close 1001, pongs \
         or not. 0: never.",
    ),
    same("idle_counts_all"),
    Row {
        name: "pong_events",
        default: "off",
        meaning: "Poll mode: each pong comes as an event `WS_EVENT_PONG` with its payload, that of the ping which it answers: so \
                  the time between the two is known. Callbacks are not told of pongs.",
        field: Field::Switch(|o| &mut o.engine.pong_events),
    },
    same("max_control_frames"),
    same("close_timeout"),
];

#[cfg(test)]
mod tests;
