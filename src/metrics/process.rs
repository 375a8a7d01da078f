//! The process and the disk that its data folder lies on. From Linux' /proc; what is not there is
//! left out.

use std::fmt;
use std::fs;
use std::path::PathBuf;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::families::{Family, Page, bytes, family, seconds};
use crate::panics;

// Every Prometheus client calls these so.
const CPU: Family = seconds("process_cpu", "CPU time of the process.");
const RESIDENT: Family = bytes("process_resident_memory", "Resident memory.");
const OPEN_FDS: Family = family("process_open_fds", "Open file descriptors.");
const MAX_FDS: Family = family("process_max_fds", "Most file descriptors that may be open.");
const THREADS: Family = family("process_threads", "Threads.");
const START_TIME: Family = seconds(
    "process_start_time",
    "When the process began, in seconds since 1970.",
);
const BUILD: Family = family("millrace_build", "The version that runs.");
const PANICS: Family = family(
    "millrace_panics",
    "Panics: each ended one session, request or broadcast, and is a bug.",
);
const DATA_FREE: Family = bytes(
    "millrace_data_free",
    "Bytes that may still be written to the data folder's file system.",
);
const DATA_SIZE: Family = bytes(
    "millrace_data_size",
    "Bytes of the data folder's file system.",
);

#[derive(Debug)]
pub(super) struct ProcessFigures {
    data: PathBuf,
}

impl ProcessFigures {
    pub(super) fn new(data: PathBuf) -> Self {
        Self { data }
    }
}

impl Collector for ProcessFigures {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page::new(encoder);
        page.info(BUILD, [("version", env!("CARGO_PKG_VERSION"))])?;
        page.counter(PANICS, panics::count())?;
        if let Ok(disk) = rustix::fs::statvfs(&self.data) {
            page.gauge(DATA_FREE, disk.f_bavail * disk.f_frsize)?;
            page.gauge(DATA_SIZE, disk.f_blocks * disk.f_frsize)?;
        }
        if let Some(times) = Times::read() {
            page.counter(CPU, times.cpu_s)?;
            page.gauge(START_TIME, times.start_s)?;
        }
        if let Some(status) = read("self/status") {
            if let Some(kib) = field(&status, "VmRSS:") {
                page.gauge(RESIDENT, kib * 1024)?;
            }
            if let Some(threads) = field(&status, "Threads:") {
                page.gauge(THREADS, threads)?;
            }
        }
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            // Without the one that reads the folder.
            page.gauge(OPEN_FDS, open.count().saturating_sub(1) as u64)?;
        }
        let limits = read("self/limits");
        if let Some(max) = limits.and_then(|limits| field(&limits, "Max open files")) {
            page.gauge(MAX_FDS, max)?;
        }
        Ok(())
    }
}

struct Times {
    cpu_s: f64,
    start_s: f64,
}

impl Times {
    fn read() -> Option<Self> {
        Self::parse(
            &read("self/stat")?,
            &read("stat")?,
            rustix::param::clock_ticks_per_second(),
        )
    }

    /// From `/proc/self/stat` and `/proc/stat` (proc(5)).
    fn parse(process: &str, system: &str, ticks_per_second: u64) -> Option<Self> {
        // The second field is the program's name, which may hold anything; the state follows.
        let (_, after_name) = process.rsplit_once(')')?;
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        // Numbered from 1 in the manual; the state is the third.
        let ticks = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        let seconds = |ticks: u64| ticks as f64 / ticks_per_second as f64;
        let (user, system_time, start) = (ticks(14)?, ticks(15)?, ticks(22)?);
        let boot_s = field(system, "btime")?;
        Some(Self {
            cpu_s: seconds(user + system_time),
            start_s: boot_s as f64 + seconds(start),
        })
    }
}

fn read(name: &str) -> Option<String> {
    fs::read_to_string(format!("/proc/{name}")).ok()
}

/// The first number after `name` at the beginning of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_past_a_name_with_brackets_and_blanks() {
        let process = "7 (a) b (c) S 1 7 7 0 -1 4194560 9 0 0 0 250 50 0 0 20 0 9 0 1200 1 1";
        let system = "cpu 1 2 3\nbtime 1700000000\nprocesses 9\n";
        let times = Times::parse(process, system, 100).expect("all is there");
        assert_eq!((times.cpu_s, times.start_s), (3.0, 1_700_000_012.0));
        assert!(Times::parse("7 (a) S 1", system, 100).is_none());
        assert!(Times::parse(process, "cpu 1 2 3\n", 100).is_none());
    }

    #[test]
    fn a_limit_that_is_no_number_is_none() {
        let limits = "Max open files            131072    524288    files\n";
        assert_eq!(field(limits, "Max open files"), Some(131_072));
        assert_eq!(field("Max open files  unlimited", "Max open files"), None);
    }
}
