//! What the engine has to say, in words.

use super::call::call;
use super::handle::ws_server;
use super::server::{Callbacks, UserData, set_callback};
use crate::engine::log::{Level, Logger};
use std::ffi::{CString, c_char, c_int, c_void};

/// How much a message for the log matters, by the numbers of RFC 5424: the lower, the more.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ws_log_level {
    /// A fault of ours, or of the system, that cost somebody something.
    WS_LOG_ERROR = 3,
    /// Something is short: descriptors, or the time of the host.
    WS_LOG_WARNING = 4,
    /// What happens seldom and is normal: the start, the stop.
    WS_LOG_NOTICE = 5,
    /// Who was refused or failed, and why.
    WS_LOG_INFO = 6,
    /// Who came and went.
    WS_LOG_DEBUG = 7,
}

impl From<Level> for ws_log_level {
    fn from(level: Level) -> Self {
        match level {
            Level::Error => Self::WS_LOG_ERROR,
            Level::Warning => Self::WS_LOG_WARNING,
            Level::Notice => Self::WS_LOG_NOTICE,
            Level::Info => Self::WS_LOG_INFO,
            Level::Debug => Self::WS_LOG_DEBUG,
        }
    }
}

/// Called with each message for the log. `level` is a `ws_log_level`; `message` is UTF-8 in one line, NUL-terminated, and
/// valid until the callback returns.
pub type ws_log_fn =
    Option<unsafe extern "C" fn(server: *mut ws_server, level: c_int, message: *const c_char, user_data: *mut c_void)>;

impl Logger for Callbacks {
    fn log(&self, level: Level, message: &str) {
        if let Some((callback, data)) = self.may_call(self.log) {
            // No message has a NUL in it: what peers have a say in is held to visible characters.
            let message = CString::new(message).unwrap_or_default();
            // SAFETY: the host's function, called as its type says.
            unsafe { call!(callback, self.server(), ws_log_level::from(level) as c_int, message.as_ptr(), data.0) }
        }
    }
}

/// Sets the function to be called with each message for the log, of `log_level` and graver, in callback mode. It runs on the
/// reactor threads and must not block, as those of `ws_server_on_open`; to set it alone does not make callback mode. In poll
/// mode messages come as events instead, with the option `log_events`.
///
/// What is written: where the server listens, that it stops and has stopped, that accepting or reading paused, who was
/// refused or failed and why, faults of ours; at most 100 messages a second for each reactor of what peers do (info, debug),
/// and as many of what is graver. Without this callback, and
/// without the option, nothing is written anywhere.
///
/// Errors: as `ws_server_on_open`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ws_server_on_log(
    server: *mut ws_server,
    callback: ws_log_fn,
    user_data: *mut c_void,
) -> c_int {
    set_callback(server, |callbacks| callbacks.log = (callback, UserData(user_data)))
}
