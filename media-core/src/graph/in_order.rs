//! A video rendition's way out: its coded pictures in the order of the grid, whoever coded them.
//!
//! Two encoders' threads may take turns in one rendition. What the later one hands out waits until the
//! earlier one has handed out the rest of its own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::parameter_sets::Announced;
use super::transcoder::Output;
use crate::chunk::InitKind;
use crate::id::RenditionName;
use crate::ladder::Bitrate;
use crate::sample::{Sample, Track};

/// Coded pictures that wait for an earlier one: more than an encoder that looks ahead has in hand.
const WAITING_MAX: usize = 128;

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
    /// What players have.
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
        let mut state = self.state();
        // One that was given up, and comes after all, is late.
        if index >= state.next {
            state.waiting.insert(index, (config, sample));
        }
        while let Some((config, sample)) = state.next() {
            self.hand_out(&mut state.announced, &config, sample);
        }
    }

    fn hand_out(&self, announced: &mut Option<Announced>, config: &Bytes, mut sample: Sample) {
        let announced = announced.get_or_insert_with(|| {
            self.output.track(Track {
                rendition: self.rendition.clone(),
                kind: self.kind,
                bitrate: self.bitrate,
                decoder_config: config.clone(),
            });
            Announced::new(config.clone())
        });
        if sample.sync {
            sample.data = match announced.sync_sample(config, sample.data) {
                Ok(data) => data,
                Err(error) => {
                    tracing::error!(rendition = %self.rendition, %error, "an encoder's output does not fit its track");
                    return self.output.failed();
                }
            };
        }
        self.output.sample(&self.rendition, sample);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic under it ends the broadcast.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The next picture, where it is there; past the bound the earliest that is.
    fn next(&mut self) -> Option<(Bytes, Sample)> {
        if self.waiting.len() > WAITING_MAX
            && let Some((first, _)) = self.waiting.first_key_value()
        {
            let (missing, first) = (self.next, *first);
            tracing::error!(missing, first, "an encoder has left pictures out");
            self.next = first;
        }
        let next = self.waiting.remove(&self.next)?;
        self.next += 1;
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::thumbnail::Thumbnail;
    use crate::time::{FrameRate, MediaTime};

    const RATE: fn() -> FrameRate = || FrameRate::new(30, 1).expect("a rate");

    #[derive(Default)]
    struct Handed(Mutex<Vec<MediaTime>>);

    impl Output for Handed {
        fn started(&self, _: &super::super::Plan) {}
        fn track(&self, _: Track) {}
        fn sample(&self, _: &RenditionName, sample: Sample) {
            self.0.lock().expect("no panic").push(sample.time);
        }
        fn thumbnail(&self, _: Thumbnail) {}
        fn failed(&self) {}
    }

    fn in_order() -> (InOrder, Arc<Handed>) {
        let handed = Arc::new(Handed::default());
        let kind = InitKind::Video {
            width: 16,
            height: 16,
            frame_rate: RATE(),
        };
        let name = RenditionName::new("720p").expect("a name");
        let bitrate = Bitrate::from_kbps(100);
        let in_order = InOrder::new(Arc::clone(&handed) as Arc<dyn Output>, name, kind, bitrate);
        (in_order, handed)
    }

    fn put(in_order: &InOrder, indices: impl IntoIterator<Item = u64>) {
        for index in indices {
            let sample = Sample {
                time: RATE().frame_time(index),
                duration: Duration::from_millis(33),
                sync: false,
                segment: None,
                data: Bytes::new(),
            };
            in_order.put(index, Bytes::new(), sample);
        }
    }

    fn times(indices: impl IntoIterator<Item = u64>) -> Vec<MediaTime> {
        let indices = indices.into_iter();
        indices.map(|index| RATE().frame_time(index)).collect()
    }

    #[test]
    fn what_a_second_encoder_hands_out_waits_for_the_rest_of_the_first() {
        let (in_order, handed) = in_order();
        put(&in_order, (0..50).chain(60..90));
        assert_eq!(*handed.0.lock().expect("no panic"), times(0..50));
        put(&in_order, 50..60);
        assert_eq!(*handed.0.lock().expect("no panic"), times(0..90));
    }

    #[test]
    fn what_never_comes_is_not_waited_for_without_end() {
        let (in_order, handed) = in_order();
        put(&in_order, 1..=WAITING_MAX as u64);
        assert_eq!(*handed.0.lock().expect("no panic"), []);
        put(&in_order, [WAITING_MAX as u64 + 1]);
        put(&in_order, [0]);
        let all = times(1..=WAITING_MAX as u64 + 1);
        assert_eq!(*handed.0.lock().expect("no panic"), all);
    }
}
