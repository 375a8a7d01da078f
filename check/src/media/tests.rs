use super::fmp4::{Extent, Init};
use super::{Kind, ts};
use crate::session::Purpose;
use crate::synthetic::{Break, session};

/// Initialization section and a segment of the made-up server.
fn made_up() -> (Vec<u8>, Vec<u8>) {
    let session = session(Break::Nowhere);
    let body = |purpose, url: &str| {
        let mut all = session.exchanges.iter();
        let found = all.find(|it| it.purpose == purpose && it.url.ends_with(url));
        found.unwrap().good().unwrap().body.to_vec()
    };
    (
        body(Purpose::Init, "big/init.mp4"),
        body(Purpose::Segment, "big/13.m4s"),
    )
}

#[test]
fn fragments_are_read_with_the_track_that_the_init_describes() {
    let (init, segment) = made_up();
    let init = Init::parse(&init).unwrap();
    let track = init.tracks().next().unwrap();
    assert_eq!((track.kind, track.size), (Kind::Video, Some((320, 180))));
    assert_eq!(track.codec, "avc1.42c00d");
    let media = init.media(&segment, Extent::Whole).unwrap();
    let run = media.main().unwrap();
    assert_eq!(run.samples.len(), 60);
    assert!((run.duration() - 2.0).abs() < 1e-9);
    assert!((run.rate() - 30.0).abs() < 1e-9);
    assert!(run.samples[0].independent && !run.samples[1].independent);
    assert!(
        init.media(&segment[..segment.len() - 1], Extent::Whole)
            .is_err()
    );
    let beginning = init.media(&segment[..segment.len() - 1], Extent::Beginning);
    assert_eq!(beginning.unwrap().main().unwrap().samples.len(), 59);
}

/// Made by FFmpeg: provenance in fixtures/README.md.
#[test]
fn transport_streams_are_read_with_picture_and_sound() {
    let bytes = include_bytes!("../../../fixtures/media/testsrc-160x90-aac.ts");
    let media = ts::parse(bytes).unwrap();
    let picture = media.of(Kind::Video).unwrap();
    assert_eq!(picture.track.codec, "avc1.42c00b");
    assert_eq!(picture.track.size, Some((160, 90)));
    assert_eq!(picture.samples.len(), 25);
    assert!(
        (picture.duration() - 1.0).abs() < 0.001,
        "{}",
        picture.duration()
    );
    let independent = picture.samples.iter().map(|it| it.independent);
    assert_eq!(independent.filter(|it| *it).count(), 1);
    let sound = media.of(Kind::Audio).unwrap();
    assert_eq!(sound.track.codec, "mp4a.40.2");
    assert!(
        (sound.duration() - 1.0).abs() < 0.05,
        "{}",
        sound.duration()
    );
    assert!(ts::parse(&bytes[1..]).is_err());
}

/// Whatever a peer sends, reading it ends, and ends without a panic.
#[test]
fn no_bytes_make_it_panic() {
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};
    let (init, segment) = made_up();
    let good = Init::parse(&init).unwrap();
    let stream = include_bytes!("../../../fixtures/media/testsrc-160x90-aac.ts");
    let mut random = StdRng::seed_from_u64(3);
    let mut spoilt = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        for _ in 0..random.random_range(1..8) {
            let at = random.random_range(0..bytes.len());
            bytes[at] = random.random();
        }
        bytes.truncate(random.random_range(0..=bytes.len()));
        bytes
    };
    for _ in 0..2000 {
        if let Ok(init) = Init::parse(&spoilt(&init)) {
            let _ = init.media(&segment, Extent::Whole);
        }
        let _ = good.media(&spoilt(&segment), Extent::Whole);
        let _ = good.media(&spoilt(&segment), Extent::Beginning);
    }
    for _ in 0..300 {
        let _ = ts::parse(&spoilt(stream));
    }
}
