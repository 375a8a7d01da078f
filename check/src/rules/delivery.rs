//! Delivery by HTTP: what answers, what may be kept by caches, ranges, compression, CORS
//! (RFC 8216 §4, §6.2; draft-pantos-hls-rfc8216bis §6.2, appendix B.1; RFC 9110, RFC 9111).

use super::{Family, Findings, Level, Rule};
use crate::session::{Answer, Exchange, HttpVersion, Purpose};
use crate::view::{View, of_exchange};

const NO_PLAYLIST: &str = "no media playlist was read";
const NO_MEDIA: &str = "no media was fetched";

/// For how long media has to be kept to be worth a cache: six target durations of ten seconds.
const MEDIA_AGE_MIN_S: u64 = 60;

/// A playlist that blocks may be kept for as long as it is of use to those who ask for the same
/// (appendix B.1: six target durations).
const AWAITED_AGE_TARGETS: f64 = 6.0;

/// Playlists shorter than this gain nothing from compression.
const COMPRESSIBLE_MIN: usize = 1000;

const FAMILY: Family = Family::Delivery;

pub(super) const RULES: &[Rule] = &[
    FAMILY.rule(
        "http.playlists-answer",
        "playlists that were there stay there",
        "RFC 8216 §6.2.1",
        Level::Must,
        NO_PLAYLIST,
        playlists_answer,
    ),
    FAMILY.rule(
        "http.media-answers",
        "what a playlist lists can be fetched",
        "RFC 8216 §6.2.1, §6.2.2",
        Level::Must,
        NO_MEDIA,
        media_answers,
    ),
    FAMILY.rule(
        "http.playlist-type",
        "playlists are told by their URL or their Content-Type",
        "RFC 8216 §4",
        Level::Must,
        NO_PLAYLIST,
        playlist_type,
    ),
    FAMILY.rule(
        "http.identity",
        "a client that takes no compression gets none",
        "RFC 9110 §12.5.3",
        Level::Must,
        "no playlist was asked for without Accept-Encoding",
        identity,
    ),
    FAMILY.rule(
        "http.range",
        "a range of a segment is answered with those bytes",
        "RFC 9110 §14; HLS Authoring Specification 7.5",
        Level::Should,
        "no range was asked for",
        range,
    ),
    FAMILY.rule(
        "http.gzip",
        "playlists are compressed where the client takes it",
        "RFC 8216 §6.2.1; rfc8216bis appendix B.1",
        Level::Should,
        "no playlist is long enough to be worth it",
        gzip,
    ),
    FAMILY.rule(
        "http.http2",
        "over TLS it is HTTP/2",
        "rfc8216bis appendix B.1",
        Level::Should,
        "there is no TLS",
        http2,
    ),
    FAMILY.rule(
        "http.retry-after",
        "503, as for a stream that stalls, says when to try again",
        "RFC 9110 §10.2.3; rfc8216bis §6.2.5.2",
        Level::Should,
        "nothing was answered with 503",
        retry_after,
    ),
    FAMILY.rule(
        "http.cors",
        "pages of any origin may read it",
        "Fetch §3.2",
        Level::Should,
        NO_PLAYLIST,
        cors,
    ),
    FAMILY.rule(
        "http.cache-playlists",
        "live playlists are kept by caches no longer than half a target duration",
        "RFC 8216 §6.3.4; rfc8216bis appendix B.1",
        Level::Should,
        "no live playlist was read",
        cache_playlists,
    ),
    FAMILY.rule(
        "http.cache-awaited",
        "answers to blocking reloads may be kept, for six target durations at most",
        "rfc8216bis appendix B.1",
        Level::Should,
        "reload does not block here",
        cache_awaited,
    ),
    FAMILY.rule(
        "http.cache-media",
        "media may be kept by caches for a minute at least",
        "rfc8216bis appendix B.1",
        Level::Should,
        NO_MEDIA,
        cache_media,
    ),
    FAMILY.rule(
        "http.cache-absent",
        "what is not there is not kept by caches for longer than a target duration",
        "rfc8216bis appendix B.1",
        Level::Should,
        "nothing absent was asked for",
        cache_absent,
    ),
];

fn playlists_answer(view: &View<'_>, findings: &mut Findings) {
    for exchange in view.of(Purpose::follows) {
        // A reload that stalls has a rule of its own, and so has a playlist that never was there.
        let stalled = exchange.status() == 503 && matches!(exchange.purpose, Purpose::Reload(_));
        if stalled || view.rendition(&exchange.url).is_none() {
            continue;
        }
        findings.expect(exchange.good().is_some(), || {
            of_exchange(exchange, exchange.outcome())
        });
    }
}

fn media_answers(view: &View<'_>, findings: &mut Findings) {
    let fetched = |purpose| matches!(purpose, Purpose::Init | Purpose::Segment | Purpose::Part);
    for exchange in view.of(fetched) {
        // A server that knows no ranges gives all of it, which is allowed.
        let there = matches!(exchange.status(), 200 | 206);
        findings.expect(there, || of_exchange(exchange, exchange.outcome()));
    }
}

/// Answers with a playlist.
fn playlists<'v>(view: &'v View<'_>) -> impl Iterator<Item = (&'v Exchange, &'v Answer)> {
    let all = view.exchanges.iter();
    all.filter(|it| it.purpose == Purpose::Entry || it.purpose.follows())
        .filter_map(|exchange| Some((exchange, exchange.good()?)))
        .filter(|(_, answer)| answer.body.starts_with(b"#EXTM3U"))
}

fn playlist_type(view: &View<'_>, findings: &mut Findings) {
    for (exchange, answer) in playlists(view) {
        let path = exchange.url.split(['?', '#']).next().unwrap_or_default();
        let by_path = path.ends_with(".m3u8") || path.ends_with(".m3u");
        let told = answer.header("content-type").unwrap_or_default();
        let media_type = told.split(';').next().unwrap_or_default().trim();
        let by_type = ["application/vnd.apple.mpegurl", "audio/mpegurl"]
            .iter()
            .any(|known| media_type.eq_ignore_ascii_case(known));
        findings.expect(by_path || by_type, || {
            of_exchange(exchange, format!("Content-Type: {told}"))
        });
    }
}

fn identity(view: &View<'_>, findings: &mut Findings) {
    for exchange in view.of(|purpose| purpose == Purpose::Identity) {
        let Some(answer) = exchange.good() else {
            continue;
        };
        let coding = answer.header("content-encoding").unwrap_or("identity");
        findings.expect(coding.eq_ignore_ascii_case("identity"), || {
            of_exchange(exchange, format!("Content-Encoding: {coding}"))
        });
    }
}

fn range(view: &View<'_>, findings: &mut Findings) {
    for exchange in view.of(|purpose| purpose == Purpose::Middle) {
        let (Some(asked), Ok(answer)) = (exchange.range, &exchange.result) else {
            continue;
        };
        let whole = view
            .of(|purpose| purpose == Purpose::Segment)
            .find(|it| it.url == exchange.url && it.range.is_none())
            .and_then(Exchange::good);
        let Some(whole) = whole else { continue };
        let first = usize::try_from(asked.first).unwrap_or(usize::MAX);
        let len = usize::try_from(asked.len.unwrap_or(0)).unwrap_or(0);
        let expected = whole.body.get(first..first.saturating_add(len));
        let right = answer.status == 206 && expected.is_some_and(|it| it == &answer.body[..]);
        findings.expect(right, || {
            let what = format!(
                "bytes {first} to {} were asked for: {} with {} bytes",
                (first + len).saturating_sub(1),
                exchange.outcome(),
                answer.body.len()
            );
            of_exchange(exchange, what)
        });
    }
}

fn gzip(view: &View<'_>, findings: &mut Findings) {
    let media = view.of(Purpose::follows);
    for exchange in media {
        let Some(answer) = exchange.good() else {
            continue;
        };
        if answer.body.len() < COMPRESSIBLE_MIN {
            continue;
        }
        let coding = answer.header("content-encoding");
        findings.expect(
            coding.is_some_and(|it| it.eq_ignore_ascii_case("gzip")),
            || {
                // Once for each playlist is enough.
                crate::report::Evidence {
                    url: exchange.plain_url(),
                    ..of_exchange(exchange, "not compressed")
                }
            },
        );
    }
}

fn http2(view: &View<'_>, findings: &mut Findings) {
    let secure = view.exchanges.iter();
    for exchange in secure.filter(|it| it.url.starts_with("https:")) {
        let Ok(answer) = &exchange.result else {
            continue;
        };
        findings.expect(answer.http == HttpVersion::Http2, || {
            crate::report::Evidence {
                url: view.session.entry.clone(),
                ..of_exchange(exchange, "the server did not choose h2")
            }
        });
    }
}

fn retry_after(view: &View<'_>, findings: &mut Findings) {
    let all = view.exchanges.iter();
    for exchange in all.filter(|it| it.status() == 503) {
        let answer = exchange.result.as_ref().ok();
        let told = answer.and_then(|answer| answer.header("retry-after"));
        findings.expect(told.is_some(), || of_exchange(exchange, "no Retry-After"));
    }
}

fn cors(view: &View<'_>, findings: &mut Findings) {
    let all = view.exchanges.iter();
    for exchange in all.filter(|it| it.purpose != Purpose::Absent) {
        let Some(answer) = exchange.good() else {
            continue;
        };
        let allowed = answer.header("access-control-allow-origin");
        findings.expect(allowed.is_some(), || {
            let folder = exchange.plain_url();
            let folder = folder.rsplit_once('/').map_or("", |(folder, _)| folder);
            crate::report::Evidence {
                url: folder.to_owned(),
                ..of_exchange(exchange, "no Access-Control-Allow-Origin")
            }
        });
    }
}

/// The target duration of the playlist that was asked for, or of any.
fn target(view: &View<'_>, exchange: &Exchange) -> f64 {
    let own = view.rendition(&exchange.url);
    let any = view.renditions.first();
    let newest = own.or(any).and_then(|it| it.newest());
    newest.map_or(0.0, |load| load.playlist.target())
}

fn cache_playlists(view: &View<'_>, findings: &mut Findings) {
    for exchange in view.of(|purpose| purpose == Purpose::Latest) {
        // A playlist that ended never changes again.
        let load = view.load_of(exchange);
        let live = load.is_some_and(|load| load.playlist.end.is_none());
        let (true, Some(answer)) = (live, exchange.good()) else {
            continue;
        };
        let age = answer.max_age();
        let most = target(view, exchange) / 2.0;
        findings.expect(age.is_some_and(|age| age as f64 <= most), || {
            of_exchange(exchange, told(answer))
        });
    }
}

fn told(answer: &Answer) -> String {
    match answer.header("cache-control") {
        Some(control) => format!("Cache-Control: {control}"),
        None => "no Cache-Control".to_owned(),
    }
}

fn cache_awaited(view: &View<'_>, findings: &mut Findings) {
    for exchange in view.of(|purpose| matches!(purpose, Purpose::Reload(_))) {
        let Some(answer) = exchange.good() else {
            continue;
        };
        let most = AWAITED_AGE_TARGETS * target(view, exchange);
        let age = answer.max_age();
        let right = age.is_some_and(|age| age > 0 && age as f64 <= most);
        findings.expect(right, || crate::report::Evidence {
            url: exchange.plain_url(),
            ..of_exchange(exchange, told(answer))
        });
    }
}

fn cache_media(view: &View<'_>, findings: &mut Findings) {
    let kept = |purpose| matches!(purpose, Purpose::Init | Purpose::Segment | Purpose::Part);
    for exchange in view.of(kept) {
        let Some(answer) = exchange.good() else {
            continue;
        };
        let age = answer.max_age();
        findings.expect(age.is_some_and(|age| age >= MEDIA_AGE_MIN_S), || {
            of_exchange(exchange, told(answer))
        });
    }
}

fn cache_absent(view: &View<'_>, findings: &mut Findings) {
    for exchange in view.of(|purpose| purpose == Purpose::Absent) {
        let Some(answer) = exchange.result.as_ref().ok().filter(|it| it.status == 404) else {
            continue;
        };
        // RFC 9111 §4.2.2: a cache may choose an age of its own where none is told.
        let age = answer.max_age();
        let most = target(view, exchange);
        findings.expect(age.is_some_and(|age| age as f64 <= most), || {
            of_exchange(exchange, told(answer))
        });
    }
}
