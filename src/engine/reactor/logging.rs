//! What a reactor writes to the log, and how it names those it speaks of.

use super::super::connection::Wire;
use super::super::link::Link;
use super::super::log::Level;
use super::Reactor;
use super::proxies::Introduction;
use crate::protocol::proxy::Source;
use crate::sys::barrier;
use std::sync::Arc;

impl Reactor {
    /// Writes a message, if anybody wants to know. It is made up only then.
    #[inline]
    pub(super) fn log(&mut self, level: Level, message: impl FnOnce(&Link) -> String) {
        if self.site.log.wants(level) {
            self.write(level, message);
        }
    }

    #[cold]
    fn write(&mut self, level: Level, message: impl FnOnce(&Link) -> String) {
        if self.delivery.is_full() || !self.ration.take(level, self.now_ms) {
            return self.link.stats.logs_dropped.add(1);
        }
        let link = Arc::clone(&self.link);
        match &self.site.log.logger {
            Some(logger) => Arc::clone(logger).log(level, &message(&link)),
            None => self.delivery.log(level, &message(&link)),
        }
    }

    /// Says where the server listens.
    pub(super) fn log_start(&mut self) {
        for index in 0..self.listeners.len() {
            let listener = Arc::clone(&self.listeners[index].listener);
            self.log(Level::Notice, |_| format!("listening on {}", listener.address()));
        }
        if self.ring.is_some() && !barrier::is_cheap() {
            let why = "the system does not permit membarrier(2): each push of a host that polls takes a little longer";
            self.log(Level::Notice, |_| why.to_owned());
        }
    }
}

/// A connection as the log names it: its id, and whom it comes from; before its request is known, its far end, and
/// whoever its proxy says it was made for.
pub(super) fn named(link: &Link, wire: &Wire) -> String {
    let id = wire.id;
    if let Some(client) = link.facts.remote(link.registry.slot_of(id)) {
        return format!("connection {id} of {client}");
    }
    let far_end = wire.socket.peer().map_or_else(|_| "a peer that is gone".to_owned(), |peer| peer.to_string());
    match wire.http.as_ref().and_then(|http| http.introduction) {
        Some(Introduction::Given(Source::Client(client))) => format!("connection {id} of {client}, through {far_end}"),
        _ => format!("connection {id} of {far_end}"),
    }
}
