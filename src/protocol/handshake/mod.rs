//! The opening handshake: how an HTTP connection becomes a WebSocket, for both roles, without I/O.
//!
//! On the server's side [`judge()`] says what a request is: a WebSocket upgrade, which an [`Admission`] may rule out and
//! whose 101 response [`Upgrade::response`] writes; an ordinary HTTP request, which the host answers; or a request to be
//! refused. The client's side, [`negotiation`], writes the requests, to a proxy too, and verifies the responses.
//!
//! Nothing here reads a socket, a clock or a random number, and only offered subprotocols are copied.

mod admission;
mod client;
pub(in crate::protocol) mod extensions;
mod judge;
mod key;
pub mod negotiation;
#[cfg(test)]
mod tests;
mod upgrade;

pub use admission::{Admission, is_origin, is_path, is_sent_by_browsers, is_subprotocol};
pub use judge::{Judgement, Plain, judge};
pub use key::accept_key;
pub use negotiation::{HandshakeError, Negotiation};
pub use upgrade::Upgrade;
