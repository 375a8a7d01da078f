//! One ordinary MP4, whole and in ranges.

use mp4_atom::{Any, Decode, Ftyp, Moov, ReadFrom};

use super::*;

fn movie(mut bytes: &[u8]) -> (String, Moov) {
    let ftyp = Ftyp::decode(&mut bytes).unwrap();
    match Any::read_from(&mut bytes).unwrap() {
        Any::Moov(moov) => (ftyp.major_brand.to_string(), moov),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_download_has_picture_and_sound_and_a_name() {
    let stage = Stage::new();
    for rendition in ["720p", "360p"] {
        let response = stage
            .get(&format!("/vod/public/{rendition}/download.mp4"))
            .await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(field(&response, "content-type"), "video/mp4");
        assert_eq!(field(&response, "accept-ranges"), "bytes");
        let name = format!("attachment; filename=\"Friday {rendition}.mp4\"");
        assert_eq!(field(&response, "content-disposition"), name);
        let (brand, moov) = movie(&body(response).await);
        assert_eq!((&brand[..], moov.trak.len()), ("isom", 2));
    }
    let sound = stage.get("/vod/public/audio/download.mp4").await;
    assert_eq!(field(&sound, "content-type"), "audio/mp4");
    let name = "attachment; filename=\"Friday audio.m4a\"";
    assert_eq!(field(&sound, "content-disposition"), name);
    let (brand, moov) = movie(&body(sound).await);
    assert_eq!((&brand[..], moov.trak.len()), ("M4A ", 1));
}

#[tokio::test]
async fn any_range_of_a_download_is_what_the_whole_has_there() {
    let stage = Stage::new();
    let path = "/vod/public/720p/download.mp4";
    let whole = body(stage.get(path).await).await;
    let len = whole.len() as u64;
    for start in (0..len).step_by(1999) {
        for wanted in [1, 1000, len] {
            let range = start..(start + wanted).min(len);
            let bytes = stage.ranged(path, range.clone()).await;
            assert!(
                bytes == whole[range.start as usize..range.end as usize],
                "{range:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_range_of_another_state_of_the_file_is_the_whole_file() {
    let stage = Stage::new();
    let path = "/vod/public/720p/download.mp4";
    let tag = field(&stage.get(path).await, "etag").to_owned();
    for (condition, status) in [
        (&tag[..], StatusCode::PARTIAL_CONTENT),
        ("\"a1-other\"", StatusCode::OK),
    ] {
        let fields = [("range", "bytes=5-9"), ("if-range", condition)];
        let response = stage.ask(Method::GET, path, &fields).await;
        assert_eq!(response.status(), status, "{condition}");
    }
}

/// What is made of two hours is not made anew for each range.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_is_planned_once_for_all_who_ask() {
    let stage = Arc::new(Stage::new());
    let askers: Vec<_> = (0..20)
        .map(|index| {
            let stage = Arc::clone(&stage);
            tokio::spawn(async move {
                let first = index * 100;
                let path = "/vod/public/720p/download.mp4";
                stage.ranged(path, first..first + 100).await.len()
            })
        })
        .collect();
    for asker in askers {
        assert_eq!(asker.await.unwrap(), 100);
    }
    // Of the picture and of the sound.
    assert_eq!(stage.shelf.sample_reads.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_title_without_a_segment_has_no_download() {
    let nothing = Tape::video("720p", Duration::ZERO, Duration::ZERO);
    let stage = Stage::of(vec![nothing]);
    assert_eq!(stage.status("/vod/public/720p/download.mp4").await, 404);
    assert_eq!(stage.status("/vod/public/720p/playlist.m3u8").await, 200);
}

#[tokio::test]
async fn damaged_samples_are_our_fault_and_nobody_elses() {
    let mut tapes = vec![Tape::video("720p", Duration::ZERO, LENGTH)];
    tapes[0].runs.pop();
    let stage = Stage::of(tapes);
    assert_eq!(stage.status("/vod/public/720p/download.mp4").await, 500);
    assert_eq!(stage.status("/vod/public/720p.mp4").await, 200);
}
