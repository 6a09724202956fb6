//! Networks: sets of IP addresses, as one writes down whom to trust (`10.0.0.0/8`, `2001:db8::/32`, `192.0.2.7`, `unix`).
//!
//! An IPv4 address that was mapped into IPv6 (`::ffff:192.0.2.7`, RFC 4291 section 2.5.5.2) is the IPv4 address it stands
//! for, in a network as in what is looked for. No IPv6 network, not even `::/0`, has IPv4 addresses in it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A set of IP addresses, and perhaps of whatever comes over a Unix socket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks {
    networks: Vec<Network>,
    unix: bool,
}

/// The addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Network {
    V4(u32, u32),
    V6(u128, u32),
}

impl Networks {
    /// The networks of a list. What is none in the eyes of [`is_network`] is left out.
    #[must_use]
    pub fn new<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut networks = Networks::default();
        for text in texts {
            networks.unix |= text == UNIX;
            networks.networks.extend(Network::parse(text));
        }
        networks
    }

    /// Whether nothing is in them.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty() && !self.unix
    }

    /// Whether this address is in one of them.
    #[must_use]
    pub fn has(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.iter().any(|network| network.has(address))
    }

    /// Whether whatever comes over a Unix socket is in them.
    #[must_use]
    pub const fn has_unix(&self) -> bool {
        self.unix
    }
}

/// How whatever comes over a Unix socket is called in a list.
const UNIX: &str = "unix";

/// Whether this is a network, an address, or `unix`. Bits behind those that count must be zero: `10.1.2.3/8` is more likely
/// a mistake than a way to write `10.0.0.0/8`.
#[must_use]
pub fn is_network(text: &str) -> bool {
    text == UNIX || Network::parse(text).is_some()
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(parse_bits(bits)?)),
            None => (text, None),
        };
        let network = match address.parse().ok()? {
            IpAddr::V4(ip) => Self::V4(ip.into(), bits.unwrap_or(Ipv4Addr::BITS)),
            IpAddr::V6(ip) => match (ip.to_ipv4_mapped(), bits.unwrap_or(Ipv6Addr::BITS)) {
                (Some(ip), bits @ 96..) => Self::V4(ip.into(), bits - 96),
                (_, bits) => Self::V6(ip.into(), bits),
            },
        };
        network.is_sound().then_some(network)
    }

    fn is_sound(self) -> bool {
        match self {
            Self::V4(base, bits) => bits <= Ipv4Addr::BITS && base.checked_shl(bits).unwrap_or(0) == 0,
            Self::V6(base, bits) => bits <= Ipv6Addr::BITS && base.checked_shl(bits).unwrap_or(0) == 0,
        }
    }

    fn has(self, address: IpAddr) -> bool {
        match (self, address) {
            (Self::V4(base, bits), IpAddr::V4(ip)) => (base ^ u32::from(ip)).leading_zeros() >= bits,
            (Self::V6(base, bits), IpAddr::V6(ip)) => (base ^ u128::from(ip)).leading_zeros() >= bits,
            _ => false,
        }
    }
}

fn parse_bits(text: &str) -> Option<u32> {
    let plain = text == "0" || text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    if plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn networks(list: &str) -> Networks {
        assert!(list.split(' ').all(is_network), "{list}");
        Networks::new(list.split(' '))
    }

    #[test]
    fn addresses_are_found_in_their_networks() {
        let rows: &[(&str, &[&str], &[&str])] = &[
            (
                "10.0.0.0/8",
                &["10.0.0.0", "10.255.255.255", "::ffff:10.1.2.3"],
                &["11.0.0.0", "9.255.255.255", "::a00:1"],
            ),
            ("192.0.2.7", &["192.0.2.7", "::ffff:192.0.2.7"], &["192.0.2.6", "192.0.2.8"]),
            ("::ffff:10.0.0.0/104", &["10.9.9.9", "::ffff:10.9.9.9"], &["11.0.0.0"]),
            ("::ffff:192.0.2.7", &["192.0.2.7"], &["192.0.2.8"]),
            ("::ffff:0:0/96", &["1.2.3.4", "255.255.255.255"], &["::1"]),
            ("0.0.0.0/0", &["1.2.3.4", "::ffff:1.2.3.4"], &["::1", "::"]),
            ("::/0", &["::1", "ffff::"], &["1.2.3.4", "::ffff:1.2.3.4"]),
            ("2001:db8::/32", &["2001:db8::1", "2001:db8:ffff::"], &["2001:db9::", "2001:db7:ffff::"]),
            ("2001:db8::/33", &["2001:db8:7fff::"], &["2001:db8:8000::"]),
            (
                "::1 10.0.0.0/9 172.16.0.0/12",
                &["::1", "10.127.0.0", "172.31.0.1"],
                &["::2", "10.128.0.0", "172.32.0.0"],
            ),
            ("unix", &[], &["127.0.0.1", "::1"]),
        ];
        for (list, inside, outside) in rows {
            let networks = networks(list);
            assert_eq!((networks.is_empty(), networks.has_unix()), (false, *list == "unix"), "{list}");
            for address in *inside {
                assert!(networks.has(address.parse().unwrap()), "{address} is in {list}");
            }
            for address in *outside {
                assert!(!networks.has(address.parse().unwrap()), "{address} is not in {list}");
            }
        }
        assert!(Networks::new([]).is_empty() && Networks::new(["10.0.0.0/33"]).is_empty());
    }

    #[test]
    fn what_is_no_network() {
        let texts = [
            "",
            "/8",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "10.0.0.0/+8",
            "10.0.0.0/08",
            "10.0.0.0/00",
            "10.0.0.0/8/8",
            "10.0.0.0/ 8",
            "10.1.2.3/8",
            "10.0.0/8",
            "010.0.0.0/8",
            "2001:db8::/129",
            "2001:db8::1/32",
            "::ffff:10.1.0.0/104",
            "[::1]",
            "::1%lo",
            "localhost",
            "Unix",
            "unix:/run/x",
            "unix/0",
            "10.0.0.0/4294967304",
            "1.2.3.4:80",
        ];
        for text in texts {
            assert!(!is_network(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn an_address_is_in_a_network_if_its_first_bits_are(base: u32, bits in 0..=32_u32, other: u32, differ in 0..=32_u32) {
            let mask = |bits: u32| u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            let base = base & mask(bits);
            // Like the base up to some bit, so that both outcomes come up.
            let address = base & mask(differ) | other & !mask(differ);
            let expected = base & mask(bits) == address & mask(bits);
            let network = Networks::new([&*format!("{}/{bits}", Ipv4Addr::from(base))]);
            prop_assert_eq!(network.has(Ipv4Addr::from(address).into()), expected);
            prop_assert_eq!(network.has(Ipv4Addr::from(address).to_ipv6_mapped().into()), expected);
            // The same bits at the head of IPv6 addresses.
            let wide = |bits: u32| Ipv6Addr::from((u128::from(bits) | 1 << 31) << 96);
            if base >> 31 == 1 && address >> 31 == 1 && bits > 0 {
                let network = Networks::new([&*format!("{}/{bits}", wide(base))]);
                prop_assert_eq!(network.has(wide(address).into()), expected);
            }
        }
    }
}
