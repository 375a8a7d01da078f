//! What can be wrong with what a publisher sends. Each has a name.

use std::fmt;

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

    /// What it is, for the log.
    pub(crate) const fn says(self) -> &'static str {
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
