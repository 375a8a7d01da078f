//! The Timeline: maps each publisher's timestamps onto the broadcast's one monotonic clock.
//!
//! Video goes onto a grid of constant frame rate, audio onto a gapless count of 48 kHz samples.
//! Publishers may drop, return, jump or wrap their clocks, and fall silent; what leaves here only
//! ever moves forward by whole grid points. A file's clock is trusted further than a publisher's
//! ([`Timeline::of_file`]). It is a pure state machine over (media time, arrival
//! time): it holds no pictures, no clock and no socket. The shell does as the placements say.

#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::time::{FrameRate, MediaTime};

/// The broadcast's audio sample rate.
pub const SAMPLE_RATE: u32 = 48_000;

/// How far, in frames, a picture may lie from the next grid point and still take it. Above a half,
/// so that a steady source whose phase sits between two points is neither dropped nor doubled by
/// its jitter; below one, so that a missing frame is seen.
const SNAP_FRAMES: f64 = 0.75;

/// How far audio may drift from its place before silence is put in or samples are cut. Under half
/// of the 40 ms within which sound and picture are felt as one.
const AUDIO_DRIFT_MAX: Duration = Duration::from_millis(18);

/// A distance from the expected place that is a jump of the publisher's clock, not a gap in its
/// media: the clock is mapped anew. A shorter gap is filled.
const JUMP_MIN: Duration = Duration::from_secs(3);

/// How long nothing may arrive before the tick fills in: above the jitter of a poor uplink, below
/// what a player has buffered.
const STALL_MIN: Duration = Duration::from_millis(700);

/// How long media may keep arriving too late (after a stall that the tick has filled) before its
/// clock is mapped anew. A burst that catches up is over sooner.
const LATE_MAX: Duration = Duration::from_secs(1);

/// How far behind its place a unit may arrive without counting as late: jitter of timestamps.
const LATE_TOLERANCE_NANOS: i64 = 80_000_000;

/// How far sound may lie behind the picture before silence is put in its place.
const AUDIO_LAG_MAX: Duration = Duration::from_millis(1500);

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
    /// Broadcast time less publisher time, as the last track to establish it found; in ns.
    offset: Option<i64>,
    video: TrackClock,
    audio: TrackClock,
    counters: Counters,
}

/// Whose clock is mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Publishers,
    File,
}

/// One track of the publisher that holds the stream now.
#[derive(Debug, Default)]
struct TrackClock {
    /// The offset that this track uses; follows [`Timeline::offset`] when the track's clock jumps.
    offset: Option<i64>,
    arrived: Option<Duration>,
    late_since: Option<Duration>,
    /// What was put into gaps, all together.
    gaps: Duration,
}

impl Timeline {
    /// A broadcast at `rate`; both tracks begin at zero.
    pub fn new(rate: FrameRate) -> Self {
        Self {
            rate,
            source: Source::Publishers,
            next_frame: 0,
            next_sample: 0,
            offset: None,
            video: TrackClock::default(),
            audio: TrackClock::default(),
            counters: Counters::default(),
        }
    }

    /// A file whose first picture or sound, whichever is earlier, is at `origin`. Each track keeps
    /// its distance from there and gaps are filled, so that the outcome does not depend on which
    /// track is decoded first; arrival times mean nothing. A track that jumps back, or further ahead
    /// than any gap ([`FILE_GAP_MAX`]), goes on where it is.
    pub fn of_file(rate: FrameRate, origin: MediaTime) -> Self {
        let from_origin = || TrackClock {
            offset: Some(0i64.saturating_sub(origin.as_nanos())),
            ..TrackClock::default()
        };
        Self {
            source: Source::File,
            video: from_origin(),
            audio: from_origin(),
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
        self.video.gaps.max(self.audio.gaps)
    }

    /// A new publisher takes the stream: what was known of the previous one's clock is void. Its
    /// first picture (or sound, where it has no picture) takes the next free place.
    pub fn publisher_began(&mut self) {
        self.offset = None;
        self.video = TrackClock {
            arrived: self.video.arrived,
            ..TrackClock::default()
        };
        self.audio = TrackClock {
            arrived: self.audio.arrived,
            ..TrackClock::default()
        };
    }

    /// Places a picture that the publisher shows at `pts` and that arrived at `now`.
    pub fn video(&mut self, pts: MediaTime, now: Duration) -> VideoPlacement {
        self.video.arrived = Some(now);
        let expected = self.rate.frame_time(self.next_frame);
        let offset = self.track_offset(Kind::Video, pts, expected, now);
        let place = MediaTime::from_nanos(pts.as_nanos().saturating_add(offset));
        let ahead = place.nanos_from(expected) as f64 * self.rate.as_f64() / 1e9;
        if ahead < -SNAP_FRAMES {
            self.counters.frames_dropped += 1;
            return VideoPlacement::Drop;
        }
        let repeats = if ahead > SNAP_FRAMES {
            ahead.round().max(1.0) as u64
        } else {
            0
        };
        let index = self.next_frame + repeats;
        self.next_frame = index + 1;
        self.counters.frames_repeated += repeats;
        let gap = self.rate.frame_time(repeats);
        self.video.note_gap(gap.saturating_since(MediaTime::ZERO));
        VideoPlacement::Place { index, repeats }
    }

    /// Places `samples` of sound that the publisher plays from `pts` on.
    pub fn audio(&mut self, pts: MediaTime, samples: u64, now: Duration) -> AudioPlacement {
        self.audio.arrived = Some(now);
        let expected = sample_time(self.next_sample);
        let offset = self.track_offset(Kind::Audio, pts, expected, now);
        let place = MediaTime::from_nanos(pts.as_nanos().saturating_add(offset));
        let drift_nanos = place.nanos_from(expected);
        if Duration::from_nanos(drift_nanos.unsigned_abs()) <= AUDIO_DRIFT_MAX {
            self.next_sample += samples;
            return AudioPlacement::Place {
                silence: 0,
                skip: 0,
            };
        }
        let drift_samples = samples_in(Duration::from_nanos(drift_nanos.unsigned_abs()));
        if drift_nanos > 0 {
            self.audio
                .note_gap(Duration::from_nanos(drift_nanos.unsigned_abs()));
            self.counters.samples_silenced += drift_samples;
            self.next_sample += drift_samples + samples;
            return AudioPlacement::Place {
                silence: drift_samples,
                skip: 0,
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
        }
    }

    /// What stands in for media that has not arrived by `now`. `has_video` and `has_audio` say
    /// which tracks the broadcast carries. The first media must have been placed before.
    pub fn tick(&mut self, now: Duration, has_video: bool, has_audio: bool) -> Fill {
        let mut fill = Fill::default();
        if has_video && let Some(overdue) = stalled_for(self.video.arrived, now) {
            fill.frames = (overdue.as_secs_f64() * self.rate.as_f64()) as u64;
            let filled = self
                .rate
                .frame_time(fill.frames)
                .saturating_since(MediaTime::ZERO);
            self.video.arrived = self.video.arrived.map(|arrived| arrived + filled);
            self.next_frame += fill.frames;
            self.counters.frames_filled += fill.frames;
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
        if !has_video {
            let Some(overdue) = stalled_for(self.audio.arrived, now) else {
                return 0;
            };
            self.audio.arrived = self.audio.arrived.map(|arrived| arrived + overdue);
            return samples_in(overdue);
        }
        let picture = self.rate.frame_time(self.next_frame);
        let lag = picture.saturating_since(sample_time(self.next_sample));
        let silent = stalled_for(self.audio.arrived, now).is_some() || self.audio.arrived.is_none();
        if silent || lag > AUDIO_LAG_MAX {
            samples_in(lag)
        } else {
            0
        }
    }

    /// The offset to use for a unit of `kind` at `pts`, mapping the clock anew where it jumped or
    /// has been late for too long. Both tracks follow whichever found the newest mapping, so that
    /// sound and picture keep the distance that the publisher gave them.
    fn track_offset(
        &mut self,
        kind: Kind,
        pts: MediaTime,
        expected: MediaTime,
        now: Duration,
    ) -> i64 {
        let track = match kind {
            Kind::Video => &mut self.video,
            Kind::Audio => &mut self.audio,
        };
        let anew = expected.nanos_from(pts);
        if self.source == Source::File {
            let own = track.offset.unwrap_or(anew);
            let behind = anew.saturating_sub(own);
            let limit = if behind > 0 { JUMP_MIN } else { FILE_GAP_MAX };
            let jumped = Duration::from_nanos(behind.unsigned_abs()) > limit;
            self.counters.clock_jumps += u64::from(jumped);
            let offset = if jumped { anew } else { own };
            track.offset = Some(offset);
            return offset;
        }
        // A tick may have put a slate where the picture that belongs to the sound would go: a
        // publisher's sound is there before its first picture is decoded.
        let is_first_picture = matches!(kind, Kind::Video) && track.offset.is_none();
        let snap_nanos = SNAP_FRAMES * 1e9 / self.rate.as_f64();
        let is_near = |offset: i64| {
            Duration::from_nanos(anew.saturating_sub(offset).unsigned_abs()) < JUMP_MIN
        };
        match (self.offset, track.offset) {
            (Some(shared), _) if is_near(shared) => {
                let would_be_dropped = (anew - shared) as f64 > snap_nanos;
                let offset = if is_first_picture && would_be_dropped
                    || track.is_late_too_long(anew - shared, now)
                {
                    anew
                } else {
                    shared
                };
                track.offset = Some(offset);
                self.offset = Some(offset);
                offset
            }
            // The other track has already jumped; what this one sent before its jump still comes.
            (_, Some(own)) if is_near(own) => own,
            (shared, _) => {
                self.counters.clock_jumps += u64::from(shared.is_some());
                track.offset = Some(anew);
                self.offset = Some(anew);
                anew
            }
        }
    }
}

impl TrackClock {
    fn note_gap(&mut self, gap: Duration) {
        if gap > FILE_GAP_MIN {
            self.gaps += gap;
        }
    }

    /// Whether units have been arriving behind their place for longer than [`LATE_MAX`].
    fn is_late_too_long(&mut self, late_nanos: i64, now: Duration) -> bool {
        if late_nanos <= LATE_TOLERANCE_NANOS {
            self.late_since = None;
            return false;
        }
        let since = *self.late_since.get_or_insert(now);
        let too_long = now.saturating_sub(since) > LATE_MAX;
        if too_long {
            self.late_since = None;
        }
        too_long
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Video,
    Audio,
}

/// When sample `index` is heard.
pub fn sample_time(index: u64) -> MediaTime {
    let nanos = i128::from(index) * 1_000_000_000 / i128::from(SAMPLE_RATE);
    MediaTime::from_nanos(nanos as i64)
}

fn samples_in(span: Duration) -> u64 {
    (span.as_nanos() * u128::from(SAMPLE_RATE) / 1_000_000_000) as u64
}

/// How much of the silence since `arrived` lies past [`STALL_MIN`].
fn stalled_for(arrived: Option<Duration>, now: Duration) -> Option<Duration> {
    now.saturating_sub(arrived?)
        .checked_sub(STALL_MIN)
        .filter(|overdue| !overdue.is_zero())
}
