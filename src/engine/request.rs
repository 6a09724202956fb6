//! The request that opened a connection, as the host gets to see it; on a client's side, the response to it.
//!
//! All strings lie in one allocation, each ended by a NUL, so that the C API can lend them as they are. None holds a
//! NUL itself: the handshake refuses such requests.

use crate::protocol::http::{RequestHead, Version};
use crate::sys::socket::Peer;
use std::ffi::CStr;

/// A place in the text of a request.
type At = u32;

/// An HTTP request: its first line, its header fields and where it came from. Or a response: then the first line is that of
/// the request that it answers, and the fields are its own.
#[derive(Debug, Clone)]
pub struct Request {
    /// Of a response; 0 of a request.
    status: u16,
    text: Vec<u8>,
    body: Vec<u8>,
    target: At,
    path: At,
    query: At,
    remote_address: At,
    subprotocol: At,
    /// Of a response.
    reason: At,
    headers: Vec<(At, At)>,
    version: Version,
    remote: Peer,
    local: Peer,
}

impl Request {
    /// Copies what a request head says.
    #[must_use]
    pub fn new(head: &RequestHead<'_>, remote: Peer, local: Peer) -> Self {
        let line = [head.method(), head.target(), head.path(), head.query().unwrap_or_default()];
        Self { version: head.version(), ..Self::put_together(0, line, head.headers(), remote, local) }
    }

    /// Copies what a response says that answers a GET of `target`.
    #[must_use]
    pub fn answered<'a>(
        target: &str,
        status: u16,
        headers: impl Iterator<Item = (&'a str, &'a [u8])>,
        remote: Peer,
        local: Peer,
    ) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Self::put_together(status, ["GET", target, path, query], headers, remote, local)
    }

    fn put_together<'a>(
        status: u16,
        [method, target, path, query]: [&str; 4],
        headers: impl Iterator<Item = (&'a str, &'a [u8])>,
        remote: Peer,
        local: Peer,
    ) -> Self {
        let mut text = Vec::with_capacity(512);
        put(&mut text, method.as_bytes());
        let target = put(&mut text, target.as_bytes());
        let path = put(&mut text, path.as_bytes());
        let query = put(&mut text, query.as_bytes());
        let remote_address = put(&mut text, remote.address().as_bytes());
        let subprotocol = put(&mut text, b"");
        let reason = subprotocol;
        let headers = headers.map(|(name, value)| (put(&mut text, name.as_bytes()), put(&mut text, value))).collect();
        let (body, version) = (Vec::new(), Version::Http11);
        Self {
            status,
            text,
            body,
            target,
            path,
            query,
            remote_address,
            subprotocol,
            reason,
            headers,
            version,
            remote,
            local,
        }
    }

    /// The same with a body.
    #[must_use]
    pub fn with_body(self, body: Vec<u8>) -> Self {
        Self { body, ..self }
    }

    /// The same with the subprotocol that was chosen for it.
    #[must_use]
    pub fn with_subprotocol(mut self, subprotocol: &str) -> Self {
        self.subprotocol = put(&mut self.text, subprotocol.as_bytes());
        self
    }

    /// The same with this reason phrase.
    #[must_use]
    pub fn with_reason(mut self, reason: &[u8]) -> Self {
        self.reason = put(&mut self.text, reason);
        self
    }

    /// The reason phrase of a response, empty if it has none or is a request.
    #[must_use]
    pub fn reason(&self) -> &CStr {
        self.at(self.reason)
    }

    /// The status of a response, 0 of a request.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// The version of a request; of a response that of the request that it answers.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// `GET` and the like.
    #[must_use]
    pub fn method(&self) -> &CStr {
        self.at(0)
    }

    /// Path and query as they were sent.
    #[must_use]
    pub fn target(&self) -> &CStr {
        self.at(self.target)
    }

    /// The target up to the question mark.
    #[must_use]
    pub fn path(&self) -> &CStr {
        self.at(self.path)
    }

    /// The target behind the question mark, empty if there is none.
    #[must_use]
    pub fn query(&self) -> &CStr {
        self.at(self.query)
    }

    /// The first header field of this name, in any case.
    #[must_use]
    pub fn header(&self, name: &CStr) -> Option<&CStr> {
        let same = |at: At| self.at(at).to_bytes().eq_ignore_ascii_case(name.to_bytes());
        self.headers.iter().find(|(at, _)| same(*at)).map(|(_, value)| self.at(*value))
    }

    /// The number of header fields.
    #[must_use]
    pub fn header_count(&self) -> usize {
        self.headers.len()
    }

    /// Name and value of a header field, in the order they were sent.
    #[must_use]
    pub fn header_at(&self, index: usize) -> Option<(&CStr, &CStr)> {
        self.headers.get(index).map(|(name, value)| (self.at(*name), self.at(*value)))
    }

    /// The IP address of the far end, or `unix`.
    #[must_use]
    pub fn remote_address(&self) -> &CStr {
        self.at(self.remote_address)
    }

    /// The body; empty if there is none.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The subprotocol that was chosen, empty if none was.
    #[must_use]
    pub fn subprotocol(&self) -> &CStr {
        self.at(self.subprotocol)
    }

    /// The port of the far end, 0 over a Unix socket.
    #[must_use]
    pub fn remote_port(&self) -> u16 {
        self.remote.port()
    }

    /// The port that the connection came in at, 0 over a Unix socket.
    #[must_use]
    pub fn local_port(&self) -> u16 {
        self.local.port()
    }

    /// The far end.
    #[must_use]
    pub const fn remote(&self) -> Peer {
        self.remote
    }

    /// Our end.
    #[must_use]
    pub const fn local(&self) -> Peer {
        self.local
    }

    /// The memory it takes, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        size_of::<Self>()
            + self.text.capacity()
            + self.body.capacity()
            + self.headers.capacity() * size_of::<(At, At)>()
    }

    fn at(&self, at: At) -> &CStr {
        CStr::from_bytes_until_nul(&self.text[at as usize..]).unwrap_or_default()
    }
}

fn put(text: &mut Vec<u8>, bytes: &[u8]) -> At {
    let at = text.len() as At;
    text.extend_from_slice(bytes);
    text.push(0);
    at
}
