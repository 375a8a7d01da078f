//! A JSON body that says what is wrong with it: bounded in size and time, every fault named by its
//! field.

use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{FromRequest, OptionalFromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer};
use utoipa::IntoResponses;

use crate::audit::Said;
use crate::caller::{Caller, Identified};
use crate::problem::{CONTENT_TYPE, Error, FieldError, Problem};

/// The largest body: a hundred times what any request needs.
pub(crate) const BODY_BYTES_MAX: usize = 64 * 1024;

/// How long a body may take to arrive, so that a caller who dribbles holds nothing for long.
pub(crate) const BODY_WAIT_MAX: Duration = Duration::from_secs(10);

/// The body, read as JSON.
#[derive(Debug, Default)]
pub(crate) struct JsonBody<T>(pub(crate) T);

/// How [`JsonBody`] refuses, for the descriptions of the endpoints that take one.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only described: what is sent is an Error")]
pub(crate) enum Refusals {
    /// The body is no JSON, or a field is invalid.
    #[response(status = 400, content_type = CONTENT_TYPE)]
    Invalid(Problem),
    /// The body took longer than 10 s.
    #[response(status = 408, content_type = CONTENT_TYPE)]
    TooSlow(Problem),
    /// The body is larger than 64 KiB.
    #[response(status = 413, content_type = CONTENT_TYPE)]
    TooLarge(Problem),
    /// The body is not declared as JSON.
    #[response(status = 415, content_type = CONTENT_TYPE)]
    NotJson(Problem),
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        read(request, state, BODY_WAIT_MAX).await.map(Self)
    }
}

/// `None` where there is no body at all: one that is not declared as JSON is a mistake like any
/// other.
impl<T: DeserializeOwned, S: Send + Sync> OptionalFromRequest<S> for JsonBody<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Option<Self>, Error> {
        if request.body().is_end_stream() && !request.headers().contains_key(header::CONTENT_TYPE) {
            return Ok(None);
        }
        read(request, state, BODY_WAIT_MAX)
            .await
            .map(Self)
            .map(Some)
    }
}

/// The body of `request`, if all of it comes within `wait_max`.
pub(crate) async fn read<T: DeserializeOwned, S: Send + Sync>(
    request: Request,
    state: &S,
    wait_max: Duration,
) -> Result<T, Error> {
    if !is_json(request.headers()) {
        return Err(Error::NotJsonType);
    }
    let said = request.extensions().get::<Said>().cloned();
    let bytes = collected(request, state, wait_max).await?;
    let value = parse(&bytes)?;
    if let Some(said) = said {
        said.note(&bytes);
    }
    Ok(value)
}

/// Has the whole body of a user's change in JSON come before anybody asks what that user may do
/// ([`crate::caller::confirm`]): it counts what that is once the change is said, and not ten seconds
/// earlier, when a request was begun and kept open. Strangers are refused without waiting.
pub(crate) async fn arrive(request: Request, next: Next) -> Result<Response, Error> {
    let is_users = matches!(Identified::of(request.extensions()), Ok(Caller::User(_)));
    if !is_users || request.method().is_safe() || !is_json(request.headers()) {
        return Ok(next.run(request).await);
    }
    let (parts, body) = request.into_parts();
    let request = Request::from_parts(parts.clone(), body);
    let bytes = collected(request, &(), BODY_WAIT_MAX).await?;
    Ok(next
        .run(Request::from_parts(parts, Body::from(bytes)))
        .await)
}

/// All of a body, bounded as the router says, if it comes within `wait_max`.
async fn collected<S: Send + Sync>(
    request: Request,
    state: &S,
    wait_max: Duration,
) -> Result<Bytes, Error> {
    // What is too large by its own account is not waited for.
    let declared = request.headers().get(header::CONTENT_LENGTH);
    let declared = declared.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|length| length > BODY_BYTES_MAX as u64) {
        return Err(Error::BodyTooLarge);
    }
    tokio::time::timeout(wait_max, Bytes::from_request(request, state))
        .await
        .map_err(|_| Error::BodyTooSlow)?
        .map_err(|rejection| match rejection.into_response().status() {
            StatusCode::PAYLOAD_TOO_LARGE => Error::BodyTooLarge,
            _ => Error::BodyBroken,
        })
}

/// `application/json` or another JSON type (RFC 6839 §3.1), whatever its parameters.
fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .map(|essence| essence.trim().to_ascii_lowercase())
        .and_then(|essence| {
            let subtype = essence.strip_prefix("application/")?;
            Some(subtype == "json" || subtype.ends_with("+json"))
        })
        .unwrap_or(false)
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    // Serde would take an array too, its values in the order of the struct's fields.
    if !bytes.trim_ascii_start().starts_with(b"{") {
        serde_json::from_slice::<IgnoredAny>(bytes).map_err(Error::NotJson)?;
        return Err(Error::Invalid(FieldError::new("body", "is a JSON object")));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let field = error.path().to_string();
        let error = error.into_inner();
        if !error.is_data() {
            Error::NotJson(error)
        } else if field == "." {
            Error::Invalid(FieldError::new("body", error))
        } else {
            Error::Invalid(FieldError::new(&field, error))
        }
    })?;
    deserializer.end().map_err(Error::NotJson)?;
    Ok(value)
}

/// For fields of changes that can be left out and not taken away: a null is a mistake and not the
/// same as a field left out.
pub(crate) fn not_null<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// For fields of changes that can be left out, and be taken away by a null.
pub(crate) fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}
