//! What the engine has to say: in words, with a level, to whoever wants to hear it. Silent unless somebody does.
//!
//! The reactors alone write, and never on the way of a message. A message that is not wanted costs one comparison. One that
//! is goes to the host's callback on the reactor's thread, or, in poll mode, to the host's own thread as an event; and so
//! that nobody can fill a disk by misbehaving, each reactor writes no more than [`PER_SECOND`] of them in a second; what is graver than
//! their doing has a ration of its own.

use std::sync::Arc;

/// How much a message matters, by the names of RFC 5424 and PSR-3. The number is that of RFC 5424: the lower, the more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// A fault of ours, or of the system, that cost somebody something.
    Error = 3,
    /// Something is short: descriptors, or the time of the host.
    Warning = 4,
    /// What happens seldom and is normal: the start, the stop.
    Notice = 5,
    /// Who was refused or failed, and why.
    Info = 6,
    /// Who came and went.
    Debug = 7,
}

/// All levels with their names, the gravest first.
const LEVELS: [(&str, Level); 5] = [
    ("error", Level::Error),
    ("warning", Level::Warning),
    ("notice", Level::Notice),
    ("info", Level::Info),
    ("debug", Level::Debug),
];

impl Level {
    /// The level of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        LEVELS.iter().find(|(known, _)| *known == name).map(|(_, level)| *level)
    }
}

/// A host that takes messages on the threads of the reactors. It must not block there.
pub trait Logger: Send + Sync {
    /// A message, in one line.
    fn log(&self, level: Level, message: &str);
}

/// Where the messages of a server go.
#[derive(Clone, Default)]
pub struct Log {
    /// The gravest level that is not wanted is above this; `None`: nothing is.
    pub most: Option<Level>,
    /// The host's callback; without one, messages are events.
    pub logger: Option<Arc<dyn Logger>>,
}

impl Log {
    /// Whether messages of this level are wanted.
    #[inline]
    #[must_use]
    pub fn wants(&self, level: Level) -> bool {
        self.most.is_some_and(|most| level <= most)
    }
}

/// Messages that a reactor writes in a second of what peers do (info, debug), and as many of all that is graver.
pub const PER_SECOND: u32 = 100;

/// What a reactor may still write in this second.
#[derive(Debug, Default)]
pub struct Ration {
    second: u64,
    /// Of what is graver than what peers do, and of that.
    written: [u32; 2],
}

impl Ration {
    /// Takes one message out of the ration of this second, if there is any left.
    pub fn take(&mut self, level: Level, now_ms: u64) -> bool {
        let second = now_ms / 1000;
        if self.second != second {
            *self = Self { second, written: [0; 2] };
        }
        let written = &mut self.written[usize::from(level >= Level::Info)];
        *written += u32::from(*written < PER_SECOND + 1);
        *written <= PER_SECOND
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_graver_than_wanted_is_wanted_too() {
        let log = |most| Log { most, logger: None };
        for (name, level) in LEVELS {
            assert_eq!(Level::named(name), Some(level));
            assert!(!log(None).wants(level) && log(Some(Level::Debug)).wants(level));
            assert_eq!(log(Some(Level::Notice)).wants(level), (level as u8) <= 5, "{name}");
        }
        assert_eq!(Level::named("Error").or(Level::named("")).or(Level::named("emergency")), None);
    }

    #[test]
    fn there_is_so_much_in_a_second_and_no_more() {
        let mut ration = Ration::default();
        for second in [0, 1, 5] {
            for level in [Level::Debug, Level::Notice] {
                let taken = (0..5000_u64).filter(|n| ration.take(level, second * 1000 + n / 5)).count();
                assert_eq!(taken, PER_SECOND as usize, "{second}");
            }
            // Whoever misbehaves uses up no more than his own share.
            assert!(!ration.take(Level::Info, second * 1000) && !ration.take(Level::Error, second * 1000));
        }
    }
}
