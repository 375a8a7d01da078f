//! What is to be encoded: a queue in the database that survives restarts, and that several processes
//! may work on.
//!
//! Whoever takes a job up ([`Jobs::claim`]) says so in its row, and says again and again that it
//! still works on it. Each attempt has its number: a process that was overtaken hears
//! [`Error::JobLost`] and stops. Every transaction but a claim locks the video first, and so none
//! waits for another in a circle.

use std::time::{Duration, SystemTime};

use media_core::{AssetId, JobId, UploadId, VideoId};
use sqlx::any::AnyRow;
use sqlx::{Any, AnyPool, Row, Transaction};

use super::uploads::spend;
use super::{Error, column, damaged, lock, new_id};
use crate::holders;
use crate::unix_time::to_unix_ms;

/// How often a file is tried to be encoded.
pub const ATTEMPTS_MAX: u32 = 3;

/// How long after its first failure a job is tried again; ten times as long after the next.
pub const RETRY_FIRST: Duration = Duration::from_secs(60);

/// How often a claim looks again where another process was faster.
const CLAIM_TRIES_MAX: usize = 8;

/// How long a file is kept that could not be encoded through no fault of its own: somebody may have
/// been away for a week.
pub const KEPT_FOR: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The most jobs that one call puts back.
const BATCH_MAX: u32 = 500;

/// Why an attempt failed whose process ended.
const PROCESS_ENDED: &str = "the server ended while the file was being encoded";

/// One attempt at encoding a file, for the process that has taken it up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Which job.
    pub job: JobId,
    /// What the file becomes.
    pub video: VideoId,
    /// The file.
    pub upload: UploadId,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// Who works on it.
    pub worker: String,
}

/// What was made of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// Its length.
    pub duration: Duration,
    /// Bytes of its media.
    pub bytes: u64,
    /// What of the file is not in it, for people.
    pub missing: Option<String>,
}

/// What comes after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Another one, not before this.
    Retry(SystemTime),
    /// The video has failed.
    GivenUp,
}

/// The jobs of a [`crate::Database`]. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Jobs {
    pool: AnyPool,
}

impl Jobs {
    pub(super) fn new(pool: AnyPool) -> Self {
        Self { pool }
    }

    /// Takes up the job that has been due longest at `now`, for `worker`: a name that a process has
    /// again after a restart, and no other has at the same time. `None`: none is due.
    pub async fn claim(&self, worker: &str, now: SystemTime) -> Result<Option<Claim>, Error> {
        let now_ms = to_unix_ms(now);
        for _ in 0..CLAIM_TRIES_MAX {
            let due = sqlx::query(
                "SELECT id FROM jobs WHERE status = 'queued' AND next_at_ms <= $1 \
                 AND upload_id IS NOT NULL ORDER BY next_at_ms, id LIMIT 1",
            )
            .bind(now_ms)
            .fetch_optional(&self.pool)
            .await?;
            let Some(due) = due else {
                return Ok(None);
            };
            let taken = sqlx::query(
                "UPDATE jobs SET status = 'running', attempts = attempts + 1, claimed_by = $1, \
                 heartbeat_at_ms = $2 WHERE id = $3 AND status = 'queued' \
                 RETURNING id, video_id, upload_id, attempts, claimed_by",
            )
            .bind(worker)
            .bind(now_ms)
            .bind(due.try_get::<String, _>(0)?)
            .fetch_optional(&self.pool)
            .await?;
            if let Some(taken) = taken {
                let claim = claim_of(&taken)?;
                sqlx::query(
                    "UPDATE videos SET status = 'processing', reason = NULL \
                     WHERE id = $1 AND status = 'queued'",
                )
                .bind(claim.video.as_str())
                .execute(&self.pool)
                .await?;
                return Ok(Some(claim));
            }
        }
        Ok(None)
    }

    /// Notes that the attempt writes `asset`. To be called once, before the asset's files are made.
    /// [`Error::JobLost`].
    pub async fn writes(
        &self,
        claim: &Claim,
        asset: &AssetId,
        now: SystemTime,
    ) -> Result<(), Error> {
        let mut write = self.held(claim).await?;
        sqlx::query(
            "INSERT INTO assets (id, status, place, bytes, duration_ms, created_at_ms, writer) \
             VALUES ($1, 'writing', 'local', 0, 0, $2, $3)",
        )
        .bind(asset.as_str())
        .bind(to_unix_ms(now))
        .bind(claim.worker.as_str())
        .execute(&mut *write)
        .await?;
        sqlx::query("UPDATE jobs SET asset_id = $1 WHERE id = $2")
            .bind(asset.as_str())
            .bind(claim.job.as_str())
            .execute(&mut *write)
            .await?;
        write.commit().await?;
        Ok(())
    }

    /// Says at `now` that the attempt goes on, and how much is done, of 1000. [`Error::JobLost`].
    pub async fn heartbeat(
        &self,
        claim: &Claim,
        progress_permille: u16,
        now: SystemTime,
    ) -> Result<(), Error> {
        let mut write = self.held(claim).await?;
        sqlx::query("UPDATE jobs SET heartbeat_at_ms = $1 WHERE id = $2")
            .bind(to_unix_ms(now))
            .bind(claim.job.as_str())
            .execute(&mut *write)
            .await?;
        sqlx::query("UPDATE videos SET progress_permille = $1 WHERE id = $2")
            .bind(i64::from(progress_permille.min(1000)))
            .bind(claim.video.as_str())
            .execute(&mut *write)
            .await?;
        write.commit().await?;
        Ok(())
    }

    /// Notes at `now` that the asset of [`Jobs::writes`] is whole: the video can be played, and the
    /// upload is spent. [`Error::JobLost`].
    pub async fn done(
        &self,
        claim: &Claim,
        encoded: Encoded,
        now: SystemTime,
    ) -> Result<(), Error> {
        let (duration_ms, bytes) = (
            column::whole(encoded.duration.as_millis()),
            column::whole(encoded.bytes),
        );
        let mut write = self.held(claim).await?;
        let asset = written_by(&mut write, claim).await?;
        let asset = asset.ok_or_else(|| damaged(claim.job.as_str(), "it has written no asset"))?;
        sqlx::query(
            "UPDATE assets SET status = 'whole', bytes = $1, duration_ms = $2 WHERE id = $3",
        )
        .bind(bytes)
        .bind(duration_ms)
        .bind(&asset)
        .execute(&mut *write)
        .await?;
        sqlx::query(
            "UPDATE videos SET status = 'ready', reason = $6, asset_id = $1, \
             progress_permille = 1000, duration_ms = $2, size_bytes = $3, \
             published_at_ms = COALESCE(published_at_ms, $4) WHERE id = $5",
        )
        .bind(&asset)
        .bind(duration_ms)
        .bind(bytes)
        .bind(to_unix_ms(now))
        .bind(claim.video.as_str())
        .bind(encoded.missing)
        .execute(&mut *write)
        .await?;
        sqlx::query(
            "UPDATE jobs SET status = 'done', asset_id = NULL, claimed_by = NULL, \
             heartbeat_at_ms = NULL, reason = NULL WHERE id = $1",
        )
        .bind(claim.job.as_str())
        .execute(&mut *write)
        .await?;
        spend(&mut write, &claim.upload).await?;
        write.commit().await?;
        Ok(())
    }

    /// Notes at `now` why the attempt failed. It is tried again later, unless that is of no use
    /// (`is_permanent`: the file's fault) or was tried [`ATTEMPTS_MAX`] times: then the video has
    /// failed. Only a file that is itself to blame is spent: any other is kept for [`KEPT_FOR`], for
    /// [`Jobs::retry`]. What the attempt wrote is to be removed. [`Error::JobLost`].
    pub async fn failed(
        &self,
        claim: &Claim,
        reason: &str,
        is_permanent: bool,
        now: SystemTime,
    ) -> Result<Next, Error> {
        let may_retry = !is_permanent && claim.attempt < ATTEMPTS_MAX;
        let wait = RETRY_FIRST * 10_u32.pow(claim.attempt.saturating_sub(1).min(ATTEMPTS_MAX));
        let next = match may_retry {
            true => Next::Retry(now + wait),
            false => Next::GivenUp,
        };
        let kept_until = (!is_permanent).then(|| now + KEPT_FOR);
        self.put_back(claim, Some(reason), next, claim.attempt, kept_until)
            .await?;
        Ok(next)
    }

    /// Gives a job back at `now`, as at the server's end: the attempt does not count.
    /// [`Error::JobLost`].
    pub async fn give_back(&self, claim: &Claim, now: SystemTime) -> Result<(), Error> {
        let attempts = claim.attempt.saturating_sub(1);
        self.put_back(claim, None, Next::Retry(now), attempts, None)
            .await
    }

    /// Queues at `now` a failed video's file anew, where it is kept. [`Error::UnknownVideo`],
    /// [`Error::NothingToRetry`].
    pub async fn retry(&self, video: &VideoId, now: SystemTime) -> Result<(), Error> {
        let mut write = self.pool.begin().await?;
        lock(&mut write, video).await?;
        let kept = sqlx::query(
            "SELECT uploads.id FROM jobs JOIN uploads ON uploads.id = jobs.upload_id \
             WHERE jobs.video_id = $1 AND jobs.status = 'failed' AND uploads.status = 'complete'",
        )
        .bind(video.as_str())
        .fetch_optional(&mut *write)
        .await?;
        let nothing = || Error::NothingToRetry(video.clone());
        let upload: String = kept.ok_or_else(nothing)?.try_get(0)?;
        let upload = UploadId::new(&upload).map_err(|error| damaged(&upload, error))?;
        let queued = sqlx::query(
            "UPDATE videos SET status = 'queued', reason = NULL, progress_permille = 0 \
             WHERE id = $1 AND status = 'failed'",
        )
        .bind(video.as_str())
        .execute(&mut *write)
        .await?;
        if queued.rows_affected() == 0 {
            return Err(nothing());
        }
        enqueue(&mut write, video, &upload, now).await?;
        write.commit().await?;
        Ok(())
    }

    /// Puts back at `now` what `worker` was working on when it died, or could not see through. To be
    /// called where it works on nothing, as at its next start. Those attempts count: a file that ends
    /// the process each time is given up. What was put back, and what comes after.
    pub async fn requeue(
        &self,
        worker: &str,
        now: SystemTime,
    ) -> Result<Vec<(Claim, Next)>, Error> {
        let running = sqlx::query(
            "SELECT id, video_id, upload_id, attempts, claimed_by FROM jobs \
             WHERE status = 'running' AND claimed_by = $1 LIMIT $2",
        )
        .bind(worker)
        .bind(i64::from(BATCH_MAX))
        .fetch_all(&self.pool)
        .await?;
        self.put_all_back(&running, now).await
    }

    /// Puts back at `now` what other workers than `own` have not been heard of since `silent_since`,
    /// as [`Jobs::requeue`] does. `own` knows what it works on: where the database was away, it was
    /// silent and works on all the same.
    pub async fn requeue_silent(
        &self,
        own: &str,
        silent_since: SystemTime,
        now: SystemTime,
    ) -> Result<Vec<(Claim, Next)>, Error> {
        let running = sqlx::query(
            "SELECT id, video_id, upload_id, attempts, claimed_by FROM jobs \
             WHERE status = 'running' AND heartbeat_at_ms < $1 AND claimed_by <> $2 LIMIT $3",
        )
        .bind(to_unix_ms(silent_since))
        .bind(own)
        .bind(i64::from(BATCH_MAX))
        .fetch_all(&self.pool)
        .await?;
        self.put_all_back(&running, now).await
    }

    async fn put_all_back(
        &self,
        running: &[AnyRow],
        now: SystemTime,
    ) -> Result<Vec<(Claim, Next)>, Error> {
        let mut back = Vec::new();
        for row in running {
            let claim = claim_of(row)?;
            let next = match claim.attempt < ATTEMPTS_MAX {
                true => Next::Retry(now),
                false => Next::GivenUp,
            };
            let kept_until = Some(now + KEPT_FOR);
            let put = self.put_back(&claim, Some(PROCESS_ENDED), next, claim.attempt, kept_until);
            match put.await {
                Ok(()) => back.push((claim, next)),
                // Another process did, or its video was deleted.
                Err(Error::JobLost(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(back)
    }

    /// Ends an attempt that made nothing. A file that is given up is kept until then, where one is
    /// said.
    async fn put_back(
        &self,
        claim: &Claim,
        reason: Option<&str>,
        next: Next,
        attempts: u32,
        kept_until: Option<SystemTime>,
    ) -> Result<(), Error> {
        let (job_status, video_status, next_at_ms) = match next {
            Next::Retry(at) => ("queued", "queued", to_unix_ms(at)),
            Next::GivenUp => ("failed", "failed", 0),
        };
        let mut write = self.held(claim).await?;
        let asset = written_by(&mut write, claim).await?;
        sqlx::query(
            "UPDATE jobs SET status = $1, attempts = $2, next_at_ms = $3, reason = $4, \
             asset_id = NULL, claimed_by = NULL, heartbeat_at_ms = NULL WHERE id = $5",
        )
        .bind(job_status)
        .bind(i64::from(attempts))
        .bind(next_at_ms)
        .bind(reason)
        .bind(claim.job.as_str())
        .execute(&mut *write)
        .await?;
        sqlx::query(
            "UPDATE videos SET status = $1, reason = $2, progress_permille = 0 WHERE id = $3",
        )
        .bind(video_status)
        .bind(reason.filter(|_| next == Next::GivenUp))
        .bind(claim.video.as_str())
        .execute(&mut *write)
        .await?;
        holders::release(&mut write, asset.as_deref()).await?;
        match (next, kept_until) {
            (Next::Retry(_), _) => {}
            (Next::GivenUp, None) => spend(&mut write, &claim.upload).await?,
            (Next::GivenUp, Some(until)) => {
                sqlx::query("UPDATE uploads SET expires_at_ms = $1 WHERE id = $2")
                    .bind(to_unix_ms(until))
                    .bind(claim.upload.as_str())
                    .execute(&mut *write)
                    .await?;
            }
        }
        write.commit().await?;
        Ok(())
    }

    /// A transaction in which the job is the claim's and stays so.
    async fn held(&self, claim: &Claim) -> Result<Transaction<'static, Any>, Error> {
        let lost = || Error::JobLost(claim.job.clone());
        let mut write = self.pool.begin().await?;
        match lock(&mut write, &claim.video).await {
            Err(Error::UnknownVideo(_)) => return Err(lost()),
            locked => locked?,
        };
        let held = sqlx::query(
            "UPDATE jobs SET status = status WHERE id = $1 AND status = 'running' \
             AND claimed_by = $2 AND attempts = $3",
        )
        .bind(claim.job.as_str())
        .bind(&claim.worker)
        .bind(i64::from(claim.attempt))
        .execute(&mut *write)
        .await?;
        match held.rows_affected() {
            0 => Err(lost()),
            _ => Ok(write),
        }
    }
}

/// Queues `upload` at `now`, in place of what was queued for the video before, whose file nobody
/// needs any more.
pub(super) async fn enqueue(
    write: &mut Transaction<'static, Any>,
    video: &VideoId,
    upload: &UploadId,
    now: SystemTime,
) -> Result<(), Error> {
    sqlx::query(
        "UPDATE uploads SET status = 'spent' WHERE id <> $1 AND status = 'complete' \
         AND id IN (SELECT upload_id FROM jobs WHERE video_id = $2)",
    )
    .bind(upload.as_str())
    .bind(video.as_str())
    .execute(&mut **write)
    .await?;
    sqlx::query("DELETE FROM jobs WHERE video_id = $1")
        .bind(video.as_str())
        .execute(&mut **write)
        .await?;
    sqlx::query(
        "INSERT INTO jobs (id, video_id, upload_id, status, attempts, next_at_ms) \
         VALUES ($1, $2, $3, 'queued', 0, $4)",
    )
    .bind(new_id()?)
    .bind(video.as_str())
    .bind(upload.as_str())
    .bind(to_unix_ms(now))
    .execute(&mut **write)
    .await?;
    Ok(())
}

async fn written_by(
    write: &mut Transaction<'static, Any>,
    claim: &Claim,
) -> Result<Option<String>, Error> {
    let row = sqlx::query("SELECT asset_id FROM jobs WHERE id = $1")
        .bind(claim.job.as_str())
        .fetch_one(&mut **write)
        .await?;
    Ok(row.try_get(0)?)
}

fn claim_of(row: &AnyRow) -> Result<Claim, Error> {
    let id: String = row.try_get("id")?;
    let text = |column: &str| -> Result<String, Error> {
        let text: Option<String> = row.try_get(column)?;
        text.ok_or_else(|| damaged(&id, format!("{column} is missing")))
    };
    Ok(Claim {
        video: VideoId::new(&text("video_id")?).map_err(|error| damaged(&id, error))?,
        upload: UploadId::new(&text("upload_id")?).map_err(|error| damaged(&id, error))?,
        attempt: u32::try_from(column::number(row, "attempts", &id)?)
            .map_err(|error| damaged(&id, error))?,
        worker: text("claimed_by")?,
        job: JobId::new(&id).map_err(|error| damaged(&id, error))?,
    })
}
