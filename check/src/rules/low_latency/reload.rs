//! Blocking reload (draft-pantos-hls-rfc8216bis §6.2.5.2).

use std::collections::HashMap;
use std::time::Duration;

use super::low_latency;
use crate::report::Evidence;
use crate::rules::Findings;
use crate::session::{Exchange, Position, Purpose};
use crate::view::{View, of_exchange};

/// What a network and two busy programs add to any answer.
const NETWORK: Duration = Duration::from_secs(1);

pub(super) fn can_block(view: &View<'_>, findings: &mut Findings) {
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
pub(super) fn answered(exchange: &Exchange, what: impl Into<String>) -> Evidence {
    let what = what.into();
    let waited = exchange.waited().as_secs_f64();
    of_exchange(exchange, format!("{what}, after {waited:.2} s"))
}

pub(super) fn reload_blocks(view: &View<'_>, findings: &mut Findings) {
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

pub(super) fn reload_bounded(view: &View<'_>, findings: &mut Findings) {
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

pub(super) fn reload_at_once(view: &View<'_>, findings: &mut Findings) {
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

pub(super) fn reload_past_end(view: &View<'_>, findings: &mut Findings) {
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

pub(super) fn refused(view: &View<'_>, findings: &mut Findings, purpose: Purpose) {
    for exchange in view.of(|it| it == purpose) {
        findings.expect(exchange.status() == 400, || {
            answered(exchange, format!("{}, 400 is expected", exchange.outcome()))
        });
    }
}
