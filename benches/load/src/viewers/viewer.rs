//! One viewer, as hls.js 1.7 is with `lowLatencyMode` (read from its source): what it asks for
//! next, given what it was answered. No socket and no clock.
//!
//! It follows the picture and the sound, each with a blocking reload that is always under way and
//! one part at a time, from the playlist. hls.js reads `EXT-X-PRELOAD-HINT` and does not use it;
//! a viewer that `hints` asks for that part too, as Apple's players do.

use std::rc::Rc;

use super::playlist::{Listing, PartKey};

/// Picture or sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Track {
    Video,
    Audio,
}

impl Track {
    pub(super) const ALL: [Self; 2] = [Self::Video, Self::Audio];

    pub(super) fn index(self) -> usize {
        self as usize
    }
}

/// A request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ask {
    Master,
    /// The playlist as it is.
    Playlist(Track),
    /// The playlist as soon as it has this part.
    Reload(Track, PartKey),
    Init(Track),
    Part(Track, PartKey),
}

#[derive(Debug)]
pub(super) struct Viewer {
    hints: bool,
    tracks: [Following; 2],
}

#[derive(Debug, Default)]
struct Following {
    listing: Option<Rc<Listing>>,
    /// Whether it has the initialization segment, without which no part is asked for.
    has_init: bool,
    /// The latest part that was got or given up.
    done: Option<PartKey>,
    /// Whether a part is under way.
    loading: bool,
}

impl Viewer {
    pub(super) fn new(hints: bool) -> Self {
        Self {
            hints,
            tracks: Default::default(),
        }
    }

    /// Begins once it knows the renditions.
    pub(super) fn master(&self, asks: &mut Vec<Ask>) {
        asks.extend(Track::ALL.map(Ask::Playlist));
    }

    /// Takes a playlist.
    pub(super) fn playlist(&mut self, track: Track, listing: &Rc<Listing>, asks: &mut Vec<Ask>) {
        let following = &mut self.tracks[track.index()];
        // The next reload goes out before the part, as in hls.js.
        if let Some(hint) = listing.hint.filter(|_| !listing.ended) {
            asks.push(Ask::Reload(track, hint));
        }
        if following.listing.is_none() {
            asks.push(Ask::Init(track));
        }
        following.listing = Some(Rc::clone(listing));
        self.load(track, asks);
    }

    /// Takes the initialization segment.
    pub(super) fn init(&mut self, track: Track, asks: &mut Vec<Ask>) {
        self.tracks[track.index()].has_init = true;
        self.load(track, asks);
    }

    /// Takes the end of a part, or that it cannot be had.
    pub(super) fn part(&mut self, track: Track, key: PartKey, asks: &mut Vec<Ask>) {
        let following = &mut self.tracks[track.index()];
        following.done = Some(key);
        following.loading = false;
        self.load(track, asks);
    }

    /// Whether it has got parts of both tracks.
    pub(super) fn has_joined(&self) -> bool {
        self.tracks.iter().all(|it| it.done.is_some())
    }

    fn load(&mut self, track: Track, asks: &mut Vec<Ask>) {
        let hints = self.hints;
        let following = &mut self.tracks[track.index()];
        let Some(listing) = &following.listing else {
            return;
        };
        if following.loading || !following.has_init {
            return;
        }
        let next = match following.done {
            None => listing.first_wanted(),
            // From the end: mostly the last one is the one that is new.
            Some(done) => {
                let new = listing.parts.iter().rev().take_while(|&&key| key > done);
                let hinted = listing.hint.filter(|&hint| hints && hint > done);
                new.last().copied().or(hinted)
            }
        };
        if let Some(key) = next {
            following.loading = true;
            asks.push(Ask::Part(track, key));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Track::{Audio, Video};

    fn key(sequence: u64, part: u32) -> PartKey {
        PartKey { sequence, part }
    }

    /// Segments of two parts; `parts` of them from 7.0 on.
    fn listing(parts: u32) -> Rc<Listing> {
        let at = |index: u32| key(7 + u64::from(index / 2), index % 2);
        Rc::new(Listing {
            parts: (0..parts).map(at).collect(),
            hint: Some(at(parts)),
            part_target_s: 1.0,
            hold_back_s: 3.2,
            ..Listing::default()
        })
    }

    fn asks(step: impl FnOnce(&mut Vec<Ask>)) -> Vec<Ask> {
        let mut asks = Vec::new();
        step(&mut asks);
        asks
    }

    #[test]
    fn parts_are_loaded_one_by_one_as_they_are_listed() {
        let mut viewer = Viewer::new(false);
        let begun = asks(|asks| viewer.master(asks));
        assert_eq!(begun, [Ask::Playlist(Video), Ask::Playlist(Audio)]);
        let first = asks(|asks| viewer.playlist(Video, &listing(5), asks));
        assert_eq!(first, [Ask::Reload(Video, key(9, 1)), Ask::Init(Video)]);
        let first = asks(|asks| viewer.init(Video, asks));
        assert_eq!(first, [Ask::Part(Video, key(7, 0))]);
        assert!(!viewer.has_joined());
        // A playlist that comes meanwhile lets it ask for the next playlist only.
        let reload = asks(|asks| viewer.playlist(Video, &listing(6), asks));
        assert_eq!(reload, [Ask::Reload(Video, key(10, 0))]);
        for next in [key(7, 1), key(8, 0), key(8, 1), key(9, 0), key(9, 1)] {
            let before = viewer.tracks[0].done.map_or(key(7, 0), |done| {
                *listing(6).parts.iter().find(|&&it| it > done).unwrap()
            });
            let asked = asks(|asks| viewer.part(Video, before, asks));
            assert_eq!(asked, [Ask::Part(Video, next)]);
        }
        // All are there: it waits for the playlist, not for the hint.
        assert_eq!(asks(|asks| viewer.part(Video, key(9, 1), asks)), []);
        let asked = asks(|asks| viewer.playlist(Video, &listing(7), asks));
        let expected = [Ask::Reload(Video, key(10, 1)), Ask::Part(Video, key(10, 0))];
        assert_eq!(asked, expected);
        viewer.part(Audio, key(7, 0), &mut Vec::new());
        assert!(viewer.has_joined());
    }

    #[test]
    fn hints_are_followed_where_asked_for() {
        let mut viewer = Viewer::new(true);
        viewer.playlist(Video, &listing(2), &mut Vec::new());
        viewer.init(Video, &mut Vec::new());
        viewer.part(Video, key(7, 0), &mut Vec::new());
        let asked = asks(|asks| viewer.part(Video, key(7, 1), asks));
        assert_eq!(asked, [Ask::Part(Video, key(8, 0))]);
        // Listed by now, and under way already.
        let asked = asks(|asks| viewer.playlist(Video, &listing(3), asks));
        assert_eq!(asked, [Ask::Reload(Video, key(8, 1))]);
        let asked = asks(|asks| viewer.part(Video, key(8, 0), asks));
        assert_eq!(asked, [Ask::Part(Video, key(8, 1))]);
    }

    #[test]
    fn nothing_is_asked_for_after_the_end() {
        let mut viewer = Viewer::new(false);
        viewer.playlist(Video, &listing(2), &mut Vec::new());
        let ended = Rc::new(Listing {
            parts: listing(2).parts.clone(),
            ended: true,
            ..Listing::default()
        });
        assert_eq!(asks(|asks| viewer.playlist(Video, &ended, asks)), []);
    }
}
