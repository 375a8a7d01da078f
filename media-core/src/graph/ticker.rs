//! The thread that asks a Timeline again and again what stands in for missing media.

use std::io;
use std::ops::ControlFlow;
use std::time::Duration;

use super::contain::contained;

/// Calls `tick` each `every` until it breaks. Where it panics, nothing would fill gaps any more:
/// `failed` is told, once, and the thread ends.
pub(super) fn start(
    every: Duration,
    mut tick: impl FnMut() -> ControlFlow<()> + Send + 'static,
    failed: impl FnOnce() + Send + 'static,
) -> io::Result<()> {
    let ticking = move || {
        loop {
            std::thread::sleep(every);
            let ticked = contained(|| Some(tick()), || None);
            match ticked {
                Some(ControlFlow::Continue(())) => {}
                Some(ControlFlow::Break(())) => return,
                None => return failed(),
            }
        }
    };
    let thread = std::thread::Builder::new().name("timeline-tick".into());
    thread.spawn(ticking).map(drop)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn gaps_that_nobody_fills_any_more_end_the_broadcast() {
        let (failed, heard) = mpsc::channel();
        let mut ticks = 0;
        let tick = move || {
            ticks += 1;
            assert!(ticks < 3, "as the test wants it");
            ControlFlow::Continue(())
        };
        start(Duration::from_millis(1), tick, move || {
            failed.send(()).expect("the test listens");
        })
        .expect("a thread");
        heard
            .recv_timeout(Duration::from_secs(60))
            .expect("told of the panic");
        // The thread is gone, and with it the other end.
        assert_eq!(heard.recv(), Err(mpsc::RecvError));
    }

    #[test]
    fn a_broadcast_that_ends_by_itself_has_not_failed() {
        let (failed, heard) = mpsc::channel::<()>();
        let end = || ControlFlow::Break(());
        start(Duration::from_millis(1), end, move || {
            failed.send(()).expect("the test listens");
        })
        .expect("a thread");
        assert_eq!(heard.recv(), Err(mpsc::RecvError));
    }
}
