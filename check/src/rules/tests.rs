//! A clean look keeps every rule, and for each rule there is one that breaks it.

mod breaks;

use std::collections::{BTreeSet, HashSet};

use super::{all, judge, judge_listed};
use crate::report::{Level, Outcome, Report};
use crate::synthetic::{Break, session};
use breaks::BREAKS;

fn report(broken: Break) -> Report {
    judge(&session(broken), true)
}

fn broken(report: &Report) -> BTreeSet<&'static str> {
    let broken = report.rules.iter().filter(|judged| judged.is_broken());
    broken.map(|judged| judged.rule.id).collect()
}

#[test]
fn a_clean_look_keeps_every_rule_and_sees_them_all() {
    let report = report(Break::Nowhere);
    for judged in &report.rules {
        let kept = matches!(judged.outcome, Outcome::Kept { .. });
        assert!(kept, "{}: {:#?}", judged.rule.id, judged.outcome);
    }
    assert_eq!((report.broken(), report.not_seen()), (0, 0));
}

#[test]
fn each_break_breaks_its_rule_and_no_others_than_its_companions() {
    let mut wrong = Vec::new();
    for it in BREAKS {
        let report = report(it.how);
        let mut expected = BTreeSet::from([it.rule]);
        expected.extend(it.companions);
        let found = broken(&report);
        if found != expected {
            wrong.push(format!("{} breaks {found:?}", it.rule));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_rule_has_a_test_that_breaks_it() {
    let tested: HashSet<&str> = BREAKS.iter().map(|it| it.rule).collect();
    let rules: Vec<&str> = all().map(|rule| rule.id).collect();
    let untested: Vec<&&str> = rules.iter().filter(|id| !tested.contains(**id)).collect();
    assert!(untested.is_empty(), "without a test: {untested:?}");
    let unknown: Vec<&&str> = tested.iter().filter(|id| !rules.contains(id)).collect();
    assert!(unknown.is_empty(), "of no rule: {unknown:?}");
    let distinct: HashSet<&&str> = rules.iter().collect();
    assert_eq!(distinct.len(), rules.len(), "two rules have one id");
}

#[test]
fn the_document_lists_every_rule_as_it_is() {
    let document = include_str!("../../../docs/check.md");
    let expected: Vec<String> = all()
        .map(|rule| {
            let level = match rule.level {
                Level::Must => "must",
                Level::Should => "should",
            };
            format!(
                "| `{}` | {level} | {} | {} |",
                rule.id, rule.title, rule.section
            )
        })
        .collect();
    let listed: Vec<&str> = document
        .lines()
        .filter(|line| line.contains("| must |") || line.contains("| should |"))
        .collect();
    assert_eq!(
        listed,
        expected,
        "the whole table:\n{}",
        expected.join("\n")
    );
}

#[test]
fn evidence_names_playlist_lines_and_time() {
    let how = BREAKS
        .iter()
        .find(|it| it.rule == "ll.part-longest")
        .unwrap()
        .how;
    let report = report(how);
    let Outcome::Broken { evidence, .. } = &report.rule("ll.part-longest").unwrap().outcome else {
        panic!("kept");
    };
    let first = &evidence[0];
    assert!(first.url.starts_with("https://host/live/big/playlist.m3u8"));
    let line = first.lines.last().unwrap();
    assert!(line.1.starts_with("#EXT-X-PART:DURATION=0.600"), "{line:?}");
    assert!(line.0 > 6, "{line:?}");
}

#[test]
fn nothing_seen_is_nothing_broken() {
    let report = judge(&crate::Session::default(), true);
    assert_eq!(report.not_seen(), report.rules.len());
    assert_eq!(report.broken(), 0);
}

/// A part of a look is a look, and says that it is one.
#[test]
fn playlists_that_list_too_much_cut_the_look_short_and_break_nothing() {
    let session = session(Break::Nowhere);
    for listed_max in [0, 100, 1000] {
        let report = judge_listed(&session, true, listed_max);
        assert_eq!(broken(&report), BTreeSet::new(), "{listed_max}");
        assert!(report.cut_short.is_some());
    }
}

#[test]
fn recommendations_count_with_strict_alone() {
    let how = BREAKS.iter().find(|it| it.rule == "http.gzip").unwrap().how;
    let session = session(how);
    let (plain, strict) = (judge(&session, false), judge(&session, true));
    assert_eq!((plain.broken(), plain.warnings()), (0, 1));
    assert_eq!((strict.broken(), strict.warnings()), (1, 0));
}
