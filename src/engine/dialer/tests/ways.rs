//! The way to a server: names, families, proxies, redirects.

use super::*;

#[test]
fn nobody_listens() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let failure = dial(&system(), plan(&format!("ws://{address}/"))).failed();
    assert_eq!(failure.detail, format!("connect {address}: Connection refused"));
    assert_eq!((failure.status, failure.is_final), (Status::WS_ERR_CONNECT, false));
    let failure = dial(&system(), plan(&format!("ws://localhost:{}/", address.port()))).failed();
    let (port, tried) = (address.port(), format!("(tried [::1]:{0}, 127.0.0.1:{0})", address.port()));
    assert_eq!(failure.detail, format!("connect localhost:{port} {tried}: Connection refused"));
}

#[test]
fn names_that_lead_nowhere() {
    let nowhere = world(|_| Err(io::Error::other("Name or service not known")), &[]);
    let failure = dial(&nowhere.dialer, plan("ws://chat.example/")).failed();
    assert_eq!(failure.detail, "look up chat.example: Name or service not known");
    assert_eq!((failure.status, failure.is_final), (Status::WS_ERR_RESOLVE, false));
    let empty = world(named(&[]), &[]);
    let failure = dial(&empty.dialer, plan("ws://chat.example/")).failed();
    assert_failure(&failure, Status::WS_ERR_RESOLVE, "it has no address");
    let faulty = world(|_| panic!("a test"), &[]);
    assert_failure(&dial(&faulty.dialer, plan("ws://a.example/")).failed(), Status::WS_ERR_RESOLVE, "a fault");
}

#[test]
fn an_address_that_was_chosen_is_connected_to_for_its_host_and_port_alone() {
    let stage =
        world(named(&["192.0.2.9"]), &[("192.0.2.1", Fate::Is(welcoming())), ("192.0.2.9", Fate::Is(welcoming()))]);
    let chosen = |url: &str| {
        let resolutions =
            ["chat.example:9000:192.0.2.1", "127.0.0.1:1:192.0.2.1"].map(|text| Resolution::parse(text).unwrap());
        dial(&stage.dialer, Plan { resolutions: resolutions.into(), ..plan(url) }).connected();
        stage.tried.lock().unwrap().pop_front().unwrap()
    };
    assert_eq!(chosen("ws://Chat.example:9000/"), "192.0.2.1:9000");
    assert_eq!(chosen("ws://chat.example/"), "192.0.2.9:80");
    assert_eq!(chosen("ws://127.0.0.1:1/"), "192.0.2.1:1");
}

#[test]
fn a_proxy_and_a_redirect_are_connected_to_where_it_was_chosen() {
    let (other, heads) = redirecting(&[]);
    let (first, _heads) = redirecting(&["ws://other.example:9001/".to_owned()]);
    let stage = world(named(&[]), &[("192.0.2.1", Fate::Is(first)), ("192.0.2.2", Fate::Is(other))]);
    let resolutions: Vec<_> = ["first.example:9000:192.0.2.1", "other.example:9001:192.0.2.2"]
        .iter()
        .filter_map(|text| Resolution::parse(text))
        .collect();
    let mut asked = Plan { resolutions: resolutions.clone(), ..redirected("ws://first.example:9000/", 1) };
    asked.upgrade.host = "app.example".to_owned();
    dial(&stage.dialer, asked).connected();
    let head = heads.recv_timeout(LONG).unwrap();
    assert!(head.contains("\r\nHost: other.example:9001\r\n"), "{head}");
    let proxy = answering(b"HTTP/1.1 403 Forbidden\r\n\r\n");
    let stage = world(named(&[]), &[("192.0.2.2", Fate::Is(proxy))]);
    let proxy = Url::parse_proxy("http://other.example:9001").ok();
    let failure = dial(&stage.dialer, Plan { resolutions, proxy, ..plan("ws://first.example:9000/") }).failed();
    assert_failure(&failure, Status::WS_ERR_PROXY, "403");
}

#[test]
fn the_name_is_looked_up_by_the_system_too() {
    assert!(System.look_up("localhost").unwrap().iter().all(|address| address.ip().is_loopback()));
    // A zone is nothing that a URL can have, but what a name can lead to.
    let zoned = System.look_up("fe80::1%lo").unwrap();
    assert!(zoned.iter().all(|address| matches!(address, SocketAddr::V6(v6) if v6.scope_id() != 0)), "{zoned:?}");
    assert!(System.look_up("name.invalid").is_err());
}

#[test]
fn a_dead_address_does_not_keep_others_waiting() {
    let fates = [("2001:db8::1", Fate::Dead), ("192.0.2.1", Fate::Is(welcoming()))];
    let stage = world(named(&["192.0.2.1", "2001:db8::1"]), &fates);
    let begun = Instant::now();
    dial(&stage.dialer, plan("ws://chat.example:9000/")).connected();
    assert!(begun.elapsed() >= Duration::from_millis(250), "{:?}", begun.elapsed());
    assert_eq!(*stage.tried.lock().unwrap(), ["[2001:db8::1]:9000", "192.0.2.1:9000"]);
    // The dead one is hung up.
    wait_for_end(&mut stage.dead.recv_timeout(LONG).unwrap().1);
}

#[test]
fn an_address_that_refuses_is_followed_at_once() {
    let refused = Fate::Fails(libc::ECONNREFUSED);
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let fates = [
        ("2001:db8::1", Fate::Fails(libc::ENETUNREACH)),
        ("192.0.2.1", refused),
        ("192.0.2.2", Fate::Is(nobody)),
        ("192.0.2.3", Fate::Is(welcoming())),
        ("192.0.2.4", Fate::Dead),
    ];
    let all = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "2001:db8::1"];
    let stage = world(named(&all), &fates);
    dial(&stage.dialer, plan("ws://chat.example/")).connected();
    let tried = stage.tried.lock().unwrap();
    let expected = ["[2001:db8::1]:80", "192.0.2.1:80", "192.0.2.2:80", "192.0.2.3:80"];
    assert!(tried.iter().zip(expected).all(|(tried, expected)| tried == expected), "{tried:?}");
    drop(tried);
    // The server's failure says more than that of the way to it.
    let stage = world(named(&all[..2]), &[("192.0.2.1", refused), ("192.0.2.2", Fate::Fails(libc::ENETUNREACH))]);
    let failure = dial(&stage.dialer, plan("ws://chat.example/")).failed();
    let detail = "connect chat.example:80 (tried 192.0.2.1:80, 192.0.2.2:80): Connection refused";
    assert_eq!((failure.status, failure.detail.as_str()), (Status::WS_ERR_CONNECT, detail));
}

#[test]
fn nobody_answers() {
    let stage = world(named(&["192.0.2.1"]), &[("192.0.2.1", Fate::Dead)]);
    let soon = Duration::from_millis(30);
    let failure = dial(&stage.dialer, Plan { connect_timeout: soon, ..plan("ws://chat.example/") }).failed();
    let detail = "connect chat.example:80 (tried 192.0.2.1:80): no answer within 30ms (connect_timeout)";
    assert_eq!((failure.status, failure.detail.as_str()), (Status::WS_ERR_CONNECT_TIMEOUT, detail));
    wait_for_end(&mut stage.dead.recv_timeout(LONG).unwrap().1);
}

#[test]
fn an_address_that_can_be_none() {
    let long = dial(&system(), plan(&format!("unix:/{}", "x".repeat(200)))).failed();
    assert_failure(&long, Status::WS_ERR_CONNECT, "a socket path has 1 to 107 bytes");
    assert!(long.is_final);
    // A route may be missing for a while: what the kernel says of an address is nothing for good.
    let stage = world(named(&[]), &[("192.0.2.1", Fate::Fails(libc::EINVAL))]);
    let failure = dial(&stage.dialer, plan("ws://192.0.2.1/")).failed();
    assert_failure(&failure, Status::WS_ERR_CONNECT, "Invalid argument");
    assert!(!failure.is_final);
}

#[test]
fn no_descriptors_left() {
    let stage = world(named(&[]), &[("192.0.2.1", Fate::Fails(libc::EMFILE))]);
    let failure = dial(&stage.dialer, plan("ws://192.0.2.1/")).failed();
    assert_failure(&failure, Status::WS_ERR_SYSTEM, "Too many open files");
    assert!(!failure.is_final);
}

#[test]
fn over_a_unix_socket() {
    let path = std::env::temp_dir().join(format!("wspush-dialer-{}", std::process::id()));
    let dialer = system();
    let url = format!("unix:{}:/chat", path.display());
    let failure = dial(&dialer, plan(&url)).failed();
    assert_eq!(failure.detail, format!("connect unix:{}: No such file or directory", path.display()));
    assert_eq!(failure.status, Status::WS_ERR_CONNECT);
    // Its queue has room for one and a half: the others have to come again.
    let listener = crate::sys::socket::Listener::bind(
        &Address::Unix(path.clone()),
        0,
        false,
        crate::sys::socket::Access::default(),
    )
    .expect("a socket to listen on");
    let calls: Vec<Dialled> = (0..20)
        .map(|_| dial(&dialer, Plan { proxy: Url::parse_proxy("http://192.0.2.1:1").ok(), ..plan(&url) }))
        .collect();
    let epoll = Epoll::new().unwrap();
    epoll.add(std::os::fd::AsFd::as_fd(&listener), 1).unwrap();
    let mut events = crate::sys::epoll::Events::with_capacity(1);
    let mut open = Vec::new();
    while open.len() < calls.len() {
        match listener.accept() {
            Ok((socket, _)) => {
                let fd = std::os::fd::AsFd::as_fd(&socket).try_clone_to_owned().unwrap();
                let mut stream = UnixStream::from(fd);
                stream.set_nonblocking(false).unwrap();
                let head = read_head(&mut stream);
                assert!(head.starts_with("GET /chat HTTP/1.1\r\nHost: localhost\r\n"), "{head}");
                stream.write_all(switch(&head, "").as_bytes()).unwrap();
                open.push(stream);
            }
            Err(_) => epoll.wait(&mut events, -1).unwrap(),
        }
    }
    for call in &calls {
        assert_eq!(call.connected().request.remote_address(), c"unix");
    }
}

/// A server that redirects to these places, one after another, and then lets in; and the heads that it has got.
fn redirecting(to: &[String]) -> (SocketAddr, Receiver<String>) {
    let to: VecDeque<String> = to.iter().cloned().collect();
    redirecting_to(Arc::new(Mutex::new(to)))
}

fn redirecting_to(to: Arc<Mutex<VecDeque<String>>>) -> (SocketAddr, Receiver<String>) {
    let (sender, heads) = channel();
    let address = server(move |mut stream| {
        let head = read_head(&mut stream);
        let answer = match to.lock().unwrap().pop_front() {
            Some(to) => format!("HTTP/1.1 307 Temporary Redirect\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n"),
            None => switch(&head, ""),
        };
        sender.send(head).unwrap();
        let _ = stream.write_all(answer.as_bytes());
    });
    (address, heads)
}

fn redirected(url: &str, max_redirects: u32) -> Plan {
    let mut plan = Plan { max_redirects, ..plan(url) };
    plan.upgrade.headers = "Cookie: a=b\r\nX-Own: 1\r\n".to_owned();
    plan
}

#[test]
fn redirects_are_followed_and_credentials_stay_with_their_server() {
    let dialer = system();
    let (other, other_heads) = redirecting(&[]);
    let (first, heads) = redirecting(&["/b?c".to_owned(), format!("http://{other}/d")]);
    let connected = dial(&dialer, redirected(&format!("ws://me:secret@{first}/a"), 2)).connected();
    assert_eq!((connected.request.target(), connected.request.remote_port()), (c"/d", other.port()));
    for path in ["/a", "/b?c"] {
        let head = heads.recv_timeout(LONG).unwrap();
        assert!(head.starts_with(&format!("GET {path} HTTP/1.1\r\n")), "{head}");
        assert!(head.contains("Authorization: Basic ") && head.contains("Cookie: a=b"), "{head}");
    }
    let head = other_heads.recv_timeout(LONG).unwrap();
    assert!(head.starts_with("GET /d HTTP/1.1\r\n") && head.contains("X-Own: 1"), "{head}");
    assert!(!head.contains("Authorization") && !head.contains("Cookie"), "{head}");
}

#[test]
fn credentials_that_were_left_behind_do_not_come_back() {
    let places = Arc::default();
    let (first, heads) = redirecting_to(Arc::clone(&places));
    let (other, _heads) = redirecting(&[format!("ws://{first}/back")]);
    places.lock().unwrap().push_back(format!("ws://{other}/"));
    let connected = dial(&system(), redirected(&format!("ws://me:secret@{first}/"), 2)).connected();
    assert_eq!(connected.request.target(), c"/back");
    assert!(heads.recv_timeout(LONG).unwrap().contains("Authorization"));
    let head = heads.recv_timeout(LONG).unwrap();
    assert!(!head.contains("Authorization") && !head.contains("Cookie"), "{head}");
}

#[test]
fn redirects_that_are_not_followed() {
    let dialer = system();
    let rows = [
        (
            "/again",
            3,
            Status::WS_ERR_REDIRECT,
            "redirects to /again, and that is one redirect more than 3 (max_redirects)",
        ),
        ("ftp://example.com/", 3, Status::WS_ERR_REDIRECT, "redirects to ftp://example.com/, but a redirect must"),
        ("unix:/run/secret.sock", 3, Status::WS_ERR_REDIRECT, "but a redirect must lead to ws, wss, http or https"),
        ("https://example.com/", 3, Status::WS_ERR_UNSUPPORTED, "redirects to wss://example.com:443, which needs TLS"),
    ];
    for (to, max_redirects, status, detail) in rows {
        let (address, _heads) = redirecting(&vec![to.to_owned(); 10]);
        let failure = dial(&dialer, redirected(&format!("ws://{address}/"), max_redirects)).failed();
        assert_failure(&failure, status, detail);
        assert_eq!(failure.is_final, status == Status::WS_ERR_UNSUPPORTED);
        assert_eq!(failure.request.map(|request| request.status()), Some(307));
    }
}

fn through(proxy: SocketAddr, url: &str) -> Plan {
    let proxy = Url::parse_proxy(&format!("http://{proxy}")).ok();
    Plan { proxy, ..plan(url) }
}

#[test]
fn through_a_proxy() {
    let (sender, heads) = channel();
    let proxy = server(move |mut stream| {
        let head = read_head(&mut stream);
        stream.write_all(b"HTTP/1.1 200 Connection established\r\nX: y\r\n\r\n").unwrap();
        let upgrade = read_head(&mut stream);
        stream.write_all(&[switch(&upgrade, "").as_bytes(), b"frame"].concat()).unwrap();
        sender.send((head, upgrade)).unwrap();
    });
    // The proxy looks the name up, and nobody else.
    let dialer = world(|_| panic!("looked up"), &[]).dialer;
    let connected = dial(&dialer, through(proxy, "ws://chat.example/room")).connected();
    assert_eq!(connected.received, b"frame");
    let (head, upgrade) = heads.recv_timeout(LONG).unwrap();
    assert!(head.starts_with("CONNECT chat.example:80 HTTP/1.1\r\n"), "{head}");
    assert!(upgrade.starts_with("GET /room HTTP/1.1\r\nHost: chat.example\r\n"), "{upgrade}");
}

#[test]
fn what_comes_with_the_answer_of_a_proxy_is_heard() {
    // A server that is full says so before it is asked, and the proxy passes that on with its own answer. It stays open.
    let proxy = server(|mut stream| {
        read_head(&mut stream);
        stream.write_all(b"HTTP/1.1 200 Yes\r\n\r\nHTTP/1.1 503 Full\r\nRetry-After: 7\r\n\r\n").unwrap();
        wait_for_end(&mut stream);
    });
    let failure = dial(&system(), through(proxy, "ws://chat.example/")).failed();
    assert_failure(&failure, Status::WS_ERR_UNAVAILABLE, "the server answered with status 503");
    assert_eq!(failure.retry_after, Some(Duration::from_secs(7)));
}

#[test]
fn proxies_that_do_not_let_us_through() {
    let dialer = system();
    let rows: &[(&[u8], Status, &str)] = &[
        (b"HTTP/1.1 407 Who\r\n\r\n", Status::WS_ERR_UNAUTHORIZED, "(status 407) (they go into its URL"),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", Status::WS_ERR_PROXY, "the proxy answered with status 502"),
        (b"HTTP/1.1 503 No\r\n\r\n", Status::WS_ERR_PROXY, "status 503"),
        (b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", Status::WS_ERR_PROXY, "status 302"),
        (b"\x05\x00", Status::WS_ERR_PROXY, "the proxy's response is malformed"),
        (b"HTTP/1.1", Status::WS_ERR_TRUNCATED, "the proxy ended the connection after 8 bytes of its response"),
    ];
    for (answer, status, detail) in rows {
        let proxy = answering(answer);
        let failure = dial(&dialer, Plan { max_redirects: 5, ..through(proxy, "ws://chat.example/") }).failed();
        assert_failure(&failure, *status, detail);
        assert_failure(&failure, *status, &proxy.to_string());
    }
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let failure = dial(&dialer, through(nobody, "ws://chat.example/")).failed();
    assert_eq!(failure.detail, format!("connect to the proxy {nobody}: Connection refused"));
    assert_eq!(failure.status, Status::WS_ERR_CONNECT);
    let tunnel_to_nobody = server(|mut stream| {
        read_head(&mut stream);
        stream.write_all(b"HTTP/1.1 200 Yes\r\n\r\n").unwrap();
        read_head(&mut stream);
    });
    let failure = dial(&dialer, through(tunnel_to_nobody, "ws://chat.example/")).failed();
    assert_failure(&failure, Status::WS_ERR_TRUNCATED, "the server ended the connection after 0 bytes");
    let silent = server(|mut stream| wait_for_end(&mut stream));
    let soon = Duration::from_millis(30);
    let failure = dial(&dialer, Plan { connect_timeout: soon, ..through(silent, "ws://chat.example/") }).failed();
    assert_failure(&failure, Status::WS_ERR_CONNECT_TIMEOUT, "has not answered within 30ms (connect_timeout)");
}
