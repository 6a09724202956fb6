//! A value that one thread uses as its own, without a lock and without a locked instruction, until another takes it away.
//!
//! Before each use the [`Holder`] says that it is at it and then looks whether the lease still stands. Who takes the value
//! away says so and then waits until the holder is not at it. One of the two sees the other, by a
//! [`barrier`] whose cost falls on the one that takes.

use super::barrier;
use super::sync::{AtomicBool, Exclusive};
use std::sync::Arc;
use std::sync::atomic::Ordering;

struct Lease<T> {
    /// The holder may use the value.
    stands: AtomicBool,
    /// The holder is about to use the value, or does.
    in_use: AtomicBool,
    value: Exclusive<Option<T>>,
}

// SAFETY: the value is used by the holder while `in_use`, if `stands` was still so behind a barrier; and by the one `Lessor`
// once `stands` is no longer so and, behind the other side of the barrier, `in_use` is not: see `loom` below.
unsafe impl<T: Send> Sync for Lease<T> {}

/// The thread that uses the value.
pub struct Holder<T>(Arc<Lease<T>>);

/// The right to take it away.
pub struct Lessor<T>(Arc<Lease<T>>);

/// Lends `value`.
#[must_use]
pub fn lend<T>(value: T) -> (Holder<T>, Lessor<T>) {
    let lease = Arc::new(Lease {
        stands: AtomicBool::new(true),
        in_use: AtomicBool::new(false),
        value: Exclusive::new(Some(value)),
    });
    (Holder(Arc::clone(&lease)), Lessor(lease))
}

/// Ends a use, also if it ends by a panic.
struct Use<'a>(&'a AtomicBool);

impl Drop for Use<'_> {
    fn drop(&mut self) {
        #[cfg(loom)]
        if std::thread::panicking() {
            return; // the model has ended
        }
        self.0.store(false, Ordering::Release);
    }
}

impl<T> Holder<T> {
    /// Does something with the value, unless it was taken away. It must be short, for who takes it away waits.
    #[inline]
    pub fn with<R>(&mut self, action: impl FnOnce(&mut T) -> R) -> Option<R> {
        let lease = &*self.0;
        lease.in_use.store(true, Ordering::Relaxed);
        let _use = Use(&lease.in_use);
        barrier::light();
        if !lease.stands.load(Ordering::Acquire) {
            return None;
        }
        // SAFETY: the lease stands, and the lessor sees that the value is in use. There is one holder, borrowed mutably.
        let value = unsafe { &mut *lease.value.get() };
        value.as_mut().map(action)
    }
}

impl<T> Lessor<T> {
    /// Takes the value away. Waits until the holder does not use it.
    #[must_use]
    pub fn take(self) -> Option<T> {
        self.0.stands.store(false, Ordering::Relaxed);
        barrier::heavy();
        let mut looks = 0_u32;
        while self.0.in_use.load(Ordering::Acquire) {
            wait(&mut looks);
        }
        // SAFETY: the holder does not use it, and will not again, for it will see that the lease does not stand.
        unsafe { (*self.0.value.get()).take() }
    }
}

#[cfg(loom)]
fn wait(_looks: &mut u32) {
    loom::thread::yield_now();
}

/// The holder is about to be done, unless the system has something more urgent: then this must not be in its way.
#[cfg(not(loom))]
fn wait(looks: &mut u32) {
    *looks += 1;
    match *looks {
        1..100 => std::hint::spin_loop(),
        100..110 => std::thread::yield_now(),
        _ => std::thread::sleep(std::time::Duration::from_micros(50)),
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_away_can_be_lent_again() {
        let (mut first, lessor) = lend(1);
        assert_eq!(first.with(|value| std::mem::replace(value, 2)), Some(1));
        let (mut second, _lessor) = lend(lessor.take().unwrap());
        assert_eq!(first.with(|value| *value), None);
        assert_eq!(second.with(|value| *value), Some(2));
    }

    #[test]
    fn a_value_goes_from_thread_to_thread_and_no_use_of_it_is_lost() {
        const TIMES: u32 = if cfg!(miri) { 100 } else { 2_000 };
        barrier::prepare();
        let mut value = 0_u64;
        let mut used = 0;
        for _ in 0..TIMES {
            let (mut holder, lessor) = lend(value);
            let thread = std::thread::spawn(move || {
                let mut times = 0;
                while holder.with(|value| *value += 1).is_some() {
                    times += 1;
                }
                times
            });
            std::thread::yield_now();
            value = lessor.take().unwrap();
            used += thread.join().unwrap();
        }
        assert_eq!(value, used);
    }
}

#[cfg(all(test, loom))]
mod model {
    use super::*;
    use loom::thread;

    fn is_used_by_one_at_a_time() {
        loom::model(|| {
            let (mut holder, lessor) = lend(0);
            let user = thread::spawn(move || (0..2).filter(|_| holder.with(|value| *value += 1).is_some()).count());
            let value = lessor.take().unwrap();
            let (mut next, _lessor) = lend(value);
            assert_eq!(next.with(|value| *value += 1), Some(()));
            let _ = user.join().unwrap();
        });
    }

    #[test]
    fn a_value_is_used_by_one_at_a_time() {
        is_used_by_one_at_a_time();
    }

    #[test]
    #[should_panic(expected = "Concurrent")]
    fn without_barriers_a_value_is_used_by_two() {
        barrier::leave_out(true);
        is_used_by_one_at_a_time();
    }
}
