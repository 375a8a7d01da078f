//! Faults of whoever takes what is decoded.

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
