//! A dialer that was held up hears what has come meanwhile before it gives anybody up.

use super::*;

/// Holds the dialer's thread when its call is connected, until that is taken back.
struct Hold {
    holds: Mutex<Sender<()>>,
    goes_on: Mutex<Receiver<()>>,
}

impl Caller for Hold {
    fn connected(&self, _: CallId, _: Connected) {
        self.holds.lock().unwrap().send(()).unwrap();
        let _ = self.goes_on.lock().unwrap().recv();
    }

    fn failed(&self, _: CallId, failure: Failure) {
        panic!("{failure:?}");
    }
}

#[test]
fn answers_that_have_come_while_it_was_held_up_are_heard() {
    // More than it asks the kernel for at a time.
    const CALLS: usize = 600;
    const PATIENCE: Duration = Duration::from_secs(4);
    let dialer = system();
    let (accepted, streams) = channel();
    let slow = server(move |mut stream| {
        let head = read_head(&mut stream);
        accepted.send((stream, head)).unwrap();
    });
    let began = Instant::now();
    let calls: Vec<Dialled> = (0..CALLS)
        .map(|_| dial(&dialer, Plan { handshake_timeout: PATIENCE, ..plan(&format!("ws://{slow}/")) }))
        .collect();
    let streams: Vec<(TcpStream, String)> = streams.iter().take(CALLS).collect();
    assert!(began.elapsed() < PATIENCE, "this machine is too slow for a test of deadlines");

    let (holds, held) = channel();
    let (go_on, goes_on) = channel();
    let quick = server(|mut stream| {
        let head = read_head(&mut stream);
        stream.write_all(switch(&head, "").as_bytes()).unwrap();
    });
    let hold = Arc::new(Hold { holds: Mutex::new(holds), goes_on: Mutex::new(goes_on) });
    dialer.dial(Arc::new(plan(&format!("ws://{quick}/"))), Duration::ZERO, hold);
    held.recv_timeout(LONG).unwrap();
    for (stream, head) in &streams {
        let mut stream = stream;
        stream.write_all(switch(head, "").as_bytes()).unwrap();
    }
    thread::sleep(PATIENCE);
    go_on.send(()).unwrap();
    for call in calls {
        call.connected();
    }
}
