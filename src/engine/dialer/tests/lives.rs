//! Delays, hurries, calls given up at every stage, and the life of the dialer itself.

use super::*;

const AN_HOUR: Duration = Duration::from_secs(3600);

#[test]
fn a_delay_is_waited_for() {
    let (delay, begun) = (Duration::from_millis(60), Instant::now());
    dial_later(&system(), plan(&format!("ws://{}/", welcoming())), delay).connected();
    assert!(begun.elapsed() >= delay, "{:?}", begun.elapsed());
}

#[test]
fn a_delayed_call_can_be_hurried() {
    let dialer = system();
    let url = format!("ws://{}/", welcoming());
    for delay in [AN_HOUR, Duration::MAX] {
        let call = dial_later(&dialer, plan(&url), delay);
        dialer.hurry(call.id);
        call.connected();
        call.is_gone();
        dialer.hurry(call.id);
    }
}

#[test]
fn calls_are_given_up_at_every_stage() {
    // Delayed.
    let address = welcoming();
    let dialer = system();
    let call = dial_later(&dialer, plan(&format!("ws://{address}/")), AN_HOUR);
    dialer.cancel(call.id);
    call.is_gone();
    dialer.cancel(call.id);
    dialer.hurry(call.id);

    // Waiting for a name, which goes on to be looked up for somebody else.
    let (sender, asked) = channel();
    let sender = Mutex::new(sender);
    let (answer, answers) = channel();
    let answers = Mutex::new(answers);
    let look_up = move |_: &str| {
        sender.lock().unwrap().send(()).unwrap();
        answers.lock().unwrap().recv().map_err(io::Error::other)
    };
    let slow = world(look_up, &[("192.0.2.1", Fate::Is(address))]);
    let given_up = dial(&slow.dialer, plan("ws://slow.example/"));
    let other = dial(&slow.dialer, plan("ws://slow.example/"));
    asked.recv_timeout(LONG).unwrap();
    slow.dialer.cancel(given_up.id);
    given_up.is_gone();
    answer.send(vec!["192.0.2.1:0".parse().unwrap()]).unwrap();
    other.connected();

    // Connecting.
    let stage = world(named(&[]), &[("192.0.2.1", Fate::Dead)]);
    let call = dial(&stage.dialer, plan("ws://192.0.2.1/"));
    let (_, mut far_end) = stage.dead.recv_timeout(LONG).unwrap();
    stage.dialer.cancel(call.id);
    call.is_gone();
    wait_for_end(&mut far_end);

    // Waiting for the answer.
    let (sender, events) = channel();
    let address = server(move |mut stream| {
        sender.send(read_head(&mut stream)).unwrap();
        wait_for_end(&mut stream);
        sender.send("ended".to_owned()).unwrap();
    });
    let call = dial(&dialer, plan(&format!("ws://{address}/")));
    assert!(events.recv_timeout(LONG).unwrap().starts_with("GET"));
    dialer.cancel(call.id);
    call.is_gone();
    assert_eq!(events.recv_timeout(LONG).unwrap(), "ended");
}

#[test]
fn the_dialer_is_shared_and_ends_with_its_last_handle() {
    let dialer = Dialer::shared().unwrap();
    assert!(Arc::ptr_eq(&dialer, &Dialer::shared().unwrap()));
    let thread = Arc::downgrade(&dialer.mailbox);
    let pending = dial_later(&dialer, plan("ws://chat.example/"), AN_HOUR);
    drop(dialer);
    pending.is_gone();
    assert!(thread.upgrade().is_none(), "the thread has ended, for nobody has its mailbox");
    let another = Dialer::shared().unwrap();
    dial(&another, plan(&format!("ws://{}/", welcoming()))).connected();
}

/// Lets go of the dialer when its call is done.
struct Last(Mutex<Option<Arc<Dialer>>>);

impl Caller for Last {
    fn connected(&self, _: CallId, _: Connected) {
        self.0.lock().unwrap().take();
    }

    fn failed(&self, _: CallId, _: Failure) {
        self.0.lock().unwrap().take();
    }
}

#[test]
fn the_last_handle_may_be_dropped_in_a_callback() {
    let dialer = system();
    let pending = dial_later(&dialer, plan("ws://chat.example/"), AN_HOUR);
    let last = Arc::new(Last(Mutex::new(Some(Arc::clone(&dialer)))));
    // The delay is for this thread to let go of it first.
    let call = dialer.dial(Arc::new(plan("wss://chat.example/")), AN_HOUR, last);
    dialer.hurry(call);
    drop(dialer);
    pending.is_gone();
}

/// A fault of one caller.
struct Faulty;

impl Caller for Faulty {
    fn connected(&self, _: CallId, _: Connected) {}

    fn failed(&self, _: CallId, _: Failure) {
        panic!("a test");
    }
}

#[test]
fn a_fault_of_a_caller_costs_nobody_else() {
    let dialer = system();
    dialer.dial(Arc::new(plan("wss://chat.example/")), Duration::ZERO, Arc::new(Faulty));
    dial(&dialer, plan(&format!("ws://{}/", welcoming()))).connected();
}

#[test]
fn a_forked_child_leaves_the_dialer_of_its_parent_alone() {
    let mut dialer = system();
    let mailbox = Arc::clone(&dialer.mailbox);
    // As a child sees it: its generation is another.
    Arc::get_mut(&mut dialer).unwrap().forks = dialer_forks().wrapping_sub(1);
    let call = dial_later(&dialer, plan("ws://chat.example/"), AN_HOUR);
    call.is_gone();
    drop(dialer);
    // The thread was not told to end, and is still there.
    let (sender, outcome) = channel();
    let caller: Arc<dyn Caller> = Arc::new(Ear(Mutex::new(sender)));
    mailbox.post(Order::Dial(7, Instant::now(), Arc::new(plan("wss://chat.example/")), caller));
    assert!(outcome.recv_timeout(LONG).unwrap().is_err());
    mailbox.post(Order::End);
}

fn dialer_forks() -> u32 {
    process::fork_generation()
}
