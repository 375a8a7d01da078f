//! A recording as it is stored: one broadcast of a stream, and what became of it.

use std::fmt;
use std::time::{Duration, SystemTime};

use media_core::id::InvalidId;
use media_core::{AssetId, BroadcastId, RecordingId, RenditionName, StreamId};

use crate::accounts::UserId;
use crate::asset::{Stop, Summary, Unusable};
use crate::stream::Visibility;

/// What a stream's owner wants of its recordings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// Whether broadcasts are recorded; `None`: as the server's setting says.
    pub record: Option<bool>,
    /// Which renditions; empty: all.
    pub renditions: Vec<RenditionName>,
    /// How many days a recording is kept.
    pub keep_days: Limit<u32>,
    /// How many bytes all of the stream's recordings may have together.
    pub keep_bytes: Limit<u64>,
}

/// A stream's own bound, or the server's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Limit<T> {
    /// As the server's setting says.
    #[default]
    Default,
    /// There is none.
    Unbounded,
    /// This one; not zero.
    AtMost(T),
}

impl<T> Limit<T> {
    /// The bound that holds where the server's is `default`.
    pub fn or(self, default: Option<T>) -> Option<T> {
        match self {
            Self::Default => default,
            Self::Unbounded => None,
            Self::AtMost(bound) => Some(bound),
        }
    }
}

impl<T: Copy + TryFrom<i64>> Limit<T>
where
    i64: TryFrom<T>,
{
    /// NULL, 0 for no bound, or the bound.
    pub(crate) fn to_column(self) -> Option<i64> {
        match self {
            Self::Default => None,
            Self::Unbounded => Some(0),
            Self::AtMost(bound) => Some(i64::try_from(bound).unwrap_or(i64::MAX)),
        }
    }

    pub(crate) fn from_column(column: Option<i64>) -> Option<Self> {
        Some(match column {
            None => Self::Default,
            Some(0) => Self::Unbounded,
            Some(bound) => Self::AtMost(T::try_from(bound).ok()?),
        })
    }
}

/// Names of renditions with a space between; NULL: all.
pub(crate) fn to_column(renditions: &[RenditionName]) -> Option<String> {
    let names: Vec<&str> = renditions.iter().map(RenditionName::as_str).collect();
    (!names.is_empty()).then(|| names.join(" "))
}

pub(crate) fn from_column(column: Option<&str>) -> Result<Vec<RenditionName>, InvalidId> {
    let names = column.unwrap_or_default().split_ascii_whitespace();
    names.map(RenditionName::new).collect()
}

/// The stored form of one broadcast.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// Stands in playback URLs.
    pub id: RecordingId,
    /// Its media; `None`: there is nothing to play.
    pub asset: Option<AssetId>,
    /// The stream, which may be deleted since.
    pub stream: StreamId,
    /// The stream's title when the broadcast began, or what it was called since.
    pub stream_title: String,
    /// The broadcast.
    pub broadcast: BroadcastId,
    /// Whose it is: as of the stream, also after that was deleted.
    pub owner: Option<UserId>,
    /// Which renditions it has; none, where that is not known.
    pub renditions: Vec<RenditionName>,
    /// When it began, to the millisecond.
    pub started_at: SystemTime,
    /// When it ended; `None` while it runs.
    pub ended_at: Option<SystemTime>,
    /// What became of it.
    pub status: Status,
    /// Why it is not all of its broadcast.
    pub reason: Option<Reason>,
    /// Who may watch: as of the stream, also after that was deleted.
    pub visibility: Visibility,
    /// Whether retention leaves it alone.
    pub is_protected: bool,
    /// Where its media is.
    pub place: Place,
    /// Bytes of its media and indexes; while it runs, as of a minute ago or less.
    pub bytes: u64,
    /// Its length, to the millisecond; zero while it runs.
    pub duration: Duration,
}

/// An enum of the words of a column.
macro_rules! word {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            /// As it stands in the database and the API.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }

            /// What [`as_str`](Self::as_str) gave.
            pub fn from_word(word: &str) -> Option<Self> {
                match word {
                    $($text => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

pub(crate) use word;

word! {
    /// What became of a recording.
    Status {
        /// Its broadcast runs.
        Recording = "recording",
        /// All of the broadcast can be played.
        Ready = "ready",
        /// What was recorded before something went wrong can be played.
        Interrupted = "interrupted",
        /// Nothing can be played.
        Failed = "failed",
    }
}

word! {
    /// Why a recording is not all of its broadcast.
    Reason {
        /// The server ended without ending it.
        Restart = "restart",
        /// The reserve of free space was reached, or there was none left.
        DiskFull = "disk-full",
        /// The disk did not take or give it.
        DiskFailed = "disk-failed",
        /// The disk was too slow for the broadcast.
        DiskTooSlow = "disk-too-slow",
        /// A fault of this server.
        Fault = "fault",
        /// The broadcast ended before its first segment was complete.
        NoSegment = "no-segment",
        /// Its files are missing or damaged.
        Damaged = "damaged",
    }
}

word! {
    /// Where an asset's media is.
    Place {
        /// In the data folder.
        Local = "local",
        /// In the object store.
        Objects = "objects",
    }
}

impl From<&Stop> for Reason {
    fn from(stop: &Stop) -> Self {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        match stop {
            Stop::DiskFull { .. } => Self::DiskFull,
            Stop::DiskFailed(error) => match error.kind() {
                StorageFull | QuotaExceeded => Self::DiskFull,
                _ => Self::DiskFailed,
            },
            Stop::DiskTooSlow => Self::DiskTooSlow,
            Stop::BadSegment { .. } => Self::Fault,
        }
    }
}

impl From<Unusable> for Reason {
    fn from(why: Unusable) -> Self {
        match why {
            // Its writer died before the files were there.
            Unusable::NoManifest | Unusable::NoSegment => Self::NoSegment,
            Unusable::DamagedManifest | Unusable::DamagedRendition => Self::Damaged,
        }
    }
}

/// How a recording ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// There is media.
    Playable {
        /// Bytes of its files.
        bytes: u64,
        /// Its length.
        duration: Duration,
        /// Why it is not all of its broadcast; `None`: it is.
        cut_short: Option<Reason>,
    },
    /// There is none; what files there are can go.
    Failed(Reason),
}

impl End {
    /// Of an asset that its writer finished.
    pub fn of(summary: &Summary) -> Self {
        let cut_short = summary.stopped.as_ref().map(Reason::from);
        match summary.segments {
            0 => Self::Failed(cut_short.unwrap_or(Reason::NoSegment)),
            _ => Self::Playable {
                bytes: summary.bytes,
                duration: summary.duration,
                cut_short,
            },
        }
    }
}
