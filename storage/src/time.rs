//! Times as the API and the payloads of webhooks write them.

use std::time::{Duration, SystemTime};

/// The last second that RFC 3339 can write, 9999-12-31T23:59:59Z, since 1970.
const LAST_SECOND: Duration = Duration::from_secs(253_402_300_799);

/// `time` in UTC to the millisecond: `2026-03-01T12:00:00.000Z` (RFC 3339). What lies outside
/// 1970 to 9999, as on a machine whose clock is wrong, becomes the nearest time inside.
pub fn rfc3339(time: SystemTime) -> String {
    let since = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or(Duration::ZERO)
        .min(LAST_SECOND);
    humantime::format_rfc3339_millis(SystemTime::UNIX_EPOCH + since).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_utc_and_never_panic() {
        let at = |since| SystemTime::UNIX_EPOCH + since;
        assert_eq!(
            rfc3339(at(Duration::from_millis(1_767_225_600_123))),
            "2026-01-01T00:00:00.123Z"
        );
        assert_eq!(rfc3339(at(LAST_SECOND * 2)), "9999-12-31T23:59:59.000Z");
        assert_eq!(
            rfc3339(SystemTime::UNIX_EPOCH - Duration::from_secs(1)),
            "1970-01-01T00:00:00.000Z"
        );
    }
}
