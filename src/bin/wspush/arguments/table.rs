//! What an option of the command line is, and reading arguments by tables of them.
//!
//! One table holds all that is known of a command's options: their names, what they take, what they do to what was given so
//! far, and the words of the help. The parser, `--help`, the man page and the completions all read it, so that none of them
//! can tell of an option that another does not know.

use super::Error;
use super::values::Value;
use lexopt::{Arg, Parser};
use std::ffi::OsString;

/// An option, which changes a `G`: what was given so far.
pub struct Opt<G: 'static> {
    pub short: Option<char>,
    pub long: &'static str,
    pub takes: Takes<G>,
    /// What it does, in the words of the help.
    pub about: &'static str,
}

/// What an option takes.
pub enum Takes<G> {
    Nothing(fn(&mut G)),
    /// A value, and the option once.
    Once(Kind, Set<G>),
    /// A value, and the option as often as wanted.
    Often(Kind, Set<G>),
    /// Print the help.
    Help,
    /// Print the version.
    Version,
}

pub type Set<G> = fn(&mut G, &Value) -> Result<(), Error>;

/// A kind of value: its name in the help, and what a shell completes it to.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    pub name: &'static str,
    pub hint: Hint,
}

/// What a shell completes a value to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hint {
    Nothing,
    File,
    Directory,
    /// One of the library's options, for a client.
    ClientOption,
    /// One of the library's options, for a server.
    ServerOption,
}

impl Kind {
    pub const PATH: Self = Self { name: "PATH", hint: Hint::File };
    pub const SECONDS: Self = Self::of("SECONDS");
    pub const COUNT: Self = Self::of("N");
    pub const TEXT: Self = Self::of("TEXT");

    /// One that no shell can complete.
    pub const fn of(name: &'static str) -> Self {
        Self { name, hint: Hint::Nothing }
    }
}

/// Options under one heading.
pub struct Section<G: 'static> {
    pub title: &'static str,
    pub options: &'static [Opt<G>],
}

/// All that is known of the options of one command.
pub struct Table<G: 'static> {
    pub sections: &'static [Section<G>],
    /// What is done with an argument that is no option.
    pub argument: fn(&mut G, OsString) -> Result<(), Error>,
    /// Options of which only one may be given.
    pub exclusive: &'static [&'static [&'static str]],
    /// Options that mean nothing without another.
    pub needs: &'static [(&'static str, &'static str)],
}

/// What the arguments of a command ask for.
#[derive(Debug, PartialEq, Eq)]
pub enum Asked {
    /// The command itself.
    Command,
    Help,
    Version,
}

impl<G> Table<G> {
    /// Reads all arguments that are left.
    pub fn read(&self, parser: &mut Parser, given: &mut G) -> Result<Asked, Error> {
        let mut seen: Vec<&'static str> = Vec::new();
        while let Some(argument) = parser.next()? {
            let option = match argument {
                Arg::Value(value) => {
                    (self.argument)(given, value)?;
                    continue;
                }
                option => self.find(&option).ok_or_else(|| option.unexpected())?,
            };
            match &option.takes {
                Takes::Help => return Ok(Asked::Help),
                Takes::Version => return Ok(Asked::Version),
                Takes::Nothing(set) => set(given),
                Takes::Once(..) if seen.contains(&option.long) => {
                    return Err(format!("--{} is given twice", option.long).into());
                }
                Takes::Once(_, set) | Takes::Often(_, set) => set(given, &Value::new(option.long, parser.value()?))?,
            }
            seen.push(option.long);
        }
        self.check(&seen).map(|()| Asked::Command)
    }

    fn find(&self, argument: &Arg<'_>) -> Option<&'static Opt<G>> {
        let is_it = |option: &&Opt<G>| match argument {
            Arg::Short(short) => option.short == Some(*short),
            Arg::Long(long) => option.long == *long,
            Arg::Value(_) => false,
        };
        self.sections.iter().flat_map(|section| section.options).find(is_it)
    }

    /// Whether options go together.
    fn check(&self, seen: &[&str]) -> Result<(), Error> {
        for names in self.exclusive {
            let mut given = names.iter().filter(|name| seen.contains(name));
            if let (Some(one), Some(other)) = (given.next(), given.next()) {
                return Err(format!("--{one} and --{other} exclude each other").into());
            }
        }
        for (name, needed) in self.needs {
            if seen.contains(name) && !seen.contains(needed) {
                return Err(format!("--{name} goes with --{needed}").into());
            }
        }
        Ok(())
    }
}

/// An option without what it does: what help, man page and completions need to know.
#[derive(Debug, Clone, Copy)]
pub struct Shown {
    pub short: Option<char>,
    pub long: &'static str,
    pub takes: Option<Kind>,
    pub is_repeatable: bool,
    pub about: &'static str,
}

impl<G> Opt<G> {
    pub fn show(&self) -> Shown {
        let takes = match self.takes {
            Takes::Once(kind, _) | Takes::Often(kind, _) => Some(kind),
            Takes::Nothing(_) | Takes::Help | Takes::Version => None,
        };
        let is_repeatable = matches!(self.takes, Takes::Often(..));
        Shown { short: self.short, long: self.long, takes, is_repeatable, about: self.about }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Every option is named once, and every rule is of options that there are.
    pub fn is_sound<G>(table: &Table<G>) {
        let options = || table.sections.iter().flat_map(|section| section.options);
        let longs: Vec<_> = options().map(|option| option.long).collect();
        let shorts: Vec<_> = options().filter_map(|option| option.short).collect();
        for (index, long) in longs.iter().enumerate() {
            assert!(!longs[..index].contains(long), "--{long} is there twice");
        }
        for (index, short) in shorts.iter().enumerate() {
            assert!(!shorts[..index].contains(short), "-{short} is there twice");
        }
        let ruled = table.exclusive.iter().flat_map(|names| names.iter());
        for name in ruled.chain(table.needs.iter().flat_map(|(one, other)| [one, other])) {
            assert!(longs.contains(name), "a rule names --{name}");
        }
    }
}
