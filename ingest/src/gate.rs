//! What a listener asks of the process around it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use media_core::{Media, StreamId};

use crate::link::Link;

/// The longest stream key accepted from a peer, in bytes.
pub const STREAM_KEY_LENGTH_MAX: usize = 512;

/// A publisher's secret. It never shows in a log: `Debug` is redacted.
#[derive(Clone, PartialEq, Eq)]
pub struct StreamKey(String);

impl StreamKey {
    /// Takes what a peer sent as the key; `None` where it is empty or longer than
    /// [`STREAM_KEY_LENGTH_MAX`].
    pub fn new(text: &str) -> Option<Self> {
        (!text.is_empty() && text.len() <= STREAM_KEY_LENGTH_MAX).then(|| Self(text.to_owned()))
    }

    /// The secret itself, for looking it up.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for StreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StreamKey(redacted)")
    }
}

/// A passphrase for SRT's encryption. Redacted like a key.
#[derive(Clone, PartialEq, Eq)]
pub struct Passphrase(String);

impl Passphrase {
    /// A passphrase of 10 to 79 bytes (`SRTO_PASSPHRASE`); `None` for any other length.
    pub fn new(text: &str) -> Option<Self> {
        (10..=79)
            .contains(&text.len())
            .then(|| Self(text.to_owned()))
    }

    /// The secret itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(redacted)")
    }
}

/// By which protocol a publisher came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// RTMP over TCP.
    Rtmp,
    /// RTMP over TLS.
    Rtmps,
    /// SRT.
    Srt,
}

impl Protocol {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Rtmp, Self::Rtmps, Self::Srt];
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rtmp => "rtmp",
            Self::Rtmps => "rtmps",
            Self::Srt => "srt",
        })
    }
}

/// What a publisher says beside its key: nothing that this crate judges by, but for whoever else is
/// asked about it. May carry a password, so that `Debug` is redacted. Empty: not said.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Claims {
    /// A user's name: `u` of a keyed SRT Stream ID.
    pub user: String,
    /// A password: `s` of a keyed SRT Stream ID.
    pub password: String,
    /// What stood behind the `?` of an RTMP address, or at the end of an SRT Stream ID.
    pub query: String,
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Claims(redacted)")
    }
}

/// One encoder's connection.
#[derive(Clone, Debug)]
pub struct Publisher {
    /// Its address.
    pub peer: SocketAddr,
    /// How it came.
    pub protocol: Protocol,
    /// What it says of itself.
    pub claims: Claims,
}

/// What a valid key opens.
#[derive(Clone, Debug)]
pub struct Admission {
    /// The stream that the key belongs to.
    pub stream: StreamId,
    /// The passphrase that an SRT caller must use, where the stream has one.
    pub srt_passphrase: Option<Passphrase>,
}

/// Why a publisher may not publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No stream has this key.
    #[error("the stream key is wrong")]
    UnknownKey,
    /// The same wrong key from the same address as a moment ago: as [`Refusal::UnknownKey`], and
    /// nothing new to the log.
    #[error("the stream key is wrong")]
    SameKey,
    /// From this address came too many wrong keys, and it opens nothing new for a while. Who guards
    /// the keys has said so.
    #[error("too many wrong stream keys came from this address: try again later")]
    Banned,
    /// The key is right, and may not be used from this address. The publisher is told that it is
    /// wrong ([`Refusal::told`]).
    #[error("the stream may not be published to from this address")]
    Address,
    /// Its publisher was sent away, and may come back later.
    #[error("the publisher was sent away for a while")]
    Kicked,
    /// Another publisher is sending to this stream right now.
    #[error("the stream is already being published")]
    AlreadyLive,
    /// The process carries as many broadcasts as it is configured for.
    #[error("the server carries no further broadcast")]
    Full,
    /// The machine is too small to encode another broadcast beside those that run.
    #[error("this server cannot encode another broadcast in real time now")]
    Overloaded,
    /// The process is shutting down.
    #[error("the server is shutting down")]
    ShuttingDown,
    /// Whoever else was asked about the publisher is against it.
    #[error("the on_publish hook refused the publisher")]
    Vetoed,
    /// Whoever else was to be asked did not answer.
    #[error("the on_publish hook did not answer")]
    Unanswered,
}

impl Refusal {
    /// All of them, in order.
    pub const ALL: [Self; 11] = [
        Self::UnknownKey,
        Self::SameKey,
        Self::Banned,
        Self::Address,
        Self::Kicked,
        Self::AlreadyLive,
        Self::Full,
        Self::Overloaded,
        Self::ShuttingDown,
        Self::Vetoed,
        Self::Unanswered,
    ];

    /// Its name for machines.
    pub const fn name(self) -> &'static str {
        match self {
            Self::UnknownKey => "unknown_key",
            Self::SameKey => "same_key",
            Self::Banned => "banned",
            Self::Address => "address",
            Self::Kicked => "kicked",
            Self::AlreadyLive => "already_live",
            Self::Full => "full",
            Self::Overloaded => "overloaded",
            Self::ShuttingDown => "shutting_down",
            Self::Vetoed => "vetoed",
            Self::Unanswered => "unanswered",
        }
    }

    /// What the publisher may know: who has a key and should not have it learns nothing from it.
    pub fn told(self) -> Self {
        match self {
            Self::Address | Self::SameKey => Self::UnknownKey,
            other => other,
        }
    }

    /// Whether the log has been told before: whoever guesses should not fill the disk.
    pub fn is_known(self) -> bool {
        matches!(self, Self::SameKey | Self::Banned)
    }
}

/// Why a sink takes no more media.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Closed {
    /// A publisher with the same credentials has taken the stream over.
    #[error("another connection with the same key took the stream over")]
    TakenOver,
    /// The media cannot be decoded; says what was found.
    #[error("{0}")]
    Unsupported(String),
    /// The stream was deleted, its key rotated, or the process is shutting down.
    #[error("the broadcast was ended by the server")]
    Ended,
    /// Media came faster than it could be processed for too long.
    #[error("media arrives faster than this server can encode it")]
    Overrun,
    /// A publication that was pending ([`MediaSink::is_pending`]) was decided against.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// How a publication ended, as the listener saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unpublish {
    /// The publisher said goodbye: RTMP `FCUnpublish`, `deleteStream` or `closeStream`; SRT
    /// shutdown. The broadcast ends.
    Finished,
    /// The connection broke, timed out or violated its protocol. The publisher may come back.
    Lost,
}

/// Who may publish, and to where. Called from listener threads and from libsrt's own: no method
/// blocks, waits or performs I/O.
pub trait Gate: Send + Sync + 'static {
    /// Looks a key that came from `peer` up in a snapshot in memory, and says so at once where its
    /// stream is already being published to. Takes nothing yet.
    fn check(&self, key: &StreamKey, peer: IpAddr) -> Result<Admission, Refusal>;

    /// Takes the stream's one publisher place. A previous publisher that has fallen silent is
    /// taken over from (its sink then returns [`Closed::TakenOver`]). Where somebody else has to be
    /// asked first the sink is pending meanwhile, and the place not taken yet.
    fn publish(
        &self,
        stream: &StreamId,
        publisher: Publisher,
    ) -> Result<Box<dyn MediaSink>, Refusal>;
}

/// Where one publisher's media goes.
pub trait MediaSink: Send {
    /// Hands media over; never blocks. An error ends the session.
    fn push(&mut self, media: Media) -> Result<(), Closed>;

    /// Asks without pushing whether the session must end (it was taken over, its stream deleted).
    fn check(&self) -> Result<(), Closed>;

    /// Whether it is still being decided if the publisher may publish; for how long at most is the
    /// gate's matter. What is pushed meanwhile is held. Decided against, the sink returns
    /// [`Closed::Refused`].
    fn is_pending(&self) -> bool {
        false
    }

    /// Takes what the connection is like now, every [`LINK_NOTED_EVERY`](crate::LINK_NOTED_EVERY)
    /// while it publishes; never blocks.
    fn note_link(&self, _: &Link) {}

    /// Ends the publication. A sink dropped without this counts as [`Unpublish::Lost`].
    fn close(self: Box<Self>, how: Unpublish);
}
