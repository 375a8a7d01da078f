//! One broadcast's reels and the thread that writes them.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use media_core::RenditionName;

use super::Folder;
use super::reel::{self, Reel};
use crate::asset::Reserve;
use crate::extent::{self, Extent};

/// Segments that wait for the disk, of all renditions together: some 16 s of a full ladder. A disk
/// that is behind further is too slow for the broadcast.
const QUEUED_MAX: usize = 40;

/// A broadcast's media on disk. Its methods may be called from any thread; none waits for the
/// disk.
#[derive(Debug)]
pub struct Spool {
    shared: Arc<Shared>,
    jobs: SyncSender<Job>,
}

#[derive(Debug)]
struct Shared {
    broadcast: String,
    reels: Mutex<HashMap<RenditionName, Reel>>,
}

#[derive(Debug)]
enum Job {
    Write {
        rendition: RenditionName,
        number: u64,
        pieces: Vec<Bytes>,
    },
    Punch {
        file: Arc<File>,
        count: u64,
    },
}

impl Spool {
    /// A spool in `folder`, which leaves `reserve` free; `broadcast` stands in the log.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn start(folder: Folder, reserve: Reserve, broadcast: String) -> io::Result<Self> {
        Self::start_with(reserve, broadcast, move || folder.file())
    }

    fn start_with(
        reserve: Reserve,
        broadcast: String,
        new_file: impl Fn() -> io::Result<File> + Send + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            broadcast,
            reels: Mutex::default(),
        });
        let (jobs, queue) = sync_channel(QUEUED_MAX);
        let writer = Writer {
            shared: Arc::clone(&shared),
            new_file,
            reserve,
            failures: 0,
            can_punch: true,
        };
        // Ends when the spool, and with it the sender, is dropped.
        std::thread::Builder::new()
            .name("dvr".into())
            .spawn(move || writer.run(&queue))?;
        Ok(Self { shared, jobs })
    }

    /// Takes segment `number` of a rendition; numbers count up by one. Where the disk is too slow
    /// or full, it and everything before it is lost: there are no holes.
    pub fn store(&self, rendition: &RenditionName, number: u64, pieces: Vec<Bytes>) {
        let job = Job::Write {
            rendition: rendition.clone(),
            number,
            pieces,
        };
        if let Err(TrySendError::Full(_)) = self.jobs.try_send(job) {
            self.shared.lose_before(rendition, number + 1);
            let broadcast = &self.shared.broadcast;
            tracing::warn!(
                broadcast,
                %rendition,
                "the disk is too slow for the DVR: viewers can rewind from here on only"
            );
        }
    }

    /// The number of the oldest segment of a rendition.
    pub fn oldest(&self, rendition: &RenditionName) -> Option<u64> {
        self.shared.reels().get(rendition)?.oldest()
    }

    /// Where a segment lies.
    pub fn find(&self, rendition: &RenditionName, number: u64) -> Option<Extent> {
        self.shared.reels().get(rendition)?.find(number)
    }

    /// Gives back the space of a rendition's segments before `number`.
    pub fn forget_before(&self, rendition: &RenditionName, number: u64) {
        let forgotten = self
            .shared
            .reels()
            .get_mut(rendition)
            .and_then(|reel| reel.forget_before(number));
        if let Some((file, count)) = forgotten {
            // Where the queue is full the next one gives this space back too.
            let _full = self.jobs.try_send(Job::Punch { file, count });
        }
    }
}

impl Shared {
    fn reels(&self) -> MutexGuard<'_, HashMap<RenditionName, Reel>> {
        // No change of a reel can stop half-way.
        self.reels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lose_before(&self, rendition: &RenditionName, number: u64) {
        let mut reels = self.reels();
        reels
            .entry(rendition.clone())
            .or_default()
            .lose_before(number);
    }
}

struct Writer<F> {
    shared: Arc<Shared>,
    new_file: F,
    reserve: Reserve,
    failures: u64,
    can_punch: bool,
}

impl<F: Fn() -> io::Result<File>> Writer<F> {
    fn run(mut self, queue: &Receiver<Job>) {
        while let Ok(job) = queue.recv() {
            match job {
                Job::Write {
                    rendition,
                    number,
                    pieces,
                } => {
                    if let Err(error) = self.write(&rendition, number, &pieces) {
                        self.shared.lose_before(&rendition, number + 1);
                        self.failed(&rendition, &error);
                    }
                }
                Job::Punch { file, count } => self.punch(&file, count),
            }
        }
    }

    fn write(&self, rendition: &RenditionName, number: u64, pieces: &[Bytes]) -> io::Result<()> {
        let place = {
            let mut reels = self.shared.reels();
            let reel = reels.entry(rendition.clone()).or_default();
            reel.place_for(number, &self.new_file)?
        };
        let Some((file, offset)) = place else {
            return Ok(());
        };
        // What recordings left free is not there to be rewound to.
        let wanted = pieces.iter().map(|piece| piece.len() as u64).sum();
        if self.reserve.check(&file, wanted)?.is_err() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        // Not under the lock: readers ask where things lie meanwhile.
        let len_bytes = extent::write(&file, offset, pieces)?;
        let mut reels = self.shared.reels();
        if let Some(reel) = reels.get_mut(rendition) {
            reel.written(number, len_bytes);
        }
        Ok(())
    }

    fn failed(&mut self, rendition: &RenditionName, error: &io::Error) {
        self.failures += 1;
        // It may fail with every segment: the log shows that it goes on, not each of them.
        if self.failures.is_power_of_two() {
            let (broadcast, failures) = (&self.shared.broadcast, self.failures);
            tracing::warn!(
                broadcast,
                %rendition,
                %error,
                failures,
                "the DVR cannot be written: viewers can rewind from here on only"
            );
        }
    }

    fn punch(&mut self, file: &File, count: u64) {
        if !self.can_punch {
            return;
        }
        if let Err(error) = reel::punch(file, count) {
            self.can_punch = false;
            tracing::warn!(
                broadcast = self.shared.broadcast,
                %error,
                "the data folder's file system cannot free parts of a file: the DVR keeps the \
                 whole broadcast until it ends"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{FileExt, MetadataExt};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::{Duration, Instant};

    use super::*;
    use crate::asset::synthetic::NO_RESERVE;

    fn name(text: &str) -> RenditionName {
        RenditionName::new(text).expect("a name")
    }

    fn segment(rendition: &str, number: u64) -> Vec<Bytes> {
        let text = format!("{rendition}/{number};").repeat(10_000);
        let (first, second) = text.as_bytes().split_at(1000);
        vec![
            Bytes::copy_from_slice(first),
            Bytes::copy_from_slice(second),
        ]
    }

    #[track_caller]
    fn eventually(what: impl Fn() -> bool) {
        let began = Instant::now();
        while !what() {
            assert!(began.elapsed() < Duration::from_secs(20), "not in time");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn read(extent: &Extent) -> Vec<u8> {
        let mut bytes = vec![0; extent.len_bytes];
        extent
            .file
            .read_exact_at(&mut bytes, extent.offset)
            .expect("what was written");
        bytes
    }

    #[test]
    fn what_is_stored_is_found_and_read() {
        let data = tempfile::tempdir().expect("a folder");
        let folder = Folder::open(data.path()).expect("writable");
        let spool = Spool::start(folder, NO_RESERVE, "b".into()).expect("a thread");
        for number in 5..9 {
            for rendition in ["720p", "audio"] {
                spool.store(&name(rendition), number, segment(rendition, number));
            }
        }
        eventually(|| spool.find(&name("audio"), 8).is_some());
        assert_eq!(spool.oldest(&name("720p")), Some(5));
        for rendition in ["720p", "audio"] {
            for number in 5..9 {
                let extent = spool.find(&name(rendition), number).expect("stored");
                assert_eq!(read(&extent), segment(rendition, number).concat());
            }
        }
        assert!(spool.find(&name("720p"), 9).is_none());
        assert!(spool.find(&name("360p"), 5).is_none());
        // Nobody has to clean up.
        let names = std::fs::read_dir(data.path().join("dvr")).expect("the folder");
        assert_eq!(names.count(), 0);
    }

    #[test]
    fn forgotten_segments_give_their_space_back_and_the_others_stay() {
        let data = tempfile::tempdir().expect("a folder");
        let folder = Folder::open(data.path()).expect("writable");
        let spool = Spool::start(folder, NO_RESERVE, "b".into()).expect("a thread");
        let video = name("720p");
        for number in 0..30 {
            spool.store(&video, number, segment("720p", number));
            eventually(|| spool.find(&video, number).is_some());
        }
        let last = spool.find(&video, 29).expect("stored");
        let used = || last.file.metadata().expect("it is open").blocks();
        let before = used();
        spool.forget_before(&video, 29);
        assert_eq!(spool.oldest(&video), Some(29));
        eventually(|| used() * 4 < before);
        assert_eq!(read(&last), segment("720p", 29).concat());
    }

    #[test]
    fn a_full_disk_costs_what_was_there_and_nothing_else() {
        static FILES: AtomicUsize = AtomicUsize::new(0);
        // The first two files are on a full disk.
        let spool = Spool::start_with(NO_RESERVE, "b".into(), || {
            match FILES.fetch_add(1, Ordering::SeqCst) {
                0 | 1 => File::options().write(true).open("/dev/full"),
                _ => tempfile::tempfile(),
            }
        })
        .expect("a thread");
        let video = name("720p");
        for number in 0..2 {
            spool.store(&video, number, segment("720p", number));
        }
        spool.store(&video, 2, segment("720p", 2));
        eventually(|| spool.oldest(&video) == Some(2));
        assert_eq!(FILES.load(Ordering::SeqCst), 3);
        let extent = spool.find(&video, 2).expect("stored");
        assert_eq!(read(&extent), segment("720p", 2).concat());
    }

    /// It went on where the recording had stopped, and took what that had left free.
    #[test]
    fn the_reserve_of_recordings_is_not_there_to_be_rewound_to() {
        let data = tempfile::tempdir().expect("a folder");
        let folder = Folder::open(data.path()).expect("writable");
        let all = Reserve {
            bytes: u64::MAX,
            percent: 100,
        };
        let spool = Spool::start(folder, all, "b".into()).expect("a thread");
        let video = name("720p");
        let lost_up_to = || {
            let reels = spool.shared.reels();
            reels.get(&video).map(Reel::first_wanted)
        };
        for number in 5..8 {
            spool.store(&video, number, segment("720p", number));
        }
        eventually(|| lost_up_to() == Some(8));
        assert_eq!(spool.oldest(&video), None);
    }
}
