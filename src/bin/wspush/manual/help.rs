//! The help of a command: plain text of 80 columns.

use super::{Chapter, Text, description, signature};
use std::fmt::Write as _;

const WIDTH: usize = 79;

/// Where the description of an option begins.
const COLUMN: usize = 29;

pub fn write(chapter: &Chapter) -> String {
    let Chapter { name, about, synopsis, does, options, notes } = chapter;
    let mut out = format!("wspush {name}: {about}\n\n    wspush {synopsis}\n\n");
    texts(&mut out, does);
    for (title, options) in options {
        out.push_str(&format!("{title}\n"));
        for option in options {
            entry(&mut out, &signature(option), COLUMN, &description(option));
        }
        out.push('\n');
    }
    texts(&mut out, notes);
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

fn texts(out: &mut String, texts: &[Text]) {
    for (index, text) in texts.iter().enumerate() {
        match text {
            Text::Plain(text) => {
                lines(text, WIDTH).iter().for_each(|line| out.push_str(&format!("{line}\n")));
                // What introduces a list stands right above it.
                if !matches!(texts.get(index + 1), Some(Text::Entry(..))) {
                    out.push('\n');
                }
            }
            Text::Entry(term, meaning) => {
                entry(out, term, 18, meaning);
                if !matches!(texts.get(index + 1), Some(Text::Entry(..))) {
                    out.push('\n');
                }
            }
        }
    }
}

/// A term, and from `column` on what it means.
fn entry(out: &mut String, term: &str, column: usize, meaning: &str) {
    let mut lead = format!("    {term} ");
    if lead.len() > column {
        out.push_str(&format!("{}\n", lead.trim_end()));
        lead.clear();
    }
    for line in lines(meaning, WIDTH - column) {
        // Writing to a string does not fail.
        let _ = writeln!(out, "{lead:column$}{line}");
        lead.clear();
    }
}

/// Text in lines of at most so many characters, broken between words.
fn lines(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.len() - 1;
        if !lines[last].is_empty() && lines[last].chars().count() + 1 + word.chars().count() > width {
            lines.push(word.to_owned());
        } else {
            let line = &mut lines[last];
            let space = if line.is_empty() { "" } else { " " };
            line.push_str(&format!("{space}{word}"));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::{connect_chapter, serve_chapter};
    use super::*;

    #[test]
    fn it_fits_a_terminal_and_has_every_option() {
        for chapter in [connect_chapter(), serve_chapter()] {
            let help = write(&chapter);
            for line in help.lines() {
                assert!(line.len() <= 80 && line == line.trim_end(), "{line:?}");
            }
            for option in chapter.all() {
                assert!(help.contains(&signature(option)), "{option:?}");
            }
        }
    }

    #[test]
    fn words_stay_whole() {
        assert_eq!(lines("one two three", 7), ["one two", "three"]);
        assert_eq!(lines("", 7), [""]);
        assert_eq!(lines("incomprehensible if long", 5), ["incomprehensible", "if", "long"]);
    }
}
