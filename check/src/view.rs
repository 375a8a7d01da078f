//! What was seen, put in order for the rules: the playlists read, the media read, each rendition
//! with its loads in the order in which they came.

use std::collections::{BTreeMap, HashMap};

use crate::media::fmp4::{Extent, Init};
use crate::media::{Media, Run, Unreadable, ts};
use crate::playlist::{MediaPlaylist, Multivariant, Part, Resource, Segment, Text};
use crate::report::Evidence;
use crate::session::{ByteRange, Exchange, Purpose, Session};

/// Most segments and parts that are kept of all playlists together, some 300 bytes each. A playlist
/// of three hours that is loaded three times a second has them after a quarter of a minute.
pub(crate) const LISTED_MAX: usize = 1_000_000;

/// Everything that a rule can look at.
pub(crate) struct View<'a> {
    pub(crate) session: &'a Session,
    /// What is looked at of the session: all, unless its playlists list too much.
    pub(crate) exchanges: &'a [Exchange],
    pub(crate) multivariant: Option<Master<'a>>,
    /// The media playlists that were followed, but for I-frame playlists.
    pub(crate) renditions: Vec<Rendition<'a>>,
    pub(crate) iframes: Vec<Rendition<'a>>,
    inits: HashMap<Resource, Result<Init, Unreadable>>,
    media: HashMap<Resource, Fetched<'a>>,
}

/// The multivariant playlist and where it came from.
pub(crate) struct Master<'a> {
    pub(crate) exchange: &'a Exchange,
    pub(crate) playlist: Multivariant,
}

/// A media playlist over time.
pub(crate) struct Rendition<'a> {
    pub(crate) url: String,
    pub(crate) role: Role,
    /// As a player loads it, in order.
    pub(crate) loads: Vec<Load<'a>>,
    /// What was asked only to see what is answered.
    pub(crate) probes: Vec<Load<'a>>,
}

/// What the multivariant playlist says that a media playlist is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Variant,
    Audio,
    Other,
    IFrames,
    /// There is no multivariant playlist.
    Alone,
}

/// One answer with a media playlist.
pub(crate) struct Load<'a> {
    pub(crate) exchange: &'a Exchange,
    pub(crate) playlist: MediaPlaylist,
}

/// A resource as it was received.
pub(crate) struct Fetched<'a> {
    pub(crate) exchange: &'a Exchange,
    pub(crate) media: Result<Media, Unreadable>,
}

/// A segment of a rendition, as the newest load that has it lists it.
#[derive(Clone, Copy)]
pub(crate) struct Listed<'v, 'a> {
    pub(crate) load: &'v Load<'a>,
    pub(crate) segment: &'v Segment,
}

impl<'a> View<'a> {
    /// Puts a session in order, as much of it as lists `listed_max` segments and parts.
    pub(crate) fn new(session: &'a Session, listed_max: usize) -> Self {
        let multivariant = session.exchanges.iter().find_map(|exchange| {
            let body = &exchange
                .good()
                .filter(|_| exchange.purpose == Purpose::Entry)?
                .body;
            let playlist = Multivariant::parse(exchange.base(), body);
            playlist
                .text
                .is_multivariant()
                .then_some(Master { exchange, playlist })
        });
        let mut all: Vec<Rendition<'a>> = Vec::new();
        let mut listed = 0;
        let mut seen = session.exchanges.len();
        for (index, exchange) in session.exchanges.iter().enumerate() {
            let Some(answer) = exchange.good().filter(|_| !exchange.purpose.is_media()) else {
                continue;
            };
            if matches!(exchange.purpose, Purpose::Absent)
                || Text::new(&answer.body).is_multivariant()
            {
                continue;
            }
            let url = exchange.plain_url();
            let playlist = MediaPlaylist::parse(exchange.base(), &answer.body);
            let parts = playlist.segments.iter().map(|it| it.parts.len());
            listed += playlist.segments.len() + parts.sum::<usize>();
            if listed > listed_max {
                seen = index;
                break;
            }
            let load = Load { exchange, playlist };
            let index = all.iter().position(|it| it.url == url).unwrap_or_else(|| {
                let role = role_of(multivariant.as_ref(), &url);
                all.push(Rendition::new(url, role));
                all.len() - 1
            });
            match exchange.purpose.follows() || exchange.purpose == Purpose::Entry {
                true => all[index].loads.push(load),
                false => all[index].probes.push(load),
            }
        }
        let (iframes, renditions) = all.into_iter().partition(|it| it.role == Role::IFrames);
        let mut view = Self {
            session,
            exchanges: &session.exchanges[..seen],
            multivariant,
            renditions,
            iframes,
            inits: HashMap::new(),
            media: HashMap::new(),
        };
        view.read_inits();
        view.read_media();
        view
    }

    fn read_inits(&mut self) {
        for exchange in self.of(|purpose| purpose == Purpose::Init) {
            let Some(answer) = exchange.good() else {
                continue;
            };
            self.inits
                .insert(resource(exchange), Init::parse(&answer.body));
        }
    }

    fn read_media(&mut self) {
        let mut maps: HashMap<Resource, (Option<Resource>, Extent)> = HashMap::new();
        for rendition in self.renditions.iter().chain(&self.iframes) {
            let extent = match rendition.role {
                Role::IFrames => Extent::Beginning,
                _ => Extent::Whole,
            };
            for segment in rendition.loads.iter().flat_map(|it| &it.playlist.segments) {
                let parts = segment.parts.iter().map(|part| &part.resource);
                let whole = segment.resource.iter().map(|resource| &resource.value);
                for resource in parts.chain(whole) {
                    if !maps.contains_key(resource) {
                        maps.insert(resource.clone(), (segment.map.clone(), extent));
                    }
                }
            }
        }
        let wanted =
            |purpose| matches!(purpose, Purpose::Segment | Purpose::Part | Purpose::Hinted);
        for exchange in self.of(wanted) {
            let Some(answer) = exchange.good() else {
                continue;
            };
            let resource = resource(exchange);
            // A hint that was never listed belongs to nothing.
            let Some((map, extent)) = maps.get(&resource) else {
                continue;
            };
            let media = match map {
                Some(map) => match self.inits.get(map) {
                    Some(Ok(init)) => init.media(&answer.body, *extent),
                    _ => Err(Unreadable::NoInit),
                },
                None if ts::is_ts(&answer.body) => ts::parse(&answer.body),
                None => Err(Unreadable::Format),
            };
            self.media.insert(resource, Fetched { exchange, media });
        }
    }

    /// The requests of these purposes.
    pub(crate) fn of<F: Fn(Purpose) -> bool>(
        &self,
        wanted: F,
    ) -> impl Iterator<Item = &'a Exchange> + use<'a, F> {
        let exchanges = self.exchanges.iter();
        exchanges.filter(move |exchange| wanted(exchange.purpose))
    }

    /// A resource that was fetched.
    pub(crate) fn fetched(&self, resource: &Resource) -> Option<&Fetched<'a>> {
        self.media.get(resource)
    }

    /// A segment that was fetched.
    pub(crate) fn segment(&self, segment: &Segment) -> Option<&Fetched<'a>> {
        self.fetched(&segment.resource.as_ref()?.value)
    }

    /// The main run of a resource that was fetched and can be read.
    pub(crate) fn run(&self, resource: &Resource) -> Option<&Run> {
        self.fetched(resource)?.media.as_ref().ok()?.main()
    }

    /// The main run of a segment.
    pub(crate) fn segment_run(&self, segment: &Segment) -> Option<&Run> {
        self.run(&segment.resource.as_ref()?.value)
    }

    /// The main run of a part.
    pub(crate) fn part_run(&self, part: &Part) -> Option<&Run> {
        self.run(&part.resource)
    }

    /// An initialization section.
    pub(crate) fn init(&self, resource: &Resource) -> Option<&Result<Init, Unreadable>> {
        self.inits.get(resource)
    }

    /// All loads of all renditions, I-frame playlists too.
    pub(crate) fn loads(&self) -> impl Iterator<Item = (&Rendition<'a>, &Load<'a>)> {
        let all = self.renditions.iter().chain(&self.iframes);
        all.flat_map(|rendition| rendition.loads.iter().map(move |load| (rendition, load)))
    }

    /// The playlist that an exchange brought.
    pub(crate) fn load_of(&self, exchange: &Exchange) -> Option<&Load<'a>> {
        let rendition = self.rendition(&exchange.url)?;
        let mut loads = rendition.loads.iter().chain(&rendition.probes);
        loads.find(|load| std::ptr::eq(load.exchange, exchange))
    }

    /// The rendition of this playlist.
    pub(crate) fn rendition(&self, url: &str) -> Option<&Rendition<'a>> {
        let url = crate::session::without_directives(url);
        self.renditions.iter().find(|it| it.url == url)
    }
}

impl<'a> Rendition<'a> {
    fn new(url: String, role: Role) -> Self {
        Self {
            url,
            role,
            loads: Vec::new(),
            probes: Vec::new(),
        }
    }

    /// Every segment that was listed, by its media sequence number.
    pub(crate) fn segments(&self) -> BTreeMap<u64, Listed<'_, 'a>> {
        let mut found: BTreeMap<u64, Listed<'_, 'a>> = BTreeMap::new();
        for load in &self.loads {
            for segment in &load.playlist.segments {
                // The parts of an older segment leave the playlist before it does.
                let known = found.get(&segment.msn);
                let fuller = known.is_none_or(|known| {
                    (segment.is_whole(), segment.parts.len())
                        > (known.segment.is_whole(), known.segment.parts.len())
                        || (segment.is_whole() && !known.segment.is_whole())
                });
                if fuller {
                    found.insert(segment.msn, Listed { load, segment });
                }
            }
        }
        found
    }

    /// The newest load.
    pub(crate) fn newest(&self) -> Option<&Load<'a>> {
        self.loads.last()
    }

    /// A short name for what is measured.
    pub(crate) fn name(&self) -> String {
        let path = self.url.split('?').next().unwrap_or_default();
        let host = path.split_once("://").map_or(path, |(_, rest)| rest);
        let path = host.split_once('/').map_or(host, |(_, path)| path);
        let mut names = path.rsplit('/').take(2).collect::<Vec<_>>();
        names.reverse();
        names.join("/")
    }

    /// Whether it is low latency.
    pub(crate) fn is_low_latency(&self) -> bool {
        self.loads.iter().any(|load| load.playlist.is_low_latency())
    }
}

impl Load<'_> {
    /// Evidence that points at lines.
    pub(crate) fn evidence(&self, lines: &[usize], what: impl Into<String>) -> Evidence {
        let text = &self.playlist.text;
        let lines = lines.iter().filter(|line| **line > 0);
        Evidence {
            what: what.into(),
            url: self.exchange.url.clone(),
            at_ms: self.exchange.end.as_millis() as u64,
            lines: lines
                .map(|line| (*line, text.line(*line).unwrap_or_default().to_owned()))
                .collect(),
        }
    }
}

impl Master<'_> {
    /// Evidence that points at lines.
    pub(crate) fn evidence(&self, lines: &[usize], what: impl Into<String>) -> Evidence {
        let text = &self.playlist.text;
        let line = |line: &usize| (*line, text.line(*line).unwrap_or_default().to_owned());
        Evidence {
            lines: lines.iter().map(line).collect(),
            ..of_exchange(self.exchange, what)
        }
    }
}

impl Listed<'_, '_> {
    /// Evidence that points at the segment's duration and URI.
    pub(crate) fn evidence(&self, what: impl Into<String>) -> Evidence {
        let extinf = self.segment.extinf.map_or(0, |extinf| extinf.line);
        let uri = self.segment.resource.as_ref().map_or(0, |it| it.line);
        self.load.evidence(&[extinf, uri], what)
    }
}

/// Evidence that points at a request as a whole.
pub(crate) fn of_exchange(exchange: &Exchange, what: impl Into<String>) -> Evidence {
    Evidence {
        what: what.into(),
        url: exchange.url.clone(),
        at_ms: exchange.end.as_millis() as u64,
        lines: Vec::new(),
    }
}

fn resource(exchange: &Exchange) -> Resource {
    let range: Option<ByteRange> = exchange.range;
    Resource {
        url: exchange.url.clone(),
        range,
    }
}

fn role_of(master: Option<&Master<'_>>, url: &str) -> Role {
    let Some(master) = master else {
        return Role::Alone;
    };
    let playlist = &master.playlist;
    let is = |known: &str| crate::session::without_directives(known) == url;
    if playlist.variants.iter().any(|variant| is(&variant.url)) {
        return Role::Variant;
    }
    if playlist.iframes.iter().any(|variant| is(&variant.url)) {
        return Role::IFrames;
    }
    let rendition = playlist
        .renditions
        .iter()
        .find(|rendition| rendition.url.as_deref().is_some_and(is));
    match rendition.and_then(|it| it.attributes.text("TYPE")) {
        Some("AUDIO") => Role::Audio,
        _ => Role::Other,
    }
}
