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
    /// Full ones that are not on the disk yet, of some half a megabyte each.
    sheets: Vec<Sheet>,
    last: Option<MediaTime>,
}

/// The files of what has been seen so far.
#[derive(Debug)]
pub(super) struct SoFar {
    files: Vec<(String, Bytes)>,
    /// How many of them are full sheets, which stay as they are.
    full: usize,
}

impl Pictures {
    /// Takes the next picture.
    pub(crate) fn push(&mut self, thumbnail: &Thumbnail) {
        self.push_from(MediaTime::ZERO, thumbnail);
    }

    /// Takes the next picture of what begins at `origin`, and plays from zero.
    pub(super) fn push_from(&mut self, origin: MediaTime, thumbnail: &Thumbnail) {
        let time = MediaTime::ZERO + thumbnail.time.saturating_since(origin);
        self.last = Some(time);
        self.stills.push(time, thumbnail.jpeg.clone());
        match self.sprites.push(time, &thumbnail.tile) {
            Ok(sheet) => self.sheets.extend(sheet),
            Err(error) => tracing::warn!(%error, "a sheet of pictures is lost"),
        }
    }

    /// What there would be if this were all; `None`: nothing was seen. To be written with
    /// [`SoFar::save`], and then [`saved`](Self::saved).
    pub(super) fn so_far(&self) -> Option<SoFar> {
        let end = self.last?;
        let seen = Self {
            stills: self.stills.clone(),
            sprites: self.sprites.clone(),
            sheets: self.sheets.clone(),
            last: self.last,
        };
        Some(SoFar {
            files: seen.finish(end),
            full: self.sheets.len(),
        })
    }

    /// The full sheets of `so_far` are on the disk: nobody needs them in memory.
    pub(super) fn saved(&mut self, so_far: &SoFar) {
        self.sheets.drain(..so_far.full.min(self.sheets.len()));
    }

    /// Writes the files beside an asset's media, which is so long. Waits for the disk.
    pub(crate) fn save(self, folder: &Folder, asset: &AssetId, duration: Duration) {
        write(folder, asset, &self.finish(MediaTime::ZERO + duration));
    }

    /// The files of what lasts until `end`: their names and contents.
    fn finish(self, end: MediaTime) -> Vec<(String, Bytes)> {
        let mut sheets = self.sheets;
        let mut webvtt = None;
        match self.sprites.finish(end) {
            Ok(finished) => {
                sheets.extend(finished.sheet);
                webvtt = self.last.map(|_| finished.webvtt);
            }
            Err(error) => tracing::warn!(%error, "a sheet of pictures is lost"),
        }
        let sheets = sheets.into_iter();
        // The sheets come before the text that leads to them.
        let mut files: Vec<_> = sheets
            .map(|sheet| (sheet.file_name(), sheet.jpeg))
            .collect();
        files.extend(webvtt.map(|text| (SPRITES_FILE.to_owned(), text.into())));
        let stills = self.stills.choose(end).into_iter().zip(1..);
        files.extend(stills.map(|(still, number)| (format!("thumbnail-{number}.jpg"), still.jpeg)));
        files
    }
}

impl SoFar {
    /// Writes the files beside an asset's media; whether that was done. Waits for the disk.
    pub(super) fn save(&self, folder: &Folder, asset: &AssetId) -> bool {
        write(folder, asset, &self.files)
    }
}

fn write(folder: &Folder, asset: &AssetId, files: &[(String, Bytes)]) -> bool {
    for (name, bytes) in files {
        if let Err(error) = folder.write_file(asset, name, bytes) {
            tracing::warn!(%asset, %error, "media is without its pictures");
            return false;
        }
    }
    true
}
