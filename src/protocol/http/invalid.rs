//! Why a head that a host asked for cannot be written.

use std::fmt;

/// What a host gave for a request or a response cannot stand in one: sent as it is, it would break the message or say
/// something untrue. Nothing has been written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidHead {
    /// A status outside 200 to 599.
    Status(u16),
    /// A body for a status that has none: 204, 205 and 304.
    Body(u16),
    /// A line of the header block.
    Header {
        /// Which line, counted from 1.
        line: usize,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// A Content-Length that is no number, or a second one.
    Length,
    /// A host that is not `name`, `name:port` or their like with an IP address.
    Host,
    /// A target that is not a path starting with `/`, or that has a fragment, a space or a non-ASCII character.
    Target,
    /// A subprotocol that is not a token.
    Subprotocol,
    /// A subprotocol offered twice.
    RepeatedSubprotocol,
    /// A subprotocol accepted that the client has not offered.
    UnofferedSubprotocol,
}

impl fmt::Display for InvalidHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InvalidHead::Status(status) => write!(f, "status {status}: a response needs one from 200 to 599"),
            InvalidHead::Body(status) => write!(f, "status {status}: such a response has no body"),
            InvalidHead::Header { line, fault } => {
                write!(f, "header line {line}: {fault} (lines read \"Name: value\" and end in \\r\\n)")
            }
            InvalidHead::Length => f.write_str("Content-Length: must be a number, and there once"),
            InvalidHead::Host => f.write_str("host: must be a name or an address, with or without a port"),
            InvalidHead::Target => {
                f.write_str("target: must start with / and have no fragment, space, control or non-ASCII character")
            }
            InvalidHead::Subprotocol => f.write_str("subprotocol: must be a token (no spaces, commas or quotes)"),
            InvalidHead::RepeatedSubprotocol => f.write_str("subprotocol: offered twice"),
            InvalidHead::UnofferedSubprotocol => f.write_str("subprotocol: the client has not offered it"),
        }
    }
}

impl std::error::Error for InvalidHead {}
