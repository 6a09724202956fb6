//! The numbers of users and groups, by their names.

use std::ffi::{CString, c_char, c_int};
use std::io;
use std::mem::MaybeUninit;

/// The number of a user. `None` if there is none of this name.
///
/// # Errors
/// What `getpwnam_r` says.
pub fn user_id(name: &str) -> io::Result<Option<u32>> {
    let found = |name: *const c_char, entry, buffer, size, result| {
        // SAFETY: the pointers are those that `look_up` passes, to room of the sizes that the function takes.
        unsafe { libc::getpwnam_r(name, entry, buffer, size, result) }
    };
    look_up(name, found, |entry: &libc::passwd| entry.pw_uid)
}

/// The number of a group. `None` if there is none of this name.
///
/// # Errors
/// What `getgrnam_r` says.
pub fn group_id(name: &str) -> io::Result<Option<u32>> {
    let found = |name: *const c_char, entry, buffer, size, result| {
        // SAFETY: as above.
        unsafe { libc::getgrnam_r(name, entry, buffer, size, result) }
    };
    look_up(name, found, |entry: &libc::group| entry.gr_gid)
}

/// The most memory for what is known of one of them: a group names all its members.
const MOST: usize = 1 << 20;

/// Asks with a buffer that grows until the entry fits.
fn look_up<E>(
    name: &str,
    ask: impl Fn(*const c_char, *mut E, *mut c_char, usize, *mut *mut E) -> c_int,
    number: fn(&E) -> u32,
) -> io::Result<Option<u32>> {
    let Ok(name) = CString::new(name) else { return Ok(None) };
    let mut buffer = vec![0; 1024];
    loop {
        let mut entry = MaybeUninit::<E>::uninit();
        let mut result = std::ptr::null_mut();
        match ask(name.as_ptr(), entry.as_mut_ptr(), buffer.as_mut_ptr(), buffer.len(), &raw mut result) {
            // SAFETY: a result that is not NULL leads to `entry`, which was filled in, and to the buffer.
            0 => return Ok(unsafe { result.as_ref() }.map(number)),
            libc::ERANGE if buffer.len() < MOST => buffer.resize(buffer.len() * 4, 0),
            libc::EINTR => {}
            // Some systems say so where there is none.
            libc::ENOENT | libc::ESRCH => return Ok(None),
            error => return Err(io::Error::from_raw_os_error(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_names() {
        assert_eq!(user_id("root").unwrap(), Some(0));
        assert_eq!(group_id("root").unwrap(), Some(0));
        for nobody in ["", "no such name", "a\0b"] {
            assert_eq!(user_id(nobody).unwrap(), None);
            assert_eq!(group_id(nobody).unwrap(), None);
        }
    }
}
