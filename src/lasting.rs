//! Tasks that last as long as the process and hold nothing that a panic could leave half done: one
//! that panics begins anew, since without it the server would go on with a part of itself missing.

use std::future::Future;
use std::time::Duration;

use tokio::task::{JoinHandle, JoinSet};

/// Before a task that panicked begins anew: what is wrong with it is mostly still there, and is
/// logged each time.
const PAUSE: Duration = Duration::from_secs(5);

/// Runs what `begin` makes, and makes it anew whenever it panics. Ends where that ends by itself.
pub(crate) fn spawn<F>(
    what: &'static str,
    mut begin: impl FnMut() -> F + Send + 'static,
) -> JoinHandle<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    tokio::spawn(async move {
        // A set, since what is in it ends with this task, whoever aborts that.
        let mut one = JoinSet::new();
        loop {
            one.spawn(begin());
            match one.join_next().await {
                Some(Err(error)) if error.is_panic() => {
                    tracing::error!(what, "begins anew after a panic");
                    tokio::time::sleep(PAUSE).await;
                }
                // It has ended by itself, or the runtime ends.
                _ => return,
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_task_that_panics_begins_anew_until_it_ends_by_itself() {
        let begun = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&begun);
        let running = spawn("a test", move || {
            let number = counted.fetch_add(1, Ordering::Relaxed);
            async move { assert!(number >= 2, "as the test wants it") }
        });
        running.await.expect("no panic of its own");
        assert_eq!(begun.load(Ordering::Relaxed), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_is_aborted_does_not_go_on_unseen() {
        let (alive, seen) = tokio::sync::oneshot::channel::<()>();
        let mut alive = Some(alive);
        let running = spawn("a test", move || {
            let alive = alive.take();
            async move {
                std::future::pending::<()>().await;
                drop(alive);
            }
        });
        tokio::task::yield_now().await;
        running.abort();
        assert!(running.await.is_err_and(|error| error.is_cancelled()));
        assert!(seen.await.is_err(), "what it ran is gone too");
    }
}
