//! Where a listener puts one publisher's media.

use std::sync::Arc;
use std::time::Duration;

use ingest::gate::Unpublish;
use ingest::{Closed, Link, MediaSink};
use media_core::graph::{Intake, IntakeError};
use media_core::{Media, StreamId};
use storage::stream::ReconnectWindow;

use super::broadcast::Broadcast;
use super::places::Place;
use super::{Inner, is_in};

/// See the module.
pub(super) struct Sink {
    inner: Arc<Inner>,
    broadcast: Arc<Broadcast>,
    place: Arc<Place>,
    /// `None` once closed.
    intake: Option<Intake>,
}

impl Sink {
    pub(super) fn new(
        inner: Arc<Inner>,
        broadcast: Arc<Broadcast>,
        place: Arc<Place>,
        intake: Intake,
    ) -> Self {
        Self {
            inner,
            broadcast,
            place,
            intake: Some(intake),
        }
    }

    fn close_as(&mut self, how: Unpublish) {
        let Some(intake) = self.intake.take() else {
            return;
        };
        let (inner, broadcast) = (Arc::clone(&self.inner), Arc::clone(&self.broadcast));
        if !self.broadcast.leave_place(&self.place) || !inner.runs(&broadcast) {
            // Taken over, or ended already: what happens to the broadcast is somebody else's.
            intake.close(|| {});
            return;
        }
        if !self.broadcast.is_deserted() {
            // Another one goes on.
            return intake.close(|| {});
        }
        let waits = how == Unpublish::Lost && broadcast.started() && !broadcast.failed();
        if waits {
            intake.close(|| {});
            inner
                .clone()
                .runtime
                .spawn(async move { inner.await_return(broadcast).await });
        } else {
            // Before nobody knows the broadcast any more: who stops the server waits for it.
            let end = inner.ends.begin();
            inner.forget(&broadcast);
            intake.close(move || {
                drop(inner.spawn_end(broadcast));
                drop(end);
            });
        }
    }
}

impl MediaSink for Sink {
    fn push(&mut self, media: Media) -> Result<(), Closed> {
        self.check()?;
        self.place.heard();
        self.broadcast.received(media.len_bytes());
        self.place.link.received(media.len_bytes());
        let Some(intake) = &mut self.intake else {
            return Err(Closed::Ended);
        };
        intake.push(media).map_err(closed)
    }

    fn check(&self) -> Result<(), Closed> {
        self.place.check()?;
        if self.broadcast.failed() {
            return Err(Closed::Ended);
        }
        self.intake
            .as_ref()
            .map_or(Err(Closed::Ended), |intake| intake.check().map_err(closed))
    }

    fn note_link(&self, link: &Link) {
        let dropped_bytes = self.intake.as_ref().map_or(0, Intake::dropped_bytes);
        self.place.link.measured(link, dropped_bytes);
    }

    fn close(mut self: Box<Self>, how: Unpublish) {
        self.close_as(how);
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.close_as(Unpublish::Lost);
    }
}

impl Inner {
    /// For how long a broadcast of `stream` waits for its publisher.
    fn reconnect(&self, stream: &StreamId) -> Duration {
        let keys = self.keys.load();
        let window = keys
            .of(stream)
            .and_then(|(_, grant)| grant.reconnection.window);
        window.map_or(self.options.reconnect, ReconnectWindow::length)
    }

    /// Ends the broadcast unless a publisher returns in time.
    async fn await_return(self: Arc<Self>, broadcast: Arc<Broadcast>) {
        let stream = broadcast.stream().clone();
        let wait = self.reconnect(&stream);
        tracing::info!(%stream, wait_ms = wait.as_millis(), "publisher lost, waiting for its return");
        let loss = broadcast.lose();
        self.publications.note_lost();
        tokio::time::sleep(wait).await;
        let given_up = {
            // Held, so that nobody takes the place between the look and the removal.
            let mut broadcasts = self.broadcasts();
            let given_up = is_in(&broadcasts, &broadcast) && broadcast.is_lost_since(loss);
            if given_up {
                broadcasts.remove(&stream);
            }
            given_up
        };
        if given_up {
            drop(self.spawn_end(broadcast));
        }
    }
}

fn closed(error: IntakeError) -> Closed {
    match error {
        IntakeError::Unsupported(what) => Closed::Unsupported(what),
        IntakeError::Overrun => Closed::Overrun,
    }
}
