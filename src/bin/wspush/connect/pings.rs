//! Pings that wait for their pongs, and the time between the two.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Pings that are waited for at most: one that was never answered is forgotten.
const MOST: usize = 1000;

#[derive(Debug, Default)]
pub struct Pings(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    sent: u64,
    waiting: VecDeque<(String, Instant)>,
}

impl Pings {
    /// The payload of the next ping.
    pub fn begin(&self, now: Instant) -> String {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.sent += 1;
        let payload = state.sent.to_string();
        if state.waiting.len() >= MOST {
            state.waiting.pop_front();
        }
        state.waiting.push_back((payload.clone(), now));
        payload
    }

    /// The time since the ping that this pong answers. A pong answers those before as well (RFC 6455 section 5.5.3). `None` if
    /// nobody waits for it.
    pub fn end(&self, payload: &[u8], now: Instant) -> Option<Duration> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let index = state.waiting.iter().position(|(sent, _)| sent.as_bytes() == payload)?;
        let answered = state.waiting.drain(..=index).next_back();
        answered.map(|(_, begun)| now.saturating_duration_since(begun))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pong_has_the_time_of_its_ping() {
        let (pings, start) = (Pings::default(), Instant::now());
        let at = |ms| start + Duration::from_millis(ms);
        let payloads = [0, 10, 20].map(|ms| pings.begin(at(ms)));
        assert_eq!(pings.end(b"", at(30)), None);
        assert_eq!(pings.end(payloads[1].as_bytes(), at(35)), Some(Duration::from_millis(25)));
        assert_eq!(pings.end(payloads[0].as_bytes(), at(35)), None);
        assert_eq!(pings.end(payloads[2].as_bytes(), at(35)), Some(Duration::from_millis(15)));
        assert_eq!(pings.end(payloads[2].as_bytes(), at(36)), None);
    }
}
