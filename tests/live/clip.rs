//! Short sources, made by `ffmpeg` from painted pictures and a beep where the flash is.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::picture::{Scene, paint};
use crate::program::ffmpeg;

/// How long a beep sounds, in seconds.
const BEEP_S: f64 = 0.1;

/// What a clip consists of. Changed by struct update from [`Clip::new`].
#[derive(Clone, Debug)]
pub(crate) struct Clip {
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// Frames in how many seconds.
    pub(crate) rate: (u32, u32),
    pub(crate) frames: u32,
    pub(crate) scene: Scene,
    /// ffmpeg's options for the picture (filters and encoder); empty: no picture.
    pub(crate) video: &'static str,
    /// ffmpeg's options for the sound; empty: no sound.
    pub(crate) audio: &'static str,
    /// `aevalsrc`'s rate and channel layout.
    pub(crate) sound: &'static str,
    /// The container, by file name.
    pub(crate) container: &'static str,
}

/// H.264 with a keyframe at every second of 25 or 30 frames.
pub(crate) const H264: &str =
    "-c:v libx264 -preset ultrafast -tune zerolatency -g 30 -pix_fmt yuv420p -threads 1";

/// AAC at 128 kbit/s.
pub(crate) const AAC: &str = "-c:a aac -b:a 128k";

impl Clip {
    /// 320×180 at 30 frames a second with counter, flash and beep, H.264 and AAC.
    pub(crate) fn new(frames: u32) -> Self {
        Self {
            width: 320,
            height: 180,
            rate: (30, 1),
            frames,
            scene: Scene::Counter,
            video: H264,
            audio: AAC,
            sound: "s=48000:c=stereo",
            container: "mp4",
        }
    }

    /// Frames from flash to flash: a second, to the nearest frame.
    pub(crate) fn flash_every(&self) -> u32 {
        (self.rate.0 + self.rate.1 / 2) / self.rate.1
    }

    /// One frame, in seconds.
    pub(crate) fn frame_s(&self) -> f64 {
        f64::from(self.rate.1) / f64::from(self.rate.0)
    }

    /// The file; made where it is not there from another test.
    pub(crate) fn file(&self) -> PathBuf {
        let mut hasher = DefaultHasher::new();
        format!("{self:?}").hash(&mut hasher);
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clips");
        fs::create_dir_all(&folder).expect("a folder");
        let file = folder.join(format!("{:016x}.{}", hasher.finish(), self.container));
        if !file.exists() {
            // Under its own name first: tests run side by side.
            let own = folder.join(format!("{}-{}", std::process::id(), self.container));
            self.make(&own);
            fs::rename(own, &file).expect("the same folder");
        }
        file
    }

    fn make(&self, file: &Path) {
        let mut command = ffmpeg(["-y"]);
        // Standard input carries the pictures.
        let size = format!("{}x{}", self.width, self.height);
        let rate = format!("{}/{}", self.rate.0, self.rate.1);
        if !self.video.is_empty() {
            command.args(["-f", "rawvideo", "-pix_fmt", "gray", "-s", &size]);
            command.args(["-framerate", &rate, "-i", "pipe:0"]);
        }
        if !self.audio.is_empty() {
            let period = f64::from(self.flash_every()) * self.frame_s();
            let length = f64::from(self.frames) * self.frame_s();
            // Silent in its first second, as the picture is dark.
            let beep = format!("0.5*sin(2*PI*1000*t)*lt(mod(t,{period}),{BEEP_S})*gte(t,{period})");
            let channels = if self.sound.ends_with("5.1") {
                6
            } else if self.sound.ends_with("mono") {
                1
            } else {
                2
            };
            let all = vec![beep; channels].join("|").replace(',', "\\,");
            let source = format!("aevalsrc={all}:d={length}:{}", self.sound);
            command.args(["-f", "lavfi", "-i", &source]);
        }
        command.args(self.video.split_whitespace());
        command.args(self.audio.split_whitespace());
        let format = match self.container {
            "ts" => "mpegts",
            other => other,
        };
        command.args(["-f", format]).arg(file);
        self.feed(&mut command);
    }

    fn feed(&self, command: &mut Command) {
        let child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn();
        let mut child = child.expect("ffmpeg is installed: see make test");
        let mut input = child.stdin.take().expect("piped");
        if !self.video.is_empty() {
            for number in 0..self.frames {
                let grey = paint(
                    self.scene,
                    self.width,
                    self.height,
                    number,
                    self.flash_every(),
                );
                input.write_all(&grey).expect("ffmpeg reads all pictures");
            }
        }
        drop(input);
        assert!(child.wait().expect("a child").success(), "{self:?}");
    }
}
