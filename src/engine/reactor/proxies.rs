//! Connections that a proxy has made for somebody else: who that is. Only the proxies that the options name are asked.

use super::super::connection::Wire;
use super::Reactor;
use crate::protocol::forwarded;
use crate::protocol::http::{Refusal, RequestHead};
use crate::protocol::proxy::{self, Source, Status};
use crate::sys::socket::Peer;

/// What has become of the header that a connection may have to begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Introduction {
    /// It is still to come.
    Awaited,
    /// It has come, and names whoever the connection was made for.
    Given(Source),
}

impl Reactor {
    /// Has a connection begin with a header of the PROXY protocol if it comes from a proxy that is trusted.
    pub(super) fn await_introduction(&self, wire: &mut Wire, far_end: Peer) {
        if self.link.options.proxy_protocol && self.is_trusted(far_end) {
            wire.http().introduction = Some(Introduction::Awaited);
        }
    }

    /// Whether this end of a connection is believed.
    pub(super) fn is_trusted(&self, peer: Peer) -> bool {
        match peer {
            Peer::Tcp(address) => self.site.trusted.has(address.ip()),
            Peer::Unix => self.site.trusted.has_unix(),
        }
    }

    /// Takes the header that a connection has to begin with, if it does, off the start of `input`. Returns how many bytes that
    /// was, or `None` as long as there is no going on.
    pub(super) fn read_introduction(&mut self, wire: &mut Wire, input: &[u8]) -> Option<usize> {
        if wire.http().introduction != Some(Introduction::Awaited) {
            return Some(0);
        }
        match proxy::read(input) {
            Status::Partial => {
                self.arm(wire);
                None
            }
            Status::Complete { source, length } => {
                wire.http().introduction = Some(Introduction::Given(source));
                let refusal = match source {
                    Source::Client(address) if !self.is_trusted(Peer::Tcp(address)) => {
                        self.count_address(wire, address.ip()).err()
                    }
                    // What another proxy brings is counted where that says it comes from.
                    Source::Client(_) | Source::Proxy | Source::Unix => None,
                };
                refusal.map(|refusal| self.refuse(wire, refusal)).is_none().then_some(length)
            }
            Status::Malformed(detail) => {
                self.link.stats.proxy_errors.add(1);
                self.refuse(wire, Refusal { status: 400, detail });
                None
            }
        }
    }

    /// Counts a connection for the client that its proxy names, if it does, or says why it has to go.
    pub(super) fn count_client(&mut self, wire: &mut Wire, head: &RequestHead<'_>) -> Result<(), Refusal> {
        if self.site.trusted.is_empty() || self.link.options.max_connections_per_address == 0 {
            return Ok(());
        }
        match self.client_of(wire, head) {
            Some(client @ Peer::Tcp(address)) if !self.is_trusted(client) => self.count_address(wire, address.ip()),
            _ => Ok(()),
        }
    }

    /// Whom a request is from: the far end of the connection, or whom that end names if it is believed. `None` if the
    /// connection was reset: then there is nothing to tell, least of all that it is a local one.
    pub(super) fn client_of(&self, wire: &mut Wire, head: &RequestHead<'_>) -> Option<Peer> {
        let Ok(far_end) = wire.socket.peer() else {
            wire.flags.broken = true;
            return None;
        };
        let nearest = match wire.http.as_ref().and_then(|http| http.introduction) {
            Some(Introduction::Given(Source::Client(address))) => Peer::Tcp(address),
            Some(Introduction::Given(Source::Unix)) => Peer::Unix,
            // A proxy that cannot tell whom it speaks for has not looked at what that one sends either.
            Some(Introduction::Given(Source::Proxy)) => return Some(far_end),
            Some(Introduction::Awaited) | None => far_end,
        };
        if self.site.trusted.is_empty() || !self.is_trusted(nearest) {
            return Some(nearest);
        }
        Some(forwarded::client(&head.headers(), &self.site.trusted).map_or(nearest, Peer::Tcp))
    }
}
