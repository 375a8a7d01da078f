//! The configuration: from texts (see [`sources`]) to checked values.

mod media;
mod recording;
mod settings;
mod sources;
#[cfg(test)]
mod tests;
mod uploads;

use std::fmt::Display;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use control_api::urls::{HostPort, HttpBase};
use control_api::{Limits, Registration, WebOrigin};
use media_core::graph::{EncoderChoice, Preset, Profile, SourceUse};
use media_core::{Bitrate, Ladder, RenditionName, Rung};
use storage::Networks;
use storage::database::Location;
use storage::webhooks::HookUrl;

use crate::hooks::OnFailure;
use crate::overload::Admission;

pub(crate) use settings::{example_file, help_table};
pub(crate) use sources::Flags;
use sources::{Origin, Value, Values};
use uploads::Uploads;

use crate::recordings::{Defaults, ObjectsChoice};

/// Two years, which is what browsers' preload lists ask for.
const HSTS_S_MAX: u64 = 63_072_000;

/// Half a year.
const HSTS_S_AUTO: u64 = 15_552_000;

/// How often something may be allowed at the most: as good as always.
const COUNT_MAX: u64 = 1_000_000;

/// Wrong passwords in a minute, each of which is remembered for so long: about as many as a core can
/// check.
const LOGINS_MAX: u64 = 1000;

/// Most rungs of a ladder.
const RUNGS_MAX: usize = 8;

/// Settings that are secrets or have one in them.
const SECRETS: &[&str] = &[
    "admin_token",
    "database.url",
    "storage.url",
    "hooks.on_publish",
];

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{}: {source}; give another file with --config", path.display())]
    Unreadable {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{} line {line}: {what}", path.display())]
    NotToml {
        path: PathBuf,
        line: usize,
        what: String,
    },
    #[error("{origin}: {key} is not a setting{} (all settings: millrace serve --help)", did_you_mean(.nearest))]
    UnknownKey {
        origin: String,
        key: String,
        nearest: Option<String>,
    },
    #[error("{path} = {text:?} ({origin}): {what}")]
    BadValue {
        path: &'static str,
        text: String,
        origin: Origin,
        what: String,
    },
    #[error("tls.certificate and tls.key belong together: only one of them is set")]
    HalfTls,
}

fn did_you_mean(nearest: &Option<String>) -> String {
    nearest
        .as_ref()
        .map(|name| format!(", did you mean {name}?"))
        .unwrap_or_default()
}

/// A checked configuration.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) data: PathBuf,
    pub(crate) admin_token: Option<String>,
    pub(crate) http: SocketAddr,
    pub(crate) https: SocketAddr,
    pub(crate) http_connections_per_address: usize,
    pub(crate) http_trusted_proxies: Networks,
    pub(crate) rtmp: SocketAddr,
    pub(crate) rtmps: SocketAddr,
    pub(crate) srt: SocketAddr,
    pub(crate) metrics: Option<Metrics>,
    /// `None`: in the data folder.
    pub(crate) database: Option<Location>,
    pub(crate) tls: Option<Tls>,
    pub(crate) public: Public,
    pub(crate) api: ApiConfig,
    pub(crate) hls: Hls,
    pub(crate) ladder: LadderConfig,
    pub(crate) ingest: IngestConfig,
    pub(crate) slate: Slate,
    pub(crate) recording: Defaults,
    /// `None`: media stays in the data folder.
    pub(crate) objects: Option<ObjectsChoice>,
    pub(crate) uploads: Uploads,
    /// `None`: nobody is asked about publishers.
    pub(crate) on_publish: Option<OnPublish>,
    pub(crate) log: Log,
}

/// What viewers see while no publisher sends.
#[derive(Debug)]
pub(crate) struct Slate {
    /// `None`: the last picture.
    pub(crate) image: Option<PathBuf>,
    pub(crate) text: String,
}

/// Where `/metrics` is answered.
#[derive(Debug)]
pub(crate) struct Metrics {
    pub(crate) address: SocketAddr,
    /// Nobody asked for it: where the port is taken, the server runs without.
    pub(crate) by_default: bool,
}

#[derive(Debug)]
pub(crate) struct Tls {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    /// From HTTP to HTTPS.
    pub(crate) redirect: bool,
    /// 0: none.
    pub(crate) hsts_s: u64,
}

#[derive(Debug)]
pub(crate) struct Public {
    pub(crate) http: Option<HttpBase>,
    pub(crate) rtmp: Option<HostPort>,
    pub(crate) srt: Option<HostPort>,
}

#[derive(Debug)]
pub(crate) struct ApiConfig {
    pub(crate) registration: Registration,
    pub(crate) cors_origins: Vec<WebOrigin>,
    pub(crate) limits: Limits,
}

#[derive(Debug)]
pub(crate) struct Hls {
    pub(crate) segment: Duration,
    pub(crate) part: Duration,
    pub(crate) window: Duration,
    /// `None`: viewers cannot rewind further than the window.
    pub(crate) dvr: Option<Duration>,
}

#[derive(Debug)]
pub(crate) struct LadderConfig {
    pub(crate) ladder: Ladder,
    pub(crate) encoder: EncoderChoice,
    /// `None`: by the machine.
    pub(crate) preset: Option<Preset>,
    pub(crate) profile: Profile,
    pub(crate) source: SourceUse,
    /// `None`: by the machine.
    pub(crate) threads: Option<u32>,
}

#[derive(Debug)]
pub(crate) struct IngestConfig {
    pub(crate) broadcasts_max: usize,
    pub(crate) admission: Admission,
    pub(crate) reconnect: Duration,
    pub(crate) srt_latency: Duration,
}

/// Who is asked whether a publisher may publish.
#[derive(Debug)]
pub(crate) struct OnPublish {
    pub(crate) url: HookUrl,
    pub(crate) timeout: Duration,
    pub(crate) on_failure: OnFailure,
}

#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) level: String,
    pub(crate) format: LogFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("text or json is expected".into()),
        }
    }
}

impl Config {
    /// Reads `file` and `variables`, with `flags` over both.
    pub(crate) fn load(
        file: Option<&Path>,
        variables: impl Iterator<Item = (String, String)>,
        flags: Flags,
    ) -> Result<Self, Error> {
        let values = Reader(Values::merge(file, variables, flags)?);
        let https = values.parsed("https")?;
        let public_http = values.checked("public.http", HttpBase::new)?;
        let tls = match (
            values.optional("tls.certificate"),
            values.optional("tls.key"),
        ) {
            (None, None) => None,
            (Some(certificate), Some(key)) => Some(Tls {
                certificate: certificate.text.clone().into(),
                key: key.text.clone().into(),
                redirect: values.parsed("tls.redirect")?,
                hsts_s: values
                    .whole_or("tls.hsts_s", "auto", 0..=HSTS_S_MAX)?
                    .unwrap_or_else(|| hsts_s(public_http.as_ref(), https)),
            }),
            _ => return Err(Error::HalfTls),
        };
        Ok(Self {
            data: values.parsed::<PathBuf>("data")?,
            admin_token: values.checked("admin_token", admin_token)?,
            http: values.parsed("http")?,
            https,
            http_connections_per_address: values
                .whole("http_connections_per_address", 1..=65_536)?
                as usize,
            http_trusted_proxies: values
                .checked("http_trusted_proxies", networks)?
                .unwrap_or_default(),
            rtmp: values.parsed("rtmp")?,
            rtmps: values.parsed("rtmps")?,
            srt: values.parsed("srt")?,
            metrics: values.metrics()?,
            database: values.checked("database.url", database_url)?,
            tls,
            public: Public {
                http: public_http,
                rtmp: values.checked("public.rtmp", HostPort::new)?,
                srt: values.checked("public.srt", HostPort::new)?,
            },
            api: ApiConfig {
                registration: values.parsed("api.registration")?,
                cors_origins: values
                    .checked("api.cors_origins", origins)?
                    .unwrap_or_default(),
                limits: Limits {
                    requests_per_minute: values.count("api.requests_per_minute", COUNT_MAX)?,
                    registrations_per_hour: values
                        .count("api.registrations_per_hour", COUNT_MAX)?,
                    logins_per_minute: values.count("api.logins_per_minute", LOGINS_MAX)?,
                    login_ban: Duration::from_secs(values.whole("api.login_ban_s", 1..=86_400)?),
                },
            },
            hls: Hls {
                segment: values.millis("hls.segment_ms", 1000..=10_000)?,
                part: values.millis("hls.part_ms", 100..=1000)?,
                window: Duration::from_secs(values.whole("hls.window_s", 6..=3600)?),
                dvr: match values.whole("hls.dvr_s", 0..=86_400)? {
                    0 => None,
                    seconds => Some(Duration::from_secs(seconds)),
                },
            },
            ladder: LadderConfig {
                ladder: Ladder {
                    rungs: values.required("ladder.rungs", rungs)?,
                    audio: Bitrate::from_kbps(values.whole("ladder.audio_kbps", 32..=512)? as u32),
                },
                encoder: values.parsed("ladder.encoder")?,
                preset: values.parsed_or("ladder.preset", "auto")?,
                profile: values.parsed("ladder.profile")?,
                source: values.parsed("ladder.source")?,
                threads: match values.whole("ladder.threads", 0..=32)? {
                    0 => None,
                    threads => Some(threads as u32),
                },
            },
            ingest: IngestConfig {
                broadcasts_max: values.whole("ingest.broadcasts_max", 1..=64)? as usize,
                admission: values.parsed("ingest.admission")?,
                reconnect: values.millis("ingest.reconnect_ms", 0..=3_600_000)?,
                srt_latency: values.millis("ingest.srt_latency_ms", 20..=10_000)?,
            },
            slate: Slate {
                image: values
                    .optional("slate.image")
                    .map(|it| it.text.clone().into()),
                text: values.required("slate.text", slate_text)?,
            },
            recording: recording::read(&values)?,
            objects: media::read(&values)?,
            uploads: uploads::read(&values)?,
            on_publish: values.on_publish()?,
            log: Log {
                level: values.required("log.level", log_level)?,
                format: values.parsed("log.format")?,
            },
        })
    }
}

/// What fits a line in the middle of a picture.
fn slate_text(text: &str) -> Result<String, String> {
    const CHARS_MAX: usize = 60;
    match text.chars().count() <= CHARS_MAX {
        true => Ok(text.to_owned()),
        false => Err(format!("at most {CHARS_MAX} characters are expected")),
    }
}

/// Reads typed values; every error names the setting, the text and where it was written.
struct Reader(Values);

impl Reader {
    fn optional(&self, path: &'static str) -> Option<&Value> {
        Some(self.0.value(path)).filter(|value| !value.text.is_empty())
    }

    fn required<T, E: Display>(
        &self,
        path: &'static str,
        check: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, Error> {
        let value = self.0.value(path);
        check(&value.text).map_err(|what| Error::BadValue {
            path,
            // A secret does not belong in an error.
            text: match SECRETS.contains(&path) {
                true => "…".into(),
                false => value.text.clone(),
            },
            origin: value.origin.clone(),
            what: what.to_string(),
        })
    }

    fn checked<T, E: Display>(
        &self,
        path: &'static str,
        check: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, Error> {
        self.optional(path)
            .map(|_| self.required(path, check))
            .transpose()
    }

    fn parsed<T: FromStr<Err: Display>>(&self, path: &'static str) -> Result<T, Error> {
        self.required(path, str::parse)
    }

    fn parsed_or<T: FromStr<Err: Display>>(
        &self,
        path: &'static str,
        none: &str,
    ) -> Result<Option<T>, Error> {
        match self.0.value(path).text == none {
            true => Ok(None),
            false => self.parsed(path).map(Some),
        }
    }

    fn metrics(&self) -> Result<Option<Metrics>, Error> {
        let address = self.checked("metrics", str::parse)?;
        let by_default = matches!(self.0.value("metrics").origin, Origin::Default);
        Ok(address.map(|address| Metrics {
            address,
            by_default,
        }))
    }

    fn on_publish(&self) -> Result<Option<OnPublish>, Error> {
        // Checked also where it is not used: a mistake is better found before.
        let timeout = self.millis("hooks.on_publish_timeout_ms", 100..=10_000)?;
        let on_failure = self.parsed("hooks.on_publish_failure")?;
        let url = self.checked("hooks.on_publish", HookUrl::new)?;
        Ok(url.map(|url| OnPublish {
            url,
            timeout,
            on_failure,
        }))
    }

    fn whole(&self, path: &'static str, range: RangeInclusive<u64>) -> Result<u64, Error> {
        self.required(path, |text| {
            let number = text
                .parse::<u64>()
                .ok()
                .filter(|number| range.contains(number));
            number.ok_or_else(|| {
                format!(
                    "a whole number from {} to {} is expected",
                    range.start(),
                    range.end()
                )
            })
        })
    }

    /// `None` where the text is `none`.
    fn whole_or(
        &self,
        path: &'static str,
        none: &str,
        range: RangeInclusive<u64>,
    ) -> Result<Option<u64>, Error> {
        match self.0.value(path).text == none {
            true => Ok(None),
            false => self.whole(path, range).map(Some),
        }
    }

    /// How often something may happen.
    fn count(&self, path: &'static str, max: u64) -> Result<NonZeroU32, Error> {
        let number = self.whole(path, 1..=max)? as u32;
        Ok(NonZeroU32::new(number).expect("the range begins at 1"))
    }

    fn millis(&self, path: &'static str, range: RangeInclusive<u64>) -> Result<Duration, Error> {
        self.whole(path, range).map(Duration::from_millis)
    }
}

/// HSTS goes for every port of a host, and keeps a port that a URL names (RFC 6797 §8.3):
/// `http://host:8080` would become `https://host:8080`, where nobody speaks TLS. So it is on
/// only where viewers name no port.
fn hsts_s(public: Option<&HttpBase>, https: SocketAddr) -> u64 {
    let is_standard = match public {
        Some(base) => base.is_https() && base.port().unwrap_or(443) == 443,
        None => https.port() == 443,
    };
    if is_standard { HSTS_S_AUTO } else { 0 }
}

fn admin_token(text: &str) -> Result<String, String> {
    let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
    match visible && storage::admin_token::LENGTH.contains(&text.len()) {
        true => Ok(text.to_owned()),
        false => Err(format!(
            "{} to {} visible ASCII characters are expected",
            storage::admin_token::LENGTH.start(),
            storage::admin_token::LENGTH.end(),
        )),
    }
}

fn database_url(text: &str) -> Result<Location, String> {
    const SCHEMES: [&str; 3] = ["postgres:", "postgresql:", "sqlite:"];
    match SCHEMES.iter().any(|scheme| text.starts_with(scheme)) {
        true => Location::parse(text).map_err(|error| error.to_string()),
        false => {
            Err("postgres://USER:PASSWORD@HOST:PORT/DATABASE or sqlite:FILE is expected".into())
        }
    }
}

/// `127.0.0.1, 10.0.0.0/8`.
fn networks(text: &str) -> Result<Networks, String> {
    let texts: Vec<&str> = text.split(',').map(str::trim).collect();
    Networks::new(&texts).map_err(|error| error.to_string())
}

/// `https://app.example.org, http://localhost:3000`.
fn origins(text: &str) -> Result<Vec<WebOrigin>, String> {
    /// Every request is compared with each.
    const ORIGINS_MAX: usize = 32;
    let origins: Vec<WebOrigin> = text
        .split(',')
        .map(|origin| WebOrigin::new(origin.trim()).map_err(|error| error.to_string()))
        .collect::<Result<_, _>>()?;
    match origins.len() <= ORIGINS_MAX {
        true => Ok(origins),
        false => Err(format!("at most {ORIGINS_MAX} origins are possible")),
    }
}

fn log_level(text: &str) -> Result<String, String> {
    match text.parse::<tracing_subscriber::filter::Targets>() {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// `1080p 1920x1080 5000k, 720p 1280x720 2500k`.
fn rungs(text: &str) -> Result<Vec<Rung>, String> {
    let rungs = text
        .split(',')
        .map(|rung| parse_rung(rung.trim()))
        .collect::<Result<Vec<_>, _>>()?;
    if rungs.len() > RUNGS_MAX {
        return Err(format!("at most {RUNGS_MAX} renditions are possible"));
    }
    for pair in rungs.windows(2) {
        if pair[1].width > pair[0].width || pair[1].height > pair[0].height {
            return Err(format!(
                "{} is larger than {} before it",
                pair[1].name, pair[0].name
            ));
        }
        if rungs
            .iter()
            .filter(|rung| rung.name == pair[0].name)
            .count()
            > 1
        {
            return Err(format!("{} stands twice", pair[0].name));
        }
    }
    Ok(rungs)
}

fn parse_rung(text: &str) -> Result<Rung, String> {
    /// H.264 level 5.2 ends there.
    const SIDE_MAX: u32 = 4096;
    let expected =
        || format!("{text:?}: a name, a size and a bitrate like \"720p 1280x720 2500k\"");
    let mut words = text.split_whitespace();
    let (Some(name), Some(size), Some(bitrate), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(expected());
    };
    let name = RenditionName::new(name).map_err(|error| error.to_string())?;
    if name.as_str() == media_core::ladder::AUDIO_RENDITION {
        return Err(format!("{name} is the name of the audio rendition"));
    }
    let (width, height) = size.split_once('x').ok_or_else(expected)?;
    let side = |text: &str| {
        text.parse::<u32>()
            .ok()
            .filter(|side| (16..=SIDE_MAX).contains(side))
    };
    let (Some(width), Some(height)) = (side(width), side(height)) else {
        return Err(expected());
    };
    if width % 2 != 0 || height % 2 != 0 {
        return Err(format!("{size}: both sides must be even"));
    }
    let kbps = bitrate
        .strip_suffix('k')
        .and_then(|kbps| kbps.parse::<u32>().ok());
    let kbps = kbps
        .filter(|kbps| (50..=100_000).contains(kbps))
        .ok_or_else(expected)?;
    Ok(Rung {
        name,
        width,
        height,
        bitrate: Bitrate::from_kbps(kbps),
    })
}
