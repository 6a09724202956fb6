//! Atomics as the models see them: those of the standard library, or under `--cfg loom` those of `loom`, which tries
//! every order in which threads may run and every value that a load may give (`scripts/loom-tests`).
//!
//! `loom` takes a `SeqCst` access for an `AcqRel` one, and knows sequential consistency of fences alone. So under it a
//! `SeqCst` access stands between two such fences. That is faithful where all accesses that a protocol compares are
//! `SeqCst`, as those of [`super::ownership`] and of the flags of the command queue are. It adds nothing to the other
//! pairs, which have barriers of their own on both sides ([`super::barrier`]).

#[cfg(loom)]
pub use loom::sync::{Mutex, MutexGuard};
#[cfg(not(loom))]
pub use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize};
#[cfg(not(loom))]
pub use std::sync::{Mutex, MutexGuard};

#[cfg(loom)]
pub use self::model::{AtomicBool, AtomicU32, AtomicUsize};

use std::cell::UnsafeCell;

/// A value that one thread at a time may use, as somebody else sees to. Under `loom` every use is checked to be alone.
pub(super) struct Exclusive<T> {
    value: UnsafeCell<T>,
    #[cfg(loom)]
    used: loom::cell::UnsafeCell<()>,
}

impl<T> Exclusive<T> {
    pub(super) fn new(value: T) -> Self {
        Self {
            value: UnsafeCell::new(value),
            #[cfg(loom)]
            used: loom::cell::UnsafeCell::new(()),
        }
    }

    /// Where the value is.
    pub(super) fn get(&self) -> *mut T {
        self.note_use();
        self.value.get()
    }

    /// Tells `loom` that the calling thread uses the value here.
    pub(super) fn note_use(&self) {
        #[cfg(loom)]
        self.used.with_mut(|_| ());
    }
}

#[cfg(loom)]
#[allow(missing_docs, reason = "they are the standard library's")]
mod model {
    use loom::sync::atomic::{self, Ordering, fence};

    fn begin(order: Ordering) {
        if order == Ordering::SeqCst {
            fence(Ordering::SeqCst);
        }
    }

    macro_rules! atomic {
        ($name:ident, $value:ty) => {
            #[derive(Debug, Default)]
            pub struct $name(atomic::$name);

            #[allow(dead_code, reason = "not every type needs every method")]
            impl $name {
                pub fn new(value: $value) -> Self {
                    Self(atomic::$name::new(value))
                }

                pub fn load(&self, order: Ordering) -> $value {
                    begin(order);
                    self.0.load(order)
                }

                pub fn store(&self, value: $value, order: Ordering) {
                    begin(order);
                    self.0.store(value, order);
                    begin(order);
                }

                pub fn swap(&self, value: $value, order: Ordering) -> $value {
                    self.change(order, |it| it.swap(value, order))
                }

                pub fn compare_exchange(
                    &self,
                    from: $value,
                    to: $value,
                    order: Ordering,
                    failed: Ordering,
                ) -> Result<$value, $value> {
                    self.change(order, |it| it.compare_exchange(from, to, order, failed))
                }

                pub fn fetch_or(&self, value: $value, order: Ordering) -> $value {
                    self.change(order, |it| it.fetch_or(value, order))
                }

                pub fn fetch_and(&self, value: $value, order: Ordering) -> $value {
                    self.change(order, |it| it.fetch_and(value, order))
                }

                fn change<T>(&self, order: Ordering, action: impl FnOnce(&atomic::$name) -> T) -> T {
                    begin(order);
                    let result = action(&self.0);
                    begin(order);
                    result
                }
            }
        };
    }

    atomic!(AtomicBool, bool);
    atomic!(AtomicU32, u32);
    atomic!(AtomicUsize, usize);

    impl AtomicU32 {
        pub fn fetch_add(&self, value: u32, order: Ordering) -> u32 {
            self.change(order, |it| it.fetch_add(value, order))
        }
    }
}
