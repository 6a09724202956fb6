//! How a message is printed.

use crate::arguments::connect::Ends;
use crate::terminal::harmless;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use wspush::protocol::decoder::Kind;

/// Bytes of a binary message that a terminal gets to see.
const SHOWN: usize = 64;

/// How messages are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Json,
    /// So that they can be read, and do nothing.
    Terminal,
    /// As they came.
    Raw(Ends),
}

impl Form {
    /// The form for standard output.
    pub fn for_stdout(json: bool, ends: Ends) -> Self {
        match json {
            true => Self::Json,
            false if io::stdout().is_terminal() => Self::Terminal,
            false => Self::Raw(ends),
        }
    }
}

/// Prints a message that is not to be printed as JSON.
pub fn message(out: &mut impl Write, form: Form, kind: Kind, payload: &[u8]) -> io::Result<()> {
    let ends = match form {
        Form::Raw(ends) => ends,
        Form::Terminal | Form::Json if kind == Kind::Binary => return writeln!(out, "{}", first_bytes(payload)),
        Form::Terminal | Form::Json => {
            let text = String::from_utf8_lossy(payload);
            let text = harmless(&text, true);
            // What follows begins on a line of its own, and no empty line is made of a line end that was kept.
            return write!(out, "{text}{}", if text.ends_with('\n') { "" } else { "\n" });
        }
    };
    out.write_all(payload)?;
    match (ends, kind) {
        (Ends::Null, _) => out.write_all(b"\0"),
        (Ends::Line, Kind::Text) => out.write_all(b"\n"),
        (Ends::Line, Kind::Binary) | (Ends::Kept, _) => Ok(()),
    }
}

fn first_bytes(payload: &[u8]) -> String {
    let mut shown = format!("<binary, {} bytes:", payload.len());
    for byte in payload.iter().take(SHOWN) {
        // Writing to a string does not fail.
        let _ = write!(shown, " {byte:02x}");
    }
    shown.push_str(if payload.len() > SHOWN { " ...>" } else { ">" });
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_binary_a_terminal_gets_the_beginning() {
        assert_eq!(first_bytes(&[0, 255, 10]), "<binary, 3 bytes: 00 ff 0a>");
        assert_eq!(first_bytes(b""), "<binary, 0 bytes:>");
        assert!(first_bytes(&[7; 65]).ends_with(" 07 ...>"));
    }

    #[test]
    fn what_ends_a_message() {
        let printed = |form, kind, payload: &[u8]| {
            let mut out = Vec::new();
            message(&mut out, form, kind, payload).expect("written");
            out
        };
        for (ends, text, binary) in
            [(Ends::Line, &b"a\n"[..], &b"a"[..]), (Ends::Null, b"a\0", b"a\0"), (Ends::Kept, b"a", b"a")]
        {
            assert_eq!(printed(Form::Raw(ends), Kind::Text, b"a"), text, "{ends:?}");
            assert_eq!(printed(Form::Raw(ends), Kind::Binary, b"a"), binary, "{ends:?}");
        }
        assert_eq!(printed(Form::Terminal, Kind::Text, b"a\n"), b"a\n");
        assert_eq!(printed(Form::Terminal, Kind::Text, b"a"), b"a\n");
    }
}
