//! `PUT /api/v1/videos/{id}/file`: a file in one request, or in ranges that can be resumed.

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use media_core::VideoId;
use storage::videos::uploads::{GIVEN_UP, Status, Upload};
use storage::videos::{self, Video};

use super::content_range::{self, Put};
use super::desk::{Desk, Uploader};
use super::fault::Fault;
use super::metadata::Metadata;
use super::receive::Piece;
use super::tus;
use crate::Api;
use crate::audit::Draft;
use crate::limits::Budget;
use crate::problem::{Error, Problem};
use crate::streams::to_the_end;

/// Takes the file of a video that waits for it: all of it, or, with `Content-Range`, the range that
/// comes next. Where more is to come the answer is 308, and its header `Range` says what is there;
/// `Content-Range: bytes */LENGTH` asks for that. Without `Content-Range` the file begins anew,
/// whatever came of it before. For streamers and admins.
#[utoipa::path(
    put,
    path = "/api/v1/videos/{id}/file",
    tag = "videos",
    security(("admin_token" = []), ("access_token" = []), ("access_cookie" = [])),
    params(
        ("id" = String, Path, description = "The video's id."),
        ("Content-Range" = Option<String>, Header, description = "`bytes FIRST-LAST/LENGTH` or `bytes */LENGTH`."),
    ),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses(
        (status = 200, description = "It was asked how much is there, and all is."),
        (status = 201, description = "All is there: the video waits for being encoded."),
        (status = 308, description = "More is to come; `Range` says what is there, and is left out where nothing is."),
        (status = 400, description = "A header is missing or invalid (code `invalid_request`), or the body \
            broke off.", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "No token.", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "For streamers and admins.", body = Problem,
            content_type = "application/problem+json"),
        (status = 404, description = "No such video (code `no_such_video`).", body = Problem,
            content_type = "application/problem+json"),
        (status = 408, description = "The body came too slowly; what came is kept (code `body_too_slow`).",
            body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The upload is somewhere else (code `wrong_offset`), has another length, \
            the video has its file already (`video_has_file`), too many files are on their way \
            (`too_many_uploads`), or the caller's have too many bytes together (`upload_quota`).", body = Problem,
            content_type = "application/problem+json"),
        (status = 413, description = "The file is too large (code `upload_too_large`).", body = Problem,
            content_type = "application/problem+json"),
        (status = 415, description = "The file is no video (code `not_media`).", body = Problem,
            content_type = "application/problem+json"),
        (status = 423, description = "Another request is sending it (code `upload_busy`).", body = Problem,
            content_type = "application/problem+json"),
        (status = 429, description = "Too many pieces arrive at once, of all or of the caller's, or too many files begin.", body = Problem,
            content_type = "application/problem+json"),
        (status = 507, description = "The disk is full (code `disk_full`).", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn put(
    State(api): State<Api>,
    uploader: Uploader,
    budget: Budget,
    Extension(draft): Extension<Draft>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Error> {
    let desk = &api.uploads;
    let put = content_range::put(&headers)?;
    let video = desk.video(&uploader, &id).await?;
    let open = desk.uploads.open_of(&video.id).await?;
    let (first, end, length) = match put {
        Put::Question => return how_much(desk, &video, open).await,
        Put::Piece { first, end, length } => (first, end, length),
        Put::Whole { length } => (0, length, length),
    };
    tus::check_length(length, desk.bytes_max)?;
    let starts_over = matches!(put, Put::Whole { .. });
    let upload = match open {
        Some(open) if open.length_bytes == length && !starts_over => open,
        // Who sends a file from its beginning means another one.
        Some(open) if first > 0 => {
            let at = desk.offset(&open).await?;
            return Err(Fault::WrongOffset { at }.into());
        }
        None if first > 0 => return Err(Fault::WrongOffset { at: 0 }.into()),
        open => {
            budget.take()?;
            let begun = begin_anew(api.clone(), uploader.clone(), video.id, open, length, draft);
            to_the_end(begun).await?
        }
    };
    let piece = Piece {
        end: Some(end),
        checksum: None,
        body,
    };
    let upload = desk.take(&uploader, upload.id, first, piece).await?;
    match upload.status {
        Status::Open => Ok(more(upload.offset_bytes)),
        _ => Ok(StatusCode::CREATED.into_response()),
    }
}

/// Begins an upload in the place of the one `before`, and writes it down at once: its bytes may take
/// hours, or never come.
async fn begin_anew(
    api: Api,
    uploader: Uploader,
    video: VideoId,
    before: Option<Upload>,
    length: u64,
    draft: Draft,
) -> Result<Upload, Error> {
    let desk = &api.uploads;
    if let Some(before) = &before {
        desk.uploads.abandon(&before.id, GIVEN_UP).await?;
    }
    let metadata = Metadata::default();
    let begun = desk.begin_of(&uploader, video, metadata, length).await;
    if begun.is_ok() || before.is_some() {
        draft.write().await;
    }
    begun
}

/// How much is there of a video's file.
async fn how_much(desk: &Desk, video: &Video, open: Option<Upload>) -> Result<Response, Error> {
    match (open, video.status) {
        (Some(open), _) => Ok(more(desk.offset(&open).await?)),
        (None, videos::Status::Uploading | videos::Status::Failed) => Ok(more(0)),
        // Its media is a recording's: no file was ever to come.
        (None, _) if video.recording.is_some() => {
            Err(videos::Error::NotUploading(video.id.clone()).into())
        }
        (None, _) => Ok(StatusCode::OK.into_response()),
    }
}

/// `308 Resume Incomplete`: so much is there.
fn more(offset: u64) -> Response {
    let mut response = StatusCode::PERMANENT_REDIRECT.into_response();
    if let Some(last) = offset.checked_sub(1) {
        let range = HeaderValue::try_from(format!("bytes=0-{last}")).expect("visible ASCII");
        response.headers_mut().insert(header::RANGE, range);
    }
    response
}
