//! However little a socket takes at a time, and whatever is sent meanwhile: what comes out is whole frames, those of the host
//! in its order, each Pong once and in the order of the pings, and a Close frame behind them all.
//!
//! A script is played: the peer sends messages, in fragments with pings between them, and pings, which arrive in pieces; the
//! host answers by what the message says, and pushes and broadcasts besides; the socket takes so many bytes, and then none.

use super::*;
use crate::cause::Cause;
use crate::engine::batch::{Batch, BatchNumber, Event};
use crate::engine::delivery::{Delivery, Handler, Handlers};
use crate::engine::events::{BatchWriter, EventQueue, Reactors, Served};
use crate::engine::link::Link;
use crate::engine::owner::{ClientHandler, Kept, Next, Owner, Tag};
use crate::engine::registry::Phase;
use crate::engine::request::Request;
use crate::engine::site::Site;
use crate::engine::turn::DIRECT_MIN;
use crate::engine::worker;
use crate::error::Status;
use crate::options::Options;
use crate::protocol::decoder::Kind;
use crate::protocol::frame::{self, Opcode};
use crate::sys::socket::{Peer, Socket, throttle};
use proptest::prelude::*;
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What the host does about a message: the first byte of its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Answer {
    /// Sends it back, from where it is.
    PassOn,
    /// Sends a short message.
    Short,
    /// Sends a long message and a short one.
    Long,
    /// Has all connections told, and then answers.
    TellAll,
    /// Answers, has all told, and answers again.
    Between,
    /// Pings, and sends a message.
    Ping,
    /// Says nothing.
    Nothing,
}

const ANSWERS: [Answer; 7] =
    [Answer::PassOn, Answer::Short, Answer::Long, Answer::TellAll, Answer::Between, Answer::Ping, Answer::Nothing];

#[derive(Debug, Clone)]
enum Step {
    /// The peer has a message to send, with a ping before its last fragment or behind it.
    Message(Answer, usize, u8, bool),
    /// It has a ping to send.
    Ping,
    /// So many bytes of what it has to send arrive.
    Arrives(usize),
    /// The socket takes so many bytes, and then none.
    Takes(usize),
    /// The host pushes by itself.
    Push(usize),
    /// It sends to all.
    Broadcast(usize),
    /// It takes events, if it polls.
    Poll,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    PeerCloses,
    PeerEndsItsSide,
    PeerBreaksTheProtocol,
    HostCloses,
}

/// The host, in all its ways.
struct Host {
    link: Arc<Link>,
    conn: AtomicU64,
    told: AtomicUsize,
    /// It has closed the connection, which takes nothing more.
    has_closed: AtomicBool,
    /// What was taken from it to be sent.
    said: Mutex<Vec<(Opcode, Vec<u8>)>>,
}

impl Host {
    fn push(&self, opcode: Opcode, payload: &[u8]) {
        let sent = self.link.send(self.conn.load(Ordering::Relaxed), opcode, payload);
        sent.unwrap_or_else(|error| panic!("{error:?}"));
        self.note(opcode, payload);
    }

    fn note(&self, opcode: Opcode, payload: &[u8]) {
        self.said.lock().unwrap().push((opcode, payload.to_vec()));
    }

    /// A payload that no other is like.
    fn payload(&self, length: usize) -> Vec<u8> {
        let number = self.said.lock().unwrap().len();
        number.to_le_bytes().into_iter().chain((0..length).map(|i| (i * 7 + number) as u8)).collect()
    }

    fn broadcast(&self, length: usize) {
        let (payload, mut frame) = (self.payload(length), Vec::new());
        frame::write(&mut frame, Opcode::Binary, true, self.link.mask(), &payload);
        self.link.broadcast(&frame.into()).unwrap();
        self.note(Opcode::Binary, &payload);
    }

    fn on_message(&self, payload: &[u8]) {
        self.told.fetch_add(1, Ordering::Relaxed);
        if self.has_closed.load(Ordering::Relaxed) {
            return;
        }
        let length = payload.len();
        match ANSWERS[payload[0] as usize] {
            Answer::PassOn => self.push(Opcode::Binary, payload),
            Answer::Short => self.push(Opcode::Binary, &self.payload(length % 100)),
            Answer::Long => {
                self.push(Opcode::Binary, &self.payload(DIRECT_MIN + length));
                self.push(Opcode::Binary, &self.payload(5));
            }
            Answer::TellAll => {
                self.broadcast(length);
                self.push(Opcode::Binary, &self.payload(length));
            }
            Answer::Between => {
                self.push(Opcode::Binary, &self.payload(length));
                self.broadcast(length / 2);
                self.push(Opcode::Binary, &self.payload(length / 3));
            }
            Answer::Ping => {
                self.push(Opcode::Ping, &[1, 2, 3]);
                self.push(Opcode::Binary, &self.payload(length));
            }
            Answer::Nothing => {}
        }
    }
}

impl Handler for Arc<Host> {
    fn open(&self, conn: ConnId, _: &Request) {
        self.conn.store(conn, Ordering::Relaxed);
        self.push(Opcode::Binary, &self.payload(20));
    }
    fn message(&self, _: ConnId, _: Kind, payload: &[u8]) {
        self.on_message(payload);
    }
    fn drain(&self, _: ConnId) {}
    fn close(&self, _: ConnId, _: u16, _: &str, _: Cause) {}
    fn request(&self, _: ConnId, _: &Request) -> bool {
        false
    }
    fn decides(&self) -> bool {
        false
    }
    fn handshake(&self, _: ConnId, _: &Request) {}
}

impl ClientHandler for Arc<Host> {
    fn open(&self, _: &Request) {
        self.push(Opcode::Binary, &self.payload(20));
    }
    fn message(&self, _: Kind, payload: &[u8]) {
        self.on_message(payload);
    }
    fn drain(&self) {}
    fn close(&self, _: u16, _: &str, _: Cause) {}
    fn error(&self, _: Status, _: &str, _: Option<&Request>) {}
    fn retry(&self, _: Duration) {}
    fn end(&self) {}
}

impl Owner for Arc<Host> {
    fn tag(&self) -> Tag {
        1
    }
    fn handler(&self) -> Option<Arc<dyn ClientHandler>> {
        Some(Arc::new(Self::clone(self)))
    }
    fn online(&self, conn: ConnId) -> Option<Kept> {
        self.conn.store(conn, Ordering::Relaxed);
        Some(Kept::default())
    }
    fn turned_away(&self) -> Option<Next> {
        None
    }
    fn closes(&self, _: u16, _: Cause) {}
    fn offline(&self, _: ConnId, _: bool) -> Next {
        Next::End
    }
    fn ended(&self) {}
}

/// The reactor is run by the script.
struct Scripted(Arc<Link>);

impl Reactors for Scripted {
    fn enter(&self, _: bool) -> bool {
        false
    }
    fn leave(&self) {}
    fn serve(&self, _: Option<Instant>, _: bool) -> Served {
        Served::Elsewhere
    }
    fn give_way(&self) {}
    fn take_pushes(&self) {}
    fn go_on(&self) {}
    fn look(&self) {}
    fn reopen(&self, batch: &Batch) {
        for event in batch.events() {
            if let Event::Message(conn, ..) | Event::Open(conn, _) = event {
                self.0.registry.change_phase(*conn, Phase::Leaving, Phase::Open);
            }
        }
    }
    fn is_over(&self, conn: ConnId, last: &mut Option<BatchNumber>) -> bool {
        self.0.is_over(conn, last)
    }
}

struct World {
    role: Role,
    host: Arc<Host>,
    events: Option<Arc<EventQueue>>,
    reactor: Reactor,
    peer: UnixStream,
    outgoing: Vec<u8>,
    messages: usize,
    pings: Vec<Vec<u8>>,
    received: Vec<u8>,
    has_ended: bool,
}

const UPGRADE: &[u8] =
    b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

impl World {
    fn new(role: Role, polled: bool) -> Self {
        throttle::set(usize::MAX);
        let options = Arc::new(Options {
            max_connections: 4,
            max_queued_bytes: 1 << 30,
            max_command_bytes: 1 << 30,
            high_watermark: 64 * 1024,
            low_watermark: 32 * 1024,
            ..Options::default()
        });
        let events = polled.then(|| Arc::new(EventQueue::new(1 << 20).unwrap()));
        let link = Arc::new(Link::new(role, 0, &options, &Arc::default(), events.as_ref()).unwrap());
        let site = Arc::new(Site { links: vec![Arc::clone(&link)], ..Site::default() });
        let host = Arc::new(Host {
            link: Arc::clone(&link),
            conn: AtomicU64::new(0),
            told: AtomicUsize::new(0),
            has_closed: AtomicBool::new(false),
            said: Mutex::default(),
        });
        let delivery = match &events {
            Some(events) => Delivery::Batches(BatchWriter::new(Arc::clone(events), Arc::clone(&link.progress))),
            None if role == Role::Server => Delivery::Callbacks(Arc::new(Arc::clone(&host))),
            None => Delivery::Each(Handlers::new(Arc::clone(&link))),
        };
        let mut reactor = Reactor::new(Arc::clone(&link), site, Vec::new(), delivery).unwrap();
        // So little that what is pushed takes several turns.
        reactor.slice_most = 2000;
        if polled {
            reactor.open_ring();
            assert!(!worker::own(None, &link));
        } else {
            link.begin_thread(None);
        }
        let (ours, peer) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        peer.set_nonblocking(true).unwrap();
        let socket = Socket::from(OwnedFd::from(ours));
        let mut world = Self {
            role,
            host,
            events,
            reactor,
            peer,
            outgoing: Vec::new(),
            messages: 0,
            pings: Vec::new(),
            received: Vec::new(),
            has_ended: false,
        };
        if role == Role::Server {
            world.reactor.take_in(Ok(Some((socket, Peer::Unix))));
            world.outgoing.extend_from_slice(UPGRADE);
        } else {
            let owner = Arc::new(Arc::clone(&world.host));
            let response = Arc::new(Request::answered("/", 101, std::iter::empty(), Peer::Unix, Peer::Unix));
            let newcomer = super::super::Newcomer { owner, socket, received: Vec::new(), response };
            world.reactor.adopt(newcomer);
        }
        world.arrive(usize::MAX);
        world.poll();
        world
    }

    /// Frames of the peer are masked if it is a client, with a mask that shows whether they are unmasked.
    fn send(&mut self, opcode: Opcode, fin: bool, payload: &[u8]) {
        let mask = (self.role == Role::Server).then_some([0x11, 0x22, 0x33, 0x44]);
        frame::write(&mut self.outgoing, opcode, fin, mask, payload);
    }

    fn ping(&mut self) {
        let payload = (self.pings.len() as u32).to_le_bytes().to_vec();
        self.send(Opcode::Ping, true, &payload);
        self.pings.push(payload);
    }

    fn message(&mut self, answer: Answer, length: usize, fragments: u8, pings_within: bool) {
        let number = self.messages;
        let payload: Vec<u8> = std::iter::once(answer as u8)
            .chain((number as u32).to_le_bytes())
            .chain((0..length).map(|i| (i * 5 + number) as u8))
            .collect();
        let pieces: Vec<&[u8]> = payload.chunks(payload.len().div_ceil(usize::from(fragments))).collect();
        for (i, piece) in pieces.iter().enumerate() {
            let is_last = i + 1 == pieces.len();
            if is_last && pings_within {
                self.ping();
            }
            self.send(if i == 0 { Opcode::Binary } else { Opcode::Continuation }, is_last, piece);
        }
        if !pings_within {
            self.ping();
        }
        self.messages += 1;
    }

    /// So many bytes of the peer arrive, as far as they fit.
    fn arrive(&mut self, most: usize) {
        let mut left = most.min(self.outgoing.len());
        while left > 0 {
            match self.peer.write(&self.outgoing[..left]) {
                Ok(count) => {
                    self.outgoing.drain(..count);
                    left -= count;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // It has ended, and takes no more.
                Err(_) => self.outgoing.clear(),
            }
            left = left.min(self.outgoing.len());
        }
        self.turn();
    }

    fn turn(&mut self) {
        self.reactor.turn(Some(Duration::ZERO)).unwrap();
        let mut buffer = [0; 65536];
        loop {
            match self.peer.read(&mut buffer) {
                Ok(0) => return self.has_ended = true,
                Ok(count) => self.received.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // What it has sent was not read: the connection is over.
                Err(_) => return self.has_ended = true,
            }
        }
    }

    fn take(&mut self, room: usize) {
        throttle::set(room);
        let slot = self.host.link.registry.slot_of(self.host.conn.load(Ordering::Relaxed));
        self.reactor.hear_out(slot);
        self.turn();
    }

    /// The host takes a batch, if it polls, and works on it. It sends what is long at once, if nobody runs the reactor.
    fn poll(&mut self) -> bool {
        let Some(events) = self.events.clone() else { return false };
        let read = |batch: &Batch| {
            let message = |event: &Event| match event {
                Event::Open(conn, _) => {
                    self.host.conn.store(*conn, Ordering::Relaxed);
                    None
                }
                Event::Message(_, _, span) => Some(batch.payload(*span).to_vec()),
                _ => None,
            };
            batch.events().iter().filter_map(message).collect::<Vec<_>>()
        };
        let Some(messages) = events.poll(Some(Duration::ZERO), &Scripted(Arc::clone(&self.host.link)), read).unwrap()
        else {
            return false;
        };
        let mut sends_at_once = false;
        for payload in messages {
            sends_at_once = !sends_at_once;
            let conn = self.host.conn.load(Ordering::Relaxed);
            let is_long = payload[0] == Answer::PassOn as u8 && payload.len() >= DIRECT_MIN;
            let is_open = !self.host.has_closed.load(Ordering::Relaxed);
            let may_send = is_long && sends_at_once && is_open && self.role == Role::Server;
            // Behind more than a slice it takes the queue, as a host's push does.
            let sent = if may_send { self.reactor.send_directly(conn, Opcode::Binary, &payload) } else { None };
            if let Some(sent) = sent {
                sent.unwrap();
                self.host.told.fetch_add(1, Ordering::Relaxed);
                self.host.note(Opcode::Binary, &payload);
            } else {
                self.host.on_message(&payload);
            }
        }
        true
    }

    fn play(&mut self, step: Step) {
        match step {
            Step::Message(answer, length, fragments, pings) => self.message(answer, length, fragments, pings),
            Step::Ping => self.ping(),
            Step::Arrives(most) => self.arrive(most),
            Step::Takes(room) => self.take(room),
            Step::Push(length) => {
                self.host.push(Opcode::Binary, &self.host.payload(length));
                self.turn();
            }
            Step::Broadcast(length) => {
                self.host.broadcast(length);
                self.turn();
            }
            Step::Poll => {
                self.poll();
            }
        }
    }

    fn end(&mut self, end: End) {
        match end {
            End::PeerCloses => self.send(Opcode::Close, true, &1000_u16.to_be_bytes()),
            End::PeerBreaksTheProtocol => self.outgoing.extend([0xf3, 0x80]),
            End::PeerEndsItsSide => {}
            End::HostCloses => {
                self.host.has_closed.store(true, Ordering::Relaxed);
                self.host.link.close(self.host.conn.load(Ordering::Relaxed), Some(1000), "").unwrap();
                self.send(Opcode::Close, true, &1000_u16.to_be_bytes());
            }
        }
        let mut silence = 0;
        while silence < 4 && !self.has_ended {
            let before = (self.outgoing.len(), self.received.len());
            self.arrive(usize::MAX);
            if self.outgoing.is_empty() && end == End::PeerEndsItsSide {
                self.peer.shutdown(Shutdown::Write).unwrap();
            }
            self.take(usize::MAX);
            let has_polled = self.poll();
            self.turn();
            let moves = before != (self.outgoing.len(), self.received.len()) || has_polled;
            silence = if moves { 0 } else { silence + 1 };
        }
    }

    fn check(&self, end: End) {
        let mut frames = frames(self.role, &self.received);
        let said = self.host.said.lock().unwrap();
        let close = frames.pop_if(|(opcode, _)| *opcode == Opcode::Close as u8);
        let code = close.map(|(_, payload)| u16::from_be_bytes([payload[0], payload[1]]));
        let wanted = match end {
            End::PeerCloses | End::HostCloses => Some(1000),
            End::PeerBreaksTheProtocol => Some(1002),
            End::PeerEndsItsSide => None,
        };
        assert_eq!(code, wanted);
        let (pongs, others): (Vec<_>, Vec<_>) = frames.into_iter().partition(|(op, _)| *op == Opcode::Pong as u8);
        let pongs: Vec<_> = pongs.into_iter().map(|(_, payload)| payload).collect();
        assert_eq!(others.len(), said.len());
        for (got, wanted) in others.iter().zip(said.iter()) {
            assert_eq!(got.0, wanted.0 as u8);
            assert!(got.1 == wanted.1, "a payload of {} bytes for one of {}", got.1.len(), wanted.1.len());
        }
        if end == End::HostCloses {
            assert!(self.pings.starts_with(&pongs));
        } else {
            assert_eq!(self.host.told.load(Ordering::Relaxed), self.messages);
            assert_eq!(pongs, self.pings);
        }
        assert!(self.has_ended || self.role == Role::Client, "the server ends the connection");
    }
}

/// What a peer makes of these bytes: opcodes and payloads. Every frame is whole, masked if a client sends it, and of the shortest form.
fn frames(role: Role, received: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut left = received;
    if role == Role::Server {
        let head = left.windows(4).position(|four| four == b"\r\n\r\n").expect("an upgrade");
        assert!(left.starts_with(b"HTTP/1.1 101 "));
        left = &left[head + 4..];
    }
    let mut frames = Vec::new();
    while !left.is_empty() {
        let (first, second) = (left[0], left[1]);
        assert!(first & 0xf0 == 0x80 && matches!(first & 0x0f, 1 | 2 | 8 | 9 | 10), "{first:#x} begins no frame");
        assert_eq!(second & 0x80 != 0, role == Role::Client);
        left = &left[2..];
        let wide = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let length = match wide {
            0 => usize::from(second & 0x7f),
            _ => left[..wide].iter().fold(0, |length, byte| length << 8 | usize::from(*byte)),
        };
        assert!(wide == 0 || length > if wide == 2 { 125 } else { 65535 });
        left = &left[wide..];
        let mut key = [0; 4];
        if role == Role::Client {
            key.copy_from_slice(&left[..4]);
            left = &left[4..];
        }
        assert!(length <= left.len(), "the last frame is cut off");
        let (payload, rest) = left.split_at(length);
        frames.push((first & 0x0f, payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect()));
        left = rest;
    }
    frames
}

fn length() -> impl Strategy<Value = usize> {
    prop_oneof![4 => 0..130_usize, 2 => 130..20_000_usize, 1 => 20_000..400_000_usize]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..ANSWERS.len(), length(), 1..4_u8, any::<bool>())
            .prop_map(|(answer, length, fragments, pings)| Step::Message(ANSWERS[answer], length, fragments, pings)),
        1 => Just(Step::Ping),
        2 => (1..50_usize).prop_map(Step::Arrives),
        4 => (1..600_000_usize).prop_map(Step::Arrives),
        3 => (0..20_usize).prop_map(Step::Takes),
        3 => (0..100_000_usize).prop_map(Step::Takes),
        1 => length().prop_map(Step::Push),
        1 => length().prop_map(Step::Broadcast),
        3 => Just(Step::Poll),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn whole_frames_in_order_come_out(
        is_client in any::<bool>(),
        polled in any::<bool>(),
        steps in prop::collection::vec(step(), 1..40),
        end in prop_oneof![
            Just(End::PeerCloses), Just(End::PeerEndsItsSide), Just(End::PeerBreaksTheProtocol), Just(End::HostCloses),
        ],
    ) {
        let mut world = World::new(if is_client { Role::Client } else { Role::Server }, polled);
        for step in steps {
            world.play(step);
        }
        world.end(end);
        world.check(end);
        worker::disown(&world.host.link.commands);
        throttle::set(usize::MAX);
    }
}
