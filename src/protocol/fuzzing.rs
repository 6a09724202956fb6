//! What must be true of any bytes, for the fuzz targets in `fuzz/`: nothing panics, nothing is made up, and the same bytes mean
//! the same wherever they are cut.
//!
//! Each function takes the input of one target, and panics if something is not so. The unit tests run the same functions
//! over the seeds in `fuzz/seeds`, to which every input that has found a fault is added.

use super::decoder::{Decoder, Event, Kind, Limits};
use super::files::{Facts, FilePath, answer, media_type};
use super::handshake::negotiation::{self, Step};
use super::handshake::{Admission, Judgement, Negotiation, extensions, judge};
use super::http::target::is_authority;
use super::http::tokens::is_target_byte;
use super::http::{Body, BodyReader, HeadLimits, HeadStatus, Persistence, Refusal, RequestReader, retry_after};
use super::networks::Networks;
use super::proxy::Source;
use super::url::{Scheme, Url};
use super::{Role, close, forwarded, frame, proxy};
use std::time::{Duration, UNIX_EPOCH};

/// A target by its name.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: &[Target] = &[
    ("decoder", decoder),
    ("request_head", request_head),
    ("response_head", response_head),
    ("body", body),
    ("proxy_header", proxy_header),
    ("forwarded_for", forwarded_for),
    ("url", url),
    ("close_payload", close_payload),
    ("extensions", extensions_header),
];

/// Takes the first `N` bytes of an input for what a target is to be like, and the others for what comes over the network.
fn split<const N: usize>(input: &[u8]) -> ([u8; N], &[u8]) {
    let (setup, bytes) = input.split_at(N.min(input.len()));
    let mut filled = [0; N];
    filled[..setup.len()].copy_from_slice(setup);
    (filled, bytes)
}

/// Where the bytes are cut: pieces of these lengths, over and over, up to the end.
fn ends(lengths: [u8; 4], length: usize) -> impl Iterator<Item = usize> {
    let lengths = lengths.into_iter().cycle().map(|length| usize::from(length) + 1);
    let sums = lengths.scan(0, |end, length| {
        *end += length;
        Some(*end)
    });
    sums.take_while(move |end| *end < length).chain([length])
}

// ---- frames --------------------------------------------------------------------------------------------------------

/// An event that owns its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Told {
    Message(Kind, Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
    Violation(u16, &'static str),
}

impl From<Event<'_>> for Told {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Message(kind, payload) => Self::Message(kind, payload.to_vec()),
            Event::Framed(kind, frame, header) => {
                let (payload, mut expected) = (&frame[header..], Vec::new());
                frame::write(&mut expected, kind.into(), true, None, payload);
                assert!(frame == expected, "a frame that is passed on is not the one that we would write");
                Self::Message(kind, payload.to_vec())
            }
            Event::Assembled(kind, message) => Self::Message(kind, message.payload().to_vec()),
            Event::Ping(payload) => Self::Ping(payload.to_vec()),
            Event::Pong(payload) => Self::Pong(payload.to_vec()),
            Event::Close(code, reason) => Self::Close(code, reason.to_owned()),
        }
    }
}

/// Decodes as a reactor does: short messages in one loop, and what belongs to a large frame straight into the message, or
/// else frame by frame.
fn decode(
    role: Role,
    limits: &Limits,
    bytes: &[u8],
    ends: impl Iterator<Item = usize>,
    as_reactor: bool,
) -> (Vec<Told>, bool) {
    let (mut decoder, mut told, mut kept, mut at) = (Decoder::new(role), Vec::new(), Vec::new(), 0);
    for end in ends {
        if let Some((buffer, most)) = decoder.direct().filter(|_| as_reactor) {
            // What is received directly lies behind all that was kept, and that is nothing.
            assert!(kept.is_empty());
            let count = most.min(end - at);
            buffer.extend_from_slice(&bytes[at..at + count]);
            at += count;
            match decoder.received(count) {
                Ok(event) => told.extend(event.map(Told::from)),
                Err(violation) => {
                    told.push(Told::Violation(violation.code, violation.reason));
                    return (told, false);
                }
            }
        }
        kept.extend_from_slice(&bytes[at..end]);
        at = end;
        loop {
            if as_reactor {
                let mut short = Vec::new();
                let deliver = |kind, payload: &[u8]| {
                    short.push(Told::Message(kind, payload.to_vec()));
                    short.len() % 3 != 0
                };
                let taken = match role {
                    Role::Server => decoder.short_messages(&mut kept, limits, deliver),
                    Role::Client => decoder.short_unmasked_messages(&kept, limits, deliver),
                };
                told.append(&mut short);
                match taken {
                    Ok(taken) => drop(kept.drain(..taken)),
                    Err(violation) => {
                        told.push(Told::Violation(violation.code, violation.reason));
                        return (told, false);
                    }
                }
            }
            match decoder.step(&mut kept, limits) {
                Ok((0, event)) => {
                    assert!(event.is_none());
                    break;
                }
                Ok((taken, event)) => {
                    told.extend(event.map(Told::from));
                    kept.drain(..taken);
                    if matches!(told.last(), Some(Told::Close(..))) {
                        return (told, false);
                    }
                }
                Err(violation) => {
                    told.push(Told::Violation(violation.code, violation.reason));
                    return (told, false);
                }
            }
        }
        assert!(kept.len() < frame::MAX_HEADER + frame::MAX_CONTROL_PAYLOAD, "{} bytes are kept", kept.len());
    }
    (told, decoder.is_idle() && kept.is_empty())
}

/// A stream of frames for either role.
pub fn decoder(input: &[u8]) {
    let ([setup, lengths @ ..], bytes) = split::<5>(input);
    let role = if setup & 1 == 0 { Role::Server } else { Role::Client };
    let limits = match setup & 2 {
        0 => Limits { max_message: 300, max_frame: 200, max_fragments: 4 },
        _ => Limits { max_message: 1 << 20, max_frame: 1 << 20, max_fragments: 1 << 10 },
    };
    let whole = decode(role, &limits, bytes, [bytes.len()].into_iter(), false);
    for as_reactor in [false, true] {
        assert_eq!(whole, decode(role, &limits, bytes, ends(lengths, bytes.len()), as_reactor));
    }
    assert_eq!(whole, decode(role, &limits, bytes, [bytes.len()].into_iter(), true));
    // What was told can be said again, each message in one frame, and means the same.
    let wide = Limits { max_message: u64::MAX, max_frame: u64::MAX, max_fragments: 1 };
    let mut again = Vec::new();
    let expected: Vec<Told> = whole.0.into_iter().filter(|told| !matches!(told, Told::Violation(..))).collect();
    let key = (role == Role::Server).then_some(lengths);
    for told in &expected {
        match told {
            Told::Message(kind, payload) => {
                assert!(payload.len() as u64 <= limits.max_message);
                assert!(*kind == Kind::Binary || std::str::from_utf8(payload).is_ok());
                frame::write(&mut again, (*kind).into(), true, key, payload);
            }
            Told::Ping(payload) => frame::write(&mut again, frame::Opcode::Ping, true, key, payload),
            Told::Pong(payload) => frame::write(&mut again, frame::Opcode::Pong, true, key, payload),
            Told::Close(code, reason) => {
                let mut payload = [0; frame::MAX_CONTROL_PAYLOAD];
                let length = close::write(&mut payload, *code, reason);
                frame::write(&mut again, frame::Opcode::Close, true, key, &payload[..length]);
            }
            Told::Violation(..) => unreachable!("those are filtered out"),
        }
    }
    assert_eq!(expected, decode(role, &wide, &again, [again.len()].into_iter(), false).0);
}

/// The payload of a Close frame.
pub fn close_payload(input: &[u8]) {
    let payload = &input[..input.len().min(frame::MAX_CONTROL_PAYLOAD)];
    if let Ok((code, reason)) = close::parse(payload) {
        assert!(close::check(code, reason).is_ok());
        let mut again = [0; frame::MAX_CONTROL_PAYLOAD];
        let length = close::write(&mut again, code, reason);
        assert_eq!(&again[..length], payload);
    }
    // A reason of any length is cut where a character ends.
    if let Ok(reason) = std::str::from_utf8(input) {
        let mut written = [0; frame::MAX_CONTROL_PAYLOAD];
        let length = close::write(&mut written, Some(close::NORMAL), reason);
        let (code, cut) = close::parse(&written[..length]).expect("what we write can be read");
        assert_eq!(code, Some(close::NORMAL));
        assert!(reason.starts_with(cut) && (cut == reason || cut.len() > close::MAX_REASON - 4));
    }
}

// ---- heads ---------------------------------------------------------------------------------------------------------

/// The head of a request, and what becomes of it.
pub fn request_head(input: &[u8]) {
    let (lengths, bytes) = split::<4>(input);
    let limits = HeadLimits { max_head: 2048 };
    let whole = RequestReader::new().read(bytes, &limits);
    let mut reader = RequestReader::new();
    let mut statuses = ends(lengths, bytes.len()).map(|end| reader.read(&bytes[..end], &limits));
    let cut = statuses.find(|status| *status != HeadStatus::Partial).unwrap_or(HeadStatus::Partial);
    assert_eq!(whole, cut);
    let HeadStatus::Complete { request, length } = whole else { return };
    assert!(length <= bytes.len().min(limits.max_head) && bytes[..length].ends_with(b"\r\n\r\n"));
    assert!(request.path().starts_with('/') || request.method() == "OPTIONS" && request.path() == "*");
    assert!(request.headers().count() <= HeadLimits::MAX_HEADERS);
    if let Some(path) = FilePath::of_request(request.path()) {
        let index = path.index();
        for path in [&path.path, &index] {
            let mut names = path.split(|byte| *byte == b'/');
            assert!(path.is_empty() || !names.any(|name| matches!(name, b"" | b"." | b"..") || name.contains(&0)));
        }
        let facts = Facts { size: 1000, modified: Duration::from_secs(784_111_777) };
        for now in [Duration::ZERO, Duration::from_secs(784_111_778), Duration::MAX] {
            let answer = answer(&request, media_type(&path.path), facts, now);
            assert!(answer.body.start <= answer.body.end && answer.body.end <= facts.size);
        }
    }
    match judge(&request) {
        Judgement::Refuse(refusal) => assert!((400..=599).contains(&refusal.status)),
        Judgement::Plain(plain) => assert_eq!(Ok(plain.body), request.body()),
        Judgement::Upgrade(upgrade) => {
            assert_eq!((request.method(), request.body()), ("GET", Ok(Body::None)));
            let admission = Admission { subprotocols: vec!["chat".to_owned()], ..Admission::default() };
            let chosen = admission.admit(&request, &upgrade).expect("nothing is ruled out");
            let response = upgrade.response(chosen, "").expect("what was offered can be accepted");
            assert!(response.starts_with(b"HTTP/1.1 101 ") && response.ends_with(b"\r\n\r\n"));
        }
    }
    let refusal = Refusal { status: 404, detail: "not found" };
    assert!(!refusal.response("now", Persistence::Close, false).is_empty());
}

/// What a server, or a proxy before it, answers to a client.
pub fn response_head(input: &[u8]) {
    let ([setup, lengths @ ..], bytes) = split::<5>(input);
    let url = Url::parse("ws://example.com/chat").expect("a URL");
    let tunnel = (setup & 1 == 1).then(|| Url::parse_proxy("http://p:3128").expect("a URL"));
    let subprotocols = vec!["chat".to_owned(), "mqtt".to_owned()];
    let upgrade = negotiation::Upgrade { subprotocols, max_head: 2048, ..negotiation::Upgrade::default() };
    let start = || {
        let started = Negotiation::start(&url, tunnel.as_ref(), &upgrade, true, b"the sample nonce");
        started.expect("nothing in it is invalid").0
    };
    /// What becomes of it, in all, and how many bytes were taken.
    fn run(mut negotiation: Negotiation, bytes: &[u8], ends: impl Iterator<Item = usize>) -> (Vec<Step>, usize) {
        let (mut steps, mut from) = (Vec::new(), 0);
        for end in ends {
            loop {
                let step = negotiation.read(&bytes[from..end]);
                let taken = match &step {
                    Step::More | Step::Refused => break,
                    Step::Send { taken, .. } => *taken,
                    Step::Open { taken, .. } => {
                        from += *taken;
                        steps.push(step);
                        return (steps, from);
                    }
                    Step::Failed { .. } => {
                        steps.push(step);
                        return (steps, from);
                    }
                };
                steps.push(step);
                from += taken;
            }
        }
        (steps, from)
    }
    let whole = run(start(), bytes, [bytes.len()].into_iter());
    assert_eq!(whole, run(start(), bytes, ends(lengths, bytes.len())));
    assert!(whole.1 <= bytes.len());
    for step in &whole.0 {
        if let Step::Open { response, .. } = step {
            assert_eq!(response.status, 101);
        }
        if let Step::Failed { error, response: Some(response) } = step {
            assert!(!error.to_string().is_empty());
            for value in response.all("retry-after") {
                for now in [UNIX_EPOCH, UNIX_EPOCH + Duration::from_secs(784_111_777)] {
                    let _ = retry_after(value, now);
                }
            }
        }
    }
}

/// A body in chunks, or of a length that was announced.
pub fn body(input: &[u8]) {
    const LIMIT: u64 = 512;
    let ([setup, lengths @ ..], bytes) = split::<5>(input);
    let announced = match setup {
        0..=200 => Body::Chunked,
        length => Body::Length(u64::from(length) * 3),
    };
    let read = |ends: &mut dyn Iterator<Item = usize>| {
        let mut reader = BodyReader::new(announced, LIMIT)?;
        let mut from = 0;
        for end in ends {
            // What is not taken is the next request's.
            if reader.is_done() {
                break;
            }
            let taken = reader.read(&bytes[from..end])?;
            assert!(taken == end - from || reader.is_done());
            from += taken;
            assert!(reader.size() as u64 <= 2 * LIMIT + 64);
        }
        let is_done = reader.is_done();
        Ok::<_, Refusal>((from, is_done, reader.into_body()))
    };
    let whole = read(&mut [bytes.len()].into_iter());
    assert_eq!(whole, read(&mut ends(lengths, bytes.len())));
    if let Ok((taken, _, body)) = whole {
        assert!(body.len() as u64 <= LIMIT && body.len() <= taken);
        assert_eq!(
            read(&mut [taken].into_iter()),
            Ok((taken, read(&mut [taken].into_iter()).is_ok_and(|r| r.1), body))
        );
    }
}

// ---- who is behind a proxy -----------------------------------------------------------------------------------------

/// The header of the PROXY protocol.
pub fn proxy_header(input: &[u8]) {
    let whole = proxy::read(input);
    // What is said of the beginning holds of the whole.
    let first = (0..=input.len()).find_map(|end| match proxy::read(&input[..end]) {
        proxy::Status::Partial => None,
        status => Some((end, status)),
    });
    match first {
        None => assert_eq!(whole, proxy::Status::Partial),
        Some((end, status)) => {
            assert_eq!(whole, status);
            assert!(end <= proxy::MAX_V2);
            if let proxy::Status::Complete { source, length } = status {
                assert_eq!(length, end);
                assert!(!matches!(source, Source::Client(client) if client.ip() != client.ip().to_canonical()));
            }
        }
    }
    assert!(input.len() < proxy::MAX_V2 || whole != proxy::Status::Partial);
}

/// X-Forwarded-For.
pub fn forwarded_for(input: &[u8]) {
    let trusted = Networks::new(["10.0.0.0/8", "fd00::/8", "::1"]);
    let named = |behind: &str| {
        let value = input.split(|byte| *byte == b'\n').map(|value| [b"X-Forwarded-For: ", value, b"\r\n"].concat());
        let lines = [value.collect::<Vec<_>>().concat(), behind.as_bytes().to_vec()].concat();
        let head = [b"GET / HTTP/1.1\r\n", lines.as_slice(), b"\r\n"].concat();
        match RequestReader::new().read(&head, &HeadLimits::default()) {
            HeadStatus::Complete { request, .. } => Some(forwarded::client(&request.headers(), &trusted)),
            _ => None,
        }
    };
    let Some(client) = named("") else { return };
    if let Some(client) = client {
        assert_eq!(client.ip(), client.ip().to_canonical());
    }
    // Whatever a client sends, it does not become somebody else to us.
    let line = "X-Forwarded-For: 192.0.2.7\r\n";
    for proxies in ["", "X-Forwarded-For: 10.0.0.1, [fd00::9]:80\r\n"] {
        if let Some(client) = named(&format!("{line}{proxies}")) {
            assert_eq!(client, "192.0.2.7:0".parse().ok());
        }
    }
    // An empty list says nothing. (One line more may be one too many for a head.)
    if let Some(again) = named("X-Forwarded-For: \r\n") {
        assert_eq!(again, client);
    }
}

// ---- the rest ------------------------------------------------------------------------------------------------------

/// A URL, and behind a line feed a reference to resolve against it.
pub fn url(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let (text, location) = text.split_once('\n').unwrap_or((text, ""));
    let joined = Url::parse(text).and_then(|url| url.join(location));
    for url in [Url::parse(text), joined].into_iter().flatten() {
        let bare = Url { username: None, password: None, ..url.clone() };
        assert_eq!(Url::parse(&url.to_string()), Ok(bare));
        assert!(url.target.starts_with('/') && url.target.bytes().all(is_target_byte));
        assert!(is_authority(url.host_header().as_bytes()));
        assert!(url.same_origin(&url));
        assert!(url.scheme == Scheme::Unix || url.port > 0);
    }
    if let Err(error) = Url::parse(text) {
        assert!(!error.to_string().is_empty());
    }
    if let Ok(proxy) = Url::parse_proxy(text) {
        assert!(is_authority(proxy.authority().as_bytes()));
    }
}

/// The value of Sec-WebSocket-Extensions.
pub fn extensions_header(input: &[u8]) {
    let count = extensions::count(input);
    assert!(count.is_none_or(|count| count <= input.len()));
    // Several headers are one list (RFC 9110 section 5.3).
    if let Some(count) = count {
        assert_eq!(
            extensions::count(&[input, b", permessage-deflate; client_max_window_bits=\"10\""].concat()),
            Some(count + 1)
        );
        assert_eq!(extensions::count(&[b",,x,", input].concat()), Some(count + 1));
    }
    let text = String::from_utf8_lossy(input);
    let head = format!(
        "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: \
         dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Extensions: {text}\r\n\r\n"
    );
    if let HeadStatus::Complete { request, .. } = RequestReader::new().read(head.as_bytes(), &HeadLimits::default()) {
        let is_upgrade = matches!(judge(&request), Judgement::Upgrade(_));
        let value = request.header("sec-websocket-extensions").unwrap_or_default();
        let is_one = !head[..head.len() - 4].contains("\r\n\r\n") && request.headers().count() == 6;
        assert!(!is_one || is_upgrade == extensions::count(value).is_some_and(|count| count > 0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;

    #[test]
    fn every_seed_holds() {
        let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
        for (name, target) in TARGETS {
            let mut count = 0;
            for entry in fs::read_dir(seeds.join(name)).unwrap_or_else(|error| panic!("{name}: {error}")) {
                let path = entry.unwrap().path();
                println!("{}", path.display());
                let bytes = fs::read(&path).unwrap();
                target(&bytes);
                // And what it begins with.
                (0..bytes.len().min(300)).for_each(|end| target(&bytes[..end]));
                count += 1;
            }
            assert!(count > 0, "{name}: there are no seeds");
        }
    }

    #[test]
    fn every_target_has_a_program() {
        let manifest = include_str!("../../fuzz/Cargo.toml");
        for (name, _) in TARGETS {
            assert!(manifest.contains(&format!("name = \"{name}\"\npath = \"fuzz_targets/{name}.rs\"")), "{name}");
        }
    }
}
