//! Writes an asset while it is encoded: one thread, and a queue that no broadcast waits for.
//!
//! Whatever goes wrong ends what is written, never the broadcast: the asset is cut after the last
//! segment that all renditions have, the owner is told once, and what comes later is ignored.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use media_core::{AssetId, Init, MediaTime, RenditionName, SampleRun, StoredSegment};

use super::files::{self, Cut, Placed, Tail, Track};
use super::index;
use super::reserve::Shortage;
use super::{Error, Folder, Reserve, io_error};
use crate::extent::Extent;

/// Segments that wait for the disk, of all renditions together: some 16 s of a full ladder. A disk
/// that is behind further is too slow for the broadcast.
const QUEUED_MAX: usize = 40;

/// How long [`Writer::append_when_room`] waits for room. A disk that needs longer hangs.
const ROOM_WAIT_MAX: Duration = Duration::from_secs(60);

/// How often it looks for room: in less time a disk hardly writes a segment.
const ROOM_POLL: Duration = Duration::from_millis(10);

/// How long [`Writer::finish`] waits for what is queued. A disk that needs longer hangs.
const FINISH_WAIT_MAX: Duration = Duration::from_secs(60);

/// A complete segment of a rendition.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Decode time of its first sample, as its first chunk says it; not before the end of the
    /// rendition's segment before.
    pub start: MediaTime,
    /// From its first sample to the end of its last.
    pub duration: Duration,
    /// Of video: the bytes from its first to the end of the IDR frame that it begins with.
    pub keyframe_bytes: Option<u32>,
    /// Its chunks' bytes in order.
    pub pieces: Vec<Bytes>,
    /// Its chunks' samples in order.
    pub runs: Vec<SampleRun>,
}

/// Why a recording ends before its broadcast does.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    /// With the next segment the reserve would be touched.
    #[error("the disk is full: {free_bytes} bytes are free, {reserve_bytes} are to stay so")]
    DiskFull {
        /// What is free for this process.
        free_bytes: u64,
        /// What is to stay free.
        reserve_bytes: u64,
    },
    /// The disk does not take what is written.
    #[error("the disk fails: {0}")]
    DiskFailed(#[from] io::Error),
    /// The disk is `QUEUED_MAX` segments behind.
    #[error("the disk is too slow: {QUEUED_MAX} segments wait for it")]
    DiskTooSlow,
    /// A segment that cannot be stored: a fault of this program.
    #[error("rendition {rendition} has a segment at {start} that {what}")]
    BadSegment {
        /// Its rendition.
        rendition: RenditionName,
        /// Where it begins.
        start: MediaTime,
        /// What is wrong with it.
        what: &'static str,
    },
}

impl From<Shortage> for Stop {
    fn from(shortage: Shortage) -> Self {
        Self::DiskFull {
            free_bytes: shortage.free_bytes,
            reserve_bytes: shortage.reserve_bytes,
        }
    }
}

/// What an asset has become.
#[derive(Debug)]
pub struct Summary {
    /// Segments of each rendition. Where there is none, there is nothing to play.
    pub segments: usize,
    /// From the first sample to the end of the last one.
    pub duration: Duration,
    /// Bytes of its files on the disk.
    pub bytes: u64,
    /// Bytes of each rendition's media.
    pub renditions: Vec<(RenditionName, u64)>,
    /// Why it ended before it was finished.
    pub stopped: Option<Stop>,
}

impl Summary {
    pub(super) fn of(tracks: &[Track], stopped: Option<Stop>) -> Self {
        Self {
            segments: files::common_count(tracks),
            duration: duration(tracks.iter().filter_map(|track| {
                let (first, last) = (track.entries.first()?, track.entries.last()?);
                Some((first.segment.start, last.segment.end()))
            })),
            bytes: files::len_bytes(tracks),
            renditions: tracks
                .iter()
                .map(|track| (track.rendition.clone(), track.media_end()))
                .collect(),
            stopped,
        }
    }
}

/// From the earliest beginning of a rendition to the latest end.
pub(super) fn duration(spans: impl Iterator<Item = (MediaTime, MediaTime)>) -> Duration {
    spans
        .reduce(|all, one| (all.0.min(one.0), all.1.max(one.1)))
        .map_or(Duration::ZERO, |(start, end)| end.saturating_since(start))
}

/// An asset that is being written. Its methods may be called from any thread; none but
/// [`append_when_room`](Self::append_when_room) and [`finish`](Self::finish) waits for the disk. Dropped without that, it ends in the same way.
#[derive(Debug)]
pub struct Writer {
    id: AssetId,
    folder: Folder,
    shared: Arc<Shared>,
    /// `None`: no segment is taken any more.
    jobs: Mutex<Option<SyncSender<Job>>>,
    ended: Mutex<Receiver<io::Result<Summary>>>,
}

#[derive(Debug, Default)]
struct Shared {
    tracks: Mutex<Vec<Track>>,
    overflowed: AtomicBool,
}

impl Shared {
    fn tracks(&self) -> MutexGuard<'_, Vec<Track>> {
        // No change of a track can stop half-way.
        self.tracks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct Job {
    rendition: RenditionName,
    segment: Segment,
}

impl Writer {
    /// Begins asset `id` in `folder`, which must not be there yet. `on_stop` is told, from the
    /// thread that writes, why the recording ends before [`finish`](Self::finish): a disk that
    /// cannot even make the files is such a reason.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn begin(
        folder: &Folder,
        id: AssetId,
        inits: Vec<Init>,
        reserve: Reserve,
        on_stop: impl FnOnce(&Stop) + Send + 'static,
    ) -> io::Result<Self> {
        Self::begin_with(folder, id, inits, reserve, on_stop, files::open_new)
    }

    pub(super) fn begin_with(
        folder: &Folder,
        id: AssetId,
        inits: Vec<Init>,
        reserve: Reserve,
        on_stop: impl FnOnce(&Stop) + Send + 'static,
        open: impl Fn(&Path) -> io::Result<File> + Send + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (jobs, queue) = sync_channel(QUEUED_MAX);
        let (end, ended) = sync_channel(1);
        let thread = Thread {
            shared: Arc::clone(&shared),
            reserve,
        };
        let (folder_of_thread, id_of_thread) = (folder.clone(), id.clone());
        // Ends when the sender is given up.
        std::thread::Builder::new()
            .name("recording".into())
            .spawn(move || {
                let begun = thread.create(&folder_of_thread, &id_of_thread, &inits, open);
                // Held until the files are as they stay.
                let (lock, stopped) = match begun {
                    Ok(lock) => (Some(lock), thread.run(&queue)),
                    Err(error) => (None, Some(error.into())),
                };
                // What comes from now on is refused, not queued.
                drop(queue);
                let settled = thread.settle();
                drop(lock);
                if let Some(stop) = &stopped {
                    on_stop(stop);
                }
                // Nobody asks any more where the writer was dropped.
                let _dropped =
                    end.send(settled.map(|()| Summary::of(&thread.shared.tracks(), stopped)));
            })?;
        Ok(Self {
            id,
            folder: folder.clone(),
            shared,
            jobs: Mutex::new(Some(jobs)),
            ended: Mutex::new(ended),
        })
    }

    /// Takes the next segment of a rendition. Ignored once the recording has stopped.
    pub fn append(&self, rendition: &RenditionName, segment: Segment) {
        if let Err(_refused) = self.offer(rendition, segment) {
            self.overflow();
        }
    }

    /// The same for whoever is faster than the disk and may wait for it, up to a minute: a file's
    /// encoder, and never a broadcast's.
    pub fn append_when_room(&self, rendition: &RenditionName, mut segment: Segment) {
        let began = Instant::now();
        while let Err(refused) = self.offer(rendition, segment) {
            if began.elapsed() >= ROOM_WAIT_MAX {
                return self.overflow();
            }
            std::thread::sleep(ROOM_POLL);
            segment = refused;
        }
    }

    /// Queues a segment; gives it back where there is no room.
    fn offer(&self, rendition: &RenditionName, segment: Segment) -> Result<(), Segment> {
        let mut jobs = self.jobs();
        let Some(queue) = jobs.as_ref() else {
            return Ok(());
        };
        let job = Job {
            rendition: rendition.clone(),
            segment,
        };
        match queue.try_send(job) {
            Ok(()) => {}
            Err(TrySendError::Full(job)) => return Err(job.segment),
            Err(TrySendError::Disconnected(_)) => *jobs = None,
        }
        Ok(())
    }

    /// Takes no more: the disk is too slow. What is queued is still written.
    fn overflow(&self) {
        self.shared.overflowed.store(true, Ordering::Release);
        *self.jobs() = None;
    }

    /// Where the segment lies that was given as number `number` (from zero) of a rendition, once it
    /// is on the disk.
    pub fn find(&self, rendition: &RenditionName, number: usize) -> Option<Extent> {
        let tracks = self.shared.tracks();
        let track = tracks.iter().find(|it| it.rendition == *rendition)?;
        let segment = &track.entries.get(number)?.segment;
        Some(Extent {
            file: Arc::clone(&track.media),
            offset: segment.offset,
            len_bytes: segment.len_bytes as usize,
        })
    }

    /// How many segments of a rendition are on the disk.
    pub fn written(&self, rendition: &RenditionName) -> usize {
        let tracks = self.shared.tracks();
        let track = tracks.iter().find(|it| it.rendition == *rendition);
        track.map_or(0, |track| track.entries.len())
    }

    /// Bytes of its files on the disk so far.
    pub fn len_bytes(&self) -> u64 {
        files::len_bytes(self.shared.tracks().iter())
    }

    /// How many bytes of a rendition's file stay as they are, however the recording ends: up to the
    /// last segment that all renditions have.
    pub fn settled_bytes(&self, rendition: &RenditionName) -> Option<u64> {
        let tracks = self.shared.tracks();
        let track = tracks.iter().find(|it| it.rendition == *rendition)?;
        let count = files::common_count(tracks.iter());
        Some(match count.checked_sub(1) {
            Some(last) => track.entries.get(last)?.media_end(),
            None => track.init_bytes,
        })
    }

    /// Writes what is queued and cuts all renditions to the same number of segments. Waits for the
    /// disk, up to a minute. To be called once; where segments lie can be asked after it too.
    ///
    /// # Errors
    /// The disk failed, or hangs. [`super::recover`] makes the asset whole once it can.
    pub fn finish(&self) -> Result<Summary, Error> {
        *self.jobs() = None;
        let path = self.folder.path(&self.id);
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        match ended.recv_timeout(FINISH_WAIT_MAX) {
            Ok(summary) => summary.map_err(|error| io_error(&path, error)),
            Err(RecvTimeoutError::Timeout) => Err(io_error(&path, io::ErrorKind::TimedOut.into())),
            Err(RecvTimeoutError::Disconnected) => {
                Err(io_error(&path, io::Error::other("its thread has panicked")))
            }
        }
    }

    fn jobs(&self) -> MutexGuard<'_, Option<SyncSender<Job>>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the writing thread works with.
struct Thread {
    shared: Arc<Shared>,
    reserve: Reserve,
}

impl Thread {
    /// Makes the asset's files; returns the lock on it.
    fn create(
        &self,
        folder: &Folder,
        id: &AssetId,
        inits: &[Init],
        open: impl Fn(&Path) -> io::Result<File>,
    ) -> io::Result<File> {
        let tracks = files::create(&folder.path(id), inits, open)?;
        let lock = files::lock(folder, id)?.ok_or(io::ErrorKind::ResourceBusy)?;
        *self.shared.tracks() = tracks;
        Ok(lock)
    }

    /// Writes until nothing comes any more; why it ended before that.
    fn run(&self, queue: &Receiver<Job>) -> Option<Stop> {
        while let Ok(Job { rendition, segment }) = queue.recv() {
            if let Err(stop) = self.append(&rendition, segment) {
                return Some(stop);
            }
        }
        let overflowed = self.shared.overflowed.load(Ordering::Acquire);
        overflowed.then_some(Stop::DiskTooSlow)
    }

    fn append(&self, rendition: &RenditionName, segment: Segment) -> Result<(), Stop> {
        let start = segment.start;
        let bad = |what| Stop::BadSegment {
            rendition: rendition.clone(),
            start,
            what,
        };
        let (number, tail, media, index) = {
            let tracks = self.shared.tracks();
            let number = tracks.iter().position(|it| it.rendition == *rendition);
            let number = number.ok_or_else(|| bad("the manifest does not have"))?;
            let track = &tracks[number];
            let (media, index) = (Arc::clone(&track.media), Arc::clone(&track.index));
            (number, track.tail(), media, index)
        };
        // Not under the lock: others ask where things lie meanwhile.
        let placed = place(tail, segment).map_err(bad)?;
        self.reserve
            .check(&media, placed.entry.segment.len_bytes.into())??;
        placed.write(&media, &index)?;
        self.shared.tracks()[number].entries.push(placed.entry);
        Ok(())
    }

    /// Cuts all renditions to the same number of segments.
    fn settle(&self) -> io::Result<()> {
        let cuts: Vec<Cut> = {
            let mut tracks = self.shared.tracks();
            let count = files::common_count(tracks.iter());
            tracks.iter_mut().map(|track| track.cut(count)).collect()
        };
        cuts.iter().try_for_each(Cut::carry_out)
    }
}

/// Gives a segment its place behind the last one of its rendition, or says what is wrong with it.
fn place(tail: Tail, segment: Segment) -> Result<Placed, &'static str> {
    let Segment {
        start,
        duration,
        keyframe_bytes,
        pieces,
        runs,
    } = segment;
    if start < MediaTime::ZERO {
        return Err("begins before the broadcast");
    }
    if !index::follows(tail.end, start) {
        return Err("does not follow the one before it");
    }
    let len_bytes = pieces.iter().map(Bytes::len).sum::<usize>();
    let len_bytes = u32::try_from(len_bytes).map_err(|_| "is longer than 4 GiB")?;
    let within = |run: &SampleRun| {
        let samples: u64 = run.sizes.iter().map(|&size| u64::from(size)).sum();
        u64::from(run.offset) + samples <= u64::from(len_bytes)
    };
    if len_bytes == 0 {
        return Err("is empty");
    }
    if !runs.iter().all(within) || keyframe_bytes.is_some_and(|bytes| bytes > len_bytes) {
        return Err("has samples beyond its end");
    }
    let stored = StoredSegment {
        start,
        duration,
        offset: tail.media_end,
        len_bytes,
        keyframe_bytes,
    };
    Placed::new(stored, pieces, &runs, tail.index_end).ok_or("has too many samples")
}
