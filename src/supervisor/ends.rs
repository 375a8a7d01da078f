//! Broadcasts that are ending: who stops the server waits for them.

use std::sync::Arc;

use tokio::sync::watch;

/// How many are. Clones share it.
#[derive(Clone)]
pub(super) struct Ends(Arc<watch::Sender<usize>>);

/// One broadcast's end; over when it is dropped.
pub(super) struct End(Ends);

impl Default for Ends {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }
}

impl Ends {
    /// One begins.
    pub(super) fn begin(&self) -> End {
        self.0.send_modify(|ends| *ends += 1);
        End(self.clone())
    }

    /// Returns when there is none.
    pub(super) async fn none(&self) {
        // Its sender is here: it does not close meanwhile.
        let mut ends = self.0.subscribe();
        let _none = ends.wait_for(|ends| *ends == 0).await;
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.0.0.send_modify(|ends| *ends -= 1);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_stops_the_server_waits_for_ends_that_have_begun_before() {
        let ends = Ends::default();
        ends.none().await;
        let (first, second) = (ends.begin(), ends.begin());
        let waiting = tokio::time::timeout(Duration::from_secs(1), ends.none());
        assert!(waiting.await.is_err());
        drop(first);
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(5)).await;
            drop(second);
        });
        ends.none().await;
    }
}
