//! X-Forwarded-For: whom a reverse proxy has made a request for.
//!
//! Each proxy on the way adds the address that it was connected from at the right end of the list. So what stands on the
//! right was written by the proxy nearest to us, and what stands on the left by whoever began, who may write what he
//! likes. The list is walked from the right, over entries of proxies that are trusted, up to the first that is not: that
//! is the client, as the last proxy worth believing has seen it.
//!
//! `Forwarded` (RFC 7239) is not read. Proxies that write the one header pass on the other as the client has sent it, and
//! nothing in the request tells which one is theirs.

use super::http::Headers;
use super::networks::Networks;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// The client that these headers name, if they come from a peer that is trusted and name one. The port is 0 unless the
/// list has it, which few do.
///
/// An entry that is no address ends the walk, and so does the end of the list: then the last one before it counts.
#[must_use]
pub fn client(headers: &Headers<'_>, trusted: &Networks) -> Option<SocketAddr> {
    let values: Vec<&[u8]> = headers.clone().all("x-forwarded-for").collect();
    let entries = values.iter().rev().flat_map(|value| value.rsplit(|byte| *byte == b','));
    let mut client = None;
    for entry in entries.map(<[u8]>::trim_ascii).filter(|entry| !entry.is_empty()) {
        let Some(address) = parse(entry) else { break };
        client = Some(address);
        if !trusted.has(address.ip()) {
            break;
        }
    }
    client
}

/// An address, and perhaps a port: `192.0.2.7`, `192.0.2.7:80`, `2001:db8::7`, `[2001:db8::7]`, `[2001:db8::7]:80`.
fn parse(entry: &[u8]) -> Option<SocketAddr> {
    let text = std::str::from_utf8(entry).ok()?;
    let address = match text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        Some(bare) => SocketAddr::new(bare.parse::<Ipv6Addr>().ok()?.into(), 0),
        None => match text.parse::<IpAddr>() {
            Ok(ip) => SocketAddr::new(ip, 0),
            Err(_) => text.parse().ok().filter(|_| !text.contains('%'))?,
        },
    };
    Some(SocketAddr::new(address.ip().to_canonical(), address.port()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    const TRUSTED: [&str; 3] = ["10.0.0.0/8", "fd00::/8", "unix"];

    fn named(lines: &str) -> Option<String> {
        client(&Headers::new(lines.as_bytes()), &Networks::new(TRUSTED)).map(|client| client.to_string())
    }

    #[test]
    fn the_first_from_the_right_that_is_not_trusted_is_the_client() {
        let rows: &[(&str, Option<&str>)] = &[
            ("Host: a\r\n", None),
            ("X-Forwarded-For:\r\n", None),
            ("X-Forwarded-For: ,\t, \r\n", None),
            ("X-Forwarded-For: 192.0.2.7\r\n", Some("192.0.2.7:0")),
            ("x-forwarded-FOR: 192.0.2.7:1234\r\n", Some("192.0.2.7:1234")),
            ("X-Forwarded-For: 2001:db8::7\r\n", Some("[2001:db8::7]:0")),
            ("X-Forwarded-For: [2001:db8::7]\r\n", Some("[2001:db8::7]:0")),
            ("X-Forwarded-For: [2001:db8::7]:1234\r\n", Some("[2001:db8::7]:1234")),
            ("X-Forwarded-For: ::ffff:192.0.2.7\r\n", Some("192.0.2.7:0")),
            ("X-Forwarded-For: [::ffff:192.0.2.7]:5\r\n", Some("192.0.2.7:5")),
            // What stands left of the client is what the client has sent.
            ("X-Forwarded-For: 203.0.113.1, 192.0.2.7\r\n", Some("192.0.2.7:0")),
            ("X-Forwarded-For: 10.0.0.1, 192.0.2.7,10.0.0.2 ,\t10.0.0.3\r\n", Some("192.0.2.7:0")),
            ("X-Forwarded-For: 192.0.2.7, fd00::1, 10.1.1.1:80, [fd00::2]:80\r\n", Some("192.0.2.7:0")),
            ("X-Forwarded-For: 192.0.2.7, ::ffff:10.0.0.1\r\n", Some("192.0.2.7:0")),
            // Several headers are one list.
            ("X-Forwarded-For: 203.0.113.1\r\nA: b\r\nX-Forwarded-For: 192.0.2.7\r\n", Some("192.0.2.7:0")),
            ("X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-For: 10.0.0.1\r\n", Some("192.0.2.7:0")),
            ("X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-For:\r\n", Some("192.0.2.7:0")),
            // All of them are trusted: the farthest.
            ("X-Forwarded-For: 10.0.0.1, 10.0.0.2\r\n", Some("10.0.0.1:0")),
            // What is no address ends the walk.
            ("X-Forwarded-For: unknown\r\n", None),
            ("X-Forwarded-For: 192.0.2.7, unknown\r\n", None),
            ("X-Forwarded-For: 192.0.2.7, unknown, 10.0.0.1\r\n", Some("10.0.0.1:0")),
            ("X-Forwarded-For: 192.0.2.7, 10.0.0.256, 10.0.0.1\r\n", Some("10.0.0.1:0")),
            ("X-Forwarded-For: 192.0.2.7; 10.0.0.1\r\n", None),
            ("X-Forwarded-For: \"192.0.2.7\"\r\n", None),
            ("X-Forwarded-For: for=192.0.2.7\r\n", None),
            ("X-Forwarded-For: 192.0.2.7:65536\r\n", None),
            ("X-Forwarded-For: 192.0.2.7:\r\n", None),
            ("X-Forwarded-For: [192.0.2.7]\r\n", None),
            ("X-Forwarded-For: [2001:db8::7\r\n", None),
            ("X-Forwarded-For: fe80::1%lo\r\n", None),
            ("X-Forwarded-For: [fe80::1%1]:80\r\n", None),
            ("X-Forwarded-For: \u{ff11}92.0.2.7\r\n", None),
        ];
        for (lines, expected) in rows {
            assert_eq!(named(lines).as_deref(), *expected, "{lines:?}");
        }
    }

    proptest! {
        /// Whatever a client sends, it does not become somebody else to us.
        #[test]
        fn a_client_cannot_name_itself(
            theirs in vec(prop_oneof!["[ -~]{0,20}", select(vec!["10.0.0.1".to_owned(), "203.0.113.1".to_owned()])], 0..5),
            proxies in vec(select(vec!["10.0.0.1", "fd00::1", "[fd00::9]:80"]), 0..5),
            split in select(vec![", ", "\r\nX-Forwarded-For: "]),
        ) {
            let mut list = theirs;
            list.push("192.0.2.7".to_owned());
            list.extend(proxies.iter().map(|&proxy| proxy.to_owned()));
            let lines = format!("X-Forwarded-For: {}\r\n", list.join(split));
            prop_assert_eq!(named(&lines), Some("192.0.2.7:0".to_owned()));
        }
    }
}
