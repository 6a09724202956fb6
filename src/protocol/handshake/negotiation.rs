//! The whole way of a client from a connection that has just been made to one on which frames flow: a tunnel through a proxy
//! if there is one (RFC 9110 section 9.3.6), then the upgrade (RFC 6455 section 4.1). Without I/O: what is to be sent comes
//! out, what was received goes in.
//!
//! Here it is decided who gets to see which credentials. The user info of the proxy's URL, or a header Proxy-Authorization,
//! goes to the proxy and never through the tunnel; that of the server's URL, Authorization and Cookie go to the server, unless a
//! redirect has led to another one.

use super::client::{Expected, UpgradeRequest, is_reserved};
use crate::protocol::http::chunked::ChunkedReader;
use crate::protocol::http::reply::{Reply, ReplyReader, ReplyStatus};
use crate::protocol::http::tokens::list_has;
use crate::protocol::http::{HeadLimits, InvalidHead, headers};
use crate::protocol::url::{Scheme, Url};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fmt;

#[cfg(test)]
mod tests;

const AUTHORIZATION: &str = "Authorization";
const PROXY_AUTHORIZATION: &str = "Proxy-Authorization";

/// What a client asks of whichever server it gets to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Upgrade {
    /// The header Host; empty: that of the URL. Once a redirect has led to another server it is that of the URL, too.
    pub host: String,
    /// More headers: lines `Name: value`, each ended by CRLF. Host and those of the handshake are not among them.
    pub headers: String,
    /// Subprotocols to offer, the best first.
    pub subprotocols: Vec<String>,
    /// The most bytes of a response head, interim ones included.
    pub max_head: usize,
}

/// A response, as far as it matters: its head, and the beginning of the body of a refusal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// Its status.
    pub status: u16,
    /// Its reason phrase.
    pub reason: Vec<u8>,
    /// Of a refusal: its body, or the beginning of it, as far as it came.
    pub body: Vec<u8>,
    /// Its headers in the order they came: names as sent, values without the white space around them.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The subprotocol that the server chose: one of those offered, or none.
    pub subprotocol: Option<String>,
}

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The beginning of what can still become the right response: read on.
    More,
    /// The first `taken` bytes of the input are done with, and `bytes` are to be sent.
    Send {
        /// How many bytes of the input the proxy's response took.
        taken: usize,
        /// The next request.
        bytes: Vec<u8>,
    },
    /// The connection is a WebSocket.
    Open {
        /// How many bytes of the input the response took; frames follow.
        taken: usize,
        /// The response.
        response: Response,
    },
    /// The connection is no WebSocket. What the server has to say of that is still on its way: read on, for a while, and then call
    /// [`Negotiation::end`].
    Refused,
    /// The connection is no WebSocket: close it.
    Failed {
        /// Why.
        error: HandshakeError,
        /// The response, if one came whole: that of the proxy, or that of the server.
        response: Option<Response>,
    },
}

/// Why a connection does not become a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HandshakeError {
    /// It is not a response of HTTP/1.x.
    Malformed(&'static str),
    /// The head of the response is larger than the limit.
    HeadTooLarge,
    /// The head of the response has too many lines.
    TooManyLines,
    /// The server answered with a status other than 101: a refusal, a redirection, a web page.
    Status(u16),
    /// The 101 is one of HTTP/1.0, which has no upgrades.
    Version,
    /// Upgrade is missing or is not `websocket`.
    Upgrade,
    /// Connection is missing or does not name `upgrade`.
    Connection,
    /// Sec-WebSocket-Accept is missing, repeated, or not the answer to our key.
    Accept,
    /// The server chose a subprotocol that was not offered, or several.
    Subprotocol,
    /// The server chose an extension, though none was offered.
    Extension,
    /// The proxy answered with a status that is not 2xx: it gives no tunnel.
    Proxy(u16),
    /// What the proxy sent is not a response of HTTP/1.x.
    ProxyMalformed(&'static str),
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed(detail) => return write!(f, "the server's response is malformed: {detail}"),
            Self::HeadTooLarge => "the head of the response is larger than the limit",
            Self::TooManyLines => {
                return write!(f, "the head of the response has more than {} lines", HeadLimits::MAX_HEADERS);
            }
            Self::Status(status) => return write!(f, "the server answered with status {status}, not 101"),
            Self::Version => "the server answered 101 in HTTP/1.0, which has no upgrades",
            Self::Upgrade => "the server's response has no \"Upgrade: websocket\"",
            Self::Connection => "the server's response has no \"Connection: Upgrade\"",
            Self::Accept => {
                "the server's response has no Sec-WebSocket-Accept that answers our key: the server does not speak \
                 WebSocket, or the answer is another request's"
            }
            Self::Subprotocol => "the server chose a subprotocol that was not offered",
            Self::Extension => "the server chose an extension that was not offered",
            Self::Proxy(407) => "the proxy asks for a name and a password (status 407)",
            Self::Proxy(status) => return write!(f, "the proxy answered with status {status} and gives no tunnel"),
            Self::ProxyMalformed(detail) => return write!(f, "the proxy's response is malformed: {detail}"),
        })
    }
}

impl std::error::Error for HandshakeError {}

/// A handshake under way: a request has been made, and its response is awaited.
#[derive(Clone, Debug)]
pub struct Negotiation {
    reader: ReplyReader,
    limits: HeadLimits,
    /// The upgrade, to be sent once there is a tunnel. `None`: it has been sent.
    after_tunnel: Option<Vec<u8>>,
    expected: Expected,
    /// A refusal whose body is still arriving.
    refusal: Option<(HandshakeError, Response)>,
}

impl Negotiation {
    /// The handshake, and the first bytes to send: over a connection to the proxy if there is one, otherwise to the server.
    /// `nonce` must be random, and new for each connection. `with_credentials` is off once a redirect has led to another server:
    /// then neither the user info of `url` nor the headers Authorization and Cookie are sent. The proxy is the same wherever
    /// redirects lead, and gets its own.
    ///
    /// # Errors
    /// Something in `url` or `upgrade` cannot stand in a request; or there is a proxy, and `url` is that of a Unix socket.
    pub fn start(
        url: &Url,
        proxy: Option<&Url>,
        upgrade: &Upgrade,
        with_credentials: bool,
        nonce: &[u8; 16],
    ) -> Result<(Self, Vec<u8>), InvalidHead> {
        let host = match upgrade.host.as_str() {
            chosen if with_credentials && !chosen.is_empty() => chosen.to_owned(),
            _ => url.host_header(),
        };
        let headers = headers_for_server(url, upgrade, with_credentials, proxy.is_some());
        let request =
            UpgradeRequest { host: &host, target: &url.target, subprotocols: &upgrade.subprotocols, headers: &headers };
        let request = request.encode(nonce)?;
        let (first, after_tunnel) = match proxy {
            Some(proxy) => (encode_connect(url, proxy, upgrade)?, Some(request)),
            None => (request, None),
        };
        let negotiation = Self {
            reader: ReplyReader::new(),
            limits: HeadLimits { max_head: upgrade.max_head },
            after_tunnel,
            expected: Expected::new(nonce, &upgrade.subprotocols),
            refusal: None,
        };
        Ok((negotiation, first))
    }

    /// Unfolds the folded header lines in `input`, which is what [`Negotiation::read`] is given next (RFC 9112 section 5.2).
    pub fn unfold(&mut self, input: &mut [u8]) {
        while matches!(self.reader.read(input, &self.limits), ReplyStatus::Malformed(_)) && self.reader.unfold(input) {}
    }

    /// Looks at `input`: everything that was received and not yet taken, that is, what earlier calls were given but for what
    /// they took, and more behind it. [`Negotiation::unfold`] has seen it before.
    ///
    /// What a proxy sends behind the head of its 2xx comes through the tunnel, whatever lengths that head names (RFC 9110
    /// section 9.3.6): it is left, and taken for the beginning of the server's response. It can be a refusal that was
    /// sent unasked; the answer to our key it cannot be.
    #[must_use]
    pub fn read(&mut self, input: &[u8]) -> Step {
        let is_proxy = self.after_tunnel.is_some();
        let failed = |error| Step::Failed { error, response: None };
        let (reply, taken) = match self.reader.read(input, &self.limits) {
            ReplyStatus::Partial => return Step::More,
            ReplyStatus::TooLarge => return failed(HandshakeError::HeadTooLarge),
            ReplyStatus::TooManyLines => return failed(HandshakeError::TooManyLines),
            ReplyStatus::Malformed(detail) if is_proxy => return failed(HandshakeError::ProxyMalformed(detail)),
            ReplyStatus::Malformed(detail) => return failed(HandshakeError::Malformed(detail)),
            ReplyStatus::Complete(reply, taken) => (reply, taken),
        };
        if let Some(bytes) = self.after_tunnel.take_if(|_| matches!(reply.line.code, 200..=299)) {
            self.reader = ReplyReader::new();
            return Step::Send { taken, bytes };
        }
        if is_proxy {
            return self.refuse(HandshakeError::Proxy(reply.line.code), &reply, &input[taken..]);
        }
        match self.expected.verify(&reply) {
            Ok(subprotocol) => Step::Open { taken, response: Response::of(&reply, subprotocol) },
            Err(error) => self.refuse(error, &reply, &input[taken..]),
        }
    }

    fn refuse(&mut self, error: HandshakeError, reply: &Reply<'_>, rest: &[u8]) -> Step {
        let (body, is_all) = body_of(reply, rest);
        let response = Response { body, ..Response::of(reply, None) };
        if is_all {
            return Step::Failed { error, response: Some(response) };
        }
        self.refusal = Some((error, response));
        Step::Refused
    }

    /// Nothing more comes, or nothing more is waited for. If the response was a refusal, this is what is known of it.
    pub fn end(&mut self) -> Option<(HandshakeError, Response)> {
        self.refusal.take()
    }
}

/// The most of the body of a refusal that is told.
pub(crate) const BODY_MAX: usize = 4096;

/// What has come of the body of a refusal, and whether that is all that is waited for.
fn body_of(reply: &Reply<'_>, rest: &[u8]) -> (Vec<u8>, bool) {
    let code = reply.line.code;
    // What a redirection says beside where it leads is not worth a wait.
    if matches!(code, 100..=199 | 204 | 301..=304 | 307 | 308) {
        return (Vec::new(), true);
    }
    let mut body = Vec::new();
    let mut ends = false;
    let mut codings = reply.headers.clone().all("transfer-encoding");
    if codings.any(|value| list_has(value, "chunked")) {
        let mut reader = ChunkedReader::new();
        let keep = |data: &[u8]| {
            body.extend_from_slice(data.get(..BODY_MAX).unwrap_or(data));
            Ok(())
        };
        // What is no such coding is told as far as it was one.
        ends = reader.read(rest, keep).is_err() || reader.is_done();
    } else {
        let mut lengths = reply.headers.clone().all("content-length");
        let length = lengths.next().and_then(|value| std::str::from_utf8(value).ok()?.parse::<usize>().ok());
        let length = length.unwrap_or(usize::MAX);
        ends |= rest.len() >= length;
        body.extend_from_slice(&rest[..rest.len().min(length).min(BODY_MAX)]);
    }
    body.truncate(BODY_MAX);
    let is_all = ends || body.len() == BODY_MAX;
    (body, is_all)
}

impl Response {
    fn of(reply: &Reply<'_>, subprotocol: Option<String>) -> Self {
        let headers = reply.headers.clone().map(|(name, value)| (name.to_owned(), value.to_vec())).collect();
        Self { status: reply.line.code, reason: reply.reason.to_vec(), headers, subprotocol, body: Vec::new() }
    }

    /// The values of the headers called `name`, in any case.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.headers
            .iter()
            .filter(move |(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_slice())
    }
}

/// What is wrong with a header that somebody wants to add to the request for an upgrade; `None` if nothing is.
#[must_use]
pub fn header_fault(name: &str, value: &str) -> Option<&'static str> {
    headers::line_fault(name, value, is_reserved)
}

/// The request for a tunnel.
fn encode_connect(url: &Url, proxy: &Url, upgrade: &Upgrade) -> Result<Vec<u8>, InvalidHead> {
    if url.scheme == Scheme::Unix {
        return Err(InvalidHead::Host);
    }
    let authority = url.tunnel_authority();
    let mut lines = lines_that(&upgrade.headers, |name| is_one_of(name, &[PROXY_AUTHORIZATION]));
    if let Some(credentials) = basic(proxy).filter(|_| lines.is_empty()) {
        lines = format!("{PROXY_AUTHORIZATION}: {credentials}\r\n");
    }
    let mut out = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n").into_bytes();
    headers::append(&mut out, &lines, |_| false)?;
    out.extend_from_slice(b"\r\n");
    Ok(out)
}

/// The headers that the server gets to see, with Authorization for the user info of the URL unless there is one already.
fn headers_for_server(url: &Url, upgrade: &Upgrade, with_credentials: bool, is_tunnelled: bool) -> String {
    // There is no proxy on the way to a Unix socket: what is meant for one is meant for nobody.
    let is_tunnelled = is_tunnelled || url.scheme == Scheme::Unix;
    let withheld: &[&str] = match (with_credentials, is_tunnelled) {
        (true, false) => &[],
        (true, true) => &[PROXY_AUTHORIZATION],
        (false, _) => &[PROXY_AUTHORIZATION, AUTHORIZATION, "Cookie"],
    };
    let mut out = lines_that(&upgrade.headers, |name| !is_one_of(name, withheld));
    let is_given = !lines_that(&upgrade.headers, |name| is_one_of(name, &[AUTHORIZATION])).is_empty();
    if let Some(credentials) = basic(url).filter(|_| with_credentials && !is_given) {
        out.push_str(&format!("{AUTHORIZATION}: {credentials}\r\n"));
    }
    out
}

/// The lines among these whose names are wanted, each ended by CRLF.
fn lines_that(headers: &str, is_wanted: impl Fn(&str) -> bool) -> String {
    let lines = headers.strip_suffix("\r\n").unwrap_or(headers);
    let wanted = lines.split("\r\n").filter(|line| is_wanted(line.split(':').next().unwrap_or_default()));
    if lines.is_empty() { String::new() } else { wanted.flat_map(|line| [line, "\r\n"]).collect() }
}

fn is_one_of(name: &str, names: &[&str]) -> bool {
    names.iter().any(|other| name.eq_ignore_ascii_case(other))
}

/// The credentials of a URL that has some, in the Basic scheme (RFC 7617 section 2).
fn basic(url: &Url) -> Option<String> {
    let (username, password) = (url.username.as_deref(), url.password.as_deref());
    let pair = format!("{}:{}", username.or(password.and(Some("")))?, password.unwrap_or_default());
    Some(format!("Basic {}", STANDARD.encode(pair)))
}
