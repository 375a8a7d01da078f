//! One title: what is stored of it, and its playlists, each rendered when somebody first asks for
//! it and shared by all who ask after.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use media_core::{AssetId, InitKind, MediaTime, StoredRendition};
use tokio::sync::Mutex;

use super::library::Store;
use crate::master::Master;
use crate::playlist::links::Links;
use crate::playlist::media::Content;
use crate::playlist::multivariant::{self, Subtitles};
use crate::playlist::stored;
use crate::rate::Meter;
use crate::text::{Coding, Text, code};

/// What a title is made of.
#[derive(Clone, Debug)]
pub struct Contents {
    /// The asset that it plays. Validators are made of it: another asset has another id, and an
    /// asset's files only ever grow.
    pub asset: AssetId,
    /// What its downloads are called, without an extension: any text.
    pub name: String,
    /// Its renditions, video from high to low.
    pub renditions: Vec<StoredRendition>,
    /// Its subtitles.
    pub subtitles: Vec<Subtitles>,
    /// Its files.
    pub store: Arc<dyn Store>,
}

/// A title that can be played.
#[derive(Debug)]
pub struct Title {
    contents: Contents,
    master: Master,
    /// Of each rendition the playlists of media and of I-frames.
    playlists: Vec<[Text; 2]>,
    subtitles_playlists: Vec<Text>,
    /// Of all that its playlists say.
    digest: u64,
    /// Held while a download of it is planned.
    planning: Mutex<()>,
}

impl Title {
    /// A title of these contents. Nothing is rendered yet.
    pub fn new(contents: Contents) -> Self {
        let renditions = contents.renditions.iter().map(described).collect();
        Self {
            master: Master::new(renditions, contents.subtitles.clone()),
            playlists: contents
                .renditions
                .iter()
                .map(|_| Default::default())
                .collect(),
            subtitles_playlists: contents.subtitles.iter().map(|_| Text::default()).collect(),
            digest: digest(&contents),
            planning: Mutex::default(),
            contents,
        }
    }

    /// What it is made of.
    pub fn contents(&self) -> &Contents {
        &self.contents
    }

    /// From its first sample to the end of its last.
    pub fn duration(&self) -> Duration {
        let segments = || self.contents.renditions.iter().flat_map(|it| &it.segments);
        let start = segments().map(|segment| segment.start).min();
        let end = segments().map(|segment| segment.end()).max();
        end.unwrap_or(MediaTime::ZERO)
            .saturating_since(start.unwrap_or(MediaTime::ZERO))
    }

    /// The rendition that a URL calls `name`, and its index.
    pub(super) fn rendition(&self, name: &str) -> Option<(usize, &StoredRendition)> {
        let mut renditions = self.contents.renditions.iter().enumerate();
        renditions.find(|(_, it)| it.init.rendition.as_str() == name)
    }

    /// The subtitles that a URL calls `name`, and their index.
    pub(super) fn subtitles(&self, name: &str) -> Option<(usize, &Subtitles)> {
        let mut subtitles = self.contents.subtitles.iter().enumerate();
        subtitles.find(|(_, it)| it.name.as_str() == name)
    }

    /// The renditions of a download: the one at `index`, and beside a picture its sound.
    pub(super) fn download_of(&self, index: usize) -> Vec<&StoredRendition> {
        let renditions = &self.contents.renditions;
        let sound = renditions.iter().find(|it| !is_video(it));
        let asked = renditions.get(index);
        let sound = sound.filter(|_| asked.is_some_and(is_video));
        asked.into_iter().chain(sound).collect()
    }

    /// The turn of who plans a download of it.
    pub(super) fn planning(&self) -> &Mutex<()> {
        &self.planning
    }

    pub(super) fn master(&self, links: Links<'_>, coding: Coding) -> Bytes {
        self.master.text(links, coding)
    }

    /// What makes the playlist of the rendition at `index`; `None`: it has none of I-frames.
    pub(super) fn playlist<'a>(
        &'a self,
        index: usize,
        content: Content,
        links: Links<'a>,
        coding: Coding,
    ) -> Option<impl FnOnce() -> Bytes + 'a> {
        let rendition = self.contents.renditions.get(index)?;
        let [media, iframes] = self.playlists.get(index)?;
        let text = match content {
            Content::Media => media,
            Content::IFrames if is_video(rendition) => iframes,
            Content::IFrames => return None,
        };
        let render = move || stored::render(rendition, content, links);
        Some(move || coded(text, links, coding, render))
    }

    /// What makes the playlist of the subtitles at `index`.
    pub(super) fn subtitles_playlist<'a>(
        &'a self,
        index: usize,
        links: Links<'a>,
        coding: Coding,
    ) -> Option<impl FnOnce() -> Bytes + 'a> {
        let name = &self.contents.subtitles.get(index)?.name;
        let text = self.subtitles_playlists.get(index)?;
        let render = move || stored::render_subtitles(name, self.duration(), links);
        Some(move || coded(text, links, coding, render))
    }

    /// The validator of its playlists. Weak: gzip is another representation (RFC 9110 §8.8.3.3).
    pub(super) fn playlist_tag(&self) -> String {
        format!("W/\"{}-{:x}\"", self.contents.asset, self.digest)
    }

    /// The validator of what is made of these renditions alone.
    pub(super) fn media_tag(&self, renditions: &[&StoredRendition]) -> String {
        let mut tag = format!("\"{}", self.contents.asset);
        for rendition in renditions {
            tag += &format!("-{}-{:x}", rendition.init.rendition, file_bytes(rendition));
        }
        tag + "\""
    }
}

/// The length of a rendition's file, as far as its segments are known.
pub(super) fn file_bytes(rendition: &StoredRendition) -> u64 {
    let last = rendition.segments.last();
    let end = last.map(|last| last.offset + u64::from(last.len_bytes));
    end.unwrap_or(rendition.init.bytes.len() as u64)
}

pub(super) fn is_video(rendition: &StoredRendition) -> bool {
    matches!(rendition.init.kind, InitKind::Video { .. })
}

/// A text of everyone's, or one of a single viewer's.
fn coded(text: &Text, links: Links<'_>, coding: Coding, render: impl FnOnce() -> String) -> Bytes {
    match links.token {
        None => text.coded(coding, render),
        Some(_) => code(render(), coding),
    }
}

/// What the multivariant playlist says of a rendition: the rates are those of its own segments.
fn described(rendition: &StoredRendition) -> multivariant::Rendition {
    let StoredRendition { init, segments } = rendition;
    let target = Duration::from_secs(stored::target_duration_s(segments));
    let mut meter = Meter::new(target);
    for segment in segments {
        let keyframe_bytes = u64::from(segment.keyframe_bytes.unwrap_or(0));
        let len_bytes = u64::from(segment.len_bytes);
        meter.add(len_bytes, segment.duration, keyframe_bytes);
    }
    let average_bps = meter.average_bps();
    multivariant::Rendition {
        name: init.rendition.clone(),
        codec: init.codec.clone(),
        kind: init.kind,
        peak_bps: meter.peak_bps().max(average_bps),
        average_bps,
        iframe_peak_bps: meter.iframe_peak_bps(),
    }
}

fn digest(contents: &Contents) -> u64 {
    let mut hasher = DefaultHasher::new();
    for rendition in &contents.renditions {
        rendition.init.rendition.hash(&mut hasher);
        rendition.init.codec.hash(&mut hasher);
        rendition.init.bytes.hash(&mut hasher);
        for segment in &rendition.segments {
            segment.start.hash(&mut hasher);
            segment.duration.hash(&mut hasher);
            (segment.offset, segment.len_bytes, segment.keyframe_bytes).hash(&mut hasher);
        }
    }
    for subtitles in &contents.subtitles {
        subtitles.name.hash(&mut hasher);
        (&subtitles.label, &subtitles.language, subtitles.default).hash(&mut hasher);
    }
    hasher.finish()
}
