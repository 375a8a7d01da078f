//! What is wrong with an upload's request, and the answer's status for it.

use std::time::Duration;

use axum::http::StatusCode;
use storage::uploads;

use super::receive::{PROGRESS_BYTES_MIN, PROGRESS_WAIT_MAX};
use super::tus;

/// See the module.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error(
        "the header Tus-Resumable has to say {}, which is the version that is spoken here",
        tus::VERSION
    )]
    Version,
    #[error("{name}: {what}")]
    Header {
        name: &'static str,
        what: &'static str,
    },
    #[error("the file has {length} bytes, and at most {max} are taken")]
    FileTooLarge { length: u64, max: u64 },
    #[error("a piece is sent with `Content-Type: {}`", tus::PIECE_TYPE)]
    PieceType,
    #[error("the upload is at byte {at}: send what comes from there on")]
    WrongOffset { at: u64 },
    #[error("the piece goes beyond the {length} bytes that were announced")]
    PieceTooLarge { length: u64 },
    #[error("the piece is not what its checksum says, and is not kept")]
    Checksum,
    #[error("this is not MP4, MOV, MKV, WebM, MPEG-TS or FLV")]
    NotMedia,
    #[error("the upload is complete, or was given up")]
    Gone,
    #[error("uploading is for streamers and admins")]
    NotForViewers,
    #[error("there is no such video")]
    NoVideo,
    #[error("there is no such upload")]
    Unknown,
    #[error(
        "less than {PROGRESS_BYTES_MIN} bytes came in {} seconds; what came is kept",
        seconds(PROGRESS_WAIT_MAX)
    )]
    TooSlow,
    #[error(transparent)]
    File(#[from] uploads::Error),
}

const fn seconds(wait: Duration) -> u64 {
    wait.as_secs()
}

impl Fault {
    /// The status and the code of its answer.
    pub(crate) fn class(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Version => (StatusCode::PRECONDITION_FAILED, "tus_version"),
            Self::Header { .. } => (StatusCode::BAD_REQUEST, "invalid_request"),
            Self::FileTooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "upload_too_large"),
            Self::PieceTooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "piece_too_large"),
            Self::PieceType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type"),
            Self::WrongOffset { .. } => (StatusCode::CONFLICT, "wrong_offset"),
            Self::Checksum => (tus::checksum_mismatch(), "checksum_mismatch"),
            Self::NotMedia => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_media"),
            Self::Gone | Self::File(uploads::Error::Missing(_)) => {
                (StatusCode::GONE, "upload_gone")
            }
            Self::NotForViewers => (StatusCode::FORBIDDEN, "forbidden"),
            Self::NoVideo => (StatusCode::NOT_FOUND, "no_such_video"),
            Self::Unknown => (StatusCode::NOT_FOUND, "no_such_upload"),
            Self::TooSlow => (StatusCode::REQUEST_TIMEOUT, "body_too_slow"),
            Self::File(uploads::Error::Busy(_)) => (StatusCode::LOCKED, "upload_busy"),
            Self::File(uploads::Error::DiskFull { .. }) => {
                (StatusCode::INSUFFICIENT_STORAGE, "disk_full")
            }
            Self::File(uploads::Error::Io { .. }) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "internal")
            }
        }
    }

    /// What the caller reads. How the disk is doing is told in the log.
    pub(crate) fn detail(&self) -> String {
        match self {
            Self::File(uploads::Error::Missing(_)) => Self::Gone.to_string(),
            Self::File(uploads::Error::Busy(_)) => {
                "another request is sending this upload; ask where it is and go on from there"
                    .to_owned()
            }
            Self::File(uploads::Error::DiskFull { .. }) => "the server's disk is full".to_owned(),
            Self::File(uploads::Error::Io { .. }) => "the server's log says more".to_owned(),
            _ => self.to_string(),
        }
    }
}
