//! What becomes of a stream's broadcast whose publisher is lost.

use std::time::Duration;

/// The longest time that a broadcast waits for its publisher, in seconds.
pub const RECONNECT_S_MAX: u32 = 3600;

/// What the owner wants; by default what the server's settings say, and nobody stands by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reconnection {
    /// For how long the broadcast waits; `None`: as the server's setting says.
    pub window: Option<ReconnectWindow>,
    /// Whether a second publisher may stand by, whose media is taken when the first one's stays
    /// away.
    pub backup: bool,
}

/// For how long a broadcast waits for its publisher: zero to [`RECONNECT_S_MAX`] seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReconnectWindow {
    seconds: u32,
}

/// It is longer than [`RECONNECT_S_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a broadcast waits for its publisher for {RECONNECT_S_MAX} seconds at most")]
pub struct TooLongWindow;

impl ReconnectWindow {
    /// So many seconds.
    pub const fn from_secs(seconds: u32) -> Result<Self, TooLongWindow> {
        match seconds <= RECONNECT_S_MAX {
            true => Ok(Self { seconds }),
            false => Err(TooLongWindow),
        }
    }

    /// In seconds.
    pub const fn as_secs(self) -> u32 {
        self.seconds
    }

    /// The same.
    pub const fn length(self) -> Duration {
        Duration::from_secs(self.seconds as u64)
    }
}
