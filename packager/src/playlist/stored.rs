//! The media playlists of stored media (`EXT-X-PLAYLIST-TYPE:VOD`): byte ranges of one file a
//! rendition, of all its media or of its I-frames, and subtitles in one piece.
//! Section numbers are draft-pantos-hls-rfc8216bis-18's.

use std::fmt::{self, Write};
use std::time::Duration;

use media_core::{MediaTime, RenditionName, StoredRendition, StoredSegment};

use super::links::Links;
use super::media::Content;
use crate::segment::ListedDuration;

/// `EXT-X-VERSION`: §8 asks for 6 where `EXT-X-MAP` stands in a playlist of media, and for 4 for
/// byte ranges.
const VERSION: u32 = 6;

/// The head and the tail, and a segment's lines without a token: so that rendering allocates once.
const TEXT_CAPACITY: usize = 512;
const LINES_CAPACITY: usize = 72;

/// Renders a rendition's playlist. Its URIs are relative to `/vod/{id}/{rendition}/`, where its
/// file is `../{rendition}.mp4`.
///
/// Segments that do not begin with an IDR frame are not in a playlist of I-frames.
pub fn render(rendition: &StoredRendition, content: Content, links: Links<'_>) -> String {
    let query = links.media_query().to_string();
    let name = &rendition.init.rendition;
    let lines = LINES_CAPACITY + name.as_str().len() + query.len();
    let mut text = String::with_capacity(TEXT_CAPACITY + rendition.segments.len() * lines);
    let renderer = Renderer {
        rendition,
        content,
        uri: format!("../{name}.mp4{query}"),
    };
    renderer
        .write(&mut text)
        .expect("writing to a String cannot fail");
    text
}

/// Renders the playlist of subtitles called `name`, whose one segment is the whole WebVTT of a
/// title of this `duration`. Its URIs are relative to `/vod/{id}/subtitles/`.
pub fn render_subtitles(name: &RenditionName, duration: Duration, links: Links<'_>) -> String {
    let listed = ListedDuration::between(MediaTime::ZERO, MediaTime::ZERO + duration);
    format!(
        "#EXTM3U\n\
         #EXT-X-VERSION:{VERSION}\n\
         #EXT-X-TARGETDURATION:{target}\n\
         #EXT-X-PLAYLIST-TYPE:VOD\n\
         #EXTINF:{listed},\n\
         {name}.vtt{query}\n\
         #EXT-X-ENDLIST\n",
        target = rounded_s(listed),
        query = links.media_query(),
    )
}

/// `EXT-X-TARGETDURATION` of a rendition's playlists, in seconds: its longest segment's duration,
/// rounded to the nearest integer (§4.4.3.1); at least one.
pub fn target_duration_s(segments: &[StoredSegment]) -> u64 {
    let longest = segments.iter().map(listed_duration).max();
    longest.map_or(1, rounded_s)
}

struct Renderer<'a> {
    rendition: &'a StoredRendition,
    content: Content,
    uri: String,
}

impl Renderer<'_> {
    fn write(&self, out: &mut String) -> fmt::Result {
        let StoredRendition { init, segments } = self.rendition;
        let target = target_duration_s(segments);
        write!(out, "#EXTM3U\n#EXT-X-VERSION:{VERSION}\n")?;
        out.push_str("#EXT-X-INDEPENDENT-SEGMENTS\n");
        if self.content == Content::IFrames {
            out.push_str("#EXT-X-I-FRAMES-ONLY\n");
        }
        writeln!(out, "#EXT-X-TARGETDURATION:{target}")?;
        out.push_str("#EXT-X-PLAYLIST-TYPE:VOD\n");
        let Self { uri, .. } = self;
        let init_bytes = init.bytes.len();
        writeln!(out, "#EXT-X-MAP:URI=\"{uri}\",BYTERANGE=\"{init_bytes}@0\"")?;
        for segment in segments {
            let listed_bytes = match self.content {
                Content::Media => Some(segment.len_bytes),
                Content::IFrames => segment.keyframe_bytes,
            };
            let Some(len_bytes) = listed_bytes else {
                continue;
            };
            let (duration, offset) = (listed_duration(segment), segment.offset);
            write!(
                out,
                "#EXTINF:{duration},\n#EXT-X-BYTERANGE:{len_bytes}@{offset}\n{uri}\n"
            )?;
        }
        out.push_str("#EXT-X-ENDLIST\n");
        Ok(())
    }
}

fn listed_duration(segment: &StoredSegment) -> ListedDuration {
    ListedDuration::between(segment.start, segment.end())
}

fn rounded_s(duration: ListedDuration) -> u64 {
    ((duration.as_micros() + 500_000) / 1_000_000).max(1)
}

#[cfg(test)]
mod tests;
