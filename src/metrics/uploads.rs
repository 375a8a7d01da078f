//! What is on its way to the store, and whether that takes it. All are zero where there is none.

use std::fmt;
use std::time::{Duration, SystemTime};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use storage::objects::{Figures, Status, Uploads};

use super::families::{Family, Page, bytes, family, seconds};

const FILES: Family = family(
    "millrace_upload_files",
    "Files that are uploaded to the store or deleted there now, those that wait included.",
);
const WAITING: Family = family(
    "millrace_upload_waiting_files",
    "Those of them whose last try failed.",
);
const OLDEST_WAITING: Family = seconds(
    "millrace_upload_oldest_waiting",
    "For how long the one of these has failed that has failed for the longest.",
);
const BEHIND: Family = bytes(
    "millrace_upload_behind",
    "Bytes of these files that are on this machine alone.",
);
const ENDED: Family = family(
    "millrace_upload_ended_files",
    "Files that are done with, by outcome: uploaded, removed, given_up.",
);
const SENT: Family = bytes("millrace_upload_sent", "Bytes that the store has taken.");
const FAILURES: Family = family(
    "millrace_upload_failures",
    "Tries that failed; each is tried again.",
);

#[derive(Debug)]
pub(super) struct UploadFigures {
    uploads: Option<Uploads>,
}

impl UploadFigures {
    pub(super) fn new(uploads: Option<Uploads>) -> Self {
        Self { uploads }
    }

    /// For how long each file waits whose last try failed.
    fn waits(&self) -> Vec<Duration> {
        let files = self.uploads.as_ref().map(Uploads::list).unwrap_or_default();
        let now = SystemTime::now();
        let wait = |status| match status {
            // A clock that was set back makes it none.
            Status::Waiting { since, .. } => Some(now.duration_since(since).unwrap_or_default()),
            _ => None,
        };
        files
            .into_iter()
            .filter_map(|(_, status)| wait(status))
            .collect()
    }
}

impl Collector for UploadFigures {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page::new(encoder);
        let Figures {
            files,
            behind_bytes,
            uploaded,
            removed,
            given_up,
            sent_bytes,
            failures,
            ..
        } = self
            .uploads
            .as_ref()
            .map(Uploads::figures)
            .unwrap_or_default();
        let waits = self.waits();
        page.gauge(FILES, files as u64)?;
        page.gauge(WAITING, waits.len() as u64)?;
        let oldest = waits.into_iter().max().unwrap_or_default();
        page.gauge(OLDEST_WAITING, oldest.as_secs_f64())?;
        page.gauge(BEHIND, behind_bytes)?;
        let ended = [
            ([("outcome", "uploaded")], uploaded),
            ([("outcome", "removed")], removed),
            ([("outcome", "given_up")], given_up),
        ];
        page.counters(ENDED, ended)?;
        page.counter(SENT, sent_bytes)?;
        page.counter(FAILURES, failures)
    }
}
