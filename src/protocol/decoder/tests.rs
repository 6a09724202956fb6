//! Scripted bytes, cut anywhere, against what they must give.

use super::*;
use crate::protocol::frame;
use proptest::prelude::*;

const KEY: mask::Key = [0x37, 0xfa, 0x21, 0x3d];
const LIMITS: Limits = Limits { max_message: 1 << 20, max_frame: 1 << 20, max_fragments: 64 };

/// An event that owns its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    Message(Kind, Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
    Violation(u16),
}

impl From<Event<'_>> for Seen {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Message(kind, payload) => Self::Message(kind, payload.to_vec()),
            Event::Framed(kind, frame, header) => {
                let (payload, mut expected) = (&frame[header..], Vec::new());
                frame::write(&mut expected, kind.into(), true, None, payload);
                assert!(frame == expected);
                Self::Message(kind, payload.to_vec())
            }
            Event::Assembled(kind, message) => Self::Message(kind, message.payload().to_vec()),
            Event::Ping(payload) => Self::Ping(payload.to_vec()),
            Event::Pong(payload) => Self::Pong(payload.to_vec()),
            Event::Close(code, reason) => Self::Close(code, reason.to_owned()),
        }
    }
}

/// Feeds `bytes` in pieces that end at `cuts`, as a connection does: unconsumed bytes are shown again.
fn decode(bytes: &[u8], cuts: &[usize], role: Role, limits: &Limits) -> Vec<Seen> {
    let mut decoder = Decoder::new(role);
    let mut seen = Vec::new();
    let mut pending = Vec::new();
    let mut at = 0;
    for &cut in cuts.iter().chain([&bytes.len()]) {
        pending.extend_from_slice(&bytes[at..cut.max(at)]);
        at = cut.max(at);
        loop {
            match decoder.step(&mut pending, limits) {
                Err(violation) => {
                    seen.push(Seen::Violation(violation.code));
                    return seen;
                }
                Ok((taken, event)) => {
                    let event = event.map(Seen::from);
                    pending.drain(..taken);
                    let closed = matches!(event, Some(Seen::Close(..)));
                    seen.extend(event);
                    if closed {
                        return seen;
                    }
                    if taken == 0 {
                        break;
                    }
                }
            }
        }
        assert!(pending.len() < frame::MAX_HEADER + frame::MAX_CONTROL_PAYLOAD, "kept {} bytes", pending.len());
    }
    seen
}

fn frames(list: &[(Opcode, bool, &[u8])], role: Role) -> Vec<u8> {
    let mut bytes = Vec::new();
    let key = (role == Role::Server).then_some(KEY);
    for &(opcode, fin, payload) in list {
        frame::write(&mut bytes, opcode, fin, key, payload);
    }
    bytes
}

/// A stream with every kind of frame in it, and what it gives.
fn stream(role: Role) -> (Vec<u8>, Vec<Seen>) {
    let text = "žluťoučký kůň 🐎".as_bytes();
    let binary: Vec<u8> = (0..300).map(|i| i as u8).collect();
    let bytes = frames(
        &[
            (Opcode::Text, true, b"hello"),
            (Opcode::Ping, true, b"one"),
            (Opcode::Text, false, &text[..4]),
            (Opcode::Ping, true, b""),
            (Opcode::Continuation, false, b""),
            (Opcode::Continuation, false, &text[4..17]),
            (Opcode::Pong, true, b"two"),
            (Opcode::Continuation, true, &text[17..]),
            (Opcode::Binary, true, &binary),
            (Opcode::Binary, true, b""),
            (Opcode::Text, false, b""),
            (Opcode::Continuation, true, b""),
            (Opcode::Close, true, b"\x03\xe8bye"),
            (Opcode::Text, true, b"never seen"),
        ],
        role,
    );
    let seen = vec![
        Seen::Message(Kind::Text, b"hello".to_vec()),
        Seen::Ping(b"one".to_vec()),
        Seen::Ping(Vec::new()),
        Seen::Pong(b"two".to_vec()),
        Seen::Message(Kind::Text, text.to_vec()),
        Seen::Message(Kind::Binary, binary),
        Seen::Message(Kind::Binary, Vec::new()),
        Seen::Message(Kind::Text, Vec::new()),
        Seen::Close(Some(1000), "bye".to_owned()),
    ];
    (bytes, seen)
}

#[test]
fn every_cut_in_two_and_byte_by_byte() {
    for role in [Role::Server, Role::Client] {
        let (bytes, expected) = stream(role);
        for cut in 0..=bytes.len() {
            assert_eq!(decode(&bytes, &[cut], role, &LIMITS), expected, "cut at {cut}");
        }
        let each: Vec<usize> = (0..bytes.len()).collect();
        assert_eq!(decode(&bytes, &each, role, &LIMITS), expected);
    }
}

#[test]
fn violations_of_the_message_layer() {
    let not_utf8 = b"\xce\xba\xed\xa0\x80 more";
    type Case<'a> = (&'a str, &'a [(Opcode, bool, &'a [u8])], u16);
    let cases: [Case; 8] = [
        ("continuation of nothing", &[(Opcode::Continuation, true, b"x")], 1002),
        ("message in a message", &[(Opcode::Text, false, b"x"), (Opcode::Text, true, b"y")], 1002),
        ("text that is not UTF-8", &[(Opcode::Text, true, not_utf8)], 1007),
        ("cut character", &[(Opcode::Text, true, b"\xf0\x9f")], 1007),
        ("cut character in fragments", &[(Opcode::Text, false, b"\xf0"), (Opcode::Continuation, true, b"\x9f")], 1007),
        ("bad byte in a fragment", &[(Opcode::Text, false, b"\xf0"), (Opcode::Continuation, false, b"x")], 1007),
        ("close of one byte", &[(Opcode::Close, true, b"\x03")], 1002),
        ("close reason", &[(Opcode::Close, true, b"\x03\xe8\xff")], 1007),
    ];
    for (name, list, code) in cases {
        let bytes = frames(list, Role::Server);
        for cut in 0..=bytes.len() {
            let seen = decode(&bytes, &[cut], Role::Server, &LIMITS);
            assert_eq!(seen.last(), Some(&Seen::Violation(code)), "{name}, cut at {cut}");
        }
    }
}

#[test]
fn bad_text_fails_inside_its_frame() {
    let mut bytes = frames(&[(Opcode::Text, true, &[b'a'; 1000])], Role::Server);
    bytes[4 + 4 + 10] = 0xff ^ KEY[10 % 4];
    let seen = decode(&bytes[..40], &[20], Role::Server, &LIMITS);
    assert_eq!(seen, [Seen::Violation(1007)]);
}

#[test]
fn limits_are_judged_from_the_header_alone() {
    let limits = Limits { max_message: 1000, max_frame: 600, max_fragments: 3 };
    let header = |length: u64, opcode, fin| {
        let mut buffer = [0; frame::MAX_HEADER];
        let used = Header { fin, opcode, mask: Some(KEY), length }.write(&mut buffer);
        buffer[..used].to_vec()
    };
    let fails = |bytes: &[u8]| decode(bytes, &[], Role::Server, &limits).last() == Some(&Seen::Violation(1009));
    assert!(fails(&header(601, Opcode::Binary, true)));
    assert!(fails(&header(1 << 62, Opcode::Binary, true)));
    assert!(!fails(&header(600, Opcode::Binary, true)));
    let mut bytes = frames(&[(Opcode::Binary, false, &[0; 600])], Role::Server);
    let within = [bytes.clone(), header(400, Opcode::Continuation, true)].concat();
    let over = [bytes.clone(), header(401, Opcode::Continuation, true)].concat();
    assert!(!fails(&within) && fails(&over));
    bytes = frames(&[(Opcode::Binary, false, b""), (Opcode::Continuation, false, b"")], Role::Server);
    bytes.extend(frames(&[(Opcode::Continuation, false, b"")], Role::Server));
    assert!(!fails(&bytes));
    bytes.extend(frames(&[(Opcode::Continuation, true, b"")], Role::Server));
    assert!(fails(&bytes));
}

#[test]
fn nothing_is_allocated_for_a_declared_length() {
    let mut decoder = Decoder::new(Role::Server);
    let limits = Limits { max_message: u64::MAX, max_frame: u64::MAX, max_fragments: 1 };
    let mut buffer = [0; frame::MAX_HEADER];
    let header = Header { fin: true, opcode: Opcode::Binary, mask: Some(KEY), length: 1 << 62 };
    let used = header.write(&mut buffer);
    let (taken, event) = decoder.step(&mut buffer[..used], &limits).unwrap();
    assert_eq!((taken, event), (used, None));
    assert_eq!(decoder.message.capacity(), 0);
    let (room, most) = decoder.direct().unwrap();
    assert!(room.capacity() < 2 * DIRECT_STEP && most <= DIRECT_STEP);
}

#[test]
fn a_large_frame_received_directly_is_the_same() {
    let payload: Vec<u8> = (0..200_000_u32).map(|i| (i / 3) as u8).collect();
    let mut bytes = frames(&[(Opcode::Binary, true, &payload)], Role::Server);
    let mut decoder = Decoder::new(Role::Server);
    let (taken, event) = decoder.step(&mut bytes[..5000], &LIMITS).unwrap();
    assert_eq!((taken, event), (5000, None));
    let mut at = taken;
    while let Some((buffer, room)) = decoder.direct() {
        let count = room.min(7_001);
        buffer.extend_from_slice(&bytes[at..at + count]);
        at += count;
        assert_eq!(decoder.received(count), Ok(None));
    }
    let (taken, event) = decoder.step(&mut bytes[at..], &LIMITS).unwrap();
    assert_eq!(Seen::from(event.unwrap()), Seen::Message(Kind::Binary, payload));
    assert_eq!(at + taken, bytes.len());
}

fn any_frame() -> impl Strategy<Value = (Opcode, bool, Vec<u8>)> {
    let opcode = prop::sample::select(vec![
        Opcode::Continuation,
        Opcode::Text,
        Opcode::Binary,
        Opcode::Ping,
        Opcode::Pong,
        Opcode::Close,
    ]);
    let payload =
        prop_oneof!["[ -~é🎉]{0,40}".prop_map(String::into_bytes), prop::collection::vec(any::<u8>(), 0..200),];
    (opcode, any::<bool>(), payload)
}

proptest! {
    #[test]
    fn any_frames_at_any_cuts_give_the_same(
        list in prop::collection::vec(any_frame(), 0..8),
        mut cuts in prop::collection::vec(0_usize..600, 0..12),
    ) {
        let list: Vec<(Opcode, bool, &[u8])> =
            list.iter().map(|(opcode, fin, payload)| (*opcode, *fin, payload.as_slice())).collect();
        let bytes = frames(&list, Role::Server);
        cuts.retain(|&cut| cut <= bytes.len());
        cuts.sort_unstable();
        let whole = decode(&bytes, &[], Role::Server, &LIMITS);
        prop_assert_eq!(decode(&bytes, &cuts, Role::Server, &LIMITS), whole);
    }

    #[test]
    fn short_messages_are_what_steps_would_have_given(
        list in prop::collection::vec(any_frame(), 0..8),
        end in 0_usize..900,
        wanted in 0_usize..4,
        is_client: bool,
        max_message in prop::sample::select(vec![10, 100, 1 << 20]),
    ) {
        let role = if is_client { Role::Client } else { Role::Server };
        let list: Vec<(Opcode, bool, &[u8])> =
            list.iter().map(|(opcode, fin, payload)| (*opcode, *fin, payload.as_slice())).collect();
        let mut bytes = frames(&list, role);
        bytes.truncate(end);
        let limits = Limits { max_message, ..LIMITS };
        let (mut decoder, mut seen, mut used, mut input) = (Decoder::new(role), Vec::new(), 0, bytes.clone());
        loop {
            let before = seen.len();
            let deliver = |kind, payload: &[u8]| {
                seen.push(Seen::Message(kind, payload.to_vec()));
                seen.len() < before + wanted
            };
            let taken = match role {
                Role::Server => decoder.short_messages(&mut input[used..], &limits, deliver),
                Role::Client => decoder.short_unmasked_messages(&input[used..], &limits, deliver),
            };
            match taken.and_then(|taken| {
                used += taken;
                decoder.step(&mut input[used..], &limits)
            }) {
                Ok((0, _)) => break,
                Ok((taken, event)) => {
                    used += taken;
                    seen.extend(event.map(Seen::from));
                }
                Err(violation) => {
                    seen.push(Seen::Violation(violation.code));
                    break;
                }
            }
            if matches!(seen.last(), Some(Seen::Close(..))) {
                break;
            }
        }
        prop_assert_eq!(seen, decode(&bytes, &[], role, &limits));
    }

    #[test]
    fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), cut in 0_usize..300) {
        for role in [Role::Server, Role::Client] {
            let cut = cut.min(bytes.len());
            let whole = decode(&bytes, &[], role, &LIMITS);
            prop_assert_eq!(decode(&bytes, &[cut], role, &LIMITS), whole);
        }
    }
}
