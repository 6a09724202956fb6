//! Being a guest in someone else's process: threads that leave its signals alone, and a memory of forks.

use super::{check, fault};
use std::cell::{Cell, RefCell};
use std::io;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::os::unix::thread::JoinHandleExt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{JoinHandle, ThreadId};

static FORKS: AtomicU32 = AtomicU32::new(0);

extern "C" fn in_child() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}

/// How many forks lie between this process and the one that loaded the library, as far as the library was in use. A
/// thread does not survive a fork: what was started under another number runs in another process.
#[must_use]
pub fn fork_generation() -> u32 {
    FORKS.load(Ordering::Relaxed)
}

/// How many descriptors this process may have at a time.
#[must_use]
pub fn max_descriptors() -> usize {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer leads to a structure of this type, which is all that the call writes to.
    let result = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    if result == 0 { usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX) } else { 0 }
}

/// Begins to count forks. Called before anything is made that a child could take for its own.
pub fn watch_forks() {
    static WATCHED: AtomicBool = AtomicBool::new(false);
    if WATCHED.load(Ordering::Acquire) {
        return;
    }
    // Two threads may both come here, and each fork counts as two from then on. A lock would do worse: a child could be born
    // while it is held.
    // SAFETY: the handler only touches an atomic, which is allowed in a child of a process with threads, and the library
    // is linked so that it is never unloaded.
    unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    WATCHED.store(true, Ordering::Release);
}

thread_local! {
    /// For a thread of ours, how often the process had forked when it began.
    static OURS: Cell<Option<u32>> = const { Cell::new(None) };
    static LAST_ACT: RefCell<Option<LastAct>> = const { RefCell::new(None) };
}

/// Something to do when it is dropped, unless the process has forked since so often: in a child, what it is about is the parent's.
struct LastAct(Option<Box<dyn FnOnce()>>, u32);

impl Drop for LastAct {
    fn drop(&mut self) {
        let Some(act) = self.0.take() else { return };
        if self.1 == fork_generation() {
            // A fault of it has nobody left to be told.
            let _ = fault::caught(act);
        } else {
            std::mem::forget(act);
        }
    }
}

/// Whether the calling thread is one that [`spawn`] has started. In a child that was forked on it, by a callback, it is the host's.
#[must_use]
pub fn is_our_thread() -> bool {
    OURS.try_with(Cell::get).ok().flatten() == Some(fork_generation())
}

/// Whether the calling thread is one that [`spawn`] has started, in this process or in the one that this is a fork of.
#[must_use]
pub fn was_our_thread() -> bool {
    OURS.try_with(Cell::get).ok().flatten().is_some()
}

/// What ends the calling thread, of which nothing is unwound that the unwinder of the C library does not see.
pub const THREAD_END: unsafe extern "C" fn(*mut libc::c_void) -> ! = libc::pthread_exit;

/// A thread of ours. Dropped, it goes on alone.
///
/// In a child of a fork it does not exist, and the C library gives its number to the next thread that the child starts. So
/// nothing is done with that number there: the handle is forgotten.
#[derive(Debug)]
pub struct Thread {
    handle: ManuallyDrop<JoinHandle<()>>,
    /// The forks before it was started.
    forks: u32,
}

impl Thread {
    /// Its name among all threads of this process.
    #[must_use]
    pub fn id(&self) -> ThreadId {
        self.handle.thread().id()
    }

    /// Whether it has ended, or never was in this process.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.is_elsewhere() || self.handle.is_finished()
    }

    /// Waits for its end, however that comes about: a host may have ended it from within a callback.
    pub fn join(mut self) {
        if !self.is_elsewhere() {
            // SAFETY: the handle is neither used nor dropped after this, for `self` is forgotten.
            let thread = unsafe { ManuallyDrop::take(&mut self.handle) }.into_pthread_t();
            // SAFETY: it was started in this process, and has been neither joined nor detached.
            unsafe { libc::pthread_join(thread, std::ptr::null_mut()) };
        }
        std::mem::forget(self);
    }

    fn is_elsewhere(&self) -> bool {
        self.forks != fork_generation()
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        if !self.is_elsewhere() {
            // SAFETY: it is dropped once, here.
            unsafe { ManuallyDrop::drop(&mut self.handle) };
        }
    }
}

/// Starts a thread that receives no signals: they stay with the threads of the host.
///
/// # Errors
/// When the system does not allow another thread.
pub fn spawn(name: String, body: impl FnOnce() + Send + 'static) -> io::Result<Thread> {
    spawn_with_end(name, body, || ())
}

/// The same for a thread on which a host is called, and may so come to its end within `body`: `at_end` runs however it ends, as the
/// last thing it does.
///
/// # Errors
/// When the system does not allow another thread. Neither runs then.
pub fn spawn_with_end(
    name: String,
    body: impl FnOnce() + Send + 'static,
    at_end: impl FnOnce() + Send + 'static,
) -> io::Result<Thread> {
    watch_forks();
    let mut all = MaybeUninit::<libc::sigset_t>::uninit();
    let mut before = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `sigfillset` initialises `all`, and `pthread_sigmask` initialises `before`; both outlive the calls.
    unsafe {
        check(libc::sigfillset(all.as_mut_ptr()))?;
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
    }
    let forks = fork_generation();
    let thread = std::thread::Builder::new().name(name).spawn(move || {
        OURS.set(Some(forks));
        // The data of a thread is dropped even where its stack is not unwound.
        LAST_ACT.set(Some(LastAct(Some(Box::new(at_end)), forks)));
        body();
    });
    // SAFETY: `before` was initialised above. The new thread has inherited the full mask; this one gets its own back.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), std::ptr::null_mut()) };
    Ok(Thread { handle: ManuallyDrop::new(thread?), forks })
}

/// Whether this process ignores a signal, as it does when it was started that way: by `nohup`, or in the background of a shell
/// without job control.
///
/// # Errors
/// For a number that is no signal.
pub fn ignores(signal: i32) -> io::Result<bool> {
    let mut action = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: without a new action the call changes nothing; if it succeeds it has initialised the old one.
    let action = unsafe {
        check(libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr()))?;
        action.assume_init()
    };
    Ok(action.sa_sigaction == libc::SIG_IGN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ignored() {
        // Rust has programs ignore SIGPIPE, and nothing else.
        assert_eq!((ignores(libc::SIGPIPE).ok(), ignores(libc::SIGUSR2).ok()), (Some(true), Some(false)));
        assert!(ignores(-1).is_err());
    }
}
