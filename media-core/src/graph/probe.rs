//! What is learnt of a publisher's media before the ladder is built: its frame rate, and which
//! tracks it has.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use gstreamer as gst;

use super::intake::{Picture, TrackKind};
use super::ladder::SAMPLE_BYTES;
use crate::time::{FrameRate, MediaTime};
use crate::timeline::SAMPLE_RATE;

/// Pictures from which the frame rate is judged.
const PICTURES_MIN: usize = 6;

/// Pictures held at most while the rest is awaited; each is 3 MiB at 1080p.
const PICTURES_MAX: usize = 30;

/// Sound held at most: a second more than pictures are awaited for ([`PICTURES_WITHIN`]), 5 MB.
/// Pictures that are decoded late, as those of a cached group of pictures that comes all at once,
/// find the sound that belongs to them.
const SOUND_BYTES_MAX: usize = 13 * SAMPLE_RATE as usize * SAMPLE_BYTES;

/// How much of one track comes before it is taken for the only one, where no other is announced.
const ALONE_AFTER: Duration = Duration::from_millis(600);

/// How much sound comes before announced pictures are given up: a stream that is joined behind a
/// keyframe has the next one ten seconds later at most, as encoders are set.
const PICTURES_WITHIN: Duration = Duration::from_secs(12);

/// The rates that sources have. A measured one is snapped to the nearest.
const STANDARD_RATES: [(u32, u32); 10] = [
    (24_000, 1001),
    (24, 1),
    (25, 1),
    (30_000, 1001),
    (30, 1),
    (48, 1),
    (50, 1),
    (60_000, 1001),
    (60, 1),
    (15, 1),
];

/// The highest rate of a broadcast; a faster source loses pictures.
const RATE_MAX: f64 = 60.5;

/// A picture or a block of sound, and when it is shown or heard.
type Unit<T> = (MediaTime, T);

/// What is waiting for the ladder.
#[derive(Default)]
pub(super) struct Probe {
    pictures: Vec<Unit<Picture>>,
    sounds: VecDeque<Unit<gst::Buffer>>,
    sound_bytes: usize,
    /// What the source says of its rate, where it does.
    pub(super) nominal: Option<FrameRate>,
    announced: Vec<TrackKind>,
    first_sound: Option<MediaTime>,
    /// When media time zero was, by the unit that came soonest after its time.
    origin: Option<Instant>,
    first_pts: Option<MediaTime>,
}

/// What the probe found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// Pictures at this rate; perhaps sound.
    Video(FrameRate),
    /// Sound alone.
    AudioOnly,
}

impl Probe {
    pub(super) fn expect(&mut self, kind: TrackKind) {
        self.announced.push(kind);
    }

    /// Whether a track of this kind was announced.
    pub(super) fn expects(&self, kind: TrackKind) -> bool {
        self.announced.contains(&kind)
    }

    pub(super) fn picture(&mut self, pts: MediaTime, picture: Picture) {
        if self.pictures.is_empty() {
            (self.origin, self.first_pts) = (None, None);
        }
        self.note_arrival(pts);
        if self.pictures.len() < PICTURES_MAX {
            self.pictures.push((pts, picture));
        }
    }

    pub(super) fn sound(&mut self, pts: MediaTime, sound: gst::Buffer) {
        self.first_sound.get_or_insert(pts);
        if self.pictures.is_empty() {
            self.note_arrival(pts);
        }
        self.sound_bytes += sound.size();
        self.sounds.push_back((pts, sound));
        while self.sound_bytes > SOUND_BYTES_MAX {
            // Its beginning stays where that is the pictures' too: without it, the Timeline would
            // take what is left for a jump of the clock, and put it where the pictures begin.
            let given_up = match self.sounds_before_pictures() {
                0 => self.sounds.pop_back(),
                _ => self.sounds.pop_front(),
            };
            self.sound_bytes -= given_up.map_or(self.sound_bytes, |(_, sound)| sound.size());
        }
    }

    /// What waited: pictures, and the sound from where they begin. To be taken once something was
    /// found.
    pub(super) fn into_units(mut self) -> (Vec<Unit<Picture>>, VecDeque<Unit<gst::Buffer>>) {
        if !self.pictures.is_empty() {
            // Seconds of sound before the first picture would look like a jump of the clock. The
            // block in which the pictures begin is cut by the Timeline.
            let before = self.sounds_before_pictures().saturating_sub(1);
            self.sounds.drain(..before);
        }
        (self.pictures, self.sounds)
    }

    /// What is known by now, if that is enough.
    pub(super) fn finding(&self) -> Option<Finding> {
        if self.pictures.is_empty() {
            let patience = match self.expects(TrackKind::Video) {
                true => PICTURES_WITHIN,
                false => ALONE_AFTER,
            };
            return (self.sounded() >= patience).then_some(Finding::AudioOnly);
        }
        let judged = self.pictures.len() >= PICTURES_MIN;
        let full = self.pictures.len() == PICTURES_MAX;
        let alone = !self.expects(TrackKind::Audio) && self.shown() >= ALONE_AFTER;
        (judged && (alone || full || !self.sounds.is_empty())).then(|| {
            let times: Vec<MediaTime> = self.pictures.iter().map(|(pts, _)| *pts).collect();
            Finding::Video(frame_rate(&times, self.nominal))
        })
    }

    /// How long ago media time zero was. The first pictures wait for the decoder to start; what
    /// comes after them tells when they would have come.
    pub(super) fn waited(&self) -> Duration {
        self.origin
            .map_or(Duration::ZERO, |origin| origin.elapsed())
    }

    fn note_arrival(&mut self, pts: MediaTime) {
        let first = *self.first_pts.get_or_insert(pts);
        let Some(origin) = Instant::now().checked_sub(pts.saturating_since(first)) else {
            return;
        };
        self.origin = Some(self.origin.map_or(origin, |earliest| earliest.min(origin)));
    }

    /// How many blocks of sound begin before the first picture; all where there is none.
    fn sounds_before_pictures(&self) -> usize {
        let Some((first, _)) = self.pictures.first() else {
            return self.sounds.len();
        };
        let sounds = self.sounds.iter();
        sounds.take_while(|(pts, _)| pts < first).count()
    }

    fn shown(&self) -> Duration {
        match (self.pictures.first(), self.pictures.last()) {
            (Some((first, _)), Some((last, _))) => last.saturating_since(*first),
            _ => Duration::ZERO,
        }
    }

    fn sounded(&self) -> Duration {
        match (self.first_sound, self.sounds.back()) {
            (Some(first), Some((last, _))) => last.saturating_since(first),
            _ => Duration::ZERO,
        }
    }
}

/// The rate of a source from its first pictures' times and from what it says itself. Its own word
/// holds where the times do not contradict it: millisecond timestamps cannot tell 30 from 29.97.
fn frame_rate(times: &[MediaTime], nominal: Option<FrameRate>) -> FrameRate {
    let mut steps: Vec<i64> = times
        .windows(2)
        .map(|pair| pair[1].nanos_from(pair[0]))
        .collect();
    steps.retain(|&step| step > 0);
    steps.sort_unstable();
    // The extremes are a lost picture or a doubled one.
    let inner = if steps.len() > 4 {
        &steps[1..steps.len() - 1]
    } else {
        &steps[..]
    };
    let total: i64 = inner.iter().sum();
    let mean = (total > 0).then(|| 1e9 * inner.len() as f64 / total as f64);
    let agrees = |rate: &FrameRate| {
        rate.as_f64() <= RATE_MAX
            && mean.is_none_or(|mean| (mean / rate.as_f64() - 1.0).abs() < 0.08)
    };
    if let Some(nominal) = nominal.filter(agrees) {
        return nominal;
    }
    let mut wanted = mean.unwrap_or(30.0);
    while wanted > RATE_MAX {
        wanted /= 2.0;
    }
    let distance = |rate: &FrameRate| (rate.as_f64() / wanted).ln().abs();
    STANDARD_RATES
        .iter()
        .filter_map(|&(numerator, denominator)| FrameRate::new(numerator, denominator))
        .min_by(|a, b| distance(a).total_cmp(&distance(b)))
        .expect("the list of standard rates is not empty and none of them is zero")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::{Counters, Timeline, sample_time};

    fn blank() -> Picture {
        Picture {
            buffer: gst::Buffer::new(),
            coded: None,
        }
    }

    /// Samples of an AAC frame.
    const BLOCK: u64 = 1024;

    /// A probe with so many seconds of sound from zero on.
    fn heard(seconds: u64) -> Probe {
        gst::init().expect("GStreamer");
        let mut probe = Probe::default();
        for number in 0..seconds * u64::from(SAMPLE_RATE) / BLOCK {
            sound(&mut probe, number);
        }
        probe
    }

    fn sound(probe: &mut Probe, number: u64) {
        let block = gst::Buffer::from_slice(vec![0u8; BLOCK as usize * SAMPLE_BYTES]);
        probe.sound(sample_time(number * BLOCK), block);
    }

    /// What a Timeline makes of what waited: where its sound ends, and how often it helped.
    fn placed(probe: Probe) -> (u64, Counters) {
        let Some(Finding::Video(rate)) = probe.finding() else {
            panic!("there are pictures");
        };
        let mut timeline = Timeline::new(rate);
        let (pictures, sounds) = probe.into_units();
        for (pts, _) in pictures {
            timeline.video(pts, Duration::ZERO);
        }
        for (pts, _) in sounds {
            timeline.audio(pts, BLOCK, Duration::ZERO);
        }
        (timeline.next_sample(), timeline.counters())
    }

    fn show(probe: &mut Probe, first: MediaTime) {
        for time in times(30.0) {
            let pts = first + time.saturating_since(MediaTime::ZERO);
            probe.picture(pts, blank());
        }
    }

    /// A publisher whose media was held back, or a relay that begins with what it has: all of it
    /// comes at once, and sound is decoded first. It used to be heard seconds early to the end.
    #[test]
    fn sound_that_is_decoded_seconds_before_its_pictures_stays_beside_them() {
        let mut probe = heard(6);
        show(&mut probe, MediaTime::ZERO);
        let (end, counters) = placed(probe);
        assert_eq!(end, 6 * u64::from(SAMPLE_RATE) / BLOCK * BLOCK);
        assert_eq!(counters, Counters::default());
    }

    #[test]
    fn pictures_that_begin_seconds_after_the_sound_stay_beside_it() {
        let mut probe = heard(6);
        show(&mut probe, MediaTime::from_millis(5500));
        let (end, counters) = placed(probe);
        let seconds = end as f64 / f64::from(SAMPLE_RATE);
        assert!((seconds - 0.5).abs() < 0.03, "{seconds}");
        assert_eq!((counters.clock_jumps, counters.samples_silenced), (0, 0));
    }

    #[test]
    fn sound_that_waits_is_bounded_and_gives_up_what_is_farthest_from_the_pictures() {
        let alone = heard(30);
        assert!(alone.sound_bytes <= SOUND_BYTES_MAX);
        let first = alone.sounds.front().expect("some").0;
        assert!((first.as_secs_f64() - 17.0).abs() < 0.1, "{first}");
        assert_eq!(alone.finding(), Some(Finding::AudioOnly));

        let mut shown = heard(1);
        shown.picture(MediaTime::ZERO, blank());
        for number in 46..1500 {
            sound(&mut shown, number);
        }
        assert!(shown.sound_bytes <= SOUND_BYTES_MAX);
        assert_eq!(shown.sounds.front().expect("some").0, MediaTime::ZERO);
    }

    fn times(fps: f64) -> Vec<MediaTime> {
        (0..6)
            .map(|i| MediaTime::from_millis((f64::from(i) * 1000.0 / fps).round() as i64))
            .collect()
    }

    fn rate(numerator: u32, denominator: u32) -> FrameRate {
        FrameRate::new(numerator, denominator).expect("a rate")
    }

    #[test]
    fn the_sources_own_word_holds_where_the_times_agree() {
        let ntsc = rate(30_000, 1001);
        assert_eq!(frame_rate(&times(30.0), Some(ntsc)), ntsc);
        assert_eq!(frame_rate(&times(29.97), Some(rate(30, 1))), rate(30, 1));
    }

    #[test]
    fn a_rate_that_the_times_contradict_is_measured() {
        assert_eq!(frame_rate(&times(25.0), Some(rate(50, 1))), rate(25, 1));
        assert_eq!(frame_rate(&times(50.0), None), rate(50, 1));
        assert_eq!(frame_rate(&times(25.0), None), rate(25, 1));
    }

    #[test]
    fn a_source_above_sixty_is_halved() {
        assert_eq!(frame_rate(&times(120.0), Some(rate(120, 1))), rate(60, 1));
        assert_eq!(frame_rate(&times(100.0), None), rate(50, 1));
    }

    #[test]
    fn one_lost_picture_among_the_first_does_not_change_the_rate() {
        let mut lossy = times(30.0);
        lossy.remove(2);
        lossy.push(MediaTime::from_millis(200));
        assert_eq!(frame_rate(&lossy, None), rate(30, 1));
    }
}
