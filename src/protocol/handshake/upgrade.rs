//! Upgrade requests: the rules of RFC 6455 section 4.2.1, and what the response depends on.

use super::extensions;
use super::judge::Fields;
use super::key::{accept_key, is_key};
use crate::protocol::http::Body;
use crate::protocol::http::InvalidHead;
use crate::protocol::http::headers;
use crate::protocol::http::headers::Once;
use crate::protocol::http::response::{Refusal, bad, status_line};
use crate::protocol::http::tokens::{is_token, list};
use crate::protocol::http::{RequestHead, Version};

/// The most subprotocols a client may offer: comparing each with each must stay cheap.
const MAX_SUBPROTOCOLS: usize = 64;

/// A valid upgrade request: what its response depends on. It owns what it holds, so it may outlive the request's bytes
/// while a host makes up its mind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upgrade {
    accept: [u8; 28],
    subprotocols: Vec<String>,
}

impl Upgrade {
    /// The rules of RFC 6455 section 4.2.1 for a request whose Upgrade names `websocket`.
    pub(super) fn from_request(request: &RequestHead<'_>, fields: &Fields<'_>, body: Body) -> Result<Self, Refusal> {
        if request.version() < Version::Http11 {
            return bad("a WebSocket upgrade needs HTTP/1.1: does a proxy on the way speak HTTP/1.0?");
        }
        if request.method() != "GET" {
            return Err(Refusal { status: 405, detail: "a WebSocket upgrade needs the method GET" });
        }
        if !fields.connection {
            return bad("\"Upgrade: websocket\" without \"Connection: Upgrade\": does a proxy on the way remove it?");
        }
        if body != Body::None {
            return bad("a WebSocket upgrade cannot have a body");
        }
        // Before the key, which other versions of the protocol have in another form.
        check_version(fields.version)?;
        let accept = match fields.key {
            Once::Value(key) if is_key(key) => accept_key(key),
            Once::Value(_) => return bad("Sec-WebSocket-Key must be the base64 of 16 bytes"),
            Once::Repeated => return bad("more than one Sec-WebSocket-Key"),
            Once::Missing => return bad("no Sec-WebSocket-Key"),
        };
        if fields.extensions {
            check_extensions(request)?;
        }
        let subprotocols = if fields.subprotocols { subprotocols(request)? } else { Vec::new() };
        Ok(Upgrade { accept, subprotocols })
    }

    /// The subprotocols the client offers, in the order it would like them.
    #[must_use]
    pub fn subprotocols(&self) -> &[String] {
        &self.subprotocols
    }

    /// The 101 response. The first frames follow it at once.
    ///
    /// `headers` are lines `Name: value`, each ended by CRLF but perhaps the last; empty for none.
    ///
    /// # Errors
    ///
    /// A subprotocol that was not offered (the client would close the connection: RFC 6455 section 4.1), a malformed
    /// header line, or one that is part of the handshake.
    pub fn response(&self, subprotocol: Option<&str>, headers: &str) -> Result<Vec<u8>, InvalidHead> {
        if subprotocol.is_some_and(|accepted| !self.subprotocols.iter().any(|offered| offered == accepted)) {
            return Err(InvalidHead::UnofferedSubprotocol);
        }
        encode_switch(&self.accept, subprotocol, headers)
    }
}

/// The 101 response (RFC 6455 section 4.2.2). Whether `subprotocol` was offered is the caller's to know.
fn encode_switch(accept: &[u8; 28], subprotocol: Option<&str>, headers: &str) -> Result<Vec<u8>, InvalidHead> {
    let mut out = status_line(101);
    out.extend_from_slice(b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ");
    out.extend_from_slice(accept);
    out.extend_from_slice(b"\r\n");
    if let Some(subprotocol) = subprotocol {
        out.extend_from_slice(format!("Sec-WebSocket-Protocol: {subprotocol}\r\n").as_bytes());
    }
    headers::append(&mut out, headers, |name| {
        headers::is_framing(name) || headers::is_websocket(name) || name.eq_ignore_ascii_case("upgrade")
    })?;
    out.extend_from_slice(b"\r\n");
    Ok(out)
}

/// Sec-WebSocket-Version must be 13.
///
/// A client that speaks another version, or one from before the header existed, has made no mistake: 426 tells it
/// which version to come back with (RFC 6455 section 4.4). A header sent twice (forbidden by section 11.3.5) or one
/// that is not a number from 0 to 255 (section 4.3) is a malformed request in any version: 400.
fn check_version(version: Once<'_>) -> Result<(), Refusal> {
    match version {
        Once::Value(b"13") => Ok(()),
        Once::Repeated => bad("more than one Sec-WebSocket-Version"),
        Once::Value(version) if !is_version(version) => bad("a malformed Sec-WebSocket-Version"),
        Once::Value(_) | Once::Missing => Err(Refusal { status: 426, detail: "Sec-WebSocket-Version must be 13" }),
    }
}

/// A number from 0 to 255 without leading zeros.
fn is_version(version: &[u8]) -> bool {
    std::str::from_utf8(version).is_ok_and(|text| text.parse::<u8>().is_ok_and(|number| number.to_string() == text))
}

/// RFC 6455 section 11.3.4: tokens, none twice, and at least one if the header is there.
fn subprotocols(request: &RequestHead<'_>) -> Result<Vec<String>, Refusal> {
    let mut offered: Vec<String> = Vec::new();
    for value in request.headers().all("sec-websocket-protocol") {
        for element in list(value) {
            let Some(subprotocol) = std::str::from_utf8(element).ok().filter(|_| is_token(element)) else {
                return bad("Sec-WebSocket-Protocol must be a list of tokens");
            };
            if offered.iter().any(|earlier| earlier == subprotocol) {
                return bad("a subprotocol offered twice");
            }
            if offered.len() == MAX_SUBPROTOCOLS {
                return bad("more than 64 subprotocols");
            }
            offered.push(subprotocol.to_owned());
        }
    }
    if offered.is_empty() {
        return bad("an empty Sec-WebSocket-Protocol");
    }
    Ok(offered)
}

/// RFC 6455 section 9.1: a request with malformed extensions is refused. Well-formed ones are declined in silence.
fn check_extensions(request: &RequestHead<'_>) -> Result<(), Refusal> {
    match request.headers().all("sec-websocket-extensions").map(extensions::count).sum() {
        Some(0) | None => bad("a malformed Sec-WebSocket-Extensions"),
        Some(1..) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_switch_is_that_of_the_rfc() {
        let accept = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
        assert_eq!(
            encode_switch(accept, Some("chat"), "Set-Cookie: a=b\r\n")
                .map(|head| String::from_utf8(head).unwrap())
                .as_deref(),
            Ok("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\
                Set-Cookie: a=b\r\n\r\n")
        );
        for headers in
            ["Upgrade: h2c", "Sec-Websocket-Accept: x", "sec-websocket-protocol: b", "Connection: close", "A: b\n"]
        {
            assert!(encode_switch(accept, None, headers).is_err(), "{headers}");
        }
    }
}
