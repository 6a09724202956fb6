//! Signals: what they end, and what they leave alone.

use crate::ends::{connect, expect, silent};
use crate::program::{PATH, Program, port_in, serve, url};
use crate::raw::{CLOSE, Raw, TEXT, listener};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Command, Stdio};

/// Accepts it, and waits until it knows that it is open.
fn open(client: &mut Program, listener: &TcpListener) -> Raw {
    let mut peer = Raw::accept(listener);
    peer.send(TEXT, b"open");
    assert_eq!(client.line(), "open");
    peer
}

#[test]
fn signals_close_it_first() {
    for (signal, code, dies) in [("INT", 130, true), ("TERM", 143, true), ("HUP", 129, true), ("QUIT", 131, false)] {
        let (listener, port) = listener();
        let mut client = connect(port, &["--close-code", "3000"]);
        let mut peer = open(&mut client, &listener);
        client.signal(signal);
        peer.be_closed(3000);
        let end = client.end();
        // Of SIGQUIT it would die with a core file.
        assert_eq!((end.code, end.died, end.errors.as_str()), (Some(code), dies, ""));
    }
    let dialing = silent(&[]);
    dialing.signal("INT");
    expect(dialing, 130, "");
}

#[test]
fn a_second_signal_waits_for_nothing() {
    let (listener, port) = listener();
    let mut client = connect(port, &[]);
    let mut peer = open(&mut client, &listener);
    client.signal("INT");
    assert_eq!(peer.receive().0, CLOSE);
    client.signal("INT");
    assert_eq!(client.end().code, Some(130));
}

#[test]
fn a_signal_that_is_ignored_stays_ignored() {
    for signal in ["HUP", "INT", "QUIT", "TERM"] {
        let (listener, port) = listener();
        // As nohup does, and shells that start something in the background.
        let mut client = Program::start_after(&format!("trap '' {signal}"), &[&url(port), "--wait", "0"]);
        let mut peer = open(&mut client, &listener);
        client.signal(signal);
        client.write(b"still here\n");
        assert_eq!(peer.receive(), (TEXT, b"still here".to_vec()), "{signal}");
        client.end_input();
        peer.be_closed(1000);
        assert_eq!(client.end().code, Some(0), "{signal}");
    }
    let mut server = Program::start_after("trap '' INT", &["serve"]);
    let port = port_in(&server.line());
    server.signal("INT");
    let mut client = Raw::open(port);
    client.send(TEXT, b"still here");
    assert_eq!(client.receive(), (TEXT, b"still here".to_vec()));
    server.signal("TERM");
    assert_eq!(client.receive().0, CLOSE);
    drop(client);
    assert_eq!(server.end().code, Some(0));
}

#[test]
fn every_signal_stops_a_server_in_order() {
    for signal in ["HUP", "INT", "QUIT", "TERM"] {
        let (server, port) = serve(&[]);
        let mut client = Raw::open(port);
        server.signal(signal);
        let (first, payload) = client.receive();
        assert_eq!((first, &payload[..2]), (CLOSE, &1001_u16.to_be_bytes()[..]), "{signal}");
        drop(client);
        assert_eq!(server.end().code, Some(0), "{signal}");
    }
}

#[test]
fn a_terminal_that_goes_away_closes_the_connection() {
    let (listener, port) = listener();
    let command = format!("exec {PATH} {}", url(port));
    let mut terminal = Command::new("script");
    terminal.args(["-qec", &command, "/dev/null"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut terminal = terminal.spawn().expect("script, of util-linux");
    let mut peer = Raw::accept(&listener);
    peer.send(TEXT, b"open");
    let mut output = BufReader::new(terminal.stdout.take().expect("a pipe"));
    let mut line = String::new();
    while !line.contains("open") {
        assert_ne!(output.read_line(&mut line).expect("a line"), 0, "{line}");
    }
    terminal.kill().expect("killed");
    peer.be_closed(1000);
    terminal.wait().expect("an end");
}
