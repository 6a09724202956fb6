//! Listening sockets that somebody else has opened: a service manager, or the program that started this one. They outlive
//! us, so that a restart refuses nobody: what nobody accepts meanwhile waits in them for whoever comes next.

use super::check;
use super::socket::{Address, Listener, address_of};
use std::io;
use std::mem::size_of;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::SocketAddr as UnixAddress;
use std::path::Path;

/// The first descriptor that a service manager passes (`sd_listen_fds(3)`).
const FIRST: RawFd = 3;

impl Listener {
    /// Listens on a duplicate of this descriptor, which must be a listening stream socket. The descriptor stays open, and
    /// is not passed on to programs that are started from now on; both no longer block.
    ///
    /// # Errors
    /// `InvalidInput` if it is something else, and what `fcntl` says.
    pub fn inherit(fd: RawFd) -> io::Result<Self> {
        let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, what.to_owned());
        let number = |name| socket_option(fd, name);
        let kind = number(libc::SO_TYPE).map_err(|error| match error.raw_os_error() {
            Some(libc::EBADF) => invalid("there is no such descriptor"),
            Some(libc::ENOTSOCK) => invalid("it is no socket"),
            _ => error,
        })?;
        if kind != libc::SOCK_STREAM || number(libc::SO_ACCEPTCONN)? == 0 {
            return Err(invalid("it is no stream socket that listens"));
        }
        // SAFETY: the calls take no pointers, and the last gives a new descriptor that nobody else owns.
        let own = unsafe {
            let flags = check(libc::fcntl(fd, libc::F_GETFD))?;
            check(libc::fcntl(fd, libc::F_SETFD, flags | libc::FD_CLOEXEC))?;
            let flags = check(libc::fcntl(fd, libc::F_GETFL))?;
            check(libc::fcntl(fd, libc::F_SETFL, flags | libc::O_NONBLOCK))?;
            OwnedFd::from_raw_fd(check(libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, FIRST))?)
        };
        let address = match number(libc::SO_DOMAIN)? {
            libc::AF_INET | libc::AF_INET6 => address_of(&own, libc::getsockname)?.map(Address::Tcp),
            libc::AF_UNIX => Some(Address::Unix(unix_path(&own).unwrap_or_default())),
            _ => None,
        };
        Ok(Self::inherited(own, address.ok_or_else(|| invalid("it is neither a TCP nor a Unix socket"))?))
    }
}

/// The path that a Unix socket listens on, if it has one.
fn unix_path(fd: &OwnedFd) -> Option<std::path::PathBuf> {
    let listener = std::os::unix::net::UnixListener::from(fd.try_clone().ok()?);
    listener.local_addr().ok().as_ref().and_then(UnixAddress::as_pathname).map(Path::to_owned)
}

fn socket_option(fd: RawFd, name: libc::c_int) -> io::Result<libc::c_int> {
    let mut value: libc::c_int = 0;
    let mut length = size_of::<libc::c_int>() as libc::socklen_t;
    let to = (&raw mut value).cast();
    // SAFETY: the option is an int, and the pointers lead to one and to its length, which outlive the call.
    check(unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, name, to, &raw mut length) })?;
    Ok(value)
}

/// The descriptors that a service manager has passed to the process `pid`, all of them or those of one name, by the variables
/// of its environment (`sd_listen_fds_with_names(3)`).
///
/// # Errors
/// Why there are none.
pub fn passed(name: Option<&str>, pid: u32, variable: impl Fn(&str) -> Option<String>) -> Result<Vec<RawFd>, String> {
    let number = |key: &str| variable(key).ok_or_else(|| format!("{key} is not set"));
    let for_pid = number("LISTEN_PID")?;
    if for_pid.parse() != Ok(pid) {
        return Err(format!("LISTEN_PID is {for_pid}, and this is process {pid}"));
    }
    let count = number("LISTEN_FDS")?;
    let Some(count) = count.parse().ok().filter(|count: &RawFd| (1..=1024).contains(count)) else {
        return Err(format!("LISTEN_FDS is {count}"));
    };
    let all = FIRST..FIRST + count;
    let Some(name) = name else { return Ok(all.collect()) };
    let names = number("LISTEN_FDNAMES")?;
    let named: Vec<RawFd> = all.zip(names.split(':')).filter(|(_, own)| *own == name).map(|(fd, _)| fd).collect();
    if named.is_empty() { Err(format!("LISTEN_FDNAMES is {names}")) } else { Ok(named) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, UdpSocket};
    use std::os::fd::{AsRawFd, IntoRawFd};
    use std::os::unix::net::UnixListener;

    fn passed_by(variables: &[(&str, &str)], name: Option<&str>) -> Result<Vec<RawFd>, String> {
        passed(name, 42, |key| variables.iter().find(|(own, _)| *own == key).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn descriptors_of_a_service_manager() {
        let three = [("LISTEN_PID", "42"), ("LISTEN_FDS", "3"), ("LISTEN_FDNAMES", "web:admin:web")];
        assert_eq!(passed_by(&three, None), Ok(vec![3, 4, 5]));
        assert_eq!(passed_by(&three, Some("web")), Ok(vec![3, 5]));
        assert_eq!(passed_by(&three, Some("admin")), Ok(vec![4]));
        assert!(passed_by(&three, Some("other")).is_err());
        assert!(passed_by(&three[..2], Some("web")).is_err());
    }

    #[test]
    fn what_is_for_another_process_or_nonsense() {
        for (pid, fds) in [("43", "1"), ("", "1"), ("42", "0"), ("42", "-1"), ("42", "x"), ("42", "99999999999")] {
            let error = passed_by(&[("LISTEN_PID", pid), ("LISTEN_FDS", fds)], None).unwrap_err();
            assert!(error.contains("LISTEN_"), "{error}");
        }
        assert!(passed_by(&[("LISTEN_FDS", "1")], None).is_err());
        assert!(passed_by(&[("LISTEN_PID", "42")], None).is_err());
    }

    #[test]
    fn only_stream_sockets_that_listen_are_taken() {
        let refused = |fd: RawFd| Listener::inherit(fd).unwrap_err().kind() == io::ErrorKind::InvalidInput;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let connected = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert!(refused(connected.as_raw_fd()));
        assert!(refused(UdpSocket::bind("127.0.0.1:0").unwrap().as_raw_fd()));
        assert!(refused(std::fs::File::open("/dev/null").unwrap().as_raw_fd()));
        assert!(refused(-1) && refused(1_000_000));
        let address = listener.local_addr().unwrap();
        assert_eq!(Listener::inherit(listener.as_raw_fd()).unwrap().address(), &Address::Tcp(address));
    }

    #[test]
    fn the_socket_lives_on() {
        let path = std::env::temp_dir().join(format!("wspush-inherit-{}", std::process::id()));
        let fd = UnixListener::bind(&path).unwrap().into_raw_fd();
        for _ in 0..2 {
            let listener = Listener::inherit(fd).unwrap();
            assert_eq!(listener.address(), &Address::Unix(path.clone()));
            assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
            let _client = std::os::unix::net::UnixStream::connect(&path).unwrap();
            assert!(listener.accept().is_ok());
        }
        // SAFETY: the descriptor is this test's own.
        drop(unsafe { OwnedFd::from_raw_fd(fd) });
        assert!(std::os::unix::net::UnixStream::connect(&path).is_err());
        std::fs::remove_file(path).unwrap();
    }
}
