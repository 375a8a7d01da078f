use std::path::PathBuf;

use media_core::Init;

use super::*;
use crate::synthetic::{Source, rate};

#[track_caller]
fn golden(file: &str, inits: &[Init]) {
    golden_with(file, inits, &[], Links::default());
}

#[track_caller]
fn golden_with(file: &str, inits: &[Init], subtitles: &[Subtitles], links: Links<'_>) {
    let renditions: Vec<_> = inits
        .iter()
        .map(|init| Rendition {
            name: init.rendition.clone(),
            codec: init.codec.clone(),
            kind: init.kind,
            peak_bps: u64::from(init.bitrate.as_bps()) * 11 / 10,
            average_bps: u64::from(init.bitrate.as_bps()),
            iframe_peak_bps: match init.kind {
                InitKind::Video { .. } => u64::from(init.bitrate.as_bps()) / 5,
                InitKind::Audio { .. } => 0,
            },
        })
        .collect();
    let text = render(&renditions, subtitles, links);
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fixtures/playlists");
    let path = folder.join(file);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text, expected, "{}", path.display());
}

fn video(name: &str, numerator: u32, denominator: u32) -> Init {
    Source::video(name, rate(numerator, denominator), 6).init()
}

fn ladder() -> Vec<Init> {
    let names = ["1080p", "720p", "480p", "360p"];
    names.iter().map(|name| video(name, 30_000, 1001)).collect()
}

#[test]
fn golden_full_ladder_starts_on_a_middle_rung() {
    let mut inits = ladder();
    inits.push(Source::audio().init());
    golden("master-full.m3u8", &inits);
}

#[test]
fn golden_without_audio() {
    golden("master-video-only.m3u8", &ladder());
}

#[test]
fn golden_without_video() {
    golden("master-audio-only.m3u8", &[Source::audio().init()]);
}

#[test]
fn golden_one_rung() {
    let inits = [video("360p", 25, 1), Source::audio().init()];
    golden("master-one-rung.m3u8", &inits);
}

#[test]
fn golden_children_carry_the_token_and_the_dvr() {
    let links = Links {
        dvr: true,
        token: Some("1800000000.abc"),
    };
    golden_with("master-private-dvr.m3u8", &ladder(), &[], links);
}

#[test]
fn golden_subtitles_are_every_variants_and_quote_nothing() {
    let subtitles = |name: &str, label: &str, language: &str, default| Subtitles {
        name: RenditionName::new(name).unwrap(),
        label: label.to_owned(),
        language: language.to_owned(),
        default,
    };
    let subtitles = [
        subtitles("en", "English", "en", true),
        subtitles("de", "Deutsch, \"für\nGehörlose\"", "de-AT", false),
    ];
    let inits = [
        video("720p", 30, 1),
        video("360p", 30, 1),
        Source::audio().init(),
    ];
    let links = Links {
        token: Some("1800000000.abc"),
        ..Links::default()
    };
    golden_with("master-subtitles.m3u8", &inits, &subtitles, links);
}
