//! Media on its way to a store and back: the same tests for a folder and for a real S3 server, and
//! for the latter over a line that fails.

mod client;
mod outages;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt;
use media_core::AssetId;
use scratch::s3::{BUCKET, Server};
use storage::objects::{
    Error, Figures, GivenUp, Key, NotTaken, Options, Outcome, Pace, Playback, Route, Status, Store,
    Uploads,
};
use tempfile::TempDir;

use client::{fetch, options};

/// A full part, as long as a file is not enormous.
const PART: u64 = 8 << 20;

/// The longest that anything here may take on a busy machine.
const WAIT_MAX: Duration = Duration::from_secs(90);

/// A store, what it lies on, and a folder for local files.
struct Place {
    store: Store,
    /// Another handle, as another process has it.
    again: Store,
    server: Option<Server>,
    folder: TempDir,
}

impl Place {
    fn folder() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("store");
        let url = format!("file://{}", path.display());
        let open = || Store::open(&url, &Options::default()).expect("a folder");
        Self {
            store: open(),
            again: open(),
            server: None,
            folder,
        }
    }

    async fn s3() -> Self {
        let server = Server::start();
        let url = format!("s3://{BUCKET}/tv");
        let open = || Store::open(&url, &options(server.address())).expect("a bucket");
        Self {
            store: open(),
            again: open(),
            server: Some(server),
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    fn uploads(&self) -> Uploads {
        Uploads::new(self.store.clone(), pace())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// That nothing is left of unfinished uploads.
    async fn has_nothing_unfinished(&self) {
        match &self.server {
            Some(server) => {
                let listed = fetch("GET", &server.url("?uploads"), &[]).await;
                let text = String::from_utf8_lossy(listed.body()).into_owned();
                assert!(text.contains("<ListMultipartUploadsResult"), "{text}");
                assert!(!text.contains("<UploadId>"), "{text}");
            }
            None => {
                let staged = files_below(&self.path("store"));
                let mut staged = staged.iter().filter(|path| path.contains('#'));
                assert_eq!(staged.next(), None);
            }
        }
    }
}

/// Waits of a test: it is not a minute until the end of an outage is seen.
fn pace() -> Pace {
    Pace {
        first: Duration::from_millis(10),
        longest: Duration::from_millis(200),
    }
}

fn key(name: &str) -> Key {
    let asset = AssetId::new("a1b2").expect("an id");
    Key::new(&asset, name).expect("a name")
}

/// Bytes of which no two stretches are the same: SplitMix64, since a better generator takes seconds
/// for this in a debug build.
fn media(len_bytes: u64, seed: u64) -> Vec<u8> {
    let len = usize::try_from(len_bytes).expect("it fits");
    let mut state = seed;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bytes.extend_from_slice(&(word ^ (word >> 31)).to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

fn files_below(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.path() {
            path if path.is_dir() => found.extend(files_below(&path)),
            path => found.push(path.display().to_string()),
        }
    }
    found
}

async fn whole(store: &Store, key: &Key) -> Result<Vec<u8>, Error> {
    let pieces: Vec<Bytes> = store.stream(key, None).await?.try_collect().await?;
    Ok(pieces.concat())
}

async fn ended(uploads: &Uploads) -> (Key, Outcome) {
    let ended = tokio::time::timeout(WAIT_MAX, uploads.ended()).await;
    ended.unwrap_or_else(|_| panic!("not in time: {:?}", uploads.list()))
}

#[track_caller]
fn assert_same(stored: &[u8], sent: &[u8]) {
    assert_eq!(stored.len(), sent.len());
    // Not by assert_eq: nobody reads megabytes of numbers.
    assert!(stored == sent, "they differ");
}

async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(WAIT_MAX, waiting).await;
    assert!(waited.is_ok(), "not in time: {what}");
}

/// Makes a test of each function for a folder and for S3.
macro_rules! at_both {
    ($(async fn $name:ident($place:ident) $body:block)*) => {$(
        mod $name {
            use super::*;

            async fn run($place: Place) $body

            #[tokio::test]
            async fn folder() {
                run(Place::folder()).await;
            }

            #[tokio::test]
            async fn s3() {
                run(Place::s3().await).await;
            }
        }
    )*};
}

at_both! {
    async fn small_files_are_stored_read_listed_and_deleted(place) {
        let uploads = place.uploads();
        place.store.probe().await.expect("it is there");
        for (name, len_bytes) in [("a.mp4", 0), ("b.mp4", 1), ("c.vtt", 70_000)] {
            std::fs::write(place.path(name), media(len_bytes, len_bytes)).expect("written");
            uploads.add(key(name), place.path(name), len_bytes).expect("room");
            assert_eq!(ended(&uploads).await, (key(name), Outcome::Uploaded { len_bytes }));
        }
        let sent = media(70_000, 70_000);
        let file = key("c.vtt");
        assert_eq!(place.store.len(&file).await, Ok(70_000));
        assert_same(&place.store.read(&file, 100..60_001).await.expect("there"), &sent[100..60_001]);
        assert_same(&place.store.read(&file, 69_999..70_000).await.expect("there"), &sent[69_999..]);
        assert_same(&whole(&place.again, &file).await.expect("there"), &sent);
        assert_eq!(whole(&place.store, &key("a.mp4")).await, Ok(Vec::new()));
        let some = place.store.stream(&file, Some(5..20_000)).await.expect("there");
        let some: Vec<Bytes> = some.try_collect().await.expect("there");
        assert_same(&some.concat(), &sent[5..20_000]);

        for range in [0..0, 70_000..70_001, 69_000..70_001, 0..u64::MAX] {
            let error = place.store.read(&file, range.clone()).await.expect_err("not there");
            assert!(matches!(error, Error::Range { .. }), "{range:?}: {error:?}");
        }
        let none = key("none.mp4");
        let missing = Error::NotFound { name: none.to_string() };
        assert_eq!(place.store.read(&none, 0..1).await, Err(missing.clone()));
        assert_eq!(place.store.len(&none).await, Err(missing.clone()));
        assert_eq!(place.store.stream(&none, None).await.err(), Some(missing));

        let other = AssetId::new("other").expect("an id");
        let list = |asset: Option<AssetId>| {
            let found = place.store.list(asset.as_ref());
            async move {
                let mut found: Vec<_> = found
                    .map_ok(|entry| (entry.key, entry.len_bytes))
                    .try_collect()
                    .await
                    .expect("a listing");
                found.sort();
                found
            }
        };
        let all = [("a.mp4", 0), ("b.mp4", 1), ("c.vtt", 70_000)].map(|(name, len)| (key(name), len));
        assert_eq!(list(None).await, all);
        assert_eq!(list(Some(key("x").asset().clone())).await, all);
        assert_eq!(list(Some(other)).await, []);

        // Twice: the second finds nothing to delete.
        for _ in 0..2 {
            uploads.remove(file.clone(), place.path("c.vtt")).expect("room");
            assert_eq!(ended(&uploads).await, (file.clone(), Outcome::Removed));
        }
        assert_eq!(list(None).await, all[..2]);
        let Figures { uploaded: 3, removed: 2, sent_bytes: 70_001, failures: 0, files: 0, .. } = uploads.figures() else {
            panic!("{:?}", uploads.figures());
        };
    }

    async fn a_file_is_uploaded_while_it_is_written(place) {
        let (uploads, file) = (place.uploads(), key("1080p.mp4"));
        let sent = media(PART * 2 + 12_345, 1);
        let path = place.path("1080p.mp4");
        let mut local = std::fs::File::create(&path).expect("made");
        let growing = uploads.follow(file.clone(), path.clone()).expect("room");
        assert!(matches!(uploads.follow(file.clone(), path.clone()), Err(NotTaken::Twice)));
        assert_eq!(uploads.status(&file), Some(Status::Pending));
        for piece in sent.chunks(1_500_000) {
            local.write_all(piece).expect("written");
            growing.grown_to(local.metadata().expect("there").len());
            // What is not told does not count, and is not sent.
        }
        eventually("two parts are there before the end", || {
            matches!(uploads.status(&file), Some(Status::Uploading { sent_bytes, .. }) if sent_bytes == PART * 2)
        })
        .await;
        assert_eq!(uploads.figures().behind_bytes, 12_345);
        assert!(matches!(place.store.len(&file).await, Err(Error::NotFound { .. })));
        let len_bytes = sent.len() as u64;
        growing.finish(len_bytes);
        assert_eq!(ended(&uploads).await, (file.clone(), Outcome::Uploaded { len_bytes }));
        assert_same(&whole(&place.store, &file).await.expect("there"), &sent);
        let across = place.store.read(&file, PART - 10..PART + 10).await.expect("there");
        assert_same(&across, &sent[PART as usize - 10..PART as usize + 10]);
        assert_eq!(uploads.status(&file), None);
        assert!(!place.path("1080p.mp4.upload").exists());
        place.has_nothing_unfinished().await;
        if let Some(server) = &place.server {
            let head = fetch("HEAD", &server.url("/tv/assets/a1b2/1080p.mp4"), &[]).await;
            let etag = head.headers()["etag"].to_str().expect("text").trim_matches('"');
            assert!(etag.ends_with("-3"), "three parts: {etag}");
        }
    }

    async fn an_upload_goes_on_in_the_next_process(place) {
        let file = key("720p.mp4");
        let sent = media(PART * 3 + 1, 2);
        let len_bytes = sent.len() as u64;
        std::fs::write(place.path("720p.mp4"), &sent).expect("written");
        let first = place.uploads();
        let growing = first.follow(file.clone(), place.path("720p.mp4")).expect("room");
        growing.grown_to(PART * 2 + 5);
        eventually("two parts are there", || first.figures().sent_bytes == PART * 2).await;
        first.shut_down().await;
        assert_eq!(first.add(key("x"), place.path("x"), 1), Err(NotTaken::Ended));
        drop(growing);

        let next = Uploads::new(place.again.clone(), pace());
        next.add(file.clone(), place.path("720p.mp4"), len_bytes).expect("room");
        assert_eq!(ended(&next).await, (file.clone(), Outcome::Uploaded { len_bytes }));
        assert_eq!(next.figures().sent_bytes, PART + 1, "the rest alone");
        assert_same(&whole(&place.store, &file).await.expect("there"), &sent);
        place.has_nothing_unfinished().await;

        // A process that ended before it could say so: nothing is sent again.
        let third = place.uploads();
        third.add(file.clone(), place.path("720p.mp4"), len_bytes).expect("room");
        assert_eq!(ended(&third).await, (file.clone(), Outcome::Uploaded { len_bytes }));
        assert_eq!(third.figures().sent_bytes, 0);
    }

    async fn a_file_that_is_removed_while_it_is_written_leaves_nothing(place) {
        let (uploads, file) = (place.uploads(), key("360p.mp4"));
        let path = place.path("360p.mp4");
        std::fs::write(&path, media(PART + 1, 4)).expect("written");
        let growing = uploads.follow(file.clone(), path.clone()).expect("room");
        growing.grown_to(PART + 1);
        eventually("a part is there", || uploads.figures().sent_bytes == PART).await;
        uploads.remove(file.clone(), path.clone()).expect("it may be on its way");
        assert_eq!(ended(&uploads).await, (file.clone(), Outcome::Removed));
        assert!(!place.path("360p.mp4.upload").exists());
        place.has_nothing_unfinished().await;
        // Nobody listens any more, and that is no harm.
        growing.grown_to(PART + 2);
        growing.finish(PART + 2);

        // The name may be used again.
        let growing = uploads.follow(file.clone(), path.clone()).expect("room");
        drop(growing);
        let unfinished = Outcome::GivenUp(GivenUp::Unfinished { path });
        assert_eq!(ended(&uploads).await, (file.clone(), unfinished));
    }

    async fn a_local_file_that_is_not_whole_is_given_up(place) {
        let uploads = place.uploads();
        std::fs::write(place.path("short.mp4"), media(1_000, 5)).expect("written");
        for (name, len_bytes) in [("short.mp4", 1_001), ("none.mp4", 1), ("short.mp4", PART + 1)] {
            uploads.add(key(name), place.path(name), len_bytes).expect("room");
            let (_, outcome) = ended(&uploads).await;
            assert!(matches!(outcome, Outcome::GivenUp(GivenUp::File { .. })), "{outcome:?}");
            assert!(matches!(place.store.len(&key(name)).await, Err(Error::NotFound { .. })));
        }
        assert_eq!(uploads.figures().given_up, 3);
    }
}

#[test]
fn what_keeps_a_store_from_opening_is_said_in_one_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    std::fs::write(&file, "").expect("written");
    let below_a_file = format!("{}/media", file.display());
    let half = Options::default().with("AWS_ACCESS_KEY_ID", "test");
    let plain = |name| half.clone().with(name, "http://127.0.0.1:1");
    for (url, options, word) in [
        (below_a_file.as_str(), &half, below_a_file.as_str()),
        ("s3://media", &half, "AWS_ variables"),
        ("s3://media", &plain("AWS_ENDPOINT"), "AWS_ALLOW_HTTP"),
        (
            "s3://media",
            &plain("AWS_ENDPOINT_URL_S3"),
            "AWS_ALLOW_HTTP",
        ),
        ("gs://media", &half, "s3://BUCKET"),
    ] {
        let error = Store::open(url, options).expect_err(url).to_string();
        assert!(error.contains(word) && !error.contains('\n'), "{error}");
    }
}

/// A file of two parts and a rest whose journal claims two parts of an upload that the store has
/// never heard of.
fn forgotten(place: &Place, file: &Key) -> (PathBuf, Vec<u8>) {
    let (path, sent) = (place.path(file.name()), media(PART * 2 + 9, 3));
    std::fs::write(&path, &sent).expect("written");
    let journal = format!(
        "millrace-upload 1\n{} {file}\n4711\n0 {PART} \"0123\"\n1 {PART} \"4567\"\n",
        place.store
    );
    std::fs::write(place.path(&format!("{}.upload", file.name())), journal).expect("written");
    (path, sent)
}

#[tokio::test]
async fn what_a_folder_has_forgotten_is_sent_anew() {
    let place = Place::folder();
    let (uploads, file) = (place.uploads(), key("480p.mp4"));
    let (path, sent) = forgotten(&place, &file);
    let len_bytes = sent.len() as u64;
    uploads.add(file.clone(), path, len_bytes).expect("room");
    let uploaded = Outcome::Uploaded { len_bytes };
    assert_eq!(ended(&uploads).await, (file.clone(), uploaded));
    assert!(uploads.figures().failures > 0);
    assert_same(&whole(&place.store, &file).await.expect("there"), &sent);
    place.has_nothing_unfinished().await;
}

#[tokio::test]
async fn a_file_that_lies_in_the_stores_folder_is_not_copied() {
    let place = Place::folder();
    let (uploads, file) = (place.uploads(), key("720p.mp4"));
    let path = place.store.local_path(&file).expect("a folder has paths");
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    let sent = media(PART + 100, 6);
    std::fs::write(&path, &sent).expect("written");
    let growing = uploads.follow(file.clone(), path.clone()).expect("room");
    growing.grown_to(PART + 1);
    growing.finish(PART + 100);
    let len_bytes = PART + 100;
    assert_eq!(
        ended(&uploads).await,
        (file.clone(), Outcome::Uploaded { len_bytes })
    );
    assert_eq!(uploads.figures().sent_bytes, 0);
    assert_eq!(
        files_below(place.folder.path()),
        [path.display().to_string()]
    );
    assert_same(&whole(&place.store, &file).await.expect("there"), &sent);
}

#[tokio::test]
async fn a_signed_url_is_fetched_by_who_knows_nothing_of_s3() {
    let place = Place::s3().await;
    let (uploads, file) = (place.uploads(), key("720p.mp4"));
    let sent = media(100_000, 7);
    std::fs::write(place.path("720p.mp4"), &sent).expect("written");
    uploads
        .add(file.clone(), place.path("720p.mp4"), 100_000)
        .expect("room");
    ended(&uploads).await;
    let playback = Playback::Signed {
        ttl: Duration::from_secs(600),
    };
    playback.check(&place.store).expect("S3 signs");
    let Ok(Route::Redirect(url)) = playback.route(&place.store, &file).await else {
        panic!("no redirect");
    };
    let answer = fetch("GET", &url, &[("range", "bytes=1000-2999")]).await;
    assert_eq!(answer.status(), 206);
    assert_same(answer.body(), &sent[1000..3000]);
    let answer = fetch("GET", &url, &[]).await;
    assert_eq!(answer.status(), 200);
    assert_same(answer.body(), &sent);
}
