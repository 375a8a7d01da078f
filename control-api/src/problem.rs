//! Errors as callers see them: problem details (RFC 9457), and the one place that maps an error to
//! its status.

pub(crate) mod kinds;

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use storage::playback_token::Refusal;
use storage::{accounts, audit, recordings, videos};
use utoipa::ToSchema;

use crate::body::{BODY_BYTES_MAX, BODY_WAIT_MAX};
use crate::uploads::{Fault, tus};
use crate::urls::NoHost;

/// The media type of every error (RFC 9457 §3).
pub(crate) const CONTENT_TYPE: &str = "application/problem+json";

/// When to come back after the database was too busy.
const RETRY_AFTER_S: &str = "5";

/// Stands before the code in a problem's type: [`crate::problems`] answers there.
pub(crate) const TYPE_BASE: &str = "/api/v1/problems/";

/// A problem detail (RFC 9457 §3.1). Programs look at `type`, or at `code`, which is its end.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// What went wrong, as a URI reference: names the kind and stays the same between versions.
    #[serde(rename = "type")]
    #[schema(example = "/api/v1/problems/invalid_fields")]
    kind: String,
    /// The HTTP status, once more.
    #[schema(example = 422)]
    status: u16,
    /// The status in words.
    #[schema(example = "Unprocessable Entity")]
    title: String,
    /// What went wrong, for programs: stays the same between versions.
    #[schema(example = "invalid_fields")]
    code: &'static str,
    /// What went wrong this time, for people.
    #[schema(example = "title: a title needs at least one visible character")]
    detail: String,
    /// The fields and parameters that are to blame, where any are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
}

/// What is wrong with one field of the body or one parameter of the query.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct FieldError {
    /// Its name; a path with dots inside of objects.
    #[schema(example = "title")]
    pub(crate) field: String,
    /// What is wrong with it.
    #[schema(example = "a title needs at least one visible character")]
    pub(crate) detail: String,
}

impl FieldError {
    pub(crate) fn new(field: &str, detail: impl ToString) -> Self {
        Self {
            field: field.to_owned(),
            detail: detail.to_string(),
        }
    }
}

/// Why a request has no better answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(
        "this needs the header `Authorization: Bearer` with the admin token or an access token"
    )]
    NoToken,
    #[error("the token is wrong")]
    WrongToken,
    #[error("the access token has expired")]
    TokenExpired,
    #[error("this is for admins")]
    Forbidden,
    #[error("this is for streamers and admins")]
    NotStreamer,
    #[error("this is somebody else's")]
    NotYours,
    #[error("this is for users; the operator has no account")]
    NoAccount,
    #[error("the cookie was sent by another server's page")]
    CrossSite,
    #[error("there is no such user, or the password is wrong")]
    WrongCredentials,
    #[error("nobody can register here")]
    RegistrationClosed,
    #[error("registering needs an invitation")]
    InvitationRequired,
    #[error("too many requests; try again in {} seconds", whole_s(*.wait))]
    TooManyRequests { wait: Duration },
    #[error("too many accounts made; try again in {} seconds", whole_s(*.wait))]
    TooManyRegistrations { wait: Duration },
    #[error("too many wrong passwords tried; try again in {} seconds", whole_s(*.wait))]
    TooManyLogins { wait: Duration },
    #[error("this stream is private: the parameter `token` with a playback token for it is needed")]
    NoPlaybackToken,
    #[error(transparent)]
    PlaybackToken(#[from] Refusal),
    #[error("there is nothing at this address")]
    NoRoute,
    #[error("there is no such stream")]
    NoStream,
    #[error("there is no such recording")]
    NoRecording,
    #[error("there is nothing of this recording to download")]
    NothingToDownload,
    #[error("there is no such video")]
    NoVideo,
    #[error("the video has no such subtitles")]
    NoSubtitles,
    #[error("there is no such webhook")]
    NoWebhook,
    #[error("there is no such delivery")]
    NoDelivery,
    #[error("there is no such user")]
    NoUser,
    #[error("there is no such invitation")]
    NoInvitation,
    #[error("this address does not take this method; see the header Allow")]
    MethodNotAllowed,
    #[error("the body must be JSON, sent with `Content-Type: application/json`")]
    NotJsonType,
    #[error("the body is larger than {BODY_BYTES_MAX} bytes")]
    BodyTooLarge,
    #[error("the body did not arrive within {} seconds", BODY_WAIT_MAX.as_secs())]
    BodyTooSlow,
    #[error("subtitles must be WebVTT, sent with `Content-Type: text/vtt`")]
    NotWebVttType,
    #[error(
        "the subtitles are larger than {} bytes",
        videos::webvtt::WEBVTT_BYTES_MAX
    )]
    SubtitlesTooLarge,
    #[error("the body broke off")]
    BodyBroken,
    #[error("the body is not JSON: {0}")]
    NotJson(serde_json::Error),
    #[error("{}: {}", .0.field, .0.detail)]
    Invalid(FieldError),
    #[error("{}", listed(.0))]
    InvalidFields(Vec<FieldError>),
    #[error("the query cannot be read: {0}")]
    Query(String),
    #[error(transparent)]
    NoHost(#[from] NoHost),
    #[error(transparent)]
    Storage(#[from] storage::streams::Error),
    #[error(transparent)]
    Recordings(#[from] recordings::Error),
    #[error(transparent)]
    Videos(#[from] videos::Error),
    #[error(transparent)]
    Webhooks(#[from] storage::webhooks::Error),
    #[error(transparent)]
    Upload(#[from] Fault),
    #[error(transparent)]
    Accounts(#[from] accounts::Error),
    #[error(transparent)]
    Audit(#[from] audit::Error),
    #[error("the request ended in an internal error")]
    Aborted,
}

impl Error {
    /// The one mapping from error to status and code. Each pair is explained in [`kinds`].
    fn class(&self) -> (StatusCode, &'static str) {
        use storage::streams::Error as Storage;
        use storage::webhooks::Error as Webhooks;
        match self {
            Self::NoToken | Self::WrongToken => (StatusCode::UNAUTHORIZED, "unauthorized"),
            Self::TokenExpired => (StatusCode::UNAUTHORIZED, "token_expired"),
            Self::WrongCredentials => (StatusCode::UNAUTHORIZED, "wrong_credentials"),
            Self::Forbidden | Self::NotStreamer | Self::NotYours => {
                (StatusCode::FORBIDDEN, "forbidden")
            }
            Self::NoAccount => (StatusCode::FORBIDDEN, "no_account"),
            Self::CrossSite => (StatusCode::FORBIDDEN, "cross_site_request"),
            Self::RegistrationClosed => (StatusCode::FORBIDDEN, "registration_closed"),
            Self::InvitationRequired => (StatusCode::FORBIDDEN, "invitation_required"),
            Self::TooManyRequests { .. } => (StatusCode::TOO_MANY_REQUESTS, "too_many_requests"),
            Self::TooManyRegistrations { .. } => {
                (StatusCode::TOO_MANY_REQUESTS, "too_many_registrations")
            }
            Self::TooManyLogins { .. } => (StatusCode::TOO_MANY_REQUESTS, "too_many_logins"),
            Self::InvalidFields(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_fields"),
            Self::NoUser => (StatusCode::NOT_FOUND, "no_such_user"),
            Self::NoInvitation => (StatusCode::NOT_FOUND, "no_such_invitation"),
            Self::Accounts(error) => class_of_accounts(error),
            Self::Upload(fault) => fault.class(),
            Self::Audit(audit::Error::Cursor(_)) => (StatusCode::BAD_REQUEST, "invalid_request"),
            Self::Audit(audit::Error::Database(_)) => {
                (StatusCode::SERVICE_UNAVAILABLE, "database_unavailable")
            }
            Self::Audit(audit::Error::Random(_)) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
            Self::NoPlaybackToken | Self::PlaybackToken(Refusal::Invalid) => {
                (StatusCode::FORBIDDEN, "playback_token_required")
            }
            Self::PlaybackToken(Refusal::Expired) => {
                (StatusCode::FORBIDDEN, "playback_token_expired")
            }
            Self::NoRoute => (StatusCode::NOT_FOUND, "no_such_route"),
            Self::NoStream | Self::Storage(Storage::UnknownStream(_)) => {
                (StatusCode::NOT_FOUND, "no_such_stream")
            }
            Self::NoVideo => (StatusCode::NOT_FOUND, "no_such_video"),
            Self::NoSubtitles => (StatusCode::NOT_FOUND, "no_such_subtitles"),
            Self::Recordings(error) => class_of_recordings(error),
            Self::Videos(error) => class_of_videos(error),
            Self::NoWebhook | Self::Webhooks(Webhooks::UnknownWebhook(_)) => {
                (StatusCode::NOT_FOUND, "no_such_webhook")
            }
            Self::NoDelivery | Self::Webhooks(Webhooks::UnknownDelivery(_)) => {
                (StatusCode::NOT_FOUND, "no_such_delivery")
            }
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::NotJsonType | Self::NotWebVttType => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type")
            }
            Self::BodyTooLarge | Self::SubtitlesTooLarge => {
                (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large")
            }
            Self::BodyTooSlow => (StatusCode::REQUEST_TIMEOUT, "body_too_slow"),
            Self::NotJson(_) => (StatusCode::BAD_REQUEST, "malformed_json"),
            Self::BodyBroken | Self::Invalid(_) | Self::Query(_) | Self::NoHost(_) => {
                (StatusCode::BAD_REQUEST, "invalid_request")
            }
            Self::NoRecording => (StatusCode::NOT_FOUND, "no_such_recording"),
            Self::NothingToDownload => (StatusCode::CONFLICT, "nothing_to_download"),
            Self::Storage(Storage::Cursor(_)) => (StatusCode::BAD_REQUEST, "invalid_request"),
            Self::Storage(Storage::UnknownOwner(_)) => (StatusCode::UNAUTHORIZED, "unauthorized"),
            Self::Storage(Storage::TooManyStreams | Storage::TooManyOfOwner) => {
                (StatusCode::CONFLICT, "too_many_streams")
            }
            Self::Webhooks(Webhooks::Cursor(_)) => (StatusCode::BAD_REQUEST, "invalid_request"),
            Self::Webhooks(Webhooks::UnknownOwner) => (StatusCode::UNAUTHORIZED, "unauthorized"),
            Self::Webhooks(Webhooks::TooManyWebhooks) => {
                (StatusCode::CONFLICT, "too_many_webhooks")
            }
            Self::Webhooks(Webhooks::TooManyPending) => (StatusCode::CONFLICT, "too_many_pending"),
            Self::Storage(Storage::Database(_)) | Self::Webhooks(Webhooks::Database(_)) => {
                (StatusCode::SERVICE_UNAVAILABLE, "database_unavailable")
            }
            Self::Storage(Storage::DamagedRow { .. } | Storage::Random(_))
            | Self::Webhooks(Webhooks::DamagedRow { .. } | Webhooks::Random(_))
            | Self::Aborted => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        }
    }

    /// What the caller reads. Our own faults are told in the log and not to strangers.
    fn detail(&self, status: StatusCode) -> String {
        match self {
            Self::Upload(fault) => fault.detail(),
            Self::Videos(videos::Error::UploadClosed(_)) => Fault::Gone.to_string(),
            Self::Storage(storage::streams::Error::UnknownStream(_)) => Self::NoStream.to_string(),
            Self::Recordings(recordings::Error::UnknownRecording(_)) => {
                Self::NoRecording.to_string()
            }
            Self::Webhooks(storage::webhooks::Error::UnknownWebhook(_)) => {
                Self::NoWebhook.to_string()
            }
            Self::Webhooks(storage::webhooks::Error::UnknownDelivery(_)) => {
                Self::NoDelivery.to_string()
            }
            Self::Videos(videos::Error::UnknownVideo(_)) => Self::NoVideo.to_string(),
            Self::Videos(videos::Error::UnknownSubtitles { .. }) => Self::NoSubtitles.to_string(),
            Self::Videos(videos::Error::UnknownUser(_)) => Self::WrongToken.to_string(),
            Self::Accounts(accounts::Error::UnknownUser(_)) => Self::NoUser.to_string(),
            Self::Accounts(accounts::Error::UnknownInvitation(_)) => Self::NoInvitation.to_string(),
            Self::Accounts(accounts::Error::NoRight) => Self::WrongToken.to_string(),
            Self::Accounts(accounts::Error::Busy) => self.to_string(),
            _ if status == StatusCode::SERVICE_UNAVAILABLE => {
                "the database does not answer; try again in a few seconds".to_owned()
            }
            _ if status.is_server_error() => "the server's log says more".to_owned(),
            _ => self.to_string(),
        }
    }

    /// The fields that are to blame.
    fn fields(&self) -> Vec<FieldError> {
        use accounts::Error as Accounts;
        match self {
            Self::Invalid(field) => vec![field.clone()],
            Self::InvalidFields(fields) => fields.clone(),
            Self::Accounts(Accounts::Taken { name, email }) => [("name", name), ("email", email)]
                .into_iter()
                .filter(|(_, taken)| **taken)
                .map(|(field, _)| FieldError::new(field, "is taken"))
                .collect(),
            Self::Videos(videos::Error::Cursor(error))
            | Self::Accounts(Accounts::Cursor(error))
            | Self::Audit(audit::Error::Cursor(error))
            | Self::Storage(storage::streams::Error::Cursor(error))
            | Self::Recordings(recordings::Error::Cursor(error)) => {
                vec![FieldError::new("cursor", error)]
            }
            _ => Vec::new(),
        }
    }

    /// A header that says what to do about it.
    fn advice(&self, status: StatusCode) -> Option<(HeaderName, HeaderValue)> {
        let challenge = |text| (header::WWW_AUTHENTICATE, HeaderValue::from_static(text));
        match self {
            // RFC 6750 §3: no error code where no token was presented.
            _ if status == StatusCode::UNAUTHORIZED => Some(challenge(match self {
                Self::WrongToken
                | Self::TokenExpired
                | Self::Videos(videos::Error::UnknownUser(_))
                | Self::Accounts(accounts::Error::NoRight) => {
                    r#"Bearer realm="millrace", error="invalid_token""#
                }
                _ => r#"Bearer realm="millrace""#,
            })),
            Self::Upload(Fault::Version) => {
                Some((tus::VERSIONS, HeaderValue::from_static(tus::VERSION)))
            }
            Self::TooManyRequests { wait }
            | Self::TooManyRegistrations { wait }
            | Self::TooManyLogins { wait } => {
                Some((header::RETRY_AFTER, HeaderValue::from(whole_s(*wait))))
            }
            _ if status == StatusCode::SERVICE_UNAVAILABLE => {
                Some((header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_S)))
            }
            _ => None,
        }
    }
}

fn class_of_videos(error: &videos::Error) -> (StatusCode, &'static str) {
    use videos::Error as Videos;
    match error {
        Videos::UnknownVideo(_) => (StatusCode::NOT_FOUND, "no_such_video"),
        // Deleted while the access token was still valid.
        Videos::UnknownUser(_) => (StatusCode::UNAUTHORIZED, "unauthorized"),
        Videos::UnknownRecording(_) => (StatusCode::NOT_FOUND, "no_such_recording"),
        Videos::UnknownSubtitles { .. } => (StatusCode::NOT_FOUND, "no_such_subtitles"),
        Videos::UnknownUpload(_) => (StatusCode::NOT_FOUND, "no_such_upload"),
        Videos::NotPlayable(_) => (StatusCode::CONFLICT, "recording_not_playable"),
        Videos::TooManySubtitles => (StatusCode::CONFLICT, "too_many_subtitles"),
        Videos::TooManyVideos | Videos::TooManyOwnVideos => {
            (StatusCode::CONFLICT, "too_many_videos")
        }
        Videos::TooManyUploads => (StatusCode::CONFLICT, "too_many_uploads"),
        Videos::TooManyBytes { .. } => (StatusCode::CONFLICT, "upload_quota"),
        Videos::NothingToRetry(_) => (StatusCode::CONFLICT, "nothing_to_retry"),
        Videos::NotUploading(_) => (StatusCode::CONFLICT, "video_has_file"),
        Videos::WrongOffset { .. } => (StatusCode::CONFLICT, "wrong_offset"),
        Videos::UploadClosed(_) => (StatusCode::GONE, "upload_gone"),
        Videos::Cursor(_) => (StatusCode::BAD_REQUEST, "invalid_request"),
        Videos::Database(_) => (StatusCode::SERVICE_UNAVAILABLE, "database_unavailable"),
        Videos::JobLost(_) | Videos::DamagedRow { .. } | Videos::Random(_) => {
            (StatusCode::INTERNAL_SERVER_ERROR, "internal")
        }
    }
}

fn class_of_accounts(error: &accounts::Error) -> (StatusCode, &'static str) {
    use accounts::Error as Accounts;
    match error {
        Accounts::UnknownUser(_) => (StatusCode::NOT_FOUND, "no_such_user"),
        Accounts::UnknownInvitation(_) => (StatusCode::NOT_FOUND, "no_such_invitation"),
        Accounts::Taken { .. } => (StatusCode::CONFLICT, "taken"),
        Accounts::TooManyUsers => (StatusCode::CONFLICT, "too_many_users"),
        Accounts::TooManyInvitations => (StatusCode::CONFLICT, "too_many_invitations"),
        // What it may do now is in its next access token.
        Accounts::NoRight => (StatusCode::UNAUTHORIZED, "unauthorized"),
        Accounts::NotInvited => (StatusCode::FORBIDDEN, "invitation_invalid"),
        Accounts::RefreshRefused | Accounts::RefreshReused => {
            (StatusCode::UNAUTHORIZED, "refresh_refused")
        }
        Accounts::Disabled => (StatusCode::FORBIDDEN, "account_disabled"),
        Accounts::Cursor(_) => (StatusCode::BAD_REQUEST, "invalid_request"),
        Accounts::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
        Accounts::Database(_) => (StatusCode::SERVICE_UNAVAILABLE, "database_unavailable"),
        Accounts::DamagedRow { .. } | Accounts::Random(_) => {
            (StatusCode::INTERNAL_SERVER_ERROR, "internal")
        }
    }
}

fn class_of_recordings(error: &recordings::Error) -> (StatusCode, &'static str) {
    use recordings::Error as Recordings;
    match error {
        Recordings::UnknownRecording(_) => (StatusCode::NOT_FOUND, "no_such_recording"),
        Recordings::Running(_) => (StatusCode::CONFLICT, "recording_runs"),
        Recordings::Cursor(_) => (StatusCode::BAD_REQUEST, "invalid_request"),
        Recordings::Database(_) => (StatusCode::SERVICE_UNAVAILABLE, "database_unavailable"),
        // None of the others comes from what the API asks.
        _ => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
    }
}

fn listed(fields: &[FieldError]) -> String {
    let fields = fields.iter();
    let fields: Vec<String> = fields
        .map(|fault| format!("{}: {}", fault.field, fault.detail))
        .collect();
    fields.join("; ")
}

/// Seconds after which a wait is over.
fn whole_s(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (status, code) = self.class();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            // Not our fault, and not the one request's: as many come as are sent meanwhile.
            tracing::warn!(error = %self, "a request has to come again");
        } else if status.is_server_error() {
            tracing::error!(error = %self, status = status.as_u16(), "a request failed");
        }
        let problem = Problem {
            kind: format!("{TYPE_BASE}{code}"),
            status: status.as_u16(),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            code,
            detail: self.detail(status),
            errors: self.fields(),
        };
        let body = serde_json::to_vec(&problem).expect("a struct of texts is JSON");
        let mut response = (status, [(header::CONTENT_TYPE, CONTENT_TYPE)], body).into_response();
        response.headers_mut().extend(self.advice(status));
        response
    }
}
