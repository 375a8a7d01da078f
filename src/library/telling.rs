//! What webhooks hear of videos, as the database has it.

use media_core::VideoId;
use serde_json::json;
use storage::webhooks::EventType;
use storage::{Videos, videos};

use crate::hooks::Events;

/// A video can be played.
pub(super) async fn tell_ready(
    videos: &Videos,
    events: &Events,
    id: &VideoId,
) -> Result<(), videos::Error> {
    // Deleted in between: nobody is to hear of it.
    if let Some(video) = videos.find(id).await? {
        let data = json!({
            "video_id": id.as_str(),
            "duration_ms": u64::try_from(video.duration.as_millis()).unwrap_or(u64::MAX),
            "bytes": video.bytes,
        });
        let owner = video.owner.map(|owner| owner.to_string());
        events.tell(EventType::VideoReady, owner, data);
    }
    Ok(())
}

/// A video has failed.
pub(super) async fn tell_failed(
    videos: &Videos,
    events: &Events,
    id: &VideoId,
) -> Result<(), videos::Error> {
    if let Some(video) = videos.find(id).await? {
        let data = json!({ "video_id": id.as_str(), "reason": video.reason });
        let owner = video.owner.map(|owner| owner.to_string());
        events.tell(EventType::VideoFailed, owner, data);
    }
    Ok(())
}
