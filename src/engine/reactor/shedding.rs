//! What messages that are arriving take of memory, over all connections of the reactor, and who makes room when that is too much.

use super::super::connection::State;
use super::super::registry::ConnId;
use super::super::timers::Tick;
use super::{Fate, Reactor};
use crate::cause::Cause;
use crate::protocol::close;
use crate::protocol::decoder::Decoder;
use std::cmp::Reverse;

const TOO_MUCH: &str = "too many messages at a time (max_message_bytes)";

impl Reactor {
    /// Counts what a decoder holds, which was `before`, and nothing any more if its connection ends.
    #[inline]
    pub(super) fn count_arriving(&mut self, before: usize, decoder: &mut Decoder, lives: bool) {
        let held = if lives { decoder.held() } else { 0 };
        if held != before {
            self.arriving = self.arriving + held as u64 - before as u64;
            self.link.stats.message_bytes.set(self.arriving);
        }
    }

    /// Closes the connections whose messages have stood still the longest, where all of them together take too much: a crowd that
    /// sends halves pushes itself out, and who goes on sending gets through. An eighth of the room is made at once, so that the
    /// search is not paid for each time a message grows.
    #[inline]
    pub(super) fn shed_messages(&mut self) {
        if self.arriving > self.link.options.max_message_bytes {
            self.make_room();
        }
    }

    #[cold]
    fn make_room(&mut self) {
        let most = self.link.options.max_message_bytes;
        let mut holders: Vec<(Tick, Reverse<ConnId>)> = self
            .connections
            .iter()
            .flatten()
            .filter(|conn| conn.decoder.held() > 0)
            .map(|conn| (self.now.wrapping_sub(conn.wire.message_at), Reverse(conn.wire.id)))
            .collect();
        holders.sort_unstable();
        // The one that has moved last stays, be it as large as it may: it is bounded by itself.
        while self.arriving > most - most / 8 && holders.len() > 1 {
            let Some((_, Reverse(id))) = holders.pop() else { return };
            self.with(id, |reactor, conn| {
                conn.decoder.discard();
                if !matches!(conn.wire.state, State::Open | State::Closing) {
                    return Fate::Lives;
                }
                reactor.link.stats.messages_shed.add(1);
                reactor.fail(&mut conn.wire, close::TRY_AGAIN, TOO_MUCH, Cause::WS_CAUSE_MEMORY);
                reactor.flush(&mut conn.wire)
            });
        }
    }
}
