//! `/api/v1/me`: the caller's own account.

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{AppendHeaders, IntoResponse};
use serde::Deserialize;
use storage::User;
use storage::accounts::users::Change;
use storage::accounts::{By, Password, SessionId};
use utoipa::ToSchema;

use crate::Api;
use crate::body::{self, JsonBody, not_null};
use crate::caller::LoggedIn;
use crate::cookies;
use crate::faults::{self, Faults};
use crate::limits::Allowance;
use crate::problem::{Error, FieldError, Problem};
use crate::urls::IsSecured;
use crate::users::{self, UserView};

/// What is left out stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProfileChange {
    /// A new address (RFC 5322 addr-spec).
    #[serde(default, deserialize_with = "not_null")]
    #[schema(nullable = false, example = "mona@example.org")]
    email: Option<String>,
    /// At most 100 characters; an empty text is none.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(nullable = false, example = "Mona")]
    display_name: Option<String>,
    /// At most 1000 characters; an empty text is none.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(nullable = false)]
    bio: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasswordChange {
    /// The password as it is.
    #[schema(value_type = String, required)]
    current_password: Option<String>,
    /// 8 to 128 characters, a letter and a digit among them.
    #[schema(value_type = String, required)]
    new_password: Option<String>,
}

/// The caller as it is in the database now, whatever its access token says.
#[derive(Debug)]
pub(crate) struct Me {
    user: User,
    session: SessionId,
}

impl Me {
    /// By what right it changes itself: by a session that an admin who gives it another password,
    /// or disables it, ends.
    fn right(&self) -> By<'_> {
        By::Oneself(&self.session, &self.user.id)
    }
}

impl FromRequestParts<Api> for Me {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Error> {
        let LoggedIn(identity) = LoggedIn::from_request_parts(parts, api).await?;
        let user = api.accounts.users.find(&identity.id).await?;
        match user {
            Some(user) if !user.disabled => Ok(Self {
                user,
                session: identity.session,
            }),
            _ => Err(Error::WrongToken),
        }
    }
}

/// Shows the caller's account.
#[utoipa::path(
    get,
    path = "/api/v1/me",
    tag = "accounts",
    responses((status = 200, description = "The account.", body = UserView))
)]
pub(crate) async fn show(me: Me) -> Json<UserView> {
    Json(UserView::of(me.user))
}

/// Changes the caller's profile.
#[utoipa::path(
    patch,
    path = "/api/v1/me",
    tag = "accounts",
    request_body = ProfileChange,
    responses(
        (status = 200, description = "The account as it is now.", body = UserView),
        (status = 409, description = "Somebody has the address already.", body = Problem,
            content_type = "application/problem+json"),
        body::Refusals, faults::Refusals,
    )
)]
pub(crate) async fn change(
    State(api): State<Api>,
    me: Me,
    JsonBody(wanted): JsonBody<ProfileChange>,
) -> Result<Json<UserView>, Error> {
    let mut faults = Faults::default();
    let change = users::profile(&mut faults, wanted.email, wanted.display_name, wanted.bio);
    faults.end()?;
    let users = &api.accounts.users;
    let user = users.change(&me.user.id, &change, me.right()).await?;
    Ok(Json(UserView::of(user)))
}

/// Changes the caller's password, and ends all of its sessions: log in again.
#[utoipa::path(
    put,
    path = "/api/v1/me/password",
    tag = "accounts",
    request_body = PasswordChange,
    responses(
        (status = 204, description = "Changed."),
        (status = 503, description = "Too many passwords are being checked (code `busy`).",
            body = Problem, content_type = "application/problem+json"),
        body::Refusals, faults::Refusals,
    )
)]
pub(crate) async fn change_password(
    State(api): State<Api>,
    me: Me,
    IsSecured(is_secured): IsSecured,
    allowance: Allowance,
    JsonBody(wanted): JsonBody<PasswordChange>,
) -> Result<impl IntoResponse, Error> {
    let mut faults = Faults::default();
    let current = faults.required("current_password", wanted.current_password, |text| {
        Ok::<_, std::convert::Infallible>(text)
    });
    let new = faults.required("new_password", wanted.new_password, |text| {
        Password::new(&text)
    });
    faults.end()?;
    let (Some(current), Some(new)) = (current, new) else {
        return Err(Error::Aborted);
    };
    let attempt = allowance.try_password()?;
    let hash = api.accounts.users.password(&me.user.id).await?;
    if !api.accounts.hasher.matches(current, hash).await? {
        attempt.was_wrong();
        let wrong = FieldError::new("current_password", "is wrong");
        return Err(Error::InvalidFields(vec![wrong]));
    }
    let change = Change {
        password: Some(api.accounts.hasher.hash(new).await?),
        ..Change::default()
    };
    let users = &api.accounts.users;
    users.change(&me.user.id, &change, me.right()).await?;
    tracing::info!(user = %me.user.id, "password changed");
    let cookies = AppendHeaders(cookies::taken(is_secured));
    Ok((StatusCode::NO_CONTENT, cookies))
}
