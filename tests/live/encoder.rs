//! Real encoders' command lines: each sends a clip in real time, as it is.

use std::path::Path;
use std::process::Command;

use crate::program::{Program, ffmpeg};
use crate::server::Stream;

/// By which protocol `ffmpeg` sends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Carrier {
    Rtmp,
    Srt,
}

impl Carrier {
    /// Sends `clip` to `stream`.
    pub(crate) fn publish(self, clip: &Path, stream: &Stream) -> Program {
        match self {
            Self::Rtmp => rtmp(clip, &stream.rtmp),
            Self::Srt => srt(clip, &stream.srt),
        }
    }

    /// How many of a clip's last frames may not have been sent when it ends: SRT closes without
    /// waiting for what is still in its buffer.
    pub(crate) fn tail_frames(self) -> u32 {
        match self {
            Self::Rtmp => 0,
            Self::Srt => SRT_TAIL_FRAMES,
        }
    }
}

/// A tenth of a second at most rates: SRT's latency here.
pub(crate) const SRT_TAIL_FRAMES: u32 = 4;

/// `ffmpeg` over RTMP.
pub(crate) fn rtmp(clip: &Path, url: &str) -> Program {
    let mut command = ffmpeg(["-re", "-i"]);
    command.arg(clip).args(["-c", "copy", "-f", "flv", url]);
    Program::start(&mut command)
}

/// `ffmpeg` over SRT.
pub(crate) fn srt(clip: &Path, url: &str) -> Program {
    let mut command = ffmpeg(["-re", "-i"]);
    command.arg(clip).args(["-c", "copy", "-f", "mpegts"]);
    Program::start(command.arg(srt_url(url)))
}

/// With what `ffmpeg` needs besides: datagrams of whole packets.
pub(crate) fn srt_url(url: &str) -> String {
    format!("{url}&pkt_size=1316")
}

/// A GStreamer pipeline, one word an argument.
pub(crate) fn gstreamer(pipeline: &str) -> Program {
    let mut command = Command::new("gst-launch-1.0");
    command.arg("-q").args(pipeline.split_whitespace());
    Program::start(&mut command)
}
