//! Properties of the handshake as a whole: heads cut anywhere or sent byte by byte, random bytes, a naive reader as the
//! judge of ours.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;
use crate::protocol::http::*;

const LIMITS: HeadLimits = HeadLimits { max_head: 8192 };

/// Requests that come to a whole head.
fn valid_request() -> impl Strategy<Value = Vec<u8>> {
    let line = select(vec![
        "GET /chat HTTP/1.1\r\n",
        "\r\nGET /?a=b HTTP/1.0\r\n",
        "POST http://example.com:80/a?b HTTP/1.1\r\n",
        "M-SEARCH // HTTP/1.9\r\n",
    ]);
    let header = prop_oneof![
        select(vec![
            "Host: example.com",
            "Upgrade: websocket",
            "connection:keep-alive,\tUpgrade",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Protocol: chat, mqtt",
            "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
            "Content-Length: 5",
            "Transfer-Encoding: chunked",
            "Empty:",
            "Spaces: \t ",
        ])
        .prop_map(str::to_owned),
        "[!#$%&'*+.^_`|~0-9A-Za-z-]{1,12}:[ \t]{0,2}[ -~\t\u{80}-\u{ff}]{0,20}",
    ];
    (line, vec(header, 0..12)).prop_map(|(line, headers)| {
        let mut request = line.as_bytes().to_vec();
        for header in headers {
            request.extend_from_slice(header.as_bytes());
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(b"\r\n");
        request
    })
}

/// A valid request with a few bytes overwritten, inserted or removed: most often by bytes that mean something.
fn mutated_request() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![3 => select(b"\r\n \t:/,\0\x7f\x80*1".to_vec()), 1 => any::<u8>()];
    (valid_request(), vec((any::<Index>(), 0..3u8, byte), 1..4)).prop_map(|(mut request, changes)| {
        for (index, kind, byte) in changes {
            let at = index.index(request.len());
            match kind {
                0 => request[at] = byte,
                1 => request.insert(at, byte),
                _ => drop(request.remove(at)),
            }
        }
        request
    })
}

/// Reads `input` in pieces that end at `cuts`, then whole; the first status that is not `Partial`.
fn read_cut<'a>(input: &'a [u8], cuts: &[Index]) -> HeadStatus<'a> {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(input.len() + 1)).collect();
    ends.push(input.len());
    ends.sort_unstable();
    let mut reader = RequestReader::new();
    let statuses = ends.iter().map(|end| reader.read(&input[..*end], &LIMITS));
    statuses.into_iter().find(|status| *status != HeadStatus::Partial).unwrap_or(HeadStatus::Partial)
}

/// Method, target, minor version and headers of a whole head, read the plain way: find the empty line, split.
type Parts<'a> = (&'a [u8], &'a [u8], u8, Vec<(&'a [u8], &'a [u8])>);

fn read_naively(input: &[u8]) -> Option<(Parts<'_>, usize)> {
    let start = if input.starts_with(b"\r\n") { 2 } else { 0 };
    let end = start + input[start..].windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
    let mut lines = Vec::new();
    let mut rest = &input[start..end];
    while let Some(at) = rest.windows(2).position(|bytes| bytes == b"\r\n") {
        lines.push(&rest[..at]);
        rest = &rest[at + 2..];
    }
    lines.push(rest);
    if lines.concat().iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
        return None;
    }
    let token = |bytes: &[u8]| {
        let valid = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
        !bytes.is_empty() && bytes.iter().all(valid)
    };
    let [method, target, version] = lines[0].split(|byte| *byte == b' ').collect::<Vec<_>>().try_into().ok()?;
    let minor = version.strip_prefix(b"HTTP/1.").filter(|minor| minor.len() == 1 && minor[0].is_ascii_digit())?[0];
    let visible = target.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'#');
    let is_target = target::Target::parse(std::str::from_utf8(method).ok()?, target).is_some();
    if !token(method) || method == b"CONNECT" || method.len() > 32 || !visible || !is_target {
        return None;
    }
    let mut headers = Vec::new();
    for line in &lines[1..] {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        let space = |byte: &u8| *byte == b' ' || *byte == b'\t';
        let from = value.iter().position(|byte| !space(byte)).unwrap_or(value.len());
        let to = value.iter().rposition(|byte| !space(byte)).map_or(from, |last| last + 1);
        headers.push((token(name).then_some(name)?, &value[from..to]));
    }
    Some(((method, target, minor - b'0', headers), end + 4))
}

/// Our reader takes what the naive one takes, alike, and waits for nothing that it would refuse.
fn compare_with_naive(input: &[u8]) -> Result<(), TestCaseError> {
    let naive = read_naively(input);
    match read_request(input, &LIMITS) {
        HeadStatus::Complete { request, length } => {
            let headers = request.headers().map(|(name, value)| (name.as_bytes(), value)).collect();
            let Some((parts, their_length)) = naive else {
                return Err(TestCaseError::fail("the naive reader refuses it"));
            };
            prop_assert_eq!(request.version() == Version::Http10, parts.2 == 0);
            prop_assert_eq!((request.method().as_bytes(), request.target().as_bytes(), parts.2, headers), parts);
            prop_assert_eq!(length, their_length);
        }
        HeadStatus::Partial => {
            prop_assert_eq!(naive, None);
            // The whole lines of it would make a head.
            let lines = input.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            if lines > 2 {
                let head = [&input[..lines], b"\r\n"].concat();
                prop_assert!(read_naively(&head).is_some(), "{}", head.escape_ascii());
            }
        }
        HeadStatus::Refused(_) => prop_assert_eq!(naive, None),
    }
    Ok(())
}

/// What is quadratic in a head's length takes minutes here.
#[test]
fn a_head_sent_byte_by_byte_costs_little() {
    let long = "a".repeat(1 << 16);
    let limits = HeadLimits { max_head: 1 << 17 };
    let heads = [
        format!("GET /{long} HTTP/1.1\r\n\r\n"),
        format!("GET / HTTP/1.1\r\n{long}: b\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nA: {long}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\n{}\r\n", format!("A: {}\r\n", &long[..600]).repeat(100)),
    ];
    let started = std::time::Instant::now();
    for head in &heads {
        let mut reader = RequestReader::new();
        for end in 0..head.len() {
            assert_eq!(reader.read(&head.as_bytes()[..end], &limits), HeadStatus::Partial);
        }
        assert!(matches!(reader.read(head.as_bytes(), &limits), HeadStatus::Complete { .. }));
    }
    assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
    assert!(size_of::<RequestReader>() <= 32);
}

proptest! {
    #[test]
    fn a_request_cut_anywhere_is_the_same_request(
        request in valid_request(),
        frames in vec(any::<u8>(), 0..20),
        cuts in vec(any::<Index>(), 0..6),
    ) {
        let input = [request.as_slice(), &frames].concat();
        let whole = read_request(&input, &LIMITS);
        let HeadStatus::Complete { length, .. } = whole else {
            return Err(TestCaseError::fail(format!("{whole:?}")));
        };
        prop_assert_eq!(length, request.len());
        let mut reader = RequestReader::new();
        for end in 0..request.len() {
            prop_assert_eq!(reader.read(&input[..end], &LIMITS), HeadStatus::Partial);
            prop_assert_eq!(read_request(&input[..end], &LIMITS), HeadStatus::Partial);
        }
        prop_assert_eq!(reader.read(&input, &LIMITS), whole.clone());
        prop_assert_eq!(read_cut(&input, &cuts), whole);
    }

    #[test]
    fn a_mutated_request_is_judged_alike_however_cut(
        request in mutated_request(),
        cuts in vec(any::<Index>(), 0..6),
    ) {
        let whole = read_request(&request, &LIMITS);
        prop_assert_eq!(read_cut(&request, &cuts), whole.clone());
        compare_with_naive(&request)?;
        if let HeadStatus::Complete { request, .. } = whole {
            prop_assert!(request.path().starts_with('/') || request.method() == "OPTIONS" && request.path() == "*");
            let judgement = judge(&request);
            if let Judgement::Upgrade(upgrade) = &judgement {
                prop_assert!(upgrade.response(upgrade.subprotocols().first().map(String::as_str), "").is_ok());
            }
            if !matches!(judgement, Judgement::Refuse(_)) {
                prop_assert!(request.authority().is_some() || request.version() == Version::Http10);
            }
        }
    }

    #[test]
    fn arbitrary_bytes_do_no_harm(input in vec(any::<u8>(), 0..300), cuts in vec(any::<Index>(), 0..6)) {
        prop_assert_eq!(read_cut(&input, &cuts), read_request(&input, &LIMITS));
        compare_with_naive(&input)?;
    }

    #[test]
    fn header_lines_that_pass_make_exactly_these_headers(lines in "([A-Za-z-]{0,3}:[ a-b\t\r\n]{0,4}|\r\n|[ -~]{0,3}){0,8}") {
        let Ok(head) = ResponseHead::new(200, &lines, Some(7)) else {
            return Ok(());
        };
        let head = head.encode("now", Version::Http11, Persistence::Close, false);
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut response = httparse::Response::new(&mut headers);
        prop_assert_eq!(response.parse(&head), Ok(httparse::Status::Complete(head.len())));
        prop_assert_eq!(response.code, Some(200));
        let mut expected: Vec<&str> = lines.split("\r\n").filter(|line| !line.is_empty()).collect();
        expected.extend(["Content-Length: 7", "Date: now", "Connection: close"]);
        let names: Vec<&str> = response.headers.iter().map(|header| header.name).collect();
        let expected: Vec<&str> = expected.iter().filter_map(|line| line.split(':').next()).collect();
        prop_assert_eq!(names, expected);
    }
}
