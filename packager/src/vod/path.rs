//! The URLs under `/vod/`, taken apart without allocating.
//!
//! ```text
//! /vod/{id}/master.m3u8
//! /vod/{id}/{rendition}/playlist.m3u8
//! /vod/{id}/{rendition}/iframes.m3u8
//! /vod/{id}/{rendition}.mp4
//! /vod/{id}/{rendition}/download.mp4
//! /vod/{id}/subtitles/{name}.m3u8
//! /vod/{id}/subtitles/{name}.vtt
//! /vod/{id}/thumbnails/{file}
//! ```

use super::counters::Subject;
use crate::playlist::media::Content;

/// What every path of this module begins with.
pub(super) const PREFIX: &str = "/vod/";

/// A resource of a title. Names are what the path says, not yet known to exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resource<'a> {
    Master,
    Playlist {
        rendition: &'a str,
        content: Content,
    },
    Media {
        rendition: &'a str,
    },
    Download {
        rendition: &'a str,
    },
    SubtitlesPlaylist {
        name: &'a str,
    },
    Subtitles {
        name: &'a str,
    },
    Thumbnail {
        file: &'a str,
    },
}

impl Resource<'_> {
    pub(super) fn subject(self) -> Subject {
        match self {
            Self::Master => Subject::Master,
            Self::Playlist { .. } | Self::SubtitlesPlaylist { .. } => Subject::Playlist,
            Self::Media { .. } => Subject::Media,
            Self::Download { .. } => Subject::Download,
            Self::Subtitles { .. } => Subject::Subtitles,
            Self::Thumbnail { .. } => Subject::Thumbnail,
        }
    }
}

/// The title and the resource that `path`, without [`PREFIX`], names.
pub(super) fn parse(path: &str) -> Option<(&str, Resource<'_>)> {
    let (id, rest) = path.split_once('/')?;
    let resource = match rest.split_once('/') {
        None => match rest.strip_suffix(".mp4") {
            Some(rendition) => Resource::Media { rendition },
            None if rest == "master.m3u8" => Resource::Master,
            None => return None,
        },
        Some(("subtitles", file)) => match file.split_once('.')? {
            (name, "m3u8") => Resource::SubtitlesPlaylist { name },
            (name, "vtt") => Resource::Subtitles { name },
            _ => return None,
        },
        Some(("thumbnails", file)) => match file.split_once('.')? {
            (stem, "jpg" | "vtt") if is_plain(stem) => Resource::Thumbnail { file },
            _ => return None,
        },
        Some((rendition, file)) => {
            let playlist = |content| Resource::Playlist { rendition, content };
            match file {
                "playlist.m3u8" => playlist(Content::Media),
                "iframes.m3u8" => playlist(Content::IFrames),
                "download.mp4" => Resource::Download { rendition },
                _ => return None,
            }
        }
    };
    Some((id, resource))
}

/// Whether a file's name could lead nowhere but beside the others.
fn is_plain(stem: &str) -> bool {
    let plain = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_'
    };
    !stem.is_empty() && stem.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_url_shape_is_known() {
        let rendition = "720p";
        let playlist = |content| Resource::Playlist { rendition, content };
        for (path, resource) in [
            ("t/master.m3u8", Resource::Master),
            ("t/720p/playlist.m3u8", playlist(Content::Media)),
            ("t/720p/iframes.m3u8", playlist(Content::IFrames)),
            ("t/720p.mp4", Resource::Media { rendition }),
            ("t/720p/download.mp4", Resource::Download { rendition }),
            (
                "t/subtitles/de.m3u8",
                Resource::SubtitlesPlaylist { name: "de" },
            ),
            (
                "t/subtitles/playlist.m3u8",
                Resource::SubtitlesPlaylist { name: "playlist" },
            ),
            ("t/subtitles/de.vtt", Resource::Subtitles { name: "de" }),
            (
                "t/thumbnails/sprite-1.jpg",
                Resource::Thumbnail {
                    file: "sprite-1.jpg",
                },
            ),
            (
                "t/thumbnails/sprite.vtt",
                Resource::Thumbnail { file: "sprite.vtt" },
            ),
        ] {
            assert_eq!(parse(path), Some(("t", resource)), "{path}");
        }
    }

    #[test]
    fn anything_else_is_not() {
        for path in [
            "",
            "t",
            "t/",
            "t/720p",
            "t/playlist.m3u8",
            "t/720p/master.m3u8",
            "t/720p/720p.mp4",
            "t/720p/download.mp4/",
            "t/subtitles/de",
            "t/subtitles/de.x.vtt",
            "t/thumbnails/.jpg",
            "t/thumbnails/../x.jpg",
            "t/thumbnails/%2e.jpg",
            "t/thumbnails/a/b.jpg",
            "t/thumbnails/A.jpg",
            "t/thumbnails/a.png",
        ] {
            assert_eq!(parse(path), None, "{path}");
        }
    }
}
