//! Where a client connects: URLs with the schemes `ws`, `wss` (RFC 6455 section 3) and `unix`, those of proxies, and what a
//! redirect makes of one (RFC 3986 section 5).
//!
//! What is not to the letter is refused and never repaired: two parsers that read one URL in two ways are how a client is led to
//! another host than the one that was checked. So there are no backslashes, no spaces, no numbers that only `inet_aton` takes
//! for an address, and names are ASCII.

use crate::protocol::http::target::percent_decode;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

mod reference;
#[cfg(test)]
mod tests;

/// The longest name in the DNS, as text and without a dot at its end (RFC 1035 section 2.3.4).
const MAX_NAME: usize = 253;
/// The longest part of it between two dots.
const MAX_LABEL: usize = 63;

/// How a connection is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Over TCP.
    Ws,
    /// Over TLS.
    Wss,
    /// Over a Unix socket.
    Unix,
    /// Over TCP, to a proxy: only [`Url::parse_proxy`] makes these.
    Http,
}

impl Scheme {
    /// As it stands before the colon.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ws => "ws",
            Self::Wss => "wss",
            Self::Unix => "unix",
            Self::Http => "http",
        }
    }

    /// The port that need not be named; 0 where there are none.
    #[must_use]
    pub fn default_port(self) -> u16 {
        match self {
            Self::Ws | Self::Http => 80,
            Self::Wss => 443,
            Self::Unix => 0,
        }
    }
}

/// Where a client connects, and what it asks for there. Neither [`Display`](fmt::Display) nor [`Debug`] shows the password.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Url {
    /// How.
    pub scheme: Scheme,
    /// A name in lower case, or an IP address without brackets, with its zone behind a `%` if it has one; with `unix` the path of
    /// the socket.
    pub host: String,
    /// 1 to 65535; with `unix` 0.
    pub port: u16,
    /// Path and query: `/chat?room=1`, without dot segments. It starts with a slash.
    pub target: String,
    /// Whom to log in as, percent-decoded.
    pub username: Option<String>,
    /// And with which password, percent-decoded.
    pub password: Option<String>,
}

/// What is wrong with a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UrlError {
    /// Another scheme than `ws`, `wss` and `unix`, or none.
    Scheme,
    /// Another scheme than `http` for a proxy, or none.
    ProxyScheme,
    /// A redirect to something else than `ws`, `wss`, `http` and `https`.
    RedirectScheme,
    /// No two slashes behind `ws:` or `wss:`.
    Slashes,
    /// No host.
    NoHost,
    /// A space, a control character or a backslash.
    Character,
    /// A character beyond ASCII in the host.
    Punycode,
    /// A character that no URL has elsewhere, one beyond ASCII for example, or a percent sign that encodes nothing.
    Unencoded,
    /// A host that is neither a name nor an address.
    Host,
    /// A host that ends in a number and is no IPv4 address.
    Ipv4,
    /// Brackets around something else than an IPv6 address, or none around one.
    Ipv6,
    /// An IPv6 address with a zone that is not written as RFC 6874 has it.
    Zone,
    /// A port that is no number from 1 to 65535.
    Port,
    /// A name or a password that cannot be sent.
    UserInfo,
    /// A redirect from TLS to a connection that anybody can read.
    RedirectDowngrade,
    /// A redirect that brings a name and a password.
    RedirectUserInfo,
    /// A fragment.
    Fragment,
    /// Something else than an absolute path behind `unix:`.
    UnixPath,
    /// A path, a query or a fragment behind a proxy's port.
    ProxyTarget,
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "it must begin with ws://, wss:// or unix:",
            Self::ProxyScheme => "a proxy must begin with http://, for it is asked with CONNECT over TCP",
            Self::RedirectScheme => "a redirect must lead to ws, wss, http or https",
            Self::Slashes => "behind the scheme there must be two slashes and a host",
            Self::NoHost => "there is no host",
            Self::Character => "there is a space, a control character or a backslash in it",
            Self::Punycode => "the host has a character beyond ASCII; write its name in punycode (xn--...)",
            Self::Unencoded => "there is a character in it that must be percent-encoded, or a % without two hexadecimal digits",
            Self::Host => {
                "the host is no name: it takes letters, digits, - and _, with dots between at most 63 of them, 253 in all"
            }
            Self::Ipv4 => "the host ends in a number, but is no IPv4 address of four numbers from 0 to 255",
            Self::Ipv6 => "an IPv6 address must stand in brackets, and nothing else may",
            Self::Zone => "the zone of an IPv6 address stands behind %25, and is the name or number of an interface: [fe80::1%25eth0]",
            Self::Port => "the port must be a number from 1 to 65535",
            Self::UserInfo => {
                "the name and the password before the @ must be percent-encoded UTF-8 without control characters, and the \
                 name must have no colon"
            }
            Self::RedirectDowngrade => "a redirect must not lead from wss to ws",
            Self::RedirectUserInfo => "a redirect must not bring a name and a password",
            Self::Fragment => "there must be no fragment (RFC 6455 section 3); write # as %23",
            Self::UnixPath => {
                "behind unix: there must be the absolute path of a socket, and, if need be, a colon and a target: \
                 unix:/run/chat.sock:/room?id=1"
            }
            Self::ProxyTarget => "a proxy has a host and a port, and nothing behind them",
        })
    }
}

impl std::error::Error for UrlError {}

impl Url {
    /// Reads `ws://`, `wss://`, or `unix:` with the path of a socket and, behind a colon, the target.
    ///
    /// # Errors
    /// What is wrong with it, the first thing found.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = split_scheme(text).ok_or(UrlError::Scheme)?;
        match scheme.to_ascii_lowercase().as_str() {
            "ws" => Self::parse_tcp(Scheme::Ws, rest),
            "wss" => Self::parse_tcp(Scheme::Wss, rest),
            "unix" => Self::parse_unix(rest),
            _ => Err(UrlError::Scheme),
        }
    }

    /// Reads the address of a proxy: `http://host:port`, with `user:password@` before it if it asks for that.
    ///
    /// # Errors
    /// What is wrong with it, the first thing found.
    pub fn parse_proxy(text: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = split_scheme(text).ok_or(UrlError::ProxyScheme)?;
        if !scheme.eq_ignore_ascii_case("http") {
            return Err(UrlError::ProxyScheme);
        }
        let url = Self::parse_tcp(Scheme::Http, rest)?;
        if url.target != "/" || rest.contains('?') {
            return Err(UrlError::ProxyTarget);
        }
        Ok(url)
    }

    /// Host, with its brackets, and port, unless it is the default one: what the Host header says. For `unix` it is
    /// `localhost`. A zone is not in it: it means nothing to another machine (RFC 6874 section 3).
    #[must_use]
    pub fn host_header(&self) -> String {
        match (self.scheme, self.port == self.scheme.default_port()) {
            (Scheme::Unix, _) => "localhost".to_owned(),
            (_, true) => self.bracketed_host(None),
            (_, false) => self.tunnel_authority(),
        }
    }

    /// Host, with its brackets, and port, whichever it is: what CONNECT asks a proxy for. A zone is not in it.
    #[must_use]
    pub fn tunnel_authority(&self) -> String {
        format!("{}:{}", self.bracketed_host(None), self.port)
    }

    /// Host, with its brackets and its zone, and port, whichever it is: what it is called in this machine.
    #[must_use]
    pub fn authority(&self) -> String {
        format!("{}:{}", self.bracketed_host(self.zone()), self.port)
    }

    fn zone(&self) -> Option<&str> {
        self.host.split_once('%').map(|(_, zone)| zone)
    }

    /// Whether both lead to the same server: scheme, host and port are the same.
    #[must_use]
    pub fn same_origin(&self, other: &Self) -> bool {
        (self.scheme, &self.host, self.port) == (other.scheme, &other.host, other.port)
    }

    fn bracketed_host(&self, zone: Option<&str>) -> String {
        let address = self.host.split('%').next().unwrap_or_default();
        match zone {
            _ if !self.host.contains(':') => self.host.clone(),
            Some(zone) => format!("[{address}%25{zone}]"),
            None => format!("[{address}]"),
        }
    }

    /// Reads what stands behind the colon of the scheme.
    fn parse_tcp(scheme: Scheme, rest: &str) -> Result<Self, UrlError> {
        let rest = rest.strip_prefix("//").ok_or(UrlError::Slashes)?;
        let (authority, target) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (user_info, host) = match authority.rsplit_once('@') {
            Some((user_info, host)) => (Some(user_info), host),
            None => (None, authority),
        };
        let (host, port) = parse_host(scheme, host)?;
        let target = parse_target(target)?;
        let (username, password) = user_info.map_or(Ok((None, None)), parse_user_info)?;
        Ok(Self { scheme, host, port, target, username, password })
    }

    fn parse_unix(rest: &str) -> Result<Self, UrlError> {
        let (path, target) = rest.split_at(rest.find(":/").unwrap_or(rest.len()));
        // As with any scheme, there may be an authority, which is empty: unix:///run/chat.sock.
        let path = path.strip_prefix("//").unwrap_or(path);
        if !path.starts_with('/') || path.ends_with([':', '/']) || path.contains(['?', '#']) {
            return Err(UrlError::UnixPath);
        }
        if path.bytes().any(|byte| byte.is_ascii_control()) {
            return Err(UrlError::Character);
        }
        let target = parse_target(target.strip_prefix(':').unwrap_or_default())?;
        // One slash at the beginning is as good as many, and cannot be taken for an authority when it is read again.
        let path = format!("/{}", path.trim_start_matches('/'));
        Ok(Self { scheme: Scheme::Unix, host: path, port: 0, target, username: None, password: None })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scheme {
            Scheme::Unix if self.target == "/" => write!(f, "unix:{}", self.host),
            Scheme::Unix => write!(f, "unix:{}:{}", self.host, self.target),
            Scheme::Http => write!(f, "http://{}", self.authority()),
            Scheme::Ws | Scheme::Wss if self.port == self.scheme.default_port() => {
                write!(f, "{}://{}{}", self.scheme.name(), self.bracketed_host(self.zone()), self.target)
            }
            Scheme::Ws | Scheme::Wss => write!(f, "{}://{}{}", self.scheme.name(), self.authority(), self.target),
        }
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Url({self})")
    }
}

/// What stands before the first colon and what behind it, if the former can be a scheme (RFC 3986 section 3.1).
fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    is_scheme.then_some((scheme, rest))
}

/// The host in its one form, and the port.
fn parse_host(scheme: Scheme, text: &str) -> Result<(String, u16), UrlError> {
    check_characters(text)?;
    if !text.is_ascii() {
        return Err(UrlError::Punycode);
    }
    let (host, port) = if let Some(literal) = text.strip_prefix('[') {
        let (address, port) = literal.split_once(']').ok_or(UrlError::Ipv6)?;
        let (address, zone) = match address.split_once('%') {
            Some((address, zone)) => (address, Some(parse_zone(zone)?)),
            None => (address, None),
        };
        let address = address.parse::<Ipv6Addr>().map_err(|_| UrlError::Ipv6)?;
        (zone.map_or_else(|| address.to_string(), |zone| format!("{address}%{zone}")), port)
    } else {
        let (host, port) = text.split_at(text.find(':').unwrap_or(text.len()));
        if text.parse::<Ipv6Addr>().is_ok() {
            return Err(UrlError::Ipv6);
        }
        (parse_name(host)?, port)
    };
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => scheme.default_port(),
        None => return Err(UrlError::Host),
        Some("") => scheme.default_port(),
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse().ok().filter(|port| *port > 0).ok_or(UrlError::Port)?
        }
        Some(_) => return Err(UrlError::Port),
    };
    Ok((host, port))
}

/// The name or the number of an interface, from what stands behind the `%` (RFC 6874 section 2).
fn parse_zone(text: &str) -> Result<&str, UrlError> {
    let zone = text.strip_prefix("25").ok_or(UrlError::Zone)?;
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    // Interfaces have names of 15 bytes at most.
    if (1..=15).contains(&zone.len()) && zone.bytes().all(is_good) { Ok(zone) } else { Err(UrlError::Zone) }
}

/// A name in lower case, or an IPv4 address.
fn parse_name(text: &str) -> Result<String, UrlError> {
    if text.is_empty() {
        return Err(UrlError::NoHost);
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    let is_label = |label: &str| {
        (1..=MAX_LABEL).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    if name.len() > MAX_NAME || !name.split('.').all(is_label) {
        return Err(UrlError::Host);
    }
    // What ends in a number is no name (there is no such top level domain); resolvers take it for an address in forms of which
    // there are many: 127.1, 0x7f000001.
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_hexadecimal = last.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("0x"))
        && last.bytes().skip(2).all(|byte| byte.is_ascii_hexdigit());
    if (is_hexadecimal || last.bytes().all(|byte| byte.is_ascii_digit())) && text.parse::<Ipv4Addr>().is_err() {
        return Err(UrlError::Ipv4);
    }
    Ok(text.to_ascii_lowercase())
}

/// What is asked for, from what stands behind the authority.
fn parse_target(text: &str) -> Result<String, UrlError> {
    check_characters(text)?;
    if text.contains('#') {
        return Err(UrlError::Fragment);
    }
    if !is_encoded(text) {
        return Err(UrlError::Unencoded);
    }
    let (path, query) = text.split_at(text.find('?').unwrap_or(text.len()));
    Ok(format!("{}{query}", reference::without_dot_segments(path)))
}

/// Whether a path with its query has nothing in it that must be percent-encoded, and no percent sign that encodes nothing
/// (RFC 3986 sections 3.3 and 3.4).
fn is_encoded(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?".contains(&byte);
    let bytes = text.as_bytes();
    let is_escape = |at: usize| bytes.get(at + 1..at + 3).is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit));
    bytes.iter().enumerate().all(|(at, byte)| is_plain(*byte) || *byte == b'%' && is_escape(at))
}

/// A name and a password.
fn parse_user_info(text: &str) -> Result<(Option<String>, Option<String>), UrlError> {
    if text.is_empty() {
        return Ok((None, None));
    }
    let decoded = |text: &str| {
        let mut bytes = Vec::with_capacity(text.len());
        // RFC 3986 section 3.2.1: unreserved, sub-delims and colons; the rest comes percent-encoded.
        let are_allowed = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:%".contains(&byte));
        if !are_allowed || percent_decode(text, &mut bytes).is_none() {
            return Err(UrlError::UserInfo);
        }
        // RFC 7617 section 2: no control characters.
        let text = String::from_utf8(bytes).map_err(|_| UrlError::UserInfo)?;
        if text.chars().any(char::is_control) { Err(UrlError::UserInfo) } else { Ok(text) }
    };
    let (username, password) = match text.split_once(':') {
        Some((username, password)) => (decoded(username)?, Some(decoded(password)?)),
        None => (decoded(text)?, None),
    };
    // The colon is where the password begins (RFC 7617 section 2).
    if username.contains(':') { Err(UrlError::UserInfo) } else { Ok((Some(username), password)) }
}

/// Refuses what stands nowhere in a URL and is cut off, skipped or turned round by those who repair them.
fn check_characters(text: &str) -> Result<(), UrlError> {
    let is_bad = |byte: u8| byte <= b' ' || byte == 0x7f || byte == b'\\';
    if text.bytes().any(is_bad) { Err(UrlError::Character) } else { Ok(()) }
}
