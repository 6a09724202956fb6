//! The arguments: which command, and what it is given. All that can be judged without a socket is judged here.

pub mod serve;

use lexopt::Parser;
use lexopt::prelude::*;
use std::ffi::OsString;

pub use lexopt::Error;
pub use serve::Serve;

/// What the program is asked to do.
#[derive(Debug)]
pub enum Command {
    /// Print this.
    Tell(String),
    Serve(Serve),
}

/// An option of the library, by name and as text.
pub type Setting = (String, String);

const VERSION: &str = concat!("wspush ", env!("CARGO_PKG_VERSION"), "\n");

const HELP: &str = "\
wspush: a WebSocket client and a test server

    wspush serve [--echo]        the quickest server

wspush serve --help has the rest.
";

/// Reads the arguments, without the name of the program.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, Error> {
    let mut arguments = arguments.into_iter().peekable();
    let command = arguments.next_if(|first| first == "serve");
    let mut parser = Parser::from_args(arguments);
    if command.is_some() {
        return serve::parse(&mut parser);
    }
    match parser.next()? {
        Some(Short('h') | Long("help")) => Ok(Command::Tell(HELP.to_owned())),
        Some(Short('V') | Long("version")) => Ok(Command::Tell(VERSION.to_owned())),
        Some(other) => Err(other.unexpected()),
        None => Err("there is nothing to do".into()),
    }
}

/// `name=value`.
fn setting(parser: &mut Parser) -> Result<Setting, Error> {
    let text = parser.value()?.string()?;
    let Some((name, value)) = text.split_once('=') else {
        return Err(format!("--option {text}: it takes name=value").into());
    };
    Ok((name.trim().to_owned(), value.to_owned()))
}
