//! One broadcast's recording, from its row in the database to the asset that plays.
//!
//! The packager gives it complete segments; a task of its own sees it through: first the row, then
//! the files, at the end the files and then the row. Nothing here waits on the media's way, and
//! nothing that goes wrong ends the broadcast.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use media_core::{AssetId, Init, MediaTime, RenditionName, SampleRun, Thumbnail};
use packager::MediaSequence;
use packager::segment::Segment;
use storage::asset::{self, Summary, Writer};
use storage::dvr::Extent;
use storage::recording::{End, Reason};
use storage::recordings::{self, HEARD_EVERY};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use super::news::announce;
use super::pictures::Pictures;
use super::trail::Trail;
use super::{Recorder, Subject};

/// Segments that wait for the database, of all renditions together: some 16 s of a full ladder.
/// Where it needs longer the recording begins later.
const HELD_MAX: usize = 40;

/// How long a broadcast's end waits for its recording's: a disk and a database that work need
/// milliseconds. One that does not is waited for behind its back, or until the next start.
const END_WAIT_MAX: Duration = Duration::from_secs(3);

/// How long the database is left alone after it did not answer for the first time; twice as long
/// each time after.
const RETRY_FIRST: Duration = Duration::from_millis(500);

/// The longest such wait.
const RETRY_MAX: Duration = Duration::from_secs(15);

/// When a recording's pictures are written first, so that a short one that is cut short has some;
/// from then on as often as it is noted that it goes on.
const PICTURES_FIRST: Duration = Duration::from_secs(5);

/// See the module.
#[derive(Debug)]
pub(crate) struct Recording {
    recorder: Recorder,
    subject: Subject,
    state: Mutex<State>,
    pictures: Mutex<Pictures>,
    /// Held while they are written: at the end too.
    saving: Mutex<()>,
    /// Every wanted rendition has its initialization segment.
    described: Notify,
    /// Its broadcast has ended, or its disk does not take any more.
    over: watch::Sender<bool>,
    task: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct State {
    inits: Vec<Init>,
    /// Until there is a writer.
    held: VecDeque<(RenditionName, Arc<Segment>)>,
    /// Segments before this one were let go while the database did not answer.
    from: Option<MediaSequence>,
    /// Where the first one begins that was not; `None`: none was let go.
    origin: Option<MediaTime>,
    writer: Option<Arc<Writer>>,
    /// Where there is a store.
    trail: Option<Trail>,
    /// The first segment that the writer was given of each rendition.
    firsts: HashMap<RenditionName, MediaSequence>,
    over: bool,
}

impl Recording {
    pub(super) fn begin(recorder: Recorder, subject: Subject) -> Arc<Self> {
        let recording = Arc::new(Self {
            recorder,
            subject,
            state: Mutex::default(),
            pictures: Mutex::default(),
            saving: Mutex::default(),
            described: Notify::new(),
            over: watch::Sender::new(false),
            task: Mutex::new(None),
        });
        let task = Arc::clone(&recording).see_through();
        let task = recording.recorder.runtime.spawn(task);
        *recording
            .task
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(task);
        recording
    }

    /// Takes a rendition's initialization segment.
    pub(crate) fn init(&self, init: &Init) {
        if !self.subject.renditions.contains(&init.rendition) {
            return;
        }
        let mut state = self.state();
        state.inits.push(init.clone());
        if state.inits.len() == self.subject.renditions.len() {
            self.described.notify_one();
        }
    }

    /// Takes the next complete segment of a rendition. `false`: it is not recorded.
    pub(crate) fn append(&self, rendition: &RenditionName, segment: &Arc<Segment>) -> bool {
        if !self.subject.renditions.contains(rendition) {
            return false;
        }
        let mut state = self.state();
        if state.over {
            return false;
        }
        match state.writer.clone() {
            Some(writer) => state.give(&writer, rendition, segment),
            None => {
                let origin = state.origin;
                state.hold(rendition, segment);
                // What was seen before is not recorded.
                if state.origin != origin {
                    *self.pictures() = Pictures::default();
                }
            }
        }
        true
    }

    /// Takes a picture of the broadcast.
    pub(crate) fn thumbnail(&self, thumbnail: &Thumbnail) {
        let origin = self.state().origin.unwrap_or(MediaTime::ZERO);
        if thumbnail.time >= origin {
            self.pictures().push_from(origin, thumbnail);
        }
    }

    /// The first segment of a rendition that is on the disk, and the one behind the last.
    pub(crate) fn extent(
        &self,
        rendition: &RenditionName,
    ) -> Option<(MediaSequence, MediaSequence)> {
        let state = self.state();
        let (first, writer) = (state.firsts.get(rendition)?, state.writer.as_ref()?);
        let count = writer.written(rendition) as u64;
        (count > 0).then(|| (*first, MediaSequence::new(first.as_u64() + count)))
    }

    /// Whether it takes segments of a rendition.
    pub(crate) fn takes(&self, rendition: &RenditionName) -> bool {
        self.subject.renditions.contains(rendition) && !self.state().over
    }

    /// Where a segment lies on the disk.
    pub(crate) fn find(
        &self,
        rendition: &RenditionName,
        sequence: MediaSequence,
    ) -> Option<Extent> {
        let state = self.state();
        let first = state.firsts.get(rendition)?.as_u64();
        let number = sequence.as_u64().checked_sub(first)?;
        state
            .writer
            .as_ref()?
            .find(rendition, usize::try_from(number).ok()?)
    }

    /// Ends it with its broadcast; returns when it plays, when it is known that it never will, or
    /// after [`END_WAIT_MAX`]. Waits: not to be called from a task.
    pub(crate) fn end(&self) {
        self.stop();
        let task = self
            .task
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(task) = task else {
            return;
        };
        let runtime = &self.recorder.runtime;
        let broadcast = &self.subject.broadcast;
        match runtime.block_on(async { tokio::time::timeout(END_WAIT_MAX, task).await }) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!(%broadcast, %error, "a recording did not end in order");
            }
            Err(_) => tracing::warn!(%broadcast, "a recording is still being ended"),
        }
    }

    fn stop(&self) {
        self.state().over = true;
        self.over.send_replace(true);
    }

    async fn wait_until_over(&self) {
        let mut over = self.over.subscribe();
        // The sender is ours, and so never gone.
        let _ = over.wait_for(|over| *over).await;
    }

    async fn see_through(self: Arc<Self>) {
        let Subject {
            stream, broadcast, ..
        } = &self.subject;
        let asset = match asset::new_id() {
            Ok(asset) => asset,
            Err(error) => {
                tracing::error!(%broadcast, %error, "not recorded");
                return self.stop();
            }
        };
        // Before there is a row of it: nobody is to take it for one that has died.
        let _writing = self.recorder.writing.note(&asset);
        let Some(row) = self.enter(&asset).await else {
            tracing::warn!(%stream, %broadcast, "not recorded: the broadcast ended before its recording could begin");
            return;
        };
        let id = row.id;
        let end = match self.start(&asset) {
            Ok(writer) => {
                tracing::info!(%stream, %broadcast, recording = %id, "recording");
                tokio::select! {
                    () = self.wait_until_over() => {}
                    () = self.keep_noted(&writer, &asset) => {}
                }
                let Some(end) = self.conclude(writer, &asset).await else {
                    return;
                };
                end
            }
            Err(error) => {
                tracing::error!(%stream, %broadcast, recording = %id, %error, "recording cannot begin");
                self.stop();
                End::Failed(Reason::DiskFailed)
            }
        };
        let ended_at = SystemTime::now();
        let finished = self.persist("noting a recording's end", || {
            self.recorder.database.finish(&id, end, ended_at)
        });
        match finished.await {
            Ok(row) => announce(&self.recorder.events, &row),
            Err(error) => {
                tracing::error!(recording = %id, %error, "a recording's end is not noted")
            }
        }
        if let Some(objects) = &self.recorder.objects {
            objects.look();
        }
    }

    /// Makes the row; `None`: the broadcast ended before.
    async fn enter(&self, asset: &AssetId) -> Option<storage::recording::Recording> {
        let Subject {
            stream,
            broadcast,
            began,
            renditions,
        } = &self.subject;
        let begun = async {
            self.described.notified().await;
            let database = &self.recorder.database;
            self.persist("beginning a recording", || {
                database.begin(stream, broadcast, asset, renditions, *began)
            })
            .await
        };
        let begun = tokio::select! {
            begun = begun => begun,
            () = self.wait_until_over() => return None,
        };
        match begun {
            Ok(row) => Some(row),
            Err(error) => {
                tracing::error!(%stream, %broadcast, %error, "not recorded");
                self.stop();
                None
            }
        }
    }

    /// Asks the database until it answers.
    async fn persist<T, F>(&self, what: &str, ask: impl Fn() -> F) -> Result<T, recordings::Error>
    where
        F: Future<Output = Result<T, recordings::Error>>,
    {
        let mut wait = RETRY_FIRST;
        loop {
            match ask().await {
                Err(recordings::Error::Database(error)) => {
                    let broadcast = &self.subject.broadcast;
                    tracing::warn!(%broadcast, %error, retry_ms = wait.as_millis(), "{what}: the database does not answer");
                }
                answer => return answer,
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(RETRY_MAX);
        }
    }

    /// Makes the files and gives the writer what was held for it.
    fn start(self: &Arc<Self>, asset: &AssetId) -> std::io::Result<Arc<Writer>> {
        let mut state = self.state();
        let mut inits = std::mem::take(&mut state.inits);
        let place = |init: &Init| {
            self.subject
                .renditions
                .iter()
                .position(|it| *it == init.rendition)
        };
        inits.sort_by_key(place);
        let recording = Arc::downgrade(self);
        let on_stop = move |stop: &asset::Stop| {
            if let Some(recording) = recording.upgrade() {
                let Subject {
                    stream, broadcast, ..
                } = &recording.subject;
                tracing::error!(%stream, %broadcast, reason = %stop, "recording stops, the broadcast goes on");
                recording.stop();
            }
        };
        let Recorder {
            folder, defaults, ..
        } = &self.recorder;
        let writer = Writer::begin(folder, asset.clone(), inits, defaults.reserve, on_stop)?;
        let writer = Arc::new(writer);
        state.trail = self
            .recorder
            .objects
            .clone()
            .map(|objects| Trail::begin(objects, asset.clone(), &self.subject.renditions));
        for (rendition, segment) in std::mem::take(&mut state.held) {
            state.give(&writer, &rendition, &segment);
        }
        state.writer = Some(Arc::clone(&writer));
        Ok(writer)
    }

    /// Finishes the files. `None`: that did not come to an end. What is on the disk stays, and its row
    /// as well: the next start makes it whole.
    async fn conclude(self: &Arc<Self>, writer: Arc<Writer>, asset: &AssetId) -> Option<End> {
        let (this, asset) = (Arc::clone(self), asset.clone());
        let finished = tokio::task::spawn_blocking(move || {
            let summary = writer.finish();
            // Before the store has all media: what it has then is looked for.
            if let Ok(summary) = &summary {
                this.save_pictures(&asset, summary);
            }
            let trail = this.state().trail.take();
            match (&summary, trail) {
                (Ok(summary), Some(trail)) if summary.segments > 0 => trail.finish(summary),
                (_, Some(trail)) => trail.abandon(),
                (_, None) => {}
            }
            summary.map(|summary| End::of(&summary))
        });
        match finished.await {
            Ok(Ok(end)) => Some(end),
            Ok(Err(error)) => {
                tracing::error!(broadcast = %self.subject.broadcast, %error, "a recording's files are not finished");
                None
            }
            Err(error) => {
                tracing::error!(broadcast = %self.subject.broadcast, %error, "a recording's files are not finished");
                None
            }
        }
    }

    /// Says again and again that it is still written, and writes what there is to see of it: who
    /// finds it after a crash has that.
    async fn keep_noted(self: &Arc<Self>, writer: &Writer, asset: &AssetId) {
        let mut wait = PICTURES_FIRST;
        loop {
            let database = &self.recorder.database;
            let now = SystemTime::now();
            if let Err(error) = database.heard(asset, writer.len_bytes(), now).await {
                let broadcast = &self.subject.broadcast;
                tracing::debug!(%broadcast, %error, "it is not noted how far a recording is");
            }
            tokio::time::sleep(wait).await;
            wait = HEARD_EVERY;
            let (this, asset) = (Arc::clone(self), asset.clone());
            let saved = tokio::task::spawn_blocking(move || this.save_pictures_so_far(&asset));
            if let Err(error) = saved.await {
                let broadcast = &self.subject.broadcast;
                tracing::error!(%broadcast, %error, "a recording's pictures are not written");
            }
        }
    }

    fn save_pictures_so_far(&self, asset: &AssetId) {
        let _saving = self.saving.lock().unwrap_or_else(PoisonError::into_inner);
        let so_far = self.pictures().so_far();
        if let Some(so_far) = so_far
            && so_far.save(&self.recorder.folder, asset)
        {
            self.pictures().saved(&so_far);
        }
    }

    fn save_pictures(&self, asset: &AssetId, summary: &Summary) {
        if summary.segments == 0 {
            return;
        }
        let _saving = self.saving.lock().unwrap_or_else(PoisonError::into_inner);
        let pictures = std::mem::take(&mut *self.pictures());
        pictures.save(&self.recorder.folder, asset, summary.duration);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in between leaves half a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pictures(&self) -> MutexGuard<'_, Pictures> {
        self.pictures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn hold(&mut self, rendition: &RenditionName, segment: &Arc<Segment>) {
        if self.from.is_some_and(|from| segment.sequence < from) {
            return;
        }
        self.held
            .push_back((rendition.clone(), Arc::clone(segment)));
        if self.held.len() <= HELD_MAX {
            return;
        }
        // All renditions begin with the same segment.
        let Some(oldest) = self.held.iter().map(|(_, segment)| segment.sequence).min() else {
            return;
        };
        self.held.retain(|(_, segment)| segment.sequence > oldest);
        self.from = Some(oldest.next());
        let starts = self.held.iter().map(|(_, segment)| segment.start);
        self.origin = starts.min();
    }

    fn give(&mut self, writer: &Writer, rendition: &RenditionName, segment: &Arc<Segment>) {
        if self.from.is_some_and(|from| segment.sequence < from) {
            return;
        }
        let first = self.firsts.entry(rendition.clone());
        first.or_insert(segment.sequence);
        writer.append(rendition, stored(segment));
        if let Some(trail) = &self.trail {
            trail.grown(rendition, writer);
        }
    }
}

/// A segment as the asset takes it.
fn stored(segment: &Segment) -> asset::Segment {
    let mut runs = Vec::with_capacity(segment.parts.len());
    let mut before = 0;
    for part in &segment.parts {
        runs.push(SampleRun::of(&part.pieces, before));
        before += part.len_bytes as u32;
    }
    asset::Segment {
        start: segment.start,
        duration: segment.duration(),
        keyframe_bytes: segment.entry().keyframe_bytes.map(|bytes| bytes as u32),
        pieces: segment.pieces().cloned().collect(),
        runs,
    }
}

#[cfg(test)]
mod tests;
