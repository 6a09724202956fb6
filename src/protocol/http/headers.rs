//! Header lines: those of a head that was received, one after the other, and those a host wants to send.

use super::invalid::InvalidHead;
use super::tokens::{is_field_byte, is_token, trim_ows};

/// The headers of a head in the order they came: names as sent, values without the white space around them.
///
/// They are taken out of the received bytes as one iterates, so nothing is stored. A name can come more than once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Headers<'a> {
    /// Whole header lines, which have been found valid.
    lines: &'a [u8],
}

impl<'a> Headers<'a> {
    /// Over lines that have been found valid. What follows them is not looked at if it is an empty line.
    pub(in crate::protocol) fn new(lines: &'a [u8]) -> Self {
        Headers { lines }
    }

    /// The values of the headers called `name`, in any case.
    pub(in crate::protocol) fn all(self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.filter(move |(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = (&'a str, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let colon = self.lines.iter().position(|byte| matches!(byte, b':' | b'\r'))?;
        let (name, rest) = self.lines.split_at(colon);
        let (value, rest) = rest.split_at(rest.iter().position(|byte| *byte == b'\r')?);
        let value = value.strip_prefix(b":")?;
        self.lines = rest.get(2..).unwrap_or_default();
        Some((std::str::from_utf8(name).ok()?, trim_ows(value)))
    }
}

/// A header that may come once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::protocol) enum Once<'a> {
    /// It has not come.
    Missing,
    /// It has come with this value.
    Value(&'a [u8]),
    /// It has come more than once.
    Repeated,
}

impl<'a> Once<'a> {
    /// It comes, or comes again.
    pub(in crate::protocol) fn add(&mut self, value: &'a [u8]) {
        *self = if *self == Once::Missing { Once::Value(value) } else { Once::Repeated };
    }
}

/// Checks the lines a host wants in a head (`Name: value`, each ended by CRLF but perhaps the last) and appends them.
///
/// `reserved` says which names are not the host's to set. Without these checks a value with a line break in it would
/// let whoever supplied the value write headers, or a whole response, of his own.
pub(in crate::protocol) fn append(
    head: &mut Vec<u8>,
    lines: &str,
    reserved: fn(&str) -> bool,
) -> Result<(), InvalidHead> {
    let lines = lines.strip_suffix("\r\n").unwrap_or(lines);
    if lines.is_empty() {
        return Ok(());
    }
    for (index, line) in lines.split("\r\n").enumerate() {
        let fault = |fault| InvalidHead::Header { line: index + 1, fault };
        let (name, value) = line.split_once(':').ok_or(fault("there is no colon"))?;
        if let Some(found) = line_fault(name, value, reserved) {
            return Err(fault(found));
        }
        head.extend_from_slice(line.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    Ok(())
}

/// What is wrong with a header that a host wants in a head.
pub(in crate::protocol) fn line_fault(name: &str, value: &str, reserved: fn(&str) -> bool) -> Option<&'static str> {
    if !is_token(name.as_bytes()) {
        Some("the name is not a token")
    } else if !is_field_value(value) {
        Some("a control character in the value")
    } else if reserved(name) {
        Some("this header is set by the engine")
    } else {
        None
    }
}

/// Whether a header can have this value: there is no control character in it but the tab.
#[must_use]
pub fn is_field_value(text: &str) -> bool {
    text.bytes().all(is_field_byte)
}

/// Whether `name` starts with `Sec-WebSocket-`, in any case.
pub(in crate::protocol) fn is_websocket(name: &str) -> bool {
    const PREFIX: &[u8] = b"sec-websocket-";
    name.as_bytes().get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
}

/// Whether `name` says where the body ends or what becomes of the connection: never the host's to set.
pub(in crate::protocol) fn is_framing(name: &str) -> bool {
    ["content-length", "transfer-encoding", "connection"].iter().any(|framing| name.eq_ignore_ascii_case(framing))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_taken_apart() {
        let headers = Headers::new(b"A: 1\r\nb:\t2 : \t\r\nC:\r\nA:\xff\r\n\r\n");
        let found: Vec<_> = headers.clone().collect();
        assert_eq!(found, [("A", b"1".as_slice()), ("b", b"2 :"), ("C", b""), ("A", b"\xff")]);
        assert_eq!(headers.all("a").count(), 2);
        assert_eq!(Headers::new(b"\r\n").next(), None);
        assert_eq!(Headers::new(b"").next(), None);
    }

    #[test]
    fn lines_of_a_host_are_checked() {
        let rows: &[(&str, Option<usize>)] = &[
            ("", None),
            ("\r\n", None),
            ("A: 1", None),
            ("A: 1\r\n", None),
            ("A: 1\r\nB:2\r\n", None),
            ("A: caf\u{e9}\r\n", None),
            ("A:\r\n", None),
            ("A: 1\r\n\r\n", Some(2)),
            ("\r\nA: 1\r\n", Some(1)),
            ("A: 1\r\n\r\nbody", Some(2)),
            ("A: 1\nB: 2\r\n", Some(1)),
            ("A: 1\rB: 2\r\n", Some(1)),
            ("A: 1\r", Some(1)),
            ("A: 1\n", Some(1)),
            ("A: 1\0\r\n", Some(1)),
            ("A: 1\r\n folded\r\n", Some(2)),
            ("A: 1\r\n f: olded\r\n", Some(2)),
            ("A : 1\r\n", Some(1)),
            (": 1\r\n", Some(1)),
            ("no colon\r\n", Some(1)),
            ("A: 1\r\nConTent-Length: 5\r\n", Some(2)),
            ("Transfer-Encoding: chunked\r\n", Some(1)),
            ("connection: keep-alive\r\n", Some(1)),
        ];
        for (lines, bad_line) in rows {
            let mut head = Vec::new();
            let result = append(&mut head, lines, is_framing);
            match (result, bad_line) {
                (Ok(()), None) => assert_eq!(head.is_empty(), lines.trim().is_empty(), "{lines:?}"),
                (Err(InvalidHead::Header { line, .. }), Some(bad)) => assert_eq!(line, *bad, "{lines:?}"),
                (result, _) => panic!("{lines:?}: {result:?}"),
            }
        }
    }
}
