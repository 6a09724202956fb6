//! Pushes and commands, from whoever they come: what is taken, in which order, and who is called.

use super::super::link::Link;
use super::*;
use crate::protocol::Role;

fn take(queue: &CommandQueue, taken: &mut Commands, with_quiet: bool) -> bool {
    queue.take(taken, with_quiet, || 0).is_some()
}

fn link() -> Arc<Link> {
    Arc::new(Link::new(Role::Server, 0, &Arc::default(), &Arc::default(), None).unwrap())
}

#[test]
fn frames_to_one_receiver_are_one_command() {
    let queue = CommandQueue::new(1000).unwrap();
    queue.push_frame(1, Opcode::Text, None, b"a", Call::Now).unwrap();
    queue.push_frame(1, Opcode::Text, None, b"b", Call::Now).unwrap();
    queue.push_frame(2, Opcode::Text, None, b"c", Call::Now).unwrap();
    let mut taken = Commands::default();
    assert!(take(&queue, &mut taken, false));
    assert_eq!(taken.frames, b"\x81\x01a\x81\x01b\x81\x01c");
    assert!(matches!(
        taken.list.make_contiguous(),
        [Command::Send { to: 1, length: 6, messages: 2 }, Command::Send { to: 2, length: 3, messages: 1 }]
    ));
    taken.clear();
    assert!(!take(&queue, &mut taken, false));
}

#[test]
fn a_full_queue_takes_no_bytes_but_still_a_close() {
    let queue = CommandQueue::new(10).unwrap();
    queue.push_frame(1, Opcode::Binary, None, &[0; 30], Call::Now).unwrap();
    assert_eq!(queue.push_frame(1, Opcode::Binary, None, &[], Call::Now), Err(Refused::Full));
    assert_eq!(queue.push_frame(1, Opcode::Binary, None, &[0; GATHER_MAX + 1], Call::Now), Err(Refused::Full));
    queue.push(Command::Disconnect(1), Call::Now).unwrap();
}

#[test]
fn what_a_worker_pushes_through_ring_and_queue_stays_in_order() {
    let link = link();
    let queue = &link.commands;
    let mut ring = queue.make_ring();
    assert!(worker::push(queue, 1, Opcode::Text, b"nobody is the worker yet").is_none());
    assert!(!worker::own(None, &link));
    assert!(worker::push(queue, 1, Opcode::Text, b"a").is_some());
    assert!(worker::push(queue, 1, Opcode::Text, &[b'b'; RING]).is_none() && queue.may_be_passed());
    queue.push_frame(1, Opcode::Text, None, b"b", Call::Later).unwrap();
    assert!(!queue.may_be_passed());
    let mut taken = Commands::default();
    let older = queue.take(&mut taken, true, || ring.end()).unwrap().ring_end;
    assert!(queue.may_be_passed());
    assert!(worker::push(queue, 1, Opcode::Text, b"c").is_some());
    assert!(ring.read(older, |records| records.filter_map(worker::read).eq([(1, &b"\x81\x01a"[..])])));
    assert!(ring.read(older, |mut records| records.next().is_none()));
    assert_eq!(taken.frames, b"\x81\x01b");
    assert!(ring.read(ring.end(), |records| records.filter_map(worker::read).eq([(1, &b"\x81\x01c"[..])])));
}

#[test]
fn a_ring_that_was_written_to_calls_the_reactor_when_its_worker_is_done() {
    let link = link();
    let queue = &link.commands;
    let _ring = queue.make_ring();
    assert!(!worker::own(None, &link));
    queue.call();
    assert!(!queue.is_waiting());
    assert!(worker::push(queue, 1, Opcode::Binary, b"a").is_some_and(|waiting| !waiting.is_much()));
    queue.call();
    assert!(queue.is_waiting());
    worker::disown(queue);
    assert!(worker::push(queue, 1, Opcode::Binary, b"a").is_none());
}

#[test]
fn a_worker_counts_what_waits_in_its_ring() {
    let link = link();
    let mut ring = link.commands.make_ring();
    assert!(!worker::own(None, &link));
    for length in [0, 1000] {
        let payload = vec![0; length];
        while !worker::push(&link.commands, 1, Opcode::Binary, &payload).unwrap().is_much() {}
        ring.read(ring.end(), |_| ());
        assert!(!worker::push(&link.commands, 1, Opcode::Binary, &payload).unwrap().is_much());
    }
}

#[test]
fn a_closed_queue_takes_nothing_and_keeps_nothing() {
    let queue = CommandQueue::new(1000).unwrap();
    queue.push_frame(1, Opcode::Text, None, b"a", Call::Now).unwrap();
    queue.close();
    assert_eq!(queue.push(Command::Disconnect(1), Call::Now), Err(Refused::Closed));
    assert_eq!(queue.push_frame(1, Opcode::Text, None, b"a", Call::Now), Err(Refused::Closed));
    assert!(queue.lock().list.is_empty());
}

#[test]
fn the_ring_goes_to_the_thread_that_polls_last() {
    let link = link();
    let queue = &link.commands;
    let mut ring = queue.make_ring();
    assert!(!worker::own(None, &link));
    assert!(worker::push(queue, 1, Opcode::Text, b"a").is_some());
    std::thread::scope(|scope| {
        let other = scope.spawn(|| (worker::own(None, &link), worker::push(queue, 1, Opcode::Text, b"b").is_some()));
        assert_eq!(other.join().unwrap(), (true, true));
    });
    assert!(worker::push(queue, 1, Opcode::Text, b"not mine").is_none());
    // The thread that had it has ended.
    assert!(worker::own(None, &link));
    assert!(worker::push(queue, 1, Opcode::Text, b"c").is_some());
    let frames = [(1, &b"\x81\x01a"[..]), (1, b"\x81\x01b"), (1, b"\x81\x01c")];
    assert!(ring.read(ring.end(), |records| records.filter_map(worker::read).eq(frames)));
}

#[test]
fn a_thread_has_one_ring_at_a_time() {
    let (one, other) = (link(), link());
    let rings = (one.commands.make_ring(), other.commands.make_ring());
    worker::own(None, &one);
    worker::own(None, &other);
    assert!(worker::push(&one.commands, 1, Opcode::Text, b"a").is_some());
    assert!(worker::push(&other.commands, 1, Opcode::Text, b"a").is_none());
    drop(rings.0);
    worker::own(None, &other);
    assert!(worker::push(&other.commands, 1, Opcode::Text, b"a").is_some());
}

#[test]
fn a_reactor_with_commands_neither_waits_nor_leaves() {
    let queue = CommandQueue::new(10).unwrap();
    assert!(queue.begin_wait());
    queue.begin_run();
    assert!(!queue.is_called());
    queue.push(Command::Disconnect(1), Call::Now).unwrap();
    assert!(!queue.begin_wait());
    assert!(queue.is_called());
}

#[test]
fn a_reactor_that_nobody_runs_is_called_for_by_the_bell() {
    let queue = CommandQueue::new(1000).unwrap();
    let heard = queue.bell().heard();
    queue.push_frame(1, Opcode::Text, None, b"a", Call::Later).unwrap();
    assert_eq!(queue.bell().heard(), heard);
    queue.push_frame(1, Opcode::Text, None, b"b", Call::Now).unwrap();
    assert_ne!(queue.bell().heard(), heard);
}

#[test]
fn quiet_pushes_wait_until_the_call_or_until_they_are_many() {
    let queue = CommandQueue::new(1 << 20).unwrap();
    let mut taken = Commands::default();
    queue.push_frame(1, Opcode::Text, None, b"a", Call::Later).unwrap();
    assert!(!queue.is_waiting() && !take(&queue, &mut taken, false));
    assert!(take(&queue, &mut taken, true) && taken.list.len() == 1);
    taken.clear();
    queue.call();
    assert!(!queue.is_waiting());
    queue.push_frame(1, Opcode::Text, None, b"a", Call::Later).unwrap();
    queue.call();
    assert!(take(&queue, &mut taken, false));
    taken.clear();
    queue.push_frame(1, Opcode::Text, None, &[b'a'; QUIET_MAX], Call::Later).unwrap();
    assert!(queue.is_waiting());
}
