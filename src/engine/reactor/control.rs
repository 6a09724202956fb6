//! Pings and pongs, of which a connection may send `max_control_frames` a second.
//!
//! They are counted when they are read, and that may be long after they were sent: the process was stopped, the connection paused,
//! or the host behind. So a connection of which nothing was read for a while may have sent as many in each second of that, up to
//! a minute: what lies in the kernel is then within its bounds as well. That holds until the kernel has no more of it. What is
//! kept is kept by those who have sent any within a second, and by those who have been silent, or unread, and whose bytes are
//! still being read.

use super::super::connection::{State, Wire};
use super::super::sparse::Sparse;
use super::super::timers::{TICK_MS, Tick};
use super::Reactor;
use crate::cause::Cause;
use crate::protocol::close;

const SECOND: Tick = (1000 / TICK_MS) as Tick;

/// Silence that counts, at most.
const LONGEST: Tick = 60 * SECOND;

/// Where so many bytes were received at a time, the peer may have more that there was no room for.
const MUCH: usize = 64 * 1024;

/// What a connection may still send.
#[derive(Debug, Clone, Copy)]
struct Allowance {
    left: u64,
    /// There may have been more to read of it when its last one was counted.
    is_behind: bool,
}

/// What is kept for it.
#[derive(Debug, Default)]
pub(super) struct ControlFrames {
    /// By slot, of this second.
    allowances: Sparse<Allowance>,
    /// When this second began.
    second: Tick,
    /// Since when nothing was read of connections, by slot, where they themselves do not say that.
    unread: Sparse<Tick>,
    /// The same of the one that is being read from, as far as it was not taken into account.
    silent_since: Tick,
}

impl ControlFrames {
    /// Forgets a connection, if anything is kept of it.
    #[inline]
    pub(super) fn forget(&mut self, slot: usize) {
        self.allowances.remove(slot);
        self.unread.remove(slot);
    }
}

impl Reactor {
    /// Notes since when nothing was read of a connection that is about to say another time: it is paused, or its peer has shown
    /// otherwise that it is there.
    #[cold]
    pub(super) fn note_unread(&mut self, wire: &Wire, since: Tick) {
        let slot = self.link.registry.slot_of(wire.id);
        let counts = self.link.options.max_control_frames > 0 && matches!(wire.state, State::Open);
        if counts && !self.control.unread.contains(slot) {
            self.control.unread.insert(slot, since);
        }
    }

    /// Since when nothing was read of the connection that is being read from, as far as that was not taken into account.
    pub(super) const fn silent_since(&self) -> Tick {
        self.control.silent_since
    }

    /// Notes since when nothing was read of a connection of which `count` bytes were received now. It is asked before the
    /// connection says that itself.
    #[inline]
    pub(super) fn begin_reading(&mut self, wire: &Wire, count: usize) {
        self.control.silent_since = wire.heard;
        let has_more = wire.flags.readable || count >= MUCH;
        let was_silent = self.now.wrapping_sub(wire.heard) >= SECOND;
        if was_silent && has_more || !self.control.unread.is_empty() {
            self.recall_unread(wire, has_more);
        }
    }

    /// The same for what was received before.
    pub(super) fn begin_reading_kept(&mut self, wire: &Wire) {
        let since = self.control.unread.get(self.link.registry.slot_of(wire.id));
        self.control.silent_since = since.copied().unwrap_or(self.now);
    }

    #[cold]
    fn recall_unread(&mut self, wire: &Wire, has_more: bool) {
        let slot = self.link.registry.slot_of(wire.id);
        let since = self.control.unread.get(slot).copied().unwrap_or(wire.heard);
        self.control.silent_since = since;
        if !has_more {
            self.control.unread.remove(slot);
        } else if self.now.wrapping_sub(since) >= SECOND {
            self.note_unread(wire, since);
        }
    }

    /// Counts a ping or pong, and closes the connection if that is one too many. Whether it may be answered.
    pub(super) fn may_control(&mut self, wire: &mut Wire) -> bool {
        let most = self.link.options.max_control_frames;
        if most == 0 || !matches!(wire.state, State::Open) {
            return true;
        }
        if self.now.wrapping_sub(self.control.second) >= SECOND {
            self.begin_second(most);
        }
        let slot = self.link.registry.slot_of(wire.id);
        let silence = self.now.wrapping_sub(self.control.silent_since);
        let before = self.control.allowances.get(slot).map(|allowance| allowance.left);
        let mut left = before.unwrap_or(most);
        if silence >= SECOND {
            left = left.max(most).saturating_add(most.saturating_mul((silence.min(LONGEST) / SECOND).into()));
            self.control.silent_since = self.now;
            self.control.unread.remove(slot);
        }
        if left == 0 {
            self.link.stats.control_floods.add(1);
            let reason = "too many control frames (max_control_frames)";
            self.fail(wire, close::POLICY_VIOLATION, reason, Cause::WS_CAUSE_CONTROL_FLOOD);
            return false;
        }
        self.control.allowances.insert(slot, Allowance { left: left - 1, is_behind: wire.flags.readable });
        true
    }

    /// Those who are still behind keep what they have left, beside what each may send in this second.
    #[cold]
    fn begin_second(&mut self, most: u64) {
        self.control.second = self.now;
        self.control.allowances.retain(|allowance| {
            let keeps = std::mem::take(&mut allowance.is_behind);
            allowance.left = allowance.left.saturating_add(most).min(most.saturating_mul(61));
            keeps
        });
    }
}

#[cfg(test)]
mod tests;
