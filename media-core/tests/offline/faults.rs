//! Files that are broken, cut off, empty or no media at all.

use media_core::graph::offline::{Container, Error, Extent, inspect};

use super::{
    Folder, PICTURES, TONE, assert_gapless, assert_rungs, run, settings, sound_end, transcode,
};

const CODECS: &str = "-c:v libx264 -preset ultrafast -g 25 -pix_fmt yuv420p -c:a aac";

fn refusal(folder: &Folder, bytes: &[u8]) -> Error {
    settings();
    let path = folder.write("upload.mp4", bytes);
    inspect(&path).expect_err("it is refused")
}

#[test]
fn what_is_no_media_is_refused_by_its_content() {
    let folder = Folder::new();
    assert!(matches!(refusal(&folder, b""), Error::Empty));
    let mut noise = 7u64;
    let garbage: Vec<u8> = (0..200_000)
        .map(|_| {
            noise = noise
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (noise >> 56) as u8
        })
        .collect();
    for (bytes, found) in [
        (&garbage[..], ""),
        (&[0u8; 100_000][..], ""),
        (b"\x7fELF\x02\x01\x01 and so on".as_slice(), ""),
        (b"<html><body>no</body></html>".as_slice(), "text/html"),
        // It would name other files and hosts.
        (
            b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nhttp://192.0.2.1/a.ts\n".as_slice(),
            "application/x-hls",
        ),
        (
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x02\0\0\0".as_slice(),
            "image/png",
        ),
    ] {
        let error = refusal(&folder, bytes);
        assert!(matches!(&error, Error::NotAContainer { .. }), "{error:?}");
        assert!(error.to_string().contains(found), "{error}");
        assert!(error.to_string().contains("not MP4, MOV, MKV"), "{error}");
    }
    let absent = inspect(&folder.path("absent")).expect_err("it is not there");
    assert!(matches!(absent, Error::Io(_)), "{absent:?}");
    let directory = inspect(&folder.path(".")).expect_err("a folder");
    assert!(matches!(directory, Error::Io(_)), "{directory:?}");
}

#[test]
fn a_codec_that_is_not_decoded_is_named() {
    settings();
    let folder = Folder::new();
    for (name, codec, found) in [
        ("old.flv", "-c:v flv1 -c:a libmp3lame -ar 44100", "flash"),
        ("odd.mkv", "-c:v ffv1 -c:a aac", "ffv"),
        (
            "odd2.mkv",
            "-c:v libx264 -preset ultrafast -c:a wmav2",
            "wma",
        ),
    ] {
        let path = folder.make(name, &format!("{PICTURES} {TONE} -t 1 {codec}"));
        let error = inspect(&path).expect_err("it is refused");
        assert!(matches!(&error, Error::Codec { .. }), "{error:?}");
        assert!(error.to_string().contains(found), "{error}");
        assert!(error.to_string().contains("not supported"), "{error}");
    }
}

#[test]
fn an_mp4_cut_off_before_its_index_is_refused() {
    let folder = Folder::new();
    let path = folder.make("whole.mp4", &format!("{PICTURES} {TONE} -t 2 {CODECS}"));
    let whole = std::fs::read(path).unwrap();
    let error = refusal(&folder, &whole[..whole.len() / 2]);
    assert!(
        matches!(
            &error,
            Error::Unreadable {
                container: Container::Mp4,
                ..
            }
        ),
        "{error:?}"
    );
    assert!(
        error
            .to_string()
            .starts_with("the MP4 file is damaged or cut off")
    );
}

#[test]
fn of_a_truncated_file_what_is_there_is_encoded() {
    let folder = Folder::new();
    for (name, arguments) in [
        ("whole.mp4", "-movflags +faststart"),
        ("fragmented.mp4", "-movflags +frag_keyframe+empty_moov"),
        ("whole.mkv", ""),
        ("whole.flv", "-flvflags +add_keyframe_index"),
        ("whole.ts", ""),
    ] {
        let path = folder.make(
            name,
            &format!("{PICTURES} {TONE} -t 10 {CODECS} {arguments}"),
        );
        let whole = std::fs::read(path).unwrap();
        for tenths in [4, 7] {
            let what = format!("{tenths} tenths of {name}");
            let cut = folder.write("cut", &whole[..whole.len() * tenths / 10]);
            let (summary, collected) = transcode(&cut);
            let seconds = summary.duration.as_secs_f64();
            let share = tenths as f64;
            assert!(
                (share - 2.5..=share + 1.5).contains(&seconds),
                "{what}: {seconds}"
            );
            let samples = collected.samples.lock().unwrap();
            assert_eq!(samples["180p"].len() as u64, summary.frames, "{what}");
            assert_eq!(samples["90p"].len() as u64, summary.frames, "{what}");
            assert_gapless(&samples["audio"], &what);
            // Neither a transport stream nor a fragmented file says how long it should be.
            if !name.ends_with(".ts") && !name.starts_with("frag") {
                assert_ne!(summary.extent, Extent::Whole, "{what}");
            }
        }
    }
}

#[test]
fn damage_in_the_middle_costs_what_is_damaged() {
    let folder = Folder::new();
    for (name, arguments) in [
        ("whole.mp4", "-movflags +faststart"),
        ("whole.mkv", ""),
        ("whole.ts", ""),
    ] {
        let path = folder.make(
            name,
            &format!("{PICTURES} {TONE} -t 10 {CODECS} {arguments}"),
        );
        let mut damaged = std::fs::read(path).unwrap();
        let middle = damaged.len() / 2;
        damaged[middle..middle + 3000].fill(0xa5);
        let (summary, collected) = transcode(&folder.write("damaged", &damaged));
        let seconds = summary.duration.as_secs_f64();
        assert!(seconds > 4.0, "{name}: {summary:?}");
        let samples = collected.samples.lock().unwrap();
        assert_eq!(samples["180p"].len(), samples["90p"].len(), "{name}");
    }
}

#[test]
fn no_truncation_of_a_head_is_taken_for_more_than_it_is() {
    let folder = Folder::new();
    for name in ["whole.mp4", "whole.mkv", "whole.flv", "whole.ts"] {
        let source = format!("{PICTURES} {TONE} -t 1 {CODECS}");
        let path = folder.make(name, &source);
        let whole = std::fs::read(path).unwrap();
        for length in [1, 8, 40, 200, 1000, 3000] {
            // It may be refused or be a short film, but it ends.
            let (summary, collected) = run(&folder.write("head", &whole[..length]));
            if let Ok(summary) = summary {
                let samples = collected.samples.lock().unwrap();
                let pictures = samples.get("180p").map_or(0, Vec::len);
                assert_eq!(pictures as u64, summary.frames, "{length} bytes of {name}");
            }
        }
    }
}

#[test]
fn a_file_that_says_more_than_a_day_is_refused_before_it_is_encoded() {
    let folder = Folder::new();
    let source = "-f lavfi -i testsrc2=size=320x180:rate=25 -frames:v 150 \
                  -vf setpts=N*599/TB -fps_mode passthrough -c:v libx264 -preset ultrafast";
    let path = folder.make("gaps.mp4", source);
    let (refused, collected) = run(&path);
    let error = refused.expect_err("it is refused");
    assert!(matches!(error, Error::TooLong), "{error:?}");
    assert!(collected.samples.lock().unwrap().is_empty());
}

#[test]
fn pictures_that_are_too_large_are_refused_before_one_is_decoded() {
    settings();
    let folder = Folder::new();
    let large = "-f lavfi -i color=size=8320x64:rate=25 -t 0.2 -c:v libx264 -preset ultrafast";
    let error = inspect(&folder.make("large.mp4", large)).expect_err("it is refused");
    assert!(matches!(error, Error::TooLarge(_)), "{error:?}");
    assert!(error.to_string().contains("8320x64"), "{error}");
}

#[test]
fn a_track_of_sound_that_cannot_be_decoded_is_silence_and_said() {
    let folder = Folder::new();
    let path = folder.make(
        "garbled.mkv",
        &format!("{PICTURES} {TONE} -t 16 {CODECS} -bsf:a noise=amount=1"),
    );
    let (summary, collected) = transcode(&path);
    assert!(summary.lost_sound, "{summary:?}");
    assert_rungs(&collected, &["180p", "90p"], 400, "garbled sound");
    assert!((sound_end(&collected) - 16.0).abs() < 0.1);
}

#[test]
fn pictures_that_cannot_be_decoded_are_the_files_fault() {
    let folder = Folder::new();
    let path = folder.make(
        "garbled.mkv",
        &format!("{PICTURES} {TONE} -t 5 {CODECS} -bsf:v noise=amount=1"),
    );
    let (refused, _) = run(&path);
    let error = refused.expect_err("it is refused");
    let is_its_fault = matches!(
        error,
        Error::Undecodable { .. } | Error::Unreadable { .. } | Error::NoTracks(_)
    );
    assert!(is_its_fault, "{error:?}");
}
