//! How many connections there are, over all reactors of a server, where that is limited: in all, before their first
//! request, and from one address. It is looked at when a connection comes and when it goes, never in between.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The addresses that are counted as one: a single IPv4 address, or the 2^64 addresses of an IPv6 subnet, any of which
/// whoever has one of them can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Block(NonZeroU64);

impl Block {
    /// The block of this address. An IPv4 address in the guise of an IPv6 one is counted as what it is.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        /// Above any prefix that a peer can have: ff00::/8 is multicast.
        const IPV4: u64 = 0xffff_ffff_0000_0000;
        let number = match address.to_canonical() {
            IpAddr::V4(v4) => IPV4 | u64::from(u32::from(v4)),
            IpAddr::V6(v6) => (u128::from(v6) >> 64) as u64,
        };
        // The prefix of ::1 is 0, and the one after it is reserved.
        Self(NonZeroU64::new(number).unwrap_or(NonZeroU64::MIN))
    }
}

/// The count.
#[derive(Debug, Default)]
pub struct Census {
    /// Connections within `max_connections`.
    pub admitted: AtomicU64,
    /// Those of them that have not sent their first request whole.
    pub pending: AtomicU64,
    /// Where they come from. A block with no connection has no entry.
    blocks: Mutex<HashMap<Block, u64>>,
}

impl Census {
    /// Counts one connection more, if there are less than `most`. Whether there were.
    pub fn admit(&self, most: u64) -> bool {
        let room = self.admitted.fetch_add(1, Ordering::Relaxed) < most;
        if !room {
            self.dismiss();
        }
        room
    }

    /// Counts one connection less.
    pub fn dismiss(&self) {
        self.admitted.fetch_sub(1, Ordering::Relaxed);
    }

    /// Counts one connection more from this block, if there are less than `most`. Whether there were.
    pub fn enter(&self, block: Block, most: u64) -> bool {
        let mut blocks = self.blocks();
        let count = blocks.entry(block).or_default();
        let room = *count < most;
        *count += u64::from(room);
        room
    }

    /// Counts one connection less from this block.
    pub fn leave(&self, block: Block) {
        let mut blocks = self.blocks();
        if let Some(count) = blocks.get_mut(&block) {
            *count -= 1;
            if *count == 0 {
                blocks.remove(&block);
            }
        }
        // What a crowd has left behind is given back, so that the table is as large as what is there.
        if blocks.capacity() > 1024 && blocks.len() < blocks.capacity() / 8 {
            blocks.shrink_to(1024);
        }
    }

    fn blocks(&self) -> MutexGuard<'_, HashMap<Block, u64>> {
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(address: &str) -> Block {
        Block::of(address.parse().unwrap())
    }

    #[test]
    fn what_counts_as_one() {
        for (one, other) in
            [("192.0.2.7", "::ffff:192.0.2.7"), ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff"), ("::1", "::2")]
        {
            assert_eq!(block(one), block(other), "{one} {other}");
        }
        for (one, other) in [
            ("192.0.2.7", "192.0.2.8"),
            ("2001:db8:1:2::1", "2001:db8:1:3::1"),
            ("0.0.0.0", "::"),
            ("192.0.2.7", "::c000:207"),
        ] {
            assert_ne!(block(one), block(other), "{one} {other}");
        }
    }

    #[test]
    fn a_block_has_room_again_when_one_has_left() {
        let census = Census::default();
        let (one, other) = (block("192.0.2.7"), block("192.0.2.8"));
        assert!(census.enter(one, 2) && census.enter(one, 2));
        assert!(!census.enter(one, 2) && census.enter(other, 2));
        census.leave(one);
        assert!(census.enter(one, 2) && !census.enter(one, 2));
    }

    #[test]
    fn nothing_is_kept_of_those_who_have_left() {
        let census = Census::default();
        let blocks: Vec<_> = (0..100_000_u32).map(|i| Block::of(IpAddr::V4(i.into()))).collect();
        assert!(blocks.iter().all(|block| census.enter(*block, 1)));
        blocks.iter().for_each(|block| census.leave(*block));
        assert!(census.blocks().is_empty() && census.blocks().capacity() < 10_000);
    }
}
