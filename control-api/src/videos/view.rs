//! A video as callers see it, and where it plays.

use std::str::FromStr;

use media_core::RenditionName;
use serde::Serialize;
use storage::videos::{Status, Tag, Video, Visibility};
use utoipa::ToSchema;

use crate::Api;
use crate::time::rfc3339;
use crate::urls::{Origin, STILLS, is_sound_alone};

/// Who may watch: everybody, and it is listed; everybody who knows the id; or who has a playback
/// token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum VideoVisibility {
    Public,
    Unlisted,
    Private,
}

/// A text that is no visibility.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is `public`, `unlisted` or `private`")]
pub(crate) struct UnknownVisibility;

impl FromStr for VideoVisibility {
    type Err = UnknownVisibility;

    fn from_str(text: &str) -> Result<Self, UnknownVisibility> {
        Visibility::from_word(text)
            .map(Self::from)
            .ok_or(UnknownVisibility)
    }
}

impl From<Visibility> for VideoVisibility {
    fn from(visibility: Visibility) -> Self {
        match visibility {
            Visibility::Public => Self::Public,
            Visibility::Unlisted => Self::Unlisted,
            Visibility::Private => Self::Private,
        }
    }
}

impl From<VideoVisibility> for Visibility {
    fn from(visibility: VideoVisibility) -> Self {
        match visibility {
            VideoVisibility::Public => Self::Public,
            VideoVisibility::Unlisted => Self::Unlisted,
            VideoVisibility::Private => Self::Private,
        }
    }
}

/// What has become of a video: its file is to come, waits, is being encoded, plays, or failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum VideoStatus {
    Uploading,
    Queued,
    Processing,
    Ready,
    Failed,
}

impl From<Status> for VideoStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Uploading => Self::Uploading,
            Status::Queued => Self::Queued,
            Status::Processing => Self::Processing,
            Status::Ready => Self::Ready,
            Status::Failed => Self::Failed,
        }
    }
}

/// One ordinary MP4 of a rendition with its sound.
#[derive(Serialize, ToSchema)]
pub(crate) struct Download {
    /// Which rendition.
    #[schema(example = "720p")]
    rendition: String,
    /// Where it is fetched.
    #[schema(example = "https://live.example.org/vod/k3f9a2mzq7xw2b/720p/download.mp4")]
    url: String,
}

/// Where a video plays, with the playback token behind the URLs where one was given.
#[derive(Serialize, ToSchema)]
pub(crate) struct VideoUrls {
    /// The multivariant playlist.
    #[schema(example = "https://live.example.org/vod/k3f9a2mzq7xw2b/master.m3u8")]
    hls: String,
    /// One a rendition. Lists leave them out.
    download: Vec<Download>,
    /// JPEGs at a sixth, a half and five sixths, of which some may be the same; none where it is sound
    /// alone. Lists name them all the same: then they answer 404.
    thumbnails: Vec<String>,
    /// The WebVTT of tiny pictures, for scrubbing; null where it is sound alone. Lists name it all the
    /// same.
    #[schema(example = "https://live.example.org/vod/k3f9a2mzq7xw2b/thumbnails/sprites.vtt")]
    sprite: Option<String>,
}

impl Origin {
    /// Where `video` plays, with the playback token where one is given; `None` until it is ready.
    pub(super) fn video(
        &self,
        video: &Video,
        token: Option<&str>,
        downloads: &[RenditionName],
    ) -> Option<VideoUrls> {
        if video.status != Status::Ready {
            return None;
        }
        // Tokens are of unreserved characters (RFC 3986 §2.3).
        let query = token.map_or(String::new(), |token| format!("?token={token}"));
        let url = |file: &str| format!("{}/vod/{}/{file}{query}", self.http_base(), video.id);
        let download = |rendition: &RenditionName| Download {
            rendition: rendition.to_string(),
            url: url(&format!("{rendition}/download.mp4")),
        };
        let has_pictures = !is_sound_alone(downloads);
        let thumbnails = (1..=STILLS).filter(|_| has_pictures);
        let thumbnails = thumbnails.map(|number| format!("thumbnails/thumbnail-{number}.jpg"));
        Some(VideoUrls {
            hls: url("master.m3u8"),
            download: downloads.iter().map(download).collect(),
            thumbnails: thumbnails.map(|file| url(&file)).collect(),
            sprite: has_pictures.then(|| url("thumbnails/sprites.vtt")),
        })
    }
}

/// The renditions that can be downloaded of a video. What cannot be read is none.
pub(super) async fn downloads(api: &Api, video: &Video) -> Vec<RenditionName> {
    match &video.asset {
        Some(asset) => api.media.renditions(asset).await,
        None => Vec::new(),
    }
}

#[derive(Serialize, ToSchema)]
pub(crate) struct VideoView {
    /// Stands in its URLs.
    #[schema(example = "k3f9a2mzq7xw2b")]
    id: String,
    /// Whose it is: a user's id; null: the operator's.
    owner_id: Option<String>,
    /// What viewers read.
    #[schema(example = "Harbour at dawn")]
    title: String,
    /// More about it; may be empty.
    description: String,
    /// Words to find it by.
    tags: Vec<String>,
    /// Who may watch.
    visibility: VideoVisibility,
    /// What has become of it.
    status: VideoStatus,
    /// Why it failed, or what is wrong with the file that came; of a ready one, what of its file is
    /// missing.
    reason: Option<String>,
    /// How much of it is encoded: 0 to 1000.
    #[schema(maximum = 1000)]
    progress_permille: u16,
    /// Its length in milliseconds; 0 until it is ready.
    duration_ms: u64,
    /// Bytes of its media in all renditions; 0 until it is ready.
    size_bytes: u64,
    /// What the uploaded file was called; null for those who may not change it.
    source_name: Option<String>,
    /// Which recording it was imported from; null for those who may not change it.
    recording_id: Option<String>,
    /// How often it was watched.
    views: u64,
    /// How many users like it.
    likes: u64,
    /// Whether the caller does; null where it is no user, and in lists.
    liked: Option<bool>,
    /// When it was made (RFC 3339).
    #[schema(example = "2026-03-01T12:00:00.000Z")]
    created_at: String,
    /// When it could first be played (RFC 3339); null until then.
    published_at: Option<String>,
    /// Where it plays; null until it is ready.
    playback: Option<VideoUrls>,
}

impl VideoView {
    pub(super) fn of(
        video: Video,
        is_own: bool,
        playback: Option<VideoUrls>,
        liked: Option<bool>,
    ) -> Self {
        Self {
            id: video.id.to_string(),
            owner_id: video.owner.map(|owner| owner.to_string()),
            title: video.title.to_string(),
            description: video.description.as_str().to_owned(),
            tags: video.tags.iter().map(Tag::to_string).collect(),
            visibility: video.visibility.into(),
            status: video.status.into(),
            reason: video.reason,
            progress_permille: video.progress_permille,
            duration_ms: u64::try_from(video.duration.as_millis()).unwrap_or(u64::MAX),
            size_bytes: video.bytes,
            source_name: video.source_name.filter(|_| is_own),
            recording_id: video
                .recording
                .filter(|_| is_own)
                .map(|recording| recording.to_string()),
            views: video.views,
            likes: video.likes,
            liked,
            created_at: rfc3339(video.created_at),
            published_at: video.published_at.map(rfc3339),
            playback,
        }
    }
}
