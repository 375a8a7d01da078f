//! The control API: streams, their keys and their viewers' tokens, and webhooks under `/api/v1`, `/health` for whatever watches the
//! process, and what the watch page asks about its stream.
//!
//! Errors are problem details (RFC 9457) everywhere. The OpenAPI 3.1 document at
//! `/api/v1/openapi.json` is made from the handlers themselves. This crate knows neither
//! listeners nor playlists: what it needs of them it asks for by [`Broadcasts`].

mod auth;
mod body;
pub mod broadcasts;
mod change;
mod deliveries;
mod health;
mod openapi;
mod playback_tokens;
mod problem;
mod streams;
mod time;
pub mod urls;
mod visibility;
mod watch;
mod webhooks;

use std::sync::Arc;
use std::time::Instant;

use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware;
use axum::response::Response;
use axum::{Extension, Router};
use storage::{AdminToken, PlaybackSecret, Streams, Webhooks};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use broadcasts::{Audience, Broadcasts};
pub use urls::Urls;

/// What the API stands on. Clones share it.
#[derive(Clone)]
pub struct Api {
    streams: Streams,
    webhooks: Webhooks,
    broadcasts: Arc<dyn Broadcasts>,
    admin_token: AdminToken,
    playback_secret: PlaybackSecret,
    urls: Arc<Urls>,
    started: Instant,
}

impl Api {
    /// An API whose uptime begins now.
    pub fn new(
        streams: Streams,
        webhooks: Webhooks,
        broadcasts: Arc<dyn Broadcasts>,
        admin_token: AdminToken,
        playback_secret: PlaybackSecret,
        urls: Urls,
    ) -> Self {
        Self {
            streams,
            webhooks,
            broadcasts,
            admin_token,
            playback_secret,
            urls: Arc::new(urls),
            started: Instant::now(),
        }
    }
}

/// Every route of the API. Whatever it does not know is answered 404 as a problem: hand it only
/// `/api`, everything below that, and `/health`.
pub fn router(api: Api) -> Router {
    let admin = OpenApiRouter::new()
        .routes(routes!(streams::create, streams::list))
        .routes(routes!(streams::show, change::change, streams::delete))
        .routes(routes!(streams::rotate_key))
        .routes(routes!(playback_tokens::issue))
        .routes(routes!(webhooks::create, webhooks::list))
        .routes(routes!(webhooks::show, webhooks::change, webhooks::delete))
        .routes(routes!(deliveries::ping))
        .routes(routes!(deliveries::list))
        .routes(routes!(deliveries::redeliver))
        .route_layer(middleware::from_fn_with_state(api.clone(), auth::require));
    let public = OpenApiRouter::new()
        .routes(routes!(health::health))
        .routes(routes!(watch::watch))
        .routes(routes!(openapi::document));
    let (router, document) = OpenApiRouter::with_openapi(openapi::outline())
        .merge(admin)
        .merge(public)
        .split_for_parts();
    router
        .method_not_allowed_fallback(|| async { problem::Error::MethodNotAllowed })
        .fallback(|| async { problem::Error::NoRoute })
        .layer(Extension(openapi::Document::new(&document)))
        .layer(DefaultBodyLimit::max(body::BODY_BYTES_MAX))
        .layer(middleware::map_response(with_security_headers))
        .with_state(api)
}

/// Answers are data and never a page; most belong to one caller alone.
async fn with_security_headers(mut response: Response) -> Response {
    const HEADERS: [(HeaderName, &str); 5] = [
        (header::CACHE_CONTROL, "no-store"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ];
    for (name, value) in HEADERS {
        response
            .headers_mut()
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests;
