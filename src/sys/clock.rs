//! The monotonic clock, in milliseconds.

use std::sync::OnceLock;
use std::time::{Instant, SystemTime};

/// Milliseconds since the first call in this process. Never goes back.
#[must_use]
pub fn now_ms() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_millis() as u64
}

/// When [`now_ms`] was 0, in milliseconds of Unix time, by the system's clock as it is set now.
#[must_use]
pub fn epoch_ms() -> u64 {
    let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    unix.map_or(0, |since| since.as_millis() as u64).saturating_sub(now_ms())
}
