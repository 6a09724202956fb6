//! The first lines of heads, whole or as far as they have come: taken apart by `httparse`, and held to what it is lax
//! about or has no notion of.

use super::head::fault;
use super::request::Version;
use super::response::{Refusal, bad};
use super::target::Target;
use super::tokens::{FIELD, TARGET, TOKEN, run};

/// The longest method. The longest one registered with IANA has 17 bytes.
const MAX_METHOD: usize = 32;

const BAD_TARGET: &str = "the request target must be a path starting with / or an absolute http URI";

/// A request line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::protocol) struct RequestLine<'a> {
    pub(in crate::protocol) method: &'a str,
    /// The target as it was sent.
    pub(in crate::protocol) raw_target: &'a str,
    pub(in crate::protocol) target: Target<'a>,
    pub(in crate::protocol) version: Version,
}

impl<'a> RequestLine<'a> {
    /// Reads `line`, which does not start with its end; `None` as long as more of it is due.
    pub(in crate::protocol) fn parse(line: &'a [u8]) -> Result<Option<Self>, Refusal> {
        let mut request = httparse::Request::new(&mut []);
        let outcome = request.parse(line);
        // RFC 9112 section 3: 501 for a method longer than any the server knows.
        if run(line.get(..=MAX_METHOD).unwrap_or_default(), TOKEN) > MAX_METHOD {
            return Err(Refusal { status: 501, detail: "the method is longer than any method known" });
        }
        let Some(method) = request.method else {
            return match (outcome, line) {
                (Ok(_), _) => Ok(None),
                (Err(_), [0x16, ..]) => bad("this is a TLS handshake, but the port speaks plain HTTP"),
                (Err(_), _) => Err(fault(line, TOKEN, "the request must start with a method")),
            };
        };
        // Its target has a form of its own, which nobody needs to read.
        if method == "CONNECT" {
            return Err(Refusal { status: 501, detail: "there are no tunnels here" });
        }
        let rest = line.get(method.len() + 1..).unwrap_or_default();
        let target = request.path.map_or(rest, str::as_bytes);
        check_target(target)?;
        let Some(raw_target) = request.path else { return Ok(None) };
        let target = Target::parse(method, target);
        if target.is_none() && raw_target != "*" {
            return bad(BAD_TARGET);
        }
        let rest = rest.get(raw_target.len() + 1..).unwrap_or_default();
        let version = match request.version {
            Some(0) => Version::Http10,
            Some(_) => Version::Http11,
            None if outcome.is_ok() => return Ok(None),
            None => newer_version(rest)?,
        };
        let end = rest.get(8..).unwrap_or_default();
        match (end, target) {
            ([], _) => Ok(None),
            // Only OPTIONS may ask about the server as a whole. That of another method waits for the version, so that an
            // HTTP/2 preface, PRI * HTTP/2.0, is told about the version instead.
            ([b'\r', ..], None) => bad(BAD_TARGET),
            ([b'\r'], Some(_)) => Ok(None),
            ([b'\r', b'\n'], Some(target)) => Ok(Some(RequestLine { method, raw_target, target, version })),
            ([b'\r', ..], Some(_)) => Err(fault(end, FIELD, "")),
            _ => Err(fault(end, 0, "more than the HTTP version at the end of the request line")),
        }
    }
}

/// Refuses what a target cannot start with. To httparse all bytes but controls and the space are good.
fn check_target(target: &[u8]) -> Result<(), Refusal> {
    if !matches!(target, [] | [b'/' | b'*' | b'a'..=b'z' | b'A'..=b'Z', ..]) {
        return Err(fault(target, 0, BAD_TARGET));
    }
    match target.get(run(target, TARGET)) {
        None => Ok(()),
        Some(b'\r') => bad("the request line must end with the HTTP version"),
        Some(b'#') => bad("the request target must not have a fragment"),
        Some(_) => Err(fault(target, TARGET, "a control or non-ASCII character in the request target")),
    }
}

/// The version of a line that has none that httparse knows: it knows 1.0 and 1.1.
///
/// A minor version above 1 is taken for 1.1, as RFC 9110 section 2.5 asks. Another major version is refused with 505:
/// the client (most often an HTTP/2 one with prior knowledge) learns that it is the version, not its request.
fn newer_version(line: &[u8]) -> Result<Version, Refusal> {
    match line.strip_prefix(b"HTTP/") {
        Some([b'1', b'.', b'2'..=b'9', ..]) => Ok(Version::Http11),
        Some([b'0' | b'2'..=b'9', ..]) => Err(Refusal { status: 505, detail: "the HTTP version is not 1.1" }),
        _ => bad("a malformed HTTP version"),
    }
}

/// What matters of a status line.
#[derive(Clone, Copy, Debug)]
pub(in crate::protocol) struct StatusLine {
    pub(in crate::protocol) http10: bool,
    pub(in crate::protocol) code: u16,
}

impl StatusLine {
    /// Reads `line`; `None` as long as more of these is due.
    pub(in crate::protocol) fn parse(line: &[u8]) -> Result<Option<Self>, Refusal> {
        if let Some(b'\r' | b'\n') = line.first() {
            return bad("a malformed HTTP version");
        }
        let mut response = httparse::Response::new(&mut []);
        let outcome = response.parse(line);
        if outcome.is_err() && response.version.is_none() {
            newer_version(line)?;
            return Self::parse(&[b"HTTP/1.1", line.get(8..).unwrap_or_default()].concat());
        }
        match (outcome, response.code) {
            _ if line.get(9) == Some(&b'0') => bad("a malformed status line"),
            (Ok(_), code) => Ok(code.map(|code| StatusLine { http10: response.version == Some(0), code })),
            (Err(_), Some(_)) if matches!(line.get(12), Some(b' ' | b'\r')) => {
                Err(fault(&line[12..], FIELD, "a control character in the reason phrase"))
            }
            (Err(_), _) => bad("a malformed status line"),
        }
    }
}
