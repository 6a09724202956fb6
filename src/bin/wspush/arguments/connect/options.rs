//! The options of `wspush connect`.

use super::super::table::{Hint, Kind, Opt, Section, Table, Takes};
use super::super::values::Value;
use super::super::{Error, table};
use super::{Ends, Given, Loudness, Source, take_url};
use wspush::protocol::close;

pub const TABLE: Table<Given> = Table {
    sections: &[
        Section { title: "What is sent, in the order given; without any of these, --lines -", options: SENT },
        Section { title: "The handshake", options: HANDSHAKE },
        Section { title: "The connection", options: CONNECTION },
        Section { title: "The end", options: END },
        Section { title: "What is told", options: TOLD },
    ],
    argument: take_url,
    exclusive: &[&["quiet", "verbose"], &["json", "null", "keep-ends"]],
    needs: &[("ping-count", "ping")],
};

const fn option(short: Option<char>, long: &'static str, takes: Takes<Given>, about: &'static str) -> Opt<Given> {
    Opt { short, long, takes, about }
}

/// An option whose value becomes an option of the library.
const fn once(
    short: Option<char>,
    long: &'static str,
    name: &'static str,
    set: table::Set<Given>,
    about: &'static str,
) -> Opt<Given> {
    option(short, long, Takes::Once(Kind::of(name), set), about)
}

const SENT: &[Opt<Given>] = &[
    option(Some('x'), "send", Takes::Often(Kind::TEXT, |g, v| add(g, Source::Text(v.text()?))), "a message"),
    option(
        None,
        "file",
        Takes::Often(Kind::PATH, |g, v| add(g, Source::File(v.path()))),
        "a file as one message; - is standard input",
    ),
    option(None, "lines", Takes::Often(Kind::PATH, |g, v| add(g, Source::Lines(v.path()))), "each line of a file"),
    option(
        None,
        "stream",
        Takes::Often(Kind::PATH, |g, v| add(g, Source::Stream(v.path()))),
        "a file as it comes: what each read brings is a binary message",
    ),
    option(
        None,
        "json-lines",
        Takes::Often(Kind::PATH, |g, v| add(g, Source::Json(v.path()))),
        "each line of a file, which is an object such as --json prints: {\"type\":\"text\",\"data\":\"hello\"}, or \
         binary with the data in Base64. Events other than messages are passed over",
    ),
    option(Some('b'), "binary", Takes::Nothing(|g| g.binary = true), "send binary messages rather than text"),
    option(
        Some('0'),
        "null",
        Takes::Nothing(|g| g.ends = Ends::Null),
        "messages end with a NUL byte rather than a line feed, in --lines and in what is printed",
    ),
    option(
        None,
        "keep-ends",
        Takes::Nothing(|g| g.ends = Ends::Kept),
        "send lines with their line ends, and print messages without adding one",
    ),
];

const HANDSHAKE: &[Opt<Given>] = &[
    option(
        Some('H'),
        "header",
        Takes::Often(Kind::of("'N: v'"), |g, v| v.headers().map(|value| g.headers.extend(value))),
        "a header field; @PATH reads fields from a file, one a line",
    ),
    option(
        Some('s'),
        "subprotocol",
        Takes::Often(Kind::of("NAME"), |g, v| v.text().map(|value| g.subprotocols.push(value))),
        "a subprotocol to offer",
    ),
    once(
        Some('u'),
        "user",
        "NAME:PASSWORD",
        |g, v| {
            let user = v.secret()?;
            if !user.contains(':') {
                return Err("--user: it takes NAME:PASSWORD, or @PATH of a file that has it".into());
            }
            g.user = Some(user);
            Ok(())
        },
        "basic authentication; @PATH reads it from a file",
    ),
    once(
        Some('o'),
        "origin",
        "ORIGIN",
        |g, v| v.text().map(|value| g.set("origin", value)),
        "the Origin that a browser would send",
    ),
    option(
        None,
        "cookie",
        Takes::Often(Kind::of("'a=b'"), |g, v| v.secret().map(|value| g.cookies.push(value))),
        "a cookie; @PATH reads it from a file",
    ),
    once(None, "user-agent", "TEXT", |g, v| v.text().map(|value| g.set("user_agent", value)), "the User-Agent"),
    once(
        None,
        "host",
        "HOST[:PORT]",
        |g, v| v.text().map(|value| g.set("host", value)),
        "the Host to ask for, rather than the URL's",
    ),
];

const CONNECTION: &[Opt<Given>] = &[
    option(
        None,
        "resolve",
        Takes::Often(Kind::of("HOST:PORT:ADDR"), |g, v| v.text().map(|value| g.resolved.push(value))),
        "connect to this address for that host and port; all else stays as the URL has it",
    ),
    once(
        None,
        "proxy",
        "URL",
        |g, v| v.secret().map(|value| g.set("proxy", value)),
        "an HTTP proxy: http://[USER:PASSWORD@]HOST:PORT; @PATH reads it from a file",
    ),
    option(
        None,
        "option",
        Takes::Often(Kind { name: "NAME=VALUE", hint: Hint::ClientOption }, |g, v| {
            v.setting().map(|value| g.settings.push(value))
        }),
        "an option of a client, such as connect_timeout=3s, max_redirects=5 or ping_interval=10s; the table is in the \
         README",
    ),
    option(
        None,
        "ping",
        Takes::Once(Kind::SECONDS, |g, v| v.time().map(|value| g.ping = Some(value))),
        "send a ping every so often, and tell the time until its pong",
    ),
    option(
        None,
        "ping-count",
        Takes::Once(Kind::COUNT, |g, v| v.count().map(|value| g.ping_count = Some(value))),
        "and no more than N",
    ),
    option(None, "reconnect", Takes::Nothing(|g| g.reconnect = true), "connect again when the connection is lost"),
];

const END: &[Opt<Given>] = &[
    option(
        Some('n'),
        "count",
        Takes::Once(Kind::COUNT, |g, v| v.count().map(|value| g.count = Some(value))),
        "after N messages",
    ),
    option(
        Some('w'),
        "wait",
        Takes::Once(Kind::SECONDS, |g, v| v.time_or_forever().map(|value| g.wait = Some(value))),
        "when input has ended and nothing has come for so long, connected or not; forever: not before the peer ends it \
         [1; with --count forever]",
    ),
    option(
        None,
        "timeout",
        Takes::Once(Kind::SECONDS, |g, v| v.time().map(|value| g.timeout = Some(value))),
        "after so long, whatever happens",
    ),
    option(
        None,
        "close-code",
        Takes::Once(Kind::COUNT, |g, v| close_code(v).map(|value| g.close_code = Some(value))),
        "the code to close with [1000]",
    ),
    once(None, "reason", "TEXT", |g, v| v.text().map(|value| g.reason = value), "and the reason"),
];

const TOLD: &[Opt<Given>] = &[
    option(
        None,
        "json",
        Takes::Nothing(|g| g.json = true),
        "one JSON object per line and event: open, message, pong, close, error, retry, end",
    ),
    option(Some('q'), "quiet", Takes::Nothing(|g| g.loudness = Loudness::Quiet), "nothing on standard error"),
    option(
        Some('v'),
        "verbose",
        Takes::Nothing(|g| g.loudness = Loudness::Verbose),
        "the response head, and all but messages",
    ),
    option(Some('h'), "help", Takes::Help, "this"),
    option(Some('V'), "version", Takes::Version, "the version"),
];

fn add(given: &mut Given, source: Source) -> Result<(), Error> {
    given.sources.push(source);
    Ok(())
}

fn close_code(value: &Value) -> Result<u16, Error> {
    match value.text()?.parse() {
        Ok(code) if close::is_valid(code) => Ok(code),
        _ => Err(value.unfit("a code that may be sent: 1000 to 1003, 1007 to 1014 or 3000 to 4999")),
    }
}
