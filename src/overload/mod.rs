//! What happens where the machine is too small: how fast it encodes is measured, a broadcast that would
//! push the others below real time is not let in, and under sudden pressure something is shed.
//!
//! [`speed`], [`admission`], [`pressure`] and [`steps`] decide, without a clock; [`Overload`] is asked
//! by the gate, and looks at the broadcasts each second.

mod admission;
mod pressure;
mod processor;
mod speed;
mod steps;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use media_core::graph::{Preset, Shed, Shedding, VideoEncoder};
use media_core::{BroadcastId, Rung};

pub(crate) use self::admission::{Admission, Room};
use self::admission::{CORES_SHARE_MAX, Needs};
use self::pressure::Seen;
use self::processor::Processor;
use self::speed::{Speed, Work};
use self::steps::Steps;

/// How often broadcasts are looked at.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What a running broadcast is encoded by, and how far it is.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    pub(crate) id: BroadcastId,
    /// `None`: its media is not known yet.
    pub(crate) known: Option<Known>,
    /// How it was let in.
    pub(crate) room: Room,
    /// As configured for it; under pressure it may be another one.
    pub(crate) preset: Preset,
    /// The shortest that a picture waited since the last look; `None`: none came.
    pub(crate) shortest_wait: Option<Duration>,
}

impl Load {
    /// Whether its publisher sends pictures, where it has any.
    fn is_sent(&self) -> bool {
        let known = self.known.as_ref();
        let has_pictures = known.is_some_and(|known| !known.rungs.is_empty());
        !has_pictures || self.shortest_wait.is_some()
    }
}

/// The media of a broadcast.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    /// Empty: sound alone.
    pub(crate) rungs: Vec<Rung>,
    /// Frames a second.
    pub(crate) rate: f64,
    /// Pictures that the lowest rung's encoder has handed out.
    pub(crate) encoded: u64,
    /// Whether the highest rung is the source as it comes.
    pub(crate) passes_source: bool,
}

impl Known {
    /// What so many of its pictures take.
    fn work(&self, preset: Preset, pictures: f64) -> Work {
        Work::of_ladder(&self.rungs, self.passes_source, preset, pictures)
    }
}

/// What is known of the machine, for people.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Capacity {
    pub(crate) admission: Admission,
    pub(crate) cores: usize,
    /// Pixels a second that a core encodes by `veryfast`; `None`: not known yet.
    pub(crate) pixels_a_second: Option<f64>,
    /// Cores that all broadcasts need together; `None`: not known yet.
    pub(crate) needed: Option<f64>,
    /// What is shed.
    pub(crate) shed: Shed,
}

impl From<Capacity> for control_api::Capacity {
    fn from(it: Capacity) -> Self {
        use control_api::capacity;
        // Three digits are more than is known.
        let rounded = |number: f64| (number * 1000.0).round() / 1000.0;
        Self {
            cores: it.cores,
            megapixels_per_core_s: it.pixels_a_second.map(|pixels| rounded(pixels / 1e6)),
            needed_cores: it.needed.map(rounded),
            cores_max: rounded(it.cores as f64 * CORES_SHARE_MAX),
            admission: match it.admission {
                Admission::Refuse => capacity::Admission::Refuse,
                Admission::Source => capacity::Admission::Source,
                Admission::Off => capacity::Admission::Off,
            },
            shed: match it.shed {
                Shed::Nothing => capacity::Shed::Nothing,
                Shed::Thumbnails => capacity::Shed::Thumbnails,
                Shed::Preset => capacity::Shed::Preset,
                Shed::TopRung => capacity::Shed::TopRung,
            },
        }
    }
}

/// How broadcasts are encoded, as far as their costs go.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) admission: Admission,
    pub(crate) cores: usize,
    pub(crate) encoder: VideoEncoder,
    /// `None`: by the cores each broadcast has.
    pub(crate) preset: Option<Preset>,
    /// The whole ladder.
    pub(crate) rungs: Vec<Rung>,
    /// Whether its highest rung may be the source: it is encoded only now and then.
    pub(crate) passes_source: bool,
}

/// See the module. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Overload {
    settings: Arc<Settings>,
    shedding: Shedding,
    /// Steps up, by what was shed then.
    steps: Arc<[AtomicU64; Shed::ALL.len()]>,
    processor: Arc<Mutex<Processor>>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    speed: Speed,
    steps: Steps,
    began: Instant,
    /// When was looked last, and what each broadcast had encoded by then.
    looked: Option<(Instant, HashMap<BroadcastId, u64>)>,
    /// Who fell behind then.
    behind: HashSet<BroadcastId>,
}

/// How far a broadcast has come since the last look.
struct Progress<'a> {
    load: &'a Load,
    known: &'a Known,
    /// Pictures.
    encoded: u64,
}

impl Progress<'_> {
    /// What that took.
    fn work(&self) -> Work {
        self.known.work(self.load.preset, self.encoded as f64)
    }

    /// Whether it falls behind, as it did `before` or did not.
    fn falls_behind(&self, before: bool, span: Duration) -> bool {
        let seen = Seen {
            shortest_wait: self.load.shortest_wait,
            before,
            encoded: self.encoded,
            rate: self.known.rate,
            span,
        };
        !self.known.rungs.is_empty() && seen.falls_behind()
    }
}

impl Overload {
    pub(crate) fn new(settings: Settings) -> Self {
        let state = State {
            speed: Speed::default(),
            steps: Steps::new(possible(&settings)),
            began: Instant::now(),
            looked: None,
            behind: HashSet::new(),
        };
        Self {
            settings: Arc::new(settings),
            shedding: Shedding::default(),
            steps: Arc::default(),
            processor: Arc::default(),
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// Where ladders read what is shed.
    pub(crate) fn shedding(&self) -> &Shedding {
        &self.shedding
    }

    /// How often each was shed.
    pub(crate) fn steps(&self) -> impl Iterator<Item = (Shed, u64)> {
        let counts = self.steps.iter().map(|steps| steps.load(Ordering::Relaxed));
        Shed::ALL.into_iter().zip(counts).skip(1)
    }

    /// How a further broadcast by `preset` is let in beside these; `None`: it is not.
    pub(crate) fn room(&self, running: &[Load], preset: Preset) -> Option<Room> {
        let speed = self.state().speed;
        let cores_of = |room| speed.cores(self.expected(room, preset));
        let new = cores_of(Room::Ladder).zip(cores_of(Room::Source));
        let new = new.map(|(ladder, source)| Needs { ladder, source });
        let cores = self.settings.cores;
        let running_cores = speed.cores(self.needed(running));
        let admission = self.settings.admission;
        admission.room(running.len(), running_cores, new, cores)
    }

    /// What is known of the machine while these run.
    pub(crate) fn capacity(&self, running: &[Load]) -> Capacity {
        let speed = self.state().speed;
        Capacity {
            admission: self.settings.admission,
            cores: self.settings.cores,
            pixels_a_second: speed.pixels_a_second(),
            needed: speed.cores(self.needed(running)),
            shed: self.shedding.now(),
        }
    }

    /// Looks at the running broadcasts: learns what they cost, and sheds more or less. Reads /proc.
    pub(crate) fn look(&self, running: &[Load]) {
        let now = Instant::now();
        // Before the lock is taken, which the gate wants too.
        let spent = self.spent();
        let mut state = self.state();
        let encoded = running.iter().filter_map(|load| {
            let known = load.known.as_ref()?;
            Some((load.id.clone(), known.encoded))
        });
        let looked = state.looked.replace((now, encoded.collect()));
        let Some((before, encoded_before)) = looked else {
            return;
        };
        let span = now.saturating_duration_since(before);
        let progress = running.iter().filter_map(|load| {
            let known = load.known.as_ref()?;
            let encoded = known.encoded.saturating_sub(*encoded_before.get(&load.id)?);
            Some(Progress {
                load,
                known,
                encoded,
            })
        });
        let progress: Vec<_> = progress.collect();
        // Under pressure other things are encoded than these, and a slate costs next to nothing.
        let is_usual = self.shedding.now() == Shed::Nothing && running.iter().all(Load::is_sent);
        if let Some(spent) = spent.filter(|_| is_usual) {
            let work = progress.iter().map(Progress::work).sum();
            state.speed.learn(work, spent, span);
        }
        let behind = progress.iter().filter(|it| {
            let before = state.behind.contains(&it.load.id);
            it.falls_behind(before, span)
        });
        let behind: HashSet<_> = behind.map(|it| it.load.id.clone()).collect();
        let behind_count = behind.len();
        state.behind = behind;
        let before = state.steps.shed();
        let time = now.saturating_duration_since(state.began);
        let step = match running {
            [] => state.steps.idle(),
            _ => state.steps.look(behind_count > 0, time),
        };
        if let Some(shed) = step {
            self.shed(before, shed, behind_count);
        }
    }

    fn shed(&self, before: Shed, shed: Shed, behind: usize) {
        self.shedding.set(shed);
        if shed > before {
            self.steps[shed as usize].fetch_add(1, Ordering::Relaxed);
            tracing::warn!(
                shed = %shed,
                before = %before,
                behind,
                "broadcasts fall behind real time: this machine is too small, and leaves something out"
            );
        } else {
            tracing::info!(shed = %shed, before = %before, "broadcasts keep up: less is left out");
        }
    }

    /// What these take together each second, nothing shed.
    fn needed(&self, running: &[Load]) -> Work {
        let of = |load: &Load| match &load.known {
            Some(known) => known.work(load.preset, known.rate),
            None => self.expected(load.room, load.preset),
        };
        running.iter().map(of).sum()
    }

    /// What a broadcast takes each second whose media is not known yet.
    fn expected(&self, room: Room, preset: Preset) -> Work {
        let rungs = &self.settings.rungs;
        match room {
            Room::Ladder => Work::a_second(rungs, false, preset, None),
            Room::Source => Work::a_second(&rungs[..rungs.len().min(1)], true, preset, None),
        }
    }

    fn spent(&self) -> Option<Duration> {
        let processor = self.processor.lock();
        processor.unwrap_or_else(PoisonError::into_inner).spent()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Its parts change whole: a panic in between leaves valid ones.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What can be shed at all.
fn possible(settings: &Settings) -> Vec<Shed> {
    let has_faster =
        settings.encoder == VideoEncoder::X264 && settings.preset != Some(Preset::Ultrafast);
    Shed::ALL
        .into_iter()
        .filter(|shed| match shed {
            Shed::Nothing => false,
            Shed::Thumbnails => true,
            Shed::Preset => has_faster,
            Shed::TopRung => settings.rungs.len() > 1 && !settings.passes_source,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use media_core::Ladder;

    use super::*;

    fn settings(preset: Option<Preset>, rungs: usize) -> Settings {
        Settings {
            admission: Admission::Refuse,
            cores: 2,
            encoder: VideoEncoder::X264,
            preset,
            rungs: Ladder::standard().rungs[..rungs].to_vec(),
            passes_source: false,
        }
    }

    fn load(known: Option<Known>) -> Load {
        Load {
            id: BroadcastId::new("a").expect("an id"),
            known,
            room: Room::Ladder,
            preset: Preset::Veryfast,
            shortest_wait: None,
        }
    }

    #[test]
    fn what_would_save_nothing_here_is_not_shed() {
        let (thumbnails, preset, top) = (Shed::Thumbnails, Shed::Preset, Shed::TopRung);
        for (of, rungs, expected) in [
            (None, 4, vec![thumbnails, preset, top]),
            (Some(Preset::Ultrafast), 4, vec![thumbnails, top]),
            (Some(Preset::Superfast), 1, vec![thumbnails, preset]),
        ] {
            assert_eq!(possible(&settings(of, rungs)), expected);
        }
    }

    #[test]
    fn a_second_broadcast_is_measured_against_what_the_first_one_costs() {
        let overload = Overload::new(settings(None, 4));
        let rungs = Ladder::standard().rungs;
        let known = |rungs: &[Rung], rate| {
            let (rungs, encoded) = (rungs.to_vec(), 0);
            let known = Known {
                rungs,
                rate,
                encoded,
                passes_source: false,
            };
            [load(Some(known))]
        };
        let full = known(&rungs, 30.0);
        assert!(
            overload.room(&full, Preset::Veryfast).is_some(),
            "nothing is known yet"
        );
        let (second, cost) = (Duration::from_secs(1), Duration::from_millis(1200));
        for _ in 0..10 {
            let work = Work::a_second(&rungs, false, Preset::Veryfast, Some(30.0));
            overload.state().speed.learn(work, cost, second);
        }
        let admits = |running: &[Load], preset| overload.room(running, preset).is_some();
        assert!(!admits(&full, Preset::Veryfast));
        assert!(admits(&full, Preset::Ultrafast), "1.2 and 0.5 cores");
        assert!(!admits(&known(&rungs, 60.0), Preset::Ultrafast));
        assert!(admits(&known(&rungs[3..], 30.0), Preset::Veryfast));
        assert!(!admits(&[load(None)], Preset::Veryfast), "as configured");
        let alone = [Load {
            room: Room::Source,
            ..load(None)
        }];
        assert!(admits(&alone, Preset::Veryfast), "it has no ladder");
        assert!(
            admits(&[], Preset::Medium),
            "there is nobody to be pushed down"
        );
        // Who passes its source leaves room for another one.
        let mut passing = known(&rungs, 30.0);
        for known in passing.iter_mut().filter_map(|load| load.known.as_mut()) {
            known.passes_source = true;
        }
        assert!(admits(&passing, Preset::Veryfast), "0.65 and 1.2 of 1.9");
        let needed = overload.capacity(&full).needed.expect("known");
        assert!((needed - 1.2).abs() < 1e-9, "{needed}");
    }
}
