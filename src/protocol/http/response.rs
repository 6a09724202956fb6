//! Response heads: refusals, and the answers a host gives to ordinary requests.

use std::fmt;

use super::headers;
use super::invalid::InvalidHead;
use super::request::Version;

/// Why a request is refused: a status and a sentence for whoever wrote the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// What is wrong, in one line of ASCII.
    pub detail: &'static str,
}

impl Refusal {
    /// The whole response; to a HEAD request without the body. `date` is as RFC 9110 section 5.6.7 has it.
    #[must_use]
    pub fn response(&self, date: &str, persistence: Persistence, head_only: bool) -> Vec<u8> {
        let mut out = status_line(self.status);
        let more = match self.status {
            // No request is refused for its method but where these two are served.
            405 => "Allow: GET, HEAD\r\n",
            // RFC 6455 section 4.4 asks for the version, RFC 9110 section 15.5.22 for Upgrade.
            426 => "Sec-WebSocket-Version: 13\r\nUpgrade: websocket\r\n",
            _ => "",
        };
        let connection = match (self.status, persistence) {
            // RFC 9110 section 7.8: Upgrade has to be mentioned.
            (426, Persistence::Close) => "Connection: close, Upgrade\r\n",
            (426, Persistence::KeepAlive) => "Connection: Upgrade\r\n",
            (_, Persistence::Close) => "Connection: close\r\n",
            (_, Persistence::KeepAlive) => "",
        };
        let length = self.detail.len() + 1;
        let lines =
            format!("Date: {date}\r\n{more}{connection}Content-Type: text/plain\r\nContent-Length: {length}\r\n\r\n");
        out.extend_from_slice(lines.as_bytes());
        if !head_only {
            out.extend_from_slice(self.detail.as_bytes());
            out.push(b'\n');
        }
        out
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.status, reason_phrase(self.status), self.detail)
    }
}

/// The refusal of a malformed request.
pub(in crate::protocol) fn bad<T>(detail: &'static str) -> Result<T, Refusal> {
    Err(Refusal { status: 400, detail })
}

/// The head of a response to an ordinary request, as far as the host has a say in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseHead {
    /// The status line and the header lines so far.
    lines: Vec<u8>,
    dated: bool,
    length: Length,
}

/// What a head says about the length of its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    /// Nothing: there is no body.
    None,
    /// The body follows, so many bytes.
    Body(u64),
    /// The host has no body, and says how long that for a GET would be. Only a HEAD is answered so.
    OfGet(u64),
    /// The body follows, and ends by its form.
    Streamed,
}

/// What becomes of a connection after a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    /// It takes another request.
    KeepAlive,
    /// It ends.
    Close,
}

impl ResponseHead {
    /// A head for a body of `body_length` bytes, or, with `None`, for one that is streamed.
    ///
    /// `headers` are lines `Name: value`, each ended by CRLF but perhaps the last; empty for none. With an empty body, a
    /// Content-Length among them is that of the answer to a GET, for a HEAD to be answered with (RFC 9110 section 8.6).
    ///
    /// # Errors
    ///
    /// A status outside 200 to 599, a body for 204, 205 or 304 (RFC 9110 section 6.4.1), a malformed header line, or one
    /// that sets Transfer-Encoding, Connection or otherwise Content-Length.
    pub fn new(status: u16, headers: &str, body_length: Option<u64>) -> Result<Self, InvalidHead> {
        if !(200..=599).contains(&status) {
            return Err(InvalidHead::Status(status));
        }
        if matches!(status, 204 | 205 | 304) && body_length != Some(0) {
            return Err(InvalidHead::Body(status));
        }
        let mut lines = status_line(status);
        let length = match body_length {
            None => Length::Streamed,
            // RFC 9110 section 8.6: none in a 204; in a 304 it would be that of a body not sent.
            Some(_) if matches!(status, 204 | 304) => Length::None,
            Some(length) => Length::Body(length),
        };
        let is_reserved = match length {
            Length::Body(0) => |name: &str| headers::is_framing(name) && !is_length(name),
            _ => headers::is_framing,
        };
        let start = lines.len();
        headers::append(&mut lines, headers, is_reserved)?;
        let told = take_length(&mut lines, start)?;
        let dated =
            headers.split("\r\n").any(|line| line.get(..5).is_some_and(|name| name.eq_ignore_ascii_case("date:")));
        Ok(Self { lines, dated, length: told.map_or(length, Length::OfGet) })
    }

    /// The whole head, for this connection and at this time: `date` is as RFC 9110 section 5.6.7 has it. `head_only` says that
    /// it answers a HEAD. An empty body is no length there: the host may have left the body out itself.
    ///
    /// To a client of HTTP/1.1 a streamed body goes in chunks, to one of HTTP/1.0 up to the end of the connection (RFC
    /// 9112 section 6.3).
    #[must_use]
    pub fn encode(mut self, date: &str, version: Version, persistence: Persistence, head_only: bool) -> Vec<u8> {
        let out = &mut self.lines;
        let length = match self.length {
            Length::Body(0) if head_only => None,
            Length::Body(length) => Some(length),
            Length::OfGet(length) => Some(if head_only { length } else { 0 }),
            Length::None | Length::Streamed => None,
        };
        if let Some(length) = length {
            out.extend_from_slice(format!("Content-Length: {length}\r\n").as_bytes());
        }
        if !self.dated {
            out.extend_from_slice(format!("Date: {date}\r\n").as_bytes());
        }
        if self.length == Length::Streamed && version >= Version::Http11 {
            out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
        }
        if persistence == Persistence::Close {
            out.extend_from_slice(b"Connection: close\r\n");
        }
        out.extend_from_slice(b"\r\n");
        self.lines
    }
}

fn is_length(name: &str) -> bool {
    name.eq_ignore_ascii_case("content-length")
}

/// Takes a Content-Length out of the header lines from `start` on, if there is one.
fn take_length(lines: &mut Vec<u8>, start: usize) -> Result<Option<u64>, InvalidHead> {
    let (mut rest, mut found) = (Vec::new(), None);
    for line in lines[start..].split_inclusive(|byte| *byte == b'\n') {
        let (name, value) = line.split_at(line.iter().position(|byte| *byte == b':').unwrap_or(line.len()));
        if !std::str::from_utf8(name).is_ok_and(is_length) {
            rest.extend_from_slice(line);
            continue;
        }
        let digits = value[1..].trim_ascii();
        let is_number = found.is_none() && digits.iter().all(u8::is_ascii_digit);
        let text = std::str::from_utf8(digits).ok().filter(|_| is_number);
        found = Some(text.and_then(|text| text.parse().ok()).ok_or(InvalidHead::Length)?);
    }
    if found.is_some() {
        lines.truncate(start);
        lines.extend_from_slice(&rest);
    }
    Ok(found)
}

/// The status line. The space before the reason phrase is there even if the phrase is not (RFC 9112 section 4).
pub(in crate::protocol) fn status_line(status: u16) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(format!("HTTP/1.1 {status} {}\r\n", reason_phrase(status)).as_bytes());
    out
}

/// The reason phrase registered for a status; empty if there is none.
#[must_use]
pub fn reason_phrase(status: u16) -> &'static str {
    match status {
        101 => "Switching Protocols",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        203 => "Non-Authoritative Information",
        204 => "No Content",
        205 => "Reset Content",
        206 => "Partial Content",
        207 => "Multi-Status",
        208 => "Already Reported",
        226 => "IM Used",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        305 => "Use Proxy",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        423 => "Locked",
        424 => "Failed Dependency",
        425 => "Too Early",
        426 => "Upgrade Required",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        451 => "Unavailable For Legal Reasons",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        506 => "Variant Also Negotiates",
        507 => "Insufficient Storage",
        508 => "Loop Detected",
        511 => "Network Authentication Required",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).expect("responses are ASCII")
    }

    #[test]
    fn refusals_are_whole_responses() {
        let plain = Refusal { status: 400, detail: "no Host header" };
        assert_eq!(
            text(plain.response("now", Persistence::Close, false)),
            "HTTP/1.1 400 Bad Request\r\nDate: now\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: 15\r\n\r\n\
             no Host header\n"
        );
        assert_eq!(plain.to_string(), "400 Bad Request: no Host header");
        let upgrade = text(Refusal { status: 426, detail: "x" }.response("now", Persistence::Close, false));
        assert!(upgrade.starts_with("HTTP/1.1 426 Upgrade Required\r\n"));
        assert!(
            upgrade.contains("\r\nSec-WebSocket-Version: 13\r\nUpgrade: websocket\r\nConnection: close, Upgrade\r\n")
        );
        assert!(
            text(Refusal { status: 405, detail: "x" }.response("now", Persistence::Close, false))
                .contains("\r\nAllow: GET, HEAD\r\n")
        );
    }

    #[test]
    fn responses_of_a_host() {
        type Row = (u16, &'static str, Option<u64>, Result<&'static str, InvalidHead>);
        let rows: &[Row] = &[
            (200, "", Some(0), Ok("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nDate: now\r\n")),
            (
                404,
                "Content-Type: text/html\r\nX-A: b",
                Some(12),
                Ok(
                    "HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nX-A: b\r\nContent-Length: 12\r\nDate: now\r\n",
                ),
            ),
            (200, "date: then", Some(1), Ok("HTTP/1.1 200 OK\r\ndate: then\r\nContent-Length: 1\r\n")),
            (299, "", Some(1), Ok("HTTP/1.1 299 \r\nContent-Length: 1\r\nDate: now\r\n")),
            (204, "", Some(0), Ok("HTTP/1.1 204 No Content\r\nDate: now\r\n")),
            (304, "ETag: \"a\"\r\n", Some(0), Ok("HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nDate: now\r\n")),
            (205, "", Some(0), Ok("HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\nDate: now\r\n")),
            (204, "", Some(1), Err(InvalidHead::Body(204))),
            (205, "", Some(1), Err(InvalidHead::Body(205))),
            (304, "", Some(1), Err(InvalidHead::Body(304))),
            (204, "", None, Err(InvalidHead::Body(204))),
            (101, "", Some(0), Err(InvalidHead::Status(101))),
            (199, "", Some(0), Err(InvalidHead::Status(199))),
            (600, "", Some(0), Err(InvalidHead::Status(600))),
            (0, "", Some(0), Err(InvalidHead::Status(0))),
            (
                200,
                "X-A: b\r\ncontent-LENGTH: 3\r\n",
                Some(3),
                Err(InvalidHead::Header { line: 2, fault: "this header is set by the engine" }),
            ),
            (
                302,
                "Location: /a\r\n\r\n<script>",
                Some(3),
                Err(InvalidHead::Header { line: 2, fault: "there is no colon" }),
            ),
        ];
        for (status, headers, length, expected) in rows {
            let head = ResponseHead::new(*status, headers, *length);
            for (persistence, line) in [(Persistence::KeepAlive, ""), (Persistence::Close, "Connection: close\r\n")] {
                let found = head.clone().map(|head| text(head.encode("now", Version::Http11, persistence, false)));
                let expected = expected.clone().map(|lines| format!("{lines}{line}\r\n"));
                assert_eq!(found, expected, "{status} {headers:?}");
            }
        }
    }

    #[test]
    fn a_head_is_answered_with_the_length_of_what_a_get_would_get() {
        let rows: &[(u16, &str, Option<u64>, &str, &str)] = &[
            (200, "", Some(5), "Content-Length: 5\r\n", "Content-Length: 5\r\n"),
            (200, "", Some(0), "", "Content-Length: 0\r\n"),
            (200, "Content-Length: 1234", Some(0), "Content-Length: 1234\r\n", "Content-Length: 0\r\n"),
            (
                200,
                "A: b\r\ncontent-length:\t7 \r\nC: d\r\n",
                Some(0),
                "A: b\r\nC: d\r\nContent-Length: 7\r\n",
                "A: b\r\nC: d\r\nContent-Length: 0\r\n",
            ),
            (200, "", None, "", ""),
        ];
        for (status, headers, length, of_head, of_get) in rows {
            let head = ResponseHead::new(*status, headers, *length).unwrap();
            for (head_only, expected) in [(true, of_head), (false, of_get)] {
                let found = text(head.clone().encode("now", Version::Http10, Persistence::KeepAlive, head_only));
                assert_eq!(found, format!("HTTP/1.1 200 OK\r\n{expected}Date: now\r\n\r\n"), "{headers:?}");
            }
        }
        for headers in ["", "-1", "+1", "1 2", "0x1", "18446744073709551616", "1\r\nContent-Length: 1"] {
            let found = ResponseHead::new(200, &format!("Content-Length: {headers}"), Some(0));
            assert_eq!(found, Err(InvalidHead::Length), "{headers}");
        }
        for (status, length) in [(204, Some(0)), (304, Some(0)), (200, Some(3)), (200, None)] {
            let found = ResponseHead::new(status, "Content-Length: 3", length);
            assert!(matches!(found, Err(InvalidHead::Header { line: 1, .. })), "{status}: {found:?}");
        }
    }

    #[test]
    fn the_end_of_a_streamed_body_can_be_found() {
        let head = || ResponseHead::new(200, "", None).unwrap();
        let kept = text(head().encode("now", Version::Http11, Persistence::KeepAlive, false));
        assert_eq!(kept, "HTTP/1.1 200 OK\r\nDate: now\r\nTransfer-Encoding: chunked\r\n\r\n");
        let closed = text(head().encode("now", Version::Http10, Persistence::Close, false));
        assert_eq!(closed, "HTTP/1.1 200 OK\r\nDate: now\r\nConnection: close\r\n\r\n");
    }
}
