//! Where the process says what happens. It may be said on any thread, an encoder's among them:
//! nothing here waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use serde_json::Value;
use storage::webhooks::EventType;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

/// Events that may wait for the database: some seconds of starts and ends of all broadcasts that a
/// machine can carry. More are lost, which is logged.
const QUEUED_MAX: usize = 1024;

/// Something that happened.
#[derive(Debug)]
pub(crate) struct Happening {
    pub(crate) event_type: EventType,
    /// Whose stream or video it is about; `None`: the operator's.
    pub(crate) owner: Option<String>,
    /// An object that says more.
    pub(crate) data: Value,
    pub(super) at: SystemTime,
}

/// See the module. Clones share the queue.
#[derive(Clone, Debug)]
pub(crate) struct Events {
    queue: mpsc::Sender<Happening>,
    lost: Arc<AtomicU64>,
}

impl Events {
    pub(crate) fn channel() -> (Self, mpsc::Receiver<Happening>) {
        let (queue, happenings) = mpsc::channel(QUEUED_MAX);
        let lost = Arc::default();
        (Self { queue, lost }, happenings)
    }

    /// Events, and what is told of them in a test, in order.
    #[cfg(test)]
    pub(crate) fn heard() -> (Self, impl FnMut() -> Option<(EventType, Value)>) {
        let (events, mut happenings) = Self::channel();
        let next = move || {
            let told = happenings.try_recv().ok()?;
            Some((told.event_type, told.data))
        };
        (events, next)
    }

    /// Something has happened just now, to something of `owner`'s (`None`: the operator's); `data`
    /// is an object that says more.
    pub(crate) fn tell(&self, event_type: EventType, owner: Option<String>, data: Value) {
        let happening = Happening {
            event_type,
            owner,
            data,
            at: SystemTime::now(),
        };
        let Err(error) = self.queue.try_send(happening) else {
            return;
        };
        let lost = self.lost.fetch_add(1, Ordering::Relaxed) + 1;
        match error {
            TrySendError::Full(_) => {
                tracing::error!(event = %event_type, lost, "an event is lost to webhooks: the database does not keep up");
            }
            TrySendError::Closed(_) => {
                tracing::warn!(event = %event_type, lost, "an event is lost to webhooks: the server has stopped");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_database_that_stands_still_holds_nobody_up() {
        let (events, mut happenings) = Events::channel();
        for number in 0..QUEUED_MAX + 3 {
            events.tell(
                EventType::BroadcastStarted,
                None,
                json!({ "number": number }),
            );
        }
        assert_eq!(events.lost.load(Ordering::Relaxed), 3);
        let first = happenings.try_recv().expect("the first");
        assert_eq!(first.data, json!({ "number": 0 }));
    }
}
