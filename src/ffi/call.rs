//! The way from the library into a callback of the host, which comes back by returning, and not otherwise.
//!
//! A host may end the thread that a callback runs on: CPython does so at its exit, with `pthread_exit`, to each foreign
//! thread that asks for its lock. The C library then unwinds the stack frame by frame, and no frame of Rust that catches panics lets
//! it through: the process would be aborted with "exception not rethrown". So between the library and the callback stands a frame
//! that no unwinder can see through, for it has no unwind information. To the C library that is the end of the stack, and
//! it jumps to the end of the thread. What the frames of the library held is left as it is, for good; what others wait for is
//! done by the thread's own data (`sys::process`).
//!
//! A C++ exception that a callback throws finds no handler up to there, and the C++ runtime ends the process with its own words,
//! as for a function that is `noexcept`.

use crate::sys::process;
use std::ffi::c_void;

/// Calls a callback of the host with up to six arguments, each an integer or a pointer. In a child that was forked in it, on a thread
/// of ours, it does not come back.
macro_rules! call {
    ($callback:expr, $($argument:expr),+ $(,)?) => {{
        let forks = $crate::sys::process::fork_generation();
        $crate::ffi::call::padded!($callback; $($argument),+);
        if forks != $crate::sys::process::fork_generation() {
            $crate::ffi::call::end_in_child();
        }
    }};
}

/// The same with zeros for arguments that are not there, which the callback does not look at.
#[cfg(all(target_pointer_width = "64", any(target_arch = "x86_64", target_arch = "aarch64")))]
macro_rules! padded {
    ($callback:expr; $a:expr) => { $crate::ffi::call::padded!($callback; $a, 0_usize) };
    ($callback:expr; $a:expr, $b:expr) => { $crate::ffi::call::padded!($callback; $a, $b, 0_usize) };
    ($callback:expr; $a:expr, $b:expr, $c:expr) => { $crate::ffi::call::padded!($callback; $a, $b, $c, 0_usize) };
    ($callback:expr; $a:expr, $b:expr, $c:expr, $d:expr) => {
        $crate::ffi::call::padded!($callback; $a, $b, $c, $d, 0_usize)
    };
    ($callback:expr; $a:expr, $b:expr, $c:expr, $d:expr, $e:expr) => {
        $crate::ffi::call::padded!($callback; $a, $b, $c, $d, $e, 0_usize)
    };
    ($callback:expr; $a:expr, $b:expr, $c:expr, $d:expr, $e:expr, $f:expr) => {
        $crate::ffi::call::call_host(
            $a as usize,
            $b as usize,
            $c as usize,
            $d as usize,
            $e as usize,
            $f as usize,
            $callback as *const (),
        )
    };
}

/// Elsewhere the callback is called as any function is: to end its thread aborts the process there.
#[cfg(not(all(target_pointer_width = "64", any(target_arch = "x86_64", target_arch = "aarch64"))))]
macro_rules! padded {
    ($callback:expr; $($argument:expr),+) => { $callback($($argument),+) };
}

pub(super) use {call, padded};

/// What comes behind a callback that returns in a child which was forked in it. The stack, and the sockets that the frames on it are
/// about to use, are the parent's. So the thread, which is no longer one of ours, ends as a host may end it: nothing of what the
/// frames held is touched. With the last thread of the child its process ends, by `exit(0)`.
#[cold]
pub(super) fn end_in_child() {
    if process::was_our_thread() {
        // SAFETY: the function takes a pointer, which may be NULL. Between it and the frames of Rust stands the one that no unwinder
        // sees through.
        unsafe { padded!(process::THREAD_END; std::ptr::null_mut::<c_void>()) };
    }
}

// No `.cfi_startproc`: that is what it is for. It keeps a frame pointer, so that debuggers and profilers see through it. It takes
// the callback in a register that is no argument's, so that it moves nothing.
#[cfg(all(target_pointer_width = "64", target_arch = "x86_64"))]
std::arch::global_asm!(
    ".pushsection .text.wspush_call_host,\"ax\",@progbits",
    ".hidden wspush_call_host",
    ".globl wspush_call_host",
    ".type wspush_call_host,@function",
    ".p2align 4",
    "wspush_call_host:",
    "push rbp",
    "mov rbp, rsp",
    "call r10",
    "pop rbp",
    "ret",
    ".size wspush_call_host, . - wspush_call_host",
    ".popsection",
);

#[cfg(all(target_pointer_width = "64", target_arch = "aarch64"))]
std::arch::global_asm!(
    ".pushsection .text.wspush_call_host,\"ax\",@progbits",
    ".hidden wspush_call_host",
    ".globl wspush_call_host",
    ".type wspush_call_host,@function",
    ".p2align 4",
    "wspush_call_host:",
    "stp x29, x30, [sp, #-16]!",
    "mov x29, sp",
    "blr x9",
    "ldp x29, x30, [sp], #16",
    "ret",
    ".size wspush_call_host, . - wspush_call_host",
    ".popsection",
);

#[cfg(all(target_pointer_width = "64", any(target_arch = "x86_64", target_arch = "aarch64")))]
unsafe extern "C" {
    /// Not a function by the C ABI: see [`call_host`].
    fn wspush_call_host();
}

/// Calls `callback` with six arguments, as they are.
///
/// # Safety
/// It must be a function that may be called with as many of them as it takes.
#[cfg(all(target_pointer_width = "64", any(target_arch = "x86_64", target_arch = "aarch64")))]
#[inline(always)]
pub(super) unsafe fn call_host(
    first: usize,
    second: usize,
    third: usize,
    fourth: usize,
    fifth: usize,
    sixth: usize,
    callback: *const (),
) {
    // SAFETY: the frame in between calls by the C ABI, with its stack aligned, and keeps what that has a function keep.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        std::arch::asm!(
            "call {frame}",
            frame = sym wspush_call_host,
            inout("rdi") first => _,
            inout("rsi") second => _,
            inout("rdx") third => _,
            inout("rcx") fourth => _,
            inout("r8") fifth => _,
            inout("r9") sixth => _,
            inout("r10") callback => _,
            clobber_abi("C"),
        );
    }
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        std::arch::asm!(
            "bl {frame}",
            frame = sym wspush_call_host,
            inout("x0") first => _,
            inout("x1") second => _,
            inout("x2") third => _,
            inout("x3") fourth => _,
            inout("x4") fifth => _,
            inout("x5") sixth => _,
            inout("x9") callback => _,
            clobber_abi("C"),
        );
    }
}
