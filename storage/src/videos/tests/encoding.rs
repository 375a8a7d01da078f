//! Files on their way to the library, and what becomes of them.

use super::jobs::{ATTEMPTS_MAX, Claim, Encoded, KEPT_FOR, Next, RETRY_FIRST};
use super::uploads::{
    Expired, GIVEN_UP, NewUpload, OPEN_MAX, Status as UploadStatus, Upload, WAITING_MAX,
};
use super::*;

fn upload_to(video: &VideoId, owner: Option<&User>) -> NewUpload {
    NewUpload {
        video: video.clone(),
        owner: owner.map(|user| user.id.clone()),
        length_bytes: 5_000_000_000,
        owner_bytes_max: u64::MAX,
        source_name: Some("holiday.mov".to_owned()),
        metadata: "filename aG9saWRheS5tb3Y=".to_owned(),
        expires_at: at(1000),
    }
}

async fn begun(videos: &Videos, title: &str) -> (VideoId, Upload) {
    let video = videos
        .create(new(title, None), at(1))
        .await
        .expect("create")
        .id;
    let upload = videos.uploads().begin(upload_to(&video, None), at(2)).await;
    (video, upload.expect("begin"))
}

async fn complete(videos: &Videos, title: &str, now: SystemTime) -> (VideoId, Upload) {
    let (video, upload) = begun(videos, title).await;
    let uploads = videos.uploads();
    let length = upload.length_bytes;
    let upload = uploads.advance(&upload.id, 0, length, at(1000), now).await;
    (video, upload.expect("advance"))
}

async fn video(videos: &Videos, id: &VideoId) -> Video {
    videos.find(id).await.expect("find").expect("there")
}

async fn claimed(videos: &Videos, now: SystemTime) -> Claim {
    let claim = videos.jobs().claim("here", now).await.expect("claim");
    claim.expect("one is due")
}

fn encoded() -> Encoded {
    Encoded {
        duration: Duration::from_millis(61_040),
        bytes: 7_000_000_000,
        missing: None,
    }
}

scratch::on_each_database! {
    async fn a_file_comes_is_encoded_and_plays(scratch) {
        let database = open(&scratch).await;
        let videos = database.videos();
        let (uploads, jobs) = (videos.uploads(), videos.jobs());
        let (id, upload) = begun(&videos, "Holiday").await;
        assert_eq!((upload.status, upload.offset_bytes), (UploadStatus::Open, 0));
        assert_eq!(upload.metadata, "filename aG9saWRheS5tb3Y=");
        assert_eq!(video(&videos, &id).await.source_name.as_deref(), Some("holiday.mov"));
        let half = uploads.advance(&upload.id, 0, 2_500_000_000, at(2000), at(9)).await.expect("advance");
        assert_eq!((half.offset_bytes, half.expires_at), (2_500_000_000, at(2000)));
        assert_eq!(jobs.claim("here", at(10)).await.expect("claim"), None);
        let whole = uploads.advance(&upload.id, 2_500_000_000, 5_000_000_000, at(2000), at(10)).await.expect("advance");
        assert_eq!((whole.status, whole.offset_bytes), (UploadStatus::Complete, 5_000_000_000));
        assert_eq!(video(&videos, &id).await.status, Status::Queued);

        assert_eq!(jobs.claim("here", at(9)).await.expect("claim"), None);
        let claim = claimed(&videos, at(10)).await;
        assert_eq!((&claim.video, &claim.upload, claim.attempt), (&id, &upload.id, 1));
        assert_eq!(jobs.claim("there", at(11)).await.expect("claim"), None);
        jobs.writes(&claim, &asset("v1"), at(11)).await.expect("writes");
        assert!(database.recordings().knows(&asset("v1")).await.expect("answer"));
        jobs.heartbeat(&claim, 500, at(12)).await.expect("heartbeat");
        let half = video(&videos, &id).await;
        assert_eq!((half.status, half.progress_permille, half.asset), (Status::Processing, 500, None));
        jobs.done(&claim, encoded(), at(13)).await.expect("done");
        let ready = video(&videos, &id).await;
        assert_eq!((ready.status, ready.progress_permille), (Status::Ready, 1000));
        assert_eq!((ready.asset, ready.duration), (Some(asset("v1")), Duration::from_millis(61_040)));
        assert_eq!((ready.bytes, ready.published_at), (7_000_000_000, Some(at(13))));

        assert_eq!(uploads.spent(None).await.expect("spent"), std::slice::from_ref(&upload.id));
        uploads.forget(&upload.id).await.expect("forget");
        assert_eq!(uploads.find(&upload.id).await.expect("find"), None);
        let error = jobs.done(&claim, encoded(), at(14)).await.expect_err("over");
        assert!(matches!(error, Error::JobLost(_)), "{error}");
        let error = uploads.begin(upload_to(&id, None), at(15)).await.expect_err("has one");
        assert!(matches!(error, Error::NotUploading(_)), "{error}");
        videos.delete(&id).await.expect("delete");
        assert_eq!(database.recordings().gone().await.expect("gone"), [(asset("v1"), Place::Local)]);
    }

    async fn an_upload_goes_on_from_where_it_is_and_nowhere_else(scratch) {
        let videos = open(&scratch).await.videos();
        let uploads = videos.uploads();
        let (_, upload) = begun(&videos, "Holiday").await;
        uploads.advance(&upload.id, 0, 100, at(1000), at(3)).await.expect("advance");
        for (from, to) in [(0, 50), (50, 150), (101, 150), (100, 99), (100, 5_000_000_001), (99, 5_000_000_000)] {
            let error = uploads.advance(&upload.id, from, to, at(1000), at(3)).await.expect_err("elsewhere");
            assert!(matches!(error, Error::WrongOffset { offset_bytes: 100, .. }), "{error}");
        }
        assert_eq!(uploads.find(&upload.id).await.expect("find").expect("there").offset_bytes, 100);
        let unknown = UploadId::new("nothere").expect("an id");
        let error = uploads.advance(&unknown, 0, 1, at(1), at(3)).await.expect_err("unknown");
        assert!(matches!(error, Error::UnknownUpload(_)), "{error}");
        uploads.abandon(&upload.id, GIVEN_UP).await.expect("abandon");
        for error in [
            uploads.advance(&upload.id, 100, 200, at(1), at(3)).await.expect_err("closed"),
            uploads.advance(&upload.id, 100, 5_000_000_000, at(1), at(3)).await.expect_err("closed"),
            uploads.abandon(&upload.id, GIVEN_UP).await.expect_err("closed"),
        ] {
            assert!(matches!(error, Error::UploadClosed(_)), "{error}");
        }
        assert_eq!(uploads.spent(None).await.expect("spent"), [upload.id]);
    }

    async fn of_two_files_for_a_video_the_second_is_not_needed(scratch) {
        let videos = open(&scratch).await.videos();
        let uploads = videos.uploads();
        let (id, first) = begun(&videos, "Holiday").await;
        let second = uploads.begin(upload_to(&id, None), at(3)).await.expect("begin");
        uploads.advance(&first.id, 0, 5_000_000_000, at(1000), at(4)).await.expect("whole");
        let error = uploads.advance(&second.id, 0, 5_000_000_000, at(1000), at(5)).await.expect_err("has one");
        assert!(matches!(error, Error::NotUploading(_)), "{error}");
        assert_eq!(uploads.spent(None).await.expect("spent"), [second.id]);
        assert_eq!(claimed(&videos, at(4)).await.upload, first.id);
    }

    async fn an_upload_that_stops_expires_and_its_video_may_have_another(scratch) {
        let videos = open(&scratch).await.videos();
        let uploads = videos.uploads();
        let (id, upload) = begun(&videos, "Holiday").await;
        assert_eq!(uploads.expire(at(999)).await.expect("expire"), Expired::default());
        let expired = Expired { uploads: 1, failed: vec![id.clone()] };
        assert_eq!(uploads.expire(at(1000)).await.expect("expire"), expired);
        assert_eq!(uploads.expire(at(1000)).await.expect("expire"), Expired::default());
        let failed = video(&videos, &id).await;
        assert_eq!(failed.status, Status::Failed);
        assert_eq!(failed.reason.as_deref(), Some("the upload was not finished in time"));
        assert_eq!(uploads.spent(None).await.expect("spent"), [upload.id]);
        uploads.begin(upload_to(&id, None), at(1001)).await.expect("another");
        let waiting = video(&videos, &id).await;
        assert_eq!((waiting.status, waiting.reason), (Status::Uploading, None));
    }

    async fn uploads_are_bounded_by_owner(scratch) {
        let database = open(&scratch).await;
        let videos = database.videos();
        let uploads = videos.uploads();
        let mona = user(&database, "mona").await;
        let video = videos.create(new("Holiday", Some(&mona)), at(1)).await.expect("create").id;
        for _ in 0..OPEN_MAX {
            uploads.begin(upload_to(&video, Some(&mona)), at(2)).await.expect("begin");
        }
        let error = uploads.begin(upload_to(&video, Some(&mona)), at(2)).await.expect_err("full");
        assert!(matches!(error, Error::TooManyUploads), "{error}");
        uploads.begin(upload_to(&video, None), at(3)).await.expect("another owner");
        let promised = (OPEN_MAX as u64 + 1) * 5_000_000_000;
        assert_eq!(uploads.promised_bytes().await.expect("sum"), promised);
        let error = uploads.begin(upload_to(&unknown(), None), at(3)).await.expect_err("unknown");
        assert!(matches!(error, Error::UnknownVideo(_)), "{error}");
    }

    async fn a_failed_attempt_is_repeated_later_and_not_for_ever(scratch) {
        let database = open(&scratch).await;
        let videos = database.videos();
        let jobs = videos.jobs();
        let (id, upload) = complete(&videos, "Holiday", at(10)).await;
        let mut now = at(10);
        for attempt in 1..=ATTEMPTS_MAX {
            assert_eq!(jobs.claim("here", now - Duration::from_millis(1)).await.expect("claim"), None);
            let claim = claimed(&videos, now).await;
            assert_eq!(claim.attempt, attempt);
            let written = asset(&format!("v{attempt}"));
            jobs.writes(&claim, &written, now).await.expect("writes");
            let next = jobs.failed(&claim, "the disk was full", false, now).await.expect("failed");
            let gone = database.recordings().gone().await.expect("gone");
            assert!(gone.contains(&(written.clone(), Place::Local)));
            database.recordings().forget(&written).await.expect("forget");
            let after = video(&videos, &id).await;
            match next {
                Next::Retry(at) => {
                    assert_eq!(at, now + RETRY_FIRST * 10_u32.pow(attempt - 1));
                    assert_eq!((after.status, after.reason), (Status::Queued, None));
                    now = at;
                }
                Next::GivenUp => {
                    assert_eq!(attempt, ATTEMPTS_MAX);
                    assert_eq!(after.status, Status::Failed);
                    assert_eq!(after.reason.as_deref(), Some("the disk was full"));
                }
            }
        }
        assert_eq!(jobs.claim("here", now + RETRY_FIRST * 1000).await.expect("claim"), None);
        assert_eq!(videos.uploads().spent(None).await.expect("spent"), []);

        let (id, refused) = complete(&videos, "No video", at(10)).await;
        let claim = claimed(&videos, at(10)).await;
        let next = jobs.failed(&claim, "this is no video", true, at(11)).await.expect("failed");
        assert_eq!(next, Next::GivenUp);
        assert_eq!(video(&videos, &id).await.reason.as_deref(), Some("this is no video"));
        assert_eq!(videos.uploads().spent(None).await.expect("spent"), [refused.id]);
        assert_ne!(upload.id, claim.upload);
    }

    async fn a_file_that_the_server_could_not_encode_is_kept_and_tried_again(scratch) {
        let videos = open(&scratch).await.videos();
        let (uploads, jobs) = (videos.uploads(), videos.jobs());
        let (id, upload) = complete(&videos, "Holiday", at(10)).await;
        let error = jobs.retry(&id, at(10)).await.expect_err("it is queued");
        assert!(matches!(error, Error::NothingToRetry(_)), "{error}");
        let give_up = async |from: SystemTime| {
            let mut now = from;
            for _ in 0..ATTEMPTS_MAX {
                let claim = claimed(&videos, now).await;
                match jobs.failed(&claim, "the disk was full", false, now).await.expect("failed") {
                    Next::Retry(at) => now = at,
                    Next::GivenUp => return now,
                }
            }
            panic!("it is not given up");
        };
        let given_up = give_up(at(10)).await;
        jobs.retry(&id, given_up).await.expect("it is kept");
        assert_eq!(video(&videos, &id).await.status, Status::Queued);
        let again = give_up(given_up).await;
        let last = again + KEPT_FOR;
        let nothing = uploads.expire(last - Duration::from_millis(1)).await.expect("expire");
        assert_eq!(nothing, Expired::default());
        let expired = uploads.expire(last).await.expect("expire");
        assert_eq!(expired, Expired { uploads: 1, failed: vec![] });
        assert_eq!(uploads.spent(None).await.expect("spent"), [upload.id]);
        assert_eq!(video(&videos, &id).await.reason.as_deref(), Some("the disk was full"));
        let error = jobs.retry(&id, last).await.expect_err("it is gone");
        assert!(matches!(error, Error::NothingToRetry(_)), "{error}");
    }

    async fn a_kept_file_goes_when_another_one_has_come(scratch) {
        let videos = open(&scratch).await.videos();
        let (uploads, jobs) = (videos.uploads(), videos.jobs());
        let (id, kept) = complete(&videos, "Holiday", at(10)).await;
        for _ in 0..ATTEMPTS_MAX {
            claimed(&videos, at(10)).await;
            jobs.requeue("here", at(10)).await.expect("requeue");
        }
        assert_eq!(video(&videos, &id).await.status, Status::Failed);
        let other = uploads.begin(upload_to(&id, None), at(20)).await.expect("begin");
        assert_eq!(uploads.spent(None).await.expect("spent"), []);
        let error = jobs.retry(&id, at(21)).await.expect_err("another one is coming");
        assert!(matches!(error, Error::NothingToRetry(_)), "{error}");
        uploads.advance(&other.id, 0, 5_000_000_000, at(1000), at(22)).await.expect("whole");
        assert_eq!(uploads.spent(None).await.expect("spent"), [kept.id]);
        assert_eq!(claimed(&videos, at(22)).await.upload, other.id);
    }

    async fn an_owners_files_have_a_bound_together(scratch) {
        let database = open(&scratch).await;
        let videos = database.videos();
        let uploads = videos.uploads();
        let mona = user(&database, "mona").await;
        let bounded = |video: &VideoId, owner| NewUpload { owner_bytes_max: 12_000_000_000, ..upload_to(video, owner) };
        let mut made = Vec::new();
        for title in ["first", "second", "third"] {
            made.push(videos.create(new(title, Some(&mona)), at(1)).await.expect("create").id);
        }
        let first = uploads.begin(bounded(&made[0], Some(&mona)), at(2)).await.expect("begin");
        uploads.begin(bounded(&made[1], Some(&mona)), at(2)).await.expect("begin");
        // What waits for being encoded is on the disk too.
        uploads.advance(&first.id, 0, 5_000_000_000, at(1000), at(3)).await.expect("whole");
        let error = uploads.begin(bounded(&made[2], Some(&mona)), at(4)).await.expect_err("too much");
        assert!(matches!(error, Error::TooManyBytes { .. }), "{error}");
        uploads.begin(bounded(&made[2], None), at(4)).await.expect("the operator's");
        videos.delete(&made[1]).await.expect("delete");
        let fourth = videos.create(new("fourth", Some(&mona)), at(5)).await.expect("create").id;
        uploads.begin(bounded(&fourth, Some(&mona)), at(5)).await.expect("there is room");
    }

    async fn a_video_whose_file_never_comes_fails(scratch) {
        let videos = open(&scratch).await.videos();
        let uploads = videos.uploads();
        let never = videos.create(new("never", None), at(2)).await.expect("create").id;
        let (given_up, upload) = begun(&videos, "given up").await;
        uploads.abandon(&upload.id, "this is no video").await.expect("abandon");
        let waiting = video(&videos, &given_up).await;
        assert_eq!((waiting.status, waiting.reason.as_deref()), (Status::Uploading, Some("this is no video")));
        let last = at(1) + WAITING_MAX;
        assert_eq!(uploads.expire(last - Duration::from_millis(1)).await.expect("expire"), Expired::default());
        let failed = uploads.expire(last).await.expect("expire").failed;
        assert_eq!(failed, std::slice::from_ref(&given_up));
        assert_eq!(video(&videos, &given_up).await.reason.as_deref(), Some("this is no video"));
        let failed = uploads.expire(last + Duration::from_secs(1)).await.expect("expire").failed;
        assert_eq!(failed, std::slice::from_ref(&never));
        assert_eq!(video(&videos, &never).await.reason.as_deref(), Some("no file has come for it"));
    }

    async fn a_job_is_taken_up_by_one_process(scratch) {
        let database = open(&scratch).await;
        let videos = database.videos();
        for number in 0..4 {
            complete(&videos, &format!("Holiday {number}"), at(10)).await;
        }
        let other = open(&scratch).await.videos();
        let claiming: Vec<_> = (0..8)
            .map(|number| {
                let jobs = if number % 2 == 0 { videos.jobs() } else { other.jobs() };
                tokio::spawn(async move { jobs.claim(&format!("w{number}"), at(10)).await })
            })
            .collect();
        let mut taken = Vec::new();
        for claim in claiming {
            taken.extend(claim.await.expect("task").expect("claim").map(|claim| claim.job));
        }
        while let Some(claim) = videos.jobs().claim("late", at(10)).await.expect("claim") {
            taken.push(claim.job);
        }
        taken.sort();
        taken.dedup();
        assert_eq!(taken.len(), 4);
    }

    async fn what_a_dead_process_left_is_taken_up_again(scratch) {
        let database = open(&scratch).await;
        let videos = database.videos();
        let jobs = videos.jobs();
        let (id, _) = complete(&videos, "Holiday", at(10)).await;
        let dead = claimed(&videos, at(10)).await;
        jobs.writes(&dead, &asset("half"), at(10)).await.expect("writes");
        assert!(jobs.requeue("there", at(20)).await.expect("requeue").is_empty());
        let back = jobs.requeue("here", at(20)).await.expect("requeue");
        assert_eq!(back, [(dead.clone(), Next::Retry(at(20)))]);
        assert_eq!(database.recordings().gone().await.expect("gone"), [(asset("half"), Place::Local)]);
        assert_eq!(video(&videos, &id).await.status, Status::Queued);

        let second = claimed(&videos, at(20)).await;
        assert_eq!(second.attempt, 2);
        for error in [
            jobs.heartbeat(&dead, 1, at(21)).await.expect_err("overtaken"),
            jobs.writes(&dead, &asset("other"), at(21)).await.expect_err("overtaken"),
            jobs.done(&dead, encoded(), at(21)).await.expect_err("overtaken"),
        ] {
            assert!(matches!(error, Error::JobLost(_)), "{error}");
        }
        jobs.heartbeat(&second, 1, at(100)).await.expect("heartbeat");
        assert!(jobs.requeue_silent("there", at(100), at(400)).await.expect("requeue").is_empty());
        assert!(jobs.requeue_silent("here", at(101), at(400)).await.expect("requeue").is_empty());
        assert_eq!(jobs.requeue_silent("there", at(101), at(400)).await.expect("requeue").len(), 1);

        // An orderly end costs no attempt; a third death is the last.
        let third = claimed(&videos, at(400)).await;
        jobs.give_back(&third, at(401)).await.expect("give back");
        let again = claimed(&videos, at(401)).await;
        assert_eq!((third.attempt, again.attempt), (3, 3));
        let back = jobs.requeue("here", at(402)).await.expect("requeue");
        assert_eq!(back, [(again, Next::GivenUp)]);
        let failed = video(&videos, &id).await;
        assert_eq!(failed.status, Status::Failed);
        assert_eq!(failed.reason.as_deref(), Some("the server ended while the file was being encoded"));
    }

    async fn a_deleted_video_takes_its_file_and_its_job_along(scratch) {
        let database = open(&scratch).await;
        let videos = database.videos();
        let jobs = videos.jobs();
        let (id, upload) = complete(&videos, "Holiday", at(10)).await;
        let claim = claimed(&videos, at(10)).await;
        jobs.writes(&claim, &asset("half"), at(10)).await.expect("writes");
        videos.delete(&id).await.expect("delete");
        let error = jobs.heartbeat(&claim, 1, at(11)).await.expect_err("deleted");
        assert!(matches!(error, Error::JobLost(_)), "{error}");
        assert_eq!(database.recordings().gone().await.expect("gone"), [(asset("half"), Place::Local)]);
        database.recordings().forget(&asset("half")).await.expect("forget");
        assert_eq!(videos.uploads().spent(None).await.expect("spent"), std::slice::from_ref(&upload.id));
        videos.uploads().forget(&upload.id).await.expect("forget");
        assert_eq!(jobs.claim("here", at(1000)).await.expect("claim"), None);
    }
}
