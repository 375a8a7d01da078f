//! What a peer can do wrong. Every variant ends that peer's session and no other.

use std::fmt;

/// Where in the input a fault was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Bytes from the beginning of the connection.
    Connection(u64),
    /// Bytes from the beginning of one message's payload.
    Payload(usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(offset) => write!(f, "byte {offset} of the connection"),
            Self::Payload(offset) => write!(f, "byte {offset} of the message"),
        }
    }
}

/// Which wait ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// [`HANDSHAKE_MAX`](super::limits::HANDSHAKE_MAX).
    Handshake,
    /// [`PUBLISH_WITHIN`](super::limits::PUBLISH_WITHIN).
    Publish,
    /// [`IDLE_MAX`](super::limits::IDLE_MAX).
    Idle,
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Handshake => "the handshake was not finished in time",
            Self::Publish => "nothing was published in time",
            Self::Idle => "the publisher fell silent",
        })
    }
}

/// Why a session ended by its peer's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bytes are not what the specification says.
    #[error("{place}: expected {expected}, found {found} ({section})")]
    Malformed {
        /// Where.
        place: Place,
        /// What should stand there.
        expected: &'static str,
        /// What stands there. Never a peer's text: it could be a key.
        found: String,
        /// Specification and section.
        section: &'static str,
    },
    /// A bound of [`limits`](super::limits) was passed.
    #[error("{place}: {what}: {found}, at most {max} allowed")]
    Limit {
        /// Where.
        place: Place,
        /// The bounded thing and its unit.
        what: &'static str,
        /// The bound.
        max: u64,
        /// What the peer asked for.
        found: u64,
    },
    /// The peer was too slow.
    #[error("{0}")]
    Timeout(Wait),
    /// A video codec that the intake cannot decode.
    #[error("video codec {0} is not supported; send H.264, HEVC or AV1")]
    UnsupportedVideo(String),
    /// An audio codec that the intake cannot decode.
    #[error("audio codec {0} is not supported; send AAC, MP3 or Opus")]
    UnsupportedAudio(String),
    /// A form of Enhanced RTMP that this server does not take.
    #[error("{0} is not supported; send one video and one audio track")]
    UnsupportedForm(&'static str),
    /// Neither the URL nor the publishing name holds a usable key.
    #[error("the publisher sent no stream key, or one that is too long")]
    NoKey,
    /// The peer wants to play.
    #[error("this RTMP port takes publishers only; viewers play over HLS")]
    PublishOnly,
}

impl Error {
    /// Whether the fault is one that the publisher's operator can mend and should be told of.
    pub(crate) fn is_for_the_operator(&self) -> bool {
        matches!(
            self,
            Self::UnsupportedVideo(_)
                | Self::UnsupportedAudio(_)
                | Self::UnsupportedForm(_)
                | Self::PublishOnly
        )
    }
}
