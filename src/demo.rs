//! The built-in publisher of `millrace demo`: a test pattern, sent over RTMP as any encoder would.

use std::time::Duration;

use ingest::client;
use media_core::graph::TestPattern;
use storage::StreamKey;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::shutdown::Signals;

/// The pattern's size. A larger one costs a small machine what its ladder needs.
const WIDTH: u32 = 1280;
const HEIGHT: u32 = 720;

/// Units between the pattern and its connection: a second.
const UNITS_QUEUED_MAX: usize = 80;

/// Pause before publishing again after the connection was lost.
const RETRY: Duration = Duration::from_secs(2);

/// Publishes the pattern to the RTMP listener at `address` until the process is told to stop: that
/// the listener then sends it away is no news.
pub(crate) fn publish(address: String, key: StreamKey) -> anyhow::Result<JoinHandle<()>> {
    let signals = Signals::listen()?;
    Ok(tokio::spawn(async move {
        tokio::select! {
            _ = signals.any() => {}
            () = publish_for_ever(&address, &key) => {}
        }
    }))
}

async fn publish_for_ever(address: &str, key: &StreamKey) {
    loop {
        if let Err(error) = publish_once(address, key).await {
            tracing::warn!(
                error = format!("{error:#}"),
                "the test pattern is not published"
            );
        }
        tokio::time::sleep(RETRY).await;
    }
}

async fn publish_once(address: &str, key: &StreamKey) -> anyhow::Result<()> {
    let (pattern, units) = TestPattern::start(WIDTH, HEIGHT)?;
    let (sender, media) = mpsc::channel(UNITS_QUEUED_MAX);
    let bridge = tokio::task::spawn_blocking(move || {
        while let Ok(unit) = units.recv() {
            if sender.blocking_send(unit).is_err() {
                return;
            }
        }
    });
    let result = client::publish(address.to_owned(), "live", key.reveal(), media).await;
    // Stopping a pipeline waits for its threads.
    tokio::task::spawn_blocking(move || drop(pattern)).await?;
    bridge.await?;
    Ok(result?)
}
