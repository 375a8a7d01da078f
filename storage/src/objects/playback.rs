//! How viewers get at media in the store: through this process, or by a redirect past it.

use std::time::Duration;

use url::Url;

use super::error::Error;
use super::key::Key;
use super::store::{SIGNED_URL_TTL_MAX, Store};

/// The shortest time that a signed URL is good for: a player reads a file's ranges through the one
/// that it was redirected to.
const SIGNED_URL_TTL_MIN: Duration = Duration::from_secs(60);

/// Which way media in the store goes to viewers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Playback {
    /// This process reads ranges and passes them on.
    Proxy,
    /// Viewers are redirected to a URL of the store, signed and valid for this long.
    Signed {
        /// From the redirect on.
        ttl: Duration,
    },
    /// Viewers are redirected to a CDN in front of the bucket.
    Cdn {
        /// What an object's path in the bucket, prefix included, is appended to.
        base: Url,
    },
}

/// What a viewer's request for an object is answered with.
#[derive(Clone, PartialEq, Eq)]
pub enum Route {
    /// Its bytes.
    Proxy,
    /// A redirect to this URL. One that is signed lets everybody in who has it: it belongs in no
    /// log.
    Redirect(String),
}

/// Why this way is not possible. Each message is one line that says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPlayback {
    /// Signed URLs of a folder.
    #[error(
        "storage.playback: signed URLs are S3's, and storage.url is the folder {place}; set it to \
         proxy, or storage.url to s3://BUCKET"
    )]
    NothingSigns {
        /// The folder.
        place: String,
    },
    /// Too long for S3, or too short for a player.
    #[error("storage.playback: a signed URL is valid for one minute to seven days")]
    Ttl,
    /// The base address cannot be redirected to.
    #[error(
        "storage.cdn: {text:?} is no address for viewers; write https://cdn.example.org or \
         https://cdn.example.org/folder"
    )]
    Base {
        /// What was given.
        text: String,
    },
}

impl Playback {
    /// By the CDN whose address is `base`.
    ///
    /// # Errors
    /// It is no `http` or `https` URL, or has a query or a fragment.
    pub fn cdn(base: &str) -> Result<Self, InvalidPlayback> {
        let parsed = Url::parse(base).ok().filter(|url| {
            let is_web = matches!(url.scheme(), "http" | "https");
            is_web && url.has_host() && url.query().is_none() && url.fragment().is_none()
        });
        let base = parsed.ok_or_else(|| InvalidPlayback::Base {
            text: base.to_owned(),
        })?;
        Ok(Self::Cdn { base })
    }

    /// Whether `store` can be played so.
    ///
    /// # Errors
    /// Signed URLs are asked of a folder, or for a time that S3 does not allow.
    pub fn check(&self, store: &Store) -> Result<(), InvalidPlayback> {
        let Self::Signed { ttl } = self else {
            return Ok(());
        };
        if !store.signs() {
            return Err(InvalidPlayback::NothingSigns {
                place: store.to_string(),
            });
        }
        if !(SIGNED_URL_TTL_MIN..=SIGNED_URL_TTL_MAX).contains(ttl) {
            return Err(InvalidPlayback::Ttl);
        }
        Ok(())
    }

    /// What a request for `key` is answered with. The store is not asked whether there is such an
    /// object.
    ///
    /// # Errors
    /// There are no credentials to sign with.
    pub async fn route(&self, store: &Store, key: &Key) -> Result<Route, Error> {
        match self {
            Self::Proxy => Ok(Route::Proxy),
            Self::Signed { ttl } => {
                let url = store.signed_url(key, *ttl).await?;
                Ok(url.map_or(Route::Proxy, Route::Redirect))
            }
            Self::Cdn { base } => {
                let base = base.as_str().trim_end_matches('/');
                Ok(Route::Redirect(format!("{base}/{}", store.path(key))))
            }
        }
    }
}

/// Without the URL: its signature lets everybody in.
impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Proxy => "Proxy",
            Self::Redirect(_) => "Redirect(redacted)",
        })
    }
}

#[cfg(test)]
mod tests {
    use media_core::AssetId;

    use super::*;
    use crate::objects::Options;

    fn key() -> Key {
        let asset = AssetId::new("a1").expect("an id");
        Key::new(&asset, "720p.mp4").expect("a name")
    }

    fn bucket(url: &str) -> Store {
        let options = Options::default()
            .with("AWS_ACCESS_KEY_ID", "an-id")
            .with("AWS_SECRET_ACCESS_KEY", "hunter2")
            .with("AWS_ENDPOINT", "https://s3.example.org");
        Store::open(url, &options).expect("a store")
    }

    #[tokio::test]
    async fn a_cdn_gets_the_path_in_the_bucket() {
        let store = bucket("s3://media/tv");
        for base in ["https://cdn.example.org/x", "https://cdn.example.org/x/"] {
            let playback = Playback::cdn(base).expect("a base");
            let route = playback.route(&store, &key()).await.expect("a route");
            let url = "https://cdn.example.org/x/tv/assets/a1/720p.mp4";
            assert!(route == Route::Redirect(url.to_owned()));
        }
    }

    #[tokio::test]
    async fn a_signed_url_is_for_one_object_and_a_time_and_is_not_shown() {
        let store = bucket("s3://media/tv");
        let ttl = Duration::from_secs(600);
        let playback = Playback::Signed { ttl };
        playback.check(&store).expect("S3 signs");
        let route = playback.route(&store, &key()).await.expect("a route");
        assert_eq!(format!("{route:?}"), "Redirect(redacted)");
        let Route::Redirect(url) = route else {
            panic!("no redirect");
        };
        let path = "https://s3.example.org/media/tv/assets/a1/720p.mp4?";
        assert!(url.starts_with(path), "{url}");
        assert!(url.contains("X-Amz-Expires=600"), "{url}");
        assert!(!url.contains("hunter2") && !format!("{store:?}").contains("hunter2"));
    }

    #[test]
    fn what_cannot_be_is_said_at_the_start() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().to_str().expect("UTF-8");
        let local = Store::open(path, &Options::default()).expect("a store");
        let signed = |ttl| Playback::Signed {
            ttl: Duration::from_secs(ttl),
        };
        let error = signed(600).check(&local).expect_err("a folder");
        assert!(error.to_string().contains(path), "{error}");
        for ttl in [0, 59, 7 * 24 * 3600 + 1] {
            assert_eq!(
                signed(ttl).check(&bucket("s3://media")),
                Err(InvalidPlayback::Ttl)
            );
        }
        for base in ["", "cdn.example.org", "s3://media", "https://cdn/?a=b"] {
            assert!(Playback::cdn(base).is_err(), "{base}");
        }
    }
}
