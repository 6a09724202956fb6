//! The body of a request: how long it is (RFC 9112 section 6), and reading it as its bytes arrive.

use super::chunked::ChunkedReader;
use super::headers::{Headers, Once};
use super::request::Version;
use super::response::{Refusal, bad};
use super::tokens::list;

/// The body a request announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// No body: what follows the head is the next thing on the connection.
    None,
    /// This many bytes; never 0. It is what the client claims: nothing may be allocated on the strength of it.
    Length(u64),
    /// Chunks (RFC 9112 section 7.1).
    Chunked,
}

impl Body {
    /// Reads Content-Length and Transfer-Encoding, and refuses whatever two recipients could understand differently:
    /// a request that a proxy and this server cut at different places is how requests are smuggled.
    pub(in crate::protocol) fn announced(version: Version, headers: Headers<'_>) -> Result<Body, Refusal> {
        let (mut length, mut coded) = (Once::Missing, false);
        for (name, value) in headers.clone() {
            if name.eq_ignore_ascii_case("content-length") {
                length.add(value);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                coded = true;
            }
        }
        match (coded, length) {
            // RFC 9112 section 6.3 lets equal ones pass if they are merged; there is no good reason to send two.
            (_, Once::Repeated) => bad("more than one Content-Length"),
            (true, Once::Value(_)) => bad("both Content-Length and Transfer-Encoding"),
            // RFC 9112 section 6.1: the framing of such a message is faulty.
            (true, Once::Missing) if version == Version::Http10 => bad("Transfer-Encoding in HTTP/1.0"),
            (true, Once::Missing) => chunked(headers),
            (false, Once::Missing) => Ok(Body::None),
            (false, Once::Value(value)) => match parse_length(value) {
                Some(0) => Ok(Body::None),
                Some(length) => Ok(Body::Length(length)),
                None => bad("an invalid Content-Length"),
            },
        }
    }
}

/// Gathers the body that a request announces, up to a limit.
#[derive(Debug)]
pub struct BodyReader {
    framing: Framing,
    limit: u64,
    body: Vec<u8>,
}

#[derive(Debug)]
enum Framing {
    /// So many bytes are still to come.
    Length(u64),
    Chunked(ChunkedReader),
}

impl BodyReader {
    /// The refusal of a body beyond the limit.
    const TOO_LARGE: Refusal = Refusal { status: 413, detail: "the body is larger than the limit (max_request_body)" };

    /// The refusal of a body for which there is no memory.
    const NO_MEMORY: Refusal = Refusal { status: 503, detail: "no memory for the body" };

    /// A reader of a body of at most `limit` bytes. Nothing is allocated for what has not arrived.
    ///
    /// # Errors
    /// 413 for a body that says beforehand that it is longer.
    pub fn new(body: Body, limit: u64) -> Result<Self, Refusal> {
        let framing = match body {
            Body::Length(length) if length > limit => return Err(Self::TOO_LARGE),
            Body::Length(length) => Framing::Length(length),
            Body::None => Framing::Length(0),
            Body::Chunked => Framing::Chunked(ChunkedReader::new()),
        };
        Ok(Self { framing, limit, body: Vec::new() })
    }

    /// Takes what belongs to the body off the start of `input`, and returns how many bytes that was.
    ///
    /// # Errors
    /// 400 for bad chunks, 413 for too many, 503 where there is no memory for it.
    pub fn read(&mut self, input: &[u8]) -> Result<usize, Refusal> {
        let (body, limit) = (&mut self.body, self.limit);
        match &mut self.framing {
            Framing::Length(left) => {
                let length = usize::try_from(*left).map_or(input.len(), |left| left.min(input.len()));
                let needed = body.len() + length;
                if needed > body.capacity() {
                    // It grows as any vector does, but never beyond what was announced.
                    let whole = body.len().saturating_add(usize::try_from(*left).unwrap_or(usize::MAX));
                    let more = (2 * body.capacity()).clamp(needed, whole) - body.len();
                    body.try_reserve_exact(more).map_err(|_| Self::NO_MEMORY)?;
                }
                body.extend_from_slice(&input[..length]);
                *left -= length as u64;
                Ok(length)
            }
            Framing::Chunked(reader) => reader.read(input, |data| {
                if (body.len() + data.len()) as u64 > limit {
                    return Err(Self::TOO_LARGE);
                }
                body.try_reserve(data.len()).map_err(|_| Self::NO_MEMORY)?;
                body.extend_from_slice(data);
                Ok(())
            }),
        }
    }

    /// Whether all of it has arrived.
    #[must_use]
    pub fn is_done(&self) -> bool {
        match &self.framing {
            Framing::Length(left) => *left == 0,
            Framing::Chunked(reader) => reader.is_done(),
        }
    }

    /// The memory that it takes, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.body.capacity()
    }

    /// The bytes that have arrived.
    #[must_use]
    pub fn into_body(self) -> Vec<u8> {
        self.body
    }
}

/// `1*DIGIT`, which Rust's own parser is laxer than: it takes a sign.
fn parse_length(value: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(value).ok()?;
    digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// `chunked` is the only transfer coding known, and has to be named once and alone: other recipients may read a second line or
/// an empty element of the list differently. A coding before it is one not understood (RFC 9112 section 6.1); behind it, the
/// body's end cannot be found (section 6.3).
fn chunked(headers: Headers<'_>) -> Result<Body, Refusal> {
    let is_chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
    let mut lines = headers.all("transfer-encoding");
    let (Some(codings), None) = (lines.next(), lines.next()) else { return bad("more than one Transfer-Encoding") };
    if is_chunked(codings) {
        return Ok(Body::Chunked);
    }
    let chunked: Vec<bool> = list(codings).map(is_chunked).collect();
    match chunked.split_last() {
        Some((true, before)) if !before.is_empty() && !before.contains(&true) => {
            Err(Refusal { status: 501, detail: "a transfer coding other than chunked" })
        }
        _ => bad("Transfer-Encoding must be chunked"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_is_what_the_headers_announce() {
        let rows: &[(&str, Result<Body, u16>)] = &[
            ("", Ok(Body::None)),
            ("Content-Length: 0\r\n", Ok(Body::None)),
            ("content-length:  12 \r\n", Ok(Body::Length(12))),
            ("Content-Length: 18446744073709551615\r\n", Ok(Body::Length(u64::MAX))),
            ("Content-Length: 18446744073709551616\r\n", Err(400)),
            ("Content-Length: +5\r\n", Err(400)),
            ("Content-Length: -5\r\n", Err(400)),
            ("Content-Length: 0x5\r\n", Err(400)),
            ("Content-Length: 5 5\r\n", Err(400)),
            ("Content-Length: 5, 5\r\n", Err(400)),
            ("Content-Length:\r\n", Err(400)),
            ("Content-Length: \u{0665}\r\n", Err(400)),
            ("Content-Length: 5\r\nContent-Length: 6\r\n", Err(400)),
            ("Content-Length: 5\r\ncontent-length: 5\r\n", Err(400)),
            ("Transfer-Encoding: chunked\r\n", Ok(Body::Chunked)),
            ("Transfer-Encoding:\tChunked \r\n", Ok(Body::Chunked)),
            ("Transfer-Encoding: , chunked\r\n", Err(400)),
            ("Transfer-Encoding: chunked,\r\n", Err(400)),
            ("Transfer-Encoding:\r\nTransfer-Encoding: chunked\r\n", Err(400)),
            ("Transfer-Encoding: gzip, chunked\r\n", Err(501)),
            ("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", Err(400)),
            ("Transfer-Encoding: chunked, gzip\r\n", Err(400)),
            ("Transfer-Encoding: chunked, chunked\r\n", Err(400)),
            ("Transfer-Encoding: identity\r\n", Err(400)),
            ("Transfer-Encoding: \x0bchunked\r\n", Err(400)),
            ("Transfer-Encoding:\r\n", Err(400)),
            ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", Err(400)),
            ("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", Err(400)),
        ];
        for (lines, expected) in rows {
            let found = Body::announced(Version::Http11, Headers::new(lines.as_bytes()));
            assert_eq!(found.map_err(|refusal| refusal.status), *expected, "{lines:?}");
        }
        let old = Body::announced(Version::Http10, Headers::new(b"Transfer-Encoding: chunked\r\n"));
        assert_eq!(old.map_err(|refusal| refusal.status), Err(400));
    }

    /// The body, and how many bytes stood behind it, however it is cut.
    fn gather(body: Body, limit: u64, input: &[u8]) -> Result<(Vec<u8>, usize), u16> {
        let mut found = Vec::new();
        for piece in 1..=input.len() {
            let mut reader = BodyReader::new(body, limit).map_err(|refusal| refusal.status)?;
            let mut used = 0;
            while !reader.is_done() {
                let end = input.len().min(used + piece);
                used += reader.read(&input[used..end]).map_err(|refusal| refusal.status)?;
            }
            found.push((reader.into_body(), input.len() - used));
        }
        assert!(found.windows(2).all(|two| two[0] == two[1]));
        Ok(found.swap_remove(0))
    }

    #[test]
    fn a_body_is_gathered_up_to_its_limit() {
        assert_eq!(gather(Body::Length(5), 5, b"helloGET"), Ok((b"hello".to_vec(), 3)));
        assert_eq!(gather(Body::Length(6), 5, b"hello!"), Err(413));
        assert_eq!(gather(Body::Length(u64::MAX), 5, b"hello"), Err(413));
        assert_eq!(gather(Body::Chunked, 5, b"3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\nGET"), Ok((b"hello".to_vec(), 3)));
        assert_eq!(gather(Body::Chunked, 5, b"3\r\nhel\r\n3\r\nlo!\r\n0\r\n\r\n"), Err(413));
        assert_eq!(gather(Body::Chunked, 5, b"ffffffff\r\nhello, world"), Err(413));
        assert_eq!(gather(Body::Chunked, 5, b"3\r\nhello"), Err(400));
        assert_eq!(gather(Body::None, 0, b"GET"), Ok((Vec::new(), 3)));
    }
}
