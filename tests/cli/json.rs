//! `wspush connect --json`: every line is an object.

use crate::program::{End, Program, run_with, serve, url};
use crate::raw::{BINARY, Raw, TEXT, head, listener};
use serde_json::{Value, json};
use std::io::Write;

fn lines(end: &End) -> Vec<Value> {
    end.text()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")))
        .collect()
}

/// An open event, but for its header fields.
fn is_open(event: &Value, subprotocol: &Value) -> bool {
    event["event"] == "open" && event["status"] == 101 && event["subprotocol"] == *subprotocol
}

#[test]
fn from_open_to_end() {
    let (listener, port) = listener();
    let client = Program::start(&[&url(port), "--json", "-s", "chat"]);
    let fields = "Sec-WebSocket-Protocol: chat\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n";
    let (mut peer, _) = Raw::accept_with(&listener, fields);
    peer.send(TEXT, "\"quoted\"\n\x1b[m zwölf 🦀\u{2028}".as_bytes());
    peer.send(BINARY, &[0, 255, 10]);
    peer.close(4001, "enough \"of\" this");
    let end = client.end();
    let told = lines(&end);
    assert!(is_open(&told[0], &json!("chat")), "{told:?}");
    let headers = told[0]["headers"].as_array().expect("an array");
    let cookies = headers.iter().filter(|pair| pair[0] == "Set-Cookie").map(|pair| &pair[1]);
    assert_eq!(cookies.collect::<Vec<_>>(), ["a=1", "b=2"]);
    let rest = [
        json!({"event": "message", "type": "text", "data": "\"quoted\"\n\u{1b}[m zwölf 🦀\u{2028}"}),
        json!({"event": "message", "type": "binary", "data": "AP8K"}),
        json!({"event": "close", "code": 4001, "reason": "enough \"of\" this", "cause": "peer"}),
        json!({"event": "end", "exit": 4}),
    ];
    assert_eq!(told[1..], rest);
    assert!(!end.text().contains('\x1b'));
    assert_eq!((end.code, end.errors.as_str()), (Some(4), ""));
}

#[test]
fn an_echo() {
    let (_server, port) = serve(&[]);
    let end = run_with(b"one\ntwo\n", &["--json", &url(port), "--count", "2"]);
    let told = lines(&end);
    assert!(is_open(&told[0], &Value::Null), "{told:?}");
    let data: Vec<_> = told.iter().filter(|event| event["event"] == "message").map(|event| &event["data"]).collect();
    assert_eq!(data, ["one", "two"]);
    assert_eq!(
        told[3..],
        [json!({"event": "close", "code": 1000, "reason": "", "cause": "host"}), json!({"event": "end", "exit": 0})]
    );
}

#[test]
fn an_error_and_another_attempt() {
    let (listener, port) = listener();
    let arguments = ["--reconnect", "--option", "reconnect_min=10ms", "--option", "reconnect_attempts=1"];
    let client = Program::start(&[&[url(port).as_str(), "--json"], &arguments[..]].concat());
    for answer in ["HTTP/1.1 404 Not Found\r\nX-Why: gone\r\n\r\n", "HTTP/1.1 101 Switch"] {
        let (mut stream, _) = listener.accept().expect("a connection");
        head(&mut stream);
        stream.write_all(answer.as_bytes()).expect("sent");
    }
    let end = client.end();
    let told = lines(&end);
    assert_eq!(told.len(), 4, "{told:?}");
    let [first, retry, second, last] = &told[..] else { panic!() };
    assert_eq!(
        (&first["event"], &first["name"], &first["status"]),
        (&json!("error"), &json!("WS_ERR_HTTP_STATUS"), &json!(404))
    );
    assert!(first["detail"].as_str().is_some_and(|detail| detail.contains("404")), "{first}");
    assert!(first["headers"].as_array().expect("an array").contains(&json!(["X-Why", "gone"])), "{first}");
    assert_eq!(retry["event"], "retry");
    assert!(retry["delay_ms"].is_u64(), "{retry}");
    assert_eq!(
        (&second["event"], &second["name"], &second["status"]),
        (&json!("error"), &json!("WS_ERR_TRUNCATED"), &Value::Null)
    );
    assert_eq!(*last, json!({"event": "end", "exit": 3}));
    assert_eq!((end.code, end.errors.as_str()), (Some(3), ""));
}

#[test]
fn what_never_began() {
    for (arguments, name, word) in [
        (&["wss://localhost"][..], "WS_ERR_UNSUPPORTED", "wss://"),
        (&["ws://localhost", "--option", "origins=a"], "WS_ERR_OPTION", "origins"),
        (&["ws://localhost", "--file", "/no/such/file"], "WS_ERR_ARGUMENT", "/no/such/file"),
    ] {
        let end = run_with(b"", &[arguments, &["--json"]].concat());
        let told = lines(&end);
        assert_eq!((&told[0]["event"], &told[0]["name"]), (&json!("error"), &json!(name)), "{told:?}");
        assert!(told[0]["detail"].as_str().is_some_and(|detail| detail.contains(word)), "{told:?}");
        assert_eq!(told[1..], [json!({"event": "end", "exit": 1})]);
        assert!(end.errors.contains(word), "{end:?}");
    }
}
