//! What playlists tell ahead: preload hints and rendition reports (draft-pantos-hls-rfc8216bis
//! §4.4.5.3, §4.4.5.4, §6.2.6).

use std::collections::HashSet;
use std::time::Duration;

use super::low_latency;
use super::reload::answered;
use crate::playlist::{MediaPlaylist, Part, Resource};
use crate::rules::Findings;
use crate::session::{Position, Purpose, without_directives};
use crate::view::{Load, Rendition, View};

/// A report that is older than so many parts is not up to date.
const STALE_PARTS: f64 = 3.0;

pub(super) fn hint_there(view: &View<'_>, findings: &mut Findings) {
    for (_, load) in low_latency(view).filter(|(_, it)| it.playlist.end.is_none()) {
        findings.expect(load.playlist.part_hint().is_some(), || {
            let line = load.playlist.segments.last().map_or(1, |it| it.line);
            load.evidence(&[line], "no EXT-X-PRELOAD-HINT of TYPE=PART follows")
        });
    }
}

pub(super) fn hint_true(view: &View<'_>, findings: &mut Findings) {
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
            let first = |it: &Resource| it.range.map_or(0, |range| range.first);
            let right = part.resource.url == hint.resource.url
                && first(&part.resource) == first(&hint.resource);
            findings.expect(right, || {
                let text = load.playlist.text.line(hint.line).unwrap_or_default();
                later.evidence(&[part.line], format!("hinted was: {text}"))
            });
        }
    }
}

/// The part at a position, or, where its segment ended before, the next segment's first.
fn first_part_from(playlist: &MediaPlaylist, at: Position) -> Option<&Part> {
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

pub(super) fn hint_held(view: &View<'_>, findings: &mut Findings) {
    let listed: HashSet<&str> = low_latency(view)
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

pub(super) fn reports_there(view: &View<'_>, findings: &mut Findings) {
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

pub(super) fn reports_true(view: &View<'_>, findings: &mut Findings) {
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
            // What the other had when it was loaded, well before this one was asked for: a playlist
            // is rendered with its own newest part and may be a part old when it is asked for.
            let part = load.playlist.part_target().unwrap_or(0.0);
            let old = Duration::from_secs_f64((STALE_PARTS * part).min(60.0));
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
