//! Large buffers on their way back: a megabyte that was used once is cheaper to use again than to ask the system for,
//! page by page.

/// Buffers smaller than this are left to the allocator, in bytes.
pub const POOLED_MIN: usize = 64 * 1024;

/// What a pool keeps at most, in bytes and in buffers.
const KEPT_BYTES: usize = 8 * 1024 * 1024;
const KEPT_BUFFERS: usize = 32;

/// Empty buffers, bounded in number and size.
#[derive(Debug, Default)]
pub struct Pool {
    buffers: Vec<Vec<u8>>,
    bytes: usize,
}

impl Pool {
    /// A buffer from the pool, or an empty one.
    #[must_use]
    pub fn take(&mut self) -> Vec<u8> {
        let buffer = self.buffers.pop().unwrap_or_default();
        self.bytes -= buffer.capacity();
        buffer
    }

    /// Keeps a buffer for reuse if it is large and there is room for it.
    pub fn give(&mut self, mut buffer: Vec<u8>) {
        let size = buffer.capacity();
        if size >= POOLED_MIN && self.bytes + size <= KEPT_BYTES && self.buffers.len() < KEPT_BUFFERS {
            buffer.clear();
            self.bytes += size;
            self.buffers.push(buffer);
        }
    }

    /// Takes over what another pool has, as far as there is room.
    pub fn give_all(&mut self, other: &mut Self) {
        other.bytes = 0;
        for buffer in other.buffers.drain(..) {
            self.give(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_buffers_come_back_empty_and_small_ones_do_not() {
        let mut pool = Pool::default();
        pool.give(vec![1; POOLED_MIN]);
        pool.give(vec![1; 10]);
        assert!(pool.take().capacity() >= POOLED_MIN);
        assert_eq!(pool.take().capacity(), 0);
    }

    #[test]
    fn a_pool_is_bounded() {
        let mut pool = Pool::default();
        for _ in 0..100 {
            pool.give(Vec::with_capacity(1 << 20));
        }
        assert!(pool.bytes <= KEPT_BYTES);
        let mut other = Pool::default();
        other.give_all(&mut pool);
        assert_eq!((pool.bytes, pool.take().capacity()), (0, 0));
        assert!(other.take().capacity() >= 1 << 20);
    }
}
