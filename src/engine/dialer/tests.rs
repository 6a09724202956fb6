//! Calls against real sockets, and names and addresses of a world of our own.

mod answers;
mod crowds;
mod held_up;
mod lives;
mod ways;

use super::network::Network;
use super::*;
use crate::protocol::handshake::accept_key;
use crate::sys::socket::{Address, Connecting};
use std::collections::{HashMap, VecDeque};
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

/// Longer than any test takes, however slow the machine is.
const LONG: Duration = Duration::from_secs(120);

/// Hears what becomes of a call. When the dialer is done with it, its channel is closed.
struct Ear(Mutex<Sender<Result<Connected, Failure>>>);

impl Caller for Ear {
    fn connected(&self, _: CallId, connected: Connected) {
        let _ = self.0.lock().unwrap().send(Ok(connected));
    }

    fn failed(&self, _: CallId, failure: Failure) {
        let _ = self.0.lock().unwrap().send(Err(failure));
    }
}

/// A call, and what becomes of it.
struct Dialled {
    id: CallId,
    outcome: Receiver<Result<Connected, Failure>>,
}

impl Dialled {
    fn connected(&self) -> Connected {
        match self.outcome.recv_timeout(LONG).expect("an outcome") {
            Ok(connected) => connected,
            Err(failure) => panic!("{failure:?}"),
        }
    }

    fn failed(&self) -> Failure {
        self.outcome.recv_timeout(LONG).expect("an outcome").expect_err("a failure")
    }

    /// Waits until the dialer has let go of it without a word.
    fn is_gone(&self) {
        let outcome = self.outcome.recv_timeout(LONG);
        assert_eq!(outcome.err(), Some(std::sync::mpsc::RecvTimeoutError::Disconnected));
    }
}

fn dial(dialer: &Dialer, plan: Plan) -> Dialled {
    dial_later(dialer, plan, Duration::ZERO)
}

fn dial_later(dialer: &Dialer, plan: Plan, delay: Duration) -> Dialled {
    let (sender, outcome) = channel();
    let id = dialer.dial(Arc::new(plan), delay, Arc::new(Ear(Mutex::new(sender))));
    Dialled { id, outcome }
}

fn plan(url: &str) -> Plan {
    Plan {
        url: Url::parse(url).unwrap(),
        proxy: None,
        resolutions: Vec::new(),
        upgrade: Upgrade { max_head: 4096, ..Upgrade::default() },
        max_redirects: 0,
        connect_timeout: LONG,
        handshake_timeout: LONG,
    }
}

fn system() -> Arc<Dialer> {
    Dialer::start(Arc::new(System)).unwrap()
}

/// A server of one thread that treats one connection after another.
fn server(mut treat: impl FnMut(TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || listener.incoming().for_each(|stream| treat(stream.unwrap())));
    address
}

/// One that answers every request with the same bytes and then ends the connection.
fn answering(answer: &'static [u8]) -> SocketAddr {
    server(move |mut stream| {
        read_head(&mut stream);
        let _ = stream.write_all(answer);
    })
}

/// Reads a head and not a byte more.
fn read_head(stream: &mut impl Read) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count == 1) {
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// A right answer to a request, with more header lines.
fn switch(head: &str, more: &str) -> String {
    let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).expect("a key");
    let accept = accept_key(key.as_bytes());
    let accept = std::str::from_utf8(&accept).unwrap();
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{more}\r\n"
    )
}

/// A server that lets everybody in.
fn welcoming() -> SocketAddr {
    server(|mut stream| {
        let head = read_head(&mut stream);
        let _ = stream.write_all(switch(&head, "").as_bytes());
    })
}

/// Waits until the other side has ended its side of a connection.
fn wait_for_end(stream: &mut impl Read) {
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
}

/// What becomes of an address.
#[derive(Clone, Copy)]
enum Fate {
    /// It never answers.
    Dead,
    /// It is this one in truth.
    Is(SocketAddr),
    /// Connecting fails with this number.
    Fails(i32),
}

type LookUp = dyn Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync;

/// A world of our own.
struct World {
    look_up: Box<LookUp>,
    fates: HashMap<IpAddr, Fate>,
    /// Told of each dead address that somebody connects to: the far end of what the dialer has.
    dead: Mutex<Sender<(IpAddr, UnixStream)>>,
    tried: Arc<Mutex<VecDeque<String>>>,
    patience: Duration,
}

impl Network for World {
    fn look_up(&self, name: &str) -> io::Result<Vec<SocketAddr>> {
        (self.look_up)(name)
    }

    fn patience(&self) -> Duration {
        self.patience
    }

    fn connect(&self, to: &Address) -> io::Result<(Socket, Connecting)> {
        let Address::Tcp(tcp) = to else { return Socket::connect(to) };
        self.tried.lock().unwrap().push_back(to.to_string());
        match self.fates.get(&tcp.ip()) {
            None => Socket::connect(to),
            Some(Fate::Is(address)) => Socket::connect(&Address::Tcp(*address)),
            Some(Fate::Fails(number)) => Err(io::Error::from_raw_os_error(*number)),
            Some(Fate::Dead) => {
                let (ours, theirs) = UnixStream::pair()?;
                ours.set_nonblocking(true)?;
                // It does not become writable as long as nobody reads.
                while (&ours).write(&[0; 4096]).is_ok() {}
                self.dead.lock().unwrap().send((tcp.ip(), theirs)).unwrap();
                Ok((Socket::from(OwnedFd::from(ours)), Connecting::UnderWay))
            }
        }
    }
}

/// A dialer in a world where these addresses have these fates, its dead ones, and all that is tried.
struct Stage {
    dialer: Arc<Dialer>,
    dead: Receiver<(IpAddr, UnixStream)>,
    tried: Arc<Mutex<VecDeque<String>>>,
}

fn world(
    look_up: impl Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
    fates: &[(&str, Fate)],
) -> Stage {
    stage(look_up, fates, Duration::from_secs(86_400))
}

/// The same, where calls fall silent after a moment.
fn impatient_world(
    look_up: impl Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
    fates: &[(&str, Fate)],
) -> Stage {
    stage(look_up, fates, Duration::from_millis(20))
}

fn stage(
    look_up: impl Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
    fates: &[(&str, Fate)],
    patience: Duration,
) -> Stage {
    let (sender, dead) = channel();
    let tried = Arc::default();
    let fates = fates.iter().map(|(ip, fate)| (ip.parse().unwrap(), *fate)).collect();
    let world =
        World { look_up: Box::new(look_up), fates, dead: Mutex::new(sender), tried: Arc::clone(&tried), patience };
    Stage { dialer: Dialer::start(Arc::new(world)).unwrap(), dead, tried }
}

/// Every name has these addresses.
fn named(addresses: &[&str]) -> impl Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static {
    let addresses: Vec<SocketAddr> = addresses.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), 0)).collect();
    move |_| Ok(addresses.clone())
}

#[track_caller]
fn assert_failure(failure: &Failure, status: Status, detail: &str) {
    assert_eq!(failure.status, status, "{failure:?}");
    assert!(failure.detail.contains(detail), "{:?} has no {detail:?}", failure.detail);
}
