//! What a reactor writes to the log, and how it names those it speaks of.

use super::super::connection::Wire;
use super::super::log::Level;
use super::Reactor;
use super::proxies::Introduction;
use crate::protocol::proxy::Source;
use crate::sys::socket::Peer;
use std::sync::Arc;

impl Reactor {
    /// Writes a message, if anybody wants to know. It is made up only then.
    #[inline]
    pub(super) fn log(&mut self, level: Level, message: impl FnOnce() -> String) {
        if self.site.log.wants(level) {
            self.write(level, message);
        }
    }

    #[cold]
    fn write(&mut self, level: Level, message: impl FnOnce() -> String) {
        if self.delivery.is_full() || !self.ration.take(self.now_ms) {
            return self.link.stats.logs_dropped.add(1);
        }
        match &self.site.log.logger {
            Some(logger) => Arc::clone(logger).log(level, &message()),
            None => self.delivery.log(level, &message()),
        }
    }

    /// Says where the server listens.
    pub(super) fn log_start(&mut self) {
        for index in 0..self.listeners.len() {
            let listener = Arc::clone(&self.listeners[index].listener);
            self.log(Level::Notice, || format!("listening on {}", listener.address()));
        }
    }
}

/// A connection as the log names it: its id, and its far end, or whoever its proxy says it was made for.
pub(super) fn named(wire: &Wire) -> String {
    let far_end = match wire.socket.peer() {
        Ok(Peer::Tcp(address)) => address.to_string(),
        Ok(Peer::Unix) => "unix".to_owned(),
        Err(_) => "a peer that is gone".to_owned(),
    };
    match wire.http.as_ref().and_then(|http| http.introduction) {
        Some(Introduction::Given(Source::Client(client))) => {
            format!("connection {} of {client}, through {far_end}", wire.id)
        }
        _ => format!("connection {} of {far_end}", wire.id),
    }
}
