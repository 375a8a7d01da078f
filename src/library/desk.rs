//! One file at a time: takes up the job that is due, sees it through, and says what became of it.

use std::time::{Duration, SystemTime};

use media_core::graph::offline::{Control, Progress};
use media_core::{AssetId, MediaTime};
use storage::asset;
use storage::videos::jobs::{Claim, Encoded, Next};
use storage::videos::{self, Jobs};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::courtesy::gives_way;
use super::encoding::{self, Destination, Made, encode};
use super::telling::{tell_failed, tell_ready};
use super::upkeep::remove_spent;
use super::{Options, recover};

/// How often it is looked for a job where none is due.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How often it is looked whether broadcasts need the machine: a broadcast's first keyframe takes
/// longer.
const LOOK_AT_BROADCASTS_EVERY: Duration = Duration::from_millis(250);

/// How often progress is noted.
const NOTE_EVERY: Duration = Duration::from_secs(3);

/// For how long it is tried to note what became of a file: a database that is restored from a backup.
const AWAY_MAX: Duration = Duration::from_secs(600);

/// How often, in that time.
const ASK_AGAIN_EVERY: Duration = Duration::from_secs(5);

/// What viewers read where this program is to blame; the log says more.
const OUR_FAULT: &str = "the server could not encode the file";

/// See the module.
pub(super) struct Desk {
    options: Options,
    jobs: Jobs,
}

/// Why an encoding was told to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Recalled {
    /// The server stops.
    Closing,
    /// The video was deleted, or another process has the job.
    Lost,
}

type Encoding = JoinHandle<Result<Made, encoding::Error>>;

impl Desk {
    pub(super) fn new(options: Options) -> Self {
        let jobs = options.videos.jobs();
        Self { options, jobs }
    }

    /// Works until `closes`.
    pub(super) async fn work(self, mut closes: watch::Receiver<bool>) {
        // The one that is worked on when this panics is put back when it begins anew.
        let mut is_settled = false;
        while !*closes.borrow() {
            match self.take_up(is_settled).await {
                Ok(Some(claim)) => {
                    is_settled = self.see_through(&claim, &mut closes).await;
                    if is_settled {
                        continue;
                    }
                }
                Ok(None) => is_settled = true,
                Err(error) => {
                    // It may have been taken up, and the answer lost.
                    is_settled = false;
                    tracing::warn!(%error, "it is not known which files are to be encoded");
                }
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = closed(&mut closes) => {}
            }
        }
    }

    /// The job that is due. What the one before has left in the database is put back first, unless
    /// that is settled: nobody else knows that it is not worked on any more.
    async fn take_up(&self, is_settled: bool) -> Result<Option<Claim>, videos::Error> {
        let Options {
            videos,
            worker,
            events,
            ..
        } = &self.options;
        if !is_settled {
            recover(videos, worker, events).await?;
        }
        self.jobs.claim(worker.as_str(), SystemTime::now()).await
    }

    /// Whether all that became of it is noted.
    async fn see_through(&self, claim: &Claim, closes: &mut watch::Receiver<bool>) -> bool {
        tracing::info!(video = %claim.video, upload = %claim.upload, attempt = claim.attempt, "encoding a file");
        let noted = match self.attempt(claim, closes).await {
            Ok((asset, Ok(made))) => self.done(claim, &asset, made, closes).await,
            Ok((asset, Err(Ended::Recalled(recalled)))) => {
                self.clear(&asset).await;
                match recalled {
                    Recalled::Closing => {
                        tracing::info!(video = %claim.video, "encoding is put off: the server stops");
                        self.jobs.give_back(claim, SystemTime::now()).await
                    }
                    Recalled::Lost => {
                        tracing::info!(video = %claim.video, "encoding ends: nobody needs it any more");
                        Ok(())
                    }
                }
            }
            Ok((asset, Err(Ended::Failed { reason, permanent }))) => {
                self.clear(&asset).await;
                self.failed(claim, &reason, permanent, closes).await
            }
            Err(error) => Err(error),
        };
        let noted = match noted {
            Ok(()) => remove_spent(&self.options.videos.uploads(), &self.options.uploads).await,
            error => error,
        };
        if let Err(error) = &noted {
            // Not lost: it is put back before another one is taken up.
            tracing::warn!(video = %claim.video, %error, "a file is not seen through");
        }
        noted.is_ok()
    }

    /// Encodes the file of a job.
    async fn attempt(
        &self,
        claim: &Claim,
        closes: &mut watch::Receiver<bool>,
    ) -> Result<(AssetId, Result<Made, Ended>), videos::Error> {
        let asset = asset::new_id()?;
        self.jobs.writes(claim, &asset, SystemTime::now()).await?;
        let control = Control::default();
        let paced = self.pace(&control, false);
        let encoding = self.begin(claim, &asset, &control);
        let (encoded, recalled) = self.watch(claim, encoding, &control, paced, closes).await;
        let result = match (encoded, recalled) {
            (Ok(Ok(made)), _) => Ok(made),
            (_, Some(recalled)) => Err(Ended::Recalled(recalled)),
            (Ok(Err(error)), None) => Err(Ended::of(claim, &error)),
            (Err(error), None) => {
                tracing::error!(video = %claim.video, %error, "encoding ended in a panic");
                Err(Ended::our_fault())
            }
        };
        Ok((asset, result))
    }

    fn begin(&self, claim: &Claim, asset: &AssetId, control: &Control) -> Encoding {
        let Options {
            uploads,
            assets,
            reserve,
            settings,
            ..
        } = &self.options;
        let (file, settings, control) = (
            uploads.path(&claim.upload),
            settings.clone(),
            control.clone(),
        );
        let to = Destination {
            folder: assets.clone(),
            asset: asset.clone(),
            reserve: *reserve,
        };
        tokio::task::spawn_blocking(move || encode(&file, &settings, to, &control))
    }

    /// Waits for an encoding, lets it wait for broadcasts, and notes how far it is.
    async fn watch(
        &self,
        claim: &Claim,
        mut encoding: Encoding,
        control: &Control,
        mut is_waiting: bool,
        closes: &mut watch::Receiver<bool>,
    ) -> (<Encoding as Future>::Output, Option<Recalled>) {
        let mut recalled = None;
        let mut noted = Instant::now();
        loop {
            tokio::select! {
                encoded = &mut encoding => return (encoded, recalled),
                () = closed(closes), if recalled.is_none() => {
                    recalled = Some(Recalled::Closing);
                    control.cancel();
                }
                () = tokio::time::sleep(LOOK_AT_BROADCASTS_EVERY) => {
                    is_waiting = self.pace(control, is_waiting);
                    if recalled.is_none() && noted.elapsed() >= NOTE_EVERY {
                        noted = Instant::now();
                        if self.is_lost(claim, control).await {
                            recalled = Some(Recalled::Lost);
                            control.cancel();
                        }
                    }
                }
            }
        }
    }

    /// Lets an encoding wait for broadcasts or go on; whether it waits, as it did before or not.
    fn pace(&self, control: &Control, was_waiting: bool) -> bool {
        let broadcasts = (self.options.live_count)();
        let waits = gives_way(broadcasts, self.options.cores);
        match (was_waiting, waits) {
            (false, true) => tracing::info!(broadcasts, "encoding waits for broadcasts"),
            (true, false) => tracing::info!(broadcasts, "encoding goes on"),
            _ => {}
        }
        match waits {
            true => control.pause(),
            false => control.resume(),
        }
        waits
    }

    /// Notes how far an encoding is; whether nobody needs it any more.
    async fn is_lost(&self, claim: &Claim, control: &Control) -> bool {
        let done = permille(control.progress());
        match self.jobs.heartbeat(claim, done, SystemTime::now()).await {
            Ok(()) => false,
            Err(videos::Error::JobLost(_)) => true,
            Err(error) => {
                tracing::warn!(video = %claim.video, %error, "progress is not noted");
                false
            }
        }
    }

    async fn done(
        &self,
        claim: &Claim,
        asset: &AssetId,
        made: Made,
        closes: &mut watch::Receiver<bool>,
    ) -> Result<(), videos::Error> {
        let Made { summary, missing } = made;
        let encoded = Encoded {
            duration: summary.duration,
            bytes: summary.bytes,
            missing,
        };
        let note = || {
            let now = SystemTime::now();
            self.jobs.done(claim, encoded.clone(), now)
        };
        match noted(note, closes).await {
            Err(videos::Error::JobLost(_)) => {
                // A try before may have been noted, and its answer lost.
                let video = self.options.videos.find(&claim.video).await?;
                if video.and_then(|video| video.asset).as_ref() != Some(asset) {
                    self.clear(asset).await;
                    return Ok(());
                }
            }
            noted => noted?,
        }
        tracing::info!(
            video = %claim.video,
            asset = %asset,
            seconds = summary.duration.as_secs(),
            bytes = summary.bytes,
            "video ready"
        );
        tell_ready(&self.options.videos, &self.options.events, &claim.video).await
    }

    async fn failed(
        &self,
        claim: &Claim,
        reason: &str,
        permanent: bool,
        closes: &mut watch::Receiver<bool>,
    ) -> Result<(), videos::Error> {
        let note = || {
            let now = SystemTime::now();
            self.jobs.failed(claim, reason, permanent, now)
        };
        match noted(note, closes).await? {
            Next::Retry(_) => {
                tracing::warn!(video = %claim.video, reason, attempt = claim.attempt, "encoding failed, it is tried again");
                Ok(())
            }
            Next::GivenUp => {
                tracing::warn!(video = %claim.video, reason, "video failed");
                tell_failed(&self.options.videos, &self.options.events, &claim.video).await
            }
        }
    }

    /// Removes what an attempt has left; what stays is removed later, as the database says.
    async fn clear(&self, asset: &AssetId) {
        let (folder, asset) = (self.options.assets.clone(), asset.clone());
        let removed = tokio::task::spawn_blocking(move || folder.remove(&asset)).await;
        match removed {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "half an asset is left"),
            Err(error) => tracing::error!(%error, "half an asset is left"),
        }
    }
}

/// What the database answers; one that does not is asked for a while, until the server stops: hours of
/// work may be at stake.
async fn noted<T, F>(
    note: impl Fn() -> F,
    closes: &mut watch::Receiver<bool>,
) -> Result<T, videos::Error>
where
    F: Future<Output = Result<T, videos::Error>>,
{
    let deadline = Instant::now() + AWAY_MAX;
    loop {
        match note().await {
            Err(videos::Error::Database(error)) if Instant::now() < deadline => {
                tracing::warn!(%error, "what became of a file is not noted yet");
            }
            answer => return answer,
        }
        tokio::select! {
            () = tokio::time::sleep(ASK_AGAIN_EVERY) => {}
            () = closed(closes) => return note().await,
        }
    }
}

async fn closed(closes: &mut watch::Receiver<bool>) {
    // Nobody who could say so is the end too.
    let _ = closes.wait_for(|closing| *closing).await;
}

/// How an attempt ended that made nothing.
#[derive(Debug, PartialEq, Eq)]
enum Ended {
    Recalled(Recalled),
    Failed { reason: String, permanent: bool },
}

impl Ended {
    fn of(claim: &Claim, error: &encoding::Error) -> Self {
        if error.is_permanent() {
            return Self::Failed {
                reason: error.to_string(),
                permanent: true,
            };
        }
        tracing::error!(video = %claim.video, %error, "a file is not encoded");
        match error {
            // What an operator can do something about.
            encoding::Error::Stopped(asset::Stop::DiskFull { .. }) => Self::Failed {
                reason: "the server's disk is full".to_owned(),
                permanent: false,
            },
            _ => Self::our_fault(),
        }
    }

    fn our_fault() -> Self {
        Self::Failed {
            reason: OUR_FAULT.to_owned(),
            permanent: false,
        }
    }
}

/// How much is done, of 1000; all of it only once the video is ready.
fn permille(progress: Progress) -> u16 {
    const ALMOST: u128 = 999;
    let done = progress.done.saturating_since(MediaTime::ZERO).as_nanos();
    let all = progress.duration.map_or(0, |duration| duration.as_nanos());
    let part = (done * 1000).checked_div(all).unwrap_or(0);
    part.min(ALMOST) as u16
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use media_core::graph::{
        Preset, Profile, Settings, Shedding, SlateSettings, SourceUse, VideoEncoder,
    };
    use media_core::{Bitrate, Ladder, VideoId};
    use scratch::{Kind, Scratch};
    use storage::Database;
    use storage::webhooks::EventType;

    use super::super::stage::{ALL_OF_THE_DISK, Stage};
    use super::*;
    use crate::hooks::Events;
    use crate::worker::Worker;

    fn settings() -> Settings {
        Settings {
            ladder: Ladder {
                rungs: Vec::new(),
                audio: Bitrate::from_kbps(64),
            },
            segment: Duration::from_secs(2),
            part: Duration::from_millis(333),
            encoder: VideoEncoder::X264,
            preset: Preset::Ultrafast,
            profile: Profile::Quality,
            threads: 1,
            source: SourceUse::Encode,
            slate: SlateSettings::default(),
            shedding: Shedding::default(),
        }
    }

    /// It was nobody's until another process, or the next start, found it.
    #[tokio::test]
    async fn a_job_that_the_database_broke_off_is_taken_up_again_by_the_same_process() {
        let stage = Stage::on(Kind::Postgres).await;
        stage.queued().await;
        // A process with its file, whose database refuses what it writes.
        let (server, name) = stage.scratch.server().expect("a database on a server");
        let refuse = "ALTER TABLE assets ADD CONSTRAINT refused CHECK (false) NOT VALID";
        server.execute(name, &[refuse]);
        let (events, mut told) = Events::heard();
        let data = stage.scratch.folder();
        let desk = Desk::new(Options {
            videos: stage.videos.clone(),
            uploads: stage.folder.clone(),
            assets: asset::Folder::open(data).expect("a folder"),
            reserve: ALL_OF_THE_DISK,
            settings: settings(),
            cores: 1,
            live_count: Arc::new(|| 0),
            events,
            worker: Worker::of(data).expect("a name"),
        });
        let (closing, closes) = watch::channel(false);
        let working = tokio::spawn(desk.work(closes));
        let began = Instant::now();
        let given_up = loop {
            if let Some((event, data)) = told() {
                break (event, data["reason"].as_str().map(str::to_owned));
            }
            assert!(began.elapsed() < Duration::from_secs(60), "nobody has it");
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        // Each attempt counts: it does not go on for ever.
        let reason = "the server ended while the file was being encoded";
        assert_eq!(given_up, (EventType::VideoFailed, Some(reason.to_owned())));
        assert!(began.elapsed() >= 2 * LOOK_EVERY);
        closing.send_replace(true);
        working.await.expect("in order");
    }

    #[tokio::test]
    async fn what_was_made_waits_for_a_database_that_is_away_but_not_for_ever() {
        let scratch = Scratch::new(Kind::Sqlite).await;
        let database = Database::open(scratch.url()).await.expect("a database");
        let (videos, id) = (database.videos(), VideoId::new("v1").expect("an id"));
        database.close().await;
        tokio::time::pause();
        let away = || async { videos.find(&id).await.map(|_| ()) };
        let (closing, mut closes) = watch::channel(false);
        let asked = AtomicUsize::new(0);
        let back = || async {
            match asked.fetch_add(1, Ordering::Relaxed) {
                3 => Ok(()),
                _ => away().await,
            }
        };
        noted(back, &mut closes).await.expect("it is back");
        assert_eq!(asked.load(Ordering::Relaxed), 4);

        let began = Instant::now();
        assert!(noted(away, &mut closes).await.is_err());
        assert!(began.elapsed() >= AWAY_MAX);

        closing.send_replace(true);
        let began = Instant::now();
        assert!(noted(away, &mut closes).await.is_err());
        assert!(began.elapsed() < ASK_AGAIN_EVERY);
    }

    #[test]
    fn progress_is_never_whole_before_the_end() {
        let at = |done_ms: i64, all_ms: Option<u64>| {
            permille(Progress {
                done: MediaTime::from_nanos(done_ms * 1_000_000),
                duration: all_ms.map(Duration::from_millis),
            })
        };
        assert_eq!(at(0, Some(10_000)), 0);
        assert_eq!(at(2_500, Some(10_000)), 250);
        assert_eq!(at(10_000, Some(10_000)), 999);
        assert_eq!(at(20_000, Some(10_000)), 999);
        assert_eq!(at(5_000, None), 0);
        assert_eq!(at(-5, Some(10_000)), 0);
    }
}
