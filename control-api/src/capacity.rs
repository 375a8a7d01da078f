//! `GET /api/v1/capacity`: what this machine can encode, what broadcasts need of it, and what is left
//! out while that is too much.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::Api;

/// What becomes of a broadcast that the machine is too small for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Admission {
    /// It is refused.
    Refuse,
    /// Its source is its one rendition, as it comes.
    Source,
    /// It is let in like any other.
    Off,
}

/// What broadcasts leave out; each includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Shed {
    /// Nothing.
    Nothing,
    /// Thumbnails.
    Thumbnails,
    /// The preset: pictures are encoded by the fastest one.
    Preset,
    /// The highest rendition: it shows the pictures of the next one.
    TopRung,
}

/// What this machine can encode, and what broadcasts need.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub struct Capacity {
    /// Processor cores.
    #[schema(example = 8)]
    pub cores: usize,
    /// Megapixels a second that one core encodes by x264's `veryfast`, decoding, scaling and delivery
    /// included, as running broadcasts showed; null: none has been measured yet.
    #[schema(example = 92.4)]
    pub megapixels_per_core_s: Option<f64>,
    /// Cores that the running broadcasts need together, with nothing left out; null: not known yet.
    #[schema(example = 3.1)]
    pub needed_cores: Option<f64>,
    /// Up to how many cores they may need before another broadcast is one too many.
    #[schema(example = 7.6)]
    pub cores_max: f64,
    /// What becomes of that one.
    pub admission: Admission,
    /// What broadcasts leave out now, because they fell behind real time.
    pub shed: Shed,
}

/// Shows what this machine can encode, and how much of that running broadcasts need.
#[utoipa::path(
    get,
    path = "/api/v1/capacity",
    tag = "server",
    responses((status = 200, description = "What is known now.", body = Capacity))
)]
pub(crate) async fn show(State(api): State<Api>) -> Json<Capacity> {
    Json(api.broadcasts.capacity())
}
