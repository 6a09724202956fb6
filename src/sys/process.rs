//! Being a guest in someone else's process: threads that leave its signals alone, and a memory of forks.

use super::check;
use std::io;
use std::mem::MaybeUninit;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;

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

/// Begins to count forks. Called before the first thread starts.
pub fn watch_forks() {
    static ONCE: Once = Once::new();
    // SAFETY: the handler only touches an atomic, which is allowed in a child of a process with threads, and the
    // library is linked so that it is never unloaded.
    ONCE.call_once(|| unsafe {
        libc::pthread_atfork(None, None, Some(in_child));
    });
}

/// Starts a thread that receives no signals: they stay with the threads of the host.
///
/// # Errors
/// When the system does not allow another thread.
pub fn spawn(name: String, body: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    let mut all = MaybeUninit::<libc::sigset_t>::uninit();
    let mut before = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `sigfillset` initialises `all`, and `pthread_sigmask` initialises `before`; both outlive the calls.
    unsafe {
        check(libc::sigfillset(all.as_mut_ptr()))?;
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
    }
    let thread = std::thread::Builder::new().name(name).spawn(body);
    // SAFETY: `before` was initialised above. The new thread has inherited the full mask; this one gets its own back.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), std::ptr::null_mut()) };
    thread
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
