//! `HOST:PORT:ADDRESS`: the address that somebody has chosen for a host and a port, in place of what its name leads to.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// An address for a host and a port. The client's option `resolve` is a list of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolution {
    /// A name in lower case, an IP address without brackets, or `*` for any host.
    host: String,
    port: u16,
    address: IpAddr,
}

impl Resolution {
    /// Reads one. IPv6 addresses of a host stand in brackets, those connected to may.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (host, rest) = match text.strip_prefix('[') {
            Some(literal) => {
                let (host, rest) = literal.split_once("]:")?;
                (host.parse::<Ipv6Addr>().ok()?.to_string(), rest)
            }
            None => {
                let (host, rest) = text.split_once(':')?;
                (host.to_ascii_lowercase(), rest)
            }
        };
        let (port, address) = rest.split_once(':')?;
        let bare = address.strip_prefix('[').and_then(|address| address.strip_suffix(']'));
        let address = match bare {
            Some(address) => address.parse::<Ipv6Addr>().ok()?.into(),
            None => address.parse().ok()?,
        };
        // `parse` alone would take a sign.
        let port = port.bytes().all(|byte| byte.is_ascii_digit()).then(|| port.parse().ok())??;
        (!host.is_empty() && port > 0).then_some(Self { host, port, address })
    }

    /// The address to connect to for this host and port, a host as [`Url`](super::url::Url) has it; `None` if it is for others.
    #[must_use]
    pub fn of(&self, host: &str, port: u16) -> Option<SocketAddr> {
        let is_it = port == self.port && (self.host == "*" || self.host == host);
        is_it.then(|| SocketAddr::new(self.address, port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_for_one_host_and_port() {
        let known = Resolution::parse("Chat.Example:80:192.0.2.1").unwrap();
        assert_eq!(known.of("chat.example", 80), Some("192.0.2.1:80".parse().unwrap()));
        assert_eq!(known.of("chat.example", 81), None);
        assert_eq!(known.of("www.chat.example", 80), None);
        let v6 = "[2001:db8::1]:443".parse().ok();
        assert_eq!(Resolution::parse("a:443:2001:db8::1").unwrap().of("a", 443), v6);
        assert_eq!(Resolution::parse("*:443:[2001:db8::1]").unwrap().of("any", 443), v6);
        assert_eq!(Resolution::parse("[2001:DB8::2]:443:2001:db8::1").unwrap().of("2001:db8::2", 443), v6);
    }

    #[test]
    fn what_is_none() {
        let texts = [
            "",
            "a",
            "a:80",
            "a:80:",
            "a:80:b",
            ":80:192.0.2.1",
            "a:0:192.0.2.1",
            "a:+80:192.0.2.1",
            "a:65536:192.0.2.1",
            "a:80:[192.0.2.1]",
            "a:80:[::1",
            "[a]:80:::1",
            "[::1]80:::1",
            "a::192.0.2.1",
        ];
        for text in texts {
            assert_eq!(Resolution::parse(text), None, "{text}");
        }
    }
}
