//! Times as the database has them: whole milliseconds since 1970.

use std::time::{Duration, SystemTime};

/// Milliseconds since 1970; a clock set before that counts as 1970.
pub(crate) fn to_unix_ms(time: SystemTime) -> i64 {
    let since = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// The time of a column; what no clock can show counts as 1970.
pub(crate) fn from_unix_ms(unix_ms: i64) -> SystemTime {
    let since = Duration::from_millis(u64::try_from(unix_ms).unwrap_or(0));
    SystemTime::UNIX_EPOCH
        .checked_add(since)
        .unwrap_or(SystemTime::UNIX_EPOCH)
}
