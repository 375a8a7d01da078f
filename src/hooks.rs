//! What this server asks and tells others by HTTP: whether a publisher may publish ([`OnPublish`]),
//! and what has happened ([`Events`], to webhooks).
//!
//! ```text
//! supervisor ──Events──▶ recorder ──▶ rows of the database ──▶ dispatcher ──HTTP──▶ receivers
//!              bounded, never waits    queue and log            one request a webhook
//! ```
//! The rows are the queue: what is recorded is sent also after a restart, and by whichever process
//! of a shared database is free. Receivers that are slow or gone hold up their owner's webhooks at
//! the most: a user has few of the requests that run at once, and the operator has its own.

mod addresses;
mod client;
mod dispatcher;
mod events;
mod on_publish;
mod recorder;
mod schedule;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use storage::Webhooks;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use self::addresses::Reach;
use self::dispatcher::Dispatcher;
use self::schedule::Schedule;

use crate::{lasting, tls};

pub(crate) use self::events::Events;
pub(crate) use self::on_publish::{OnFailure, OnPublish};

/// How long a shutdown waits until the last events are in the database.
const CLOSE_MAX: Duration = Duration::from_secs(1);

/// Webhooks at work.
pub(crate) struct Hooks {
    events: Events,
    closing: watch::Sender<bool>,
    recorder: JoinHandle<()>,
    dispatcher: JoinHandle<()>,
}

impl Hooks {
    /// Begins to record events and to send what is pending. Must be called inside a tokio runtime.
    pub(crate) fn start(webhooks: Webhooks, tls: &tls::client::Config) -> Self {
        Self::with(webhooks, tls, Schedule::STANDARD, Reach::Internet)
    }

    fn with(
        webhooks: Webhooks,
        tls: &tls::client::Config,
        schedule: Schedule,
        users_reach: Reach,
    ) -> Self {
        let (closing, closes) = watch::channel(false);
        let wake = Arc::new(Notify::new());
        let (events, happenings) = Events::channel();
        let recorder = recorder::record(
            happenings,
            webhooks.clone(),
            Arc::clone(&wake),
            closes.clone(),
        );
        let tls = tls.clone();
        let dispatcher = move || {
            let (webhooks, wake) = (webhooks.clone(), Arc::clone(&wake));
            Dispatcher::new(webhooks, &tls, schedule, users_reach, wake).run(closes.clone())
        };
        Self {
            events,
            recorder: tokio::spawn(recorder),
            dispatcher: lasting::spawn("sending to webhooks", dispatcher),
            closing,
        }
    }

    /// Where the process says what happens.
    pub(crate) fn events(&self) -> Events {
        self.events.clone()
    }

    /// Records what has happened until now and sends nothing more. Requests under way are given up:
    /// the next start repeats them.
    pub(crate) async fn close(self) {
        self.closing.send_replace(true);
        let ended = async { tokio::join!(self.recorder, self.dispatcher) };
        match tokio::time::timeout(CLOSE_MAX, ended).await {
            Ok((Ok(()), Ok(()))) => {}
            Ok((Err(error), _) | (_, Err(error))) => {
                tracing::error!(%error, "webhooks did not end in order");
            }
            Err(_) => tracing::warn!("the last events may not be recorded: the database is slow"),
        }
    }
}
