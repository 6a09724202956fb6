//! What a client takes by name, and the headers that come of it.

use super::*;
use proptest::prelude::*;

fn set(values: &[(&str, &str)]) -> ClientOptions {
    let mut options = ClientOptions::default();
    values.iter().for_each(|(name, value)| options.set(name, value).unwrap());
    options
}

#[test]
fn the_defaults_are_those_of_the_table() {
    let mut options = ClientOptions::default();
    for row in CLIENT_TABLE {
        options.set(row.name, row.default).unwrap();
    }
    assert_eq!(options, ClientOptions::default());
}

#[test]
fn what_an_engine_takes_is_set_in_its_options() {
    for row in CLIENT_TABLE.iter().filter(|row| matches!(row.field, Field::Engine(..))) {
        let server = TABLE.iter().find(|server| server.name == row.name).unwrap();
        assert_eq!((row.default, row.range()), (server.default, server.range()), "{}", row.name);
    }
    let options = set(&[("max_message_size", "64K"), ("ping_interval", "5"), ("subprotocols", "chat, mqtt")]);
    let mut engine = Options { max_message_size: 64 * K, ping_interval: Duration::from_secs(5), ..Options::default() };
    assert_eq!(options.engine, engine);
    assert_eq!(options.subprotocols, ["chat", "mqtt"]);
    let mut settled = options;
    settled.settle().unwrap();
    engine.settle().unwrap();
    assert_eq!(settled.engine, engine);
}

#[test]
fn what_is_refused_leaves_everything_as_it_was() {
    let mut options = ClientOptions::default();
    let rows = [
        ("max_connections", "1", Status::WS_ERR_OPTION),
        ("allowed_origins", "", Status::WS_ERR_OPTION),
        ("max_message_size", "3G", Status::WS_ERR_VALUE),
        ("connect_timeout", "0", Status::WS_ERR_VALUE),
        ("handshake_timeout", "9ms", Status::WS_ERR_VALUE),
        ("subprotocols", "a b", Status::WS_ERR_VALUE),
        ("origin", "https://a/", Status::WS_ERR_VALUE),
        ("origin", "https://a\r\nX: y", Status::WS_ERR_VALUE),
        ("cookie", "a=b\r\nX: y", Status::WS_ERR_VALUE),
        ("cookie", "a=secret\n", Status::WS_ERR_VALUE),
        ("cookie", "a=b\0", Status::WS_ERR_VALUE),
        ("user_agent", "a\rb", Status::WS_ERR_VALUE),
        ("user_agent", "a\x7fb", Status::WS_ERR_VALUE),
        ("proxy", "proxy.example:3128", Status::WS_ERR_VALUE),
        ("proxy", "https://user:secret@proxy.example", Status::WS_ERR_VALUE),
        ("host", "a b", Status::WS_ERR_VALUE),
        ("host", "user@a", Status::WS_ERR_VALUE),
        ("host", "a/", Status::WS_ERR_VALUE),
        ("resolve", "a:80", Status::WS_ERR_VALUE),
        ("resolve", "a:80:192.0.2.1,a:80:b", Status::WS_ERR_VALUE),
        ("max_redirects", "21", Status::WS_ERR_VALUE),
        ("reconnect", "maybe", Status::WS_ERR_VALUE),
        ("max_response_head", "1M", Status::WS_ERR_VALUE),
    ];
    for (name, value, expected) in rows {
        let error = options.set(name, value).unwrap_err();
        assert_eq!(error.status, expected, "{name} {value}");
        assert!(error.detail.contains(name) && !error.detail.contains("secret"), "{}", error.detail);
    }
    assert_eq!(options, ClientOptions::default());
}

#[test]
fn options_go_together() {
    /// What is set, and what an error speaks of.
    type Row<'a> = (&'a [(&'a str, &'a str)], Option<&'a str>);
    let rows: &[Row<'_>] = &[
        (&[], None),
        (&[("reconnect_min", "30s")], None),
        (&[("reconnect_min", "31s")], Some("reconnect_min")),
        (&[("reconnect_max", "400ms")], Some("reconnect_min")),
        (&[("max_offline_bytes", "4M")], None),
        (&[("max_offline_bytes", "5M")], Some("max_offline_bytes")),
        (&[("max_offline_bytes", "5M"), ("max_queued_bytes", "5M")], None),
        (&[("low_watermark", "4M")], Some("low_watermark")),
        (&[("subprotocols", "chat,mqtt,Chat")], None),
        (&[("subprotocols", "chat,mqtt,chat")], Some("\"chat\"")),
    ];
    for (values, expected) in rows {
        match (set(values).settle(), expected) {
            (Ok(()), None) => {}
            (Err(error), Some(text)) => {
                assert_eq!(error.status, Status::WS_ERR_VALUE);
                assert!(error.detail.contains(text), "{}", error.detail);
            }
            (found, _) => panic!("{values:?}: {found:?}"),
        }
    }
}

#[test]
fn headers_come_from_options_and_by_hand() {
    let mut options =
        set(&[("origin", "https://a.example"), ("cookie", "a=b; c=\u{e9}"), ("user_agent", "chat/1.0 (x)")]);
    let all = "Origin: https://a.example\r\nCookie: a=b; c=\u{e9}\r\nUser-Agent: chat/1.0 (x)\r\n";
    assert_eq!(options.header_lines(), all);
    options.add_header("X-Room", "1").unwrap();
    options.add_header("x-room", "").unwrap();
    options.add_header("authorization", "Bearer t").unwrap();
    options.add_header("user-agent", "mine").unwrap();
    let expected = "Origin: https://a.example\r\nCookie: a=b; c=\u{e9}\r\nX-Room: 1\r\nx-room: \r\nauthorization: Bearer \
                    t\r\nuser-agent: mine\r\n";
    assert_eq!(options.header_lines(), expected);
    assert_eq!(options.upgrade().headers, expected);
    assert_eq!(options.upgrade().max_head, 16 * 1024);
    assert_eq!(set(&[("cookie", "a=b"), ("cookie", "")]).header_lines(), "");
}

#[test]
fn headers_by_hand_are_checked() {
    let mut options = ClientOptions::default();
    options.add_header("Cookie", "a=b").unwrap();
    let before = options.clone();
    let rows = [
        ("", "a", "token"),
        ("X Y", "a", "token"),
        ("X:", "a", "token"),
        ("X\r\nY", "a", "token"),
        ("caf\u{e9}", "a", "token"),
        ("X", "a\r\nY: b", "control"),
        ("X", "a\n", "control"),
        ("X", "\r", "control"),
        ("X", "a\0b", "control"),
        ("Host", "a", "by the engine"),
        ("UPGRADE", "h2c", "by the engine"),
        ("connection", "close", "by the engine"),
        ("Content-Length", "5", "by the engine"),
        ("Transfer-Encoding", "chunked", "by the engine"),
        ("Sec-WebSocket-Key", "a", "by the engine"),
        ("sec-websocket-extensions", "permessage-deflate", "by the engine"),
        ("cookie", "c=d", "already"),
    ];
    for (name, value, text) in rows {
        let error = options.add_header(name, value).unwrap_err();
        assert_eq!(error.status, Status::WS_ERR_ARGUMENT, "{name:?}");
        assert!(error.detail.contains(text) && !error.detail.contains('\r'), "{}", error.detail);
    }
    let error = options.add_header("X", &"a".repeat(MAX_HEADERS)).unwrap_err();
    assert_eq!(error.status, Status::WS_ERR_TOO_LARGE);
    assert_eq!(options, before);
}

#[test]
fn a_proxy_is_kept_as_a_url() {
    let proxy = set(&[("proxy", "http://user:p%40ss@proxy.example:3128")]).proxy_url().unwrap();
    assert_eq!((proxy.host.as_str(), proxy.port, proxy.password.as_deref()), ("proxy.example", 3128, Some("p@ss")));
    assert_eq!(set(&[]).proxy_url(), None);
}

proptest! {
    #[test]
    fn headers_that_pass_can_be_sent(pairs in proptest::collection::vec(("[A-Za-z: \r\n-]{0,4}", "[a-c:\r\n\t ]{0,4}|\\PC{0,3}"), 0..6)) {
        use crate::protocol::handshake::Negotiation;
        let mut options = ClientOptions::default();
        let added = pairs.iter().filter(|(name, value)| options.add_header(name, value).is_ok()).count();
        prop_assert_eq!(options.header_lines().matches("\r\n").count(), added);
        let url = Url::parse("ws://a").unwrap();
        prop_assert!(Negotiation::start(&url, None, &options.upgrade(), true, &[0; 16]).is_ok());
    }
}
