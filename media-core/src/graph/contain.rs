//! Panics in what GStreamer calls back: unwinding into C would abort the whole process, and with it
//! every broadcast.
//!
//! The bindings catch them in the callbacks of appsinks and of elements written in Rust, and report
//! them on the pipeline's bus. Probes, signals and handlers of the bus they do not: those are wrapped
//! here.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a publisher or an uploader reads where this program is to blame; the log says more.
pub(super) const OUR_FAULT: &str = "a fault of this server";

/// Runs `work`; where that panics, `instead` says what its caller gets. What `work` changes is whole
/// or its owner's loss: locks that it held are taken from their poison.
pub(super) fn contained<T>(work: impl FnOnce() -> T, instead: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_logged| instead())
}
