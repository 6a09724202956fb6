//! What is made large by a peer or by the host, and finds no memory: it is answered, counted, and costs nobody else anything. The
//! allocator of this process refuses what is larger than a limit, while a test says so.

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use wspush::cause::Cause;
use wspush::client::Client;
use wspush::engine::batch::Event;
use wspush::engine::delivery::Handler;
use wspush::engine::registry::ConnId;
use wspush::engine::request::Request;
use wspush::engine::stats::Stats;
use wspush::error::Status;
use wspush::protocol::decoder::Kind;
use wspush::server::Server;

struct Scarce;

/// The most that an allocation gets, in bytes.
static MOST: AtomicUsize = AtomicUsize::new(usize::MAX);
static REFUSED: AtomicU64 = AtomicU64::new(0);

/// What is called small, in bytes.
const SMALL: usize = 8 * 1024;

fn may_have(size: usize) -> bool {
    let may = size <= MOST.load(Ordering::Relaxed);
    REFUSED.fetch_add(u64::from(!may), Ordering::Relaxed);
    may
}

// SAFETY: what is not refused is left to the system's allocator.
unsafe impl GlobalAlloc for Scarce {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the contract of this function is that of the one that is called.
        if may_have(layout.size()) { unsafe { System.alloc(layout) } } else { null_mut() }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        if may_have(size) { unsafe { System.realloc(pointer, layout, size) } } else { null_mut() }
    }
}

#[global_allocator]
static ALLOCATOR: Scarce = Scarce;

/// One test at a time, for the allocator is the process's.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The time in which there is no memory for what is not small.
struct Scarcity(u64);

impl Scarcity {
    fn begin() -> Self {
        MOST.store(SMALL, Ordering::SeqCst);
        Self(REFUSED.load(Ordering::SeqCst))
    }

    /// Ends it. Something was refused meanwhile.
    fn end(self) {
        assert!(REFUSED.load(Ordering::SeqCst) > self.0, "nothing was asked for that there was no memory for");
    }
}

impl Drop for Scarcity {
    fn drop(&mut self) {
        MOST.store(usize::MAX, Ordering::SeqCst);
    }
}

// ---- peers ---------------------------------------------------------------------------------------------------------

const PATIENCE: Duration = Duration::from_secs(20);

struct Peer(TcpStream);

impl Peer {
    fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(stream)
    }

    fn open(port: u16) -> Self {
        let mut peer = Self::connect(port);
        peer.send(
            b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
              Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        );
        assert!(peer.head().starts_with("HTTP/1.1 101 "));
        peer
    }

    fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        String::from_utf8(head).unwrap()
    }

    /// The next frame: its first byte and its payload.
    fn frame(&mut self) -> (u8, Vec<u8>) {
        let mut start = [0; 2];
        self.0.read_exact(&mut start).unwrap();
        let length = match start[1] {
            126 => {
                let mut long = [0; 2];
                self.0.read_exact(&mut long).unwrap();
                u16::from_be_bytes(long).into()
            }
            short => usize::from(short),
        };
        let mut payload = vec![0; length];
        self.0.read_exact(&mut payload).unwrap();
        (start[0], payload)
    }

    #[track_caller]
    fn expect(&mut self, text: &[u8]) {
        assert_eq!(self.frame(), (0x81, text.to_vec()));
    }

    #[track_caller]
    fn expect_close(&mut self, code: u16) {
        let (first, payload) = self.frame();
        assert_eq!((first, &payload[..2]), (0x88, &code.to_be_bytes()[..]), "{}", String::from_utf8_lossy(&payload));
    }

    #[track_caller]
    fn expect_end(&mut self) {
        let mut rest = [0; 4096];
        while matches!(self.0.read(&mut rest), Ok(1..)) {}
    }
}

/// A frame of a client, whose mask is zero.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        short @ 0..126 => frame.push(0x80 | short as u8),
        long @ 126..0x1_0000 => {
            frame.push(0x80 | 126);
            frame.extend((long as u16).to_be_bytes());
        }
        longer => {
            frame.push(0x80 | 127);
            frame.extend((longer as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

fn text(payload: &[u8]) -> Vec<u8> {
    masked(0x81, payload)
}

// ---- a host that is called -----------------------------------------------------------------------------------------

/// What has closed, with which code and why.
type Closed = (u16, Cause);

/// What a message begins with that is counted and not answered.
const COUNTED: u8 = 7;

struct Host {
    server: OnceLock<Arc<Server>>,
    closed: Mutex<Sender<Closed>>,
    requests: Mutex<Sender<ConnId>>,
    opened: Mutex<Sender<ConnId>>,
    /// The reactor stands still while this is locked, from the message `hold` on.
    held: Mutex<()>,
    holds: Mutex<Sender<()>>,
    /// How many answers of a callback were taken.
    taken: AtomicUsize,
    /// How many long answers were pushed.
    long: AtomicUsize,
    /// How many messages came that begin with [`COUNTED`].
    counted: AtomicUsize,
}

impl Handler for Host {
    fn open(&self, conn: ConnId, _: &Request) {
        self.opened.lock().unwrap().send(conn).unwrap();
    }

    fn message(&self, conn: ConnId, kind: Kind, payload: &[u8]) {
        let server = self.server.get().unwrap();
        match payload {
            b"pause" => server.pause(conn).unwrap(),
            b"hold" => {
                self.holds.lock().unwrap().send(()).unwrap();
                drop(self.held.lock());
            }
            b"answer much" => {
                for number in 0..200_u8 {
                    match server.push(conn, Kind::Text, &[b'a' + number % 26; 1000]) {
                        Ok(()) => _ = self.taken.fetch_add(1, Ordering::SeqCst),
                        Err(error) => assert_eq!(error.status, Status::WS_ERR_MEMORY, "{error:?}"),
                    }
                }
            }
            b"answer at length" => {
                let long = [b'l'; 60_000];
                while self.long.fetch_add(1, Ordering::SeqCst) < 500 {
                    server.push(conn, Kind::Text, &long).unwrap();
                }
            }
            [COUNTED, ..] => _ = self.counted.fetch_add(1, Ordering::SeqCst),
            _ => server.push(conn, kind, payload).unwrap(),
        }
    }

    fn drain(&self, _: ConnId) {}

    fn close(&self, _: ConnId, code: u16, _: &str, cause: Cause) {
        self.closed.lock().unwrap().send((code, cause)).unwrap();
    }

    fn request(&self, conn: ConnId, _: &Request) -> bool {
        self.requests.lock().unwrap().send(conn).unwrap();
        true
    }

    fn decides(&self) -> bool {
        false
    }

    fn handshake(&self, _: ConnId, _: &Request) {}
}

struct Scene {
    server: Arc<Server>,
    host: Arc<Host>,
    port: u16,
    closed: Receiver<Closed>,
    requests: Receiver<ConnId>,
    opened: Receiver<ConnId>,
    holds: Receiver<()>,
    /// A connection that nothing is to happen to.
    other: Peer,
}

impl Scene {
    fn new() -> Self {
        let ((closes, closed), (asks, requests)) = (channel(), channel());
        let ((opens, opened), (hold, holds)) = (channel(), channel());
        let host = Arc::new(Host {
            server: OnceLock::new(),
            closed: Mutex::new(closes),
            requests: Mutex::new(asks),
            opened: Mutex::new(opens),
            held: Mutex::new(()),
            holds: Mutex::new(hold),
            taken: AtomicUsize::new(0),
            long: AtomicUsize::new(0),
            counted: AtomicUsize::new(0),
        });
        let server = Arc::new(Server::new());
        assert!(host.server.set(Arc::clone(&server)).is_ok());
        for (name, value) in [("max_request_head", "64K"), ("max_queued_bytes", "64M"), ("max_event_bytes", "64M")] {
            server.set(name, value).unwrap();
        }
        server.listen("127.0.0.1", 0).unwrap();
        server.set_handler(Some(Arc::clone(&host) as Arc<dyn Handler>)).unwrap();
        server.start().unwrap();
        let port = server.port(0).unwrap();
        let mut other = Peer::open(port);
        opened.recv_timeout(PATIENCE).unwrap();
        other.send(&text(b"warm"));
        other.expect(b"warm");
        Self { server, host, port, closed, requests, opened, holds, other }
    }

    fn open(&self) -> (Peer, ConnId) {
        let peer = Peer::open(self.port);
        (peer, self.opened.recv_timeout(PATIENCE).unwrap())
    }

    /// Has the reactor stand still meanwhile.
    fn held<T>(&mut self, action: impl FnOnce(&mut Self) -> T) -> T {
        let host = Arc::clone(&self.host);
        let held = host.held.lock().unwrap();
        self.other.send(&text(b"hold"));
        self.holds.recv_timeout(PATIENCE).unwrap();
        let result = action(self);
        drop(held);
        result
    }

    #[track_caller]
    fn expect_closed(&self, code: u16) {
        assert_eq!(self.closed.recv_timeout(PATIENCE), Ok((code, Cause::WS_CAUSE_MEMORY)));
    }

    fn stats(&self) -> &Stats {
        self.server.reactor_stats(0).unwrap()
    }

    /// Nobody else has noticed anything.
    #[track_caller]
    fn end(mut self) {
        self.other.send(&text(b"still here"));
        self.other.expect(b"still here");
        assert_eq!((self.stats().panics.get(), self.stats().connections_cut.get()), (0, 0));
        assert!(self.closed.try_recv().is_err());
        self.server.stop(Duration::ZERO).unwrap();
        self.server.wait().unwrap();
        assert_eq!(self.stats().queued_bytes.get(), 0);
    }
}

#[track_caller]
fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::yield_now();
    }
}

// ---- what is received ----------------------------------------------------------------------------------------------

#[test]
fn what_a_paused_connection_has_sent() {
    let _alone = alone();
    let mut scene = Scene::new();
    let (mut peer, conn) = scene.open();
    let sent = [text(b"pause"), text(&[b'x'; 1000]).repeat(20)].concat();
    scene.held(|_| peer.send(&sent));
    // Once more, without memory.
    let (mut second, _) = scene.open();
    let scarcity = scene.held(|_| {
        second.send(&sent);
        Scarcity::begin()
    });
    second.expect_close(1013);
    scene.expect_closed(1013);
    scarcity.end();
    assert_eq!(scene.stats().messages_shed.get(), 1);
    // The first, for which there was memory, goes on when it is resumed.
    scene.server.resume(conn).unwrap();
    for _ in 0..20 {
        peer.expect(&[b'x'; 1000]);
    }
    scene.end();
}

#[test]
fn messages_that_arrive_in_pieces() {
    let _alone = alone();
    let scene = Scene::new();
    let fragments = [masked(0x02, &[7; 1000]), masked(0x00, &[7; 1000]).repeat(20)].concat();
    for sent in [fragments, masked(0x82, &[7; 100_000])[..30_000].to_vec()] {
        let (mut peer, _) = scene.open();
        let scarcity = Scarcity::begin();
        peer.send(&sent);
        peer.expect_close(1013);
        scene.expect_closed(1013);
        scarcity.end();
    }
    assert_eq!(scene.stats().messages_shed.get(), 2);
    scene.end();
}

#[test]
fn heads_and_bodies_and_what_comes_behind_them() {
    let _alone = alone();
    let mut scene = Scene::new();
    let pad = format!("X-Pad: {}\r\n", "x".repeat(8000));
    let head = format!("GET /begun HTTP/1.1\r\nHost: a\r\n{}", pad.repeat(3));
    let body = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n{}", "x".repeat(40_000));
    for sent in [head, body] {
        let mut peer = Peer::connect(scene.port);
        let scarcity = Scarcity::begin();
        peer.send(sent.as_bytes());
        let answer = peer.head();
        assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("Connection: close\r\n"), "{answer}");
        scarcity.end();
        // What follows is not taken for the beginning of a request.
        let _ = peer.0.write_all(b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
        peer.expect_end();
    }
    assert!(scene.requests.try_recv().is_err());
    assert_eq!(scene.stats().refused(503).get(), 2);
    // A request that the host has, and half of another behind it.
    let mut peer = Peer::connect(scene.port);
    let asked = format!("GET /one HTTP/1.1\r\nHost: a\r\n\r\nGET /begun HTTP/1.1\r\nHost: a\r\n{pad}{pad}");
    let scarcity = scene.held(|_| {
        peer.send(asked.as_bytes());
        Scarcity::begin()
    });
    let conn = scene.requests.recv_timeout(PATIENCE).unwrap();
    scene.other.send(&text(b"behind it"));
    scene.other.expect(b"behind it");
    scarcity.end();
    peer.send(b"\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
    scene.server.respond(conn, 200, "", b"").unwrap();
    let answer = peer.head();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("Connection: close\r\n"), "{answer}");
    peer.expect_end();
    assert!(scene.requests.try_recv().is_err());
    scene.end();
}

// ---- what is pushed ------------------------------------------------------------------------------------------------

#[test]
fn what_a_callback_answers() {
    let _alone = alone();
    let scene = Scene::new();
    let (mut peer, _) = scene.open();
    let scarcity = Scarcity::begin();
    peer.send(&text(b"answer much"));
    peer.send(&text(b"done"));
    let mut got = 0_u8;
    loop {
        let (first, payload) = peer.frame();
        if payload == b"done" {
            break;
        }
        assert_eq!((first, payload), (0x81, vec![b'a' + got % 26; 1000]));
        got += 1;
    }
    scarcity.end();
    assert_eq!(usize::from(got), scene.host.taken.load(Ordering::SeqCst));
    assert!((5..200).contains(&got), "{got}");
    assert_eq!(scene.stats().pushes_refused.get(), 200 - u64::from(got));
    scene.end();
}

#[test]
fn a_long_answer_of_which_a_part_was_sent() {
    let _alone = alone();
    let scene = Scene::new();
    let (mut peer, _) = scene.open();
    let scarcity = Scarcity::begin();
    peer.send(&text(b"answer at length"));
    scene.expect_closed(1006);
    scarcity.end();
    // Whole frames, and then a part of one, behind which nothing comes.
    let mut all = Vec::new();
    let _ = peer.0.read_to_end(&mut all);
    assert!(all.chunks(60_004).all(|frame| frame[0] == 0x81 && frame[4..].iter().all(|byte| *byte == b'l')));
    assert!(scene.stats().bytes_cut.get() > 0 && scene.stats().slow_clients_closed.get() == 1);
    scene.end();
}

#[test]
fn what_other_threads_push() {
    let _alone = alone();
    let mut scene = Scene::new();
    let (mut peer, conn) = scene.open();
    scene.server.subscribe(conn, "news").unwrap();
    let long = vec![b'x'; 64 * 1024];
    let refused = |result: wspush::error::Result<()>| match result {
        Ok(()) => false,
        Err(error) => {
            assert_eq!(error.status, Status::WS_ERR_MEMORY, "{error:?}");
            true
        }
    };
    let scarcity = Scarcity::begin();
    assert!(refused(scene.server.push(conn, Kind::Binary, &long)));
    assert!(refused(scene.server.broadcast(Kind::Binary, &long)));
    assert!(refused(scene.server.publish("news", Kind::Binary, &long, 0).map(drop)));
    scarcity.end();
    // Many that are short, while nobody takes them.
    let (mut second, other) = scene.open();
    let (mut taken, mut short) = (0, 0);
    scene.held(|scene| {
        let scarcity = Scarcity::begin();
        while !refused(scene.server.push(conn, Kind::Text, &[b'y'; 1000])) {
            taken += 1;
        }
        // Nor for their number.
        while !refused(scene.server.push([conn, other][short % 2], Kind::Text, b"z")) {
            short += 1;
        }
        scarcity.end();
        assert_eq!(scene.server.queued_bytes(conn).unwrap(), taken * 1004 + short.div_ceil(2) as u64 * 3);
    });
    assert!(taken > 3 && short < 1000, "{taken} {short}");
    for _ in 0..taken {
        peer.expect(&[b'y'; 1000]);
    }
    for number in 0..short {
        [&mut peer, &mut second][number % 2].expect(b"z");
    }
    scene.end();
}

#[test]
fn what_waits_for_a_peer() {
    let _alone = alone();
    let scene = Scene::new();
    let (mut peer, conn) = scene.open();
    while scene.stats().outbox_bytes.get() < 100_000 {
        scene.server.push(conn, Kind::Binary, &[7; 9000]).unwrap();
    }
    wait_for("all is taken", || scene.stats().messages_out.get() > 0 && scene.server.stats().is_ok());
    let scarcity = Scarcity::begin();
    while scene.server.is_open(conn).unwrap() {
        let _ = scene.server.push(conn, Kind::Binary, &[7; 9000]);
    }
    scene.expect_closed(1006);
    scarcity.end();
    peer.expect_end();
    scene.end();
}

#[test]
fn what_a_client_keeps_until_it_is_connected() {
    let _alone = alone();
    let mut scene = Scene::new();
    let client = Client::new(&format!("ws://127.0.0.1:{}/", scene.port));
    client.set("max_offline_bytes", "1M").unwrap();
    client.set("reconnect", "true").unwrap();
    client.start().unwrap();
    // Its second connection: with the first come the tables of its reactor.
    let conn = scene.opened.recv_timeout(PATIENCE).unwrap();
    wait_for("the client is connected", || client.is_open().unwrap());
    scene.server.disconnect(conn).unwrap();
    wait_for("the client has lost its connection", || !client.is_open().unwrap());
    assert_eq!(scene.closed.recv_timeout(PATIENCE), Ok((1006, Cause::WS_CAUSE_DISCONNECT)));
    let mut kept = 0;
    let scarcity = scene.held(|_| {
        for _ in 0..100 {
            client.push(Kind::Binary, &[COUNTED; 1000]).unwrap();
            kept += 1;
        }
        let scarcity = Scarcity::begin();
        loop {
            match client.push(Kind::Binary, &[COUNTED; 1000]) {
                Ok(()) => kept += 1,
                Err(error) => break assert_eq!(error.status, Status::WS_ERR_MEMORY, "{error:?}"),
            }
        }
        scarcity
    });
    // The connection takes over what was kept, for which there is no memory twice.
    wait_for("all that was kept is there", || scene.host.counted.load(Ordering::SeqCst) == kept);
    scarcity.end();
    client.retire();
    assert_eq!(scene.closed.recv_timeout(PATIENCE).map(|(code, _)| code), Ok(1001));
    scene.end();
}

// ---- a host that polls ---------------------------------------------------------------------------------------------

fn events(server: &Server) -> Vec<(u8, usize)> {
    let read = |batch: &wspush::engine::batch::Batch| {
        let told = |event: &Event| match event {
            Event::Open(..) => (b'o', 0),
            Event::Message(_, _, span) => (b'm', batch.payload(*span).len()),
            Event::Close(_, code, _, Cause::WS_CAUSE_MEMORY) => (b'c', usize::from(*code)),
            _ => (b'?', 0),
        };
        batch.events().iter().map(told).collect::<Vec<_>>()
    };
    server.poll(Some(Duration::from_millis(10)), read).unwrap().unwrap_or_default()
}

fn expect_events(server: &Server, count: usize) -> Vec<(u8, usize)> {
    let mut all = Vec::new();
    wait_for("events", || {
        all.extend(events(server));
        all.len() >= count
    });
    all
}

#[test]
fn what_is_kept_for_a_host_that_polls() {
    let _alone = alone();
    let server = Server::new();
    server.set("max_event_bytes", "64M").unwrap();
    server.listen("127.0.0.1", 0).unwrap();
    server.start().unwrap();
    let port = server.port(0).unwrap();
    // A host that is away: the thread of the reactor fills batches.
    let open = || {
        let opened = std::thread::spawn(move || Peer::open(port));
        assert_eq!(expect_events(&server, 1), [(b'o', 0)]);
        opened.join().unwrap()
    };
    let (mut many, mut long, mut other) = (open(), open(), open());
    let arrived = |count: u64| {
        wait_for("messages", || server.reactor_stats(0).unwrap().messages_in.get() >= count);
    };
    let (not_small, tiny) = (text(&[b'y'; 20_000]), text(b"z").repeat(3000));
    let scarcity = Scarcity::begin();
    // More than an arena holds: the rest lies in buffers of its own, as long as that is small.
    for _ in 0..300 {
        many.send(&text(&[b'x'; 1000]));
    }
    arrived(300);
    long.send(&not_small);
    long.expect_close(1013);
    other.send(&text(b"still here"));
    arrived(302);
    scarcity.end();
    let mut all = expect_events(&server, 302);
    assert_eq!((all.pop(), all.pop()), (Some((b'm', 10)), Some((b'c', 1013))));
    assert!(all.iter().all(|event| *event == (b'm', 1000)), "{all:?}");
    // And more events than the list of a batch has room for: they go into many.
    let scarcity = Scarcity::begin();
    many.send(&tiny);
    other.send(&text(b"still here"));
    arrived(302 + 3001);
    scarcity.end();
    let all = expect_events(&server, 3001);
    assert_eq!(all.iter().filter(|event| **event == (b'm', 1)).count(), 3000);
    assert_eq!(server.reactor_stats(0).unwrap().messages_shed.get(), 1);
    assert_eq!(server.reactor_stats(0).unwrap().panics.get(), 0);
    server.stop(Duration::ZERO).unwrap();
}

/// Of the C API, whose poll lists the events of a batch.
mod listed {
    use std::ffi::{c_char, c_int, c_void};

    unsafe extern "C" {
        pub fn ws_server_new() -> *mut c_void;
        pub fn ws_server_listen(server: *mut c_void, host: *const c_char, port: c_int) -> c_int;
        pub fn ws_server_start(server: *mut c_void) -> c_int;
        pub fn ws_server_port(server: *mut c_void, listener: c_int) -> c_int;
        pub fn ws_server_poll(server: *mut c_void, events: *mut *const c_void, timeout_ms: c_int) -> c_int;
        pub fn ws_server_free(server: *mut c_void) -> c_int;
    }
}

#[test]
fn the_list_of_events_that_a_poll_gives() {
    let _alone = alone();
    // SAFETY: the calls are in the order that the header asks for, and what they give is not read.
    let (server, port) = unsafe {
        let server = listed::ws_server_new();
        assert_eq!(listed::ws_server_listen(server, c"127.0.0.1".as_ptr(), 0), 0);
        assert_eq!(listed::ws_server_start(server), 0);
        (server, listed::ws_server_port(server, 0))
    };
    let poll = || {
        let mut events = std::ptr::null();
        // SAFETY: as above.
        unsafe { listed::ws_server_poll(server, &raw mut events, 1000) }
    };
    let _peer = Peer::open(u16::try_from(port).unwrap());
    let scarcity = Scarcity::begin();
    assert_eq!(poll(), Status::WS_ERR_MEMORY as std::ffi::c_int);
    scarcity.end();
    // Nothing was lost.
    assert_eq!(poll(), 1);
    assert_eq!(poll(), 0);
    // SAFETY: as above.
    assert_eq!(unsafe { listed::ws_server_free(server) }, 0);
}
