//! Wrong secrets and whom they banned.

use std::fmt;

use control_api::Guesses;
use control_api::guesses::Secret;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::families::{Family, Page, family};

const WRONG: Family = family(
    "millrace_wrong_secrets",
    "Wrong stream keys, tokens and passwords that somebody tried.",
);
const BANS: Family = family(
    "millrace_secret_bans",
    "Addresses that were banned for a while for too many of them.",
);

#[derive(Debug)]
pub(super) struct GuessFigures(Guesses);

impl GuessFigures {
    pub(super) fn new(guesses: Guesses) -> Self {
        Self(guesses)
    }
}

impl Collector for GuessFigures {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page::new(encoder);
        let label = |kind: Secret| [("secret", kind.name())];
        let each = || Secret::ALL.into_iter();
        page.counters(WRONG, each().map(|it| (label(it), self.0.wrong_count(it))))?;
        // Nobody is banned for playback tokens.
        let bans = each().filter(|kind| *kind != Secret::PlaybackToken);
        page.counters(BANS, bans.map(|it| (label(it), self.0.ban_count(it))))
    }
}
