//! Changes of a running proxy, as one line of text each: what the program `netproxy` reads on
//! standard input.
//!
//! `set loss=0.05 delay=40ms` changes what is named and nothing else; `blackout 3s` and `stall 3s`
//! let nothing pass for so long; `reset` resets TCP connections; `counts` asks for the counts.

use std::time::Duration;

use crate::{Outage, tcp, udp};

/// A line that is no command for this proxy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    /// Not one of the commands.
    #[error("{0:?} is no command of this proxy")]
    Command(String),
    /// Nothing of this name can be set.
    #[error("{0:?} is nothing that can be set here")]
    Setting(String),
    /// The value is none of its kind.
    #[error("{0:?} is no value of it")]
    Value(String),
}

/// What can be asked of a proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// Change these settings (name, value).
    Set(Vec<(&'a str, &'a str)>),
    /// Let nothing pass for so long.
    Out(Duration),
    /// Reset the connections.
    Reset,
    /// Say what was done so far.
    Counts,
}

impl<'a> Command<'a> {
    /// Reads one line.
    pub fn parse(line: &'a str) -> Result<Self, Unknown> {
        let unknown = || Unknown::Command(line.to_owned());
        let (name, rest) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
        match (name, rest.trim()) {
            ("set", settings) => {
                let pairs = settings.split_whitespace();
                let pairs: Option<_> = pairs.map(|pair| pair.split_once('=')).collect();
                pairs.map(Self::Set).ok_or_else(unknown)
            }
            ("blackout" | "stall", lasts) => duration(lasts).map(Self::Out),
            ("reset", "") => Ok(Self::Reset),
            ("counts", "") => Ok(Self::Counts),
            _ => Err(unknown()),
        }
    }
}

/// Changes one setting of a network.
pub fn set_network(network: &mut udp::Network, name: &str, value: &str) -> Result<(), Unknown> {
    match name {
        "loss" => network.loss = probability(value)?,
        "delay" => network.delay = duration(value)?,
        "jitter" => network.jitter = duration(value)?,
        "reorder" => network.reorder = probability(value)?,
        "duplicates" => network.duplicates = probability(value)?,
        _ => return Err(Unknown::Setting(name.to_owned())),
    }
    Ok(())
}

/// Changes one setting of a line; `rate=0` lets pass as much as comes.
pub fn set_line(line: &mut tcp::Line, name: &str, value: &str) -> Result<(), Unknown> {
    match name {
        "delay" => line.delay = duration(value)?,
        "jitter" => line.jitter = duration(value)?,
        "rate" => {
            let rate: Option<u64> = value.parse().ok();
            let rate = rate.ok_or_else(|| Unknown::Value(value.to_owned()))?;
            line.rate = (rate > 0).then_some(rate);
        }
        _ => return Err(Unknown::Setting(name.to_owned())),
    }
    Ok(())
}

/// A time like `3s` or `250ms`.
pub fn duration(text: &str) -> Result<Duration, Unknown> {
    humantime::parse_duration(text).map_err(|_| Unknown::Value(text.to_owned()))
}

/// A number from 0 to 1.
pub fn probability(text: &str) -> Result<f64, Unknown> {
    let number: Option<f64> = text.parse().ok();
    let number = number.filter(|number| (0.0..=1.0).contains(number));
    number.ok_or_else(|| Unknown::Value(text.to_owned()))
}

/// An outage like `10s+3s`: ten seconds after the first packet, for three.
pub fn outage(text: &str) -> Result<Outage, Unknown> {
    let (after, lasts) = text
        .split_once('+')
        .ok_or_else(|| Unknown::Value(text.to_owned()))?;
    Ok(Outage {
        after: duration(after)?,
        lasts: duration(lasts)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_changes_what_it_names_and_nothing_else() {
        let mut network = udp::Network {
            loss: 0.5,
            delay: Duration::from_secs(1),
            ..udp::Network::default()
        };
        let set = Command::parse("set loss=0.05 jitter=20ms").expect("a command");
        let Command::Set(pairs) = set else {
            panic!("{set:?}");
        };
        for (name, value) in pairs {
            set_network(&mut network, name, value).expect("a setting");
        }
        let expected = udp::Network {
            loss: 0.05,
            delay: Duration::from_secs(1),
            jitter: Duration::from_millis(20),
            ..udp::Network::default()
        };
        assert_eq!(network, expected);
        let mut line = tcp::Line::default();
        set_line(&mut line, "rate", "500000").expect("a setting");
        assert_eq!(line.rate, Some(500_000));
        set_line(&mut line, "rate", "0").expect("a setting");
        assert_eq!(line.rate, None);
    }

    #[test]
    fn commands_are_read_and_what_is_none_is_named() {
        let three = Duration::from_secs(3);
        assert_eq!(Command::parse("blackout 3s"), Ok(Command::Out(three)));
        assert_eq!(Command::parse("stall 3s\n"), Ok(Command::Out(three)));
        assert_eq!(Command::parse("reset"), Ok(Command::Reset));
        assert_eq!(Command::parse("counts"), Ok(Command::Counts));
        for line in ["", "rest", "reset 1", "set loss", "stall soon"] {
            assert!(Command::parse(line).is_err(), "{line}");
        }
        let mut network = udp::Network::default();
        for (name, value) in [("loss", "2"), ("loss", "-0"), ("rate", "1"), ("delay", "1")] {
            let known = set_network(&mut network, name, value);
            assert_eq!(known.is_ok(), value == "-0", "{name}={value}");
        }
        let outage = outage("10s+3s").expect("an outage");
        assert_eq!(
            (outage.after, outage.lasts),
            (Duration::from_secs(10), three)
        );
    }
}
