//! Many at once.

use super::super::places::PLACES;
use super::*;
use std::collections::HashSet;
use std::sync::atomic::AtomicUsize;

/// How many calls fit the descriptors that this process may have: client, server and what else is open.
fn crowd() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let most = line.split_whitespace().nth(3).unwrap().parse().unwrap_or(usize::MAX);
    2000.min(most / 4)
}

#[test]
fn a_crowd_gets_in() {
    let crowd = crowd();
    let (sender, heads) = channel();
    // One with a long queue: this is not about what becomes of those that do not fit.
    let any = Address::Tcp("127.0.0.1:0".parse().unwrap());
    let listener =
        crate::sys::socket::Listener::bind(&any, 4096, false, crate::sys::socket::Access::default()).unwrap();
    let Address::Tcp(address) = *listener.address() else { panic!("a Unix socket") };
    thread::spawn(move || {
        let epoll = Epoll::new().unwrap();
        epoll.add(std::os::fd::AsFd::as_fd(&listener), 1).unwrap();
        let mut events = crate::sys::epoll::Events::with_capacity(1);
        loop {
            let Ok((socket, _)) = listener.accept() else {
                epoll.wait(&mut events, -1).unwrap();
                continue;
            };
            let mut stream = TcpStream::from(std::os::fd::AsFd::as_fd(&socket).try_clone_to_owned().unwrap());
            stream.set_nonblocking(false).unwrap();
            let head = read_head(&mut stream);
            stream.write_all(switch(&head, "").as_bytes()).unwrap();
            let key = head.lines().find(|line| line.starts_with("Sec-WebSocket-Key")).map(str::to_owned);
            sender.send((key, stream)).unwrap();
        }
    });
    let looked_up = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&looked_up);
    let (go, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let look_up = move |_: &str| {
        counter.fetch_add(1, Ordering::SeqCst);
        let _ = wait.lock().unwrap().recv();
        Ok(vec!["127.0.0.1:0".parse().unwrap()])
    };
    let stage = world(look_up, &[]);
    let url = format!("ws://chat.example:{}/", address.port());
    let calls: Vec<Dialled> = (0..crowd).map(|_| dial(&stage.dialer, plan(&url))).collect();
    // All have been taken in before the one that is dialled last.
    assert_failure(&dial(&stage.dialer, plan("wss://chat.example/")).failed(), Status::WS_ERR_UNSUPPORTED, "TLS");
    drop(go);
    let open: Vec<Connected> = calls.iter().map(Dialled::connected).collect();
    assert_eq!(looked_up.load(Ordering::SeqCst), 1);
    let ports: HashSet<u16> = open.iter().map(|connected| connected.socket.local().port()).collect();
    assert_eq!(ports.len(), crowd);
    let keys: HashSet<_> = heads.iter().take(crowd).map(|(key, _)| key.expect("a key")).collect();
    assert_eq!(keys.len(), crowd, "no key is used twice");
}

#[test]
fn places_are_given_in_order_and_given_back() {
    let dead: Vec<String> = (0..PLACES + 2).map(|at| format!("10.0.{}.{}", at / 200, at % 200)).collect();
    let fates: Vec<(&str, Fate)> = dead.iter().map(|ip| (ip.as_str(), Fate::Dead)).collect();
    if crowd() < 2 * PLACES {
        return;
    }
    let stage = world(named(&[]), &fates);
    let calls: Vec<Dialled> = dead.iter().map(|ip| dial(&stage.dialer, plan(&format!("ws://{ip}/")))).collect();
    let mut begun = Vec::new();
    let mut begin = || {
        begun.push(stage.dead.recv_timeout(LONG).unwrap());
        begun.last().unwrap().0.to_string()
    };
    for ip in &dead[..PLACES] {
        assert_eq!(begin(), *ip);
    }
    // No more have begun when this one, which needs no place, is done.
    let settle = || dial(&stage.dialer, plan("wss://chat.example/")).failed();
    settle();
    assert_eq!(stage.tried.lock().unwrap().len(), PLACES);
    // One that waits leaves the queue, and one that connects makes room for the next.
    stage.dialer.cancel(calls[PLACES].id);
    calls[PLACES].is_gone();
    settle();
    assert_eq!(stage.tried.lock().unwrap().len(), PLACES);
    stage.dialer.cancel(calls[3].id);
    assert_eq!(begin(), dead[PLACES + 1]);
}

#[test]
fn addresses_that_swallow_packets_delay_nobody_else() {
    if crowd() < PLACES + 300 {
        return;
    }
    let dead: Vec<String> = (0..PLACES + 50).map(|at| format!("10.0.{}.{}", at / 200, at % 200)).collect();
    let fates: Vec<(&str, Fate)> = dead.iter().map(|ip| (ip.as_str(), Fate::Dead)).collect();
    let stage = impatient_world(named(&[]), &fates);
    let for_ever = |ip: &str| Plan { connect_timeout: Duration::from_secs(86_400), ..plan(&format!("ws://{ip}/")) };
    let calls: Vec<Dialled> = dead.iter().map(|ip| dial(&stage.dialer, for_ever(ip))).collect();
    // It comes behind them all.
    let live = dial(&stage.dialer, plan(&format!("ws://127.0.0.1:{}/", welcoming().port())));
    live.connected();
    for call in calls {
        stage.dialer.cancel(call.id);
    }
}

#[test]
fn a_crowd_at_one_dead_address_does_not_grow() {
    if crowd() < PLACES + 300 {
        return;
    }
    let stage = impatient_world(named(&[]), &[("10.0.0.1", Fate::Dead)]);
    let dead = Plan { connect_timeout: Duration::from_secs(86_400), ..plan("ws://10.0.0.1/") };
    let calls: Vec<Dialled> = (0..2 * PLACES).map(|_| dial(&stage.dialer, dead.clone())).collect();
    let live = || dial(&stage.dialer, plan(&format!("ws://127.0.0.1:{}/", welcoming().port()))).connected();
    live();
    let begun = |stage: &Stage| stage.tried.lock().unwrap().iter().filter(|to| to.starts_with("10.")).count();
    let before = begun(&stage);
    assert!(before <= PLACES, "{before} have begun at once");
    // The crowd goes, and those that have waited for that begin.
    for call in &calls[..PLACES] {
        stage.dialer.cancel(call.id);
    }
    live();
    assert_eq!(begun(&stage) - before, PLACES.min(calls.len() - before));
}

#[test]
fn names_that_hang_cost_nobody_else() {
    let (go, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let look_up = move |name: &str| {
        if name.starts_with("hangs") {
            let _ = wait.lock().unwrap().recv();
        }
        Ok(vec!["127.0.0.1:0".parse().unwrap()])
    };
    let stage = world(look_up, &[]);
    let soon = Duration::from_millis(20);
    let url = |name: &str| format!("ws://{name}.example/");
    // More than there are threads for; nobody waits for long, and the names are still being looked up then.
    for number in 0..10 {
        let name = format!("hangs{number}");
        let failure = dial(&stage.dialer, Plan { connect_timeout: soon, ..plan(&url(&name)) }).failed();
        assert_failure(
            &failure,
            Status::WS_ERR_CONNECT_TIMEOUT,
            &format!("look up {name}.example: no answer within 20ms"),
        );
    }
    let port = welcoming().port();
    dial(&stage.dialer, plan(&format!("ws://quick.example:{port}/"))).connected();
    drop(go);
}

#[test]
fn servers_that_answer_slowly_delay_nobody_for_long() {
    let fewest = PLACES + 10;
    if crowd() < 2 * fewest {
        return;
    }
    // Nobody accepts, and so nobody answers; the queue is long enough for all of them.
    let any = Address::Tcp("127.0.0.1:0".parse().unwrap());
    let listener =
        crate::sys::socket::Listener::bind(&any, 2048, false, crate::sys::socket::Access::default()).unwrap();
    let dialer = system();
    let url = format!("ws://{}/", listener.address());
    let silent: Vec<Dialled> = (0..fewest).map(|_| dial(&dialer, plan(&url))).collect();
    dial(&dialer, plan(&format!("ws://{}/", welcoming()))).connected();
    assert!(silent.iter().all(|call| call.outcome.try_recv().is_err()));
}
