//! References from one URL to another, as redirects make them (RFC 3986 section 5.2).

use super::{Scheme, Url, UrlError, check_characters, parse_target, split_scheme};

impl Url {
    /// Where a response from here redirects to with this Location: a URL (`http` stands for `ws`, and `https` for `wss`), a
    /// host behind two slashes, or a path, which may be relative to the one here. A fragment may be behind it all (RFC 9110 section
    /// 10.2.2), and is dropped. The name and the password stay with it if it
    /// leads to the same server.
    ///
    /// # Errors
    /// What is wrong with it. Nothing leads to a Unix socket but a path to the one that it comes from, nothing from `wss` to
    /// `ws`, and nothing brings a name and a password with it (RFC 9110 section 4.2.4).
    pub fn join(&self, location: &str) -> Result<Self, UrlError> {
        // A fragment is of the resource, and none of the server's business.
        let location = location.split('#').next().unwrap_or_default();
        // A colon behind a slash or a question mark does not end a scheme.
        let first = location.split(['/', '?', '#']).next().unwrap_or_default();
        let (scheme, rest) = match split_scheme(location) {
            Some((scheme, rest)) if first.contains(':') => match scheme.to_ascii_lowercase().as_str() {
                "ws" | "http" => (Scheme::Ws, rest),
                "wss" | "https" => (Scheme::Wss, rest),
                _ => return Err(UrlError::RedirectScheme),
            },
            _ if location.starts_with("//") && self.scheme == Scheme::Unix => return Err(UrlError::RedirectScheme),
            _ if location.starts_with("//") => (self.scheme, location),
            _ => return Ok(Self { target: self.resolve(location)?, ..self.clone() }),
        };
        if (self.scheme, scheme) == (Scheme::Wss, Scheme::Ws) {
            return Err(UrlError::RedirectDowngrade);
        }
        let authority = rest.get(2..).unwrap_or_default().split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') {
            return Err(UrlError::RedirectUserInfo);
        }
        let mut there = Self::parse_tcp(scheme, rest)?;
        if there.same_origin(self) {
            there.username.clone_from(&self.username);
            there.password.clone_from(&self.password);
        }
        Ok(there)
    }

    /// The target that a reference without a host means here.
    fn resolve(&self, reference: &str) -> Result<String, UrlError> {
        check_characters(reference)?;
        let path = &self.target[..self.target.find('?').unwrap_or(self.target.len())];
        match reference.as_bytes() {
            [] => Ok(self.target.clone()),
            [b'/', ..] => parse_target(reference),
            [b'?' | b'#', ..] => parse_target(&format!("{path}{reference}")),
            _ => {
                let directory = &path[..path.rfind('/').map_or(0, |slash| slash + 1)];
                parse_target(&format!("{directory}{reference}"))
            }
        }
    }
}

/// The path that is left when `.` and `..` have had their effect (RFC 3986 section 5.2.4). It starts with a slash, as `path`
/// does unless it is empty.
pub(super) fn without_dot_segments(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.strip_prefix('/').unwrap_or(path).split('/').peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                // What it led to is a directory.
                if is_last {
                    kept.push("");
                }
            }
            _ => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}
