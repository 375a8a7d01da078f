//! `POST /api/v1/users`: becoming a user.

use std::time::SystemTime;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde::Deserialize;
use storage::accounts::users::NewUser;
use storage::accounts::{Email, InvitationCode, Password, Role, UserName};
use utoipa::ToSchema;

use crate::Api;
use crate::body::{self, JsonBody};
use crate::caller::Caller;
use crate::faults::{self, Faults};
use crate::limits::Allowance;
use crate::options::Registration;
use crate::problem::{Error, Problem};
use crate::users::UserView;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewAccount {
    /// 3 to 30 characters of `A-Za-z0-9_-`; unique, whatever its case.
    #[schema(value_type = String, required, example = "mona")]
    name: Option<String>,
    /// An address (RFC 5322 addr-spec); unique, whatever its case.
    #[schema(value_type = String, required, example = "mona@example.org")]
    email: Option<String>,
    /// 8 to 128 characters, a letter and a digit among them.
    #[schema(value_type = String, required, example = "saltwater 42")]
    password: Option<String>,
    /// The code of an invitation, where registration needs one.
    #[schema(example = "mri_…")]
    invitation: Option<String>,
}

/// Makes an account: for everybody where registration is open, for whoever has an invitation where
/// it needs one, and always for the operator and admins. The new user is a viewer, or what the
/// invitation says; nobody is an admin by being the first.
#[utoipa::path(
    post,
    path = "/api/v1/users",
    tag = "accounts",
    request_body = NewAccount,
    responses(
        (status = 201, description = "Registered.", body = UserView,
            headers(("Location" = String, description = "The user's address, for admins."))),
        (status = 401, description = "A token that is wrong or has expired.", body = Problem,
            content_type = "application/problem+json"),
        (status = 403, description = "Registration is closed (code `registration_closed`), needs an \
            invitation (`invitation_required`), or the invitation is unknown, used or expired \
            (`invitation_invalid`).", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Somebody has the name or the address already (code `taken`; \
            `errors` says which), or there are too many users (`too_many_users`).", body = Problem,
            content_type = "application/problem+json"),
        body::Refusals, faults::Refusals,
    )
)]
pub(crate) async fn register(
    State(api): State<Api>,
    caller: Caller,
    allowance: Allowance,
    JsonBody(new): JsonBody<NewAccount>,
) -> Result<impl IntoResponse, Error> {
    let given = new.invitation.as_deref();
    match api.registration {
        _ if caller.is_admin() => {}
        Registration::Open => {}
        Registration::Invitation if given.is_some() => {}
        Registration::Invitation => return Err(Error::InvitationRequired),
        Registration::Closed => return Err(Error::RegistrationClosed),
    }
    let invitation = given
        .map(|text| InvitationCode::presented(text).ok_or(storage::accounts::Error::NotInvited))
        .transpose()?;
    let mut faults = Faults::default();
    let name = faults.required("name", new.name, |text| UserName::new(&text));
    let email = faults.required("email", new.email, |text| Email::new(&text));
    let password = faults.required("password", new.password, |text| Password::new(&text));
    faults.end()?;
    let (Some(name), Some(email), Some(password)) = (name, email, password) else {
        return Err(Error::Aborted);
    };
    if !caller.is_admin() {
        allowance.register()?;
    }
    let now = SystemTime::now();
    // Before anything that tells who is a user already.
    if let Some(code) = &invitation {
        api.accounts.invitations.check(code, now).await?;
    }
    let new = NewUser {
        name,
        email,
        password: api.accounts.hasher.hash(password).await?,
        role: Role::Viewer,
    };
    let users = &api.accounts.users;
    let user = users.create(new, invitation.as_ref(), now).await?;
    tracing::info!(user = %user.id, "user registered");
    let location = format!("/api/v1/users/{}", user.id);
    Ok((
        StatusCode::CREATED,
        [(header::LOCATION, location)],
        Json(UserView::of(user)),
    ))
}
