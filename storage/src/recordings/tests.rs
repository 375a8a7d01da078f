//! Recordings in each database, with files beside them.

use std::path::Path;

use media_core::RenditionName;

use super::*;
use crate::Database;
use crate::asset::synthetic::{NO_RESERVE, init, segment};
use crate::asset::{self, Folder, Writer};
use crate::recording::{Choice, Limit};
use crate::recordings::Change;
use crate::retention::{Policy, Why, enforce, sweep};
use crate::stream::{Stream, Title, Visibility};
use crate::streams::{self, NewStream, RecordingChange, Streams};

async fn open(url: &str) -> (Streams, Recordings) {
    let database = Database::open(url).await.expect("open");
    (database.streams(), database.recordings())
}

fn at(unix_s: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(unix_s)
}

fn asset(text: &str) -> AssetId {
    AssetId::new(text).expect("an id")
}

fn title(text: &str) -> Title {
    Title::stored(text).expect("a title")
}

async fn stream(streams: &Streams, visibility: Visibility) -> Stream {
    let created = streams
        .create(
            NewStream {
                visibility,
                ..NewStream::titled(title("Harbour"))
            },
            at(1),
        )
        .await;
    created.expect("create").0
}

async fn begin(recordings: &Recordings, stream: &Stream, asset_id: &str, began: u64) -> Recording {
    let broadcast = BroadcastId::new("b7").expect("an id");
    let begun = recordings
        .begin(
            &stream.id,
            &broadcast,
            &asset(asset_id),
            &renditions(),
            at(began),
        )
        .await;
    begun.expect("begin")
}

fn renditions() -> [RenditionName; 2] {
    ["720p", "audio"].map(|name| RenditionName::new(name).expect("a name"))
}

fn protect() -> Change {
    Change {
        is_protected: Some(true),
        ..Change::default()
    }
}

/// A change that leaves nothing of what was chosen before.
fn chosen(choice: &Choice) -> streams::Change {
    streams::Change {
        recording: RecordingChange {
            record: Some(choice.record),
            renditions: Some(choice.renditions.clone()),
            keep_days: Some(choice.keep_days),
            keep_bytes: Some(choice.keep_bytes),
        },
        ..streams::Change::default()
    }
}

/// The whole list, read in pages of three.
async fn list(recordings: &Recordings, filter: &Filter, sort: Sort) -> Vec<Recording> {
    let mut paging = Paging {
        limit: 3,
        after: None,
    };
    let mut listed = Vec::new();
    loop {
        let page = recordings.list(filter, sort, &paging).await.expect("list");
        assert!(page.items.len() <= 3);
        listed.extend(page.items);
        paging.after = page.next;
        if paging.after.is_none() {
            return listed;
        }
    }
}

fn playable(bytes: u64) -> End {
    End::Playable {
        bytes,
        duration: Duration::from_millis(90_061),
        cut_short: None,
    }
}

async fn ended(recordings: &Recordings, stream: &Stream, asset_id: &str, began: u64) -> Recording {
    let running = begin(recordings, stream, asset_id, began).await;
    let finished = recordings
        .finish(&running.id, playable(1000), at(began + 90))
        .await;
    finished.expect("finish")
}

/// An asset of `segments` segments on the disk, finished.
fn write_asset(folder: &Folder, id: &AssetId, segments: usize) {
    let inits = ["720p", "audio"].map(init);
    let renditions: Vec<RenditionName> = inits.iter().map(|it| it.rendition.clone()).collect();
    let writer = Writer::begin(folder, id.clone(), inits.to_vec(), NO_RESERVE, |_| ());
    let writer = writer.expect("a thread");
    for number in 0..segments {
        for rendition in &renditions {
            writer.append(rendition, segment(rendition.as_str(), number, 2, 20));
        }
    }
    writer.finish().expect("the disk is well");
}

fn append(path: &Path, bytes: &[u8]) {
    let mut content = std::fs::read(path).expect("a file");
    content.extend_from_slice(bytes);
    std::fs::write(path, content).expect("written");
}

scratch::on_each_database! {
    async fn a_recording_begins_and_ends(scratch) {
        let (streams, recordings) = open(scratch.url()).await;
        let stream = stream(&streams, Visibility::Private).await;
        let running = begin(&recordings, &stream, "a1", 100).await;
        assert_eq!(running.status, Status::Recording);
        assert_eq!(running.asset, Some(asset("a1")));
        assert_eq!((running.stream.clone(), running.stream_title.as_str()), (stream.id.clone(), "Harbour"));
        assert_eq!((running.started_at, running.ended_at), (at(100), None));
        assert_eq!(running.visibility, Visibility::Private);
        assert_eq!((running.bytes, running.is_protected), (0, false));

        let ready = recordings.finish(&running.id, playable(5_000_000_000), at(200)).await.expect("finish");
        assert_eq!((ready.status, ready.reason), (Status::Ready, None));
        assert_eq!((ready.bytes, ready.duration), (5_000_000_000, Duration::from_millis(90_061)));
        assert_eq!(ready.ended_at, Some(at(200)));
        assert_eq!(recordings.find(&ready.id).await.expect("find"), Some(ready.clone()));

        let again = recordings.finish(&ready.id, playable(1), at(300)).await.expect_err("over");
        assert!(matches!(again, Error::NotRunning(_)), "{again}");
        assert_eq!(recordings.find(&ready.id).await.expect("find"), Some(ready.clone()));

        let here = |after| recordings.assets_at(Place::Local, after);
        let first = asset("a1");
        assert_eq!(here(None).await.expect("local"), std::slice::from_ref(&first));
        assert_eq!(here(Some(&first)).await.expect("local"), []);
        recordings.moved(&asset("a1"), Place::Objects).await.expect("moved");
        assert_eq!(here(None).await.expect("local"), []);
        let stored = recordings.assets_at(Place::Objects, None).await;
        assert_eq!(stored.expect("stored"), [asset("a1")]);
        let moved = recordings.find(&ready.id).await.expect("find").expect("there");
        assert_eq!(moved.place, Place::Objects);
        let kept = recordings.change(&ready.id, &protect()).await.expect("change");
        assert!(kept.is_protected);
    }

    async fn one_that_is_cut_short_says_why_and_one_without_media_has_no_asset(scratch) {
        let (streams, recordings) = open(scratch.url()).await;
        let stream = stream(&streams, Visibility::Public).await;
        let first = begin(&recordings, &stream, "a1", 100).await;
        let cut = End::Playable {
            bytes: 7,
            duration: Duration::from_secs(4),
            cut_short: Some(Reason::DiskFull),
        };
        let cut = recordings.finish(&first.id, cut, at(200)).await.expect("finish");
        assert_eq!((cut.status, cut.reason), (Status::Interrupted, Some(Reason::DiskFull)));
        let second = begin(&recordings, &stream, "a2", 300).await;
        let failed = recordings.finish(&second.id, End::Failed(Reason::NoSegment), at(301)).await.expect("finish");
        assert_eq!((failed.status, failed.reason), (Status::Failed, Some(Reason::NoSegment)));
        assert_eq!((failed.asset, failed.bytes), (None, 0));
        assert_eq!(recordings.gone().await.expect("gone"), [(asset("a2"), Place::Local)]);
        recordings.forget(&asset("a2")).await.expect("forget");
        assert!(recordings.find(&second.id).await.expect("find").is_some());
    }

    async fn nothing_is_recorded_without_a_stream_or_twice_into_one_asset(scratch) {
        let (streams, recordings) = open(scratch.url()).await;
        let unknown = StreamId::new("nothere").expect("an id");
        let broadcast = BroadcastId::new("b1").expect("an id");
        let error = recordings.begin(&unknown, &broadcast, &asset("a1"), &[], at(1)).await.expect_err("no stream");
        assert!(matches!(error, Error::UnknownStream(ref it) if *it == unknown), "{error}");
        // The asset's row went with it.
        assert!(!recordings.knows(&asset("a1")).await.expect("answer"));
        let stream = stream(&streams, Visibility::Public).await;
        begin(&recordings, &stream, "a1", 100).await;
        let twice = recordings.begin(&stream.id, &broadcast, &asset("a1"), &[], at(2)).await;
        assert!(matches!(twice, Err(Error::AssetTaken(ref it)) if *it == asset("a1")), "{twice:?}");
    }

    async fn a_recording_follows_its_stream_and_outlives_it(scratch) {
        let (streams, recordings) = open(scratch.url()).await;
        let stream = stream(&streams, Visibility::Public).await;
        let id = ended(&recordings, &stream, "a1", 100).await.id;
        let change = streams::Change {
            title: Some(title("Pier")),
            visibility: Some(Visibility::Private),
            ..streams::Change::default()
        };
        streams.change(&stream.id, &change).await.expect("change");
        let renamed = recordings.find(&id).await.expect("find").expect("there");
        assert_eq!(renamed.visibility, Visibility::Private);
        assert_eq!(renamed.stream_title, "Harbour");
        streams.delete(&stream.id).await.expect("delete");
        assert_eq!(recordings.find(&id).await.expect("find"), Some(renamed));
    }

    async fn listings_are_filtered_and_turn_pages_both_ways(scratch) {
        let (streams, recordings) = open(scratch.url()).await;
        let public = stream(&streams, Visibility::Public).await;
        let private = stream(&streams, Visibility::Private).await;
        let mut all = Vec::new();
        // Two of each time, so that the id has to decide.
        for index in 0..7 {
            let of = if index % 3 == 0 { &private } else { &public };
            all.push(ended(&recordings, of, &format!("a{index}"), 100 + index / 2).await);
        }
        let running = begin(&recordings, &public, "running", 50).await;
        all.insert(0, running);
        let every = Filter::default();
        let mut oldest_first = list(&recordings, &every, Sort::Oldest).await;
        let mut newest_first = list(&recordings, &every, Sort::Newest).await;
        assert!(oldest_first.is_sorted_by_key(|it| it.started_at));
        newest_first.reverse();
        assert_eq!(newest_first, oldest_first);
        oldest_first.sort_by_key(Recording::order);
        all.sort_by_key(Recording::order);
        assert_eq!(oldest_first, all);

        let nobody = UserId::new("aaaaaaaaaaaaaa").expect("an id");
        for (filter, wanted) in [
            (Filter { stream: Some(private.id.clone()), ..Filter::default() }, 3),
            (Filter { seen_by: SeenBy::Everybody, ..Filter::default() }, 5),
            (Filter { seen_by: SeenBy::User(nobody.clone()), ..Filter::default() }, 5),
            (Filter { text: Some("HARB".into()), ..Filter::default() }, 8),
            (Filter { text: Some("%".into()), ..Filter::default() }, 0),
            (Filter { status: Some(Status::Ready), ..Filter::default() }, 7),
            (Filter { status: Some(Status::Recording), stream: Some(public.id.clone()), ..Filter::default() }, 1),
            (Filter { status: Some(Status::Failed), ..Filter::default() }, 0),
        ] {
            let listed = list(&recordings, &filter, Sort::Newest).await;
            assert_eq!(listed.len(), wanted, "{filter:?}");
        }
        let change = Change { title: Some(Title::stored("ÄRGER").expect("title")), ..Change::default() };
        recordings.change(&all[1].id, &change).await.expect("change");
        let filter = Filter { text: Some("ärg".into()), ..Filter::default() };
        assert_eq!(list(&recordings, &filter, Sort::Newest).await.len(), 1);
        let change = Change { title: Some(Title::stored("Harbour").expect("title")), ..Change::default() };
        recordings.change(&all[1].id, &change).await.expect("change");
        // A page goes on where a recording was deleted.
        let first = Paging { limit: 4, after: None };
        let first = recordings.list(&every, Sort::Oldest, &first).await.expect("list");
        assert_eq!(first.items.last(), all.get(3));
        let paging = Paging { limit: PAGE_MAX, after: first.next };
        let before = recordings.list(&every, Sort::Oldest, &paging).await.expect("list");
        assert_eq!(before.items, all[4..]);
        recordings.delete(&all[3].id).await.expect("delete");
        let behind = recordings.list(&every, Sort::Oldest, &paging).await.expect("list");
        assert_eq!(behind, before);
    }

    async fn a_deleted_recording_goes_with_its_files_whenever_the_process_dies(scratch) {
        let (streams, recordings) = open(scratch.url()).await;
        let folder = Folder::open(scratch.folder()).expect("writable");
        let stream = stream(&streams, Visibility::Public).await;
        let running = begin(&recordings, &stream, "a0", 50).await;
        let error = recordings.delete(&running.id).await.expect_err("it runs");
        assert!(matches!(error, Error::Running(_)), "{error}");
        for id in ["a1", "a2", "a3"] {
            write_asset(&folder, &asset(id), 2);
            let recording = ended(&recordings, &stream, id, 100).await;
            if id != "a3" {
                recordings.delete(&recording.id).await.expect("delete");
                let again = recordings.delete(&recording.id).await.expect_err("gone");
                assert!(matches!(again, Error::UnknownRecording(_)), "{again}");
            }
        }
        // The process died after the rows of both; and once more after the files of one.
        folder.remove(&asset("a2")).expect("removed");
        assert_eq!(recordings.gone().await.expect("gone").len(), 2);
        assert!(sweep(&recordings, &folder).await.expect("sweep").is_empty());
        assert!(recordings.gone().await.expect("gone").is_empty());
        assert_eq!(folder.ids().expect("a folder"), [asset("a3")]);
        assert!(!recordings.knows(&asset("a1")).await.expect("answer"));
    }

    /// As many as one query gives hid all others, for as long as their files could not be removed.
    async fn assets_that_cannot_be_removed_hide_no_others(scratch) {
        let (streams, recordings) = open(scratch.url()).await;
        let stream = stream(&streams, Visibility::Public).await;
        for number in 0..=ASSETS_MAX {
            let recording = ended(&recordings, &stream, &format!("a{number}"), 100).await;
            recordings.delete(&recording.id).await.expect("delete");
        }
        let mut gone = recordings.gone().await.expect("gone");
        gone.dedup();
        assert_eq!(gone.len(), ASSETS_MAX as usize + 1);
    }

    async fn files_in_the_object_store_are_left_to_who_can_remove_them(scratch) {
        let (streams, recordings) = open(scratch.url()).await;
        let folder = Folder::open(scratch.folder()).expect("writable");
        let stream = stream(&streams, Visibility::Public).await;
        let recording = ended(&recordings, &stream, "a1", 100).await;
        recordings.moved(&asset("a1"), Place::Objects).await.expect("moved");
        recordings.delete(&recording.id).await.expect("delete");
        for _again in 0..2 {
            assert_eq!(sweep(&recordings, &folder).await.expect("sweep"), [asset("a1")]);
        }
        recordings.forget(&asset("a1")).await.expect("forget");
        assert!(sweep(&recordings, &folder).await.expect("sweep").is_empty());
    }

    async fn a_restart_makes_whole_what_was_being_recorded(scratch) {
        let (streams, recordings) = open(scratch.url()).await;
        let folder = Folder::open(scratch.folder()).expect("writable");
        let stream = stream(&streams, Visibility::Public).await;
        for id in ["torn", "elsewhere"] {
            write_asset(&folder, &asset(id), 3);
        }
        append(&folder.path(&asset("torn")).join("720p.mp4"), b"half a segment");
        let torn = begin(&recordings, &stream, "torn", 100).await;
        let never = begin(&recordings, &stream, "never", 200).await;
        let alive = begin(&recordings, &stream, "alive", 300).await;
        let writer = Writer::begin(&folder, asset("alive"), vec![init("audio")], NO_RESERVE, |_| ()).expect("a thread");
        let audio = init("audio").rendition;
        writer.append(&audio, segment("audio", 0, 2, 20));
        while writer.find(&audio, 0).is_none() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let whole = ended(&recordings, &stream, "elsewhere", 400).await;
        write_asset(&folder, &asset("stranger"), 1);

        let recovered = recover(&recordings, &folder, |_| false, at(1000)).await.expect("recover");
        let ids: Vec<_> = recovered.iter().map(|it| &it.id).collect();
        assert_eq!(ids, [&torn.id, &never.id]);
        let [torn, never] = &recovered[..] else { panic!("two") };
        assert_eq!((torn.status, torn.reason), (Status::Interrupted, Some(Reason::Restart)));
        assert_eq!((torn.duration, torn.ended_at), (Duration::from_secs(6), Some(at(106))));
        let opened = asset::open(&folder, &asset("torn")).expect("whole");
        assert_eq!(opened.len_bytes(), torn.bytes);
        assert_eq!((never.status, never.reason), (Status::Failed, Some(Reason::NoSegment)));
        assert_eq!(never.asset, None);
        let alive = recordings.find(&alive.id).await.expect("find").expect("there");
        assert_eq!(alive.status, Status::Recording);
        assert_eq!(recordings.find(&whole.id).await.expect("find"), Some(whole));
        sweep(&recordings, &folder).await.expect("sweep");
        assert!(folder.path(&asset("stranger")).exists(), "who knows whose that is");

        // Its process ends too; the next start finds it.
        writer.finish().expect("the disk is well");
        let recovered = recover(&recordings, &folder, |_| false, at(1000)).await.expect("recover");
        assert_eq!(recovered.len(), 1);
        assert_eq!(recovered[0].duration, Duration::from_secs(2));
    }

    async fn an_answer_of_the_database_that_was_lost_is_given_again(scratch) {
        let (streams, recordings) = open(scratch.url()).await;
        let stream = stream(&streams, Visibility::Public).await;
        let running = begin(&recordings, &stream, "a1", 100).await;
        assert_eq!(begin(&recordings, &stream, "a1", 100).await, running);
        let listed = list(&recordings, &Filter::default(), Sort::Oldest).await;
        assert_eq!(listed, std::slice::from_ref(&running));
        let ready = recordings.finish(&running.id, playable(7), at(200)).await.expect("finish");
        let again = recordings.finish(&running.id, playable(7), at(200)).await.expect("the same");
        assert_eq!(again, ready);
        let failed = begin(&recordings, &stream, "a2", 300).await;
        let end = End::Failed(Reason::DiskFull);
        let noted = recordings.finish(&failed.id, end, at(301)).await.expect("finish");
        assert_eq!(recordings.finish(&failed.id, end, at(301)).await.expect("the same"), noted);
    }

    /// It took the first one's for its own that had died, and removed the files that were written.
    async fn a_second_server_leaves_the_first_ones_recordings_alone(scratch) {
        let (streams, recordings) = open(scratch.url()).await;
        let first = recordings.clone().written_by("first");
        let second = recordings.written_by("second");
        let folder = Folder::open(scratch.folder()).expect("writable");
        let elsewhere = tempfile::tempdir().expect("a folder");
        let elsewhere = Folder::open(elsewhere.path()).expect("writable");
        let stream = stream(&streams, Visibility::Public).await;
        write_asset(&folder, &asset("a1"), 2);
        let running = begin(&first, &stream, "a1", 100).await;
        first.heard(&asset("a1"), 77, at(100)).await.expect("heard");
        let none = |_: &AssetId| false;
        // Not at its start, and not when the first one has been silent for long.
        for now in [at(101), at(100_000)] {
            let recovered = recover(&second, &elsewhere, none, now).await.expect("recover");
            assert_eq!(recovered, []);
        }
        let found = first.find(&running.id).await.expect("find").expect("there");
        assert_eq!(found.status, Status::Recording);
        // What is deleted is removed by whose files they are.
        write_asset(&folder, &asset("a2"), 2);
        let deleted = ended(&first, &stream, "a2", 50).await;
        first.delete(&deleted.id).await.expect("delete");
        sweep(&second, &elsewhere).await.expect("sweep");
        assert!(folder.path(&asset("a2")).exists() && first.knows(&asset("a2")).await.expect("answer"));
        sweep(&first, &folder).await.expect("sweep");
        assert!(!folder.path(&asset("a2")).exists());
        // The first one itself: what it writes at the moment is its own business.
        let own = |id: &AssetId| *id == asset("a1");
        assert_eq!(recover(&first, &folder, own, at(101)).await.expect("recover"), []);
        let recovered = recover(&first, &folder, none, at(101)).await.expect("recover");
        assert_eq!(recovered.len(), 1);
    }

    async fn a_folder_that_is_shared_has_nothing_that_nobody_recovers(scratch) {
        let (streams, recordings) = open(scratch.url()).await;
        let gone = recordings.clone().written_by("gone");
        let here = recordings.written_by("here");
        let folder = Folder::open(scratch.folder()).expect("writable");
        let stream = stream(&streams, Visibility::Public).await;
        write_asset(&folder, &asset("a1"), 2);
        let running = begin(&gone, &stream, "a1", 100).await;
        gone.heard(&asset("a1"), 77, at(200)).await.expect("heard");
        let found = here.find(&running.id).await.expect("find").expect("there");
        assert_eq!(found.bytes, 77, "retention counts it");
        let none = |_: &AssetId| false;
        let silent_for = |s: u64| at(200 + s);
        assert_eq!(recover(&here, &folder, none, silent_for(299)).await.expect("recover"), []);
        let recovered = recover(&here, &folder, none, silent_for(300)).await.expect("recover");
        assert_eq!(recovered.len(), 1);
        assert_eq!(recovered[0].status, Status::Interrupted);
    }

    /// Its end was never noted: it could be neither played nor deleted.
    async fn a_recording_that_nobody_writes_any_more_can_be_deleted(scratch) {
        let (streams, recordings) = open(scratch.url()).await;
        let stream = stream(&streams, Visibility::Public).await;
        let running = begin(&recordings, &stream, "a1", 100).await;
        recordings.heard(&asset("a1"), 77, at(200)).await.expect("heard");
        let delete = |now| recordings.delete_abandoned(&running.id, now);
        assert!(!delete(at(499)).await.expect("delete"));
        assert!(delete(at(500)).await.expect("delete"));
        assert_eq!(recordings.find(&running.id).await.expect("find"), None);
        assert_eq!(recordings.gone().await.expect("gone"), [(asset("a1"), Place::Local)]);
        let whole = ended(&recordings, &stream, "a2", 600).await;
        let whole = recordings.delete_abandoned(&whole.id, at(100_000)).await;
        assert!(!whole.expect("delete"), "it is none");
    }

    async fn what_an_owner_wants_comes_with_the_key(scratch) {
        let (streams, _) = open(scratch.url()).await;
        let (created, key) = streams.create(NewStream::titled(title("A")), at(1)).await.expect("create");
        assert_eq!(created.recording, Choice::default());
        let names = ["720p", "audio"].map(|name| RenditionName::new(name).expect("a name"));
        let before = streams.revision().await.expect("revision");
        for choice in [
            Choice {
                record: Some(true),
                renditions: names.to_vec(),
                keep_days: Limit::AtMost(30),
                keep_bytes: Limit::Unbounded,
            },
            Choice {
                record: Some(false),
                keep_bytes: Limit::AtMost(1 << 40),
                ..Choice::default()
            },
            Choice::default(),
        ] {
            let changed = streams.change(&created.id, &chosen(&choice)).await.expect("change");
            assert_eq!(changed.recording, choice);
            assert_eq!(streams.find(&created.id).await.expect("find"), Some(changed));
            let keys = streams.keys().await.expect("keys");
            assert_eq!(keys.find(key.reveal()).expect("a grant").recording, choice);
            let own = streams.retention().await.expect("retention");
            let bounds = own.get(&created.id).copied().unwrap_or_default();
            assert_eq!((bounds.days, bounds.bytes), (choice.keep_days, choice.keep_bytes));
            assert_eq!(own.is_empty(), choice == Choice::default());
        }
        assert!(streams.revision().await.expect("revision") > before);
        let unknown = StreamId::new("nothere").expect("an id");
        let error = streams.change(&unknown, &chosen(&Choice::default())).await.expect_err("unknown");
        assert_eq!(error.to_string(), "there is no stream nothere");
    }

    async fn retention_deletes_what_it_may_and_says_why(scratch) {
        let (streams, recordings) = open(scratch.url()).await;
        let folder = Folder::open(scratch.folder()).expect("writable");
        let stream = stream(&streams, Visibility::Public).await;
        let day = 24 * 3600;
        let mut ids = Vec::new();
        for index in 0..4 {
            let id = format!("a{index}");
            write_asset(&folder, &asset(&id), 1);
            ids.push(ended(&recordings, &stream, &id, index * day).await.id);
        }
        recordings.change(&ids[0], &protect()).await.expect("change");
        let choice = Choice { keep_days: Limit::AtMost(2), ..Choice::default() };
        streams.change(&stream.id, &chosen(&choice)).await.expect("change");
        let policy = Policy { total_bytes: Some(2000), ..Policy::default() };
        let deleted = enforce(&recordings, &streams, &policy, at(3 * day + day / 2)).await.expect("enforce");
        let expected = [
            (ids[1].clone(), Why::Age { days: 2 }),
            (ids[2].clone(), Why::TotalBytes { bytes: 2000 }),
        ];
        assert_eq!(deleted, expected);
        sweep(&recordings, &folder).await.expect("sweep");
        let mut left = folder.ids().expect("a folder");
        left.sort();
        assert_eq!(left, [asset("a0"), asset("a3")]);
        let again = enforce(&recordings, &streams, &policy, at(3 * day + day / 2)).await.expect("enforce");
        assert!(again.is_empty());
    }
}

impl Recording {
    fn order(&self) -> (SystemTime, RecordingId) {
        (self.started_at, self.id.clone())
    }
}
