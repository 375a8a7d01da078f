//! Panics: each is a fault of this program, ends what it happened in and nothing else, and is
//! logged and counted.
//!
//! A task's panic is caught by tokio, a thread's by its end, a callback's where this program is
//! called from C. What all of them have in common is the panic hook, which runs where the panic is:
//! inside the span of the session or broadcast that it ends, so that the log says whose it was.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;
use std::sync::atomic::{AtomicU64, Ordering};

/// Since the process began.
static COUNT: AtomicU64 = AtomicU64::new(0);

/// Has every panic from now on logged and counted. To be called once logging works.
pub(crate) fn report() {
    std::panic::set_hook(Box::new(|panic| {
        COUNT.fetch_add(1, Ordering::Relaxed);
        log(panic);
    }));
}

/// How many there were.
pub(crate) fn count() -> u64 {
    COUNT.load(Ordering::Relaxed)
}

fn log(panic: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    let location = panic.location().map(ToString::to_string);
    let message = panic.payload_as_str().unwrap_or("not a text");
    // As RUST_BACKTRACE says.
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then_some(backtrace);
    tracing::error!(
        thread,
        location,
        message,
        backtrace = backtrace.as_ref().map(tracing::field::display),
        "a fault of this server: a panic, which ends what it happened in"
    );
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("whole").write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_panic_is_counted_and_logged_with_whose_it_was() {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .with_ansi(false)
            .finish();
        report();
        let before = count();
        tracing::subscriber::with_default(subscriber, || {
            let _session = tracing::info_span!("session", stream = "abc").entered();
            let ended = std::panic::catch_unwind(|| panic!("nothing at {}", 7));
            assert!(ended.is_err());
        });
        assert_eq!(count(), before + 1);
        let text = String::from_utf8(log.0.lock().expect("whole").clone()).expect("UTF-8");
        for part in [
            "ERROR",
            "session{stream=\"abc\"}",
            "src/panics.rs:",
            "nothing at 7",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        // Behind it there may be a backtrace.
        assert_eq!(text.matches("ERROR").count(), 1, "{text}");
    }
}
