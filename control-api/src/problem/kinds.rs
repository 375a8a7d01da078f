//! Every kind of problem, explained: what stands at the address that a problem's `type` is.

use axum::http::StatusCode;

/// A kind of problem. Its code is the end of its `type` and stays the same between versions.
#[derive(Debug)]
pub(crate) struct Kind {
    pub(crate) status: StatusCode,
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
        status,
        code,
        meaning,
    }
}

/// All that [`Error`](super::Error) is mapped to, by status; a test holds that none is missing.
pub(crate) const KINDS: &[Kind] = &[
    kind(
        StatusCode::BAD_REQUEST,
        "malformed_json",
        "The body is not JSON; `detail` says where it went wrong.",
    ),
    kind(
        StatusCode::BAD_REQUEST,
        "invalid_request",
        "A field or parameter is invalid or unknown (`errors` names it), the body broke off, or the \
         header `Host` is missing.",
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
        "no_such_route",
        "There is nothing at this address.",
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
        StatusCode::PAYLOAD_TOO_LARGE,
        "body_too_large",
        "The body is larger than this address takes.",
    ),
    kind(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        "The body must be JSON, sent with `Content-Type: application/json`.",
    ),
    kind(
        StatusCode::UNPROCESSABLE_ENTITY,
        "invalid_fields",
        "Values of the body's fields are not acceptable: all of them are in `errors`.",
    ),
    kind(
        StatusCode::TOO_MANY_REQUESTS,
        "too_many_requests",
        "Too much was asked from this address: wait for as many seconds as the header `Retry-After` says.",
    ),
    kind(
        StatusCode::TOO_MANY_REQUESTS,
        "too_many_logins",
        "Too many passwords were tried from this address: wait for as many seconds as the header \
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
        "database_unavailable",
        "The database does not answer: come back after the seconds in the header `Retry-After`. \
         Broadcasts and their viewers go on meanwhile.",
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Each status with its code that the mapping in `problem.rs` names.
    fn mapped() -> BTreeSet<(String, String)> {
        let source = include_str!("../problem.rs");
        let pairs = source.split("(StatusCode::").skip(1);
        pairs
            .filter_map(|rest| rest.split_once(')'))
            .filter_map(|(pair, _)| pair.split_once(", \""))
            .map(|(status, code)| (status.to_owned(), code.trim_end_matches('"').to_owned()))
            .collect()
    }

    fn explained() -> BTreeSet<(String, String)> {
        let constant = |status: StatusCode| {
            let reason = status.canonical_reason().expect("a registered status");
            reason.to_uppercase().replace(' ', "_")
        };
        let kinds = KINDS.iter();
        kinds
            .map(|kind| (constant(kind.status), kind.code.to_owned()))
            .collect()
    }

    #[test]
    fn what_an_error_is_mapped_to_is_explained_and_nothing_else() {
        assert!(mapped().len() > 30, "{:?}", mapped());
        assert_eq!(mapped(), explained());
        assert_eq!(KINDS.len(), explained().len(), "a kind stands there twice");
    }

    #[test]
    fn the_documentation_names_every_kind() {
        let docs = include_str!("../../../docs/api.md");
        for kind in KINDS {
            let row = format!("| {} |", kind.status.as_u16());
            let code = format!("`{}`", kind.code);
            let mut rows = docs.lines().filter(|line| line.starts_with(&row));
            assert!(rows.any(|line| line.contains(&code)), "{}", kind.code);
        }
    }
}
