//! `/api/v1/problems`: what the `type` of a problem leads to (RFC 9457 §3.1.1), for programs as
//! JSON and for whoever opens it in a browser as a page.

use axum::Json;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::{HeaderMap, header};
use axum::response::{Html, IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::problem::kinds::{self, KINDS, Kind};
use crate::problem::{Error, Problem, TYPE_BASE};

/// A kind of problem.
#[derive(Serialize, ToSchema)]
pub(crate) struct KindView {
    /// What stands in a problem of this kind as `type`.
    #[serde(rename = "type")]
    #[schema(example = "/api/v1/problems/invalid_request")]
    kind: String,
    /// The end of `type`.
    #[schema(example = "invalid_request")]
    code: &'static str,
    /// The HTTP status that it comes with.
    #[schema(example = 400)]
    status: u16,
    /// When it is answered and what to do then, for people.
    #[schema(example = "The body is larger than this address takes.")]
    meaning: &'static str,
}

impl From<&Kind> for KindView {
    fn from(kind: &Kind) -> Self {
        Self {
            kind: format!("{TYPE_BASE}{}", kind.code),
            code: kind.code,
            status: kind.status,
            meaning: kind.meaning,
        }
    }
}

/// Every kind of problem; there is one page of them.
#[derive(Serialize, ToSchema)]
pub(crate) struct Kinds {
    /// By status.
    items: Vec<KindView>,
    /// Always null.
    next_cursor: Option<String>,
}

/// All kinds of problems that the API answers.
#[utoipa::path(
    get,
    path = "/api/v1/problems",
    tag = "public",
    responses((status = 200, description = "All kinds.", body = Kinds))
)]
pub(crate) async fn list() -> Json<Kinds> {
    Json(Kinds {
        items: KINDS.iter().map(KindView::from).collect(),
        next_cursor: None,
    })
}

/// Explains one kind of problem: its address is the problem's `type`.
#[utoipa::path(
    get,
    path = "/api/v1/problems/{code}",
    tag = "public",
    params(("code" = String, Path, description = "The problem's `code`.")),
    responses(
        (status = 200, description = "What it means; a page for those who ask for `text/html`.",
            content((KindView = "application/json"), (String = "text/html"))),
        (status = 404, description = "There is no such kind (code `no_such_route`).", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn show(
    code: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let Path(code) = code.map_err(|_| Error::NoRoute)?;
    let kind = kinds::find(&code).ok_or(Error::NoRoute)?;
    if asks_for_page(&headers) {
        return Ok(Html(page(kind)).into_response());
    }
    Ok(Json(KindView::from(kind)).into_response())
}

/// Whether a browser asks: programs say `*/*`, or that they want JSON.
fn asks_for_page(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).into_iter();
    let mut texts = accepted.filter_map(|value| value.to_str().ok());
    texts.any(|text| text.contains("text/html"))
}

/// Light and dark by the browser's own colours: an answer of the API may load no style. All texts
/// are our own and without markup.
fn page(kind: &Kind) -> String {
    let Kind {
        status,
        code,
        meaning,
    } = kind;
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{code}: Millrace</title>\n\
         <h1>{code}</h1>\n<p>HTTP status {status}.</p>\n<p>{meaning}</p>\n\
         <p><a href=\"/api/docs\">The API</a></p>\n</html>\n"
    )
}
