//! The forms in which messages are read and printed.

use crate::program::{Program, TempFile, run_with, serve, text, url};
use crate::raw::{BINARY, Raw, TEXT, listener};
use std::process::Command;

#[test]
fn messages_that_end_with_nul_may_have_line_feeds_in_them() {
    let (_server, port) = serve(&[]);
    let end = run_with(b"one\ntwo\r\n\0\0three", &[&url(port), "--null", "--count", "3"]);
    assert_eq!((end.text(), end.code), ("one\ntwo\r\n\0\0three\0", Some(0)));
    let end = run_with(b"a\n\xff\0b\0", &[&url(port), "-0", "-b", "-n2"]);
    assert_eq!((&end.output[..], end.code), (&b"a\n\xff\0b\0"[..], Some(0)));
}

#[test]
fn line_ends_are_kept_if_that_is_wanted() {
    let (listener, port) = listener();
    let mut client = Program::start(&[&url(port), "--keep-ends", "--wait", "0"]);
    let mut peer = Raw::accept(&listener);
    for line in [&b"one\r\n"[..], b"\n", b"last"] {
        client.write(line);
        if line == b"last" {
            client.end_input();
        }
        assert_eq!(peer.receive(), (TEXT, line.to_vec()));
    }
    peer.be_closed(1000);
    assert_eq!(client.end().code, Some(0));
    let (_server, port) = serve(&[]);
    let end = run_with(b"one\r\n\nlast", &[&url(port), "--keep-ends", "--count", "3"]);
    assert_eq!((end.text(), end.code), ("one\r\n\nlast", Some(0)));
}

#[test]
fn a_stream_is_sent_as_it_comes() {
    let (listener, port) = listener();
    let mut client = Program::start(&[&url(port), "--stream", "-", "--wait", "0"]);
    let mut peer = Raw::accept(&listener);
    for piece in [&b"no line"[..], b"\0\xff\n\n", b"more"] {
        client.write(piece);
        assert_eq!(peer.receive(), (BINARY, piece.to_vec()));
    }
    client.end_input();
    peer.be_closed(1000);
    assert_eq!(client.end().code, Some(0));
    // All of it comes, in whatever pieces.
    let (_server, port) = serve(&[]);
    let bytes: Vec<u8> = (0..=255).cycle().take(1_000_000).collect();
    let end = run_with(&bytes, &[&url(port), "--stream", "-", "--wait", "2"]);
    assert!(end.output == bytes && end.code == Some(0), "{} bytes, {}", end.output.len(), end.errors);
}

#[test]
fn what_json_has_printed_can_be_sent_again() {
    let (listener, port) = listener();
    let lines = concat!(
        r#"{"event":"open","status":101,"subprotocol":null,"headers":[]}"#,
        "\n",
        r#"{"event":"message","type":"text","data":"zw\u00f6lf \"quoted\"\n"}"#,
        "\n\n",
        r#"{"type":"binary","data":"AP8K"}"#,
        "\n",
        r#"{"data":"bare"}"#,
        "\n",
        r#"{"event":"end","exit":0}"#,
    );
    let mut client = Program::start(&[&url(port), "--json-lines", "-", "--wait", "0"]);
    let mut peer = Raw::accept(&listener);
    client.write(lines.as_bytes());
    client.end_input();
    assert_eq!(peer.receive(), (TEXT, "zw\u{f6}lf \"quoted\"\n".into()));
    assert_eq!(peer.receive(), (BINARY, vec![0, 255, 10]));
    assert_eq!(peer.receive(), (TEXT, b"bare".to_vec()));
    peer.be_closed(1000);
    assert_eq!(client.end().code, Some(0));
    // There and back, it is the same.
    let (_server, port) = serve(&[]);
    let first = run_with(lines.as_bytes(), &[&url(port), "--json-lines", "-", "--json", "--count", "3"]);
    let again = run_with(&first.output, &[&url(port), "--json-lines", "-", "--json", "--count", "3"]);
    let messages = |output: &[u8]| -> Vec<String> {
        text(output).lines().filter(|line| line.contains("\"message\"")).map(str::to_owned).collect()
    };
    assert_eq!(messages(&first.output).len(), 3, "{first:?}");
    assert_eq!(messages(&first.output), messages(&again.output));
}

#[test]
fn json_that_is_no_message_is_an_error() {
    let (_server, port) = serve(&[]);
    for (line, word) in [
        ("hello", "line 2: not JSON"),
        ("{}", "it takes an object"),
        (r#"{"type":"ping","data":""}"#, "text or binary"),
        (r#"{"event":"massage","data":""}"#, "event"),
        (r#"{"type":"binary","data":"?"}"#, "Base64"),
    ] {
        let input = format!("{{\"data\":\"good\"}}\n{line}\n");
        let end = run_with(input.as_bytes(), &[&url(port), "--json-lines", "-"]);
        assert!(end.code == Some(1) && end.errors.contains(word), "{line}: {end:?}");
    }
}

#[test]
fn a_pipe_that_nobody_writes_to_does_not_hold_the_rest() {
    let pipe = std::env::temp_dir().join(format!("wspush-cli-{}.pipe", std::process::id()));
    let path = pipe.to_str().expect("a path");
    assert!(Command::new("mkfifo").arg(path).status().expect("mkfifo").success());
    let (listener, port) = listener();
    let client = Program::start(&[&url(port), "-x", "first", "--lines", path, "--timeout", "0.3"]);
    let mut peer = Raw::accept(&listener);
    assert_eq!(peer.receive(), (TEXT, b"first".to_vec()));
    peer.be_closed(1000);
    assert_eq!(client.end().code, Some(5));
    let client = Program::start(&[&url(port), "--lines", path, "--wait", "0"]);
    let mut peer = Raw::accept(&listener);
    std::fs::write(&pipe, "through\n").expect("written");
    assert_eq!(peer.receive(), (TEXT, b"through".to_vec()));
    peer.be_closed(1000);
    assert_eq!(client.end().code, Some(0));
    std::fs::remove_file(pipe).expect("removed");
}

#[test]
fn a_terminal_gets_a_line_for_each_message_whatever_ends_it() {
    let (_server, port) = serve(&[]);
    let file = TempFile::new("ends", b"one\ntwo");
    let command =
        format!("stty -echo; exec {} {} --keep-ends --lines {} -n2", crate::program::PATH, url(port), file.path());
    let end = Command::new("script").args(["-qec", &command, "/dev/null"]).stdin(std::process::Stdio::null()).output();
    let shown = text(&end.expect("script, of util-linux").stdout).replace('\r', "");
    assert!(shown.contains("one\ntwo\n"), "{shown:?}");
}
