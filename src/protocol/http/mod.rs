//! HTTP/1.1 as a server of it and a client of WebSocket need it (RFC 9110, RFC 9112), without I/O: request heads and bodies
//! in, response heads out.
//!
//! The bytes received so far are one of three things: not enough yet, a whole request head, or to be refused
//! ([`RequestReader`], [`read_request`]). A head says what body follows it ([`Body`]), which a [`BodyReader`] gathers. What a
//! host answers becomes a [`ResponseHead`], what the engine refuses by itself a [`Refusal`]. The heads that a client gets for
//! an answer are read by `reply`.
//!
//! Nothing here reads a socket, a clock or a random number. What follows the head is not looked at: every `Complete` says how
//! many bytes the head took, the rest belongs to the caller.
//!
//! Heads are parsed by `httparse`, line by line as they arrive (`head`), and held to what it is lax about: line ends,
//! targets, lengths, numbers. A client that sends one byte at a time costs little more than one that sends its head at
//! once. The slices come out of the caller's buffer.

mod body;
pub(crate) mod chunked;
mod date;
pub(in crate::protocol) mod first_line;
pub(in crate::protocol) mod head;
pub(in crate::protocol) mod headers;
mod invalid;
pub(in crate::protocol) mod reply;
pub(in crate::protocol) mod request;
pub(in crate::protocol) mod response;
mod retry_after;
pub(in crate::protocol) mod target;
pub(in crate::protocol) mod tokens;

pub use body::{Body, BodyReader};
pub use date::{LAST_DATE, date, date_since_1970};
pub use headers::{Headers, is_field_value};
pub use invalid::InvalidHead;
pub use request::{HeadLimits, HeadStatus, RequestHead, RequestReader, Version, read_request};
pub use response::{Persistence, Refusal, ResponseHead, reason_phrase};
pub use retry_after::{MAX_RETRY_AFTER, retry_after};
pub use target::{SERVER, is_authority};
