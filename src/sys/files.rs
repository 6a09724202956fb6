//! Files below a directory, for reading: looked up so that nothing leads out of it, and read in pieces.
//!
//! No symbolic link below the directory is followed, wherever it points: a link is as good a way out as `..` is, and whether
//! one that stays inside today still does so tomorrow nobody can tell. The directory itself may be reached over links; it is
//! opened once, and stays the one it was then.
//!
//! The kernel sees to that in one call (`openat2`, Linux 5.6). Where it is missing, or a sandbox forbids it, the path is
//! walked name by name, each relative to the directory before.

use super::{check, check_size};
use std::ffi::{CStr, CString};
use std::io;
use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

/// A directory whose files may be read.
#[derive(Debug)]
pub struct Directory {
    fd: OwnedFd,
}

/// What a path leads to.
#[derive(Debug)]
pub enum Found {
    /// A regular file.
    File(File),
    /// A directory.
    Directory,
    /// Nothing that may be read: there is nothing, it is of another kind, or the way there is barred.
    Nothing,
}

/// A regular file, open for reading.
#[derive(Debug)]
pub struct File {
    fd: OwnedFd,
    /// Its size in bytes when it was opened.
    pub size: u64,
    /// When it was changed last, since 1970.
    pub modified: Duration,
}

/// How a file is opened. Opening a FIFO must not wait for whoever writes to it.
const READ: libc::c_int = libc::O_RDONLY | libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC;

/// How a directory on the way is opened.
const STEP: libc::c_int = libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC;

impl Directory {
    /// Opens a directory.
    ///
    /// # Errors
    /// When there is none of this name, or it may not be read.
    pub fn open(path: &Path) -> io::Result<Self> {
        // Reading it is asked for here, so that a mistake shows at the start.
        let file = std::fs::File::open(path)?;
        if !file.metadata()?.is_dir() {
            return Err(io::Error::from_raw_os_error(libc::ENOTDIR));
        }
        Ok(Self { fd: file.into() })
    }

    /// Looks up a path below the directory: names with a slash between them. The empty path is the directory.
    ///
    /// # Errors
    /// When the system cannot say: it has no descriptors or no memory left, or the disk fails.
    pub fn look_up(&self, path: &[u8]) -> io::Result<Found> {
        if path.is_empty() {
            return Ok(Found::Directory);
        }
        let Ok(path) = CString::new(path) else { return Ok(Found::Nothing) };
        let opened = match self.open_beneath(&path) {
            Err(error) if is_unavailable(&error) => self.open_by_names(&path),
            opened => opened,
        };
        match opened {
            Ok(fd) => identify(fd),
            Err(error) if is_about_the_path(&error) => Ok(Found::Nothing),
            Err(error) => Err(error),
        }
    }

    /// Opens a path in one call.
    fn open_beneath(&self, path: &CStr) -> io::Result<OwnedFd> {
        // SAFETY: all-zero is a valid value of this plain structure, and asks for nothing.
        let mut how: libc::open_how = unsafe { MaybeUninit::zeroed().assume_init() };
        how.flags = READ as u64;
        how.resolve = libc::RESOLVE_BENEATH | libc::RESOLVE_NO_SYMLINKS;
        // SAFETY: path and structure outlive the call, the size is that of the structure, and the result is a new
        // descriptor that nobody else owns.
        unsafe {
            let size = size_of::<libc::open_how>();
            let fd = libc::syscall(libc::SYS_openat2, self.fd.as_raw_fd(), path.as_ptr(), &raw const how, size);
            Ok(OwnedFd::from_raw_fd(check(fd as libc::c_int)?))
        }
    }

    /// Opens a path name by name.
    fn open_by_names(&self, path: &CStr) -> io::Result<OwnedFd> {
        let mut names = path.to_bytes().split(|byte| *byte == b'/').peekable();
        let mut directory: Option<OwnedFd> = None;
        loop {
            let name = names.next().unwrap_or_default();
            if matches!(name, b"" | b"." | b"..") {
                return Err(io::ErrorKind::NotFound.into());
            }
            let is_last = names.peek().is_none();
            let name = CString::new(name)?;
            let from = directory.as_ref().map_or(self.fd.as_fd(), AsFd::as_fd);
            let fd = open_at(from, &name, if is_last { READ } else { STEP } | libc::O_NOFOLLOW)?;
            if is_last {
                return Ok(fd);
            }
            directory = Some(fd);
        }
    }
}

impl File {
    /// Reads at most `most` bytes from `offset` on, behind what `buffer` holds. Less come at the end of the file, and none
    /// behind it.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn read_at(&self, offset: u64, buffer: &mut Vec<u8>, most: usize) -> io::Result<usize> {
        buffer.reserve(most);
        let room = buffer.spare_capacity_mut();
        // SAFETY: the kernel writes at most `most` bytes into the spare capacity, which has room for them.
        let read = unsafe {
            libc::pread(self.fd.as_raw_fd(), room.as_mut_ptr().cast(), most.min(room.len()), offset as libc::off_t)
        };
        let count = check_size(read)?;
        // SAFETY: the kernel has written `count` bytes behind the old length, within the capacity.
        unsafe { buffer.set_len(buffer.len() + count) };
        Ok(count)
    }
}

fn open_at(directory: BorrowedFd<'_>, name: &CStr, flags: libc::c_int) -> io::Result<OwnedFd> {
    // SAFETY: the name outlives the call, and the result is a new descriptor that nobody else owns.
    unsafe { Ok(OwnedFd::from_raw_fd(check(libc::openat(directory.as_raw_fd(), name.as_ptr(), flags))?)) }
}

fn identify(fd: OwnedFd) -> io::Result<Found> {
    let mut status = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the kernel fills the structure, which outlives the call, or says that it has not.
    let status = unsafe {
        check(libc::fstat(fd.as_raw_fd(), status.as_mut_ptr()))?;
        status.assume_init()
    };
    Ok(match status.st_mode & libc::S_IFMT {
        libc::S_IFREG => {
            let since = |seconds: i64, nanos: i64| {
                // What was changed before 1970 was so in 1970.
                u64::try_from(seconds).map_or(Duration::ZERO, |seconds| Duration::new(seconds, nanos as u32))
            };
            let modified = since(status.st_mtime, status.st_mtime_nsec);
            Found::File(File { fd, size: status.st_size.unsigned_abs(), modified })
        }
        libc::S_IFDIR => Found::Directory,
        _ => Found::Nothing,
    })
}

/// Whether an error says that there is no such call, or none for us.
fn is_unavailable(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM | libc::EINVAL | libc::E2BIG | libc::EAGAIN))
}

/// Whether an error says no more than that this path leads to nothing.
fn is_about_the_path(error: &io::Error) -> bool {
    let about = [
        libc::ENOENT,
        libc::ENOTDIR,
        libc::ELOOP,
        libc::EXDEV,
        libc::ENAMETOOLONG,
        libc::EACCES,
        libc::EPERM,
        libc::ENXIO,
        libc::ENODEV,
    ];
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error().is_some_and(|number| about.contains(&number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;
    use std::path::PathBuf;

    /// A directory of its own for a test, with a few things in it, and gone after it.
    struct Tree(PathBuf);

    impl Tree {
        fn new(name: &str) -> Self {
            let top = std::env::temp_dir().join(format!("wspush-files-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&top);
            fs::create_dir_all(top.join("root/a/b")).unwrap();
            fs::write(top.join("secret"), "secret").unwrap();
            fs::write(top.join("root/index.html"), "hello").unwrap();
            fs::write(top.join("root/a/b/deep"), vec![7; 100_000]).unwrap();
            fs::write(top.join("root/empty"), "").unwrap();
            symlink("index.html", top.join("root/inside")).unwrap();
            symlink("../secret", top.join("root/outside")).unwrap();
            symlink("/etc", top.join("root/absolute")).unwrap();
            symlink("a", top.join("root/linked")).unwrap();
            symlink("circle", top.join("root/circle")).unwrap();
            symlink("root", top.join("current")).unwrap();
            Self(top)
        }

        fn root(&self) -> Directory {
            Directory::open(&self.0.join("root")).unwrap()
        }
    }

    impl Drop for Tree {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn kind(found: &Found) -> &'static str {
        match found {
            Found::File(_) => "file",
            Found::Directory => "directory",
            Found::Nothing => "nothing",
        }
    }

    #[test]
    fn what_is_there_is_found_and_no_way_leads_out() {
        let tree = Tree::new("found");
        let _listener = UnixListener::bind(tree.0.join("root/socket")).unwrap();
        let fifo = CString::new(tree.0.join("root/fifo").to_str().unwrap()).unwrap();
        // SAFETY: the path outlives the call.
        assert_eq!(unsafe { libc::mkfifo(fifo.as_ptr(), 0o600) }, 0);
        let root = tree.root();
        let long = "x".repeat(300);
        let far = "x/".repeat(4000);
        let rows = [
            ("index.html", "file"),
            ("a/b/deep", "file"),
            ("empty", "file"),
            ("", "directory"),
            ("a", "directory"),
            ("a/b", "directory"),
            ("none", "nothing"),
            ("a/none/b", "nothing"),
            ("index.html/x", "nothing"),
            ("inside", "nothing"),
            ("outside", "nothing"),
            ("absolute", "nothing"),
            ("absolute/passwd", "nothing"),
            ("linked", "nothing"),
            ("linked/b/deep", "nothing"),
            ("circle", "nothing"),
            ("../secret", "nothing"),
            ("a/../../secret", "nothing"),
            ("/etc/passwd", "nothing"),
            ("socket", "nothing"),
            ("fifo", "nothing"),
            ("index.html\0x", "nothing"),
            (&long, "nothing"),
            (&far, "nothing"),
        ];
        for (path, expected) in rows {
            assert_eq!(kind(&root.look_up(path.as_bytes()).unwrap()), expected, "{path}");
            let Ok(path) = CString::new(path) else { continue };
            // The other way, which a new kernel does not take.
            let found = match root.open_by_names(&path) {
                Ok(fd) => identify(fd).unwrap(),
                Err(error) if path.is_empty() => {
                    assert!(is_about_the_path(&error));
                    continue;
                }
                Err(error) => {
                    assert!(is_about_the_path(&error), "{path:?}: {error}");
                    Found::Nothing
                }
            };
            assert_eq!(kind(&found), expected, "{path:?}, by names");
        }
    }

    #[test]
    fn files_are_read_in_pieces() {
        let tree = Tree::new("read");
        // The directory itself may be reached over a link.
        let root = Directory::open(&tree.0.join("current")).unwrap();
        let Ok(Found::File(file)) = root.look_up(b"a/b/deep") else { panic!("it is there") };
        assert_eq!(file.size, 100_000);
        let modified = fs::metadata(tree.0.join("root/a/b/deep")).unwrap().modified().unwrap();
        assert_eq!(file.modified, modified.duration_since(std::time::UNIX_EPOCH).unwrap());
        let mut buffer = b"before".to_vec();
        assert_eq!(file.read_at(99_990, &mut buffer, 64).unwrap(), 10);
        assert_eq!(file.read_at(100_000, &mut buffer, 64).unwrap(), 0);
        assert_eq!(file.read_at(0, &mut buffer, 3).unwrap(), 3);
        assert_eq!(buffer, [&b"before"[..], &[7; 13]].concat());
        let Ok(Found::File(empty)) = root.look_up(b"empty") else { panic!("it is there") };
        assert_eq!((empty.size, empty.read_at(0, &mut buffer, 64).unwrap()), (0, 0));
    }

    #[test]
    fn only_a_directory_can_be_one() {
        let tree = Tree::new("open");
        assert_eq!(Directory::open(&tree.0.join("none")).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(Directory::open(&tree.0.join("secret")).unwrap_err().raw_os_error(), Some(libc::ENOTDIR));
    }
}
