//! What delivery needs from above: who may watch which title, and the bytes of its files. A folder
//! on this machine and an object store look alike from here.

use std::fmt;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use media_core::{RenditionName, SampleRun};

use super::Title;
use crate::delivery::Audience;

/// Largest subtitles, thumbnail or sprite, in bytes: they are sent from memory.
pub const SMALL_FILE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What comes later. Nobody may rely on its being polled to its end: viewers leave.
pub type Pending<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The titles that there are.
pub trait Library: Send + Sync + 'static {
    /// Opens the title that a URL calls `id`, for one whose URL has this playback token. Asked at
    /// each request: titles that are asked for again and again should be at hand, since they keep
    /// their playlists' texts.
    fn open(&self, id: &str, token: Option<&str>) -> Pending<Result<Opened, Closed>>;
}

/// A title that may be watched.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The title.
    pub title: Arc<Title>,
    /// Whether everyone may watch it or the token opened it. A token that did is made of characters
    /// that need no quoting in a URI (RFC 3986 §2.3): it will be written into playlists.
    pub audience: Audience,
}

/// Why a title cannot be watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Closed {
    /// There is none of this id, or nothing of it can be played yet.
    #[error("there is no such title")]
    NotFound,
    /// It is private, and the token is missing, wrong or expired.
    #[error("the title is private, and no valid token came with the request")]
    NoToken,
    /// It cannot be said now.
    #[error("the library does not answer")]
    Unavailable,
    /// What is stored of it contradicts itself.
    #[error("what is stored of the title is damaged")]
    Damaged,
}

/// The files of one title. Each of its renditions is one. It says itself how many of its reads there
/// are at a time: those of a disk keep a place in [`Disk`](crate::Disk).
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Reads exactly these bytes of a rendition's file: at most [`PIECE_BYTES`](super::PIECE_BYTES)
    /// and never past what the title says is there.
    fn read(&self, rendition: &RenditionName, bytes: Range<u64>) -> Pending<Result<Bytes, Lost>>;

    /// Where the samples of each of a rendition's segments lie, in their order.
    fn samples(&self, rendition: &RenditionName) -> Pending<Result<Vec<Vec<SampleRun>>, Lost>>;

    /// All of a small file, which has at most [`SMALL_FILE_BYTES_MAX`].
    fn small_file(&self, file: SmallFile<'_>) -> Pending<Result<Bytes, Lost>>;

    /// The URL at which viewers are to fetch a rendition's file themselves, signed or a CDN's;
    /// `None`: from here. Not asked for private titles.
    fn elsewhere(&self, rendition: &RenditionName) -> Pending<Result<Option<String>, Lost>>;
}

/// A file that is no rendition's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmallFile<'a> {
    /// The WebVTT of the subtitles of this name.
    Subtitles(&'a RenditionName),
    /// A picture for lists or for scrubbing, or the WebVTT that says which part of a sprite is for
    /// which time: lower-case letters, digits, `-` and `_`, then `.jpg` or `.vtt`. A WebVTT names
    /// pictures beside it.
    Thumbnail(&'a str),
}

/// Why there are no bytes.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    /// There is no such file.
    #[error("there is no such file")]
    Missing,
    /// It cannot be read now.
    #[error("it cannot be read now")]
    Unavailable(#[from] io::Error),
}
