//! `/api/v1/session`: logging in, staying so, and logging out.
//!
//! An answer has an access token (15 minutes) and a refresh token (30 days), which is exchanged for
//! the next pair, once. With `"cookies": true` both are HttpOnly cookies too, and the refresh token
//! is in no body, where a script could read it.

use std::time::SystemTime;

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{AppendHeaders, IntoResponse, Response};
use serde::{Deserialize, Serialize};
use storage::access_token::{self, Identity};
use storage::accounts::RefreshToken;
use utoipa::ToSchema;

use crate::Api;
use crate::audit::Subject;
use crate::body::{self, JsonBody};
use crate::caller::{Caller, Identified};
use crate::faults::{self, Faults};
use crate::limits::Allowance;
use crate::problem::{Error, Problem};
use crate::urls::IsSecured;
use crate::{cookies, cors};

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Credentials {
    /// The user's name or e-mail address, whatever its case.
    #[schema(value_type = String, required, example = "mona")]
    login: Option<String>,
    /// The password.
    #[schema(value_type = String, required, example = "saltwater 42")]
    password: Option<String>,
    /// Whether to set cookies, as browsers want it.
    #[serde(default)]
    cookies: bool,
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Presented {
    /// The refresh token; where it is not given, the cookie's.
    #[schema(example = "mrr_…")]
    refresh_token: Option<String>,
}

/// What somebody who is logged in has.
#[derive(Serialize, ToSchema)]
pub(crate) struct TokensView {
    /// For `Authorization: Bearer`.
    #[schema(example = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.…")]
    access_token: String,
    /// Always `Bearer`.
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// For how many seconds the access token is valid.
    #[schema(example = 900)]
    expires_in: u64,
    /// What the next pair is had for, once; null where it is in a cookie.
    #[schema(example = "mrr_…")]
    refresh_token: Option<String>,
}

/// A refresh token that a browser sent by itself: it counts where a page of ours made it do so.
#[derive(Debug)]
pub(crate) struct RefreshCookie {
    token: Option<String>,
    is_from_own_page: bool,
}

impl RefreshCookie {
    fn token(self) -> Result<Option<String>, Error> {
        match self.token {
            Some(_) if !self.is_from_own_page => Err(Error::CrossSite),
            token => Ok(token),
        }
    }
}

impl FromRequestParts<Api> for RefreshCookie {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Error> {
        Ok(Self {
            token: cookies::find(&parts.headers, cookies::REFRESH).map(str::to_owned),
            is_from_own_page: cors::is_from_own_page(api, parts),
        })
    }
}

/// Logs in by user name or e-mail address. An unknown user and a wrong password are answered alike.
#[utoipa::path(
    post,
    path = "/api/v1/session",
    tag = "accounts",
    request_body = Credentials,
    responses(
        (status = 200, description = "Logged in.", body = TokensView),
        (status = 401, description = "No such user, or not this password (code \
            `wrong_credentials`).", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The account is disabled (code `account_disabled`).",
            body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too many passwords are being checked (code `busy`).",
            body = Problem, content_type = "application/problem+json"),
        body::Refusals, faults::Refusals,
    )
)]
pub(crate) async fn log_in(
    State(api): State<Api>,
    IsSecured(is_secured): IsSecured,
    allowance: Allowance,
    JsonBody(credentials): JsonBody<Credentials>,
) -> Result<Response, Error> {
    let mut faults = Faults::default();
    let as_given = Ok::<String, std::convert::Infallible>;
    let login = faults.required("login", credentials.login, as_given);
    let password = faults.required("password", credentials.password, as_given);
    faults.end()?;
    let (Some(login), Some(password)) = (login, password) else {
        return Err(Error::Aborted);
    };
    let attempt = allowance.try_password()?;
    let found = api.accounts.users.find_by_login(&login).await?;
    let hash = found.as_ref().map(|(_, hash)| hash.clone());
    // The same work where there is no such user.
    let matches = api.accounts.hasher.matches(password, hash).await?;
    let Some((user, hash)) = found.filter(|_| matches) else {
        attempt.was_wrong();
        return Err(Error::WrongCredentials);
    };
    if user.disabled {
        return Err(storage::accounts::Error::Disabled.into());
    }
    let now = SystemTime::now();
    let opened = api.accounts.sessions.open(&user.id, &hash, now).await?;
    let (session, refresh) = opened.ok_or(Error::WrongCredentials)?;
    tracing::info!(user = %user.id, "logged in");
    let identity = Identity::of(&user, session);
    let in_cookies = credentials.cookies.then_some(is_secured);
    Ok(answer(&api, &identity, &refresh, in_cookies, now))
}

/// Exchanges a refresh token for the next pair. One that comes a second time ends its session: one
/// of the two who have it has stolen it.
#[utoipa::path(
    post,
    path = "/api/v1/session/refresh",
    tag = "accounts",
    request_body = Presented,
    responses(
        (status = 200, description = "The next pair.", body = TokensView),
        (status = 401, description = "The token is missing, unknown, expired or was used before (code \
            `refresh_refused`).", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The account is disabled (code `account_disabled`), or the \
            cookie was sent by another server's page (`cross_site_request`).",
            body = Problem, content_type = "application/problem+json"),
        body::Refusals,
    )
)]
pub(crate) async fn refresh(
    State(api): State<Api>,
    IsSecured(is_secured): IsSecured,
    cookie: RefreshCookie,
    body: Option<JsonBody<Presented>>,
) -> Result<Response, Error> {
    let JsonBody(presented) = body.unwrap_or_default();
    let (token, in_cookies) = match presented.refresh_token {
        Some(token) => (Some(token), None),
        None => (cookie.token()?, Some(is_secured)),
    };
    let token = token.ok_or(storage::accounts::Error::RefreshRefused)?;
    let now = SystemTime::now();
    let (user, session, next) = api.accounts.sessions.refresh(&token, now).await?;
    let identity = Identity::of(&user, session);
    Ok(answer(&api, &identity, &next, in_cookies, now))
}

/// Logs out: ends the session of the refresh token in the body or the cookie, or else that of the
/// access token. Other access tokens of the session change nothing from then on; for up to a quarter
/// of an hour they show, unless they are an admin's, what they showed.
#[utoipa::path(
    delete,
    path = "/api/v1/session",
    tag = "accounts",
    request_body = Presented,
    responses(
        (status = 204, description = "Logged out."),
        (status = 401, description = "Without any token.", body = Problem,
            content_type = "application/problem+json"),
        (status = 403, description = "The cookie was sent by another server's page (code \
            `cross_site_request`), or the operator has no session (`no_account`).", body = Problem,
            content_type = "application/problem+json"),
        body::Refusals,
    )
)]
pub(crate) async fn log_out(
    State(api): State<Api>,
    IsSecured(is_secured): IsSecured,
    cookie: RefreshCookie,
    axum::Extension(identified): axum::Extension<Identified>,
    body: Option<JsonBody<Presented>>,
) -> Result<impl IntoResponse, Error> {
    let JsonBody(presented) = body.unwrap_or_default();
    let sessions = &api.accounts.sessions;
    // An access token that has expired is no obstacle to logging out.
    let token = match presented.refresh_token {
        Some(token) => Some(token),
        None => cookie.token()?,
    };
    let whose = match (token, identified.caller()) {
        (Some(token), _) => sessions.end_of(&token).await?,
        (None, Ok(Caller::User(user))) => {
            sessions.end(&user.session).await?;
            Some(user.id)
        }
        (None, Ok(Caller::Operator)) => return Err(Error::NoAccount),
        (None, Ok(Caller::Anonymous)) => return Err(Error::NoToken),
        (None, Err(refused)) => return Err(refused.into()),
    };
    let subject = whose.map(|user| axum::Extension(Subject(user.to_string())));
    let cookies = AppendHeaders(cookies::taken(is_secured));
    Ok((StatusCode::NO_CONTENT, subject, cookies))
}

/// A new pair of tokens, in cookies where `in_cookies` says whether they came by TLS.
fn answer(
    api: &Api,
    identity: &Identity,
    refresh: &RefreshToken,
    in_cookies: Option<bool>,
    now: SystemTime,
) -> Response {
    let access_token = api.access_secret.issue(identity, now);
    let cookies =
        in_cookies.map(|is_secured| cookies::given(&access_token, refresh.reveal(), is_secured));
    let view = TokensView {
        access_token,
        token_type: "Bearer",
        expires_in: access_token::LIFETIME.as_secs(),
        refresh_token: cookies.is_none().then(|| refresh.reveal().to_owned()),
    };
    let subject = axum::Extension(Subject(identity.id.to_string()));
    let cookies = AppendHeaders(cookies.into_iter().flatten());
    (subject, cookies, Json(view)).into_response()
}
