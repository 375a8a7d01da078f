//! The pictures that a recording or a video is shown by: three of it, and sheets of tiny ones for scrubbing.

use std::time::Duration;

use bytes::Bytes;
use media_core::thumbnail::{Sheet, Sprites, Stills, Thumbnail};
use media_core::{AssetId, MediaTime};
use storage::asset::Folder;

/// The WebVTT that says which part of which sheet is for which time.
const SPRITES_FILE: &str = "sprites.vtt";

/// What has been seen so far of a broadcast or a file.
#[derive(Debug, Default)]
pub(crate) struct Pictures {
    stills: Stills,
    sprites: Sprites,
    /// Full ones: of two hours seven, some half a megabyte each.
    sheets: Vec<Sheet>,
}

impl Pictures {
    /// Takes the next picture.
    pub(crate) fn push(&mut self, thumbnail: &Thumbnail) {
        self.stills.push(thumbnail.time, thumbnail.jpeg.clone());
        match self.sprites.push(thumbnail.time, &thumbnail.tile) {
            Ok(sheet) => self.sheets.extend(sheet),
            Err(error) => tracing::warn!(%error, "a sheet of pictures is lost"),
        }
    }

    /// Writes the files beside an asset's media, which is so long. Waits for the disk.
    pub(crate) fn save(self, folder: &Folder, asset: &AssetId, duration: Duration) {
        for (name, bytes) in self.finish(duration) {
            if let Err(error) = folder.write_file(asset, &name, &bytes) {
                tracing::warn!(%asset, %error, "media is without its pictures");
                return;
            }
        }
    }

    /// The files of what is so long: their names and contents.
    fn finish(self, duration: Duration) -> Vec<(String, Bytes)> {
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
