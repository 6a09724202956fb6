//! Connections that come from a dialer, and the clients that they belong to.

use super::super::connection::{Connection, Leftover, State};
use super::super::delivery::Delivery;
use super::super::owner::{ClientHandler, Failed, Next, Owner};
use super::super::registry::{ConnId, Phase};
use super::super::request::Request;
use super::{Fate, Reactor};
use crate::cause::Cause;
use crate::error::Status;
use crate::protocol::Role;
use crate::protocol::close;
use crate::sys::socket::Socket;
use std::os::fd::AsFd;
use std::sync::Arc;

/// A connection that was made for a client, and is a WebSocket.
pub struct Newcomer {
    /// Whose it is.
    pub owner: Arc<dyn Owner>,
    /// Its socket.
    pub socket: Socket,
    /// What was received behind the response.
    pub received: Vec<u8>,
    /// The response, with the subprotocol in it.
    pub response: Arc<Request>,
}

impl std::fmt::Debug for Newcomer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Newcomer").field("tag", &self.owner.tag()).field("socket", &self.socket).finish_non_exhaustive()
    }
}

impl Reactor {
    /// Takes a connection in, and tells its host that it is open.
    pub(super) fn adopt(&mut self, newcomer: Newcomer) {
        let Newcomer { owner, socket, received, response } = newcomer;
        self.link.stats.connections_accepted.add(1);
        let Some(id) = self.ids.take(&self.link.registry) else {
            return self.refuse_newcomer(
                &*owner,
                Status::WS_ERR_LIMIT,
                "the loop has as many connections as it can have",
            );
        };
        if let Err(error) = self.epoll.add(socket.as_fd(), id) {
            self.ids.give_back(&self.link.registry, id);
            return self.refuse_newcomer(&*owner, Status::WS_ERR_SYSTEM, &format!("watch the connection: {error}"));
        }
        // Before its client has it, for that may push at once: what it pushes comes behind what was kept.
        self.link.registry.change_phase(id, Phase::Shut, Phase::Open);
        let Some(kept) = owner.online(id) else {
            self.link.registry.shut(id);
            self.ids.give_back(&self.link.registry, id);
            return self.drop_newcomer();
        };
        let mut conn = Box::new(Connection::new(Role::Client, id, socket, self.now));
        conn.wire.state = State::Open;
        conn.wire.flags.announced = true;
        conn.wire.flags.readable = true;
        conn.pending = Leftover::from(received);
        self.set_owner(self.link.registry.slot_of(id), Some(owner));
        self.place(conn);
        self.link.facts.put(&self.link.registry, id, &response, self.now);
        self.with(id, |reactor, conn| {
            if !kept.frames.is_empty() {
                reactor.sender.append(&mut conn.wire, kept.frames);
                reactor.link.stats.messages_out.add(kept.messages);
            }
            reactor.begin(conn, response)
        });
    }

    /// Tells that a connection is open, and works off what came behind the response.
    fn begin(&mut self, conn: &mut Connection, response: Arc<Request>) -> Fate {
        let id = conn.wire.id;
        self.sender.begin_turn(&conn.wire);
        self.delivery.open(id, response);
        conn.wire.mark = self.delivery.mark();
        self.arm(&mut conn.wire);
        self.close_if_stopping(&mut conn.wire);
        let fate = self.digest_kept(conn);
        self.sender.end_turn(&mut conn.wire);
        self.list_unread(&mut conn.wire);
        if fate == Fate::Ends { fate } else { self.flush(&mut conn.wire) }
    }

    fn refuse_newcomer(&mut self, owner: &dyn Owner, status: Status, detail: &str) {
        self.drop_newcomer();
        if let Some(next) = owner.turned_away() {
            self.tell(owner, Some(&Failed { status, detail: detail.to_owned(), response: None }), next);
        }
    }

    fn drop_newcomer(&self) {
        self.link.stats.connections_refused.add(1);
        self.link.stats.connections_closed.add(1);
    }

    /// Asks the owner of a connection that was told as closed what comes next, and tells that.
    pub(super) fn lose(&mut self, id: ConnId) {
        let slot = self.link.registry.slot_of(id);
        let Some(owner) = self.owners.get_mut(slot).and_then(Option::take) else { return };
        let next = owner.offline(id, self.is_stopping());
        self.tell_next(&*owner, next);
        self.set_owner(slot, None);
    }

    /// Notes whose the connection in a slot is, and whom it calls.
    fn set_owner(&mut self, slot: usize, owner: Option<Arc<dyn Owner>>) {
        if let Delivery::Each(handlers) = &mut self.delivery {
            handlers.put(slot, owner.as_ref().and_then(|owner| owner.handler()));
        }
        if slot >= self.owners.len() {
            self.owners.resize_with(slot + 1, || None);
        }
        self.owners[slot] = owner;
    }

    /// Tells of an attempt to connect that failed, and of what comes next.
    pub(super) fn tell(&mut self, owner: &dyn Owner, failed: Option<&Failed>, next: Next) {
        if let Some(failed) = failed {
            match self.told(owner) {
                Told::Call(handler) => handler.error(failed.status, &failed.detail, failed.response.as_deref()),
                Told::Nobody => {}
                Told::Queue => self.delivery.failed(owner.tag(), failed),
            }
        }
        self.tell_next(owner, next);
    }

    fn tell_next(&mut self, owner: &dyn Owner, next: Next) {
        match (self.told(owner), next) {
            (Told::Call(handler), Next::Retry(delay)) => handler.retry(delay),
            (Told::Call(handler), Next::End) => handler.end(),
            (Told::Nobody, _) => {}
            (Told::Queue, next) => self.delivery.next(owner.tag(), next),
        }
        if next == Next::End {
            owner.ended();
        }
    }

    fn told(&self, owner: &dyn Owner) -> Told {
        match &self.delivery {
            Delivery::Each(_) => owner.handler().map_or(Told::Nobody, Told::Call),
            _ => Told::Queue,
        }
    }

    /// Lets a connection go whose client is no more: with a Close frame if there is room for it, and without a word to the
    /// host.
    pub(super) fn release(&mut self, id: ConnId) {
        let slot = self.link.registry.slot_of(id);
        self.with(id, |reactor, conn| {
            reactor.set_owner(slot, None);
            conn.wire.flags.announced = false;
            reactor.begin_close(&mut conn.wire, Some(close::GOING_AWAY), "client ends", Cause::WS_CAUSE_STOP);
            let _ = reactor.flush(&mut conn.wire);
            Fate::Ends
        });
    }
}

/// Who hears what is not of a connection.
enum Told {
    Call(Arc<dyn ClientHandler>),
    Nobody,
    /// Whoever takes the events.
    Queue,
}

#[cfg(test)]
mod tests;
