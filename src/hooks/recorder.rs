//! Writes what happens into the database, in order.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use storage::Webhooks;
use storage::webhooks::{Error, Event, Recorded};
use tokio::sync::{Notify, mpsc, watch};

use super::events::Happening;

/// How often an event is tried to be written before it is lost, once the server stops. Until then a
/// database that does not answer is waited for, while events queue up to their bound.
const ATTEMPTS_MAX: u32 = 3;

/// Pause between two tries; the statement itself waits for seconds.
const RETRY: Duration = Duration::from_millis(500);

/// How far the clock may be set back and events still keep their order.
const CLOCK_STEP_MAX: Duration = Duration::from_secs(1);

/// Records until `closing` turns true, and then what has been said until then.
pub(super) async fn record(
    mut happenings: mpsc::Receiver<Happening>,
    webhooks: Webhooks,
    wake: Arc<Notify>,
    mut closing: watch::Receiver<bool>,
) {
    let mut last = SystemTime::UNIX_EPOCH;
    loop {
        let happening = tokio::select! {
            happening = happenings.recv() => happening,
            _ = closing.wait_for(|closing| *closing), if !happenings.is_closed() => {
                happenings.close();
                continue;
            }
        };
        let Some(happening) = happening else { return };
        last = behind(last, happening.at);
        match write(&webhooks, &happening, last, &closing).await {
            Ok(recorded) => {
                if recorded.overflowed > 0 {
                    tracing::warn!(event = %happening.event_type, webhooks = recorded.overflowed, "an event is not queued: too much is pending for a webhook");
                }
                if recorded.queued > 0 {
                    wake.notify_one();
                }
            }
            Err(error) => {
                tracing::error!(event = %happening.event_type, %error, "an event is lost to webhooks");
            }
        }
    }
}

/// When what happened at `at` is due: behind what was due at `last`, since rows are sent by their
/// times and two of one millisecond would lose their order. A clock that was set back by more than
/// [`CLOCK_STEP_MAX`] is believed: nothing is to wait for long.
fn behind(last: SystemTime, at: SystemTime) -> SystemTime {
    let next = last + Duration::from_millis(1);
    match next <= at + CLOCK_STEP_MAX {
        true => at.max(next),
        false => at,
    }
}

async fn write(
    webhooks: &Webhooks,
    happening: &Happening,
    at: SystemTime,
    closing: &watch::Receiver<bool>,
) -> Result<Recorded, Error> {
    let data = happening.data.to_string();
    let event = Event::new(happening.event_type, &data, happening.at)?;
    let mut attempts_closing = 0;
    loop {
        match webhooks
            .record(&event, happening.owner.as_deref(), at)
            .await
        {
            // Also where a webhook was deleted at that moment.
            Err(Error::Database(error)) if attempts_closing < ATTEMPTS_MAX => {
                tracing::debug!(%error, "an event cannot be recorded yet");
            }
            recorded => return recorded,
        }
        attempts_closing += u32::from(*closing.borrow());
        tokio::time::sleep(RETRY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_keep_their_order_and_wait_for_no_clock() {
        let at = |ms| SystemTime::UNIX_EPOCH + Duration::from_millis(ms);
        assert_eq!(behind(at(1000), at(5000)), at(5000));
        assert_eq!(behind(at(5000), at(5000)), at(5001));
        assert_eq!(behind(at(5001), at(4990)), at(5002));
        assert_eq!(behind(at(90_000), at(5000)), at(5000));
    }
}
