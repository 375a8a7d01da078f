//! `Date` (RFC 9110 §6.6.1), rendered once a second and thread.

use std::cell::RefCell;
use std::time::SystemTime;

use http::HeaderValue;

/// Gives `to` the present time.
pub(super) fn with<T>(to: impl FnOnce(&HeaderValue) -> T) -> T {
    thread_local! {
        static LAST: RefCell<(u64, HeaderValue)> =
            const { RefCell::new((0, HeaderValue::from_static(""))) };
    }
    let now = SystemTime::now();
    let since_epoch = now.duration_since(SystemTime::UNIX_EPOCH);
    let second = since_epoch.map_or(0, |since| since.as_secs());
    LAST.with_borrow_mut(|(rendered, value)| {
        if *rendered != second {
            let text = httpdate::fmt_http_date(now);
            *value = HeaderValue::try_from(text).expect("a date is ASCII");
            *rendered = second;
        }
        to(value)
    })
}
