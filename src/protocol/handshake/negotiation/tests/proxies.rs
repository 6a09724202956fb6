//! Tunnels, and who gets to see which credentials.

use super::*;

/// The requests to the proxy, if there is one, and to the server, with the lines that every one has left out.
fn requests(from: &str, through: Option<&str>, headers: &str, with_credentials: bool) -> (Vec<String>, Vec<String>) {
    let strip = |bytes: Vec<u8>| {
        let text = String::from_utf8(bytes).unwrap();
        let lines = text.strip_suffix("\r\n\r\n").unwrap().split("\r\n").map(str::to_owned);
        lines
            .filter(|line| !line.starts_with("Sec-") && !line.starts_with("Upgrade") && !line.starts_with("Conn"))
            .collect()
    };
    let proxy = through.map(proxy);
    let started = Negotiation::start(&url(from), proxy.as_ref(), &upgrade(headers), with_credentials, NONCE);
    let (mut negotiation, first) = started.unwrap();
    if proxy.is_none() {
        return (Vec::new(), strip(first));
    }
    match negotiation.read(TUNNEL.as_bytes()) {
        Step::Send { taken, bytes } if taken == TUNNEL.len() => (strip(first), strip(bytes)),
        step => panic!("{step:?}"),
    }
}

#[test]
fn credentials_go_to_whom_they_are_meant_for() {
    // "user:secret", "us:er" and "us:" in base64.
    const USER: &str = "Basic dXNlcjpzZWNyZXQ=";
    const US: &str = "Basic dXM6ZXI=";
    let headers = "authorization: Bearer a\r\nX: y\r\nCOOKIE: a=b\r\nproxy-authorization: Bearer p\r\n";
    let get = "GET / HTTP/1.1";
    let connect = "CONNECT a:80 HTTP/1.1";
    let user = format!("Authorization: {USER}");
    let us = format!("Proxy-Authorization: {US}");
    type Row<'a> = (&'a str, Option<&'a str>, &'a str, bool, &'a [&'a str], &'a [&'a str]);
    let rows: &[Row<'_>] = &[
        ("ws://a", None, "", true, &[], &[get, "Host: a"]),
        ("ws://us:@a", None, "", true, &[], &[get, "Host: a", "Authorization: Basic dXM6"]),
        ("ws://us@a", None, "", true, &[], &[get, "Host: a", "Authorization: Basic dXM6"]),
        ("ws://user:secret@a", None, "X: y\r\n", true, &[], &[get, "Host: a", "X: y", &user]),
        ("ws://user:secret@a", None, "X: y\r\n", false, &[], &[get, "Host: a", "X: y"]),
        (
            "ws://user:secret@a",
            None,
            headers,
            true,
            &[],
            &[get, "Host: a", "authorization: Bearer a", "X: y", "COOKIE: a=b", "proxy-authorization: Bearer p"],
        ),
        ("ws://user:secret@a", None, headers, false, &[], &[get, "Host: a", "X: y"]),
        (
            "unix:/a",
            None,
            headers,
            true,
            &[],
            &[get, "Host: localhost", "authorization: Bearer a", "X: y", "COOKIE: a=b"],
        ),
        ("ws://a", Some("http://p:1"), "", true, &[connect, "Host: a:80"], &[get, "Host: a"]),
        (
            "ws://user:secret@a",
            Some("http://us:er@p:1"),
            "Cookie: a=b\r\n",
            true,
            &[connect, "Host: a:80", &us],
            &[get, "Host: a", "Cookie: a=b", &user],
        ),
        (
            "ws://user:secret@a",
            Some("http://us:er@p:1"),
            "Cookie: a=b\r\n",
            false,
            &[connect, "Host: a:80", &us],
            &[get, "Host: a"],
        ),
        (
            "ws://a",
            Some("http://us:er@p:1"),
            headers,
            true,
            &[connect, "Host: a:80", "proxy-authorization: Bearer p"],
            &[get, "Host: a", "authorization: Bearer a", "X: y", "COOKIE: a=b"],
        ),
        (
            "ws://a",
            Some("http://p:1"),
            headers,
            false,
            &[connect, "Host: a:80", "proxy-authorization: Bearer p"],
            &[get, "Host: a", "X: y"],
        ),
        (
            "wss://[::1]/x",
            Some("http://p:1"),
            "",
            true,
            &["CONNECT [::1]:443 HTTP/1.1", "Host: [::1]:443"],
            &["GET /x HTTP/1.1", "Host: [::1]"],
        ),
    ];
    for (from, through, headers, with_credentials, to_proxy, to_server) in rows {
        let found = requests(from, *through, headers, *with_credentials);
        assert_eq!(found.0, *to_proxy, "{from} {through:?} {headers:?} {with_credentials}");
        assert_eq!(found.1, *to_server, "{from} {through:?} {headers:?} {with_credentials}");
    }
}

#[test]
fn proxies_open_a_tunnel_or_refuse() {
    // The heads, what comes behind them, and what becomes of it.
    let rows: &[(&str, &str, Result<(), HandshakeError>)] = &[
        (TUNNEL, "", Ok(())),
        ("HTTP/1.0 200 OK\r\nProxy-Agent: a\r\n\r\n", "", Ok(())),
        ("HTTP/1.1 100 \r\n\r\nHTTP/1.1 204 \r\n\r\n", "", Ok(())),
        // The lengths mean nothing: what follows comes through the tunnel.
        ("HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\n", "hello", Ok(())),
        ("HTTP/1.1 299 \r\nTransfer-Encoding: chunked\r\n\r\n", "0\r\n\r\n", Ok(())),
        (TUNNEL, "HTTP/1.1 503 \r\n\r\n", Ok(())),
        (SWITCH, "", Err(HandshakeError::Proxy(101))),
        ("HTTP/1.1 301 \r\nLocation: /\r\n\r\n", "", Err(HandshakeError::Proxy(301))),
        ("HTTP/1.1 403 \r\n\r\n", "", Err(HandshakeError::Proxy(403))),
        ("HTTP/1.1 407 \r\nProxy-Authenticate: Basic\r\n\r\n", "", Err(HandshakeError::Proxy(407))),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n", "<html>", Err(HandshakeError::Proxy(502))),
    ];
    for (head, behind, expected) in rows {
        match (read_bytewise(proxied(), format!("{head}{behind}").as_bytes()), expected) {
            (Step::Send { taken, bytes }, Ok(())) => {
                assert_eq!(taken, head.len(), "{head}");
                assert_eq!(bytes, start("ws://example.com/chat", "").unwrap().1.as_bytes());
            }
            (Step::Failed { error, response: Some(response) }, Err(expected)) => {
                assert_eq!((error, HandshakeError::Proxy(response.status)), (*expected, *expected), "{head}");
            }
            (step, _) => panic!("{head}: {step:?}"),
        }
    }
    // A refusal that the server has sent unasked is behind the head of the proxy's response; so would be a 101 of an attacker
    // who does not know the key.
    let early = format!("{TUNNEL}HTTP/1.1 503 \r\n\r\n");
    let mut negotiation = proxied();
    let Step::Send { taken, .. } = negotiation.read(early.as_bytes()) else { panic!() };
    assert_eq!(negotiation.read(&early.as_bytes()[taken..]), Step::Refused);
    assert!(matches!(negotiation.end(), Some((HandshakeError::Status(503), _))));
}
