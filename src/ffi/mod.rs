//! The C ABI: one file per C type, and nothing in it but argument checks, a guard, and calls down.
//!
//! Every export has the same short shape: `guard_of(handle, || …)` turns an error into its status and keeps its detail for
//! `ws_last_error`, and for `ws_server_error` and its like, and a panic into `WS_ERR_PANIC`. A `ws_server *` is checked against a table and never followed, so
//! that a stale one is an error and not a crash.

#![allow(non_camel_case_types, reason = "the names are those of the C header")]
#![allow(clippy::missing_safety_doc, reason = "the contracts are written for C, in the terms of the C header")]

mod call;
mod client;
mod connection;
mod error;
mod event;
mod facts;
mod handle;
mod log;
mod looping;
mod request;
mod response;
mod server;
mod stats;
mod topic;

use crate::error::{Error, Result, Status};
use crate::sys::{fault, process};
use std::ffi::{CStr, c_char, c_int, c_void};

/// What an export can return: an integer in which errors are negative.
trait Returned {
    fn from_status(status: Status) -> Self;
}

impl Returned for c_int {
    fn from_status(status: Status) -> Self {
        status as Self
    }
}

impl Returned for i64 {
    fn from_status(status: Status) -> Self {
        status as Self
    }
}

/// Runs the body of an export that is about no handle.
#[inline]
fn guard<T: Returned>(body: impl FnOnce() -> Result<T>) -> T {
    run(body).unwrap_or_else(|error| failed(&error))
}

/// Runs the body of an export that is about what `handle` leads to, which keeps the words for an error, too.
#[inline]
fn guard_of<H: handle::Handle, T: Returned>(handle: H, body: impl FnOnce() -> Result<T>) -> T {
    run(body).unwrap_or_else(|error| {
        handle.note(&error.detail);
        failed(&error)
    })
}

/// The same for a handle of any kind.
#[inline]
fn guard_any<T: handle::Hosted, R: Returned>(handle: *mut T::Handle, body: impl FnOnce() -> Result<R>) -> R {
    run(body).unwrap_or_else(|error| {
        handle::note::<T>(handle, &error.detail);
        failed(&error)
    })
}

/// Runs the body of an export that makes something. NULL if it cannot.
fn made<T>(body: impl FnOnce() -> Result<*mut T>) -> *mut T {
    process::watch_forks();
    fault::keep_quiet();
    run(body).unwrap_or_else(|error| {
        error::remember(&error.detail);
        std::ptr::null_mut()
    })
}

#[inline]
fn run<T>(body: impl FnOnce() -> Result<T>) -> Result<T> {
    fault::caught_in_call(body).unwrap_or_else(|fault| Err(Error::new(Status::WS_ERR_PANIC, fault)))
}

#[cold]
fn failed<T: Returned>(error: &Error) -> T {
    error::remember(&error.detail);
    T::from_status(error.status)
}

fn null(what: &str) -> Error {
    Error::new(Status::WS_ERR_NULL, format!("{what} is NULL"))
}

/// The bytes that a host lends for the length of a call. NULL is fine where there are none. `None` if they cannot be.
///
/// # Safety
/// `data` points to `length` bytes that do not change during the call, or `length` is 0.
#[inline]
unsafe fn lent<'a>(data: *const c_void, length: usize) -> Option<&'a [u8]> {
    if length == 0 {
        return Some(&[]);
    }
    if data.is_null() || length > isize::MAX as usize / 2 {
        return None;
    }
    // SAFETY: the caller's promise, for a pointer that is not NULL and a length that a slice can have.
    Some(unsafe { std::slice::from_raw_parts(data.cast(), length) })
}

/// The same for an argument called `what`.
///
/// # Safety
/// As for [`lent`].
unsafe fn bytes<'a>(data: *const c_void, length: usize, what: &str) -> Result<&'a [u8]> {
    // SAFETY: the caller's promise.
    let bytes = unsafe { lent(data, length) };
    bytes.ok_or_else(|| match data.is_null() {
        true => null(what),
        false => Error::new(Status::WS_ERR_TOO_LARGE, format!("{what}: a length of {length} bytes")),
    })
}

/// Checks a structure of the host's, called `what` and of a type called `name` in C, which says with its first field how
/// large it is: so that it can grow in later versions.
///
/// # Safety
/// `structure` is NULL or points to at least its first field, a `usize`.
unsafe fn check_structure<T>(structure: *const T, what: &str, name: &str) -> Result<()> {
    if structure.is_null() {
        return Err(null(what));
    }
    // SAFETY: the caller's promise, for a pointer that is not NULL.
    let size = unsafe { *structure.cast::<usize>() };
    if size < size_of::<T>() {
        let detail = format!("{what}.size is {size}: set it to sizeof({name}), {}", size_of::<T>());
        return Err(Error::new(Status::WS_ERR_ARGUMENT, detail));
    }
    Ok(())
}

/// A NUL-terminated UTF-8 string that a host lends for the length of a call.
///
/// # Safety
/// `text` is NULL or points to a NUL-terminated string that does not change during the call.
unsafe fn text<'a>(text: *const c_char, what: &str) -> Result<&'a str> {
    if text.is_null() {
        return Err(null(what));
    }
    // SAFETY: the caller's promise, for a pointer that is not NULL.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().map_err(|_| Error::new(Status::WS_ERR_UTF8, format!("{what} is not UTF-8")))
}

/// A close code, or 0 for none, and the reason as hosts give them.
///
/// # Safety
/// As for [`lent`].
unsafe fn close_code<'a>(code: c_int, reason: *const c_void, length: usize) -> Result<(Option<u16>, &'a str)> {
    // SAFETY: the caller's promise.
    let reason = unsafe { bytes(reason, length, "reason")? };
    let Ok(reason) = std::str::from_utf8(reason) else {
        return Err(Error::new(Status::WS_ERR_UTF8, "a close reason must be UTF-8"));
    };
    let Ok(code) = u16::try_from(code) else {
        return Err(Error::new(Status::WS_ERR_ARGUMENT, format!("close code {code} is out of range")));
    };
    Ok((Some(code).filter(|code| *code != 0), reason))
}

/// A number of milliseconds as hosts give it: negative means without end.
fn limit(timeout_ms: c_int) -> Option<std::time::Duration> {
    u64::try_from(timeout_ms).ok().map(std::time::Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_a_status_and_says_what_and_where() {
        let server = super::server::ws_server_new();
        assert_eq!(guard_of(server, || -> Result<c_int> { panic!("too {}", "bad") }), Status::WS_ERR_PANIC as c_int);
        let mut buffer = [1; 256];
        // SAFETY: the text is NUL-terminated, the handle is checked, and there is so much room in the buffer.
        let (last, of_server) = unsafe {
            let length = error::ws_server_error(server, buffer.as_mut_ptr().cast(), buffer.len());
            assert_eq!(super::server::ws_server_free(server), 0);
            (CStr::from_ptr(error::ws_last_error()).to_str().unwrap(), &buffer[..length as usize])
        };
        assert!(last.starts_with("a fault inside wspush; please report it: too bad (src/ffi/mod.rs:"), "{last}");
        assert_eq!(last.as_bytes(), of_server);
    }
}
