//! What a well-formed request is: a WebSocket upgrade, an ordinary HTTP request, or one to be refused.

use super::upgrade::Upgrade;
use crate::protocol::http::Body;
use crate::protocol::http::headers::{Once, is_websocket};
use crate::protocol::http::response::{Refusal, bad};
use crate::protocol::http::target::is_authority;
use crate::protocol::http::tokens::list_has;
use crate::protocol::http::{RequestHead, Version};

/// What to do with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// A valid WebSocket upgrade: answer with [`Upgrade::response`].
    Upgrade(Upgrade),
    /// An ordinary HTTP request: the host's to answer.
    Plain(Plain),
    /// Send [`Refusal::response`] and close.
    Refuse(Refusal),
}

/// What an ordinary request says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plain {
    /// The body that follows.
    pub body: Body,
    /// Whether its sender may have more to ask on the same connection (RFC 9112 section 9.3).
    pub keep_alive: bool,
    /// Whether its sender holds the body back until it is told to go on (RFC 9110 section 10.1.1).
    pub expects_continue: bool,
}

/// Says what `request` is.
///
/// It is a WebSocket upgrade if Upgrade names `websocket`; then everything else has to be right, and what is not is
/// refused with the reason. Requests that want no upgrade, or one to another protocol (which a server may ignore,
/// RFC 9110 section 7.8), are plain. So is one with `Connection: upgrade` and no Upgrade: proxies configured for
/// WebSocket send it with every request. But Sec-WebSocket headers without `Upgrade: websocket` can only be a
/// WebSocket client behind a proxy that took Upgrade away: to answer it with a page would hide that, so it is refused.
#[must_use]
pub fn judge(request: &RequestHead<'_>) -> Judgement {
    match judge_request(request) {
        Ok(judgement) => judgement,
        Err(refusal) => Judgement::Refuse(refusal),
    }
}

fn judge_request(request: &RequestHead<'_>) -> Result<Judgement, Refusal> {
    let fields = Fields::of(request);
    check_host(fields.host, request.version())?;
    let body = request.body()?;
    if fields.upgrade {
        return Upgrade::from_request(request, &fields, body).map(Judgement::Upgrade);
    }
    if fields.websocket {
        return bad("Sec-WebSocket headers without \"Upgrade: websocket\": does a proxy on the way remove it?");
    }
    if fields.expectation == Some(false) {
        return Err(Refusal { status: 417, detail: "an expectation other than 100-continue" });
    }
    let modern = request.version() >= Version::Http11;
    Ok(Judgement::Plain(Plain {
        body,
        keep_alive: modern && !fields.close,
        expects_continue: modern && body != Body::None && fields.expectation.is_some(),
    }))
}

/// The headers that matter here, gathered in one pass over the head.
pub(super) struct Fields<'a> {
    host: Once<'a>,
    /// Upgrade names `websocket`.
    upgrade: bool,
    /// Connection names `upgrade`.
    pub(super) connection: bool,
    /// Connection names `close`.
    close: bool,
    /// Whether what Expect names is `100-continue`, if there is an Expect.
    expectation: Option<bool>,
    /// There is a header whose name starts with Sec-WebSocket-.
    websocket: bool,
    pub(super) key: Once<'a>,
    pub(super) version: Once<'a>,
    /// There is a Sec-WebSocket-Protocol.
    pub(super) subprotocols: bool,
    /// There is a Sec-WebSocket-Extensions.
    pub(super) extensions: bool,
}

impl<'a> Fields<'a> {
    fn of(request: &RequestHead<'a>) -> Self {
        let mut fields = Fields {
            host: Once::Missing,
            upgrade: false,
            connection: false,
            close: false,
            expectation: None,
            websocket: false,
            key: Once::Missing,
            version: Once::Missing,
            subprotocols: false,
            extensions: false,
        };
        for (name, value) in request.headers() {
            let is = |known: &str| name.eq_ignore_ascii_case(known);
            if is("host") {
                fields.host.add(value);
            } else if is("upgrade") {
                fields.upgrade |= list_has(value, "websocket");
            } else if is("connection") {
                fields.connection |= list_has(value, "upgrade");
                fields.close |= list_has(value, "close");
            } else if is("expect") {
                let known = value.eq_ignore_ascii_case(b"100-continue");
                fields.expectation = Some(known && fields.expectation != Some(false));
            } else if is_websocket(name) {
                fields.websocket = true;
                if is("sec-websocket-key") {
                    fields.key.add(value);
                } else if is("sec-websocket-version") {
                    fields.version.add(value);
                } else if is("sec-websocket-protocol") {
                    fields.subprotocols = true;
                } else if is("sec-websocket-extensions") {
                    fields.extensions = true;
                }
            }
        }
        fields
    }
}

/// Exactly one valid Host; HTTP/1.0 may do without. It is empty where the URI has no authority, as over a Unix socket
/// (RFC 9112 section 3.2).
fn check_host(host: Once<'_>, version: Version) -> Result<(), Refusal> {
    match host {
        Once::Missing if version == Version::Http10 => Ok(()),
        Once::Missing => bad("no Host header"),
        Once::Repeated => bad("more than one Host header"),
        Once::Value(host) if host.is_empty() || is_authority(host) => Ok(()),
        Once::Value(_) => bad("an invalid Host header"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::http::InvalidHead;
    use crate::protocol::http::{HeadLimits, HeadStatus, read_request};

    /// What the request of a row comes to: a judgement, or the status of a refusal.
    #[derive(Debug, PartialEq)]
    enum Expect {
        Upgrade(&'static [&'static str]),
        Plain(Body),
        Refuse(u16),
    }
    use Expect::{Plain, Refuse};

    const UPGRADED: Expect = Expect::Upgrade(&[]);

    /// The headers of a valid upgrade, which the rows change.
    const LINES: [&str; 5] = [
        "Host: example.com",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
    ];

    fn judge_text(text: &str) -> Judgement {
        match read_request(text.as_bytes(), &HeadLimits::default()) {
            HeadStatus::Complete { request, .. } => judge(&request),
            status => panic!("{text:?}: {status:?}"),
        }
    }

    fn check(text: &str, expected: &Expect) {
        match (judge_text(text), expected) {
            (Judgement::Upgrade(upgrade), Expect::Upgrade(offered)) => {
                assert_eq!(upgrade.subprotocols(), *offered, "{text}");
                let response = String::from_utf8(upgrade.response(None, "").unwrap()).unwrap();
                assert!(response.contains("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{text}");
            }
            (Judgement::Plain(plain), Plain(expected)) => assert_eq!(plain.body, *expected, "{text}"),
            (Judgement::Refuse(refusal), Refuse(status)) => assert_eq!(refusal.status, *status, "{text}: {refusal}"),
            (judgement, _) => panic!("{text}: {judgement:?} instead of {expected:?}"),
        }
    }

    /// The upgrade with all lines of a name replaced by others; `""` removes them.
    fn changed(name: &str, lines: &str) -> String {
        let kept = LINES.iter().filter(|line| !line.starts_with(&format!("{name}:")));
        let kept: String = kept.map(|line| format!("{line}\r\n")).collect();
        let lines: String = lines.lines().map(|line| format!("{line}\r\n")).collect();
        format!("GET /chat HTTP/1.1\r\n{kept}{lines}\r\n")
    }

    #[test]
    fn an_upgrade_has_every_header_right() {
        let rows: &[(&str, &str, Expect)] = &[
            ("", "", UPGRADED),
            ("", "Origin: https://example.com\nCookie: a=b\nContent-Length: 0", UPGRADED),
            ("Host", "", Refuse(400)),
            ("Host", "Host:", UPGRADED),
            ("Host", "Host: :80", Refuse(400)),
            ("Host", "Host:\nHost:", Refuse(400)),
            ("Host", "Host: a\nhost: a", Refuse(400)),
            ("Host", "Host: a b", Refuse(400)),
            ("Host", "Host: a/b", Refuse(400)),
            ("Host", "Host: [::1]:9502", UPGRADED),
            ("Upgrade", "upgrade: WebSocket", UPGRADED),
            ("Upgrade", "Upgrade: h2c, websocket", UPGRADED),
            ("Upgrade", "Upgrade: h2c\nUpgrade: foo/2 ,\twebsocket", UPGRADED),
            ("Upgrade", "", Refuse(400)),
            ("Upgrade", "Upgrade: h2c", Refuse(400)),
            ("Upgrade", "Upgrade: websocket/13", Refuse(400)),
            ("Upgrade", "Upgrade: websocket2", Refuse(400)),
            ("Connection", "connection: keep-alive, UPGRADE", UPGRADED),
            ("Connection", "Connection: keep-alive\nConnection: upgrade", UPGRADED),
            ("Connection", "", Refuse(400)),
            ("Connection", "Connection: keep-alive", Refuse(400)),
            ("Connection", "Connection: upgraded", Refuse(400)),
            ("Sec-WebSocket-Key", "", Refuse(400)),
            ("Sec-WebSocket-Key", "Sec-WebSocket-Key:", Refuse(400)),
            ("Sec-WebSocket-Key", "sec-websocket-key:\t dGhlIHNhbXBsZSBub25jZQ== \t", UPGRADED),
            ("Sec-WebSocket-Key", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ", Refuse(400)),
            ("Sec-WebSocket-Key", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub24=", Refuse(400)),
            ("Sec-WebSocket-Key", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==,", Refuse(400)),
            ("", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", Refuse(400)),
            ("Sec-WebSocket-Version", "", Refuse(426)),
            ("Sec-WebSocket-Version", "Sec-WebSocket-Version: 8", Refuse(426)),
            ("Sec-WebSocket-Version", "Sec-WebSocket-Version: 0", Refuse(426)),
            ("Sec-WebSocket-Version", "Sec-WebSocket-Version: 255", Refuse(426)),
            ("Sec-WebSocket-Version", "Sec-WebSocket-Version: 256", Refuse(400)),
            ("Sec-WebSocket-Version", "Sec-WebSocket-Version: 013", Refuse(400)),
            ("Sec-WebSocket-Version", "Sec-WebSocket-Version: +13", Refuse(400)),
            ("Sec-WebSocket-Version", "Sec-WebSocket-Version: 13, 8", Refuse(400)),
            ("Sec-WebSocket-Version", "Sec-WebSocket-Version: x", Refuse(400)),
            ("Sec-WebSocket-Version", "Sec-WebSocket-Version:", Refuse(400)),
            ("", "Sec-WebSocket-Version: 13", Refuse(400)),
            ("", "Sec-WebSocket-Protocol: chat", Expect::Upgrade(&["chat"])),
            ("", "Sec-WebSocket-Protocol: b, a\nSec-WebSocket-Protocol: ,B", Expect::Upgrade(&["b", "a", "B"])),
            ("", "Sec-WebSocket-Protocol: a, b, a", Refuse(400)),
            ("", "Sec-WebSocket-Protocol: a\nSec-WebSocket-Protocol: a", Refuse(400)),
            ("", "Sec-WebSocket-Protocol: a b", Refuse(400)),
            ("", "Sec-WebSocket-Protocol: \"a\"", Refuse(400)),
            ("", "Sec-WebSocket-Protocol: caf\u{e9}", Refuse(400)),
            ("", "Sec-WebSocket-Protocol:", Refuse(400)),
            ("", "Sec-WebSocket-Protocol: ,", Refuse(400)),
            ("", "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits", UPGRADED),
            ("", "Sec-WebSocket-Extensions: a\nSec-WebSocket-Extensions: b; c=\"d\"", UPGRADED),
            ("", "Sec-WebSocket-Extensions: a;", Refuse(400)),
            ("", "Sec-WebSocket-Extensions: a\nSec-WebSocket-Extensions: b c", Refuse(400)),
            ("", "Sec-WebSocket-Extensions:", Refuse(400)),
            ("", "Content-Length: 1", Refuse(400)),
            ("", "Transfer-Encoding: chunked", Refuse(400)),
        ];
        for (name, lines, expected) in rows {
            check(&changed(name, lines), expected);
        }
    }

    /// The key is answered as it was sent, with the bits that belong to no byte.
    #[test]
    fn the_key_of_section_4_1_is_taken() {
        let judgement = judge_text(&changed("Sec-WebSocket-Key", "Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEC=="));
        let Judgement::Upgrade(upgrade) = judgement else { panic!("{judgement:?}") };
        let response = String::from_utf8(upgrade.response(None, "").unwrap()).unwrap();
        assert!(response.contains("\r\nSec-WebSocket-Accept: OfS0wDaT5NoxF2gqm7Zj2YtetzM=\r\n"), "{response}");
    }

    #[test]
    fn the_number_of_subprotocols_is_bounded() {
        for (count, fits) in [(64, true), (65, false)] {
            let offered: Vec<String> = (0..count).map(|n| n.to_string()).collect();
            let judgement = judge_text(&changed("", &format!("Sec-WebSocket-Protocol: {}", offered.join(","))));
            assert_eq!(matches!(judgement, Judgement::Upgrade(_)), fits, "{count}");
        }
    }

    #[test]
    fn an_upgrade_is_a_get_of_http_1_1() {
        let request = changed("", "");
        let rows = [
            ("GET /chat HTTP/1.0\r\n", Refuse(400)),
            ("GET /chat HTTP/1.2\r\n", UPGRADED),
            ("GET http://example.com/chat HTTP/1.1\r\n", UPGRADED),
            ("POST /chat HTTP/1.1\r\n", Refuse(405)),
            ("OPTIONS * HTTP/1.1\r\n", Refuse(405)),
            ("get /chat HTTP/1.1\r\n", Refuse(405)),
        ];
        for (line, expected) in rows {
            check(&request.replace("GET /chat HTTP/1.1\r\n", line), &expected);
        }
    }

    #[test]
    fn other_requests_are_plain_or_refused() {
        let rows = [
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", Plain(Body::None)),
            ("BREW / HTTP/1.1\r\nHost: a\r\n\r\n", Plain(Body::None)),
            ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", Plain(Body::None)),
            ("OPTIONS * HTTP/1.1\r\nHost:\r\n\r\n", Plain(Body::None)),
            ("OPTIONS * HTTP/1.1\r\n\r\n", Refuse(400)),
            ("OPTIONS * HTTP/1.0\r\n\r\n", Plain(Body::None)),
            ("GET / HTTP/1.0\r\nHost:\r\n\r\n", Plain(Body::None)),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", Plain(Body::Length(5))),
            ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", Plain(Body::Chunked)),
            (
                "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n\r\n",
                Plain(Body::None),
            ),
            ("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n\r\n", Plain(Body::None)),
            ("GET / HTTP/1.0\r\n\r\n", Plain(Body::None)),
            ("GET / HTTP/1.0\r\nHost: a b\r\n\r\n", Refuse(400)),
            ("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", Refuse(400)),
            ("GET / HTTP/1.1\r\n\r\n", Refuse(400)),
            ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", Refuse(400)),
            ("GET http://a/ HTTP/1.1\r\n\r\n", Refuse(400)),
            ("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n", Refuse(400)),
            ("GET / HTTP/1.1\r\nHost: a\r\nSEC-websocket-version: 13\r\n\r\n", Refuse(400)),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", Refuse(400)),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", Refuse(400)),
        ];
        for (text, expected) in rows {
            check(text, &expected);
        }
    }

    #[test]
    fn only_an_offered_subprotocol_is_accepted() {
        let Judgement::Upgrade(upgrade) = judge_text(&changed("", "Sec-WebSocket-Protocol: chat, mqtt")) else {
            panic!();
        };
        assert!(upgrade.response(None, "").is_ok());
        assert!(upgrade.response(Some("mqtt"), "X-A: b\r\n").is_ok());
        for subprotocol in ["MQTT", "soap", "", "chat, mqtt", "chat\r\nX-A: b"] {
            assert_eq!(upgrade.response(Some(subprotocol), ""), Err(InvalidHead::UnofferedSubprotocol));
        }
        assert!(matches!(upgrade.response(None, "X-A: b\r\n\r\nx"), Err(InvalidHead::Header { line: 2, .. })));
    }

    #[test]
    fn what_a_request_says_of_its_connection() {
        type Row = (&'static str, &'static str, Result<(bool, bool), u16>);
        let rows: &[Row] = &[
            ("1.1", "", Ok((true, false))),
            ("1.0", "", Ok((false, false))),
            ("1.0", "Connection: keep-alive\r\n", Ok((false, false))),
            ("1.1", "Connection: close\r\n", Ok((false, false))),
            ("1.1", "Connection: x, CLOSE\r\n", Ok((false, false))),
            ("1.1", "Connection: closed\r\n", Ok((true, false))),
            ("1.1", "Content-Length: 1\r\nExpect: 100-Continue\r\n", Ok((true, true))),
            ("1.1", "Expect: 100-continue\r\n", Ok((true, false))),
            ("1.0", "Content-Length: 1\r\nExpect: 100-continue\r\n", Ok((false, false))),
            ("1.1", "Content-Length: 1\r\nExpect: more\r\n", Err(417)),
            ("1.1", "Expect: 100-continue\r\nExpect: x\r\n", Err(417)),
        ];
        for (version, lines, expected) in rows {
            let found = match judge_text(&format!("POST / HTTP/{version}\r\nHost: a\r\n{lines}\r\n")) {
                Judgement::Plain(plain) => Ok((plain.keep_alive, plain.expects_continue)),
                Judgement::Refuse(refusal) => Err(refusal.status),
                Judgement::Upgrade(_) => panic!("{lines}"),
            };
            assert_eq!(found, *expected, "{version} {lines}");
        }
    }
}
