//! How much one address may ask: requests, and passwords to try.

mod buckets;

use std::convert::Infallible;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use axum::extract::{FromRequestParts, Request, State};
use axum::http::Extensions;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;

use crate::Api;
use crate::caller::{Caller, Identified};
use crate::options::Limits;
use crate::peer::Address;
use crate::problem::Error;
use buckets::Buckets;

/// What every address has left.
#[derive(Debug)]
pub(crate) struct Budgets {
    requests: Mutex<Buckets>,
    logins: Mutex<Buckets>,
}

impl Budgets {
    pub(crate) fn new(limits: &Limits) -> Self {
        let requests = Buckets::new(limits.requests_per_minute, None);
        let logins = Buckets::new(limits.logins_per_minute, Some(limits.login_ban));
        Self {
            requests: Mutex::new(requests),
            logins: Mutex::new(logins),
        }
    }
}

fn take(buckets: &Mutex<Buckets>, address: Address) -> Result<(), Duration> {
    // A panic cannot have left it half-changed.
    let mut buckets = buckets.lock().unwrap_or_else(|lock| lock.into_inner());
    buckets.take(address, Instant::now())
}

/// What a caller may still ask: an argument of handlers that are not limited as such, for what is as
/// much work as a request that is.
pub(crate) struct Budget {
    api: Api,
    /// `None`: the operator's, who may ask as much as it likes.
    address: Option<Address>,
}

impl Budget {
    fn of(api: &Api, extensions: &Extensions) -> Self {
        let is_operator = Identified::of(extensions) == Ok(Caller::Operator);
        Self {
            api: api.clone(),
            address: (!is_operator).then(|| Address::of(extensions)),
        }
    }

    /// Takes one request off it.
    pub(crate) fn take(&self) -> Result<(), Error> {
        let taken = self
            .address
            .map_or(Ok(()), |address| take(&self.api.budgets.requests, address));
        taken.map_err(|wait| Error::TooManyRequests { wait })
    }
}

impl FromRequestParts<Api> for Budget {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Infallible> {
        Ok(Self::of(api, &parts.extensions))
    }
}

/// Refuses an address that asks too much.
pub(crate) async fn limit(
    State(api): State<Api>,
    request: Request,
    next: Next,
) -> Result<Response, Error> {
    Budget::of(&api, request.extensions()).take()?;
    Ok(next.run(request).await)
}

/// Leave to try a password: an argument of every handler that checks one.
#[derive(Debug)]
pub(crate) struct Attempt;

impl FromRequestParts<Api> for Attempt {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Error> {
        let address = Address::of(&parts.extensions);
        match take(&api.budgets.logins, address) {
            Ok(()) => Ok(Self),
            Err(wait) => {
                tracing::warn!(%address, wait_s = wait.as_secs(), "too many passwords tried");
                Err(Error::TooManyLogins { wait })
            }
        }
    }
}
