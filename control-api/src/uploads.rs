//! Files on their way into the VOD library: `/api/v1/uploads` by tus 1.0, which any of its clients
//! can resume, and `PUT /api/v1/videos/{id}/file` in one or in ranges, for those who have none.
//!
//! [`tus`], [`metadata`], [`checksum`] and [`content_range`] know what requests say; [`receive`]
//! takes their bytes, and [`desk`] knows the uploads and has the [`places`] of pieces. What a file
//! becomes is not decided here.

mod checksum;
mod content_range;
mod desk;
mod fault;
mod metadata;
pub(crate) mod places;
mod ranges;
pub(crate) mod receive;
mod resumable;
pub(crate) mod tus;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;

pub(crate) use desk::Desk;
pub(crate) use fault::Fault;

/// What begins and gives up uploads.
pub(crate) fn files() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(resumable::create))
        .routes(routes!(resumable::delete))
        .layer(axum::middleware::map_response(resumable::say_version))
}

/// What brings the pieces of files.
pub(crate) fn pieces_of_files() -> OpenApiRouter<Api> {
    let resumable = OpenApiRouter::new()
        .routes(routes!(resumable::offer))
        .routes(routes!(
            resumable::show,
            resumable::append,
            resumable::overridden
        ))
        .layer(axum::middleware::map_response(resumable::say_version));
    resumable.merge(OpenApiRouter::new().routes(routes!(ranges::put)))
}
