//! What is to be read about the program: the help, the man page and the completions of shells. All three are written from the
//! tables of options ([`crate::arguments::table`]) and the texts of [`texts`], so that they tell the same.

mod completions;
mod help;
mod man;
mod texts;

use crate::arguments::table::{Section, Shown};
use crate::arguments::{Page, connect, serve};
pub use completions::Shell;

/// The commands. Any other first argument is a URL, or an option of `connect`.
pub const COMMANDS: [&str; 5] = ["connect", "serve", "completions", "man", "help"];

/// A command as it is told of.
struct Chapter {
    name: &'static str,
    about: &'static str,
    /// How it is called.
    synopsis: &'static str,
    /// What it does.
    does: &'static [Text],
    options: Vec<(&'static str, Vec<Shown>)>,
    /// What is worth knowing besides.
    notes: &'static [Text],
}

/// A piece of text.
enum Text {
    Plain(&'static str),
    /// A term and what it means, of which several make a list.
    Entry(&'static str, &'static str),
}

/// The help on the whole or on a command.
pub fn help(page: Page) -> String {
    match page {
        Page::Whole => texts::WHOLE.to_owned(),
        Page::Connect => help::write(&connect_chapter()),
        Page::Serve => help::write(&serve_chapter()),
    }
}

/// The man page, in roff.
pub fn man() -> String {
    man::write(&[connect_chapter(), serve_chapter()])
}

/// The completions of a shell.
pub fn completions(shell: Shell) -> String {
    completions::write(shell, &[connect_chapter(), serve_chapter()])
}

fn connect_chapter() -> Chapter {
    Chapter {
        name: "connect",
        about: "a WebSocket client",
        synopsis: "[connect] URL [OPTIONS]",
        does: texts::CONNECT,
        options: show(connect::TABLE.sections),
        notes: texts::CONNECT_NOTES,
    }
}

fn serve_chapter() -> Chapter {
    Chapter {
        name: "serve",
        about: "a WebSocket server to test against, or to talk through",
        synopsis: "serve [HOST:PORT] [--echo | --broadcast | --chat] [OPTIONS]",
        does: texts::SERVE,
        options: show(serve::TABLE.sections),
        notes: texts::SERVE_NOTES,
    }
}

fn show<G>(sections: &[Section<G>]) -> Vec<(&'static str, Vec<Shown>)> {
    sections
        .iter()
        .map(|section| (section.title, section.options.iter().map(|option| option.show()).collect()))
        .collect()
}

impl Chapter {
    /// Every option.
    fn all(&self) -> impl Iterator<Item = &Shown> {
        self.options.iter().flat_map(|(_, options)| options)
    }
}

/// What stands for an option in a list: `-x, --send TEXT`.
fn signature(option: &Shown) -> String {
    let mut signature = option.short.map(|short| format!("-{short}, ")).unwrap_or_default();
    signature.push_str(&format!("--{}", option.long));
    if let Some(takes) = option.takes {
        signature.push_str(&format!(" {}", takes.name));
    }
    signature
}

/// What is said of an option.
fn description(option: &Shown) -> String {
    format!("{}{}", option.about, if option.is_repeatable { "; may be repeated" } else { "" })
}
