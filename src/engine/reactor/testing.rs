//! What tests of a reactor's parts have in common: one that a script drives, and connections that are open from the start.

use super::super::connection::{Connection, State};
use super::super::delivery::{Delivery, Handler};
use super::super::link::Link;
use super::super::registry::{ConnId, Phase};
use super::super::request::Request;
use super::super::site::Site;
use super::Reactor;
use crate::cause::Cause;
use crate::options::Options;
use crate::protocol::Role;
use crate::protocol::decoder::Kind;
use crate::sys::socket::Socket;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

/// A host that does nothing.
pub struct Silent;

impl Handler for Silent {
    fn open(&self, _: ConnId, _: &Request) {}
    fn message(&self, _: ConnId, _: Kind, _: &[u8]) {}
    fn drain(&self, _: ConnId) {}
    fn close(&self, _: ConnId, _: u16, _: &str, _: Cause) {}
    fn request(&self, _: ConnId, _: &Request) -> bool {
        false
    }
    fn decides(&self) -> bool {
        false
    }
    fn handshake(&self, _: ConnId, _: &Request) {}
}

/// A reactor that listens nowhere.
pub fn reactor(role: Role, mut options: Options, delivery: impl FnOnce(&Arc<Link>) -> Delivery) -> Reactor {
    options.settle().unwrap();
    let link = Arc::new(Link::new(role, 0, &Arc::new(options), &Arc::default(), None).unwrap());
    let site = Arc::new(Site { links: vec![Arc::clone(&link)], ..Site::default() });
    let delivery = delivery(&link);
    Reactor::new(link, site, Vec::new(), delivery).unwrap()
}

/// A reactor of a server whose host does nothing.
pub fn silent(options: Options) -> Reactor {
    reactor(Role::Server, options, |_| Delivery::Callbacks(Arc::new(Silent)))
}

/// Gives a reactor an open connection.
pub fn open(reactor: &mut Reactor, socket: OwnedFd) -> ConnId {
    let socket = Socket::from(socket);
    let id = reactor.ids.take(&reactor.link.registry).unwrap();
    let mut conn = Box::new(Connection::new(reactor.link.role, id, socket, reactor.now));
    reactor.epoll.add(conn.wire.socket.as_fd(), id).unwrap();
    conn.wire.state = State::Open;
    assert!(reactor.link.registry.change_phase(id, Phase::Shut, Phase::Open));
    reactor.place(conn);
    id
}

/// The same, with a stream to its peer.
pub fn open_stream(reactor: &mut Reactor) -> (ConnId, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    theirs.set_nonblocking(true).unwrap();
    (open(reactor, ours.into()), theirs)
}
