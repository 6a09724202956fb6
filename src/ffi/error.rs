//! Errors in words, and the version of the library.

use super::client::HostedClient;
use super::handle::{self, Hosted, ws_client, ws_loop, ws_server};
use super::looping::HostedLoop;
use super::server::HostedServer;
use super::{guard, null};
use crate::cause::Cause;
use crate::error::Status;
use crate::sys::lock::Lock;
use std::cell::{Cell, RefCell};
use std::ffi::{CStr, CString, c_char, c_int};

/// The number of this ABI. It changes when a program that was compiled against the older header would break.
pub const WS_ABI_VERSION: u32 = 1;

thread_local! {
    static LAST: RefCell<CString> = RefCell::default();
}

/// Keeps the detail of an error for `ws_last_error` of this thread.
pub(super) fn remember(detail: &str) {
    let detail = detail.replace('\0', "\u{fffd}");
    // A thread that is coming to its end has no place for it any more.
    let _ = LAST.try_with(|last| *last.borrow_mut() = CString::new(detail).unwrap_or_default());
}

thread_local! {
    /// Why the connection closed whose close the host is being told in a callback.
    static CAUSE: Cell<Cause> = const { Cell::new(Cause::WS_CAUSE_NONE) };
}

/// Has `ws_close_cause` give this cause on this thread from now on.
pub(super) fn tell_cause(cause: Cause) {
    let _ = CAUSE.try_with(|told| told.set(cause));
}

const UNKNOWN_NAME: &CStr = c"WS_ERR_UNKNOWN";
const UNKNOWN_TEXT: &CStr = c"unknown status";

/// The number of the ABI, `WS_ABI_VERSION` of the header that the library was built with. A host that loads the
/// library at run time compares it with the one it was written for. Any thread, any time.
#[unsafe(no_mangle)]
pub extern "C" fn ws_abi_version() -> u32 {
    WS_ABI_VERSION
}

/// The version of the library, such as "0.1.0". Static; any thread, any time.
#[unsafe(no_mangle)]
pub extern "C" fn ws_version() -> *const c_char {
    const VERSION: &CStr = match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(version) => version,
        Err(_) => c"",
    };
    VERSION.as_ptr()
}

/// What a status means, in a few words of English: "address already in use". Never NULL, static; any thread, any time.
#[unsafe(no_mangle)]
pub extern "C" fn ws_strerror(status: c_int) -> *const c_char {
    Status::from_number(status).map_or(UNKNOWN_TEXT, Status::text).as_ptr()
}

/// The name of a status: "WS_ERR_ADDRESS_IN_USE". Never NULL, static; any thread, any time.
#[unsafe(no_mangle)]
pub extern "C" fn ws_error_name(status: c_int) -> *const c_char {
    Status::from_number(status).map_or(UNKNOWN_NAME, Status::name).as_ptr()
}

/// What went wrong in the last call of this thread that failed: what was tried, on what, and often what to do. Empty
/// if none has failed. Never NULL; valid until the next call of this thread that fails. For hosts that do not choose the thread
/// of a call, `ws_server_error`, `ws_client_error` and `ws_loop_error` tell the same by the handle.
#[unsafe(no_mangle)]
pub extern "C" fn ws_last_error() -> *const c_char {
    LAST.try_with(|last| last.borrow().as_ptr()).unwrap_or(c"".as_ptr())
}

/// Inside a close callback: why the connection closed, a `ws_cause`. Anywhere else `WS_CAUSE_NONE`; events have a field for it.
#[unsafe(no_mangle)]
pub extern "C" fn ws_close_cause() -> c_int {
    CAUSE.try_with(Cell::get).unwrap_or_default() as c_int
}

/// The name of a cause: "WS_CAUSE_PONG_TIMEOUT". Never NULL, static; any thread, any time.
#[unsafe(no_mangle)]
pub extern "C" fn ws_cause_name(cause: c_int) -> *const c_char {
    Cause::from_number(cause).map_or(c"WS_CAUSE_UNKNOWN", Cause::name).as_ptr()
}

/// What a cause means, in a few words of English: "the peer answered no ping (pong_timeout)". Never NULL, static; any thread,
/// any time.
#[unsafe(no_mangle)]
pub extern "C" fn ws_cause_text(cause: c_int) -> *const c_char {
    Cause::from_number(cause).map_or(c"unknown cause", Cause::text).as_ptr()
}

/// The words for the last error of what a handle leads to, on whichever thread that was.
#[derive(Debug, Default)]
pub(super) struct LastError(Lock<String>);

/// So many bytes of it are kept.
const KEPT: usize = 1023;

impl LastError {
    pub(super) fn set(&self, detail: &str) {
        let mut kept = self.0.write();
        kept.clear();
        kept.push_str(&detail[..floor(detail, KEPT)]);
    }

    /// Copies it into `room`, NUL-terminated and as far as it goes. Returns its whole length.
    fn copy(&self, room: &mut [u8]) -> usize {
        let kept = self.0.read();
        if let Some(most) = room.len().checked_sub(1) {
            let end = floor(&kept, most);
            for (to, from) in room.iter_mut().zip(&kept.as_bytes()[..end]) {
                // The C strings of a host have no NUL in them.
                *to = if *from == 0 { b'?' } else { *from };
            }
            room[end] = 0;
        }
        kept.len()
    }
}

/// The longest beginning of `text` of at most `most` bytes that does not cut a character.
fn floor(text: &str, most: usize) -> usize {
    (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0)
}

/// Copies the last error of what a handle leads to into a buffer of the host's.
///
/// # Safety
/// There is room for `size` bytes at `buffer`.
unsafe fn copy_error<T: Hosted>(handle: *mut T::Handle, buffer: *mut c_char, size: usize) -> c_int {
    guard(|| {
        if buffer.is_null() && size > 0 {
            return Err(null("buffer"));
        }
        let size = size.min(KEPT + 1);
        // SAFETY: the caller's promise; an empty slice is made of no pointer of the host's.
        let room = if size == 0 { &mut [][..] } else { unsafe { std::slice::from_raw_parts_mut(buffer.cast(), size) } };
        handle::with(handle, |hosted: &T| Ok(hosted.last_error().copy(room) as c_int))
    })
}

/// Copies what went wrong in the last call with this server that failed, on whichever thread, into `buffer`, NUL-terminated: the
/// words of `ws_last_error`, for hosts that do not choose the thread of a call. At most `size` bytes are written, the NUL among them, and
/// no character is cut; NULL is fine if `size` is 0. Of longer words the first 1,023 bytes are kept. Another thread's call may fail in
/// between: the words are whole then, but that one's.
///
/// Returns the length of the words without the NUL, whatever fits; 0 if no call has failed.
///
/// Any thread, and any callback. Errors: `WS_ERR_NULL`, `WS_ERR_HANDLE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_server_error(server: *mut ws_server, buffer: *mut c_char, size: usize) -> c_int {
    // SAFETY: the contract of this function: there is room for `size` bytes.
    unsafe { copy_error::<HostedServer>(server, buffer, size) }
}

/// The same for a client. Why an attempt to connect failed is told by its error event.
///
/// Any thread, and any callback. Errors: those of `ws_server_error`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_client_error(client: *mut ws_client, buffer: *mut c_char, size: usize) -> c_int {
    // SAFETY: the contract of this function: there is room for `size` bytes.
    unsafe { copy_error::<HostedClient>(client, buffer, size) }
}

/// The same for a loop.
///
/// Any thread, and any callback. Errors: those of `ws_server_error`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_loop_error(looping: *mut ws_loop, buffer: *mut c_char, size: usize) -> c_int {
    // SAFETY: the contract of this function: there is room for `size` bytes.
    unsafe { copy_error::<HostedLoop>(looping, buffer, size) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_cut_between_characters() {
        let last = LastError::default();
        let mut room = [7; 6];
        assert_eq!((last.copy(&mut room), room), (0, [0, 7, 7, 7, 7, 7]));
        last.set("a\u{e4}\0\u{20ac}");
        assert_eq!((last.copy(&mut room), &room), (7, b"a\xc3\xa4?\0\x07"));
        assert_eq!((last.copy(&mut room[..1]), room[0]), (7, 0));
        assert_eq!(last.copy(&mut []), 7);
        last.set(&"\u{20ac}".repeat(500));
        assert_eq!(last.copy(&mut []), 1023);
    }
}
