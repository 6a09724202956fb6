//! The opening handshake: the HTTP/1.1 part of a WebSocket connection, for both roles, without I/O.
//!
//! The server side takes the bytes received so far and answers one of three things: not enough yet, a whole request
//! head, or a refusal with its response ([`RequestReader`], [`read_request`]). [`judge()`] then says what the request
//! is: a WebSocket upgrade, which an [`Admission`] may rule out and whose 101 response [`Upgrade::response`] writes; an ordinary HTTP request, which the host
//! answers through [`ResponseHead`]; or a request to be refused. The client side, [`ClientHandshake`], writes the
//! request and verifies the response.
//!
//! Nothing here reads a socket, a clock or a random number. What follows the head (a body, the first frames) is not
//! looked at: every `Complete` says how many bytes the head took, the rest belongs to the caller.
//!
//! Heads are parsed by `httparse`, line by line as they arrive (`head`), and held to what it is lax about: line ends,
//! targets, lengths, numbers. A client that sends one byte at a time costs little more than one that sends its head at
//! once. The slices come out of the caller's buffer; only offered subprotocols are copied.

mod admission;
mod body;
mod chunked;
mod client;
mod extensions;
mod first_line;
mod head;
mod headers;
mod invalid;
mod judge;
mod key;
mod request;
mod response;
mod target;
#[cfg(test)]
mod tests;
mod tokens;
mod upgrade;

pub use admission::{Admission, is_origin, is_path, is_subprotocol};
pub use body::{Body, BodyReader};
pub use client::{ClientHandshake, ClientRequest, HandshakeError, ResponseStatus};
pub use headers::Headers;
pub use invalid::InvalidHead;
pub use judge::{Judgement, Plain, judge};
pub use key::accept_key;
pub use request::{HeadLimits, HeadStatus, RequestHead, RequestReader, Version, read_request};
pub use response::{Persistence, Refusal, ResponseHead, reason_phrase};
pub use upgrade::Upgrade;
