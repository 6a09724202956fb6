//! The request that opened a connection, or that wants a response; for a client, the response that it got.

use crate::engine::request::Request;
use crate::protocol::http::Version;
use std::ffi::{CStr, c_char, c_int, c_void};

/// The HTTP request of an open or request event; in the events of a client the response of the server, with the header fields
/// of that, and method, target, path and query of the request that it answers. Opaque. It lives as long as the event: in a callback until the callback
/// returns, in poll mode until the next `ws_server_poll`. So do the strings that these functions return; all are
/// NUL-terminated. A NULL request gives NULL, or 0.
pub struct ws_request {
    _opaque: (),
}

impl ws_request {
    pub(super) fn lend(request: &Request) -> *const Self {
        std::ptr::from_ref(request).cast()
    }
}

/// # Safety
/// `request` is NULL or was made by [`ws_request::lend`] of a request that still lives.
unsafe fn borrow<'a>(request: *const ws_request) -> Option<&'a Request> {
    // SAFETY: the caller's promise.
    unsafe { request.cast::<Request>().as_ref() }
}

fn pointer(text: Option<&CStr>) -> *const c_char {
    text.map_or(std::ptr::null(), CStr::as_ptr)
}

/// The status of a response, 101 if it opened the connection. 0 for a request.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_request_status(request: *const ws_request) -> c_int {
    // SAFETY: the contract of `ws_request`.
    unsafe { borrow(request) }.map_or(0, |request| c_int::from(request.status()))
}

/// The reason phrase of a response: "Unauthorized". Empty if it came without one, and for a request. Not necessarily UTF-8.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_request_reason(request: *const ws_request) -> *const c_char {
    // SAFETY: the contract of `ws_request`.
    pointer(unsafe { borrow(request) }.map(Request::reason))
}

/// The method: "GET".
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_request_method(request: *const ws_request) -> *const c_char {
    // SAFETY: the contract of `ws_request`.
    pointer(unsafe { borrow(request) }.map(Request::method))
}

/// The version of HTTP in which it was sent: 10 for HTTP/1.0, 11 for HTTP/1.1. For a client that is 11, the version of the
/// request that the response answers. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_request_version(request: *const ws_request) -> c_int {
    // SAFETY: the contract of `ws_request`.
    unsafe { borrow(request) }.map_or(0, |request| match request.version() {
        Version::Http10 => 10,
        Version::Http11 => 11,
    })
}

/// The target as it was sent: "/chat?room=1".
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_request_target(request: *const ws_request) -> *const c_char {
    // SAFETY: the contract of `ws_request`.
    pointer(unsafe { borrow(request) }.map(Request::target))
}

/// The path, percent-encoded as it was sent: "/chat". It starts with a slash, or is "*" when OPTIONS asks about the server
/// as a whole (RFC 9110 section 9.3.7).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_request_path(request: *const ws_request) -> *const c_char {
    // SAFETY: the contract of `ws_request`.
    pointer(unsafe { borrow(request) }.map(Request::path))
}

/// What follows the question mark, percent-encoded as it was sent: "room=1". Empty if there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_request_query(request: *const ws_request) -> *const c_char {
    // SAFETY: the contract of `ws_request`.
    pointer(unsafe { borrow(request) }.map(Request::query))
}

/// The value of the first header field of this name, in any case of letters; NULL if there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_request_header(request: *const ws_request, name: *const c_char) -> *const c_char {
    if name.is_null() {
        return std::ptr::null();
    }
    // SAFETY: a name that is not NULL is NUL-terminated, and the contract of `ws_request`.
    let (request, name) = unsafe { (borrow(request), CStr::from_ptr(name)) };
    pointer(request.and_then(|request| request.header(name)))
}

/// How many header fields there are, at most 100.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_request_header_count(request: *const ws_request) -> c_int {
    // SAFETY: the contract of `ws_request`.
    unsafe { borrow(request) }.map_or(0, |request| request.header_count() as c_int)
}

/// The name of a header field, as it was sent, by its place from 0; NULL beyond the last.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_request_header_name(request: *const ws_request, index: c_int) -> *const c_char {
    // SAFETY: the contract of `ws_request`.
    let request = unsafe { borrow(request) };
    pointer(request.and_then(|request| Some(request.header_at(usize::try_from(index).ok()?)?.0)))
}

/// The value of a header field, by its place from 0; NULL beyond the last.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_request_header_value(request: *const ws_request, index: c_int) -> *const c_char {
    // SAFETY: the contract of `ws_request`.
    let request = unsafe { borrow(request) };
    pointer(request.and_then(|request| Some(request.header_at(usize::try_from(index).ok()?)?.1)))
}

/// The body, with its length in bytes in `*length`; NULL and 0 if there is none. Not NUL-terminated: any bytes, as they were
/// sent but for the transfer coding, at most `max_request_body` of them. `length` may not be NULL. Of a response that refuses a
/// client it is the beginning of the body: what came of the first 4 KiB within a second of the head; none of a redirection.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_request_body(request: *const ws_request, length: *mut usize) -> *const c_void {
    // SAFETY: the contract of `ws_request`.
    let body = unsafe { borrow(request) }.map_or(&[][..], Request::body);
    if length.is_null() {
        return std::ptr::null();
    }
    // SAFETY: the caller's pointer is not NULL and leads to room for a length.
    unsafe { *length = body.len() };
    if body.is_empty() { std::ptr::null() } else { body.as_ptr().cast() }
}

/// The subprotocol that was chosen for the connection (option `subprotocols`, RFC 6455 section 1.9): "v2.chat". Empty if none
/// was.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_request_subprotocol(request: *const ws_request) -> *const c_char {
    // SAFETY: the contract of `ws_request`.
    pointer(unsafe { borrow(request) }.map(Request::subprotocol))
}

/// The IP address that the connection comes from, "192.0.2.7" or "2001:db8::1"; "unix" over a Unix socket.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_request_remote_address(request: *const ws_request) -> *const c_char {
    // SAFETY: the contract of `ws_request`.
    pointer(unsafe { borrow(request) }.map(Request::remote_address))
}

/// The port that the connection comes from; 0 over a Unix socket.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_request_remote_port(request: *const ws_request) -> c_int {
    // SAFETY: the contract of `ws_request`.
    unsafe { borrow(request) }.map_or(0, |request| request.remote_port().into())
}

/// The port of ours that the connection came in at; 0 over a Unix socket.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_request_local_port(request: *const ws_request) -> c_int {
    // SAFETY: the contract of `ws_request`.
    unsafe { borrow(request) }.map_or(0, |request| request.local_port().into())
}
