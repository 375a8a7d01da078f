//! The pictures that a recording is shown by: three of it, and sheets of tiny ones for scrubbing.

use std::time::Duration;

use bytes::Bytes;
use media_core::MediaTime;
use media_core::thumbnail::{Sheet, Sprites, Stills, Thumbnail};

/// The WebVTT that says which part of which sheet is for which time.
const SPRITES_FILE: &str = "sprites.vtt";

/// What has been seen of a broadcast so far.
#[derive(Debug, Default)]
pub(super) struct Pictures {
    stills: Stills,
    sprites: Sprites,
    /// Full ones: of two hours seven, some half a megabyte each.
    sheets: Vec<Sheet>,
}

impl Pictures {
    /// Takes the next picture.
    pub(super) fn push(&mut self, thumbnail: &Thumbnail) {
        self.stills.push(thumbnail.time, thumbnail.jpeg.clone());
        match self.sprites.push(thumbnail.time, &thumbnail.tile) {
            Ok(sheet) => self.sheets.extend(sheet),
            Err(error) => tracing::warn!(%error, "a sheet of pictures is lost"),
        }
    }

    /// The files of a recording that is so long: their names and contents.
    pub(super) fn finish(self, duration: Duration) -> Vec<(String, Bytes)> {
        let end = MediaTime::ZERO + duration;
        let mut sheets = self.sheets;
        let mut files = Vec::new();
        match self.sprites.finish(end) {
            Ok(finished) => {
                sheets.extend(finished.sheet);
                if !sheets.is_empty() {
                    files.push((SPRITES_FILE.to_owned(), finished.webvtt.into()));
                }
            }
            Err(error) => tracing::warn!(%error, "a sheet of pictures is lost"),
        }
        files.extend(
            sheets
                .into_iter()
                .map(|sheet| (sheet.file_name(), sheet.jpeg)),
        );
        let stills = self.stills.choose(end).into_iter().zip(1..);
        files.extend(stills.map(|(still, number)| (format!("thumbnail-{number}.jpg"), still.jpeg)));
        files
    }
}
