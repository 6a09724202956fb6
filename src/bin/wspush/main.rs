//! `wspush`: a WebSocket client and a test server for the command line.
//!
//! It stands on [`wspush::client::Client`] and [`wspush::server::Server`] as any other program would. [`arguments`] says what
//! is asked for, [`connect`] and [`serve`] do it, and each ends with one of the numbers in [`exit`].

mod arguments;
mod connect;
mod exit;
mod gate;
mod input;
mod manual;
mod print;
mod serve;
mod signals;
mod terminal;

use arguments::Command;
use std::io::{self, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    let code = match arguments::parse(std::env::args_os().skip(1)) {
        Ok(Command::Tell(text)) => tell(&text),
        Ok(Command::Connect(arguments)) => connect::run(&arguments),
        Ok(Command::Serve(arguments)) => serve::run(&arguments),
        Err(why) => {
            terminal::complain(&format!("{why}\nwspush --help shows what can be given."));
            exit::USAGE
        }
    };
    ExitCode::from(code)
}

/// Prints what was asked for. That nobody reads it to the end is no failure.
fn tell(text: &str) -> u8 {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => exit::USAGE,
        _ => exit::DONE,
    }
}
