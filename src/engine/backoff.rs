//! How long a client waits before it dials again: longer with each attempt in a row that has come to nothing, and not for as
//! long as its fellows, so that a server that comes back is not met by all of them at once.
//!
//! This is arithmetic; who counts the attempts, draws the random number and keeps the time is the client.

use std::time::Duration;

/// Between which bounds the delays grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// What the first delay is drawn from.
    pub min: Duration,
    /// What no delay exceeds, unless the server asks for it.
    pub max: Duration,
}

impl Backoff {
    /// The delay before another attempt, after `failures` in a row (one that was open for a while counts for none): between half
    /// and all of `min` doubled `failures` times, which is `max` at most. `random` says where in between; any number is as good
    /// as any other. What the server asked for by Retry-After is waited out, and the spread comes on top, for it told
    /// the same to everybody.
    #[must_use]
    pub fn delay(&self, failures: u32, random: u64, retry_after: Option<Duration>) -> Duration {
        let factor = 1u32.checked_shl(failures).unwrap_or(u32::MAX);
        let most = self.min.saturating_mul(factor).min(self.max);
        let (half, spread) = (most / 2, most - most / 2);
        // Which part of the spread, in steps that no clock can tell apart.
        let part = (u128::from(random) * (spread.as_nanos() + 1)) >> u64::BITS;
        let part = Duration::from_nanos(u64::try_from(part).unwrap_or(u64::MAX));
        match retry_after {
            Some(asked) if asked > half => asked.saturating_add(part),
            _ => half + part,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BACKOFF: Backoff = Backoff { min: Duration::from_millis(500), max: Duration::from_secs(30) };

    fn ms(delay: Duration) -> u128 {
        delay.as_millis()
    }

    #[test]
    fn delays_double_up_to_the_most() {
        let rows = [
            (0, 500),
            (1, 1000),
            (2, 2000),
            (3, 4000),
            (5, 16_000),
            (6, 30_000),
            (7, 30_000),
            (31, 30_000),
            (32, 30_000),
            (u32::MAX, 30_000),
        ];
        for (failures, most) in rows {
            assert_eq!(ms(BACKOFF.delay(failures, 0, None)), most / 2, "{failures}");
            assert_eq!(ms(BACKOFF.delay(failures, u64::MAX, None)), most, "{failures}");
            assert_eq!(ms(BACKOFF.delay(failures, u64::MAX / 2, None)), most * 3 / 4, "{failures}");
        }
    }

    #[test]
    fn what_the_server_asks_for_is_a_lower_bound() {
        let asked = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(ms(BACKOFF.delay(0, 0, asked(0))), 250);
        assert_eq!(ms(BACKOFF.delay(0, 0, asked(120))), 120_000);
        assert_eq!(ms(BACKOFF.delay(0, u64::MAX, asked(120))), 120_250);
        assert_eq!(ms(BACKOFF.delay(9, u64::MAX, asked(120))), 135_000);
        assert_eq!(ms(BACKOFF.delay(9, u64::MAX, asked(1))), 30_000);
        assert_eq!(BACKOFF.delay(9, u64::MAX, Some(Duration::MAX)), Duration::MAX);
    }

    #[test]
    fn a_most_below_the_least_is_the_most() {
        let backoff = Backoff { min: Duration::from_secs(5), max: Duration::from_secs(1) };
        assert_eq!(ms(backoff.delay(0, u64::MAX, None)), 1000);
        let none = Backoff { min: Duration::ZERO, max: Duration::ZERO };
        assert_eq!(none.delay(4, u64::MAX, None), Duration::ZERO);
    }

    #[test]
    fn delays_are_spread_evenly() {
        let mut quarters = [0; 4];
        for step in 0..1000u64 {
            let delay = BACKOFF.delay(1, step * (u64::MAX / 1000), None);
            quarters[((ms(delay) - 500) / 125).min(3) as usize] += 1;
        }
        assert!(quarters.iter().all(|count| (240..=260).contains(count)), "{quarters:?}");
    }

    proptest! {
        #[test]
        fn delays_keep_their_bounds(
            failures in any::<u32>(),
            random in any::<u64>(),
            min in 0..100_000_000u64,
            max in 0..100_000_000u64,
            asked in any::<Option<u64>>(),
        ) {
            let backoff = Backoff { min: Duration::from_millis(min), max: Duration::from_millis(max) };
            let asked = asked.map(Duration::from_millis);
            let delay = backoff.delay(failures, random, asked);
            prop_assert!(asked.is_none_or(|asked| delay >= asked));
            prop_assert!(delay <= backoff.max.saturating_add(asked.unwrap_or_default()));
            prop_assert!(delay >= backoff.min.min(backoff.max) / 2);
            let sooner = backoff.delay(failures.saturating_sub(1), random, asked);
            prop_assert!(sooner <= delay);
        }
    }
}
