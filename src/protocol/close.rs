//! Close codes: which ones exist, which may travel, which only report (RFC 6455 section 7.4 and the IANA registry).

use super::Violation;
use crate::error::{Error, Status};

/// The purpose of the connection is fulfilled.
pub const NORMAL: u16 = 1000;
/// The endpoint goes away: a server that stops, a page that is left.
pub const GOING_AWAY: u16 = 1001;
/// The peer broke the protocol.
pub const PROTOCOL_ERROR: u16 = 1002;
/// Never sent: the Close frame carried no code.
pub const NO_STATUS: u16 = 1005;
/// Never sent: the connection was lost without a Close frame.
pub const ABNORMAL: u16 = 1006;
/// The payload does not fit its type: text that is not UTF-8.
pub const INVALID_PAYLOAD: u16 = 1007;
/// The peer broke a policy of ours.
pub const POLICY_VIOLATION: u16 = 1008;
/// The message is larger than we take.
pub const MESSAGE_TOO_BIG: u16 = 1009;
/// There is no room for it at this time.
pub const TRY_AGAIN: u16 = 1013;
/// A fault on our side.
pub const INTERNAL_ERROR: u16 = 1011;

/// The longest reason that fits a control frame beside the two bytes of the code, in bytes (section 5.5).
pub const MAX_REASON: usize = 123;

/// Whether a Close frame may carry this code (section 7.4.1 and 7.4.2).
///
/// 1004 is reserved, 1005, 1006 and 1015 only report; 1012 to 1014 were registered after the RFC.
#[must_use]
pub const fn is_valid(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// Checks that a Close frame may be sent with this code and this reason.
///
/// # Errors
/// `WS_ERR_ARGUMENT` for a code that must not be sent, a reason that is too long, or one without a code.
pub fn check(code: Option<u16>, reason: &str) -> Result<(), Error> {
    if let Some(code) = code.filter(|code| !is_valid(*code)) {
        let detail = format!("close code {code}: 1000 to 1003, 1007 to 1014 and 3000 to 4999 may be sent");
        return Err(Error::new(Status::WS_ERR_ARGUMENT, detail));
    }
    if reason.len() > MAX_REASON || (code.is_none() && !reason.is_empty()) {
        let detail = format!("close reason of {} bytes: at most {MAX_REASON} fit, with a code", reason.len());
        return Err(Error::new(Status::WS_ERR_ARGUMENT, detail));
    }
    Ok(())
}

/// Reads the payload of a Close frame: the code, if there is one, and the reason.
///
/// # Errors
/// 1002 for a payload of one byte or a code that must not travel, 1007 for a reason that is not UTF-8.
pub fn parse(payload: &[u8]) -> Result<(Option<u16>, &str), Violation> {
    match payload {
        [] => Ok((None, "")),
        [_] => Err(Violation::protocol("close frame of one byte")),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            if !is_valid(code) {
                return Err(Violation::protocol("close code that must not be sent"));
            }
            match std::str::from_utf8(reason) {
                Ok(reason) => Ok((Some(code), reason)),
                Err(_) => Err(Violation::invalid_utf8("close reason is not UTF-8")),
            }
        }
    }
}

/// Writes the payload of a Close frame into `buffer` and returns its length. Without a code there is no reason either.
///
/// `reason` is cut at a character boundary when it is longer than [`MAX_REASON`].
#[must_use]
pub fn write(buffer: &mut [u8; 125], code: Option<u16>, reason: &str) -> usize {
    let Some(code) = code else { return 0 };
    let mut length = reason.len().min(MAX_REASON);
    while !reason.is_char_boundary(length) {
        length -= 1;
    }
    buffer[..2].copy_from_slice(&code.to_be_bytes());
    buffer[2..2 + length].copy_from_slice(&reason.as_bytes()[..length]);
    2 + length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_codes() {
        for code in 0..=u16::MAX {
            let expected =
                (1000..=1003).contains(&code) || (1007..=1014).contains(&code) || (3000..=4999).contains(&code);
            assert_eq!(is_valid(code), expected, "{code}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut buffer = [0; 125];
        let length = write(&mut buffer, Some(4001), "später");
        assert_eq!(parse(&buffer[..length]), Ok((Some(4001), "später")));
        assert_eq!(write(&mut buffer, None, "unsaid"), 0);
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let mut buffer = [0; 125];
        let reason = "ä".repeat(100);
        let length = write(&mut buffer, Some(NORMAL), &reason);
        assert_eq!(length, 2 + 122);
        assert!(parse(&buffer[..length]).is_ok());
    }

    #[test]
    fn bad_payloads() {
        assert_eq!(parse(&[3]).unwrap_err().code, PROTOCOL_ERROR);
        assert_eq!(parse(&1005_u16.to_be_bytes()).unwrap_err().code, PROTOCOL_ERROR);
        assert_eq!(parse(&[3, 232, 0xc3, 0x28]).unwrap_err().code, INVALID_PAYLOAD);
    }
}
