//! A lock that a fork cannot leave locked.
//!
//! A child of `fork` has one thread and all of its parent's memory. What another thread of the parent held at that moment is
//! held in the child by nobody, and would be held for ever. So the lock notes beside who holds it how often the process
//! had forked: what is held under another number is not held here. Readers leave the value as it was; a writer may have been
//! in the middle of its work, so the child begins with a default value and forgets the old one.
//!
//! Many may read at a time, or one may write. A writer that waits goes before readers that come later.

use super::futex;
use super::process;
use std::cell::UnsafeCell;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU32, Ordering};

/// The lock and its value.
#[derive(Debug, Default)]
pub struct Lock<T> {
    /// In the lowest bits how many read, then whether one writes, whether any wait, and the forks before.
    state: AtomicU32,
    value: UnsafeCell<T>,
}

const READERS: u32 = (1 << 22) - 1;
const WRITER: u32 = 1 << 22;
const WAITERS: u32 = 1 << 23;
const FORKS_SHIFT: u32 = 24;

// SAFETY: the lock gives out shared references to many threads, and exclusive ones to one at a time.
unsafe impl<T: Send + Sync> Sync for Lock<T> {}

/// The value, to be read.
#[derive(Debug)]
pub struct Reading<'a, T>(&'a Lock<T>);

/// The value, to be changed.
#[derive(Debug)]
pub struct Writing<'a, T>(&'a Lock<T>);

impl<T> Lock<T> {
    /// A lock of this value.
    pub const fn new(value: T) -> Self {
        Self { state: AtomicU32::new(0), value: UnsafeCell::new(value) }
    }

    /// The number of forks as it stands in the state.
    #[inline]
    fn here() -> u32 {
        process::fork_generation() << FORKS_SHIFT
    }

    /// The state as far as it concerns this process, and whether a writer of the parent was cut off in it.
    #[inline]
    fn seen(state: u32, here: u32) -> (u32, bool) {
        if state >> FORKS_SHIFT == here >> FORKS_SHIFT { (state, false) } else { (here, state & WRITER != 0) }
    }
}

impl<T: Default> Lock<T> {
    /// Waits until nobody writes.
    #[inline]
    pub fn read(&self) -> Reading<'_, T> {
        let here = Self::here();
        let mut state = self.state.load(Ordering::Relaxed);
        loop {
            let (seen, torn) = Self::seen(state, here);
            if torn {
                // To mend it takes a writer.
                drop(self.write());
            } else if seen & (WRITER | WAITERS) != 0 {
                self.wait(seen);
            } else {
                match self.state.compare_exchange_weak(state, seen + 1, Ordering::Acquire, Ordering::Relaxed) {
                    Ok(_) => return Reading(self),
                    Err(now) => {
                        state = now;
                        continue;
                    }
                }
            }
            state = self.state.load(Ordering::Relaxed);
        }
    }

    /// Waits until nobody reads or writes.
    pub fn write(&self) -> Writing<'_, T> {
        let mut state = self.state.load(Ordering::Relaxed);
        loop {
            match self.take(state) {
                Ok(writing) => return writing,
                Err(now) => state = now,
            }
            let (seen, _) = Self::seen(state, Self::here());
            if seen & (WRITER | READERS) != 0 {
                self.wait(seen);
                state = self.state.load(Ordering::Relaxed);
            }
        }
    }

    /// The value to be changed, unless somebody reads or writes.
    pub fn try_write(&self) -> Option<Writing<'_, T>> {
        self.take(self.state.load(Ordering::Relaxed)).ok()
    }

    /// Begins to write if `state`, which it was in, allows it and has not changed. Returns what it is in otherwise.
    fn take(&self, state: u32) -> Result<Writing<'_, T>, u32> {
        let here = Self::here();
        let (seen, torn) = Self::seen(state, here);
        if seen & (WRITER | READERS) != 0 {
            return Err(state);
        }
        // Readers may sleep behind the writer that was waited for: they are to be woken by whoever writes now.
        let writes = here | WRITER | seen & WAITERS;
        self.state.compare_exchange(state, writes, Ordering::Acquire, Ordering::Relaxed)?;
        if torn {
            // SAFETY: this thread alone has the lock now. What is overwritten is forgotten and not dropped: it may be half
            // changed.
            unsafe { self.value.get().write(T::default()) };
        }
        Ok(Writing(self))
    }

    /// Waits for the state to be another than `seen`, having said so in it.
    fn wait(&self, seen: u32) {
        let waited_in = seen | WAITERS;
        if seen == waited_in
            || self.state.compare_exchange(seen, waited_in, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        {
            futex::wait(&self.state, waited_in, None);
        }
    }
}

impl<T> Deref for Reading<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: nobody writes while this lives.
        unsafe { &*self.0.value.get() }
    }
}

impl<T> Deref for Writing<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: nobody else has the value while this lives.
        unsafe { &*self.0.value.get() }
    }
}

impl<T> DerefMut for Writing<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above.
        unsafe { &mut *self.0.value.get() }
    }
}

impl<T> Drop for Reading<'_, T> {
    #[inline]
    fn drop(&mut self) {
        let before = self.0.state.fetch_sub(1, Ordering::Release);
        if before & READERS == 1 && before & WAITERS != 0 {
            futex::wake_all(&self.0.state);
        }
    }
}

impl<T> Drop for Writing<'_, T> {
    fn drop(&mut self) {
        let before = self.0.state.swap(Lock::<T>::here(), Ordering::Release);
        if before & WAITERS != 0 {
            futex::wake_all(&self.0.state);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::thread;

    #[test]
    fn what_many_threads_add_is_all_there() {
        const EACH: u64 = 5000;
        let lock = Arc::new(Lock::<[u64; 2]>::default());
        let add = |index: u64| {
            let lock = Arc::clone(&lock);
            thread::spawn(move || {
                for round in 0..EACH {
                    if (round + index) % 4 == 0 {
                        let [a, b] = *lock.read();
                        assert_eq!(a, b);
                    }
                    let mut both = lock.write();
                    both[0] += 1;
                    both[1] += 1;
                }
            })
        };
        let threads: Vec<_> = (0..4).map(add).collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(*lock.read(), [4 * EACH; 2]);
        assert_eq!(lock.state.load(Ordering::Relaxed) & (READERS | WRITER | WAITERS), 0);
    }

    #[test]
    fn one_who_reads_keeps_out_only_who_writes() {
        let lock = Lock::new(7);
        let (first, second) = (lock.read(), lock.read());
        assert_eq!(*first + *second, 14);
        assert!(lock.try_write().is_none());
        drop((first, second));
        *lock.try_write().unwrap() = 8;
        assert_eq!(*lock.read(), 8);
    }

    /// As a child finds it: held by threads that it does not have.
    fn held_elsewhere(state: u32) -> Lock<String> {
        let lock = Lock::new("kept".to_owned());
        let elsewhere = Lock::<String>::here().wrapping_sub(1 << FORKS_SHIFT);
        lock.state.store(elsewhere | state, Ordering::Relaxed);
        lock
    }

    #[test]
    fn what_a_parents_threads_read_at_a_fork_can_be_changed_in_the_child() {
        let lock = held_elsewhere(3 | WAITERS);
        assert_eq!(*lock.read(), "kept");
        let lock = held_elsewhere(3);
        lock.write().push('!');
        assert_eq!(*lock.read(), "kept!");
        assert!(lock.try_write().is_some());
    }

    #[test]
    fn what_a_parents_thread_changed_at_a_fork_begins_anew_in_the_child() {
        assert_eq!(*held_elsewhere(WRITER).read(), "");
        assert_eq!(*held_elsewhere(WRITER | WAITERS).write(), "");
        assert_eq!(*held_elsewhere(WRITER).try_write().unwrap(), "");
    }
}
