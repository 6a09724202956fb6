//! The syntax of Sec-WebSocket-Extensions (RFC 6455 section 9.1).
//!
//! No extension is negotiated yet, so an offer is only checked for its form: a server may decline any of them by
//! saying nothing. Negotiation, when it comes, has its place here.

use crate::protocol::http::tokens::{self, is_token_byte};

/// How many extensions a header value lists; `None` if it is malformed.
///
/// ```text
/// extension-list  = 1#extension
/// extension       = token *( ";" extension-param )
/// extension-param = token [ "=" ( token / quoted-string ) ]
/// ```
pub(in crate::protocol) fn count(value: &[u8]) -> Option<usize> {
    let mut cursor = Cursor { rest: value };
    let mut count = 0;
    loop {
        cursor.skip_spaces();
        if cursor.rest.is_empty() {
            return Some(count);
        }
        // An empty list element.
        if cursor.eat(b',') {
            continue;
        }
        cursor.extension()?;
        count += 1;
        if !cursor.rest.is_empty() && !cursor.eat(b',') {
            return None;
        }
    }
}

/// What is left of a header value.
struct Cursor<'a> {
    rest: &'a [u8],
}

impl Cursor<'_> {
    /// An extension with its parameters, and the white space after it.
    fn extension(&mut self) -> Option<()> {
        self.token()?;
        self.skip_spaces();
        while self.eat(b';') {
            self.skip_spaces();
            self.token()?;
            self.skip_spaces();
            if self.eat(b'=') {
                self.skip_spaces();
                if self.eat(b'"') {
                    self.quoted_token()?
                } else {
                    self.token()?
                }
                self.skip_spaces();
            }
        }
        Some(())
    }

    fn token(&mut self) -> Option<()> {
        let length = tokens::run(self.rest, tokens::TOKEN);
        self.rest = self.rest.get(length..)?;
        (length > 0).then_some(())
    }

    /// The rest of a quoted string, whose content must be a token once the backslashes are taken out.
    fn quoted_token(&mut self) -> Option<()> {
        let mut length = 0;
        while !self.eat(b'"') {
            self.eat(b'\\');
            let (byte, rest) = self.rest.split_first()?;
            if !is_token_byte(*byte) {
                return None;
            }
            length += 1;
            self.rest = rest;
        }
        (length > 0).then_some(())
    }

    fn eat(&mut self, byte: u8) -> bool {
        match self.rest.split_first() {
            Some((first, rest)) if *first == byte => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    fn skip_spaces(&mut self) {
        while self.eat(b' ') || self.eat(b'\t') {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extension_lists() {
        let rows: &[(&str, Option<usize>)] = &[
            ("", Some(0)),
            (" , ,\t", Some(0)),
            ("permessage-deflate", Some(1)),
            ("permessage-deflate; client_max_window_bits", Some(1)),
            ("permessage-deflate;client_max_window_bits=15;server_no_context_takeover", Some(1)),
            ("permessage-deflate ; client_max_window_bits = \"1\\5\" , x-webkit-deflate-frame", Some(2)),
            ("a,,b;c=d,", Some(2)),
            ("a;", None),
            ("a;;b", None),
            ("a; =b", None),
            ("a; b=", None),
            ("a; b=c d", None),
            ("a b", None),
            ("a=b", None),
            ("; a", None),
            ("a; b=\"\"", None),
            ("a; b=\"c", None),
            ("a; b=\"c d\"", None),
            ("a; b=\"c\\", None),
            ("a; b=\"c\\\"", None),
            ("a; b=\"c\"d", None),
            ("\"a\"", None),
            ("caf\u{e9}", None),
        ];
        for (value, expected) in rows {
            assert_eq!(count(value.as_bytes()), *expected, "{value:?}");
        }
    }
}
