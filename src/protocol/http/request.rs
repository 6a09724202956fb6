//! Request heads: the bytes so far in, a whole head or a refusal out.

use super::body::Body;
use super::first_line::RequestLine;
use super::head::{HeadReader, Progress};
use super::headers::Headers;
use super::response::Refusal;

/// How large a head may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// The most bytes of a whole head, its final empty line included. Default: 8192.
    pub max_head: usize,
}

impl HeadLimits {
    /// The most header lines of a head.
    pub const MAX_HEADERS: usize = 100;
}

impl Default for HeadLimits {
    fn default() -> Self {
        HeadLimits { max_head: 8192 }
    }
}

/// What the bytes so far are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeadStatus<'a> {
    /// The beginning of what can still become a request: read on.
    Partial,
    /// A whole request head.
    Complete {
        /// The head, in slices of the input.
        request: RequestHead<'a>,
        /// How many bytes of the input it took; a body or frames follow.
        length: usize,
    },
    /// No request starts like this: send [`Refusal::response`] and close.
    Refused(Refusal),
}

/// The version of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1, or an HTTP/1.x above it, which is handled as 1.1 (RFC 9110 section 2.5).
    Http11,
}

/// Reads one request head as its bytes arrive.
///
/// A few words in size; one belongs to each connection whose head is not complete. It remembers how far it has looked,
/// so a head costs about the same no matter in how many pieces it comes.
#[derive(Clone, Copy, Debug)]
pub struct RequestReader {
    reader: HeadReader,
}

impl RequestReader {
    /// A reader that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        RequestReader { reader: HeadReader::request() }
    }

    /// Looks at `input`: everything received so far, that is, what earlier calls were given and more behind it.
    #[must_use]
    pub fn read<'a>(&mut self, input: &'a [u8], limits: &HeadLimits) -> HeadStatus<'a> {
        match self.reader.read(input, limits) {
            Progress::Partial => HeadStatus::Partial,
            Progress::Refused(refusal) => HeadStatus::Refused(refusal),
            Progress::Complete(length) => match input.get(..length).and_then(RequestHead::parse) {
                Some(request) => HeadStatus::Complete { request, length },
                None => HeadStatus::Refused(Refusal { status: 400, detail: "a malformed request" }),
            },
        }
    }
}

impl Default for RequestReader {
    fn default() -> Self {
        Self::new()
    }
}

/// Looks at everything received so far in one go. A caller that gets [`HeadStatus::Partial`] and will ask again does
/// better with a [`RequestReader`].
#[must_use]
pub fn read_request<'a>(input: &'a [u8], limits: &HeadLimits) -> HeadStatus<'a> {
    RequestReader::new().read(input, limits)
}

/// A well-formed request head, in slices of the bytes it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHead<'a> {
    line: RequestLine<'a>,
    headers: Headers<'a>,
}

impl<'a> RequestHead<'a> {
    /// Takes apart a head that has been found valid.
    fn parse(head: &'a [u8]) -> Option<Self> {
        let head = head.strip_prefix(b"\r\n").unwrap_or(head);
        let (line, headers) = head.split_at(head.iter().position(|byte| *byte == b'\n')? + 1);
        Some(RequestHead { line: RequestLine::parse(line).ok()??, headers: Headers::new(headers) })
    }

    /// The method, which is case-sensitive: `GET`.
    #[must_use]
    pub fn method(&self) -> &'a str {
        self.line.method
    }

    /// The target as it was sent: `/chat?room=1`, or an absolute URI.
    #[must_use]
    pub fn target(&self) -> &'a str {
        self.line.raw_target
    }

    /// The path, percent-encoded as it was sent. It starts with `/`; that of OPTIONS may be `*`, for the server as a whole.
    #[must_use]
    pub fn path(&self) -> &'a str {
        self.line.target.path
    }

    /// What follows the first `?` of the target, percent-encoded as it was sent; `None` if there is none.
    #[must_use]
    pub fn query(&self) -> Option<&'a str> {
        self.line.target.query
    }

    /// The host the request is for, with its port if it names one: that of an absolute target, which overrides Host
    /// (RFC 9112 section 3.2.2), or Host. [`judge`](crate::protocol::handshake::judge()) has found it valid.
    #[must_use]
    pub fn authority(&self) -> Option<&'a str> {
        self.line.target.authority.or_else(|| std::str::from_utf8(self.header("host")?).ok())
    }

    /// The version.
    #[must_use]
    pub fn version(&self) -> Version {
        self.line.version
    }

    /// The value of the first header called `name`, in any case, without white space around it.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.headers.clone().all(name).next()
    }

    /// All headers in the order they came.
    #[must_use]
    pub fn headers(&self) -> Headers<'a> {
        self.headers.clone()
    }

    /// The body the request announces.
    ///
    /// # Errors
    ///
    /// The refusal of a request whose body's end cannot be known for sure. [`judge`](crate::protocol::handshake::judge()) has refused those.
    pub fn body(&self) -> Result<Body, Refusal> {
        Body::announced(self.line.version, self.headers())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(input: &[u8]) -> HeadStatus<'_> {
        read_request(input, &HeadLimits::default())
    }

    #[test]
    fn a_request_is_taken_apart() {
        let input = b"\r\nGET /chat?room=1 HTTP/1.1\r\nHost: example.com\r\nX-A:  b\t\r\nx-a: c\r\n\r\n\x81\x05hello";
        let HeadStatus::Complete { request, length } = read(input) else {
            panic!("{:?}", read(input));
        };
        assert_eq!(&input[length..], b"\x81\x05hello");
        assert_eq!(request.method(), "GET");
        assert_eq!(request.target(), "/chat?room=1");
        assert_eq!((request.path(), request.query()), ("/chat", Some("room=1")));
        assert_eq!(request.authority(), Some("example.com"));
        assert_eq!(request.version(), Version::Http11);
        assert_eq!(request.header("x-A"), Some(b"b".as_slice()));
        assert_eq!(request.header("x-b"), None);
        assert_eq!(request.headers().count(), 3);
        assert_eq!(request.body(), Ok(Body::None));
    }

    #[test]
    fn an_absolute_target_overrides_host() {
        let HeadStatus::Complete { request, .. } = read(b"GET http://a:80?q HTTP/1.0\r\nHost: b\r\n\r\n") else {
            panic!();
        };
        assert_eq!(request.authority(), Some("a:80"));
        assert_eq!((request.path(), request.query()), ("/", Some("q")));
        assert_eq!(request.version(), Version::Http10);
    }

    /// What a row's input has to come to.
    #[derive(Debug, PartialEq)]
    enum Expect {
        Complete,
        Partial,
        Refused(u16),
    }
    use Expect::{Complete, Partial, Refused};

    #[test]
    fn heads_are_read_strictly() {
        let rows: &[(&[u8], Expect)] = &[
            (b"GET / HTTP/1.1\r\n\r\n", Complete),
            (b"GET / HTTP/1.0\r\n\r\n", Complete),
            (b"GET / HTTP/1.2\r\n\r\n", Complete),
            (b"M-SEARCH / HTTP/1.1\r\n\r\n", Complete),
            (b"GET / HTTP/1.1\r\nA: \xff\t\r\nB:\r\n\r\n", Complete),
            (b"GET /a|b?{^`\"} HTTP/1.1\r\n\r\n", Complete),
            (b"", Partial),
            (b"\r", Partial),
            (b"\r\n", Partial),
            (b"GET", Partial),
            (b"GET / HTTP/1.1\r\n\r", Partial),
            // Before the request.
            (b"\r\nGET / HTTP/1.1\r\n\r\n", Complete),
            (b"\r\n\r", Refused(400)),
            (b"\n", Refused(400)),
            (b"\rG", Refused(400)),
            (b" ", Refused(400)),
            (b"\x16", Refused(400)),
            (b"\0", Refused(400)),
            (b"\xff", Refused(400)),
            (b"\xef", Refused(400)),
            // The method.
            (b"G(", Refused(400)),
            (b"GET\t", Refused(400)),
            (b"GET\r", Refused(400)),
            (b"GET\0", Refused(400)),
            (b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", Partial),
            (b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", Refused(501)),
            // The target.
            (b"GET  ", Refused(400)),
            (b"GET \t", Refused(400)),
            (b"GET ?", Refused(400)),
            (b"GET /a#", Refused(400)),
            (b"GET /a\t", Refused(400)),
            (b"GET /a\0", Refused(400)),
            (b"GET /a\x7f", Refused(400)),
            (b"GET /caf\xc3", Refused(400)),
            (b"GET /a\r", Refused(400)),
            (b"GET /a\n", Refused(400)),
            (b"GET chat ", Refused(400)),
            (b"GET ftp://a/ ", Refused(400)),
            (b"CONNECT ", Refused(501)),
            (b"HELO mail.example.com\r", Refused(400)),
            (b"OPTIONS * HTTP/1.1\r\n\r\n", Complete),
            (b"OPTIONS * HTTP/1.0\r\n\r\n", Complete),
            (b"OPTIONS http://a HTTP/1.1\r\n\r\n", Complete),
            (b"OPTIONS ** ", Refused(400)),
            (b"OPTIONS *?a ", Refused(400)),
            (b"GET * HTTP/1.1\r", Refused(400)),
            (b"options * HTTP/1.1\r", Refused(400)),
            // The version.
            (b"GET /  ", Refused(400)),
            (b"GET / h", Refused(400)),
            (b"GET / HTTP/x", Refused(400)),
            (b"GET / HTTP/11", Refused(400)),
            (b"GET / HTTP/1,", Refused(400)),
            (b"GET / HTTP/1.x", Refused(400)),
            (b"GET / HTTP/1.10", Refused(400)),
            (b"GET / HTTP/1.1 ", Refused(400)),
            (b"GET / HTTP/1.1\n", Refused(400)),
            (b"GET / HTTP/1.1\rA", Refused(400)),
            (b"GET / HTTP/0", Refused(505)),
            (b"GET / HTTP/2", Refused(505)),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Refused(505)),
            // Header lines.
            (b"GET / HTTP/1.1\r\n ", Refused(400)),
            (b"GET / HTTP/1.1\r\nA: b\r\n ", Refused(400)),
            (b"GET / HTTP/1.1\r\nA: b\r\n\t", Refused(400)),
            (b"GET / HTTP/1.1\r\nA:\r\n ", Refused(400)),
            (b"GET / HTTP/1.1\r\nA ", Refused(400)),
            (b"GET / HTTP/1.1\r\nA\t", Refused(400)),
            (b"GET / HTTP/1.1\r\nA\r", Refused(400)),
            (b"GET / HTTP/1.1\r\nA\n", Refused(400)),
            (b"GET / HTTP/1.1\r\n:", Refused(400)),
            (b"GET / HTTP/1.1\r\n(", Refused(400)),
            (b"GET / HTTP/1.1\r\nA(", Refused(400)),
            (b"GET / HTTP/1.1\r\n\xe9", Refused(400)),
            (b"GET / HTTP/1.1\r\n\0", Refused(400)),
            (b"GET / HTTP/1.1\r\nA\0", Refused(400)),
            (b"GET / HTTP/1.1\r\nA: b\0", Refused(400)),
            (b"GET / HTTP/1.1\r\nA: b\x0b", Refused(400)),
            (b"GET / HTTP/1.1\r\nA: b\x7f", Refused(400)),
            (b"GET / HTTP/1.1\r\nA: b\n", Refused(400)),
            (b"GET / HTTP/1.1\r\nA: b\rB", Refused(400)),
            (b"GET / HTTP/1.1\r\nA: b\r\r", Refused(400)),
            (b"GET / HTTP/1.1\r\n\n", Refused(400)),
            (b"GET / HTTP/1.1\r\n\rA", Refused(400)),
        ];
        for (input, expected) in rows {
            let found = match read(input) {
                HeadStatus::Complete { length, .. } if length == input.len() => Complete,
                HeadStatus::Complete { length, .. } => panic!("{length} of {}", input.escape_ascii()),
                HeadStatus::Partial => Partial,
                HeadStatus::Refused(refusal) => Refused(refusal.status),
            };
            assert_eq!(found, *expected, "{}", input.escape_ascii());
            // A refusal must not come a byte late.
            if *expected != Complete && !input.is_empty() && *expected != Refused(505) {
                assert_eq!(read(&input[..input.len() - 1]), HeadStatus::Partial, "{}", input.escape_ascii());
            }
        }
    }

    #[test]
    fn limits_are_kept_to_the_byte() {
        let limits = HeadLimits { max_head: 40 };
        let fits = format!("GET /{} HTTP/1.1\r\nA: b\r\n\r\n", "a".repeat(16));
        assert_eq!(fits.len(), 40);
        let more = [fits.as_bytes(), b"frames"].concat();
        for input in [fits.as_bytes(), &more] {
            assert!(matches!(read_request(input, &limits), HeadStatus::Complete { length: 40, .. }));
        }
        let rows = [
            (format!("GET /{} HTTP/1.1\r\nA: b\r\n\r\n", "a".repeat(17)), 431),
            (format!("GET / HTTP/1.1\r\nA: {}", "b".repeat(21)), 431),
            (format!("GET /{}", "a".repeat(35)), 414),
            (format!("GET /{} HTTP/1.1", "a".repeat(26)), 414),
        ];
        for (input, status) in rows {
            assert!(
                matches!(read_request(input.as_bytes(), &limits), HeadStatus::Refused(r) if r.status == status),
                "{input}"
            );
            // One byte less can still become a head.
            let before = &input.as_bytes()[..39];
            assert_eq!(read_request(before, &limits), HeadStatus::Partial, "{input}");
        }
        for (count, fits) in [(100, true), (101, false)] {
            let input = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(count));
            let status = read(input.as_bytes());
            assert_eq!(matches!(status, HeadStatus::Complete { .. }), fits);
            assert_eq!(matches!(status, HeadStatus::Refused(r) if r.status == 431), !fits);
        }
    }

    #[test]
    fn a_reader_stands_by_what_it_said() {
        let limits = HeadLimits::default();
        let mut reader = RequestReader::new();
        assert_eq!(reader.read(b"GET / HTTP/1.1\r\nA", &limits), HeadStatus::Partial);
        let bad = reader.read(b"GET / HTTP/1.1\r\nA :", &limits);
        assert!(matches!(bad, HeadStatus::Refused(_)));
        assert_eq!(reader.read(b"GET / HTTP/1.1\r\nA : b\r\n\r\n", &limits), bad);
        // Against its contract: less than before. No panic, nothing made up.
        let mut reader = RequestReader::new();
        let head = b"GET / HTTP/1.1\r\n\r\n";
        assert!(matches!(reader.read(head, &limits), HeadStatus::Complete { length: 18, .. }));
        assert!(matches!(reader.read(head, &limits), HeadStatus::Complete { length: 18, .. }));
        assert!(matches!(reader.read(&head[..4], &limits), HeadStatus::Refused(_)));
    }
}
