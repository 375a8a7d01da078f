//! Takes a piece from a request into an upload's file: a megabyte in memory at a time, noted as it
//! becomes safe, and given time for as long as it gets on.

use std::pin::Pin;
use std::time::{Duration, SystemTime};

use axum::body::{Body, Bytes, HttpBody};
use media_core::file_head::{self, HEAD_BYTES};
use storage::uploads::Sink;
use storage::videos::uploads::{Status, Upload};
use tokio::time::{Instant, timeout_at};

use super::checksum::Checksum;
use super::desk::{Desk, IDLE_MAX};
use super::fault::Fault;
use crate::problem::Error;

/// How long an uploader may take for [`PROGRESS_BYTES_MIN`]: as long as a mobile link is gone in a
/// tunnel. The whole may take as long as it likes.
pub(crate) const PROGRESS_WAIT_MAX: Duration = Duration::from_secs(30);

/// What it has to bring in that time: 2 kB/s, below which an hour's video would take a month.
pub(crate) const PROGRESS_BYTES_MIN: u64 = 64 * 1024;

/// Bytes that wait for the disk, of one request: a write each few frames of HTTP would cost more.
const BLOCK_BYTES: usize = 1 << 20;

/// Bytes that are written before they are made safe and noted: what a crash makes an uploader send
/// again.
const NOTE_BYTES: u64 = 16 << 20;

/// A piece that begins where the upload's file ends.
pub(crate) struct Piece {
    /// The place behind its last byte, where that is known.
    pub(crate) end: Option<u64>,
    pub(crate) checksum: Option<Checksum>,
    pub(crate) body: Body,
}

/// Takes a piece into `sink`. The upload as it is then; complete where nothing is missing. What came
/// before an error counts, but for a piece with a checksum: that counts whole or not at all.
pub(crate) async fn receive(
    desk: &Desk,
    upload: Upload,
    sink: Sink,
    piece: Piece,
) -> Result<Upload, Error> {
    let Piece {
        end,
        checksum,
        mut body,
    } = piece;
    let mut intake = Intake {
        desk,
        noted: upload.offset_bytes,
        upload,
        sink: Some(sink),
        block: Vec::new(),
        checksum,
    };
    let received = intake.take_all(&mut body, end).await;
    let has_checksum = intake.checksum.is_some();
    let is_met = intake.checksum.take().is_none_or(Checksum::holds);
    let kept = match received {
        Ok(()) if !is_met => Err(Fault::Checksum.into()),
        received => received,
    };
    match kept {
        Err(error) if has_checksum => {
            intake.undo().await?;
            return Err(error);
        }
        Err(error @ Error::Upload(Fault::NotMedia)) => return Err(error),
        kept => {
            intake.flush().await?;
            intake.note().await?;
            kept?;
        }
    }
    Ok(intake.upload)
}

struct Intake<'a> {
    desk: &'a Desk,
    upload: Upload,
    /// What the database says is there.
    noted: u64,
    /// `None` while it is at the disk.
    sink: Option<Sink>,
    block: Vec<u8>,
    checksum: Option<Checksum>,
}

impl Intake<'_> {
    /// Takes bytes until the body ends.
    async fn take_all(&mut self, body: &mut Body, end: Option<u64>) -> Result<(), Error> {
        let end = end.unwrap_or(self.upload.length_bytes);
        let mut deadline = Instant::now() + PROGRESS_WAIT_MAX;
        let mut progress = 0;
        loop {
            let next = timeout_at(deadline, next_bytes(body)).await;
            let Some(bytes) = next.map_err(|_| Fault::TooSlow)?? else {
                return Ok(());
            };
            progress += bytes.len() as u64;
            if progress >= PROGRESS_BYTES_MIN {
                (progress, deadline) = (0, Instant::now() + PROGRESS_WAIT_MAX);
            }
            let written = self.sink()?.end() + self.block.len() as u64;
            if written + bytes.len() as u64 > end {
                let length = self.upload.length_bytes;
                return Err(Fault::PieceTooLarge { length }.into());
            }
            if let Some(checksum) = &mut self.checksum {
                checksum.update(&bytes);
            }
            self.block.extend_from_slice(&bytes);
            if self.block.len() >= BLOCK_BYTES {
                self.flush().await?;
                // The disk's time is not the uploader's.
                deadline = deadline.max(Instant::now() + PROGRESS_WAIT_MAX / 2);
                let is_due = self.sink()?.end() - self.noted >= NOTE_BYTES;
                if is_due && self.checksum.is_none() {
                    self.note().await?;
                }
            }
        }
    }

    /// Writes what waits for the disk, and looks at a file's first bytes once they are there.
    async fn flush(&mut self) -> Result<(), Error> {
        let block = std::mem::take(&mut self.block);
        let length = self.upload.length_bytes;
        let (block, looks_right) = self
            .on_disk(move |sink| {
                let begin = sink.end();
                sink.write(&block)?;
                let known = (HEAD_BYTES as u64).min(length);
                let looks_right = match begin < known && sink.end() >= known {
                    true => file_head::may_be_media(&sink.head(HEAD_BYTES)?),
                    false => true,
                };
                Ok((block, looks_right))
            })
            .await?;
        self.block = block;
        self.block.clear();
        match looks_right {
            true => Ok(()),
            false => {
                let why = Fault::NotMedia.to_string();
                self.desk.uploads.abandon(&self.upload.id, &why).await?;
                Err(Fault::NotMedia.into())
            }
        }
    }

    /// Makes safe what is written, and notes it; where nothing is missing, the video waits for being
    /// encoded from then on.
    async fn note(&mut self) -> Result<(), Error> {
        if self.upload.status == Status::Complete {
            return Ok(());
        }
        let end = self.on_disk(Sink::sync).await?;
        let now = SystemTime::now();
        let (uploads, id) = (&self.desk.uploads, &self.upload.id);
        let noted = uploads.advance(id, self.noted, end, now + IDLE_MAX, now);
        self.upload = noted.await?;
        self.noted = end;
        if self.upload.status == Status::Complete {
            let Upload {
                id,
                video,
                length_bytes,
                ..
            } = &self.upload;
            let video = video.as_ref().map(tracing::field::display);
            tracing::info!(upload = %id, video, bytes = length_bytes, "a file has arrived");
        }
        Ok(())
    }

    async fn undo(&mut self) -> Result<(), Error> {
        self.on_disk(Sink::undo).await
    }

    /// Does `work` with the file on a thread that may wait for the disk.
    async fn on_disk<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Sink) -> Result<T, storage::uploads::Error> + Send + 'static,
    ) -> Result<T, Error> {
        let mut sink = self.sink.take().ok_or(Error::Aborted)?;
        let done = tokio::task::spawn_blocking(move || {
            let done = work(&mut sink);
            (sink, done)
        });
        let (sink, done) = done.await.map_err(|_| Error::Aborted)?;
        self.sink = Some(sink);
        Ok(done.map_err(Fault::from)?)
    }

    fn sink(&self) -> Result<&Sink, Error> {
        self.sink.as_ref().ok_or(Error::Aborted)
    }
}

/// The body's next bytes; `None` at its end.
async fn next_bytes(body: &mut Body) -> Result<Option<Bytes>, Error> {
    loop {
        let frame = std::future::poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await;
        match frame {
            None => return Ok(None),
            Some(Err(_)) => return Err(Error::BodyBroken),
            Some(Ok(frame)) => {
                if let Ok(bytes) = frame.into_data() {
                    return Ok(Some(bytes));
                }
            }
        }
    }
}
