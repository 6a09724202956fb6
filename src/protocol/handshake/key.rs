//! The key and its answer: how each side proves that it speaks WebSocket (RFC 6455 sections 1.3 and 4.2.2).

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use sha1_smol::Sha1;

/// Decodes keys. The last of their 22 characters has four bits that belong to no byte. They need not be zero (RFC 4648
/// section 3.5): those of the key in RFC 6455 section 4.1 are not, and some clients draw 22 characters at random.
const KEYS: GeneralPurpose =
    GeneralPurpose::new(&alphabet::STANDARD, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));

/// What is appended to the key before hashing.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The value of Sec-WebSocket-Accept for a Sec-WebSocket-Key: base64 of the SHA-1 of the key and a fixed GUID.
///
/// The key is hashed as it was sent, in base64; whether it is a valid one is for [`judge`](super::judge()) to say.
#[must_use]
pub fn accept_key(key: &[u8]) -> [u8; 28] {
    let mut hash = Sha1::new();
    hash.update(key);
    hash.update(GUID);
    encode(&hash.digest().bytes())
}

/// The key a client makes of its nonce.
pub(super) fn encode_nonce(nonce: &[u8; 16]) -> [u8; 24] {
    encode(nonce)
}

/// Whether `key` is the base64 of 16 bytes.
pub(super) fn is_key(key: &[u8]) -> bool {
    let mut nonce = [0; 18];
    key.len() == 24 && KEYS.decode_slice(key, &mut nonce) == Ok(16)
}

/// Base64 with padding; `N` is what `bytes` come to.
fn encode<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut text = [0; N];
    let written = STANDARD.encode_slice(bytes, &mut text);
    debug_assert_eq!(written, Ok(N));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc() {
        assert_eq!(&accept_key(b"dGhlIHNhbXBsZSBub25jZQ=="), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(&encode_nonce(b"the sample nonce"), b"dGhlIHNhbXBsZSBub25jZQ==");
    }

    #[test]
    fn a_key_is_the_base64_of_16_bytes_whatever_its_spare_bits() {
        let rows: &[(&str, bool)] = &[
            ("dGhlIHNhbXBsZSBub25jZQ==", true),
            ("AAAAAAAAAAAAAAAAAAAAAA==", true),
            ("+/+/+/+/+/+/+/+/+/+/+w==", true),
            ("", false),
            ("dGhlIHNhbXBsZSBub25jZQ", false),  // no padding
            ("AQIDBAUGBwgJCgsMDQ4PEC==", true), // the example of RFC 6455 section 4.1
            ("dGhlIHNhbXBsZSBub25jZR==", true), // bits set that no byte has
            ("//////////////////////==", true),
            ("dGhlIHNhbXBsZSBub25jZ===", false), // 15 bytes and a half
            ("dGhlIHNhbXBsZSBub25jZQA=", false), // 17 bytes
            ("dGhlIHNhbXBsZSBub25jZQAA", false), // 18 bytes
            ("dGhlIHNhbXBsZSBub24=", false),     // 14 bytes
            ("dGhlIHNhbXBsZSBub25j Q==", false),
            ("-_-_-_-_-_-_-_-_-_-_-w==", false), // the URL alphabet
            ("dGhlIHNhbXBsZSBub25jZQ==\n", false),
        ];
        for (key, valid) in rows {
            assert_eq!(is_key(key.as_bytes()), *valid, "{key}");
        }
    }
}
