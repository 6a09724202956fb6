//! What servers answer, and what they do instead.

use super::*;

#[test]
fn an_upgrade_and_what_came_behind_it() {
    let address = server(|mut stream| {
        let head = read_head(&mut stream);
        assert!(head.starts_with("GET /chat?room=1 HTTP/1.1\r\nHost: 127.0.0.1:"), "{head}");
        assert!(head.contains("Sec-WebSocket-Protocol: chat\r\nX-Own: 1\r\n"), "{head}");
        let answer = switch(&head, "Sec-WebSocket-Protocol: chat\r\nX-Server: yes\r\n");
        stream.write_all(&[answer.as_bytes(), b"\x81\x02hi"].concat()).unwrap();
        // What the client does with the socket from here on.
        let mut rest = String::new();
        stream.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "frames");
    });
    let dialer = system();
    let mut plan = plan(&format!("ws://{address}/chat?room=1"));
    plan.upgrade.subprotocols = vec!["chat".to_owned()];
    plan.upgrade.headers = "X-Own: 1\r\n".to_owned();
    let Connected { socket, received, request } = dial(&dialer, plan).connected();
    assert_eq!(received, b"\x81\x02hi");
    assert_eq!((request.status(), request.subprotocol()), (101, c"chat"));
    assert_eq!(request.header(c"x-server"), Some(c"yes"));
    assert_eq!((request.target(), request.path(), request.query()), (c"/chat?room=1", c"/chat", c"room=1"));
    assert_eq!((request.remote_address(), request.remote_port()), (c"127.0.0.1", address.port()));
    assert_eq!(socket.local().port(), request.local_port());
    assert_eq!(socket.send(b"frames").unwrap(), 6);
}

#[test]
fn an_answer_in_pieces_of_a_byte() {
    let address = server(|mut stream| {
        stream.set_nodelay(true).unwrap();
        let head = read_head(&mut stream);
        for byte in switch(&head, "").bytes().chain(*b"\x89\x00") {
            stream.write_all(&[byte]).unwrap();
        }
    });
    let Connected { socket, mut received, .. } = dial(&system(), plan(&format!("ws://{address}/"))).connected();
    // What had not come yet when the response was whole comes later.
    let mut rest = TcpStream::from(std::os::fd::AsFd::as_fd(&socket).try_clone_to_owned().unwrap());
    rest.set_nonblocking(false).unwrap();
    rest.read_to_end(&mut received).unwrap();
    assert_eq!(received, b"\x89\x00");
}

#[test]
fn answers_that_make_no_websocket() {
    type Row = (&'static [u8], Status, &'static str);
    let rows: &[Row] = &[
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", Status::WS_ERR_HTTP_STATUS, "status 200, not 101"),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", Status::WS_ERR_HTTP_STATUS, "status 404"),
        (b"HTTP/1.1 304 Not Modified\r\n\r\n", Status::WS_ERR_HTTP_STATUS, "status 304"),
        (b"HTTP/1.1 401 Unauthorized\r\n\r\n", Status::WS_ERR_UNAUTHORIZED, "ws://name:password@host"),
        (
            b"HTTP/1.1 503 No\r\nRetry-After: 7\r\n\r\n",
            Status::WS_ERR_UNAVAILABLE,
            "status 503, not 101 (Retry-After: 7 s)",
        ),
        (b"HTTP/1.1 503 No\r\n\r\n", Status::WS_ERR_UNAVAILABLE, "status 503, not 101"),
        (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
              Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
            Status::WS_ERR_ACCEPT,
            "Sec-WebSocket-Accept",
        ),
        (b"HTTP/1.1 101 Yes\r\nConnection: Upgrade\r\n\r\n", Status::WS_ERR_HANDSHAKE, "Upgrade: websocket"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", Status::WS_ERR_HANDSHAKE, "malformed"),
        (
            b"HTTP/1.1 302 Found\r\nLocation: /there\r\n\r\n",
            Status::WS_ERR_REDIRECT,
            "redirects to /there, and redirects are not",
        ),
        (b"HTTP/1.1 301 Gone\r\n\r\n", Status::WS_ERR_REDIRECT, "status 301 and without exactly one Location"),
        (b"", Status::WS_ERR_TRUNCATED, "the server ended the connection after 0 bytes of its response"),
        (b"H", Status::WS_ERR_TRUNCATED, "the server ended the connection after 1 byte of its response"),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpg", Status::WS_ERR_TRUNCATED, "after 37 bytes of its response"),
    ];
    let dialer = system();
    for (answer, status, detail) in rows {
        let address = answering(answer);
        let failure = dial(&dialer, plan(&format!("ws://{address}/?secret"))).failed();
        assert_failure(&failure, *status, detail);
        assert_failure(&failure, *status, &format!("handshake with {address}: "));
        assert!(!failure.detail.contains("secret") && !failure.is_final, "{failure:?}");
        let is_whole = answer.ends_with(b"\r\n\r\n") || answer.ends_with(b"hi");
        let told = failure.request.as_ref().map(|request| request.status().to_string());
        let sent = String::from_utf8_lossy(answer).split(' ').nth(1).map(str::to_owned);
        assert_eq!(told, sent.filter(|_| is_whole), "{failure:?}");
        assert_eq!(failure.retry_after, detail.contains("Retry-After").then_some(Duration::from_secs(7)));
    }
}

#[test]
fn a_head_over_the_limit() {
    let address = server(|mut stream| {
        read_head(&mut stream);
        // It goes on as long as anybody listens.
        let _ = stream.write_all(b"HTTP/1.1 101 Yes\r\nX: ");
        while stream.write_all(&[b'x'; 1000]).is_ok() {}
    });
    let failure = dial(&system(), plan(&format!("ws://{address}/"))).failed();
    assert_failure(&failure, Status::WS_ERR_HEAD_TOO_LARGE, "(max_response_head)");
}

#[test]
fn resets_at_every_stage() {
    for answer in ["", "HTTP/1.1 101 Swi"] {
        let address = server(move |mut stream| {
            // The request is there, and is not read: that makes the kernel reset the connection.
            stream.peek(&mut [0]).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
        });
        let failure = dial(&system(), plan(&format!("ws://{address}/"))).failed();
        assert_failure(&failure, Status::WS_ERR_RESET, "the server reset the connection after ");
    }
    let reset = world(named(&["192.0.2.1"]), &[("192.0.2.1", Fate::Fails(libc::ECONNRESET))]);
    let failure = dial(&reset.dialer, plan("ws://192.0.2.1/")).failed();
    assert_failure(&failure, Status::WS_ERR_RESET, "connect 192.0.2.1:80: Connection reset");
}

#[test]
fn an_answer_before_a_reset_counts() {
    let address = server(move |mut stream| {
        stream.peek(&mut [0]).unwrap();
        stream.write_all(b"HTTP/1.1 503 Busy\r\n\r\n").unwrap();
    });
    let failure = dial(&system(), plan(&format!("ws://{address}/"))).failed();
    assert_failure(&failure, Status::WS_ERR_UNAVAILABLE, "status 503");
}

#[test]
fn servers_that_never_answer() {
    let soon = Duration::from_millis(30);
    for begun in ["", "HTTP/1.1 101"] {
        let (sender, ended) = channel();
        let address = server(move |mut stream| {
            stream.write_all(begun.as_bytes()).unwrap();
            wait_for_end(&mut stream);
            sender.send(()).unwrap();
        });
        let failure = dial(&system(), Plan { handshake_timeout: soon, ..plan(&format!("ws://{address}/")) }).failed();
        assert_failure(&failure, Status::WS_ERR_HANDSHAKE_TIMEOUT, "no whole response within 30ms (handshake_timeout)");
        ended.recv_timeout(LONG).unwrap();
    }
}

#[test]
fn what_cannot_be_sent_and_what_is_not_built_in() {
    let address = welcoming();
    let mut bad = plan(&format!("ws://{address}/"));
    bad.upgrade.headers = "no colon".to_owned();
    let failure = dial(&system(), bad).failed();
    assert_failure(&failure, Status::WS_ERR_ARGUMENT, "header line 1");
    assert!(failure.is_final);
    let failure = dial(&system(), plan("wss://example.com/")).failed();
    assert_failure(&failure, Status::WS_ERR_UNSUPPORTED, "example.com:443: wss:// needs TLS");
    assert!(failure.is_final);
}
