//! Fragmented MP4: initialization sections and fragments (ISO/IEC 14496-12 §8; RFC 8216 §3.3).

use mp4_atom::{Atom, Codec, Decode, Header, Moof, Moov, Traf, Trak};

use super::bitstream::{self, Coding};
use super::{Kind, Media, Run, SAMPLES_MAX, Sample, Track, Unreadable, digest};

/// Most boxes at the top of a resource, and most tracks of an initialization section.
const BOXES_MAX: usize = 10_000;
const TRACKS_MAX: usize = 16;

/// `sample_is_non_sync_sample` (ISO/IEC 14496-12 §8.8.3.1).
const NON_SYNC: u32 = 0x0001_0000;

/// How much of a segment there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    Whole,
    /// Up to the end of a picture, as I-frame playlists cut (RFC 8216 §4.3.3.6).
    Beginning,
}

/// An initialization section.
#[derive(Clone, Debug)]
pub(crate) struct Init {
    tracks: Vec<InitTrack>,
}

#[derive(Clone, Debug)]
struct InitTrack {
    track: Track,
    coding: Coding,
    /// Length of a NAL unit's length field.
    len_bytes: usize,
    /// What the edit list takes off presentation times.
    shift: i64,
    default_duration: u32,
    default_size: u32,
    default_flags: u32,
}

impl Init {
    /// Reads `moov`.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Unreadable> {
        let (at, body) = boxes(bytes, Extent::Whole)?
            .into_iter()
            .find(|it| it.kind == *b"moov")
            .map(|it| (it.at, it.body))
            .ok_or(Unreadable::Missing("moov"))?;
        let moov = Moov::decode_body(&mut &body[..]).map_err(|error| Unreadable::Box {
            kind: "moov",
            at,
            why: error.to_string(),
        })?;
        let traks = moov.trak.iter().take(TRACKS_MAX);
        let mut tracks: Vec<InitTrack> = traks.map(InitTrack::new).collect();
        for trex in moov.mvex.iter().flat_map(|mvex| &mvex.trex) {
            for track in tracks.iter_mut().filter(|it| it.track.id == trex.track_id) {
                track.default_duration = trex.default_sample_duration;
                track.default_size = trex.default_sample_size;
                track.default_flags = trex.default_sample_flags;
            }
        }
        Ok(Self { tracks })
    }

    /// The tracks that it describes.
    pub(crate) fn tracks(&self) -> impl Iterator<Item = &Track> {
        self.tracks.iter().map(|it| &it.track)
    }

    /// Reads the fragments of a segment or part.
    pub(crate) fn media(&self, bytes: &[u8], extent: Extent) -> Result<Media, Unreadable> {
        let mut media = Media::default();
        let mut fragments = 0;
        let mut count = 0;
        for it in boxes(bytes, extent)?
            .iter()
            .filter(|it| it.kind == *b"moof")
        {
            fragments += 1;
            let mut body = it.body;
            let moof = Moof::decode_body(&mut body).map_err(|error| Unreadable::Box {
                kind: "moof",
                at: it.at,
                why: error.to_string(),
            })?;
            for traf in &moof.traf {
                let id = traf.tfhd.track_id;
                let track = self.tracks.iter().find(|it| it.track.id == id);
                let track = track.ok_or(Unreadable::Track(id))?;
                let samples = track.samples(traf, it.at, bytes, extent)?;
                count += samples.len();
                if count > SAMPLES_MAX {
                    return Err(Unreadable::TooMany);
                }
                match media.runs.iter_mut().find(|run| run.track == track.track) {
                    Some(run) => run.samples.extend(samples),
                    None => media.runs.push(Run {
                        track: track.track.clone(),
                        samples,
                    }),
                }
            }
        }
        match fragments {
            0 => Err(Unreadable::Missing("moof")),
            _ => Ok(media),
        }
    }
}

impl InitTrack {
    fn new(trak: &Trak) -> Self {
        let entry = trak.mdia.minf.stbl.stsd.codecs.first();
        let described = entry.map_or_else(Described::unknown, Described::of);
        let kind = match trak.mdia.hdlr.handler.as_ref() {
            b"vide" => Kind::Video,
            b"soun" => Kind::Audio,
            _ => Kind::Other,
        };
        let edits = trak.edts.as_ref().and_then(|edts| edts.elst.as_ref());
        let edits = edits.map_or(&[][..], |elst| &elst.entries[..]);
        let shift = edits.iter().find_map(|edit| edit.media_time).unwrap_or(0);
        Self {
            track: Track {
                id: trak.tkhd.track_id,
                kind,
                timescale: trak.mdia.mdhd.timescale,
                codec: described.codec,
                size: described.size,
                shown: described.shown,
            },
            coding: described.coding,
            len_bytes: described.len_bytes,
            shift: i64::try_from(shift).unwrap_or(0),
            default_duration: 0,
            default_size: 0,
            default_flags: 0,
        }
    }

    fn samples(
        &self,
        traf: &Traf,
        moof_at: usize,
        bytes: &[u8],
        extent: Extent,
    ) -> Result<Vec<Sample>, Unreadable> {
        let header = &traf.tfhd;
        let time = traf.tfdt.as_ref().ok_or(Unreadable::Missing("tfdt"))?;
        let mut dts = i64::try_from(time.base_media_decode_time).unwrap_or(i64::MAX);
        let base = header
            .base_data_offset
            .map_or(moof_at, |offset| offset as usize);
        let mut at = base;
        let mut samples = Vec::new();
        for run in &traf.trun {
            if let Some(offset) = run.data_offset {
                at = base.saturating_add_signed(offset as isize);
            }
            for entry in run.samples.iter() {
                if samples.len() >= SAMPLES_MAX {
                    return Err(Unreadable::TooMany);
                }
                let default = |own: Option<u32>, header: Option<u32>, track: u32| {
                    own.or(header).unwrap_or(track)
                };
                let duration = default(
                    entry.duration,
                    header.default_sample_duration,
                    self.default_duration,
                );
                let size = default(entry.size, header.default_sample_size, self.default_size);
                let flags = default(entry.flags, header.default_sample_flags, self.default_flags);
                let end = at.saturating_add(size as usize);
                let data = match (bytes.get(at..end), extent) {
                    (Some(data), _) => data,
                    (None, Extent::Beginning) => return Ok(samples),
                    (None, Extent::Whole) => return Err(Unreadable::Sample(samples.len())),
                };
                at = end;
                let pts = dts
                    .saturating_add(entry.cts.unwrap_or(0))
                    .saturating_sub(self.shift);
                samples.push(Sample {
                    dts,
                    pts,
                    duration: i64::from(duration),
                    independent: self.is_independent(data, flags),
                    digest: digest(data),
                });
                dts = dts.saturating_add(i64::from(duration));
            }
        }
        Ok(samples)
    }

    /// By the picture itself where it can be read, by the container's flag where not.
    fn is_independent(&self, data: &[u8], flags: u32) -> bool {
        if self.track.kind != Kind::Video {
            return true;
        }
        let units = bitstream::length_prefixed(data, self.len_bytes);
        bitstream::is_random_access(self.coding, units).unwrap_or(flags & NON_SYNC == 0)
    }
}

/// What a sample entry says of its codec.
struct Described {
    codec: String,
    size: Option<(u32, u32)>,
    shown: Option<(u32, u32)>,
    coding: Coding,
    len_bytes: usize,
}

impl Described {
    fn unknown() -> Self {
        Self {
            codec: String::new(),
            size: None,
            shown: None,
            coding: Coding::Other,
            len_bytes: 4,
        }
    }

    fn of(entry: &Codec) -> Self {
        match entry {
            Codec::Avc1(entry) => Self::h264("avc1", &entry.avcc),
            Codec::Avc3(entry) => Self::h264("avc3", &entry.avcc),
            Codec::Hvc1(entry) => Self::h265("hvc1", &entry.hvcc, &entry.visual),
            Codec::Hev1(entry) => Self::h265("hev1", &entry.hvcc, &entry.visual),
            Codec::Mp4a(entry) => {
                let config = &entry.esds.es_desc.dec_config;
                let object = config
                    .dec_specific
                    .as_ref()
                    .map(|specific| specific.profile);
                let codec = match (config.object_type_indication, object) {
                    (0x40, Some(object)) => format!("mp4a.40.{object}"),
                    (other, _) => format!("mp4a.{other:02x}"),
                };
                Self {
                    codec,
                    ..Self::unknown()
                }
            }
            Codec::Opus(_) => Self {
                codec: "opus".to_owned(),
                ..Self::unknown()
            },
            Codec::Ac3(_) => Self {
                codec: "ac-3".to_owned(),
                ..Self::unknown()
            },
            Codec::Eac3(_) => Self {
                codec: "ec-3".to_owned(),
                ..Self::unknown()
            },
            _ => Self::unknown(),
        }
    }

    /// ISO/IEC 14496-15 §5.3.3: the sequence parameter set is in the configuration record.
    fn h264(name: &str, config: &mp4_atom::Avcc) -> Self {
        let sets = config.sequence_parameter_sets.first();
        let parameters = sets.and_then(|set| bitstream::parameters(set));
        let record = format!(
            "avc1.{:02x}{:02x}{:02x}",
            config.avc_profile_indication,
            config.profile_compatibility,
            config.avc_level_indication
        );
        let codec = parameters.as_ref().map_or(record, |it| it.codec.clone());
        Self {
            codec: codec.replacen("avc1", name, 1),
            size: parameters.as_ref().and_then(|it| it.size),
            shown: parameters.and_then(|it| it.shown),
            coding: Coding::H264,
            len_bytes: usize::from(config.length_size),
        }
    }

    /// ISO/IEC 14496-15 annex E.3.
    fn h265(name: &str, config: &mp4_atom::Hvcc, visual: &mp4_atom::Visual) -> Self {
        let space = ["", "A", "B", "C"][usize::from(config.general_profile_space & 3)];
        let flags = u32::from_be_bytes(config.general_profile_compatibility_flags).reverse_bits();
        let tier = if config.general_tier_flag { 'H' } else { 'L' };
        let mut codec = format!(
            "{name}.{space}{}.{flags:X}.{tier}{}",
            config.general_profile_idc, config.general_level_idc
        );
        let constraints = &config.general_constraint_indicator_flags;
        let used = constraints.iter().rposition(|byte| *byte != 0);
        for byte in constraints.iter().take(used.map_or(0, |last| last + 1)) {
            codec.push_str(&format!(".{byte:X}"));
        }
        Self {
            codec,
            size: Some((u32::from(visual.width), u32::from(visual.height))),
            shown: None,
            coding: Coding::H265,
            len_bytes: usize::from(config.length_size_minus_one & 3) + 1,
        }
    }
}

/// A box at the top of a resource.
struct TopBox<'a> {
    kind: [u8; 4],
    at: usize,
    body: &'a [u8],
}

fn boxes(bytes: &[u8], extent: Extent) -> Result<Vec<TopBox<'_>>, Unreadable> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() && found.len() < BOXES_MAX {
        let mut rest = &bytes[at..];
        let header = Header::decode(&mut rest).map_err(|error| Unreadable::Box {
            kind: "unknown",
            at,
            why: error.to_string(),
        })?;
        let size = match (header.size, extent) {
            (Some(size), Extent::Whole) => size,
            (Some(size), Extent::Beginning) => size.min(rest.len()),
            (None, _) => rest.len(),
        };
        let body = rest.get(..size).ok_or(Unreadable::Length {
            at,
            said: size,
            there: rest.len(),
        })?;
        let kind = *header.kind.as_ref();
        found.push(TopBox { kind, at, body });
        at = bytes.len() - (rest.len() - size);
    }
    Ok(found)
}
