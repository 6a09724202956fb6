//! How `wspush connect` ends: each exit code, and what is said with it.

use crate::program::{Program, run, run_with, serve, url};
use crate::raw::{CLOSE, Raw, TEXT, head, listener};
use std::io::Write;
use std::net::TcpListener;

/// Starts it, with nothing to send.
pub fn connect(port: u16, arguments: &[&str]) -> Program {
    Program::start(&[&[url(port).as_str()], arguments].concat())
}

/// It ends like this, and says so.
pub fn expect(client: Program, code: i32, word: &str) {
    let end = client.end();
    assert_eq!(end.code, Some(code), "{end:?}");
    assert!(end.errors.contains(word), "{word} in {end:?}");
}

#[test]
fn closed_in_order() {
    for code in [1000, 1001] {
        let (listener, port) = listener();
        let client = connect(port, &[]);
        let mut peer = Raw::accept(&listener);
        peer.send(TEXT, b"bye");
        peer.close(code, "");
        let end = client.end();
        assert_eq!((end.code, end.text(), end.errors.as_str()), (Some(0), "bye\n", ""), "{code}");
    }
    let (listener, port) = listener();
    let client = connect(port, &[]);
    let mut peer = Raw::accept(&listener);
    peer.send(CLOSE, b"");
    assert_eq!(peer.receive(), (CLOSE, Vec::new()));
    assert_eq!(client.end().code, Some(0));
}

#[test]
fn closed_with_an_error() {
    for (code, reason, told) in
        [(1011, "oh no", "closed with 1011 oh no"), (4001, "\x1b[m", "4001 \\x1b[m"), (1008, "", "1008\n")]
    {
        let (listener, port) = listener();
        let client = connect(port, &[]);
        Raw::accept(&listener).close(code, reason);
        expect(client, 4, told);
    }
}

#[test]
fn cut() {
    let (listener, port) = listener();
    let client = connect(port, &[]);
    drop(Raw::accept(&listener));
    expect(client, 4, "closed with 1006");
}

#[test]
fn a_peer_that_breaks_the_protocol() {
    let (listener, port) = listener();
    let client = connect(port, &[]);
    let mut peer = Raw::accept(&listener);
    peer.send(0x83, b"no such opcode");
    let (first, payload) = peer.receive();
    assert_eq!((first, &payload[..2]), (CLOSE, &1002_u16.to_be_bytes()[..]));
    drop(peer);
    expect(client, 4, "closed with 100");
}

#[test]
fn enough() {
    let (listener, port) = listener();
    let client = connect(port, &["--count", "2"]);
    let mut peer = Raw::accept(&listener);
    for message in ["one", "two", "three"] {
        peer.send(TEXT, message.as_bytes());
    }
    peer.be_closed(1000);
    let end = client.end();
    assert_eq!((end.text(), end.code), ("one\ntwo\n", Some(0)));
}

#[test]
fn too_few() {
    let (listener, port) = listener();
    let client = connect(port, &["--count", "2"]);
    let mut peer = Raw::accept(&listener);
    peer.send(TEXT, b"one");
    peer.close(1000, "");
    assert_eq!(client.end().code, Some(4));
}

#[test]
fn the_end_of_input() {
    let (listener, port) = listener();
    let mut client = connect(port, &["--wait", "0.05"]);
    let mut peer = Raw::accept(&listener);
    client.write(b"question\n");
    client.end_input();
    assert_eq!(peer.receive(), (TEXT, b"question".to_vec()));
    peer.be_closed(1000);
    assert_eq!(client.end().code, Some(0));
}

#[test]
fn no_connection() {
    let nowhere = std::env::temp_dir().join(format!("wspush-cli-{}-nowhere.sock", std::process::id()));
    let refused = run_with(b"", &[&format!("unix:{}", nowhere.display())]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.errors.contains("nowhere.sock"), "{refused:?}");
    // Nobody listens on port 1.
    let refused = run_with(b"", &[&url(1)]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.errors.contains("refused"), "{refused:?}");
}

#[test]
fn answers_that_open_nothing() {
    let cases = [
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "200"),
        ("HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\n\r\n", "401"),
        ("HTTP/1.1 503 Service Unavailable\r\nRetry-After: 60\r\n\r\n", "503"),
        ("HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\n\r\n", "/elsewhere"),
        (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n",
            "Accept",
        ),
        ("HTTP/1.1 101 Switching Protocols\r\nUpgr", ""),
        ("SSH-2.0-OpenSSH_9.2p1\r\n\r\n", ""),
    ];
    for (answer, word) in cases {
        let (listener, port) = listener();
        let client = connect(port, &[]);
        let (mut stream, _) = listener.accept().expect("a connection");
        head(&mut stream);
        stream.write_all(answer.as_bytes()).expect("sent");
        drop(stream);
        expect(client, 3, word);
    }
}

/// Takes a connection, and never answers.
pub fn silent(arguments: &[&str]) -> Program {
    let (listener, port) = listener();
    let client = connect(port, arguments);
    let taken = listener.accept().expect("a connection");
    // It stays until the test is over.
    Box::leak(Box::new((listener, taken)));
    client
}

#[test]
fn the_time_is_up() {
    expect(silent(&["--timeout", "50ms"]), 5, "");
    expect(silent(&["--option", "handshake_timeout=50ms"]), 5, "");
    let (_server, port) = serve(&[]);
    expect(connect(port, &["--timeout", "0.05"]), 5, "");
    let mut vain = connect(port, &["--count", "1", "--wait", "50ms"]);
    vain.end_input();
    expect(vain, 5, "");
}

#[test]
fn quiet_says_nothing() {
    let (listener, port) = listener();
    let client = connect(port, &["--quiet"]);
    Raw::accept(&listener).close(1011, "oh no");
    let end = client.end();
    assert_eq!((end.code, end.text(), end.errors.as_str()), (Some(4), "", ""));
    let missing = run(&["-q", &url(port), "--file", "/no/such/file"]);
    assert_eq!((missing.status.code(), missing.stderr.len()), (Some(1), 0));
}

#[test]
fn a_name_that_nobody_has() {
    // RFC 6761: this one never resolves. Where there is no resolver at all, that is no address either.
    let end = run(&["ws://nowhere.invalid/", "--option", "connect_timeout=60s"]);
    assert_eq!(end.status.code(), Some(2), "{end:?}");
}

#[test]
fn a_proxy_that_refuses() {
    let (proxy, port) = (TcpListener::bind("127.0.0.1:0").expect("a proxy"), 1);
    let address = format!("http://{}", proxy.local_addr().expect("an address"));
    let client = connect(port, &["--proxy", &address]);
    let (mut stream, _) = proxy.accept().expect("a connection");
    assert!(head(&mut stream).starts_with("CONNECT 127.0.0.1:1 HTTP/1.1\r\n"));
    stream.write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n").expect("sent");
    expect(client, 3, "403");
}
