//! Delta updates (draft-pantos-hls-rfc8216bis §4.4.5.2, §6.2.5.1).

use std::collections::HashMap;

use super::{ROUNDING_S, low_latency};
use crate::playlist::{MediaPlaylist, Segment};
use crate::rules::Findings;
use crate::session::Purpose;
use crate::view::{Load, View};

pub(super) fn delta_offered(view: &View<'_>, findings: &mut Findings) {
    for (_, load) in low_latency(view).filter(|(_, it)| it.playlist.end.is_none()) {
        findings.expect(load.playlist.can_skip_until().is_some(), || {
            let control = load.playlist.server_control.as_ref();
            load.evidence(&[control.map_or(1, |it| it.line)], "no CAN-SKIP-UNTIL")
        });
    }
}

/// Each delta update with the whole playlist that was fetched for the same directives.
fn deltas<'v, 'a>(view: &'v View<'a>) -> Vec<(&'v Load<'a>, &'v Load<'a>)> {
    let mut found = Vec::new();
    for rendition in &view.renditions {
        for delta in &rendition.probes {
            let Purpose::Delta(asked) = delta.exchange.purpose else {
                continue;
            };
            let mut full = rendition.probes.iter();
            if let Some(full) = full.find(|it| it.exchange.purpose == Purpose::Full(asked)) {
                found.push((delta, full));
            }
        }
    }
    found
}

/// What two loads have to say alike of a segment that both have.
fn alike(one: &Segment, other: &Segment) -> bool {
    let resource = |it: &Segment| it.resource.as_ref().map(|it| it.value.clone());
    let duration = |it: &Segment| it.extinf.map(|it| it.value);
    let date = |it: &Segment| it.date.map(|it| it.value);
    let parts = |it: &Segment| -> Vec<(String, f64, bool)> {
        let parts = it.parts.iter();
        parts
            .map(|it| (it.resource.url.clone(), it.duration, it.independent))
            .collect()
    };
    resource(one) == resource(other)
        && duration(one) == duration(other)
        && (date(one) == date(other) || date(one).is_none() || date(other).is_none())
        // Its number is not: a delta update does not count what it skips.
        && one.discontinuity.is_some() == other.discontinuity.is_some()
        && parts(one) == parts(other)
}

pub(super) fn delta_equal(view: &View<'_>, findings: &mut Findings) {
    for (delta, full) in deltas(view) {
        let Some(skip) = &delta.playlist.skip else {
            // A whole playlist is an answer too: a server may leave the offer.
            findings.expect(true, || delta.evidence(&[], ""));
            continue;
        };
        let head = |it: &MediaPlaylist| {
            let target = it.target_duration.map(|it| it.value);
            (target, it.part_target(), it.can_skip_until())
        };
        findings.expect(head(&delta.playlist) == head(&full.playlist), || {
            delta.evidence(&[skip.line], "its head is not the whole playlist's")
        });
        let whole: HashMap<u64, &Segment> = full
            .playlist
            .segments
            .iter()
            .map(|segment| (segment.msn, segment))
            .collect();
        let newest = full.playlist.segments.last().map_or(0, |it| it.msn);
        let mut shared = 0;
        for segment in &delta.playlist.segments {
            // What came between the two answers only one of them can have.
            let known = match whole.get(&segment.msn) {
                _ if segment.msn >= newest => continue,
                Some(known) => known,
                None => {
                    let what = format!("segment {} is not in the whole playlist", segment.msn);
                    findings.expect(false, || delta.evidence(&[skip.line, segment.line], what));
                    continue;
                }
            };
            // The parts of an old segment leave as the playlist grows.
            let trimmed = known.parts.is_empty() || segment.parts.is_empty();
            let right = match trimmed {
                true => {
                    let bare = |it: &Segment| Segment {
                        parts: Vec::new(),
                        ..it.clone()
                    };
                    alike(&bare(segment), &bare(known))
                }
                false => alike(segment, known),
            };
            shared += 1;
            findings.expect(right, || {
                let what = format!(
                    "segment {} is another one in the whole playlist",
                    segment.msn
                );
                delta.evidence(&[skip.line, segment.line], what)
            });
        }
        findings.expect(shared > 0, || {
            delta.evidence(&[skip.line], "it has no segment of the whole playlist")
        });
    }
}

pub(super) fn delta_boundary(view: &View<'_>, findings: &mut Findings) {
    for (delta, _) in deltas(view) {
        let (Some(skip), Some(until)) = (&delta.playlist.skip, delta.playlist.can_skip_until())
        else {
            continue;
        };
        let kept: f64 = delta.playlist.segments.iter().map(Segment::duration).sum();
        findings.expect(kept + ROUNDING_S >= until, || {
            let what = format!("{kept:.3} s are left, CAN-SKIP-UNTIL is {until} s");
            delta.evidence(&[skip.line], what)
        });
    }
}
