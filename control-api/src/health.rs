//! `/health`: whether the process lives, and how it fares.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::Api;

#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    /// Always `ok`: a process that is not does not answer.
    #[schema(example = "ok")]
    status: &'static str,
    /// The server's version.
    version: &'static str,
    /// Seconds since the server started.
    uptime_s: u64,
    /// How many broadcasts run.
    live_broadcasts: usize,
}

/// Whether the server lives.
#[utoipa::path(
    get,
    path = "/health",
    tag = "public",
    responses((status = 200, description = "It lives.", body = Health))
)]
pub(crate) async fn health(State(api): State<Api>) -> Json<Health> {
    Json(Health {
        status: "ok",
        version: env!("CARGO_PKG_VERSION"),
        uptime_s: api.started.elapsed().as_secs(),
        live_broadcasts: api.broadcasts.live_count(),
    })
}
