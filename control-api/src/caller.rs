//! Who calls: the operator, a user or nobody known.
//!
//! The operator has the admin token, a user an access token ([`storage::access_token`]): as a bearer
//! token (RFC 6750 §2.1: in the header alone, never in a URL, where logs would keep it), or in a
//! browser's cookie. An access token is valid until it expires; whoever changes something, and an
//! admin whatever it asks, is looked up beside it. A request that changes something by a cookie must
//! come from a page of this server's or one in the CORS list ([`crate::cors`]); a bearer token no
//! page sends by itself.

use std::time::{Duration, SystemTime};

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;
use storage::UserId;
use storage::access_token::{Identity, Refusal};
use storage::accounts::{By, Role};
use subtle::ConstantTimeEq;

use crate::Api;
use crate::cookies;
use crate::cors;
use crate::guesses::{self, Secret, Wrong};
use crate::peer;
use crate::problem::Error;

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Has the admin token.
    Operator,
    /// Has an account, with the role of the time at which the access token was made, or of now
    /// ([`confirm`]).
    User(Identity),
    /// Has shown nothing.
    Anonymous,
}

impl Caller {
    /// Whether it may see and change what is `owner`'s, or the operator's where that is nobody.
    pub(crate) fn owns(&self, owner: Option<&UserId>) -> bool {
        match self {
            Self::User(user) => self.is_admin() || owner == Some(&user.id),
            _ => self.is_admin(),
        }
    }

    /// Whose the things are that it sees in lists for those who are known; `None`: everybody's.
    pub(crate) fn sees(&self) -> Option<&UserId> {
        match self {
            Self::User(user) if !self.is_admin() => Some(&user.id),
            _ => None,
        }
    }

    /// Whose the things will be that it makes, as those may who have streams.
    pub(crate) fn streamer(&self) -> Result<Option<&UserId>, Error> {
        match self {
            Self::Anonymous => Err(Error::NoToken),
            Self::User(user) if user.role < Role::Streamer => Err(Error::NotStreamer),
            Self::User(user) => Ok(Some(&user.id)),
            Self::Operator => Ok(None),
        }
    }

    /// By what right it does what is for admins: judged once more where it is done
    /// ([`require_admin`] judged it before).
    pub(crate) fn as_admin(&self) -> Result<By<'_>, Error> {
        match self {
            Self::Anonymous => Err(Error::NoToken),
            Self::User(user) => Ok(By::Admin(&user.session, &user.id)),
            Self::Operator => Ok(By::Operator),
        }
    }

    /// Whether everything is allowed.
    pub(crate) fn is_admin(&self) -> bool {
        match self {
            Self::Operator => true,
            Self::User(user) => user.role == Role::Admin,
            Self::Anonymous => false,
        }
    }
}

/// Why what somebody has shown does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// No token of this server's.
    Wrong,
    /// An access token that was valid.
    Expired,
    /// A cookie, sent by another server's page.
    CrossSite,
    /// Sent from an address that has guessed, which has to wait so long.
    Banned(Duration),
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Wrong => Self::WrongToken,
            Refused::Expired => Self::TokenExpired,
            Refused::CrossSite => Self::CrossSite,
            Refused::Banned(wait) => Self::TooManyRequests { wait },
        }
    }
}

/// Who calls, as an extension of the request: found out once, and judged by whoever needs to know.
#[derive(Clone, Debug)]
pub(crate) struct Identified(Result<Caller, Refused>);

impl Identified {
    pub(crate) fn of(extensions: &Extensions) -> Result<Caller, Refused> {
        match extensions.get::<Self>() {
            Some(Self(identified)) => identified.clone(),
            None => Ok(Caller::Anonymous),
        }
    }

    pub(crate) fn caller(self) -> Result<Caller, Refused> {
        self.0
    }
}

/// Finds out who calls. Refuses nobody: some routes are open to everybody.
pub(crate) async fn identify(State(api): State<Api>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let identified = Identified(caller(&api, &parts));
    parts.extensions.insert(identified);
    next.run(Request::from_parts(parts, body)).await
}

/// Looks up who changes something or is an admin: what an access token says may be a quarter of an
/// hour old, and who is no admin any more must not make itself one again. So it comes after the body
/// of JSON ([`crate::body::arrive`]), and what only admins may is judged once more in the database
/// ([`By`]). What others only look at costs no query.
pub(crate) async fn confirm(
    State(api): State<Api>,
    mut request: Request,
    next: Next,
) -> Result<Response, Error> {
    let is_change = !request.method().is_safe();
    let user = match Identified::of(request.extensions()) {
        Ok(Caller::User(user)) if is_change || user.role == Role::Admin => user,
        _ => return Ok(next.run(request).await),
    };
    let confirmed = match api.accounts.sessions.role(&user.session, &user.id).await? {
        Some(role) => Ok(Caller::User(Identity { role, ..user })),
        None if bearer(request.headers()).is_some() => Err(Refused::Wrong),
        // As where a cookie's token has expired.
        None => Ok(Caller::Anonymous),
    };
    request.extensions_mut().insert(Identified(confirmed));
    Ok(next.run(request).await)
}

fn caller(api: &Api, parts: &Parts) -> Result<Caller, Refused> {
    let now = SystemTime::now();
    if let Some(token) = bearer(&parts.headers) {
        // In constant time, so that an answer's delay does not tell how much of a guess was right.
        // That it tells the length is no harm: the length is no secret.
        if bool::from(token.ct_eq(api.admin_token.reveal().as_bytes())) {
            let admin = api.admin_token.reveal();
            let opens =
                peer::ip(&parts.extensions).map_or(Ok(()), |ip| api.guesses.right(admin, ip));
            return opens.map(|()| Caller::Operator).map_err(Refused::Banned);
        }
        let token = String::from_utf8_lossy(token);
        return match api.access_secret.check(&token, now) {
            // A signature is not guessed, and whoever shares the address goes on.
            Ok(user) => Ok(Caller::User(user)),
            Err(Refusal::Invalid) => Err(wrong(api, parts, &token)),
            Err(Refusal::Expired) => Err(Refused::Expired),
        };
    }
    let Some(token) = cookies::find(&parts.headers, cookies::ACCESS) else {
        return Ok(Caller::Anonymous);
    };
    match api.access_secret.check(token, now) {
        Ok(_) if !parts.method.is_safe() && !cors::is_from_own_page(api, parts) => {
            Err(Refused::CrossSite)
        }
        Ok(user) => Ok(Caller::User(user)),
        // A browser sends what it has: it has to be able to log in again.
        Err(_) => Ok(Caller::Anonymous),
    }
}

/// What a token is that is none of this server's.
fn wrong(api: &Api, parts: &Parts, token: &str) -> Refused {
    let Some(ip) = peer::ip(&parts.extensions) else {
        return Refused::Wrong;
    };
    match api.guesses.wrong(Secret::ApiToken, token, ip) {
        Wrong::New | Wrong::Again => Refused::Wrong,
        Wrong::Bans => Refused::Banned(guesses::BAN),
        Wrong::Banned(wait) => Refused::Banned(wait),
    }
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

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        Ok(Identified::of(&parts.extensions)?)
    }
}

/// A caller with an account.
#[derive(Debug)]
pub(crate) struct LoggedIn(pub(crate) Identity);

impl<S: Send + Sync> FromRequestParts<S> for LoggedIn {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        match Identified::of(&parts.extensions)? {
            Caller::User(user) => Ok(Self(user)),
            Caller::Operator => Err(Error::NoAccount),
            Caller::Anonymous => Err(Error::NoToken),
        }
    }
}

/// A caller who may have streams, and whose the things are that it makes; `None`: the operator's.
#[derive(Debug)]
pub(crate) struct Streamer(pub(crate) Option<UserId>);

impl<S: Send + Sync> FromRequestParts<S> for Streamer {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        match Identified::of(&parts.extensions)? {
            Caller::User(user) if user.role < Role::Streamer => Err(Error::NotStreamer),
            Caller::User(user) => Ok(Self(Some(user.id))),
            Caller::Operator => Ok(Self(None)),
            Caller::Anonymous => Err(Error::NoToken),
        }
    }
}

/// Lets pass who has shown a token; to change something, who may have streams. Whoever is no
/// streamer any more sees what it has, and no more.
pub(crate) async fn require_owner(
    caller: Caller,
    request: Request,
    next: Next,
) -> Result<Response, Error> {
    match caller {
        Caller::Anonymous => return Err(Error::NoToken),
        caller if request.method().is_safe() => drop(caller),
        caller => drop(caller.streamer()?),
    }
    Ok(next.run(request).await)
}

/// Lets the operator and admins pass.
pub(crate) async fn require_admin(
    caller: Caller,
    request: Request,
    next: Next,
) -> Result<Response, Error> {
    match caller {
        Caller::Anonymous => Err(Error::NoToken),
        caller if caller.is_admin() => Ok(next.run(request).await),
        _ => Err(Error::Forbidden),
    }
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
