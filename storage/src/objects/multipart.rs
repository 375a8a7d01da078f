//! Multipart uploads, part by part, at both kinds of stores.
//!
//! An unfinished upload at S3 is seen by nobody and costs money until it is finished or aborted. In
//! a folder it is a file beside the object's, under a name that no listing shows.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path as FilePath, PathBuf};

use bytes::Bytes;
use object_store::multipart::{MultipartStore, PartId};
use object_store::{MultipartId, PutPayload};

use super::error::{Error, cause};
use super::http_client::Answer;
use super::key::Key;
use super::parts;
use super::store::{Backend, Store};

/// A body is handed on in pieces of this size, so that it is seen to move.
const PIECE_BYTES: usize = 64 << 10;

/// Why a step of an upload failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Setback {
    /// The store does not know the upload or one of its parts any more: it has to begin anew.
    Forgotten,
    /// As with any request.
    Failed(Error),
}

impl Store {
    /// Begins an upload; its id is one line.
    pub(super) async fn begin_upload(&self, key: &Key) -> Result<MultipartId, Error> {
        match self.backend() {
            Backend::S3(s3) => s3
                .create_multipart(&self.path(key))
                .await
                .map_err(|error| Error::of(&key.to_string(), &error)),
            Backend::Folder { root, .. } => {
                let root = root.to_path_buf();
                on_disk(key, move |key| Staged::create(&root, key)).await
            }
        }
    }

    /// Uploads the part `index`; what is returned names it when the upload is completed.
    pub(super) async fn upload_part(
        &self,
        key: &Key,
        id: &MultipartId,
        index: u64,
        bytes: Bytes,
    ) -> Result<String, Setback> {
        match self.backend() {
            Backend::S3(s3) => {
                let number = usize::try_from(index).expect("10,000 parts at most");
                s3.put_part(&self.path(key), id, number, payload(bytes))
                    .await
                    .map(|part| part.content_id)
                    .map_err(|error| Setback::of(key, &error))
            }
            Backend::Folder { root, .. } => {
                let staged = Staged::of(root, key, id);
                let write = on_disk(key, move |_| staged.write(parts::full(index).start, &bytes));
                write.await.map_err(Setback::from)
            }
        }
    }

    /// Makes an object of the parts, in order of their numbers.
    pub(super) async fn complete_upload(
        &self,
        key: &Key,
        id: &MultipartId,
        names: Vec<String>,
    ) -> Result<(), Setback> {
        match self.backend() {
            Backend::S3(s3) => {
                let parts = names.into_iter().map(|content_id| PartId { content_id });
                s3.complete_multipart(&self.path(key), id, parts.collect())
                    .await
                    .map(drop)
                    .map_err(|error| Setback::of(key, &error))
            }
            Backend::Folder { root, .. } => {
                let (staged, path) = (Staged::of(root, key, id), root.join(key.to_string()));
                let publish = on_disk(key, move |_| staged.publish(&path));
                publish.await.map_err(Setback::from)
            }
        }
    }

    /// Gives up an upload; one that is not there any more is no error.
    pub(super) async fn abort_upload(&self, key: &Key, id: &MultipartId) -> Result<(), Error> {
        let aborted = match self.backend() {
            Backend::S3(s3) => s3
                .abort_multipart(&self.path(key), id)
                .await
                .map_err(|error| Error::of(&key.to_string(), &error)),
            Backend::Folder { root, .. } => {
                let staged = Staged::of(root, key, id);
                on_disk(key, move |_| std::fs::remove_file(staged.0)).await
            }
        };
        match aborted {
            Err(Error::NotFound { .. }) => Ok(()),
            other => other,
        }
    }
}

impl Setback {
    fn of(key: &Key, error: &object_store::Error) -> Self {
        let lost = [
            "NoSuchUpload",
            "InvalidPart",
            "InvalidPartOrder",
            "EntityTooSmall",
        ];
        match cause::<Answer>(error) {
            Some(answer) if lost.contains(&answer.code.as_str()) => Self::Forgotten,
            _ => Self::from(Error::of(&key.to_string(), error)),
        }
    }
}

impl From<Error> for Setback {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound { .. } => Self::Forgotten,
            error => Self::Failed(error),
        }
    }
}

/// A body in small pieces.
pub(super) fn payload(mut bytes: Bytes) -> PutPayload {
    let mut pieces = Vec::with_capacity(bytes.len().div_ceil(PIECE_BYTES));
    while !bytes.is_empty() {
        pieces.push(bytes.split_to(bytes.len().min(PIECE_BYTES)));
    }
    PutPayload::from_iter(pieces)
}

/// The file that an upload into a folder is written to. `#` and a number end its name, which is
/// what `object_store` leaves out of listings.
struct Staged(PathBuf);

impl Staged {
    fn of(root: &FilePath, key: &Key, id: &str) -> Self {
        Self(root.join(format!("{key}#{id}")))
    }

    fn create(root: &FilePath, key: &Key) -> io::Result<MultipartId> {
        let id = rand::random::<u64>().to_string();
        let staged = Self::of(root, key, &id);
        if let Some(folder) = staged.0.parent() {
            std::fs::create_dir_all(folder)?;
        }
        File::create_new(staged.0)?;
        Ok(id)
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<String> {
        let file = OpenOptions::new().write(true).open(&self.0)?;
        file.write_all_at(bytes, offset)?;
        Ok(bytes.len().to_string())
    }

    fn publish(&self, path: &FilePath) -> io::Result<()> {
        File::open(&self.0)?.sync_all()?;
        std::fs::rename(&self.0, path)?;
        match path.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    }
}

/// Does something that waits for the disk, where that holds nobody up.
async fn on_disk<T: Send + 'static>(
    key: &Key,
    work: impl FnOnce(&Key) -> io::Result<T> + Send + 'static,
) -> Result<T, Error> {
    let (name, key) = (key.to_string(), key.clone());
    let done = tokio::task::spawn_blocking(move || work(&key)).await;
    done.unwrap_or_else(|error| Err(io::Error::other(error)))
        .map_err(|error| Error::file(&name, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_in_pieces_is_the_same_body() {
        let bytes: Vec<u8> = (0..PIECE_BYTES * 2 + 7)
            .map(|at| (at % 251) as u8)
            .collect();
        let payload = payload(Bytes::from(bytes.clone()));
        assert_eq!(payload.iter().count(), 3);
        assert_eq!(Bytes::from(payload), bytes);
    }
}
