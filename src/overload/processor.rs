//! How much processor time this process spends on broadcasts: of all its threads but those that encode
//! files, which take what is left over. From Linux' /proc; where that is not there, nothing is known.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// How the threads are called that give way (`media_core::graph`'s `background`), and those that they
/// start.
const GIVES_WAY: &str = "background";

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Processor {
    /// By thread, in ticks.
    seen: HashMap<String, u64>,
}

impl Processor {
    /// Processor time since the last call. What a thread spent that has ended since is not in it.
    pub(crate) fn spent(&mut self) -> Option<Duration> {
        self.spent_by(Path::new("/proc/self/task"), ticks_a_second())
    }

    fn spent_by(&mut self, tasks: &Path, ticks_a_second: u64) -> Option<Duration> {
        let mut seen = HashMap::with_capacity(self.seen.len());
        for task in fs::read_dir(tasks).ok()?.flatten() {
            // A thread that has just ended is not there any more.
            let Ok(stat) = fs::read_to_string(task.path().join("stat")) else {
                continue;
            };
            if let Some(ticks) = ticks_of(&stat) {
                seen.insert(task.file_name().to_string_lossy().into_owned(), ticks);
            }
        }
        let spent: u64 = seen
            .iter()
            .map(|(thread, ticks)| {
                let before = self.seen.get(thread).copied().unwrap_or(0);
                // A number that was given to another thread begins anew.
                ticks.checked_sub(before).unwrap_or(*ticks)
            })
            .sum();
        self.seen = seen;
        Some(Duration::from_secs_f64(
            spent as f64 / ticks_a_second.max(1) as f64,
        ))
    }
}

fn ticks_a_second() -> u64 {
    rustix::param::clock_ticks_per_second()
}

/// User and system time out of a thread's `stat` (proc(5)); `None` for one that gives way.
fn ticks_of(stat: &str) -> Option<u64> {
    let (_, name_on) = stat.split_once('(')?;
    // The name may hold anything; the state follows, which is the third field.
    let (name, after_name) = name_on.rsplit_once(')')?;
    if name.starts_with(GIVES_WAY) {
        return None;
    }
    let mut times = after_name.split_whitespace().skip(14 - 3);
    let mut ticks = || times.next()?.parse::<u64>().ok();
    Some(ticks()? + ticks()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(name: &str, user: u64, system: u64) -> String {
        format!("7 ({name}) S 1 7 7 0 -1 4194560 9 0 0 0 {user} {system} 0 0 20 0 9 0 1200 1 1")
    }

    #[test]
    fn threads_that_encode_files_do_not_count() {
        assert_eq!(ticks_of(&stat("queue3:src", 250, 50)), Some(300));
        assert_eq!(ticks_of(&stat("a) b (c", 1, 2)), Some(3));
        assert_eq!(ticks_of(&stat("background", 250, 50)), None);
        assert_eq!(ticks_of("7 (a) S 1"), None);
    }

    #[test]
    fn what_is_spent_is_counted_once_whatever_begins_and_ends() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |thread: &str, text: String| {
            let task = folder.path().join(thread);
            fs::create_dir_all(&task).expect("a folder");
            fs::write(task.join("stat"), text).expect("a file");
        };
        let mut processor = Processor::default();
        let mut spent = || {
            processor
                .spent_by(folder.path(), 100)
                .map(|it| it.as_millis())
        };
        write("1", stat("main", 100, 0));
        write("2", stat("background", 500, 0));
        assert_eq!(spent(), Some(1000));
        write("1", stat("main", 120, 5));
        write("2", stat("background", 900, 0));
        write("3", stat("queue0:src", 10, 0));
        assert_eq!(spent(), Some(350));
        fs::remove_dir_all(folder.path().join("1")).expect("a folder");
        write("3", stat("another", 4, 0));
        assert_eq!(spent(), Some(40));
        fs::remove_dir_all(folder.path()).expect("a folder");
        assert_eq!(spent(), None);
    }
}
