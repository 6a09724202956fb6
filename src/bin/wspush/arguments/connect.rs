//! What `wspush connect` is given.

mod options;
mod secrets;
#[cfg(test)]
mod tests;

use super::table::Asked;
use super::{Command, Error, Page, Setting};
use crate::manual;
use lexopt::Parser;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;
use wspush::protocol::close;
use wspush::protocol::resolution::Resolution;
use wspush::protocol::url::{Scheme, Url};

pub use options::TABLE;

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
    pub ends: Ends,
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
    /// What each read of a file brings, as a binary message.
    Stream(PathBuf),
    /// Each line of a file, which is an event in JSON.
    Json(PathBuf),
}

/// What ends a message that is read or printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Ends {
    /// A line feed, which is no part of it. Binary messages are printed without any.
    #[default]
    Line,
    /// A NUL byte, which is no part of it.
    Null,
    /// A line feed that is part of it. None is added when it is printed.
    Kept,
}

/// How often to ping, and how many times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pings {
    pub interval: Duration,
    pub count: Option<u64>,
}

/// How much is said on standard error.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loudness {
    Quiet,
    /// What went wrong.
    #[default]
    Normal,
    Verbose,
}

/// What was given so far, where it cannot be judged before all of it is known.
#[derive(Default)]
pub struct Given {
    url: Option<String>,
    settings: Vec<Setting>,
    headers: Vec<Setting>,
    subprotocols: Vec<String>,
    cookies: Vec<String>,
    resolved: Vec<String>,
    reconnect: bool,
    user: Option<String>,
    sources: Vec<Source>,
    binary: bool,
    ends: Ends,
    ping: Option<Duration>,
    ping_count: Option<u64>,
    count: Option<u64>,
    wait: Option<Option<Duration>>,
    timeout: Option<Duration>,
    close_code: Option<u16>,
    reason: String,
    json: bool,
    loudness: Loudness,
}

pub fn parse(parser: &mut Parser) -> Result<Command, Error> {
    let mut given = Given::default();
    match TABLE.read(parser, &mut given)? {
        Asked::Help => Ok(Command::Tell(manual::help(Page::Connect))),
        Asked::Version => Ok(Command::version()),
        Asked::Command => Ok(Command::Connect(Box::new(given.settle(secrets::from_environment)?))),
    }
}

impl Given {
    fn set(&mut self, name: &str, value: String) {
        self.settings.push((name.to_owned(), value));
    }

    /// Judges what was given as a whole. `environment` has the value of the header Authorization, if the environment says one.
    fn settle(mut self, environment: fn() -> Result<Option<String>, Error>) -> Result<Connect, Error> {
        let url = with_scheme(self.url.take().ok_or("there is no URL")?);
        self.gather();
        self.authorize(&url, environment)?;
        self.check_settings(&url)?;
        self.check_sources()?;
        let pings = match self.ping {
            Some(interval) if interval.is_zero() => {
                return Err("--ping 0: there must be some time between two".into());
            }
            interval => interval.map(|interval| Pings { interval, count: self.ping_count }),
        };
        if self.reason.len() > close::MAX_REASON {
            return Err(format!("--reason: at most {} bytes fit", close::MAX_REASON).into());
        }
        if self.sources.is_empty() {
            self.sources.push(Source::Lines("-".into()));
        }
        Ok(Connect {
            url,
            settings: self.settings,
            headers: self.headers,
            sources: self.sources,
            binary: self.binary,
            ends: self.ends,
            pings,
            count: self.count,
            // Who wants so many messages waits for them.
            wait: self.wait.unwrap_or(if self.count.is_some() { None } else { Some(WAIT) }),
            timeout: self.timeout,
            close_code: self.close_code.unwrap_or(close::NORMAL),
            reason: self.reason,
            json: self.json,
            loudness: self.loudness,
        })
    }

    /// Makes options of the library of what may be given in pieces.
    fn gather(&mut self) {
        let lists = [
            ("subprotocols", std::mem::take(&mut self.subprotocols), ","),
            ("cookie", std::mem::take(&mut self.cookies), "; "),
            ("resolve", std::mem::take(&mut self.resolved), ","),
        ];
        for (name, values, separator) in lists.into_iter().filter(|(_, values, _)| !values.is_empty()) {
            self.set(name, values.join(separator));
        }
        // The library writes this header itself, and has an option for it.
        let (hosts, headers) =
            std::mem::take(&mut self.headers).into_iter().partition(|(name, _)| name.eq_ignore_ascii_case("host"));
        self.headers = headers;
        let hosts: Vec<Setting> = hosts;
        self.settings.extend(hosts.into_iter().map(|(_, host)| ("host".to_owned(), host)));
        if self.reconnect {
            self.set("reconnect", "on".to_owned());
        }
    }

    /// Adds the header Authorization for `--user`, or for the environment if nothing else says who it is.
    fn authorize(&mut self, url: &str, environment: fn() -> Result<Option<String>, Error>) -> Result<(), Error> {
        let in_url = Url::parse(url).is_ok_and(|url| url.username.is_some() || url.password.is_some());
        let ways = [
            ("the URL", in_url),
            ("-H Authorization", self.has_header("Authorization")),
            ("--user", self.user.is_some()),
        ];
        let mut given = ways.into_iter().filter(|(_, is_given)| *is_given).map(|(name, _)| name);
        if let (Some(one), Some(other)) = (given.next(), given.next()) {
            return Err(format!("{one} and {other} both say who it is").into());
        }
        let authorization = match self.user.take() {
            Some(user) => Some(secrets::basic(&user)),
            None if ways.iter().any(|(_, is_given)| *is_given) => None,
            None => environment()?,
        };
        self.headers.extend(authorization.map(|value| ("Authorization".to_owned(), value)));
        Ok(())
    }

    /// Whether each option of the library is set once, and to some effect.
    fn check_settings(&self, url: &str) -> Result<(), Error> {
        let is_set = |wanted: &str| self.settings.iter().any(|(name, _)| name == wanted);
        for (index, (name, _)) in self.settings.iter().enumerate() {
            if self.settings[..index].iter().any(|(other, _)| other == name) {
                return Err(format!("{name} is set twice").into());
            }
            if name.starts_with("reconnect_") && !is_set("reconnect") {
                return Err(format!("--option {name} goes with --reconnect").into());
            }
        }
        for (header, name) in [("Cookie", "cookie"), ("Origin", "origin"), ("User-Agent", "user_agent")] {
            if is_set(name) && self.has_header(header) {
                return Err(format!("-H {header} and {name} both say the header {header}").into());
            }
        }
        self.check_resolved(url)?;
        let proxy = self.settings.iter().find(|(name, _)| name == "proxy").map(|(_, url)| Url::parse_proxy(url));
        let is_unix = Url::parse(url).is_ok_and(|url| url.scheme == Scheme::Unix);
        match (proxy, self.has_header("Proxy-Authorization")) {
            (None, true) => Err("-H Proxy-Authorization goes with --proxy".into()),
            (Some(Ok(proxy)), true) if proxy.username.is_some() || proxy.password.is_some() => {
                Err("-H Proxy-Authorization and --proxy both say who it is".into())
            }
            (Some(_), _) if is_unix => Err("--proxy: no proxy leads to a Unix socket".into()),
            _ => Ok(()),
        }
    }

    /// Whether somebody is looked for at each place that has an address by `--resolve`. Where redirects lead, nobody knows.
    fn check_resolved(&self, url: &str) -> Result<(), Error> {
        let setting = |wanted: &str| self.settings.iter().find(|(name, _)| name == wanted).map(|(_, value)| value);
        let proxy = setting("proxy").map(|url| Url::parse_proxy(url));
        let Ok(first) = proxy.unwrap_or_else(|| Url::parse(url)) else { return Ok(()) };
        let places = setting("resolve").into_iter().flat_map(|list| list.split(','));
        for place in places.filter(|_| setting("max_redirects").is_none()) {
            let chosen = Resolution::parse(place.trim());
            if chosen.is_some_and(|chosen| first.scheme == Scheme::Unix || chosen.of(&first.host, first.port).is_none())
            {
                let at = if first.scheme == Scheme::Unix { "a Unix socket".to_owned() } else { first.authority() };
                return Err(format!("--resolve {place}: nobody is looked for there, but at {at}").into());
            }
        }
        Ok(())
    }

    /// Whether everything that is to be sent can be.
    fn check_sources(&self) -> Result<(), Error> {
        let is_stdin = |source: &&Source| match source {
            Source::Text(_) => false,
            Source::File(path) | Source::Lines(path) | Source::Stream(path) | Source::Json(path) => {
                path == Path::new("-")
            }
        };
        if self.sources.iter().filter(is_stdin).count() > 1 {
            return Err("standard input can be read only once".into());
        }
        let has_own_kind = |source: &Source| matches!(source, Source::Stream(_) | Source::Json(_));
        if self.binary && !self.sources.is_empty() && self.sources.iter().all(has_own_kind) {
            return Err(
                "--binary goes with --send, --file or --lines: --stream is binary, and --json-lines says it".into()
            );
        }
        Ok(())
    }

    fn has_header(&self, wanted: &str) -> bool {
        self.headers.iter().any(|(name, _)| name.trim().eq_ignore_ascii_case(wanted))
    }
}

fn take_url(given: &mut Given, argument: OsString) -> Result<(), Error> {
    if given.url.is_some() {
        return Err(lexopt::Error::UnexpectedArgument(argument));
    }
    given.url = Some(super::values::Value::new("URL", argument).secret()?);
    Ok(())
}

/// The URL, of which `ws://` may be left out. Further behind, `://` is part of a path or a query.
fn with_scheme(url: String) -> String {
    let has_scheme =
        url.find(['/', '?', '#']).is_some_and(|end| url[..end].ends_with(':') && url[end..].starts_with("//"));
    if has_scheme || url.starts_with("unix:") { url } else { format!("ws://{url}") }
}
