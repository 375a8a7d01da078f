//! Where pictures and sound land in time, and how many there are.

use media_core::FrameRate;
use media_core::graph::offline::{Extent, inspect};

use super::{Folder, PICTURES, TONE, assert_rungs, grey, loudness, settings, sound_end, transcode};

const CODECS: &str = "-c:v libx264 -preset ultrafast -bf 2 -g 50 -pix_fmt yuv420p -c:a aac";

/// Two seconds of darkness and silence, then light and a tone for half a second.
const FLASH: &str = "-f lavfi -i color=black:size=320x180:rate=25,drawbox=c=white:t=fill:enable='between(t,1.99,2.49)' \
                     -f lavfi -i aevalsrc=if(between(t\\,2\\,2.5)\\,sin(880*2*PI*t)\\,0):s=48000";

/// When the first bright picture and the first loud sample come, in seconds.
fn flash_and_beep(folder: &Folder, collected: &super::Collected) -> (f64, f64) {
    let pictures = grey(folder, collected, "180p");
    let bright = pictures
        .chunks_exact(320 * 180)
        .position(|picture| picture[90 * 320 + 160] > 128)
        .expect("there is a flash");
    let flash = collected.samples.lock().unwrap()["180p"][bright].time;
    let loud = loudness(folder, collected)
        .iter()
        .position(|sample| sample.unsigned_abs() > 3000)
        .expect("there is a beep");
    (flash.as_secs_f64(), loud as f64 / 48_000.0)
}

#[test]
fn a_flash_and_its_beep_stay_together_in_every_container() {
    let folder = Folder::new();
    for (name, arguments) in [
        ("plain.mp4", ""),
        ("plain.mkv", ""),
        ("plain.ts", "-muxdelay 0.7"),
        ("plain.flv", ""),
        ("opus.webm", "-c:v libvpx -deadline realtime -c:a libopus"),
        ("late.mkv", "-output_ts_offset 10"),
        ("late.ts", "-output_ts_offset 1000"),
        (
            "fragmented.mp4",
            "-bf 0 -movflags +frag_keyframe+empty_moov",
        ),
    ] {
        let path = folder.make(name, &format!("{FLASH} -t 4 {CODECS} {arguments}"));
        let (summary, collected) = transcode(&path);
        assert_rungs(&collected, &["180p", "90p"], 100, name);
        assert_eq!(summary.extent, Extent::Whole, "{name}");
        let (flash, beep) = flash_and_beep(&folder, &collected);
        assert!((flash - 2.0).abs() < 0.04, "{name}: flash at {flash}");
        assert!((flash - beep).abs() < 0.04, "{name}: {flash} and {beep}");
    }
}

#[test]
fn sound_that_begins_late_is_kept_where_it_belongs() {
    let folder = Folder::new();
    for name in ["late.mp4", "late.mkv", "late.ts"] {
        // Of an MP4's tracks qtdemux takes none that is shorter than a fifth of the file.
        let source = format!("{PICTURES} -itsoffset 20 {TONE} -t 28 {CODECS}");
        let path = folder.make(name, &source);
        let (summary, collected) = transcode(&path);
        assert_rungs(&collected, &["180p", "90p"], 700, name);
        assert!(!summary.lost_sound, "{name}");
        let heard = loudness(&folder, &collected);
        let loud = heard
            .iter()
            .position(|sample| sample.unsigned_abs() > 2000)
            .unwrap_or_else(|| panic!("{name}: no tone in {} samples", heard.len()));
        let begins = loud as f64 / 48_000.0;
        assert!((begins - 20.0).abs() < 0.1, "{name}: it begins at {begins}");
    }
}

#[test]
fn what_an_edit_list_cuts_is_not_shown() {
    let folder = Folder::new();
    let whole = format!("{FLASH} -t 5 {CODECS} -x264-params keyint=50:scenecut=0");
    folder.make("whole.mp4", &whole);
    // Copied from the keyframe before it: the edit list hides 0.6 s.
    let cut = folder.make("cut.mp4", "-ss 0.6 -i whole.mp4 -c copy");
    let (_, collected) = transcode(&cut);
    assert_rungs(&collected, &["180p", "90p"], 110, "an edit list");
    let (flash, beep) = flash_and_beep(&folder, &collected);
    assert!((flash - 1.4).abs() < 0.05, "flash at {flash}");
    assert!((flash - beep).abs() < 0.04, "{flash} and {beep}");
}

#[test]
fn every_rate_up_to_sixty_keeps_its_frames() {
    let folder = Folder::new();
    for (rate, numerator, denominator, frames) in [
        ("24000/1001", 24_000, 1001, 72),
        ("30000/1001", 30_000, 1001, 90),
        ("50", 50, 1, 150),
        ("60", 60, 1, 180),
        // Of two pictures the earlier counts for the grid point that it is nearest to: the last,
        // half a frame late, takes one of its own.
        ("120", 60, 1, 181),
    ] {
        for extension in ["mp4", "mkv", "ts"] {
            let what = format!("{rate} in {extension}");
            let source = format!("-f lavfi -i testsrc2=size=320x180:rate={rate} -t 3 {CODECS}");
            let path = folder.make(&format!("source.{extension}"), &source);
            let (_, collected) = transcode(&path);
            let expected = FrameRate::new(numerator, denominator).unwrap();
            let plan = collected.plan.lock().unwrap().clone().unwrap();
            assert_eq!(plan.cadence.rate(), expected, "{what}");
            assert_rungs(&collected, &["180p", "90p"], frames, &what);
        }
    }
}

#[test]
fn a_variable_rate_is_filled_up_to_its_grid() {
    let folder = Folder::new();
    for name in ["phone.mp4", "phone.mkv"] {
        // Every fifth picture lacks, but for the last.
        let source = "-f lavfi -i testsrc2=size=320x180:rate=30 -t 3 -vf select=mod(n\\,5)-3 \
                      -fps_mode vfr -c:v libx264 -preset ultrafast";
        let path = folder.make(name, source);
        let (summary, collected) = transcode(&path);
        assert_rungs(&collected, &["180p", "90p"], 90, name);
        assert_eq!(summary.counters.frames_repeated, 18, "{name}");
        assert_eq!(summary.counters.frames_dropped, 0, "{name}");
    }
}

#[test]
fn an_open_gop_with_b_frames_keeps_every_picture() {
    let folder = Folder::new();
    let codec = "-c:v libx264 -preset medium -x264-params open-gop=1:bframes=3:keyint=20";
    for name in ["open.mp4", "open.ts", "open.mkv"] {
        let path = folder.make(name, &format!("{PICTURES} {TONE} -t 3 {codec} -c:a aac"));
        let (_, collected) = transcode(&path);
        assert_rungs(&collected, &["180p", "90p"], 75, name);
    }
}

#[test]
fn transport_streams_behind_each_other_are_all_encoded() {
    let folder = Folder::new();
    let path = folder.make(
        "one.ts",
        &format!("{PICTURES} {TONE} -t 3 {CODECS} -g 25 -bf 0"),
    );
    let one = std::fs::read(path).unwrap();
    let two = folder.write("two.ts", &[&one[..], &one[..]].concat());
    let (summary, collected) = transcode(&two);
    // The sound is a little longer than the pictures, so the seam may take a picture or two.
    assert!((150..=152).contains(&summary.frames), "{summary:?}");
    let frames = summary.frames as usize;
    assert_rungs(&collected, &["180p", "90p"], frames, "two in one");
    assert_eq!(summary.counters.frames_dropped, 0);
    assert!((sound_end(&collected) - 6.0).abs() < 0.15);
}

#[test]
fn interlaced_pictures_come_out_one_a_frame() {
    let folder = Folder::new();
    let codec = "-vf interlace -c:v libx264 -preset superfast -flags +ilme+ildct -c:a aac";
    let path = folder.make(
        "fields.ts",
        &format!("-f lavfi -i testsrc2=size=320x180:rate=50 {TONE} -t 3 {codec}"),
    );
    let (_, collected) = transcode(&path);
    assert_rungs(&collected, &["180p", "90p"], 75, "fields");
}

#[test]
fn pictures_alone_get_silence_and_sound_alone_gets_no_pictures() {
    let folder = Folder::new();
    let silent = folder.make("silent.mp4", &format!("{PICTURES} -t 3 {CODECS}"));
    let (_, collected) = transcode(&silent);
    assert_rungs(&collected, &["180p", "90p"], 75, "pictures alone");
    assert!((sound_end(&collected) - 3.0).abs() < 0.05);

    for name in ["sound.m4a", "sound.mkv", "sound.ts"] {
        let sound = folder.make(name, &format!("{TONE} -t 3 -c:a aac"));
        let (summary, collected) = transcode(&sound);
        assert_rungs(&collected, &[], 0, name);
        assert_eq!(summary.frames, 0);
        assert!((sound_end(&collected) - 3.0).abs() < 0.1, "{name}");
    }
}

#[test]
fn tracks_of_unequal_length_are_brought_to_the_same_end() {
    let folder = Folder::new();
    let pictures = folder.make(
        "pictures.mp4",
        &format!("-t 4 {PICTURES} -t 1 {TONE} {CODECS}"),
    );
    let (_, collected) = transcode(&pictures);
    assert_rungs(&collected, &["180p", "90p"], 100, "short sound");
    assert!((sound_end(&collected) - 4.0).abs() < 0.05);

    let sound = folder.make(
        "sound.mp4",
        &format!("-t 1 {PICTURES} -t 4 {TONE} {CODECS}"),
    );
    let (summary, collected) = transcode(&sound);
    let frames = summary.frames as usize;
    assert_rungs(&collected, &["180p", "90p"], frames, "short pictures");
    assert!(
        (summary.duration.as_secs_f64() - 4.0).abs() < 0.1,
        "{summary:?}"
    );
}

#[test]
fn sound_that_begins_later_stays_later() {
    let folder = Folder::new();
    for name in ["later.mp4", "later.mkv"] {
        let source = format!("{PICTURES} -itsoffset 5 {TONE} -t 7 -map 0 -map 1 {CODECS}");
        let path = folder.make(name, &source);
        let (summary, collected) = transcode(&path);
        assert_rungs(&collected, &["180p", "90p"], 175, name);
        let silenced = summary.counters.samples_silenced as f64 / 48_000.0;
        assert!((silenced - 5.0).abs() < 0.05, "{name}: {silenced}");
        let loud = loudness(&folder, &collected);
        let first = loud.iter().position(|sample| sample.unsigned_abs() > 1000);
        let first = first.expect("there is sound") as f64 / 48_000.0;
        assert!((first - 5.0).abs() < 0.05, "{name}: {first}");
    }
}

#[test]
fn two_runs_yield_the_same_bytes() {
    let folder = Folder::new();
    let path = folder.make("source.mkv", &format!("{PICTURES} {TONE} -t 3 {CODECS}"));
    let (first, second) = (transcode(&path), transcode(&path));
    assert_eq!(first.0, second.0);
    let (first, second) = (
        first.1.samples.lock().unwrap(),
        second.1.samples.lock().unwrap(),
    );
    for (rendition, samples) in first.iter() {
        let again = &second[rendition];
        assert_eq!(samples.len(), again.len(), "{rendition}");
        assert!(
            samples.iter().zip(again).all(|(a, b)| a.data == b.data),
            "{rendition}"
        );
    }
}

#[test]
fn the_rate_is_known_before_anything_is_decoded() {
    settings();
    let folder = Folder::new();
    let path = folder.make("source.ts", &format!("{PICTURES} {TONE} -t 3 {CODECS}"));
    let video = inspect(&path).unwrap().video.unwrap();
    assert_eq!(video.frame_rate, FrameRate::new(25, 1).unwrap());
}
