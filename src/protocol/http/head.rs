//! Heads as their bytes arrive: where the lines end, and whether what has come can still become a head.
//!
//! The parser is `httparse`; it is given one line at a time, for two reasons. It keeps nothing between calls, so given
//! the whole head each time it would cost the square of what a peer sends byte by byte. And it is lenient where a
//! server must not be, because two parsers that disagree about where a line ends are how requests are smuggled: it
//! takes a bare line feed for the end of a line, and skips any number of empty lines. Here lines end in CRLF only.
//!
//! A line is given to httparse when it is whole, when it has a byte that no line can have, and each time more of its
//! beginning has come; so garbage is refused at its first wrong byte, and the same bytes are refused alike however
//! they were cut. Only behind the beginning of a long line must the wrong byte be a control character for that;
//! another one is found when the line ends.

use super::first_line::{RequestLine, StatusLine};
use super::request::HeadLimits;
use super::response::{Refusal, bad};
use super::tokens::{FIELD, TOKEN, is_token_byte, run};

/// The refusal of a head with more lines than any may have.
pub(in crate::protocol) const TOO_MANY_LINES: Refusal = Refusal { status: 431, detail: "more than 100 header lines" };

/// How much of a line is parsed again as it grows.
const BEGINNING: usize = 256;

/// What the head is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Request,
    Response,
}

/// What the bytes so far came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::protocol) enum Progress {
    /// A valid beginning.
    Partial,
    /// A whole head of this many bytes.
    Complete(usize),
    /// No valid head can start like this.
    Refused(Refusal),
}

/// Reads one head, line by line.
#[derive(Clone, Copy, Debug)]
pub(in crate::protocol) struct HeadReader {
    role: Role,
    /// How many lines are whole, but for an empty one before a request.
    lines: u8,
    /// Where the line being read starts.
    start: usize,
    /// Where the one before it starts.
    previous: usize,
    /// How many bytes have been looked at.
    seen: usize,
}

impl HeadReader {
    /// A reader of a request head.
    pub(in crate::protocol) fn request() -> Self {
        HeadReader { role: Role::Request, lines: 0, start: 0, previous: 0, seen: 0 }
    }

    /// A reader of a response head.
    pub(in crate::protocol) fn response() -> Self {
        HeadReader { role: Role::Response, ..Self::request() }
    }

    /// Looks at `input`: everything received so far, that is, what earlier calls were given and more behind it. Once
    /// it has refused or completed, it says the same again.
    pub(in crate::protocol) fn read(&mut self, input: &[u8], limits: &HeadLimits) -> Progress {
        let end = input.len().min(limits.max_head);
        loop {
            let Some(rest) = input.get(self.start..end) else {
                return Progress::Refused(Refusal { status: 400, detail: "a malformed head" });
            };
            match self.read_line(rest) {
                Ok(Some(line)) if self.lines > 0 && line == b"\r\n" => return Progress::Complete(self.start + 2),
                Ok(Some(line)) => {
                    // RFC 9112 section 2.2 asks to ignore at least one empty line before a request: one is enough.
                    self.lines += u8::from(line != b"\r\n");
                    self.previous = self.start;
                    self.start += line.len();
                }
                Ok(None) if input.len() >= limits.max_head => return Progress::Refused(self.too_large()),
                Ok(None) => {
                    self.seen = end;
                    return Progress::Partial;
                }
                Err(refusal) => return Progress::Refused(refusal),
            }
        }
    }

    /// Unfolds the line that it has refused, if that is a folded one of a response: in place of the line break before it there are
    /// spaces then, as RFC 9112 section 5.2 asks of a client, and reading goes on with the whole. A line that is folded counts as
    /// several, so that what is read anew is bounded. Whether it did. A server refuses such lines.
    pub(in crate::protocol) fn unfold(&mut self, input: &mut [u8]) -> bool {
        // The status line is none that can be folded.
        let can_be =
            self.role == Role::Response && self.lines > 1 && usize::from(self.lines) <= HeadLimits::MAX_HEADERS;
        let is_folded = matches!(input.get(self.start), Some(b' ' | b'\t'));
        match input.get_mut(self.start.saturating_sub(2)..self.start) {
            Some(line_break @ [b'\r', b'\n']) if can_be && is_folded => line_break.fill(b' '),
            _ => return false,
        }
        self.seen = self.start;
        self.start = self.previous;
        true
    }

    /// The first line of `rest`, CRLF included, if it is whole.
    fn read_line<'a>(&self, rest: &'a [u8]) -> Result<Option<&'a [u8]>, Refusal> {
        // How far this line has been looked at; a carriage return at the end is looked at again with what follows it.
        let seen = self.seen.saturating_sub(self.start + 1).min(rest.len());
        let (text, end) = rest.split_at(seen + run(&rest[seen..], FIELD));
        let length = match end {
            [] if seen >= BEGINNING => return Ok(None),
            [] => text.len().min(BEGINNING),
            [b'\n', ..] | [_] => text.len() + 1,
            _ => text.len() + 2,
        };
        let line = &rest[..length];
        self.check(line)?;
        match end {
            [b'\r', b'\n', ..] => Ok(Some(line)),
            [] | [b'\r'] => Ok(None),
            // Of the bytes no line can have, the one that httparse lets pass.
            _ => Err(fault(end, FIELD, "a control character in a line")),
        }
    }

    /// Refuses a line, or a beginning of one, that cannot stand where it stands.
    fn check(&self, line: &[u8]) -> Result<(), Refusal> {
        match (self.lines, self.role) {
            (0, Role::Request) if line.first() == Some(&b'\r') => match line.get(1) {
                _ if self.start > 0 => bad("more than one empty line before the request"),
                None | Some(b'\n') => Ok(()),
                Some(_) => Err(fault(line, FIELD, "")),
            },
            (0, Role::Request) => RequestLine::parse(line).map(drop),
            (0, Role::Response) => StatusLine::parse(line).map(drop),
            (lines, _) => check_header(line, usize::from(lines) > HeadLimits::MAX_HEADERS),
        }
    }

    fn too_large(&self) -> Refusal {
        match (self.lines, self.role) {
            (0, Role::Request) => Refusal { status: 414, detail: "the request line is too long" },
            _ => Refusal { status: 431, detail: "the head is larger than the limit" },
        }
    }
}

/// Refuses what cannot be a header line, the empty line that ends a head, or the beginning of one.
fn check_header(line: &[u8], full: bool) -> Result<(), Refusal> {
    if full && line.first().copied().is_some_and(is_token_byte) {
        return Err(TOO_MANY_LINES);
    }
    if httparse::parse_headers(line, &mut [httparse::EMPTY_HEADER]).is_ok() {
        return Ok(());
    }
    let name = run(line, TOKEN);
    Err(match line.split_at(name) {
        ([], [b'\r', ..]) => fault(line, FIELD, ""),
        ([], [b' ' | b'\t', ..]) => fault(line, TOKEN, "a folded header line"),
        ([], [b':', ..]) => fault(line, TOKEN, "a header line without a name"),
        (_, [b':', value @ ..]) => fault(value, FIELD, "a control character in a header value"),
        (_, [b' ' | b'\t', ..]) => fault(line, TOKEN, "white space in or after a header name"),
        (_, [b'\r', ..]) => fault(line, TOKEN, "a header line without a colon"),
        _ => fault(line, TOKEN, "an invalid character in a header name"),
    })
}

/// The refusal of a line for its first byte that is not of `class`. `detail` says what is wrong, unless that byte is
/// wrong everywhere.
pub(in crate::protocol) fn fault(line: &[u8], class: u8, detail: &'static str) -> Refusal {
    let detail = match line.get(run(line, class)) {
        Some(b'\n') => "a line feed without a carriage return",
        Some(0) => "a NUL byte",
        // Where any text may stand, so may the end of the line.
        Some(b'\r') if class == FIELD => "a carriage return without a line feed",
        _ => detail,
    };
    Refusal { status: 400, detail }
}
