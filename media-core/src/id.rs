//! Identifiers that stand in URLs, file names and the database.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// The longest identifier accepted from a URL or a database row.
pub const ID_LENGTH_MAX: usize = 64;

/// Why a text is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{kind} {text:?} is not usable: 1 to {ID_LENGTH_MAX} characters of a-z, 0-9, '-' and '_' are"
)]
pub struct InvalidId {
    kind: &'static str,
    text: String,
}

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks that `text` is safe in a URL path and as a file name.
            pub fn new(text: &str) -> Result<Self, InvalidId> {
                let safe = |byte: u8| {
                    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_'
                };
                if text.is_empty() || text.len() > ID_LENGTH_MAX || !text.bytes().all(safe) {
                    let text = text.chars().take(ID_LENGTH_MAX).collect();
                    return Err(InvalidId { kind: $kind, text });
                }
                Ok(Self(text.into()))
            }

            /// The identifier's text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        /// For looking a text up among identifiers, without making one of it.
        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

identifier!(
    /// The durable thing with a title and a secret key; stands in playback URLs.
    StreamId,
    "stream id"
);
identifier!(
    /// One going-live of a stream.
    BroadcastId,
    "broadcast id"
);
identifier!(
    /// Encoded media on a disk or in an object store: what a recording or a video plays.
    AssetId,
    "asset id"
);
identifier!(
    /// The stored form of one broadcast.
    RecordingId,
    "recording id"
);
identifier!(
    /// An item of the VOD library; stands in playback URLs.
    VideoId,
    "video id"
);
identifier!(
    /// A file on its way to this server.
    UploadId,
    "upload id"
);
identifier!(
    /// A file that is to be encoded.
    JobId,
    "job id"
);
identifier!(
    /// Somebody's address that is told of events.
    WebhookId,
    "webhook id"
);
identifier!(
    /// One event on its way to one webhook.
    DeliveryId,
    "delivery id"
);
identifier!(
    /// One rung of the ladder, or the audio: `1080p`, `720p`, `480p`, `360p`, `audio`.
    RenditionName,
    "rendition name"
);

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn what_could_leave_a_folder_is_no_identifier() {
        for text in [
            "",
            "..",
            "a/b",
            "A",
            "a b",
            "a%2f",
            &"x".repeat(ID_LENGTH_MAX + 1),
        ] {
            assert!(StreamId::new(text).is_err(), "{text:?}");
        }
        assert_eq!(
            StreamId::new("k3f9-a_2").expect("valid").as_str(),
            "k3f9-a_2"
        );
    }

    #[test]
    fn a_text_finds_its_identifier() {
        let ids = HashSet::from([StreamId::new("k3f9").expect("valid")]);
        assert_eq!(ids.get("k3f9").map(StreamId::as_str), Some("k3f9"));
        assert_eq!(ids.get("k3f"), None);
    }
}
