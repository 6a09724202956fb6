//! What `wspush serve` is given.

use super::connect::Ends;
use super::table::{Asked, Hint, Kind, Opt, Section, Table, Takes};
use super::values::Value;
use super::{Command, Error, Page, Setting};
use crate::manual;
use lexopt::Parser;
use std::net::Ipv6Addr;

/// What `wspush serve` is given.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Serve {
    pub addresses: Vec<(String, i32)>,
    pub answer: Answer,
    pub settings: Vec<Setting>,
    /// The chat sends binary messages.
    pub binary: bool,
    pub ends: Ends,
    pub verbose: bool,
}

/// What becomes of a message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Answer {
    /// It goes back to its sender.
    #[default]
    Echo,
    /// It goes to everyone.
    Broadcast,
    /// It is printed. What is typed goes to everyone.
    Chat,
}

pub const TABLE: Table<Serve> = Table {
    sections: &[
        Section { title: "What becomes of a message", options: ANSWERS },
        Section { title: "The server", options: SERVER },
        Section { title: "What is told", options: TOLD },
    ],
    argument: |g, argument| {
        g.addresses.push(address(&Value::new("listen", argument))?);
        Ok(())
    },
    exclusive: &[&["echo", "broadcast", "chat"], &["null", "keep-ends"]],
    needs: &[("binary", "chat"), ("null", "chat"), ("keep-ends", "chat")],
};

const fn option(short: Option<char>, long: &'static str, takes: Takes<Serve>, about: &'static str) -> Opt<Serve> {
    Opt { short, long, takes, about }
}

const ANSWERS: &[Opt<Serve>] = &[
    option(None, "echo", Takes::Nothing(|g| g.answer = Answer::Echo), "send it back to who sent it [the default]"),
    option(
        None,
        "broadcast",
        Takes::Nothing(|g| g.answer = Answer::Broadcast),
        "send it to everyone, its sender included",
    ),
    option(
        None,
        "chat",
        Takes::Nothing(|g| g.answer = Answer::Chat),
        "print it, and send each line of standard input to everyone",
    ),
    option(
        Some('b'),
        "binary",
        Takes::Nothing(|g| g.binary = true),
        "with --chat: send binary messages rather than text",
    ),
    option(
        Some('0'),
        "null",
        Takes::Nothing(|g| g.ends = Ends::Null),
        "with --chat: messages end with a NUL byte rather than a line feed, in and out",
    ),
    option(
        None,
        "keep-ends",
        Takes::Nothing(|g| g.ends = Ends::Kept),
        "with --chat: send lines with their line ends, and print messages without adding one",
    ),
];

const SERVER: &[Opt<Serve>] = &[
    option(
        Some('l'),
        "listen",
        Takes::Often(Kind::of("HOST:PORT"), |g, v| address(v).map(|value| g.addresses.push(value))),
        "where to listen; --listen may be left out. It takes a name or an address and a port, a port alone (of 127.0.0.1), or unix:PATH. Port 0 is any free \
         one. [127.0.0.1:0]",
    ),
    option(
        None,
        "root",
        Takes::Once(Kind { name: "DIR", hint: Hint::Directory }, |g, v| {
            v.text().map(|value| g.settings.push(("document_root".to_owned(), value)))
        }),
        "serve the files below DIR over plain HTTP",
    ),
    option(
        None,
        "option",
        Takes::Often(Kind { name: "NAME=VALUE", hint: Hint::ServerOption }, |g, v| {
            v.setting().map(|value| g.settings.push(value))
        }),
        "an option of a server, such as subprotocols=chat, max_message_size=1M or ping_interval=5s; the table is in the \
         README",
    ),
];

const TOLD: &[Opt<Serve>] = &[
    option(
        Some('v'),
        "verbose",
        Takes::Nothing(|g| g.verbose = true),
        "say on standard error who comes and goes, what is sent, and what the library has to say",
    ),
    option(Some('h'), "help", Takes::Help, "this"),
    option(Some('V'), "version", Takes::Version, "the version"),
];

pub fn parse(parser: &mut Parser) -> Result<Command, Error> {
    let mut serve = Serve::default();
    match TABLE.read(parser, &mut serve)? {
        Asked::Help => return Ok(Command::Tell(manual::help(Page::Serve))),
        Asked::Version => return Ok(Command::version()),
        Asked::Command => {}
    }
    for (index, (name, _)) in serve.settings.iter().enumerate() {
        if serve.settings[..index].iter().any(|(other, _)| other == name) {
            return Err(format!("{name} is set twice").into());
        }
    }
    if serve.addresses.is_empty() {
        serve.addresses.push(("127.0.0.1".to_owned(), 0));
    }
    Ok(Command::Serve(serve))
}

fn address(value: &Value) -> Result<(String, i32), Error> {
    let text = value.text()?;
    if text.starts_with("unix:") {
        return Ok((text, 0));
    }
    let (host, port) = text.rsplit_once(':').unwrap_or(("127.0.0.1", &text));
    // Of an address without brackets the last number may be no port.
    let is_host = !host.contains(':') || host.starts_with('[') || host.parse::<Ipv6Addr>().is_ok();
    match port.parse::<u16>() {
        Ok(port) if is_host && !host.is_empty() => Ok((host.to_owned(), port.into())),
        _ => Err(value.unfit("HOST:PORT, a port, or unix:PATH")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::table;

    fn read(arguments: &[&str]) -> Result<Serve, String> {
        match parse(&mut Parser::from_args(arguments)) {
            Ok(Command::Serve(serve)) => Ok(serve),
            Ok(other) => Err(format!("{other:?}")),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn the_table_is_sound() {
        table::tests::is_sound(&TABLE);
    }

    #[test]
    fn addresses() {
        let known = [
            ("127.0.0.1:80", "127.0.0.1", 80),
            ("8080", "127.0.0.1", 8080),
            ("[::1]:0", "[::1]", 0),
            ("unix:/run/a:b.sock", "unix:/run/a:b.sock", 0),
        ];
        for (text, host, port) in known {
            assert_eq!(read(&[text]), read(&["-l", text]), "{text}");
            assert_eq!(read(&["-l", text]).map(|serve| serve.addresses), Ok(vec![(host.to_owned(), port)]), "{text}");
        }
        for text in ["", "localhost", ":80", "::1", "[::1]", "localhost:", "localhost:65536", "localhost:-1"] {
            assert!(read(&["-l", text]).is_err(), "{text}");
        }
    }

    #[test]
    fn it_listens_somewhere_and_does_one_thing() {
        let plain = read(&[]).expect("sense");
        assert_eq!(plain.addresses, [("127.0.0.1".to_owned(), 0)]);
        assert_eq!(plain.answer, Answer::Echo);
        let set = read(&["--root=/srv", "--option", "paths=/a=b"]).expect("sense");
        let settings = [("document_root", "/srv"), ("paths", "/a=b")].map(|(n, v)| (n.to_owned(), v.to_owned()));
        assert_eq!(set.settings, settings);
    }

    #[test]
    fn nonsense() {
        let cases: &[&[&str]] = &[
            &["--echo", "--broadcast"],
            &["--chat", "--echo"],
            &["somewhere"],
            &["--option", "reactors"],
            &["--root", "a", "--option", "document_root=b"],
            &["--option", "backlog=1", "--option", "backlog=2"],
            &["--null"],
            &["--chat", "--null", "--keep-ends"],
        ];
        for case in cases {
            assert!(read(case).is_err(), "{case:?}");
        }
    }
}
