//! What `wspush connect` is given.

use super::{Command, Error, Setting, other, values};
use lexopt::Parser;
use lexopt::prelude::*;
use std::path::PathBuf;
use std::time::Duration;
use wspush::protocol::close;

const HELP: &str = include_str!("connect.txt");

/// How long to wait for answers if nothing else is said.
const WAIT: Duration = Duration::from_secs(1);

/// What `wspush connect` is given.
#[derive(Debug)]
pub struct Connect {
    pub url: String,
    /// Options of the client.
    pub settings: Vec<Setting>,
    pub headers: Vec<Setting>,
    /// What is sent, in this order.
    pub sources: Vec<Source>,
    pub binary: bool,
    pub pings: Option<Pings>,
    /// Messages after which it ends.
    pub count: Option<u64>,
    /// How long after the end of input and the last message it ends; `None`: not for that.
    pub wait: Option<Duration>,
    pub timeout: Option<Duration>,
    pub close_code: u16,
    pub reason: String,
    pub json: bool,
    pub loudness: Loudness,
}

/// Something to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A message.
    Text(String),
    /// A file, as one message.
    File(PathBuf),
    /// Each line of a file.
    Lines(PathBuf),
}

/// How often to ping, and how many times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pings {
    pub interval: Duration,
    pub count: Option<u64>,
}

/// How much is said on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loudness {
    Quiet,
    /// What went wrong.
    Normal,
    Verbose,
}

/// What was given so far, where it cannot be judged before all of it is known.
#[derive(Default)]
struct Given {
    url: Option<String>,
    subprotocols: Vec<String>,
    cookies: Vec<String>,
    ping: Option<Duration>,
    ping_count: Option<u64>,
    wait: Option<Option<Duration>>,
    close_code: Option<u16>,
}

pub fn parse(parser: &mut Parser) -> Result<Command, Error> {
    let mut given = Given::default();
    let mut connect = Connect {
        url: String::new(),
        settings: Vec::new(),
        headers: Vec::new(),
        sources: Vec::new(),
        binary: false,
        pings: None,
        count: None,
        wait: Some(WAIT),
        timeout: None,
        close_code: close::NORMAL,
        reason: String::new(),
        json: false,
        loudness: Loudness::Normal,
    };
    while let Some(argument) = parser.next()? {
        let mut set = |name: &str, value: String| connect.settings.push((name.to_owned(), value));
        match argument {
            Value(url) if given.url.is_none() => given.url = Some(with_scheme(url.string()?)),
            Short('H') | Long("header") => connect.headers.push(values::header(parser)?),
            Short('s') | Long("subprotocol") => given.subprotocols.push(values::text(parser)?),
            Short('o') | Long("origin") => set("origin", values::text(parser)?),
            Long("cookie") => given.cookies.push(values::text(parser)?),
            Long("user-agent") => set("user_agent", values::text(parser)?),
            Long("proxy") => set("proxy", values::text(parser)?),
            Long("reconnect") => set("reconnect", "on".to_owned()),
            Long("option") => connect.settings.push(values::setting(parser)?),
            Short('x') | Long("send") => connect.sources.push(Source::Text(values::text(parser)?)),
            Long("file") => connect.sources.push(Source::File(parser.value()?.into())),
            Long("lines") => connect.sources.push(Source::Lines(parser.value()?.into())),
            Short('b') | Long("binary") => connect.binary = true,
            Long("ping") => given.ping = Some(values::time(parser, "ping")?),
            Long("ping-count") => given.ping_count = Some(values::count(parser, "ping-count")?),
            Short('n') | Long("count") => connect.count = Some(values::count(parser, "count")?),
            Short('w') | Long("wait") => given.wait = Some(values::time_or_forever(parser, "wait")?),
            Long("timeout") => connect.timeout = Some(values::time(parser, "timeout")?),
            Long("close-code") => given.close_code = Some(close_code(&values::text(parser)?)?),
            Long("reason") => connect.reason = values::text(parser)?,
            Long("json") => connect.json = true,
            Short('q') | Long("quiet") => connect.loudness = Loudness::Quiet,
            Short('v') | Long("verbose") => connect.loudness = Loudness::Verbose,
            argument => return other(argument, HELP),
        }
    }
    connect.take(given)?;
    Ok(Command::Connect(Box::new(connect)))
}

impl Connect {
    fn take(&mut self, given: Given) -> Result<(), Error> {
        self.url = given.url.ok_or("there is no URL")?;
        if !given.subprotocols.is_empty() {
            self.settings.push(("subprotocols".to_owned(), given.subprotocols.join(",")));
        }
        if !given.cookies.is_empty() {
            self.settings.push(("cookie".to_owned(), given.cookies.join("; ")));
        }
        self.pings = match (given.ping, given.ping_count) {
            (Some(interval), _) if interval.is_zero() => {
                return Err("--ping 0: there must be some time between two".into());
            }
            (Some(interval), count) => Some(Pings { interval, count }),
            (None, Some(_)) => return Err("--ping-count goes with --ping".into()),
            (None, None) => None,
        };
        if self.sources.is_empty() {
            self.sources.push(Source::Lines("-".into()));
        }
        // Who wants so many messages waits for them.
        self.wait = given.wait.unwrap_or(if self.count.is_some() { None } else { Some(WAIT) });
        self.close_code = given.close_code.unwrap_or(close::NORMAL);
        if self.reason.len() > close::MAX_REASON {
            return Err(format!("--reason: at most {} bytes fit", close::MAX_REASON).into());
        }
        Ok(())
    }
}

/// The URL, of which `ws://` may be left out. Further behind, `://` is part of a path or a query.
fn with_scheme(url: String) -> String {
    let has_scheme =
        url.find(['/', '?', '#']).is_some_and(|end| url[..end].ends_with(':') && url[end..].starts_with("//"));
    if has_scheme || url.starts_with("unix:") { url } else { format!("ws://{url}") }
}

fn close_code(text: &str) -> Result<u16, Error> {
    match text.parse() {
        Ok(code) if close::is_valid(code) => Ok(code),
        _ => Err(format!("--close-code {text}: 1000 to 1003, 1007 to 1014 and 3000 to 4999 may be sent").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &[&str]) -> Result<Connect, String> {
        match parse(&mut Parser::from_args(arguments)) {
            Ok(Command::Connect(connect)) => Ok(*connect),
            Ok(other) => Err(format!("{other:?}")),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn a_url_is_all_it_takes() {
        let plain = read(&["localhost:9502/chat"]).expect("enough");
        assert_eq!(plain.url, "ws://localhost:9502/chat");
        assert_eq!(plain.sources, [Source::Lines("-".into())]);
        assert_eq!((plain.wait, plain.close_code), (Some(WAIT), 1000));
        assert_eq!(read(&["unix:/run/s"]).expect("enough").url, "unix:/run/s");
        assert_eq!(read(&["wss://[::1]"]).expect("enough").url, "wss://[::1]");
        assert_eq!(read(&["http://a"]).expect("enough").url, "http://a");
        assert_eq!(read(&["a:1/?next=http://b"]).expect("enough").url, "ws://a:1/?next=http://b");
        assert_eq!(read(&["a/b://c"]).expect("enough").url, "ws://a/b://c");
        assert!(read(&[]).is_err() && read(&["one", "two"]).is_err());
    }

    #[test]
    fn what_is_sent_keeps_its_order() {
        let given = read(&["u", "-x", "one", "--lines", "l", "--file=-", "--send", "-"]).expect("sense");
        let text = |text: &str| Source::Text(text.to_owned());
        assert_eq!(given.sources, [text("one"), Source::Lines("l".into()), Source::File("-".into()), text("-")]);
    }

    #[test]
    fn what_goes_by_other_names() {
        let given =
            read(&["u", "-s", "a", "-s", "b", "--cookie", "k=1", "--cookie", "l=2", "--reconnect"]).expect("sense");
        let settings = [("reconnect", "on"), ("subprotocols", "a,b"), ("cookie", "k=1; l=2")];
        assert_eq!(given.settings, settings.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let given = read(&["u", "-H", "X-A:b: c ", "--header", "X-Empty:"]).expect("sense");
        assert_eq!(given.headers, [("X-A", "b: c"), ("X-Empty", "")].map(|(n, v)| (n.to_owned(), v.to_owned())));
    }

    #[test]
    fn who_counts_waits() {
        assert_eq!(read(&["u", "-n", "3"]).expect("sense").wait, None);
        assert_eq!(read(&["u", "-n3", "-w", "0.5"]).expect("sense").wait, Some(Duration::from_millis(500)));
        assert_eq!(read(&["u", "--wait", "forever"]).expect("sense").wait, None);
        assert_eq!(read(&["u", "--wait=0"]).expect("sense").wait, Some(Duration::ZERO));
    }

    #[test]
    fn nonsense() {
        let cases: &[&[&str]] = &[
            &["u", "--close-code", "1005"],
            &["u", "--close-code", "x"],
            &["u", "--count", "0"],
            &["u", "--ping", "0"],
            &["u", "--ping-count", "1"],
            &["u", "--wait", "ever"],
            &["u", "--header", "nocolon"],
            &["u", "--option", "noequals"],
            &["u", "--json=yes"],
            &["u", "--send"],
        ];
        for case in cases {
            assert!(read(case).is_err(), "{case:?}");
        }
        assert!(read(&["u", "--reason", &"r".repeat(124)]).is_err());
    }
}
