//! An asset's manifest: its renditions, what playlists say of them, their initialization segments.
//!
//! One record: how many renditions; of each its name, codec and initialization segment (length and
//! bytes), its bitrate in bits a second, and 0, width, height, frame rate (two integers) of video
//! or 1, samples a second, channels of audio.

use bytes::Bytes;
use media_core::{Bitrate, FrameRate, Init, InitKind, RenditionName};

use super::record::{Fields, Kind, frame, put_bytes, put_varint};

const VIDEO: u64 = 0;
const AUDIO: u64 = 1;

/// The file's bytes.
pub(super) fn encode(inits: &[Init]) -> Vec<u8> {
    let mut payload = Vec::new();
    put_varint(&mut payload, inits.len() as u64);
    for init in inits {
        put_bytes(&mut payload, init.rendition.as_str().as_bytes());
        put_bytes(&mut payload, init.codec.as_bytes());
        put_bytes(&mut payload, &init.bytes);
        put_varint(&mut payload, u64::from(init.bitrate.as_bps()));
        let kind = match init.kind {
            InitKind::Video {
                width,
                height,
                frame_rate,
            } => vec![
                VIDEO,
                width.into(),
                height.into(),
                frame_rate.numerator().into(),
                frame_rate.denominator().into(),
            ],
            InitKind::Audio {
                sample_rate,
                channels,
            } => vec![AUDIO, sample_rate.into(), channels.into()],
        };
        for value in kind {
            put_varint(&mut payload, value);
        }
    }
    let mut file = Kind::Manifest.header().to_vec();
    file.extend(frame(&payload));
    file
}

/// What the one record says; `None`: no writer made it.
pub(super) fn decode(payload: &[u8]) -> Option<Vec<Init>> {
    let mut fields = Fields(payload);
    let inits: Vec<Init> = (0..fields.count()?)
        .map(|_| init(&mut fields))
        .collect::<Option<_>>()?;
    (fields.is_at_end() && !inits.is_empty()).then_some(inits)
}

fn init(fields: &mut Fields<'_>) -> Option<Init> {
    Some(Init {
        rendition: RenditionName::new(fields.text()?).ok()?,
        codec: fields.text()?.to_owned(),
        bytes: Bytes::copy_from_slice(fields.bytes()?),
        bitrate: Bitrate::from_bps(fields.varint_u32()?),
        kind: match fields.varint()? {
            VIDEO => InitKind::Video {
                width: fields.varint_u32()?,
                height: fields.varint_u32()?,
                frame_rate: FrameRate::new(fields.varint_u32()?, fields.varint_u32()?)?,
            },
            AUDIO => InitKind::Audio {
                sample_rate: fields.varint_u32().filter(|rate| *rate > 0)?,
                channels: fields.varint_u32()?,
            },
            _ => return None,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asset::record::Records;

    #[test]
    fn what_playlists_say_comes_back() {
        let inits = [
            Init {
                rendition: RenditionName::new("1080p").expect("a name"),
                codec: "avc1.640028".into(),
                kind: InitKind::Video {
                    width: 1920,
                    height: 1080,
                    frame_rate: FrameRate::new(30_000, 1001).expect("a rate"),
                },
                bitrate: Bitrate::from_bps(5_000_321),
                bytes: Bytes::from(vec![7; 800]),
            },
            Init {
                rendition: RenditionName::new("audio").expect("a name"),
                codec: "mp4a.40.2".into(),
                kind: InitKind::Audio {
                    sample_rate: 48_000,
                    channels: 2,
                },
                bitrate: Bitrate::from_kbps(128),
                bytes: Bytes::from_static(b"init"),
            },
        ];
        let file = encode(&inits);
        let mut records = Records::open(&file[..], Kind::Manifest).expect("a header");
        let (payload, _) = records.next().expect("memory").expect("a record");
        let payload = payload.to_vec();
        let decoded = decode(&payload).expect("its own bytes");
        assert_eq!(format!("{decoded:?}"), format!("{inits:?}"));
        for end in 0..payload.len() {
            assert!(decode(&payload[..end]).is_none(), "{end}");
        }
        assert!(decode(&[&payload[..], &[0]].concat()).is_none());
    }

    /// The clock that a download's times are divided by.
    #[test]
    fn a_rendition_whose_clock_stands_still_is_none() {
        for (sample_rate, is_one) in [(48_000, true), (1, true), (0, false)] {
            let kind = InitKind::Audio {
                sample_rate,
                channels: 2,
            };
            let file = encode(&[Init {
                rendition: RenditionName::new("a").expect("a name"),
                codec: String::new(),
                kind,
                bitrate: Bitrate::from_kbps(128),
                bytes: Bytes::new(),
            }]);
            let mut records = Records::open(&file[..], Kind::Manifest).expect("a header");
            let (payload, _) = records.next().expect("memory").expect("a record");
            assert_eq!(decode(payload).is_some(), is_one, "{sample_rate}");
        }
    }
}
