//! Listeners that turn a connection into a publisher of timed media.
//!
//! What they need from above (who may publish, and where the media goes) they ask for by the
//! traits of [`gate`]; they know nothing of broadcasts, databases or HTTP.

pub mod client;
pub mod gate;
pub mod rtmp;
pub mod srt;

pub use gate::{
    Admission, Claims, Closed, Gate, MediaSink, Protocol, Publisher, Refusal, StreamKey,
};
