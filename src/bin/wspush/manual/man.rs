//! The man page, in the macros of man(7).

use super::{Chapter, Text, description, signature};

pub fn write(chapters: &[Chapter]) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let mut out = format!(".TH WSPUSH 1 \"\" \"wspush {version}\" \"User Commands\"\n");
    out.push_str(".SH NAME\nwspush \\- a WebSocket client and a test server\n.SH SYNOPSIS\n");
    for (index, chapter) in chapters.iter().enumerate() {
        out.push_str(if index > 0 { ".br\n" } else { "" });
        out.push_str(&format!(".B wspush\n{}\n", line(chapter.synopsis)));
    }
    for shells in ["completions bash | zsh | fish", "man", "help [connect | serve]"] {
        out.push_str(&format!(".br\n.B wspush\n{}\n", line(shells)));
    }
    for chapter in chapters {
        let Chapter { name, about, does, options, notes, .. } = chapter;
        out.push_str(&format!(".SH WSPUSH {}\nwspush {name} is {}.\n", name.to_uppercase(), line(about)));
        texts(&mut out, does);
        for (title, options) in options {
            out.push_str(&format!(".SS \"{}\"\n", line(title)));
            for option in options {
                out.push_str(&format!(".TP\n.B {}\n{}\n", line(&signature(option)), line(&description(option))));
            }
        }
        out.push_str(".SS Notes\n");
        texts(&mut out, notes);
    }
    out
}

fn texts(out: &mut String, texts: &[Text]) {
    for text in texts {
        out.push_str(&match text {
            Text::Plain(text) => format!(".PP\n{}\n", line(text)),
            Text::Entry(term, meaning) => format!(".TP\n.B {}\n{}\n", line(term), line(meaning)),
        });
    }
}

/// Text that roff prints as it is: a hyphen is a hyphen, and nothing at the beginning of a line is a request.
fn line(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq").replace('"', "\\(dq");
    if text.starts_with('.') { format!("\\&{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_a_request_by_accident() {
        assert_eq!(line(".TH --a 'b' \\"), "\\&.TH \\-\\-a \\(aqb\\(aq \\e");
        let page = write(&[super::super::connect_chapter(), super::super::serve_chapter()]);
        let known = [".TH ", ".SH ", ".SS ", ".TP", ".PP", ".B ", ".br"];
        for line in page.lines().filter(|line| line.starts_with(['.', '\''])) {
            assert!(known.iter().any(|request| line.starts_with(request)), "{line}");
        }
    }
}
