use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

fn client(address: &str) -> Source {
    Source::Client(address.parse().unwrap())
}

/// A header of version 2 with these bytes behind its length.
fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let mut header = SIGNATURE.to_vec();
    header.extend([command, family]);
    header.extend((rest.len() as u16).to_be_bytes());
    header.extend(rest);
    header
}

fn v2_of(source: SocketAddr, records: &[u8]) -> Vec<u8> {
    let octets = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let family = if source.is_ipv4() { 0x11 } else { 0x21 };
    let destination = vec![0x7f; octets(source.ip()).len()];
    let ports = [source.port().to_be_bytes(), 443_u16.to_be_bytes()].concat();
    v2(0x21, family, &[octets(source.ip()), destination, ports, records.to_vec()].concat())
}

fn with_checksum(source: SocketAddr, records: &[u8]) -> Vec<u8> {
    let records = [records, &[0x03, 0, 4, 0, 0, 0, 0], &[0x04, 0, 1, 9]].concat();
    let mut header = v2_of(source, &records);
    let at = header.len() - 8;
    let sum = crc32c(&header[..at], &header[at + 4..]);
    header[at..at + 4].copy_from_slice(&sum.to_be_bytes());
    header
}

/// What a header comes to, which it must at its last byte and not before, however much follows.
fn read_whole(header: &[u8]) -> Result<Source, &'static str> {
    let cut_at = |length: usize| read(&header[..length]);
    let first = (0..=header.len()).find(|&length| cut_at(length) != Status::Partial);
    let followed = read(&[header, b"GET / HTTP/1.1\r\n\r\nPROXY \0\xff"].concat());
    match followed {
        Status::Complete { source, length } => {
            assert_eq!((length, first), (header.len(), Some(header.len())));
            assert_eq!(read(header), followed);
            Ok(source)
        }
        Status::Malformed(why) => {
            // It is refused at one byte, and the same whatever comes after it.
            if let Some(first) = first {
                assert!((first..=header.len()).all(|length| matches!(cut_at(length), Status::Malformed(_))));
            }
            Err(why)
        }
        Status::Partial => panic!("{header:?} is followed by enough to be judged"),
    }
}

#[test]
fn lines() {
    let longest = "ffff:f:f:f:f:f:f:ffff";
    let rows: &[(&str, Source)] = &[
        ("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n", client("192.168.0.1:56324")),
        ("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", client("255.255.255.255:65535")),
        ("PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n", client("0.0.0.0:0")),
        ("PROXY TCP6 2001:db8::1 ::1 4124 443\r\n", client("[2001:db8::1]:4124")),
        ("PROXY TCP6 ::ffff:1.2.3.4 2001:DB8::A 4124 443\r\n", client("1.2.3.4:4124")),
        (&format!("PROXY TCP6 {longest} {longest} 1 2\r\n"), client(&format!("[{longest}]:1"))),
        ("PROXY UNKNOWN\r\n", Source::Proxy),
        ("PROXY UNKNOWN ffff::ffff whatever 65536\r\n", Source::Proxy),
    ];
    for (line, source) in rows {
        assert_eq!(read_whole(line.as_bytes()), Ok(*source), "{line}");
    }
}

#[test]
fn lines_that_are_not_of_the_form() {
    let rows: &[&str] = &[
        "GET / HTTP/1.1\r\n\r\n",
        "proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXYTCP4 1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY\r\n",
        "PROXY \r\n",
        "PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY\tTCP4 1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\rx",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 65536 1\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 +1 1\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 01 1\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 00 1\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 -1 1\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4  1\r\n",
        "PROXY TCP4 1.2.3.04 1.2.3.4 1 1\r\n",
        "PROXY TCP4 1.2.3 1.2.3.4 1 1\r\n",
        "PROXY TCP4 1.2.3.256 1.2.3.4 1 1\r\n",
        "PROXY TCP4 1.2.3.4 x 1 1\r\n",
        "PROXY TCP4 ::1 ::1 1 1\r\n",
        "PROXY TCP6 1.2.3.4 1.2.3.4 1 1\r\n",
        "PROXY TCP6 [::1] [::1] 1 1\r\n",
        "PROXY TCP6 fe80::1%lo fe80::1%lo 1 1\r\n",
        "PROXY UDP4 1.2.3.4 1.2.3.4 1 1\r\n",
        "PROXY tcp4 1.2.3.4 1.2.3.4 1 1\r\n",
        "PROXY UNKNOWNS\r\n",
        "PROXY UNKNOWN \0\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 1\0\r\n",
        "PROXY TCP4 1.2.3.4\u{a0}1.2.3.4 1 1\r\n",
    ];
    for line in rows {
        assert!(read_whole(line.as_bytes()).is_err(), "{line:?}");
    }
}

#[test]
fn a_line_has_at_most_107_bytes() {
    let line = |length: usize| format!("PROXY UNKNOWN {}\r\n", "x".repeat(length - 16));
    assert_eq!(line(107).len(), 107);
    assert_eq!(read_whole(line(107).as_bytes()), Ok(Source::Proxy));
    assert!(read_whole(line(108).as_bytes()).is_err());
    // It is refused as soon as it can be seen, and not when its end comes.
    assert_eq!(read(&line(4000).as_bytes()[..106]), Status::Partial);
    assert!(matches!(read(&line(4000).as_bytes()[..107]), Status::Malformed(_)));
}

#[test]
fn blocks() {
    let v4 = "192.0.2.7:56324".parse().unwrap();
    let v6 = "[2001:db8::7]:1".parse().unwrap();
    let mapped = "[::ffff:192.0.2.7]:56324".parse().unwrap();
    let mut datagram = v2_of(v4, &[]);
    datagram[13] = 0x12;
    let rows = [
        (v2_of(v4, &[]), Source::Client(v4)),
        (v2_of(v6, &[]), Source::Client(v6)),
        (v2_of(mapped, &[]), Source::Client(v4)),
        (v2_of(v4, &[0x02, 0, 3, b'a', b'.', b'b', 0x04, 0, 0]), Source::Client(v4)),
        (v2_of(v4, &[&[0x20, 0x0f, 0x00][..], &[7; 0x0f00]].concat()), Source::Client(v4)),
        (with_checksum(v4, &[]), Source::Client(v4)),
        (with_checksum(v6, &[0x01, 0, 2, b'h', b'2']), Source::Client(v6)),
        (datagram, Source::Client(v4)),
        (v2(0x21, 0x31, &[0; 216]), Source::Unix),
        (v2(0x21, 0x32, &[b'/'; 216]), Source::Unix),
        (v2(0x21, 0x00, &[]), Source::Proxy),
        (v2(0x21, 0x00, b"anything at all"), Source::Proxy),
        (v2(0x20, 0x00, &[]), Source::Proxy),
        (v2(0x20, 0x11, &[1; 12]), Source::Proxy),
        (v2(0x20, 0x11, &[1; 3]), Source::Proxy),
        (v2(0x20, 0xff, &[0xff; 100]), Source::Proxy),
        (v2(0x20, 0x00, &[0; MAX_V2 - FIXED]), Source::Proxy),
    ];
    for (header, source) in rows {
        assert_eq!(read_whole(&header), Ok(source), "{header:?}");
    }
}

#[test]
fn blocks_that_are_not_of_the_form() {
    let v4 = "192.0.2.7:56324".parse().unwrap();
    let mut wrong_sum = with_checksum(v4, &[]);
    wrong_sum[FIXED + 3] ^= 1;
    let rows = [
        v2(0x11, 0x11, &[1; 12]),
        v2(0x31, 0x11, &[1; 12]),
        v2(0x22, 0x11, &[1; 12]),
        v2(0x21, 0x10, &[1; 12]),
        v2(0x21, 0x13, &[1; 12]),
        v2(0x21, 0x01, &[1; 12]),
        v2(0x21, 0x41, &[1; 12]),
        v2(0x21, 0x11, &[1; 11]),
        v2(0x21, 0x11, &[]),
        v2(0x21, 0x21, &[1; 35]),
        v2(0x21, 0x31, &[1; 215]),
        v2(0x20, 0x00, &[0; MAX_V2 - FIXED + 1]),
        v2(0x21, 0x11, &[0; 65535]),
        v2_of(v4, &[0x04]),
        v2_of(v4, &[0x04, 0]),
        v2_of(v4, &[0x04, 0, 2, 1]),
        v2_of(v4, &[0x03, 0, 3, 1, 2, 3]),
        wrong_sum,
        b"\r\n\r\n\0\r\nQUIT\r\x21\x11\0\0".to_vec(),
        b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
    ];
    for header in rows {
        assert!(read_whole(&header).is_err(), "{header:?}");
    }
}

#[test]
fn the_checksum_is_that_of_the_rfc() {
    // RFC 3720 appendix B.4: 32 bytes of zeros, and 32 that count up.
    assert_eq!(crc32c(&[0; 20], &[0; 8]), 0x8a91_36aa);
    let counting: Vec<u8> = (0..32).collect();
    let naive = |bytes: &[u8]| {
        let step = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
        bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc))) ^ !0
    };
    assert_eq!(naive(&counting), 0x46dd_794e);
    assert_eq!(crc32c(&counting[..9], &counting[9..]), naive(&[&counting[..9], &[0; 4], &counting[9..]].concat()));
}

proptest! {
    #[test]
    fn what_a_proxy_writes_is_read_back(
        ip in prop_oneof![any::<Ipv4Addr>().prop_map(IpAddr::V4), any::<Ipv6Addr>().prop_map(IpAddr::V6)],
        ports in any::<(u16, u16)>(),
        records in vec((4..0xff_u8, vec(any::<u8>(), 0..40)), 0..5),
    ) {
        let (address, named) = (SocketAddr::new(ip, ports.0), SocketAddr::new(ip.to_canonical(), ports.0));
        let family = if ip.is_ipv4() { "TCP4" } else { "TCP6" };
        let line = format!("PROXY {family} {ip} {ip} {} {}\r\n", ports.0, ports.1);
        prop_assert_eq!(read_whole(line.as_bytes()), Ok(Source::Client(named)));
        let records: Vec<u8> = records
            .iter()
            .flat_map(|(kind, value)| [&[*kind, 0, value.len() as u8][..], value].concat())
            .collect();
        prop_assert_eq!(read_whole(&v2_of(address, &records)), Ok(Source::Client(named)));
        prop_assert_eq!(read_whole(&with_checksum(address, &records)), Ok(Source::Client(named)));
    }

    #[test]
    fn no_bytes_are_waited_for_without_end(
        start in select(vec![
            &b""[..], b"PROXY ", b"PROXY TCP4 ", b"\r\n\r\n\0\r\nQUIT\n",
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11", b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0",
        ]),
        noise in vec(any::<u8>(), 0..300),
        behind in any::<u8>(),
    ) {
        let mut bytes = [start, &noise[..]].concat();
        let short = read(&bytes);
        bytes.resize(MAX_V2, behind);
        let long = read(&bytes);
        prop_assert!(long != Status::Partial);
        prop_assert!(short == Status::Partial || short == long);
        if let Status::Complete { length, .. } = long {
            prop_assert!(length <= MAX_V2 && read(&bytes[..length]) == long);
        }
    }
}
