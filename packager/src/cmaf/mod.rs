//! CMAF packing: coded samples in, initialization segments and chunks out (ISO/IEC 23000-19).
//!
//! A chunk is closed by count, on the broadcast's [`Cadence`], with its last sample in hand: it
//! does not wait for the sample after it. Chunks refer to the samples' own memory. It does not
//! encrypt, reorder or interleave: one track a file, decode order is presentation order.

pub(crate) mod boxes;
pub(crate) mod init;
mod muxer;

#[cfg(test)]
mod tests;

pub use init::InvalidTrack;
pub use muxer::Muxer;
