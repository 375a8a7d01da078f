//! What a stream is made of, and what may change in it.

use media_core::RenditionName;

use crate::accounts::UserId;
use crate::recording::{Choice, Limit};
use crate::stream::{
    Description, Publishers, ReconnectWindow, Reconnection, SrtPassphrase, Stream, Tags, Title,
    Visibility,
};

/// A stream that is to be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewStream {
    /// What viewers read above the picture.
    pub title: Title,
    /// What they read below it.
    pub description: Description,
    /// By what it is found.
    pub tags: Tags,
    /// Who may watch.
    pub visibility: Visibility,
    /// Present where SRT publishers must encrypt.
    pub srt_passphrase: Option<SrtPassphrase>,
    /// From where may be published.
    pub publishers: Publishers,
    /// Whether and how its broadcasts are recorded.
    pub recording: Choice,
    /// What becomes of its broadcast where the publisher is lost.
    pub reconnection: Reconnection,
    /// Whose it will be; the operator's where it is nobody's.
    pub owner: Option<UserId>,
}

impl NewStream {
    /// The operator's, public, and else as the server's settings say.
    pub fn titled(title: Title) -> Self {
        Self {
            title,
            description: Description::default(),
            tags: Tags::default(),
            visibility: Visibility::Public,
            srt_passphrase: None,
            publishers: Publishers::default(),
            recording: Choice::default(),
            reconnection: Reconnection::default(),
            owner: None,
        }
    }
}

/// What is to change in a stream; the rest stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// A new title.
    pub title: Option<Title>,
    /// A new description.
    pub description: Option<Description>,
    /// Other tags.
    pub tags: Option<Tags>,
    /// Who may watch from now on.
    pub visibility: Option<Visibility>,
    /// Another passphrase from the next publisher on, or `Some(None)`: none any more.
    pub srt_passphrase: Option<Option<SrtPassphrase>>,
    /// From where may be published from now on.
    pub publishers: Option<Publishers>,
    /// What becomes of broadcasts from the next one on, and how long recordings are kept.
    pub recording: RecordingChange,
    /// For how long the broadcast waits for a publisher that was lost; `Some(None)`: as the server's
    /// setting says.
    pub reconnect: Option<Option<ReconnectWindow>>,
    /// Whether a second publisher may stand by.
    pub backup: Option<bool>,
}

/// What is to change in what the owner wants of recordings: see [`Choice`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordingChange {
    /// Whether broadcasts are recorded; `Some(None)`: as the server's setting says.
    pub record: Option<Option<bool>>,
    /// Which renditions.
    pub renditions: Option<Vec<RenditionName>>,
    /// How many days a recording is kept.
    pub keep_days: Option<Limit<u32>>,
    /// How many bytes all of them may have.
    pub keep_bytes: Option<Limit<u64>>,
}

impl Change {
    pub(super) fn apply(&self, stream: &mut Stream) {
        set(&mut stream.title, &self.title);
        set(&mut stream.description, &self.description);
        set(&mut stream.tags, &self.tags);
        set(&mut stream.visibility, &self.visibility);
        set(&mut stream.srt_passphrase, &self.srt_passphrase);
        set(&mut stream.publishers, &self.publishers);
        let (choice, change) = (&mut stream.recording, &self.recording);
        set(&mut choice.record, &change.record);
        set(&mut choice.renditions, &change.renditions);
        set(&mut choice.keep_days, &change.keep_days);
        set(&mut choice.keep_bytes, &change.keep_bytes);
        set(&mut stream.reconnection.window, &self.reconnect);
        set(&mut stream.reconnection.backup, &self.backup);
    }
}

fn set<T: Clone>(field: &mut T, value: &Option<T>) {
    if let Some(value) = value {
        field.clone_from(value);
    }
}
