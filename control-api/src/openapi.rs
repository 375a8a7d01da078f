//! The OpenAPI 3.1 document, made from the handlers.

use axum::Extension;
use axum::body::Bytes;
use axum::http::header;
use axum::response::IntoResponse;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use crate::problem::Problem;

/// The security scheme's name in the document.
pub(crate) const ADMIN_TOKEN: &str = "admin_token";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Millrace",
        description = "Streams, their keys and their viewers' tokens. Errors are application/problem+json (RFC 9457).",
        license(name = "MIT OR Apache-2.0")
    ),
    components(schemas(Problem)),
    modifiers(&AdminToken),
    tags(
        (name = "streams", description = "Streams, keys and playback tokens; needs the admin token."),
        (name = "webhooks", description = "Who is told what happens, and what was sent; needs the admin token."),
        (name = "public", description = "Open to everybody; a private stream's title needs a playback token.")
    )
)]
struct Outline;

struct AdminToken;

impl Modify for AdminToken {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("The text in `admin-token` in the data folder."))
            .build();
        openapi
            .components
            .get_or_insert_default()
            .add_security_scheme(ADMIN_TOKEN, SecurityScheme::Http(scheme));
    }
}

/// What the document says beside the handlers' own parts.
pub(crate) fn outline() -> utoipa::openapi::OpenApi {
    Outline::openapi()
}

/// The finished document, written once.
#[derive(Clone)]
pub(crate) struct Document(Bytes);

impl Document {
    pub(crate) fn new(openapi: &utoipa::openapi::OpenApi) -> Self {
        let json = serde_json::to_vec(openapi).expect("the document's structs are JSON");
        Self(json.into())
    }
}

/// This document.
#[utoipa::path(
    get,
    path = "/api/v1/openapi.json",
    tag = "public",
    responses((status = 200, description = "An OpenAPI 3.1 document.", body = serde_json::Value))
)]
pub(crate) async fn document(Extension(document): Extension<Document>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], document.0)
}
