//! For each rule a look that breaks it in one place.

use bytes::Bytes;

use crate::session::{Exchange, Purpose, Session};
use crate::synthetic::Break::{self, Exchanges, Media, Text};
use crate::synthetic::Page;

/// A broken look.
pub(super) struct Broken {
    pub(super) rule: &'static str,
    /// What cannot but break with it.
    pub(super) companions: &'static [&'static str],
    pub(super) how: Break,
}

const fn alone(rule: &'static str, how: Break) -> Broken {
    with(rule, &[], how)
}

const fn with(rule: &'static str, companions: &'static [&'static str], how: Break) -> Broken {
    Broken {
        rule,
        companions,
        how,
    }
}

pub(super) const BREAKS: &[Broken] = &[
    // The multivariant playlist.
    alone(
        "mv.syntax",
        Text(|page, text| master(page, &text, "", "", "orphan.m3u8\n")),
    ),
    with(
        "mv.playlists-answer",
        &["http.playlists-answer"],
        Exchanges(|session| first(session, "small/", Purpose::Latest, |it| refuse(it, 404))),
    ),
    alone(
        "mv.bandwidth-listed",
        Text(|page, text| master(page, &text, "BANDWIDTH=500000,", "", "")),
    ),
    with(
        "mv.groups",
        &["mv.codecs-true"],
        Text(|page, text| master(page, &text, "GROUP-ID=\"a\"", "GROUP-ID=\"b\"", "")),
    ),
    alone(
        "mv.media-attributes",
        Text(|page, text| master(page, &text, "NAME=\"Sound\",", "", "")),
    ),
    alone(
        "mv.codecs-true",
        Text(|page, text| master(page, &text, "avc1.42c00b", "avc1.640028", "")),
    ),
    alone(
        "mv.resolution-true",
        Text(|page, text| master(page, &text, "160x90", "640x360", "")),
    ),
    alone(
        "mv.frame-rate-true",
        Text(|page, text| master(page, &text, "30.000", "25.000", "")),
    ),
    alone(
        "mv.bandwidth-true",
        Text(|page, text| master(page, &text, ":BANDWIDTH=300000", ":BANDWIDTH=1000", "")),
    ),
    alone(
        "mv.codecs-listed",
        Text(|page, text| master(page, &text, "CODECS=\"avc1.42c00b,mp4a.40.2\",", "", "")),
    ),
    alone(
        "mv.resolution-listed",
        Text(|page, text| master(page, &text, "RESOLUTION=160x90,", "", "")),
    ),
    alone(
        "mv.frame-rate-listed",
        Text(|page, text| master(page, &text, "FRAME-RATE=30.000,", "", "")),
    ),
    alone(
        "mv.average-bandwidth-listed",
        Text(|page, text| master(page, &text, "AVERAGE-BANDWIDTH=400000,", "", "")),
    ),
    alone(
        "mv.closed-captions-listed",
        Text(|page, text| master(page, &text, ",CLOSED-CAPTIONS=NONE", "", "")),
    ),
    alone(
        "mv.independent-segments",
        Text(|_, text| text.replace("#EXT-X-INDEPENDENT-SEGMENTS\n", "")),
    ),
    // Media playlists.
    alone(
        "pl.syntax",
        Text(|page, text| {
            of(
                "big",
                page,
                &text,
                "TARGET=0.500",
                "TARGET=0.500,PART-TARGET=0.500",
            )
        }),
    ),
    alone(
        "pl.version",
        Text(|page, text| of("big", page, &text, "VERSION:9", "VERSION:5")),
    ),
    with(
        "pl.target-duration",
        &["ll.hold-back", "ll.can-skip-until"],
        Text(|page, text| match page.at.msn {
            15 => of("big", page, &text, "TARGETDURATION:2", "TARGETDURATION:3"),
            _ => text,
        }),
    ),
    with(
        "pl.target-duration-obeyed",
        &["md.segment-durations", "md.sum-of-parts"],
        Text(|page, text| of("big", page, &text, "2.000,\n13.m4s", "2.500,\n13.m4s")),
    ),
    with(
        "pl.target-duration-same",
        &["ll.hold-back", "ll.can-skip-until"],
        Text(|page, text| of("small", page, &text, "TARGETDURATION:2", "TARGETDURATION:3")),
    ),
    with(
        "pl.media-sequence",
        // The numbers of all segments go back with it.
        &[
            "pl.discontinuity-sequence",
            "pl.nothing-vanishes",
            "pl.segments-unchanged",
            "pl.discontinuities-aligned",
            "md.continuous",
            "ll.reload-blocks",
            "ll.reports-true",
        ],
        Text(|page, text| match (page.at.msn, page.at.part) {
            (15, Some(2)) => of("big", page, &text, "SEQUENCE:6\n", "SEQUENCE:2\n"),
            _ => text,
        }),
    ),
    alone(
        "pl.discontinuity-sequence",
        Text(|_, text| text.replace("DISCONTINUITY-SEQUENCE:1", "DISCONTINUITY-SEQUENCE:0")),
    ),
    alone(
        "pl.segments-unchanged",
        Text(|page, text| match page.at.msn {
            15.. => of("big", page, &text, "2.000,\n13.m4s", "2.010,\n13.m4s"),
            _ => text,
        }),
    ),
    with(
        "pl.nothing-vanishes",
        &["ll.hint-true", "ll.reload-blocks"],
        Text(|page, text| match (page.name, page.at.msn, page.at.part) {
            ("big", 15, Some(2)) => without_lines(&text, &["15.1.m4s", "15.2.m4s"]),
            _ => text,
        }),
    ),
    with(
        "pl.window-minimum",
        &["pl.window-six", "pl.date-time"],
        Text(|page, text| shortened(page, &text, 8)),
    ),
    with(
        "pl.map",
        &["md.readable", "mv.codecs-true"],
        Text(|page, text| of("big", page, &text, "#EXT-X-MAP:URI=\"init.mp4\"\n", "")),
    ),
    alone(
        "pl.updates",
        Exchanges(|session| delay(session, 5000, 4500)),
    ),
    alone(
        "pl.end",
        Text(|page, text| {
            let hint = "#EXT-X-ENDLIST\n#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"20.0.m4s\"\n";
            of("big", page, &text, "#EXT-X-ENDLIST\n", hint)
        }),
    ),
    alone(
        "pl.discontinuities-aligned",
        Text(|page, text| {
            let text = of("small", page, &text, "#EXT-X-DISCONTINUITY\n", "");
            of(
                "small",
                page,
                &text,
                "DISCONTINUITY-SEQUENCE:1",
                "DISCONTINUITY-SEQUENCE:0",
            )
        }),
    ),
    alone(
        "pl.i-frames-only",
        Text(|page, text| {
            of("iframes", page, &text, "VERSION:5", "VERSION:6")
                .replace("#EXT-X-I-FRAMES-ONLY\n", "")
        }),
    ),
    alone(
        "pl.date-time",
        Text(|page, text| match page.name {
            "big" => without_lines(&text, &["#EXT-X-PROGRAM-DATE-TIME"]),
            _ => text,
        }),
    ),
    with(
        "pl.window-six",
        &["pl.date-time"],
        Text(|page, text| shortened(page, &text, 4)),
    ),
    // Media and its times.
    alone(
        "md.readable",
        Exchanges(|session| {
            first(session, "small/13.m4s", Purpose::Segment, |it| {
                let len = body(it).len() - 5;
                set_body(it, body(it).slice(..len));
            });
        }),
    ),
    with(
        "md.segment-durations",
        &["md.sum-of-parts"],
        Text(|page, text| of("big", page, &text, "2.000,\n13.m4s", "2.060,\n13.m4s")),
    ),
    with(
        "md.part-durations",
        &["md.sum-of-parts"],
        Text(|page, text| of("big", page, &text, "0.500,URI=\"13.1", "0.450,URI=\"13.1")),
    ),
    alone(
        "md.sum-of-parts",
        Text(|page, text| {
            let text = of("big", page, &text, "0.500,URI=\"13.1", "0.480,URI=\"13.1");
            of("big", page, &text, "0.500,URI=\"13.2", "0.480,URI=\"13.2")
        }),
    ),
    alone(
        "md.parts-are-segment",
        Media(|it| {
            if (it.rendition, it.msn, it.part) == (1, 13, Some(2)) {
                it.samples[3].number += 1000;
            }
        }),
    ),
    alone(
        "md.timestamps-increase",
        Media(|it| {
            if (it.rendition, it.msn) == (1, 13) {
                for sample in &mut it.samples {
                    match sample.number % 60 {
                        5 => sample.duration = 0,
                        6 => sample.duration *= 2,
                        _ => {}
                    }
                }
            }
        }),
    ),
    alone(
        "md.continuous",
        Media(|it| {
            if it.rendition == 2 && it.msn >= 14 {
                it.dts += 4800;
            }
        }),
    ),
    with(
        "md.independent-true",
        &["md.starts-with-idr", "ll.independent-true"],
        Media(without_idr),
    ),
    with(
        "md.starts-with-idr",
        &["md.independent-true", "ll.independent-true"],
        Media(without_idr),
    ),
    with(
        "md.renditions-aligned",
        &["md.date-time-same"],
        Media(|it| {
            if it.rendition == 1 {
                it.dts += 4800;
            }
        }),
    ),
    with(
        "md.date-time-true",
        &["md.date-time-same"],
        Text(|page, text| of("sound", page, &text, "00:20.000Z", "00:20.500Z")),
    ),
    alone(
        "md.date-time-same",
        Text(|page, text| of("sound", page, &text, ".000Z", ".500Z")),
    ),
    alone(
        "md.unchanged",
        Exchanges(|session| {
            first(session, "", Purpose::Again, |it| {
                set_body(it, Bytes::from_static(b"other"))
            });
        }),
    ),
    alone(
        "md.i-frames",
        Exchanges(|session| {
            let ranged = |it: &&mut Exchange| it.purpose == Purpose::Segment && it.range.is_some();
            for exchange in session.exchanges.iter_mut().filter(ranged) {
                let mut bytes = body(exchange).to_vec();
                let unit = bytes.len() - 6;
                bytes[unit] = 0x41;
                set_body(exchange, Bytes::from(bytes));
            }
        }),
    ),
    // Low latency.
    alone(
        "ll.part-target",
        Text(|page, text| {
            of(
                "big",
                page,
                &text,
                "#EXT-X-PART-INF:PART-TARGET=0.500\n",
                "",
            )
        }),
    ),
    with(
        "ll.part-longest",
        &["md.part-durations", "md.sum-of-parts"],
        Text(|page, text| of("big", page, &text, "0.500,URI=\"13.1", "0.600,URI=\"13.1")),
    ),
    with(
        "ll.part-shortest",
        &["md.part-durations", "md.sum-of-parts"],
        Text(|page, text| of("big", page, &text, "0.500,URI=\"13.1", "0.400,URI=\"13.1")),
    ),
    with(
        "ll.part-hold-back",
        &["ll.part-hold-back-margin"],
        Text(|page, text| of("big", page, &text, "HOLD-BACK=1.600", "HOLD-BACK=0.900")),
    ),
    alone(
        "ll.part-hold-back-margin",
        Text(|page, text| of("big", page, &text, "HOLD-BACK=1.600", "HOLD-BACK=1.500")),
    ),
    alone(
        "ll.hold-back",
        Text(|page, text| of("big", page, &text, ",HOLD-BACK=6.000", ",HOLD-BACK=5.000")),
    ),
    alone(
        "ll.can-skip-until",
        Text(|page, text| of("big", page, &text, "UNTIL=12.000", "UNTIL=10.000")),
    ),
    alone(
        "ll.independent-true",
        Text(|page, text| {
            of(
                "big",
                page,
                &text,
                "\"13.1.m4s\"",
                "\"13.1.m4s\",INDEPENDENT=YES",
            )
        }),
    ),
    alone(
        "ll.independent-told",
        Text(|page, text| {
            of(
                "big",
                page,
                &text,
                "\"13.0.m4s\",INDEPENDENT=YES",
                "\"13.0.m4s\"",
            )
        }),
    ),
    with(
        "ll.all-have-parts",
        &["ll.reload-blocks"],
        Text(|page, text| match page.name {
            "sound" => without_lines(&text, &["#EXT-X-PART", "#EXT-X-PRELOAD-HINT"]),
            _ => text,
        }),
    ),
    alone(
        "ll.parts-recent",
        Text(|page, text| {
            if text.contains("\"9.0.m4s\"") {
                return text;
            }
            let parts: String = (0..4)
                .map(|part| format!("#EXT-X-PART:DURATION=0.500,URI=\"9.{part}.m4s\"\n"))
                .collect();
            let parts = parts.replacen("9.0.m4s\"", "9.0.m4s\",INDEPENDENT=YES", 1);
            let listed = "#EXTINF:2.000,\n9.m4s";
            of("big", page, &text, listed, &format!("{parts}{listed}"))
        }),
    ),
    alone(
        "ll.can-block",
        Text(|page, text| of("big", page, &text, "CAN-BLOCK-RELOAD=YES,", "")),
    ),
    alone(
        "ll.reload-blocks",
        Exchanges(|session| {
            let of_big = |it: &&mut Exchange| it.url.contains("big/") && it.purpose.follows();
            let mut loads = session.exchanges.iter_mut().filter(of_big).skip(6);
            let (stale, next) = (loads.next().unwrap(), loads.next().unwrap());
            set_body(next, body(stale));
        }),
    ),
    alone(
        "ll.reload-bounded",
        Exchanges(|session| {
            let is = |it: &&mut Exchange| matches!(it.purpose, Purpose::Reload(_));
            let reload = session.exchanges.iter_mut().find(is).unwrap();
            reload.first_byte = reload.sent + std::time::Duration::from_secs(8);
        }),
    ),
    alone(
        "ll.reload-at-once",
        Exchanges(|session| {
            let is = |it: &&mut Exchange| matches!(it.purpose, Purpose::Existing(_));
            let existing = session.exchanges.iter_mut().find(is).unwrap();
            existing.first_byte = existing.sent + std::time::Duration::from_secs(3);
        }),
    ),
    alone(
        "ll.reload-past-end",
        Exchanges(|session| first(session, "", Purpose::PartPastEnd(11), |it| refuse(it, 400))),
    ),
    alone(
        "ll.reload-far-ahead",
        Exchanges(|session| first(session, "", Purpose::FarAhead, |it| refuse(it, 404))),
    ),
    alone(
        "ll.reload-part-alone",
        Exchanges(|session| first(session, "", Purpose::PartAlone, |it| refuse(it, 404))),
    ),
    alone(
        "ll.hint-there",
        Text(|page, text| match page.name {
            "big" => without_lines(&text, &["#EXT-X-PRELOAD-HINT"]),
            _ => text,
        }),
    ),
    alone(
        "ll.hint-true",
        Text(|page, text| {
            of(
                "big",
                page,
                &text,
                "TYPE=PART,URI=\"13.2.m4s",
                "TYPE=PART,URI=\"13.9.m4s",
            )
        }),
    ),
    alone(
        "ll.hint-held",
        Exchanges(|session| first(session, "big/13.2", Purpose::Hinted, |it| refuse(it, 404))),
    ),
    alone(
        "ll.reports-there",
        Text(|page, text| match page.name {
            "big" => without_lines(&text, &["URI=\"../sound"]),
            _ => text,
        }),
    ),
    alone(
        "ll.reports-true",
        Text(|page, text| {
            let report = "sound/playlist.m3u8\",LAST-MSN=15";
            of(
                "big",
                page,
                &text,
                report,
                "sound/playlist.m3u8\",LAST-MSN=17",
            )
        }),
    ),
    alone(
        "ll.delta-offered",
        Text(|page, text| of("small", page, &text, ",CAN-SKIP-UNTIL=12.000", "")),
    ),
    alone(
        "ll.delta-equal",
        Text(|page, text| match page.purpose {
            Purpose::Delta(_) => text.replace("\n10.m4s", "\n10x.m4s"),
            _ => text,
        }),
    ),
    alone(
        "ll.delta-boundary",
        Text(|page, text| match page.purpose {
            Purpose::Delta(_) => text
                .replace("SKIPPED-SEGMENTS=3", "SKIPPED-SEGMENTS=4")
                .replace("#EXTINF:2.000,\n6.m4s\n", ""),
            _ => text,
        }),
    ),
    // Delivery.
    alone(
        "http.playlists-answer",
        Exchanges(|session| {
            session.exchanges.reverse();
            first(session, "small/", Purpose::Latest, |it| refuse(it, 404));
            session.exchanges.reverse();
        }),
    ),
    alone(
        "http.media-answers",
        Exchanges(|session| first(session, "small/", Purpose::Part, |it| refuse(it, 404))),
    ),
    alone(
        "http.playlist-type",
        Exchanges(|session| {
            first(session, "", Purpose::Entry, |it| {
                it.url = "https://host/live/master".to_owned();
                set_header(it, "content-type", Some("text/plain"));
            });
        }),
    ),
    alone(
        "http.identity",
        Exchanges(|session| {
            first(session, "", Purpose::Identity, |it| {
                set_header(it, "content-encoding", Some("gzip"))
            });
        }),
    ),
    alone(
        "http.range",
        Exchanges(|session| {
            first(session, "", Purpose::Middle, |it| {
                set_body(it, Bytes::from_static(b"other"))
            });
        }),
    ),
    alone(
        "http.gzip",
        Exchanges(|session| {
            for exchange in session
                .exchanges
                .iter_mut()
                .filter(|it| it.purpose.follows())
            {
                set_header(exchange, "content-encoding", None);
            }
        }),
    ),
    alone(
        "http.http2",
        Exchanges(|session| {
            first(session, "", Purpose::Init, |it| {
                it.result.as_mut().unwrap().http = crate::session::HttpVersion::Http11;
            });
        }),
    ),
    alone(
        "http.retry-after",
        Exchanges(|session| {
            let stalled = |it: &&mut Exchange| it.status() == 503;
            let stalled = session.exchanges.iter_mut().find(stalled).unwrap();
            set_header(stalled, "retry-after", None);
        }),
    ),
    alone(
        "http.cors",
        Exchanges(|session| {
            first(session, "", Purpose::Init, |it| {
                set_header(it, "access-control-allow-origin", None);
            });
        }),
    ),
    alone(
        "http.cache-playlists",
        Exchanges(|session| {
            let live =
                |it: &&mut Exchange| it.purpose == Purpose::Latest && it.url.contains("small/");
            let playlist = session.exchanges.iter_mut().find(live).unwrap();
            set_header(playlist, "cache-control", Some("max-age=60"));
        }),
    ),
    alone(
        "http.cache-awaited",
        Exchanges(|session| {
            let is = |it: &&mut Exchange| matches!(it.purpose, Purpose::Reload(_));
            let reload = session.exchanges.iter_mut().find(is).unwrap();
            set_header(reload, "cache-control", Some("no-cache"));
        }),
    ),
    alone(
        "http.cache-media",
        Exchanges(|session| {
            first(session, "", Purpose::Init, |it| {
                set_header(it, "cache-control", None)
            });
        }),
    ),
    alone(
        "http.cache-absent",
        Exchanges(|session| {
            first(session, "", Purpose::Absent, |it| {
                set_header(it, "cache-control", Some("max-age=600"))
            });
        }),
    ),
];

/// Changes the multivariant playlist: once, and with something behind it.
fn master(page: &Page<'_>, text: &str, from: &str, to: &str, behind: &str) -> String {
    match page.name {
        "master" if from.is_empty() => format!("{text}{behind}"),
        "master" => {
            assert!(text.contains(from), "{from}");
            format!("{}{behind}", text.replacen(from, to, 1))
        }
        _ => text.to_owned(),
    }
}

/// Changes the playlists of one rendition.
fn of(name: &str, page: &Page<'_>, text: &str, from: &str, to: &str) -> String {
    match page.name == name {
        true => text.replace(from, to),
        false => text.to_owned(),
    }
}

fn without_lines(text: &str, words: &[&str]) -> String {
    let kept = text.lines();
    let kept = kept.filter(|line| !words.iter().any(|word| line.contains(word)));
    kept.map(|line| format!("{line}\n")).collect()
}

/// The playlist of `big` as players load it, without its first segments.
fn shortened(page: &Page<'_>, text: &str, dropped: u64) -> String {
    if page.name != "big" || !page.purpose.follows() {
        return text.to_owned();
    }
    let map = "#EXT-X-MAP:URI=\"init.mp4\"\n";
    let (head, segments) = text.split_once(map).unwrap();
    let mut rest = segments;
    for _ in 0..dropped {
        let uri = rest.find("#EXTINF").unwrap();
        let end = uri + rest[uri..].match_indices('\n').nth(1).unwrap().0 + 1;
        rest = &rest[end..];
    }
    let gone = &segments[..segments.len() - rest.len()];
    let first = page.at.msn - 9;
    let sequence = format!("MEDIA-SEQUENCE:{first}\n");
    let mut head = head.replace(&sequence, &format!("MEDIA-SEQUENCE:{}\n", first + dropped));
    if gone.contains("#EXT-X-DISCONTINUITY\n") {
        head = head.replace("DISCONTINUITY-SEQUENCE:0", "DISCONTINUITY-SEQUENCE:1");
    }
    format!("{head}{map}{rest}")
}

fn without_idr(fragment: &mut crate::synthetic::Fragment) {
    if (fragment.rendition, fragment.msn) == (1, 13) {
        for sample in &mut fragment.samples {
            sample.idr = false;
        }
    }
}

fn first(session: &mut Session, url: &str, purpose: Purpose, change: fn(&mut Exchange)) {
    let is = |it: &&mut Exchange| it.purpose == purpose && it.url.contains(url);
    change(session.exchanges.iter_mut().find(is).unwrap());
}

/// Everything that was answered after a time comes later.
fn delay(session: &mut Session, after_ms: u64, by_ms: u64) {
    let after = std::time::Duration::from_millis(after_ms);
    let by = std::time::Duration::from_millis(by_ms);
    for exchange in session.exchanges.iter_mut() {
        for time in [
            &mut exchange.sent,
            &mut exchange.first_byte,
            &mut exchange.end,
        ] {
            if *time > after {
                *time += by;
            }
        }
    }
}

fn body(exchange: &Exchange) -> Bytes {
    exchange.result.as_ref().unwrap().body.clone()
}

fn set_body(exchange: &mut Exchange, body: Bytes) {
    exchange.result.as_mut().unwrap().body = body;
}

fn refuse(exchange: &mut Exchange, status: u16) {
    let answer = exchange.result.as_mut().unwrap();
    answer.status = status;
    answer.body = Bytes::new();
}

fn set_header(exchange: &mut Exchange, name: &str, value: Option<&str>) {
    let headers = &mut exchange.result.as_mut().unwrap().headers;
    headers.retain(|(known, _)| known != name);
    if let Some(value) = value {
        headers.push((name.to_owned(), value.to_owned()));
    }
}
