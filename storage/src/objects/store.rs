//! The store itself: one place, and what is done with single objects in it.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use http::Method;
use media_core::AssetId;
use object_store::aws::{AmazonS3, AmazonS3ConfigKey};
use object_store::client::HttpError;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::signer::Signer;
use object_store::{
    BackoffConfig, GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutPayload, RetryConfig,
};

use super::error::{Error, cause, innermost};
use super::http_client::Connector;
use super::key::Key;
use super::options::Options;
use super::place::{InvalidUrl, Place};
use crate::data_dir;

/// The most that [`Store::read`] reads at once: an ordinary segment has 1.3 MB, a large one ten
/// times that. Longer ranges are for [`Store::stream`].
pub const READ_BYTES_MAX: u64 = 32 << 20;

/// The longest that S3 lets a signed URL be valid (AWS Signature Version 4).
pub const SIGNED_URL_TTL_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// Tries of a request before it is the caller's to wait: what is over in a moment is nobody's
/// business, and a viewer gets an answer.
const RETRIES_MAX: usize = 2;

/// How long those may take together.
const RETRIES_TIME_MAX: Duration = Duration::from_secs(5);

/// Between those tries.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// The longest between those tries.
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(1);

/// Why a store cannot be opened. Each message is one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL is not usable.
    #[error(transparent)]
    Url(#[from] InvalidUrl),
    /// The folder cannot be made.
    #[error(
        "storage.url: cannot use the folder {}: {source}; create it and make it writable for the \
         user that runs millrace", path.display()
    )]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// One of the variables.
    #[error("S3: {why}; check the AWS_ variables")]
    S3 {
        /// What is missing or wrong.
        why: String,
    },
    /// A server without TLS, and nobody said that this is meant.
    #[error(
        "S3: AWS_ENDPOINT is a http: address, where everybody on the way reads along; give a \
         https: one, or set AWS_ALLOW_HTTP=true"
    )]
    Plain,
}

/// An object, as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its key.
    pub key: Key,
    /// Its size.
    pub len_bytes: u64,
}

/// A place for media. Clones share it. Nothing is kept of what was read.
#[derive(Clone)]
pub struct Store {
    place: Arc<Place>,
    backend: Backend,
    /// What all keys begin with in it.
    prefix: Path,
}

#[derive(Clone)]
pub(super) enum Backend {
    Folder {
        files: Arc<LocalFileSystem>,
        root: Arc<std::path::Path>,
    },
    S3(Arc<AmazonS3>),
}

impl Store {
    /// Opens the store at `url`: a folder (a path, or `file:///…`), made where it is missing, or
    /// `s3://bucket/prefix`. The network is not asked: whether S3 answers is what
    /// [`Store::probe`] says. Blocks on the file system for a moment.
    ///
    /// # Errors
    /// The URL, a variable or the folder is not usable.
    pub fn open(url: &str, options: &Options) -> Result<Self, OpenError> {
        let place = Place::parse(url)?;
        let (backend, prefix) = match &place {
            Place::Folder(path) => (folder(path)?, Path::default()),
            Place::S3 { bucket, prefix } => (s3(bucket, options)?, Path::from(prefix.as_str())),
        };
        Ok(Self {
            place: Arc::new(place),
            backend,
            prefix,
        })
    }

    /// Asks the store for a listing: whether it is there, and lets us.
    ///
    /// # Errors
    /// As for every request; a folder that is empty or a prefix without objects is none.
    pub async fn probe(&self) -> Result<(), Error> {
        let folder = self.folder(None);
        match self.objects().list(Some(&folder)).next().await {
            Some(Err(error)) => match Error::of(folder.as_ref(), &error) {
                Error::NotFound { .. } => Ok(()),
                error => Err(error),
            },
            _ => Ok(()),
        }
    }

    /// The bytes `range` of an object, which is not empty and at most [`READ_BYTES_MAX`] long.
    ///
    /// # Errors
    /// There is no such object or range, or the store does not answer with it.
    pub async fn read(&self, key: &Key, range: Range<u64>) -> Result<Bytes, Error> {
        let len = range.end.saturating_sub(range.start);
        if !(1..=READ_BYTES_MAX).contains(&len) {
            return Err(Error::Range {
                name: key.to_string(),
                why: format!("{len} bytes at once"),
            });
        }
        let objects = self.objects();
        let bytes = objects
            .get_range(&self.path(key), range.clone())
            .await
            .map_err(|error| self.range_error(key, &range, &error))?;
        if bytes.len() as u64 != len {
            return Err(Error::Range {
                name: key.to_string(),
                why: format!("it ends at byte {}", range.start + bytes.len() as u64),
            });
        }
        Ok(bytes)
    }

    /// The bytes `range` of an object, or all of it, piece by piece. The next piece is fetched when
    /// it is asked for, so that little is held however long the range is. A range that goes past the
    /// end is cut there.
    ///
    /// # Errors
    /// There is no such object, the range begins past its end, or the store does not answer with it;
    /// the stream ends with the first.
    pub async fn stream(
        &self,
        key: &Key,
        range: Option<Range<u64>>,
    ) -> Result<BoxStream<'static, Result<Bytes, Error>>, Error> {
        let options = GetOptions {
            range: range.clone().map(GetRange::Bounded),
            ..GetOptions::default()
        };
        let asked = range.unwrap_or(0..u64::MAX);
        let found = self
            .objects()
            .get_opts(&self.path(key), options)
            .await
            .map_err(|error| self.range_error(key, &asked, &error))?;
        let name = key.to_string();
        let pieces = found.into_stream();
        Ok(pieces
            .map_err(move |error| Error::of(&name, &error))
            .boxed())
    }

    /// The size of an object in bytes.
    ///
    /// # Errors
    /// There is none, or the store does not say.
    pub async fn len(&self, key: &Key) -> Result<u64, Error> {
        let head = self.objects().head(&self.path(key)).await;
        let head = head.map_err(|error| Error::of(&key.to_string(), &error))?;
        Ok(head.size)
    }

    /// Stores an object in one piece; one of this key is replaced.
    ///
    /// # Errors
    /// The store does not take it.
    pub async fn put(&self, key: &Key, bytes: PutPayload) -> Result<(), Error> {
        let put = self.objects().put(&self.path(key), bytes).await;
        put.map_err(|error| Error::of(&key.to_string(), &error))?;
        Ok(())
    }

    /// Deletes an object; where there is none, there is nothing to do.
    ///
    /// # Errors
    /// The store does not do it.
    pub async fn delete(&self, key: &Key) -> Result<(), Error> {
        let name = key.to_string();
        match self.objects().delete(&self.path(key)).await {
            Ok(()) => Ok(()),
            Err(error) => match Error::of(&name, &error) {
                Error::NotFound { .. } => Ok(()),
                error => Err(error),
            },
        }
    }

    /// The objects of all assets, or of one, in no order. What lies there under other names is left
    /// out.
    pub fn list(&self, asset: Option<&AssetId>) -> BoxStream<'static, Result<Entry, Error>> {
        let folder = self.folder(asset);
        let (prefix, name) = (self.prefix.clone(), folder.to_string());
        let found = self.objects().list(Some(&folder));
        found
            .map_err(move |error| Error::of(&name, &error))
            .try_filter_map(move |object| {
                let pieces = object.location.prefix_match(&prefix);
                let path = pieces.map(|pieces| pieces.collect::<Path>().to_string());
                let key = path.and_then(|path| Key::parse(&path));
                let entry = key.map(|key| Entry {
                    key,
                    len_bytes: object.size,
                });
                std::future::ready(Ok(entry))
            })
            .boxed()
    }

    /// A URL by which anybody can GET the object for `ttl` (at most seven days); `None` where the store is a folder.
    /// Whether there is such an object is not asked.
    ///
    /// # Errors
    /// There are no credentials to sign with.
    pub async fn signed_url(&self, key: &Key, ttl: Duration) -> Result<Option<String>, Error> {
        let Backend::S3(s3) = &self.backend else {
            return Ok(None);
        };
        let ttl = ttl.min(SIGNED_URL_TTL_MAX);
        let url = s3.signed_url(Method::GET, &self.path(key), ttl).await;
        let url = url.map_err(|error| Error::of(&key.to_string(), &error))?;
        Ok(Some(url.into()))
    }

    /// Whether it has signed URLs.
    pub(super) fn signs(&self) -> bool {
        matches!(self.backend, Backend::S3(_))
    }

    /// The key's place below a base address that serves the bucket, such as a CDN's.
    pub(super) fn path(&self, key: &Key) -> Path {
        key.below(&self.prefix)
    }

    /// Where the object lies on a disk of this machine; `None` in a bucket.
    pub fn local_path(&self, key: &Key) -> Option<PathBuf> {
        match &self.backend {
            Backend::Folder { root, .. } => Some(root.join(key.to_string())),
            Backend::S3(_) => None,
        }
    }

    pub(super) fn backend(&self) -> &Backend {
        &self.backend
    }

    fn objects(&self) -> &dyn ObjectStore {
        match &self.backend {
            Backend::Folder { files, .. } => files.as_ref(),
            Backend::S3(s3) => s3.as_ref(),
        }
    }

    fn folder(&self, asset: Option<&AssetId>) -> Path {
        let folder = Key::folder(asset);
        folder.split('/').fold(self.prefix.clone(), Path::join)
    }

    /// Where neither the network nor the disk is the cause, the library has found out by itself that
    /// the range is not there.
    fn range_error(&self, key: &Key, range: &Range<u64>, error: &object_store::Error) -> Error {
        let name = key.to_string();
        let outside = cause::<HttpError>(error).is_some() || cause::<io::Error>(error).is_some();
        match Error::of(&name, error) {
            Error::Unavailable { .. } if !outside => Error::Range {
                name,
                why: format!("{}-{}", range.start, range.end),
            },
            error => error,
        }
    }
}

fn folder(path: &std::path::Path) -> Result<Backend, OpenError> {
    let failed = |source| OpenError::Folder {
        path: path.to_owned(),
        source,
    };
    data_dir::make_folder(path).map_err(failed)?;
    let root = path.canonicalize().map_err(failed)?;
    let files = LocalFileSystem::new_with_prefix(&root)
        .map_err(|error| failed(io::Error::other(innermost(&error))))?;
    Ok(Backend::Folder {
        files: Arc::new(files.with_fsync(true)),
        root: root.into(),
    })
}

fn s3(bucket: &str, options: &Options) -> Result<Backend, OpenError> {
    let builder = options.builder();
    let value = |key| builder.get_config_value(&key).unwrap_or_default();
    let endpoints = [AmazonS3ConfigKey::Endpoint, AmazonS3ConfigKey::S3Endpoint];
    let plain = endpoints
        .map(value)
        .iter()
        .any(|url| url.starts_with("http://"));
    let allowed = AmazonS3ConfigKey::Client(object_store::ClientConfigKey::AllowHttp);
    if plain && value(allowed) != "true" {
        return Err(OpenError::Plain);
    }
    let retries = RetryConfig {
        backoff: BackoffConfig {
            init_backoff: RETRY_PAUSE,
            max_backoff: RETRY_PAUSE_MAX,
            base: 2.0,
        },
        max_retries: RETRIES_MAX,
        retry_timeout: RETRIES_TIME_MAX,
    };
    let patience = options.patience();
    let s3 = builder
        .with_bucket_name(bucket)
        .with_retry(retries)
        .with_http_connector(Connector { patience })
        .build()
        .map_err(|error| OpenError::S3 {
            why: innermost(&error),
        })?;
    Ok(Backend::S3(Arc::new(s3)))
}

/// The place, as the log shows it.
impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.place.fmt(f)
    }
}

/// The place alone: the library's own client shows its credentials.
impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({})", self.place)
    }
}
