//! What becomes of uploads and reads while the server, or the line to it, fails.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use scratch::s3::{Fault, Line};
use storage::objects::Patience;

use super::*;

/// An S3 server at the far end of a line.
struct Far {
    place: Place,
    line: Line,
    store: Store,
}

impl Far {
    async fn new() -> Self {
        let place = Place::s3().await;
        let server = place.server.as_ref().expect("it is S3");
        let line = Line::to(server.address()).await;
        let url = format!("s3://{BUCKET}/tv");
        // A hanging server is given up soon enough for a test.
        let options = options(line.address()).with_patience(Patience {
            answer: Duration::from_secs(2),
            upload: Duration::from_secs(3),
        });
        let store = Store::open(&url, &options).expect("a bucket");
        Self { place, line, store }
    }
}

#[tokio::test]
async fn an_upload_survives_every_kind_of_outage_and_nothing_is_lost() {
    let far = Far::new().await;
    let uploads = Uploads::new(far.store.clone(), pace());
    let file = key("1080p.mp4");
    let sent = media(PART * 4 + 4_321, 8);
    let len_bytes = sent.len() as u64;
    let path = far.place.path("1080p.mp4");
    std::fs::write(&path, &sent).expect("written");
    let mut random = StdRng::seed_from_u64(9);
    let mut resets = || Fault::Resets {
        after_bytes: random.random_range(1..PART),
    };
    let faults = [
        Fault::Refuses,
        resets(),
        Fault::Answers { status: 503 },
        Fault::Hangs,
    ];
    // It begins in an outage, and each part meets one of its own.
    far.line.set(faults[0]);
    let growing = uploads.follow(file.clone(), path).expect("room");
    for (sent_bytes, fault) in (0..).step_by(PART as usize).zip(faults) {
        far.line.set(fault);
        let before = uploads.figures().failures;
        growing.grown_to(sent_bytes + PART);
        eventually("tries fail", || uploads.figures().failures > before).await;
        let status = uploads.status(&file);
        let Some(Status::Waiting {
            because,
            sent_bytes: sent_then,
            ..
        }) = status
        else {
            panic!("{fault:?}: {status:?}");
        };
        assert!(!because.is_empty() && !because.contains('\n'), "{because}");
        assert_eq!(sent_then, sent_bytes);
        assert!(uploads.figures().is_waiting);
        far.line.set(Fault::None);
        eventually("it goes on", || {
            uploads.figures().sent_bytes == sent_bytes + PART
        })
        .await;
    }
    // The end meets one after the other.
    far.line.set(resets());
    growing.finish(len_bytes);
    for fault in [Fault::Refuses, Fault::Answers { status: 500 }] {
        far.line.set(fault);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    far.line.set(Fault::None);
    assert_eq!(
        ended(&uploads).await,
        (file.clone(), Outcome::Uploaded { len_bytes })
    );
    assert!(!uploads.figures().is_waiting);
    assert_same(&whole(&far.place.store, &file).await.expect("there"), &sent);
    far.place.has_nothing_unfinished().await;
}

/// moto answers 500 where S3 has a 404 for an unknown upload: the line says it in its place.
#[tokio::test]
async fn what_s3_has_forgotten_is_sent_anew() {
    let far = Far::new().await;
    let uploads = Uploads::new(far.store.clone(), pace());
    let file = key("480p.mp4");
    let (path, sent) = forgotten(&far.place, &file);
    let len_bytes = sent.len() as u64;
    far.line.set(Fault::Answers { status: 404 });
    uploads.add(file.clone(), path, len_bytes).expect("room");
    let journal = far.place.path("480p.mp4.upload");
    eventually("the upload is given up", || !journal.exists()).await;
    far.line.set(Fault::None);
    let uploaded = Outcome::Uploaded { len_bytes };
    assert_eq!(ended(&uploads).await, (file.clone(), uploaded));
    assert_same(&whole(&far.store, &file).await.expect("there"), &sent);
    far.place.has_nothing_unfinished().await;
}

#[tokio::test]
async fn reads_say_what_is_wrong_and_recover() {
    let far = Far::new().await;
    let uploads = far.place.uploads();
    let (file, sent) = (key("720p.mp4"), media(3_000_000, 10));
    std::fs::write(far.place.path("720p.mp4"), &sent).expect("written");
    uploads
        .add(file.clone(), far.place.path("720p.mp4"), 3_000_000)
        .expect("room");
    ended(&uploads).await;
    for fault in [
        Fault::Refuses,
        Fault::Hangs,
        Fault::Resets { after_bytes: 1 },
        Fault::Answers { status: 500 },
        Fault::Answers { status: 503 },
        Fault::Answers { status: 429 },
    ] {
        far.line.set(fault);
        let read = far.store.read(&file, 10..2_000_000);
        let read = tokio::time::timeout(Duration::from_secs(30), read).await;
        let error = read.expect("an answer comes").expect_err("a fault");
        assert!(
            matches!(error, Error::Unavailable { .. }),
            "{fault:?}: {error:?}"
        );
        assert!(
            matches!(far.store.probe().await, Err(Error::Unavailable { .. })),
            "{fault:?}"
        );
        far.line.set(Fault::None);
        let read = far
            .store
            .read(&file, 10..2_000_000)
            .await
            .expect("it is back");
        assert_same(&read, &sent[10..2_000_000]);
    }
    for status in [400, 401, 403] {
        far.line.set(Fault::Answers { status });
        let error = far.store.read(&file, 0..10).await.expect_err("a refusal");
        let Error::Refused { why } = &error else {
            panic!("{status}: {error:?}");
        };
        assert!(why.contains("TheLine: says no"), "{why}");
        assert!(!format!("{error:?}{error}").contains("a secret of the test"));
    }
    far.line.set(Fault::Answers { status: 404 });
    let missing = Error::NotFound {
        name: file.to_string(),
    };
    assert_eq!(far.store.read(&file, 0..10).await, Err(missing));
}

#[tokio::test]
async fn nobody_at_the_address_is_unavailable_and_no_bucket_is_a_refusal() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = nobody.local_addr().expect("it is bound");
    drop(nobody);
    let store = Store::open("s3://media", &options(address)).expect("nobody is asked yet");
    let error = store.probe().await.expect_err("nobody");
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");

    let place = Place::s3().await;
    let server = place.server.as_ref().expect("it is S3");
    let store = Store::open("s3://no-such", &options(server.address())).expect("a name");
    let error = store.probe().await.expect_err("no bucket");
    assert!(matches!(error, Error::Refused { .. }), "{error:?}");
    assert!(error.to_string().contains("NoSuchBucket"), "{error}");

    // Somebody makes the bucket: what waited goes on.
    let uploads = Uploads::new(store.clone(), pace());
    std::fs::write(place.path("720p.mp4"), b"media").expect("written");
    uploads
        .add(key("720p.mp4"), place.path("720p.mp4"), 5)
        .expect("room");
    eventually("it is refused", || uploads.figures().failures > 1).await;
    let made = fetch("PUT", &format!("http://{}/no-such", server.address()), &[]).await;
    assert_eq!(made.status(), 200);
    assert_eq!(ended(&uploads).await.1, Outcome::Uploaded { len_bytes: 5 });
}

#[tokio::test]
async fn many_files_wait_out_an_outage_and_are_removed_in_another() {
    let far = Far::new().await;
    let uploads = Uploads::new(far.store.clone(), pace());
    let names: Vec<String> = (0..60).map(|number| format!("file-{number}.mp4")).collect();
    far.line.set(Fault::Answers { status: 503 });
    for (seed, name) in names.iter().enumerate() {
        std::fs::write(far.place.path(name), media(20_000, seed as u64)).expect("written");
        uploads
            .add(key(name), far.place.path(name), 20_000)
            .expect("room");
    }
    eventually("all wait", || {
        let list = uploads.list();
        list.len() == 60
            && list
                .iter()
                .all(|(_, status)| matches!(status, Status::Waiting { .. }))
    })
    .await;
    far.line.set(Fault::None);
    for _ in &names {
        assert_eq!(
            ended(&uploads).await.1,
            Outcome::Uploaded { len_bytes: 20_000 }
        );
    }
    for (seed, name) in names.iter().enumerate() {
        let stored = whole(&far.store, &key(name)).await.expect("there");
        assert_same(&stored, &media(20_000, seed as u64));
    }
    far.line.set(Fault::Refuses);
    for name in &names {
        uploads
            .remove(key(name), far.place.path(name))
            .expect("room");
    }
    eventually("removals fail", || uploads.figures().is_waiting).await;
    far.line.set(Fault::None);
    for _ in &names {
        assert_eq!(ended(&uploads).await.1, Outcome::Removed);
    }
    let left: Vec<_> = far.store.list(None).try_collect().await.expect("a listing");
    assert_eq!(left, []);
}
