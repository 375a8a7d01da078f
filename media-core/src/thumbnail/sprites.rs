//! Sheets of tiles for scrubbing: a player shows the tile of the moment under the pointer.
//!
//! One sheet is held at a time (2.2 MB), and of each tile the time. A sheet that is handed out is
//! never made again, so very long media is thinned from some time on rather than throughout, after
//! 5, 15, 35 … hours to half as many. A day has 45 sheets, a year 193; had it gone on as it began, it would
//! be 31,536, and the text alone 200 MB.

use bytes::Bytes;

use super::{Error, Picture, TILE_HEIGHT, TILE_WIDTH, Tile, jpeg, webvtt};
use crate::time::MediaTime;

/// Tiles side by side on a sheet.
pub(super) const TILES_A_ROW: usize = 10;

/// Tiles of a full sheet.
pub(super) const TILES_A_SHEET: usize = TILES_A_ROW * TILES_A_ROW;

/// After each so many sheets every second of the tiles until then is left out: the first five hours
/// have one every ten seconds, the next ten every twenty.
const SHEETS_A_STEP: usize = 18;

/// Of sheets, on which a tile is looked at smaller than it is.
const QUALITY: u8 = 70;

/// Lays tiles out on sheets. Plain: no file, no clock.
#[derive(Clone, Debug)]
pub struct Sprites {
    sheet: Picture,
    /// Of each tile that was laid out, on this sheet and on those before it.
    starts: Vec<MediaTime>,
    /// Tiles left out since the last one that was laid out.
    left_out: usize,
}

/// A sheet, finished.
#[derive(Clone, Debug)]
pub struct Sheet {
    /// Which one, from 0 on.
    pub number: usize,
    /// 1600 columns, and 90 rows for each ten tiles, of which there are at most a hundred. Rows from
    /// the top, each from the left.
    pub jpeg: Bytes,
}

/// What there is at the end.
#[derive(Clone, Debug)]
pub struct Finished {
    /// The last sheet, where it was not full.
    pub sheet: Option<Sheet>,
    /// The text of a WebVTT file beside the sheets, which it names as [`Sheet::file_name`] does.
    pub webvtt: String,
}

impl Sheet {
    /// The name of the file that the WebVTT leads to.
    pub fn file_name(&self) -> String {
        Self::name(self.number)
    }

    pub(super) fn name(number: usize) -> String {
        format!("sprite-{number}.jpg")
    }
}

impl Default for Sprites {
    fn default() -> Self {
        Self::new()
    }
}

impl Sprites {
    /// Without a tile.
    pub fn new() -> Self {
        Self {
            sheet: blank(),
            starts: Vec::new(),
            left_out: 0,
        }
    }

    /// Takes the tile of `time`, which is after those of all before it; another one is left out.
    /// Gives the sheet that it fills: coding that takes some 20 ms on this thread.
    ///
    /// # Errors
    /// The encoder refuses the sheet. Its tiles are lost, and the next ones go on.
    pub fn push(&mut self, time: MediaTime, tile: &Tile) -> Result<Option<Sheet>, Error> {
        let is_later = self.starts.last().is_none_or(|last| *last < time);
        if !is_later || self.left_out < self.to_leave_out() {
            self.left_out += usize::from(is_later);
            return Ok(None);
        }
        self.left_out = 0;
        let cell = self.starts.len() % TILES_A_SHEET;
        let left = (cell % TILES_A_ROW) as u16 * TILE_WIDTH;
        let top = (cell / TILES_A_ROW) as u16 * TILE_HEIGHT;
        let Tile(picture) = tile;
        self.sheet.place(picture, left, top);
        self.starts.push(time);
        if cell + 1 < TILES_A_SHEET {
            return Ok(None);
        }
        let sheet = std::mem::replace(&mut self.sheet, blank());
        coded(&sheet, self.starts.len() / TILES_A_SHEET - 1).map(Some)
    }

    /// Ends with media that lasts until `end`.
    ///
    /// # Errors
    /// The encoder refuses the last sheet.
    pub fn finish(self, end: MediaTime) -> Result<Finished, Error> {
        let rows = (self.starts.len() % TILES_A_SHEET).div_ceil(TILES_A_ROW);
        let sheet = match rows {
            0 => None,
            rows => {
                let sheet = self.sheet.upper(rows as u16 * TILE_HEIGHT);
                Some(coded(&sheet, self.starts.len() / TILES_A_SHEET)?)
            }
        };
        Ok(Finished {
            sheet,
            webvtt: webvtt::render(&self.starts, end),
        })
    }

    /// Tiles between the last one and the next.
    fn to_leave_out(&self) -> usize {
        let steps = self.starts.len() / (TILES_A_SHEET * SHEETS_A_STEP);
        // The hundredth step begins long after the sun has gone out.
        (1 << steps.min(usize::BITS as usize - 1)) - 1
    }
}

fn blank() -> Picture {
    let side = TILES_A_ROW as u16;
    Picture::black(side * TILE_WIDTH, side * TILE_HEIGHT)
}

fn coded(sheet: &Picture, number: usize) -> Result<Sheet, Error> {
    let jpeg = jpeg::encode(sheet, QUALITY)?;
    Ok(Sheet { number, jpeg })
}

#[cfg(test)]
mod tests;
