//! A wait on a word in memory that a signal handler can interrupt, which the standard library's waits hide.
//!
//! A scripting language runs its signal handlers between its own steps; a wait that swallowed `EINTR` would keep
//! Ctrl-C waiting with it.

use super::sync::{AtomicBool, AtomicU32};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waited {
    /// The word changed, or may have.
    Woken,
    /// The time was up.
    TimedOut,
    /// A signal handler ran on this thread.
    Interrupted,
}

/// Something to wait for: one thread sleeps on it, any thread rings it. To ring costs a system call only while somebody
/// sleeps.
#[derive(Debug, Default)]
pub struct Bell {
    rings: AtomicU32,
    sleeping: AtomicBool,
    #[cfg(loom)]
    kernel: model::Kernel,
}

impl Bell {
    /// How often it has rung: for [`Bell::wait`], and to be asked before looking whether there is a reason to wait.
    #[must_use]
    pub fn heard(&self) -> u32 {
        self.rings.load(Ordering::SeqCst)
    }

    /// Sleeps until it has rung since `heard`, for at most `limit`.
    pub fn wait(&self, heard: u32, limit: Option<Duration>) -> Waited {
        self.sleeping.store(true, Ordering::SeqCst);
        #[cfg(not(loom))]
        let waited = wait(&self.rings, heard, limit);
        #[cfg(loom)]
        let waited = self.kernel.wait(&self.rings, heard, limit);
        self.sleeping.store(false, Ordering::Relaxed);
        waited
    }

    /// Whether somebody sleeps, or is about to.
    #[cfg(test)]
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        self.sleeping.load(Ordering::SeqCst)
    }

    /// Wakes whoever sleeps, now or by a [`Bell::heard`] of before.
    pub fn ring(&self) {
        self.rings.fetch_add(1, Ordering::SeqCst);
        if self.sleeping.load(Ordering::SeqCst) {
            #[cfg(not(loom))]
            wake_all(&self.rings);
            #[cfg(loom)]
            self.kernel.wake_all();
        }
    }
}

/// The kernel's part of it, as a model: to look at the word and to fall asleep is one step for whoever wakes.
#[cfg(loom)]
mod model {
    use super::{AtomicU32, Duration, Ordering, Waited};
    use loom::sync::{Condvar, Mutex};

    #[derive(Debug, Default)]
    pub struct Kernel {
        queue: Mutex<()>,
        wakes: Condvar,
    }

    impl Kernel {
        pub fn wait(&self, word: &AtomicU32, expected: u32, limit: Option<Duration>) -> Waited {
            let mut queue = self.queue.lock().unwrap();
            if word.load(Ordering::SeqCst) == expected {
                if limit.is_some() {
                    // Time passes in no model: a wait with an end has come to it.
                    return Waited::TimedOut;
                }
                queue = self.wakes.wait(queue).unwrap();
            }
            drop(queue);
            Waited::Woken
        }

        pub fn wake_all(&self) {
            drop(self.queue.lock().unwrap());
            self.wakes.notify_all();
        }
    }
}

/// The longest that one wait lasts. A wait without a time limit would be restarted by the kernel after a handler that
/// was installed with `SA_RESTART`, as most are.
const LONGEST: Duration = Duration::from_secs(3600);

/// Sleeps while `word` holds `expected`, for at most `limit` (`None`: an hour, after which it reads as woken).
pub fn wait(word: &std::sync::atomic::AtomicU32, expected: u32, limit: Option<Duration>) -> Waited {
    let span = limit.map_or(LONGEST, |limit| limit.min(LONGEST));
    let timeout = libc::timespec { tv_sec: span.as_secs() as libc::time_t, tv_nsec: span.subsec_nanos().into() };
    let operation = libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG;
    // SAFETY: the word and the timeout outlive the call, and the kernel only reads them.
    let result =
        unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), operation, expected, &raw const timeout, 0_usize, 0) };
    if result == 0 {
        return Waited::Woken;
    }
    match std::io::Error::last_os_error().raw_os_error() {
        Some(libc::EINTR) => Waited::Interrupted,
        Some(libc::ETIMEDOUT) if limit.is_some_and(|limit| limit <= LONGEST) => Waited::TimedOut,
        _ => Waited::Woken,
    }
}

/// Wakes every thread that waits on `word`.
pub fn wake_all(word: &std::sync::atomic::AtomicU32) {
    let operation = libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG;
    // SAFETY: the kernel uses the address of the word as a name and does not write to it.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), operation, i32::MAX, 0_usize, 0_usize, 0) };
}
