//! The multivariant playlist: what has to be in it, and whether the bitstreams are what it says
//! (RFC 8216 §4.3.4; draft-pantos-hls-rfc8216bis §4.4.6).

use std::collections::HashSet;

use super::{Family, Findings, Level, Rule};
use crate::media::{Kind, Track};
use crate::playlist::Variant;
use crate::session::Purpose;
use crate::view::{Master, Rendition, View};

const UNSEEN: &str = "the address leads to a media playlist";
const NO_MEDIA: &str = "no variant's media was read";

/// A measured peak may exceed what is told by a tenth (HLS Authoring Specification, 9.15).
const PEAK_TOLERANCE: f64 = 1.10;

/// `FRAME-RATE` has three decimal places, and a segment a whole number of frames.
const RATE_TOLERANCE: f64 = 0.01;

const FAMILY: Family = Family::Multivariant;

pub(super) const RULES: &[Rule] = &[
    FAMILY.rule(
        "mv.syntax",
        "it can be read",
        "RFC 8216 §4.1 to §4.3.1, §4.3.4",
        Level::Must,
        UNSEEN,
        syntax,
    ),
    FAMILY.rule(
        "mv.playlists-answer",
        "every playlist it lists is there",
        "RFC 8216 §6.2.1",
        Level::Must,
        UNSEEN,
        playlists_answer,
    ),
    FAMILY.rule(
        "mv.bandwidth-listed",
        "every variant tells its BANDWIDTH",
        "RFC 8216 §4.3.4.2",
        Level::Must,
        UNSEEN,
        |view, findings| listed(view, findings, "BANDWIDTH"),
    ),
    FAMILY.rule(
        "mv.groups",
        "every group that a variant names has members",
        "RFC 8216 §4.3.4.2",
        Level::Must,
        "no variant names a group",
        groups,
    ),
    FAMILY.rule(
        "mv.media-attributes",
        "every EXT-X-MEDIA has TYPE, GROUP-ID and a NAME of its own",
        "RFC 8216 §4.3.4.1, §4.3.4.1.1",
        Level::Must,
        "there is no EXT-X-MEDIA",
        media_attributes,
    ),
    FAMILY.rule(
        "mv.codecs-true",
        "CODECS are those of the bitstreams",
        "RFC 8216 §4.3.4.2; RFC 6381 §3.3",
        Level::Must,
        NO_MEDIA,
        codecs_true,
    ),
    FAMILY.rule(
        "mv.resolution-true",
        "RESOLUTION is that of the bitstream",
        "RFC 8216 §4.3.4.2",
        Level::Must,
        NO_MEDIA,
        resolution_true,
    ),
    FAMILY.rule(
        "mv.frame-rate-true",
        "FRAME-RATE is that of the media",
        "RFC 8216 §4.3.4.2",
        Level::Must,
        NO_MEDIA,
        frame_rate_true,
    ),
    FAMILY.rule(
        "mv.bandwidth-true",
        "BANDWIDTH is not exceeded by more than a tenth",
        "RFC 8216 §4.3.4.2; HLS Authoring Specification 9.15",
        Level::Should,
        NO_MEDIA,
        bandwidth_true,
    ),
    FAMILY.rule(
        "mv.codecs-listed",
        "every variant tells its CODECS",
        "RFC 8216 §4.3.4.2",
        Level::Should,
        UNSEEN,
        |view, findings| listed(view, findings, "CODECS"),
    ),
    FAMILY.rule(
        "mv.resolution-listed",
        "every variant with a picture tells its RESOLUTION",
        "RFC 8216 §4.3.4.2",
        Level::Should,
        UNSEEN,
        |view, findings| listed(view, findings, "RESOLUTION"),
    ),
    FAMILY.rule(
        "mv.frame-rate-listed",
        "every variant with a picture tells its FRAME-RATE",
        "RFC 8216 §4.3.4.2; HLS Authoring Specification 9.16",
        Level::Should,
        UNSEEN,
        |view, findings| listed(view, findings, "FRAME-RATE"),
    ),
    FAMILY.rule(
        "mv.average-bandwidth-listed",
        "every variant tells its AVERAGE-BANDWIDTH",
        "HLS Authoring Specification 9.13",
        Level::Should,
        UNSEEN,
        |view, findings| listed(view, findings, "AVERAGE-BANDWIDTH"),
    ),
    FAMILY.rule(
        "mv.closed-captions-listed",
        "every variant with a picture tells its CLOSED-CAPTIONS, or that it has NONE",
        "HLS Authoring Specification 9.2 to 9.5",
        Level::Should,
        UNSEEN,
        |view, findings| listed(view, findings, "CLOSED-CAPTIONS"),
    ),
    FAMILY.rule(
        "mv.independent-segments",
        "EXT-X-INDEPENDENT-SEGMENTS is there",
        "RFC 8216 §4.3.5.1; HLS Authoring Specification 8.2",
        Level::Should,
        UNSEEN,
        independent_segments,
    ),
];

fn syntax(view: &View<'_>, findings: &mut Findings) {
    if let Some(master) = &view.multivariant {
        findings.expect(true, || master.evidence(&[], ""));
        for fault in &master.playlist.faults {
            findings.expect(false, || master.evidence(&[fault.line], fault.what.clone()));
        }
    }
}

fn playlists_answer(view: &View<'_>, findings: &mut Findings) {
    let Some(master) = &view.multivariant else {
        return;
    };
    let playlist = &master.playlist;
    let variants = playlist.variants.iter().chain(&playlist.iframes);
    let variants = variants.map(|it| (it.attributes.line, Some(&it.url)));
    let renditions = playlist
        .renditions
        .iter()
        .map(|it| (it.attributes.line, it.url.as_ref()));
    for (line, url) in variants.chain(renditions) {
        let Some(url) = url else { continue };
        let exchange = view
            .of(|purpose| purpose == Purpose::Latest)
            .find(|exchange| exchange.plain_url() == *url);
        let Some(exchange) = exchange else { continue };
        let is_playlist = exchange
            .good()
            .is_some_and(|answer| answer.body.starts_with(b"#EXTM3U"));
        findings.expect(is_playlist, || {
            let why = match exchange.good() {
                Some(_) => "what is there is no playlist".to_owned(),
                None => exchange.outcome(),
            };
            master.evidence(&[line], format!("{url}: {why}"))
        });
    }
}

fn listed(view: &View<'_>, findings: &mut Findings, name: &str) {
    let Some(master) = &view.multivariant else {
        return;
    };
    let of_pictures = ["RESOLUTION", "FRAME-RATE", "CLOSED-CAPTIONS"].contains(&name);
    for variant in &master.playlist.variants {
        if of_pictures && !has_picture(view, variant) {
            continue;
        }
        let line = variant.attributes.line;
        findings.expect(variant.attributes.text(name).is_some(), || {
            master.evidence(&[line], format!("{name} is not told"))
        });
    }
}

/// By what was read of it; where nothing was, by what it says.
fn has_picture(view: &View<'_>, variant: &Variant) -> bool {
    let tracks = view
        .rendition(&variant.url)
        .map(|rendition| tracks(view, rendition))
        .unwrap_or_default();
    match tracks.is_empty() {
        false => tracks.iter().any(|track| track.kind == Kind::Video),
        true => {
            let codecs = variant.attributes.text("CODECS").unwrap_or("avc1");
            codecs.contains("vc") || variant.attributes.text("RESOLUTION").is_some()
        }
    }
}

fn groups(view: &View<'_>, findings: &mut Findings) {
    let Some(master) = &view.multivariant else {
        return;
    };
    for variant in &master.playlist.variants {
        for kind in ["AUDIO", "VIDEO", "SUBTITLES", "CLOSED-CAPTIONS"] {
            let Some(group) = variant.attributes.quoted(kind) else {
                continue;
            };
            let there = master.playlist.renditions.iter().any(|rendition| {
                rendition.attributes.text("TYPE") == Some(kind)
                    && rendition.attributes.quoted("GROUP-ID") == Some(group)
            });
            findings.expect(there, || {
                let what = format!("no EXT-X-MEDIA of TYPE={kind} has GROUP-ID={group:?}");
                master.evidence(&[variant.attributes.line], what)
            });
        }
    }
}

fn media_attributes(view: &View<'_>, findings: &mut Findings) {
    let Some(master) = &view.multivariant else {
        return;
    };
    let mut names = HashSet::new();
    for rendition in &master.playlist.renditions {
        let attributes = &rendition.attributes;
        let missing = ["TYPE", "GROUP-ID", "NAME"]
            .into_iter()
            .find(|name| attributes.text(name).is_none());
        findings.expect(missing.is_none(), || {
            let what = format!("{} is missing", missing.unwrap_or_default());
            master.evidence(&[attributes.line], what)
        });
        let place = ["TYPE", "GROUP-ID", "NAME"].map(|name| attributes.text(name));
        findings.expect(missing.is_some() || names.insert(place), || {
            let what = "another member of the group has the same NAME";
            master.evidence(&[attributes.line], what)
        });
    }
}

/// The tracks of a rendition, from its initialization sections and its segments.
fn tracks(view: &View<'_>, rendition: &Rendition<'_>) -> Vec<Track> {
    let mut tracks: Vec<Track> = Vec::new();
    let mut add = |track: &Track| {
        if !tracks.contains(track) {
            tracks.push(track.clone());
        }
    };
    for listed in rendition.segments().values() {
        let map = listed.segment.map.as_ref();
        if let Some(Ok(init)) = map.and_then(|map| view.init(map)) {
            init.tracks().for_each(&mut add);
        } else if let Some(Ok(media)) = view.segment(listed.segment).map(|it| &it.media) {
            media.runs.iter().map(|run| &run.track).for_each(&mut add);
        }
    }
    tracks
}

/// The tracks that a variant plays, with those of its audio group.
fn tracks_of(view: &View<'_>, master: &Master<'_>, variant: &Variant) -> Vec<Track> {
    let own = Some(variant.url.as_str());
    let audio = master.playlist.audio_of(variant);
    let audio = audio
        .iter()
        .filter_map(|rendition| rendition.url.as_deref());
    let renditions = own.into_iter().chain(audio);
    renditions
        .filter_map(|url| view.rendition(url))
        .flat_map(|rendition| tracks(view, rendition))
        .collect()
}

fn codecs_true(view: &View<'_>, findings: &mut Findings) {
    let Some(master) = &view.multivariant else {
        return;
    };
    for variant in &master.playlist.variants {
        let Some(codecs) = variant.attributes.text("CODECS") else {
            continue;
        };
        let told: Vec<&str> = codecs.split(',').map(str::trim).collect();
        let tracks = tracks_of(view, master, variant);
        let known = tracks.iter().filter(|track| !track.codec.is_empty());
        for track in known.clone() {
            let right = told.iter().any(|told| is_codec(told, &track.codec));
            findings.expect(right, || {
                let what = format!("the bitstream is {}, CODECS says {codecs}", track.codec);
                master.evidence(&[variant.attributes.line], what)
            });
        }
        // Only where every track is known can it be said that one is told too many.
        if known.count() == tracks.len() && !tracks.is_empty() {
            for told in told {
                let right = tracks.iter().any(|it| is_codec(told, &it.codec));
                findings.expect(right, || {
                    let what = format!("no track is {told}");
                    master.evidence(&[variant.attributes.line], what)
                });
            }
        }
    }
}

/// Whether a codec that is told is the one that was found. HE-AAC may be told where only its AAC-LC
/// core is seen: implicit signalling (ISO/IEC 14496-3 §1.6.5.2).
fn is_codec(told: &str, found: &str) -> bool {
    let implicit = found == "mp4a.40.2" && ["mp4a.40.5", "mp4a.40.29"].contains(&told);
    told.eq_ignore_ascii_case(found) || implicit
}

fn resolution_true(view: &View<'_>, findings: &mut Findings) {
    let Some(master) = &view.multivariant else {
        return;
    };
    for variant in &master.playlist.variants {
        let Some(told) = variant.attributes.text("RESOLUTION") else {
            continue;
        };
        for track in tracks_of(view, master, variant) {
            let text = |(width, height): (u32, u32)| format!("{width}x{height}");
            let Some(found) = track.size.map(text) else {
                continue;
            };
            // What is meant is how it is shown, which with other than square pixels differs.
            let shown = track.shown.map(text);
            findings.expect(told == found || Some(told) == shown.as_deref(), || {
                let what = format!("the bitstream is {found}, RESOLUTION says {told}");
                master.evidence(&[variant.attributes.line], what)
            });
        }
    }
}

fn frame_rate_true(view: &View<'_>, findings: &mut Findings) {
    let Some(master) = &view.multivariant else {
        return;
    };
    for variant in &master.playlist.variants {
        let told = variant.attributes.decimal("FRAME-RATE");
        let (Some(told), Some(rendition)) = (told, view.rendition(&variant.url)) else {
            continue;
        };
        // It is the highest that occurs: a lower one now and then is none of its business.
        let segments = rendition.segments();
        let rates = segments.values().filter_map(|listed| {
            let media = view.segment(listed.segment)?.media.as_ref().ok()?;
            let run = media.of(Kind::Video).filter(|run| run.samples.len() > 1)?;
            Some(run.rate())
        });
        let Some(highest) = rates.reduce(f64::max) else {
            continue;
        };
        findings.expect((highest / told - 1.0).abs() <= RATE_TOLERANCE, || {
            let what = format!("there are up to {highest:.3} frames a second");
            master.evidence(&[variant.attributes.line], what)
        });
    }
}

/// The peak segment bit rate (RFC 8216 §4.1): of any run of segments that lasts between half and
/// one and a half target durations.
fn peak(view: &View<'_>, rendition: &Rendition<'_>) -> Option<f64> {
    let target = rendition.newest()?.playlist.target();
    let segments = rendition.segments();
    let measured: Vec<(u64, f64, f64)> = segments
        .values()
        .filter_map(|listed| {
            let answer = view.segment(listed.segment)?.exchange.good()?;
            let duration = listed.segment.duration();
            Some((listed.segment.msn, duration, answer.body.len() as f64 * 8.0))
        })
        .collect();
    let mut peak: Option<f64> = None;
    for first in 0..measured.len() {
        let (mut duration, mut bits) = (0.0, 0.0);
        for (index, (msn, length, size)) in measured.iter().enumerate().skip(first) {
            if *msn != measured[first].0 + (index - first) as u64 {
                break;
            }
            duration += length;
            bits += size;
            if duration > 1.5 * target {
                break;
            }
            if duration >= 0.5 * target && duration > 0.0 {
                peak = Some(peak.unwrap_or(0.0).max(bits / duration));
            }
        }
    }
    peak
}

fn bandwidth_true(view: &View<'_>, findings: &mut Findings) {
    let Some(master) = &view.multivariant else {
        return;
    };
    for variant in &master.playlist.variants {
        let told = variant.attributes.integer("BANDWIDTH");
        let (Some(told), Some(rendition)) = (told, view.rendition(&variant.url)) else {
            continue;
        };
        let Some(own) = peak(view, rendition) else {
            continue;
        };
        let audio = master.playlist.audio_of(variant);
        let audio = audio.iter().filter_map(|it| it.url.as_deref());
        let audio = audio
            .filter_map(|url| view.rendition(url).filter(|it| it.url != rendition.url))
            .filter_map(|rendition| peak(view, rendition))
            .fold(0.0, f64::max);
        let measured = own + audio;
        findings.note(format!(
            "{}: peak {:.0} kbit/s of {:.0}",
            rendition.name(),
            measured / 1000.0,
            told as f64 / 1000.0
        ));
        findings.expect(measured <= told as f64 * PEAK_TOLERANCE, || {
            let what = format!("the measured peak is {measured:.0} bit/s");
            master.evidence(&[variant.attributes.line], what)
        });
    }
}

fn independent_segments(view: &View<'_>, findings: &mut Findings) {
    let Some(master) = &view.multivariant else {
        return;
    };
    let in_all = || {
        let mut loads = view.renditions.iter().filter_map(Rendition::newest);
        !view.renditions.is_empty() && loads.all(|load| load.playlist.independent_segments)
    };
    findings.expect(master.playlist.independent_segments || in_all(), || {
        master.evidence(&[1], "neither here nor in every media playlist")
    });
}
