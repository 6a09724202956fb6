//! UTF-8 checked as it arrives (RFC 6455 section 8.1): at memory speed, in pieces cut anywhere, failing at the first
//! byte that cannot be right.
//!
//! `simdutf8` does the work. What is added here is the seam between pieces: the up to three bytes of a character
//! that has begun are kept and completed from the next piece.

use super::mask;

/// The bytes so far are not a prefix of any UTF-8 text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidUtf8;

/// Whether a whole text is UTF-8.
#[inline]
#[must_use]
pub fn is_valid(text: &[u8]) -> bool {
    mask::is_ascii(text) || simdutf8::basic::from_utf8(text).is_ok()
}

/// A validator for text that arrives in pieces.
#[derive(Debug, Default, Clone, Copy)]
pub struct Validator {
    /// The bytes of a character that has begun and is not complete yet.
    begun: [u8; 4],
    length: u8,
}

impl Validator {
    /// Takes the next piece.
    ///
    /// # Errors
    /// As soon as the bytes so far cannot be the beginning of any UTF-8 text.
    pub fn push(&mut self, mut piece: &[u8]) -> Result<(), InvalidUtf8> {
        while self.length > 0 {
            let Some((&byte, rest)) = piece.split_first() else { return Ok(()) };
            piece = rest;
            self.extend_begun(byte)?;
        }
        match simdutf8::compat::from_utf8(piece) {
            Ok(_) => Ok(()),
            Err(error) if error.error_len().is_none() => {
                let tail = &piece[error.valid_up_to()..];
                self.begun[..tail.len()].copy_from_slice(tail);
                self.length = tail.len() as u8;
                Ok(())
            }
            Err(_) => Err(InvalidUtf8),
        }
    }

    /// Ends the text and makes the validator ready for another.
    ///
    /// # Errors
    /// If the text ended within a character.
    pub fn finish(&mut self) -> Result<(), InvalidUtf8> {
        if std::mem::take(&mut self.length) == 0 { Ok(()) } else { Err(InvalidUtf8) }
    }

    fn extend_begun(&mut self, byte: u8) -> Result<(), InvalidUtf8> {
        // At most three bytes are kept between calls, so there is room for this one.
        self.begun[usize::from(self.length)] = byte;
        self.length += 1;
        match std::str::from_utf8(&self.begun[..usize::from(self.length)]) {
            Ok(_) => self.length = 0,
            Err(error) if error.error_len().is_none() => {}
            Err(_) => return Err(InvalidUtf8),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The index after the byte at which the text became hopeless, found one byte at a time.
    fn oracle(text: &[u8]) -> Option<usize> {
        (1..=text.len()).find(|&end| match std::str::from_utf8(&text[..end]) {
            Ok(_) => false,
            Err(error) => error.error_len().is_some(),
        })
    }

    fn check_in_pieces(text: &[u8], size: usize) {
        let mut validator = Validator::default();
        let mut fed = 0;
        for piece in text.chunks(size) {
            fed += piece.len();
            let hopeless = oracle(text).is_some_and(|at| at <= fed);
            assert_eq!(validator.push(piece).is_err(), hopeless, "{text:x?} in pieces of {size}, at {fed}");
            if hopeless {
                return;
            }
        }
        assert_eq!(validator.finish().is_ok(), std::str::from_utf8(text).is_ok());
    }

    #[test]
    fn every_character_length_and_every_cut() {
        let texts: [&[u8]; 9] = [
            "κόσμε 漢字 🎉 plain".as_bytes(),
            b"\xf4\x8f\xbf\xbf",
            b"\xf4\x90\x80\x80",
            b"\xed\xa0\x80",
            b"\xc0\x80",
            b"\xe0\x80\x80",
            b"ok \xff",
            b"cut \xf0\x9f\x8e",
            b"",
        ];
        for text in texts {
            for size in 1..=text.len().max(1) {
                check_in_pieces(text, size);
            }
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_oracle(text in prop::collection::vec(any::<u8>(), 0..40), size in 1_usize..9) {
            check_in_pieces(&text, size);
        }

        #[test]
        fn valid_text_passes_at_any_cut(text in ".{0,120}", size in 1_usize..90) {
            check_in_pieces(text.as_bytes(), size);
            prop_assert!(is_valid(text.as_bytes()));
        }
    }
}
