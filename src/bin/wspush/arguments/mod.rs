//! The arguments: which command, and what it is given. All that can be judged without a socket is judged here.

pub mod connect;
pub mod serve;
pub mod table;
mod values;

use crate::manual::{self, Shell};
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

/// What there is to be read about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    Whole,
    Connect,
    Serve,
}

/// An option of the library, by name and as text.
pub type Setting = (String, String);

impl Command {
    fn version() -> Self {
        Self::Tell(concat!("wspush ", env!("CARGO_PKG_VERSION"), "\n").to_owned())
    }
}

/// Reads the arguments, without the name of the program.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, Error> {
    let mut arguments = arguments.into_iter().peekable();
    let command = arguments.next_if(|first| first.to_str().is_some_and(|first| manual::COMMANDS.contains(&first)));
    let has_own_help = command.as_ref().is_some_and(|command| command == "connect" || command == "serve");
    match (&command, arguments.peek()) {
        (_, Some(first)) if !has_own_help && (first == "-h" || first == "--help") => {
            return Ok(Command::Tell(manual::help(Page::Whole)));
        }
        (None, None) => return Err("there is no URL".into()),
        _ => {}
    }
    let mut parser = Parser::from_args(arguments);
    match command.as_deref().and_then(|command| command.to_str()) {
        Some("serve") => serve::parse(&mut parser),
        Some("help") => match word(&mut parser)?.as_deref() {
            None => Ok(Command::Tell(manual::help(Page::Whole))),
            Some("connect") => Ok(Command::Tell(manual::help(Page::Connect))),
            Some("serve") => Ok(Command::Tell(manual::help(Page::Serve))),
            Some(other) => Err(format!("help {other}: there is help on connect and serve").into()),
        },
        Some("man") => match word(&mut parser)? {
            None => Ok(Command::Tell(manual::man())),
            Some(other) => Err(format!("man {other}: it takes nothing").into()),
        },
        Some("completions") => {
            let shell = word(&mut parser)?.unwrap_or_default();
            match Shell::of(&shell) {
                Some(shell) => Ok(Command::Tell(manual::completions(shell))),
                None => Err(format!("completions {shell}: it takes bash, zsh or fish").into()),
            }
        }
        _ => connect::parse(&mut parser),
    }
}

/// The one word that a command takes, if it is there.
fn word(parser: &mut Parser) -> Result<Option<String>, Error> {
    let mut word = None;
    while let Some(argument) = parser.next()? {
        match argument {
            Value(value) if word.is_none() => word = Some(value.string()?),
            other => return Err(other.unexpected()),
        }
    }
    Ok(word)
}
