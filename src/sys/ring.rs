//! Records of bytes from one thread to another through a ring of memory, without a lock.
//!
//! The [`Producer`] writes a record behind the last one and then moves on the mark up to which may be read; the
//! [`Consumer`] reads up to there and then moves on the mark up to which may be written. Each mark is moved by one side
//! alone, so that a record costs neither a lock nor an atomic read-modify-write. Each side may pass from thread to
//! thread with its owner.
//!
//! A record stands in one piece behind its length, on a boundary of eight bytes. One that would not fit before the end of
//! the memory begins at its start again, and so does one that finds the ring empty and its first half used up: as long as
//! little waits at a time, little of the memory is used, and that stays in the processor's cache.

use super::sync::AtomicUsize;
use std::cell::UnsafeCell;
use std::sync::Arc;
use std::sync::atomic::Ordering;

const ALIGN: usize = 8;
const LENGTH: usize = size_of::<u32>();

/// In place of a length: the rest of the memory is left free.
const SKIP: u32 = u32::MAX;

#[repr(align(64))]
struct Mark(AtomicUsize);

struct Memory {
    bytes: Box<[UnsafeCell<u8>]>,
    /// Bytes written and read since the beginning; their places are these counts modulo the size.
    written: Mark,
    read: Mark,
}

// SAFETY: a byte between the two marks is only read, by the one consumer; any other is only accessed by the one producer.
// The marks are stored with `Release` and loaded with `Acquire`, so that accesses of the two sides do not meet.
unsafe impl Sync for Memory {}

/// The end that writes.
pub struct Producer {
    memory: Arc<Memory>,
    written: usize,
    /// Where the other mark was when it was last looked at.
    read: usize,
}

/// The end that reads.
pub struct Consumer {
    memory: Arc<Memory>,
    read: usize,
}

/// A ring of `size` bytes, a power of two.
///
/// # Panics
/// If it is not.
#[must_use]
pub fn ring(size: usize) -> (Producer, Consumer) {
    assert!(size.is_power_of_two() && size >= ALIGN && size < SKIP as usize, "a ring of {size} bytes");
    // Taken from the system as zeroes, and so not before it is used.
    let bytes = Box::into_raw(vec![0_u8; size].into_boxed_slice());
    let memory = Arc::new(Memory {
        // SAFETY: the pointer is from a box that was let go of, and the cell has the layout of what is in it.
        bytes: unsafe { Box::from_raw(bytes as *mut [UnsafeCell<u8>]) },
        written: Mark(AtomicUsize::new(0)),
        read: Mark(AtomicUsize::new(0)),
    });
    (Producer { memory: Arc::clone(&memory), written: 0, read: 0 }, Consumer { memory, read: 0 })
}

impl Memory {
    fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Copies `bytes` to the place of a position and returns the position behind them.
    ///
    /// # Safety
    /// The bytes fit before the end of the memory, and the calling side owns them.
    #[inline]
    unsafe fn write(&self, position: usize, bytes: &[u8]) -> usize {
        let at = position & (self.size() - 1);
        debug_assert!(at + bytes.len() <= self.size());
        // SAFETY: the contract of this function; what is copied is borrowed, and so lies outside of the ring.
        unsafe {
            let to = UnsafeCell::raw_get(self.bytes.as_ptr().add(at));
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len());
        }
        position + bytes.len()
    }

    /// The bytes from the place of a position on.
    ///
    /// # Safety
    /// They do not reach beyond the end of the memory, and the calling side owns them as long as they are borrowed.
    #[inline]
    unsafe fn read(&self, position: usize, length: usize) -> &[u8] {
        let at = position & (self.size() - 1);
        debug_assert!(at + length <= self.size());
        // SAFETY: the contract of this function.
        unsafe { std::slice::from_raw_parts(UnsafeCell::raw_get(self.bytes.as_ptr().add(at)), length) }
    }
}

impl Producer {
    /// Writes a record that is made up of `parts`. `false` if there is no room for it.
    #[inline]
    #[must_use]
    pub fn push(&mut self, parts: [&[u8]; 3]) -> bool {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let size = self.memory.size();
        if length > size / 2 {
            return false;
        }
        let record = (LENGTH + length).next_multiple_of(ALIGN);
        let at = self.written & (size - 1);
        let starts_again = record > size - at || at >= size / 2 && self.is_empty();
        let skipped = if starts_again { size - at } else { 0 };
        if !self.has_room(skipped + record) {
            return false;
        }
        // SAFETY: there is room up to the other mark, and the bytes there are this side's; the end of the memory is a
        // multiple of the alignment away, so that a length always fits before it, and the record does by `skipped`.
        unsafe {
            if skipped > 0 {
                self.memory.write(self.written, &SKIP.to_ne_bytes());
            }
            let mut at = self.memory.write(self.written + skipped, &(length as u32).to_ne_bytes());
            for part in parts {
                at = self.memory.write(at, part);
            }
        }
        self.written += skipped + record;
        self.memory.written.0.store(self.written, Ordering::Release);
        true
    }

    #[inline]
    fn has_room(&mut self, bytes: usize) -> bool {
        let room = |read: usize| self.memory.size() - (self.written - read);
        if bytes > room(self.read) {
            self.read = self.memory.read.0.load(Ordering::Acquire);
        }
        bytes <= self.memory.size() - (self.written - self.read)
    }

    /// Whether nobody is left to read it.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        Arc::strong_count(&self.memory) == 1
    }

    /// Whether everything has been read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.written == self.memory.read.0.load(Ordering::Relaxed)
    }
}

impl Consumer {
    /// Up to where records may be read.
    #[must_use]
    pub fn end(&self) -> usize {
        self.memory.written.0.load(Ordering::Acquire)
    }

    /// Whether there are records before the position `end` that were not read, if it is one of [`Consumer::end`].
    #[must_use]
    pub const fn has_more(&self, end: usize) -> bool {
        end != self.read
    }

    /// Reads the records before the position `end`, which must be one of [`Consumer::end`]. When
    /// `action` returns, they are given back.
    #[inline]
    pub fn read<T>(&mut self, end: usize, action: impl FnOnce(Records<'_>) -> T) -> T {
        // A position may be one that was read up to before.
        let is_ahead = end.wrapping_sub(self.read) <= self.end().wrapping_sub(self.read);
        let end = if is_ahead { end } else { self.read };
        let result = action(Records { memory: &self.memory, at: self.read, end });
        self.read = end;
        self.memory.read.0.store(end, Ordering::Release);
        result
    }
}

/// The records that a [`Consumer`] reads.
#[derive(Clone)]
pub struct Records<'a> {
    /// Between `at` and `end` everything was written, and is the consumer's as long as this is borrowed.
    memory: &'a Memory,
    at: usize,
    end: usize,
}

impl<'a> Iterator for Records<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        if self.at == self.end {
            return None;
        }
        // SAFETY: records stand whole between the two positions, and one begins at the first, or it is left out up to the
        // end of the memory, where one begins.
        unsafe {
            if self.length() == SKIP {
                let size = self.memory.size();
                self.at += size - (self.at & (size - 1));
            }
            let length = self.length() as usize;
            let start = self.at + LENGTH;
            self.at += (LENGTH + length).next_multiple_of(ALIGN);
            Some(self.memory.read(start, length))
        }
    }
}

impl Records<'_> {
    /// # Safety
    /// A record begins here, or is left out.
    unsafe fn length(&self) -> u32 {
        let mut bytes = [0; LENGTH];
        // SAFETY: the contract of this function.
        bytes.copy_from_slice(unsafe { self.memory.read(self.at, LENGTH) });
        u32::from_ne_bytes(bytes)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn take_all(consumer: &mut Consumer) -> Vec<Vec<u8>> {
        consumer.read(consumer.end(), |records| records.map(<[u8]>::to_vec).collect())
    }

    #[test]
    fn records_come_out_whole_and_in_order_past_the_end_of_the_memory() {
        let (mut producer, mut consumer) = ring(512);
        for round in 0..200_u8 {
            let parts: Vec<Vec<u8>> = (0..3).map(|i| vec![round ^ i; usize::from(round % 23)]).collect();
            for _ in 0..2 {
                assert!(producer.push([&parts[0], &parts[1], &parts[2]]), "round {round}");
            }
            assert_eq!(take_all(&mut consumer), [parts.concat(), parts.concat()]);
        }
    }

    #[test]
    fn a_full_ring_takes_no_more_until_it_was_read() {
        let (mut producer, mut consumer) = ring(64);
        let mut count = 0;
        while producer.push([b"12345678", b"", b""]) {
            count += 1;
        }
        assert_eq!(count, 4);
        assert_eq!(take_all(&mut consumer).len(), 4);
        assert!(producer.push([b"", b"again", b""]));
        assert_eq!(take_all(&mut consumer), [b"again"]);
        assert!(!producer.push([&[0; 33], b"", b""]));
    }

    #[test]
    fn a_ring_that_runs_empty_uses_no_more_of_its_memory_than_it_needs() {
        let (mut producer, mut consumer) = ring(1024);
        let mut places = std::collections::HashSet::new();
        for _ in 0..100 {
            for _ in 0..2 {
                assert!(producer.push([b"12345678", b"", b""]));
            }
            consumer.read(consumer.end(), |records| places.extend(records.map(|record| record.as_ptr().addr())));
        }
        assert_eq!(places.len(), 1024 / 2 / 16);
    }

    #[test]
    fn reading_stops_at_the_position_asked_for() {
        let (mut producer, mut consumer) = ring(1024);
        assert!(producer.push([b"one", b"", b""]));
        let end = consumer.end();
        assert!(producer.push([b"two", b"", b""]));
        assert!(consumer.read(end, |records| records.eq([b"one"])));
        assert!(consumer.read(end, |mut records| records.next().is_none()));
        assert!(consumer.read(consumer.end(), |records| records.clone().eq([b"two"]) && records.eq([b"two"])));
        assert!(consumer.read(end, |mut records| records.next().is_none()));
    }

    #[test]
    fn two_threads_lose_and_mix_nothing() {
        const COUNT: u32 = if cfg!(miri) { 300 } else { 100_000 };
        let (mut producer, mut consumer) = ring(4096);
        let writer = std::thread::spawn(move || {
            for i in 0..COUNT {
                let body = vec![i as u8; (i % 97) as usize];
                while !producer.push([&i.to_ne_bytes(), &body, &i.to_ne_bytes()]) {
                    std::thread::yield_now();
                }
            }
        });
        let mut expected = 0_u32;
        while expected < COUNT {
            consumer.read(consumer.end(), |records| {
                for record in records {
                    let body = vec![expected as u8; (expected % 97) as usize];
                    let number = expected.to_ne_bytes();
                    assert_eq!(record, [&number[..], &body, &number].concat());
                    expected += 1;
                }
            });
            std::thread::yield_now();
        }
        writer.join().unwrap();
    }
}
