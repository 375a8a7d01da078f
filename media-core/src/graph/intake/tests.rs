//! Faults of whoever takes what is decoded, and the times that transport streams are handed out with.

use std::process::Command;

use super::*;

/// Panics when it is asked for the form of pictures, which it is from a probe of GStreamer's.
struct Faulty;

impl Decoded for Faulty {
    fn expect(&self, _: TrackKind) {}

    fn picture_caps(&self, source: &PictureSource) -> Option<gst::Caps> {
        panic!("{} lines, as the test wants it", source.height);
    }

    fn picture(&self, _: MediaTime, _: Picture) -> Result<(), &'static str> {
        Ok(())
    }

    fn sound(&self, _: MediaTime, _: gst::Buffer) {}
}

#[test]
fn a_panic_in_a_callback_ends_the_publication_and_not_the_process() {
    crate::graph::init().expect("every element is installed");
    let made = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-f", "lavfi"])
        .args(["-i", "testsrc2=size=160x90:rate=30", "-t", "1"])
        .args(["-c:v", "libx264", "-preset", "ultrafast"])
        .args(["-f", "mpegts", "-"])
        .output()
        .expect("ffmpeg is installed");
    let mut intake = Intake::start(Arc::new(Faulty), Arc::default()).expect("an intake");
    intake
        .push(Media::TransportStream(made.stdout.into()))
        .expect("not known yet");
    let refused = (0..6000).find_map(|_| {
        std::thread::sleep(Duration::from_millis(10));
        intake.check().err()
    });
    let refused = refused.expect("it ends").to_string();
    assert_eq!(refused, "a fault of this server");
}

/// Remembers when pictures and sounds are, in milliseconds on the publisher's clock.
#[derive(Default)]
struct Times {
    pictures: Mutex<Vec<i64>>,
    sounds: Mutex<Vec<i64>>,
}

impl Decoded for Times {
    fn expect(&self, _: TrackKind) {}

    fn picture_caps(&self, _: &PictureSource) -> Option<gst::Caps> {
        Some(
            gst::Caps::builder("video/x-raw")
                .field("format", "I420")
                .build(),
        )
    }

    fn picture(&self, pts: MediaTime, _: Picture) -> Result<(), &'static str> {
        let mut pictures = self.pictures.lock().expect("no test panics with it");
        pictures.push(pts.as_nanos() / 1_000_000);
        Ok(())
    }

    fn sound(&self, pts: MediaTime, _: gst::Buffer) {
        let mut sounds = self.sounds.lock().expect("no test panics with it");
        sounds.push(pts.as_nanos() / 1_000_000);
    }
}

/// Nine seconds of pictures with B-frames and of sound in a transport stream, muxed with `options`.
fn transport_stream(options: &str) -> Vec<u8> {
    let inputs = "-nostdin -v error -f lavfi -i testsrc2=size=160x90:rate=30 \
                  -f lavfi -i sine=sample_rate=48000 -t 9";
    let codecs = "-c:v libx264 -preset veryfast -bf 2 -g 30 -c:a aac -f mpegts";
    let made = Command::new("ffmpeg")
        .args(inputs.split_whitespace())
        .args(codecs.split_whitespace())
        .args(options.split_whitespace())
        .arg("-")
        .output()
        .expect("ffmpeg is installed");
    assert!(made.status.success(), "{made:?}");
    made.stdout
}

/// When the pictures and sounds of a transport stream are, beside its first picture.
fn times(stream: &[u8]) -> (Vec<i64>, Vec<i64>) {
    crate::graph::init().expect("every element is installed");
    let times = Arc::new(Times::default());
    let decoded = Arc::clone(&times) as Arc<dyn Decoded>;
    let mut intake = Intake::start(decoded, Arc::default()).expect("an intake");
    // As many as SRT has in a datagram.
    for bytes in stream.chunks(7 * 188) {
        let bytes = Bytes::copy_from_slice(bytes);
        intake
            .push(Media::TransportStream(bytes))
            .expect("nothing is wrong with it");
    }
    let (drained, done) = mpsc::channel();
    intake.close(move || _ = drained.send(()));
    done.recv_timeout(Duration::from_secs(60)).expect("the end");
    let take = |of: &Mutex<Vec<i64>>| std::mem::take(&mut *of.lock().expect("nobody panicked"));
    let (pictures, sounds) = (take(&times.pictures), take(&times.sounds));
    let first = *pictures.first().expect("pictures");
    let beside = |times: Vec<i64>| times.into_iter().map(|time| time - first).collect();
    (beside(pictures), beside(sounds))
}

/// The largest step between two times that follow each other, and the time before it.
fn gap(times: &[i64]) -> (i64, i64) {
    let steps = times.windows(2).map(|pair| (pair[1] - pair[0], pair[0]));
    steps.max().expect("more than one")
}

/// A third of the stream is lost on the way, as in a blackout of three seconds.
#[test]
fn what_is_lost_of_a_transport_stream_moves_neither_sound_nor_pictures_from_their_times() {
    let whole = transport_stream("");
    let packets = whole.len() / 188;
    let kept = [&whole[..packets / 3 * 188], &whole[packets / 3 * 2 * 188..]];
    let (pictures, sounds) = times(&whole);
    let (left_pictures, left_sounds) = times(&kept.concat());
    for (all, left) in [(&pictures, &left_pictures), (&sounds, &left_sounds)] {
        let (lost, _) = gap(left);
        assert!(
            (2000..4000).contains(&lost),
            "{lost} ms are missing: {left:?}"
        );
        // At the edges what is decoded of half a unit has no time of its own.
        let moved = left.iter().filter(|time| {
            let is_near = |own: &i64| (**time - own).abs() <= 2;
            !all.iter().any(is_near)
        });
        let moved: Vec<_> = moved.collect();
        assert!(moved.len() <= 2, "{moved:?} of {left:?}");
    }
}

/// 2³³ ∕ 90,000 s is 95,443.7 s: B-frames and sound of both sides of it are mixed.
#[test]
fn a_transport_streams_clock_that_wraps_moves_neither_sound_nor_pictures() {
    let (pictures, sounds) = times(&transport_stream(""));
    let wraps = transport_stream("-output_ts_offset 95440 -muxdelay 0");
    let (wrapped_pictures, wrapped_sounds) = times(&wraps);
    assert_eq!(wrapped_pictures, pictures);
    for (own, wrapped) in sounds.iter().zip(&wrapped_sounds) {
        assert!((own - wrapped).abs() <= 2, "{wrapped_sounds:?}");
    }
    assert_eq!(wrapped_sounds.len(), sounds.len());
}

#[test]
fn a_transport_streams_clock_that_is_set_is_seen_as_it_was_set() {
    let first = transport_stream("-output_ts_offset 50000");
    for (second_s, by_ms) in [(20_000, -30_000_000), (50_600, 600_000)] {
        let second = transport_stream(&format!("-output_ts_offset {second_s}"));
        let (pictures, sounds) = times(&[&first[..], &second].concat());
        let seen = |times: &[i64]| {
            times
                .iter()
                .any(|time| (by_ms..by_ms + 9000).contains(time))
        };
        assert!(seen(&pictures) && seen(&sounds), "{pictures:?} {sounds:?}");
        let near = |time: &i64| (-100..9100).contains(time);
        for times in [pictures, sounds] {
            let strayed = times
                .iter()
                .filter(|time| !near(time) && !near(&(*time - by_ms)));
            let strayed: Vec<_> = strayed.collect();
            assert!(strayed.len() <= 2, "{strayed:?} of {times:?}");
        }
    }
}

/// Each loss takes tables with it: what names the same tracks again makes no new ones of them, of which
/// a publication has so many only.
#[test]
fn tables_that_are_lost_again_and_again_end_no_publication() {
    let whole = transport_stream("");
    let packets = whole.chunks(188).enumerate();
    let left = packets.filter(|(index, _)| index % 40 < 25);
    let left: Vec<u8> = left.flat_map(|(_, packet)| packet).copied().collect();
    let (_, sounds) = times(&left);
    assert!(sounds.last() > Some(&8000), "{sounds:?}");
}
