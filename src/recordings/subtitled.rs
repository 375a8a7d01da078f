//! A video's files: its media where that lies, and its subtitles in the database.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use media_core::{RenditionName, SampleRun, VideoId};
use packager::vod::{Lost, Pending, SmallFile, Store};
use storage::Videos;

/// See the module.
#[derive(Debug)]
pub(super) struct Subtitled {
    pub(super) media: Arc<dyn Store>,
    pub(super) videos: Videos,
    pub(super) video: VideoId,
}

impl Store for Subtitled {
    fn read(&self, rendition: &RenditionName, bytes: Range<u64>) -> Pending<Result<Bytes, Lost>> {
        self.media.read(rendition, bytes)
    }

    fn samples(&self, rendition: &RenditionName) -> Pending<Result<Vec<Vec<SampleRun>>, Lost>> {
        self.media.samples(rendition)
    }

    fn small_file(&self, file: SmallFile<'_>) -> Pending<Result<Bytes, Lost>> {
        let SmallFile::Subtitles(name) = file else {
            return self.media.small_file(file);
        };
        let (videos, video, name) = (self.videos.clone(), self.video.clone(), name.clone());
        Box::pin(async move {
            let text = videos.webvtt(&video, &name).await;
            let text = text.map_err(io::Error::other)?.ok_or(Lost::Missing)?;
            Ok(text.into())
        })
    }

    fn elsewhere(&self, rendition: &RenditionName) -> Pending<Result<Option<String>, Lost>> {
        self.media.elsewhere(rendition)
    }
}
