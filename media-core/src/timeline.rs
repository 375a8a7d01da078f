//! The Timeline: maps each publisher's timestamps onto the broadcast's one monotonic clock.
//!
//! Video goes onto a grid of constant frame rate, audio onto a gapless count of 48 kHz samples.
//! Publishers may drop, return, jump or wrap their clocks, and fall silent; what leaves here only
//! ever moves forward by whole grid points. A file's clock is trusted further than a publisher's
//! ([`Timeline::of_file`]). It is a pure state machine over (media time, arrival
//! time): it holds no pictures, no clock and no socket. The shell does as the placements say.

mod clock;
#[cfg(test)]
mod tests;

use std::time::Duration;

use self::clock::{Clocks, Finding, Floor, JUMP_MIN, Unit};
use crate::source_fault::SourceFault;
use crate::time::{FrameRate, MediaTime};

pub use self::clock::Track;

/// The broadcast's audio sample rate.
pub const SAMPLE_RATE: u32 = 48_000;

/// How far, in frames, a picture may lie from the next grid point and still take it. Above a half,
/// so that a steady source whose phase sits between two points is neither dropped nor doubled by
/// its jitter; below one, so that a missing frame is seen.
const SNAP_FRAMES: f64 = 0.75;

/// How far audio may drift from its place before silence is put in or samples are cut. Under half
/// of the 40 ms within which sound and picture are felt as one.
const AUDIO_DRIFT_MAX: Duration = Duration::from_millis(18);

/// A difference of sound and its place that is left as it is: what rounding to milliseconds makes.
const AUDIO_DRIFT_MIN: Duration = Duration::from_millis(4);

/// By one in so many of its samples a block of sound is stretched at most to mend its drift. Five
/// thousandths of a tone's pitch are not heard; a clock is wrong by a tenth of that at most.
const STRETCH_MAX: u64 = 200;

/// How long no picture may arrive before the tick fills in: above the jitter of a poor uplink. With
/// the tick's period and a part's length it is what a low-latency player has buffered. A source that
/// sends in bursts is given more.
const STALL_MIN: Duration = Duration::from_millis(350);

/// The same of sound, which transport streams carry by the third of a second.
const SOUND_STALL_MIN: Duration = Duration::from_millis(500);

/// The same once the publisher has left, or has come and sent nothing yet: what is still being
/// decoded comes within that.
const LEFT_STALL_MIN: Duration = Duration::from_millis(150);

/// How far sound that arrives may lie behind the picture before silence is put in its place.
const AUDIO_LAG_MAX: Duration = Duration::from_secs(3);

/// Sound that is missing for longer is worth a line.
const SOUND_MISSING_MIN: Duration = Duration::from_millis(200);

/// Findings that nobody has taken yet.
const FAULTS_MAX: usize = 8;

/// The longest gap in a file that is filled. A longer one is a broken timestamp, and would cost
/// hours of encoding.
const FILE_GAP_MAX: Duration = Duration::from_secs(600);

/// The shortest time without pictures, or without sound, that counts as a gap of a file: below that
/// it is a low frame rate.
const FILE_GAP_MIN: Duration = Duration::from_secs(1);

/// How far a file's sound may outlast its pictures before the last one stands in. Coded sound ends
/// with a frame of its own length, which is no reason to add a picture.
const PICTURE_LAG_MAX: Duration = Duration::from_millis(250);

/// Where a picture goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VideoPlacement {
    /// Nowhere: its grid point is taken.
    Drop,
    /// Onto grid point `index`, after the `repeats` points before it were filled with the previous
    /// picture.
    Place {
        /// The grid point.
        index: u64,
        /// Free points before it.
        repeats: u64,
    },
}

impl VideoPlacement {
    /// Whether the picture is used.
    pub const fn is_placed(self) -> bool {
        matches!(self, Self::Place { .. })
    }
}

/// Where a block of sound goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AudioPlacement {
    /// Nowhere: its time is past.
    Drop,
    /// Its samples from `skip` on go to the end of what was placed before, after `silence` samples.
    Place {
        /// Samples of silence before it.
        silence: u64,
        /// Samples to cut off its front.
        skip: u64,
        /// By how many samples the rest is to be made longer, evenly; shorter where negative.
        stretch: i64,
    },
}

/// What a tick fills in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fill {
    /// Grid points to fill with a picture that stands in.
    pub frames: u64,
    /// Samples of silence to append.
    pub silence: u64,
}

/// How many times the Timeline had to help; all of them zero for a steady publisher.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Pictures whose grid point was taken.
    pub frames_dropped: u64,
    /// Grid points filled with the previous picture inside a publication.
    pub frames_repeated: u64,
    /// Grid points filled because nothing arrived.
    pub frames_filled: u64,
    /// Samples of silence put in.
    pub samples_silenced: u64,
    /// Samples cut.
    pub samples_cut: u64,
    /// Samples by which sound was made longer or shorter, evenly, to mend its drift.
    pub samples_stretched: u64,
    /// Jumps of a publisher's clock.
    pub clock_jumps: u64,
}

/// See the module.
#[derive(Debug)]
pub struct Timeline {
    rate: FrameRate,
    source: Source,
    next_frame: u64,
    next_sample: u64,
    clocks: Clocks,
    /// Whether the publisher has said goodbye, or was lost.
    left: bool,
    /// Whether this publisher is not the first one: the ladder runs, and something has to stand in
    /// until its media comes.
    returned: bool,
    /// Whether something stands in for pictures.
    filling: bool,
    /// How far the sound was ahead of the picture each time when it came; behind, mostly.
    sound_ahead: Floor,
    /// Whether it was said that sound is missing.
    misses_sound: bool,
    gaps: Gaps,
    counters: Counters,
    faults: Vec<(SourceFault, Duration)>,
}

/// Whose clock is mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Publishers,
    /// By each track's own offset, in nanoseconds.
    File {
        video: i64,
        audio: i64,
    },
}

/// What stands in for what a file does not have.
#[derive(Debug, Default)]
struct Gaps {
    video: Duration,
    audio: Duration,
}

impl Timeline {
    /// A broadcast at `rate`; both tracks begin at zero.
    pub fn new(rate: FrameRate) -> Self {
        Self {
            rate,
            source: Source::Publishers,
            next_frame: 0,
            next_sample: 0,
            clocks: Clocks::default(),
            left: false,
            returned: false,
            filling: false,
            sound_ahead: Floor::default(),
            misses_sound: false,
            gaps: Gaps::default(),
            counters: Counters::default(),
            faults: Vec::new(),
        }
    }

    /// A file whose first picture or sound, whichever is earlier, is at `origin`. Each track keeps
    /// its distance from there and gaps are filled, so that the outcome does not depend on which
    /// track is decoded first; arrival times mean nothing. A track that jumps back, or further ahead
    /// than any gap ([`FILE_GAP_MAX`]), goes on where it is.
    pub fn of_file(rate: FrameRate, origin: MediaTime) -> Self {
        let offset = 0i64.saturating_sub(origin.as_nanos());
        Self {
            source: Source::File {
                video: offset,
                audio: offset,
            },
            ..Self::new(rate)
        }
    }

    /// How often it had to help so far.
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// The next free grid point.
    pub const fn next_frame(&self) -> u64 {
        self.next_frame
    }

    /// The next free sample.
    pub const fn next_sample(&self) -> u64 {
        self.next_sample
    }

    /// Up to where the track that is further has come.
    pub fn end(&self) -> MediaTime {
        self.rate
            .frame_time(self.next_frame)
            .max(sample_time(self.next_sample))
    }

    /// What stands in for what a file does not have, in gaps of more than [`FILE_GAP_MIN`], all
    /// together: of the track with more of it.
    pub fn gaps(&self) -> Duration {
        self.gaps.video.max(self.gaps.audio)
    }

    /// What was found wrong since the last call: each with how far it reaches, where that is known.
    pub fn take_faults(&mut self) -> Vec<(SourceFault, Duration)> {
        std::mem::take(&mut self.faults)
    }

    /// A new publisher takes the stream: what was known of the previous one's clock is void. Its
    /// first picture (or sound, where it has no picture) takes the next free place.
    pub fn publisher_began(&mut self) {
        self.clocks.renew();
        self.sound_ahead = Floor::default();
        (self.left, self.returned) = (false, true);
    }

    /// The publisher has left: what stands in for it is wanted at once.
    pub fn publisher_left(&mut self) {
        self.left = true;
    }

    /// How long the publisher pauses again and again between its pictures, or its sounds where it
    /// has no pictures, and a little more; zero where it sends steadily.
    pub fn usual_pause(&self, now: Duration) -> Duration {
        let clocks = &self.clocks;
        let clock = match clocks.video.has_begun() {
            true => &clocks.video,
            false => &clocks.audio,
        };
        clock.patience(Duration::ZERO, now)
    }

    /// Sound was announced, and its first is awaited from `now` on as any later one is.
    pub fn await_sound(&mut self, now: Duration) {
        self.clocks.audio.arrived.get_or_insert(now);
    }

    /// Places a picture that the publisher shows at `pts` and that arrived at `now`.
    pub fn video(&mut self, pts: MediaTime, now: Duration) -> VideoPlacement {
        if self.returned && !self.clocks.video.has_begun() {
            let audio = &mut self.clocks.audio;
            audio.arrived = audio.arrived.max(Some(now));
        }
        let expected = self.rate.frame_time(self.next_frame);
        let frame = 1e9 / self.rate.as_f64();
        let place = self.place(
            Unit {
                track: Track::Video,
                pts,
                lasts: frame as i64,
                expected,
                tolerance: (SNAP_FRAMES * frame) as i64,
                owed: self.owed(now),
            },
            now,
        );
        let ahead = place.nanos_from(expected) as f64 / frame;
        if ahead < -SNAP_FRAMES {
            self.counters.frames_dropped += 1;
            return VideoPlacement::Drop;
        }
        let repeats = if ahead > SNAP_FRAMES {
            ahead.round().max(1.0) as u64
        } else {
            0
        };
        // Not of one that is dropped: it adds nothing to what viewers have.
        self.clocks.video.arrived = Some(now);
        self.filling = false;
        let index = self.next_frame + repeats;
        self.next_frame = index + 1;
        self.counters.frames_repeated += repeats;
        let gap = self.rate.frame_time(repeats);
        let gap = gap.saturating_since(MediaTime::ZERO);
        if gap > FILE_GAP_MIN {
            self.gaps.video += gap;
        }
        VideoPlacement::Place { index, repeats }
    }

    /// Places `samples` of sound that the publisher plays from `pts` on.
    pub fn audio(&mut self, pts: MediaTime, samples: u64, now: Duration) -> AudioPlacement {
        let expected = sample_time(self.next_sample);
        let place = self.place(
            Unit {
                track: Track::Audio,
                pts,
                lasts: sample_time(samples).as_nanos(),
                expected,
                tolerance: AUDIO_DRIFT_MAX.as_nanos() as i64,
                owed: 0,
            },
            now,
        );
        if !std::mem::take(&mut self.misses_sound) {
            let picture = self.rate.frame_time(self.next_frame);
            self.sound_ahead.note(now, expected.nanos_from(picture));
        }
        // Also of sound that is cut: it is on its way to its place, and silence would go before it.
        self.clocks.audio.arrived = Some(now);
        let ahead = place.nanos_from(expected);
        let drift = Duration::from_nanos(ahead.unsigned_abs());
        let drift_samples = samples_in(drift);
        if drift <= AUDIO_DRIFT_MAX {
            let stretch = match drift > AUDIO_DRIFT_MIN {
                true => drift_samples.min(samples / STRETCH_MAX) as i64 * ahead.signum(),
                false => 0,
            };
            self.counters.samples_stretched += stretch.unsigned_abs();
            if stretch != 0 {
                self.found(SourceFault::AudioDrift, drift);
            }
            self.next_sample += samples.saturating_add_signed(stretch);
            return AudioPlacement::Place {
                silence: 0,
                skip: 0,
                stretch,
            };
        }
        if ahead > 0 {
            if drift > FILE_GAP_MIN {
                self.gaps.audio += drift;
            }
            if drift > SOUND_MISSING_MIN {
                self.found(SourceFault::SoundMissing, drift);
            }
            self.counters.samples_silenced += drift_samples;
            self.next_sample += drift_samples + samples;
            return AudioPlacement::Place {
                silence: drift_samples,
                skip: 0,
                stretch: 0,
            };
        }
        self.counters.samples_cut += drift_samples.min(samples);
        if drift_samples >= samples {
            return AudioPlacement::Drop;
        }
        self.next_sample += samples - drift_samples;
        AudioPlacement::Place {
            silence: 0,
            skip: drift_samples,
            stretch: 0,
        }
    }

    /// What stands in for media that has not arrived by `now`. `has_video` and `has_audio` say
    /// which tracks the broadcast carries. The first media must have been placed before.
    pub fn tick(&mut self, now: Duration, has_video: bool, has_audio: bool) -> Fill {
        let mut fill = Fill::default();
        if has_video && let Some(overdue) = self.stalled_for(Track::Video, now) {
            fill.frames = (overdue.as_secs_f64() * self.rate.as_f64()) as u64;
            let filled = self
                .rate
                .frame_time(fill.frames)
                .saturating_since(MediaTime::ZERO);
            let video = &mut self.clocks.video;
            video.arrived = video.arrived.map(|arrived| arrived + filled);
            self.next_frame += fill.frames;
            self.counters.frames_filled += fill.frames;
            self.filling |= fill.frames > 0;
        }
        if has_audio {
            fill.silence = self.silence_due(now, has_video);
            self.next_sample += fill.silence;
            self.counters.samples_silenced += fill.silence;
        }
        fill
    }

    /// Silence up to the picture's end, for the end of a broadcast. In samples.
    pub fn finish(&mut self) -> u64 {
        let picture = self.rate.frame_time(self.next_frame);
        let lag = picture.saturating_since(sample_time(self.next_sample));
        // What the sound trails the picture by within one of its frames is its normal end.
        let silence = if lag > AUDIO_DRIFT_MAX {
            samples_in(lag)
        } else {
            0
        };
        self.next_sample += silence;
        self.counters.samples_silenced += silence;
        silence
    }

    /// Silence up to so far behind a file's pictures, in samples: its sound does not come, and what is
    /// encoded of the pictures waits for it.
    pub fn silence_behind(&mut self, lag: Duration) -> u64 {
        let picture = self.rate.frame_time(self.next_frame);
        let behind = picture.saturating_since(sample_time(self.next_sample));
        let silence = samples_in(behind.saturating_sub(lag));
        self.next_sample += silence;
        self.counters.samples_silenced += silence;
        silence
    }

    /// What brings both tracks of a file to the same end: silence where the sound ends first, the
    /// last picture where the pictures do.
    pub fn even_out(&mut self) -> Fill {
        let silence = self.finish();
        let sound = sample_time(self.next_sample);
        let lag = sound.saturating_since(self.rate.frame_time(self.next_frame));
        let end = u64::try_from(self.rate.nearest_frame(sound)).unwrap_or(0);
        let frames = if lag > PICTURE_LAG_MAX {
            end.saturating_sub(self.next_frame)
        } else {
            0
        };
        self.next_frame += frames;
        self.counters.frames_filled += frames;
        Fill { frames, silence }
    }

    fn silence_due(&mut self, now: Duration, has_video: bool) -> u64 {
        let stalled = self.stalled_for(Track::Audio, now);
        if !has_video {
            let Some(overdue) = stalled else {
                return 0;
            };
            let audio = &mut self.clocks.audio;
            audio.arrived = audio.arrived.map(|arrived| arrived + overdue);
            return samples_in(overdue);
        }
        let picture = self.rate.frame_time(self.next_frame);
        let lag = picture.saturating_since(sample_time(self.next_sample));
        let never = self.clocks.audio.arrived.is_none();
        if let Some(overdue) = stalled.filter(|_| !self.clocks.video.is_silent(now)) {
            // Once a time: then it counts as missing until it is back.
            if !std::mem::replace(&mut self.misses_sound, true) {
                self.found(SourceFault::SoundMissing, overdue);
            }
        }
        if never || self.left {
            samples_in(lag)
        } else if stalled.is_some() {
            // Not up to the picture: what is late as usual is still to come.
            samples_in(lag.saturating_sub(self.usual_lag()))
        } else {
            samples_in(lag.saturating_sub(AUDIO_LAG_MAX))
        }
    }

    /// What the tick has not made up for yet since pictures stay away, less the frame that comes. In
    /// whole frames, so that what comes lies on the grid.
    fn owed(&self, now: Duration) -> i64 {
        let arrived = self.clocks.video.arrived.filter(|_| self.filling);
        let since = arrived.map_or(Duration::ZERO, |arrived| now.saturating_sub(arrived));
        let frames = (since.as_secs_f64() * self.rate.as_f64()) as u64;
        self.rate.frame_time(frames.saturating_sub(1)).as_nanos()
    }

    /// How far the sound usually is behind the picture when it comes: by how it is muxed.
    fn usual_lag(&self) -> Duration {
        let least = self.sound_ahead.least().unwrap_or(0).min(0);
        Duration::from_nanos(least.unsigned_abs()).min(AUDIO_LAG_MAX)
    }

    /// How much of the time without a unit of `track` lies past what is waited for.
    fn stalled_for(&mut self, track: Track, now: Duration) -> Option<Duration> {
        // Sound comes behind its picture, as it is muxed.
        let pictures_come = self.clocks.video.has_begun();
        let (is_awaited, least) = match track {
            Track::Video => (!pictures_come, STALL_MIN),
            Track::Audio => (
                !self.clocks.audio.has_begun() && !pictures_come,
                SOUND_STALL_MIN,
            ),
        };
        let clock = self.clocks.of(track);
        let patience = if self.left || self.returned && is_awaited {
            LEFT_STALL_MIN
        } else {
            clock.patience(least, now)
        };
        now.saturating_sub(clock.arrived?)
            .checked_sub(patience)
            .filter(|overdue| !overdue.is_zero())
    }

    /// Where a unit belongs on the broadcast's clock.
    fn place(&mut self, unit: Unit, now: Duration) -> MediaTime {
        if let Source::File { video, audio } = &mut self.source {
            let own = match unit.track {
                Track::Video => video,
                Track::Audio => audio,
            };
            let behind = unit.expected.nanos_from(unit.pts).saturating_sub(*own);
            let limit = if behind > 0 { JUMP_MIN } else { FILE_GAP_MAX };
            if Duration::from_nanos(behind.unsigned_abs()) > limit {
                self.counters.clock_jumps += 1;
                *own = own.saturating_add(behind);
            }
            return MediaTime::from_nanos(unit.pts.as_nanos().saturating_add(*own));
        }
        let (place, finding) = self.clocks.place(unit, now);
        match finding {
            Some(Finding::Jumped(by)) => {
                self.counters.clock_jumps += 1;
                let fault = match by > 0 {
                    true => SourceFault::ClockAhead,
                    false => SourceFault::ClockBack,
                };
                self.found(fault, Duration::from_nanos(by.unsigned_abs()));
            }
            Some(Finding::MappedAnew(by)) => {
                self.found(SourceFault::Late, Duration::from_nanos(by.unsigned_abs()));
            }
            None => {}
        }
        place
    }

    fn found(&mut self, fault: SourceFault, reach: Duration) {
        // Whoever is behind by so many has seen enough of them.
        if self.faults.len() < FAULTS_MAX {
            self.faults.push((fault, reach));
        }
    }
}

/// When sample `index` is heard.
pub fn sample_time(index: u64) -> MediaTime {
    let nanos = i128::from(index) * 1_000_000_000 / i128::from(SAMPLE_RATE);
    MediaTime::from_nanos(nanos as i64)
}

fn samples_in(span: Duration) -> u64 {
    (span.as_nanos() * u128::from(SAMPLE_RATE) / 1_000_000_000) as u64
}
