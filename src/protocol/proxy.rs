//! The PROXY protocol, versions 1 and 2: the line, or the block of bytes, in which a load balancer says at the start of a
//! connection whom it was made for (HAProxy's `proxy-protocol.txt`, sections 2.1 and 2.2).
//!
//! The receiving side only. Whether a header is to be expected is not ours to find out: the specification forbids to guess
//! by the bytes, for then any client could name itself whatever it likes. So the caller asks for a header where one must be,
//! and a connection without one is malformed.
//!
//! What has come so far is looked at anew each time. That costs little, for a header is short: version 1 has at most 107
//! bytes, and version 2 says its length in the first 16.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The longest header of version 1, its line end included (section 2.1).
pub const MAX_V1: usize = 107;

/// The longest header of version 2 that is taken. Addresses need at most 232 bytes; the rest are records of what else the
/// proxy knows, such as the certificate of a client.
pub const MAX_V2: usize = 4096;

/// How every header of version 2 begins: with what no other protocol does.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// The part of a version 2 header that all have.
const FIXED: usize = 16;

/// What the bytes so far are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// The beginning of what can still become a header: read on.
    Partial,
    /// A whole header.
    Complete {
        /// Whom it speaks of.
        source: Source,
        /// How many bytes it took; the connection proper follows.
        length: usize,
    },
    /// No header starts like this, in so many words.
    Malformed(&'static str),
}

/// Whom a connection was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// For the proxy itself, which looks whether we are well (LOCAL), or for somebody it cannot name (UNKNOWN, UNSPEC).
    Proxy,
    /// For a client at this address. An IPv4 address that was mapped into IPv6 is the IPv4 address.
    Client(SocketAddr),
    /// For a client over a Unix socket.
    Unix,
}

type Parsed = Result<Option<(Source, usize)>, &'static str>;

/// Looks at everything received so far on a connection that must begin with a header.
#[must_use]
pub fn read(input: &[u8]) -> Status {
    let parsed = match input.first() {
        None => Ok(None),
        Some(b'\r') => read_v2(input),
        Some(_) => read_v1(input),
    };
    match parsed {
        Ok(None) => Status::Partial,
        Ok(Some((source, length))) => Status::Complete { source, length },
        Err(why) => Status::Malformed(why),
    }
}

// ---- version 1 ----------------------------------------------------------------------------------------------------

fn read_v1(input: &[u8]) -> Parsed {
    const PREFIX: &[u8] = b"PROXY ";
    let begins = input.len().min(PREFIX.len());
    if input[..begins] != PREFIX[..begins] {
        return Err("a PROXY protocol header is missing");
    }
    let input = &input[..input.len().min(MAX_V1)];
    let Some(end) = input.iter().position(|byte| byte.is_ascii_control()) else {
        return if input.len() < MAX_V1 { Ok(None) } else { Err("a PROXY protocol line over 107 bytes") };
    };
    match &input[end..] {
        [b'\r'] if end + 2 <= MAX_V1 => Ok(None),
        [b'\r', b'\n', ..] => {
            let source = std::str::from_utf8(&input[PREFIX.len()..end]).ok().and_then(parse_line);
            source.map(|source| Some((source, end + 2))).ok_or("a malformed PROXY protocol line")
        }
        _ => Err("a malformed PROXY protocol line"),
    }
}

/// Takes apart what stands between `PROXY ` and the line end. Behind UNKNOWN anything may follow, and is ignored.
fn parse_line(line: &str) -> Option<Source> {
    if line == "UNKNOWN" || line.starts_with("UNKNOWN ") {
        return Some(Source::Proxy);
    }
    let [family, source, destination, source_port, destination_port] =
        line.split(' ').collect::<Vec<_>>().try_into().ok()?;
    let address = |text: &str| match family {
        "TCP4" => text.parse().ok().map(IpAddr::V4),
        "TCP6" => text.parse().ok().map(IpAddr::V6),
        _ => None,
    };
    let source = SocketAddr::new(address(source)?.to_canonical(), parse_port(source_port)?);
    address(destination)?;
    parse_port(destination_port)?;
    Some(Source::Client(source))
}

/// A number from 0 to 65535 without a sign or leading zeros.
fn parse_port(text: &str) -> Option<u16> {
    let plain = text == "0" || text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    if plain { text.parse().ok() } else { None }
}

// ---- version 2 ----------------------------------------------------------------------------------------------------

fn read_v2(input: &[u8]) -> Parsed {
    let begins = input.len().min(SIGNATURE.len());
    if input[..begins] != SIGNATURE[..begins] {
        return Err("a PROXY protocol header is missing");
    }
    let is_local = match input.get(12) {
        None => return Ok(None),
        Some(0x20) => true,
        Some(0x21) => false,
        Some(_) => return Err("a PROXY protocol version or command that is unknown"),
    };
    // Datagrams come from a proxy that speaks HTTP/3 to the client. The addresses are the same.
    let addresses = match input.get(13) {
        None => return Ok(None),
        // LOCAL has nothing to say, whatever it says (section 2.2).
        Some(_) if is_local => 0,
        Some(0x00) => 0,
        Some(0x11 | 0x12) => 12,
        Some(0x21 | 0x22) => 36,
        Some(0x31 | 0x32) => 216,
        Some(_) => return Err("a PROXY protocol family that is unknown"),
    };
    let &[_, _, _, _, _, _, _, _, _, _, _, _, _, family, high, low, ..] = input else { return Ok(None) };
    let length = FIXED + usize::from(u16::from_be_bytes([high, low]));
    if length > MAX_V2 {
        return Err("a PROXY protocol header over 4096 bytes");
    }
    if length < FIXED + addresses {
        return Err("a PROXY protocol header too short for its addresses");
    }
    let Some(header) = input.get(..length) else { return Ok(None) };
    if is_local {
        return Ok(Some((Source::Proxy, length)));
    }
    let (block, records) = header[FIXED..].split_at(addresses);
    // What an unspecified family brings is of no known form, records included.
    if family != 0x00 {
        check_records(header, records)?;
    }
    Ok(Some((source_in(block), length)))
}

/// The source in a block of addresses: source, destination, and their ports.
fn source_in(block: &[u8]) -> Source {
    match *block {
        [a, b, c, d, _, _, _, _, high, low, _, _] => {
            let address = Ipv4Addr::new(a, b, c, d).into();
            Source::Client(SocketAddr::new(address, u16::from_be_bytes([high, low])))
        }
        [ref both @ .., high, low, _, _] if both.len() == 32 => {
            let mut octets = [0; 16];
            octets.copy_from_slice(&both[..16]);
            let address = Ipv6Addr::from(octets).to_canonical();
            Source::Client(SocketAddr::new(address, u16::from_be_bytes([high, low])))
        }
        [] => Source::Proxy,
        _ => Source::Unix,
    }
}

/// Walks over the records behind the addresses: one byte of type, two of length, and so many more. They are of no further
/// interest, but for a checksum over the header, which must be right where there is one (section 2.2.3).
fn check_records(header: &[u8], records: &[u8]) -> Result<(), &'static str> {
    const CRC32C: u8 = 0x03;
    let mut rest = records;
    while let [kind, high, low, behind @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let Some((value, next)) = behind.split_at_checked(length) else { break };
        if *kind == CRC32C {
            let at = header.len() - behind.len();
            let sum = <[u8; 4]>::try_from(value).map_err(|_| "a PROXY protocol checksum that is not of four bytes")?;
            if u32::from_be_bytes(sum) != crc32c(&header[..at], &header[at + 4..]) {
                return Err("a PROXY protocol header whose checksum is wrong");
            }
        }
        rest = next;
    }
    if rest.is_empty() { Ok(()) } else { Err("a PROXY protocol record that is cut off") }
}

/// CRC-32C (RFC 3720 appendix B.4) of a header, with four zeros for the checksum between its two parts.
fn crc32c(before: &[u8], after: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    let bytes = before.iter().chain(&[0; 4]).chain(after);
    !bytes.fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ POLYNOMIAL } else { crc >> 1 })
    })
}

#[cfg(test)]
mod tests;
