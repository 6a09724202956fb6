//! When it ends, and with which exit code. No socket, no thread and no clock: news and moments in, what is to be done out.

use crate::arguments::connect::{Connect, Pings};
use crate::exit;
use std::time::{Duration, Instant};
use wspush::error::Status;

/// The time that a goodbye may take where nobody wants to wait any more: somewhat more than `close_timeout` is by default.
const GOODBYE: Duration = Duration::from_secs(6);

/// Something that bears on the end.
#[derive(Debug)]
pub enum News {
    /// The connection opened.
    Opened,
    /// It closed, with this code.
    Closed(u16),
    /// An attempt to connect failed.
    Failed(Status),
    /// All that was to be sent was taken.
    InputEnded,
    /// Something could not be read or sent, or not be written.
    Broken(String),
    /// As many messages have come as were wanted.
    Enough,
    /// Nobody reads the output any more.
    Unread,
    /// A signal came.
    Signal(i32),
    /// It is over.
    Ended,
}

/// What is to be done about it.
#[derive(Debug, PartialEq, Eq)]
pub enum Act {
    Nothing,
    Ping,
    /// Close the connection, or give up connecting, and wait until it is done.
    Close,
    /// Do not even wait for that.
    Leave,
}

#[derive(Debug)]
pub struct Course {
    wait: Option<Duration>,
    counts: bool,
    close_code: u16,
    pings: Option<Pings>,
    /// When the whole has to be over.
    end: Option<Instant>,
    /// When the first attempt to connect had succeeded or failed.
    began: Option<Instant>,
    input_ended: Option<Instant>,
    next_ping: Option<Instant>,
    last_ping: Option<Instant>,
    /// That it was told to close, and the exit code if that is settled with it.
    closing: Option<Option<u8>>,
    signal: Option<i32>,
    /// The exit code, by what came of the connection.
    outcome: u8,
}

impl Course {
    pub fn new(arguments: &Connect, now: Instant) -> Self {
        Self {
            wait: arguments.wait,
            counts: arguments.count.is_some(),
            close_code: arguments.close_code,
            pings: arguments.pings,
            end: arguments.timeout.and_then(|timeout| now.checked_add(timeout)),
            began: None,
            input_ended: None,
            next_ping: None,
            last_ping: None,
            closing: None,
            signal: None,
            outcome: exit::DONE,
        }
    }

    /// Takes note of news.
    pub fn hear(&mut self, news: &News, now: Instant) -> Act {
        match news {
            News::Opened => {
                self.began.get_or_insert(now);
                self.next_ping = self.pings.and_then(|pings| now.checked_add(pings.interval));
                Act::Nothing
            }
            News::Closed(code) => {
                self.next_ping = None;
                self.outcome = self.judge(*code);
                Act::Nothing
            }
            News::Failed(status) => {
                self.began.get_or_insert(now);
                self.outcome = exit::of_failure(*status);
                Act::Nothing
            }
            News::InputEnded => {
                self.input_ended = Some(now);
                Act::Nothing
            }
            News::Broken(_) => self.close(Some(exit::USAGE)),
            News::Enough | News::Unread => self.close(Some(exit::DONE)),
            News::Ended => Act::Leave,
            News::Signal(signal) => {
                self.signal = Some(*signal);
                self.close_soon(exit::of_signal(*signal), now)
            }
        }
    }

    /// Does what is due. `heard` is when a message came last.
    pub fn tick(&mut self, heard: Option<Instant>, now: Instant) -> Act {
        if is_due(self.end, now) {
            let Some(settled) = &mut self.closing else { return self.close_soon(exit::TIMEOUT, now) };
            // It was closing in order, and has not come to the end of that.
            settled.get_or_insert(exit::TIMEOUT);
            return Act::Leave;
        }
        if is_due(self.silence(heard), now) {
            // Who counts has waited in vain.
            return self.close(self.counts.then_some(exit::TIMEOUT));
        }
        if is_due(self.next_ping, now) {
            return self.ping(now);
        }
        Act::Nothing
    }

    /// When to look again if no news comes.
    pub fn deadline(&self, heard: Option<Instant>) -> Option<Instant> {
        [self.end, self.silence(heard), self.next_ping].into_iter().flatten().min()
    }

    /// The signal that ended it, if one did.
    pub fn signal(&self) -> Option<i32> {
        self.signal
    }

    /// The exit code.
    pub fn exit(&self) -> u8 {
        self.closing.flatten().unwrap_or(match self.outcome {
            exit::DONE if self.counts => exit::ABNORMAL,
            outcome => outcome,
        })
    }

    /// When input has ended and nothing has come for long enough, whether there is a connection or not: between two connections
    /// nothing comes either. Before the first attempt to connect has ended, `connect_timeout` bounds the time.
    fn silence(&self, heard: Option<Instant>) -> Option<Instant> {
        if self.closing.is_some() {
            return None;
        }
        // As many pings as were asked for are sent, as long as there is a connection.
        if self.next_ping.is_some() && self.pings.is_some_and(|pings| pings.count.is_some()) {
            return None;
        }
        let last = self.began?.max(self.input_ended?).max(self.last_ping.unwrap_or(self.began?));
        heard.map_or(last, |heard| heard.max(last)).checked_add(self.wait?)
    }

    fn ping(&mut self, now: Instant) -> Act {
        let Some(pings) = &mut self.pings else { return Act::Nothing };
        if let Some(left) = &mut pings.count {
            *left = left.saturating_sub(1);
        }
        if pings.count.is_some() {
            self.last_ping = Some(now);
        }
        self.next_ping = now.checked_add(pings.interval).filter(|_| pings.count != Some(0));
        Act::Ping
    }

    fn close(&mut self, exit: Option<u8>) -> Act {
        if self.closing.is_some() {
            return Act::Nothing;
        }
        self.closing = Some(exit);
        self.next_ping = None;
        Act::Close
    }

    /// Closes it though nobody wants to wait.
    fn close_soon(&mut self, exit: u8, now: Instant) -> Act {
        let act = self.close(None);
        // Whatever was about to end it before: this is what has ended it.
        self.closing = Some(Some(exit));
        self.end = now.checked_add(GOODBYE);
        act
    }

    fn judge(&self, code: u16) -> u8 {
        match code {
            1000 | 1001 | 1005 => exit::DONE,
            code if self.closing.is_some() && code == self.close_code => exit::DONE,
            _ => exit::ABNORMAL,
        }
    }
}

fn is_due(moment: Option<Instant>, now: Instant) -> bool {
    moment.is_some_and(|moment| moment <= now)
}

#[cfg(test)]
mod tests;
