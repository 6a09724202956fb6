//! The client's side against what servers and proxies say: each rule, each byte at which a response can be cut, and our own
//! server.

use super::super::{Judgement, judge};
use super::*;
use crate::protocol::http::{HeadStatus, read_request};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

mod proxies;

const NONCE: &[u8; 16] = b"the sample nonce";
const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                      Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
const TUNNEL: &str = "HTTP/1.1 200 Connection established\r\n\r\n";

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

fn proxy(text: &str) -> Url {
    Url::parse_proxy(text).unwrap()
}

fn upgrade(headers: &str) -> Upgrade {
    let subprotocols = vec!["chat".to_owned(), "mqtt".to_owned()];
    Upgrade { host: String::new(), headers: headers.to_owned(), subprotocols, max_head: 8192 }
}

fn start(url_text: &str, headers: &str) -> Result<(Negotiation, String), InvalidHead> {
    let (negotiation, bytes) = Negotiation::start(&url(url_text), None, &upgrade(headers), true, NONCE)?;
    Ok((negotiation, String::from_utf8(bytes).unwrap()))
}

fn direct() -> Negotiation {
    start("ws://example.com/chat", "").unwrap().0
}

fn proxied() -> Negotiation {
    let (url, proxy) = (url("ws://example.com/chat"), proxy("http://p:3128"));
    Negotiation::start(&url, Some(&proxy), &upgrade(""), true, NONCE).unwrap().0
}

/// What becomes of `input`, if nothing comes behind it, however it is cut: each beginning of it is to be read on, or else the step that is given, which does not
/// change with what comes behind it.
fn read_bytewise(mut negotiation: Negotiation, input: &[u8]) -> Step {
    let mut whole = negotiation.clone();
    for end in 0..=input.len() {
        let step = negotiation.read(&input[..end]);
        if !matches!(step, Step::More | Step::Refused) {
            assert_eq!(whole.read(input), step, "{} bytes of {}", end, input.escape_ascii());
            return step;
        }
    }
    assert!(matches!(whole.read(input), Step::More | Step::Refused));
    let ended = negotiation.end();
    assert_eq!(ended, whole.end());
    ended.map_or(Step::More, |(error, response)| Step::Failed { error, response: Some(response) })
}

#[test]
fn the_request_is_that_of_the_rfc() {
    let (_, request) = start("ws://example.com/chat", "Origin: http://example.com\r\n").unwrap();
    assert_eq!(
        request,
        "GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Protocol: chat, mqtt\r\nOrigin: http://example.com\r\n\r\n"
    );
    let (_, request) = start("unix:/run/chat.sock:/room?id=1", "").unwrap();
    assert!(request.starts_with("GET /room?id=1 HTTP/1.1\r\nHost: localhost\r\n"), "{request}");
    let (_, request) = start("ws://[::1]:9502", "").unwrap();
    assert!(request.starts_with("GET / HTTP/1.1\r\nHost: [::1]:9502\r\n"), "{request}");
}

#[test]
fn another_host_is_asked_for_unless_a_redirect_has_led_elsewhere() {
    let asked = Upgrade { host: "app.example:8080".to_owned(), ..upgrade("") };
    for (with_credentials, host) in [(true, "app.example:8080"), (false, "example.com")] {
        let (_, request) =
            Negotiation::start(&url("ws://example.com/"), None, &asked, with_credentials, NONCE).unwrap();
        let request = String::from_utf8(request).unwrap();
        assert!(request.contains(&format!("\r\nHost: {host}\r\n")), "{request}");
    }
    let proxy = proxy("http://p:3128");
    let (_, request) = Negotiation::start(&url("ws://example.com/"), Some(&proxy), &asked, true, NONCE).unwrap();
    assert!(request.starts_with(b"CONNECT example.com:80 HTTP/1.1\r\nHost: example.com:80\r\n"), "{request:?}");
}

#[test]
fn what_cannot_stand_in_a_request_is_refused() {
    let good = url("ws://example.com/chat");
    let host = |host: &str| Url { host: host.to_owned(), ..good.clone() };
    let target = |target: &str| Url { target: target.to_owned(), ..good.clone() };
    let offer = |offered: &[&str]| Upgrade {
        subprotocols: offered.iter().map(|&name| name.to_owned()).collect(),
        ..upgrade("")
    };
    let rows = [
        (host(""), upgrade(""), InvalidHead::Host),
        (host("a b"), upgrade(""), InvalidHead::Host),
        (host("a\r\nX"), upgrade(""), InvalidHead::Host),
        (target(""), upgrade(""), InvalidHead::Target),
        (target("chat"), upgrade(""), InvalidHead::Target),
        (target("/a b"), upgrade(""), InvalidHead::Target),
        (target("/a#b"), upgrade(""), InvalidHead::Target),
        (target("/caf\u{e9}"), upgrade(""), InvalidHead::Target),
        (target("/ HTTP/1.1\r\nX: b"), upgrade(""), InvalidHead::Target),
        (good.clone(), offer(&["a", ""]), InvalidHead::Subprotocol),
        (good.clone(), offer(&["a,b"]), InvalidHead::Subprotocol),
        (good.clone(), offer(&["a\r\nX: b"]), InvalidHead::Subprotocol),
        (good.clone(), offer(&["a", "a"]), InvalidHead::RepeatedSubprotocol),
    ];
    for (url, upgrade, expected) in rows {
        let error = Negotiation::start(&url, None, &upgrade, true, NONCE).err();
        assert_eq!(error, Some(expected), "{url:?} {upgrade:?}");
    }
    for name in ["Host", "upgrade", "Connection", "Content-Length", "Transfer-Encoding", "Sec-WebSocket-Key"] {
        let error = start("ws://a", &format!("X: y\r\n{name}: z\r\n")).err();
        assert!(matches!(error, Some(InvalidHead::Header { line: 2, .. })), "{name}");
    }
    for headers in ["X: y\r\n\r\nbody", "X: y\nZ: z\r\n", "Cookie : a=b\r\n", " Cookie: a=b\r\n", "X\r\n", "\r\nX: y"] {
        let error = start("ws://a", headers).err();
        assert!(matches!(error, Some(InvalidHead::Header { .. })), "{headers:?}");
    }
    let hostile = upgrade("Proxy-Authorization: a\nX: y\r\n");
    let tunnelled = Negotiation::start(&good, Some(&proxy("http://p:1")), &hostile, true, NONCE);
    assert!(matches!(tunnelled.err(), Some(InvalidHead::Header { .. })));
    let socket = Negotiation::start(&url("unix:/run/a.sock"), Some(&proxy("http://p:1")), &upgrade(""), true, NONCE);
    assert_eq!(socket.err(), Some(InvalidHead::Host));
}

#[test]
fn responses_are_verified() {
    let ok = |subprotocol: Option<&str>| Ok(subprotocol.map(str::to_owned));
    // What is replaced in a valid response, and by what.
    type Verdict = Result<Option<String>, HandshakeError>;
    let rows: &[(&str, &str, Verdict)] = &[
        ("", "", ok(None)),
        ("Upgrade: websocket", "upgrade:  WebSocket ", ok(None)),
        ("Connection: Upgrade", "connection: keep-alive, upgrade", ok(None)),
        ("101 Switching Protocols", "101 ", ok(None)),
        ("101 Switching Protocols", "101", ok(None)),
        ("101 Switching Protocols", "101 caf\u{e9}\t!", ok(None)),
        ("HTTP/1.1 101", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 \r\n\r\nHTTP/1.1 101", ok(None)),
        ("\r\n\r\n", "\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n", ok(Some("mqtt"))),
        ("\r\n\r\n", "\r\nContent-Length: 0\r\n\r\n", ok(None)),
        ("HTTP/1.1", "HTTP/1.0", Err(HandshakeError::Version)),
        ("101 Switching Protocols", "200 OK", Err(HandshakeError::Status(200))),
        ("101 Switching Protocols", "403 Forbidden", Err(HandshakeError::Status(403))),
        ("101 Switching Protocols", "999 ", Err(HandshakeError::Status(999))),
        ("Upgrade: websocket\r\n", "", Err(HandshakeError::Upgrade)),
        ("Upgrade: websocket", "Upgrade: h2c", Err(HandshakeError::Upgrade)),
        ("Upgrade: websocket", "Upgrade: h2c, websocket", Err(HandshakeError::Upgrade)),
        ("Upgrade: websocket", "Upgrade: websocket, h2c", Err(HandshakeError::Upgrade)),
        ("Upgrade: websocket", "Upgrade: websocket\r\nUpgrade: websocket", Err(HandshakeError::Upgrade)),
        ("Connection: Upgrade\r\n", "", Err(HandshakeError::Connection)),
        ("Connection: Upgrade", "Connection: close", Err(HandshakeError::Connection)),
        ("Sec-WebSocket-Accept", "X-Accept", Err(HandshakeError::Accept)),
        ("xOo=", "xOo", Err(HandshakeError::Accept)),
        ("s3pP", "S3pP", Err(HandshakeError::Accept)),
        ("\r\n\r\n", "\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n", Err(HandshakeError::Accept)),
        ("\r\n\r\n", "\r\nSec-WebSocket-Protocol: soap\r\n\r\n", Err(HandshakeError::Subprotocol)),
        ("\r\n\r\n", "\r\nSec-WebSocket-Protocol: CHAT\r\n\r\n", Err(HandshakeError::Subprotocol)),
        ("\r\n\r\n", "\r\nSec-WebSocket-Protocol: chat, mqtt\r\n\r\n", Err(HandshakeError::Subprotocol)),
        ("\r\n\r\n", "\r\nSec-WebSocket-Protocol:\r\n\r\n", Err(HandshakeError::Subprotocol)),
        (
            "\r\n\r\n",
            "\r\nSec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: chat\r\n\r\n",
            Err(HandshakeError::Subprotocol),
        ),
        ("\r\n\r\n", "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n", Err(HandshakeError::Extension)),
    ];
    for (from, to, expected) in rows {
        let text = SWITCH.replacen(from, to, 1);
        let input = [text.as_bytes(), b"\x81\x00"].concat();
        let found = match read_bytewise(direct(), &input) {
            Step::Open { taken, response } => {
                assert_eq!((taken, response.status), (text.len(), 101), "{text}");
                Ok(response.subprotocol)
            }
            Step::Failed { error, response } => {
                assert!(response.is_some_and(|response| response.subprotocol.is_none()), "{text}");
                Err(error)
            }
            step => panic!("{text}: {step:?}"),
        };
        assert_eq!(found, *expected, "{text}");
        // It comes through a tunnel all the same.
        let mut tunnelled = proxied();
        assert!(matches!(tunnelled.read(TUNNEL.as_bytes()), Step::Send { .. }));
        assert_eq!(tunnelled.read(&input), direct().read(&input));
    }
}

#[test]
fn what_is_no_response_fails_at_once() {
    let rows: &[&[u8]] = &[
        b"\r",
        b" HTTP/1.1 101 ",
        b"SSH-2.0",
        b"HTTP/2",
        b"HTTP/1.1  ",
        b"HTTP/1.1 0",
        b"HTTP/1.1 10x",
        b"HTTP/1.1 1011",
        b"HTTP/1.1 101 \n",
        b"HTTP/1.1 101 \0",
        b"HTTP/1.1 101 OK\r\n ",
        b"HTTP/1.1 101 OK\r\nA: b\n",
        b"\x15\x03\x01",
    ];
    for input in rows {
        assert!(
            matches!(
                read_bytewise(direct(), input),
                Step::Failed { error: HandshakeError::Malformed(_), response: None }
            ),
            "{}",
            input.escape_ascii()
        );
        assert!(
            matches!(
                read_bytewise(proxied(), input),
                Step::Failed { error: HandshakeError::ProxyMalformed(_), response: None }
            ),
            "{}",
            input.escape_ascii()
        );
    }
}

#[test]
fn a_refusal_comes_with_its_headers() {
    let rows = [
        (200, "Content-Length: 5\r\nX: caf\u{e9}\r\n"),
        (302, "Location: http://b/c\r\nlocation:\t/d \r\n"),
        (401, "WWW-Authenticate: Basic realm=\"a\"\r\n"),
        (503, "Retry-After: 120\r\n"),
    ];
    for (status, lines) in rows {
        let text = format!("HTTP/1.1 100 \r\nZ: z\r\n\r\nHTTP/1.1 {status} \r\n{lines}\r\nbody");
        let Step::Failed { error, response: Some(response) } = read_bytewise(direct(), text.as_bytes()) else {
            panic!("{text}");
        };
        assert_eq!((error, response.status, &response.subprotocol), (HandshakeError::Status(status), status, &None));
        let found: Vec<String> = response
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value)))
            .collect();
        let expected: Vec<String> = lines
            .lines()
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| format!("{name}: {}", value.trim()))
            .collect();
        assert_eq!(found, expected);
        assert_eq!(response.all("LOCATION").count(), if status == 302 { 2 } else { 0 });
    }
}

#[test]
fn heads_have_a_limit_of_their_own_each() {
    let padded = |text: &str, length: usize| {
        let padding = "a".repeat(length - text.len() - "X: \r\n".len());
        format!("{}X: {padding}\r\n\r\n", text.strip_suffix("\r\n").unwrap())
    };
    let too_large = Step::Failed { error: HandshakeError::HeadTooLarge, response: None };
    let too_many = Step::Failed { error: HandshakeError::TooManyLines, response: None };
    for limit in [256, 8192] {
        let upgrade = Upgrade { max_head: limit, ..upgrade("") };
        let (url, proxy) = (url("ws://example.com/chat"), proxy("http://p:3128"));
        let (direct, _) = Negotiation::start(&url, None, &upgrade, true, NONCE).unwrap();
        let (mut tunnelled, _) = Negotiation::start(&url, Some(&proxy), &upgrade, true, NONCE).unwrap();
        let (fits, exceeds) = (padded(SWITCH, limit), padded(SWITCH, limit + 1));
        assert!(matches!(read_bytewise(direct.clone(), fits.as_bytes()), Step::Open { taken, .. } if taken == limit));
        assert_eq!(read_bytewise(direct.clone(), exceeds.as_bytes()), too_large);
        assert_eq!(read_bytewise(tunnelled.clone(), padded(TUNNEL, limit + 1).as_bytes()), too_large);
        assert!(matches!(tunnelled.read(padded(TUNNEL, limit).as_bytes()), Step::Send { taken, .. } if taken == limit));
        assert!(matches!(tunnelled.read(fits.as_bytes()), Step::Open { taken, .. } if taken == limit));
        // Frames behind the head do not count.
        let flooded = [fits.as_bytes(), &[0; 10_000]].concat();
        assert!(matches!(direct.clone().read(&flooded), Step::Open { taken, .. } if taken == limit));
        let interim = "HTTP/1.1 100 Continue\r\n\r\n".repeat(limit / 25 + 1);
        assert_eq!(read_bytewise(direct, interim.as_bytes()), too_large);
    }
    let many = format!("HTTP/1.1 200 \r\n{}\r\n", "A: b\r\n".repeat(101));
    assert_eq!(read_bytewise(direct(), many.as_bytes()), too_many);
}

proptest! {
    #[test]
    fn arbitrary_bytes_do_no_harm(input in vec(any::<u8>(), 0..300), status in 0..1000u16) {
        let response = [format!("HTTP/1.1 {status:03} \r\n").as_bytes(), &input].concat();
        for bytes in [&input, &response] {
            for negotiation in [direct(), proxied()] {
                let opens = matches!(read_bytewise(negotiation, bytes), Step::Open { .. });
                prop_assert!(!opens);
            }
        }
    }

    #[test]
    fn our_client_and_our_server_agree(
        nonce in any::<[u8; 16]>(),
        subprotocols in proptest::collection::btree_set("[a-z.]{1,6}", 0..4),
        chosen in any::<Option<Index>>(),
        wrong in any::<Index>(),
        frames in vec(any::<u8>(), 0..9),
    ) {
        let offered: Vec<String> = subprotocols.into_iter().collect();
        let asked = Upgrade { subprotocols: offered.clone(), ..upgrade("Origin: http://example.com\r\n") };
        let url = url("ws://user:secret@[::1]:9502/chat?room=1");
        let (negotiation, bytes) = Negotiation::start(&url, None, &asked, true, &nonce).unwrap();
        let HeadStatus::Complete { request, length } = read_request(&bytes, &HeadLimits::default()) else {
            return Err(TestCaseError::fail("the server does not understand the client"));
        };
        prop_assert_eq!(length, bytes.len());
        let Judgement::Upgrade(upgrade) = judge(&request) else {
            return Err(TestCaseError::fail(format!("{:?}", judge(&request))));
        };
        prop_assert_eq!(upgrade.subprotocols(), &offered);
        let chosen = chosen.filter(|_| !offered.is_empty()).map(|index| index.get(&offered).as_str());
        let response = upgrade.response(chosen, "Set-Cookie: a=b\r\n").unwrap();
        let input = [response.as_slice(), &frames].concat();
        let Step::Open { taken, response: seen } = read_bytewise(negotiation, &input) else {
            return Err(TestCaseError::fail("the client does not understand the server"));
        };
        prop_assert_eq!((taken, seen.subprotocol.as_deref()), (response.len(), chosen));
        prop_assert_eq!(seen.all("set-cookie").collect::<Vec<_>>(), [b"a=b"]);

        // The answer to another key is no answer.
        let mut other = nonce;
        other[wrong.index(16)] ^= 1;
        let (mut negotiation, _) = Negotiation::start(&url, None, &asked, true, &other).unwrap();
        let failed = matches!(negotiation.read(&input), Step::Failed { error: HandshakeError::Accept, response: Some(_) });
        prop_assert!(failed);
    }
}

#[test]
fn the_body_of_a_refusal_is_told_as_far_as_it_goes() {
    let much = "m".repeat(5000);
    let chunked = format!("1388\r\n{much}\r\n0\r\n\r\n");
    let rows: &[(&str, &str, &str)] = &[
        ("Content-Length: 5\r\n", "hello", "hello"),
        ("Content-Length: 2\r\n", "hello", "he"),
        ("Content-Length: 9\r\n", "hello", "hello"),
        ("Content-Length: x\r\n", "hello", "hello"),
        ("Content-Length: 5000\r\n", &much, &much[..BODY_MAX]),
        ("Transfer-Encoding: chunked\r\n", "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", "hello"),
        ("Transfer-Encoding: chunked\r\n", "3\r\nhel\r\nx", "hel"),
        ("Transfer-Encoding: chunked\r\n", &chunked, &much[..BODY_MAX]),
        ("", "hello", "hello"),
        ("", &much, &much[..BODY_MAX]),
        ("", "", ""),
    ];
    for (lines, sent, told) in rows {
        let text = format!("HTTP/1.1 403 Not \"you\"\r\n{lines}\r\n{sent}");
        let Step::Failed { error: HandshakeError::Status(403), response: Some(response) } =
            read_bytewise(direct(), text.as_bytes())
        else {
            panic!("{text}");
        };
        assert_eq!(
            (response.reason.as_slice(), response.body.as_slice()),
            (&b"Not \"you\""[..], told.as_bytes()),
            "{text}"
        );
    }
}

#[test]
fn folded_lines_are_unfolded_however_they_are_cut() {
    let text = "HTTP/1.1 404\r\nA: 1\r\n\t2\r\n \r\nB:\r\n  3\r\nContent-Length: 0\r\n\r\n";
    for cut in 1..text.len() {
        let (mut negotiation, mut received) = (direct(), text.as_bytes()[..cut].to_vec());
        negotiation.unfold(&mut received);
        assert_eq!(negotiation.read(&received), Step::More, "{cut}");
        received.extend_from_slice(&text.as_bytes()[cut..]);
        negotiation.unfold(&mut received);
        let Step::Failed { response: Some(response), .. } = negotiation.read(&received) else { panic!("{cut}") };
        let headers: Vec<_> = response.headers.iter().map(|(name, value)| (name.as_str(), &**value)).collect();
        assert_eq!(headers, [("A", &b"1  \t2"[..]), ("B", b"3"), ("Content-Length", b"0")], "{cut}");
    }
    // Not behind the status line, and not without end.
    for text in
        ["HTTP/1.1 404\r\n A: 1\r\n\r\n".to_owned(), format!("HTTP/1.1 404\r\nA:{}\r\n\r\n", "\r\n b".repeat(200))]
    {
        let (mut negotiation, mut received) = (direct(), text.into_bytes());
        negotiation.unfold(&mut received);
        assert!(matches!(negotiation.read(&received), Step::Failed { response: None, .. }));
    }
}
