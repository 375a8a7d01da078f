//! The audit log: every change through the API is written down with who made it, and
//! `/api/v1/audit` lists them.
//!
//! It sits around all routes, so that no handler can forget it: what was asked by a method that
//! changes something and succeeded is a change. Refreshing a session is none, nor is watching.

use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use axum::Json;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{MatchedPath, RawPathParams, Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use storage::Audit;
use storage::audit::{Actor, Entry, Filter};
use storage::listing::ByTime;
use utoipa::{IntoParams, ToSchema};

use crate::Api;
use crate::caller::{Caller, Identified};
use crate::list::{self, Asked, Filters, Page, PageQuery};
use crate::peer;
use crate::problem::{Error, Problem};
use crate::time::rfc3339;
use crate::uploads::tus;

/// What happens every quarter of an hour, or whenever anybody watches, and changes nothing that
/// anybody looks for.
const NOT_CHANGES: [&str; 2] = ["/api/v1/session/refresh", "/api/v1/videos/{id}/views"];

/// Fields whose values are written down beside their names: they say what somebody may do, and are
/// no secrets.
const SHOWN: [&str; 3] = ["disabled", "role", "visibility"];

/// What the body of a request said, as an extension of it: noted by whoever reads the body.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said(Arc<OnceLock<String>>);

impl Said {
    /// Notes the names of the body's fields. The body was understood before, so that no name is one
    /// that this crate does not know.
    pub(crate) fn note(&self, body: &[u8]) {
        let Ok(Value::Object(fields)) = serde_json::from_slice(body) else {
            return;
        };
        let fields = fields.into_iter().map(|(name, value)| match value {
            Value::String(text) if SHOWN.contains(&name.as_str()) => format!("{name}={text}"),
            value if SHOWN.contains(&name.as_str()) => format!("{name}={value}"),
            _ => name,
        });
        let text = fields.collect::<Vec<_>>().join(", ");
        // A body is read once.
        let _ = self.0.set(text);
    }

    fn text(&self) -> Option<String> {
        self.0.get().filter(|text| !text.is_empty()).cloned()
    }
}

/// What was changed, as an extension of an answer: for routes whose path does not name it.
#[derive(Clone, Debug)]
pub(crate) struct Subject(pub(crate) String);

#[derive(Serialize, ToSchema)]
pub(crate) struct EntryView {
    /// When (RFC 3339).
    #[schema(example = "2026-03-01T12:00:00.000Z")]
    at: String,
    /// Who: `operator`, `anonymous` (as for registering) or a user's id.
    #[schema(example = "k3f7a2mzq7xw2b")]
    actor: String,
    /// The user's name at that time; null where it was no user.
    actor_name: Option<String>,
    /// What: the method and the route.
    #[schema(example = "PATCH /api/v1/users/{id}")]
    action: String,
    /// Of what: an id; null where there is none.
    subject: Option<String>,
    /// What of it: the names of the fields that the request said, with the values of `role`,
    /// `disabled` and `visibility`; null where it said none.
    #[schema(example = "disabled=false, email, role=admin")]
    detail: Option<String>,
    /// From where; null where it is not known.
    #[schema(example = "192.0.2.7")]
    address: Option<String>,
}

impl EntryView {
    fn of(entry: Entry) -> Self {
        let (actor, actor_name) = match entry.actor {
            Actor::Operator => ("operator".to_owned(), None),
            Actor::Anonymous => ("anonymous".to_owned(), None),
            Actor::User { id, name } => (id.to_string(), Some(name)),
        };
        Self {
            at: rfc3339(entry.at),
            actor,
            actor_name,
            action: entry.action,
            subject: entry.subject,
            detail: entry.detail,
            address: entry.address,
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditQuery {
    /// Changes by `operator`, `anonymous` or the user with this id.
    actor: Option<String>,
    /// Changes of what has this id.
    subject: Option<String>,
    /// `-at` (where it is not given) or `at`; `-` is backwards, from the newest on.
    #[param(example = "-at")]
    sort: Option<String>,
}

/// Lists changes of the last ninety days, the newest first.
#[utoipa::path(
    get,
    path = "/api/v1/audit",
    tag = "accounts",
    params(AuditQuery, PageQuery),
    responses(
        (status = 200, description = "Changes.", body = Page<EntryView>),
        (status = 400, description = "A parameter is invalid.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list(
    State(api): State<Api>,
    Asked(paging): Asked,
    Filters(query): Filters<AuditQuery>,
) -> Result<Json<Page<EntryView>>, Error> {
    let filter = Filter {
        actor: list::searched("actor", query.actor)?,
        subject: list::searched("subject", query.subject)?,
    };
    let sort = list::by_time(query.sort.as_deref(), ["at", "-at"], ByTime::Newest)?;
    let page = api.audit.list(&filter, sort, &paging).await?;
    Ok(Json(Page::of(page, EntryView::of)))
}

/// Writes down what a request changed. A change runs to its end, and is written down, also where
/// the caller hangs up meanwhile.
pub(crate) async fn record(
    State(api): State<Api>,
    path: MatchedPath,
    parameters: Result<RawPathParams, RawPathParamsRejection>,
    request: Request,
    next: Next,
) -> Response {
    if request.method().is_safe() || NOT_CHANGES.contains(&path.as_str()) {
        return next.run(request).await;
    }
    let method = request.method().clone();
    let subject = parameters.ok().and_then(first);
    record_as(api, &method, path.as_str(), subject, request, next).await
}

/// The same around the pieces of files, of which is written down what begins an upload or gives one
/// up: whoever takes the pieces knows which does the former, and has a [`Draft`] for it.
pub(crate) async fn record_of_pieces(
    State(api): State<Api>,
    path: MatchedPath,
    parameters: Result<RawPathParams, RawPathParamsRejection>,
    mut request: Request,
    next: Next,
) -> Response {
    let subject = parameters.ok().and_then(first);
    if tus::terminates(request.method(), request.headers()) {
        return record_as(api, &Method::DELETE, path.as_str(), subject, request, next).await;
    }
    let draft = Draft::of(&api, &request, request.method(), path.as_str(), subject);
    request.extensions_mut().insert(draft);
    next.run(request).await
}

/// What a path names first.
fn first(parameters: RawPathParams) -> Option<String> {
    let (_, value) = parameters.iter().next()?;
    Some(value.to_owned())
}

async fn record_as(
    api: Api,
    method: &Method,
    path: &str,
    subject: Option<String>,
    mut request: Request,
    next: Next,
) -> Response {
    let said = Said::default();
    request.extensions_mut().insert(said.clone());
    let mut draft = Draft::of(&api, &request, method, path, subject);
    let changing = tokio::spawn(async move {
        let response = next.run(request).await;
        if response.status().is_success() {
            let entry = &mut draft.entry;
            entry.detail = said.text();
            let named = response.extensions().get::<Subject>();
            let named = named.map(|Subject(id)| id.clone());
            entry.subject = named
                .or(entry.subject.take())
                .or_else(|| created(response.headers()));
            draft.write().await;
        }
        response
    });
    changing
        .await
        .unwrap_or_else(|_| Error::Aborted.into_response())
}

/// What is to be written down of a request once it has changed anything; for the pieces of files an
/// extension of it.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    audit: Audit,
    entry: Entry,
}

impl Draft {
    fn of(
        api: &Api,
        request: &Request,
        method: &Method,
        path: &str,
        subject: Option<String>,
    ) -> Self {
        let entry = Entry {
            actor: match Identified::of(request.extensions()) {
                Ok(Caller::Operator) => Actor::Operator,
                Ok(Caller::User(user)) => Actor::User {
                    id: user.id,
                    name: user.name.as_str().to_owned(),
                },
                Ok(Caller::Anonymous) | Err(_) => Actor::Anonymous,
            },
            action: format!("{method} {path}"),
            subject,
            detail: None,
            address: peer::ip(request.extensions()).map(|ip| ip.to_string()),
            at: SystemTime::now(),
        };
        Self {
            audit: api.audit.clone(),
            entry,
        }
    }

    /// Writes it down. The change is made: where the audit log does not take it, the server's own does.
    pub(crate) async fn write(&self) {
        if let Err(error) = self.audit.record(&self.entry).await {
            let action = &self.entry.action;
            tracing::error!(%error, action, "a change is not in the audit log");
        }
    }
}

/// The id of what an answer says was created.
fn created(headers: &HeaderMap) -> Option<String> {
    let location = headers.get(header::LOCATION)?.to_str().ok()?;
    let (_, id) = location.rsplit_once('/')?;
    Some(id.to_owned())
}
