//! The URLs under `/live/`, taken apart without allocating.
//!
//! ```text
//! /live/{stream}/master.m3u8
//! /live/{stream}/thumbnail.jpg
//! /live/{stream}/{rendition}/playlist.m3u8
//! /live/{stream}/{rendition}/iframes.m3u8
//! /live/{stream}/{rendition}/{broadcast}/init.mp4
//! /live/{stream}/{rendition}/{broadcast}/{sequence}.m4s
//! /live/{stream}/{rendition}/{broadcast}/{sequence}.{part}.m4s
//! ```

use crate::playlist::media::Content;
use crate::sequence::{MediaSequence, PartIndex};

/// What every path of this crate begins with.
pub(super) const PREFIX: &str = "/live/";

/// A resource of a stream. Names are what the path says, not yet known to exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resource<'a> {
    Master,
    Thumbnail,
    Playlist {
        rendition: &'a str,
        content: Content,
    },
    Media {
        rendition: &'a str,
        broadcast: &'a str,
        media: Media,
    },
}

/// A piece of a rendition's media.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Media {
    Init,
    Segment(MediaSequence),
    Part(MediaSequence, PartIndex),
}

/// The stream and the resource that `path`, without [`PREFIX`], names.
pub(super) fn parse(path: &str) -> Option<(&str, Resource<'_>)> {
    let (stream, rest) = path.split_once('/')?;
    let Some((rendition, rest)) = rest.split_once('/') else {
        let resource = match rest {
            "master.m3u8" => Resource::Master,
            "thumbnail.jpg" => Resource::Thumbnail,
            _ => return None,
        };
        return Some((stream, resource));
    };
    let Some((broadcast, file)) = rest.split_once('/') else {
        let content = match rest {
            "playlist.m3u8" => Content::Media,
            "iframes.m3u8" => Content::IFrames,
            _ => return None,
        };
        return Some((stream, Resource::Playlist { rendition, content }));
    };
    let media = parse_media(file)?;
    let resource = Resource::Media {
        rendition,
        broadcast,
        media,
    };
    Some((stream, resource))
}

fn parse_media(file: &str) -> Option<Media> {
    if file == "init.mp4" {
        return Some(Media::Init);
    }
    let stem = file.strip_suffix(".m4s")?;
    match stem.split_once('.') {
        None => Some(Media::Segment(MediaSequence::new(decimal(stem)?))),
        Some((sequence, part)) => Some(Media::Part(
            MediaSequence::new(decimal(sequence)?),
            PartIndex::new(u32::try_from(decimal(part)?).ok()?),
        )),
    }
}

/// A decimal number as this crate writes it: digits only, so that a resource has one URL.
pub(super) fn decimal(text: &str) -> Option<u64> {
    let canonical = text == "0" || !text.starts_with('0');
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    (canonical && digits).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_url_shape_is_known() {
        let media = |media| Resource::Media {
            rendition: "720p",
            broadcast: "b7",
            media,
        };
        let playlist = |content| Resource::Playlist {
            rendition: "720p",
            content,
        };
        let five = MediaSequence::new(5);
        for (path, resource) in [
            ("s/master.m3u8", Resource::Master),
            ("s/thumbnail.jpg", Resource::Thumbnail),
            ("s/720p/playlist.m3u8", playlist(Content::Media)),
            ("s/720p/iframes.m3u8", playlist(Content::IFrames)),
            ("s/720p/b7/init.mp4", media(Media::Init)),
            ("s/720p/b7/5.m4s", media(Media::Segment(five))),
            (
                "s/720p/b7/5.10.m4s",
                media(Media::Part(five, PartIndex::new(10))),
            ),
        ] {
            assert_eq!(parse(path), Some(("s", resource)), "{path}");
        }
    }

    #[test]
    fn anything_else_is_not() {
        for path in [
            "",
            "s",
            "s/",
            "s/playlist.m3u8",
            "s/720p/master.m3u8",
            "s/720p/thumbnail.jpg",
            "s/thumbnail.jpeg",
            "s/720p/b7/",
            "s/720p/b7/.m4s",
            "s/720p/b7/05.m4s",
            "s/720p/b7/+5.m4s",
            "s/720p/b7/-1.m4s",
            "s/720p/b7/5.1.1.m4s",
            "s/720p/b7/5.4294967296.m4s",
            "s/720p/b7/18446744073709551616.m4s",
            "s/720p/b7/x/5.m4s",
            "s/720p/b7/5.mp4",
        ] {
            assert_eq!(parse(path), None, "{path}");
        }
    }
}
