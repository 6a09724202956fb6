//! Models of quiet pushes: whatever they meet with, whoever runs the reactor takes them. Its wait for its sockets is a wait
//! for what wakes it, without end; so a push that is forgotten is a deadlock, which `loom` finds.

use super::*;
use crate::sys::ownership::Ownership;
use loom::thread;

const HOST: usize = 10;
const NEXT_HOST: usize = 20;

/// What the reactor goes by, and what has come out.
struct Reactor {
    queue: Arc<CommandQueue>,
    ring: Consumer,
    taken: Commands,
}

impl Reactor {
    fn new() -> (Self, Arc<CommandQueue>) {
        let queue = Arc::new(CommandQueue::new(1000).unwrap());
        let ring = queue.make_ring();
        (Self { queue: Arc::clone(&queue), ring, taken: Commands::default() }, queue)
    }

    /// Takes what was pushed. How many messages.
    fn take(&mut self) -> usize {
        self.taken.clear();
        let _ = self.queue.take(&mut self.taken, true, || 0);
        let end = self.ring.end();
        let messages = |command: &Command| match command {
            Command::Send { messages, .. } => *messages as usize,
            _ => 0,
        };
        self.ring.read(end, |records| records.count()) + self.taken.list.iter().map(messages).sum::<usize>()
    }

    /// Runs until so many messages have come, and sleeps meanwhile.
    fn run(&mut self, mut missing: usize) {
        loop {
            missing -= self.take();
            if missing == 0 {
                return;
            }
            let heard = self.queue.wake_fd().bell().heard();
            if self.queue.begin_wait() {
                self.queue.wake_fd().bell().wait(heard, None);
            }
            self.queue.begin_run();
        }
    }
}

/// A push of the thread that works on a batch, as `worker::push_of` and `Link` have it. Whether it went into the ring.
fn push(queue: &CommandQueue, ring: &mut Holder<Producer>) -> bool {
    let pushed = ring.with(|producer| producer.push([b"message", b"", b""]));
    if pushed == Some(true) {
        if !queue.looks() {
            queue.call_now();
        }
        return true;
    }
    queue.push_frame(1, Opcode::Binary, None, b"message", Call::Now).unwrap();
    false
}

fn ring_of(queue: &CommandQueue, thread: usize) -> Holder<Producer> {
    queue.pass_ring(thread, || true).unwrap().holder.unwrap()
}

fn a_reactor_comes_to_rest(pushes: usize) {
    loom::model(move || {
        let (mut reactor, queue) = Reactor::new();
        let mut ring = ring_of(&queue, HOST);
        let ownership = Ownership::new(Arc::clone(queue.standing()), ());
        let owned = ownership.try_own().unwrap();
        let host = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || (0..pushes).for_each(|_| assert!(push(&queue, &mut ring))))
        };
        queue.stop_looking();
        reactor.run(pushes);
        drop(owned);
        host.join().unwrap();
    });
}

#[test]
fn a_quiet_push_reaches_a_reactor_that_comes_to_rest() {
    a_reactor_comes_to_rest(1);
    a_reactor_comes_to_rest(2);
}

#[test]
#[should_panic(expected = "deadlock")]
fn without_barriers_a_quiet_push_is_forgotten() {
    barrier::leave_out(true);
    a_reactor_comes_to_rest(1);
}

#[test]
#[should_panic(expected = "deadlock")]
fn a_call_that_is_left_out_on_a_stale_look_is_forgotten() {
    loom::model(|| {
        let (mut reactor, queue) = Reactor::new();
        let mut ring = ring_of(&queue, HOST);
        let ownership = Ownership::new(Arc::clone(queue.standing()), ());
        let owned = ownership.try_own().unwrap();
        let host = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || {
                for _ in 0..2 {
                    assert_eq!(ring.with(|producer| producer.push([b"message", b"", b""])), Some(true));
                    if !queue.looks() {
                        queue.call_sooner();
                    }
                }
            })
        };
        queue.stop_looking();
        reactor.run(2);
        drop(owned);
        host.join().unwrap();
    });
}

/// One thread pushes while the next one begins to poll, takes the ring away, and runs the reactor.
fn a_host_makes_way(pushes: usize) {
    loom::model(move || {
        let (mut reactor, queue) = Reactor::new();
        let mut ring = ring_of(&queue, HOST);
        let ownership = Ownership::new(Arc::clone(queue.standing()), ());
        let before = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || {
                let quiet: Vec<bool> = (0..pushes).map(|_| push(&queue, &mut ring)).collect();
                assert!(quiet.is_sorted_by(|first, second| first >= second), "the ring comes back by itself");
            })
        };
        let mut ring = ring_of(&queue, NEXT_HOST);
        let owned = ownership.try_own().unwrap();
        reactor.run(pushes);
        // The ring is its own.
        assert!(push(&queue, &mut ring));
        reactor.run(1);
        drop(owned);
        before.join().unwrap();
    });
}

#[test]
fn what_a_host_pushes_reaches_the_one_that_polls_after_it() {
    a_host_makes_way(1);
    a_host_makes_way(2);
}

#[test]
#[should_panic]
fn without_barriers_the_next_host_takes_the_ring_in_the_middle_of_a_push() {
    barrier::leave_out(true);
    a_host_makes_way(2);
}

/// The same where the host has no ring: it looks behind a push into the queue whether it is still the one that may be quiet.
fn a_host_without_a_ring_makes_way(looks_behind: bool) {
    loom::model(move || {
        let (mut reactor, queue) = Reactor::new();
        let worker = Arc::new(AtomicUsize::new(HOST));
        let ownership = Ownership::new(Arc::clone(queue.standing()), ());
        let before = {
            let (queue, worker) = (Arc::clone(&queue), Arc::clone(&worker));
            thread::spawn(move || {
                let is_worker = || worker.load(Ordering::Relaxed) == HOST;
                let call = if is_worker() { Call::Later } else { Call::Now };
                queue.push_frame(1, Opcode::Binary, None, b"message", call).unwrap();
                if call == Call::Later && looks_behind && !(queue.looks() && is_worker()) {
                    queue.call_now();
                }
            })
        };
        worker.store(0, Ordering::Relaxed);
        barrier::heavy();
        let owned = ownership.try_own().unwrap();
        reactor.run(1);
        drop(owned);
        before.join().unwrap();
    });
}

#[test]
fn what_a_host_without_a_ring_pushes_reaches_the_one_that_polls_after_it() {
    a_host_without_a_ring_makes_way(true);
}

#[test]
#[should_panic(expected = "deadlock")]
fn a_host_that_does_not_look_behind_its_push_is_forgotten() {
    a_host_without_a_ring_makes_way(false);
}
