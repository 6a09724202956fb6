//! The arguments: which command, and what it is given. All that can be judged without a socket is judged here.

pub mod connect;
pub mod serve;
mod values;

use lexopt::Parser;
use lexopt::prelude::*;
use std::ffi::OsString;

pub use connect::Connect;
pub use lexopt::Error;
pub use serve::Serve;

/// What the program is asked to do.
#[derive(Debug)]
pub enum Command {
    /// Print this.
    Tell(String),
    Connect(Box<Connect>),
    Serve(Serve),
}

/// An option of the library, by name and as text.
pub type Setting = (String, String);

const VERSION: &str = concat!("wspush ", env!("CARGO_PKG_VERSION"), "\n");

const HELP: &str = "\
wspush: a WebSocket client and a test server

    wspush [connect] URL [OPTIONS]    print what comes, send what is typed
    wspush serve [OPTIONS]            the quickest server: it echoes

    echo hello | wspush ws://127.0.0.1:9502/chat
    wspush --json --count 3 unix:/run/app.sock:/feed

wspush connect --help and wspush serve --help have the rest.
";

/// Reads the arguments, without the name of the program.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, Error> {
    let mut arguments = arguments.into_iter().peekable();
    let command = arguments.next_if(|first| first == "connect" || first == "serve" || first == "help");
    // Without a command, what there is to be told is of the whole.
    match (&command, arguments.peek()) {
        (None, Some(first)) if first == "-h" || first == "--help" => return Ok(Command::Tell(HELP.to_owned())),
        (None, None) => return Err("there is no URL".into()),
        _ => {}
    }
    let mut parser = Parser::from_args(arguments);
    match command.as_deref().and_then(|command| command.to_str()) {
        Some("help") => Ok(Command::Tell(HELP.to_owned())),
        Some("serve") => serve::parse(&mut parser),
        _ => connect::parse(&mut parser),
    }
}

/// What both commands understand.
fn other(argument: lexopt::Arg<'_>, help: &str) -> Result<Command, Error> {
    match argument {
        Short('h') | Long("help") => Ok(Command::Tell(help.to_owned())),
        Short('V') | Long("version") => Ok(Command::Tell(VERSION.to_owned())),
        other => Err(other.unexpected()),
    }
}
