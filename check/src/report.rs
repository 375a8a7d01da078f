//! What is reported of a look at a stream: every rule with its outcome.

mod human;
mod json;

/// A whole report.
#[derive(Clone, Debug)]
pub struct Report {
    /// The address that was looked at.
    pub entry: String,
    /// For how many seconds.
    pub watched_s: f64,
    /// How many requests were sent.
    pub requests: usize,
    /// Why the look ended early, where a bound was reached.
    pub cut_short: Option<String>,
    /// Whether broken recommendations count as broken rules.
    pub strict: bool,
    /// Every rule, grouped by family.
    pub rules: Vec<Judged>,
}

/// A rule and what was found of it.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The rule.
    pub rule: &'static crate::rules::Rule,
    /// What was found.
    pub outcome: Outcome,
    /// What was measured on the way, in words.
    pub notes: Vec<String>,
}

/// What was found of a rule.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It held wherever it was looked at.
    Kept {
        /// How many things were looked at.
        looked_at: usize,
    },
    /// It did not hold.
    Broken {
        /// In how many distinct places.
        places: usize,
        /// The first of them.
        evidence: Vec<Evidence>,
    },
    /// Nothing that it speaks of was there.
    NotSeen {
        /// What was missing.
        why: String,
    },
}

/// One place at which a rule was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// What is wrong.
    pub what: String,
    /// The URL of what is wrong.
    pub url: String,
    /// When it was received, in milliseconds since the look began.
    pub at_ms: u64,
    /// Lines of the playlist, with their numbers.
    pub lines: Vec<(usize, String)>,
}

/// What weight a rule has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The specification says MUST, or follows from what it says must be.
    Must,
    /// The specification says SHOULD, or the HLS Authoring Specification or experience with
    /// players recommends it.
    Should,
}

impl Report {
    /// How many rules are broken whose breaking makes the report a bad one.
    pub fn broken(&self) -> usize {
        self.count(|judged| judged.is_broken() && self.counts(judged.rule.level))
    }

    /// How many recommendations are not followed and do not count.
    pub fn warnings(&self) -> usize {
        self.count(|judged| judged.is_broken() && !self.counts(judged.rule.level))
    }

    /// How many rules held.
    pub fn kept(&self) -> usize {
        self.count(|judged| matches!(judged.outcome, Outcome::Kept { .. }))
    }

    /// How many rules had nothing to judge.
    pub fn not_seen(&self) -> usize {
        self.count(|judged| matches!(judged.outcome, Outcome::NotSeen { .. }))
    }

    /// The rule of this id.
    pub fn rule(&self, id: &str) -> Option<&Judged> {
        self.rules.iter().find(|judged| judged.rule.id == id)
    }

    fn counts(&self, level: Level) -> bool {
        self.strict || level == Level::Must
    }

    fn count(&self, is: impl Fn(&Judged) -> bool) -> usize {
        self.rules.iter().filter(|judged| is(judged)).count()
    }
}

impl Judged {
    /// Whether the rule did not hold, of whatever level it is.
    pub fn is_broken(&self) -> bool {
        matches!(self.outcome, Outcome::Broken { .. })
    }
}
