//! Bytes that nobody can predict: masking keys, and the nonces of handshakes.
//!
//! A masking key must be fresh and unpredictable for each frame (RFC 6455 section 5.3), and a system call for each would
//! cost as much as sending the frame. So each thread takes a kilobyte at a time from the kernel's generator. A forked child
//! has that kilobyte as well, and throws it away: both would use the same keys otherwise.

use super::{check_size, process};
use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read};

const STOCK: usize = 1024;

/// Bytes of a thread that were not given out yet.
struct Stock {
    bytes: [u8; STOCK],
    used: usize,
    forks: u32,
}

thread_local! {
    static OWN: RefCell<Stock> = const { RefCell::new(Stock { bytes: [0; STOCK], used: STOCK, forks: 0 }) };
}

/// A masking key.
#[inline]
#[must_use]
pub fn key() -> [u8; 4] {
    OWN.try_with(|own| own.borrow_mut().key()).unwrap_or_else(|_| {
        // The thread has come so far to its end that there is no stock any more.
        let mut key = [0; 4];
        fill(&mut key);
        key
    })
}

/// Fills `bytes` from the kernel's generator.
pub fn fill(bytes: &mut [u8]) {
    let mut filled = 0;
    while filled < bytes.len() {
        let rest = &mut bytes[filled..];
        // SAFETY: the kernel writes at most the length of the slice.
        let count = check_size(unsafe { libc::getrandom(rest.as_mut_ptr().cast(), rest.len(), 0) });
        match count {
            Ok(count) => filled += count,
            // Before the kernel has gathered its first entropy.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // A sandbox may forbid the call, and yet have the device.
            Err(_) => return fill_from_device(rest),
        }
    }
}

/// Without keys there is no client: what is guarded against panics fails then, and nothing else.
fn fill_from_device(bytes: &mut [u8]) {
    let filled = File::open("/dev/urandom").and_then(|mut device| device.read_exact(bytes));
    assert!(filled.is_ok(), "no random numbers: neither getrandom nor /dev/urandom");
}

impl Stock {
    #[inline]
    fn key(&mut self) -> [u8; 4] {
        if self.used == STOCK || self.forks != process::fork_generation() {
            self.renew();
        }
        let at = self.used;
        self.used += 4;
        let key = [self.bytes[at], self.bytes[at + 1], self.bytes[at + 2], self.bytes[at + 3]];
        // Who reads this memory later learns no key that was used.
        self.bytes[at..at + 4].fill(0);
        key
    }

    #[cold]
    #[inline(never)]
    fn renew(&mut self) {
        process::watch_forks();
        self.forks = process::fork_generation();
        fill(&mut self.bytes);
        self.used = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn keys_do_not_come_again() {
        let here: Vec<_> = (0..3000).map(|_| key()).collect();
        let there = std::thread::spawn(|| (0..3000).map(|_| key()).collect::<Vec<_>>()).join().unwrap();
        let all: HashSet<_> = here.iter().chain(&there).collect();
        // Of 6000 keys two are the same once in 240 runs, and ten hardly ever.
        assert!(all.len() > 5990, "{} of 6000", all.len());
    }

    #[test]
    fn the_device_has_some_too() {
        let mut bytes = [0; 64];
        fill_from_device(&mut bytes);
        assert_ne!(bytes, [0; 64]);
    }

    #[test]
    fn a_stock_of_before_a_fork_is_thrown_away() {
        let mut stock = Stock { bytes: [7; STOCK], used: 4, forks: process::fork_generation() };
        assert_eq!(stock.key(), [7; 4]);
        stock.forks = stock.forks.wrapping_sub(1);
        assert_ne!((stock.key(), stock.key()), ([7; 4], [7; 4]));
    }
}
