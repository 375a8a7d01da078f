//! Media playlists: what has to be in them, and how they may change (RFC 8216 §4.3, §6.2;
//! draft-pantos-hls-rfc8216bis §4.4, §6.2).

use std::collections::HashMap;

use super::{Family, Findings, Level, Rule};
use crate::playlist::{At, MediaPlaylist, Segment};
use crate::view::{Load, Rendition, View};

const UNSEEN: &str = "no media playlist was read";
const ONE_LOAD: &str = "no media playlist was loaded twice";

/// `EXTINF` has microseconds at most places, and a sum of them their error.
const ROUNDING_S: f64 = 0.000_5;

const FAMILY: Family = Family::MediaPlaylist;

pub(super) const RULES: &[Rule] = &[
    FAMILY.rule(
        "pl.syntax",
        "they can be read",
        "RFC 8216 §4.1 to §4.3",
        Level::Must,
        UNSEEN,
        syntax,
    ),
    FAMILY.rule(
        "pl.version",
        "EXT-X-VERSION is what their tags need",
        "RFC 8216 §7; rfc8216bis §8",
        Level::Must,
        UNSEEN,
        version,
    ),
    FAMILY.rule(
        "pl.target-duration",
        "EXT-X-TARGETDURATION is there and never changes",
        "RFC 8216 §4.3.3.1, §6.2.1",
        Level::Must,
        UNSEEN,
        target_duration,
    ),
    FAMILY.rule(
        "pl.target-duration-obeyed",
        "no segment is longer than the target duration, to the nearest second",
        "RFC 8216 §4.3.3.1",
        Level::Must,
        UNSEEN,
        target_duration_obeyed,
    ),
    FAMILY.rule(
        "pl.target-duration-same",
        "all have the same target duration",
        "RFC 8216 §6.2.4",
        Level::Must,
        "there is one media playlist only",
        target_duration_same,
    ),
    FAMILY.rule(
        "pl.media-sequence",
        "the media sequence never goes back",
        "RFC 8216 §6.2.2",
        Level::Must,
        ONE_LOAD,
        media_sequence,
    ),
    FAMILY.rule(
        "pl.discontinuity-sequence",
        "the discontinuity sequence counts what leaves",
        "RFC 8216 §6.2.2",
        Level::Must,
        ONE_LOAD,
        discontinuity_sequence,
    ),
    FAMILY.rule(
        "pl.segments-unchanged",
        "a listed segment stays as it is",
        "RFC 8216 §6.2.1",
        Level::Must,
        ONE_LOAD,
        segments_unchanged,
    ),
    FAMILY.rule(
        "pl.nothing-vanishes",
        "what was listed leaves at the beginning only",
        "RFC 8216 §6.2.1, §6.2.2",
        Level::Must,
        ONE_LOAD,
        nothing_vanishes,
    ),
    FAMILY.rule(
        "pl.window-minimum",
        "a live playlist holds at least three target durations",
        "RFC 8216 §6.2.2",
        Level::Must,
        "no segment has left a live playlist",
        window_minimum,
    ),
    FAMILY.rule(
        "pl.map",
        "segments of fragmented MP4 have an EXT-X-MAP",
        "RFC 8216 §3.3, §4.3.2.5",
        Level::Must,
        "no segment is fragmented MP4",
        map,
    ),
    FAMILY.rule(
        "pl.updates",
        "a live playlist grows within one and a half target durations",
        "RFC 8216 §6.2.2",
        Level::Must,
        "no live playlist was followed long enough",
        updates,
    ),
    FAMILY.rule(
        "pl.end",
        "nothing changes and nothing is announced after EXT-X-ENDLIST",
        "RFC 8216 §4.3.3.4, §6.2.1; rfc8216bis §4.4.5.3",
        Level::Must,
        "no playlist ended",
        end,
    ),
    FAMILY.rule(
        "pl.discontinuities-aligned",
        "discontinuities stand at the same segment in all",
        "RFC 8216 §6.2.4",
        Level::Must,
        "no discontinuity was seen in more than one playlist",
        discontinuities_aligned,
    ),
    FAMILY.rule(
        "pl.i-frames-only",
        "I-frame playlists say that they are",
        "RFC 8216 §4.3.4.3",
        Level::Must,
        "there is no I-frame playlist",
        i_frames_only,
    ),
    FAMILY.rule(
        "pl.date-time",
        "the first segment and each after a discontinuity have EXT-X-PROGRAM-DATE-TIME",
        "RFC 8216 §6.2.1; HLS Authoring Specification 8.9",
        Level::Should,
        UNSEEN,
        date_time,
    ),
    FAMILY.rule(
        "pl.window-six",
        "a live playlist lists at least six segments",
        "HLS Authoring Specification 8.6",
        Level::Should,
        "no segment has left a live playlist",
        window_six,
    ),
];

fn syntax(view: &View<'_>, findings: &mut Findings) {
    for (_, load) in view.loads() {
        findings.expect(true, || load.evidence(&[], ""));
        for fault in &load.playlist.faults {
            findings.expect(false, || load.evidence(&[fault.line], fault.what.clone()));
        }
    }
}

/// The oldest version that a playlist's tags may appear in, and the line that asks for it.
fn version_needed(playlist: &MediaPlaylist) -> (u64, usize) {
    let fraction = playlist
        .whole()
        .filter_map(|segment| segment.extinf)
        .find(|extinf| {
            let text = playlist.text.line(extinf.line).unwrap_or_default();
            text.contains('.')
        });
    let map = playlist.map.map(|line| match playlist.iframes_only {
        true => (5, line),
        false => (6, line),
    });
    let skip = playlist.skip.as_ref().map(|skip| (9, skip.line));
    let needs = [
        fraction.map(|extinf| (3, extinf.line)),
        playlist.byte_range.map(|line| (4, line)),
        map,
        skip,
    ];
    needs.into_iter().flatten().max().unwrap_or((1, 0))
}

fn version(view: &View<'_>, findings: &mut Findings) {
    let probes = view.renditions.iter().flat_map(|it| &it.probes);
    for load in view.loads().map(|(_, load)| load).chain(probes) {
        let (needed, line) = version_needed(&load.playlist);
        let told = load.playlist.version;
        findings.expect(told.map_or(1, |told| told.value) >= needed, || {
            let what = format!("version {needed} is needed");
            load.evidence(&[told.map_or(0, |told| told.line), line], what)
        });
    }
}

fn target_duration(view: &View<'_>, findings: &mut Findings) {
    for rendition in view.renditions.iter().chain(&view.iframes) {
        let mut before: Option<At<u64>> = None;
        for load in &rendition.loads {
            let told = load.playlist.target_duration;
            findings.expect(told.is_some(), || {
                load.evidence(&[1], "EXT-X-TARGETDURATION is missing")
            });
            if let (Some(before), Some(now)) = (before, told) {
                findings.expect(before.value == now.value, || {
                    let what = format!("it was {} before", before.value);
                    load.evidence(&[now.line], what)
                });
            }
            before = told.or(before);
        }
    }
}

fn target_duration_obeyed(view: &View<'_>, findings: &mut Findings) {
    for rendition in &view.renditions {
        for listed in rendition.segments().values() {
            let target = listed.load.playlist.target_duration;
            let (Some(target), Some(extinf)) = (target, listed.segment.extinf) else {
                continue;
            };
            findings.expect(extinf.value.round() <= target.value as f64, || {
                let what = format!(
                    "{} s, the target duration is {} s",
                    extinf.value, target.value
                );
                listed.load.evidence(&[target.line, extinf.line], what)
            });
        }
    }
}

fn target_duration_same(view: &View<'_>, findings: &mut Findings) {
    let told = |rendition: &Rendition<'_>| rendition.newest()?.playlist.target_duration;
    let mut renditions = view.renditions.iter();
    let Some(first) = renditions.find_map(told) else {
        return;
    };
    for rendition in renditions {
        let (Some(load), Some(own)) = (rendition.newest(), told(rendition)) else {
            continue;
        };
        findings.expect(own.value == first.value, || {
            let what = format!("another playlist's is {}", first.value);
            load.evidence(&[own.line], what)
        });
    }
}

/// Each load with the one before it.
fn pairs<'v, 'a>(
    rendition: &'v Rendition<'a>,
) -> impl Iterator<Item = (&'v Load<'a>, &'v Load<'a>)> {
    rendition.loads.iter().zip(rendition.loads.iter().skip(1))
}

fn first_msn(playlist: &MediaPlaylist) -> u64 {
    playlist.media_sequence.map_or(0, |sequence| sequence.value)
}

fn media_sequence(view: &View<'_>, findings: &mut Findings) {
    for (before, now) in view.renditions.iter().flat_map(pairs) {
        let (old, new) = (first_msn(&before.playlist), first_msn(&now.playlist));
        findings.expect(new >= old, || {
            let line = now.playlist.media_sequence.map_or(1, |it| it.line);
            now.evidence(&[line], format!("it was {old} before"))
        });
    }
}

fn discontinuity_sequence(view: &View<'_>, findings: &mut Findings) {
    for (before, now) in view.renditions.iter().flat_map(pairs) {
        let known: HashMap<u64, u64> = before
            .playlist
            .segments
            .iter()
            .map(|segment| (segment.msn, segment.discontinuity_sequence))
            .collect();
        let told = now.playlist.discontinuity_sequence;
        for segment in &now.playlist.segments {
            let Some(old) = known.get(&segment.msn) else {
                continue;
            };
            findings.expect(segment.discontinuity_sequence == *old, || {
                let what = format!(
                    "segment {} has the discontinuity sequence {}, it was {old} before",
                    segment.msn, segment.discontinuity_sequence
                );
                now.evidence(&[told.map_or(segment.line, |told| told.line)], what)
            });
        }
        let value = |it: Option<At<u64>>| it.map_or(0, |it| it.value);
        let old = value(before.playlist.discontinuity_sequence);
        findings.expect(value(told) >= old, || {
            let line = told.map_or(1, |told| told.line);
            now.evidence(&[line], format!("it was {old} before"))
        });
    }
}

/// What must not change of a segment, shown with its lines.
fn same(old: &Segment, new: &Segment) -> Result<(), &'static str> {
    let resource = |it: &Segment| it.resource.as_ref().map(|it| it.value.clone());
    if old.is_whole() && resource(old) != resource(new) {
        return Err("its URI or byte range changed");
    }
    let duration = |it: &Segment| it.extinf.map(|it| it.value);
    if old.is_whole() && duration(old) != duration(new) {
        return Err("its EXTINF changed");
    }
    if old.map != new.map {
        return Err("its EXT-X-MAP changed");
    }
    if let (Some(old), Some(new)) = (old.date, new.date)
        && old.value != new.value
    {
        return Err("its EXT-X-PROGRAM-DATE-TIME changed");
    }
    let parts = old.parts.iter().zip(&new.parts);
    for (old, new) in parts {
        if old.resource != new.resource || old.duration != new.duration {
            return Err("one of its parts changed");
        }
    }
    Ok(())
}

fn segments_unchanged(view: &View<'_>, findings: &mut Findings) {
    for (before, now) in view.renditions.iter().flat_map(pairs) {
        let known: HashMap<u64, &Segment> = before
            .playlist
            .segments
            .iter()
            .map(|segment| (segment.msn, segment))
            .collect();
        for segment in &now.playlist.segments {
            let Some(old) = known.get(&segment.msn) else {
                continue;
            };
            let same = same(old, segment);
            findings.expect(same.is_ok(), || {
                let what = same.err().unwrap_or_default();
                let line = segment.extinf.map_or(segment.line, |extinf| extinf.line);
                let uri = segment.resource.as_ref().map_or(0, |it| it.line);
                now.evidence(&[line, uri], format!("segment {}: {what}", segment.msn))
            });
        }
    }
}

fn nothing_vanishes(view: &View<'_>, findings: &mut Findings) {
    for (before, now) in view.renditions.iter().flat_map(pairs) {
        let (Some(old), Some(new)) = (before.playlist.last(), now.playlist.last()) else {
            findings.expect(before.playlist.segments.is_empty(), || {
                now.evidence(&[1], "no segment is listed any more")
            });
            continue;
        };
        // The parts of a segment that is whole may have left.
        let whole = now.playlist.segments.last().is_some_and(Segment::is_whole);
        let kept = match new.msn == old.msn && !whole {
            true => new.part >= old.part,
            false => new.msn >= old.msn,
        };
        findings.expect(kept, || {
            let line = now.playlist.segments.last().map_or(1, |it| it.line);
            let what = format!(
                "it ends with segment {}, it had reached segment {} before",
                new.msn, old.msn
            );
            now.evidence(&[line], what)
        });
    }
}

/// Loads of live playlists from which a segment was seen to leave. A number above zero says nothing
/// of that: a server that was started anew may go on counting where it was.
fn sliding<'v, 'a>(view: &'v View<'a>) -> impl Iterator<Item = &'v Load<'a>> {
    view.renditions.iter().flat_map(|rendition| {
        let first = rendition
            .loads
            .first()
            .map(|load| first_msn(&load.playlist));
        rendition.loads.iter().filter(move |load| {
            let playlist = &load.playlist;
            let has_slid = Some(first_msn(playlist)) > first;
            playlist.end.is_none() && playlist.kind.is_none() && has_slid
        })
    })
}

fn window_minimum(view: &View<'_>, findings: &mut Findings) {
    for load in sliding(view) {
        let playlist = &load.playlist;
        let held: f64 = playlist.segments.iter().map(Segment::duration).sum();
        let needed = 3.0 * playlist.target();
        findings.expect(held + ROUNDING_S >= needed, || {
            let line = playlist.target_duration.map_or(1, |it| it.line);
            let what = format!("{held:.3} s are listed, {needed} s are needed");
            load.evidence(&[line], what)
        });
    }
}

fn window_six(view: &View<'_>, findings: &mut Findings) {
    for load in sliding(view) {
        let listed = load.playlist.whole().count();
        findings.expect(listed >= 6, || {
            let line = load.playlist.target_duration.map_or(1, |it| it.line);
            load.evidence(&[line], format!("{listed} segments are listed"))
        });
    }
}

fn map(view: &View<'_>, findings: &mut Findings) {
    for rendition in &view.renditions {
        for listed in rendition.segments().values() {
            let answer = view
                .segment(listed.segment)
                .and_then(|it| it.exchange.good());
            let Some(answer) = answer else { continue };
            let kind = answer.body.get(4..8);
            let fragmented = [b"styp", b"moof", b"sidx", b"ftyp", b"emsg", b"prft"]
                .iter()
                .any(|known| kind == Some(&known[..]));
            if fragmented {
                findings.expect(listed.segment.map.is_some(), || {
                    listed.evidence("no EXT-X-MAP stands before it")
                });
            }
        }
    }
}

fn updates(view: &View<'_>, findings: &mut Findings) {
    for rendition in &view.renditions {
        let mut grown_at: Option<(u64, f64)> = None;
        for load in &rendition.loads {
            let playlist = &load.playlist;
            let whole = playlist.whole().last().map_or(0, |segment| segment.msn + 1);
            let at = load.exchange.end.as_secs_f64();
            if playlist.end.is_some() {
                break;
            }
            let Some((known, since)) = grown_at else {
                grown_at = Some((whole, at));
                continue;
            };
            // What is loaded as a player loads it is seen late by up to the time between loads,
            // which is a target duration where reload cannot block.
            let step = match playlist.can_block() {
                true => 1.0,
                false => playlist.target(),
            };
            let allowed = 1.5 * playlist.target() + step;
            if whole > known || at - since > allowed {
                findings.expect(at - since <= allowed, || {
                    let line = playlist.segments.last().map_or(1, |it| it.line);
                    let what = format!("no new segment for {:.1} s", at - since);
                    load.evidence(&[line], what)
                });
                grown_at = Some((whole.max(known), at));
            }
        }
    }
}

fn end(view: &View<'_>, findings: &mut Findings) {
    for rendition in &view.renditions {
        for load in &rendition.loads {
            let Some(end) = load.playlist.end else {
                continue;
            };
            findings.expect(load.playlist.hints.is_empty(), || {
                let hint = load.playlist.hints.first().map_or(0, |hint| hint.line);
                load.evidence(&[hint, end], "a hint in a playlist that has ended")
            });
        }
        for (before, now) in pairs(rendition).filter(|(it, _)| it.playlist.end.is_some()) {
            let same = now.playlist.end.is_some() && before.playlist.last() == now.playlist.last();
            findings.expect(same, || {
                let line = now.playlist.segments.last().map_or(1, |it| it.line);
                now.evidence(&[line], "it goes on after its end")
            });
        }
    }
}

fn discontinuities_aligned(view: &View<'_>, findings: &mut Findings) {
    let of = |rendition: &Rendition<'_>| -> HashMap<u64, (u64, bool)> {
        let segments = rendition.segments();
        let segments = segments.values().map(|listed| listed.segment);
        segments
            .map(|it| {
                (
                    it.msn,
                    (it.discontinuity_sequence, it.discontinuity.is_some()),
                )
            })
            .collect()
    };
    let Some((first, rest)) = view.renditions.split_first() else {
        return;
    };
    let known = of(first);
    for rendition in rest {
        let segments = rendition.segments();
        let own = of(rendition);
        let any = known
            .iter()
            .chain(&own)
            .any(|(_, (count, is))| *count > 0 || *is);
        if !any {
            continue;
        }
        for (msn, listed) in &segments {
            let (Some(expected), Some(found)) = (known.get(msn), own.get(msn)) else {
                continue;
            };
            findings.expect(expected == found, || {
                let line = listed.segment.discontinuity.unwrap_or(listed.segment.line);
                let what = format!(
                    "segment {msn} is in discontinuity {}, in {} it is in {}",
                    found.0,
                    first.name(),
                    expected.0
                );
                listed.load.evidence(&[line], what)
            });
        }
    }
}

fn i_frames_only(view: &View<'_>, findings: &mut Findings) {
    for load in view.iframes.iter().flat_map(|it| &it.loads) {
        findings.expect(load.playlist.iframes_only, || {
            load.evidence(&[1], "EXT-X-I-FRAMES-ONLY is missing")
        });
    }
}

fn date_time(view: &View<'_>, findings: &mut Findings) {
    for load in view.renditions.iter().flat_map(|it| &it.loads) {
        for (index, segment) in load.playlist.segments.iter().enumerate() {
            if index > 0 && segment.discontinuity.is_none() {
                continue;
            }
            findings.expect(segment.date.is_some(), || {
                let what = format!("segment {} has no date", segment.msn);
                load.evidence(&[segment.line], what)
            });
        }
    }
}
