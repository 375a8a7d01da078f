//! `/api/v1/users`: what admins see of users, and change.

use axum::Json;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::{Deserialize, Serialize};
use storage::accounts::users::{Change, Filter, Sort};
use storage::accounts::{self, Bio, DisplayName, Email, Password};
use storage::{User, UserId};
use utoipa::{IntoParams, ToSchema};

use crate::Api;
use crate::body::{self, JsonBody, not_null};
use crate::caller::Caller;
use crate::faults::{self, Faults};
use crate::list::{self, Asked, Filters, Page, PageQuery};
use crate::problem::{Error, Problem};
use crate::role::Role;
use crate::streams::announce;
use crate::time::rfc3339;

/// A user, as the user itself and admins see it.
#[derive(Serialize, ToSchema)]
pub(crate) struct UserView {
    /// Stays, whatever else changes.
    #[schema(example = "k3f7a2mzq7xw2b")]
    id: String,
    /// By which it logs in.
    #[schema(example = "mona")]
    name: String,
    /// By which it logs in too.
    #[schema(example = "mona@example.org")]
    email: String,
    /// What it may do.
    role: Role,
    /// May not log in.
    disabled: bool,
    /// What others read instead of the name; may be empty.
    display_name: String,
    /// What it says about itself; may be empty.
    bio: String,
    /// When it registered (RFC 3339).
    #[schema(example = "2026-03-01T12:00:00.000Z")]
    created_at: String,
}

impl UserView {
    pub(crate) fn of(user: User) -> Self {
        Self {
            id: user.id.to_string(),
            name: user.name.as_str().to_owned(),
            email: user.email.as_str().to_owned(),
            role: user.role.into(),
            disabled: user.disabled,
            display_name: user.display_name.as_str().to_owned(),
            bio: user.bio.as_str().to_owned(),
            created_at: rfc3339(user.created_at),
        }
    }
}

/// What is left out stays as it is.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserChange {
    /// Counts for all that the user changes from now on, and for an admin's requests of any kind. A
    /// viewer's streams cannot be published to.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(value_type = Option<Role>, nullable = false)]
    role: Option<String>,
    /// `true` ends all of the user's sessions, and nobody publishes to its streams. What its access
    /// token shows to others than admins it shows for up to a quarter of an hour.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(nullable = false)]
    disabled: Option<bool>,
    /// A new password, for somebody who has forgotten it; ends all of the user's sessions.
    #[serde(default, deserialize_with = "not_null")]
    #[schema(nullable = false)]
    password: Option<String>,
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

/// The parts of a user that everybody changes alike, checked.
pub(crate) fn profile(
    faults: &mut Faults,
    email: Option<String>,
    display_name: Option<String>,
    bio: Option<String>,
) -> Change {
    Change {
        email: faults.optional("email", email, |text| Email::new(&text)),
        display_name: faults.optional("display_name", display_name, |text| DisplayName::new(&text)),
        bio: faults.optional("bio", bio, |text| Bio::new(&text)),
        ..Change::default()
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct UserQuery {
    /// Users with this in their name or address, whatever its case.
    q: Option<String>,
    /// Users with this role.
    #[param(value_type = Option<Role>)]
    role: Option<String>,
    /// `created_at` (where it is not given), `-created_at`, `name` or `-name`; `-` is backwards.
    #[param(example = "-created_at")]
    sort: Option<String>,
}

/// The user id of a path. What cannot be one names no user.
#[derive(Debug)]
pub(crate) struct UserPath(UserId);

impl<S: Send + Sync> FromRequestParts<S> for UserPath {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| Error::NoUser)?;
        UserId::new(&text).map(Self).map_err(|_| Error::NoUser)
    }
}

/// Lists users.
#[utoipa::path(
    get,
    path = "/api/v1/users",
    tag = "accounts",
    params(UserQuery, PageQuery),
    responses(
        (status = 200, description = "Users.", body = Page<UserView>),
        (status = 400, description = "A parameter is invalid.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list(
    State(api): State<Api>,
    Asked(paging): Asked,
    Filters(query): Filters<UserQuery>,
) -> Result<Json<Page<UserView>>, Error> {
    let roles = [
        accounts::Role::Viewer,
        accounts::Role::Streamer,
        accounts::Role::Admin,
    ];
    let sorts = [
        ("created_at", Sort::Oldest),
        ("-created_at", Sort::Newest),
        ("name", Sort::Name),
        ("-name", Sort::NameReversed),
    ];
    let filter = Filter {
        text: list::searched("q", query.q)?,
        role: list::chosen(
            "role",
            query.role.as_deref(),
            &roles.map(|role| (role.as_str(), role)),
        )?,
    };
    let sort = list::chosen("sort", query.sort.as_deref(), &sorts)?.unwrap_or_default();
    let page = api.accounts.users.list(&filter, sort, &paging).await?;
    Ok(Json(Page::of(page, UserView::of)))
}

/// Shows one user.
#[utoipa::path(
    get,
    path = "/api/v1/users/{id}",
    tag = "accounts",
    params(("id" = String, Path, description = "The user's id.")),
    responses(
        (status = 200, description = "The user.", body = UserView),
        (status = 404, description = "No such user.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn show(
    State(api): State<Api>,
    UserPath(id): UserPath,
) -> Result<Json<UserView>, Error> {
    let user = api.accounts.users.find(&id).await?.ok_or(Error::NoUser)?;
    Ok(Json(UserView::of(user)))
}

/// Changes a user: the role, whether it may log in, the password, the profile.
#[utoipa::path(
    patch,
    path = "/api/v1/users/{id}",
    tag = "accounts",
    params(("id" = String, Path, description = "The user's id.")),
    request_body = UserChange,
    responses(
        (status = 200, description = "The user as it is now.", body = UserView),
        (status = 404, description = "No such user.", body = Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "Somebody has the address already.", body = Problem,
            content_type = "application/problem+json"),
        body::Refusals, faults::Refusals,
    )
)]
pub(crate) async fn change(
    State(api): State<Api>,
    caller: Caller,
    UserPath(id): UserPath,
    JsonBody(wanted): JsonBody<UserChange>,
) -> Result<Json<UserView>, Error> {
    let mut faults = Faults::default();
    let password = faults.optional("password", wanted.password, |text| Password::new(&text));
    let role = faults.optional("role", wanted.role, |text| text.parse::<accounts::Role>());
    let mut change = Change {
        role,
        disabled: wanted.disabled,
        ..profile(&mut faults, wanted.email, wanted.display_name, wanted.bio)
    };
    faults.end()?;
    if let Some(password) = password {
        change.password = Some(api.accounts.hasher.hash(password).await?);
    }
    let by = caller.as_admin()?;
    let user = api.accounts.users.change(&id, &change, by).await?;
    if change.concerns_keys() {
        announce(&api).await;
    }
    tracing::info!(user = %id, role = user.role.as_str(), disabled = user.disabled, "user changed");
    Ok(Json(UserView::of(user)))
}

/// Deletes a user with its sessions and webhooks. Its streams become the operator's.
#[utoipa::path(
    delete,
    path = "/api/v1/users/{id}",
    tag = "accounts",
    params(("id" = String, Path, description = "The user's id.")),
    responses(
        (status = 204, description = "Deleted."),
        (status = 404, description = "No such user.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn delete(
    State(api): State<Api>,
    caller: Caller,
    UserPath(id): UserPath,
) -> Result<StatusCode, Error> {
    api.accounts.users.delete(&id, caller.as_admin()?).await?;
    tracing::info!(user = %id, "user deleted");
    // Whose streams are is known to the process.
    announce(&api).await;
    Ok(StatusCode::NO_CONTENT)
}
