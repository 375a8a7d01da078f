//! What the database says of a title: a recording, or a video of the library.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use media_core::{AssetId, RecordingId, StreamId, VideoId};
use packager::vod::Subtitles;
use storage::recording::{Place, Recording, Status};
use storage::videos::{self, Video};
use storage::{Recordings, Videos, Visibility, recordings};

use super::rows::Lookup;

/// Recordings and videos alike: their ids are random, and never the same.
#[derive(Clone, Debug)]
pub(super) struct Catalogue {
    pub(super) recordings: Recordings,
    pub(super) videos: Videos,
}

/// Something that can be played.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) plays: Plays,
    pub(super) door: Door,
}

/// What there is to play: as long as it is the same, so are its playlists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plays {
    pub(super) asset: AssetId,
    pub(super) place: Place,
    /// What its downloads are called.
    pub(super) name: String,
    pub(super) subtitles: Vec<Subtitles>,
    /// Whose subtitles they are.
    pub(super) video: Option<VideoId>,
}

/// To whom it opens.
#[derive(Clone, Debug)]
pub(super) enum Door {
    /// To everyone who knows its id.
    Open,
    /// To who has a token for this stream.
    OfStream(StreamId),
    /// To who has a token for this video.
    OfVideo(VideoId),
}

/// Why it cannot be said.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error(transparent)]
    Recordings(#[from] recordings::Error),
    #[error(transparent)]
    Videos(#[from] videos::Error),
}

impl Lookup for Catalogue {
    fn find(&self, id: String) -> BoxFuture<'static, Result<Option<Entry>, Error>> {
        let this = self.clone();
        async move { Self::find(&this, &id).await }.boxed()
    }
}

impl Catalogue {
    async fn find(&self, id: &str) -> Result<Option<Entry>, Error> {
        let (Ok(recording), Ok(video)) = (RecordingId::new(id), VideoId::new(id)) else {
            return Ok(None);
        };
        if let Some(recording) = self.recordings.find(&recording).await? {
            return Ok(of_recording(recording));
        }
        let Some(video) = self.videos.find(&video).await? else {
            return Ok(None);
        };
        let subtitles = self.videos.subtitles(&video.id).await?;
        Ok(of_video(video, subtitles))
    }
}

fn of_recording(recording: Recording) -> Option<Entry> {
    let name = name_of(&recording);
    let asset = recording.asset;
    let asset =
        asset.filter(|_| matches!(recording.status, Status::Ready | Status::Interrupted))?;
    Some(Entry {
        plays: Plays {
            asset,
            place: recording.place,
            name,
            subtitles: Vec::new(),
            video: None,
        },
        door: match recording.visibility {
            Visibility::Public => Door::Open,
            Visibility::Private => Door::OfStream(recording.stream),
        },
    })
}

fn of_video(video: Video, subtitles: Vec<videos::Subtitles>) -> Option<Entry> {
    let asset = video.asset;
    let asset = asset.filter(|_| video.status == videos::Status::Ready)?;
    let subtitles = subtitles.into_iter().map(|subtitles| Subtitles {
        name: subtitles.name,
        label: subtitles.label.to_string(),
        language: subtitles.language.to_string(),
        default: subtitles.is_default,
    });
    Some(Entry {
        plays: Plays {
            asset,
            place: video.place,
            name: video.title.to_string(),
            subtitles: subtitles.collect(),
            video: Some(video.id.clone()),
        },
        door: match video.visibility {
            videos::Visibility::Public | videos::Visibility::Unlisted => Door::Open,
            videos::Visibility::Private => Door::OfVideo(video.id),
        },
    })
}

/// What a download is called: the title and the day.
fn name_of(recording: &Recording) -> String {
    let at = humantime::format_rfc3339_seconds(recording.started_at).to_string();
    let day = at.split_once('T').map_or("", |(day, _)| day);
    format!("{} {day}", recording.stream_title)
}
