//! The WebSocket protocol (RFC 6455) without input or output: no sockets, no threads, no clock.
//!
//! Bytes go in and events come out ([`decoder`]); messages go in and bytes come out ([`frame`]). Server and client
//! are one codec that differs only in its [`Role`]. The opening handshake of both roles lives in [`handshake`], on top of
//! [`http`], with which every connection begins; [`files`] is what becomes of a request for a file. What stands before it all on a
//! connection that came through a proxy is in [`proxy`], and whom such a proxy names in [`forwarded`]. Where a client connects
//! is a [`url`].

pub mod close;
pub mod decoder;
pub mod files;
pub mod forwarded;
pub mod frame;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod handshake;
pub mod http;
pub mod mask;
pub mod message;
pub mod networks;
pub mod proxy;
pub mod resolution;
pub mod url;
pub mod utf8;

/// Which end of the connection we are. It decides who masks (RFC 6455 section 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Receives masked frames and sends unmasked ones.
    Server,
    /// Receives unmasked frames and sends masked ones.
    Client,
}

/// A breach of the protocol by the peer: the connection is failed with this Close code (RFC 6455 section 7.1.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Violation {
    /// The Close code to answer with: 1002, 1007 or 1009; 1013 where memory is short, which is no fault of the peer.
    pub code: u16,
    /// What was wrong, fit to travel as the reason of the Close frame (at most 123 bytes of ASCII).
    pub reason: &'static str,
}

impl Violation {
    pub(crate) const fn protocol(reason: &'static str) -> Self {
        Self { code: close::PROTOCOL_ERROR, reason }
    }

    pub(crate) const fn invalid_utf8(reason: &'static str) -> Self {
        Self { code: close::INVALID_PAYLOAD, reason }
    }

    pub(crate) const fn too_big(reason: &'static str) -> Self {
        Self { code: close::MESSAGE_TOO_BIG, reason }
    }

    pub(crate) const fn out_of_memory(reason: &'static str) -> Self {
        Self { code: close::TRY_AGAIN, reason }
    }
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (close code {})", self.reason, self.code)
    }
}

impl std::error::Error for Violation {}
