//! The client's side of the upgrade: writing the request, verifying the response (RFC 6455 section 4.1).

use super::key::{accept_key, encode_nonce};
use super::negotiation::HandshakeError;
use crate::protocol::http::InvalidHead;
use crate::protocol::http::headers;
use crate::protocol::http::reply::Reply;
use crate::protocol::http::target::is_authority;
use crate::protocol::http::tokens::{is_target_byte, is_token, list, list_has};

/// What a client asks for.
#[derive(Clone, Copy, Debug)]
pub(super) struct UpgradeRequest<'a> {
    /// The Host header: `example.com`, with the port if it is not the scheme's own, IPv6 addresses in brackets.
    pub(super) host: &'a str,
    /// Path and query: `/chat?room=1`.
    pub(super) target: &'a str,
    /// Subprotocols to offer, the best first.
    pub(super) subprotocols: &'a [String],
    /// More headers: lines `Name: value`, each ended by CRLF but perhaps the last. Those that [`is_reserved`] are not among
    /// them.
    pub(super) headers: &'a str,
}

/// Whether a header is written by the handshake, and so is nobody else's to add.
pub(super) fn is_reserved(name: &str) -> bool {
    headers::is_framing(name)
        || headers::is_websocket(name)
        || name.eq_ignore_ascii_case("host")
        || name.eq_ignore_ascii_case("upgrade")
}

impl UpgradeRequest<'_> {
    /// The request as it is sent. `nonce` must be random, and new for each connection.
    pub(super) fn encode(&self, nonce: &[u8; 16]) -> Result<Vec<u8>, InvalidHead> {
        let Self { host, target, subprotocols, headers } = self;
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
        out.extend_from_slice(&encode_nonce(nonce));
        out.extend_from_slice(b"\r\nSec-WebSocket-Version: 13\r\n");
        if !subprotocols.is_empty() {
            out.extend_from_slice(format!("Sec-WebSocket-Protocol: {}\r\n", subprotocols.join(", ")).as_bytes());
        }
        headers::append(&mut out, headers, is_reserved)?;
        out.extend_from_slice(b"\r\n");
        Ok(out)
    }
}

/// What a response must be an answer to.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    accept: [u8; 28],
    offered: Vec<String>,
}

impl Expected {
    pub(super) fn new(nonce: &[u8; 16], offered: &[String]) -> Self {
        Self { accept: accept_key(&encode_nonce(nonce)), offered: offered.to_vec() }
    }

    /// The rules of RFC 6455 section 4.1 for a response; the subprotocol chosen.
    pub(super) fn verify(&self, response: &Reply<'_>) -> Result<Option<String>, HandshakeError> {
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
