//! What can go wrong at a store, told apart by what follows from it: an answer to a viewer, another
//! try later, or somebody who has to look at the configuration.

use std::error::Error as StdError;
use std::io;

use http::StatusCode;

use super::http_client::Answer;

/// How much of a server's own words is kept: they stand in one line of the log.
const WORDS_MAX: usize = 300;

/// Why an object cannot be had or stored. Each message is one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is no such object.
    #[error("there is no {name} in the store")]
    NotFound {
        /// The key.
        name: String,
    },
    /// Not now: no connection, no answer in time, or an answer that blames the server. Another try
    /// later may succeed.
    #[error("the store is unavailable: {why}")]
    Unavailable {
        /// What happened.
        why: String,
    },
    /// The store does not let us, or not in this way: credentials, rights, bucket or region.
    /// Another try succeeds only after somebody changed that.
    #[error("the store refuses: {why}; check storage.url and the AWS_ variables")]
    Refused {
        /// The status and the words of the server.
        why: String,
    },
    /// The range is not within the object, or longer than what is read at once.
    #[error("{name} has no such range: {why}")]
    Range {
        /// The key.
        name: String,
        /// What is wrong with it.
        why: String,
    },
}

impl Error {
    /// What the library's error means for `name`.
    pub(super) fn of(name: &str, error: &object_store::Error) -> Self {
        if let Some(answer) = cause::<Answer>(error) {
            return Self::answered(name, answer);
        }
        if matches!(error, object_store::Error::NotFound { .. }) {
            return Self::NotFound {
                name: name.to_owned(),
            };
        }
        match cause::<io::Error>(error) {
            Some(error) => Self::file(name, error),
            None => Self::Unavailable {
                why: one_line(&innermost(error)),
            },
        }
    }

    /// What an error of the file system means for `name`.
    pub(super) fn file(name: &str, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::NotFound {
                name: name.to_owned(),
            },
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::Refused {
                why: error.to_string(),
            },
            _ => Self::Unavailable {
                why: error.to_string(),
            },
        }
    }

    fn answered(name: &str, answer: &Answer) -> Self {
        let why = one_line(&answer.to_string());
        match answer.status {
            // The bucket: nothing will ever be found in it.
            StatusCode::NOT_FOUND if answer.code == "NoSuchBucket" => Self::Refused { why },
            StatusCode::NOT_FOUND => Self::NotFound {
                name: name.to_owned(),
            },
            StatusCode::RANGE_NOT_SATISFIABLE => Self::Range {
                name: name.to_owned(),
                why,
            },
            // S3 says so with 400, of a request that came too slowly.
            _ if answer.code == "RequestTimeout" || answer.is_of_the_moment() => {
                Self::Unavailable { why }
            }
            _ => Self::Refused { why },
        }
    }
}

/// The first cause of this type.
pub(super) fn cause<T: StdError + 'static>(error: &object_store::Error) -> Option<&T> {
    let mut at: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = at {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        at = error.source();
    }
    None
}

/// The last two of the causes: what a connection failed with, and at what.
pub(super) fn innermost(error: &dyn StdError) -> String {
    let mut texts = vec![error.to_string()];
    let mut at = error.source();
    while let Some(error) = at {
        texts.push(error.to_string());
        at = error.source();
    }
    let first = texts.len().saturating_sub(2);
    texts[first..].join(": ")
}

/// Without line ends and control characters, and not too long.
fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    let mut line = String::new();
    for word in words.filter(|word| !word.is_empty()) {
        if line.len() + word.len() >= WORDS_MAX {
            line.push_str(" …");
            break;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status: u16, code: &str) -> Error {
        let answer = Answer {
            status: StatusCode::from_u16(status).expect("a status"),
            code: code.to_owned(),
            message: "Some\r\nwords".to_owned(),
        };
        Error::answered("assets/a/b", &answer)
    }

    #[test]
    fn answers_are_told_apart_by_what_follows_from_them() {
        let kind = |error: &Error| match error {
            Error::NotFound { .. } => "not found",
            Error::Unavailable { .. } => "unavailable",
            Error::Refused { .. } => "refused",
            Error::Range { .. } => "range",
        };
        for (status, code, expected) in [
            (404, "NoSuchKey", "not found"),
            (404, "", "not found"),
            (404, "NoSuchBucket", "refused"),
            (403, "AccessDenied", "refused"),
            (403, "", "refused"),
            (401, "", "refused"),
            (400, "AuthorizationHeaderMalformed", "refused"),
            (301, "PermanentRedirect", "refused"),
            (400, "RequestTimeout", "unavailable"),
            (408, "", "unavailable"),
            (429, "", "unavailable"),
            (500, "InternalError", "unavailable"),
            (503, "SlowDown", "unavailable"),
            (416, "InvalidRange", "range"),
        ] {
            let error = answered(status, code);
            assert_eq!(kind(&error), expected, "{status} {code}");
            assert!(!error.to_string().contains(['\n', '\r']), "{error}");
        }
    }

    #[test]
    fn a_page_of_html_becomes_one_short_line() {
        let line = one_line(&"<p>\n\tnginx\u{7}\n".repeat(500));
        assert!(line.len() < WORDS_MAX + 10, "{line}");
        assert!(!line.contains(char::is_control), "{line}");
    }
}
