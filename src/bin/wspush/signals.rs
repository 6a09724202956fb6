//! SIGINT and SIGTERM, as calls on a thread of their own: a handler could not close a connection.

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io;
use std::{process, thread};

/// Has `hear` called with the first signal that asks the program to end. The second ends it without any ado.
pub fn watch(hear: impl FnOnce(i32) + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let watcher = move || {
        let mut heard = signals.forever();
        if let Some(signal) = heard.next() {
            hear(signal);
        }
        if let Some(signal) = heard.next() {
            process::exit(128 + signal);
        }
    };
    thread::Builder::new().name("signals".to_owned()).spawn(watcher)?;
    Ok(())
}
