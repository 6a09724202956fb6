//! The client's side of the handshake: writing the request, verifying the response (RFC 6455 section 4.1).

use std::fmt;

use super::key::{accept_key, encode_nonce};
use crate::protocol::http::HeadLimits;
use crate::protocol::http::InvalidHead;
use crate::protocol::http::first_line::StatusLine;
use crate::protocol::http::head::{HeadReader, Progress};
use crate::protocol::http::headers::{self, Headers};
use crate::protocol::http::target::is_authority;
use crate::protocol::http::tokens::{is_target_byte, is_token, list, list_has};

/// What a client wants to connect to.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClientRequest<'a> {
    /// The Host header: `example.com`, with the port if it is not the scheme's own, IPv6 addresses in brackets.
    pub host: &'a str,
    /// Path and query: `/chat?room=1`.
    pub target: &'a str,
    /// Subprotocols to offer, the best first.
    pub subprotocols: &'a [&'a str],
    /// More headers: lines `Name: value`, each ended by CRLF but perhaps the last. Host and the headers of the
    /// handshake are not among them.
    pub headers: &'a str,
}

/// A handshake whose request has been sent and whose response is awaited.
#[derive(Clone, Debug)]
pub struct ClientHandshake {
    accept: [u8; 28],
    offered: Vec<String>,
    /// Where the head being read starts: after the interim responses, if any.
    start: usize,
    reader: HeadReader,
}

/// What the bytes of a response so far are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResponseStatus {
    /// The beginning of what can still become the right response: read on.
    Partial,
    /// The connection is a WebSocket.
    Complete {
        /// How many bytes of the input the response took; frames follow.
        length: usize,
        /// The subprotocol the server chose: one of those offered, or none.
        subprotocol: Option<String>,
    },
    /// The connection is no WebSocket: close it.
    Failed(HandshakeError),
}

/// Why a response does not make a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HandshakeError {
    /// It is not a response of HTTP/1.x, or too large.
    Malformed(&'static str),
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
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            HandshakeError::Malformed(detail) => return write!(f, "the server's response is malformed: {detail}"),
            HandshakeError::Status(status) => return write!(f, "the server answered with status {status}, not 101"),
            HandshakeError::Version => "the server answered 101 in HTTP/1.0, which has no upgrades",
            HandshakeError::Upgrade => "the server's response has no \"Upgrade: websocket\"",
            HandshakeError::Connection => "the server's response has no \"Connection: Upgrade\"",
            HandshakeError::Accept => {
                "the server's response has no Sec-WebSocket-Accept that answers our key: the server does not speak \
                 WebSocket, or the answer is another request's"
            }
            HandshakeError::Subprotocol => "the server chose a subprotocol that was not offered",
            HandshakeError::Extension => "the server chose an extension that was not offered",
        })
    }
}

impl std::error::Error for HandshakeError {}

impl ClientHandshake {
    /// The handshake and the request to send. `nonce` must be random, and new for each connection.
    ///
    /// # Errors
    ///
    /// Something in `request` cannot stand in a request.
    pub fn start(request: &ClientRequest<'_>, nonce: &[u8; 16]) -> Result<(ClientHandshake, Vec<u8>), InvalidHead> {
        let key = encode_nonce(nonce);
        let bytes = encode_request(request, &key)?;
        let handshake = ClientHandshake {
            accept: accept_key(&key),
            offered: request.subprotocols.iter().map(|offered| (*offered).to_owned()).collect(),
            start: 0,
            reader: HeadReader::response(),
        };
        Ok((handshake, bytes))
    }

    /// Looks at `input`: everything received so far, that is, what earlier calls were given and more behind it.
    ///
    /// Interim responses (100 to 199 but for 101) are skipped, as RFC 9110 section 15.2 asks of every client; they
    /// count towards the size of the head.
    #[must_use]
    pub fn read_response(&mut self, input: &[u8], limits: &HeadLimits) -> ResponseStatus {
        loop {
            let left = HeadLimits { max_head: limits.max_head.saturating_sub(self.start) };
            let rest = input.get(self.start..).unwrap_or_default();
            let length = match self.reader.read(rest, &left) {
                Progress::Partial => return ResponseStatus::Partial,
                Progress::Refused(refusal) => {
                    return ResponseStatus::Failed(HandshakeError::Malformed(refusal.detail));
                }
                Progress::Complete(length) => length,
            };
            let Some(response) = rest.get(..length).and_then(ResponseHead::parse) else {
                return ResponseStatus::Failed(HandshakeError::Malformed("not a response"));
            };
            if matches!(response.line.code, 100 | 102..=199) {
                self.start += length;
                self.reader = HeadReader::response();
                continue;
            }
            return match self.verify(&response) {
                Ok(subprotocol) => ResponseStatus::Complete { length: self.start + length, subprotocol },
                Err(error) => ResponseStatus::Failed(error),
            };
        }
    }

    /// The rules of RFC 6455 section 4.1 for a response; the subprotocol chosen.
    fn verify(&self, response: &ResponseHead<'_>) -> Result<Option<String>, HandshakeError> {
        let all = |name: &'static str| response.headers.clone().all(name);
        if response.line.code != 101 {
            return Err(HandshakeError::Status(response.line.code));
        }
        if response.line.http10 {
            return Err(HandshakeError::Version);
        }
        // One protocol and no other: several would be layers on top of each other (RFC 9110 section 7.8).
        let mut protocols = all("upgrade").flat_map(list);
        if !protocols.next().is_some_and(|protocol| protocol.eq_ignore_ascii_case(b"websocket"))
            || protocols.next().is_some()
        {
            return Err(HandshakeError::Upgrade);
        }
        if !all("connection").any(|value| list_has(value, "upgrade")) {
            return Err(HandshakeError::Connection);
        }
        let mut accepts = all("sec-websocket-accept");
        if accepts.next() != Some(self.accept.as_slice()) || accepts.next().is_some() {
            return Err(HandshakeError::Accept);
        }
        if all("sec-websocket-extensions").next().is_some() {
            return Err(HandshakeError::Extension);
        }
        let mut chosen = all("sec-websocket-protocol");
        match (chosen.next(), chosen.next()) {
            (None, _) => Ok(None),
            (Some(chosen), None) => {
                let offered = self.offered.iter().find(|offered| offered.as_bytes() == chosen);
                offered.cloned().map(Some).ok_or(HandshakeError::Subprotocol)
            }
            (Some(_), Some(_)) => Err(HandshakeError::Subprotocol),
        }
    }
}

/// A response head that has been found valid.
struct ResponseHead<'a> {
    line: StatusLine,
    headers: Headers<'a>,
}

impl<'a> ResponseHead<'a> {
    fn parse(head: &'a [u8]) -> Option<Self> {
        let (line, headers) = head.split_at(head.iter().position(|byte| *byte == b'\n')? + 1);
        Some(ResponseHead { line: StatusLine::parse(line).ok()??, headers: Headers::new(headers) })
    }
}

fn encode_request(request: &ClientRequest<'_>, key: &[u8; 24]) -> Result<Vec<u8>, InvalidHead> {
    let ClientRequest { host, target, subprotocols, headers } = request;
    if !is_authority(host.as_bytes()) {
        return Err(InvalidHead::Host);
    }
    if !target.starts_with('/') || !target.bytes().all(is_target_byte) {
        return Err(InvalidHead::Target);
    }
    for (index, subprotocol) in subprotocols.iter().enumerate() {
        if !is_token(subprotocol.as_bytes()) {
            return Err(InvalidHead::Subprotocol);
        }
        if subprotocols[..index].contains(subprotocol) {
            return Err(InvalidHead::RepeatedSubprotocol);
        }
    }
    let mut out = format!(
        "GET {target} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: "
    )
    .into_bytes();
    out.extend_from_slice(key);
    out.extend_from_slice(b"\r\nSec-WebSocket-Version: 13\r\n");
    if !subprotocols.is_empty() {
        out.extend_from_slice(format!("Sec-WebSocket-Protocol: {}\r\n", subprotocols.join(", ")).as_bytes());
    }
    headers::append(&mut out, headers, |name| {
        headers::is_framing(name)
            || headers::is_websocket(name)
            || name.eq_ignore_ascii_case("host")
            || name.eq_ignore_ascii_case("upgrade")
    })?;
    out.extend_from_slice(b"\r\n");
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: ClientRequest<'_> =
        ClientRequest { host: "example.com", target: "/chat", subprotocols: &["chat", "mqtt"], headers: "" };

    fn start(request: &ClientRequest<'_>) -> Result<(ClientHandshake, Vec<u8>), InvalidHead> {
        ClientHandshake::start(request, b"the sample nonce")
    }

    #[test]
    fn the_request_is_that_of_the_rfc() {
        let request = ClientRequest { headers: "Origin: http://example.com", ..REQUEST };
        let (_, bytes) = start(&request).unwrap();
        assert_eq!(
            String::from_utf8(bytes).unwrap(),
            "GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Protocol: chat, mqtt\r\nOrigin: http://example.com\r\n\r\n"
        );
    }

    #[test]
    fn what_cannot_stand_in_a_request_is_refused() {
        let rows = [
            (ClientRequest { host: "", ..REQUEST }, InvalidHead::Host),
            (ClientRequest { host: "a b", ..REQUEST }, InvalidHead::Host),
            (ClientRequest { host: "a\r\nX: b", ..REQUEST }, InvalidHead::Host),
            (ClientRequest { target: "", ..REQUEST }, InvalidHead::Target),
            (ClientRequest { target: "chat", ..REQUEST }, InvalidHead::Target),
            (ClientRequest { target: "/a b", ..REQUEST }, InvalidHead::Target),
            (ClientRequest { target: "/a#b", ..REQUEST }, InvalidHead::Target),
            (ClientRequest { target: "/caf\u{e9}", ..REQUEST }, InvalidHead::Target),
            (ClientRequest { target: "/ HTTP/1.1\r\nX: b", ..REQUEST }, InvalidHead::Target),
            (ClientRequest { subprotocols: &["a", ""], ..REQUEST }, InvalidHead::Subprotocol),
            (ClientRequest { subprotocols: &["a,b"], ..REQUEST }, InvalidHead::Subprotocol),
            (ClientRequest { subprotocols: &["a\r\nX: b"], ..REQUEST }, InvalidHead::Subprotocol),
            (ClientRequest { subprotocols: &["a", "a"], ..REQUEST }, InvalidHead::RepeatedSubprotocol),
        ];
        for (request, expected) in rows {
            assert_eq!(start(&request).err(), Some(expected), "{request:?}");
        }
        for name in ["Host", "upgrade", "Connection", "Content-Length", "Transfer-Encoding", "Sec-WebSocket-Key"] {
            let headers = format!("X: y\r\n{name}: z\r\n");
            let error = start(&ClientRequest { headers: &headers, ..REQUEST }).err();
            assert!(matches!(error, Some(InvalidHead::Header { line: 2, .. })), "{name}");
        }
    }

    const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                          Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

    #[test]
    fn responses_are_verified() {
        let ok = |subprotocol: Option<&str>| Ok(subprotocol.map(str::to_owned));
        // What is replaced in a valid response, and by what.
        type Verdict = Result<Option<String>, HandshakeError>;
        let rows: &[(&str, &str, Verdict)] = &[
            ("", "", ok(None)),
            ("Upgrade: websocket", "upgrade:  WebSocket ", ok(None)),
            ("Connection: Upgrade", "connection: keep-alive, upgrade", ok(None)),
            ("101 Switching Protocols", "101 ", ok(None)),
            ("101 Switching Protocols", "101", ok(None)),
            ("101 Switching Protocols", "101 caf\u{e9}\t!", ok(None)),
            (
                "HTTP/1.1 101",
                "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 \r\n\r\nHTTP/1.1 101",
                ok(None),
            ),
            ("\r\n\r\n", "\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n", ok(Some("mqtt"))),
            ("\r\n\r\n", "\r\nContent-Length: 0\r\n\r\n", ok(None)),
            ("HTTP/1.1", "HTTP/1.0", Err(HandshakeError::Version)),
            ("101 Switching Protocols", "200 OK", Err(HandshakeError::Status(200))),
            ("101 Switching Protocols", "403 Forbidden", Err(HandshakeError::Status(403))),
            ("101 Switching Protocols", "999 ", Err(HandshakeError::Status(999))),
            ("Upgrade: websocket\r\n", "", Err(HandshakeError::Upgrade)),
            ("Upgrade: websocket", "Upgrade: h2c", Err(HandshakeError::Upgrade)),
            ("Upgrade: websocket", "Upgrade: h2c, websocket", Err(HandshakeError::Upgrade)),
            ("Upgrade: websocket", "Upgrade: websocket, h2c", Err(HandshakeError::Upgrade)),
            ("Upgrade: websocket", "Upgrade: websocket\r\nUpgrade: websocket", Err(HandshakeError::Upgrade)),
            ("Connection: Upgrade\r\n", "", Err(HandshakeError::Connection)),
            ("Connection: Upgrade", "Connection: close", Err(HandshakeError::Connection)),
            ("Sec-WebSocket-Accept", "X-Accept", Err(HandshakeError::Accept)),
            ("xOo=", "xOo", Err(HandshakeError::Accept)),
            ("s3pP", "S3pP", Err(HandshakeError::Accept)),
            ("\r\n\r\n", "\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n", Err(HandshakeError::Accept)),
            ("\r\n\r\n", "\r\nSec-WebSocket-Protocol: soap\r\n\r\n", Err(HandshakeError::Subprotocol)),
            ("\r\n\r\n", "\r\nSec-WebSocket-Protocol: CHAT\r\n\r\n", Err(HandshakeError::Subprotocol)),
            ("\r\n\r\n", "\r\nSec-WebSocket-Protocol: chat, mqtt\r\n\r\n", Err(HandshakeError::Subprotocol)),
            ("\r\n\r\n", "\r\nSec-WebSocket-Protocol:\r\n\r\n", Err(HandshakeError::Subprotocol)),
            (
                "\r\n\r\n",
                "\r\nSec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: chat\r\n\r\n",
                Err(HandshakeError::Subprotocol),
            ),
            ("\r\n\r\n", "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n", Err(HandshakeError::Extension)),
        ];
        for (from, to, expected) in rows {
            let response = SWITCH.replacen(from, to, 1);
            let input = [response.as_bytes(), b"\x81\x00"].concat();
            let (mut handshake, _) = start(&REQUEST).unwrap();
            let found = match handshake.read_response(&input, &HeadLimits::default()) {
                ResponseStatus::Complete { length, subprotocol } => {
                    assert_eq!(length, response.len(), "{response}");
                    Ok(subprotocol)
                }
                ResponseStatus::Failed(error) => Err(error),
                ResponseStatus::Partial => panic!("{response}"),
            };
            assert_eq!(found, *expected, "{response}");
            // The same, one byte at a time.
            let (mut handshake, _) = start(&REQUEST).unwrap();
            for end in 0..response.len() {
                let status = handshake.read_response(&input[..end], &HeadLimits::default());
                assert_eq!(status, ResponseStatus::Partial, "{response}");
            }
            let last = handshake.read_response(&input, &HeadLimits::default());
            assert_eq!(matches!(last, ResponseStatus::Complete { .. }), expected.is_ok(), "{response}");
        }
    }

    #[test]
    fn what_is_no_response_fails_at_once() {
        let rows: &[&[u8]] = &[
            b"\r",
            b"SSH-2.0",
            b"HTTP/2",
            b"HTTP/1.1  ",
            b"HTTP/1.1 0",
            b"HTTP/1.1 10x",
            b"HTTP/1.1 1011",
            b"HTTP/1.1 101 \n",
            b"HTTP/1.1 101 \0",
            b"HTTP/1.1 101 OK\r\n ",
            b"HTTP/1.1 101 OK\r\nA: b\n",
            b"\x15\x03\x01",
        ];
        for input in rows {
            let (mut handshake, _) = start(&REQUEST).unwrap();
            let status = handshake.read_response(input, &HeadLimits::default());
            assert!(matches!(status, ResponseStatus::Failed(HandshakeError::Malformed(_))), "{}", input.escape_ascii());
        }
    }

    #[test]
    fn interim_responses_count_towards_the_limit() {
        let input = "HTTP/1.1 100 Continue\r\n\r\n".repeat(400);
        let (mut handshake, _) = start(&REQUEST).unwrap();
        let status = handshake.read_response(input.as_bytes(), &HeadLimits::default());
        assert!(matches!(status, ResponseStatus::Failed(HandshakeError::Malformed(_))));
    }
}
