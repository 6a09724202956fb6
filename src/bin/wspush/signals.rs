//! Signals that ask the program to end, as calls on a thread of their own: a handler could not close a connection.
//!
//! A signal that was ignored when the program started stays ignored: `nohup` and shells that start programs in the background
//! do that on purpose.

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;
use std::io;
use std::{process, thread};
use wspush::sys::process::ignores;

/// Calls `hear` with the first signal that asks the program to end. The second one ends the program at once.
pub fn watch(hear: impl FnOnce(i32) + Send + 'static) -> io::Result<()> {
    let all = [SIGHUP, SIGINT, SIGQUIT, SIGTERM];
    let heeded = all.into_iter().filter(|signal| !ignores(*signal).unwrap_or(false));
    let mut signals = Signals::new(heeded)?;
    let watcher = move || {
        let mut heard = signals.forever();
        if let Some(signal) = heard.next() {
            hear(signal);
        }
        if let Some(signal) = heard.next() {
            die_of(signal);
            process::exit(128 + signal);
        }
    };
    thread::Builder::new().name("signals".to_owned()).spawn(watcher)?;
    Ok(())
}

/// Ends the program by this signal, as if it had not been caught: a shell that runs a loop of commands ends the loop only
/// when a command died of SIGINT. Returns for SIGQUIT, which would leave a core file behind.
pub fn die_of(signal: i32) {
    if signal != SIGQUIT {
        let _ = emulate_default_handler(signal);
    }
}
