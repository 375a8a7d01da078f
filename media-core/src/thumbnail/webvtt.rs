//! The WebVTT text by which players find a moment's tile (W3C WebVTT; the `xywh` of Media Fragments
//! URI 1.0 §4.2.2), as JW Player, video.js and others read it.

use std::fmt::Write;
use std::time::Duration;

use super::sprites::{Sheet, TILES_A_ROW, TILES_A_SHEET};
use super::{TILE_HEIGHT, TILE_WIDTH};
use crate::time::MediaTime;

/// The shortest cue: an empty one is not allowed (WebVTT §4.1).
const CUE_MIN: Duration = Duration::from_millis(1);

/// A cue a tile from its own time on to the next one's, the first from zero and the last to `end`.
pub(super) fn render(starts: &[MediaTime], end: MediaTime) -> String {
    let mut text = String::from("WEBVTT\n");
    for (tile, start) in starts.iter().enumerate() {
        let from = if tile == 0 { MediaTime::ZERO } else { *start };
        let to = starts.get(tile + 1).copied().unwrap_or(end);
        let sheet = Sheet::name(tile / TILES_A_SHEET);
        let cell = tile % TILES_A_SHEET;
        let x = cell % TILES_A_ROW * usize::from(TILE_WIDTH);
        let y = cell / TILES_A_ROW * usize::from(TILE_HEIGHT);
        let (from, to) = (Stamp(from), Stamp(to.max(from + CUE_MIN)));
        write!(
            text,
            "\n{from} --> {to}\n{sheet}#xywh={x},{y},{TILE_WIDTH},{TILE_HEIGHT}\n"
        )
        .expect("memory takes everything");
    }
    text
}

/// A time as WebVTT writes it: hours of two digits or more.
struct Stamp(MediaTime);

impl std::fmt::Display for Stamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ms = self.0.as_nanos().max(0) / 1_000_000;
        let (s, ms) = (ms / 1000, ms % 1000);
        let (hours, minutes, seconds) = (s / 3600, s / 60 % 60, s % 60);
        write!(f, "{hours:02}:{minutes:02}:{seconds:02}.{ms:03}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_have_two_digits_of_hours_and_more_where_they_need_them() {
        for (ms, text) in [
            (0, "00:00:00.000"),
            (59_999, "00:00:59.999"),
            (3_723_004, "01:02:03.004"),
            (360_000_000, "100:00:00.000"),
        ] {
            assert_eq!(Stamp(MediaTime::from_millis(ms)).to_string(), text);
        }
    }

    #[test]
    fn a_cue_is_never_empty() {
        let at = MediaTime::from_millis(5000);
        let text = render(&[MediaTime::ZERO, at], at);
        assert!(text.contains("00:00:05.000 --> 00:00:05.001\n"), "{text}");
        assert_eq!(render(&[], at), "WEBVTT\n");
    }
}
