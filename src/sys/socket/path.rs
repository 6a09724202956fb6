//! The files that Unix sockets listen at: made with the access that was asked for, and removed only by the server that made
//! them.
//!
//! A path may change hands while a server lives, for a successor may unlink the file and bind the path anew. So a server notes
//! which file it has made, by device and inode. Another file cannot have the same two while the socket is open, for the
//! socket holds its inode.

use super::connecting::connect_unix;
use super::raw::{open, to_raw_unix};
use crate::sys::check;
use std::ffi::CString;
use std::fs::{self, Metadata};
use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Who may connect to a Unix socket. What is not said is as the kernel makes it: the user and the group of the process, and
/// what its umask leaves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Access {
    /// The permission bits. Whoever may write may connect.
    pub mode: Option<u32>,
    /// The number of a user.
    pub owner: Option<u32>,
    /// The number of a group.
    pub group: Option<u32>,
}

impl Access {
    /// The mode where only an owner or a group is asked for.
    pub const MODE: u32 = 0o660;

    fn is_asked_for(self) -> bool {
        self != Self::default()
    }
}

/// Which file it is, as long as somebody holds it open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    fn of(file: &Metadata) -> Self {
        Self { device: file.dev(), inode: file.ino() }
    }

    /// The file that is at a path now.
    fn at(path: &Path) -> Option<Self> {
        fs::symlink_metadata(path).ok().as_ref().map(Self::of)
    }
}

/// Listens at a path. What a server that was killed has left there goes first.
pub(super) fn listen(path: &Path, backlog: i32, access: Access) -> io::Result<(OwnedFd, Identity)> {
    let (storage, length) = to_raw_unix(path)?;
    let fd = open(libc::AF_UNIX)?;
    remove_dead(path);
    if access.is_asked_for() {
        // The file is made with the mode of the socket: nobody may connect until all is as it was asked for.
        // SAFETY: the call takes no pointers.
        check(unsafe { libc::fchmod(fd.as_raw_fd(), 0) })?;
    }
    // SAFETY: the pointer leads to an initialised address of `length` bytes that outlives the call.
    let bound = check(unsafe { libc::bind(fd.as_raw_fd(), (&raw const storage).cast(), length as libc::socklen_t) });
    bound.map_err(|error| why_not(path, error))?;
    let file = pin(path)?;
    let meta = file.metadata()?;
    let identity = Identity::of(&meta);
    // SAFETY: the call takes no pointers.
    let listening = check(unsafe { libc::listen(fd.as_raw_fd(), backlog) });
    let made = listening.and_then(|_| if access.is_asked_for() { give(&file, &meta, access) } else { Ok(()) });
    match made {
        Ok(()) => Ok((fd, identity)),
        Err(error) => {
            remove(path, identity);
            Err(error)
        }
    }
}

/// Removes the file of a socket, if it is still this one. Somebody holds it open.
pub(super) fn remove(path: &Path, identity: Identity) {
    if Identity::at(path) == Some(identity) {
        take_away(path, identity);
    }
}

/// The same for a path that had this file a moment ago. A successor may put its own there at any time. So what is there is
/// moved aside, looked at again, and put back if it is another.
fn take_away(path: &Path, identity: Identity) {
    let aside = beside(path);
    match rename(path, &aside) {
        Ok(()) if Identity::at(&aside) == Some(identity) || rename(&aside, path).is_err() => {
            let _ = fs::remove_file(&aside);
        }
        Ok(()) => {}
        // Not every file system can move without overwriting.
        Err(_) if Identity::at(path) == Some(identity) => {
            let _ = fs::remove_file(path);
        }
        Err(_) => {}
    }
}

/// A name that nobody else uses, in the same directory.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.gone", std::process::id()));
    name.into()
}

/// Moves a file to where there is none.
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    let (from, to) = (CString::new(from.as_os_str().as_bytes())?, CString::new(to.as_os_str().as_bytes())?);
    // SAFETY: both strings are NUL-terminated and outlive the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_renameat2,
            libc::AT_FDCWD,
            from.as_ptr(),
            libc::AT_FDCWD,
            to.as_ptr(),
            libc::RENAME_NOREPLACE,
        )
    };
    check(result as libc::c_int).map(drop)
}

/// Takes away a socket that nobody listens on.
fn remove_dead(path: &Path) {
    // Held open, so that a successor that replaces it cannot get its inode.
    let Ok(file) = pin(path) else { return };
    let Ok(meta) = file.metadata() else { return };
    let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    if meta.file_type().is_socket() && connect_unix(path).is_err_and(refused) {
        remove(path, Identity::of(&meta));
    }
}

/// Holds what is at a path, without opening it and without following it if it is a link.
fn pin(path: &Path) -> io::Result<fs::File> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let flags = libc::O_PATH | libc::O_NOFOLLOW | libc::O_CLOEXEC;
    // SAFETY: the path is NUL-terminated and outlives the call, whose result is a new descriptor that nobody else owns.
    Ok(unsafe { fs::File::from_raw_fd(check(libc::open(path.as_ptr(), flags))?) })
}

/// Gives a new file the access that was asked for: the mode last, since until then nobody may connect.
fn give(file: &fs::File, meta: &Metadata, access: Access) -> io::Result<()> {
    let failed = |what: &str, error: io::Error| io::Error::new(error.kind(), format!("{what}: {error}"));
    if !meta.file_type().is_socket() || meta.permissions().mode() & 0o777 != 0 {
        return Err(io::Error::other("the file is not as it was made: somebody has replaced it"));
    }
    if access.owner.is_some() || access.group.is_some() {
        const KEEP: u32 = u32::MAX;
        let (owner, group) = (access.owner.unwrap_or(KEEP), access.group.unwrap_or(KEEP));
        // SAFETY: the path is an empty string, which stands for the descriptor.
        check(unsafe { libc::fchownat(file.as_raw_fd(), c"".as_ptr(), owner, group, libc::AT_EMPTY_PATH) })
            .map_err(|error| failed("the owner and the group cannot be set", error))?;
    }
    // Descriptors that only hold a file take no fchmod; the link that stands for one leads to the file that it holds.
    let link = format!("/proc/self/fd/{}", file.as_raw_fd());
    fs::set_permissions(link, fs::Permissions::from_mode(access.mode.unwrap_or(Access::MODE)))
        .map_err(|error| failed("the mode cannot be set", error))
}

/// Why a path cannot be bound. The kernel says of any file that it is an address in use.
fn why_not(path: &Path, error: io::Error) -> io::Error {
    if error.kind() != io::ErrorKind::AddrInUse {
        return error;
    }
    let kind = match fs::symlink_metadata(path).map(|meta| meta.file_type()) {
        Ok(kind) if kind.is_file() => "a regular file",
        Ok(kind) if kind.is_dir() => "a directory",
        Ok(kind) if kind.is_symlink() => "a symbolic link",
        Ok(kind) if !kind.is_socket() => "a file of another kind",
        _ => return error,
    };
    io::Error::new(io::ErrorKind::AlreadyExists, format!("there is {kind}, and not a socket"))
}

const _: () = assert!(size_of::<libc::uid_t>() == size_of::<u32>() && size_of::<libc::gid_t>() == size_of::<u32>());

#[cfg(test)]
mod tests {
    use super::super::{Address, Listener};
    use super::*;
    use std::os::unix::net::{UnixListener, UnixStream};

    /// A directory of its own for each test, gone with it.
    struct Directory(PathBuf);

    impl Directory {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("wspush-{name}-{}", std::process::id()));
            fs::create_dir(&path).unwrap();
            Self(path)
        }

        fn is_empty(&self) -> bool {
            fs::read_dir(&self.0).unwrap().next().is_none()
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn bind(path: &Path, access: Access) -> io::Result<Listener> {
        Listener::bind(&Address::Unix(path.to_owned()), 8, false, access)
    }

    #[test]
    fn the_file_of_a_successor_stays() {
        let directory = Directory::new("successor");
        let path = directory.0.join("s");
        let first = bind(&path, Access::default()).unwrap();
        fs::remove_file(&path).unwrap();
        let second = bind(&path, Access::default()).unwrap();
        drop(first);
        assert!(UnixStream::connect(&path).is_ok());
        // Nor does it take away what is no socket any more.
        fs::remove_file(&path).unwrap();
        fs::write(&path, "precious").unwrap();
        drop(second);
        assert_eq!(fs::read(&path).unwrap(), b"precious");
        fs::remove_file(&path).unwrap();
        drop(bind(&path, Access::default()).unwrap());
        assert!(directory.is_empty());
    }

    /// A file that was put there between the look and the removal is put back.
    #[test]
    fn what_is_replaced_meanwhile_stays() {
        let directory = Directory::new("replaced");
        let path = directory.0.join("s");
        let mine = UnixListener::bind(&path).unwrap();
        let identity = Identity::at(&path).unwrap();
        let other = Identity { inode: identity.inode + 1, ..identity };
        for removes in [remove, take_away] {
            removes(&path, other);
            assert_eq!(Identity::at(&path), Some(identity));
            assert!(UnixStream::connect(&path).is_ok());
        }
        remove(&path, identity);
        assert!(directory.is_empty());
        drop(mine);
        remove(&path, identity);
        assert!(directory.is_empty());
    }

    #[test]
    fn what_a_killed_server_has_left_goes() {
        let directory = Directory::new("killed");
        let path = directory.0.join("s");
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let listener = bind(&path, Access::default()).unwrap();
        assert!(UnixStream::connect(&path).is_ok());
        assert_eq!(bind(&path, Access::default()).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(listener);
        assert!(directory.is_empty());
    }

    #[test]
    fn what_is_in_the_way_is_named() {
        let directory = Directory::new("in-the-way");
        let path = directory.0.join("s");
        let refused = |what: &str| {
            let error = bind(&path, Access::default()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
            assert!(error.to_string().contains(what), "{error}");
        };
        fs::write(&path, "").unwrap();
        refused("a regular file");
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("nowhere", &path).unwrap();
        refused("a symbolic link");
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        refused("a directory");
    }

    #[test]
    fn the_mode_is_the_one_that_was_asked_for() {
        let directory = Directory::new("mode");
        let path = directory.0.join("s");
        let mode = |path: &Path| fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777;
        let by_umask = {
            let _listener = UnixListener::bind(&path).unwrap();
            mode(&path)
        };
        fs::remove_file(&path).unwrap();
        // SAFETY: the calls take no pointers.
        let (user, group) = unsafe { (libc::geteuid(), libc::getegid()) };
        let asked = |mode| Access { mode: Some(mode), ..Access::default() };
        for (access, expected) in [
            (Access::default(), by_umask),
            (asked(0o600), 0o600),
            (asked(0o666), 0o666),
            (asked(0o777), 0o777),
            (asked(0), 0),
            (Access { group: Some(group), ..Access::default() }, 0o660),
            (Access { mode: Some(0o620), owner: Some(user), group: Some(group) }, 0o620),
        ] {
            let listener = bind(&path, access).unwrap();
            assert_eq!(mode(&path), expected, "{access:?}");
            let meta = fs::symlink_metadata(&path).unwrap();
            assert_eq!((meta.uid(), meta.gid()), (user, group));
            drop(listener);
            assert!(directory.is_empty());
        }
    }

    /// Until all is as it was asked for nobody may connect, whatever the umask.
    #[test]
    fn a_file_is_made_with_the_mode_of_its_socket() {
        let directory = Directory::new("made");
        let path = directory.0.join("s");
        let fd = open(libc::AF_UNIX).unwrap();
        let (storage, length) = to_raw_unix(&path).unwrap();
        // SAFETY: the pointer leads to an initialised address of `length` bytes.
        unsafe {
            check(libc::fchmod(fd.as_raw_fd(), 0)).unwrap();
            check(libc::bind(fd.as_raw_fd(), (&raw const storage).cast(), length as libc::socklen_t)).unwrap();
        }
        assert_eq!(fs::symlink_metadata(&path).unwrap().permissions().mode() & 0o7777, 0);
    }
}
