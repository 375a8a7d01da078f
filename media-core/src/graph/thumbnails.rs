//! Makes thumbnails of pictures on their way into the ladder, on one thread a broadcast that gives
//! way to the encoders.
//!
//! The media path asks whether a picture is due, and leaves a reference to it in a slot: it copies no
//! pixel and waits for nothing. While there still is one in the slot no other is taken: the first
//! picture after that is as good. At 1080p one costs 5 ms of a processor, 0.05 % of it at real time.

use std::sync::{Arc, Condvar, Mutex, PoisonError, TryLockError};
use std::thread::JoinHandle;

use gstreamer as gst;
use gstreamer_video as gst_video;
use gstreamer_video::prelude::*;

use super::scaler::plane::{Plane, PlaneScaler};
use super::transcoder::Output;
use crate::thumbnail::{
    self, Colours, Picture, SIDE_MAX, Schedule, TILE_HEIGHT, TILE_WIDTH, Thumbnail, Tile, fitted,
};
use crate::time::MediaTime;

/// How much less than the encoders the thread is worth to the scheduler: a tenth. With no weight at
/// all it would wait for minutes on a machine that encodes as fast as it can.
const NICENESS: i32 = 10;

/// How often a dark picture is passed over for a later one, before a dark one is as good as any.
const DARK_PASSED_MAX: u32 = 4;

/// What keeps a picture from becoming a thumbnail.
#[derive(Debug, thiserror::Error)]
enum Error {
    /// It does not have the form that the ladder was told.
    #[error("the picture cannot be read")]
    Unreadable,
    /// A plane has not the size that it says.
    #[error("the picture cannot be scaled: {0}")]
    Scale(String),
    #[error(transparent)]
    Encode(#[from] thumbnail::Error),
}

/// See the module. Dropped, it makes what is in the slot and ends.
pub(super) struct Thumbnails {
    shared: Arc<Shared>,
    maker: Option<JoinHandle<()>>,
}

struct Shared {
    schedule: Schedule,
    slot: Mutex<Slot>,
    changed: Condvar,
}

#[derive(Default)]
struct Slot {
    waiting: Option<(gst::Buffer, MediaTime)>,
    /// Nothing more comes.
    closed: bool,
}

impl Thumbnails {
    /// Starts the thread for pictures of this form, in which they enter the ladder. `None`: there
    /// will be none, which is no reason not to broadcast.
    pub(super) fn start(caps: &gst::Caps, output: &Arc<dyn Output>) -> Option<Self> {
        let maker = Maker::new(caps, output);
        let maker = maker.inspect_err(|error| tracing::error!(%error, "no thumbnails"));
        let maker = maker.ok()?;
        let shared = Arc::clone(&maker.shared);
        let thread = std::thread::Builder::new().name("thumbnails".into());
        let maker = thread.spawn(move || maker.run());
        let maker = maker.inspect_err(|error| tracing::error!(%error, "no thumbnails"));
        Some(Self {
            shared,
            maker: Some(maker.ok()?),
        })
    }

    /// Takes a reference to the picture where one is due. Never waits.
    pub(super) fn offer(&self, picture: &gst::BufferRef, time: MediaTime) {
        let shared = &*self.shared;
        if !shared.schedule.is_due(time) {
            return;
        }
        let mut slot = match shared.slot.try_lock() {
            Ok(slot) => slot,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        if slot.waiting.is_some() {
            return;
        }
        // The pixels are shared.
        slot.waiting = Some((picture.copy(), time));
        shared.schedule.taken(time);
        shared.changed.notify_one();
    }
}

impl Drop for Thumbnails {
    fn drop(&mut self) {
        let slot = self.shared.slot.lock();
        slot.unwrap_or_else(PoisonError::into_inner).closed = true;
        self.shared.changed.notify_one();
        let ended = self.maker.take().map(JoinHandle::join);
        if let Some(Err(_)) = ended {
            tracing::error!("the thread that makes thumbnails has panicked");
        }
    }
}

impl Shared {
    /// Waits for the next picture; `None`: there will be none.
    fn next(&self) -> Option<(gst::Buffer, MediaTime)> {
        let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if slot.waiting.is_some() || slot.closed {
                return slot.waiting.take();
            }
            slot = self
                .changed
                .wait(slot)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// The thread's own.
struct Maker {
    shared: Arc<Shared>,
    info: gst_video::VideoInfo,
    output: Arc<dyn Output>,
    scaler: PlaneScaler,
    /// Since the last thumbnail.
    dark_passed: u32,
    /// The last dark picture, until there is a thumbnail: of something short and dark it is all
    /// that there is.
    dark: Option<(Picture, Tile, MediaTime)>,
    made: bool,
}

impl Maker {
    fn new(caps: &gst::Caps, output: &Arc<dyn Output>) -> Result<Self, gst::glib::BoolError> {
        Ok(Self {
            shared: Arc::new(Shared {
                schedule: Schedule::new(),
                slot: Mutex::default(),
                changed: Condvar::new(),
            }),
            info: gst_video::VideoInfo::from_caps(caps)?,
            output: Arc::clone(output),
            scaler: PlaneScaler::default(),
            dark_passed: 0,
            dark: None,
            made: false,
        })
    }

    fn run(mut self) {
        if let Err(error) = rustix::process::nice(NICENESS) {
            tracing::warn!(%error, "thumbnails are made at the encoders' priority");
        }
        while let Some((picture, time)) = self.shared.next() {
            if let Err(error) = self.take(picture, time) {
                tracing::error!(%error, "no thumbnail");
            }
        }
        if let Some((picture, tile, time)) = self.dark.take()
            && let Err(error) = self.make(&picture, tile, time)
        {
            tracing::error!(%error, "no thumbnail");
        }
    }

    /// Makes a thumbnail of a picture, or asks for a lighter one.
    fn take(&mut self, picture: gst::Buffer, time: MediaTime) -> Result<(), Error> {
        let picture = self.scaled(picture)?;
        let tile = self.tile(&picture)?;
        if tile.is_dark() && self.dark_passed < DARK_PASSED_MAX {
            self.dark_passed += 1;
            self.shared.schedule.again_after(time);
            if !self.made {
                self.dark = Some((picture, tile, time));
            }
            return Ok(());
        }
        self.dark_passed = 0;
        self.dark = None;
        self.make(&picture, tile, time)
    }

    fn make(&mut self, picture: &Picture, tile: Tile, time: MediaTime) -> Result<(), Error> {
        self.made = true;
        let jpeg = thumbnail::encode(picture)?;
        self.output.thumbnail(Thumbnail { time, jpeg, tile });
        Ok(())
    }

    /// A picture of the ladder in a thumbnail's size and colours.
    fn scaled(&mut self, buffer: gst::Buffer) -> Result<Picture, Error> {
        let frame = gst_video::VideoFrame::from_buffer_readable(buffer, &self.info);
        let frame = frame.map_err(|_| Error::Unreadable)?;
        let size = (frame.width(), frame.height());
        let (width, height) = fitted(size, (SIDE_MAX, SIDE_MAX));
        let mut scaled = Picture::black(width, height);
        for (plane, target) in scaled.planes_mut().into_iter().enumerate() {
            let index = plane as u32;
            let bytes = frame.plane_data(index).map_err(|_| Error::Unreadable)?;
            let source = Plane {
                bytes,
                width: frame.comp_width(index) as usize,
                height: frame.comp_height(index) as usize,
                stride: frame.plane_stride()[plane].unsigned_abs() as usize,
            };
            scale(&mut self.scaler, &source, target)?;
        }
        let colours = match self.info.colorimetry().matrix() {
            gst_video::VideoColorMatrix::Bt601 => Colours::Bt601,
            _ => Colours::Bt709,
        };
        colours.into_jfif(&mut scaled);
        Ok(scaled)
    }

    fn tile(&mut self, picture: &Picture) -> Result<Tile, Error> {
        let size = (picture.width().into(), picture.height().into());
        let (width, height) = fitted(size, (TILE_WIDTH, TILE_HEIGHT));
        let mut tiny = Picture::black(width, height);
        for (source, target) in picture.planes().into_iter().zip(tiny.planes_mut()) {
            let (width, height, bytes) = source;
            let source = Plane::packed(bytes, width, height);
            scale(&mut self.scaler, &source, target)?;
        }
        Ok(Tile::letterboxed(&tiny))
    }
}

fn scale(
    scaler: &mut PlaneScaler,
    source: &Plane<&[u8]>,
    (width, height, bytes): (usize, usize, &mut [u8]),
) -> Result<(), Error> {
    let mut target = Plane::packed(bytes, width, height);
    scaler.scale(source, &mut target).map_err(Error::Scale)
}

#[cfg(test)]
mod tests;
