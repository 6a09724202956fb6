//! Which upgrades a server admits by rule, without asking anybody: by their path, by the origin of the page that wants
//! them, and with which subprotocol.

use super::upgrade::Upgrade;
use crate::protocol::http::RequestHead;
use crate::protocol::http::response::Refusal;
use crate::protocol::http::target::is_authority;
use crate::protocol::http::tokens::is_token;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The rules. An empty list rules nothing out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Admission {
    /// Paths that take upgrades, as they are sent.
    pub paths: Vec<String>,
    /// Origins that may connect. What sends no Origin is no browser, and is admitted (RFC 6455 section 10.2).
    pub origins: Vec<String>,
    /// Subprotocols that are spoken, the best first.
    pub subprotocols: Vec<String>,
}

impl Admission {
    /// The subprotocol for an upgrade that is admitted, if there is one that both sides speak: it is for the client to
    /// say whether it goes on without (RFC 6455 section 4.2.2).
    ///
    /// # Errors
    /// 404 for another path, 403 for another origin.
    pub fn admit(&self, request: &RequestHead<'_>, upgrade: &Upgrade) -> Result<Option<&str>, Refusal> {
        if !self.paths.is_empty() && !self.paths.iter().any(|path| path == request.path()) {
            return Err(Refusal { status: 404, detail: "no WebSocket is served at this path" });
        }
        let may = |origin: &[u8]| self.origins.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(origin));
        if !self.origins.is_empty() && !request.headers().all("origin").all(may) {
            return Err(Refusal { status: 403, detail: "pages of this origin may not connect" });
        }
        let offered = |spoken: &&String| upgrade.subprotocols().contains(*spoken);
        Ok(self.subprotocols.iter().find(offered).map(String::as_str))
    }
}

/// Whether this is an origin as browsers send it: a scheme, a host and perhaps a port, or `null` (RFC 6454 section 6.1).
#[must_use]
pub fn is_origin(text: &str) -> bool {
    let scheme = |scheme: &str| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    };
    text == "null" || text.split_once("://").is_some_and(|(first, rest)| scheme(first) && is_authority(rest.as_bytes()))
}

/// Whether a browser sends this origin, letter case aside: it leaves out the port if that is the scheme's own, and writes
/// addresses in one form. What it never sends would admit nobody.
#[must_use]
pub fn is_sent_by_browsers(text: &str) -> bool {
    let Some((scheme, authority)) = text.split_once("://").filter(|_| is_origin(text)) else { return text == "null" };
    let own_port = match scheme.to_ascii_lowercase().as_str() {
        "http" => "80",
        "https" => "443",
        // Of a page, not of the WebSocket that it opens.
        "ws" | "wss" => return false,
        _ => "",
    };
    // Behind the colons of an IPv6 address.
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    is_host_of_browsers(&host.to_ascii_lowercase())
        && port.is_none_or(|port| port != own_port && !port.starts_with('0') && !port.is_empty())
}

/// Whether a browser writes a host like this, in lower case.
fn is_host_of_browsers(host: &str) -> bool {
    if let Some(literal) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return literal.parse().is_ok_and(|ip: Ipv6Addr| match (ip.to_ipv4_mapped(), ip.segments()) {
            (Some(_), [.., high, low]) => format!("::ffff:{high:x}:{low:x}") == literal,
            (None, _) => ip.to_string() == literal,
        });
    }
    let last = host.strip_suffix('.').unwrap_or(host).rsplit('.').next().unwrap_or_default();
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit());
    !host.contains(['%', '*']) && (!is_number || host.parse::<Ipv4Addr>().is_ok())
}

/// Whether this is a path of a request: a slash, and nothing that begins a query.
#[must_use]
pub fn is_path(text: &str) -> bool {
    text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#".contains(&byte))
}

/// Whether this can be the name of a subprotocol (RFC 6455 section 11.3.4).
#[must_use]
pub fn is_subprotocol(text: &str) -> bool {
    is_token(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::super::judge::{Judgement, judge};
    use super::*;
    use crate::protocol::http::{HeadLimits, HeadStatus, read_request};

    /// What becomes of an upgrade of this path with these further lines: the subprotocol, or the status of the refusal.
    fn admit(admission: &Admission, path: &str, lines: &str) -> Result<Option<String>, u16> {
        let text = format!(
            "GET {path} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{lines}\r\n"
        );
        let HeadStatus::Complete { request, .. } = read_request(text.as_bytes(), &HeadLimits::default()) else {
            panic!("{text}");
        };
        let Judgement::Upgrade(upgrade) = judge(&request) else { panic!("{text}") };
        admission.admit(&request, &upgrade).map(|found| found.map(str::to_owned)).map_err(|refusal| refusal.status)
    }

    fn list(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|&text| text.to_owned()).collect()
    }

    #[test]
    fn without_rules_everyone_is_admitted() {
        let none = Admission::default();
        assert_eq!(
            admit(&none, "/any?x", "Origin: https://evil.example\r\nSec-WebSocket-Protocol: chat\r\n"),
            Ok(None)
        );
    }

    #[test]
    fn pages_of_other_origins_are_refused() {
        let rules = Admission { origins: list(&["https://desk.example", "http://[::1]:8080"]), ..Admission::default() };
        for origin in ["https://desk.example", "HTTPS://Desk.Example", "http://[::1]:8080"] {
            assert_eq!(admit(&rules, "/", &format!("Origin: {origin}\r\n")), Ok(None), "{origin}");
        }
        let others = [
            "https://desk.example.evil",
            "http://desk.example",
            "https://desk.example:444",
            "null",
            "",
            "https://desk.exampl",
        ];
        for origin in others {
            assert_eq!(admit(&rules, "/", &format!("Origin: {origin}\r\n")), Err(403), "{origin}");
        }
        assert_eq!(admit(&rules, "/", "Origin: https://desk.example\r\norigin: https://evil.example\r\n"), Err(403));
        assert_eq!(admit(&rules, "/", ""), Ok(None)); // no browser
    }

    #[test]
    fn other_paths_are_refused() {
        let rules = Admission { paths: list(&["/agents", "/feed"]), ..Admission::default() };
        for path in ["/agents", "/agents?token=1", "/feed?"] {
            assert_eq!(admit(&rules, path, ""), Ok(None), "{path}");
        }
        for path in ["/", "/agents/", "/Agents", "/agents/x", "/%61gents"] {
            assert_eq!(admit(&rules, path, ""), Err(404), "{path}");
        }
    }

    #[test]
    fn the_best_subprotocol_that_is_offered_is_chosen() {
        let rules = Admission { subprotocols: list(&["v2.chat", "v1.chat"]), ..Admission::default() };
        let offer = |lines: &str| admit(&rules, "/", lines);
        assert_eq!(offer("Sec-WebSocket-Protocol: v1.chat, v2.chat\r\n"), Ok(Some("v2.chat".to_owned())));
        assert_eq!(
            offer("Sec-WebSocket-Protocol: x\r\nSec-WebSocket-Protocol: v1.chat\r\n"),
            Ok(Some("v1.chat".to_owned()))
        );
        assert_eq!(offer("Sec-WebSocket-Protocol: V2.chat\r\n"), Ok(None));
        assert_eq!(offer(""), Ok(None));
    }

    #[test]
    fn what_can_be_in_the_lists() {
        for good in ["https://example.com", "http://localhost:8080", "null", "app+x://[::1]"] {
            assert!(is_origin(good), "{good}");
        }
        for bad in ["", "*", "example.com", "https://", "https://example.com/", "1x://a", "://a", "https://a b", "Null"]
        {
            assert!(!is_origin(bad), "{bad}");
        }
        for good in [
            "https://example.com",
            "HTTPS://Example.COM",
            "http://example.com:443",
            "https://example.com:80",
            "https://example.com:8443",
            "http://localhost:8080",
            "http://a_b.example.",
            "https://xn--bcher-kva.example",
            "http://127.0.0.1:81",
            "http://[::1]",
            "http://[2001:db8::1]:8080",
            "http://[::ffff:c000:207]",
            "chrome-extension://abcdefgh",
            "null",
        ] {
            assert!(is_sent_by_browsers(good), "{good}");
        }
        for bad in [
            "",
            "*",
            "Null",
            "example.com",
            "https://example.com:443",
            "HTTPS://example.com:443",
            "http://example.com:80",
            "http://[::1]:80",
            "https://example.com:",
            "https://example.com:08443",
            "https://example.com:0443",
            "https://example.com/",
            "https://example.com/a",
            "https://example.com?a",
            "https://example.com#a",
            "https://user@example.com",
            "https://*.example.com",
            "https://ex%61mple.com",
            "https://bücher.example",
            "https://example.com:65536",
            "ws://example.com",
            "wss://example.com:9502",
            "http://127.1",
            "http://127.0.0.01",
            "http://[0:0:0:0:0:0:0:1]",
            "http://[2001:db8::0:1]",
            "http://[::ffff:192.0.2.7]",
            "file://",
        ] {
            assert!(!is_sent_by_browsers(bad), "{bad}");
        }
        assert!(is_path("/") && is_path("/a/b-c%20d"));
        assert!(
            !is_path("") && !is_path("a") && !is_path("/a?b") && !is_path("/a#b") && !is_path("/a b") && !is_path("/ä")
        );
        assert!(is_subprotocol("v2.chat") && !is_subprotocol("a b") && !is_subprotocol(""));
    }
}
