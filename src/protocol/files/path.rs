//! From the path of a request to that of a file.

use crate::protocol::http::target::percent_decode;

/// A path of a file below some directory: names with a slash between them, of which none is empty, begins with a dot or has
/// a NUL, a slash or a backslash in it. So it leads nowhere but down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePath {
    /// The names, decoded.
    pub path: Vec<u8>,
    /// It ends in a slash, and so stands for the index of a directory.
    pub is_directory: bool,
}

/// The directory of hidden files that is there to be seen (RFC 8615).
const WELL_KNOWN: &[u8] = b".well-known";

/// The file that stands for a directory.
const INDEX: &[u8] = b"index.html";

impl FilePath {
    /// The file that the path of a request means. `None` if it can mean none: for a path with an empty name or a dot
    /// segment in it, which clients resolve before they send it (RFC 3986 section 5.2.4); for hidden files, but for those
    /// below `/.well-known/`; for control characters, and for what hides a separator behind its percent-encoding.
    #[must_use]
    pub fn of_request(path: &str) -> Option<Self> {
        let encoded = path.strip_prefix('/')?;
        if encoded.is_empty() {
            return Some(Self { path: Vec::new(), is_directory: true });
        }
        let (encoded, is_directory) = match encoded.strip_suffix('/') {
            Some(encoded) => (encoded, true),
            None => (encoded, false),
        };
        let mut path = Vec::with_capacity(encoded.len() + INDEX.len() + 1);
        for (index, name) in encoded.split('/').enumerate() {
            if index > 0 {
                path.push(b'/');
            }
            let start = path.len();
            percent_decode(name, &mut path)?;
            let name = &path[start..];
            let hidden = name.first().is_none_or(|first| *first == b'.') && !(index == 0 && name == WELL_KNOWN);
            if hidden || name.iter().any(|byte| byte.is_ascii_control() || b"/\\".contains(byte)) {
                return None;
            }
        }
        Some(Self { path, is_directory })
    }

    /// The file that stands for this path if it is a directory.
    #[must_use]
    pub fn index(&self) -> Vec<u8> {
        let mut path = self.path.clone();
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(INDEX);
        path
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths() {
        let rows: &[(&str, Option<(&str, bool)>)] = &[
            ("/", Some(("", true))),
            ("/a.html", Some(("a.html", false))),
            ("/a/b/", Some(("a/b", true))),
            ("/a%20b/%c3%A4+~;=,&", Some(("a b/ä+~;=,&", false))),
            ("/a..b/c.", Some(("a..b/c.", false))),
            ("/.well-known/acme/x", Some((".well-known/acme/x", false))),
            ("/%2ewell-known/x", Some((".well-known/x", false))),
            ("", None),
            ("a", None),
            ("//", None),
            ("//a", None),
            ("/a//b", None),
            ("/a//", None),
            ("/.", None),
            ("/..", None),
            ("/../", None),
            ("/../etc/passwd", None),
            ("/a/../b", None),
            ("/a/./b", None),
            ("/a/..", None),
            ("/%2e%2E/a", None),
            ("/.%2e/a", None),
            ("/..%2fa", None),
            ("/a%2Fb", None),
            ("/a%5cb", None),
            ("/a\\b", None),
            ("/..\\a", None),
            ("/a%00", None),
            ("/a%00.html", None),
            ("/a%0ab", None),
            ("/a%7f", None),
            ("/.htaccess", None),
            ("/a/.git/config", None),
            ("/a/.well-known/x", None),
            ("/.well-known/.x", None),
            ("/.well-knownx", None),
            ("/a%", None),
            ("/a%4", None),
            ("/a%4g", None),
            ("/a%+1", None),
            ("/%252e%252e/a", Some(("%2e%2e/a", false))),
        ];
        for (path, expected) in rows {
            let found =
                FilePath::of_request(path).map(|found| (String::from_utf8(found.path).unwrap(), found.is_directory));
            assert_eq!(found, expected.map(|(path, is_directory)| (path.to_owned(), is_directory)), "{path}");
        }
        assert_eq!(FilePath::of_request("/").unwrap().index(), b"index.html");
        assert_eq!(FilePath::of_request("/a").unwrap().index(), b"a/index.html");
    }

    proptest! {
        #[test]
        fn no_path_leads_up_or_aside(path in "/([./a%\\\\]|%2[eEfF]|%5[cC]|%00){0,12}") {
            if let Some(FilePath { path, .. }) = FilePath::of_request(&path) {
                prop_assert!(!path.contains(&0) && !path.contains(&b'\\') && !path.starts_with(b"/"));
                let mut names = path.split(|byte| *byte == b'/');
                prop_assert!(path.is_empty() || names.all(|name| !name.is_empty() && name[0] != b'.'));
            }
        }

        #[test]
        fn every_plain_name_is_found(name in "[^/\\\\.\0-\x1f\x7f][^/\\\\\0-\x1f\x7f]{0,20}") {
            let encoded: String = name.bytes().map(|byte| format!("%{byte:02x}")).collect();
            let expected = Some(FilePath { path: name.into_bytes(), is_directory: false });
            prop_assert_eq!(FilePath::of_request(&format!("/{encoded}")), expected);
        }
    }
}
