//! Listeners that turn a connection into a publisher of timed media.
//!
//! What they need from above (who may publish, and where the media goes) they ask for by the
//! traits of [`gate`]; they know nothing of broadcasts, databases or HTTP.

pub mod client;
pub mod gate;
mod link;
pub mod rtmp;
pub mod srt;

pub use gate::{
    Admission, Claims, Closed, Gate, MediaSink, Protocol, Publisher, Refusal, StreamKey,
};
pub use link::{Link, Packets};

/// How often a sink is told what its publisher's connection is like ([`MediaSink::note_link`]).
pub const LINK_NOTED_EVERY: std::time::Duration = std::time::Duration::from_millis(500);
