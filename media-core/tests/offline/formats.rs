//! Every container with every codec that people put into it.

use media_core::graph::offline::{Container, Extent, inspect};

use super::{Folder, PICTURES, TONE, assert_rungs, sound_end, transcode};

/// Three seconds of pictures and sound by each of these, in a file of this kind of name.
fn all_are_taken(extension: &str, container: Container, codecs: &[(&str, &str, &str)]) {
    let folder = Folder::new();
    for (video, audio, arguments) in codecs {
        let what = format!("{video} and {audio} in {extension}");
        let source = format!("{PICTURES} {TONE} -t 3 {arguments}");
        let path = folder.make(&format!("source.{extension}"), &source);
        let (summary, collected) = transcode(&path);
        let inspection = inspect(&path).expect("it was transcoded");
        assert_eq!(inspection.container, container, "{what}");
        let (picture, sound) = (inspection.video.unwrap(), inspection.audio.unwrap());
        assert_eq!((picture.codec, sound.codec), (*video, *audio), "{what}");
        assert_eq!((picture.width, picture.height), (320, 180), "{what}");
        assert_eq!(picture.frame_rate.as_f64(), 25.0, "{what}");
        assert!(sound.channels > 0 && sound.sample_rate > 0, "{what}");
        assert_rungs(&collected, &["180p", "90p"], 75, &what);
        assert_eq!(summary.frames, 75, "{what}");
        assert_eq!(summary.counters.frames_dropped, 0, "{what}");
        assert_eq!(summary.counters.frames_repeated, 0, "{what}");
        assert_eq!(summary.extent, Extent::Whole, "{what}");
        let end = sound_end(&collected);
        assert!((end - 3.0).abs() < 0.1, "{what}: sound to {end}");
        let duration = inspection.duration.expect("it is known").as_secs_f64();
        // A transport stream's is estimated from its bitrate.
        let tolerance = if extension == "ts" { 1.5 } else { 0.1 };
        assert!((duration - 3.0).abs() < tolerance, "{what}: {duration}");
    }
}

const X264: &str = "-c:v libx264 -preset ultrafast -bf 2 -pix_fmt yuv420p";
const X265: &str = "-c:v libx265 -preset ultrafast -x265-params log-level=none";
const VP8: &str = "-c:v libvpx -deadline realtime -cpu-used 8";
const VP9: &str = "-c:v libvpx-vp9 -deadline realtime -cpu-used 8";
const AV1: &str = "-c:v libaom-av1 -usage realtime -cpu-used 8";

#[test]
fn mp4() {
    let of = |video: &str, audio: &str| format!("{video} {audio}");
    let rows = [
        ("H.264", "AAC", of(X264, "-c:a aac")),
        (
            "H.264",
            "AAC",
            of(X264, "-bf 0 -c:a aac -movflags +frag_keyframe+empty_moov"),
        ),
        (
            "HEVC",
            "AAC",
            of(X265, "-tag:v hvc1 -pix_fmt yuv420p10le -c:a aac -ac 6"),
        ),
        ("MPEG-4", "MP3", of("-c:v mpeg4 -bf 2", "-c:a libmp3lame")),
        ("MPEG-2", "AC-3", of("-c:v mpeg2video", "-c:a ac3")),
        ("H.264", "FLAC", of(X264, "-c:a flac -strict -2")),
        ("H.264", "ALAC", of(X264, "-c:a alac")),
        ("VP9", "Opus", of(VP9, "-c:a libopus -strict -2")),
        ("AV1", "AAC", of(AV1, "-c:a aac")),
    ];
    let rows: Vec<_> = rows
        .iter()
        .map(|(v, a, args)| (*v, *a, args.as_str()))
        .collect();
    all_are_taken("mp4", Container::Mp4, &rows);
}

#[test]
fn mov() {
    let of = |video: &str, audio: &str| format!("{video} {audio}");
    let rows = [
        ("H.264", "PCM", of(X264, "-c:a pcm_s16le")),
        ("H.264", "PCM", of(X264, "-c:a pcm_s24be")),
        ("ProRes", "PCM", of("-c:v prores_ks", "-c:a pcm_s16be")),
        ("MPEG-4", "AAC", of("-c:v mpeg4", "-c:a aac")),
    ];
    let rows: Vec<_> = rows
        .iter()
        .map(|(v, a, args)| (*v, *a, args.as_str()))
        .collect();
    all_are_taken("mov", Container::Mp4, &rows);
}

#[test]
fn matroska() {
    let of = |video: &str, audio: &str| format!("{video} {audio}");
    let rows = [
        ("H.264", "Vorbis", of(X264, "-c:a libvorbis")),
        ("H.264", "AAC", of(X264, "-c:a aac")),
        ("HEVC", "FLAC", of(X265, "-c:a flac")),
        ("MPEG-2", "AC-3", of("-c:v mpeg2video -bf 2", "-c:a ac3")),
        ("MPEG-4", "MP3", of("-c:v mpeg4", "-c:a libmp3lame")),
        ("H.264", "E-AC-3", of(X264, "-c:a eac3")),
        ("H.264", "PCM", of(X264, "-c:a pcm_s16le")),
    ];
    let rows: Vec<_> = rows
        .iter()
        .map(|(v, a, args)| (*v, *a, args.as_str()))
        .collect();
    all_are_taken("mkv", Container::Matroska, &rows);
}

#[test]
fn webm() {
    let of = |video: &str, audio: &str| format!("{video} {audio}");
    let rows = [
        ("VP8", "Vorbis", of(VP8, "-c:a libvorbis")),
        ("VP9", "Opus", of(VP9, "-c:a libopus")),
        ("AV1", "Opus", of(AV1, "-c:a libopus")),
    ];
    let rows: Vec<_> = rows
        .iter()
        .map(|(v, a, args)| (*v, *a, args.as_str()))
        .collect();
    all_are_taken("webm", Container::Matroska, &rows);
}

#[test]
fn transport_streams() {
    let of = |video: &str, audio: &str| format!("{video} {audio}");
    let rows = [
        ("H.264", "AAC", of(X264, "-c:a aac")),
        ("H.264", "AAC", of(X264, "-c:a aac -mpegts_flags latm")),
        ("HEVC", "AC-3", of(X265, "-c:a ac3")),
        ("MPEG-2", "MP3", of("-c:v mpeg2video -bf 2", "-c:a mp2")),
        ("H.264", "Opus", of(X264, "-c:a libopus")),
    ];
    let rows: Vec<_> = rows
        .iter()
        .map(|(v, a, args)| (*v, *a, args.as_str()))
        .collect();
    all_are_taken("ts", Container::TransportStream, &rows);
}

#[test]
fn flash_video() {
    let of = |video: &str, audio: &str| format!("{video} {audio}");
    let rows = [
        ("H.264", "AAC", of(X264, "-c:a aac")),
        ("H.264", "MP3", of(X264, "-c:a libmp3lame")),
    ];
    let rows: Vec<_> = rows
        .iter()
        .map(|(v, a, args)| (*v, *a, args.as_str()))
        .collect();
    all_are_taken("flv", Container::Flv, &rows);
}

#[test]
fn a_files_name_says_nothing() {
    let folder = Folder::new();
    let source = format!("{PICTURES} -t 1 {X264} -f mpegts");
    let path = folder.make("source.mp4", &source);
    let inspection = inspect_started(&path);
    assert_eq!(inspection.container, Container::TransportStream);
}

#[test]
fn the_largest_picture_and_the_default_sound_are_taken() {
    let folder = Folder::new();
    let path = folder.make(
        "source.mkv",
        &format!(
            "-f lavfi -i testsrc2=size=160x90:rate=25 {PICTURES} {TONE} {TONE} -t 1 -map 0 -map 1 \
             -map 2 -map 3 {X264} -c:a:0 aac -c:a:1 libvorbis -disposition:a:0 0 \
             -disposition:a:1 default"
        ),
    );
    let inspection = inspect_started(&path);
    assert_eq!(inspection.video.as_ref().unwrap().width, 320);
    assert_eq!(inspection.audio.as_ref().unwrap().codec, "Vorbis");
    assert_eq!(inspection.left_out, ["H.264", "AAC"]);
    let (_, collected) = transcode(&path);
    assert_rungs(&collected, &["180p", "90p"], 25, "four tracks");
}

fn inspect_started(path: &std::path::Path) -> media_core::graph::offline::Inspection {
    super::settings();
    inspect(path).expect("it is a media file")
}
