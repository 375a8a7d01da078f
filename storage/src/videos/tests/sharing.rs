//! Media that a recording and videos play together.

use super::*;
use crate::stream;
use crate::streams::NewStream;

async fn recording(database: &Database, asset_id: &str, end: Option<End>) -> RecordingId {
    let (streams, recordings) = (database.streams(), database.recordings());
    let title = stream::Title::new("Harbour").expect("a title");
    let created = streams.create(NewStream::titled(title), at(1));
    let (stream, _) = created.await.expect("create");
    let broadcast = BroadcastId::new("b7").expect("an id");
    let asset = asset(asset_id);
    let begun = recordings.begin(&stream.id, &broadcast, &asset, &[], at(100));
    let id = begun.await.expect("begin").id;
    if let Some(end) = end {
        recordings.finish(&id, end, at(190)).await.expect("finish");
    }
    id
}

fn playable(cut_short: Option<Reason>) -> Option<End> {
    Some(End::Playable {
        bytes: 1000,
        duration: Duration::from_millis(90_061),
        cut_short,
    })
}

async fn gone(recordings: &Recordings) -> Vec<AssetId> {
    let gone = recordings.gone().await.expect("gone");
    assert!(gone.iter().all(|(_, place)| *place == Place::Local));
    gone.into_iter().map(|(asset, _)| asset).collect()
}

scratch::on_each_database! {
    async fn an_imported_recording_can_be_played_at_once(scratch) {
        let database = open(&scratch).await;
        let videos = database.videos();
        let source = recording(&database, "a1", playable(Some(Reason::Restart))).await;
        let mut wanted = new("Harbour", None);
        wanted.tags = Tags::new(["sea"]).expect("valid");
        let first = videos.import(&source, wanted.clone(), at(200)).await.expect("import");
        assert_eq!((first.status, first.asset.clone()), (Status::Ready, Some(asset("a1"))));
        assert_eq!((first.duration, first.bytes), (Duration::from_millis(90_061), 1000));
        assert_eq!((first.recording.as_ref(), first.progress_permille), (Some(&source), 1000));
        assert_eq!((first.published_at, first.tags.len()), (Some(at(200)), 1));
        let second = videos.import(&source, wanted, at(201)).await.expect("again");
        assert_ne!(second.id, first.id);
        assert_eq!(second.asset, first.asset);
    }

    async fn what_cannot_be_played_is_not_imported(scratch) {
        let database = open(&scratch).await;
        let videos = database.videos();
        for (asset_id, end) in [("a1", None), ("a2", Some(End::Failed(Reason::NoSegment)))] {
            let source = recording(&database, asset_id, end).await;
            let error = videos.import(&source, new("Harbour", None), at(200)).await.expect_err("no media");
            assert!(matches!(error, Error::NotPlayable(ref it) if *it == source), "{error}");
        }
        let unknown = RecordingId::new("nothere").expect("an id");
        let error = videos.import(&unknown, new("Harbour", None), at(200)).await.expect_err("unknown");
        assert!(matches!(error, Error::UnknownRecording(_)), "{error}");
        let everything = Filter { seen: Seen::All, ..Filter::default() };
        let page = videos.list(&everything, Sort::Newest, &all(10, None)).await.expect("list");
        assert!(page.items.is_empty());
    }

    async fn shared_media_goes_with_the_last_that_plays_it(scratch) {
        let database = open(&scratch).await;
        let (videos, recordings) = (database.videos(), database.recordings());
        let source = recording(&database, "a1", playable(None)).await;
        let first = videos.import(&source, new("Harbour", None), at(200)).await.expect("import");
        let second = videos.import(&source, new("Harbour", None), at(200)).await.expect("import");
        videos.delete(&first.id).await.expect("delete");
        assert!(gone(&recordings).await.is_empty());
        recordings.delete(&source).await.expect("delete");
        assert!(gone(&recordings).await.is_empty());
        let left = videos.find(&second.id).await.expect("find").expect("there");
        assert_eq!((left.asset, left.recording), (Some(asset("a1")), Some(source)));
        videos.delete(&second.id).await.expect("delete");
        assert_eq!(gone(&recordings).await, [asset("a1")]);
        recordings.forget(&asset("a1")).await.expect("forget");
        assert!(!recordings.knows(&asset("a1")).await.expect("answer"));

        let source = recording(&database, "a2", playable(None)).await;
        let video = videos.import(&source, new("Harbour", None), at(200)).await.expect("import");
        videos.delete(&video.id).await.expect("delete");
        recordings.delete(&source).await.expect("delete");
        assert_eq!(gone(&recordings).await, [asset("a2")]);
    }

    async fn media_that_is_imported_while_its_recording_is_deleted_stays_or_is_refused(scratch) {
        let database = open(&scratch).await;
        let (videos, recordings) = (database.videos(), database.recordings());
        for number in 0..4 {
            let source = recording(&database, &format!("a{number}"), playable(None)).await;
            let deleting = tokio::spawn({
                let (recordings, source) = (recordings.clone(), source.clone());
                async move { recordings.delete(&source).await }
            });
            let imported = videos.import(&source, new("Harbour", None), at(200)).await;
            deleting.await.expect("task").expect("delete");
            let asset = asset(&format!("a{number}"));
            let is_gone = gone(&recordings).await.contains(&asset);
            match imported {
                Ok(video) => {
                    assert_eq!(video.asset, Some(asset));
                    assert!(!is_gone);
                }
                Err(Error::UnknownRecording(_)) => assert!(is_gone),
                Err(error) => panic!("{error}"),
            }
        }
    }
}
