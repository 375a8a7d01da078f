//! The endpoints of tus 1.0.

use std::time::SystemTime;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use storage::videos::uploads::{GIVEN_UP, Status, Upload};

use super::checksum;
use super::desk::Uploader;
use super::receive::Piece;
use super::tus;
use crate::Api;
use crate::problem::{Error, Problem};

/// Every answer says the version.
pub(super) async fn say_version(mut response: Response) -> Response {
    let version = HeaderValue::from_static(tus::VERSION);
    response.headers_mut().insert(tus::RESUMABLE, version);
    response
}

/// Says what is offered: the protocol's version and extensions, and the largest file.
#[utoipa::path(
    options,
    path = "/api/v1/uploads",
    tag = "videos",
    responses((status = 204, description = "See the headers `Tus-Version`, `Tus-Extension`, `Tus-Max-Size` and `Tus-Checksum-Algorithm`."))
)]
pub(crate) async fn offer(State(api): State<Api>) -> Response {
    let fixed = |text| HeaderValue::from_static(text);
    let headers = [
        (tus::VERSIONS, fixed(tus::VERSION)),
        (tus::EXTENSION, fixed(tus::EXTENSIONS)),
        (tus::MAX_SIZE, HeaderValue::from(api.uploads.bytes_max)),
        (tus::ALGORITHMS, fixed(checksum::ALGORITHMS)),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

/// Begins an upload (tus 1.0, creation and creation-with-upload). `Upload-Metadata` may have
/// `filename`, `title` and `video`: the id of a video that waits for its file. Without that one
/// there is a new video, unlisted, which the header `Millrace-Video` names. For streamers and admins.
#[utoipa::path(
    post,
    path = "/api/v1/uploads",
    tag = "videos",
    security(("admin_token" = []), ("access_token" = []), ("access_cookie" = [])),
    params(
        ("Tus-Resumable" = String, Header, description = "`1.0.0`."),
        ("Upload-Length" = u64, Header, description = "The file's bytes."),
        ("Upload-Metadata" = Option<String>, Header, description = "Names and their values in Base64."),
        ("Upload-Checksum" = Option<String>, Header, description = "Of the body: `sha1` or `sha256`, and Base64."),
    ),
    responses(
        (status = 201, description = "Send the file to the URL in `Location`."),
        (status = 400, description = "A header is missing or invalid (code `invalid_request`).",
            body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "No token.", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "For streamers and admins (code `forbidden`).",
            body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such video (code `no_such_video`).",
            body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The body came too slowly (code `body_too_slow`).",
            body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The video has its file already (code `video_has_file`), too many \
            files are on their way (`too_many_uploads`), or the caller's have too many bytes together \
            (`upload_quota`).",
            body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "Another version of tus (code `tus_version`).",
            body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The file is too large (code `upload_too_large`).",
            body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "The body is no piece (code `unsupported_media_type`), or the file no \
            video (`not_media`).", body = Problem, content_type = "application/problem+json"),
        (status = 460, description = "The body is not what its checksum says (code `checksum_mismatch`).",
            body = Problem, content_type = "application/problem+json"),
        (status = 507, description = "The disk is full (code `disk_full`).",
            body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn create(
    State(api): State<Api>,
    uploader: Uploader,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Error> {
    tus::check_version(&headers)?;
    let creation = tus::creation(&headers, api.uploads.bytes_max)?;
    let desk = &api.uploads;
    let mut upload = desk
        .begin(&uploader, creation.metadata, creation.length)
        .await?;
    if let Some(piece) = creation.first {
        let (id, offset) = (upload.id.clone(), piece.offset);
        let taken = desk.take(&uploader, id, offset, Piece::of(piece, body));
        upload = taken.await?;
    }
    let location = format!("/api/v1/uploads/{}", upload.id);
    let location = HeaderValue::try_from(location).expect("an id is visible ASCII");
    let mut response = answer(StatusCode::CREATED, &upload, upload.offset_bytes);
    response.headers_mut().insert(header::LOCATION, location);
    Ok(response)
}

/// Says how far an upload is (tus 1.0).
#[utoipa::path(
    head,
    path = "/api/v1/uploads/{id}",
    tag = "videos",
    security(("admin_token" = []), ("access_token" = []), ("access_cookie" = [])),
    params(
        ("id" = String, Path, description = "The upload's id."),
        ("Tus-Resumable" = String, Header, description = "`1.0.0`."),
    ),
    responses(
        (status = 200, description = "See `Upload-Offset`, `Upload-Length` and `Upload-Expires`."),
        (status = 401, description = "No token."),
        (status = 403, description = "For streamers and admins."),
        (status = 404, description = "No such upload."),
        (status = 410, description = "It was given up, or nothing came for a day."),
        (status = 412, description = "Another version of tus."),
    )
)]
pub(crate) async fn show(
    State(api): State<Api>,
    uploader: Uploader,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    tus::check_version(&headers)?;
    let upload = api.uploads.upload(&uploader, &id).await?;
    let offset = api.uploads.offset(&upload).await?;
    let mut response = answer(StatusCode::OK, &upload, offset);
    if let Ok(metadata) = HeaderValue::from_str(&upload.metadata)
        && !metadata.is_empty()
    {
        response.headers_mut().insert(tus::METADATA, metadata);
    }
    Ok(response)
}

/// Takes the next piece of a file (tus 1.0). What came counts also where the connection breaks,
/// unless it has a checksum. Once all is there the video waits for being encoded.
#[utoipa::path(
    patch,
    path = "/api/v1/uploads/{id}",
    tag = "videos",
    security(("admin_token" = []), ("access_token" = []), ("access_cookie" = [])),
    params(
        ("id" = String, Path, description = "The upload's id."),
        ("Tus-Resumable" = String, Header, description = "`1.0.0`."),
        ("Upload-Offset" = u64, Header, description = "Where the piece begins: where the upload is."),
        ("Upload-Checksum" = Option<String>, Header, description = "`sha1` or `sha256`, and Base64."),
    ),
    request_body(content = Vec<u8>, content_type = "application/offset+octet-stream"),
    responses(
        (status = 204, description = "Taken; see `Upload-Offset`."),
        (status = 400, description = "A header is missing or invalid (code `invalid_request`), or the body \
            broke off.", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "No token.", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "For streamers and admins.", body = Problem,
            content_type = "application/problem+json"),
        (status = 404, description = "No such upload.", body = Problem,
            content_type = "application/problem+json"),
        (status = 408, description = "The body came too slowly; what came is kept (code `body_too_slow`).",
            body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The upload is somewhere else (code `wrong_offset`).", body = Problem,
            content_type = "application/problem+json"),
        (status = 410, description = "It is complete or was given up (code `upload_gone`).", body = Problem,
            content_type = "application/problem+json"),
        (status = 412, description = "Another version of tus (code `tus_version`).", body = Problem,
            content_type = "application/problem+json"),
        (status = 413, description = "More than was announced (code `piece_too_large`).", body = Problem,
            content_type = "application/problem+json"),
        (status = 415, description = "Another type (code `unsupported_media_type`), or the file is no video \
            (`not_media`).", body = Problem, content_type = "application/problem+json"),
        (status = 423, description = "Another request is sending it (code `upload_busy`).", body = Problem,
            content_type = "application/problem+json"),
        (status = 429, description = "Too many pieces arrive at once, of all or of the caller's.", body = Problem,
            content_type = "application/problem+json"),
        (status = 460, description = "Not what its checksum says; nothing is kept (code \
            `checksum_mismatch`).", body = Problem, content_type = "application/problem+json"),
        (status = 507, description = "The disk is full (code `disk_full`).", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn append(
    State(api): State<Api>,
    uploader: Uploader,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Error> {
    tus::check_version(&headers)?;
    let piece = tus::piece(&headers)?;
    let upload = api.uploads.upload(&uploader, &id).await?;
    let offset = piece.offset;
    let desk = &api.uploads;
    let taken = desk.take(&uploader, upload.id, offset, Piece::of(piece, body));
    let upload = taken.await?;
    Ok(answer(StatusCode::NO_CONTENT, &upload, upload.offset_bytes))
}

/// Gives an upload up (tus 1.0, termination). Its video waits for another one.
#[utoipa::path(
    delete,
    path = "/api/v1/uploads/{id}",
    tag = "videos",
    security(("admin_token" = []), ("access_token" = []), ("access_cookie" = [])),
    params(
        ("id" = String, Path, description = "The upload's id."),
        ("Tus-Resumable" = String, Header, description = "`1.0.0`."),
    ),
    responses(
        (status = 204, description = "Given up."),
        (status = 401, description = "No token.", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "For streamers and admins.", body = Problem,
            content_type = "application/problem+json"),
        (status = 404, description = "No such upload.", body = Problem,
            content_type = "application/problem+json"),
        (status = 410, description = "It is complete or was given up (code `upload_gone`).", body = Problem,
            content_type = "application/problem+json"),
        (status = 412, description = "Another version of tus (code `tus_version`).", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn delete(
    State(api): State<Api>,
    uploader: Uploader,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Error> {
    tus::check_version(&headers)?;
    let upload = api.uploads.upload(&uploader, &id).await?;
    api.uploads.uploads.abandon(&upload.id, GIVEN_UP).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The same by POST, for clients that can send nothing else: `X-HTTP-Method-Override` says `HEAD`,
/// `PATCH` or `DELETE`.
#[utoipa::path(
    post,
    path = "/api/v1/uploads/{id}",
    tag = "videos",
    security(("admin_token" = []), ("access_token" = []), ("access_cookie" = [])),
    params(
        ("id" = String, Path, description = "The upload's id."),
        ("X-HTTP-Method-Override" = String, Header, description = "The method."),
    ),
    responses(
        (status = 200, description = "As of HEAD."),
        (status = 204, description = "As of PATCH and DELETE; so are refusals."),
        (status = 400, description = "A header is missing or invalid, or the body broke off.", body = Problem,
            content_type = "application/problem+json"),
        (status = 401, description = "No token.", body = Problem,
            content_type = "application/problem+json"),
        (status = 403, description = "For streamers and admins.", body = Problem,
            content_type = "application/problem+json"),
        (status = 404, description = "No such upload.", body = Problem,
            content_type = "application/problem+json"),
        (status = 405, description = "Another method, or none.", body = Problem,
            content_type = "application/problem+json"),
        (status = 408, description = "The body came too slowly.", body = Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "The upload is somewhere else.", body = Problem,
            content_type = "application/problem+json"),
        (status = 410, description = "It is complete or was given up.", body = Problem,
            content_type = "application/problem+json"),
        (status = 412, description = "Another version of tus.", body = Problem,
            content_type = "application/problem+json"),
        (status = 413, description = "More than was announced.", body = Problem,
            content_type = "application/problem+json"),
        (status = 415, description = "Another type, or the file is no video.", body = Problem,
            content_type = "application/problem+json"),
        (status = 423, description = "Another request is sending it.", body = Problem,
            content_type = "application/problem+json"),
        (status = 429, description = "Too many pieces arrive at once, of all or of the caller's.", body = Problem,
            content_type = "application/problem+json"),
        (status = 460, description = "Not what its checksum says.", body = Problem,
            content_type = "application/problem+json"),
        (status = 507, description = "The disk is full.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn overridden(
    api: State<Api>,
    uploader: Uploader,
    id: Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Error> {
    match tus::method(&Method::POST, &headers)? {
        Method::HEAD => show(api, uploader, id, headers).await,
        Method::PATCH => append(api, uploader, id, headers, body).await,
        Method::DELETE => Ok(delete(api, uploader, id, headers).await?.into_response()),
        _ => Err(Error::MethodNotAllowed),
    }
}

/// How an upload is.
fn answer(status: StatusCode, upload: &Upload, offset: u64) -> Response {
    let mut response = status.into_response();
    let mut say = |name: HeaderName, value: HeaderValue| response.headers_mut().insert(name, value);
    say(tus::OFFSET, HeaderValue::from(offset));
    say(tus::LENGTH, HeaderValue::from(upload.length_bytes));
    if let Some(video) = &upload.video {
        let video = HeaderValue::from_str(video.as_str()).expect("an id is visible ASCII");
        say(tus::VIDEO, video);
    }
    if upload.status == Status::Open {
        let expires = httpdate::fmt_http_date(upload.expires_at.max(SystemTime::UNIX_EPOCH));
        let expires = HeaderValue::try_from(expires).expect("a date is ASCII");
        say(tus::EXPIRES, expires);
    }
    response
}
