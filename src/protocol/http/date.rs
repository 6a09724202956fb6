//! Dates as HTTP writes them (RFC 9110 section 5.6.7).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The last second that a date can tell, at the end of the year 9999.
pub const LAST_DATE: Duration = Duration::from_secs(253_402_300_799);

/// A time as a date. A clock that is set before 1970 or behind the year 9999 counts as at that end.
#[must_use]
pub fn date(time: SystemTime) -> String {
    date_since_1970(time.duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// The same for a time since 1970.
#[must_use]
pub fn date_since_1970(time: Duration) -> String {
    httpdate::fmt_http_date(UNIX_EPOCH + time.min(LAST_DATE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_time_has_a_date() {
        const BEFORE: &str = "Thu, 01 Jan 1970 00:00:00 GMT";
        const BEHIND: &str = "Fri, 31 Dec 9999 23:59:59 GMT";
        let after = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(date(after(784_111_777)), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(date(UNIX_EPOCH), BEFORE);
        assert_eq!(date(UNIX_EPOCH - Duration::from_secs(1)), BEFORE);
        assert_eq!(date(UNIX_EPOCH - Duration::from_secs(1 << 40)), BEFORE);
        assert_eq!(date(after(LAST_DATE.as_secs())), BEHIND);
        assert_eq!(date(after(LAST_DATE.as_secs() + 1)), BEHIND);
        assert_eq!(date(after(1 << 60)), BEHIND);
        assert_eq!(date_since_1970(Duration::MAX), BEHIND);
    }
}
