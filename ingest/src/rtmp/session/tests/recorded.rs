//! Sessions recorded from encoders (`testdata/README.md`): whole, cut anywhere, and damaged.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::super::super::limits::{MESSAGE_BYTES_MAX, REASSEMBLY_BYTES_MAX};
use super::*;

const FFMPEG: &[u8] = include_bytes!("../../testdata/ffmpeg-5.1.rtmp");
const GSTREAMER: &[u8] = include_bytes!("../../testdata/gstreamer-1.22.rtmp");

/// What came of bytes that a peer sent.
#[derive(Default)]
struct Outcome {
    media: Vec<Media>,
    requests: usize,
    ends: Vec<bool>,
    error: Option<Error>,
}

/// Feeds pieces to a session whose every publish is accepted, and checks its bounds.
fn play<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Outcome {
    let mut session = Session::new(Duration::ZERO, 1);
    let mut outcome = Outcome::default();
    for piece in pieces {
        outcome.error = session.receive(piece, Duration::ZERO).err();
        outcome.take_events(&mut session);
        assert!(session.reassembly_bytes() <= REASSEMBLY_BYTES_MAX);
        assert!(output(&mut session).len() <= OUTPUT_BYTES_MAX);
        if outcome.error.is_some() {
            break;
        }
    }
    session.end_of_input();
    outcome.take_events(&mut session);
    assert_eq!(
        outcome.requests,
        outcome.ends.len(),
        "each publication ends once"
    );
    outcome
}

impl Outcome {
    fn take_events(&mut self, session: &mut Session) {
        while let Some(event) = session.poll_event() {
            match event {
                Event::PublishRequest(name) => {
                    self.requests += 1;
                    let accepted = session.accept_publish(Duration::ZERO);
                    self.error = self.error.take().or(accepted.err());
                    assert!(!name.key.reveal().is_empty());
                }
                Event::Media(media) => {
                    assert!(media.len_bytes() <= MESSAGE_BYTES_MAX as usize);
                    self.media.push(media);
                }
                Event::Unpublish { clean } => self.ends.push(clean),
            }
        }
    }

    /// Times in milliseconds (decode, presentation) and sizes of the pictures.
    fn pictures(&self) -> Vec<(i64, i64, usize)> {
        let ms = |time: media_core::MediaTime| time.as_nanos() / 1_000_000;
        self.media
            .iter()
            .filter_map(|media| match media {
                Media::Video(unit) => Some((ms(unit.dts), ms(unit.pts), unit.data.len())),
                _ => None,
            })
            .collect()
    }

    fn sounds(&self) -> usize {
        let is_sound = |media: &&Media| matches!(media, Media::Audio(_));
        self.media.iter().filter(is_sound).count()
    }
}

#[test]
fn recorded_publishers_give_the_same_media_in_any_cut() {
    for (recorded, sounds) in [(FFMPEG, 45), (GSTREAMER, 0)] {
        let whole = play([recorded].into_iter());
        assert_eq!((whole.error.clone(), &whole.ends[..]), (None, &[true][..]));
        assert_eq!((whole.pictures().len(), whole.sounds()), (10, sounds));
        assert!(matches!(whole.media[0], Media::VideoConfig(_)));
        for cut in [1, 7, 1000, 4096] {
            let outcome = play(recorded.chunks(cut));
            assert_eq!(outcome.pictures(), whole.pictures(), "cut {cut}");
            assert_eq!(outcome.media.len(), whole.media.len());
        }
    }
}

#[test]
fn the_pictures_of_ffmpeg_are_a_frame_apart_in_the_order_of_showing() {
    let mut shown: Vec<i64> = play([FFMPEG].into_iter())
        .pictures()
        .iter()
        .map(|(_, pts_ms, _)| *pts_ms)
        .collect();
    shown.sort_unstable();
    let first = shown[0];
    let expected: Vec<i64> = (0..10).map(|index| first + index * 100).collect();
    assert_eq!(shown, expected);
}

#[test]
fn a_recording_cut_short_anywhere_is_a_lost_publisher_or_none() {
    for end in (0..FFMPEG.len()).step_by(13) {
        let outcome = play([&FFMPEG[..end]].into_iter());
        assert_eq!(outcome.error, None);
        let goodbye = FFMPEG.len() - 100;
        assert!(end > goodbye || !outcome.ends.contains(&true), "{end}");
    }
}

#[test]
fn thousands_of_damaged_sessions_harm_nothing() {
    let mut random = StdRng::seed_from_u64(0x5eed);
    let (mut sound, mut published, mut finished) = (0, 0, 0);
    for round in 0..6000 {
        let recorded = if round % 2 == 0 { FFMPEG } else { GSTREAMER };
        let bytes = damaged(recorded, &mut random);
        let mut rest = &bytes[..];
        let outcome = play(std::iter::from_fn(|| {
            let length = random.random_range(1..=rest.len().max(1)).min(rest.len());
            let (piece, after) = rest.split_at(length);
            rest = after;
            (!piece.is_empty()).then_some(piece)
        }));
        sound += usize::from(outcome.error.is_none());
        published += outcome.requests;
        finished += outcome.ends.iter().filter(|clean| **clean).count();
    }
    // The damage is neither always fatal nor never, and reaches into media and goodbyes.
    assert!((500..5500).contains(&sound), "{sound}");
    assert!(published > 2000, "{published}");
    assert!((200..5500).contains(&finished), "{finished}");
}

/// `recorded` with up to six faults behind its handshake, which is mostly filling.
fn damaged(recorded: &[u8], random: &mut StdRng) -> Vec<u8> {
    const HANDSHAKE_BYTES: usize = 1 + 2 * 1536;
    let mut bytes = recorded.to_vec();
    for _ in 0..random.random_range(0..=6) {
        let at = random.random_range(HANDSHAKE_BYTES..bytes.len() - 1);
        let end = (at + random.random_range(1..200)).min(bytes.len() - 1);
        match random.random_range(0..4) {
            0 => bytes[at] ^= 1 << random.random_range(0..8),
            1 => bytes[at] = random.random(),
            2 => drop(bytes.drain(at..end)),
            _ => {
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
        }
    }
    bytes
}
