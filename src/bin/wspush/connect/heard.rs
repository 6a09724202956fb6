//! When a message came last. One that is still being printed, because whoever reads the output is slow, comes at this moment.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

pub struct Heard {
    start: Instant,
    /// Milliseconds from the start, and one more; or one of the two below.
    after: AtomicU64,
}

const NEVER: u64 = 0;
const PRINTING: u64 = u64::MAX;

impl Heard {
    pub fn new() -> Self {
        Self { start: Instant::now(), after: AtomicU64::new(NEVER) }
    }

    /// Messages have come, and are about to be printed.
    pub fn begin(&self) {
        self.after.store(PRINTING, Ordering::Relaxed);
    }

    /// They are printed.
    pub fn end(&self) {
        let after = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(PRINTING);
        self.after.store(after.saturating_add(1).min(PRINTING - 1), Ordering::Relaxed);
    }

    pub fn last(&self) -> Option<Instant> {
        match self.after.load(Ordering::Relaxed) {
            NEVER => None,
            PRINTING => Some(Instant::now()),
            after => self.start.checked_add(Duration::from_millis(after - 1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_being_printed_comes_now() {
        let heard = Heard::new();
        assert_eq!(heard.last(), None);
        heard.begin();
        let before = Instant::now();
        assert!(heard.last() >= Some(before));
        heard.end();
        assert!(heard.last() <= Some(Instant::now()));
        let last = heard.last();
        assert!(last.is_some() && last == heard.last());
    }
}
