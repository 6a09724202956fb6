//! `wspush serve`, with clients made by hand.

use crate::program::{Program, run, serve, text};
use crate::raw::{BINARY, CLOSE, Raw, TEXT};
use std::io::{Read, Write};
use std::net::TcpStream;

#[test]
fn an_echo_comes_back_as_it_went() {
    let (server, port) = serve(&["--echo"]);
    let mut client = Raw::open(port);
    client.send(TEXT, b"hello");
    assert_eq!(client.receive(), (TEXT, b"hello".to_vec()));
    client.send(BINARY, &[0, 255]);
    assert_eq!(client.receive(), (BINARY, vec![0, 255]));
    server.signal("TERM");
    let (first, payload) = client.receive();
    assert_eq!((first, &payload[..2]), (CLOSE, &1001_u16.to_be_bytes()[..]));
    drop(client);
    let end = server.end();
    assert_eq!((end.code, end.text(), end.errors.as_str()), (Some(0), "", ""));
}

#[test]
fn a_broadcast_reaches_everyone() {
    let (_server, port) = serve(&["--broadcast", "--listen", "127.0.0.1:0"]);
    let mut clients = [Raw::open(port), Raw::open(port), Raw::open(port)];
    clients[0].send(TEXT, b"all");
    for client in &mut clients {
        assert_eq!(client.receive(), (TEXT, b"all".to_vec()));
    }
}

#[test]
fn files_are_served_beside() {
    let root = std::env::temp_dir().join(format!("wspush-cli-{}", std::process::id()));
    std::fs::create_dir_all(&root).expect("a directory");
    std::fs::write(root.join("page.txt"), "a page").expect("a file");
    let (_server, port) = serve(&["--root", root.to_str().expect("a path")]);
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    stream.write_all(b"GET /page.txt HTTP/1.0\r\nHost: localhost\r\n\r\n").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("text");
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\na page"), "{answer}");
    std::fs::remove_dir_all(root).expect("removed");
}

#[test]
fn verbose_says_who_comes_and_goes() {
    let (server, port) = serve(&["--verbose", "--option", "log_level=notice"]);
    let mut client = Raw::open(port);
    client.send(TEXT, b"hello");
    client.receive();
    client.close(4000, "\x1b!");
    client.ends();
    server.signal("INT");
    let end = server.end();
    assert_eq!(end.code, Some(0));
    for line in ["1: opened /there from 127.0.0.1", "1: text of 5 bytes", "1: closed with 4000 \\x1b!"] {
        assert!(end.errors.lines().any(|known| known == line), "{end:?}");
    }
}

#[test]
fn an_address_in_use_is_an_error() {
    let (_server, port) = serve(&[]);
    let second = run(&["serve", "--listen", &format!("127.0.0.1:{port}")]);
    assert_eq!(second.status.code(), Some(1));
    assert!(text(&second.stderr).contains("in use"), "{second:?}");
}

#[test]
fn it_listens_in_several_places() {
    let path = std::env::temp_dir().join(format!("wspush-cli-{}.sock", std::process::id()));
    let unix = format!("unix:{}", path.display());
    let (mut server, _) = serve(&["-l", "127.0.0.1:0", "-l", &unix]);
    assert_eq!(server.line(), format!("listening on {unix}"));
    let echoed = Program::start(&[&format!("{unix}:/chat"), "--send", "over a socket", "--count", "1"]).end();
    assert_eq!((echoed.text(), echoed.code), ("over a socket\n", Some(0)), "{echoed:?}");
    server.signal("INT");
    assert_eq!(server.end().code, Some(0));
}
