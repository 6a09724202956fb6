//! WebSockets by hand, for either side: what a library would not do can be done with them.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use wspush::protocol::handshake::accept_key;

pub const TEXT: u8 = 0x81;
pub const BINARY: u8 = 0x82;
pub const CLOSE: u8 = 0x88;
pub const PING: u8 = 0x89;
pub const PONG: u8 = 0x8a;

/// A WebSocket.
pub struct Raw {
    pub stream: TcpStream,
    is_client: bool,
}

impl Raw {
    /// Opens one.
    pub fn open(port: u16) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
        let request = "GET /there HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
        stream.write_all(request.as_bytes()).expect("sent");
        let head = head(&mut stream);
        assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
        Self { stream, is_client: true }
    }

    /// Accepts one, with these further header fields, each ended by CRLF. Returns the head of the request, too.
    pub fn accept_with(listener: &TcpListener, fields: &str) -> (Self, String) {
        let (mut stream, _) = listener.accept().expect("a connection");
        let head = head(&mut stream);
        let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).expect("a key");
        let accept = accept_key(key.as_bytes());
        let accept = std::str::from_utf8(accept.as_ref()).expect("text");
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n{fields}\r\n"
        );
        stream.write_all(answer.as_bytes()).expect("sent");
        (Self { stream, is_client: false }, head)
    }

    pub fn accept(listener: &TcpListener) -> Self {
        Self::accept_with(listener, "").0
    }

    /// Sends a short frame, of a client with a mask that changes nothing.
    pub fn send(&mut self, first: u8, payload: &[u8]) {
        assert!(payload.len() < 126);
        let mut frame = vec![first, payload.len() as u8];
        if self.is_client {
            frame[1] |= 0x80;
            frame.extend_from_slice(&[0; 4]);
        }
        frame.extend_from_slice(payload);
        self.stream.write_all(&frame).expect("sent");
    }

    /// Receives a short frame: its first byte and its payload.
    pub fn receive(&mut self) -> (u8, Vec<u8>) {
        let mut head = [0; 2];
        self.stream.read_exact(&mut head).expect("a frame");
        assert_eq!(head[1] & 0x80 == 0, self.is_client, "a server receives masked frames, a client others");
        let length = usize::from(head[1] & 0x7f);
        assert!(length < 126);
        let mut mask = [0; 4];
        if !self.is_client {
            self.stream.read_exact(&mut mask).expect("a mask");
        }
        let mut payload = vec![0; length];
        self.stream.read_exact(&mut payload).expect("its payload");
        payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
        (head[0], payload)
    }

    /// Receives a Close frame with this code, and answers it.
    pub fn be_closed(&mut self, code: u16) {
        let expected = code.to_be_bytes();
        assert_eq!(self.receive(), (CLOSE, expected.to_vec()));
        self.send(CLOSE, &expected);
    }

    /// Closes it.
    pub fn close(&mut self, code: u16, reason: &str) {
        self.send(CLOSE, &[&code.to_be_bytes(), reason.as_bytes()].concat());
        assert_eq!(self.receive().0, CLOSE);
    }

    /// Waits until the other side has ended it.
    pub fn ends(&mut self) {
        assert_eq!(self.stream.read(&mut [0]).expect("the end"), 0);
    }
}

/// Something to connect to, and its port.
pub fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let port = listener.local_addr().expect("an address").port();
    (listener, port)
}

/// Reads a head of HTTP to the byte.
pub fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a head");
        head.push(byte[0]);
    }
    String::from_utf8(head).expect("text")
}
