//! Lists as the API answers them: a page of items and where the next one begins.
//!
//! `?limit=` says how many, `?cursor=` where; a cursor is opaque, and goes with the list and the
//! order that it came from.

use std::fmt::Display;

use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, MatchedPath, Query};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use storage::listing::{self, ByTime, PAGE_MAX, Paging};
use utoipa::{IntoParams, ToSchema};

use crate::openapi::Document;
use crate::problem::{Error, FieldError};

/// How many items a page has where the caller does not say.
const LIMIT_DEFAULT: u32 = 100;

/// The longest text that is searched for, in characters.
const SEARCH_CHARS_MAX: usize = 100;

/// Some items of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Page<T> {
    /// In the list's order.
    items: Vec<T>,
    /// What to give as `cursor` to read on; null at the end.
    next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// What storage found, each as the API shows it.
    pub(crate) fn of<S>(page: listing::Page<S>, show: impl FnMut(S) -> T) -> Self {
        Self {
            items: page.items.into_iter().map(show).collect(),
            next_cursor: page.next.map(|cursor| cursor.to_string()),
        }
    }

    /// A list that is short enough to be one page.
    pub(crate) fn whole(items: Vec<T>) -> Self {
        Self {
            items,
            next_cursor: None,
        }
    }
}

/// Which page, as texts, so that a fault is reported with its parameter's name.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// How many items at most: 1 to 500, 100 where it is not given.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 500)]
    limit: Option<String>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Which page: an argument of every handler that lists.
#[derive(Debug)]
pub(crate) struct Asked(pub(crate) Paging);

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        OnlyKnown::from_request_parts(parts, state).await?;
        let Filters(query) = Filters::<PageQuery>::from_request_parts(parts, state).await?;
        let limit = match query.limit {
            None => LIMIT_DEFAULT,
            Some(text) => text
                .parse()
                .ok()
                .filter(|limit| (1..=PAGE_MAX).contains(limit))
                .ok_or_else(|| invalid("limit", format!("is a number from 1 to {PAGE_MAX}")))?,
        };
        let after = query.cursor.map(|text| text.parse()).transpose();
        Ok(Self(Paging {
            limit,
            after: after.map_err(|error| invalid("cursor", error))?,
        }))
    }
}

/// The order of a list that is sorted by time.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SortQuery {
    /// `created_at` or `-created_at`; `-` is backwards, from the newest on.
    #[param(example = "-created_at")]
    sort: Option<String>,
}

impl SortQuery {
    /// `otherwise` where nothing is said.
    pub(crate) fn read(&self, otherwise: ByTime) -> Result<ByTime, Error> {
        by_time(
            self.sort.as_deref(),
            ["created_at", "-created_at"],
            otherwise,
        )
    }
}

/// An order by its `names`: forwards, and backwards.
pub(crate) fn by_time(
    sort: Option<&str>,
    [forwards, backwards]: [&str; 2],
    otherwise: ByTime,
) -> Result<ByTime, Error> {
    let sorts = [(forwards, ByTime::Oldest), (backwards, ByTime::Newest)];
    Ok(chosen("sort", sort, &sorts)?.unwrap_or(otherwise))
}

/// The other parameters of a list.
#[derive(Debug)]
pub(crate) struct Filters<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Filters<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let query: Result<Query<T>, QueryRejection> = Query::from_request_parts(parts, state).await;
        let Query(query) = query.map_err(|rejection| Error::Query(rejection.body_text()))?;
        Ok(Self(query))
    }
}

/// A query all of whose parameters the document knows: several structs read one query, and none knows
/// the others' parameters. An argument of lists that are one page; [`Asked`] has it with it.
#[derive(Debug)]
pub(crate) struct OnlyKnown;

impl<S: Send + Sync> FromRequestParts<S> for OnlyKnown {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let document = parts.extensions.get::<Document>();
        let path = parts.extensions.get::<MatchedPath>();
        let (Some(document), Some(path)) = (document, path) else {
            return Err(Error::Aborted);
        };
        let query: Result<Query<Vec<(String, String)>>, _> = Query::try_from_uri(&parts.uri);
        let Query(query) = query.map_err(|rejection| Error::Query(rejection.body_text()))?;
        let mut names = query.iter().map(|(name, _)| name);
        match names.find(|name| !document.takes(&parts.method, path.as_str(), name)) {
            Some(name) => Err(invalid(name, "is no parameter of this address")),
            None => Ok(Self),
        }
    }
}

/// A text to search for.
pub(crate) fn searched(field: &str, text: Option<String>) -> Result<Option<String>, Error> {
    let is_valid = |text: &String| {
        text.chars().count() <= SEARCH_CHARS_MAX && !text.chars().any(char::is_control)
    };
    match text {
        Some(text) if !is_valid(&text) => Err(invalid(
            field,
            format!("has at most {SEARCH_CHARS_MAX} characters, none a control character"),
        )),
        text => Ok(text.filter(|text| !text.is_empty())),
    }
}

/// The value of a parameter that may be there.
pub(crate) fn parameter<T, U, E: Display>(
    field: &str,
    value: Option<T>,
    check: impl FnOnce(T) -> Result<U, E>,
) -> Result<Option<U>, Error> {
    value
        .map(check)
        .transpose()
        .map_err(|error| invalid(field, error))
}

/// One of `choices`, by its name; `None` where no name is given.
pub(crate) fn chosen<T: Copy>(
    field: &str,
    name: Option<&str>,
    choices: &[(&str, T)],
) -> Result<Option<T>, Error> {
    let Some(name) = name else {
        return Ok(None);
    };
    let found = choices.iter().find(|(it, _)| *it == name);
    let names = || choices.iter().map(|(name, _)| *name).collect::<Vec<_>>();
    found
        .map(|(_, choice)| Some(*choice))
        .ok_or_else(|| invalid(field, format!("is one of {}", names().join(", "))))
}

pub(crate) fn invalid(field: &str, detail: impl ToString) -> Error {
    Error::Invalid(FieldError::new(field, detail))
}
