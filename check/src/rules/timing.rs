//! The media, and whether the playlists tell its times (RFC 8216 §3, §6.2; ISO/IEC 14496-12 §8.8;
//! ISO/IEC 23000-19 §7.3). Times are compared to within a frame of the track they come from.

use std::collections::BTreeMap;

use super::{Family, Findings, Level, Rule};
use crate::media::{Kind, Run, Sample};
use crate::session::Purpose;
use crate::view::{Listed, Load, Rendition, View, of_exchange};

const UNSEEN: &str = "no segment was read";
const NO_PARTS: &str = "no part was read";

/// Durations and dates are written in milliseconds at the coarsest.
const ROUNDING_S: f64 = 0.001;

/// The frame that stands in where none was read: of 24 frames a second.
const USUAL_FRAME_S: f64 = 1.0 / 24.0;

/// The clock of transport streams begins anew after 26.5 hours (ISO/IEC 13818-1 §2.4.3.7).
const CLOCK_WRAP_S: f64 = (1u64 << 33) as f64 / 90_000.0;

const FAMILY: Family = Family::Timing;

pub(super) const RULES: &[Rule] = &[
    FAMILY.rule(
        "md.readable",
        "segments, parts and initialization sections are what HLS allows",
        "RFC 8216 §3.2, §3.3; ISO/IEC 23000-19 §7.3",
        Level::Must,
        "no media was fetched",
        readable,
    ),
    FAMILY.rule(
        "md.segment-durations",
        "EXTINF is the media's duration, within a frame",
        "RFC 8216 §4.3.2.1",
        Level::Must,
        UNSEEN,
        segment_durations,
    ),
    FAMILY.rule(
        "md.part-durations",
        "a part's DURATION is its media's, within a frame",
        "rfc8216bis §4.4.4.9",
        Level::Must,
        NO_PARTS,
        part_durations,
    ),
    FAMILY.rule(
        "md.sum-of-parts",
        "the parts of a segment last as long as the segment, within a frame",
        "rfc8216bis §3, §4.4.4.9",
        Level::Must,
        "no whole segment has parts",
        sum_of_parts,
    ),
    FAMILY.rule(
        "md.parts-are-segment",
        "the parts of a segment hold its samples, all of them and in order",
        "rfc8216bis §3, §6.2.1",
        Level::Must,
        "of no segment were all parts and the whole read",
        parts_are_segment,
    ),
    FAMILY.rule(
        "md.timestamps-increase",
        "decoding times increase",
        "ISO/IEC 14496-12 §8.6.1.1; ISO/IEC 13818-1 §2.4.3.7",
        Level::Must,
        UNSEEN,
        timestamps_increase,
    ),
    FAMILY.rule(
        "md.continuous",
        "each segment and part begins where the one before ends",
        "RFC 8216 §3, §4.3.2.3; ISO/IEC 23000-19 §7.3.2",
        Level::Must,
        "no two neighbours were read",
        continuous,
    ),
    FAMILY.rule(
        "md.independent-true",
        "segments that are said to be independent begin with an IDR picture",
        "RFC 8216 §4.3.5.1",
        Level::Must,
        "EXT-X-INDEPENDENT-SEGMENTS is not there, or no picture was read",
        |view, findings| begins_with_idr(view, findings, true),
    ),
    FAMILY.rule(
        "md.starts-with-idr",
        "every segment begins with an IDR picture",
        "HLS Authoring Specification 1.11, 7.6",
        Level::Should,
        "no picture was read",
        |view, findings| begins_with_idr(view, findings, false),
    ),
    FAMILY.rule(
        "md.renditions-aligned",
        "a segment begins at the same media time in every size",
        "RFC 8216 §6.2.4",
        Level::Must,
        "there are not two sizes with the same segments",
        renditions_aligned,
    ),
    FAMILY.rule(
        "md.date-time-true",
        "EXT-X-PROGRAM-DATE-TIME goes on as the media does",
        "RFC 8216 §4.3.2.6, §6.2.1",
        Level::Must,
        "no two segments have a date and were read",
        date_time_true,
    ),
    FAMILY.rule(
        "md.date-time-same",
        "EXT-X-PROGRAM-DATE-TIME gives a media time the same date in all",
        "RFC 8216 §6.2.4; rfc8216bis §6.2.4",
        Level::Must,
        "there are not two playlists with dates",
        date_time_same,
    ),
    FAMILY.rule(
        "md.unchanged",
        "a segment that is fetched again is the same",
        "RFC 8216 §6.2.1",
        Level::Must,
        "no segment was there a second time",
        unchanged,
    ),
    FAMILY.rule(
        "md.i-frames",
        "what an I-frame playlist lists begins with an IDR picture",
        "RFC 8216 §4.3.3.6",
        Level::Must,
        "no I-frame was read",
        i_frames,
    ),
];

/// The frame to whose length times may differ.
fn frame(run: &Run) -> f64 {
    match run.frame() {
        frame if frame > 0.0 => frame,
        _ => USUAL_FRAME_S,
    }
}

/// The frame of a rendition.
fn frame_of(view: &View<'_>, rendition: &Rendition<'_>) -> f64 {
    let segments = rendition.segments();
    let runs = segments
        .values()
        .filter_map(|listed| view.segment_run(listed.segment));
    runs.map(frame).reduce(f64::max).unwrap_or(USUAL_FRAME_S)
}

/// How far `later` lies after `earlier`, on a clock that may have begun anew.
fn distance(earlier: f64, later: f64) -> f64 {
    let distance = later - earlier;
    if distance < -CLOCK_WRAP_S / 2.0 {
        distance + CLOCK_WRAP_S
    } else {
        distance
    }
}

/// Every segment of every rendition whose media was read.
fn each<'v, 'a>(
    view: &'v View<'a>,
    mut look: impl FnMut(&'v Rendition<'a>, &Listed<'v, 'a>, &'v Run),
) {
    for rendition in &view.renditions {
        for listed in rendition.segments().values() {
            if let Some(run) = view.segment_run(listed.segment) {
                look(rendition, listed, run);
            }
        }
    }
}

fn readable(view: &View<'_>, findings: &mut Findings) {
    let mut seen = Vec::new();
    for rendition in view.renditions.iter().chain(&view.iframes) {
        for listed in rendition.segments().values() {
            let segment = listed.segment;
            let whole = segment.resource.as_ref().map(|it| &it.value);
            let parts = segment.parts.iter().map(|part| &part.resource);
            for fetched in parts.chain(whole).filter_map(|it| view.fetched(it)) {
                if segment.encrypted {
                    continue;
                }
                let error = fetched.media.as_ref().err();
                findings.expect(error.is_none(), || {
                    let what = error.map(ToString::to_string).unwrap_or_default();
                    of_exchange(fetched.exchange, what)
                });
            }
            if let Some(map) = segment.map.as_ref().filter(|map| !seen.contains(map)) {
                seen.push(map);
                let Some(init) = view.init(map) else { continue };
                findings.expect(init.is_ok(), || {
                    let why = init.as_ref().err().map(ToString::to_string);
                    listed.evidence(format!("{}: {}", map.url, why.unwrap_or_default()))
                });
            }
        }
    }
}

fn segment_durations(view: &View<'_>, findings: &mut Findings) {
    let mut worst = 0.0_f64;
    each(view, |_, listed, run| {
        let Some(extinf) = listed.segment.extinf else {
            return;
        };
        let off = (extinf.value - run.duration()).abs();
        worst = worst.max(off);
        findings.expect(off <= frame(run) + ROUNDING_S, || {
            listed.evidence(format!(
                "EXTINF is {} s, the media lasts {:.6} s",
                extinf.value,
                run.duration()
            ))
        });
    });
    if worst > 0.0 {
        findings.note(format!("largest difference {:.3} ms", worst * 1000.0));
    }
}

fn part_durations(view: &View<'_>, findings: &mut Findings) {
    for rendition in &view.renditions {
        for listed in rendition.segments().values() {
            for part in &listed.segment.parts {
                let Some(run) = view.part_run(part) else {
                    continue;
                };
                let off = (part.duration - run.duration()).abs();
                findings.expect(off <= frame(run) + ROUNDING_S, || {
                    let what = format!(
                        "DURATION is {} s, the media lasts {:.6} s",
                        part.duration,
                        run.duration()
                    );
                    listed.load.evidence(&[part.line], what)
                });
            }
        }
    }
}

fn sum_of_parts(view: &View<'_>, findings: &mut Findings) {
    for rendition in &view.renditions {
        let frame = frame_of(view, rendition);
        for listed in rendition.segments().values() {
            let segment = listed.segment;
            let Some(extinf) = segment.extinf.filter(|_| !segment.parts.is_empty()) else {
                continue;
            };
            let sum: f64 = segment.parts.iter().map(|part| part.duration).sum();
            findings.expect((sum - extinf.value).abs() <= frame + ROUNDING_S, || {
                let lines = [segment.parts[0].line, extinf.line];
                let what = format!("the parts last {sum:.6} s, EXTINF is {} s", extinf.value);
                listed.load.evidence(&lines, what)
            });
        }
    }
}

fn parts_are_segment(view: &View<'_>, findings: &mut Findings) {
    for rendition in &view.renditions {
        for listed in rendition.segments().values() {
            let segment = listed.segment;
            let Some(whole) = view.segment_run(segment) else {
                continue;
            };
            let parts: Option<Vec<&Run>> = segment
                .parts
                .iter()
                .map(|part| view.part_run(part))
                .collect();
            let Some(parts) = parts.filter(|parts| !parts.is_empty()) else {
                continue;
            };
            let joined = parts.iter().flat_map(|run| &run.samples);
            let same = |(one, other): (&Sample, &Sample)| {
                one.dts == other.dts && one.digest == other.digest
            };
            let count: usize = parts.iter().map(|run| run.samples.len()).sum();
            let equal = count == whole.samples.len() && joined.zip(&whole.samples).all(same);
            findings.expect(equal, || {
                listed.evidence(format!(
                    "{count} samples in its parts, {} in the segment, or others",
                    whole.samples.len()
                ))
            });
        }
    }
}

fn timestamps_increase(view: &View<'_>, findings: &mut Findings) {
    for rendition in &view.renditions {
        for listed in rendition.segments().values() {
            let Some(Ok(media)) = view.segment(listed.segment).map(|it| &it.media) else {
                continue;
            };
            for run in &media.runs {
                let mut pairs = run.samples.windows(2);
                let back = pairs.position(|two| two[1].dts <= two[0].dts);
                findings.expect(back.is_none(), || {
                    let index = back.unwrap_or_default() + 1;
                    listed.evidence(format!("sample {index} is not later than the one before"))
                });
            }
        }
    }
}

fn continuous(view: &View<'_>, findings: &mut Findings) {
    for rendition in &view.renditions {
        let mut before: Option<(u64, u64, f64)> = None;
        for (msn, listed) in rendition.segments() {
            let segment = listed.segment;
            let runs = segment.parts.iter().map(|part| view.part_run(part));
            let runs: Vec<(usize, Option<&Run>)> = segment
                .parts
                .iter()
                .map(|part| part.line)
                .zip(runs)
                .collect();
            let mut part_end: Option<f64> = None;
            for (line, run) in &runs {
                let Some(run) = run else {
                    part_end = None;
                    continue;
                };
                if let Some(end) = part_end {
                    let gap = distance(end, run.decode_start());
                    findings.expect(gap.abs() <= frame(run) / 2.0, || {
                        let what = format!("{:.3} ms after the part before ends", gap * 1000.0);
                        listed.load.evidence(&[*line], what)
                    });
                }
                part_end = Some(run.decode_end());
            }
            let Some(run) = view.segment_run(segment) else {
                before = None;
                continue;
            };
            if let Some((known, discontinuity, end)) = before
                && known + 1 == msn
                && discontinuity == segment.discontinuity_sequence
            {
                let gap = distance(end, run.decode_start());
                findings.expect(gap.abs() <= frame(run) / 2.0, || {
                    let milliseconds = gap * 1000.0;
                    listed.evidence(format!(
                        "{milliseconds:.3} ms after the segment before ends"
                    ))
                });
            }
            before = Some((msn, segment.discontinuity_sequence, run.decode_end()));
        }
    }
}

fn begins_with_idr(view: &View<'_>, findings: &mut Findings, where_said: bool) {
    let in_master = view
        .multivariant
        .as_ref()
        .is_some_and(|master| master.playlist.independent_segments);
    each(view, |_, listed, run| {
        let said = in_master || listed.load.playlist.independent_segments;
        if run.track.kind != Kind::Video || (where_said && !said) {
            return;
        }
        let first = run.samples.first().is_some_and(|first| first.independent);
        findings.expect(first, || {
            listed.evidence("the first picture is no IDR picture")
        });
    });
}

fn renditions_aligned(view: &View<'_>, findings: &mut Findings) {
    let mut known: BTreeMap<(u64, u64), (String, f64)> = BTreeMap::new();
    each(view, |rendition, listed, run| {
        if run.track.kind != Kind::Video {
            return;
        }
        let place = (listed.segment.msn, listed.segment.discontinuity_sequence);
        let start = run.start();
        let Some((name, expected)) = known.get(&place) else {
            known.insert(place, (rendition.name(), start));
            return;
        };
        if *name == rendition.name() {
            return;
        }
        findings.expect((start - expected).abs() <= frame(run) / 2.0, || {
            listed.evidence(format!(
                "segment {} begins at {start:.6} s, in {name} at {expected:.6} s",
                place.0
            ))
        });
    });
}

/// A segment's date as a load gives it, and what it says of media time zero.
struct Dated<'v, 'a> {
    msn: u64,
    discontinuity: u64,
    load: &'v Load<'a>,
    line: usize,
    /// The date of media time zero, in seconds since 1970.
    zero: f64,
    frame: f64,
}

/// Every date that a rendition's loads give. A window that slides gives one to each segment.
fn dated<'v, 'a>(view: &'v View<'a>, rendition: &'v Rendition<'a>) -> Vec<Dated<'v, 'a>> {
    let mut found: BTreeMap<u64, Dated<'v, 'a>> = BTreeMap::new();
    for load in &rendition.loads {
        for segment in &load.playlist.segments {
            let (Some(date), Some(run)) = (segment.date, view.segment_run(segment)) else {
                continue;
            };
            found.entry(segment.msn).or_insert_with(|| Dated {
                msn: segment.msn,
                discontinuity: segment.discontinuity_sequence,
                load,
                line: date.line,
                zero: date.value - run.start(),
                frame: frame(run),
            });
        }
    }
    found.into_values().collect()
}

fn date_time_true(view: &View<'_>, findings: &mut Findings) {
    for rendition in &view.renditions {
        let mut known: BTreeMap<u64, f64> = BTreeMap::new();
        for dated in dated(view, rendition) {
            let Some(zero) = known.get(&dated.discontinuity) else {
                known.insert(dated.discontinuity, dated.zero);
                continue;
            };
            let off = dated.zero - zero;
            findings.expect(off.abs() <= dated.frame + ROUNDING_S, || {
                let what = format!(
                    "segment {} is dated {:.1} ms off, by its media time",
                    dated.msn,
                    off * 1000.0
                );
                dated.load.evidence(&[dated.line], what)
            });
        }
    }
}

fn date_time_same(view: &View<'_>, findings: &mut Findings) {
    let mut known: BTreeMap<u64, (String, f64, f64)> = BTreeMap::new();
    for rendition in &view.renditions {
        for dated in dated(view, rendition) {
            let place = dated.discontinuity;
            let Some((name, zero, frame)) = known.get(&place) else {
                known.insert(place, (rendition.name(), dated.zero, dated.frame));
                continue;
            };
            if *name == rendition.name() {
                continue;
            }
            let off = dated.zero - zero;
            findings.expect(off.abs() <= frame.max(dated.frame) + ROUNDING_S, || {
                let what = format!(
                    "segment {} is dated {:.1} ms off {name}, by its media time",
                    dated.msn,
                    off * 1000.0
                );
                dated.load.evidence(&[dated.line], what)
            });
        }
    }
}

fn unchanged(view: &View<'_>, findings: &mut Findings) {
    for again in view.of(|purpose| purpose == Purpose::Again) {
        let mut first = view.of(|purpose| purpose == Purpose::Segment);
        let first = first.find(|it| it.url == again.url && it.range == again.range);
        let (Some(first), Some(again_body)) = (first.and_then(|it| it.good()), again.good()) else {
            continue;
        };
        findings.expect(first.body == again_body.body, || {
            let what = format!(
                "{} bytes, {} before",
                again_body.body.len(),
                first.body.len()
            );
            of_exchange(again, what)
        });
    }
}

fn i_frames(view: &View<'_>, findings: &mut Findings) {
    for rendition in &view.iframes {
        for listed in rendition.segments().values() {
            let Some(run) = view.segment_run(listed.segment) else {
                continue;
            };
            let first = run.samples.first().is_some_and(|first| first.independent);
            findings.expect(first, || {
                listed.evidence("what is there does not begin with an IDR picture")
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CLOCK_WRAP_S, distance};

    #[test]
    fn a_clock_that_begins_anew_is_no_gap() {
        assert!((distance(CLOCK_WRAP_S - 0.5, 0.5) - 1.0).abs() < 1e-6);
        assert_eq!(distance(10.0, 8.0), -2.0);
    }
}
