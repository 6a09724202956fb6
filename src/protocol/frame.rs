//! One frame: its header read and written (RFC 6455 section 5.2).
//!
//! [`Header::parse`] judges a header from the first byte that tells: reserved bits and opcodes, the rules for control
//! frames, the shortest form of the length. It never looks at the payload, so a frame is refused before anything is
//! allocated for it.

use super::{Role, Violation, mask};
use crate::error::{Error, Status};
use crate::sys::copy;
use std::collections::TryReserveError;

/// The longest header: two bytes, a 64-bit length, a masking key.
pub const MAX_HEADER: usize = 14;

/// The longest payload of a control frame, in bytes (section 5.5).
pub const MAX_CONTROL_PAYLOAD: usize = 125;

pub(super) const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
pub(super) const MASKED: u8 = 0x80;
const LENGTH_16: u8 = 126;
const LENGTH_64: u8 = 127;

/// What a frame carries (section 11.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Opcode {
    /// The next piece of a message under way.
    Continuation = 0x0,
    /// The first piece of a text message.
    Text = 0x1,
    /// The first piece of a binary message.
    Binary = 0x2,
    /// The beginning or the answer of the closing handshake.
    Close = 0x8,
    /// Asks for a pong with the same payload.
    Ping = 0x9,
    /// Answers a ping, or comes unasked.
    Pong = 0xA,
}

impl Opcode {
    const fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xA => Self::Pong,
            _ => return None,
        })
    }

    /// Whether this is a control frame: never fragmented, at most 125 bytes (section 5.5).
    #[must_use]
    pub const fn is_control(self) -> bool {
        self as u8 & 0x8 != 0
    }
}

/// A frame header that keeps every rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Whether this frame ends its message.
    pub fin: bool,
    /// What the frame carries.
    pub opcode: Opcode,
    /// The masking key, present on what a client sends.
    pub mask: Option<mask::Key>,
    /// Bytes of payload.
    pub length: u64,
}

impl Header {
    /// Reads the header at the start of `input`, sent to an endpoint of this role: the header and its own length.
    /// `None` means that more bytes are needed and that nothing is wrong so far.
    ///
    /// # Errors
    /// 1002 for a reserved bit or opcode, a wrong masking direction, a control frame that is fragmented or longer than
    /// 125 bytes, a length that is not in its shortest form or has its top bit set.
    #[inline]
    pub fn parse(input: &[u8], role: Role) -> Result<Option<(Self, usize)>, Violation> {
        let Some(&first) = input.first() else { return Ok(None) };
        if first & RESERVED != 0 {
            return Err(Violation::protocol("reserved bit set without an extension"));
        }
        let Some(opcode) = Opcode::from_bits(first & 0x0f) else {
            return Err(Violation::protocol("reserved opcode"));
        };
        let fin = first & FIN != 0;
        if opcode.is_control() && !fin {
            return Err(Violation::protocol("fragmented control frame"));
        }
        let Some(&second) = input.get(1) else { return Ok(None) };
        let masked = second & MASKED != 0;
        if masked != (role == Role::Server) {
            return Err(Violation::protocol(match role {
                Role::Server => "client frame without mask",
                Role::Client => "server frame with mask",
            }));
        }
        let short = second & !MASKED;
        if opcode.is_control() && usize::from(short) > MAX_CONTROL_PAYLOAD {
            return Err(Violation::protocol("control frame over 125 bytes"));
        }
        let Some((length, used)) = parse_length(short, &input[2..])? else { return Ok(None) };
        let mut at = 2 + used;
        let mut key = None;
        if masked {
            let Some(bytes) = input.get(at..at + 4) else { return Ok(None) };
            key = Some([bytes[0], bytes[1], bytes[2], bytes[3]]);
            at += 4;
        }
        Ok(Some((Self { fin, opcode, mask: key, length }, at)))
    }

    /// Writes the header into `buffer` and returns its length, in the shortest form of the payload length.
    #[inline]
    pub fn write(&self, buffer: &mut [u8; MAX_HEADER]) -> usize {
        buffer[0] = self.opcode as u8 | if self.fin { FIN } else { 0 };
        let mask_bit = if self.mask.is_some() { MASKED } else { 0 };
        let mut at = match self.length {
            0..=125 => {
                buffer[1] = mask_bit | self.length as u8;
                2
            }
            126..=0xffff => {
                buffer[1] = mask_bit | LENGTH_16;
                buffer[2..4].copy_from_slice(&(self.length as u16).to_be_bytes());
                4
            }
            _ => {
                buffer[1] = mask_bit | LENGTH_64;
                buffer[2..10].copy_from_slice(&self.length.to_be_bytes());
                10
            }
        };
        if let Some(key) = self.mask {
            buffer[at..at + 4].copy_from_slice(&key);
            at += 4;
        }
        at
    }
}

/// The bytes that a frame with this much payload takes.
#[inline]
#[must_use]
pub const fn length(payload: usize, masked: bool) -> usize {
    let extended = match payload {
        0..=125 => 0,
        126..=0xffff => 2,
        _ => 8,
    };
    2 + extended + if masked { 4 } else { 0 } + payload
}

/// Reads the extended length, if the short one calls for it: the length and the bytes it took.
#[inline]
fn parse_length(short: u8, input: &[u8]) -> Result<Option<(u64, usize)>, Violation> {
    const NOT_MINIMAL: Violation = Violation::protocol("payload length not in its shortest form");
    match short {
        LENGTH_16 => {
            let Some(bytes) = input.first_chunk() else { return Ok(None) };
            let length = u16::from_be_bytes(*bytes);
            if length < 126 { Err(NOT_MINIMAL) } else { Ok(Some((u64::from(length), 2))) }
        }
        LENGTH_64 => {
            if input.first().is_some_and(|top| top & 0x80 != 0) {
                return Err(Violation::protocol("payload length with its top bit set"));
            }
            let Some(bytes) = input.first_chunk() else { return Ok(None) };
            let length = u64::from_be_bytes(*bytes);
            if length <= 0xffff { Err(NOT_MINIMAL) } else { Ok(Some((length, 8))) }
        }
        _ => Ok(Some((u64::from(short), 0))),
    }
}

/// Makes room in `out` for one more frame with so much payload, so that [`write()`] needs none.
///
/// # Errors
/// There is no memory for it.
#[inline]
pub fn reserve(out: &mut Vec<u8>, payload: usize) -> Result<(), TryReserveError> {
    out.try_reserve(MAX_HEADER + payload)
}

/// Appends a whole frame to `out`. A client gives the masking key, fresh and unpredictable for each frame; a server
/// gives `None` (section 5.3).
#[inline]
pub fn write(out: &mut Vec<u8>, opcode: Opcode, fin: bool, mask: Option<mask::Key>, payload: &[u8]) {
    let mut buffer = [0; MAX_HEADER];
    let header = Header { fin, opcode, mask, length: payload.len() as u64 };
    let length = header.write(&mut buffer);
    out.reserve(length + payload.len());
    out.extend_from_slice(&buffer[..length]);
    match mask {
        None => copy::append(out, payload),
        Some(key) => {
            let start = out.len();
            out.resize(start + payload.len(), 0);
            mask::copy_masked(&mut out[start..], payload, key);
        }
    }
}

/// Checks that a ping may have this payload.
///
/// # Errors
/// `WS_ERR_TOO_LARGE`.
pub fn check_ping(payload: &[u8]) -> Result<(), Error> {
    if payload.len() > MAX_CONTROL_PAYLOAD {
        let detail = format!("ping of {} bytes: at most {MAX_CONTROL_PAYLOAD} fit", payload.len());
        return Err(Error::new(Status::WS_ERR_TOO_LARGE, detail));
    }
    Ok(())
}

/// A whole control frame.
#[derive(Debug, Clone, Copy)]
pub struct ControlFrame {
    bytes: [u8; MAX_HEADER + MAX_CONTROL_PAYLOAD],
    length: usize,
}

impl ControlFrame {
    /// A frame with this payload, of which no more counts than a control frame may have; masked if a client sends it.
    #[must_use]
    pub fn new(opcode: Opcode, payload: &[u8], mask: Option<mask::Key>) -> Self {
        let payload = &payload[..payload.len().min(MAX_CONTROL_PAYLOAD)];
        let mut header = [0; MAX_HEADER];
        let start = Header { fin: true, opcode, mask, length: payload.len() as u64 }.write(&mut header);
        let mut frame = Self { bytes: [0; MAX_HEADER + MAX_CONTROL_PAYLOAD], length: start + payload.len() };
        frame.bytes[..start].copy_from_slice(&header[..start]);
        mask::copy_masked(&mut frame.bytes[start..frame.length], payload, mask.unwrap_or_default());
        frame
    }

    /// The bytes to send.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// Whether these bytes begin with a control frame.
#[inline]
#[must_use]
pub fn is_control(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|first| first & 0x8 != 0)
}

/// The longest payload of a short frame, in bytes: its length has room in the second byte of the header.
pub const MAX_SHORT_PAYLOAD: usize = 125;

/// The longest short frame of a server, in bytes.
pub const MAX_SHORT_FRAME: usize = 2 + MAX_SHORT_PAYLOAD;

/// Writes a whole unmasked frame with a short payload into `buffer`: its length, and whether the payload is ASCII. A
/// longer payload is cut.
#[inline(always)]
pub fn write_short(buffer: &mut [u8; MAX_SHORT_FRAME], opcode: Opcode, payload: &[u8]) -> (usize, bool) {
    let payload = &payload[..payload.len().min(MAX_SHORT_PAYLOAD)];
    let [first, second, room @ ..] = buffer;
    *first = FIN | opcode as u8;
    *second = payload.len() as u8;
    let ascii = mask::copy(&mut room[..payload.len()], payload);
    (2 + payload.len(), ascii)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::close::PROTOCOL_ERROR;
    use proptest::prelude::*;

    const KEY: [u8; 4] = [9, 8, 7, 6];

    #[test]
    fn the_examples_of_section_5_7() {
        let mut frame = Vec::new();
        write(&mut frame, Opcode::Text, true, None, b"Hello");
        assert_eq!(frame, [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]);
        frame.clear();
        write(&mut frame, Opcode::Text, true, Some([0x37, 0xfa, 0x21, 0x3d]), b"Hello");
        assert_eq!(frame, [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]);
    }

    #[test]
    fn refused_from_the_first_byte_that_tells() {
        let long_control = [0x89, 0xfe];
        let not_minimal_16 = [0x82, 0xfe, 0, 125];
        let not_minimal_64 = [0x82, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff];
        let top_bit = [0x82, 0xff, 0x80];
        let cases: [(&[u8], &str); 9] = [
            (&[0xc1], "reserved bit set without an extension"),
            (&[0x83], "reserved opcode"),
            (&[0x8f], "reserved opcode"),
            (&[0x09], "fragmented control frame"),
            (&[0x81, 0x05], "client frame without mask"),
            (&long_control, "control frame over 125 bytes"),
            (&not_minimal_16, "payload length not in its shortest form"),
            (&not_minimal_64, "payload length not in its shortest form"),
            (&top_bit, "payload length with its top bit set"),
        ];
        for (bytes, reason) in cases {
            let violation = Header::parse(bytes, Role::Server).unwrap_err();
            assert_eq!((violation.code, violation.reason), (PROTOCOL_ERROR, reason), "{bytes:x?}");
            for end in 0..bytes.len() {
                assert_eq!(Header::parse(&bytes[..end], Role::Server), Ok(None), "{bytes:x?} cut at {end}");
            }
        }
        assert_eq!(Header::parse(&[0x81, 0x85], Role::Client).unwrap_err().reason, "server frame with mask");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            fin: bool,
            opcode in prop::sample::select(vec![Opcode::Continuation, Opcode::Text, Opcode::Binary]),
            length in prop_oneof![0_u64..130, 65_500_u64..65_600, any::<u64>().prop_map(|n| n >> 1)],
            masked: bool,
        ) {
            let header = Header { fin, opcode, mask: masked.then_some(KEY), length };
            let mut buffer = [0; MAX_HEADER];
            let used = header.write(&mut buffer);
            let role = if masked { Role::Server } else { Role::Client };
            prop_assert_eq!(super::length(length as usize, masked), used + length as usize);
            prop_assert_eq!(Header::parse(&buffer[..used], role), Ok(Some((header, used))));
            for end in 0..used {
                prop_assert_eq!(Header::parse(&buffer[..end], role), Ok(None));
            }
        }
    }
}
