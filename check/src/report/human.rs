//! The report as people read it.

use std::fmt::{self, Display, Formatter};

use super::{Evidence, Judged, Level, Outcome, Report};

/// A line of a playlist is shown up to here.
const LINE_SHOWN_MAX: usize = 160;

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", printable(&self.entry))?;
        writeln!(
            f,
            "followed for {:.1} s with {} requests",
            self.watched_s, self.requests
        )?;
        if let Some(why) = &self.cut_short {
            writeln!(f, "cut short: {}", printable(why))?;
        }
        let mut family = None;
        for judged in &self.rules {
            if family != Some(judged.rule.family) {
                family = Some(judged.rule.family);
                writeln!(f, "\n{}", judged.rule.family.title())?;
            }
            self.rule_line(judged, f)?;
        }
        writeln!(
            f,
            "\n{} kept, {} broken, {} recommendations not followed, {} not seen",
            self.kept(),
            self.broken(),
            self.warnings(),
            self.not_seen()
        )
    }
}

impl Report {
    fn rule_line(&self, judged: &Judged, f: &mut Formatter<'_>) -> fmt::Result {
        let rule = judged.rule;
        let word = match &judged.outcome {
            Outcome::Kept { .. } => "kept",
            Outcome::Broken { .. } if self.strict || rule.level == Level::Must => "BROKEN",
            Outcome::Broken { .. } => "warn",
            Outcome::NotSeen { .. } => "not seen",
        };
        write!(f, "  {word:<9} {:<30} {}", rule.id, rule.title)?;
        match &judged.outcome {
            Outcome::Kept { looked_at } => writeln!(f, " ({looked_at})")?,
            Outcome::NotSeen { why } => writeln!(f, ": {}", printable(why))?,
            Outcome::Broken { places, evidence } => {
                writeln!(f, " [{}]", rule.section)?;
                for one in evidence {
                    write_evidence(one, f)?;
                }
                if *places > evidence.len() {
                    writeln!(f, "              and {} more", places - evidence.len())?;
                }
            }
        }
        for note in &judged.notes {
            writeln!(f, "              {}", printable(note))?;
        }
        Ok(())
    }
}

fn write_evidence(evidence: &Evidence, f: &mut Formatter<'_>) -> fmt::Result {
    writeln!(f, "            - {}", printable(&evidence.what))?;
    let seconds = evidence.at_ms as f64 / 1000.0;
    writeln!(
        f,
        "              {} at {seconds:.2} s",
        printable(&evidence.url)
    )?;
    for (number, line) in &evidence.lines {
        writeln!(f, "              line {number}: {}", printable(line))?;
    }
    Ok(())
}

/// What a peer wrote, cut and without what a terminal would obey.
fn printable(text: &str) -> String {
    let shown: String = text
        .chars()
        .take(LINE_SHOWN_MAX)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    match text.chars().nth(LINE_SHOWN_MAX) {
        Some(_) => format!("{shown}…"),
        None => shown,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::session::{Exchange, Purpose, Session};

    fn session(url: &str) -> Session {
        let at = Duration::from_millis(1500);
        Session {
            entry: url.to_owned(),
            exchanges: vec![Exchange {
                url: url.to_owned(),
                redirected: None,
                purpose: Purpose::Segment,
                range: None,
                sent: at,
                first_byte: at,
                end: at,
                result: Err("no answer".to_owned()),
            }],
            watched: Duration::from_secs(2),
            cut_short: Some("a bound".to_owned()),
        }
    }

    #[test]
    fn what_is_broken_stands_with_its_section_and_evidence() {
        let session = session("http://host/1.m4s");
        let text = crate::rules::judge(&session, false).to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "http://host/1.m4s");
        assert_eq!(lines[1], "followed for 2.0 s with 1 requests");
        assert_eq!(lines[2], "cut short: a bound");
        let at = lines
            .iter()
            .position(|line| line.contains("BROKEN"))
            .unwrap();
        assert!(lines[at].contains("http.media-answers"), "{}", lines[at]);
        assert!(
            lines[at].ends_with("[RFC 8216 §6.2.1, §6.2.2]"),
            "{}",
            lines[at]
        );
        assert_eq!(lines[at + 1].trim(), "- no answer");
        assert_eq!(lines[at + 2].trim(), "http://host/1.m4s at 1.50 s");
        assert!(lines.last().unwrap().contains("1 broken"), "{text}");
    }

    #[test]
    fn what_a_peer_wrote_does_not_reach_the_terminal_as_it_is() {
        let session = session("http://host/\u{1b}[31m");
        let text = crate::rules::judge(&session, false).to_string();
        assert!(!text.contains('\u{1b}'), "{text:?}");
    }
}
