//! The machine that walks over a head byte by byte: finds its end, and its first fault.
//!
//! It knows the line structure of RFC 9112 and nothing of what the headers mean. Its state is a handful of numbers, so
//! it stops at the end of what has arrived and resumes there when more has: every byte is looked at once, however
//! finely a peer cuts its head, and a fault is reported at the first byte from which no valid head can come any more.
//!
//! It is strict where parsers are usually lenient, because two parsers that disagree about where a line ends are how
//! requests are smuggled: lines end in CRLF only, no folded lines, no white space around a name, exactly one space
//! between the parts of the request line. Tests compare it with `httparse`: what it accepts, httparse accepts and
//! slices alike.

use super::request::HeadLimits;
use super::response::Refusal;
use super::target::Target;
use super::tokens::{self, is_field_byte, is_target_byte, is_token_byte};

/// The most header lines of a head.
pub(super) const MAX_HEADERS: usize = 100;

/// The longest method. The longest one registered with IANA has 17 bytes.
const MAX_METHOD: usize = 32;

/// Where the scanner stands: what the next byte has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The first byte of a request, or of one CRLF before it.
    Start,
    /// The line feed of the CRLF before a request.
    LeadingLf,
    /// The first byte of the method, after a leading CRLF.
    MethodStart,
    Method,
    TargetStart,
    Target,
    /// This many bytes of `HTTP/1.1` have been seen at the end of a request line.
    RequestVersion(u8),
    /// This many bytes of `HTTP/1.1` have been seen at the start of a status line.
    StatusVersion(u8),
    /// This many digits of the status code have been seen.
    StatusCode(u8),
    Reason,
    /// The line feed that ends the first line or a header line.
    LineLf,
    /// The first byte of a header line, or of the empty line that ends the head.
    HeaderStart,
    HeaderName,
    HeaderValue,
    /// The line feed that ends the head.
    EndLf,
    Done,
}

/// What a scan of the bytes so far came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scan {
    /// A valid beginning.
    Partial,
    /// A whole head of this many bytes.
    Complete(usize),
    /// No valid head can start like this.
    Refused(Refusal),
}

/// The resumable scanner of one head.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeadScanner {
    state: State,
    /// How many bytes have been looked at.
    scanned: usize,
    /// Where the part of the request line being read (method, then target) starts.
    part: usize,
    /// The target was `*`, which is only known to be wrong once the version has been seen.
    asterisk: bool,
    headers: usize,
}

impl HeadScanner {
    /// A scanner of a request head.
    pub(super) fn request() -> Self {
        Self::starting_at(State::Start)
    }

    /// A scanner of a response head.
    pub(super) fn response() -> Self {
        Self::starting_at(State::StatusVersion(0))
    }

    fn starting_at(state: State) -> Self {
        HeadScanner { state, scanned: 0, part: 0, asterisk: false, headers: 0 }
    }

    /// Looks at the bytes of `input` that it has not seen yet. `input` is everything received so far: what earlier
    /// calls were given, and more. Once it has refused or completed, it says the same again.
    pub(super) fn scan(&mut self, input: &[u8], limits: &HeadLimits) -> Scan {
        let end = input.len().min(limits.max_head);
        while self.state != State::Done {
            self.scanned += self.run(input.get(self.scanned..end).unwrap_or_default());
            if self.scanned >= limits.max_head {
                return Scan::Refused(self.too_large());
            }
            let Some(byte) = input.get(self.scanned) else {
                return Scan::Partial;
            };
            match self.state.step(*byte).and_then(|next| self.enter(next, input)) {
                Ok(()) => self.scanned += 1,
                Err(refusal) => return Scan::Refused(refusal),
            }
        }
        Scan::Complete(self.scanned)
    }

    /// How many bytes at the start of `input` leave the state as it is: the fast way over the long parts of a head.
    fn run(&self, input: &[u8]) -> usize {
        let class = match self.state {
            State::Target => tokens::TARGET,
            State::HeaderName => tokens::TOKEN,
            State::HeaderValue | State::Reason => tokens::FIELD,
            _ => return 0,
        };
        tokens::run(input, class)
    }

    /// Takes the step to `next` at the byte just looked at, with the checks that need more than that byte.
    fn enter(&mut self, next: State, input: &[u8]) -> Result<(), Refusal> {
        let at = self.scanned;
        match (self.state, next) {
            (State::Start | State::MethodStart, State::Method) => self.part = at,
            // RFC 9112 section 3: 501 for a method longer than any the server knows.
            (State::Method, State::Method) if at - self.part >= MAX_METHOD => {
                return Err(Refusal { status: 501, detail: "the method is longer than any method known" });
            }
            (State::TargetStart, State::Target) => self.part = at,
            (State::Target, State::RequestVersion(_)) => {
                let target = input.get(self.part..at).unwrap_or_default();
                self.asterisk = target == b"*";
                if !self.asterisk && Target::parse(target).is_none() {
                    return Err(BAD_TARGET);
                }
            }
            // OPTIONS * is good HTTP, but asks about the server as a whole, of which there is nothing to say here.
            // It waits for the version so that an HTTP/2 preface, PRI * HTTP/2.0, is told about the version instead.
            (State::RequestVersion(_), State::LineLf) if self.asterisk => return Err(BAD_TARGET),
            (State::HeaderStart, State::HeaderName) => {
                self.headers += 1;
                if self.headers > MAX_HEADERS {
                    return Err(Refusal { status: 431, detail: "more than 100 header lines" });
                }
            }
            _ => {}
        }
        self.state = next;
        Ok(())
    }

    fn too_large(&self) -> Refusal {
        match self.state {
            State::Start
            | State::LeadingLf
            | State::MethodStart
            | State::Method
            | State::TargetStart
            | State::Target
            | State::RequestVersion(_) => Refusal { status: 414, detail: "the request line is too long" },
            _ => Refusal { status: 431, detail: "the head is larger than the limit" },
        }
    }
}

const BAD_TARGET: Refusal =
    Refusal { status: 400, detail: "the request target must be a path starting with / or an absolute http URI" };

impl State {
    /// The state after `byte`. This table is the grammar of a head.
    fn step(self, byte: u8) -> Result<State, Refusal> {
        Ok(match (self, byte) {
            // RFC 9112 section 2.2 would have at least one empty line before a request ignored; one is enough.
            (State::Start, b'\r') => State::LeadingLf,
            (State::LeadingLf, b'\n') => State::MethodStart,
            (State::Start | State::MethodStart | State::Method, _) if is_token_byte(byte) => State::Method,
            (State::Method, b' ') => State::TargetStart,
            (State::TargetStart, b'/' | b'*' | b'a'..=b'z' | b'A'..=b'Z') => State::Target,
            (State::Target, b' ') => State::RequestVersion(0),
            (State::Target, _) if is_target_byte(byte) => State::Target,
            (State::RequestVersion(8), b'\r') => State::LineLf,
            (State::RequestVersion(seen @ 0..=7), _) => State::RequestVersion(version_step(seen, byte)?),

            (State::StatusVersion(8), b' ') => State::StatusCode(0),
            (State::StatusVersion(seen @ 0..=7), _) => State::StatusVersion(version_step(seen, byte)?),
            (State::StatusCode(0), b'1'..=b'9') => State::StatusCode(1),
            (State::StatusCode(seen @ 1..=2), b'0'..=b'9') => State::StatusCode(seen + 1),
            (State::StatusCode(3), b' ') => State::Reason,
            // The space is due even before an empty reason phrase (RFC 9112 section 4), but servers forget it, and
            // nothing else can be meant.
            (State::StatusCode(3), b'\r') => State::LineLf,
            (State::Reason, b'\r') => State::LineLf,
            (State::Reason, _) if is_field_byte(byte) => State::Reason,

            (State::LineLf, b'\n') => State::HeaderStart,
            (State::HeaderStart, b'\r') => State::EndLf,
            (State::HeaderStart | State::HeaderName, _) if is_token_byte(byte) => State::HeaderName,
            (State::HeaderName, b':') => State::HeaderValue,
            (State::HeaderValue, b'\r') => State::LineLf,
            (State::HeaderValue, _) if is_field_byte(byte) => State::HeaderValue,
            (State::EndLf, b'\n') => State::Done,

            (state, _) => return Err(Refusal { status: 400, detail: state.fault(byte) }),
        })
    }

    /// What is wrong with `byte` in this state.
    fn fault(self, byte: u8) -> &'static str {
        match (self, byte) {
            (State::Start, 0x16) => "this is a TLS handshake, but the port speaks plain HTTP",
            (State::LeadingLf | State::LineLf | State::EndLf, _) => "a carriage return without a line feed",
            (_, b'\n') => "a line feed without a carriage return",
            (_, 0) => "a NUL byte",
            (State::MethodStart, b'\r') => "more than one empty line before the request",
            (State::Start | State::MethodStart | State::Method, _) => "the request must start with a method",
            (State::TargetStart, _) => BAD_TARGET.detail,
            (State::Target, b'\r') => "the request line must end with the HTTP version",
            (State::Target, b'#') => "the request target must not have a fragment",
            (State::Target, _) => "a control or non-ASCII character in the request target",
            (State::RequestVersion(_), _) => "more than the HTTP version at the end of the request line",
            (State::StatusVersion(_) | State::StatusCode(_), _) => "a malformed status line",
            (State::Reason, _) => "a control character in the reason phrase",
            (State::HeaderStart, b' ' | b'\t') => "a folded header line",
            (State::HeaderName, b' ' | b'\t') => "white space in or after a header name",
            (State::HeaderName, b'\r') => "a header line without a colon",
            (State::HeaderStart, b':') => "a header line without a name",
            (State::HeaderStart | State::HeaderName, _) => "an invalid character in a header name",
            (State::HeaderValue | State::Done, _) => "a control character in a header value",
        }
    }
}

/// One more byte of `HTTP/1.x`, of which `seen` have been seen; how many have been seen then.
///
/// A minor version above 1 is taken for 1.1, as RFC 9110 section 2.5 asks. Another major version is refused with 505:
/// the client (most often an HTTP/2 one with prior knowledge) learns that it is the version, not its request.
fn version_step(seen: u8, byte: u8) -> Result<u8, Refusal> {
    const NAME: &[u8] = b"HTTP/";
    let fits = match seen {
        5 if byte.is_ascii_digit() && byte != b'1' => {
            return Err(Refusal { status: 505, detail: "the HTTP version is not 1.1" });
        }
        5 => byte == b'1',
        6 => byte == b'.',
        7 => byte.is_ascii_digit(),
        _ => NAME.get(usize::from(seen)) == Some(&byte),
    };
    if !fits {
        return Err(Refusal { status: 400, detail: "a malformed HTTP version" });
    }
    Ok(seen + 1)
}
