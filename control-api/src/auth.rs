//! The admin token as a bearer token (RFC 6750 §2.1: in the header alone, never in a URL, where
//! logs would keep it).

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;
use subtle::ConstantTimeEq;

use crate::Api;
use crate::problem::Error;

/// Lets a request with the admin token pass.
pub(crate) async fn require(
    State(api): State<Api>,
    request: Request,
    next: Next,
) -> Result<Response, Error> {
    let presented = bearer(request.headers()).ok_or(Error::NoToken)?;
    // In constant time, so that an answer's delay does not tell how much of a guess was right.
    // That it tells the length is no harm: the length is no secret.
    if !bool::from(presented.ct_eq(api.admin_token.reveal().as_bytes())) {
        return Err(Error::WrongToken);
    }
    Ok(next.run(request).await)
}

/// The token of an `Authorization: Bearer` header; the scheme's case does not matter (RFC 9110
/// §11.1).
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked("Bearer ".len())?;
    scheme
        .eq_ignore_ascii_case(b"Bearer ")
        .then(|| token.trim_ascii())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn only_a_bearer_header_carries_a_token() {
        for (value, token) in [
            ("Bearer abc", Some("abc")),
            ("bearer  abc ", Some("abc")),
            ("Bearer ", Some("")),
            ("Bearer", None),
            ("Basic YTpi", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, HeaderValue::from_static(value));
            assert_eq!(bearer(&headers), token.map(str::as_bytes), "{value:?}");
        }
        assert_eq!(bearer(&HeaderMap::new()), None);
    }
}
