//! Where whoever sends waits until there is somebody to send to, and room. Whoever hears of it opens the gate.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

#[derive(Debug, Default)]
pub struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    open: bool,
    /// How often there was news. Who was refused waits for the next.
    news: News,
}

/// A moment, by the news that had come.
pub type News = u64;

impl Gate {
    /// The connection opened or closed.
    pub fn set_open(&self, open: bool) {
        self.change(|state| state.open = open);
    }

    /// There is room again.
    pub fn drained(&self) {
        self.change(|_| ());
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        change(&mut state);
        state.news += 1;
        self.changed.notify_all();
    }

    /// Waits until the connection is open.
    pub fn wait_open(&self) -> News {
        let mut state = self.state();
        while !state.open {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.news
    }

    /// Waits for any news after `heard`.
    pub fn wait_news(&self, heard: News) {
        let mut state = self.state();
        while state.news == heard {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The same for at most so long.
    pub fn wait_news_for(&self, heard: News, limit: Duration) {
        let _ = self.changed.wait_timeout_while(self.state(), limit, |state| state.news == heard);
    }

    /// The moment that it is.
    pub fn news(&self) -> News {
        self.state().news
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
