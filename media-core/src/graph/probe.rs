//! What is learnt of a publisher's media before the ladder is built: its frame rate, and which
//! tracks it has.

use std::time::{Duration, Instant};

use gstreamer as gst;

use super::intake::TrackKind;
use crate::time::{FrameRate, MediaTime};

/// Pictures from which the frame rate is judged.
const PICTURES_MIN: usize = 6;

/// Pictures held at most while the rest is awaited; each is 3 MiB at 1080p.
const PICTURES_MAX: usize = 30;

/// Blocks of sound held at most: two seconds of AAC frames.
const SOUNDS_MAX: usize = 94;

/// How much of one track comes before it is taken for the only one, where no other is announced.
const ALONE_AFTER: Duration = Duration::from_millis(600);

/// How much sound comes before announced pictures are given up.
const PICTURES_WITHIN: Duration = Duration::from_secs(10);

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

/// What is waiting for the ladder.
#[derive(Default)]
pub(super) struct Probe {
    pub(super) pictures: Vec<(MediaTime, gst::Buffer)>,
    pub(super) sounds: Vec<(MediaTime, gst::Buffer)>,
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

    pub(super) fn picture(&mut self, pts: MediaTime, picture: gst::Buffer) {
        if self.pictures.is_empty() {
            (self.origin, self.first_pts) = (None, None);
        }
        self.note_arrival(pts);
        if self.pictures.len() < PICTURES_MAX {
            self.pictures.push((pts, picture));
        }
    }

    pub(super) fn sound(&mut self, pts: MediaTime, sound: gst::Buffer) {
        if self.sounds.len() == SOUNDS_MAX {
            self.sounds.remove(0);
        }
        self.first_sound.get_or_insert(pts);
        if self.pictures.is_empty() {
            self.note_arrival(pts);
        }
        self.sounds.push((pts, sound));
    }

    /// What is known by now, if that is enough.
    pub(super) fn finding(&self) -> Option<Finding> {
        if self.pictures.is_empty() {
            let patience = match self.announced.contains(&TrackKind::Video) {
                true => PICTURES_WITHIN,
                false => ALONE_AFTER,
            };
            return (self.sounded() >= patience).then_some(Finding::AudioOnly);
        }
        let judged = self.pictures.len() >= PICTURES_MIN;
        let full = self.pictures.len() == PICTURES_MAX;
        let alone = !self.announced.contains(&TrackKind::Audio) && self.shown() >= ALONE_AFTER;
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

    fn shown(&self) -> Duration {
        match (self.pictures.first(), self.pictures.last()) {
            (Some((first, _)), Some((last, _))) => last.saturating_since(*first),
            _ => Duration::ZERO,
        }
    }

    fn sounded(&self) -> Duration {
        match (self.first_sound, self.sounds.last()) {
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
