//! The nouns of the media server and, in [`graph`], the GStreamer pipelines, of broadcasts and of
//! files.
//!
//! Everything here but `graph` is plain Rust: no GStreamer, no clock, no socket. `ingest`,
//! `packager`, `storage` and `control-api` speak to each other in these words and in no others.

pub mod asset;
pub mod cadence;
pub mod chunk;
pub mod codec;
pub mod file_head;
pub mod graph;
pub mod histogram;
pub mod id;
pub mod ladder;
pub mod publication;
pub mod sample;
pub mod segmentation;
pub mod source_fault;
pub mod thumbnail;
pub mod time;
pub mod timeline;
pub mod transport_stream;

pub use asset::{SampleRun, StoredRendition, StoredSegment};
pub use cadence::{Cadence, Place};
pub use chunk::{Chunk, Init, InitKind};
pub use codec::{AudioCodec, VideoCodec};
pub use histogram::Histogram;
pub use id::{
    AssetId, BroadcastId, DeliveryId, JobId, RecordingId, RenditionName, StreamId, UploadId,
    VideoId, WebhookId,
};
pub use ladder::{Bitrate, Ladder, Rung};
pub use publication::{AccessUnit, CodecConfig, Media};
pub use sample::{Sample, Track};
pub use source_fault::SourceFault;
pub use thumbnail::Thumbnail;
pub use time::{FrameRate, MediaTime};
