//! CPU time and resident memory of a process, from /proc (proc(5)).

use std::fs;
use std::io;

/// Clock ticks a second of /proc/PID/stat: sysconf(_SC_CLK_TCK) is 100 on every Linux of today.
const TICKS_PER_S: f64 = 100.0;

/// What a process has used so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// User and system time of all its threads.
    pub(crate) cpu_s: f64,
    /// Resident set.
    pub(crate) resident_kib: u64,
}

/// Reads a process's usage; `pid` may be `self`.
pub(crate) fn of(pid: &str) -> io::Result<Usage> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    parse(&stat, &status).ok_or_else(|| io::Error::other(format!("/proc/{pid} makes no sense")))
}

fn parse(stat: &str, status: &str) -> Option<Usage> {
    // The name in parentheses may contain anything.
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut times = fields.split(' ').skip(11);
    let user: f64 = times.next()?.parse().ok()?;
    let system: f64 = times.next()?.parse().ok()?;
    let resident = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(Usage {
        cpu_s: (user + system) / TICKS_PER_S,
        resident_kib: resident.trim().strip_suffix(" kB")?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_a_name_with_parentheses() {
        let stat = "7 (a) b) (c) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 1 0 5 6 7";
        let usage = parse(stat, "Name:\ta\nVmRSS:\t   1234 kB\n").unwrap();
        assert_eq!(usage.cpu_s, 3.0);
        assert_eq!(usage.resident_kib, 1234);
    }

    #[test]
    fn this_process_uses_memory() {
        assert!(of("self").unwrap().resident_kib > 100);
    }
}
