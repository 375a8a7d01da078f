//! Every kind of problem, explained: what stands at the address that a problem's `type` is.

use axum::http::StatusCode;

/// A kind of problem. Its code is the end of its `type` and stays the same between versions.
#[derive(Debug)]
pub(crate) struct Kind {
    /// The HTTP status that it comes with.
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    /// When it is answered and what to do then: sentences for people.
    pub(crate) meaning: &'static str,
}

/// The kind with this code.
pub(crate) fn find(code: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.code == code)
}

const fn kind(status: StatusCode, code: &'static str, meaning: &'static str) -> Kind {
    Kind {
        status: status.as_u16(),
        code,
        meaning,
    }
}

/// The status of tus 1.0's checksum extension, which is registered nowhere.
const CHECKSUM_MISMATCH: u16 = 460;

/// All that [`Error`](super::Error) is mapped to, and what delivery answers below `/live` and `/vod`, by
/// status; a test holds that none is missing.
pub(crate) const KINDS: &[Kind] = &[
    kind(
        StatusCode::BAD_REQUEST,
        "malformed_json",
        "The body is not JSON; `detail` says where it went wrong.",
    ),
    kind(
        StatusCode::BAD_REQUEST,
        "invalid_request",
        "The request cannot be read: a field is unknown or of the wrong type, a parameter or header is \
         invalid (`errors` names it), the body broke off, or the header `Host` is missing.",
    ),
    kind(
        StatusCode::UNAUTHORIZED,
        "unauthorized",
        "The token is missing or wrong. Send the header `Authorization: Bearer` with the admin token \
         or an access token.",
    ),
    kind(
        StatusCode::UNAUTHORIZED,
        "token_expired",
        "The access token was valid and has expired: refresh the session for the next one.",
    ),
    kind(
        StatusCode::UNAUTHORIZED,
        "wrong_credentials",
        "There is no such user, or the password is wrong. Which of them is not said.",
    ),
    kind(
        StatusCode::UNAUTHORIZED,
        "refresh_refused",
        "The refresh token is missing, unknown, expired or was used before: log in again.",
    ),
    kind(
        StatusCode::FORBIDDEN,
        "forbidden",
        "This is for the operator and admins.",
    ),
    kind(
        StatusCode::FORBIDDEN,
        "no_account",
        "This is for users. The operator, who has the admin token, has no account.",
    ),
    kind(
        StatusCode::FORBIDDEN,
        "account_disabled",
        "An admin has disabled the account.",
    ),
    kind(
        StatusCode::FORBIDDEN,
        "registration_closed",
        "Nobody can register by themselves: the server's operator or an admin makes accounts.",
    ),
    kind(
        StatusCode::FORBIDDEN,
        "invitation_required",
        "Registering needs the code of an invitation in the field `invitation`.",
    ),
    kind(
        StatusCode::FORBIDDEN,
        "invitation_invalid",
        "The invitation is unknown, expired or was used before: ask for another one.",
    ),
    kind(
        StatusCode::FORBIDDEN,
        "cross_site_request",
        "A page of another server wanted to change something by this server's cookies. Call from a \
         page of this server, from an origin in its setting `api.cors_origins`, or with a bearer token.",
    ),
    kind(
        StatusCode::FORBIDDEN,
        "playback_token_required",
        "The stream is private, and the playback token is missing or wrong.",
    ),
    kind(
        StatusCode::FORBIDDEN,
        "playback_token_expired",
        "The playback token was for this stream, and has expired: ask for another one.",
    ),
    kind(
        StatusCode::NOT_FOUND,
        "no_such_stream",
        "There is no stream with this id.",
    ),
    kind(
        StatusCode::NOT_FOUND,
        "no_such_user",
        "There is no user with this id.",
    ),
    kind(
        StatusCode::NOT_FOUND,
        "no_such_invitation",
        "There is no invitation with this id.",
    ),
    kind(
        StatusCode::NOT_FOUND,
        "no_such_webhook",
        "There is no webhook with this id.",
    ),
    kind(
        StatusCode::NOT_FOUND,
        "no_such_delivery",
        "The webhook has no delivery with this id, or none any more.",
    ),
    kind(
        StatusCode::NOT_FOUND,
        "no_such_recording",
        "There is no recording with this id.",
    ),
    kind(
        StatusCode::NOT_FOUND,
        "no_such_video",
        "There is no video with this id.",
    ),
    kind(
        StatusCode::NOT_FOUND,
        "no_such_subtitles",
        "The video has no subtitles of this name.",
    ),
    kind(
        StatusCode::NOT_FOUND,
        "no_such_upload",
        "There is no upload at this address.",
    ),
    kind(
        StatusCode::NOT_FOUND,
        "no_such_route",
        "There is nothing at this address.",
    ),
    kind(
        StatusCode::NOT_FOUND,
        "not_live",
        "Of `/live`: the stream has no broadcast, or one that cannot be played yet. Ask again in a second or two.",
    ),
    kind(
        StatusCode::NOT_FOUND,
        "no_thumbnail",
        "Of `/live`: the broadcast has no picture, or none yet.",
    ),
    kind(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "The address does not take this method; the header `Allow` names those that it takes.",
    ),
    kind(
        StatusCode::REQUEST_TIMEOUT,
        "body_too_slow",
        "The body did not arrive in time: send it again.",
    ),
    kind(
        StatusCode::CONFLICT,
        "recording_not_playable",
        "The recording still runs, or has failed: there is nothing to make a video of.",
    ),
    kind(
        StatusCode::CONFLICT,
        "recording_runs",
        "The recording's broadcast still runs: end it, or wait for its end.",
    ),
    kind(
        StatusCode::CONFLICT,
        "nothing_to_download",
        "Nothing of the recording can be played: its `reason` says why.",
    ),
    kind(
        StatusCode::CONFLICT,
        "taken",
        "Somebody has this name or e-mail address; `errors` says which.",
    ),
    kind(
        StatusCode::CONFLICT,
        "too_many_streams",
        "There are as many streams as the server takes: delete one first.",
    ),
    kind(
        StatusCode::CONFLICT,
        "too_many_users",
        "There are as many users as the server takes: delete one first.",
    ),
    kind(
        StatusCode::CONFLICT,
        "too_many_invitations",
        "There are as many invitations as the server takes: delete one first.",
    ),
    kind(
        StatusCode::CONFLICT,
        "too_many_webhooks",
        "There are as many webhooks as the server takes: delete one first.",
    ),
    kind(
        StatusCode::CONFLICT,
        "too_many_pending",
        "The webhook's receiver does not answer, and as much waits for it as the server keeps: mend it first.",
    ),
    kind(
        StatusCode::CONFLICT,
        "too_many_videos",
        "There are as many videos as the server takes, or a user may have: delete one first.",
    ),
    kind(
        StatusCode::CONFLICT,
        "too_many_uploads",
        "There are as many uploads under way as the server takes: finish one first, or give it up.",
    ),
    kind(
        StatusCode::CONFLICT,
        "upload_quota",
        "Your files that are on their way or not encoded yet have as many bytes as a user's may have: \
         wait until some are encoded, or delete their videos.",
    ),
    kind(
        StatusCode::CONFLICT,
        "nothing_to_retry",
        "The video has not failed, or its file is not kept any more: upload it anew.",
    ),
    kind(
        StatusCode::CONFLICT,
        "too_many_subtitles",
        "The video has as many subtitles as it can have: delete some first.",
    ),
    kind(
        StatusCode::CONFLICT,
        "wrong_offset",
        "The upload is at another byte: ask where it is and go on from there.",
    ),
    kind(
        StatusCode::CONFLICT,
        "video_has_file",
        "The video has its file already: make another video for another file.",
    ),
    kind(
        StatusCode::GONE,
        "upload_gone",
        "The upload is complete, or was given up: begin a new one.",
    ),
    kind(
        StatusCode::PRECONDITION_FAILED,
        "tus_version",
        "The header `Tus-Resumable` is missing, or says another version than the one in the answer.",
    ),
    kind(
        StatusCode::PAYLOAD_TOO_LARGE,
        "body_too_large",
        "The body is larger than this address takes.",
    ),
    kind(
        StatusCode::PAYLOAD_TOO_LARGE,
        "upload_too_large",
        "The file is larger than the server takes.",
    ),
    kind(
        StatusCode::PAYLOAD_TOO_LARGE,
        "piece_too_large",
        "The piece goes beyond the length that was announced for the file.",
    ),
    kind(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        "The body must be sent with the `Content-Type` that the address takes: \
         `application/json`, where nothing else is said.",
    ),
    kind(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "not_media",
        "The file is of no container that is read: MP4, MOV, MKV, WebM, MPEG-TS and FLV are.",
    ),
    kind(
        StatusCode::UNPROCESSABLE_ENTITY,
        "invalid_fields",
        "Values of the body's fields are not acceptable: all of them are in `errors`.",
    ),
    kind(
        StatusCode::UNPROCESSABLE_ENTITY,
        "too_long_to_download",
        "Of `/vod`: it is too long for one file of MP4; it plays as HLS.",
    ),
    kind(
        StatusCode::LOCKED,
        "upload_busy",
        "Another request is sending this upload: wait, ask where it is and go on from there.",
    ),
    Kind {
        status: CHECKSUM_MISMATCH,
        code: "checksum_mismatch",
        meaning: "The piece is not what its checksum says, and was not kept: send it again.",
    },
    kind(
        StatusCode::TOO_MANY_REQUESTS,
        "too_many_requests",
        "Too much was asked from this address: wait for as many seconds as the header `Retry-After` says.",
    ),
    kind(
        StatusCode::TOO_MANY_REQUESTS,
        "too_many_registrations",
        "Too many accounts were made from this address: wait for as many seconds as the header \
         `Retry-After` says.",
    ),
    kind(
        StatusCode::TOO_MANY_REQUESTS,
        "too_many_logins",
        "Too many wrong passwords were tried from this address: wait for as many seconds as the header \
         `Retry-After` says.",
    ),
    kind(
        StatusCode::INTERNAL_SERVER_ERROR,
        "internal",
        "The server failed; its log says more. Sending the same again may help.",
    ),
    kind(
        StatusCode::SERVICE_UNAVAILABLE,
        "busy",
        "The server checks as many passwords as it can at a time: come back after the seconds in the \
         header `Retry-After`.",
    ),
    kind(
        StatusCode::SERVICE_UNAVAILABLE,
        "stream_stalled",
        "Of `/live`: what was waited for did not come in time. Try again after the seconds in `Retry-After`.",
    ),
    kind(
        StatusCode::SERVICE_UNAVAILABLE,
        "too_many_waiting",
        "Of `/live`: as many requests wait for what is to come as the server keeps. Try again after the \
         seconds in `Retry-After`.",
    ),
    kind(
        StatusCode::SERVICE_UNAVAILABLE,
        "database_unavailable",
        "The database does not answer: come back after the seconds in the header `Retry-After`. \
         Broadcasts and their viewers go on meanwhile.",
    ),
    kind(
        StatusCode::SERVICE_UNAVAILABLE,
        "storage_unavailable",
        "Of `/vod`: where the media lies does not answer. Try again after the seconds in `Retry-After`.",
    ),
    kind(
        StatusCode::INSUFFICIENT_STORAGE,
        "disk_full",
        "The server's disk is full: its operator has to make room.",
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Where errors are mapped to a status and a code.
    const MAPPINGS: [&str; 4] = [
        include_str!("../problem.rs"),
        include_str!("../uploads/fault.rs"),
        // What is played has problems of the same kinds, in a crate that knows nothing of this one.
        include_str!("../../../packager/src/vod/reply.rs"),
        include_str!("../../../packager/src/delivery/reply.rs"),
    ];

    /// The pair that `(StatusCode::GONE, "upload_gone")` is.
    fn pair(text: &str) -> Option<(String, String)> {
        let (status, rest) = text.split_once(',')?;
        let (code, _) = rest.trim_start().strip_prefix('"')?.split_once('"')?;
        let status = status.trim_start();
        let status = match status.strip_prefix("StatusCode::") {
            Some(name) => name,
            None if status == "tus::checksum_mismatch()" => "460",
            None => return None,
        };
        Some((status.to_owned(), code.to_owned()))
    }

    fn mapped() -> BTreeSet<(String, String)> {
        // As tuples, and as arguments of a macro.
        let sources = MAPPINGS.iter();
        let places = sources.flat_map(|source| source.split(" (").chain(source.split("!(")));
        places.filter_map(pair).collect()
    }

    fn explained() -> BTreeSet<(String, String)> {
        let constant = |status: u16| {
            let status = StatusCode::from_u16(status).expect("three digits");
            let reason = status.canonical_reason();
            reason.map_or_else(
                || status.as_str().to_owned(),
                |reason| reason.to_uppercase().replace(' ', "_"),
            )
        };
        let kinds = KINDS.iter();
        kinds
            .map(|kind| (constant(kind.status), kind.code.to_owned()))
            .collect()
    }

    #[test]
    fn what_an_error_is_mapped_to_is_explained_and_nothing_else() {
        let (mapped, explained) = (mapped(), explained());
        assert!(mapped.len() > 30, "{mapped:?}");
        let missing: Vec<_> = mapped.difference(&explained).collect();
        assert!(missing.is_empty(), "not explained: {missing:?}");
        let left: Vec<_> = explained.difference(&mapped).collect();
        assert!(left.is_empty(), "no error is {left:?}");
        assert_eq!(KINDS.len(), explained.len(), "a kind stands there twice");
    }

    #[test]
    fn the_documentation_names_every_kind() {
        let docs = include_str!("../../../docs/api.md");
        let is_missing = |kind: &&Kind| {
            let row = format!("| {} |", kind.status);
            let code = format!("`{}`", kind.code);
            let mut rows = docs.lines().filter(|line| line.starts_with(&row));
            !rows.any(|line| line.contains(&code))
        };
        let missing: Vec<_> = KINDS.iter().filter(is_missing).collect();
        assert!(missing.is_empty(), "not in docs/api.md: {missing:#?}");
    }
}
