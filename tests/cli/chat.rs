//! `wspush serve --chat`.

use crate::program::{PATH, Program, port_in, text};
use crate::raw::{BINARY, CLOSE, Raw, TEXT};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

/// The server, and its port.
fn chat(arguments: &[&str]) -> (Program, u16) {
    let mut server = Program::start(&[&["serve", "--chat"], arguments].concat());
    let port = port_in(&server.error_line());
    (server, port)
}

#[test]
fn what_clients_send_is_printed_and_what_is_typed_reaches_all() {
    let (mut server, port) = chat(&[]);
    let mut clients = [Raw::open(port), Raw::open(port)];
    for (client, said) in clients.iter_mut().zip(["first", "zw\u{f6}lf"]) {
        client.send(TEXT, said.as_bytes());
        assert_eq!(server.line(), said);
    }
    for line in ["hello", ""] {
        server.write(format!("{line}\r\n").as_bytes());
        for client in &mut clients {
            assert_eq!(client.receive(), (TEXT, line.as_bytes().to_vec()));
        }
    }
    // It stays when there is nothing more to send.
    server.end_input();
    clients[0].send(BINARY, b"bytes\n");
    assert_eq!(server.line(), "bytes");
    server.signal("TERM");
    for client in &mut clients {
        assert_eq!(client.receive().0, CLOSE);
    }
    drop(clients);
    let end = server.end();
    assert_eq!((end.code, end.text(), end.errors.as_str()), (Some(0), "", ""));
}

#[test]
fn what_is_typed_before_anybody_is_there_waits() {
    let (mut server, port) = chat(&["--binary", "--null"]);
    server.write(b"early\n\0later\0");
    let mut client = Raw::open(port);
    for message in [&b"early\n"[..], b"later"] {
        assert_eq!(client.receive(), (BINARY, message.to_vec()));
    }
    client.send(TEXT, b"heard");
    client.send(BINARY, b"");
    let mut heard = [0; 7];
    server.output.as_mut().expect("an output").read_exact(&mut heard).expect("both");
    assert_eq!(heard, *b"heard\0\0");
    client.close(1000, "");
    client.ends();
    // So does what is typed when everybody has gone.
    server.write(b"again\0");
    let mut client = Raw::open(port);
    assert_eq!(client.receive(), (BINARY, b"again".to_vec()));
}

#[test]
fn a_large_input_reaches_a_client_whole() {
    let (mut server, port) = chat(&[]);
    let client = Program::start(&["connect", &format!("127.0.0.1:{port}"), "--count", "50000"]);
    let lines: String = (0..50_000).map(|n| format!("{n} {}\n", "x".repeat(200))).collect();
    let mut input = server.input.take().expect("an input");
    let (all, writer) = (lines.clone(), std::thread::spawn(move || input.write_all(lines.as_bytes())));
    let end = client.end();
    assert!(end.output == all.as_bytes() && end.code == Some(0), "{} bytes, {}", end.output.len(), end.errors);
    writer.join().expect("a thread").expect("written");
}

#[test]
fn a_client_that_takes_nothing_is_cut_and_others_go_on() {
    let (mut server, port) = chat(&["--option", "max_queued_bytes=1K"]);
    let stuck = Raw::open(port);
    let healthy = Program::start(&["connect", &format!("127.0.0.1:{port}"), "--send", "here", "--count", "300"]);
    assert_eq!(server.line(), "here");
    let healthy = std::thread::spawn(|| healthy.end());
    let mut input = server.input.take().expect("an input");
    let writer = std::thread::spawn(move || {
        // More than the kernel holds for one.
        let line = format!("{}\n", "x".repeat(100_000));
        (0..300).for_each(|_| input.write_all(line.as_bytes()).expect("written"));
        input
    });
    assert_eq!(server.error_line(), "wspush: 1: it takes nothing, and is cut");
    drop(writer.join().expect("written"));
    assert_eq!(healthy.join().expect("an end").code, Some(0));
    drop(stuck);
}

#[test]
fn a_plain_request_is_answered() {
    let (_server, port) = chat(&[]);
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    stream.write_all(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("text");
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
}

#[test]
fn an_output_that_nobody_reads_ends_it() {
    let (mut server, port) = chat(&[]);
    let mut client = Raw::open(port);
    server.output = None;
    client.send(TEXT, b"unread");
    assert_eq!(client.receive().0, CLOSE);
    drop(client);
    assert_eq!(server.end().code, Some(0));
}

#[test]
fn on_a_terminal_it_says_who_speaks_and_ends_with_the_input() {
    let command = format!("stty -echo; exec {PATH} serve --chat --listen 127.0.0.1:0");
    let mut terminal = Command::new("script");
    terminal.args(["-qec", &command, "/dev/null"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut terminal = terminal.spawn().expect("script, of util-linux");
    let mut output = BufReader::new(terminal.stdout.take().expect("a pipe"));
    let mut line = || {
        let mut line = Vec::new();
        output.read_until(b'\n', &mut line).expect("a line");
        text(&line).trim_end().to_owned()
    };
    let mut client = Raw::open(port_in(&line()));
    assert_eq!(line(), "1: opened /there from 127.0.0.1");
    client.send(TEXT, b"\x1b[31mred");
    assert_eq!(line(), "1: \\x1b[31mred");
    terminal.stdin.as_mut().expect("a pipe").write_all(b"typed\n\x04").expect("written");
    assert_eq!(client.receive(), (TEXT, b"typed".to_vec()));
    let (first, payload) = client.receive();
    client.send(first, &payload);
    assert_eq!(line(), "1: closed with 1001 server stops");
    assert_eq!(terminal.wait().expect("an end").code(), Some(0));
}
