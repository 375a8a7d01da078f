//! When and how the process stops.

use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal as listen};

/// The whole of stopping must be over by then, whatever hangs; supervisors kill after longer.
const STOP_MAX: Duration = Duration::from_millis(4700);

/// Waits for SIGTERM or SIGINT and says which it was.
pub(crate) async fn signal() -> anyhow::Result<&'static str> {
    let mut terminate = listen(SignalKind::terminate()).context("no handler for SIGTERM")?;
    let mut interrupt = listen(SignalKind::interrupt()).context("no handler for SIGINT")?;
    Ok(tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    })
}

/// Ends the process when stopping takes too long. Nothing is lost by it: what had to be written
/// is, and playlists have had their end.
pub(crate) fn exit_at_the_latest() -> tokio::task::JoinHandle<()> {
    tokio::spawn(async {
        tokio::time::sleep(STOP_MAX).await;
        tracing::warn!("stopping took too long: leaving what is left");
        std::process::exit(0);
    })
}
