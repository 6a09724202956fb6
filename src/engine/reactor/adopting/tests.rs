use super::super::testing;
use super::*;
use crate::cause::Cause;
use crate::engine::delivery::Handlers;
use crate::engine::owner::{Kept, Tag};
use crate::options::Options;
use crate::protocol::decoder::Kind;
use crate::sys::socket::{Address, Peer};
use std::net::TcpListener;
use std::sync::Mutex;
use std::time::Duration;

/// A client that notes what becomes of it.
#[derive(Default)]
struct Noted {
    wants_none: bool,
    calls: Mutex<Vec<String>>,
}

impl Noted {
    fn note(&self, what: impl Into<String>) {
        self.calls.lock().unwrap().push(what.into());
    }
}

impl Owner for Arc<Noted> {
    fn tag(&self) -> Tag {
        1
    }

    fn handler(&self) -> Option<Arc<dyn ClientHandler>> {
        Some(Arc::new(Self::clone(self)))
    }

    fn online(&self, _: ConnId) -> Option<Kept> {
        self.note("online");
        None
    }

    fn turned_away(&self) -> Option<Next> {
        self.note("turned away");
        (!self.wants_none).then_some(Next::Retry(Duration::from_secs(1)))
    }

    fn closes(&self, _: u16, _: Cause) {}

    fn offline(&self, _: ConnId, _: bool) -> Next {
        unreachable!("it never was online");
    }

    fn ended(&self) {
        unreachable!("it goes on");
    }
}

impl ClientHandler for Arc<Noted> {
    fn open(&self, _: &Request) {
        unreachable!("it does not open");
    }
    fn message(&self, _: Kind, _: &[u8]) {}
    fn drain(&self) {}
    fn close(&self, _: u16, _: &str, _: Cause) {
        unreachable!("it was not open");
    }
    fn error(&self, status: Status, detail: &str, _: Option<&Request>) {
        self.note(format!("{status:?}: {detail}"));
    }
    fn retry(&self, _: Duration) {
        self.note("retry");
    }
    fn end(&self) {
        unreachable!("it goes on");
    }
}

fn reactor() -> Reactor {
    let options = Options { max_connections: 1, ..Options::default() };
    testing::reactor(Role::Client, options, |link| Delivery::Each(Handlers::new(Arc::clone(link))))
}

/// Has the reactor adopt a connection of this client, after `before` has seen the two.
fn adopt(reactor: &mut Reactor, owner: &Arc<Noted>, before: impl FnOnce(&mut Reactor, &Socket)) -> Vec<String> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (socket, _) = Socket::connect(&Address::Tcp(listener.local_addr().unwrap())).unwrap();
    before(reactor, &socket);
    let response = Arc::new(Request::answered("/", 101, std::iter::empty(), Peer::Unix, Peer::Unix));
    let newcomer = Newcomer { owner: Arc::new(Arc::clone(owner)), socket, received: Vec::new(), response };
    reactor.adopt(newcomer);
    std::mem::take(&mut owner.calls.lock().unwrap())
}

#[test]
fn a_client_hears_that_there_is_no_place_for_its_connection() {
    let (mut reactor, owner) = (reactor(), Arc::new(Noted::default()));
    // What is watched already cannot be watched.
    let calls = adopt(&mut reactor, &owner, |reactor, socket| reactor.epoll.add(socket.as_fd(), 1).unwrap());
    assert_eq!(calls.len(), 3, "{calls:?}");
    assert!(
        calls[0] == "turned away"
            && calls[1].starts_with("WS_ERR_SYSTEM: watch the connection: ")
            && calls[2] == "retry"
    );
    assert_eq!(reactor.ids.live(), 0);

    let calls = adopt(&mut reactor, &owner, |reactor, _| while reactor.ids.take(&reactor.link.registry).is_some() {});
    assert_eq!(calls.len(), 3, "{calls:?}");
    assert!(calls[1].starts_with("WS_ERR_LIMIT: the loop ") && calls[2] == "retry");
}

#[test]
fn a_client_that_wants_no_connection_any_more_hears_nothing() {
    let (mut reactor, owner) = (reactor(), Arc::new(Noted { wants_none: true, ..Noted::default() }));
    assert_eq!(adopt(&mut reactor, &owner, |_, _| ()), ["online"]);
    assert_eq!(reactor.ids.live(), 0);
    assert_eq!(reactor.link.registry.open().count(), 0);
    adopt(&mut reactor, &owner, |reactor, _| while reactor.ids.take(&reactor.link.registry).is_some() {});
    assert_eq!(owner.calls.lock().unwrap().len(), 0);
}
