//! What people get to see: the program's own lines on standard error, and text from the network in a form that cannot
//! move the cursor, change colours or type into the shell.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use wspush::cause::Cause;

/// Says what went wrong.
pub fn complain(text: &str) {
    note(&format!("wspush: {text}"));
}

/// Writes a line to standard error. Where that cannot be written to, there is nobody to be told.
pub fn note(text: &str) {
    let _ = io::stderr().lock().write_all(format!("{text}\n").as_bytes());
}

/// How a connection closed; and why, unless the peer has said so itself or it was we who closed it.
pub fn told_close(code: u16, reason: &str, cause: Cause) -> String {
    let told = format!("closed with {code} {}", harmless(reason, false));
    match cause {
        Cause::WS_CAUSE_PEER | Cause::WS_CAUSE_HOST | Cause::WS_CAUSE_STOP => told.trim_end().to_owned(),
        cause => format!("{}: {}", told.trim_end(), cause.text().to_string_lossy()),
    }
}

/// Text of the network with every character escaped that a terminal would obey, or that hides what is written; with `lines`,
/// line feeds and tabs stay as they are.
pub fn harmless(text: &str, lines: bool) -> Cow<'_, str> {
    let stays = |c: char| !is_obeyed(c) || lines && matches!(c, '\n' | '\t');
    if text.chars().all(stays) {
        return Cow::Borrowed(text);
    }
    let mut harmless = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            c if stays(c) => harmless.push(c),
            '\n' => harmless.push_str("\\n"),
            '\r' => harmless.push_str("\\r"),
            '\t' => harmless.push_str("\\t"),
            // Writing to a string does not fail.
            c if c.is_ascii() => drop(write!(harmless, "\\x{:02x}", u32::from(c))),
            c => drop(write!(harmless, "\\u{{{:x}}}", u32::from(c))),
        }
    }
    Cow::Owned(harmless)
}

/// Whether a terminal would obey it: control characters, those of Unicode's second block among them, and what turns the direction of text around.
pub fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_spelt_out() {
        assert_eq!(harmless("\x1b[31mred\x07", true), "\\x1b[31mred\\x07");
        assert_eq!(harmless("\u{9b}31m\u{7f}\r", true), "\\u{9b}31m\\x7f\\r");
        assert_eq!(harmless("safe\u{202e}gpj.exe", true), "safe\\u{202e}gpj.exe");
    }

    #[test]
    fn other_text_is_left_alone() {
        for text in ["", "plain", "später 🦀", "a\\x1b", "two\n\tlines"] {
            assert!(matches!(harmless(text, true), Cow::Borrowed(same) if same == text));
        }
        assert_eq!(harmless("two\n\tlines", false), "two\\n\\tlines");
    }
}
