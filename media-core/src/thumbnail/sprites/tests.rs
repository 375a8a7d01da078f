use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;

use super::*;

/// A tile whose grey tells its number.
fn tile(number: usize) -> Tile {
    Tile(Picture::filled(160, 90, [grey(number), 128, 128]))
}

fn grey(number: usize) -> u8 {
    (number * 53 % 256) as u8
}

fn at(tile: usize) -> MediaTime {
    MediaTime::from_millis(match tile {
        0 => 1000,
        tile => tile as i64 * 10_000,
    })
}

/// Lays out so many tiles that come every ten seconds.
fn laid_out(tiles: usize) -> (Vec<Sheet>, Finished) {
    let mut sprites = Sprites::new();
    let mut sheets = Vec::new();
    for number in 0..tiles {
        sheets.extend(sprites.push(at(number), &tile(number)).expect("a sheet"));
    }
    let finished = sprites.finish(at(tiles)).expect("a sheet");
    (sheets, finished)
}

/// Width, height and grey of a sheet.
fn decoded(sheet: &Sheet) -> (usize, usize, Vec<u8>) {
    let mut decoder = JpegDecoder::new(ZCursor::new(&sheet.jpeg));
    let pixels = decoder.decode().expect("a JPEG");
    let (width, height) = decoder.dimensions().expect("a size");
    // Of a grey, red is as good as any.
    (width, height, pixels.chunks(3).map(|rgb| rgb[0]).collect())
}

#[test]
fn every_tile_is_where_its_cue_says() {
    let (mut sheets, finished) = laid_out(123);
    sheets.extend(finished.sheet);
    let sheets: Vec<_> = sheets
        .iter()
        .map(|sheet| (sheet.file_name(), decoded(sheet)))
        .collect();
    let sizes = sheets.iter().map(|(_, sheet)| (sheet.0, sheet.1));
    assert_eq!(sizes.collect::<Vec<_>>(), [(1600, 900), (1600, 270)]);
    let mut cues = 0;
    for (number, cue) in finished.webvtt.split("\n\n").skip(1).enumerate() {
        let (_, target) = cue.trim_end().split_once('\n').expect("two lines");
        let (name, place) = target.split_once("#xywh=").expect("a place");
        let place: Vec<usize> = place.split(',').map(|it| it.parse().unwrap()).collect();
        let [x, y, width, height] = place[..] else {
            panic!("{target}");
        };
        let (_, (stride, _, grey_at)) = sheets
            .iter()
            .find(|(file, _)| file == name)
            .expect("a sheet of this name");
        for (x, y) in [(x + 20, y + 20), (x + width - 20, y + height - 20)] {
            let shown = grey_at[y * stride + x];
            assert!(shown.abs_diff(grey(number)) < 5, "{number}: {shown}");
        }
        cues += 1;
    }
    assert_eq!(cues, 123);
}

#[test]
fn the_text_is_golden_and_ffmpeg_reads_each_cue() {
    let (_, finished) = laid_out(112);
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fixtures/sprites/sprites.vtt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&file, &finished.webvtt).expect("fixtures/sprites can be written");
    }
    let golden = std::fs::read_to_string(&file).expect("UPDATE_GOLDEN=1 makes it");
    assert_eq!(finished.webvtt, golden);

    let entries = "packet=pts_time,duration_time";
    let mut ffprobe = Command::new("ffprobe")
        .args(["-v", "error", "-f", "webvtt", "-show_entries", entries])
        .args(["-of", "csv=p=0", "-i", "pipe:0"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("ffprobe is installed");
    let mut input = ffprobe.stdin.take().expect("piped");
    input.write_all(golden.as_bytes()).expect("it reads");
    drop(input);
    let read = ffprobe.wait_with_output().expect("it ends").stdout;
    let read = String::from_utf8(read).expect("ASCII");
    let cues: Vec<(f64, f64)> = read
        .lines()
        .map(|line| {
            let (start, length) = line.split_once(',').expect("two times");
            (start.parse().unwrap(), length.parse().unwrap())
        })
        .collect();
    let expected: Vec<(f64, f64)> = (0..112).map(|cue| (f64::from(cue) * 10.0, 10.0)).collect();
    assert_eq!(cues, expected);
}

#[test]
fn sheets_of_very_long_media_are_thinned_and_never_end() {
    const TILES_A_STEP: usize = SHEETS_A_STEP * TILES_A_SHEET;
    let mut sprites = Sprites::new();
    let mut sheets = 0;
    // A sheet takes a while; the tiles are what counts.
    let blank = tile(0);
    for number in 0..TILES_A_STEP * 7 {
        let full = sprites.push(at(number), &blank).expect("a sheet");
        sheets += usize::from(full.is_some());
    }
    assert_eq!(sheets, 3 * SHEETS_A_STEP);
    let between = |tile: usize| {
        let [from, to] = [tile, tile + 1].map(|tile| sprites.starts[tile]);
        to.saturating_since(from).as_secs()
    };
    let steps = [1, 1798, 1799, 3598, 3599, 5398].map(between);
    assert_eq!(steps, [10, 10, 20, 20, 40, 40]);
}

#[test]
fn no_tile_is_no_sheet_and_what_goes_back_in_time_is_left_out() {
    let (sheets, finished) = laid_out(0);
    assert!(sheets.is_empty() && finished.sheet.is_none());
    assert_eq!(finished.webvtt, "WEBVTT\n");
    let (sheets, finished) = laid_out(100);
    assert_eq!(sheets.len(), 1);
    assert!(finished.sheet.is_none());
    let mut sprites = Sprites::new();
    for number in [3, 3, 1, 4] {
        assert!(sprites.push(at(number), &tile(number)).unwrap().is_none());
    }
    assert_eq!(sprites.starts, [at(3), at(4)]);
}
