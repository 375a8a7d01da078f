//! Where the store is, as `storage.url` says it: a folder, or a bucket of an S3 server.

use std::fmt;
use std::path::PathBuf;

use url::Url;

/// What an S3 URL begins with.
const S3: &str = "s3://";

/// Why a URL is no place for media. Each message is one line that says what to do; none has more of
/// the URL in it than its scheme, since a password may stand there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    /// Neither a folder nor S3.
    #[error(
        "storage.url: {scheme}: is not known; give a folder (/srv/media, file:///srv/media) or \
         s3://BUCKET or s3://BUCKET/PREFIX"
    )]
    Scheme {
        /// What stands before the colon.
        scheme: String,
    },
    /// A URL of a file that is on no disk of this machine, or cannot be read.
    #[error("storage.url: {why}; write file:///srv/media for the folder /srv/media")]
    File {
        /// What is wrong with it.
        why: &'static str,
    },
    /// An S3 URL without a bucket, or with more than a bucket and a prefix.
    #[error(
        "storage.url: {why}; write s3://BUCKET or s3://BUCKET/PREFIX, the server's address in \
         AWS_ENDPOINT and the credentials in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    )]
    S3 {
        /// What is wrong with it.
        why: &'static str,
    },
}

/// A folder, or a bucket and what all keys in it begin with. Written out, it is the URL again, in
/// one form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Folder(PathBuf),
    S3 { bucket: String, prefix: String },
}

impl Place {
    pub(super) fn parse(url: &str) -> Result<Self, InvalidUrl> {
        match url.split_once(':') {
            Some(("s3", _)) => s3(url),
            Some(("file", _)) => file(url),
            // Not C:\media, and not media:old, which is a folder's name like any other.
            Some((scheme, rest)) if rest.starts_with("//") => Err(InvalidUrl::Scheme {
                scheme: scheme.to_owned(),
            }),
            _ if url.is_empty() => Err(InvalidUrl::File { why: "it is empty" }),
            _ => Ok(Self::Folder(PathBuf::from(url))),
        }
    }
}

fn file(url: &str) -> Result<Place, InvalidUrl> {
    let path = Url::parse(url).ok().and_then(|url| url.to_file_path().ok());
    path.map(Place::Folder).ok_or(InvalidUrl::File {
        why: "this file: URL names no folder of this machine",
    })
}

fn s3(url: &str) -> Result<Place, InvalidUrl> {
    let wrong = |why| Err(InvalidUrl::S3 { why });
    let Some(rest) = url.strip_prefix(S3) else {
        return wrong("there is no bucket in it");
    };
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let prefix = prefix.trim_matches('/');
    if bucket.contains(['@', ':']) {
        return wrong("credentials or a port stand in it");
    }
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if bucket.is_empty() || !bucket.chars().all(is_of_name) {
        return wrong("there is no bucket in it");
    }
    let is_folder = |name: &str| !matches!(name, "" | "." | "..") && name.chars().all(is_of_name);
    if !prefix.is_empty() && !prefix.split('/').all(is_folder) {
        return wrong("the prefix may have letters, digits, '-', '_', '.' and '/' in it");
    }
    Ok(Place::S3 {
        bucket: bucket.to_owned(),
        prefix: prefix.to_owned(),
    })
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "{}", path.display()),
            Self::S3 { bucket, prefix } if prefix.is_empty() => write!(f, "{S3}{bucket}"),
            Self::S3 { bucket, prefix } => write!(f, "{S3}{bucket}/{prefix}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_and_buckets_are_told_apart() {
        for (url, place) in [
            ("/srv/media", "/srv/media"),
            ("data", "data"),
            ("odd:name", "odd:name"),
            ("file:///srv/my%20media", "/srv/my media"),
            ("s3://media", "s3://media"),
            ("s3://media/", "s3://media"),
            ("s3://media/a/b/", "s3://media/a/b"),
        ] {
            let parsed = Place::parse(url).expect(url);
            assert_eq!(parsed.to_string(), place);
        }
        assert!(matches!(Place::parse("data"), Ok(Place::Folder(_))));
        assert!(matches!(Place::parse("s3://b"), Ok(Place::S3 { .. })));
    }

    #[test]
    fn what_is_wrong_is_said_in_one_line_without_a_password() {
        for url in [
            "",
            "s3:media",
            "s3://",
            "s3:///prefix",
            "s3://key:hunter2@media",
            "s3://media/a//b",
            "s3://media/../b",
            "gs://key:hunter2@media",
            "https://key:hunter2@s3.example.org/media",
            "file://elsewhere/srv",
        ] {
            let error = Place::parse(url).expect_err(url).to_string();
            assert!(error.starts_with("storage.url: "), "{error}");
            assert!(
                !error.contains("hunter2") && !error.contains('\n'),
                "{error}"
            );
        }
    }
}
