//! The request target and the authority: where a request wants to go (RFC 9112 section 3.2, RFC 3986 section 3).

use std::net::Ipv6Addr;

/// A request target in origin-form (`/chat?room=1`), in absolute-form (`http://example.com/chat?room=1`), or, of OPTIONS
/// alone, in asterisk-form (`*`).
///
/// The fourth form, `host:port`, belongs to CONNECT, which means nothing to this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::protocol) struct Target<'a> {
    /// The authority of an absolute-form.
    pub(in crate::protocol) authority: Option<&'a str>,
    /// The path. It starts with `/`, or is [`SERVER`].
    pub(in crate::protocol) path: &'a str,
    /// What follows the first `?`.
    pub(in crate::protocol) query: Option<&'a str>,
}

/// The path of a request that is about the server as a whole (RFC 9112 section 3.2.4).
pub const SERVER: &str = "*";

impl<'a> Target<'a> {
    /// Takes apart a target of nothing but target bytes, for a request with this method.
    pub(in crate::protocol) fn parse(method: &str, target: &'a [u8]) -> Option<Target<'a>> {
        let target = std::str::from_utf8(target).ok()?;
        let is_options = method == "OPTIONS";
        if is_options && target == SERVER {
            return Some(Target { authority: None, path: SERVER, query: None });
        }
        if target.starts_with('/') {
            let (path, query) = split_query(target);
            return Some(Target { authority: None, path, query });
        }
        let (scheme, rest) = target.split_once("://")?;
        if !["http", "https", "ws", "wss"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
            return None;
        }
        let (authority, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (path, query) = split_query(rest);
        let path = match (path, query) {
            // What a proxy would pass on as the asterisk-form (RFC 9112 section 3.2.4).
            ("", None) if is_options => SERVER,
            ("", _) => "/",
            (path, _) => path,
        };
        is_authority(authority.as_bytes()).then_some(Target { authority: Some(authority), path, query })
    }
}

fn split_query(target: &str) -> (&str, Option<&str>) {
    match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    }
}

/// Whether `bytes` is `host [":" port]`, as Host and the authority of an http URI have it (RFC 9110 section 7.2).
///
/// An empty host is refused, as http URIs must have one (RFC 9110 section 4.2.1), and so is user information
/// (section 4.2.4). In brackets only an IPv6 address may stand: no other IP version has ever been given a form.
#[must_use]
pub fn is_authority(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    if let Some(literal) = text.strip_prefix('[') {
        return literal
            .split_once(']')
            .is_some_and(|(address, rest)| address.parse::<Ipv6Addr>().is_ok() && is_port(rest));
    }
    let (host, port) = text.split_at(text.find(':').unwrap_or(text.len()));
    is_registered_name(host.as_bytes()) && is_port(port)
}

/// `""`, `":"` or a colon with a port number.
fn is_port(text: &str) -> bool {
    match text.strip_prefix(':') {
        None => text.is_empty(),
        Some(digits) => {
            digits.is_empty() || (digits.bytes().all(|d| d.is_ascii_digit()) && digits.parse::<u16>().is_ok())
        }
    }
}

/// `reg-name` (RFC 3986 section 3.2.2), which IPv4 addresses are too; not empty.
fn is_registered_name(name: &[u8]) -> bool {
    let mut bytes = name.iter();
    while let Some(byte) = bytes.next() {
        let valid = match byte {
            b'%' => (0..2).all(|_| bytes.next().is_some_and(u8::is_ascii_hexdigit)),
            b'-' | b'.' | b'_' | b'~' => true,
            b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' => true,
            _ => byte.is_ascii_alphanumeric(),
        };
        if !valid {
            return false;
        }
    }
    !name.is_empty()
}

/// Appends what `text` stands for (RFC 3986 section 2.1). `None` for a percent sign without its two digits.
pub(in crate::protocol) fn percent_decode(text: &str, to: &mut Vec<u8>) -> Option<()> {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        to.push(match byte {
            b'%' => hex_digit(bytes.next()?)? << 4 | hex_digit(bytes.next()?)?,
            byte => byte,
        });
    }
    Some(())
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        /// Authority, path and query.
        type Parts = (Option<&'static str>, &'static str, Option<&'static str>);
        let rows: &[(&str, Option<Parts>)] = &[
            ("/", Some((None, "/", None))),
            ("/chat?room=1?2", Some((None, "/chat", Some("room=1?2")))),
            ("/?", Some((None, "/", Some("")))),
            ("//double/slash", Some((None, "//double/slash", None))),
            ("/http://inside", Some((None, "/http://inside", None))),
            ("http://example.com/chat?a", Some((Some("example.com"), "/chat", Some("a")))),
            ("WS://example.com:80", Some((Some("example.com:80"), "/", None))),
            ("wss://[::1]:80?a", Some((Some("[::1]:80"), "/", Some("a")))),
            ("ftp://example.com/", None),
            ("http:///chat", None),
            ("http://user@example.com/", None),
            ("http:/chat", None),
            ("example.com:443", None),
            ("chat", None),
            ("?a", None),
            ("", None),
            ("*", None),
        ];
        for (target, expected) in rows {
            let found = Target::parse("GET", target.as_bytes()).map(|t| (t.authority, t.path, t.query));
            assert_eq!(found, *expected, "{target}");
        }
        let rows: &[(&str, Option<Parts>)] = &[
            ("*", Some((None, "*", None))),
            ("http://example.com", Some((Some("example.com"), "*", None))),
            ("http://example.com/", Some((Some("example.com"), "/", None))),
            ("http://example.com?", Some((Some("example.com"), "/", Some("")))),
            ("/", Some((None, "/", None))),
            ("**", None),
            ("*?a", None),
            ("*/", None),
        ];
        for (target, expected) in rows {
            let found = Target::parse("OPTIONS", target.as_bytes()).map(|t| (t.authority, t.path, t.query));
            assert_eq!(found, *expected, "{target}");
        }
        assert_eq!(Target::parse("options", b"*"), None);
    }

    #[test]
    fn authorities() {
        let good: &[&str] = &[
            "a",
            "example.com",
            "example.com:",
            "example.com:65535",
            "127.0.0.1:80",
            "[::1]",
            "[fe80::1]:9502",
            "a_b",
            "%41",
        ];
        for authority in good {
            assert!(is_authority(authority.as_bytes()), "{authority}");
        }
        let bad: &[&str] = &[
            "", ":80", "a:65536", "a:8x", "a:+8", "a:1:2", "::1", "[::1", "[::1]80", "[v1.a]", "[]", "a b", "a/b",
            "a@b", "a\\b", "é", "%4", "%zz", "a?b", "a#b", "<a>", "\"a\"",
        ];
        for authority in bad {
            assert!(!is_authority(authority.as_bytes()), "{authority}");
        }
        assert!(!is_authority(b"\xff"));
    }
}
