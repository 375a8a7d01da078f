//! When and how the process stops.

use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The whole of stopping must be over by then, whatever hangs; supervisors kill after longer.
const STOP_MAX: Duration = Duration::from_millis(4700);

/// The signals that ask the process to stop, from the moment of listening on: one that comes while
/// the server starts is not lost, and does not end it out of order.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Begins to listen for SIGTERM and SIGINT.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate()).context("no handler for SIGTERM")?,
            interrupt: signal(SignalKind::interrupt()).context("no handler for SIGINT")?,
        })
    }

    /// Waits for one of them and says which it was.
    pub(crate) async fn any(mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
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
