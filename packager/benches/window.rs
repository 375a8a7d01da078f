//! What a chunk costs on its way to the viewers, and what a request costs.
//!
//! `cargo bench -p packager`

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use futures_util::FutureExt;
use http::Request;
use media_core::{
    Bitrate, BroadcastId, Chunk, FrameRate, Init, InitKind, MediaTime, RenditionName, StreamId,
};
use packager::delivery::Everyone;
use packager::playlist::links::Links;
use packager::playlist::media::{self, Content, Form, Report, Snapshot};
use packager::playlist::multivariant;
use packager::window::Window;
use packager::{Body, Delivery, DiscontinuitySequence, Live, MediaSequence, Plan};

const RENDITIONS: [&str; 5] = ["1080p", "720p", "480p", "360p", "audio"];
const PARTS_PER_SEGMENT: u64 = 10;
const PART: Duration = Duration::from_millis(200);

fn name(text: &str) -> RenditionName {
    RenditionName::new(text).expect("valid")
}

fn stream() -> StreamId {
    StreamId::new("bench").expect("valid")
}

fn plan() -> Plan {
    Plan {
        broadcast: BroadcastId::new("0190c2f4-7d3a").expect("valid"),
        target_duration_s: 2,
        part_target: PART,
        window_segments: 6,
        dvr: None,
        began: SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000),
        renditions: RENDITIONS.iter().map(|text| name(text)).collect(),
        first_sequence: MediaSequence::new(0),
        discontinuity_sequence: DiscontinuitySequence::new(0),
    }
}

fn init(rendition: &str) -> Init {
    let kind = match rendition {
        "audio" => InitKind::Audio {
            sample_rate: 48_000,
            channels: 2,
        },
        _ => InitKind::Video {
            width: 1280,
            height: 720,
            frame_rate: FrameRate::new(30, 1).expect("a rate"),
        },
    };
    Init {
        rendition: name(rendition),
        codec: "avc1.64001f".to_owned(),
        kind,
        bitrate: Bitrate::from_kbps(2500),
        bytes: Bytes::from_static(b"init"),
    }
}

fn chunk(rendition: &RenditionName, index: u64) -> Chunk {
    static FRAME: [u8; 10_000] = [0; 10_000];
    let starts_segment = index.is_multiple_of(PARTS_PER_SEGMENT);
    Chunk {
        rendition: rendition.clone(),
        dts: MediaTime::from_millis(200 * index as i64),
        duration: PART,
        starts_segment,
        ends_segment: (index + 1).is_multiple_of(PARTS_PER_SEGMENT),
        independent: starts_segment,
        keyframe_bytes: (starts_segment && rendition.as_str() != "audio").then_some(20_000),
        bytes: vec![Bytes::from_static(&FRAME); 7],
    }
}

/// A stream with a full window in every rendition.
fn stage() -> (Live, u64) {
    let live = Live::new();
    let broadcast = live.start(stream(), plan(), None);
    let parts = 20 * PARTS_PER_SEGMENT + PARTS_PER_SEGMENT / 2;
    for rendition in RENDITIONS {
        broadcast.init(init(rendition));
        let rendition = name(rendition);
        for index in 0..parts {
            broadcast.push(chunk(&rendition, index));
        }
    }
    (live, parts)
}

fn pushing(criterion: &mut Criterion) {
    let (live, mut index) = stage();
    let broadcast = live.broadcast(&stream()).expect("started");
    let rendition = name("720p");
    criterion.bench_function("chunk into window", |bencher| {
        bencher.iter(|| {
            broadcast.push(chunk(&rendition, index));
            index += 1;
        });
    });
}

/// Media playlists as text, from a window that is full.
fn rendering(criterion: &mut Criterion) {
    let mut plan = plan();
    plan.window_segments = 10;
    plan.dvr = Some(Duration::from_secs(7200));
    let mut window = Window::new(&plan, init("720p").kind);
    let rendition = name("720p");
    for index in 0..4000 * PARTS_PER_SEGMENT + PARTS_PER_SEGMENT / 2 {
        window.push(chunk(&rendition, index)).expect("good media");
    }
    let segments: Vec<_> = window.held().iter().cloned().collect();
    let reports: Vec<_> = RENDITIONS[1..]
        .iter()
        .map(|text| Report {
            rendition: name(text),
            last: window.last_part().expect("a part"),
        })
        .collect();
    let snapshot = Snapshot {
        broadcast: &plan.broadcast,
        began: plan.began,
        target_duration_s: plan.target_duration_s,
        part_target: plan.part_target,
        history: window.history(),
        segments: &segments,
        open: window.open(),
        start: (window.open_sequence(), window.discontinuity_sequence()),
        hint: window.hint(),
        reports: &reports,
        ended: false,
    };
    let full = Form {
        content: Content::Media,
        listed_max: 10,
        delta: false,
        links: Links::default(),
    };
    let delta = Form {
        delta: true,
        ..full
    };
    let two_hours = Form {
        listed_max: 3600,
        ..full
    };
    let two_hours_delta = Form {
        delta: true,
        ..two_hours
    };
    for (label, form) in [
        ("playlist", full),
        ("delta update", delta),
        ("two hours", two_hours),
        ("delta update of two hours", two_hours_delta),
    ] {
        let len = media::render(&snapshot, form).len();
        criterion.bench_function(&format!("{label}, {len} bytes"), |bencher| {
            bencher.iter(|| media::render(&snapshot, form));
        });
    }
}

fn rendering_multivariant(criterion: &mut Criterion) {
    let renditions = RENDITIONS.map(|text| {
        let init = init(text);
        multivariant::Rendition {
            name: init.rendition,
            codec: init.codec,
            kind: init.kind,
            peak_bps: 3_000_000,
            average_bps: 2_500_000,
            iframe_peak_bps: 500_000,
        }
    });
    criterion.bench_function("multivariant playlist", |bencher| {
        bencher.iter(|| multivariant::render(&renditions, &[], Links::default()));
    });
}

/// What the first request after a part costs: it makes the text that all others share.
fn first_request(criterion: &mut Criterion) {
    let (live, mut index) = stage();
    let broadcast = live.broadcast(&stream()).expect("started");
    let delivery = Delivery::new(live, Arc::new(Everyone));
    let rendition = name("720p");
    for (label, coding) in [("identity", "identity"), ("gzip", "gzip")] {
        let request = Request::get("/live/bench/720p/playlist.m3u8")
            .header(http::header::ACCEPT_ENCODING, coding);
        let request = request.body(()).expect("valid");
        criterion.bench_function(
            &format!("first request of a playlist, {label}"),
            |bencher| {
                let next = || {
                    broadcast.push(chunk(&rendition, index));
                    index += 1;
                };
                let ask = |()| delivery.respond(&request).now_or_never().flatten();
                bencher.iter_batched(next, ask, BatchSize::PerIteration);
            },
        );
    }
}

fn serving(criterion: &mut Criterion) {
    let (live, _) = stage();
    let delivery = Delivery::new(live, Arc::new(Everyone));
    for (label, path) in [
        ("playlist", "/live/bench/720p/playlist.m3u8"),
        (
            "blocking playlist that is there",
            "/live/bench/720p/playlist.m3u8?_HLS_msn=20&_HLS_part=4",
        ),
        ("part", "/live/bench/720p/0190c2f4-7d3a/20.3.m4s"),
        ("segment", "/live/bench/720p/0190c2f4-7d3a/19.m4s"),
    ] {
        let request = Request::get(path).body(()).expect("valid");
        criterion.bench_function(label, |bencher| {
            bencher.iter(|| {
                let response = delivery.respond(&request).now_or_never().flatten();
                let response = response.expect("it is there");
                assert!(response.status().is_success());
                black_box::<http::Response<Body>>(response)
            });
        });
    }
}

criterion_group!(
    benches,
    pushing,
    rendering,
    rendering_multivariant,
    first_request,
    serving
);
criterion_main!(benches);
