//! The cookies (RFC 6265bis) by which a browser carries a session: out of reach of scripts, and
//! the refresh token sent to the session's own addresses alone.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use storage::{access_token, accounts};

/// Carries the access token.
pub(crate) const ACCESS: &str = "millrace_access";

/// Carries the refresh token.
pub(crate) const REFRESH: &str = "millrace_refresh";

/// Below it lies all that needs the refresh token.
const REFRESH_PATH: &str = "/api/v1/session";

/// The value of the first cookie called `name`.
pub(crate) fn find<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    // HTTP/2 may split them over several fields (RFC 9113 §8.2.3).
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|field| field.to_str().ok())
        .flat_map(|field| field.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='))
        .find_map(|(it, value)| (it == name).then_some(value))
}

/// Headers of an answer that gives a browser its session.
pub(crate) fn given(access: &str, refresh: &str, is_secured: bool) -> Cookies {
    let access_s = access_token::LIFETIME.as_secs();
    let refresh_s = accounts::sessions::REFRESH_LIFETIME.as_secs();
    Cookies([
        access_cookie(access, access_s, is_secured),
        refresh_cookie(refresh, refresh_s, is_secured),
    ])
}

/// Headers of an answer that takes a browser's session away.
pub(crate) fn taken(is_secured: bool) -> Cookies {
    Cookies([
        access_cookie("", 0, is_secured),
        refresh_cookie("", 0, is_secured),
    ])
}

/// As a part of an answer.
#[derive(Debug)]
pub(crate) struct Cookies([HeaderValue; 2]);

impl IntoIterator for Cookies {
    type Item = (HeaderName, HeaderValue);
    type IntoIter = std::iter::Map<
        std::array::IntoIter<HeaderValue, 2>,
        fn(HeaderValue) -> (HeaderName, HeaderValue),
    >;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter().map(|value| (header::SET_COOKIE, value))
    }
}

fn access_cookie(value: &str, max_age_s: u64, is_secured: bool) -> HeaderValue {
    cookie(ACCESS, value, "/", "Lax", max_age_s, is_secured)
}

fn refresh_cookie(value: &str, max_age_s: u64, is_secured: bool) -> HeaderValue {
    cookie(
        REFRESH,
        value,
        REFRESH_PATH,
        "Strict",
        max_age_s,
        is_secured,
    )
}

fn cookie(
    name: &str,
    value: &str,
    path: &str,
    same_site: &str,
    max_age_s: u64,
    is_secured: bool,
) -> HeaderValue {
    let secure = if is_secured { "; Secure" } else { "" };
    let text = format!(
        "{name}={value}; Path={path}; Max-Age={max_age_s}; HttpOnly; SameSite={same_site}{secure}"
    );
    HeaderValue::try_from(text).expect("tokens are base64url and dots")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        let mut headers = HeaderMap::new();
        headers.append(
            header::COOKIE,
            HeaderValue::from_static("a=1; xmillrace_access=2"),
        );
        headers.append(
            header::COOKIE,
            HeaderValue::from_static("millrace_access=a.b=c;b=3"),
        );
        assert_eq!(find(&headers, ACCESS), Some("a.b=c"));
        assert_eq!(find(&headers, "b"), Some("3"));
        assert_eq!(find(&headers, REFRESH), None);
        assert_eq!(find(&HeaderMap::new(), ACCESS), None);
    }
}
