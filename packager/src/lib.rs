//! From CMAF chunks to what viewers fetch: the window of segments and parts, the playlists, and
//! their delivery from memory as low-latency HLS (RFC 8216; draft-pantos-hls-rfc8216bis-18,
//! whose section numbers stand in the comments).
//!
//! A [`Live`] registry knows each stream's [`Broadcast`]; encoder threads push chunks into it,
//! [`Delivery`] answers requests under `/live/`. What is stored of a broadcast becomes a
//! [`vod::Title`], and [`vod::Delivery`] answers those under `/vod/`, byte ranges of the same media
//! or one ordinary MP4 of it ([`progressive`]). The windows and playlists are plain functions of
//! what was pushed: tokio is named in [`delivery`], [`vod`] and [`disk`] only. Encoding, storage, TLS and
//! every other path belong to other crates.

pub mod broadcast;
pub mod cmaf;
pub mod delivery;
pub mod disk;
mod edition;
pub mod fault;
pub mod live;
mod master;
pub mod plan;
pub mod playlist;
pub mod progressive;
mod rate;
pub mod segment;
pub mod sequence;
mod text;
mod thumbnail;
pub mod vod;
pub mod window;

#[cfg(test)]
mod reread;
#[cfg(test)]
mod synthetic;

pub use broadcast::Broadcast;
pub use delivery::{Archive, Body, Delivery};
pub use disk::Disk;
pub use fault::{Fault, Faults};
pub use live::Live;
pub use plan::Plan;
pub use sequence::{DiscontinuitySequence, MediaSequence, PartIndex};
