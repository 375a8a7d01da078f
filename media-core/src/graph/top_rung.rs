//! Whether the highest rung is the source itself, picture for picture, or is encoded like the others.
//!
//! A coded picture can be handed on where every one since the last keyframe was: one that is missing,
//! damaged, put elsewhere or made up ends that, and an encoder takes over until the next keyframe.

use std::sync::Arc;

use super::intake::{Coded, CodedForm};
use crate::ladder::{Bitrate, Rung};
use crate::time::FrameRate;

/// A source whose pictures cannot be passed through for at least so many segments is encoded for as
/// many before it is tried again, and twice as many the next time.
const RUN_MIN_SEGMENTS: u64 = 4;

/// The most segments for which it is not tried.
const PAUSE_SEGMENTS_MAX: u64 = 32;

/// A source of more than so many times the rung's bitrate is encoded: what the window, the recordings and
/// the viewers' lines hold is reckoned by that.
const EXCESS_MAX: u64 = 2;

/// How long it may be above that, as media: a keyframe is many times an average picture.
const EXCESS_S: u64 = 2;

/// What the highest rung shows at a grid point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// The coded picture as it came.
    Source,
    /// What its encoder makes of the picture. `anew`: that has to begin with a keyframe.
    Encoder { anew: bool },
}

/// See the module. Pure.
#[derive(Debug)]
pub(super) struct TopRung {
    width: u32,
    height: u32,
    frames_per_segment: u64,
    /// The most frames of a segment: keyframes that are further apart begin none.
    longest: u64,
    last_keyframe: Option<u64>,
    excess: Excess,
    /// Whether the picture that is placed now is a keyframe from which on pictures can be passed through.
    enters: bool,
    /// What was passed through last, while it is.
    passing: Option<(Arc<CodedForm>, u64)>,
    /// Where it began.
    began: u64,
    /// Up to where it is not tried, and for how long the next time, in segments.
    paused_until: u64,
    pause: u64,
    /// Whether the encoder has had a picture: its first is a keyframe anyway.
    encoder_began: bool,
    /// What was said of the source last: why it does not fit, or that it does.
    said: Option<Option<&'static str>>,
    /// In which it is said.
    span: tracing::Span,
}

impl TopRung {
    /// Of this size, rate and at most a multiple of this bitrate, in segments of so many frames, usually
    /// and at most. What is said of the source stands in the current span.
    pub(super) fn new(rung: &Rung, rate: FrameRate, frames_per_segment: u32, longest: u64) -> Self {
        Self {
            width: rung.width,
            height: rung.height,
            frames_per_segment: u64::from(frames_per_segment),
            longest,
            excess: Excess::new(rung.bitrate, rate),
            last_keyframe: None,
            enters: false,
            passing: None,
            began: 0,
            paused_until: 0,
            pause: RUN_MIN_SEGMENTS,
            encoder_began: false,
            said: None,
            span: tracing::Span::current(),
        }
    }

    /// Why the source does not fit; `None`: it does, or nothing is known of it yet.
    pub(super) fn unfit(&self) -> Option<&'static str> {
        self.said.flatten()
    }

    /// Whether pictures are passed through.
    pub(super) const fn passes(&self) -> bool {
        self.passing.is_some()
    }

    /// Whether `coded`, which is shown at `index`, the next one, is a keyframe from which on pictures can
    /// be passed through.
    pub(super) fn enters(&mut self, coded: Option<&Coded>, index: u64) -> bool {
        self.excess
            .add(coded.map_or(0, |coded| coded.data.len() as u64));
        self.enters = coded.is_some_and(|coded| {
            if !coded.is_keyframe {
                return false;
            }
            let before = self.last_keyframe.replace(index);
            let is_rare = before.is_some_and(|before| index - before > self.longest);
            self.fits(&coded.form, is_rare) && index >= self.paused_until
        });
        self.enters
    }

    /// The way of the picture at `index`, after [`enters`](Self::enters) was asked of it; a segment begins
    /// there or not.
    pub(super) fn way(&mut self, coded: Option<&Coded>, index: u64, starts_segment: bool) -> Way {
        let follows = coded.is_some_and(|coded| {
            let last = self.passing.as_ref();
            last.is_some_and(|(form, number)| {
                Arc::ptr_eq(form, &coded.form) && coded.number == number + 1
            })
        });
        let was = self.passes();
        let goes_on = follows && !starts_segment && !self.excess.forbids(true);
        match coded.filter(|_| self.enters || goes_on) {
            Some(coded) => {
                if !was {
                    self.began = index;
                }
                self.passing = Some((Arc::clone(&coded.form), coded.number));
                Way::Source
            }
            None => {
                // Where a segment has to begin without a keyframe the source is no worse for it.
                if was && !(follows && starts_segment) {
                    self.interrupted(index);
                }
                self.passing = None;
                let anew = self.encoder_began && (was || starts_segment);
                self.encoder_began = true;
                Way::Encoder { anew }
            }
        }
    }

    fn interrupted(&mut self, index: u64) {
        let run_min = RUN_MIN_SEGMENTS * self.frames_per_segment;
        if index.saturating_sub(self.began) >= run_min {
            self.pause = RUN_MIN_SEGMENTS;
            return;
        }
        self.paused_until = index + self.pause * self.frames_per_segment;
        self.pause = (self.pause * 2).min(PAUSE_SEGMENTS_MAX);
    }

    fn fits(&mut self, form: &Arc<CodedForm>, is_rare: bool) -> bool {
        let unfit = form.unfit.or({
            if (form.width, form.height) != (self.width, self.height) {
                Some("it has not the rung's size")
            } else if self.excess.forbids(self.passes()) {
                Some("it has more than twice the rung's bitrate")
            } else if is_rare {
                Some("its keyframes are too far apart")
            } else {
                None
            }
        });
        if self.said.replace(unfit) != Some(unfit) {
            match unfit {
                None => tracing::info!(
                    parent: &self.span,
                    "the source is the highest rendition as it comes"
                ),
                Some(reason) => tracing::warn!(
                    parent: &self.span,
                    reason,
                    "the source is encoded for the highest rendition too"
                ),
            }
        }
        unfit.is_none()
    }
}

/// What a source has sent more than it may: a bucket that each picture fills, and time empties.
#[derive(Debug)]
struct Excess {
    bytes: u64,
    /// What a frame may have.
    per_frame: u64,
    bytes_max: u64,
}

impl Excess {
    fn new(bitrate: Bitrate, rate: FrameRate) -> Self {
        let per_s = EXCESS_MAX * u64::from(bitrate.as_bps()) / 8;
        let per_frame = per_s * u64::from(rate.denominator()) / u64::from(rate.numerator());
        Self {
            bytes: 0,
            per_frame,
            bytes_max: per_s * EXCESS_S,
        }
    }

    /// A frame of so many bytes. No more is kept in mind than makes it wait as long again.
    fn add(&mut self, bytes: u64) {
        let more = (self.bytes + bytes).min(2 * self.bytes_max);
        self.bytes = more.saturating_sub(self.per_frame);
    }

    /// Whether it is too much to go on with; to begin with, half of that is.
    fn forbids(&self, going_on: bool) -> bool {
        let bytes_max = match going_on {
            true => self.bytes_max,
            false => self.bytes_max / 2,
        };
        self.bytes > bytes_max
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::RenditionName;

    const SIZE: (u32, u32) = (1920, 1080);

    fn form(size: (u32, u32), unfit: Option<&'static str>) -> Arc<CodedForm> {
        Arc::new(CodedForm {
            config: Bytes::new(),
            width: size.0,
            height: size.1,
            unfit,
        })
    }

    fn coded(form: &Arc<CodedForm>, number: u64, is_keyframe: bool) -> Coded {
        Coded {
            form: Arc::clone(form),
            number,
            is_keyframe,
            data: Bytes::new(),
        }
    }

    /// A rung, and its next grid point.
    struct Placed(TopRung, u64);

    impl Placed {
        fn new() -> Self {
            let rung = Rung {
                name: RenditionName::new("1080p").expect("a name"),
                width: SIZE.0,
                height: SIZE.1,
                bitrate: Bitrate::from_kbps(5000),
            };
            let rate = FrameRate::new(30, 1).expect("a rate");
            Self(TopRung::new(&rung, rate, 60, 67), 0)
        }

        fn place(&mut self, coded: Option<&Coded>, starts_segment: bool) -> Way {
            let index = self.1;
            self.1 += 1;
            self.0.enters(coded, index);
            self.0.way(coded, index, starts_segment)
        }
    }

    const ENCODED: Way = Way::Encoder { anew: false };
    const ENCODED_ANEW: Way = Way::Encoder { anew: true };

    #[test]
    fn pictures_pass_from_a_keyframe_to_the_first_that_is_missing_and_from_the_next_keyframe_on() {
        let form = form(SIZE, None);
        let mut rung = Placed::new();
        assert_eq!(rung.place(Some(&coded(&form, 0, false)), true), ENCODED);
        assert_eq!(rung.place(Some(&coded(&form, 1, true)), false), Way::Source);
        for number in 2..300 {
            let way = rung.place(Some(&coded(&form, number, number % 60 == 1)), false);
            assert_eq!(way, Way::Source);
        }
        // 300 is lost.
        let way = rung.place(Some(&coded(&form, 301, false)), false);
        assert_eq!(way, ENCODED_ANEW);
        assert_eq!(rung.place(Some(&coded(&form, 302, false)), false), ENCODED);
        let way = rung.place(Some(&coded(&form, 303, true)), false);
        assert_eq!(way, Way::Source);
        assert_eq!(
            rung.place(None, false),
            ENCODED_ANEW,
            "one that was made up"
        );
    }

    #[test]
    fn a_segment_that_begins_between_keyframes_is_encoded_and_the_source_no_worse_for_it() {
        let form = form(SIZE, None);
        let mut rung = Placed::new();
        assert_eq!(rung.place(Some(&coded(&form, 0, true)), true), Way::Source);
        let way = rung.place(Some(&coded(&form, 1, false)), true);
        assert_eq!(way, ENCODED, "the encoder's first");
        assert_eq!(rung.place(Some(&coded(&form, 2, true)), false), Way::Source);
        assert_eq!(
            rung.place(Some(&coded(&form, 3, false)), true),
            ENCODED_ANEW
        );
    }

    #[test]
    fn a_source_that_breaks_again_and_again_is_left_alone_for_longer_and_longer() {
        let form = form(SIZE, None);
        let mut rung = Placed::new();
        let mut passed = Vec::new();
        // Each second picture is lost.
        for number in (0..60_000).step_by(2) {
            let index = rung.1;
            let is_start = index.is_multiple_of(60);
            let coded = coded(&form, number, is_start);
            if rung.place(Some(&coded), is_start) == Way::Source {
                passed.push(index);
            }
        }
        let waits: Vec<u64> = passed
            .windows(2)
            .map(|pair| (pair[1] - pair[0]) / 60)
            .collect();
        assert_eq!(waits[..4], [5, 9, 17, 33]);
        assert!(waits[4..].iter().all(|it| *it == 33), "{waits:?}");
    }

    #[test]
    fn what_no_player_or_no_segment_takes_is_encoded() {
        for form in [form((1280, 720), None), form(SIZE, Some("it has B-frames"))] {
            let mut rung = Placed::new();
            for number in 0..120 {
                let way = rung.place(Some(&coded(&form, number, number == 0)), number == 60);
                assert!(matches!(way, Way::Encoder { .. }), "{form:?}");
            }
        }
        // Keyframes each ten seconds: it passes until a segment has to begin, then not again.
        let form = form(SIZE, None);
        let mut rung = Placed::new();
        let mut passed = 0;
        for number in 0..3000 {
            let coded = coded(&form, number, number.is_multiple_of(300));
            passed += u64::from(rung.place(Some(&coded), number.is_multiple_of(67)) == Way::Source);
        }
        assert_eq!(passed, 67);
    }

    /// Passes pictures of so many bytes through, with a keyframe each two seconds; how many were.
    fn passed(rung: &mut Placed, frames: u64, bytes: usize) -> usize {
        let form = form(SIZE, None);
        let frames = (0..frames).filter(|number| {
            let coded = Coded {
                data: vec![0; bytes].into(),
                ..coded(&form, *number, number.is_multiple_of(60))
            };
            rung.place(Some(&coded), number.is_multiple_of(60)) == Way::Source
        });
        frames.count()
    }

    #[test]
    fn a_source_of_far_more_than_the_rungs_bitrate_is_encoded_until_it_sends_less() {
        // 5 Mbit/s at 30 frames a second are 20,833 bytes a frame.
        assert_eq!(passed(&mut Placed::new(), 3000, 41_000), 3000);

        let mut rung = Placed::new();
        let began = passed(&mut rung, 3000, 62_500);
        // A half more than it may: four seconds until that is what it may in two.
        assert!((115..=120).contains(&began), "{began}");
        let reason = "it has more than twice the rung's bitrate";
        assert_eq!(rung.0.unfit(), Some(reason));
        assert_eq!(passed(&mut rung, 3000, 62_500), 0);
        let later = passed(&mut rung, 3000, 20_000);
        assert!((2500..3000).contains(&later), "{later}");
        assert_eq!(rung.0.unfit(), None);
    }
}
