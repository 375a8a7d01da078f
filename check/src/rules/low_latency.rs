//! Low latency: parts, blocking reload, preload hints, rendition reports, delta updates
//! (draft-pantos-hls-rfc8216bis §4.4.3.7 to §4.4.5.4, §6.2.5, appendix B.1).

mod announced;
mod delta;
mod parts;
mod reload;

use super::{Family, Level, Rule};
use crate::session::Purpose;
use crate::view::{Load, Rendition, View};

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

const FAMILY: Family = Family::LowLatency;

pub(super) const RULES: &[Rule] = &[
    FAMILY.rule(
        "ll.part-target",
        "playlists with parts have EXT-X-PART-INF with PART-TARGET",
        "rfc8216bis §4.4.3.7",
        Level::Must,
        NO_PARTS,
        parts::part_target,
    ),
    FAMILY.rule(
        "ll.part-longest",
        "no part is longer than PART-TARGET",
        "rfc8216bis §4.4.4.9",
        Level::Must,
        NO_PARTS,
        parts::part_longest,
    ),
    FAMILY.rule(
        "ll.part-shortest",
        "every part but a segment's last is at least 85 % of PART-TARGET",
        "rfc8216bis §4.4.4.9",
        Level::Must,
        NO_PARTS,
        parts::part_shortest,
    ),
    FAMILY.rule(
        "ll.part-hold-back",
        "PART-HOLD-BACK is there and at least two part targets",
        "rfc8216bis §4.4.3.8",
        Level::Must,
        NO_PARTS,
        |view, findings| parts::part_hold_back(view, findings, 2.0),
    ),
    FAMILY.rule(
        "ll.part-hold-back-margin",
        "PART-HOLD-BACK is at least 3.2 part targets",
        "rfc8216bis §4.4.3.8 (3 at least), and players that stall at exactly 3",
        Level::Should,
        NO_PARTS,
        |view, findings| parts::part_hold_back(view, findings, HOLD_BACK_PARTS),
    ),
    FAMILY.rule(
        "ll.hold-back",
        "HOLD-BACK is at least three target durations",
        "rfc8216bis §4.4.3.8",
        Level::Must,
        NO_CONTROL,
        |view, findings| parts::targets(view, findings, "HOLD-BACK", 3.0),
    ),
    FAMILY.rule(
        "ll.can-skip-until",
        "CAN-SKIP-UNTIL is at least six target durations",
        "rfc8216bis §4.4.3.8",
        Level::Must,
        NO_CONTROL,
        |view, findings| parts::targets(view, findings, "CAN-SKIP-UNTIL", 6.0),
    ),
    FAMILY.rule(
        "ll.independent-true",
        "parts with INDEPENDENT=YES have an IDR picture",
        "rfc8216bis §4.4.4.9",
        Level::Must,
        "no part with a picture was read",
        |view, findings| parts::independent(view, findings, true),
    ),
    FAMILY.rule(
        "ll.independent-told",
        "parts with an IDR picture have INDEPENDENT=YES",
        "rfc8216bis §4.4.4.9",
        Level::Should,
        "no part with a picture was read",
        |view, findings| parts::independent(view, findings, false),
    ),
    FAMILY.rule(
        "ll.all-have-parts",
        "where one playlist has parts, all have",
        "rfc8216bis §6.2.4, appendix B.1",
        Level::Should,
        NO_PARTS,
        parts::all_have_parts,
    ),
    FAMILY.rule(
        "ll.parts-recent",
        "parts are listed for the last three target durations only",
        "rfc8216bis §6.2.2",
        Level::Should,
        NO_PARTS,
        parts::parts_recent,
    ),
    FAMILY.rule(
        "ll.can-block",
        "playlists with parts offer blocking reload",
        "rfc8216bis §6.2.5.2, appendix B.1",
        Level::Should,
        NO_PARTS,
        reload::can_block,
    ),
    FAMILY.rule(
        "ll.reload-blocks",
        "a blocking reload is answered with what it asked for",
        "rfc8216bis §6.2.5.2",
        Level::Must,
        NO_BLOCKING,
        reload::reload_blocks,
    ),
    FAMILY.rule(
        "ll.reload-bounded",
        "a blocking reload is answered within three target durations",
        "rfc8216bis §6.2.5.2",
        Level::Should,
        NO_BLOCKING,
        reload::reload_bounded,
    ),
    FAMILY.rule(
        "ll.reload-at-once",
        "a blocking reload for what is listed already is answered at once",
        "rfc8216bis §6.2.5.2",
        Level::Must,
        NO_BLOCKING,
        reload::reload_at_once,
    ),
    FAMILY.rule(
        "ll.reload-past-end",
        "_HLS_part past a segment's end means the next segment's first part",
        "rfc8216bis §6.2.5.2",
        Level::Must,
        NO_BLOCKING,
        reload::reload_past_end,
    ),
    FAMILY.rule(
        "ll.reload-far-ahead",
        "_HLS_msn far ahead is refused with 400",
        "rfc8216bis §6.2.5.2",
        Level::Should,
        NO_BLOCKING,
        |view, findings| reload::refused(view, findings, Purpose::FarAhead),
    ),
    FAMILY.rule(
        "ll.reload-part-alone",
        "_HLS_part without _HLS_msn is refused with 400",
        "rfc8216bis §6.2.5.2",
        Level::Should,
        NO_BLOCKING,
        |view, findings| reload::refused(view, findings, Purpose::PartAlone),
    ),
    FAMILY.rule(
        "ll.hint-there",
        "live playlists hint at the next part",
        "rfc8216bis §4.4.5.3, appendix B.1",
        Level::Should,
        NO_PARTS,
        announced::hint_there,
    ),
    FAMILY.rule(
        "ll.hint-true",
        "the part that comes next is the one that was hinted",
        "rfc8216bis §4.4.5.3",
        Level::Must,
        NO_HINT,
        announced::hint_true,
    ),
    FAMILY.rule(
        "ll.hint-held",
        "a request for a hinted part is held until it is there",
        "rfc8216bis §4.4.5.3, §6.2.6",
        Level::Must,
        NO_HINT,
        announced::hint_held,
    ),
    FAMILY.rule(
        "ll.reports-there",
        "every playlist has a report of every other",
        "rfc8216bis §4.4.5.4, appendix B.1",
        Level::Should,
        NO_REPORT,
        announced::reports_there,
    ),
    FAMILY.rule(
        "ll.reports-true",
        "reports are right and up to date",
        "rfc8216bis §4.4.5.4",
        Level::Must,
        NO_REPORT,
        announced::reports_true,
    ),
    FAMILY.rule(
        "ll.delta-offered",
        "delta updates are offered",
        "rfc8216bis §6.2.5.1, appendix B.1",
        Level::Should,
        NO_PARTS,
        delta::delta_offered,
    ),
    FAMILY.rule(
        "ll.delta-equal",
        "a delta update says what the whole playlist says",
        "rfc8216bis §4.4.5.2, §6.2.5.1",
        Level::Must,
        NO_DELTA,
        delta::delta_equal,
    ),
    FAMILY.rule(
        "ll.delta-boundary",
        "a delta update skips only what lies beyond CAN-SKIP-UNTIL",
        "rfc8216bis §4.4.5.2, §6.2.5.1",
        Level::Must,
        NO_DELTA,
        delta::delta_boundary,
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
