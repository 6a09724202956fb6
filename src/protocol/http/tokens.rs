//! The small grammar of HTTP: which bytes may stand where, tokens, comma lists (RFC 9110 section 5.6).

/// `tchar`: the bytes of methods, header names and tokens (RFC 9110 section 5.6.2).
pub(in crate::protocol) const TOKEN: u8 = 1;
/// The bytes of a request target; see [`is_target_byte`].
pub(in crate::protocol) const TARGET: u8 = 2;
/// The bytes of a header value, spaces included (RFC 9110 section 5.5).
pub(in crate::protocol) const FIELD: u8 = 4;

/// One look-up per byte instead of a chain of comparisons.
const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        if b.is_ascii_alphanumeric() || is_token_punctuation(b) {
            classes[byte] |= TOKEN;
        }
        if b > b' ' && b < 0x7f && b != b'#' {
            classes[byte] |= TARGET;
        }
        if b == b'\t' || (b >= b' ' && b != 0x7f) {
            classes[byte] |= FIELD;
        }
        byte += 1;
    }
    classes
};

const fn is_token_punctuation(byte: u8) -> bool {
    matches!(
        byte,
        b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
    )
}

/// Whether `byte` may stand in a token.
pub(in crate::protocol) fn is_token_byte(byte: u8) -> bool {
    CLASSES[usize::from(byte)] & TOKEN != 0
}

/// Whether `byte` may stand in a request target: visible ASCII but `#`.
///
/// RFC 3986 would also exclude `"<>\^{|}` and the backtick, but browsers send some of them bare in a query (the URL
/// Standard's query percent-encode set leaves them alone), and none of them can end or split a line.
pub(in crate::protocol) fn is_target_byte(byte: u8) -> bool {
    CLASSES[usize::from(byte)] & TARGET != 0
}

/// Whether `byte` may stand in a header value: no control character but the tab.
pub(in crate::protocol) fn is_field_byte(byte: u8) -> bool {
    CLASSES[usize::from(byte)] & FIELD != 0
}

/// How many bytes at the start of `bytes` are of a class: [`TOKEN`], [`TARGET`] or [`FIELD`].
pub(in crate::protocol) fn run(bytes: &[u8], class: u8) -> usize {
    bytes.iter().position(|byte| CLASSES[usize::from(*byte)] & class == 0).unwrap_or(bytes.len())
}

/// Whether `bytes` is a token: at least one byte, all of them token bytes.
pub(in crate::protocol) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && run(bytes, TOKEN) == bytes.len()
}

/// `value` without the optional white space (spaces and tabs) around it.
pub(in crate::protocol) fn trim_ows(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// The elements of a comma list, trimmed. Empty elements are skipped, as RFC 9110 section 5.6.1.2 asks of recipients.
pub(in crate::protocol) fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(trim_ows).filter(|element| !element.is_empty())
}

/// Whether a comma list has `token` among its elements, in any case.
pub(in crate::protocol) fn list_has(value: &[u8], token: &str) -> bool {
    list(value).any(|element| element.eq_ignore_ascii_case(token.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_classed_as_the_rfc_lists_them() {
        for byte in 0..=255u8 {
            let separator = br#"(),/:;<=>?@[\]{}" "#.contains(&byte);
            assert_eq!(is_token_byte(byte), byte.is_ascii_graphic() && !separator, "token {byte:#x}");
            assert_eq!(is_target_byte(byte), byte.is_ascii_graphic() && byte != b'#', "target {byte:#x}");
            let control = byte.is_ascii_control() && byte != b'\t';
            assert_eq!(is_field_byte(byte), !control, "field {byte:#x}");
        }
    }

    #[test]
    fn only_spaces_and_tabs_are_trimmed() {
        assert_eq!(trim_ows(b" \t a b\t "), b"a b");
        assert_eq!(trim_ows(b" \t "), b"");
        assert_eq!(trim_ows(b"\x0ba\x0c"), b"\x0ba\x0c");
    }

    #[test]
    fn lists_are_split_at_commas_and_searched_in_any_case() {
        let elements: Vec<&[u8]> = list(b", a ,,\tb c\t,").collect();
        assert_eq!(elements, [b"a".as_slice(), b"b c"]);
        assert!(list_has(b"keep-alive, Upgrade", "upgrade"));
        assert!(!list_has(b"keep-alive Upgrade", "upgrade"));
        assert!(!list_has(b"upgrades", "upgrade"));
        assert!(!list_has(b"", "upgrade"));
    }
}
