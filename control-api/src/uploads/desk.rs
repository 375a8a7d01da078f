//! The uploads and their files: begun, found and opened for whoever may.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use media_core::{UploadId, VideoId};
use storage::accounts::{Role, UserId};
use storage::uploads::{Folder, Lock, Sink};
use storage::videos::uploads::{GIVEN_UP, NewUpload, Status, Upload};
use storage::videos::{Description, NewVideo, Tags, Uploads, Video, Videos, Visibility};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::fault::Fault;
use super::metadata::Metadata;
use super::places::{Place, Places};
use super::receive::{self, Piece};
use super::tus;
use crate::caller::Caller;
use crate::options::UploadLimits;
use crate::problem::{Error, FieldError};

/// How long nothing may come of an upload: a laptop is opened again the next day.
pub(super) const IDLE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// When to come back where there is no place for another piece.
const ARRIVING_WAIT: Duration = Duration::from_secs(5);

/// Threads that wait for the disk at a time for who asks, begins or opens. The runtime has 512 for all
/// that may wait: a disk that hangs keeps its threads for good, and logins need some.
const ASKING_MAX: usize = 32;

/// How long others wait for one of them.
const ASKING_WAIT_MAX: Duration = Duration::from_secs(5);

/// See the module.
#[derive(Debug)]
pub(crate) struct Desk {
    videos: Videos,
    pub(super) uploads: Uploads,
    files: Folder,
    pub(super) bytes_max: u64,
    owner_bytes_max: u64,
    places: Places,
    asking: Arc<Semaphore>,
}

/// Somebody who may put files into the library.
#[derive(Clone, Debug)]
pub(crate) struct Uploader {
    /// `None`: the operator.
    owner: Option<UserId>,
    is_admin: bool,
}

impl<S: Send + Sync> FromRequestParts<S> for Uploader {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let caller = Caller::from_request_parts(parts, state).await?;
        let is_admin = caller.is_admin();
        match caller {
            Caller::Anonymous => Err(Error::NoToken),
            Caller::Operator => Ok(Self {
                owner: None,
                is_admin,
            }),
            Caller::User(user) if user.role == Role::Viewer => Err(Fault::NotForViewers.into()),
            Caller::User(user) => Ok(Self {
                owner: Some(user.id),
                is_admin,
            }),
        }
    }
}

impl Uploader {
    /// Whether what is `owner`'s is this one's business.
    fn may_see(&self, owner: Option<&UserId>) -> bool {
        self.is_admin || (owner.is_some() && owner == self.owner.as_ref())
    }
}

impl Desk {
    pub(crate) fn new(videos: Videos, files: Folder, limits: UploadLimits) -> Self {
        Self {
            uploads: videos.uploads(),
            videos,
            files,
            bytes_max: limits.bytes_max,
            owner_bytes_max: limits.owner_bytes_max,
            places: Places::default(),
            asking: Arc::new(Semaphore::new(ASKING_MAX)),
        }
    }

    /// Begins an upload of `length` bytes: of the video that the metadata names, or of a new one.
    pub(super) async fn begin(
        &self,
        uploader: &Uploader,
        metadata: Metadata,
        length: u64,
    ) -> Result<Upload, Error> {
        let now = SystemTime::now();
        let (video, is_new) = match &metadata.video {
            Some(id) => (self.video(uploader, id).await?.id, false),
            None => {
                let new = new_video(uploader, &metadata)?;
                (self.videos.create(new, now).await?.id, true)
            }
        };
        let begun = self
            .begin_of(uploader, video.clone(), metadata, length)
            .await;
        if begun.is_err() && is_new {
            self.videos.delete(&video).await?;
        }
        begun
    }

    /// Begins an upload of `length` bytes that becomes `video`.
    pub(super) async fn begin_of(
        &self,
        uploader: &Uploader,
        video: VideoId,
        metadata: Metadata,
        length: u64,
    ) -> Result<Upload, Error> {
        let now = SystemTime::now();
        let new = NewUpload {
            video,
            owner: uploader.owner.clone(),
            length_bytes: length,
            owner_bytes_max: self.owner_bytes_max,
            source_name: metadata.file_name,
            metadata: metadata.sent,
            expires_at: now + IDLE_MAX,
        };
        let upload = self.uploads.begin(new, now).await?;
        let created = self.create_file(&upload.id).await;
        if created.is_err() {
            self.uploads.abandon(&upload.id, GIVEN_UP).await?;
        }
        created?;
        Ok(upload)
    }

    /// Makes an upload's file, if there is room for all that it and the others are still to bring.
    async fn create_file(&self, id: &UploadId) -> Result<(), Error> {
        // With its row in it: of two that begin at once neither overlooks the other.
        let promised = self.uploads.promised_bytes().await?;
        let id = id.clone();
        let create = move |files: &Folder| files.create(&id, promised);
        self.on_disk(create).await
    }

    /// The video with this id, if it is this uploader's business.
    pub(super) async fn video(&self, uploader: &Uploader, id: &str) -> Result<Video, Error> {
        let id = VideoId::new(id).map_err(|_| Fault::NoVideo)?;
        let video = self.videos.find(&id).await?;
        let video = video.filter(|video| uploader.may_see(video.owner.as_ref()));
        Ok(video.ok_or(Fault::NoVideo)?)
    }

    /// The upload with this id, if it is this uploader's business.
    pub(super) async fn upload(&self, uploader: &Uploader, id: &str) -> Result<Upload, Error> {
        let id = UploadId::new(id).map_err(|_| Fault::Unknown)?;
        let upload = self.uploads.find(&id).await?;
        let upload = upload.filter(|upload| uploader.may_see(upload.owner.as_ref()));
        Ok(upload.ok_or(Fault::Unknown)?)
    }

    /// How much of an upload is there.
    pub(super) async fn offset(&self, upload: &Upload) -> Result<u64, Error> {
        match upload.status {
            Status::Complete => Ok(upload.length_bytes),
            Status::Spent => Err(Fault::Gone.into()),
            Status::Open if upload.expires_at <= SystemTime::now() => Err(Fault::Gone.into()),
            Status::Open => {
                let (id, noted) = (upload.id.clone(), upload.offset_bytes);
                self.on_disk(move |files| files.offset(&id, noted)).await
            }
        }
    }

    /// Takes a piece that begins at `offset` of an upload; how that is then. It is taken to its end
    /// also where the caller hangs up: what came counts.
    pub(super) async fn take(
        self: &Arc<Self>,
        uploader: &Uploader,
        id: UploadId,
        offset: u64,
        piece: Piece,
    ) -> Result<Upload, Error> {
        let desk = Arc::clone(self);
        let place = self.place(uploader)?;
        let taking = tokio::spawn(async move {
            let _place = place;
            let (upload, sink) = desk.open(&id).await?;
            match sink.end() == offset {
                true => receive::receive(&desk, upload, sink, piece).await,
                false => Err(Fault::WrongOffset { at: sink.end() }.into()),
            }
        });
        taking.await.unwrap_or(Err(Error::Aborted))
    }

    /// Opens an upload for writing, as nobody else can at the same time.
    async fn open(&self, id: &UploadId) -> Result<(Upload, Sink), Error> {
        let locking = id.clone();
        let lock: Lock = self.on_disk(move |files| files.lock(&locking)).await?;
        // Only now: who had it before may have gone on.
        let upload = self.uploads.find(id).await?.ok_or(Fault::Unknown)?;
        if upload.status != Status::Open || upload.expires_at <= SystemTime::now() {
            return Err(Fault::Gone.into());
        }
        let noted = upload.offset_bytes;
        let sink = self.on_disk(move |_| lock.sink(noted)).await?;
        if sink.end() == noted {
            return Ok((upload, sink));
        }
        tracing::warn!(upload = %id, noted, there = sink.end(), "an upload's file has lost its end");
        let upload = self.uploads.lost(id, noted, sink.end()).await?;
        Ok((upload, sink))
    }

    fn place(&self, uploader: &Uploader) -> Result<Place, Error> {
        let place = self.places.take(uploader.owner.clone());
        place.ok_or(Error::TooManyRequests {
            wait: ARRIVING_WAIT,
        })
    }

    /// Asks the folder on a thread that may wait for the disk, if there is one soon. It counts until
    /// the disk has answered, whether or not anybody still waits for that.
    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Folder) -> Result<T, storage::uploads::Error> + Send + 'static,
    ) -> Result<T, Error> {
        let files = self.files.clone();
        let turn = timeout(ASKING_WAIT_MAX, Arc::clone(&self.asking).acquire_owned()).await;
        let turn = turn.map_err(|_| Error::TooManyRequests {
            wait: ARRIVING_WAIT,
        })?;
        let turn = turn.map_err(|_| Error::Aborted)?;
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work(&files)
        })
        .await;
        Ok(done.map_err(|_| Error::Aborted)?.map_err(Fault::from)?)
    }
}

impl Piece {
    /// A request's body as a piece whose end is not known.
    pub(super) fn of(piece: tus::Piece, body: Body) -> Self {
        Self {
            end: None,
            checksum: piece.checksum,
            body,
        }
    }
}

/// A video that is made for a file. Nobody finds it until its owner wants that.
fn new_video(uploader: &Uploader, metadata: &Metadata) -> Result<NewVideo, Error> {
    let title = metadata.title();
    let title = title.map_err(|error| Error::Invalid(FieldError::new("title", error)))?;
    Ok(NewVideo {
        owner: uploader.owner.clone(),
        title,
        description: Description::default(),
        tags: Tags::default(),
        visibility: Visibility::Unlisted,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use scratch::{Kind, Scratch};
    use storage::Database;
    use storage::asset::Reserve;

    use super::*;

    /// Each request took one more thread, until there was none for logins and the ends of broadcasts.
    #[tokio::test]
    async fn a_disk_that_hangs_holds_so_many_threads_however_many_ask_and_give_up() {
        let scratch = Scratch::new(Kind::Sqlite).await;
        let database = Database::open(scratch.url()).await.expect("a database");
        let reserve = Reserve {
            bytes: 0,
            percent: 0,
        };
        let files = Folder::open(scratch.folder(), reserve).expect("a folder");
        let limits = UploadLimits {
            bytes_max: 1,
            owner_bytes_max: 1,
        };
        let desk = Arc::new(Desk::new(database.videos(), files, limits));
        let (mended, stuck) = mpsc::channel::<()>();
        let stuck = Arc::new(std::sync::Mutex::new(stuck));
        let (begun, all) = mpsc::channel();
        let asking: Vec<_> = (0..2 * ASKING_MAX)
            .map(|_| {
                let (desk, stuck, begun) = (desk.clone(), stuck.clone(), begun.clone());
                let hang = move |_: &Folder| {
                    begun.send(()).expect("somebody counts");
                    // The sender's end lets go of all.
                    let _ended = stuck.lock().expect("no panic").recv();
                    Ok(())
                };
                tokio::spawn(async move {
                    timeout(Duration::from_millis(500), desk.on_disk(hang)).await
                })
            })
            .collect();
        for asked in asking {
            assert!(
                asked.await.expect("no panic").is_err(),
                "nobody is answered"
            );
        }
        assert_eq!(all.try_iter().count(), ASKING_MAX);
        let refused = desk.on_disk(|_| Ok(7)).await;
        assert!(matches!(refused, Err(Error::TooManyRequests { .. })));
        drop(mended);
        let answered = desk.on_disk(|_| Ok(7)).await;
        assert_eq!(answered.expect("the disk is back"), 7);
    }
}
