//! The rules. Each is a plain function over what was seen: it says how many things it looked at and
//! which of them were wrong. What it does not find it does not guess.

mod delivery;
mod low_latency;
mod media_playlist;
mod multivariant;
mod timing;

use std::collections::HashSet;

use crate::report::{Evidence, Judged, Level, Outcome, Report};
use crate::session::{Session, without_directives};
use crate::view::{LISTED_MAX, View};

/// Most places that a report names of one rule; more are counted.
const EVIDENCE_MAX: usize = 5;

/// Most notes of one rule.
const NOTES_MAX: usize = 12;

/// One rule.
#[derive(Debug)]
pub struct Rule {
    /// Its name, which stays.
    pub id: &'static str,
    /// What it is about.
    pub family: Family,
    /// What it asks for, as a sentence that is true where it is kept.
    pub title: &'static str,
    /// Where that stands.
    pub section: &'static str,
    /// What weight it has.
    pub level: Level,
    /// What was missing where it could not be judged.
    pub unseen: &'static str,
    check: fn(&View<'_>, &mut Findings),
}

/// What a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// The multivariant playlist, and whether it tells the truth.
    Multivariant,
    /// Media playlists and how they change.
    MediaPlaylist,
    /// The media, and whether the playlists tell its times.
    Timing,
    /// Parts, blocking reload, hints, reports, delta updates.
    LowLatency,
    /// HTTP.
    Delivery,
}

impl Family {
    /// As people read it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Multivariant => "Multivariant playlist",
            Self::MediaPlaylist => "Media playlists",
            Self::Timing => "Media and its times",
            Self::LowLatency => "Low latency",
            Self::Delivery => "Delivery",
        }
    }

    const fn rule(
        self,
        id: &'static str,
        title: &'static str,
        section: &'static str,
        level: Level,
        unseen: &'static str,
        check: fn(&View<'_>, &mut Findings),
    ) -> Rule {
        Rule {
            id,
            family: self,
            title,
            section,
            level,
            unseen,
            check,
        }
    }

    /// As programs read it.
    pub fn id(self) -> &'static str {
        match self {
            Self::Multivariant => "multivariant",
            Self::MediaPlaylist => "media_playlist",
            Self::Timing => "timing",
            Self::LowLatency => "low_latency",
            Self::Delivery => "delivery",
        }
    }
}

/// Every rule, grouped by family.
pub fn all() -> impl Iterator<Item = &'static Rule> {
    [
        multivariant::RULES,
        media_playlist::RULES,
        timing::RULES,
        low_latency::RULES,
        delivery::RULES,
    ]
    .into_iter()
    .flatten()
}

/// Judges what was seen. With `strict`, recommendations count like rules.
pub fn judge(session: &Session, strict: bool) -> Report {
    judge_listed(session, strict, LISTED_MAX)
}

fn judge_listed(session: &Session, strict: bool, listed_max: usize) -> Report {
    let view = View::new(session, listed_max);
    let too_much = view.exchanges.len() < session.exchanges.len();
    let too_much =
        too_much.then(|| format!("more than {listed_max} segments and parts are listed"));
    let rules = all().map(|rule| {
        let mut findings = Findings::default();
        (rule.check)(&view, &mut findings);
        findings.judged(rule)
    });
    Report {
        entry: session.entry.clone(),
        watched_s: session.watched.as_secs_f64(),
        requests: session.exchanges.len(),
        cut_short: session.cut_short.clone().or(too_much),
        strict,
        rules: rules.collect(),
    }
}

/// What a rule finds.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    looked_at: usize,
    evidence: Vec<Evidence>,
    /// What was found already: a playlist that is loaded a hundred times is wrong once.
    known: HashSet<(String, Vec<String>)>,
    notes: Vec<String>,
}

impl Findings {
    /// Looks at one thing, which is right or is told of.
    pub(crate) fn expect(&mut self, right: bool, evidence: impl FnOnce() -> Evidence) {
        self.looked_at += 1;
        if right {
            return;
        }
        let evidence = evidence();
        // Of what has lines they tell it from others, of what has none its words do.
        let lines = evidence.lines.iter().map(|(_, text)| text.clone());
        let words = match evidence.lines.is_empty() {
            true => vec![evidence.what.clone()],
            false => lines.collect(),
        };
        let place = (without_directives(&evidence.url), words);
        if self.known.insert(place) && self.evidence.len() < EVIDENCE_MAX {
            self.evidence.push(evidence);
        }
    }

    /// Tells what was measured.
    pub(crate) fn note(&mut self, note: String) {
        if self.notes.len() < NOTES_MAX {
            self.notes.push(note);
        }
    }

    fn judged(self, rule: &'static Rule) -> Judged {
        let outcome = if !self.evidence.is_empty() {
            Outcome::Broken {
                places: self.known.len(),
                evidence: self.evidence,
            }
        } else if self.looked_at == 0 {
            Outcome::NotSeen {
                why: rule.unseen.to_owned(),
            }
        } else {
            Outcome::Kept {
                looked_at: self.looked_at,
            }
        };
        Judged {
            rule,
            outcome,
            notes: self.notes,
        }
    }
}

#[cfg(test)]
mod tests;
