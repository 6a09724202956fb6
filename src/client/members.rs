//! Which client of a loop a connection belongs to, for whoever takes the events of all of them.

use super::core::Core;
use super::lock;
use crate::engine::owner::Tag;
use crate::engine::registry::ConnId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, Weak};

/// The clients of a loop.
#[derive(Default)]
pub struct Members(Mutex<List>);

/// The clients of a loop, for as long as nobody else is to look.
#[derive(Default)]
pub struct List {
    /// Those that are there.
    clients: HashMap<Tag, Weak<Core>>,
    /// Whose a connection is, until it was told as closed.
    conns: HashMap<ConnId, Tag>,
}

impl Members {
    /// Takes a look.
    pub fn list(&self) -> MutexGuard<'_, List> {
        lock(&self.0)
    }

    /// Has those give up that are still to have a connection: their loop is no more.
    pub(super) fn abandon(&self) {
        let cores: Vec<Arc<Core>> = self.list().clients.values().filter_map(Weak::upgrade).collect();
        for core in cores {
            core.abandon();
        }
    }
}

impl List {
    pub(super) fn join(&mut self, tag: Tag, core: Weak<Core>) {
        self.clients.insert(tag, core);
    }

    pub(super) fn leave(&mut self, tag: Tag, conn: ConnId) {
        self.clients.remove(&tag);
        self.conns.remove(&conn);
    }

    pub(super) fn enter(&mut self, conn: ConnId, tag: Tag) {
        self.conns.insert(conn, tag);
    }

    /// Forgets a connection that was told as closed.
    pub fn forget(&mut self, conn: ConnId) {
        self.conns.remove(&conn);
    }

    /// Whose a connection is; `None` if the client is no more.
    #[must_use]
    pub fn of(&self, conn: ConnId) -> Option<Tag> {
        self.conns.get(&conn).copied().filter(|tag| self.has(*tag))
    }

    /// Whether a client is there.
    #[must_use]
    pub fn has(&self, tag: Tag) -> bool {
        self.clients.contains_key(&tag)
    }
}
