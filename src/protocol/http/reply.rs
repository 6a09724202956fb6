//! The heads of responses as a client reads them: the final one, behind any number of interim ones.

use super::first_line::StatusLine;
use super::head::{HeadReader, Progress, TOO_MANY_LINES};
use super::headers::Headers;
use super::request::HeadLimits;

/// Reads the head of a response as its bytes arrive.
///
/// Interim responses (100 to 199 but for 101) are skipped, as RFC 9110 section 15.2 asks of every client; they count
/// towards the size of the head.
#[derive(Clone, Debug)]
pub(in crate::protocol) struct ReplyReader {
    /// Where the head being read starts: after the interim responses, if any.
    start: usize,
    reader: HeadReader,
}

/// The head of a response, which has been found valid.
#[derive(Clone, Debug)]
pub(in crate::protocol) struct Reply<'a> {
    pub(in crate::protocol) line: StatusLine,
    /// The reason phrase, which may be empty.
    pub(in crate::protocol) reason: &'a [u8],
    pub(in crate::protocol) headers: Headers<'a>,
}

/// What the bytes so far came to.
#[derive(Clone, Debug)]
pub(in crate::protocol) enum ReplyStatus<'a> {
    /// A valid beginning.
    Partial,
    /// A whole head, and how many bytes it took, with the interim ones before it.
    Complete(Reply<'a>, usize),
    /// More than the limit, and not whole.
    TooLarge,
    /// More header lines than any response may have.
    TooManyLines,
    /// No valid head can start like this.
    Malformed(&'static str),
}

impl ReplyReader {
    pub(in crate::protocol) fn new() -> Self {
        Self { start: 0, reader: HeadReader::response() }
    }

    /// Unfolds the line for which `input` was refused, if that is what is wrong with it: then it can be read again.
    pub(in crate::protocol) fn unfold(&mut self, input: &mut [u8]) -> bool {
        input.get_mut(self.start..).is_some_and(|rest| self.reader.unfold(rest))
    }

    /// Looks at `input`: everything received so far, that is, what earlier calls were given and more behind it.
    pub(in crate::protocol) fn read<'a>(&mut self, input: &'a [u8], limits: &HeadLimits) -> ReplyStatus<'a> {
        loop {
            let left = HeadLimits { max_head: limits.max_head.saturating_sub(self.start) };
            let rest = input.get(self.start..).unwrap_or_default();
            let length = match self.reader.read(rest, &left) {
                Progress::Partial => return ReplyStatus::Partial,
                Progress::Refused(TOO_MANY_LINES) => return ReplyStatus::TooManyLines,
                Progress::Refused(refusal) if refusal.status == 431 => return ReplyStatus::TooLarge,
                Progress::Refused(refusal) => return ReplyStatus::Malformed(refusal.detail),
                Progress::Complete(length) => length,
            };
            let Some(reply) = rest.get(..length).and_then(Reply::parse) else {
                return ReplyStatus::Malformed("not a response");
            };
            if !matches!(reply.line.code, 100 | 102..=199) {
                return ReplyStatus::Complete(reply, self.start + length);
            }
            self.start += length;
            self.reader = HeadReader::response();
        }
    }
}

impl<'a> Reply<'a> {
    fn parse(head: &'a [u8]) -> Option<Self> {
        let (line, headers) = head.split_at(head.iter().position(|byte| *byte == b'\n')? + 1);
        let reason = line.get("HTTP/1.1 200 ".len()..).unwrap_or_default().trim_ascii();
        Some(Self { line: StatusLine::parse(line).ok()??, reason, headers: Headers::new(headers) })
    }
}
