//! Errors in words, and the version of the library.

use crate::error::Status;
use std::cell::RefCell;
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
/// if none has failed. Never NULL; valid until the next call of this thread that fails.
#[unsafe(no_mangle)]
pub extern "C" fn ws_last_error() -> *const c_char {
    LAST.try_with(|last| last.borrow().as_ptr()).unwrap_or(c"".as_ptr())
}
