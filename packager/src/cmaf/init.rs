//! The initialization segment of a track: `ftyp` and `moov` (ISO/IEC 23000-19 §7.3.1).

use bytes::Bytes;
use media_core::{Init, InitKind, Track};

use super::boxes::{put_u16, put_u32, put_u64, put_zeros, write_box, write_full_box};

/// The one track of a CMAF file.
pub(super) const TRACK_ID: u32 = 1;

/// `sample_flags` of a picture that others depend on but that depends on none
/// (ISO/IEC 14496-12 §8.8.3.1: `sample_depends_on` = 2).
pub(super) const SYNC_SAMPLE: u32 = 0x0200_0000;

/// `sample_flags` of a picture that depends on others: `sample_depends_on` = 1 and
/// `sample_is_non_sync_sample`.
pub(super) const NON_SYNC_SAMPLE: u32 = 0x0101_0000;

/// A unity transformation matrix (§8.2.2).
const UNITY_MATRIX: [u32; 9] = [0x0001_0000, 0, 0, 0, 0x0001_0000, 0, 0, 0, 0x4000_0000];

/// The undetermined language, packed (§8.4.2).
const LANGUAGE_UND: u16 = 0x55c4;

/// Why a track cannot be described.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTrack {
    /// The decoder configuration is too short to hold what a codec string needs.
    #[error("rendition {rendition}: a {what} of {found} bytes, at least {needed} expected")]
    ShortConfig {
        /// The rendition.
        rendition: String,
        /// The record's name.
        what: &'static str,
        /// Bytes found.
        found: usize,
        /// Bytes needed.
        needed: usize,
    },
}

/// Units of a track's clock a second: fine enough that one frame is a whole number of them.
pub(crate) fn timescale(kind: InitKind) -> u32 {
    match kind {
        InitKind::Video { frame_rate, .. } => {
            frame_rate.numerator() * clock_factor(frame_rate.numerator())
        }
        InitKind::Audio { sample_rate, .. } => sample_rate,
    }
}

/// Some players mistrust a timescale of a few units a second.
pub(super) const fn clock_factor(numerator: u32) -> u32 {
    if numerator < 1000 { 1000 } else { 1 }
}

/// Describes a track.
pub(super) fn describe(track: &Track) -> Result<Init, InvalidTrack> {
    let codec = codec_string(track)?;
    let mut out = Vec::with_capacity(1024);
    write_box(&mut out, b"ftyp", |out| {
        out.extend_from_slice(b"iso6");
        put_u32(out, 0);
        // cmfc: CMAF structural brand (ISO/IEC 23000-19 §7.2).
        for brand in [b"iso6", b"cmfc", b"mp41"] {
            out.extend_from_slice(brand);
        }
    });
    write_box(&mut out, b"moov", |out| {
        // How long it is, only its chunks tell.
        movie_header(out, timescale(track.kind), 0, TRACK_ID + 1);
        write_box(out, b"trak", |out| {
            track_header(out, TRACK_ID, track.kind, 0);
            media(out, track);
        });
        write_box(out, b"mvex", |out| {
            write_full_box(out, b"trex", 0, 0, |out| {
                put_u32(out, TRACK_ID);
                put_u32(out, 1);
                put_zeros(out, 12);
            });
        });
    });
    Ok(Init {
        rendition: track.rendition.clone(),
        codec,
        kind: track.kind,
        bitrate: track.bitrate,
        bytes: Bytes::from(out),
    })
}

/// The codec as RFC 6381 §3.3 and §3.4 write it, from the bitstream's own configuration.
fn codec_string(track: &Track) -> Result<String, InvalidTrack> {
    let config = &track.decoder_config;
    let short = |what, needed| InvalidTrack::ShortConfig {
        rendition: track.rendition.to_string(),
        what,
        found: config.len(),
        needed,
    };
    match (track.kind, config.as_ref()) {
        (InitKind::Video { .. }, [_, profile, compatibility, level, ..]) => {
            Ok(format!("avc1.{profile:02x}{compatibility:02x}{level:02x}"))
        }
        (InitKind::Video { .. }, _) => Err(short("AVCDecoderConfigurationRecord", 4)),
        (InitKind::Audio { .. }, [first, _, ..]) => Ok(format!("mp4a.40.{}", first >> 3)),
        (InitKind::Audio { .. }, _) => Err(short("AudioSpecificConfig", 2)),
    }
}

/// `mvhd` (§8.2.2) of a movie of `duration`, in units of which `timescale` are a second.
pub(crate) fn movie_header(out: &mut Vec<u8>, timescale: u32, duration: u64, next_track_id: u32) {
    write_full_box(out, b"mvhd", version_for(duration), 0, |out| {
        put_zeros(out, 2 * time_bytes(duration));
        put_u32(out, timescale);
        put_time(out, duration);
        put_u32(out, 0x0001_0000);
        put_u16(out, 0x0100);
        put_zeros(out, 10);
        UNITY_MATRIX
            .into_iter()
            .for_each(|entry| put_u32(out, entry));
        put_zeros(out, 24);
        put_u32(out, next_track_id);
    });
}

/// `tkhd` (§8.3.2) of a track of `duration`, in the movie's units.
pub(crate) fn track_header(out: &mut Vec<u8>, track_id: u32, kind: InitKind, duration: u64) {
    const ENABLED_IN_MOVIE: u32 = 0x03;
    let (volume, width, height) = match kind {
        InitKind::Video { width, height, .. } => (0, width, height),
        InitKind::Audio { .. } => (0x0100, 0, 0),
    };
    write_full_box(
        out,
        b"tkhd",
        version_for(duration),
        ENABLED_IN_MOVIE,
        |out| {
            put_zeros(out, 2 * time_bytes(duration));
            put_u32(out, track_id);
            put_zeros(out, 4);
            put_time(out, duration);
            put_zeros(out, 8);
            put_u32(out, u32::from(matches!(kind, InitKind::Audio { .. })));
            put_u16(out, volume);
            put_u16(out, 0);
            UNITY_MATRIX
                .into_iter()
                .for_each(|entry| put_u32(out, entry));
            put_u32(out, width << 16);
            put_u32(out, height << 16);
        },
    );
}

/// `mdhd` (§8.4.2) of a track of `duration`, in units of which `timescale` are a second.
pub(crate) fn media_header(out: &mut Vec<u8>, timescale: u32, duration: u64) {
    write_full_box(out, b"mdhd", version_for(duration), 0, |out| {
        put_zeros(out, 2 * time_bytes(duration));
        put_u32(out, timescale);
        put_time(out, duration);
        put_u16(out, LANGUAGE_UND);
        put_u16(out, 0);
    });
}

/// The version of a header whose longest time this is: times have 32 bits in version 0 and 64 in
/// version 1.
pub(crate) fn version_for(time: u64) -> u8 {
    u8::from(u32::try_from(time).is_err())
}

/// A time in a header of that version.
fn put_time(out: &mut Vec<u8>, time: u64) {
    match u32::try_from(time) {
        Ok(time) => put_u32(out, time),
        Err(_) => put_u64(out, time),
    }
}

fn time_bytes(time: u64) -> usize {
    match version_for(time) {
        0 => 4,
        _ => 8,
    }
}

fn media(out: &mut Vec<u8>, track: &Track) {
    let (handler, name): (&[u8; 4], &[u8]) = match track.kind {
        InitKind::Video { .. } => (b"vide", b"video\0"),
        InitKind::Audio { .. } => (b"soun", b"audio\0"),
    };
    write_box(out, b"mdia", |out| {
        media_header(out, timescale(track.kind), 0);
        write_full_box(out, b"hdlr", 0, 0, |out| {
            put_u32(out, 0);
            out.extend_from_slice(handler);
            put_zeros(out, 12);
            out.extend_from_slice(name);
        });
        write_box(out, b"minf", |out| {
            match track.kind {
                InitKind::Video { .. } => {
                    write_full_box(out, b"vmhd", 0, 1, |out| put_zeros(out, 8))
                }
                InitKind::Audio { .. } => {
                    write_full_box(out, b"smhd", 0, 0, |out| put_zeros(out, 4))
                }
            }
            write_box(out, b"dinf", |out| {
                write_full_box(out, b"dref", 0, 0, |out| {
                    put_u32(out, 1);
                    // The media is in this file (§8.7.2).
                    write_full_box(out, b"url ", 0, 1, |_| {});
                });
            });
            write_box(out, b"stbl", |out| sample_table(out, track));
        });
    });
}

/// A sample table with a description and no samples: those are in the chunks.
fn sample_table(out: &mut Vec<u8>, track: &Track) {
    write_full_box(out, b"stsd", 0, 0, |out| {
        put_u32(out, 1);
        match track.kind {
            InitKind::Video { width, height, .. } => avc_entry(out, width, height, track),
            InitKind::Audio {
                sample_rate,
                channels,
            } => {
                aac_entry(out, sample_rate, channels, track);
            }
        }
    });
    for table in [b"stts", b"stsc", b"stco"] {
        write_full_box(out, table, 0, 0, |out| put_u32(out, 0));
    }
    write_full_box(out, b"stsz", 0, 0, |out| put_zeros(out, 8));
}

/// `VisualSampleEntry` (ISO/IEC 14496-12 §12.1.3) with its `avcC` (ISO/IEC 14496-15 §5.4.2).
fn avc_entry(out: &mut Vec<u8>, width: u32, height: u32, track: &Track) {
    const DPI_72: u32 = 0x0048_0000;
    const NO_COLOUR_TABLE: u16 = 0xffff;
    write_box(out, b"avc1", |out| {
        put_zeros(out, 6);
        put_u16(out, 1);
        put_zeros(out, 16);
        put_u16(out, u16::try_from(width).unwrap_or(u16::MAX));
        put_u16(out, u16::try_from(height).unwrap_or(u16::MAX));
        put_u32(out, DPI_72);
        put_u32(out, DPI_72);
        put_u32(out, 0);
        put_u16(out, 1);
        put_zeros(out, 32);
        put_u16(out, 0x0018);
        put_u16(out, NO_COLOUR_TABLE);
        write_box(out, b"avcC", |out| {
            out.extend_from_slice(&track.decoder_config)
        });
    });
}

/// `AudioSampleEntry` (ISO/IEC 14496-12 §12.2.3) with its `esds` (ISO/IEC 14496-14 §5.6).
fn aac_entry(out: &mut Vec<u8>, sample_rate: u32, channels: u32, track: &Track) {
    write_box(out, b"mp4a", |out| {
        put_zeros(out, 6);
        put_u16(out, 1);
        put_zeros(out, 8);
        put_u16(out, u16::try_from(channels).unwrap_or(u16::MAX));
        put_u16(out, 16);
        put_zeros(out, 4);
        put_u32(out, sample_rate << 16);
        write_full_box(out, b"esds", 0, 0, |out| es_descriptor(out, track));
    });
}

/// `ES_Descriptor` with decoder and sync-layer configuration (ISO/IEC 14496-1 §7.2.6.5).
fn es_descriptor(out: &mut Vec<u8>, track: &Track) {
    const AUDIO_ISO_14496_3: u8 = 0x40;
    const AUDIO_STREAM: u8 = 0x05 << 2 | 1;
    let config = track.decoder_config.as_ref();
    let specific = descriptor(0x05, config);
    let mut decoder = vec![AUDIO_ISO_14496_3, AUDIO_STREAM, 0, 0, 0];
    put_u32(&mut decoder, track.bitrate.as_bps());
    put_u32(&mut decoder, track.bitrate.as_bps());
    decoder.extend_from_slice(&specific);
    let mut stream = vec![0, 1, 0];
    stream.extend_from_slice(&descriptor(0x04, &decoder));
    // MP4 files use the predefined sync layer 2.
    stream.extend_from_slice(&descriptor(0x06, &[2]));
    out.extend_from_slice(&descriptor(0x03, &stream));
}

/// A descriptor with its size in the four-byte form that every parser knows (§8.3.3).
fn descriptor(tag: u8, content: &[u8]) -> Vec<u8> {
    let size = u32::try_from(content.len()).unwrap_or(u32::MAX);
    let mut out = vec![tag];
    for shift in [21, 14, 7] {
        out.push((size >> shift) as u8 & 0x7f | 0x80);
    }
    out.push(size as u8 & 0x7f);
    out.extend_from_slice(content);
    out
}
