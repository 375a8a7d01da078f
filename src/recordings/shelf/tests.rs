//! The shelf over a database and a data folder.

use std::path::PathBuf;

use media_core::{AssetId, BroadcastId, RecordingId, RenditionName};
use packager::Disk;
use scratch::Scratch;
use storage::asset::{Folder, MANIFEST};
use storage::recording::End;
use storage::streams::NewStream;
use storage::{Database, Networks, Title as StreamTitle, Visibility, playback_token};

use super::*;

struct Stage {
    shelf: Shelf,
    recordings: Recordings,
    folder: Folder,
    /// A recording that has ended, of a stream that is public, and one of a private one.
    ids: [RecordingId; 2],
}

impl Stage {
    async fn new(scratch: &Scratch) -> Self {
        let database = Database::open(scratch.url()).await.expect("open");
        let folder = Folder::open(scratch.folder()).expect("writable");
        let secret = playback_token::load_or_create(scratch.folder()).expect("a secret");
        let media = Media::new(folder.clone(), None, Disk::default());
        let (recordings, videos) = (database.recordings(), database.videos());
        let guesses = Guesses::new(Networks::default());
        let mut ids = Vec::new();
        for visibility in [Visibility::Public, Visibility::Private] {
            let now = SystemTime::now();
            let title = StreamTitle::new("Harbour").expect("a title");
            let new = NewStream {
                visibility,
                ..NewStream::titled(title)
            };
            let stream = database.streams().create(new, now).await.expect("create").0;
            let asset = AssetId::new(&format!("a{}", ids.len())).expect("an id");
            let broadcast = BroadcastId::new("b7").expect("an id");
            let renditions = [RenditionName::new("audio").expect("a name")];
            let begun = recordings.begin(&stream.id, &broadcast, &asset, &renditions, now);
            let id = begun.await.expect("begin").id;
            let end = End::Playable {
                bytes: 7,
                duration: Duration::from_secs(2),
                cut_short: None,
            };
            recordings.finish(&id, end, now).await.expect("finish");
            ids.push(id);
        }
        Self {
            shelf: Shelf::new(recordings.clone(), videos, media, secret, guesses),
            recordings,
            folder,
            ids: ids.try_into().expect("two"),
        }
    }

    async fn open(&self, id: &RecordingId) -> Closed {
        let opened = self.shelf.open(id.as_str(), None).await;
        opened.expect_err("it has no files")
    }

    /// Where the manifest of the public recording is, or would be.
    fn manifest(&self) -> PathBuf {
        let asset = AssetId::new("a0").expect("an id");
        let folder = self.folder.path(&asset);
        std::fs::create_dir_all(&folder).expect("made");
        folder.join(MANIFEST)
    }

    fn held(&self) -> Vec<String> {
        self.shelf.inner.titles().keys().cloned().collect()
    }
}

/// Its files were read for everybody, and it took the place of what others watched.
#[tokio::test]
async fn who_has_no_token_opens_nothing() {
    let scratch = Scratch::new(scratch::Kind::Sqlite).await;
    let stage = Stage::new(&scratch).await;
    let [public, private] = &stage.ids;
    assert_eq!(stage.open(private).await, Closed::NoToken);
    assert_eq!(stage.held(), Vec::<String>::new());
    assert_eq!(stage.open(public).await, Closed::NotFound);
    assert_eq!(stage.held(), [public.as_str()]);
}

#[tokio::test]
async fn a_damaged_title_is_not_read_again_at_each_request() {
    let scratch = Scratch::new(scratch::Kind::Sqlite).await;
    let stage = Stage::new(&scratch).await;
    let [public, _] = &stage.ids;
    let manifest = stage.manifest();
    std::fs::write(&manifest, "no manifest").expect("written");
    assert_eq!(stage.open(public).await, Closed::Damaged);
    // A file that is not there would be another reason, were it asked for.
    std::fs::remove_file(&manifest).expect("removed");
    assert_eq!(stage.open(public).await, Closed::Damaged);
    // What is deleted is not held any more.
    stage.recordings.delete(public).await.expect("delete");
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(stage.open(public).await, Closed::NotFound);
    assert_eq!(stage.held(), Vec::<String>::new());
}

/// Media that is in a store which the settings do not name any more has not been deleted: the log says
/// so, and players are told that it is the server's fault.
#[tokio::test]
async fn a_title_in_a_store_that_nobody_named_is_not_called_deleted() {
    let scratch = Scratch::new(scratch::Kind::Sqlite).await;
    let stage = Stage::new(&scratch).await;
    let [public, _] = &stage.ids;
    let asset = AssetId::new("a0").expect("an id");
    let moved = stage.recordings.moved(&asset, Place::Objects).await;
    moved.expect("a database");
    assert_eq!(stage.open(public).await, Closed::Damaged);
}

/// It was 500 and an error in the log, for the second in which its row is still believed.
#[tokio::test]
async fn a_title_whose_files_are_gone_is_not_found_and_not_damaged() {
    let scratch = Scratch::new(scratch::Kind::Sqlite).await;
    let stage = Stage::new(&scratch).await;
    let [public, _] = &stage.ids;
    assert_eq!(stage.open(public).await, Closed::NotFound);
    // Nor are they looked for at each request.
    std::fs::write(stage.manifest(), "no manifest").expect("written");
    assert_eq!(stage.open(public).await, Closed::NotFound);
}
