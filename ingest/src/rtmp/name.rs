//! How a publisher names its stream: what it wrote into the fields "server" and "stream key".
//!
//! Encoders cut a URL differently: OBS sends all of the server's path as `app`, FFmpeg its first
//! segment only, and one segment alone as the publishing name. All of these mean the key `KEY`:
//! `rtmp://host/live` + `KEY`, `rtmp://host/live/KEY` + nothing, `rtmp://host/KEY` + nothing. What
//! follows a `?` is never part of the key.

use std::fmt;

use crate::gate::StreamKey;

/// The text behind the `?` of a name or URL. May carry a token, so that `Debug` is redacted.
#[derive(Clone, PartialEq, Eq)]
pub struct Arguments(String);

impl Arguments {
    /// The text itself, without the `?`.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Arguments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Arguments(redacted)")
    }
}

/// What a publisher asked to publish to.
#[derive(Clone, PartialEq, Eq)]
pub struct Name {
    /// The secret.
    pub key: StreamKey,
    /// The path before the key, such as `live`; empty where there is none.
    pub app: String,
    /// What stood behind a `?`.
    pub arguments: Option<Arguments>,
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Where the publisher filled in its fields wrongly, the path is the key.
        f.write_str("Name(redacted)")
    }
}

impl Name {
    /// What stood behind a `?`; empty where nothing did.
    pub fn query(&self) -> &str {
        self.arguments.as_ref().map_or("", Arguments::reveal)
    }

    /// Finds the key in what `connect` gave as `app` and `tcUrl` and what `publish` gave as name;
    /// `None` where there is no usable key.
    pub fn resolve(app: &str, tc_url: &str, publishing_name: &str) -> Option<Self> {
        let (name, name_arguments) = cut_arguments(publishing_name);
        let (app, app_arguments) = cut_arguments(app);
        let (url, url_arguments) = cut_arguments(url_path(tc_url));
        // Some encoders cut the path in `app` only.
        let path = match segments(url).count() > segments(app).count() {
            true if segments(name).next().is_none() => url,
            _ => app,
        };
        let mut all: Vec<&str> = segments(path).chain(segments(name)).collect();
        let key = StreamKey::new(all.pop()?)?;
        let arguments = name_arguments.or(app_arguments).or(url_arguments);
        Some(Self {
            key,
            app: all.join("/"),
            arguments: arguments.map(|text| Arguments(text.to_owned())),
        })
    }
}

fn cut_arguments(text: &str) -> (&str, Option<&str>) {
    match text.split_once('?') {
        Some((text, arguments)) => (text, Some(arguments)),
        None => (text, None),
    }
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|segment| !segment.is_empty())
}

/// What follows the host of `rtmp://host:port/path`.
fn url_path(url: &str) -> &str {
    let behind_scheme = url.split_once("://").map_or("", |(_, rest)| rest);
    behind_scheme.split_once('/').map_or("", |(_, path)| path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::STREAM_KEY_LENGTH_MAX;

    fn resolved(app: &str, tc_url: &str, name: &str) -> (String, String, Option<String>) {
        let name = Name::resolve(app, tc_url, name).expect("a key");
        (
            name.key.reveal().to_owned(),
            name.app,
            name.arguments.map(|a| a.reveal().to_owned()),
        )
    }

    #[test]
    fn every_way_of_writing_the_key_finds_it() {
        let live = ("KEY".to_owned(), "live".to_owned(), None);
        for (app, tc_url, name) in [
            ("live", "rtmp://host/live", "KEY"),
            ("live/", "rtmp://host/live/", "KEY"),
            ("live", "rtmp://host/live", "/KEY"),
            ("live/KEY", "rtmp://host/live/KEY", ""),
            ("live", "rtmp://host:1935/live/KEY", ""),
            ("", "rtmps://host/live/KEY", ""),
            ("", "rtmp://host/", "live/KEY"),
        ] {
            assert_eq!(
                resolved(app, tc_url, name),
                live,
                "{app:?} {tc_url:?} {name:?}"
            );
        }
        let bare = ("KEY".to_owned(), String::new(), None);
        for (app, tc_url, name) in [
            ("KEY", "rtmp://host/KEY", ""),
            ("", "rtmp://host/", "KEY"),
            ("", "rtmp://host", "KEY"),
        ] {
            assert_eq!(
                resolved(app, tc_url, name),
                bare,
                "{app:?} {tc_url:?} {name:?}"
            );
        }
    }

    #[test]
    fn arguments_are_kept_and_are_not_the_key() {
        let expected = (
            "KEY".to_owned(),
            "live".to_owned(),
            Some("token=a/b".to_owned()),
        );
        for (app, tc_url, name) in [
            ("live", "rtmp://host/live", "KEY?token=a/b"),
            ("live?token=a/b", "rtmp://host/live?token=a/b", "KEY"),
            ("live/KEY?token=a/b", "rtmp://host/live/KEY?token=a/b", ""),
            ("live/KEY", "rtmp://host/live/KEY", "?token=a/b"),
        ] {
            assert_eq!(resolved(app, tc_url, name), expected, "{app:?} {name:?}");
        }
    }

    #[test]
    fn no_key_and_an_overlong_key_are_none() {
        assert_eq!(Name::resolve("", "", ""), None);
        assert_eq!(Name::resolve("/", "rtmp://host//", "/"), None);
        assert_eq!(Name::resolve("", "", "?token=x"), None);
        let long = "k".repeat(STREAM_KEY_LENGTH_MAX + 1);
        assert_eq!(Name::resolve("live", "", &long), None);
    }

    #[test]
    fn a_name_in_a_log_shows_nothing() {
        let name = Name::resolve("live", "", "KEY?token=x").expect("a key");
        let shown = format!("{name:?} {:?} {:?}", name.key, name.arguments);
        assert!(
            !shown.contains("KEY") && !shown.contains("token"),
            "{shown}"
        );
    }
}
