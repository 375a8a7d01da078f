//! What webhooks are told of.

use std::collections::BTreeSet;
use std::fmt;
use std::time::SystemTime;

use media_core::id::ID_LENGTH_MAX;
use rand::rand_core::OsError;

use crate::random;
use crate::time::rfc3339;

/// Characters of an event's id: 100 bits, so that none repeats.
const ID_CHARS: usize = 20;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventType {
    /// A broadcast can be played.
    BroadcastStarted,
    /// It has ended.
    BroadcastEnded,
    /// A recording can be played.
    RecordingReady,
    /// Nothing of a recording can be played.
    RecordingFailed,
    /// A video of the library can be played.
    VideoReady,
    /// A video of the library could not be made.
    VideoFailed,
    /// Nothing: somebody tries their webhook out. Sent on request to that one, whatever it wants.
    Ping,
}

impl EventType {
    /// Those that a webhook can be told of.
    pub const ALL: [Self; 6] = [
        Self::BroadcastStarted,
        Self::BroadcastEnded,
        Self::RecordingReady,
        Self::RecordingFailed,
        Self::VideoReady,
        Self::VideoFailed,
    ];

    /// Its name in payloads, the API and the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::BroadcastStarted => "broadcast.started",
            Self::BroadcastEnded => "broadcast.ended",
            Self::RecordingReady => "recording.ready",
            Self::RecordingFailed => "recording.failed",
            Self::VideoReady => "video.ready",
            Self::VideoFailed => "video.failed",
            Self::Ping => "ping",
        }
    }

    /// The type with this name.
    pub fn named(name: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter().chain([Self::Ping]);
        all.find(|event_type| event_type.name() == name)
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Of what a webhook is told: of one type of event at least.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventSet(BTreeSet<EventType>);

/// Why names are no set of events.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEvents {
    /// None is named.
    #[error("at least one event is expected")]
    Empty,
    /// It is none that a webhook can be told of.
    #[error(
        "{name:?} is no event; broadcast.started, broadcast.ended, recording.ready, recording.failed, video.ready and video.failed are"
    )]
    Unknown {
        /// How it begins.
        name: String,
    },
}

impl EventSet {
    /// The events with these names; one that stands twice counts once.
    pub fn of<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidEvents> {
        let unknown = |name: &str| InvalidEvents::Unknown {
            name: name.chars().take(ID_LENGTH_MAX).collect(),
        };
        let events = names.into_iter().map(|name| {
            EventType::named(name)
                .filter(|event_type| *event_type != EventType::Ping)
                .ok_or_else(|| unknown(name))
        });
        let events = events.collect::<Result<BTreeSet<_>, _>>()?;
        match events.is_empty() {
            true => Err(InvalidEvents::Empty),
            false => Ok(Self(events)),
        }
    }

    /// Whether `event_type` is among them.
    pub fn contains(&self, event_type: EventType) -> bool {
        self.0.contains(&event_type)
    }

    /// Their names, in one order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|event_type| event_type.name())
    }

    /// As it stands in the database.
    pub(super) fn to_text(&self) -> String {
        self.names().collect::<Vec<_>>().join(" ")
    }

    pub(super) fn from_text(text: &str) -> Result<Self, InvalidEvents> {
        Self::of(text.split_whitespace())
    }
}

/// Something that happened, as receivers are told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The same for all receivers and all attempts, so that they can recognise what they have.
    /// Without a full stop, which is what the signature separates by.
    pub id: String,
    /// What it is.
    pub event_type: EventType,
    /// The body of the request: `{"id", "type", "created_at", "data"}`.
    pub payload: String,
}

impl Event {
    /// What happened at `now`; `data` is a JSON object that says more.
    pub fn new(event_type: EventType, data: &str, now: SystemTime) -> Result<Self, OsError> {
        let id = random::base32::<ID_CHARS>()?;
        // Nothing here has a character that JSON escapes.
        let payload = format!(
            r#"{{"id":"{id}","type":"{event_type}","created_at":"{}","data":{data}}}"#,
            rfc3339(now)
        );
        Ok(Self {
            id,
            event_type,
            payload,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_comes_back_from_its_text() {
        let set = EventSet::of(["video.ready", "broadcast.started", "video.ready"]).expect("set");
        assert_eq!(set.to_text(), "broadcast.started video.ready");
        assert_eq!(EventSet::from_text(&set.to_text()), Ok(set));
        let all = EventSet::of(EventType::ALL.map(EventType::name)).expect("all");
        assert!(EventType::ALL.iter().all(|it| all.contains(*it)));
    }

    #[test]
    fn a_payload_says_what_happened_and_when() {
        let now = SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(1_767_225_600_123);
        let event = Event::new(EventType::Ping, r#"{"a":1}"#, now).expect("random");
        assert_eq!(event.id.len(), ID_CHARS);
        let expected = format!(
            r#"{{"id":"{}","type":"ping","created_at":"2026-01-01T00:00:00.123Z","data":{{"a":1}}}}"#,
            event.id
        );
        assert_eq!(event.payload, expected);
    }

    #[test]
    fn unknown_names_ping_and_nothing_are_refused() {
        assert_eq!(EventSet::of([]), Err(InvalidEvents::Empty));
        for name in ["ping", "broadcast", "Broadcast.Started", ""] {
            let unknown = InvalidEvents::Unknown { name: name.into() };
            assert_eq!(EventSet::of(["video.ready", name]), Err(unknown));
        }
    }
}
