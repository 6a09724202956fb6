//! The answer to a GET or a HEAD of a file: conditions first (RFC 9110 section 13.2.2), then the range.

use super::range::{Wanted, wanted};
use crate::protocol::http::{LAST_DATE, RequestHead, date_since_1970};
use std::ops::Range;
use std::time::{Duration, UNIX_EPOCH};

/// What is to be known of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Its size in bytes.
    pub size: u64,
    /// When it was changed last, since 1970.
    pub modified: Duration,
}

/// The answer to a request for a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// 200, 206, 304, 412 or 416.
    pub status: u16,
    /// Header lines, each ended by CRLF.
    pub headers: String,
    /// Which bytes of the file are its body; none for an answer without one.
    pub body: Range<u64>,
}

/// A file that was changed this short a time ago may change again without looking any different.
const FRESH: Duration = Duration::from_secs(2);

/// The answer to a GET or a HEAD of a file with these facts, at the time `now`, since 1970. The body of the answer to a
/// HEAD is left out by the caller.
///
/// Browsers are asked to come back each time (`no-cache`): they get 304 as long as nothing has changed.
#[must_use]
pub fn answer(head: &RequestHead<'_>, media_type: &str, facts: Facts, now: Duration) -> Answer {
    let validators = Validators::new(facts, now);
    let size = facts.size;
    let common = format!(
        "ETag: {}\r\nLast-Modified: {}\r\nCache-Control: no-cache\r\n",
        validators.tag(),
        date_since_1970(Duration::from_secs(validators.seconds))
    );
    let whole = 0..size;
    let typed =
        format!("{common}Content-Type: {media_type}\r\nX-Content-Type-Options: nosniff\r\nAccept-Ranges: bytes\r\n");
    if let Some(status) = validators.judge(head) {
        let headers = if status == 304 { common } else { String::new() };
        return Answer { status, headers, body: 0..0 };
    }
    let range = only(head, "range").filter(|_| head.method() == "GET" && validators.allow_range(head));
    match range.map_or(Wanted::Whole, |range| wanted(range, size)) {
        Wanted::Whole => Answer { status: 200, headers: typed, body: whole },
        Wanted::Part(part) => {
            let range = format!("{typed}Content-Range: bytes {}-{}/{size}\r\n", part.start, part.end - 1);
            Answer { status: 206, headers: range, body: part }
        }
        Wanted::Nothing => Answer { status: 416, headers: format!("Content-Range: bytes */{size}\r\n"), body: 0..0 },
    }
}

/// What tells one version of a file from another.
struct Validators {
    /// The entity tag in its quotes, without the mark of a weak one.
    opaque: String,
    /// The date, in seconds since 1970.
    seconds: u64,
    /// Two versions may have them alike.
    weak: bool,
}

impl Validators {
    fn new(facts: Facts, now: Duration) -> Self {
        // Nothing can have been changed later than now (RFC 9110 section 8.8.2.1).
        let seconds = facts.modified.min(now).min(LAST_DATE).as_secs();
        let weak = facts.modified.saturating_add(FRESH) > now;
        Self { opaque: format!("\"{:x}-{:x}\"", facts.size, facts.modified.as_nanos()), seconds, weak }
    }

    fn tag(&self) -> String {
        format!("{}{}", if self.weak { "W/" } else { "" }, self.opaque)
    }

    /// The status that the conditions of a request come to, if it is not to be carried out.
    fn judge(&self, head: &RequestHead<'_>) -> Option<u16> {
        if has(head, "if-match") {
            if !list(head, "if-match").any(|tag| tag == b"*" || self.is_strongly(tag)) {
                return Some(412);
            }
        } else if date(head, "if-unmodified-since").is_some_and(|date| self.seconds > date) {
            return Some(412);
        }
        if has(head, "if-none-match") {
            return list(head, "if-none-match").any(|tag| tag == b"*" || self.is_weakly(tag)).then_some(304);
        }
        date(head, "if-modified-since").is_some_and(|date| self.seconds <= date).then_some(304)
    }

    /// Whether If-Range, if it is there, says that the client has a part of this very version (RFC 9110 section 13.1.5).
    fn allow_range(&self, head: &RequestHead<'_>) -> bool {
        if !has(head, "if-range") {
            return true;
        }
        let same_date = || !self.weak && date(head, "if-range") == Some(self.seconds);
        only(head, "if-range").is_some_and(|tag| self.is_strongly(tag)) || same_date()
    }

    fn is_strongly(&self, tag: &[u8]) -> bool {
        !self.weak && tag == self.opaque.as_bytes()
    }

    fn is_weakly(&self, tag: &[u8]) -> bool {
        tag.strip_prefix(b"W/").unwrap_or(tag) == self.opaque.as_bytes()
    }
}

fn has(head: &RequestHead<'_>, name: &str) -> bool {
    head.header(name).is_some()
}

/// The value of a header that has come once.
fn only<'a>(head: &RequestHead<'a>, name: &str) -> Option<&'a [u8]> {
    let mut values = head.headers().all(name);
    values.next().filter(|_| values.next().is_none())
}

/// The elements of a list of entity tags. They may have commas in them, but then they are none of ours, nor is any piece
/// of them: ours begin and end with a quote, and have none inside.
fn list<'a>(head: &RequestHead<'a>, name: &str) -> impl Iterator<Item = &'a [u8]> {
    head.headers().all(name).flat_map(|value| value.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii)
}

/// A date, in seconds since 1970. What is none is as good as no header.
fn date(head: &RequestHead<'_>, name: &str) -> Option<u64> {
    let text = std::str::from_utf8(only(head, name)?).ok()?;
    let time = httpdate::parse_http_date(text).ok()?;
    time.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::http::{HeadLimits, HeadStatus, read_request};
    use proptest::prelude::*;

    /// 1994-11-06 08:49:37, the date of the examples of RFC 9110.
    const MODIFIED: Duration = Duration::new(784_111_777, 500_000_000);
    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const NOW: Duration = Duration::from_secs(1_700_000_000);
    const FACTS: Facts = Facts { size: 10, modified: MODIFIED };
    const TAG: &str = "\"a-ae1b981da166f00\"";

    fn ask(method: &str, lines: &str, facts: Facts, now: Duration) -> Answer {
        let text = format!("{method} /a HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
        let HeadStatus::Complete { request, .. } = read_request(text.as_bytes(), &HeadLimits::default()) else {
            panic!("{text}");
        };
        answer(&request, "text/plain; charset=utf-8", facts, now)
    }

    /// Status and body for these lines.
    fn get(lines: &str) -> (u16, Range<u64>) {
        let Answer { status, body, .. } = ask("GET", lines, FACTS, NOW);
        (status, body)
    }

    #[test]
    fn a_whole_file() {
        for method in ["GET", "HEAD"] {
            let answer = ask(method, "", FACTS, NOW);
            let headers = format!(
                "ETag: {TAG}\r\nLast-Modified: {DATE}\r\nCache-Control: no-cache\r\nContent-Type: text/plain; charset=utf-8\r\n\
                 X-Content-Type-Options: nosniff\r\nAccept-Ranges: bytes\r\n"
            );
            assert_eq!(answer, Answer { status: 200, headers, body: 0..10 });
        }
    }

    #[test]
    fn a_file_that_has_not_changed_is_not_sent_again() {
        let rows = [
            (format!("If-None-Match: {TAG}\r\n"), 304),
            (format!("If-None-Match: W/{TAG}\r\n"), 304),
            (format!("If-None-Match: \"x\", {TAG} ,\"y\"\r\n"), 304),
            (format!("If-None-Match: \"x\"\r\nIf-None-Match: {TAG}\r\n"), 304),
            ("If-None-Match: *\r\n".to_owned(), 304),
            ("If-None-Match: \"x\"\r\n".to_owned(), 200),
            ("If-None-Match:\r\n".to_owned(), 200),
            (format!("If-None-Match: {}\r\n", TAG.trim_matches('"')), 200),
            (format!("If-Modified-Since: {DATE}\r\n"), 304),
            ("If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT\r\n".to_owned(), 304),
            ("If-Modified-Since: Sun Nov  6 08:49:37 1994\r\n".to_owned(), 304),
            (format!("If-Modified-Since: {BEFORE}\r\n"), 200),
            ("If-Modified-Since: yesterday\r\n".to_owned(), 200),
            (format!("If-Modified-Since: {DATE}\r\nIf-Modified-Since: {DATE}\r\n"), 200),
            // The tag overrides the date.
            (format!("If-None-Match: \"x\"\r\nIf-Modified-Since: {DATE}\r\n"), 200),
            (format!("If-None-Match: {TAG}\r\nIf-Modified-Since: {BEFORE}\r\n"), 304),
            (format!("If-Match: {TAG}\r\n"), 200),
            ("If-Match: *\r\n".to_owned(), 200),
            ("If-Match: \"x\"\r\n".to_owned(), 412),
            (format!("If-Match: W/{TAG}\r\n"), 412),
            (format!("If-Match: \"x\"\r\nIf-None-Match: {TAG}\r\n"), 412),
            (format!("If-Unmodified-Since: {DATE}\r\n"), 200),
            (format!("If-Unmodified-Since: {BEFORE}\r\n"), 412),
            (format!("If-Match: {TAG}\r\nIf-Unmodified-Since: {BEFORE}\r\n"), 200),
        ];
        for (lines, status) in rows {
            for method in ["GET", "HEAD"] {
                let answer = ask(method, &lines, FACTS, NOW);
                assert_eq!(answer.status, status, "{method} {lines}");
                assert_eq!(answer.body, if status == 200 { 0..10 } else { 0..0 }, "{method} {lines}");
                assert_eq!(answer.headers.contains(TAG), status != 412, "{method} {lines}");
                assert_eq!(answer.headers.contains("Content-Type"), status == 200, "{method} {lines}");
            }
        }
    }

    #[test]
    fn parts_of_a_file() {
        let rows = [
            ("Range: bytes=2-5\r\n".to_owned(), (206, 2..6)),
            ("Range: bytes=10-\r\n".to_owned(), (416, 0..0)),
            ("Range: bytes=0-1,3-4\r\n".to_owned(), (200, 0..10)),
            ("Range: bytes=0-1\r\nRange: bytes=3-4\r\n".to_owned(), (200, 0..10)),
            (format!("Range: bytes=2-5\r\nIf-Range: {TAG}\r\n"), (206, 2..6)),
            (format!("Range: bytes=2-5\r\nIf-Range: {DATE}\r\n"), (206, 2..6)),
            ("Range: bytes=2-5\r\nIf-Range: \"x\"\r\n".to_owned(), (200, 0..10)),
            (format!("Range: bytes=2-5\r\nIf-Range: W/{TAG}\r\n"), (200, 0..10)),
            (format!("Range: bytes=2-5\r\nIf-Range: {BEFORE}\r\n"), (200, 0..10)),
            ("Range: bytes=2-5\r\nIf-Range: Mon, 07 Nov 1994 08:49:37 GMT\r\n".to_owned(), (200, 0..10)),
            ("Range: bytes=10-\r\nIf-Range: \"x\"\r\n".to_owned(), (200, 0..10)),
            (format!("Range: bytes=2-5\r\nIf-None-Match: {TAG}\r\n"), (304, 0..0)),
            (format!("Range: bytes=2-5\r\nIf-Match: {TAG}\r\n"), (206, 2..6)),
        ];
        for (lines, expected) in rows {
            assert_eq!(get(&lines), expected, "{lines}");
        }
        let part = ask("GET", "Range: bytes=-3\r\n", FACTS, NOW);
        assert!(part.headers.ends_with("\r\nContent-Range: bytes 7-9/10\r\n") && part.headers.contains("text/plain"));
        assert_eq!(ask("GET", "Range: bytes=10-\r\n", FACTS, NOW).headers, "Content-Range: bytes */10\r\n");
        assert_eq!(ask("HEAD", "Range: bytes=2-5\r\n", FACTS, NOW).status, 200);
    }

    #[test]
    fn what_has_just_changed_may_change_again() {
        let now = MODIFIED + Duration::from_secs(1);
        assert!(ask("GET", "", FACTS, now).headers.starts_with(&format!("ETag: W/{TAG}\r\n")));
        assert_eq!(ask("GET", &format!("If-None-Match: {TAG}\r\n"), FACTS, now).status, 304);
        for line in [TAG, DATE, &format!("W/{TAG}")] {
            assert_eq!(ask("GET", &format!("Range: bytes=2-5\r\nIf-Range: {line}\r\n"), FACTS, now).status, 200);
        }
        // A clock that was set back, and dates that HTTP has no form for.
        for modified in [NOW + FRESH, Duration::from_secs(u64::MAX)] {
            let answer = ask("GET", "", Facts { size: 1, modified }, NOW);
            assert!(answer.headers.contains("ETag: W/") && answer.headers.contains("Last-Modified: Tue, 14 Nov 2023"));
        }
        assert!(ask("GET", "", Facts { size: 1, modified: Duration::MAX }, Duration::MAX).headers.contains(" 9999 "));
        assert!(ask("GET", "", Facts { size: 1, modified: Duration::ZERO }, NOW).headers.contains(" 1970 "));
    }

    proptest! {
        #[test]
        fn dates_of_others_are_taken_as_they_come(
            date in prop_oneof![
                "[ -~]{0,40}",
                "(Sun|Mon|Xyz), [0-9]{2} (Nov|Feb|Foo) [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT",
                "(Sunday|Tuesday), [0-9]{2}-(Nov|Feb)-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT",
                "(Sun|Mon) (Nov|Feb) [ 0-9][0-9] [0-9]{2}:[0-9]{2}:[0-9]{2} [0-9]{4}",
            ],
        ) {
            let (status, _) = get(&format!("If-Modified-Since: {date}\r\n"));
            prop_assert!(status == 200 || status == 304);
        }
    }
}
