//! Batches on their way to the host and back.

use super::super::batch::Event;
use super::*;
use crate::cause::Cause;
use crate::protocol::decoder::Kind;
use crate::protocol::message::Message;

/// Reactors that run on threads of their own.
#[derive(Default)]
struct Apart {
    told_to_go_on: AtomicBool,
}

impl Reactors for Apart {
    fn enter(&self, _: bool) -> bool {
        false
    }
    fn leave(&self) {}
    fn serve(&self, _: Option<Instant>, _: bool) -> Served {
        Served::Elsewhere
    }
    fn give_way(&self) {}
    fn take_pushes(&self) {}
    fn go_on(&self) {
        self.told_to_go_on.store(true, Ordering::Relaxed);
    }
    fn look(&self) {}
    fn reopen(&self, _: &Batch) {}
    fn is_over(&self, _: ConnId, _: &mut Option<BatchNumber>) -> bool {
        false
    }
}

fn texts(queue: &EventQueue) -> Vec<Vec<u8>> {
    let read = |batch: &Batch| {
        let payload = |event: &Event| match event {
            Event::Message(_, _, span) | Event::Close(_, _, span, _) => batch.payload(*span).to_vec(),
            _ => Vec::new(),
        };
        batch.events().iter().map(payload).collect::<Vec<_>>()
    };
    queue.poll(Some(Duration::ZERO), &Apart::default(), read).unwrap().unwrap_or_default()
}

#[test]
fn events_arrive_in_batches_and_in_order() {
    let queue = Arc::new(EventQueue::new(1 << 20).unwrap());
    let mut writer = BatchWriter::new(Arc::clone(&queue), Arc::default());
    writer.flush(&mut Pool::default());
    assert!(texts(&queue).is_empty());
    writer.batch(3).push_message(1, Kind::Text, b"one").unwrap();
    writer.batch(200_000).push_assembled(1, Kind::Binary, &mut Message::copied(&[7; 200_000][..]).unwrap()).unwrap();
    writer.batch(3).push_close(1, 1000, "bye", Cause::WS_CAUSE_PEER);
    writer.flush(&mut Pool::default());
    assert_eq!(texts(&queue), [b"one".to_vec(), vec![7; 200_000], b"bye".to_vec()]);
    assert!(texts(&queue).is_empty());
}

#[test]
fn payloads_stay_where_they_are_while_a_batch_fills() {
    let queue = Arc::new(EventQueue::new(1 << 30).unwrap());
    let mut writer = BatchWriter::new(Arc::clone(&queue), Arc::default());
    for i in 0..200_u8 {
        writer.batch(10_000).push_message(1, Kind::Binary, &vec![i; 10_000]).unwrap();
    }
    writer.send();
    let mut all = Vec::new();
    while all.len() < 200 {
        all.extend(texts(&queue));
    }
    assert!(all.iter().enumerate().all(|(i, payload)| *payload == vec![i as u8; 10_000]));
}

#[test]
fn what_comes_while_the_host_is_away_fills_the_batch_that_waits() {
    let queue = Arc::new(EventQueue::new(1 << 20).unwrap());
    let mut writers =
        [BatchWriter::new(Arc::clone(&queue), Arc::default()), BatchWriter::new(Arc::clone(&queue), Arc::default())];
    for number in 0..1000 {
        writers[0].batch(3).push_message(1, Kind::Text, format!("{number}").as_bytes()).unwrap();
        writers[0].flush(&mut Pool::default());
        assert_eq!(writers[0].number(), 2);
    }
    assert!(queue.waiting_bytes() < 100_000, "{}", queue.waiting_bytes());
    // One writer leaves alone what is another's.
    writers[1].batch(5).push_message(2, Kind::Text, b"other").unwrap();
    writers[1].flush(&mut Pool::default());
    assert!(!writers[0].is_done(1));
    assert_eq!(texts(&queue), (0..1000).map(|number| format!("{number}").into_bytes()).collect::<Vec<_>>());
    assert_eq!(texts(&queue), [b"other"]);
    assert!(writers[0].is_done(1) && !writers[1].is_done(1));
    assert!(texts(&queue).is_empty() && queue.waiting_bytes() == 0);
    // What the host has taken is its own.
    writers[0].batch(3).push_message(1, Kind::Text, b"new").unwrap();
    writers[0].flush(&mut Pool::default());
    assert_eq!((writers[0].number(), texts(&queue)), (3, vec![b"new".to_vec()]));
}

#[test]
fn a_full_queue_says_so_until_the_host_has_read() {
    let queue = Arc::new(EventQueue::new(1000).unwrap());
    let mut writer = BatchWriter::new(Arc::clone(&queue), Arc::default());
    writer.batch(2000).push_message(1, Kind::Binary, &[0; 2000]).unwrap();
    assert!(!queue.is_full());
    writer.flush(&mut Pool::default());
    assert!(queue.is_full());
    let reactors = Apart::default();
    queue.poll(None, &reactors, |_| ()).unwrap();
    assert!(reactors.told_to_go_on.into_inner() && !queue.is_full());
}

#[test]
fn the_writer_learns_which_batches_the_host_is_done_with() {
    let queue = Arc::new(EventQueue::new(1000).unwrap());
    let mut writer = BatchWriter::new(Arc::clone(&queue), Arc::default());
    let mut send_full = || {
        let number = writer.number();
        writer
            .batch(300_000)
            .push_assembled(1, Kind::Binary, &mut Message::copied(&[7; 300_000][..]).unwrap())
            .unwrap();
        writer.send();
        number
    };
    let (first, second) = (send_full(), send_full());
    assert_ne!(first, second);
    let mut done = Vec::new();
    for _ in 0..3 {
        texts(&queue);
        done.push((writer.is_done(first), writer.is_done(second)));
    }
    assert_eq!(done, [(false, false), (true, false), (true, true)]);
}

#[test]
fn of_a_connection_that_its_host_has_closed_only_the_close_event_is_handed_over() {
    let queue = Arc::new(EventQueue::new(1 << 20).unwrap());
    let mut writer = BatchWriter::new(Arc::clone(&queue), Arc::default());
    for conn in [1, 2, 1] {
        writer.batch(3).push_message(conn, Kind::Text, format!("of {conn}").as_bytes()).unwrap();
    }
    writer.batch(300_000).push_assembled(1, Kind::Binary, &mut Message::copied(&[7; 300_000][..]).unwrap()).unwrap();
    writer.batch(3).push_message(1, Kind::Text, b"more").unwrap();
    writer.send();
    writer.batch(3).push_close(1, 1000, "bye", Cause::WS_CAUSE_PEER);
    writer.flush(&mut Pool::default());
    queue.discard(1, None);
    assert_eq!(texts(&queue), [b"of 2"]);
    // A batch of which nothing is left is none.
    assert_eq!(texts(&queue), [b"bye"]);
    assert!(queue.waiting_bytes() == 0 && writer.is_taken(2));
    writer.batch(3).push_message(1, Kind::Text, b"another of this name").unwrap();
    writer.flush(&mut Pool::default());
    assert_eq!(texts(&queue).len(), 1);
}

#[test]
fn a_stopped_queue_is_drained_first() {
    let queue = Arc::new(EventQueue::new(1000).unwrap());
    let mut writer = BatchWriter::new(Arc::clone(&queue), Arc::default());
    writer.batch(3).push_close(9, 1001, "", Cause::WS_CAUSE_STOP);
    writer.flush(&mut Pool::default());
    queue.stop();
    assert_eq!(texts(&queue).len(), 1);
    let error = queue.poll(None, &Apart::default(), |_| ()).unwrap_err();
    assert_eq!(error.status, Status::WS_ERR_STOPPED);
}

#[test]
fn a_sleeping_host_is_woken() {
    let queue = Arc::new(EventQueue::new(1000).unwrap());
    let other = Arc::clone(&queue);
    let thread = std::thread::spawn(move || {
        let mut writer = BatchWriter::new(other, Arc::default());
        writer.batch(4).push_message(1, Kind::Text, b"wake").unwrap();
        writer.flush(&mut Pool::default());
    });
    assert!(queue.poll(None, &Apart::default(), |batch| batch.events().len()).unwrap() == Some(1));
    thread.join().unwrap();
}
