//! What is said when a recording has come to its end, in whichever way: in the log and to webhooks.

use serde_json::json;
use storage::recording::{Reason, Recording};
use storage::time::rfc3339;
use storage::webhooks::EventType;

use crate::hooks::Events;

/// Says what became of a recording.
pub(super) fn announce(events: &Events, row: &Recording) {
    let reason = row.reason.map(Reason::as_str);
    tracing::info!(
        stream = %row.stream,
        broadcast = %row.broadcast,
        recording = %row.id,
        status = row.status.as_str(),
        reason,
        seconds = row.duration.as_secs(),
        bytes = row.bytes,
        "recording ended"
    );
    let mut data = json!({
        "recording_id": row.id.as_str(),
        "stream_id": row.stream.as_str(),
        "broadcast_id": row.broadcast.as_str(),
        "reason": reason,
        "started_at": rfc3339(row.started_at),
    });
    let event = match row.asset {
        Some(_) => {
            data["status"] = row.status.as_str().into();
            let duration_ms = row.duration.as_millis();
            data["duration_ms"] = u64::try_from(duration_ms).unwrap_or(u64::MAX).into();
            data["bytes"] = row.bytes.into();
            EventType::RecordingReady
        }
        None => EventType::RecordingFailed,
    };
    let owner = row.owner.as_ref().map(ToString::to_string);
    events.tell(event, owner, data);
}
