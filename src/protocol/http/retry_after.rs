//! How long a server wants to be left alone (RFC 9110 section 10.2.3).

use std::time::{Duration, SystemTime};

/// What a server can ask for at most: it is to protect itself, and not to switch its clients off for good.
pub const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// The time that a Retry-After of this value names: seconds from now on, or a date, as it is seen from `now`. One that is past
/// comes to nothing, and more than [`MAX_RETRY_AFTER`] to that. `None` for a value that is neither.
#[must_use]
pub fn retry_after(value: &[u8], now: SystemTime) -> Option<Duration> {
    let text = std::str::from_utf8(value).ok()?;
    let time = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // Digits are a number, if a large one.
        text.parse().map_or(Duration::MAX, Duration::from_secs)
    } else {
        httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default()
    };
    Some(time.min(MAX_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::UNIX_EPOCH;

    /// Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110 section 5.6.7.
    const THEN: Duration = Duration::from_secs(784_111_777);

    #[test]
    fn seconds_and_dates() {
        let rows: &[(&[u8], Option<u64>)] = &[
            (b"0", Some(0)),
            (b"120", Some(120)),
            (b"007", Some(7)),
            (b"86400", Some(86_400)),
            (b"86401", Some(86_400)),
            (b"18446744073709551616", Some(86_400)),
            (b"99999999999999999999999999999999", Some(86_400)),
            (b"Sun, 06 Nov 1994 08:49:37 GMT", Some(60)),
            (b"Sunday, 06-Nov-94 08:49:37 GMT", Some(60)),
            (b"Sun Nov  6 08:49:37 1994", Some(60)),
            (b"Sun, 06 Nov 1994 08:48:37 GMT", Some(0)),
            (b"Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            (b"Fri, 31 Dec 9999 23:59:59 GMT", Some(86_400)),
            (b"", None),
            (b"-1", None),
            (b"+1", None),
            (b"1.5", None),
            (b"1 ", None),
            (b"1, 2", None),
            (b"0x10", None),
            (b"soon", None),
            (b"1\xff", None),
            (b"Sun, 06 Nov 1994 08:49:37 CET", None),
            (b"Sun, 32 Nov 1994 08:49:37 GMT", None),
        ];
        let now = UNIX_EPOCH + THEN - Duration::from_secs(60);
        for (value, expected) in rows {
            assert_eq!(retry_after(value, now), expected.map(Duration::from_secs), "{}", value.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn it_never_exceeds_its_bound(value in "[0-9]{0,25}|\\PC{0,30}", now in 0..u64::from(u32::MAX)) {
            let now = UNIX_EPOCH + Duration::from_secs(now);
            prop_assert!(retry_after(value.as_bytes(), now).is_none_or(|time| time <= MAX_RETRY_AFTER));
        }
    }
}
