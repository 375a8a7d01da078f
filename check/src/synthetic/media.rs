//! Made-up fragmented MP4: real boxes and real parameter sets around samples of a few bytes.

use bytes::Bytes;
use mp4_atom::{
    Atom, Audio, Avc1, Avcc, Codec, Encode, Ftyp, Hdlr, Mdat, Mdhd, Mdia, Mfhd, Minf, Moof, Moov,
    Mp4a, Mvex, Mvhd, Smhd, Stbl, Stsd, Tfdt, Tfhd, Tkhd, Traf, Trak, Trex, Trun, TrunEntry,
    Visual, Vmhd, esds,
};

/// x264's parameter sets, Constrained Baseline: of 320×180 at level 1.3 and of 160×90 at 1.1.
const BIG: &[u8] = &[
    0x67, 0x42, 0xc0, 0x0d, 0xd9, 0x01, 0x41, 0x9f, 0x9f, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10,
    0x00, 0x00, 0x03, 0x03, 0xc0, 0xf1, 0x42, 0xa4, 0x80,
];
const SMALL: &[u8] = &[
    0x67, 0x42, 0xc0, 0x0b, 0xd9, 0x02, 0x8d, 0xf9, 0x30, 0x11, 0x00, 0x00, 0x03, 0x00, 0x01, 0x00,
    0x00, 0x03, 0x00, 0x3c, 0x0f, 0x14, 0x2a, 0x48,
];
const PICTURE_SET: &[u8] = &[0x68, 0xcb, 0x83, 0xcb, 0x20];

/// Units of every track's clock a second.
pub(crate) const TIMESCALE: u32 = 48_000;

/// The samples of a part or segment before they are written.
#[derive(Clone, Debug)]
pub(crate) struct Fragment {
    /// Index of the rendition; 2 is the sound.
    pub(crate) rendition: usize,
    pub(crate) msn: u64,
    /// Of a part; none of a whole segment.
    pub(crate) part: Option<u64>,
    pub(crate) dts: u64,
    pub(crate) samples: Vec<Coded>,
}

#[derive(Clone, Debug)]
pub(crate) struct Coded {
    pub(crate) duration: u32,
    pub(crate) idr: bool,
    pub(crate) number: u32,
}

impl Fragment {
    /// Its bytes.
    pub(crate) fn write(&self) -> Bytes {
        let mut data = Vec::new();
        let mut entries = Vec::new();
        for sample in &self.samples {
            let start = data.len();
            let unit_type = if sample.idr { 0x65 } else { 0x41 };
            data.extend_from_slice(&[0, 0, 0, 6, unit_type, self.rendition as u8]);
            data.extend_from_slice(&sample.number.to_be_bytes());
            entries.push(TrunEntry {
                duration: Some(sample.duration),
                size: Some((data.len() - start) as u32),
                flags: Some(if sample.idr { 0x0200_0000 } else { 0x0101_0000 }),
                cts: None,
            });
        }
        let moof = |offset: i32| Moof {
            mfhd: Mfhd { sequence_number: 1 },
            traf: vec![Traf {
                tfhd: Tfhd {
                    track_id: 1,
                    default_base_is_moof: true,
                    ..Tfhd::default()
                },
                tfdt: Some(Tfdt {
                    base_media_decode_time: self.dts,
                }),
                trun: vec![Trun {
                    data_offset: Some(offset),
                    samples: entries.clone().into(),
                }],
                ..Traf::default()
            }],
        };
        let header = written(&moof(0)).len() + 8;
        let mut bytes = written(&moof(header as i32));
        bytes.extend(written(&Mdat { data }));
        Bytes::from(bytes)
    }
}

/// The initialization section of a rendition.
pub(crate) fn init(rendition: usize) -> Bytes {
    let codec: Codec = match rendition {
        0 => picture(BIG, 320, 180).into(),
        1 => picture(SMALL, 160, 90).into(),
        _ => sound().into(),
    };
    let is_sound = rendition == 2;
    let handler = if is_sound { b"soun" } else { b"vide" };
    let moov = Moov {
        mvhd: Mvhd {
            timescale: TIMESCALE,
            ..Mvhd::default()
        },
        trak: vec![Trak {
            tkhd: Tkhd {
                track_id: 1,
                ..Tkhd::default()
            },
            mdia: Mdia {
                mdhd: Mdhd {
                    timescale: TIMESCALE,
                    language: "und".to_owned(),
                    ..Mdhd::default()
                },
                hdlr: Hdlr {
                    handler: handler.into(),
                    name: String::new(),
                },
                minf: Minf {
                    vmhd: (!is_sound).then(Vmhd::default),
                    smhd: is_sound.then(Smhd::default),
                    stbl: Stbl {
                        stsd: Stsd {
                            codecs: vec![codec],
                        },
                        ..Stbl::default()
                    },
                    ..Minf::default()
                },
            },
            ..Trak::default()
        }],
        mvex: Some(Mvex {
            trex: vec![Trex {
                track_id: 1,
                default_sample_description_index: 1,
                ..Trex::default()
            }],
            ..Mvex::default()
        }),
        ..Moov::default()
    };
    let mut bytes = written(&Ftyp {
        major_brand: b"iso6".into(),
        minor_version: 0,
        compatible_brands: vec![b"cmfc".into()],
    });
    bytes.extend(written(&moov));
    Bytes::from(bytes)
}

fn picture(set: &[u8], width: u16, height: u16) -> Avc1 {
    Avc1 {
        visual: Visual {
            data_reference_index: 1,
            width,
            height,
            ..Visual::default()
        },
        avcc: Avcc::new(set, PICTURE_SET).unwrap(),
        btrt: None,
        colr: None,
        pasp: None,
        taic: None,
        fiel: None,
        spatial: None,
    }
}

fn sound() -> Mp4a {
    Mp4a {
        audio: Audio {
            data_reference_index: 1,
            channel_count: 2,
            sample_size: 16,
            sample_rate: 48_000.into(),
        },
        esds: esds::Esds {
            es_desc: esds::EsDescriptor {
                es_id: 1,
                dec_config: esds::DecoderConfig {
                    object_type_indication: 0x40,
                    stream_type: 5,
                    dec_specific: Some(esds::DecoderSpecific {
                        profile: 2,
                        freq_index: 3,
                        chan_conf: 2,
                        raw: Vec::new(),
                    }),
                    ..esds::DecoderConfig::default()
                },
                ..esds::EsDescriptor::default()
            },
        },
        btrt: None,
        taic: None,
    }
}

fn written(atom: &impl Atom) -> Vec<u8> {
    let mut bytes = Vec::new();
    atom.encode(&mut bytes).unwrap();
    bytes
}
