//! A live test pattern as a publisher would send it: colour bars with a running clock, and a beep
//! a second, in H.264 and AAC.

use std::sync::mpsc;

use bytes::Bytes;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

use super::elements::{self, Error};
use crate::codec::{AudioCodec, VideoCodec};
use crate::publication::{AccessUnit, CodecConfig, Media};
use crate::time::MediaTime;

/// Units that wait for the publisher: two seconds. What does not fit is left out.
const UNITS_QUEUED_MAX: usize = 160;

/// How long it runs, and the time of day.
const CLOCK: &str = "timeoverlay halignment=center valignment=center font-desc=\"Mono 40\" ! \
                     clockoverlay halignment=right valignment=top font-desc=\"Mono 20\" !";

/// A running test pattern; stops when dropped.
pub struct TestPattern {
    pipeline: gst::Pipeline,
}

impl TestPattern {
    /// Starts a pattern of `width` × `height` at 30 frames a second and returns its media, each
    /// track's configuration first.
    ///
    /// # Errors
    /// An element is not installed.
    pub fn start(width: u32, height: u32) -> Result<(Self, mpsc::Receiver<Media>), Error> {
        // The clock is worth having, but its plug-in brings half a desktop: not required.
        let clock = if elements::exists("timeoverlay") {
            CLOCK
        } else {
            ""
        };
        let description = format!(
            "videotestsrc is-live=true ! \
             video/x-raw,format=I420,width={width},height={height},framerate=30/1 ! \
             {clock} \
             x264enc speed-preset=ultrafast tune=zerolatency bitrate=3000 key-int-max=60 threads=1 ! \
             video/x-h264,stream-format=avc,alignment=au ! \
             appsink name=video sync=false async=false \
             audiotestsrc is-live=true wave=ticks freq=880 volume=0.3 samplesperbuffer=1024 ! \
             audio/x-raw,rate=48000,channels=2 ! audioconvert ! avenc_aac bitrate=128000 ! \
             audio/mpeg,mpegversion=4,stream-format=raw ! \
             appsink name=audio sync=false async=false"
        );
        let pipeline = gst::parse::launch(&description)
            .map_err(|error| Error::Build(error.to_string()))?
            .downcast::<gst::Pipeline>()
            .map_err(|_| Error::Build("the test pattern is no pipeline".into()))?;
        let (sender, receiver) = mpsc::sync_channel(UNITS_QUEUED_MAX);
        hand_out(&pipeline, "video", sender.clone(), Track::Video)?;
        hand_out(&pipeline, "audio", sender, Track::Audio)?;
        pipeline.set_state(gst::State::Playing)?;
        Ok((Self { pipeline }, receiver))
    }
}

impl Drop for TestPattern {
    fn drop(&mut self) {
        if let Err(error) = self.pipeline.set_state(gst::State::Null) {
            tracing::error!(%error, "the test pattern did not stop");
        }
    }
}

#[derive(Clone, Copy)]
enum Track {
    Video,
    Audio,
}

impl Track {
    fn config(self, record: Bytes) -> Media {
        match self {
            Self::Video => Media::VideoConfig(CodecConfig {
                codec: VideoCodec::H264,
                record,
            }),
            Self::Audio => Media::AudioConfig(CodecConfig {
                codec: AudioCodec::Aac,
                record,
            }),
        }
    }

    fn unit(self, unit: AccessUnit) -> Media {
        match self {
            Self::Video => Media::Video(unit),
            Self::Audio => Media::Audio(unit),
        }
    }
}

fn hand_out(
    pipeline: &gst::Pipeline,
    name: &str,
    sender: mpsc::SyncSender<Media>,
    track: Track,
) -> Result<(), Error> {
    let sink = pipeline
        .by_name(name)
        .and_then(|sink| sink.downcast::<gst_app::AppSink>().ok())
        .ok_or_else(|| Error::Build(format!("the test pattern has no {name}")))?;
    let mut configured = false;
    let on_sample = move |sink: &gst_app::AppSink| {
        let coded = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
        if !configured {
            let Some(record) = codec_data(&coded) else {
                return Ok(gst::FlowSuccess::Ok);
            };
            sender
                .try_send(track.config(record))
                .map_err(|_| gst::FlowError::Eos)?;
            configured = true;
        }
        if let Some(unit) = unit(&coded)
            && let Err(mpsc::TrySendError::Disconnected(_)) = sender.try_send(track.unit(unit))
        {
            return Err(gst::FlowError::Eos);
        }
        Ok(gst::FlowSuccess::Ok)
    };
    sink.set_callbacks(
        gst_app::AppSinkCallbacks::builder()
            .new_sample(on_sample)
            .build(),
    );
    Ok(())
}

fn codec_data(coded: &gst::Sample) -> Option<Bytes> {
    let config = coded
        .caps()?
        .structure(0)?
        .get::<gst::Buffer>("codec_data")
        .ok()?;
    Some(Bytes::copy_from_slice(&config.map_readable().ok()?))
}

fn unit(coded: &gst::Sample) -> Option<AccessUnit> {
    let buffer = coded.buffer()?;
    let segment = coded.segment()?.downcast_ref::<gst::ClockTime>()?;
    let running = segment.to_running_time(buffer.pts()?)?;
    let time = MediaTime::from_nanos(i64::try_from(running.nseconds()).ok()?);
    Some(AccessUnit {
        dts: time,
        pts: time,
        random_access: !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT),
        data: Bytes::copy_from_slice(&buffer.map_readable().ok()?),
    })
}
