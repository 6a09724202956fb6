//! A barrier whose costs one side bears alone.
//!
//! Two threads that each write one word and then read the other's must not both read old values: each needs a full memory
//! barrier between its two accesses. Where one of them passes by at every message and the other hardly ever, the
//! frequent one calls [`light`], which stops the compiler and costs the processor nothing, and the rare one calls
//! [`heavy`], which has the kernel make every running thread of the process pass a full barrier: `membarrier(2)` with
//! `MEMBARRIER_CMD_PRIVATE_EXPEDITED`. A thread that does not run passes one when the kernel takes it up again.
//!
//! A kernel before 4.14, or a filter for system calls, may not offer it. Then [`light`] is a full barrier too, which costs
//! some twenty nanoseconds; [`is_cheap`] tells, and the log of a server says so.
//!
//! Under `loom` both are sequentially consistent fences. That is what the kernel promises, no more and no less: what stands
//! before `light` in one thread is seen by what stands behind `heavy` in the other, or what stands before `heavy` is seen
//! by what stands behind `light` (`Documentation/scheduler/membarrier.rst` of Linux, and `membarrier(2)`).

#[cfg(not(loom))]
mod kernel {
    use std::sync::atomic::{AtomicBool, Ordering, compiler_fence, fence};
    use std::time::Duration;

    /// From linux/membarrier.h.
    const PRIVATE_EXPEDITED: libc::c_int = 1 << 3;
    const REGISTER_PRIVATE_EXPEDITED: libc::c_int = 1 << 4;

    /// The kernel does its part. It is not so before [`prepare`].
    static BY_KERNEL: AtomicBool = AtomicBool::new(false);

    fn membarrier(command: libc::c_int) -> bool {
        // SAFETY: the call takes two numbers and a third that it does not look at, and touches no memory of ours.
        unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
    }

    /// Asks the kernel. Called by each process before it starts a thread that goes by barriers.
    pub fn prepare() {
        BY_KERNEL.store(membarrier(REGISTER_PRIVATE_EXPEDITED), Ordering::SeqCst);
    }

    /// Whether [`light`] costs nothing.
    #[must_use]
    pub fn is_cheap() -> bool {
        BY_KERNEL.load(Ordering::Relaxed)
    }

    /// The side that passes often.
    #[inline]
    pub fn light() {
        if BY_KERNEL.load(Ordering::Relaxed) {
            compiler_fence(Ordering::SeqCst);
        } else {
            fence(Ordering::SeqCst);
        }
    }

    /// The side that passes rarely.
    pub fn heavy() {
        fence(Ordering::SeqCst);
        if BY_KERNEL.load(Ordering::Relaxed) && !membarrier(PRIVATE_EXPEDITED) {
            // It was there a while ago: the host has locked itself in meanwhile. From now on everybody has a full barrier; and who
            // is between two accesses at this moment has had time enough when this is over. No store waits in a
            // processor for as long as that.
            BY_KERNEL.store(false, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(10));
            fence(Ordering::SeqCst);
        }
    }
}

#[cfg(not(loom))]
pub use self::kernel::{heavy, is_cheap, light, prepare};

#[cfg(loom)]
#[allow(missing_docs, reason = "they are those of the kernel's side")]
mod model {
    use loom::sync::atomic::{Ordering, fence};
    use std::cell::Cell;

    thread_local! {
        /// `loom` runs all threads of a model on one.
        static LEFT_OUT: Cell<bool> = const { Cell::new(false) };
    }

    /// Leaves the barriers out, as a defect that a model must find.
    pub fn leave_out(left_out: bool) {
        LEFT_OUT.with(|it| it.set(left_out));
    }

    pub fn prepare() {}

    pub fn is_cheap() -> bool {
        true
    }

    pub fn light() {
        if !LEFT_OUT.with(Cell::get) {
            fence(Ordering::SeqCst);
        }
    }

    pub fn heavy() {
        light();
    }
}

#[cfg(loom)]
pub use self::model::{heavy, is_cheap, leave_out, light, prepare};
