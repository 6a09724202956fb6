//! `wspush connect`: what is sent, and what is printed.

use crate::program::{Program, TempFile, run, run_with, serve, text, url};
use crate::raw::{BINARY, CLOSE, PING, PONG, Raw, TEXT, listener};
use std::process::Command;

#[test]
fn lines_go_out_and_come_back() {
    let (_server, port) = serve(&["--echo"]);
    let end = run_with("one\n\nzwölf 🦀\r\nlast".as_bytes(), &[&url(port), "--count", "4"]);
    assert_eq!((end.text(), end.errors.as_str(), end.code), ("one\n\nzwölf 🦀\nlast\n", "", Some(0)));
}

#[test]
fn what_was_typed_is_sent_at_once() {
    let (_server, port) = serve(&[]);
    let mut client = Program::start(&["connect", &format!("127.0.0.1:{port}")]);
    for line in ["first", "second"] {
        client.write(format!("{line}\n").as_bytes());
        assert_eq!(client.line(), line);
    }
    client.end_input();
    assert_eq!(client.end().code, Some(0));
}

#[test]
fn messages_lines_and_files_are_sent_in_their_order() {
    let (listener, port) = listener();
    let (lines, file) = (TempFile::new("lines", b"two\nthree\n"), TempFile::new("file", b"four\nfive\n"));
    let arguments = ["-x", "one", "--lines", lines.path(), "--file", file.path(), "--send", "-", "--lines", "-"];
    let mut client = Program::start(&[&[url(port).as_str(), "--wait", "0"], &arguments[..]].concat());
    let mut peer = Raw::accept(&listener);
    for expected in ["one", "two", "three", "four\nfive\n", "-"] {
        assert_eq!(peer.receive(), (TEXT, expected.as_bytes().to_vec()));
    }
    client.write(b"typed\n");
    assert_eq!(peer.receive(), (TEXT, b"typed".to_vec()));
    client.end_input();
    peer.be_closed(1000);
    assert_eq!(client.end().code, Some(0));
}

#[test]
fn bytes_pass_as_they_are() {
    let (_server, port) = serve(&[]);
    let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let end = run_with(&bytes, &[&url(port), "--binary", "--file", "-", "--count", "1"]);
    assert!(end.output == bytes, "{} bytes", end.output.len());
    assert_eq!(end.code, Some(0));
    let lines = run_with(b"a\r\n\xff\n", &[&url(port), "-b", "-n2"]);
    assert_eq!(lines.output, b"a\r\xff");
}

#[test]
fn a_large_message_and_many_small_ones() {
    let (_server, port) = serve(&[]);
    let large = vec![b'l'; 20_000_000];
    let end = run_with(&large, &[&url(port), "--file", "-", "--count", "1"]);
    assert!(end.output.len() == large.len() + 1 && end.code == Some(0), "{} {}", end.output.len(), end.errors);
    // More than the queues between the two hold.
    let lines: String = (0..100_000).map(|n| format!("{n} {}\n", "x".repeat(100))).collect();
    let end = run_with(lines.as_bytes(), &[&url(port), "--count", "100000"]);
    assert!(end.output == lines.as_bytes() && end.code == Some(0), "{} {}", end.output.len(), end.errors);
}

#[test]
fn the_request_says_what_was_asked_for() {
    let (listener, port) = listener();
    let url = format!("ws://user:secret@127.0.0.1:{port}/chat?room=1");
    let mut arguments = vec![url.as_str(), "--wait", "0", "--verbose"];
    arguments.extend(["-H", "X-One: 1", "--header", "X-Two: a:b", "-o", "https://example.com", "--cookie", "a=1"]);
    arguments.extend(["--cookie", "b=2", "-s", "chat.v2", "--subprotocol", "chat", "--user-agent", "tester"]);
    let mut client = Program::start(&arguments);
    client.end_input();
    let (mut peer, head) = Raw::accept_with(&listener, "Sec-WebSocket-Protocol: chat\r\nX-Answer: \x09yes\r\n");
    assert!(head.starts_with("GET /chat?room=1 HTTP/1.1\r\n"), "{head}");
    for line in [
        "X-One: 1",
        "X-Two: a:b",
        "Origin: https://example.com",
        "Cookie: a=1; b=2",
        "User-Agent: tester",
        "Authorization: Basic dXNlcjpzZWNyZXQ=",
    ] {
        assert!(head.lines().any(|known| known == line), "{line} in {head}");
    }
    let offered = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Protocol: ")).expect("an offer");
    assert_eq!(offered.replace(' ', ""), "chat.v2,chat");
    peer.be_closed(1000);
    let end = client.end();
    assert_eq!((end.code, end.text()), (Some(0), ""));
    for line in ["< HTTP/1.1 101", "< X-Answer: yes", "* connected", "* closed with 1000"] {
        assert!(end.errors.lines().any(|known| known == line), "{line} in {}", end.errors);
    }
}

#[test]
fn pings_are_sent_as_often_as_wanted() {
    let (listener, port) = listener();
    let arguments = ["--ping", "10ms", "--ping-count", "3", "--option", "ping_interval=0", "-v"];
    let mut client = Program::start(&[&[url(port).as_str(), "--wait", "0"], &arguments[..]].concat());
    let mut peer = Raw::accept(&listener);
    for _ in 0..3 {
        assert_eq!(peer.receive().0, PING);
    }
    client.end_input();
    peer.be_closed(1000);
    let end = client.end();
    assert_eq!((end.code, end.errors.matches("* ping").count()), (Some(0), 3), "{end:?}");
}

#[test]
fn the_time_to_each_pong_is_told() {
    let (listener, port) = listener();
    let arguments =
        ["--ping", "10ms", "--ping-count", "2", "--wait", "forever", "--json", "--option", "ping_interval=0"];
    let mut client = Program::start(&[&[url(port).as_str()], &arguments[..]].concat());
    client.end_input();
    let mut peer = Raw::accept(&listener);
    let pings = [peer.receive(), peer.receive()];
    // Nobody has asked for this one.
    peer.send(PONG, b"x");
    pings.iter().for_each(|(_, payload)| peer.send(PONG, payload));
    let told = [client.line(), client.line(), client.line()];
    for line in &told[1..] {
        let ms = line.strip_prefix(r#"{"event":"pong","ms":"#).and_then(|rest| rest.strip_suffix('}'));
        let ms: f64 = ms.and_then(|ms| ms.parse().ok()).unwrap_or_else(|| panic!("{told:?}"));
        assert!(ms > 0.0 && ms < 180_000.0, "{told:?}");
    }
    drop(peer);
    client.end();
    let (_server, port) = serve(&[]);
    let end = run_with(b"", &[&url(port), "--ping", "10ms", "--ping-count", "3", "--wait", "0.5"]);
    assert!(end.code == Some(0) && end.errors.matches("* pong after ").count() == 3, "{end:?}");
}

#[test]
fn a_lost_connection_is_replaced_if_that_is_wanted() {
    let (listener, port) = listener();
    let arguments = ["--reconnect", "--option", "reconnect_min=10ms", "--wait", "0"];
    let mut client = Program::start(&[&[url(port).as_str()], &arguments[..]].concat());
    let mut first = Raw::accept(&listener);
    first.send(TEXT, b"before");
    assert_eq!(client.line(), "before");
    drop(first);
    let mut second = Raw::accept(&listener);
    second.send(TEXT, b"after");
    assert_eq!(client.line(), "after");
    client.write(b"sent\n");
    assert_eq!(second.receive(), (TEXT, b"sent".to_vec()));
    client.end_input();
    second.be_closed(1000);
    let end = client.end();
    assert_eq!(end.code, Some(0));
    assert!(end.errors.contains("closed with 1006") && end.errors.contains("next attempt"), "{}", end.errors);
}

#[test]
fn what_nobody_reads_ends_it_quietly() {
    let (listener, port) = listener();
    let mut client = Program::start(&[&url(port)]);
    let mut peer = Raw::accept(&listener);
    peer.send(TEXT, b"read");
    assert_eq!(client.line(), "read");
    client.output = None;
    peer.send(TEXT, b"unread");
    peer.be_closed(1000);
    let end = client.end();
    assert_eq!((end.code, end.errors.as_str()), (Some(0), ""));
}

#[test]
fn what_cannot_be_sent_is_said_and_ends_it() {
    let (_server, port) = serve(&[]);
    let end = run_with(b"good\nbad \xff\nnever\n", &[&url(port)]);
    assert_eq!(end.code, Some(1));
    assert!(
        end.errors.contains("standard input: line 2: not UTF-8") && end.errors.contains("--binary"),
        "{}",
        end.errors
    );
    let directory = run(&[&url(port), "--file", "/"]);
    assert_eq!(directory.status.code(), Some(1));
    assert!(text(&directory.stderr).starts_with("wspush: /: "), "{directory:?}");
}

#[test]
fn a_full_disk_is_an_error() {
    let (_server, port) = serve(&[]);
    let command = format!("{} {} --send x --count 1 > /dev/full", env!("CARGO_BIN_EXE_wspush"), url(port));
    let end = Command::new("sh").args(["-c", &command]).output().expect("sh");
    assert!(text(&end.stderr).contains("standard output: "), "{end:?}");
    assert_eq!(end.status.code(), Some(1));
}

/// Runs it on a terminal of its own, which `script` makes. What the terminal gets has carriage returns before line feeds.
fn on_a_terminal(arguments: &str) -> String {
    let command = format!("stty -echo; exec {} {arguments}", env!("CARGO_BIN_EXE_wspush"));
    let end = Command::new("script").args(["-qec", &command, "/dev/null"]).stdin(std::process::Stdio::null()).output();
    text(&end.expect("script, of util-linux").stdout).replace('\r', "")
}

#[test]
fn a_terminal_is_not_controlled_from_afar() {
    let (_server, port) = serve(&[]);
    let escape = TempFile::new("escape", b"red \x1b[31m\x07 and \xc2\x9b31m\nnext");
    let shown = on_a_terminal(&format!("{} --file {} -n1", url(port), escape.path()));
    assert!(shown.contains("red \\x1b[31m\\x07 and \\u{9b}31m\nnext\n"), "{shown:?}");
    assert!(!shown.contains('\x1b') && !shown.contains('\x07'), "{shown:?}");
    let shown = on_a_terminal(&format!("{} --file {} -n1 --binary", url(port), escape.path()));
    assert!(shown.contains("<binary, 25 bytes: 72 65 64 20 1b"), "{shown:?}");
    assert!(!shown.contains('\x1b'), "{shown:?}");
}

#[test]
fn a_message_of_each_kind_is_told_apart_by_the_peer() {
    let (listener, port) = listener();
    let client = Program::start(&[
        &url(port),
        "--binary",
        "--send",
        "bytes",
        "--wait",
        "0",
        "--close-code",
        "4000",
        "--reason",
        "so",
    ]);
    let mut peer = Raw::accept(&listener);
    assert_eq!(peer.receive(), (BINARY, b"bytes".to_vec()));
    let said = (CLOSE, b"\x0f\xa0so".to_vec());
    assert_eq!(peer.receive(), said);
    peer.send(said.0, &said.1);
    assert_eq!(client.end().code, Some(0));
}
