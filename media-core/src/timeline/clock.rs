//! How a publisher's two clocks, one a track, are mapped onto the broadcast's.
//!
//! Each track keeps an offset of its own. In an orderly publication both are the same, and sound
//! and picture keep the distance that the publisher gave them. A clock that jumps is told from
//! media that is missing, or late, by when it arrives; a track that jumps after the other one, by as
//! much, follows it exactly, and one that does not is left where it is.

use std::collections::VecDeque;
use std::time::Duration;

use crate::time::MediaTime;

/// A step of a track's timestamps that falls short of its frame by more than this is a clock that
/// went back. Above what decoders put out of order.
const BACK_MIN: i64 = 100_000_000;

/// How much earlier than the earliest so far, by its timestamp, a unit may arrive. Nothing comes
/// before it was made: what does is a clock that went ahead. Above the burst in which a lost
/// connection's frames are skipped over.
const EARLY_MAX: i64 = 350_000_000;

/// A distance from the expected place that is a jump of the publisher's clock whenever it arrives.
pub(super) const JUMP_MIN: Duration = Duration::from_secs(3);

/// How far a mapping may put a unit from its expected place to be taken for the unit's own: what the
/// other track has jumped by, or what held before a single bad timestamp.
const NEAR_MAX: i64 = 1_000_000_000;

/// How long units may keep arriving too late (after a stall that the tick has filled) before their
/// clock is mapped anew. A burst that catches up is over sooner.
const LATE_MAX: Duration = Duration::from_secs(1);

/// How far behind its place a unit may arrive without counting as late: jitter of timestamps.
const LATE_TOLERANCE: i64 = 80_000_000;

/// A step that differs from the unit's length by less is no step: jitter of timestamps.
const STEP_MIN: i64 = 40_000_000;

/// Steps of both tracks that differ by less are the same one.
const STEP_ALIKE: i64 = 60_000_000;

/// How long after one track a jump of the other counts as the same one.
const FOLLOWS_WITHIN: Duration = Duration::from_secs(10);

/// What is usual (the earliest arrival, how far sound comes behind its picture) is remembered for one
/// to two of these: it may change.
const USUAL_WINDOW: Duration = Duration::from_secs(60);

/// Without a unit for so long a track arrives with a pause.
const PAUSE_MIN: Duration = Duration::from_millis(250);

/// So many pauses within [`PAUSES_WITHIN`] make a source that sends in bursts.
const PAUSES: usize = 3;

/// See [`PAUSES`].
const PAUSES_WITHIN: Duration = Duration::from_secs(10);

/// The longest pause that is waited for, however a source sends: a player has not much more in
/// reserve, and below it nobody stands in.
const PATIENCE_MAX: Duration = Duration::from_millis(2500);

/// Pictures or sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Track {
    /// Pictures.
    Video,
    /// Sound.
    Audio,
}

impl Track {
    pub(super) const fn other(self) -> Self {
        match self {
            Self::Video => Self::Audio,
            Self::Audio => Self::Video,
        }
    }
}

/// What was found about a publisher's clock, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// It jumped by so much: ahead where positive.
    Jumped(i64),
    /// Media had been arriving so much too late for so long that it is placed anew.
    MappedAnew(i64),
}

/// One unit of a publisher: a picture or a block of sound.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unit {
    pub(super) track: Track,
    pub(super) pts: MediaTime,
    /// How long it lasts, in nanoseconds.
    pub(super) lasts: i64,
    /// The next free place of its track.
    pub(super) expected: MediaTime,
    /// How far behind that it may lie and still be used, in nanoseconds.
    pub(super) tolerance: i64,
    /// How much of the time since it stood there nothing has been made up for yet, in nanoseconds:
    /// where nothing else says where the unit belongs, it belongs behind that.
    pub(super) owed: i64,
}

/// The clocks of the publisher that holds the stream now.
#[derive(Debug, Default)]
pub(super) struct Clocks {
    pub(super) video: TrackClock,
    pub(super) audio: TrackClock,
}

/// One track's.
#[derive(Debug, Default)]
pub(super) struct TrackClock {
    /// Broadcast time less publisher time.
    offset: Option<i64>,
    /// What it was before its last jump.
    before_jump: Option<i64>,
    /// When the timestamps last made a step that was no jump, and which: a gap, or a little back.
    absorbed: Option<(Duration, i64)>,
    /// When, and by how much, the offset changed in a jump that the other track has not followed.
    jumped: Option<(Duration, i64)>,
    /// The timestamp that the publisher gave its last unit.
    said_pts: Option<MediaTime>,
    /// Where the publisher's next unit should begin by its last one.
    next_pts: Option<MediaTime>,
    floor: Floor,
    late_since: Option<Duration>,
    /// When a unit came that says that more will, or was made up, last.
    pub(super) arrived: Option<Duration>,
    pauses: Pauses,
}

impl Clocks {
    /// Another publisher: what was known of the previous one's clocks is void. Since when nothing
    /// has come stays.
    pub(super) fn renew(&mut self) {
        for clock in [&mut self.video, &mut self.audio] {
            *clock = TrackClock {
                arrived: clock.arrived,
                ..TrackClock::default()
            };
        }
    }

    pub(super) fn of(&mut self, track: Track) -> &mut TrackClock {
        match track {
            Track::Video => &mut self.video,
            Track::Audio => &mut self.audio,
        }
    }

    /// Where `unit`, which arrived at `now`, belongs, and what was found about its clock.
    pub(super) fn place(&mut self, mut unit: Unit, now: Duration) -> (MediaTime, Option<Finding>) {
        let clock = self.of(unit.track);
        let said = clock.said_pts.replace(unit.pts);
        if said == Some(unit.pts) {
            // Several at one time follow each other all the same.
            unit.pts = clock.next_pts.unwrap_or(unit.pts);
        }
        let (offset, finding) = match self.of(unit.track).offset {
            Some(own) => self.go_on(unit, own, now),
            None => (self.begin(unit), None),
        };
        let clock = self.of(unit.track);
        clock.offset = Some(offset);
        clock.next_pts = Some(shifted(unit.pts, unit.lasts));
        clock.floor.note(now, transit(unit.pts, now));
        clock.pauses.arrives(now);
        (shifted(unit.pts, offset), finding)
    }

    /// The offset of a track's first unit: the other's, unless that says nothing about it.
    fn begin(&mut self, unit: Unit) -> i64 {
        let expected = unit.expected.nanos_from(unit.pts);
        let anew = expected.saturating_add(unit.owed);
        let other = self.of(unit.track.other());
        let Some(theirs) = other.offset else {
            return anew;
        };
        let ahead = theirs.saturating_sub(expected);
        if ahead.unsigned_abs() >= JUMP_MIN.as_nanos() as u64 {
            return anew;
        }
        // A tick may have put a slate where the picture that belongs to the sound would go: a
        // publisher's sound is there before its first picture is decoded.
        if unit.track == Track::Video && ahead < -unit.tolerance {
            other.offset = Some(anew);
            return anew;
        }
        theirs
    }

    fn go_on(&mut self, unit: Unit, own: i64, now: Duration) -> (i64, Option<Finding>) {
        let expected = unit.expected.nanos_from(unit.pts);
        let anew = expected.saturating_add(unit.owed);
        // How far ahead of its expected place a mapping puts the unit.
        let ahead = |offset: i64| offset.saturating_sub(expected);
        if let Some(followed) = self.following(unit.track, own, now)
            && is_near(ahead(followed))
            && ahead(followed).unsigned_abs() < ahead(own).unsigned_abs()
        {
            self.of(unit.track.other()).jumped = None;
            self.of(unit.track).leave(own);
            return (followed, None);
        }
        let step = self.of(unit.track).step(unit);
        let absorbs = self.absorbs(unit.track, step, now);
        let clock = self.of(unit.track);
        if !absorbs && clock.has_jumped(unit, step, ahead(own), now) {
            let before = clock.leave(own);
            if let Some(before) = before.filter(|before| is_near(ahead(*before))) {
                // It was a bad timestamp, not another clock.
                clock.before_jump = None;
                return (before, None);
            }
            clock.jumped = Some((now, anew.saturating_sub(own)));
            self.of(unit.track.other()).jumped = None;
            return (anew, Some(Finding::Jumped(ahead(own))));
        }
        if step.unsigned_abs() >= STEP_MIN.unsigned_abs() {
            clock.absorbed = Some((now, step));
        }
        let is_late = clock.is_late_too_long(-ahead(own), now);
        // Sound alone that is late is late beside its picture: only both can be moved.
        let decides = unit.track == Track::Video || !self.video.was_heard(LATE_MAX, now);
        if is_late && decides {
            let by = anew.saturating_sub(own);
            let other = self.of(unit.track.other());
            other.offset = other.offset.map(|offset| offset.saturating_add(by));
            return (anew, Some(Finding::MappedAnew(by)));
        }
        (own, None)
    }

    /// Whether the other track has just made the same step, and it was no jump of it: near a limit
    /// both are to be judged alike, or sound and picture part.
    fn absorbs(&mut self, track: Track, step: i64, now: Duration) -> bool {
        let theirs = self.of(track.other()).absorbed;
        theirs.is_some_and(|(at, theirs)| {
            let is_recent = now.saturating_sub(at) <= FOLLOWS_WITHIN;
            is_recent && theirs.saturating_sub(step).unsigned_abs() < STEP_ALIKE.unsigned_abs()
        })
    }

    /// The offset that a jump of the other track's clock would give this one's.
    fn following(&mut self, track: Track, own: i64, now: Duration) -> Option<i64> {
        let (jumped_at, by) = self.of(track.other()).jumped?;
        let is_recent = now.saturating_sub(jumped_at) <= FOLLOWS_WITHIN;
        is_recent.then(|| own.saturating_add(by))
    }
}

impl TrackClock {
    /// Whether the track has begun.
    pub(super) const fn has_begun(&self) -> bool {
        self.offset.is_some()
    }

    /// How long nothing may arrive before somebody stands in: `least`, or more for a source that
    /// sends in bursts.
    pub(super) fn patience(&self, least: Duration, now: Duration) -> Duration {
        let usual = self.pauses.usual(now).unwrap_or_default();
        (usual + usual / 4).min(PATIENCE_MAX).max(least)
    }

    /// Leaves `own` for another offset; what it was before that.
    fn leave(&mut self, own: i64) -> Option<i64> {
        (self.late_since, self.jumped) = (None, None);
        self.floor = Floor::default();
        self.before_jump.replace(own)
    }

    /// By how much a unit's timestamp is ahead of where the last one's unit ends.
    fn step(&self, unit: Unit) -> i64 {
        self.next_pts.map_or(0, |next| unit.pts.nanos_from(next))
    }

    fn has_jumped(&self, unit: Unit, step: i64, ahead: i64, now: Duration) -> bool {
        let is_early = self
            .floor
            .least()
            .is_some_and(|least| transit(unit.pts, now) < least.saturating_sub(EARLY_MAX));
        // Far behind is late, where the clock did not go back.
        step < -BACK_MIN || is_early || ahead >= JUMP_MIN.as_nanos() as i64
    }

    /// Whether its units stay away too, or never came.
    pub(super) fn is_silent(&self, now: Duration) -> bool {
        !self.was_heard(PAUSE_MIN, now)
    }

    fn was_heard(&self, within: Duration, now: Duration) -> bool {
        let heard = self.pauses.heard;
        heard.is_some_and(|heard| now.saturating_sub(heard) <= within)
    }

    /// Whether units have been arriving behind their place for longer than [`LATE_MAX`].
    fn is_late_too_long(&mut self, late: i64, now: Duration) -> bool {
        if late <= LATE_TOLERANCE {
            self.late_since = None;
            return false;
        }
        let since = *self.late_since.get_or_insert(now);
        let too_long = now.saturating_sub(since) > LATE_MAX;
        if too_long {
            self.late_since = None;
        }
        too_long
    }
}

/// The least of what was noted in the last minute or two.
#[derive(Debug, Default)]
pub(super) struct Floor {
    began: Duration,
    current: Option<i64>,
    previous: Option<i64>,
}

impl Floor {
    pub(super) fn note(&mut self, now: Duration, value: i64) {
        if now.saturating_sub(self.began) > USUAL_WINDOW {
            (self.began, self.previous) = (now, self.current.take());
        }
        self.current = Some(self.current.map_or(value, |least| least.min(value)));
    }

    pub(super) fn least(&self) -> Option<i64> {
        self.current.into_iter().chain(self.previous).min()
    }
}

/// The latest pauses between arrivals.
#[derive(Debug, Default)]
struct Pauses {
    heard: Option<Duration>,
    /// When each ended, and how long it was.
    latest: VecDeque<(Duration, Duration)>,
}

impl Pauses {
    fn arrives(&mut self, now: Duration) {
        let pause = self.heard.map(|heard| now.saturating_sub(heard));
        if let Some(pause) = pause.filter(|pause| *pause >= PAUSE_MIN) {
            if self.latest.len() == PAUSES {
                self.latest.pop_front();
            }
            self.latest.push_back((now, pause));
        }
        self.heard = Some(now);
    }

    /// The longest pause of a source that makes them again and again.
    fn usual(&self, now: Duration) -> Option<Duration> {
        let (first, _) = self
            .latest
            .front()
            .filter(|_| self.latest.len() == PAUSES)?;
        let is_now = now.saturating_sub(*first) <= PAUSES_WITHIN;
        is_now.then(|| self.latest.iter().map(|(_, pause)| *pause).max())?
    }
}

fn transit(pts: MediaTime, now: Duration) -> i64 {
    let now = i64::try_from(now.as_nanos()).unwrap_or(i64::MAX);
    now.saturating_sub(pts.as_nanos())
}

fn is_near(ahead: i64) -> bool {
    ahead.unsigned_abs() < NEAR_MAX.unsigned_abs()
}

fn shifted(time: MediaTime, by: i64) -> MediaTime {
    MediaTime::from_nanos(time.as_nanos().saturating_add(by))
}
