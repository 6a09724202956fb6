//! Accepting connections, up to the limit and to what the system has descriptors for.

use super::super::connection::{Connection, Wire};
use super::super::link::TURNED_AWAY;
use super::super::log::Level;
use super::super::timers::Tick;
use super::sending::mark_dirty;
use super::{Fate, Listening, Reactor};
use crate::protocol::Role;
use crate::protocol::http::Refusal;
use crate::sys::socket::{Listener, Peer, Socket, is_lasting};
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

/// Connections that are accepted in a turn.
const ACCEPTS_PER_TURN: usize = 256;

/// How long accepting pauses at most when there are no descriptors left, in ticks: others in the process may close some.
const ACCEPT_PAUSE: Tick = 10;

impl Reactor {
    pub(super) fn accept(&mut self) {
        if self.is_host_behind() {
            return;
        }
        for index in 0..self.listeners.len() {
            for _ in 0..ACCEPTS_PER_TURN {
                let listening = &mut self.listeners[index];
                if !listening.waiting || listening.paused_until.is_some() {
                    break;
                }
                let next = listening.next(self.now);
                self.take_in(next);
            }
        }
    }

    /// Takes in what came of [`Listening::next`].
    pub(super) fn take_in(&mut self, next: io::Result<Option<(Socket, Peer)>>) {
        match next {
            Ok(Some((socket, far_end))) => self.admit(socket, far_end),
            Ok(None) => {}
            Err(error) => {
                self.link.stats.accepts_paused.add(1);
                self.log(Level::Warning, |_| format!("accepting pauses, and is tried again soon: {error}"));
            }
        }
    }

    /// Takes in a connection from `far_end`. That it is gone by now, as is the check of a balancer, shows where it is read.
    fn admit(&mut self, socket: Socket, far_end: Peer) {
        self.link.stats.connections_accepted.add(1);
        let Some(id) = self.ids.take(&self.link.registry) else { return self.drop_arrival() };
        if self.epoll.add(socket.as_fd(), id).is_err() {
            self.ids.give_back(&self.link.registry, id);
            return self.drop_arrival();
        }
        let mut conn = Box::new(Connection::new(Role::Server, id, socket, self.now));
        match self.count_in(&mut conn.wire, far_end) {
            Ok(()) => {
                self.await_introduction(&mut conn.wire, far_end);
                self.arm(&mut conn.wire);
            }
            Err(_) if self.turned_away >= TURNED_AWAY => {
                self.ids.give_back(&self.link.registry, id);
                return self.drop_arrival();
            }
            Err(refusal) => self.refuse_connection(&mut conn.wire, refusal),
        }
        self.place(conn);
        self.keep_pending_few();
    }

    /// Puts a connection into its slot.
    pub(super) fn place(&mut self, conn: Box<Connection>) {
        let slot = self.link.registry.slot_of(conn.wire.id);
        if slot >= self.connections.len() {
            self.connections.resize_with(slot + 1, || None);
        }
        self.connections[slot] = Some(conn);
        self.link.stats.connections_open.set(self.ids.live() as u64);
    }

    /// Counts a connection that is dropped without a word.
    fn drop_arrival(&mut self) {
        self.log(Level::Info, |_| "a connection was dropped without a word: too many are being refused".to_owned());
        self.link.stats.connections_refused.add(1);
        self.link.stats.connections_closed.add(1);
    }

    /// Has those who wait for a descriptor tried again, for one is about to be free.
    pub(super) fn accept_again(&mut self) {
        self.listeners.iter_mut().for_each(|listening| listening.paused_until = None);
    }

    /// Tells a connection that is not counted in why it has to go.
    fn refuse_connection(&mut self, wire: &mut Wire, refusal: Refusal) {
        wire.flags.turned_away = true;
        self.turned_away += 1;
        self.link.stats.connections_refused.add(1);
        self.refuse(wire, refusal);
        mark_dirty(wire, &mut self.dirty);
    }

    /// Tells a connection that was counted in why it has to go all the same, if not too many are being told.
    pub(super) fn turn_away(&mut self, wire: &mut Wire, refusal: Refusal) -> Fate {
        if self.turned_away >= TURNED_AWAY {
            return Fate::Ends;
        }
        self.link.census.dismiss();
        self.refuse_connection(wire, refusal);
        Fate::Lives
    }
}

impl Listening {
    pub(super) const fn new(listener: Arc<Listener>) -> Self {
        Self { listener, waiting: false, paused_until: None, starved: false }
    }

    /// The next connection that waits; `None` if there is none, or it is gone again.
    ///
    /// # Errors
    /// Why accepting pauses, when it begins to.
    pub(super) fn next(&mut self, now: Tick) -> io::Result<Option<(Socket, Peer)>> {
        match self.listener.accept() {
            Ok(accepted) => {
                self.starved = false;
                Ok(Some(accepted))
            }
            Err(error) if is_lasting(&error) => {
                self.paused_until = Some(now.wrapping_add(ACCEPT_PAUSE));
                if std::mem::replace(&mut self.starved, true) { Ok(None) } else { Err(error) }
            }
            Err(error) => {
                self.waiting &= error.kind() != io::ErrorKind::WouldBlock;
                Ok(None)
            }
        }
    }
}
