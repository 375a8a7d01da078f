//! What happens between the data folder, the database and a store, which is a folder here.

use std::path::Path;
use std::time::{Duration, SystemTime};

use media_core::{BroadcastId, RecordingId, RenditionName};
use scratch::Scratch;
use storage::recording::{End, Place};
use storage::streams::NewStream;
use storage::{Database, Title};
use tempfile::TempDir;

use super::*;

/// How long a test waits for what must come; far longer than it takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// The files of an asset of these tests.
const FILES: [(&str, usize); 4] = [
    ("720p.mp4", 40_000),
    ("720p.index", 300),
    ("manifest", 200),
    ("thumbnail-1.jpg", 0),
];

struct Stage {
    recordings: Recordings,
    folder: Folder,
    stored: TempDir,
    stream: media_core::StreamId,
}

impl Stage {
    async fn new(scratch: &Scratch) -> Self {
        let database = Database::open(scratch.url()).await.expect("open");
        let title = Title::new("Harbour").expect("a title");
        let streams = database.streams();
        let now = SystemTime::now();
        let created = streams.create(NewStream::titled(title), now).await;
        Self {
            recordings: database.recordings(),
            folder: Folder::open(scratch.folder()).expect("writable"),
            stored: tempfile::tempdir().expect("a folder"),
            stream: created.expect("create").0.id,
        }
    }

    /// A process that uses the store.
    fn objects(&self, keep_local_bytes: u64) -> (Objects, tokio::task::JoinHandle<()>) {
        let choice = Choice {
            url: self.stored.path().to_str().expect("text").to_owned(),
            playback: Playback::Proxy,
            keep_local_bytes,
        };
        let opened = Objects::open(
            &choice,
            self.folder.clone(),
            self.recordings.clone(),
            Disk::default(),
        );
        let objects = opened.expect("a folder").expect("another one");
        let task = tokio::spawn(objects.clone().keep_in_order());
        (objects, task)
    }

    /// A recording that has ended, and its files.
    async fn recording(&self, asset: &str) -> (RecordingId, AssetId) {
        let asset = AssetId::new(asset).expect("an id");
        let broadcast = BroadcastId::new("b7").expect("an id");
        let now = SystemTime::now();
        let renditions = [RenditionName::new("720p").expect("a name")];
        let (recordings, stream) = (&self.recordings, &self.stream);
        let begun = recordings.begin(stream, &broadcast, &asset, &renditions, now);
        let id = begun.await.expect("begin").id;
        let folder = self.folder.path(&asset);
        std::fs::create_dir(&folder).expect("new");
        for (name, len) in FILES {
            std::fs::write(folder.join(name), vec![7; len]).expect("written");
        }
        // What is no file of it.
        std::fs::write(folder.join("sprites.new"), "half").expect("written");
        let end = End::Playable {
            bytes: 40_000,
            duration: Duration::from_secs(4),
            cut_short: None,
        };
        self.recordings.finish(&id, end, now).await.expect("finish");
        (id, asset)
    }

    async fn until_stored(&self, id: &RecordingId) {
        eventually("it is in the store", async || {
            let found = self.recordings.find(id).await.expect("find");
            found.expect("there").place == Place::Objects
        })
        .await;
    }

    fn stored(&self, asset: &AssetId) -> Vec<String> {
        names(&self.stored.path().join("assets").join(asset.as_str()))
    }

    fn local(&self, asset: &AssetId) -> Vec<String> {
        names(&self.folder.path(asset))
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries
        .map(|entry| entry.file_name().into_string().expect("text"))
        .collect();
    names.sort();
    names
}

async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    assert!(waited.is_ok(), "not in time: {what}");
}

fn all() -> Vec<String> {
    let mut names = FILES.map(|(name, _)| name.to_owned()).to_vec();
    names.sort();
    names
}

scratch::on_each_database! {
    async fn what_is_finished_goes_to_the_store_and_what_is_deleted_goes_from_it(scratch) {
        let stage = Stage::new(&scratch).await;
        // One was finished before the process began, and one while it runs.
        let (first, before) = stage.recording("a1").await;
        let (objects, _task) = stage.objects(0);
        stage.until_stored(&first).await;
        let (second, after) = stage.recording("a2").await;
        objects.look();
        stage.until_stored(&second).await;
        for asset in [&before, &after] {
            assert_eq!(stage.stored(asset), all());
            eventually("no local copy", async || !stage.folder.path(asset).exists()).await;
        }
        stage.recordings.delete(&first).await.expect("delete");
        objects.look();
        eventually("the row goes last", async || {
            stage.recordings.gone().await.expect("gone").is_empty()
        })
        .await;
        assert_eq!(stage.stored(&before), Vec::<String>::new());
        assert_eq!(stage.stored(&after), all());
    }

    async fn copies_stay_while_there_is_room_and_go_in_the_next_process_if_there_is_less(scratch) {
        let stage = Stage::new(&scratch).await;
        let (id, asset) = stage.recording("a1").await;
        let (objects, task) = stage.objects(1 << 30);
        stage.until_stored(&id).await;
        objects.shut_down().await;
        task.abort();
        assert!(stage.local(&asset).len() > FILES.len(), "{:?}", stage.local(&asset));
        let (_objects, _task) = stage.objects(40_000);
        eventually("the copy goes", async || !stage.folder.path(&asset).exists()).await;
        assert_eq!(stage.stored(&asset), all());
    }

    async fn what_is_deleted_before_it_is_stored_leaves_nothing(scratch) {
        let stage = Stage::new(&scratch).await;
        let (id, asset) = stage.recording("a1").await;
        // As an earlier process left it: a file that is stored, and one that was on its way.
        let stored = stage.stored.path().join("assets").join(asset.as_str());
        std::fs::create_dir_all(&stored).expect("new");
        std::fs::write(stored.join("720p.index"), "stored").expect("written");
        let journal = format!("720p.mp4{}", objects::JOURNAL_SUFFIX);
        std::fs::write(stage.folder.path(&asset).join(journal), "torn").expect("written");
        stage.recordings.delete(&id).await.expect("delete");
        let (_objects, _task) = stage.objects(1 << 30);
        eventually("the row goes last", async || {
            stage.recordings.gone().await.expect("gone").is_empty()
        })
        .await;
        assert!(!stage.folder.path(&asset).exists());
        assert_eq!(stage.stored(&asset), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_read_holds_up_no_other_asset() {
    let scratch = Scratch::new(scratch::Kind::Sqlite).await;
    let stage = Stage::new(&scratch).await;
    let (id, asset) = stage.recording("a1").await;
    let (other, _) = stage.recording("a2").await;
    // A folder where a file's journal would be: the disk does not give it.
    let file = stage.folder.path(&asset).join("720p.mp4");
    let journal = format!("{}{}", file.display(), objects::JOURNAL_SUFFIX);
    std::fs::create_dir(journal).expect("new");
    let (objects, _task) = stage.objects(0);
    stage.until_stored(&other).await;
    eventually("it is given up", async || {
        objects.uploads().figures().given_up > 0
    })
    .await;
    let found = stage.recordings.find(&id).await.expect("find");
    assert_eq!(found.expect("there").place, Place::Local);
    assert!(stage.local(&asset).len() > FILES.len());
}

#[tokio::test]
async fn the_disk_is_free_at_once_also_while_the_store_is_away() {
    let scratch = Scratch::new(scratch::Kind::Sqlite).await;
    let stage = Stage::new(&scratch).await;
    // A file where its folder would be: the store takes and gives nothing.
    let obstacle = stage.stored.path().join("assets");
    std::fs::write(&obstacle, "").expect("written");
    let (id, asset) = stage.recording("a1").await;
    let (objects, _task) = stage.objects(0);
    eventually("uploads fail", async || {
        objects.uploads().figures().failures > 0
    })
    .await;
    stage.recordings.delete(&id).await.expect("delete");
    objects.look();
    eventually("no media is here", async || stage.local(&asset).is_empty()).await;
    // What the store may have is not forgotten.
    let gone = stage.recordings.gone().await.expect("gone");
    assert_eq!(gone.len(), 1);
    std::fs::remove_file(&obstacle).expect("there");
    eventually("the row goes last", async || {
        objects.look();
        stage.recordings.gone().await.expect("gone").is_empty()
    })
    .await;
    assert!(!stage.folder.path(&asset).exists());
}

#[tokio::test]
async fn a_store_in_the_data_folder_is_the_data_folder() {
    let scratch = Scratch::new(scratch::Kind::Sqlite).await;
    let stage = Stage::new(&scratch).await;
    let choice = Choice {
        url: scratch.folder().to_str().expect("text").to_owned(),
        playback: Playback::Proxy,
        keep_local_bytes: 0,
    };
    let opened = Objects::open(
        &choice,
        stage.folder.clone(),
        stage.recordings.clone(),
        Disk::default(),
    );
    assert!(opened.expect("a folder").is_none());
    let signed = Choice {
        playback: Playback::Signed {
            ttl: Duration::from_secs(600),
        },
        ..choice
    };
    let refused = Objects::open(
        &signed,
        stage.folder.clone(),
        stage.recordings.clone(),
        Disk::default(),
    );
    assert!(matches!(refused, Err(Error::Playback(_))));
}
