//! What is known of HTTP on a connection, for as long as it is not a WebSocket: one request after the other, of which one
//! at a time is with the host.

use super::reactor::{Introduction, Rest};
use super::request::Request;
use super::timers::Tick;
use crate::protocol::handshake::Upgrade;
use crate::protocol::http::{BodyReader, Persistence, RequestReader, Version, date};
use std::sync::Arc;
use std::time::SystemTime;

/// The requests of one connection.
#[derive(Debug, Default)]
pub struct Http {
    /// What it has to begin with, or has begun with, if it comes from a proxy that tells whom it speaks for.
    pub introduction: Option<Introduction>,
    /// Reads the head of the next request.
    pub reader: RequestReader,
    /// What is being done about the last one.
    pub exchange: Exchange,
    /// The request whose body is arriving.
    pub incoming: Option<(Request, BodyReader)>,
    /// The host was told of a request under the id that the connection has.
    pub is_told: bool,
    /// Nothing of the next request has arrived.
    pub is_between: bool,
    /// Some of the next request, or all, has been received already.
    pub has_next: bool,
    /// When the first bytes of the request came, and how many have come since: not kept where no rate is demanded.
    pub arriving: Option<(Tick, u64)>,
    /// What is still to be sent of a file.
    pub rest: Option<Rest>,
}

/// How a request is to be answered. By default a connection ends with the answer: what stands behind something that is no
/// request, or behind an upgrade that is refused, may not be meant as a request.
#[derive(Debug, Clone, Copy)]
pub struct Exchange {
    /// Its version.
    pub version: Version,
    /// What becomes of the connection.
    pub persistence: Persistence,
    /// It is a HEAD: the response has no body.
    pub head_only: bool,
    /// Its body is held back until we ask for it.
    pub expects_continue: bool,
}

impl Default for Exchange {
    fn default() -> Self {
        Self { version: Version::Http11, persistence: Persistence::Close, head_only: false, expects_continue: false }
    }
}

impl Http {
    /// Begins to wait for the next request.
    pub fn begin_again(&mut self) {
        self.reader = RequestReader::new();
        self.exchange = Exchange::default();
        self.arriving = None;
        self.is_between = true;
    }
}

/// An upgrade that the host has to decide about.
#[derive(Debug)]
pub struct Undecided {
    /// The request.
    pub request: Arc<Request>,
    /// What the response depends on.
    pub upgrade: Upgrade,
    /// The subprotocol that the options choose.
    pub subprotocol: Option<String>,
}

/// The time as responses tell it, written anew once a second.
#[derive(Debug, Default)]
pub struct Date {
    second: u64,
    text: String,
}

impl Date {
    /// The time of day, in the form of RFC 9110 section 5.6.7.
    pub fn now(&mut self) -> &str {
        let now = SystemTime::now();
        let second = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        if self.second != second || self.text.is_empty() {
            self.second = second;
            self.text = date(now);
        }
        &self.text
    }
}
