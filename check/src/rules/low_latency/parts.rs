//! Parts and what the server promises of itself (draft-pantos-hls-rfc8216bis §4.4.3.7, §4.4.3.8,
//! §4.4.4.9).

use super::{ROUNDING_S, low_latency};
use crate::media::Kind;
use crate::rules::Findings;
use crate::view::{Role, View};

pub(super) fn part_target(view: &View<'_>, findings: &mut Findings) {
    for (_, load) in low_latency(view) {
        findings.expect(load.playlist.part_target().is_some(), || {
            let inf = load.playlist.part_inf.as_ref().map(|inf| inf.line);
            let part = load
                .playlist
                .segments
                .iter()
                .flat_map(|it| &it.parts)
                .next();
            let line = inf.or(part.map(|part| part.line)).unwrap_or(1);
            load.evidence(&[line], "PART-TARGET is not told")
        });
    }
}

pub(super) fn part_longest(view: &View<'_>, findings: &mut Findings) {
    for (_, load) in low_latency(view) {
        let Some(target) = load.playlist.part_target() else {
            continue;
        };
        let inf = load.playlist.part_inf.as_ref().map_or(0, |inf| inf.line);
        for part in load.playlist.segments.iter().flat_map(|it| &it.parts) {
            findings.expect(part.duration <= target + ROUNDING_S, || {
                load.evidence(&[inf, part.line], "longer than PART-TARGET")
            });
        }
    }
}

pub(super) fn part_shortest(view: &View<'_>, findings: &mut Findings) {
    for (_, load) in low_latency(view) {
        let Some(target) = load.playlist.part_target() else {
            continue;
        };
        let inf = load.playlist.part_inf.as_ref().map_or(0, |inf| inf.line);
        for segment in &load.playlist.segments {
            // Whether the newest part is its segment's last is not known yet.
            let certain = segment.parts.len().saturating_sub(1);
            for (index, part) in segment.parts.iter().take(certain).enumerate() {
                let before_gap = segment.parts[index + 1].gap;
                if part.gap || before_gap || part.independent {
                    continue;
                }
                let long = part.duration + ROUNDING_S >= 0.85 * target;
                findings.expect(long, || {
                    let what = format!("{:.0} % of PART-TARGET", part.duration / target * 100.0);
                    load.evidence(&[inf, part.line], what)
                });
            }
        }
    }
}

pub(super) fn part_hold_back(view: &View<'_>, findings: &mut Findings, parts: f64) {
    for (_, load) in low_latency(view) {
        let Some(target) = load.playlist.part_target() else {
            continue;
        };
        let control = load.playlist.server_control.as_ref();
        let told = control.and_then(|control| control.decimal("PART-HOLD-BACK"));
        let enough = told.is_some_and(|told| told + ROUNDING_S >= parts * target);
        findings.expect(enough, || {
            let line = control.map_or(1, |control| control.line);
            let inf = load.playlist.part_inf.as_ref().map_or(0, |inf| inf.line);
            let what = match told {
                Some(told) => format!("{:.2} part targets", told / target),
                None => "PART-HOLD-BACK is not told".to_owned(),
            };
            load.evidence(&[line, inf], what)
        });
    }
}

pub(super) fn targets(view: &View<'_>, findings: &mut Findings, name: &str, factor: f64) {
    for load in view.renditions.iter().flat_map(|it| &it.loads) {
        let Some(control) = load.playlist.server_control.as_ref() else {
            continue;
        };
        let Some(told) = control.decimal(name) else {
            continue;
        };
        let needed = factor * load.playlist.target();
        findings.expect(told + ROUNDING_S >= needed, || {
            load.evidence(&[control.line], format!("{needed} s are the least"))
        });
    }
}

pub(super) fn independent(view: &View<'_>, findings: &mut Findings, told: bool) {
    for rendition in &view.renditions {
        for listed in rendition.segments().values() {
            for part in &listed.segment.parts {
                let run = view.part_run(part);
                let Some(run) = run.filter(|run| run.track.kind == Kind::Video) else {
                    continue;
                };
                let is = run.samples.iter().any(|sample| sample.independent);
                if told {
                    findings.expect(is || !part.independent, || {
                        let what = "no picture of it is an IDR picture";
                        listed.load.evidence(&[part.line], what)
                    });
                } else {
                    findings.expect(!is || part.independent, || {
                        let what = "it has an IDR picture and does not say so";
                        listed.load.evidence(&[part.line], what)
                    });
                }
            }
        }
    }
}

pub(super) fn all_have_parts(view: &View<'_>, findings: &mut Findings) {
    if low_latency(view).next().is_none() {
        return;
    }
    for rendition in view.renditions.iter().filter(|it| it.role != Role::Other) {
        let Some(load) = rendition.newest() else {
            continue;
        };
        findings.expect(rendition.is_low_latency(), || {
            load.evidence(&[1], "no parts, others have")
        });
    }
}

pub(super) fn parts_recent(view: &View<'_>, findings: &mut Findings) {
    for (_, load) in low_latency(view) {
        let playlist = &load.playlist;
        // Parts leave by segments: what a segment that reaches into the span has may stay. Segments
        // of sound end up to a frame early or late.
        let part = playlist.part_target().unwrap_or(ROUNDING_S);
        let span = 3.0 * playlist.target() + part;
        let mut after = 0.0;
        for segment in playlist.segments.iter().rev() {
            let recent = after <= span;
            if let Some(part) = segment.parts.first() {
                findings.expect(recent, || {
                    let what = format!("its segment ended {after:.3} s before the playlist's end");
                    load.evidence(&[part.line], what)
                });
            }
            after += segment.duration();
        }
    }
}
