//! What a message costs of the allocator once everything has been used before: nothing. The whole process is counted, over
//! the C API, as a host in C would use it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::ptr::null;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: everything is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the contract of this function is that of the one that is called.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// One test at a time, for what is counted is the process.
static ALONE: Mutex<()> = Mutex::new(());

#[repr(C)]
struct Event {
    conn: u64,
    client: *mut c_void,
    data: *const c_void,
    length: usize,
    request: *const c_void,
    kind: c_int,
    code: c_int,
    cause: c_int,
}

const EVENT_MESSAGE: c_int = 2;

type OnMessage = extern "C" fn(*mut c_void, u64, *const c_void, usize, c_int, *mut c_void);
type OnClientOpen = extern "C" fn(*mut c_void, *const c_void, *mut c_void);
type OnClientMessage = extern "C" fn(*mut c_void, *const c_void, usize, c_int, *mut c_void);

// Named, so that the library is linked.
use wspush as _;

unsafe extern "C" {
    fn ws_server_new() -> *mut c_void;
    fn ws_server_listen(server: *mut c_void, host: *const c_char, port: c_int) -> c_int;
    fn ws_server_on_message(server: *mut c_void, callback: OnMessage, user_data: *mut c_void) -> c_int;
    fn ws_server_start(server: *mut c_void) -> c_int;
    fn ws_server_port(server: *mut c_void, listener: c_int) -> c_int;
    fn ws_server_poll(server: *mut c_void, events: *mut *const Event, timeout_ms: c_int) -> c_int;
    fn ws_server_stop(server: *mut c_void, timeout_ms: c_int) -> c_int;
    fn ws_server_free(server: *mut c_void) -> c_int;
    fn ws_client_new(url: *const c_char) -> *mut c_void;
    fn ws_client_on_open(client: *mut c_void, callback: OnClientOpen, user_data: *mut c_void) -> c_int;
    fn ws_client_on_message(client: *mut c_void, callback: OnClientMessage, user_data: *mut c_void) -> c_int;
    fn ws_client_start(client: *mut c_void) -> c_int;
    fn ws_client_push(client: *mut c_void, data: *const c_void, length: usize, opcode: c_int) -> c_int;
    fn ws_client_free(client: *mut c_void) -> c_int;
    fn ws_push(server: *mut c_void, conn: u64, data: *const c_void, length: usize, opcode: c_int) -> c_int;
    fn ws_last_error() -> *const c_char;
}

fn check(result: c_int) -> c_int {
    // SAFETY: the text is valid until the next error of this thread.
    let detail = || unsafe { CStr::from_ptr(ws_last_error()) }.to_string_lossy().into_owned();
    assert!(result >= 0, "{}", detail());
    result
}

extern "C" fn echo(server: *mut c_void, conn: u64, data: *const c_void, length: usize, opcode: c_int, _: *mut c_void) {
    // SAFETY: what the library lends is passed on within the callback.
    check(unsafe { ws_push(server, conn, data, length, opcode) });
}

/// Masked frames that leave together, and what comes back. The mask is zero.
struct Burst {
    frames: Vec<u8>,
    answers: Vec<u8>,
    received: Vec<u8>,
}

impl Burst {
    fn new(count: usize, length: usize) -> Self {
        let (mut frame, mut answer) = (vec![0x81], vec![0x81]);
        if length < 126 {
            frame.push(0x80 | length as u8);
            answer.push(length as u8);
        } else {
            frame.push(0x80 | 126);
            answer.push(126);
            frame.extend((length as u16).to_be_bytes());
            answer.extend((length as u16).to_be_bytes());
        }
        frame.extend([0; 4]);
        frame.extend(vec![b'x'; length]);
        answer.extend(vec![b'x'; length]);
        let (frames, answers) = (frame.repeat(count), answer.repeat(count));
        Self { frames, received: vec![0; answers.len()], answers }
    }

    fn exchange(&mut self, client: &mut TcpStream) {
        client.write_all(&self.frames).unwrap();
        client.read_exact(&mut self.received).unwrap();
        assert!(self.received == self.answers);
    }
}

fn connect(port: c_int) -> TcpStream {
    let mut client = TcpStream::connect(("127.0.0.1", port as u16)).unwrap();
    client.set_nodelay(true).unwrap();
    client
        .write_all(
            b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
              Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        )
        .unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "));
    client
}

/// The loads: how many messages of which length are in flight.
const LOADS: [(usize, usize); 4] = [(1, 20), (32, 20), (1, 512), (1, 16 * 1024)];
const WARM_UP: usize = 300;
const BURSTS: usize = 2000;

fn listening() -> *mut c_void {
    // SAFETY: the calls take a live handle and a NUL-terminated host.
    unsafe {
        let server = ws_server_new();
        check(ws_server_listen(server, c"127.0.0.1".as_ptr(), 0));
        server
    }
}

/// Allocations of so many exchanges, after the warm-up.
fn allocations(client: &mut TcpStream, (count, length): (usize, usize)) -> u64 {
    let mut burst = Burst::new(count, length);
    (0..WARM_UP).for_each(|_| burst.exchange(client));
    let before = ALLOCATIONS.load(Ordering::SeqCst);
    (0..BURSTS).for_each(|_| burst.exchange(client));
    ALLOCATIONS.load(Ordering::SeqCst) - before
}

#[test]
fn an_answer_from_a_callback_allocates_nothing() {
    let _alone = ALONE.lock();
    let server = listening();
    // SAFETY: the server lives until it is freed, at the end.
    unsafe {
        check(ws_server_on_message(server, echo, null::<c_void>().cast_mut()));
        check(ws_server_start(server));
        let mut client = connect(check(ws_server_port(server, 0)));
        for load in LOADS {
            assert_eq!(allocations(&mut client, load), 0, "{load:?} in flight");
        }
        check(ws_server_free(server));
    }
}

#[test]
fn in_poll_mode_no_more_than_batches_cost_allocations() {
    let _alone = ALONE.lock();
    let server = listening();
    // SAFETY: the server lives until it is freed, at the end, when the host has left.
    unsafe {
        check(ws_server_start(server));
        let port = check(ws_server_port(server, 0));
        let handle = server.addr();
        let host = std::thread::spawn(move || {
            let server = std::ptr::with_exposed_provenance_mut::<c_void>(handle);
            let mut events = null::<Event>();
            loop {
                let count = ws_server_poll(server, &raw mut events, -1);
                if count < 0 {
                    return;
                }
                for event in std::slice::from_raw_parts(events, count as usize) {
                    if event.kind == EVENT_MESSAGE {
                        check(ws_push(server, event.conn, event.data, event.length, event.code));
                    }
                }
            }
        });
        let mut client = connect(port);
        for (count, length) in LOADS {
            let counted = allocations(&mut client, (count, length));
            assert_eq!(counted, 0, "{count} of {length} bytes in flight");
        }
        check(ws_server_stop(server, 5000));
        host.join().unwrap();
        check(ws_server_free(server));
    }
}

/// What a client has in flight, and how many messages it has got.
struct Ball {
    load: (usize, usize),
    got: AtomicU64,
}

extern "C" fn serve_ball(client: *mut c_void, _: *const c_void, ball: *mut c_void) {
    // SAFETY: the ball lives longer than the client, and is only read.
    let (count, length) = unsafe { &*ball.cast::<Ball>() }.load;
    let payload = vec![b'x'; length];
    // SAFETY: the payload lives longer than the call.
    (0..count)
        .for_each(|_| assert_eq!(check(unsafe { ws_client_push(client, payload.as_ptr().cast(), length, 1) }), 0));
}

extern "C" fn return_ball(client: *mut c_void, data: *const c_void, length: usize, opcode: c_int, ball: *mut c_void) {
    // SAFETY: as above; what the library lends is passed on within the callback.
    unsafe {
        (*ball.cast::<Ball>()).got.fetch_add(1, Ordering::SeqCst);
        // It may be freed at this moment, and then takes no more.
        let _ = ws_client_push(client, data, length, opcode);
    }
}

/// Waits until so many more messages have come back.
fn await_messages(ball: &Ball, count: u64) {
    let end = ball.got.load(Ordering::SeqCst) + count;
    while ball.got.load(Ordering::SeqCst) < end {
        std::thread::yield_now();
    }
}

#[test]
fn a_client_that_answers_from_a_callback_allocates_nothing() {
    let _alone = ALONE.lock();
    let server = listening();
    // SAFETY: the server and each client live until they are freed, and the ball longer than its client.
    unsafe {
        check(ws_server_on_message(server, echo, null::<c_void>().cast_mut()));
        check(ws_server_start(server));
        let url = CString::new(format!("ws://127.0.0.1:{}/", check(ws_server_port(server, 0)))).unwrap();
        for load in LOADS {
            let ball = Ball { load, got: AtomicU64::new(0) };
            let data = (&raw const ball).cast_mut().cast();
            let client = ws_client_new(url.as_ptr());
            check(ws_client_on_open(client, serve_ball, data));
            check(ws_client_on_message(client, return_ball, data));
            check(ws_client_start(client));
            await_messages(&ball, (WARM_UP * load.0) as u64);
            let before = ALLOCATIONS.load(Ordering::SeqCst);
            await_messages(&ball, (BURSTS * load.0) as u64);
            assert_eq!(ALLOCATIONS.load(Ordering::SeqCst) - before, 0, "{load:?} in flight");
            check(ws_client_free(client));
        }
        check(ws_server_free(server));
    }
}
