//! Properties of the handshake as a whole: heads cut anywhere, random bytes, httparse as the judge of our scanner, and
//! our client against our server.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;

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

/// What we and httparse make of the same bytes. We may refuse what httparse lets pass; never the other way round, and
/// what both let pass must be sliced alike.
fn compare_with_httparse(input: &[u8]) -> Result<(), TestCaseError> {
    let mut headers = [httparse::EMPTY_HEADER; HeadLimits::MAX_HEADERS];
    let mut theirs = httparse::Request::new(&mut headers);
    let outcome = theirs.parse(input);
    match read_request(input, &LIMITS) {
        HeadStatus::Complete { request, length } => {
            // Only 1.0 and 1.1 exist for httparse.
            if outcome == Err(httparse::Error::Version) {
                return Ok(());
            }
            prop_assert_eq!(outcome, Ok(httparse::Status::Complete(length)));
            prop_assert_eq!(theirs.method, Some(request.method()));
            prop_assert_eq!(theirs.path, Some(request.target()));
            prop_assert_eq!(theirs.version == Some(1), request.version() == Version::Http11);
            let theirs: Vec<_> = theirs.headers.iter().map(|header| (header.name, header.value)).collect();
            prop_assert_eq!(theirs, request.headers().collect::<Vec<_>>());
        }
        HeadStatus::Partial => {
            prop_assert!(matches!(outcome, Ok(httparse::Status::Partial) | Err(httparse::Error::Version)));
        }
        HeadStatus::Refused(_) => {}
    }
    Ok(())
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
        compare_with_httparse(&request)?;
        if let HeadStatus::Complete { request, .. } = whole {
            prop_assert!(request.path().starts_with('/'));
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
        compare_with_httparse(&input)?;
        let request = ClientRequest { host: "a", target: "/", ..ClientRequest::default() };
        let (mut handshake, _) = ClientHandshake::start(&request, &[0; 16]).unwrap();
        let response = [b"HTTP/1.1 101 \r\n".as_slice(), &input].concat();
        for bytes in [input, response] {
            let status = handshake.clone().read_response(&bytes, &LIMITS);
            let complete = matches!(status, ResponseStatus::Complete { .. });
            prop_assert!(!complete);
            let _ = handshake.read_response(&bytes, &HeadLimits { max_head: 10 });
        }
    }

    #[test]
    fn header_lines_that_pass_make_exactly_these_headers(lines in "([A-Za-z-]{0,3}:[ a-b\t\r\n]{0,4}|\r\n|[ -~]{0,3}){0,8}") {
        let Ok(head) = encode_response(200, &lines, 7) else {
            return Ok(());
        };
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut response = httparse::Response::new(&mut headers);
        prop_assert_eq!(response.parse(&head), Ok(httparse::Status::Complete(head.len())));
        prop_assert_eq!(response.code, Some(200));
        let mut expected: Vec<&str> = lines.split("\r\n").filter(|line| !line.is_empty()).collect();
        expected.extend(["Content-Length: 7", "Connection: close"]);
        let names: Vec<&str> = response.headers.iter().map(|header| header.name).collect();
        let expected: Vec<&str> = expected.iter().filter_map(|line| line.split(':').next()).collect();
        prop_assert_eq!(names, expected);
    }

    #[test]
    fn our_client_and_our_server_agree(
        nonce in any::<[u8; 16]>(),
        subprotocols in proptest::collection::btree_set("[a-z.]{1,6}", 0..4),
        chosen in any::<Option<Index>>(),
        wrong in any::<Index>(),
    ) {
        let offered: Vec<&str> = subprotocols.iter().map(String::as_str).collect();
        let request = ClientRequest {
            host: "[::1]:9502",
            target: "/chat?room=1",
            subprotocols: &offered,
            headers: "Origin: http://example.com\r\n",
        };
        let (mut handshake, bytes) = ClientHandshake::start(&request, &nonce).unwrap();
        let HeadStatus::Complete { request, length } = read_request(&bytes, &LIMITS) else {
            return Err(TestCaseError::fail("the server does not understand the client"));
        };
        prop_assert_eq!(length, bytes.len());
        let Judgement::Upgrade(upgrade) = judge(&request) else {
            return Err(TestCaseError::fail(format!("{:?}", judge(&request))));
        };
        prop_assert_eq!(upgrade.subprotocols(), &offered);
        let chosen = chosen.filter(|_| !offered.is_empty()).map(|index| *index.get(&offered));
        let response = upgrade.response(chosen, "Set-Cookie: a=b\r\n").unwrap();
        let expected = ResponseStatus::Complete { length: response.len(), subprotocol: chosen.map(str::to_owned) };
        prop_assert_eq!(handshake.read_response(&response, &LIMITS), expected);

        // The answer to another key is no answer.
        let mut other = nonce;
        other[wrong.index(16)] ^= 1;
        let request = ClientRequest { host: "a", target: "/", subprotocols: &offered, headers: "" };
        let (mut handshake, _) = ClientHandshake::start(&request, &other).unwrap();
        let failed = ResponseStatus::Failed(HandshakeError::Accept);
        prop_assert_eq!(handshake.read_response(&response, &LIMITS), failed);
    }
}
