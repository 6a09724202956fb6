//! What a failed call is told as: a status of its own for each kind of failure, and a sentence that says what was tried, on
//! what, and what can be done.

use super::Failure;
use super::connecting::Race;
use super::talking::{Party, Talk};
use crate::engine::request::Request;
use crate::error::Status;
use crate::protocol::handshake::HandshakeError;
use crate::protocol::handshake::negotiation::Response;
use crate::protocol::http::{InvalidHead, retry_after};
use crate::protocol::url::{Scheme, Url};
use crate::sys::socket::{Address, is_shortage};
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Where a call leads, as its sentences name it: `example.com:80`, or `unix:/run/chat.sock`. Not the target: it may hold a
/// secret, and sentences end up in logs.
pub struct Place<'a> {
    /// The server.
    pub url: &'a Url,
    /// The proxy on the way, if there is one.
    pub proxy: Option<&'a Url>,
}

impl Failure {
    /// One of this status, told in these words.
    pub fn new(status: Status, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), request: None, retry_after: None, is_final: false }
    }

    /// The same, of a kind that trying again cannot help.
    #[must_use]
    pub fn for_good(self) -> Self {
        Self { is_final: true, ..self }
    }

    /// The same with the response that was the reason.
    #[must_use]
    pub fn with_response(self, response: Option<Arc<Request>>) -> Self {
        Self { request: response, ..self }
    }
}

/// Host and port, or the path of the socket.
pub fn name(url: &Url) -> String {
    match url.scheme {
        Scheme::Unix => format!("unix:{}", url.host),
        _ => url.authority(),
    }
}

impl Place<'_> {
    /// Whom we connect to.
    fn connect(&self) -> String {
        match self.proxy {
            Some(proxy) => format!("connect to the proxy {}", name(proxy)),
            None => format!("connect {}", name(self.url)),
        }
    }

    /// Whom we talk to, and what about.
    fn talk(&self, with: Party) -> String {
        match (with, self.proxy) {
            (Party::Proxy, Some(proxy)) => format!("tunnel to {} through the proxy {}", name(self.url), name(proxy)),
            (_, Some(proxy)) => format!("handshake with {} (through the proxy {})", name(self.url), name(proxy)),
            (_, None) => format!("handshake with {}", name(self.url)),
        }
    }

    /// TLS is not there yet.
    pub fn no_tls(&self) -> Failure {
        let detail = format!("{}: wss:// needs TLS, which this build does not have; use ws://", name(self.url));
        Failure::new(Status::WS_ERR_UNSUPPORTED, detail).for_good()
    }

    /// The name of the server, or of the proxy, leads nowhere.
    pub fn not_found(&self, host: &str, why: &str) -> Failure {
        let what = if self.proxy.is_some() { "look up the proxy" } else { "look up" };
        Failure::new(Status::WS_ERR_RESOLVE, format!("{what} {host}: {why}"))
    }

    /// It was not looked up in time.
    pub fn lookup_took_too_long(&self, host: &str, time: Duration) -> Failure {
        let what = if self.proxy.is_some() { "look up the proxy" } else { "look up" };
        let detail = format!("{what} {host}: no answer within {time:?} (connect_timeout); is the name server there?");
        Failure::new(Status::WS_ERR_CONNECT_TIMEOUT, detail)
    }

    /// Nobody has answered in time.
    pub fn connecting_took_too_long(&self, race: &Race, time: Duration) -> Failure {
        let what = self.connect();
        let tried = tried(race, &what);
        let detail = format!("{what}{tried}: no answer within {time:?} (connect_timeout)");
        Failure::new(Status::WS_ERR_CONNECT_TIMEOUT, detail)
    }

    /// No address would have us.
    pub fn not_connected(&self, race: &Race) -> Failure {
        let what = self.connect();
        let tried = tried(race, &what);
        let Some(error) = race.most_telling() else {
            return Failure::new(Status::WS_ERR_CONNECT, format!("{what}: there is no address to connect to"));
        };
        let (status, advice) = match error.kind() {
            _ if is_shortage(error) => {
                (Status::WS_ERR_SYSTEM, " (this process or system is at its limit; see ulimit -n)")
            }
            io::ErrorKind::ConnectionReset => (Status::WS_ERR_RESET, ""),
            io::ErrorKind::TimedOut => (Status::WS_ERR_CONNECT_TIMEOUT, ""),
            io::ErrorKind::AddrNotAvailable => {
                (Status::WS_ERR_CONNECT, " (no free local port, or no address of this machine to go out from)")
            }
            _ => (Status::WS_ERR_CONNECT, ""),
        };
        // What connecting itself has found wrong with an address; what the kernel does not take today it may take tomorrow.
        let is_final = error.kind() == io::ErrorKind::InvalidInput && error.raw_os_error().is_none();
        let failure = Failure::new(status, format!("{what}{tried}: {}{advice}", plain(error)));
        Failure { is_final, ..failure }
    }

    /// What the options ask for cannot be sent.
    pub fn not_to_be_sent(&self, why: &InvalidHead) -> Failure {
        let detail = format!("{}: {why}", self.talk(Party::Server));
        Failure::new(Status::WS_ERR_ARGUMENT, detail).for_good()
    }

    /// The answer was not there in time.
    pub fn answer_took_too_long(&self, talk: &Talk, connect: Duration, handshake: Duration) -> Failure {
        let (what, came) = (self.talk(talk.with), came(talk));
        match talk.with {
            Party::Proxy => {
                let detail = format!("{what}: the proxy has not answered within {connect:?} (connect_timeout){came}");
                Failure::new(Status::WS_ERR_CONNECT_TIMEOUT, detail)
            }
            Party::Server => {
                let detail = format!("{what}: no whole response within {handshake:?} (handshake_timeout){came}");
                Failure::new(Status::WS_ERR_HANDSHAKE_TIMEOUT, detail)
            }
        }
    }

    /// The other side has ended the connection.
    pub fn ended(&self, talk: &Talk) -> Failure {
        let detail =
            format!("{}: {} ended the connection after {}", self.talk(talk.with), who(talk), of_response(talk));
        Failure::new(Status::WS_ERR_TRUNCATED, detail)
    }

    /// The connection is broken.
    pub fn broken(&self, talk: &Talk, error: &io::Error) -> Failure {
        let what = self.talk(talk.with);
        if is_shortage(error) {
            return Failure::new(Status::WS_ERR_SYSTEM, format!("{what}: {}", plain(error)));
        }
        let how = match error.kind() {
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => format!("{} reset the connection", who(talk)),
            _ => format!("the connection broke ({})", plain(error)),
        };
        Failure::new(Status::WS_ERR_RESET, format!("{what}: {how} after {}", of_response(talk)))
    }

    /// The answer makes no WebSocket.
    pub fn refused(&self, with: Party, error: HandshakeError, response: Option<&Response>) -> Failure {
        let status = match error {
            HandshakeError::Status(401) | HandshakeError::Proxy(407) => Status::WS_ERR_UNAUTHORIZED,
            HandshakeError::Status(503) => Status::WS_ERR_UNAVAILABLE,
            HandshakeError::Status(_) => Status::WS_ERR_HTTP_STATUS,
            HandshakeError::Proxy(_) | HandshakeError::ProxyMalformed(_) => Status::WS_ERR_PROXY,
            HandshakeError::HeadTooLarge | HandshakeError::TooManyLines => Status::WS_ERR_HEAD_TOO_LARGE,
            HandshakeError::Accept => Status::WS_ERR_ACCEPT,
            _ => Status::WS_ERR_HANDSHAKE,
        };
        let wait = response.and_then(|response| asked_to_wait(response, SystemTime::now()));
        let advice = match (error, wait) {
            (HandshakeError::Status(401), _) => {
                " (a name and a password go into the URL: ws://name:password@host)".into()
            }
            (HandshakeError::Proxy(407), _) => " (they go into its URL: http://name:password@host:port)".into(),
            (HandshakeError::HeadTooLarge, _) => " (max_response_head)".into(),
            (_, Some(wait)) => format!(" (Retry-After: {} s)", wait.as_secs()),
            (_, None) => String::new(),
        };
        let detail = format!("{}: {error}{advice}", self.talk(with));
        Failure { retry_after: wait, ..Failure::new(status, detail) }
    }

    /// A redirection that is not followed.
    pub fn not_redirected(&self, why: &str) -> Failure {
        Failure::new(Status::WS_ERR_REDIRECT, format!("{}: {why}", self.talk(Party::Server)))
    }

    /// A redirection to where only TLS leads.
    pub fn redirected_to_tls(&self, to: &Url) -> Failure {
        let detail = format!(
            "{}: it redirects to {}, which needs TLS, and this build does not have it",
            self.talk(Party::Server),
            shown(&format!("wss://{}", name(to)))
        );
        Failure::new(Status::WS_ERR_UNSUPPORTED, detail).for_good()
    }
}

fn who(talk: &Talk) -> &'static str {
    match talk.with {
        Party::Proxy => "the proxy",
        Party::Server => "the server",
    }
}

fn of_response(talk: &Talk) -> String {
    format!("{} {} of its response", talk.count(), if talk.count() == 1 { "byte" } else { "bytes" })
}

fn came(talk: &Talk) -> String {
    if talk.count() == 0 { String::new() } else { format!(", only {}", of_response(talk)) }
}

/// The addresses that were tried, unless there was but the one that was named.
fn tried(race: &Race, what: &str) -> String {
    let tried: Vec<String> = race.tried().map(Address::to_string).collect();
    match tried.as_slice() {
        [] => String::new(),
        [one] if what.ends_with(one.as_str()) => String::new(),
        all => format!(" (tried {})", all.join(", ")),
    }
}

/// An error of the system without its number.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    text.split_once(" (os error").map_or(text.as_str(), |(text, _)| text).to_owned()
}

/// What a server has sent, short enough for a sentence and harmless in a terminal.
pub fn shown(text: &str) -> String {
    const MOST: usize = 200;
    let mut shown: String = text.chars().take(MOST).flat_map(char::escape_debug).collect();
    if text.chars().nth(MOST).is_some() {
        shown.push_str("...");
    }
    shown
}

/// Where a server redirects to, as [`shown`], without what may be secret: a name and a password, and the query.
pub fn shown_location(location: &str) -> String {
    let first = location.find(['/', '?', '#']).filter(|at| location[*at..].starts_with("//"));
    // Without two slashes there is no host, and so no name before it.
    let (start, rest) = location.split_at(first.map_or(0, |slashes| slashes + 2));
    let end = if start.is_empty() { 0 } else { rest.find(['/', '?', '#']).unwrap_or(rest.len()) };
    let (authority, target) = rest.split_at(end);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let user = if host.len() < authority.len() { "...@" } else { "" };
    let (path, query) = target.split_at(target.find(['?', '#']).unwrap_or(target.len()));
    let query = if query.is_empty() { "" } else { "?..." };
    shown(&[start, user, host, path, query].concat())
}

/// How long the server asks us to wait. What is not to the letter is as good as nothing, and so is what it says twice.
fn asked_to_wait(response: &Response, now: SystemTime) -> Option<Duration> {
    let mut fields = response.all("retry-after");
    let (Some(value), None) = (fields.next(), fields.next()) else { return None };
    retry_after(value, now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::http::MAX_RETRY_AFTER;

    #[test]
    fn what_a_server_asks_to_wait() {
        let now = httpdate::parse_http_date("Fri, 31 Dec 1999 23:59:00 GMT").unwrap();
        let wait = |values: &[&str]| {
            let headers = values.iter().map(|value| ("Retry-After".to_owned(), value.as_bytes().to_vec())).collect();
            asked_to_wait(&Response { status: 503, headers, ..Response::default() }, now).map(|wait| wait.as_secs())
        };
        assert_eq!(wait(&["120"]), Some(120));
        assert_eq!(wait(&["0"]), Some(0));
        assert_eq!(wait(&["99999999999999999999"]), Some(MAX_RETRY_AFTER.as_secs()));
        assert_eq!(wait(&["Fri, 31 Dec 9999 23:59:59 GMT"]), Some(MAX_RETRY_AFTER.as_secs()));
        assert_eq!(wait(&["Fri, 31 Dec 1999 23:59:59 GMT"]), Some(59));
        assert_eq!(wait(&["Fri, 31 Dec 1999 23:58:00 GMT"]), Some(0));
        for nothing in [&[][..], &[""], &["-1"], &["1.5"], &["soon"], &["\u{ff}"], &["1", "1"]] {
            assert_eq!(wait(nothing), None, "{nothing:?}");
        }
    }

    #[test]
    fn where_a_server_redirects_to_is_shown_without_secrets() {
        for (location, expected) in [
            ("ws://user:s3cret@host:80/a/b?token=x#y", "ws://...@host:80/a/b?..."),
            ("//:s3cret@host", "//...@host"),
            ("ws://a@s3cret@host/", "ws://...@host/"),
            ("ws://host/@b", "ws://host/@b"),
            ("/path?next=ws://user:s3cret@host/", "/path?..."),
            ("path#token", "path?..."),
            ("", ""),
        ] {
            assert_eq!(shown_location(location), expected, "{location}");
        }
    }

    #[test]
    fn what_a_server_has_sent_is_shown_harmlessly() {
        assert_eq!(shown("/a\u{1b}[2J\n"), "/a\\u{1b}[2J\\n");
        assert_eq!(shown(&"x".repeat(300)), format!("{}...", "x".repeat(200)));
    }
}
