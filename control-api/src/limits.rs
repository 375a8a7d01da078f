//! How much one address may ask: requests, accounts to make, and wrong passwords.

mod attempts;
mod buckets;
pub(crate) mod table;

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{FromRequestParts, Request, State};
use axum::http::Extensions;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;

use crate::Api;
use crate::caller::{Caller, Identified};
use crate::guesses::{Guesses, Secret};
use crate::options::Limits;
use crate::peer::Address;
use crate::problem::Error;
use crate::uploads::tus;
use buckets::Buckets;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

/// What every address has left.
#[derive(Debug)]
pub(crate) struct Budgets {
    requests: Mutex<Buckets>,
    registrations: Mutex<Buckets>,
    attempts: Mutex<attempts::Attempts>,
    guesses: Guesses,
}

impl Budgets {
    pub(crate) fn new(limits: &Limits, guesses: Guesses) -> Self {
        let attempts = attempts::Attempts::new(limits.logins_per_minute, limits.login_ban);
        Self {
            requests: Mutex::new(Buckets::new(limits.requests_per_minute, MINUTE)),
            registrations: Mutex::new(Buckets::new(limits.registrations_per_hour, HOUR)),
            attempts: Mutex::new(attempts),
            guesses,
        }
    }
}

fn lock<T>(counts: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic cannot have left them half-changed.
    counts.lock().unwrap_or_else(PoisonError::into_inner)
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
        let taken = self.address.map_or(Ok(()), |address| {
            lock(&self.api.budgets.requests).take(address, Instant::now())
        });
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

/// The same around the pieces of files, which are not counted: but for giving up an upload by a
/// method that is not its own.
pub(crate) async fn limit_termination(
    api: State<Api>,
    request: Request,
    next: Next,
) -> Result<Response, Error> {
    match tus::terminates(request.method(), request.headers()) {
        true => limit(api, request, next).await,
        false => Ok(next.run(request).await),
    }
}

/// What somebody's address has left of what costs more than a request. It is spent only once all that
/// was sent is acceptable: any web page can have its visitors send what is not.
#[derive(Debug)]
pub(crate) struct Allowance {
    budgets: Arc<Budgets>,
    address: Address,
}

impl FromRequestParts<Api> for Allowance {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Infallible> {
        Ok(Self {
            budgets: Arc::clone(&api.budgets),
            address: Address::of(&parts.extensions),
        })
    }
}

impl Allowance {
    /// Leave to make one account.
    pub(crate) fn register(self) -> Result<(), Error> {
        let taken = lock(&self.budgets.registrations).take(self.address, Instant::now());
        taken.map_err(|wait| Error::TooManyRegistrations { wait })
    }

    /// Leave to try one password.
    pub(crate) fn try_password(self) -> Result<Attempt, Error> {
        let Self { budgets, address } = self;
        let begun = lock(&budgets.attempts).begin(address, Instant::now());
        match begun {
            Ok(place) => Ok(Attempt {
                budgets,
                place,
                is_wrong: false,
            }),
            Err(attempts::Refused { wait, bans }) => {
                if bans {
                    budgets.guesses.note_ban(Secret::Password, address, wait);
                }
                Err(Error::TooManyLogins { wait })
            }
        }
    }
}

/// A password that is being checked. It counts only where it was wrong.
#[derive(Debug)]
pub(crate) struct Attempt {
    budgets: Arc<Budgets>,
    place: Address,
    is_wrong: bool,
}

impl Attempt {
    pub(crate) fn was_wrong(mut self) {
        self.is_wrong = true;
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        lock(&self.budgets.attempts).end(self.place, self.is_wrong, Instant::now());
        if self.is_wrong {
            self.budgets.guesses.note_wrong(Secret::Password);
        }
    }
}
