//! A video rendition's way out: its coded pictures in the order of the grid, whoever coded them.
//!
//! Players have the decoder configuration of the first one. Whose is another brings it along, in band,
//! at each keyframe.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::parameter_sets::Announced;
use super::transcoder::Output;
use crate::chunk::InitKind;
use crate::id::RenditionName;
use crate::ladder::Bitrate;
use crate::sample::{Sample, Track};

/// Pictures that wait for one before them: more than are inside an encoder that does not look ahead,
/// and what waits before it.
const WAITING_MAX: usize = 64;

/// See the module.
pub(super) struct InOrder {
    output: Arc<dyn Output>,
    rendition: RenditionName,
    kind: InitKind,
    bitrate: Bitrate,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    next: u64,
    waiting: BTreeMap<u64, (Bytes, Sample)>,
    /// The configuration that players have.
    announced: Option<Announced>,
}

impl InOrder {
    pub(super) fn new(
        output: Arc<dyn Output>,
        rendition: RenditionName,
        kind: InitKind,
        bitrate: Bitrate,
    ) -> Self {
        Self {
            output,
            rendition,
            kind,
            bitrate,
            state: Mutex::default(),
        }
    }

    /// Takes the picture of grid point `index`, coded by `config` (an
    /// `AVCDecoderConfigurationRecord`), and hands out what is complete up to the next one that is
    /// missing.
    pub(super) fn put(&self, index: u64, config: Bytes, sample: Sample) {
        // Held while samples go out, so that none overtakes another.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.waiting.insert(index, (config, sample));
        while let Some((config, sample)) = state.next() {
            self.hand_out(&mut state.announced, config, sample);
        }
    }

    fn hand_out(&self, announced: &mut Option<Announced>, config: Bytes, mut sample: Sample) {
        if announced.is_none() {
            *announced = Some(Announced::new(config.clone()));
            self.output.track(Track {
                rendition: self.rendition.clone(),
                kind: self.kind,
                bitrate: self.bitrate,
                decoder_config: config.clone(),
            });
        }
        if let Some(announced) = announced.as_mut().filter(|_| sample.sync) {
            sample.data = match announced.sync_sample(&config, sample.data) {
                Ok(data) => data,
                Err(error) => {
                    tracing::error!(rendition = %self.rendition, %error, "a picture does not fit its track");
                    return self.output.failed();
                }
            };
        }
        self.output.sample(&self.rendition, sample);
    }
}

impl State {
    fn next(&mut self) -> Option<(Bytes, Sample)> {
        if self.waiting.len() > WAITING_MAX
            && let Some((first, _)) = self.waiting.first_key_value()
        {
            tracing::error!(
                expected = self.next,
                found = first,
                "an encoder has left pictures out"
            );
            self.next = *first;
        }
        let next = self.waiting.remove(&self.next)?;
        self.next += 1;
        Some(next)
    }
}
