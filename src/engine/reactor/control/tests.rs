//! Pings that were sent in order are answered however late they are read, and a flood is none.

use super::super::testing::{self, Silent};
use super::*;
use crate::engine::delivery::{Delivery, Handlers};
use crate::engine::reactor::Fate;
use crate::engine::registry::ConnId;
use crate::options::Options;
use crate::protocol::Role;
use crate::protocol::frame::{self, Opcode};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

/// What the reactor under test lets through in a second.
const MOST: usize = 100;

/// A reactor with one connection, whose clock the test sets.
struct Scene {
    role: Role,
    reactor: Reactor,
    id: ConnId,
    peer: UnixStream,
}

impl Scene {
    fn new(role: Role) -> Self {
        let options = Options { max_control_frames: MOST as u64, ..Options::default() };
        let mut reactor = testing::reactor(role, options, |link| match role {
            Role::Server => Delivery::Callbacks(Arc::new(Silent)),
            Role::Client => Delivery::Each(Handlers::new(Arc::clone(link))),
        });
        let (id, peer) = testing::open_stream(&mut reactor);
        Self { role, reactor, id, peer }
    }

    fn pass(&mut self, seconds: Tick) {
        self.reactor.now = self.reactor.now.wrapping_add(seconds * SECOND);
    }

    fn send(&mut self, opcode: Opcode, count: usize) {
        let mask = (self.role == Role::Server).then_some(*b"mask");
        let mut bytes = Vec::new();
        for _ in 0..count {
            frame::write(&mut bytes, opcode, true, mask, b"");
        }
        self.peer.write_all(&bytes).unwrap();
    }

    /// Has the reactor read once, and returns how many pongs came back, and whether a Close frame did.
    fn read(&mut self) -> (usize, bool) {
        self.reactor.with(self.id, |reactor, conn| {
            conn.wire.flags.readable = true;
            reactor.serve(conn, true)
        });
        self.answers()
    }

    fn answers(&mut self) -> (usize, bool) {
        let (mut bytes, mut rest) = (vec![0; 1 << 20], Vec::new());
        while let Ok(count) = self.peer.read(&mut bytes) {
            if count == 0 {
                break;
            }
            rest.extend_from_slice(&bytes[..count]);
        }
        let header = if self.role == Role::Server { 2 } else { 6 };
        let pongs = rest.chunks(header).take_while(|frame| frame[0] & 0x0f == Opcode::Pong as u8).count();
        (pongs, rest.len() > pongs * header)
    }

    fn halt(&mut self, halted: bool) {
        self.reactor.with(self.id, |reactor, conn| {
            let since = conn.wire.heard;
            reactor.halt(&mut conn.wire, halted, since)
        });
    }
}

const BOTH: [Role; 2] = [Role::Server, Role::Client];

#[test]
fn one_more_in_a_second_is_a_flood() {
    for role in BOTH {
        let mut scene = Scene::new(role);
        scene.send(Opcode::Ping, MOST);
        assert_eq!(scene.read(), (MOST, false));
        scene.pass(1);
        scene.send(Opcode::Ping, 1);
        assert_eq!(scene.read(), (1, false));
        scene.send(Opcode::Ping, 2 * MOST);
        // It was silent for a second before.
        assert_eq!(scene.read(), (2 * MOST - 1, true));
    }
}

#[test]
fn what_was_sent_in_order_is_in_order_however_late_it_is_read() {
    for role in BOTH {
        let mut scene = Scene::new(role);
        for _ in 0..10 {
            scene.pass(1);
            scene.send(Opcode::Ping, MOST / 2);
        }
        assert_eq!(scene.read(), (10 * MOST / 2, false));
        // Nothing of that is left over for a flood.
        scene.pass(1);
        scene.send(Opcode::Ping, MOST / 2);
        assert_eq!(scene.read(), (MOST / 2, false));
        scene.pass(1);
        scene.send(Opcode::Ping, 2 * MOST + 1);
        assert_eq!(scene.read(), (2 * MOST, true));
    }
}

#[test]
fn a_paused_connection_may_have_sent_all_the_time() {
    for role in BOTH {
        let mut scene = Scene::new(role);
        scene.send(Opcode::Ping, 1);
        assert_eq!(scene.read(), (1, false));
        scene.halt(true);
        for _ in 0..10 {
            scene.pass(1);
            scene.send(Opcode::Ping, MOST);
            assert_eq!(scene.read(), (0, false));
        }
        scene.halt(false);
        assert_eq!(scene.read(), (10 * MOST, false));
    }
}

#[test]
fn a_connection_that_is_not_read_until_its_peer_takes_something_may_have_sent_all_the_time() {
    let mut scene = Scene::new(Role::Server);
    scene.send(Opcode::Ping, 1);
    assert_eq!(scene.read(), (1, false));
    scene.reactor.with(scene.id, |_, conn| {
        conn.wire.flags.high = true;
        Fate::Lives
    });
    for _ in 0..10 {
        scene.pass(1);
        scene.send(Opcode::Ping, MOST);
        // It takes a little each time, which shows that it is there.
        scene.reactor.with(scene.id, |reactor, conn| {
            conn.wire.flags.blocked = true;
            reactor.note_progress(&mut conn.wire);
            Fate::Lives
        });
    }
    scene.reactor.with(scene.id, |_, conn| {
        conn.wire.flags.high = false;
        Fate::Lives
    });
    assert_eq!(scene.read(), (10 * MOST, false));
}

#[test]
fn what_takes_more_than_one_receive_to_read_has_the_same_allowance() {
    for role in BOTH {
        let mut scene = Scene::new(role);
        scene.pass(30);
        // The first receive brings nothing but a part of a message.
        let mask = (role == Role::Server).then_some(*b"mask");
        let mut bytes = Vec::new();
        frame::write(&mut bytes, Opcode::Binary, true, mask, &vec![0; 300_000]);
        for _ in 0..20 * MOST {
            frame::write(&mut bytes, Opcode::Pong, true, mask, b"");
        }
        let mut sent = 0;
        while sent < bytes.len() {
            sent += scene.peer.write(&bytes[sent..]).unwrap_or(0);
            assert_eq!(scene.read(), (0, false));
        }
        assert_eq!(scene.reactor.link.stats.control_floods.get(), 0);
    }
}

#[test]
fn a_long_silence_counts_for_a_minute() {
    for role in BOTH {
        let mut scene = Scene::new(role);
        scene.pass(3600);
        scene.send(Opcode::Ping, 61 * MOST + 1);
        assert_eq!(scene.read(), (61 * MOST, true));
        assert_eq!(scene.reactor.link.stats.control_floods.get(), 1);
    }
}

#[test]
fn nothing_is_kept_of_those_who_are_gone_or_quiet() {
    let mut scene = Scene::new(Role::Server);
    scene.send(Opcode::Ping, 1);
    scene.read();
    scene.halt(true);
    assert!(!scene.reactor.control.unread.is_empty() && !scene.reactor.control.allowances.is_empty());
    scene.reactor.with(scene.id, |_, _| Fate::Ends);
    assert!(scene.reactor.control.unread.is_empty() && scene.reactor.control.allowances.is_empty());
}
