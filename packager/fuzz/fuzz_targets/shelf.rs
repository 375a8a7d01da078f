//! Stored titles to send requests to: an initialization segment that the muxer wrote, and behind it
//! bytes of which each says where it stands.

use std::future::ready;
use std::ops::Range;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use http::{Request, Response};
use media_core::{
    AssetId, Cadence, FrameRate, Init, InitKind, RenditionName, SampleRun, StoredRendition, Track,
};
use packager::cmaf::Muxer;
use packager::delivery::Audience;
use packager::vod::{
    Body, Closed, Contents, Delivery, Library, Lost, Opened, PIECE_BYTES, Pending, SmallFile,
    Store, Subtitles, Title,
};

pub const TOKEN: &str = "1800000000.abc";

const SUBTITLES: &[u8] = b"WEBVTT\n\n00:01.000 --> 00:02.000\nHello\n";
const SPRITE: &[u8] = b"WEBVTT\n\n00:00.000 --> 00:10.000\nsprite.jpg#xywh=0,0,160,90\n";

const AVCC: &[u8] = &[
    1, 0x64, 0, 0x1f, 0xff, 0xe1, 0, 4, 0x67, 0x64, 0, 0x1f, 1, 0, 2, 0x68, 0xee,
];
const AAC_LC_48K_STEREO: &[u8] = &[0x11, 0x90];

/// After so many bytes the media repeats itself: a prime, so that no round number is a period.
const NOISE_PERIOD: u64 = 65_521;

/// How much further each rendition's media is into the noise.
const NOISE_STEP: u64 = 7919;

static NOISE: LazyLock<Bytes> = LazyLock::new(|| {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let period: Vec<u8> = (0..NOISE_PERIOD).map(|_| next()).collect();
    let len = (NOISE_PERIOD + PIECE_BYTES) as usize;
    period.into_iter().cycle().take(len).collect()
});

/// A rendition, where its samples lie, and which of the title's it is.
#[derive(Clone, Debug)]
pub struct Tape {
    pub rendition: StoredRendition,
    pub runs: Vec<Vec<SampleRun>>,
    pub number: u64,
}

impl Tape {
    /// Media as it is stored, of at most [`PIECE_BYTES`].
    pub fn media(&self, bytes: Range<u64>) -> Bytes {
        let start = (bytes.start + self.number * NOISE_STEP) % NOISE_PERIOD;
        NOISE.slice(start as usize..(start + bytes.end - bytes.start) as usize)
    }

    /// Any bytes of the file.
    fn bytes(&self, bytes: Range<u64>) -> Bytes {
        let init = &self.rendition.init.bytes;
        let len = init.len() as u64;
        if bytes.start >= len {
            return self.media(bytes);
        }
        let of_init = init.slice(bytes.start as usize..bytes.end.min(len) as usize);
        match bytes.end > len {
            true => [of_init, self.media(len..bytes.end)].concat().into(),
            false => of_init,
        }
    }
}

pub fn init(name: &str, kind: InitKind) -> Init {
    let config = match kind {
        InitKind::Video { .. } => AVCC,
        InitKind::Audio { .. } => AAC_LC_48K_STEREO,
    };
    let track = Track {
        rendition: RenditionName::new(name).expect("a name"),
        kind,
        bitrate: media_core::Bitrate::from_kbps(2500),
        decoder_config: Bytes::from_static(config),
    };
    let second = std::time::Duration::from_secs(1);
    let cadence = Cadence::new(FrameRate::new(30, 1).expect("a rate"), second, second);
    Muxer::new(&track, cadence).expect("a configuration").1
}

#[derive(Debug)]
struct Shelf(Vec<Tape>);

impl Store for Shelf {
    fn read(&self, rendition: &RenditionName, bytes: Range<u64>) -> Pending<Result<Bytes, Lost>> {
        assert!(!bytes.is_empty() && bytes.end - bytes.start <= PIECE_BYTES);
        let tape = self.tape(rendition);
        let end = tape.rendition.segments.last().expect("segments");
        assert!(bytes.end <= end.offset + u64::from(end.len_bytes));
        Box::pin(ready(Ok(tape.bytes(bytes))))
    }

    fn samples(&self, rendition: &RenditionName) -> Pending<Result<Vec<Vec<SampleRun>>, Lost>> {
        Box::pin(ready(Ok(self.tape(rendition).runs.clone())))
    }

    fn small_file(&self, file: SmallFile<'_>) -> Pending<Result<Bytes, Lost>> {
        let found = match file {
            SmallFile::Subtitles(_) => Ok(SUBTITLES),
            SmallFile::Thumbnail("sprite.vtt") => Ok(SPRITE),
            SmallFile::Thumbnail("0.jpg") => Ok(&b"a picture"[..]),
            SmallFile::Thumbnail(name) => {
                assert!(
                    !name.contains(['/', '\\', '%']) && !name.contains(".."),
                    "{name}"
                );
                Err(Lost::Missing)
            }
        };
        Box::pin(ready(found.map(Bytes::from_static)))
    }

    fn elsewhere(&self, _: &RenditionName) -> Pending<Result<Option<String>, Lost>> {
        Box::pin(ready(Ok(None)))
    }
}

impl Shelf {
    fn tape(&self, rendition: &RenditionName) -> &Tape {
        let mut tapes = self.0.iter();
        let tape = tapes.find(|tape| tape.rendition.init.rendition == *rendition);
        tape.expect("asked for what the title has")
    }
}

/// One title, which is `public` and with a token `private`.
struct OneTitle(Arc<Title>);

impl Library for OneTitle {
    fn open(&self, id: &str, token: Option<&str>) -> Pending<Result<Opened, Closed>> {
        let audience = match (id, token) {
            ("public", _) => Ok(Audience::Everyone),
            ("private", Some(TOKEN)) => Ok(Audience::Granted),
            ("private", _) => Err(Closed::NoToken),
            _ => Err(Closed::NotFound),
        };
        let title = Arc::clone(&self.0);
        Box::pin(ready(audience.map(|audience| Opened { title, audience })))
    }
}

/// An answer with all of its body.
#[derive(Debug)]
pub struct Answer {
    pub head: http::response::Parts,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn status(&self) -> u16 {
        self.head.status.as_u16()
    }
}

// One for all stages: threads come and go with it.
thread_local!(static RUNTIME: tokio::runtime::Runtime = {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime")
});

pub struct Stage(Delivery);

impl Stage {
    pub fn new(tapes: Vec<Tape>) -> Self {
        let name = |text| RenditionName::new(text).expect("a name");
        let title = Title::new(Contents {
            asset: AssetId::new("a1").expect("an id"),
            name: "Füße".to_owned(),
            renditions: tapes.iter().map(|tape| tape.rendition.clone()).collect(),
            subtitles: vec![Subtitles {
                name: name("en"),
                label: "English".to_owned(),
                language: "en".to_owned(),
                default: true,
            }],
            store: Arc::new(Shelf(tapes)),
        });
        Self(Delivery::new(Arc::new(OneTitle(Arc::new(title)))))
    }

    /// Asks, and reads the answer to its end.
    pub fn ask(&self, request: &Request<()>) -> Answer {
        let answer = async {
            let response = self.0.respond(request).await;
            read(response.expect("a path under /vod/")).await
        };
        RUNTIME.with(|runtime| runtime.block_on(answer))
    }
}

async fn read(response: Response<Body>) -> Answer {
    let (head, body) = response.into_parts();
    let promised = body.len_bytes();
    let mut body = std::pin::pin!(body);
    let mut sent = Vec::new();
    while let Some(frame) =
        std::future::poll_fn(|context| http_body::Body::poll_frame(body.as_mut(), context)).await
    {
        let frame = frame.expect("the store has no trouble");
        sent.extend_from_slice(frame.data_ref().expect("data"));
        let left = body.len_bytes();
        assert_eq!(sent.len() as u64 + left, promised);
    }
    assert_eq!(sent.len() as u64, promised);
    Answer { head, body: sent }
}
