//! Events as lines of JSON.

use std::fmt::Write;

/// A line in the making: an object, of which fields are added.
pub struct Line(String);

impl Line {
    /// The object for an event.
    pub fn of(event: &str) -> Self {
        let mut line = Self("{".to_owned());
        line.text("event", event);
        line
    }

    pub fn text(&mut self, name: &str, value: &str) -> &mut Self {
        self.name(name);
        string(&mut self.0, value);
        self
    }

    /// Text, or null where it is empty.
    pub fn text_or_null(&mut self, name: &str, value: &str) -> &mut Self {
        if value.is_empty() { self.raw(name, "null") } else { self.text(name, value) }
    }

    pub fn number(&mut self, name: &str, value: u128) -> &mut Self {
        self.raw(name, &value.to_string())
    }

    /// An array of arrays of two: names may come more than once.
    pub fn pairs<'a>(
        &mut self,
        name: &str,
        pairs: impl Iterator<Item = (std::borrow::Cow<'a, str>, std::borrow::Cow<'a, str>)>,
    ) -> &mut Self {
        self.name(name);
        self.0.push('[');
        for (index, (left, right)) in pairs.enumerate() {
            self.0.push_str(if index > 0 { ",[" } else { "[" });
            string(&mut self.0, &left);
            self.0.push(',');
            string(&mut self.0, &right);
            self.0.push(']');
        }
        self.0.push(']');
        self
    }

    /// A value that is JSON already.
    pub fn raw(&mut self, name: &str, value: &str) -> &mut Self {
        self.name(name);
        self.0.push_str(value);
        self
    }

    /// The whole line, with its line feed.
    pub fn end(&mut self) -> &[u8] {
        self.0.push_str("}\n");
        self.0.as_bytes()
    }

    fn name(&mut self, name: &str) {
        if !self.0.ends_with('{') {
            self.0.push(',');
        }
        string(&mut self.0, name);
        self.0.push(':');
    }
}

/// A string of JSON. Beyond what must be escaped, it escapes what a terminal would obey.
fn string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // All of them are in the basic plane, and writing to a string does not fail.
            c if crate::terminal::is_obeyed(c) => write!(out, "\\u{:04x}", u32::from(c)).unwrap_or_default(),
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> String {
        let mut out = String::new();
        string(&mut out, value);
        out
    }

    #[test]
    fn strings() {
        assert_eq!(text("plain später 🦀"), "\"plain später 🦀\"");
        assert_eq!(text("a\"b\\c\nd\re\tf"), r#""a\"b\\c\nd\re\tf""#);
        assert_eq!(text("\0\x1b\x7f\u{9b}\u{2028}\u{202e}"), r#""\u0000\u001b\u007f\u009b\u2028\u202e""#);
    }

    #[test]
    fn lines() {
        let pairs = [("A", "1"), ("A", "2")].map(|(name, value)| (name.into(), value.into()));
        let mut line = Line::of("open");
        line.number("status", 101).text_or_null("subprotocol", "").pairs("headers", pairs.into_iter());
        let expected =
            "{\"event\":\"open\",\"status\":101,\"subprotocol\":null,\"headers\":[[\"A\",\"1\"],[\"A\",\"2\"]]}\n";
        assert_eq!(line.end(), expected.as_bytes());
        assert_eq!(Line::of("end").pairs("headers", [].into_iter()).end(), b"{\"event\":\"end\",\"headers\":[]}\n");
    }
}
