//! One publication's media: FLV tags with 32-bit times become access units on one unbroken clock.

use std::time::Duration;

use bytes::Bytes;
use media_core::{AccessUnit, AudioCodec, CodecConfig, Media, MediaTime, VideoCodec};

use super::error::{Error, Place};
use super::flv::{self, Audio, Video};
use super::limits::CLOCK_MS_MAX;

/// Unwraps a publisher's timestamps, which are milliseconds modulo 2³² and wrap after 49.7 days.
/// Each is placed where it is nearest to the one before (RTMP 1.0 §4, serial arithmetic).
#[derive(Default)]
struct Clock {
    last_ms: Option<i64>,
}

impl Clock {
    fn unwrap_ms(&mut self, timestamp_ms: u32) -> Result<i64, Error> {
        let now_ms = match self.last_ms {
            None => i64::from(timestamp_ms),
            Some(last) => last + i64::from(timestamp_ms.wrapping_sub(last as u32) as i32),
        };
        if now_ms.abs() > CLOCK_MS_MAX {
            return Err(Error::Limit {
                place: Place::Payload(0),
                what: "distance of the publisher's clock from zero in milliseconds",
                max: CLOCK_MS_MAX as u64,
                found: now_ms.unsigned_abs(),
            });
        }
        self.last_ms = Some(now_ms);
        Ok(now_ms)
    }
}

/// What a publication has said of its tracks so far.
#[derive(Default)]
pub(crate) struct Tracks {
    clock: Clock,
    video: Option<CodecConfig<VideoCodec>>,
    audio: Option<CodecConfig<AudioCodec>>,
    undecodable_frames: u64,
}

impl Tracks {
    /// Frames thrown away since no configuration of their codec had come.
    pub(crate) fn undecodable_frames(&self) -> u64 {
        self.undecodable_frames
    }

    /// Takes a video message.
    pub(crate) fn video(
        &mut self,
        timestamp_ms: u32,
        payload: &Bytes,
    ) -> Result<Option<Media>, Error> {
        match flv::video(payload)? {
            Video::Nothing => Ok(None),
            Video::Config(config) => {
                // Some encoders repeat it before every keyframe.
                if self.video.as_ref() == Some(&config) {
                    return Ok(None);
                }
                self.video = Some(config.clone());
                Ok(Some(Media::VideoConfig(config)))
            }
            Video::Frame {
                codec,
                composition_ms,
                random_access,
                data,
            } => {
                let dts_ms = self.clock.unwrap_ms(timestamp_ms)?;
                if self
                    .video
                    .as_ref()
                    .is_none_or(|config| config.codec != codec)
                {
                    self.undecodable_frames += 1;
                    return Ok(None);
                }
                Ok(Some(Media::Video(AccessUnit {
                    dts: MediaTime::from_millis(dts_ms),
                    pts: MediaTime::from_millis(dts_ms + i64::from(composition_ms)),
                    random_access,
                    data,
                })))
            }
        }
    }

    /// Takes an audio message; gives up to a configuration and a frame.
    pub(crate) fn audio(
        &mut self,
        timestamp_ms: u32,
        payload: &Bytes,
    ) -> Result<[Option<Media>; 2], Error> {
        match flv::audio(payload)? {
            Audio::Nothing => Ok([None, None]),
            Audio::Config(config) => Ok([self.audio_config(config), None]),
            Audio::Frame { codec, data } => {
                let dts = MediaTime::from_millis(self.clock.unwrap_ms(timestamp_ms)?);
                let mut config = None;
                if self
                    .audio
                    .as_ref()
                    .is_none_or(|config| config.codec != codec)
                {
                    if codec == AudioCodec::Aac {
                        self.undecodable_frames += 1;
                        return Ok([None, None]);
                    }
                    // MP3 and Opus frames say themselves how they are decoded.
                    let record = Bytes::new();
                    config = self.audio_config(CodecConfig { codec, record });
                }
                let frame = Media::Audio(AccessUnit {
                    dts,
                    pts: dts,
                    random_access: true,
                    data,
                });
                Ok([config, Some(frame)])
            }
        }
    }

    fn audio_config(&mut self, config: CodecConfig<AudioCodec>) -> Option<Media> {
        if self.audio.as_ref() == Some(&config) {
            return None;
        }
        self.audio = Some(config.clone());
        Some(Media::AudioConfig(config))
    }
}

/// Checked on the spot: the clock's bound times a million fits in 64 bits.
const _: () = assert!(CLOCK_MS_MAX < i64::MAX / 4 / Duration::from_millis(1).as_nanos() as i64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_goes_on_over_the_wrap_and_steps_back_over_it() {
        let mut clock = Clock::default();
        assert_eq!(clock.unwrap_ms(u32::MAX - 10), Ok(4_294_967_285));
        assert_eq!(clock.unwrap_ms(5), Ok((1 << 32) + 5));
        // Audio that was cut a little before the wrap and comes after the video behind it.
        assert_eq!(clock.unwrap_ms(u32::MAX), Ok((1 << 32) - 1));
        assert_eq!(clock.unwrap_ms(40), Ok((1 << 32) + 40));
    }

    #[test]
    fn a_peer_cannot_drive_the_clock_into_an_overflow() {
        let mut clock = Clock::default();
        let step = i32::MAX as u32;
        let mut timestamp_ms = 0_u32;
        let steps = (0..1000).find(|_| {
            timestamp_ms = timestamp_ms.wrapping_add(step);
            clock.unwrap_ms(timestamp_ms).is_err()
        });
        assert_eq!(steps, Some(512));
    }

    #[test]
    fn frames_before_their_configuration_are_counted_and_not_handed_on() {
        let mut tracks = Tracks::default();
        let picture = Bytes::from_static(&[0x17, 1, 0, 0, 0, 9]);
        assert!(tracks.video(0, &picture).expect("valid").is_none());
        let aac = Bytes::from_static(&[0xaf, 1, 9]);
        assert!(tracks.audio(0, &aac).expect("valid")[1].is_none());
        assert_eq!(tracks.undecodable_frames(), 2);
    }

    #[test]
    fn a_repeated_configuration_is_told_once_and_a_changed_one_again() {
        let mut tracks = Tracks::default();
        let config = |level: u8| Bytes::from(vec![0x17, 0, 0, 0, 0, 1, 100, 0, level, 255, 225, 0]);
        assert!(tracks.video(0, &config(31)).expect("valid").is_some());
        assert!(tracks.video(0, &config(31)).expect("valid").is_none());
        assert!(tracks.video(0, &config(40)).expect("valid").is_some());
    }

    #[test]
    fn mp3_is_announced_with_its_first_frame() {
        let mut tracks = Tracks::default();
        let frame = Bytes::from_static(&[0x2f, 0xff, 0xfb]);
        let first = tracks.audio(26, &frame).expect("valid");
        let [Some(Media::AudioConfig(config)), Some(Media::Audio(unit))] = first else {
            panic!("{first:?}");
        };
        assert_eq!((config.codec, config.record.len()), (AudioCodec::Mp3, 0));
        assert_eq!(unit.pts, MediaTime::from_millis(26));
        assert!(tracks.audio(52, &frame).expect("valid")[0].is_none());
    }
}
