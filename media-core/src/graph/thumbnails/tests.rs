use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;

use super::*;
use crate::cadence::Cadence;
use crate::graph::encoder::{EncoderChoice, EncoderSettings, Preset, Profile, SourceUse};
use crate::graph::ladder::{LadderPipeline, Spec, VideoSpec, Work};
use crate::graph::meters::Meters;
use crate::graph::shedding::Shedding;
use crate::graph::transcoder::Plan;
use crate::id::RenditionName;
use crate::ladder::{Bitrate, Rung};
use crate::sample::{Sample, Track};
use crate::time::FrameRate;

/// Longer than a picture takes on a busy machine.
const MADE_WITHIN: Duration = Duration::from_secs(30);

struct Sent(Mutex<Sender<Thumbnail>>);

impl Output for Sent {
    fn started(&self, _plan: &Plan) {}
    fn track(&self, _track: Track) {}
    fn sample(&self, _rendition: &RenditionName, _sample: Sample) {}
    fn failed(&self) {}

    fn thumbnail(&self, thumbnail: Thumbnail) {
        let sender = self.0.lock().expect("lock");
        sender.send(thumbnail).expect("the test waits");
    }
}

fn maker(width: i32, height: i32) -> (Maker, Receiver<Thumbnail>) {
    let (caps, output, made) = stage(width, height);
    (Maker::new(&caps, &output).expect("a form"), made)
}

fn start(width: i32, height: i32) -> (Thumbnails, Receiver<Thumbnail>) {
    let (caps, output, made) = stage(width, height);
    let thumbnails = Thumbnails::start(&caps, &output).expect("a thread");
    (thumbnails, made)
}

fn stage(width: i32, height: i32) -> (gst::Caps, Arc<dyn Output>, Receiver<Thumbnail>) {
    gst::init().expect("GStreamer");
    let caps = gst::Caps::builder("video/x-raw")
        .field("format", "I420")
        .field("width", width)
        .field("height", height)
        .field("framerate", gst::Fraction::new(30, 1))
        .field("colorimetry", "bt709")
        .build();
    let (sender, made) = mpsc::channel();
    (caps, Arc::new(Sent(Mutex::new(sender))), made)
}

/// A picture of one colour; its rows have GStreamer's own padding.
fn plain(width: u32, height: u32, colour: [u8; 3]) -> gst::Buffer {
    let format = gst_video::VideoFormat::I420;
    let info = gst_video::VideoInfo::builder(format, width, height).build();
    let info = info.expect("a size");
    let mut bytes = vec![0; info.size()];
    let [luma, cb, cr] = [0, 1, 2].map(|plane| info.offset()[plane]);
    bytes[luma..cb].fill(colour[0]);
    bytes[cb..cr].fill(colour[1]);
    bytes[cr..].fill(colour[2]);
    gst::Buffer::from_slice(bytes)
}

fn seconds(seconds: i64) -> MediaTime {
    MediaTime::from_millis(seconds * 1000)
}

fn size(thumbnail: &Thumbnail) -> Option<(usize, usize)> {
    let mut decoder = JpegDecoder::new(ZCursor::new(&thumbnail.jpeg));
    decoder.decode_headers().expect("a JPEG");
    decoder.dimensions()
}

#[test]
fn a_picture_of_any_shape_becomes_a_thumbnail_of_its_shape() {
    for ((width, height), expected) in [
        ((1920, 1080), (640, 360)),
        ((320, 180), (320, 180)),
        ((1080, 1920), (360, 640)),
        ((322, 242), (322, 242)),
    ] {
        let (thumbnails, made) = start(width, height);
        // BT.709's red.
        let red = plain(width as u32, height as u32, [63, 102, 240]);
        thumbnails.offer(&red, seconds(1));
        let thumbnail = made.recv_timeout(MADE_WITHIN).expect("a thumbnail");
        assert_eq!(size(&thumbnail), Some(expected), "{width}x{height}");
        assert_eq!(thumbnail.time, seconds(1));
        let mut decoder = JpegDecoder::new(ZCursor::new(&thumbnail.jpeg));
        for pixel in decoder.decode().expect("a JPEG").chunks(3) {
            assert!(
                pixel[0] > 245 && pixel[1] < 10 && pixel[2] < 10,
                "{pixel:?}"
            );
        }
    }
}

#[test]
fn pictures_are_taken_when_they_are_due_and_a_dark_one_only_where_nothing_else_comes() {
    let (mut maker, made) = maker(64, 36);
    let (dark, light) = (
        plain(64, 36, [16, 128, 128]),
        plain(64, 36, [180, 128, 128]),
    );
    for (picture, tenths) in [(&dark, 0..30), (&light, 30..120), (&dark, 120..320)] {
        for time in tenths.map(|tenth| MediaTime::from_millis(tenth * 100)) {
            if maker.shared.schedule.is_due(time) {
                maker.shared.schedule.taken(time);
                maker.take(picture.clone(), time).expect("a whole picture");
            }
        }
    }
    drop(maker);
    let times: Vec<f64> = made.iter().map(|made| made.time.as_secs_f64()).collect();
    // At 1 and 2 it was dark; from 20 on it stays dark, and is taken at last.
    assert_eq!(times, [3.0, 10.0, 24.0]);
}

#[test]
fn something_short_and_dark_is_shown_as_it_is() {
    let (thumbnails, made) = start(64, 36);
    thumbnails.offer(&plain(64, 36, [16, 128, 128]), seconds(1));
    drop(thumbnails);
    let times: Vec<_> = made.iter().map(|made| made.time).collect();
    assert_eq!(times, [seconds(1)]);
}

#[test]
fn what_is_in_the_slot_at_the_end_is_made() {
    let (thumbnails, made) = start(64, 36);
    thumbnails.offer(&plain(64, 36, [180, 128, 128]), seconds(1));
    drop(thumbnails);
    assert_eq!(made.iter().count(), 1);
}

#[test]
fn a_picture_that_stands_in_for_one_that_is_missing_gives_none() {
    let (caps, output, made) = stage(64, 36);
    let rate = FrameRate::new(30, 1).expect("a rate");
    let second = Duration::from_secs(1);
    let rung = Rung {
        name: RenditionName::new("36p").expect("a name"),
        width: 64,
        height: 36,
        bitrate: Bitrate::from_kbps(100),
    };
    let spec = Spec {
        video: Some(VideoSpec {
            cadence: Cadence::new(rate, second, second),
            caps,
            source: SourceUse::Encode,
            rungs: vec![rung],
            encoder: EncoderSettings {
                encoder: EncoderChoice::Auto.resolve().expect("an encoder"),
                preset: Preset::Ultrafast,
                profile: Profile::LowLatency,
                threads: 1,
            },
        }),
        audio_bitrate: Bitrate::from_kbps(64),
        work: Work::Broadcast,
        shedding: Shedding::default(),
    };
    let meters = Meters::default();
    let ladder = LadderPipeline::start(&spec, &output, &meters).expect("a ladder");
    let light = plain(64, 36, [180, 128, 128]);
    for index in 0..60 {
        ladder.stand_in(&light, index);
    }
    ladder.picture(&light, None, 60);
    ladder.finish();
    drop(output);
    let times: Vec<MediaTime> = made.iter().map(|made| made.time).collect();
    assert_eq!(times, [seconds(2)]);
}

#[test]
fn a_thumbnail_costs_less_than_two_thousandths_of_a_processor() {
    const ROUNDS: usize = 10;
    let (mut maker, _made) = maker(1920, 1080);
    // Slopes and grain.
    let pixels = (0..1920 * 1080 * 3 / 2usize).map(|at| {
        let slope = 60.0 * (at as f64 / 37.0).sin();
        (110.0 + slope) as u8 + (at * 7919 % 31) as u8
    });
    let picture = gst::Buffer::from_slice(pixels.collect::<Vec<u8>>());
    let used = || {
        let used = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        Duration::new(used.tv_sec as u64, used.tv_nsec as u32)
    };
    let costs = (0..ROUNDS).map(|_| {
        let before = used();
        let taken = maker.take(picture.clone(), seconds(1));
        taken.expect("a whole picture");
        used() - before
    });
    // The rest is what other processes do to the caches.
    let cost = costs.min().expect("rounds");
    assert!(cost * 500 < thumbnail::EVERY, "{cost:?}");
}
