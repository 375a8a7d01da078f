//! What can be wrong with what a publisher sends: each has a name, is counted and is said once.

use std::fmt;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long one kind of fault of a broadcast is not said again.
const SAID_EVERY: Duration = Duration::from_secs(60);

/// A fault of a publisher's media. None of them ends the publication by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceFault {
    /// The clock of a track jumped ahead; the other one may have followed.
    ClockAhead,
    /// The clock of a track went back; the other one may have followed.
    ClockBack,
    /// Media kept arriving too late after a stall.
    Late,
    /// Sound was missing for a while.
    SoundMissing,
    /// The sound's clock runs slower or faster than the pictures'.
    AudioDrift,
    /// Decode timestamps went back.
    DtsBack,
    /// The first pictures could not be decoded: they came before a keyframe.
    NoKeyframe,
    /// The pictures' codec parameters changed in the middle.
    VideoParameters,
    /// The sound's codec parameters changed in the middle.
    AudioParameters,
    /// Pictures were damaged.
    DamagedPicture,
    /// Sound was damaged.
    DamagedSound,
    /// Packets of a transport stream were missing.
    LostPackets,
    /// A transport stream's tables (PAT, PMT) stayed away.
    LostTables,
    /// A transport stream's tables changed: its tracks are others now.
    ChangedTracks,
}

impl SourceFault {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::ClockAhead,
        Self::ClockBack,
        Self::Late,
        Self::SoundMissing,
        Self::AudioDrift,
        Self::DtsBack,
        Self::NoKeyframe,
        Self::VideoParameters,
        Self::AudioParameters,
        Self::DamagedPicture,
        Self::DamagedSound,
        Self::LostPackets,
        Self::LostTables,
        Self::ChangedTracks,
    ];

    /// Its name in logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClockAhead => "clock_ahead",
            Self::ClockBack => "clock_back",
            Self::Late => "late",
            Self::SoundMissing => "sound_missing",
            Self::AudioDrift => "audio_drift",
            Self::DtsBack => "dts_back",
            Self::NoKeyframe => "no_keyframe",
            Self::VideoParameters => "video_parameters",
            Self::AudioParameters => "audio_parameters",
            Self::DamagedPicture => "damaged_picture",
            Self::DamagedSound => "damaged_sound",
            Self::LostPackets => "lost_packets",
            Self::LostTables => "lost_tables",
            Self::ChangedTracks => "changed_tracks",
        }
    }

    const fn says(self) -> &'static str {
        match self {
            Self::ClockAhead => "the publisher's clock jumped ahead",
            Self::ClockBack => "the publisher's clock went back",
            Self::Late => "media stays late after a stall and is placed anew",
            Self::SoundMissing => "sound is missing: silence stands in",
            Self::AudioDrift => "the sound's clock drifts from the pictures' and is held to it",
            Self::DtsBack => "decode timestamps go back",
            Self::NoKeyframe => "pictures came before a keyframe and cannot be decoded",
            Self::VideoParameters => "the pictures' codec parameters changed",
            Self::AudioParameters => "the sound's codec parameters changed",
            Self::DamagedPicture => "pictures are damaged",
            Self::DamagedSound => "sound is damaged",
            Self::LostPackets => "packets of the transport stream are missing",
            Self::LostTables => "the transport stream's PAT or PMT stays away",
            Self::ChangedTracks => "the transport stream's tracks changed",
        }
    }
}

impl fmt::Display for SourceFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The faults of a broadcast's publishers, counted and said in the log. May be shared by threads.
#[derive(Debug)]
pub struct SourceFaults {
    /// Whose they are, for the log.
    span: tracing::Span,
    counts: [AtomicU64; SourceFault::ALL.len()],
    /// When each was said last.
    said: Mutex<[Option<Instant>; SourceFault::ALL.len()]>,
}

impl SourceFaults {
    /// None yet; what is said of them stands in `span`.
    pub(crate) fn new(span: tracing::Span) -> Self {
        Self {
            span,
            counts: Default::default(),
            said: Mutex::default(),
        }
    }

    /// How often `fault` was found.
    pub fn count(&self, fault: SourceFault) -> u64 {
        self.counts[fault as usize].load(Ordering::Relaxed)
    }

    /// Counts `fault`, which reaches so far (zero: not known), and says it where it has not been
    /// said for a minute.
    pub(crate) fn note(&self, fault: SourceFault, reach: Duration) {
        let count = 1 + self.counts[fault as usize].fetch_add(1, Ordering::Relaxed);
        let now = Instant::now();
        let is_new = {
            let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
            let said = &mut said[fault as usize];
            let is_new = said.is_none_or(|said| now.duration_since(said) >= SAID_EVERY);
            if is_new {
                *said = Some(now);
            }
            is_new
        };
        if is_new {
            tracing::warn!(
                parent: &self.span,
                fault = fault.name(),
                reach_ms = reach.as_millis() as u64,
                count,
                "{}",
                fault.says()
            );
        }
    }
}

impl Default for SourceFaults {
    fn default() -> Self {
        Self::new(tracing::Span::none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_is_counted_for_itself_and_has_a_name_of_its_own() {
        let faults = SourceFaults::default();
        for (index, fault) in SourceFault::ALL.into_iter().enumerate() {
            assert_eq!(fault as usize, index, "{fault}");
            for _ in 0..=index {
                faults.note(fault, Duration::ZERO);
            }
        }
        for (index, fault) in SourceFault::ALL.into_iter().enumerate() {
            assert_eq!(faults.count(fault), index as u64 + 1, "{fault}");
        }
        let mut names = SourceFault::ALL.map(SourceFault::name);
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
