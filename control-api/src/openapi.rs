//! The OpenAPI 3.1 document, made from the handlers.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::http::{Method, header};
use axum::response::IntoResponse;
use utoipa::openapi::path::{Operation, ParameterIn};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{ContentBuilder, PathItem, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{Modify, OpenApi};

use crate::cookies;
use crate::problem::{CONTENT_TYPE, Problem};

/// Names of the security schemes in the document.
const ADMIN_TOKEN: &str = "admin_token";
const ACCESS_TOKEN: &str = "access_token";
const ACCESS_COOKIE: &str = "access_cookie";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Millrace",
        description = "Streams, recordings, videos, webhooks and accounts. Errors are application/problem+json (RFC 9457).",
        license(name = "MIT OR Apache-2.0")
    ),
    components(schemas(Problem)),
    modifiers(&Schemes),
    tags(
        (name = "streams", description = "Streams, keys and playback tokens; for their owners, the operator and admins."),
        (name = "recordings", description = "Broadcasts that were recorded; public ones for everybody."),
        (name = "videos", description = "The VOD library: public videos for everybody, and what their owners do with theirs."),
        (name = "accounts", description = "Registering, logging in, users, invitations and the audit log."),
        (name = "webhooks", description = "Who is told what happens, and what was sent; for their owners, the operator and admins."),
        (name = "server", description = "The machine; for admins and the operator."),
        (name = "public", description = "Open to everybody; a private stream's title needs a playback token.")
    )
)]
struct Outline;

struct Schemes;

impl Modify for Schemes {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let bearer = |description| {
            HttpBuilder::new()
                .scheme(HttpAuthScheme::Bearer)
                .description(Some(description))
        };
        let operators = bearer("The text in `admin-token` in the data folder.").build();
        let users = bearer("What `POST /api/v1/session` answers.")
            .bearer_format("JWT")
            .build();
        let cookie = ApiKeyValue::with_description(cookies::ACCESS, "The same in a browser.");
        let components = openapi.components.get_or_insert_default();
        for (name, scheme) in [
            (ADMIN_TOKEN, SecurityScheme::Http(operators)),
            (ACCESS_TOKEN, SecurityScheme::Http(users)),
            (
                ACCESS_COOKIE,
                SecurityScheme::ApiKey(ApiKey::Cookie(cookie)),
            ),
        ] {
            components.add_security_scheme(name, scheme);
        }
    }
}

/// Who may call a group of routes. What follows from it for every route is said here, and not at
/// each handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Audience {
    /// The operator and admins.
    Admins,
    /// Whoever is logged in, and the operator.
    Owners,
    /// Whoever is logged in.
    Users,
    /// Everybody.
    Everybody,
}

/// Adds to all routes of `openapi` what goes for their audience: how to show who one is, how
/// those are refused who do not, or who ask too much, and what is said where the server fails.
pub(crate) fn for_audience(openapi: &mut utoipa::openapi::OpenApi, audience: Audience) {
    let schemes: &[&str] = match audience {
        Audience::Admins | Audience::Owners => &[ADMIN_TOKEN, ACCESS_TOKEN, ACCESS_COOKIE],
        Audience::Users => &[ACCESS_TOKEN, ACCESS_COOKIE],
        Audience::Everybody => &[],
    };
    let unauthorized = "No token (code `unauthorized`), a wrong one (`unauthorized`) or an expired \
        one (`token_expired`).";
    let forbidden = match audience {
        Audience::Admins => {
            "Not an admin (code `forbidden`), or the cookie was sent by another \
            server's page (`cross_site_request`)."
        }
        Audience::Owners => {
            "Somebody else's, or for streamers and admins (code `forbidden`), or the cookie was sent \
            by another server's page (`cross_site_request`)."
        }
        _ => {
            "The operator, who has no account (code `no_account`), or the cookie was sent by \
            another server's page (`cross_site_request`)."
        }
    };
    let too_many = "Too much was asked from this address, or too many wrong tokens came from it; \
        wait for as many seconds as `Retry-After` says (code `too_many_requests`, \
        `too_many_registrations` or `too_many_logins`).";
    let unavailable = "The database does not answer; try again after the seconds in `Retry-After` \
        (code `database_unavailable`).";
    for item in openapi.paths.paths.values_mut() {
        for (_, operation) in operations(item) {
            let mut refused = |status: &str, description: &str| {
                let responses = &mut operation.responses.responses;
                responses
                    .entry(status.to_owned())
                    .or_insert_with(|| problem(description).into());
            };
            refused("429", too_many);
            refused(
                "500",
                "The server failed; its log says more (code `internal`).",
            );
            refused("503", unavailable);
            if !schemes.is_empty() {
                refused("401", unauthorized);
                refused("403", forbidden);
                let schemes = schemes.iter();
                operation.security = Some(
                    schemes
                        .map(|name| SecurityRequirement::new(*name, Vec::<String>::new()))
                        .collect(),
                );
            }
        }
    }
}

/// Gives every operation an id of its own (OpenAPI 3.1 §4.8.10.1), by method and path: handlers' own names
/// come from many modules.
pub(crate) fn name_operations(openapi: &mut utoipa::openapi::OpenApi) {
    for (path, item) in &mut openapi.paths.paths {
        let path = path.trim_start_matches("/api/v1").trim_start_matches('/');
        let path = path.replace(['{', '}'], "").replace(['/', '-', '.'], "_");
        for (method, operation) in operations(item) {
            operation.operation_id = Some(format!("{method}_{path}"));
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let operations = [
        ("get", &mut item.get),
        ("put", &mut item.put),
        ("post", &mut item.post),
        ("delete", &mut item.delete),
        ("patch", &mut item.patch),
        ("head", &mut item.head),
    ];
    let operations = operations.into_iter();
    operations.filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

fn problem(description: &str) -> Response {
    let schema = Ref::from_schema_name("Problem");
    let content = ContentBuilder::new().schema(Some(schema)).build();
    ResponseBuilder::new()
        .description(description)
        .content(CONTENT_TYPE, content)
        .build()
}

/// What the document says beside the handlers' own parts.
pub(crate) fn outline() -> utoipa::openapi::OpenApi {
    Outline::openapi()
}

/// The finished document, written once.
#[derive(Clone)]
pub(crate) struct Document {
    json: Bytes,
    /// The parameters in the query of every operation, by its method and path.
    parameters: Arc<HashMap<(Method, String), HashSet<String>>>,
}

impl Document {
    pub(crate) fn new(openapi: &mut utoipa::openapi::OpenApi) -> Self {
        let json = serde_json::to_vec(openapi).expect("the document's structs are JSON");
        let mut parameters = HashMap::new();
        for (path, item) in &mut openapi.paths.paths {
            for (method, operation) in operations(item) {
                let method = method.to_uppercase().parse().expect("a method");
                let all = operation.parameters.iter().flatten();
                let names = all.filter_map(|parameter| match parameter {
                    RefOr::T(it) if it.parameter_in == ParameterIn::Query => Some(it.name.clone()),
                    _ => None,
                });
                let names = names.collect();
                parameters.insert((method, path.clone()), names);
            }
        }
        Self {
            json: json.into(),
            parameters: Arc::new(parameters),
        }
    }

    /// Whether the document has a parameter of this name in the query of such a request.
    pub(crate) fn takes(&self, method: &Method, path: &str, parameter: &str) -> bool {
        let method = match *method {
            // What answers it is what answers GET.
            Method::HEAD => Method::GET,
            ref method => method.clone(),
        };
        let names = self.parameters.get(&(method, path.to_owned()));
        names.is_some_and(|names| names.contains(parameter))
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
    ([(header::CONTENT_TYPE, "application/json")], document.json)
}
