//! When more is shed, and when less: up quickly, down slowly, and more slowly the more often that was
//! too early. A pure state machine: time is an argument.

use std::time::Duration;

use media_core::graph::Shed;

/// How long broadcasts fall behind before anything is shed. A busy second passes.
const PRESSED_FOR: Duration = Duration::from_secs(1);

/// From one step to the next: what is shed counts from the next segment's beginning on, and that has
/// to show.
const UP_EVERY: Duration = Duration::from_secs(3);

/// How long all is well before a step is taken back.
const CALM_FOR: Duration = Duration::from_secs(20);

/// The same at most, after steps that were taken back too early: each of them doubles it.
const CALM_FOR_MAX: Duration = Duration::from_secs(600);

/// Pressure so soon after a step was taken back is because of that.
const RELAPSE_WITHIN: Duration = Duration::from_secs(60);

/// See the module.
#[derive(Debug)]
pub(crate) struct Steps {
    shed: Shed,
    /// What there is to be shed here.
    possible: Vec<Shed>,
    pressed_since: Option<Duration>,
    calm_since: Option<Duration>,
    /// The last step, up or down.
    stepped: Option<Duration>,
    /// When a step was taken back last, until it has proved right.
    taken_back: Option<Duration>,
    patience: Duration,
}

impl Steps {
    /// Nothing is shed. Steps that would save nothing on this machine are not `possible`.
    pub(crate) fn new(possible: Vec<Shed>) -> Self {
        Self {
            shed: Shed::Nothing,
            possible,
            pressed_since: None,
            calm_since: None,
            stepped: None,
            taken_back: None,
            patience: CALM_FOR,
        }
    }

    /// What is shed.
    pub(crate) const fn shed(&self) -> Shed {
        self.shed
    }

    /// Takes whether any broadcast falls behind at `now`, at least each second; what is shed from now
    /// on, where that changes.
    pub(crate) fn look(&mut self, pressed: bool, now: Duration) -> Option<Shed> {
        match pressed {
            true => {
                self.calm_since = None;
                let since = *self.pressed_since.get_or_insert(now);
                self.up(now.saturating_sub(since), now)
            }
            false => {
                self.pressed_since = None;
                let since = *self.calm_since.get_or_insert(now);
                self.down(now.saturating_sub(since), now)
            }
        }
    }

    /// There are no broadcasts: what was shed for their sake is over.
    pub(crate) fn idle(&mut self) -> Option<Shed> {
        let before = self.shed;
        *self = Self::new(std::mem::take(&mut self.possible));
        (before != Shed::Nothing).then_some(Shed::Nothing)
    }

    fn up(&mut self, pressed_for: Duration, now: Duration) -> Option<Shed> {
        let waits = self
            .stepped
            .is_some_and(|at| now.saturating_sub(at) < UP_EVERY);
        if pressed_for < PRESSED_FOR || waits {
            return None;
        }
        let mut more = self.possible.iter().copied();
        let next = more.find(|shed| *shed > self.shed)?;
        if self.taken_back.take().is_some() {
            self.patience = (self.patience * 2).min(CALM_FOR_MAX);
        }
        self.step(next, now)
    }

    fn down(&mut self, calm_for: Duration, now: Duration) -> Option<Shed> {
        let proved = |at: &mut Duration| now.saturating_sub(*at) >= RELAPSE_WITHIN;
        if self.taken_back.take_if(proved).is_some() {
            self.patience = CALM_FOR;
        }
        let since_step = self.stepped.map(|at| now.saturating_sub(at));
        let is_long = calm_for >= self.patience && since_step.is_none_or(|it| it >= self.patience);
        if self.shed == Shed::Nothing || !is_long {
            return None;
        }
        let less = self.possible.iter().rev().copied();
        let mut less = less.filter(|shed| *shed < self.shed);
        let next = less.next().unwrap_or(Shed::Nothing);
        self.taken_back = Some(now);
        self.step(next, now)
    }

    fn step(&mut self, next: Shed, now: Duration) -> Option<Shed> {
        self.shed = next;
        self.stepped = Some(now);
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Shed; 3] = [Shed::Thumbnails, Shed::Preset, Shed::TopRung];

    /// A machine that is looked at each second; broadcasts fall behind where `pressed` says so of what
    /// is shed and of the time. When each step came, in seconds.
    fn watch(
        steps: &mut Steps,
        seconds: std::ops::Range<u64>,
        pressed: impl Fn(Shed, u64) -> bool,
    ) -> Vec<(u64, Shed)> {
        let mut changes = Vec::new();
        for second in seconds {
            let pressed = pressed(steps.shed(), second);
            if let Some(shed) = steps.look(pressed, Duration::from_secs(second)) {
                changes.push((second, shed));
            }
        }
        changes
    }

    #[test]
    fn under_pressure_each_step_follows_the_last_within_seconds_and_in_order() {
        let mut steps = Steps::new(ALL.to_vec());
        let changes = watch(&mut steps, 0..30, |_, second| second >= 5);
        let expected = [
            (6, Shed::Thumbnails),
            (9, Shed::Preset),
            (12, Shed::TopRung),
        ];
        assert_eq!(changes, expected);
    }

    #[test]
    fn single_busy_seconds_change_nothing() {
        let mut steps = Steps::new(ALL.to_vec());
        let changes = watch(&mut steps, 0..600, |_, second| second % 3 == 0);
        assert_eq!(changes, []);
    }

    #[test]
    fn no_more_is_shed_than_helps() {
        let mut steps = Steps::new(ALL.to_vec());
        let changes = watch(&mut steps, 0..20, |shed, _| shed < Shed::Preset);
        assert_eq!(changes, [(1, Shed::Thumbnails), (4, Shed::Preset)]);
    }

    #[test]
    fn what_was_shed_comes_back_step_by_step_when_the_pressure_is_gone() {
        let mut steps = Steps::new(ALL.to_vec());
        watch(&mut steps, 0..20, |_, _| true);
        let changes = watch(&mut steps, 20..200, |_, _| false);
        let expected = [
            (40, Shed::Preset),
            (60, Shed::Thumbnails),
            (80, Shed::Nothing),
        ];
        assert_eq!(changes, expected);
    }

    #[test]
    fn a_machine_that_stays_too_small_is_tried_less_and_less_often() {
        let mut steps = Steps::new(ALL.to_vec());
        let day = 86_400;
        let changes = watch(&mut steps, 0..day, |shed, _| shed < Shed::Preset);
        let tries: Vec<u64> = changes
            .iter()
            .filter(|(_, shed)| *shed == Shed::Thumbnails)
            .map(|(second, _)| *second)
            .collect();
        // The first was on the way up.
        let waits: Vec<u64> = tries[1..]
            .windows(2)
            .map(|pair| pair[1] - pair[0])
            .collect();
        assert!(waits.is_sorted(), "{waits:?}");
        assert!(waits[0] < 70 && waits[waits.len() - 1] >= 600, "{waits:?}");
        assert!(tries.len() < 160, "{}", tries.len());
        assert!(changes.iter().all(|(_, shed)| *shed <= Shed::Preset));
    }

    #[test]
    fn a_recovery_that_lasted_makes_the_next_one_as_quick_as_the_first() {
        let mut steps = Steps::new(ALL.to_vec());
        // Too early twice, then the cause goes away.
        watch(&mut steps, 0..200, |shed, _| shed < Shed::Thumbnails);
        watch(&mut steps, 200..2000, |_, _| false);
        assert_eq!(steps.shed(), Shed::Nothing);
        watch(&mut steps, 2000..2003, |_, _| true);
        let changes = watch(&mut steps, 2003..2100, |_, _| false);
        assert_eq!(changes, [(2023, Shed::Nothing)]);
    }

    #[test]
    fn what_would_save_nothing_is_left_out_of_the_order() {
        let mut steps = Steps::new(vec![Shed::Thumbnails, Shed::TopRung]);
        let up = watch(&mut steps, 0..20, |_, _| true);
        assert_eq!(up, [(1, Shed::Thumbnails), (4, Shed::TopRung)]);
        let down = watch(&mut steps, 20..100, |_, _| false);
        assert_eq!(down, [(40, Shed::Thumbnails), (60, Shed::Nothing)]);
    }

    #[test]
    fn without_broadcasts_nothing_is_shed() {
        let mut steps = Steps::new(ALL.to_vec());
        assert_eq!(steps.idle(), None);
        watch(&mut steps, 0..20, |_, _| true);
        assert_eq!(steps.idle(), Some(Shed::Nothing));
        assert_eq!(steps.shed(), Shed::Nothing);
    }
}
