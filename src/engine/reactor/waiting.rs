//! Before a peer is timed out: what it has sent is heard, and what it still takes is seen.
//!
//! A reactor that was held up, by a pause of the process or by a long callback, finds more in the kernel than it reads in
//! one turn, and every deadline passed. So no connection is cut for silence before it was read from, and none before the
//! kernel was asked whether its peer still takes what was sent: a Ping, a Close frame or the end of a response may stand
//! behind megabytes there. Both cost system calls, and only a connection whose time is over pays them.

use super::super::connection::{State, Wire};
use super::super::sparse::Sparse;
use super::super::timers::{TICK_MS, Tick, ticks_in};
use super::Reactor;
use std::time::Duration;

/// Bytes before a Ping that a peer is believed to take in no time.
const AHEAD_MIN: u64 = 4096;

/// What was waiting for a peer when it was last looked at.
#[derive(Debug, Clone, Copy)]
struct Watch {
    /// What it had taken, as [`crate::sys::socket::Progress`] counts that.
    taken: i64,
    /// From here on it is no sign of life: what follows was sent behind the Ping that it owes the answer to.
    end: i64,
}

/// Connections that were given more time.
#[derive(Debug, Default)]
pub(super) struct Watches {
    /// Those for which more was waiting than passes in no time.
    taking: Sparse<Watch>,
    /// Those whose time was put off, since we were held up when it was over: once for all that is waited for then.
    pub(super) excused: Sparse<()>,
}

impl Watches {
    /// Forgets one, if it is there.
    #[inline]
    pub(super) fn forget(&mut self, slot: usize) {
        self.taking.remove(slot);
        self.excused.remove(slot);
    }
}

impl Reactor {
    // ---- what a peer has sent ----------------------------------------------------------------------------------

    /// Reads what the kernel holds of the connection in a slot at this moment, and sends what there is room for. The
    /// connection may be gone after that, or have another id.
    pub(super) fn hear_out(&mut self, slot: usize) {
        let mut left = usize::MAX;
        while let Some(id) = self.id_in(slot) {
            if self.delivery.is_immediate() {
                self.take_commands(false);
            }
            let before = self.link.stats.bytes_in.get();
            self.with(id, |reactor, conn| {
                conn.wire.flags.readable = true;
                reactor.serve(conn, true)
            });
            let read = (self.link.stats.bytes_in.get() - before) as usize;
            let there = self.connections.get(slot).and_then(Option::as_deref);
            let Some(wire) = there.map(|conn| &conn.wire).filter(|wire| wire.flags.readable && read > 0) else {
                return;
            };
            // More may come while this is read: that has its time like everything else.
            left = if left == usize::MAX { wire.socket.unread() } else { left.saturating_sub(read) };
            if left == 0 {
                return;
            }
        }
    }

    /// Whether connections that bring events cannot be read from now.
    #[inline(always)]
    pub(super) fn is_deaf(&mut self) -> bool {
        self.owes_host || self.link.is_crowded() || self.is_host_behind() || self.for_host && self.delivery.has_news()
    }

    /// Whether a peer may have sent what it is waited for, and cannot be heard now. Of one that has sent nothing this is never
    /// so, or a host with something to do at all times would have no deadline kept.
    pub(super) fn is_unheard(&mut self, wire: &Wire) -> bool {
        self.is_deaf() && (self.host_behind || self.has_next(wire) || wire.socket.unread() > 0)
    }

    /// Whether the connection in a slot has not sent its request whole.
    pub(super) fn owes_request(&self, slot: usize) -> bool {
        self.is_in(slot, |state| matches!(state, State::Handshake | State::Body))
    }

    /// Whether there is a connection in a slot whose state is such.
    pub(super) fn is_in(&self, slot: usize, is_such: impl FnOnce(&State) -> bool) -> bool {
        self.connections.get(slot).and_then(Option::as_deref).is_some_and(|conn| is_such(&conn.wire.state))
    }

    // ---- what a peer takes -------------------------------------------------------------------------------------

    /// Notes what a Ping that was just queued stands behind.
    pub(super) fn watch_ping(&mut self, wire: &Wire) {
        let slot = self.link.registry.slot_of(wire.id);
        let ahead = wire.socket.untaken() as u64 + wire.queued() as u64;
        if ahead < AHEAD_MIN {
            return self.watches.forget(slot);
        }
        let progress = wire.socket.progress();
        let end = if progress.is_exact { progress.taken.saturating_add_unsigned(ahead) } else { i64::MAX };
        self.watches.taking.insert(slot, Watch { taken: progress.taken, end });
    }

    /// Whether a peer that owes an answer has taken something within `time` of what stands before the question. If so,
    /// its time begins anew.
    pub(super) fn still_takes(&mut self, wire: &mut Wire, time: Duration) -> bool {
        let slot = self.link.registry.slot_of(wire.id);
        let watch = self.watches.taking.get(slot).copied();
        if watch.is_none() && matches!(wire.state, State::Open) {
            // Nothing stood before the Ping.
            return false;
        }
        let progress = wire.socket.progress();
        let since = match watch {
            Some(watch) => (watch.taken < watch.end && watch.taken < progress.taken).then_some(self.now),
            None if wire.socket.untaken() == 0 => None,
            None => {
                let stalled = progress.stalled.unwrap_or_default();
                let ticks = (stalled.as_millis() / u128::from(TICK_MS)) as Tick;
                (stalled < time && ticks < ticks_in(time)).then_some(self.now.wrapping_sub(ticks))
            }
        };
        let Some(since) = since else {
            self.watches.forget(slot);
            return false;
        };
        let end = watch.map_or(i64::MAX, |watch| watch.end);
        self.watches.taking.insert(slot, Watch { taken: progress.taken, end });
        wire.since = since;
        true
    }
}
