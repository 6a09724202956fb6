//! Floods: a turn carries out a slice, a stop passes, what goes to one connection goes together.

use super::super::testing;
use super::*;
use crate::engine::outbox::scarcity;
use crate::options::Options;
use std::io::Read;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::time::Duration;

/// An open connection, and its peer, which receives what each call has sent as one datagram.
fn open(reactor: &mut Reactor) -> (ConnId, UnixDatagram) {
    let (ours, theirs) = UnixDatagram::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    theirs.set_nonblocking(true).unwrap();
    (testing::open(reactor, ours.into()), theirs)
}

/// The same, with a stream, which takes a part of what there is no room for.
fn open_stream(reactor: &mut Reactor) -> UnixStream {
    testing::open_stream(reactor).1
}

fn receive(peer: &UnixDatagram) -> Option<Vec<u8>> {
    let mut bytes = vec![0; 1 << 20];
    let length = peer.recv(&mut bytes).ok()?;
    bytes.truncate(length);
    Some(bytes)
}

fn encoded(payload: &[u8]) -> Arc<Vec<u8>> {
    let mut bytes = Vec::new();
    frame::write(&mut bytes, Opcode::Text, true, None, payload);
    Arc::new(bytes)
}

#[test]
fn what_a_turn_has_for_one_connection_leaves_in_one_call() {
    let mut reactor = testing::silent(Options::default());
    let peers = [open(&mut reactor), open(&mut reactor)];
    let link = Arc::clone(&reactor.link);
    link.subscribe(peers[0].0, "news").unwrap();
    let (one, two, large) = (encoded(b"one"), encoded(b"two"), encoded(&[b'x'; 20_000]));
    link.broadcast(&one).unwrap();
    link.publish(&two, link.topics.recipients("news", 0).unwrap(), 0).unwrap();
    link.send(peers[0].0, Opcode::Text, b"three").unwrap();
    link.broadcast(&large).unwrap();
    link.broadcast(&one).unwrap();
    reactor.send_pushed(true);
    assert!(receive(&peers[0].1) == Some([&one[..], &two, &encoded(b"three"), &large, &one].concat()));
    assert!(receive(&peers[1].1) == Some([&one[..], &large, &one].concat()));
    // One that is alone is not copied.
    link.broadcast(&one).unwrap();
    reactor.send_pushed(true);
    for (_, peer) in &peers {
        assert_eq!(receive(peer).as_deref(), Some(&one[..]));
        assert_eq!(receive(peer), None);
    }
    assert_eq!((link.registry.queued(), link.commands.bytes()), (0, 0));
}

#[test]
fn what_is_gathered_counts_as_waiting_only_once_the_kernel_does_not_take_it() {
    let mut reactor = testing::silent(Options { max_queued_bytes: 1024, ..Options::default() });
    let (_, peer) = open(&mut reactor);
    let frame = encoded(&[b'x'; 300]);
    for _ in 0..20 {
        reactor.link.broadcast(&frame).unwrap();
    }
    reactor.send_pushed(true);
    let received: usize = std::iter::from_fn(|| receive(&peer)).map(|bytes| bytes.len()).sum();
    assert_eq!(received + reactor.link.registry.queued() as usize, 20 * frame.len());
    assert_eq!((reactor.link.stats.pushes_refused.get(), reactor.link.stats.reads_paused.get()), (0, 0));
}

#[test]
fn a_fan_out_counts_for_each_receiver_until_it_is_carried_out() {
    let mut reactor = testing::silent(Options { max_command_bytes: 64 * 1024, ..Options::default() });
    let peers: Vec<_> = (0..100).map(|_| open(&mut reactor)).collect();
    let frame = encoded(&[b'x'; 100]);
    let mut taken = 0;
    while reactor.link.broadcast(&frame).is_ok() {
        taken += 1;
        assert!(reactor.link.commands.bytes() >= taken * 100 * frame.len());
    }
    // The first that is too much is still taken.
    assert_eq!(taken, 64 * 1024 / (100 * (frame.len() + RECEIVER_COST)) + 1);
    assert_eq!(reactor.link.stats.pushes_refused.get(), 1);
    reactor.send_pushed(true);
    assert_eq!(reactor.link.commands.bytes(), 0);
    assert!(reactor.link.broadcast(&frame).is_ok());
    assert!(peers.iter().all(|(_, peer)| receive(peer).is_some_and(|bytes| bytes.len() == taken * frame.len())));
}

#[test]
fn a_turn_carries_out_a_slice_and_the_rest_follows_in_its_order() {
    let mut reactor = testing::silent(Options::default());
    let peers: Vec<_> = (0..4).map(|_| open_stream(&mut reactor)).collect();
    let frames: Vec<_> = (0..60).map(|i| encoded(&[b'a' + i % 26; 40_000])).collect();
    for frame in &frames {
        reactor.link.broadcast(frame).unwrap();
    }
    let mut received = vec![Vec::new(); peers.len()];
    let mut turns = 0;
    while received.iter().any(|bytes| bytes.len() < 60 * frames[0].len()) {
        let before = reactor.link.commands.bytes();
        reactor.turn(Some(Duration::from_secs(10))).unwrap();
        let done = before - reactor.link.commands.bytes();
        assert!(done <= SLICE + 2 * frames[0].len(), "{done} bytes in one turn");
        turns += 1;
        for (mut peer, bytes) in peers.iter().zip(&mut received) {
            // It ends with what there is.
            let _ = peer.read_to_end(bytes);
        }
    }
    assert!(turns >= 60 * 40_000 * 4 / SLICE, "{turns} turns");
    let expected: Vec<u8> = frames.iter().flat_map(|frame| frame.iter().copied()).collect();
    assert!(received.iter().all(|bytes| *bytes == expected));
    assert!(!reactor.has_backlog() && reactor.link.commands.bytes() == 0);
}

#[test]
fn a_stop_is_over_in_its_time_whatever_waits_and_what_is_cut_is_counted() {
    let mut reactor = testing::silent(Options::default());
    let peers: Vec<_> = (0..100).map(|_| open(&mut reactor)).collect();
    let frame = encoded(&[b'x'; 10_000]);
    let mut pushed = 0;
    while reactor.link.broadcast(&frame).is_ok() {
        pushed += 100 * frame.len() as u64;
    }
    let most = reactor.link.options.max_command_bytes + (100 * frame.len()) as u64;
    assert!(pushed <= most, "{pushed} bytes");
    reactor.link.stop(Duration::ZERO);
    let mut turns = 0;
    while !reactor.is_done() {
        reactor.turn(Some(Duration::from_millis(10))).unwrap();
        turns += 1;
    }
    assert!(reactor.has_backlog() && turns < 40, "{turns} turns");
    let sent = reactor.link.stats.bytes_out.get();
    reactor.finish();
    let more = reactor.link.stats.bytes_out.get() - sent;
    assert!(more <= LAST_SLICE as u64 + most / 50, "{more} bytes");
    assert_eq!(reactor.ids.live(), 0);
    let (out, cut) = (reactor.link.stats.bytes_out.get(), reactor.link.stats.bytes_cut.get());
    let closes = out + cut - pushed;
    assert!(closes <= 100 * 32, "{out} sent, {cut} cut, {pushed} pushed");
    assert!(peers.iter().all(|(_, peer)| receive(peer).is_some()));
}

#[test]
fn pauses_that_are_repeated_without_end_are_bounded() {
    let mut reactor = testing::silent(Options { max_command_bytes: 64 * 1024, ..Options::default() });
    let (id, _peer) = open(&mut reactor);
    while reactor.link.halt(id, true).is_ok() && reactor.link.halt(id, false).is_ok() {}
    assert!(reactor.link.commands.bytes() <= 2 * 64 * 1024 + 100);
    // And still it can be closed.
    reactor.link.close(id, Some(1000), "").unwrap();
    while reactor.has_backlog() || reactor.link.commands.is_waiting() {
        reactor.send_pushed(true);
    }
    assert_eq!(reactor.link.halt(id, true).unwrap_err().status, crate::error::Status::WS_ERR_CLOSED);
}

#[test]
fn a_close_of_the_host_behind_much_is_sent_though_the_peer_ends_its_side_before() {
    let mut reactor =
        testing::silent(Options { max_queued_bytes: 64 << 20, high_watermark: 64 << 20, ..Options::default() });
    let mut peer = open_stream(&mut reactor);
    let id = reactor.link.registry.open().next().unwrap();
    for _ in 0..200 {
        reactor.link.send(id, Opcode::Binary, &[b'x'; 40_000]).unwrap();
    }
    reactor.link.close(id, Some(4000), "enough").unwrap();
    peer.shutdown(std::net::Shutdown::Write).unwrap();
    let mut received = Vec::new();
    while peer.read_to_end(&mut received).is_err() {
        reactor.turn(Some(Duration::from_secs(10))).unwrap();
    }
    assert!(received.ends_with(b"\x88\x08\x0f\xa0enough"), "{} bytes, without the Close frame", received.len());
}

#[test]
fn without_memory_for_what_waits_the_connection_ends_without_a_hole_and_others_go_on() {
    let mut reactor = testing::silent(Options::default());
    let (mut stalled, mut other) = (open_stream(&mut reactor), open_stream(&mut reactor));
    let id = reactor.link.registry.open().next().unwrap();
    let mut expected = Vec::new();
    let push = |reactor: &mut Reactor, expected: &mut Vec<u8>, length: usize| {
        let payload = vec![expected.len() as u8; length];
        reactor.link.send(id, Opcode::Binary, &payload).unwrap();
        frame::write(expected, Opcode::Binary, true, None, &payload);
        reactor.send_pushed(true);
    };
    while reactor.link.stats.outbox_bytes.get() < 100_000 {
        push(&mut reactor, &mut expected, 9000);
    }
    scarcity::set(true);
    push(&mut reactor, &mut expected, 9000);
    scarcity::set(false);
    let link = Arc::clone(&reactor.link);
    assert_eq!((link.registry.open_count(), link.stats.slow_clients_closed.get()), (1, 1));
    assert_eq!((link.registry.queued(), link.stats.outbox_bytes.get()), (0, 0));
    let mut received = Vec::new();
    stalled.read_to_end(&mut received).unwrap();
    assert!(expected.starts_with(&received), "{} bytes, and not the first", received.len());
    assert_eq!(link.stats.bytes_cut.get(), (expected.len() - received.len()) as u64);

    let frame = encoded(b"still here");
    link.broadcast(&frame).unwrap();
    reactor.send_pushed(true);
    let mut got = vec![0; frame.len()];
    other.read_exact(&mut got).unwrap();
    assert_eq!(got, frame[..]);
}

#[test]
fn what_waits_for_all_is_bounded_and_those_who_read_get_everything() {
    const BUDGET: u64 = 1 << 20;
    let mut reactor = testing::silent(Options { max_total_queued_bytes: BUDGET, ..Options::default() });
    let stalled: Vec<_> = (0..10).map(|_| open_stream(&mut reactor)).collect();
    let mut reader = open_stream(&mut reactor);
    let link = Arc::clone(&reactor.link);
    let (frame, mut got) = (encoded(&[b'x'; 5000]), vec![0; 5004]);
    for _ in 0..1000 {
        link.broadcast(&frame).unwrap();
        reactor.send_pushed(true);
        reader.read_exact(&mut got).unwrap();
        assert_eq!(got, frame[..]);
        assert!(link.stats.outbox_bytes.get() <= 2 * BUDGET);
        assert_eq!(link.stats.outbox_bytes.get(), link.registry.queued());
    }
    assert!(link.stats.outbox_bytes.get() >= BUDGET && link.most_queued() == 64 * 1024);
    assert_eq!(link.stats.total_queued_refusals.get(), link.stats.pushes_refused.get());
    drop(stalled);
    while link.registry.open_count() > 1 {
        reactor.turn(Some(Duration::from_secs(10))).unwrap();
    }
    assert_eq!((link.stats.outbox_bytes.get(), link.most_queued()), (0, link.options.max_queued_bytes));
}
