//! What tests of the library work on.

use std::time::SystemTime;

use scratch::{Kind, Scratch};
use storage::asset::Reserve;
use storage::videos::uploads::{NewUpload, Upload};
use storage::videos::{Description, NewVideo, Tags, Title, Visibility};
use storage::{Database, Videos, uploads};

/// Bytes of each upload.
const LENGTH: u64 = 100;

/// No reserve.
pub(super) const ALL_OF_THE_DISK: Reserve = Reserve {
    bytes: 0,
    percent: 0,
};

/// An empty library.
pub(super) struct Stage {
    pub(super) videos: Videos,
    pub(super) folder: uploads::Folder,
    pub(super) scratch: Scratch,
}

impl Stage {
    pub(super) async fn new() -> Self {
        Self::on(Kind::Sqlite).await
    }

    pub(super) async fn on(kind: Kind) -> Self {
        let scratch = Scratch::new(kind).await;
        let database = Database::open(scratch.url()).await.expect("a database");
        let folder = uploads::Folder::open(scratch.folder(), ALL_OF_THE_DISK);
        Self {
            videos: database.videos(),
            folder: folder.expect("a folder"),
            scratch,
        }
    }

    /// An upload that nothing has come of yet, and its file.
    pub(super) async fn begun(&self, expires_at: SystemTime) -> Upload {
        let new = NewVideo {
            owner: None,
            title: Title::new("Harbour").expect("a title"),
            description: Description::default(),
            tags: Tags::default(),
            visibility: Visibility::Public,
        };
        let now = SystemTime::now();
        let video = self.videos.create(new, now).await.expect("created");
        let new = NewUpload {
            video: video.id,
            owner: None,
            length_bytes: LENGTH,
            owner_bytes_max: LENGTH,
            source_name: None,
            metadata: String::new(),
            expires_at,
        };
        let upload = self.videos.uploads().begin(new, now).await.expect("begun");
        self.folder.create(&upload.id, LENGTH).expect("room");
        upload
    }

    /// An upload that is whole and waits to be encoded.
    pub(super) async fn queued(&self) -> Upload {
        let now = SystemTime::now();
        let upload = self.begun(now).await;
        let whole = self.videos.uploads();
        let whole = whole.advance(&upload.id, 0, LENGTH, now, now);
        whole.await.expect("whole")
    }
}
