//! Low latency: parts, blocking reload, preload hints, rendition reports, delta updates
//! (draft-pantos-hls-rfc8216bis §4.4.3.7 to §4.4.5.4, §6.2.5, appendix B.1).

use std::collections::HashMap;
use std::time::Duration;

use super::{Family, Findings, Level, Rule};
use crate::media::Kind;
use crate::playlist::{MediaPlaylist, Segment};
use crate::session::{Exchange, Position, Purpose, without_directives};
use crate::view::{Load, Rendition, Role, View, of_exchange};

const NO_PARTS: &str = "there are no parts";
const NO_CONTROL: &str = "EXT-X-SERVER-CONTROL does not have it";
const NO_BLOCKING: &str = "reload does not block here";
const NO_HINT: &str = "no part was hinted";
const NO_REPORT: &str = "there is no second low-latency playlist";
const NO_DELTA: &str = "no delta update is offered";

/// Durations are written in milliseconds at the coarsest.
const ROUNDING_S: f64 = 0.001;

/// Players have been seen to stall at exactly three part targets.
const HOLD_BACK_PARTS: f64 = 3.2;

/// What a network and two busy programs add to any answer.
const NETWORK: Duration = Duration::from_secs(1);

const fn rule(
    id: &'static str,
    title: &'static str,
    section: &'static str,
    level: Level,
    unseen: &'static str,
    check: fn(&View<'_>, &mut Findings),
) -> Rule {
    let family = Family::LowLatency;
    Rule {
        id,
        family,
        title,
        section,
        level,
        unseen,
        check,
    }
}

pub(super) const RULES: &[Rule] = &[
    rule(
        "ll.part-target",
        "playlists with parts have EXT-X-PART-INF with PART-TARGET",
        "rfc8216bis §4.4.3.7",
        Level::Must,
        NO_PARTS,
        part_target,
    ),
    rule(
        "ll.part-longest",
        "no part is longer than PART-TARGET",
        "rfc8216bis §4.4.4.9",
        Level::Must,
        NO_PARTS,
        part_longest,
    ),
    rule(
        "ll.part-shortest",
        "every part but a segment's last is at least 85 % of PART-TARGET",
        "rfc8216bis §4.4.4.9",
        Level::Must,
        NO_PARTS,
        part_shortest,
    ),
    rule(
        "ll.part-hold-back",
        "PART-HOLD-BACK is there and at least two part targets",
        "rfc8216bis §4.4.3.8",
        Level::Must,
        NO_PARTS,
        |view, findings| part_hold_back(view, findings, 2.0),
    ),
    rule(
        "ll.part-hold-back-margin",
        "PART-HOLD-BACK is at least 3.2 part targets",
        "rfc8216bis §4.4.3.8 (3 at least), and players that stall at exactly 3",
        Level::Should,
        NO_PARTS,
        |view, findings| part_hold_back(view, findings, HOLD_BACK_PARTS),
    ),
    rule(
        "ll.hold-back",
        "HOLD-BACK is at least three target durations",
        "rfc8216bis §4.4.3.8",
        Level::Must,
        NO_CONTROL,
        |view, findings| targets(view, findings, "HOLD-BACK", 3.0),
    ),
    rule(
        "ll.can-skip-until",
        "CAN-SKIP-UNTIL is at least six target durations",
        "rfc8216bis §4.4.3.8",
        Level::Must,
        NO_CONTROL,
        |view, findings| targets(view, findings, "CAN-SKIP-UNTIL", 6.0),
    ),
    rule(
        "ll.independent-true",
        "parts with INDEPENDENT=YES have an IDR picture",
        "rfc8216bis §4.4.4.9",
        Level::Must,
        "no part with a picture was read",
        |view, findings| independent(view, findings, true),
    ),
    rule(
        "ll.independent-told",
        "parts with an IDR picture have INDEPENDENT=YES",
        "rfc8216bis §4.4.4.9",
        Level::Should,
        "no part with a picture was read",
        |view, findings| independent(view, findings, false),
    ),
    rule(
        "ll.all-have-parts",
        "where one playlist has parts, all have",
        "rfc8216bis §6.2.4, appendix B.1",
        Level::Should,
        NO_PARTS,
        all_have_parts,
    ),
    rule(
        "ll.parts-recent",
        "parts are listed for the last three target durations only",
        "rfc8216bis §6.2.2",
        Level::Should,
        NO_PARTS,
        parts_recent,
    ),
    rule(
        "ll.can-block",
        "playlists with parts offer blocking reload",
        "rfc8216bis §6.2.5.2, appendix B.1",
        Level::Should,
        NO_PARTS,
        can_block,
    ),
    rule(
        "ll.reload-blocks",
        "a blocking reload is answered with what it asked for",
        "rfc8216bis §6.2.5.2",
        Level::Must,
        NO_BLOCKING,
        reload_blocks,
    ),
    rule(
        "ll.reload-bounded",
        "a blocking reload is answered within three target durations",
        "rfc8216bis §6.2.5.2",
        Level::Should,
        NO_BLOCKING,
        reload_bounded,
    ),
    rule(
        "ll.reload-at-once",
        "a blocking reload for what is listed already is answered at once",
        "rfc8216bis §6.2.5.2",
        Level::Must,
        NO_BLOCKING,
        reload_at_once,
    ),
    rule(
        "ll.reload-past-end",
        "_HLS_part past a segment's end means the next segment's first part",
        "rfc8216bis §6.2.5.2",
        Level::Must,
        NO_BLOCKING,
        reload_past_end,
    ),
    rule(
        "ll.reload-far-ahead",
        "_HLS_msn far ahead is refused with 400",
        "rfc8216bis §6.2.5.2",
        Level::Should,
        NO_BLOCKING,
        |view, findings| refused(view, findings, Purpose::FarAhead),
    ),
    rule(
        "ll.reload-part-alone",
        "_HLS_part without _HLS_msn is refused with 400",
        "rfc8216bis §6.2.5.2",
        Level::Should,
        NO_BLOCKING,
        |view, findings| refused(view, findings, Purpose::PartAlone),
    ),
    rule(
        "ll.hint-there",
        "live playlists hint at the next part",
        "rfc8216bis §4.4.5.3, appendix B.1",
        Level::Should,
        NO_PARTS,
        hint_there,
    ),
    rule(
        "ll.hint-true",
        "the part that comes next is the one that was hinted",
        "rfc8216bis §4.4.5.3",
        Level::Must,
        NO_HINT,
        hint_true,
    ),
    rule(
        "ll.hint-held",
        "a request for a hinted part is held until it is there",
        "rfc8216bis §4.4.5.3, §6.2.6",
        Level::Must,
        NO_HINT,
        hint_held,
    ),
    rule(
        "ll.reports-there",
        "every playlist has a report of every other",
        "rfc8216bis §4.4.5.4, appendix B.1",
        Level::Should,
        NO_REPORT,
        reports_there,
    ),
    rule(
        "ll.reports-true",
        "reports are right and up to date",
        "rfc8216bis §4.4.5.4",
        Level::Must,
        NO_REPORT,
        reports_true,
    ),
    rule(
        "ll.delta-offered",
        "delta updates are offered",
        "rfc8216bis §6.2.5.1, appendix B.1",
        Level::Should,
        NO_PARTS,
        delta_offered,
    ),
    rule(
        "ll.delta-equal",
        "a delta update says what the whole playlist says",
        "rfc8216bis §4.4.5.2, §6.2.5.1",
        Level::Must,
        NO_DELTA,
        delta_equal,
    ),
    rule(
        "ll.delta-boundary",
        "a delta update skips only what lies beyond CAN-SKIP-UNTIL",
        "rfc8216bis §4.4.5.2, §6.2.5.1",
        Level::Must,
        NO_DELTA,
        delta_boundary,
    ),
];

/// Every load of a playlist that has parts.
fn low_latency<'v, 'a>(
    view: &'v View<'a>,
) -> impl Iterator<Item = (&'v Rendition<'a>, &'v Load<'a>)> {
    let all = view.renditions.iter();
    all.flat_map(|rendition| rendition.loads.iter().map(move |load| (rendition, load)))
        .filter(|(_, load)| load.playlist.is_low_latency())
}

fn part_target(view: &View<'_>, findings: &mut Findings) {
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

fn part_longest(view: &View<'_>, findings: &mut Findings) {
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

fn part_shortest(view: &View<'_>, findings: &mut Findings) {
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

fn part_hold_back(view: &View<'_>, findings: &mut Findings, parts: f64) {
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

fn targets(view: &View<'_>, findings: &mut Findings, name: &str, factor: f64) {
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

fn independent(view: &View<'_>, findings: &mut Findings, told: bool) {
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

fn all_have_parts(view: &View<'_>, findings: &mut Findings) {
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

fn parts_recent(view: &View<'_>, findings: &mut Findings) {
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

fn can_block(view: &View<'_>, findings: &mut Findings) {
    for (_, load) in low_latency(view).filter(|(_, it)| it.playlist.end.is_none()) {
        findings.expect(load.playlist.can_block(), || {
            let control = load.playlist.server_control.as_ref();
            load.evidence(
                &[control.map_or(1, |it| it.line)],
                "no CAN-BLOCK-RELOAD=YES",
            )
        });
    }
}

/// Evidence against an answer to a directive.
fn answered(exchange: &Exchange, what: impl Into<String>) -> crate::report::Evidence {
    let what = what.into();
    let waited = exchange.waited().as_secs_f64();
    of_exchange(exchange, format!("{what}, after {waited:.2} s"))
}

fn reload_blocks(view: &View<'_>, findings: &mut Findings) {
    let mut held: Vec<Duration> = Vec::new();
    for exchange in view.of(|purpose| matches!(purpose, Purpose::Reload(_))) {
        let Purpose::Reload(asked) = exchange.purpose else {
            continue;
        };
        // What stalls is answered with 503 and no verdict on blocking.
        if exchange.status() == 503 {
            continue;
        }
        let load = view.load_of(exchange);
        let playlist = load.map(|load| &load.playlist);
        let right = playlist.is_some_and(|it| it.has(asked) || it.end.is_some());
        findings.expect(right, || match load {
            Some(load) => {
                let line = load.playlist.segments.last().map_or(1, |it| it.line);
                let waited = exchange.waited().as_secs_f64();
                let what = format!("answered after {waited:.2} s without what was asked for");
                load.evidence(&[line], what)
            }
            None => answered(exchange, exchange.outcome()),
        });
        held.push(exchange.waited());
    }
    if let (Some(shortest), Some(longest)) = (held.iter().min(), held.iter().max()) {
        findings.note(format!(
            "answered after {:.2} to {:.2} s",
            shortest.as_secs_f64(),
            longest.as_secs_f64()
        ));
    }
}

/// The target duration of the playlist that a request was for.
fn target_of(view: &View<'_>, exchange: &Exchange) -> Option<f64> {
    let rendition = view.rendition(&exchange.url)?;
    Some(rendition.newest()?.playlist.target())
}

fn reload_bounded(view: &View<'_>, findings: &mut Findings) {
    for exchange in view.of(|purpose| matches!(purpose, Purpose::Reload(_))) {
        let Some(target) = target_of(view, exchange) else {
            continue;
        };
        let most = Duration::from_secs_f64((3.0 * target).min(3600.0)) + NETWORK;
        findings.expect(exchange.waited() <= most && exchange.result.is_ok(), || {
            answered(exchange, exchange.outcome())
        });
    }
}

fn reload_at_once(view: &View<'_>, findings: &mut Findings) {
    // Of several the fastest, since any may be late for reasons of its own.
    let mut fastest: HashMap<String, &Exchange> = HashMap::new();
    for exchange in view.of(|purpose| matches!(purpose, Purpose::Existing(_))) {
        let known = fastest.entry(exchange.plain_url()).or_insert(exchange);
        if exchange.good().is_some() && exchange.waited() < known.waited() {
            *known = exchange;
        }
    }
    for (url, exchange) in fastest {
        let Some(rendition) = view.rendition(&url) else {
            continue;
        };
        let plain = rendition.loads.iter().map(|load| load.exchange);
        let plain = plain.filter(|it| it.purpose == Purpose::Latest);
        let usual = plain.map(Exchange::waited).min().unwrap_or_default();
        let part = rendition.newest().and_then(|it| it.playlist.part_target());
        let allowed = usual + Duration::from_secs_f64((part.unwrap_or(1.0) / 2.0).min(10.0));
        let quick = exchange.good().is_some() && exchange.waited() <= allowed;
        findings.expect(quick, || answered(exchange, exchange.outcome()));
    }
}

fn reload_past_end(view: &View<'_>, findings: &mut Findings) {
    for exchange in view.of(|purpose| matches!(purpose, Purpose::PartPastEnd(_))) {
        let Purpose::PartPastEnd(msn) = exchange.purpose else {
            continue;
        };
        let asked = Position {
            msn: msn + 1,
            part: Some(0),
        };
        let load = view.load_of(exchange);
        let right = load.is_some_and(|it| it.playlist.has(asked) || it.playlist.end.is_some());
        findings.expect(right, || answered(exchange, exchange.outcome()));
    }
}

fn refused(view: &View<'_>, findings: &mut Findings, purpose: Purpose) {
    for exchange in view.of(|it| it == purpose) {
        findings.expect(exchange.status() == 400, || {
            answered(exchange, format!("{}, 400 is expected", exchange.outcome()))
        });
    }
}

fn hint_there(view: &View<'_>, findings: &mut Findings) {
    for (_, load) in low_latency(view).filter(|(_, it)| it.playlist.end.is_none()) {
        findings.expect(load.playlist.part_hint().is_some(), || {
            let line = load.playlist.segments.last().map_or(1, |it| it.line);
            load.evidence(&[line], "no EXT-X-PRELOAD-HINT of TYPE=PART follows")
        });
    }
}

fn hint_true(view: &View<'_>, findings: &mut Findings) {
    for rendition in &view.renditions {
        for (index, load) in rendition.loads.iter().enumerate() {
            let (Some(hint), Some(next)) = (load.playlist.part_hint(), load.playlist.next()) else {
                continue;
            };
            let came = rendition.loads[index + 1..].iter().find_map(|later| {
                let part = first_part_from(&later.playlist, next)?;
                Some((later, part))
            });
            let Some((later, part)) = came else {
                continue;
            };
            let right = part.resource.url == hint.resource.url
                && part.resource.range.map(|it| it.first) == hint.resource.range.map(|it| it.first);
            findings.expect(right, || {
                let text = load.playlist.text.line(hint.line).unwrap_or_default();
                later.evidence(&[part.line], format!("hinted was: {text}"))
            });
        }
    }
}

/// The part at a position, or, where its segment ended before, the next segment's first.
fn first_part_from(playlist: &MediaPlaylist, at: Position) -> Option<&crate::playlist::Part> {
    let segment = |msn: u64| playlist.segments.iter().find(|it| it.msn == msn);
    let own = segment(at.msn)?;
    let index = usize::try_from(at.part.unwrap_or(0)).ok()?;
    // A segment whose parts left the playlist says nothing of them.
    if own.parts.is_empty() {
        return None;
    }
    own.parts.get(index).or_else(|| match own.is_whole() {
        true => segment(at.msn.checked_add(1)?)?.parts.first(),
        false => None,
    })
}

fn hint_held(view: &View<'_>, findings: &mut Findings) {
    let listed: std::collections::HashSet<&str> = low_latency(view)
        .flat_map(|(_, load)| &load.playlist.segments)
        .flat_map(|segment| &segment.parts)
        .map(|part| part.resource.url.as_str())
        .collect();
    let mut held: Vec<Duration> = Vec::new();
    for exchange in view.of(|purpose| purpose == Purpose::Hinted) {
        // Where the segment or the stream ended first, 404 is right.
        if exchange.status() == 404 && !listed.contains(exchange.url.as_str()) {
            continue;
        }
        if exchange.status() == 503 {
            continue;
        }
        findings.expect(exchange.good().is_some(), || {
            answered(exchange, exchange.outcome())
        });
        held.push(exchange.waited());
    }
    if let (Some(shortest), Some(longest)) = (held.iter().min(), held.iter().max()) {
        findings.note(format!(
            "{} held for {:.2} to {:.2} s",
            held.len(),
            shortest.as_secs_f64(),
            longest.as_secs_f64()
        ));
    }
}

fn reports_there(view: &View<'_>, findings: &mut Findings) {
    let reported: Vec<&Rendition<'_>> = view
        .renditions
        .iter()
        .filter(|rendition| rendition.is_low_latency())
        .collect();
    if reported.len() < 2 {
        return;
    }
    for (rendition, load) in low_latency(view).filter(|(_, it)| it.playlist.end.is_none()) {
        for other in reported.iter().filter(|it| it.url != rendition.url) {
            let mut reports = load.playlist.reports.iter();
            let there = reports.any(|report| without_directives(&report.url) == other.url);
            findings.expect(there, || {
                let line = load.playlist.segments.last().map_or(1, |it| it.line);
                load.evidence(&[line], format!("no report of {}", other.name()))
            });
        }
    }
}

fn reports_true(view: &View<'_>, findings: &mut Findings) {
    for (_, load) in low_latency(view) {
        for report in &load.playlist.reports {
            let Some(other) = view.rendition(&report.url) else {
                continue;
            };
            let told = Position {
                msn: report.msn.unwrap_or(0),
                part: report.part,
            };
            let order = |it: Position| (it.msn, it.part);
            let ended = |it: &&Load<'_>| it.playlist.end.is_some();
            // What the other had when it was loaded, well before this one was asked for.
            let part = load.playlist.part_target().unwrap_or(0.0);
            let old = Duration::from_secs_f64((1.5 * part).min(60.0));
            let before = other
                .loads
                .iter()
                .filter(|it| !ended(it))
                .rfind(|it| it.exchange.end + old < load.exchange.sent);
            let least = before.and_then(|it| open_position(&it.playlist));
            // What it had when it was loaded after this one was answered.
            let after = other
                .loads
                .iter()
                .find(|it| it.exchange.sent > load.exchange.end);
            let most = after.and_then(|it| open_position(&it.playlist));
            if least.is_none() && most.is_none() {
                continue;
            }
            let complete = report.msn.is_some() && report.part.is_some();
            let right = complete
                && least.is_none_or(|least| order(told) >= order(least))
                && most.is_none_or(|most| order(told) <= order(most));
            findings.expect(right, || {
                let show = |at: Option<Position>| match at {
                    Some(at) => format!("{}.{}", at.msn, at.part.unwrap_or(0)),
                    None => "unknown".to_owned(),
                };
                let what = format!(
                    "{} had {} before and {} after",
                    other.name(),
                    show(least),
                    show(most)
                );
                load.evidence(&[report.line], what)
            });
        }
    }
}

/// The newest part; none where the newest segment's parts are not listed.
fn open_position(playlist: &MediaPlaylist) -> Option<Position> {
    playlist.last().filter(|last| last.part.is_some())
}

fn delta_offered(view: &View<'_>, findings: &mut Findings) {
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
        && one.discontinuity_sequence_in_delta(other)
        && parts(one) == parts(other)
}

impl Segment {
    /// A discontinuity that a delta update skips is not counted in it.
    fn discontinuity_sequence_in_delta(&self, other: &Self) -> bool {
        self.discontinuity.is_some() == other.discontinuity.is_some()
    }
}

fn delta_equal(view: &View<'_>, findings: &mut Findings) {
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

fn delta_boundary(view: &View<'_>, findings: &mut Findings) {
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
