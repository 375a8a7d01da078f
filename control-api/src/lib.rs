//! The control API: streams, their keys and their viewers' tokens, recordings, videos and the uploads
//! that become some, webhooks and accounts, under
//! `/api/v1`, `/health` for whatever watches the process, and what the watch page asks about its
//! stream.
//!
//! Errors are problem details (RFC 9457) everywhere. The OpenAPI 3.1 document at
//! `/api/v1/openapi.json` is made from the handlers themselves. This crate knows neither
//! listeners nor playlists: what it needs of them it asks for by [`Broadcasts`].

mod audit;
mod body;
pub mod broadcasts;
mod caller;
pub mod capacity;
mod change;
mod cookies;
pub mod cors;
mod deliveries;
mod faults;
pub mod guesses;
mod health;
mod invitations;
mod kick;
mod limits;
mod list;
mod me;
pub mod media;
mod openapi;
pub mod options;
mod peer;
mod playback_tokens;
mod problem;
mod problems;
pub mod publishers;
mod recordings;
mod registration;
mod role;
mod session;
mod streams;
mod time;
mod uploads;
pub mod urls;
mod users;
mod videos;
mod visibility;
mod watch;
mod webhooks;

use std::sync::Arc;
use std::time::Instant;

use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::{from_fn, from_fn_with_state, map_request, map_response};
use axum::response::Response;
use axum::{Extension, Router};
use storage::{
    AccessSecret, Accounts, AdminToken, Audit, PlaybackSecret, Recordings, Streams, Videos,
    Webhooks,
};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use broadcasts::{Audience, Broadcasts, LastRefusal};
pub use capacity::Capacity;
pub use cors::WebOrigin;
pub use guesses::Guesses;
pub use media::Media;
pub use options::{Limits, Options, Registration, UploadLimits};
pub use peer::Peer;
pub use publishers::Publisher;
pub use urls::Urls;

/// What the API stands on. Clones share it.
#[derive(Clone)]
pub struct Api {
    streams: Streams,
    recordings: Recordings,
    videos: Videos,
    media: Arc<dyn Media>,
    views: Arc<videos::Watched>,
    accounts: Accounts,
    audit: Audit,
    webhooks: Webhooks,
    uploads: Arc<uploads::Desk>,
    broadcasts: Arc<dyn Broadcasts>,
    admin_token: AdminToken,
    playback_secret: PlaybackSecret,
    access_secret: AccessSecret,
    urls: Arc<Urls>,
    registration: Registration,
    cors_origins: Arc<[WebOrigin]>,
    budgets: Arc<limits::Budgets>,
    guesses: Guesses,
    started: Instant,
}

impl Api {
    /// An API whose uptime begins now.
    pub fn new(options: Options) -> Self {
        Self {
            streams: options.streams,
            recordings: options.recordings,
            videos: options.videos.clone(),
            media: options.media,
            views: Arc::default(),
            accounts: options.accounts,
            audit: options.audit,
            webhooks: options.webhooks,
            uploads: Arc::new(uploads::Desk::new(
                options.videos,
                options.uploads,
                options.upload_limits,
            )),
            broadcasts: options.broadcasts,
            admin_token: options.admin_token,
            playback_secret: options.playback_secret,
            access_secret: options.access_secret,
            urls: Arc::new(options.urls),
            registration: options.registration,
            cors_origins: options.cors_origins.into(),
            budgets: Arc::new(limits::Budgets::new(
                &options.limits,
                options.guesses.clone(),
            )),
            guesses: options.guesses,
            started: Instant::now(),
        }
    }
}

/// Every route of the API. Whatever it does not know is answered 404 as a problem: hand it only
/// `/api`, everything below that, and `/health`.
pub fn router(api: Api) -> Router {
    // Neither counted nor limited: many viewers may share an address.
    let public = OpenApiRouter::new()
        .routes(routes!(health::health))
        .routes(routes!(watch::watch));
    // As many as a file has pieces: neither counted nor written down one by one.
    let pieces = uploads::pieces_of_files()
        .route_layer(from_fn_with_state(api.clone(), audit::record_of_pieces))
        .route_layer(from_fn_with_state(api.clone(), caller::confirm))
        .route_layer(from_fn_with_state(api.clone(), limits::limit_termination));
    let confirmed = |router: OpenApiRouter<Api>| {
        router
            .route_layer(from_fn_with_state(api.clone(), audit::record))
            .route_layer(from_fn_with_state(api.clone(), caller::confirm))
    };
    let in_json = for_everybody()
        .merge(for_users())
        .merge(for_owners().route_layer(from_fn(caller::require_owner)))
        .merge(for_admins().route_layer(from_fn(caller::require_admin)));
    let in_json = confirmed(in_json).route_layer(from_fn(body::arrive));
    // Whoever's session has ended can still log out, which takes a browser's cookies away.
    let sessions = for_sessions().route_layer(from_fn_with_state(api.clone(), audit::record));
    let limited = in_json
        .merge(confirmed(uploads::files()))
        .merge(sessions)
        .route_layer(from_fn_with_state(api.clone(), limits::limit));
    let (router, mut document) = OpenApiRouter::with_openapi(openapi::outline())
        .merge(limited)
        .merge(public)
        .merge(pieces)
        .split_for_parts();
    openapi::name_operations(&mut document);
    let router = router
        .method_not_allowed_fallback(|| async { problem::Error::MethodNotAllowed })
        .fallback(|| async { problem::Error::NoRoute })
        .layer(Extension(openapi::Document::new(&mut document)))
        .layer(DefaultBodyLimit::max(body::BODY_BYTES_MAX))
        .layer(from_fn_with_state(api.clone(), caller::identify));
    let router = match cors::layer(&api.cors_origins) {
        Some(layer) => router
            .layer(map_request(cors::show_options))
            .layer(layer)
            .layer(map_request(cors::hide_options)),
        None => router,
    };
    router
        .layer(map_response(with_security_headers))
        .with_state(api)
}

fn for_admins() -> OpenApiRouter<Api> {
    let mut router = OpenApiRouter::new()
        .routes(routes!(users::list))
        .routes(routes!(users::show, users::change, users::delete))
        .routes(routes!(invitations::create, invitations::list))
        .routes(routes!(invitations::delete))
        .routes(routes!(audit::list))
        .routes(routes!(capacity::show));
    openapi::for_audience(router.get_openapi_mut(), openapi::Audience::Admins);
    router
}

fn for_owners() -> OpenApiRouter<Api> {
    let mut router = OpenApiRouter::new()
        .routes(routes!(streams::create, streams::list::all))
        .routes(routes!(streams::show, change::change, streams::delete))
        .routes(routes!(streams::rotate_key))
        .routes(routes!(kick::kick))
        .routes(routes!(publishers::list))
        .routes(routes!(playback_tokens::issue))
        .routes(routes!(recordings::change, recordings::delete))
        .routes(routes!(webhooks::create, webhooks::list))
        .routes(routes!(webhooks::show, webhooks::change, webhooks::delete))
        .routes(routes!(deliveries::ping))
        .routes(routes!(deliveries::list))
        .routes(routes!(deliveries::redeliver))
        .routes(routes!(videos::create::create))
        .routes(routes!(videos::change::change, videos::change::delete))
        .routes(routes!(videos::retry::retry))
        .routes(routes!(videos::chapters::replace))
        .routes(routes!(videos::subtitles::put))
        .routes(routes!(videos::subtitles::delete))
        .routes(routes!(videos::playback_tokens::issue));
    openapi::for_audience(router.get_openapi_mut(), openapi::Audience::Owners);
    router
}

fn for_users() -> OpenApiRouter<Api> {
    let mut router = OpenApiRouter::new()
        .routes(routes!(videos::likes::like, videos::likes::unlike))
        .routes(routes!(me::show, me::change))
        .routes(routes!(me::change_password))
        .routes(routes!(streams::list::own));
    openapi::for_audience(router.get_openapi_mut(), openapi::Audience::Users);
    router
}

fn for_sessions() -> OpenApiRouter<Api> {
    let mut router = OpenApiRouter::new()
        .routes(routes!(session::log_in, session::log_out))
        .routes(routes!(session::refresh));
    openapi::for_audience(router.get_openapi_mut(), openapi::Audience::Everybody);
    router
}

fn for_everybody() -> OpenApiRouter<Api> {
    let mut router = OpenApiRouter::new()
        .routes(routes!(registration::register))
        .routes(routes!(videos::list::list))
        .routes(routes!(videos::show))
        .routes(routes!(videos::views::count))
        .routes(routes!(videos::chapters::show))
        .routes(routes!(videos::subtitles::list))
        .routes(routes!(videos::subtitles::show))
        .routes(routes!(streams::list::live))
        .routes(routes!(recordings::list))
        .routes(routes!(recordings::show))
        .routes(routes!(recordings::download))
        .routes(routes!(openapi::document))
        .routes(routes!(problems::list))
        .routes(routes!(problems::show));
    openapi::for_audience(router.get_openapi_mut(), openapi::Audience::Everybody);
    router
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
