//! A live broadcast to send requests to.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderName, HeaderValue, Request, Response};
use media_core::{
    Bitrate, BroadcastId, Chunk, FrameRate, Init, InitKind, MediaTime, RenditionName, StreamId,
};
use packager::delivery::Everyone;
use packager::{Body, Delivery, DiscontinuitySequence, Live, MediaSequence, Plan};

const PART: Duration = Duration::from_millis(500);
const PARTS_PER_SEGMENT: i64 = 4;

pub struct Stage {
    delivery: Delivery,
    runtime: tokio::runtime::Runtime,
}

impl Stage {
    /// Segments 0 to 9 of stream `s` are complete; two parts of 10 are there.
    pub fn new() -> Self {
        let live = Live::new();
        let rendition = RenditionName::new("720p").expect("valid");
        let plan = Plan {
            broadcast: BroadcastId::new("b7").expect("valid"),
            target_duration_s: 2,
            part_target: PART,
            window_segments: 6,
            dvr: None,
            began: SystemTime::UNIX_EPOCH,
            renditions: vec![rendition.clone()],
            first_sequence: MediaSequence::new(0),
            discontinuity_sequence: DiscontinuitySequence::new(0),
        };
        let broadcast = live.start(StreamId::new("s").expect("valid"), plan, None);
        broadcast.init(Init {
            rendition: rendition.clone(),
            codec: "avc1.64001f".into(),
            kind: InitKind::Video {
                width: 1280,
                height: 720,
                frame_rate: FrameRate::new(30, 1).expect("a rate"),
            },
            bitrate: Bitrate::from_kbps(2500),
            bytes: Bytes::from_static(b"init"),
        });
        for index in 0..10 * PARTS_PER_SEGMENT + 2 {
            let place = index % PARTS_PER_SEGMENT;
            broadcast.push(Chunk {
                rendition: rendition.clone(),
                dts: MediaTime::from_millis(index * 500),
                duration: PART,
                starts_segment: place == 0,
                ends_segment: place == PARTS_PER_SEGMENT - 1,
                independent: place == 0,
                keyframe_bytes: (place == 0).then_some(40),
                bytes: vec![Bytes::from_static(b"moof"), Bytes::from_static(&[7; 96])],
            });
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        Self {
            delivery: Delivery::new(live, Arc::new(Everyone)),
            runtime: runtime.expect("a runtime"),
        }
    }

    /// Asks, and looks at the answer where there is one at once.
    pub fn ask(&self, target: &[u8], headers: &[(&str, &[u8])]) {
        let Ok(target) = http::Uri::try_from(target) else {
            return;
        };
        let mut request = Request::get(target).body(()).expect("a valid target");
        for (name, value) in headers {
            if let Ok(value) = HeaderValue::from_bytes(value) {
                let name = HeaderName::try_from(*name).expect("a literal");
                request.headers_mut().append(name, value);
            }
        }
        let _runtime = self.runtime.enter();
        if let Some(Some(response)) = self.delivery.respond(&request).now_or_never() {
            check(&request, response);
        }
        assert_eq!(self.delivery.waiting(), 0, "a place was not given back");
    }
}

fn check(request: &Request<()>, response: Response<Body>) {
    let status = response.status().as_u16();
    assert!(
        [200, 206, 400, 404, 416].contains(&status),
        "{status}: {request:?}"
    );
    let promised = response.body().len_bytes();
    let mut body = std::pin::pin!(response.into_body());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let mut sent = 0;
    while let std::task::Poll::Ready(Some(frame)) =
        http_body::Body::poll_frame(body.as_mut(), &mut context)
    {
        sent += frame.expect("memory").data_ref().map_or(0, Bytes::len);
    }
    assert_eq!(sent, promised, "{request:?}");
}
