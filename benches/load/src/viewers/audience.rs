//! The viewers with their connections: sends what each asks for and hands it what it was answered.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, VecDeque};
use std::fmt::Write as _;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant, SystemTime};

use super::arrivals::{Arrivals, Micros, Piece};
use super::playlist::{self, Editions, PartKey};
use super::viewer::{Ask, Track, Viewer};
use super::{Failed, Options, SAMPLE_EVERY, log};
use crate::connection::{Body, Buffers, Connection, Read};
use crate::epoll::Epoll;

/// A browser opens as many connections to a host over HTTP/1.1.
const CONNECTIONS_PER_VIEWER_MAX: usize = 6;

/// Viewers at one loopback address. Linux gives out 28,000 ports for each, but looks the longer for a
/// free one the more are taken: that cost more than all requests at 4000 viewers an address.
const VIEWERS_PER_ADDRESS: u32 = 100;

/// hls.js asks again after a second at first; sooner shows sooner what was missed.
const RETRY_AFTER: Duration = Duration::from_millis(250);

/// A viewer and its connections.
struct Seat {
    viewer: Viewer,
    /// Connections without a request, the last used last.
    idle: Vec<u32>,
    open: usize,
    /// What waits for a connection.
    queue: VecDeque<Ask>,
}

pub(super) struct Audience<'a> {
    pub(super) options: &'a Options,
    zero: Instant,
    zero_on_the_wall: SystemTime,
    epoll: Epoll,
    buffers: Buffers,
    connections: Vec<Option<Connection<Ask>>>,
    free: Vec<u32>,
    /// The first one's is not counted: it comes before the others and follows hints.
    seats: Vec<Seat>,
    retries: BinaryHeap<Reverse<(Instant, u32, Ask)>>,
    /// Folders of picture and sound, once the first one knows them.
    renditions: [String; 2],
    /// Folder and initialization segments of their media.
    folder: String,
    inits: [String; 2],
    can_skip: bool,
    pub(super) hold_back_s: f64,
    editions: [Editions; 2],
    pub(super) arrivals: Arrivals,
    /// Parts that the first one got.
    pub(super) probed: u32,
    pub(super) answers: u64,
    pub(super) bytes: u64,
    pub(super) failures: BTreeMap<String, u64>,
    request: String,
    headers: String,
    asks: Vec<Ask>,
}

impl<'a> Audience<'a> {
    pub(super) fn new(options: &'a Options) -> io::Result<Self> {
        let seat = |index: u32| Seat {
            viewer: Viewer::new(options.hints || index == 0),
            idle: Vec::new(),
            open: 0,
            queue: VecDeque::new(),
        };
        Ok(Self {
            options,
            zero: Instant::now(),
            zero_on_the_wall: SystemTime::now(),
            epoll: Epoll::new()?,
            buffers: Buffers::new(),
            connections: Vec::new(),
            free: Vec::new(),
            seats: (0..=options.viewers).map(seat).collect(),
            retries: BinaryHeap::new(),
            renditions: Default::default(),
            folder: String::new(),
            inits: Default::default(),
            can_skip: false,
            hold_back_s: 0.0,
            editions: Default::default(),
            arrivals: Arrivals::default(),
            probed: 0,
            answers: 0,
            bytes: 0,
            failures: BTreeMap::new(),
            request: String::new(),
            headers: browser_headers(options),
            asks: Vec::new(),
        })
    }

    pub(super) fn micros(&self) -> Micros {
        self.zero.elapsed().as_micros() as Micros
    }

    pub(super) fn joined(&self) -> usize {
        let counted = self.seats.iter().skip(1);
        counted.filter(|seat| seat.viewer.has_joined()).count()
    }

    pub(super) fn open_connections(&self) -> usize {
        self.connections.iter().flatten().count()
    }

    /// Lets all viewers but the first come, evenly over `span`.
    pub(super) fn ramp(&mut self, span: Duration) -> Result<(), Failed> {
        let begun = Instant::now();
        let step = span / self.options.viewers.max(1);
        for seat in 1..self.seats.len() as u32 {
            self.come(seat);
            let due = begun + step * seat;
            loop {
                let left = due.saturating_duration_since(Instant::now());
                // Also where it is late already: those who are there go on.
                self.turn(Some(left))?;
                if left.is_zero() {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Goes on for `span`; `sample` is called now and then.
    pub(super) fn run_for(
        &mut self,
        span: Duration,
        mut sample: impl FnMut(&Options) -> io::Result<()>,
    ) -> Result<(), Failed> {
        let end = Instant::now() + span;
        let mut next_sample = Instant::now();
        loop {
            let now = Instant::now();
            if now >= end {
                return Ok(());
            }
            if now >= next_sample {
                sample(self.options)?;
                next_sample = now + SAMPLE_EVERY;
            }
            self.turn(Some(end.min(next_sample).saturating_duration_since(now)))?;
        }
    }

    /// Waits once, at most so long, and handles what came.
    pub(super) fn turn(&mut self, timeout: Option<Duration>) -> Result<(), Failed> {
        let now = Instant::now();
        while let Some(&Reverse((due, seat, ask))) = self.retries.peek() {
            if due > now {
                break;
            }
            self.retries.pop();
            self.ask(seat, ask);
        }
        let retry = self.retries.peek();
        let retry = retry.map(|Reverse((due, ..))| due.saturating_duration_since(now));
        let timeout = [timeout, retry].into_iter().flatten().min();
        let ready = self.epoll.wait(timeout)?;
        for &number in &ready {
            self.changed(number as u32)?;
        }
        self.epoll.recycle(ready);
        Ok(())
    }

    pub(super) fn come(&mut self, seat: u32) {
        self.ask(seat, Ask::Master);
    }

    /// Sends a request over one of the viewer's connections or a new one, or leaves it until one
    /// is free.
    fn ask(&mut self, seat: u32, ask: Ask) {
        self.write_request(ask);
        while let Some(number) = self.seats[seat as usize].idle.pop() {
            let place = self.connections[number as usize].as_mut();
            let sent =
                place.map(|connection| connection.ask(ask, body_of(ask), self.request.as_bytes()));
            match sent {
                Some(Ok(())) => return,
                // The server closed it while it was idle.
                _ => self.close(number),
            }
        }
        if self.seats[seat as usize].open >= CONNECTIONS_PER_VIEWER_MAX {
            self.seats[seat as usize].queue.push_back(ask);
            return;
        }
        let opened = self.open(seat, ask);
        if let Err(error) = opened {
            self.failed(seat, ask, &error.to_string());
        }
    }

    fn open(&mut self, seat: u32, ask: Ask) -> io::Result<()> {
        let mut connection = Connection::open(seat, source(seat), self.options.server)?;
        connection.ask(ask, body_of(ask), self.request.as_bytes())?;
        let number = self.free.pop().unwrap_or_else(|| {
            self.connections.push(None);
            self.connections.len() as u32 - 1
        });
        self.epoll.add(connection.socket(), u64::from(number))?;
        self.connections[number as usize] = Some(connection);
        self.seats[seat as usize].open += 1;
        Ok(())
    }

    fn close(&mut self, number: u32) {
        if let Some(connection) = self.connections[number as usize].take() {
            let seat = &mut self.seats[connection.seat as usize];
            seat.open -= 1;
            seat.idle.retain(|&idle| idle != number);
            self.free.push(number);
        }
    }

    fn failed(&mut self, seat: u32, ask: Ask, reason: &str) {
        let what = match ask {
            Ask::Master => "master",
            Ask::Playlist(_) => "playlist",
            Ask::Reload(..) => "reload",
            Ask::Init(_) => "init",
            Ask::Part(..) => "part",
        };
        *self
            .failures
            .entry(format!("{what}: {reason}"))
            .or_default() += 1;
        // A reload that failed begins anew without directives, as in hls.js.
        let again = match ask {
            Ask::Reload(track, _) => Ask::Playlist(track),
            other => other,
        };
        self.retries
            .push(Reverse((Instant::now() + RETRY_AFTER, seat, again)));
    }

    /// A connection may be written to or read from.
    fn changed(&mut self, number: u32) -> Result<(), Failed> {
        let Some(connection) = self.connections[number as usize].as_mut() else {
            return Ok(());
        };
        let seat = connection.seat;
        let unanswered = connection.unanswered();
        match connection.read(&mut self.buffers) {
            Ok(Read::Later) => {}
            Ok(Read::Closed) => self.close(number),
            Ok(Read::Answer {
                ask,
                status,
                body,
                bytes,
            }) => {
                let now = self.zero.elapsed().as_micros() as Micros;
                self.answers += 1;
                self.bytes += bytes as u64;
                let mut asks = std::mem::take(&mut self.asks);
                let good = status == 200;
                let taken = if good {
                    let mut answered = Answered {
                        viewer: &mut self.seats[seat as usize].viewer,
                        renditions: &mut self.renditions,
                        folder: &mut self.folder,
                        inits: &mut self.inits,
                        can_skip: &mut self.can_skip,
                        hold_back_s: &mut self.hold_back_s,
                        editions: &mut self.editions,
                        arrivals: &mut self.arrivals,
                    };
                    answered.take(seat, ask, body, now, &mut asks)
                } else {
                    if let Ask::Part(track, key) = ask {
                        // It will not come back; the next one may.
                        let viewer = &mut self.seats[seat as usize].viewer;
                        viewer.part(track, key, &mut asks);
                    }
                    Ok(())
                };
                self.probed += u32::from(seat == 0 && good && matches!(ask, Ask::Part(..)));
                self.seats[seat as usize].idle.push(number);
                if !good {
                    self.refused(seat, ask, status);
                }
                self.ask_waiting(seat);
                for ask in asks.drain(..) {
                    self.ask(seat, ask);
                }
                self.asks = asks;
                taken?;
            }
            Err(error) => {
                self.close(number);
                if let Some(ask) = unanswered {
                    self.failed(seat, ask, &error.to_string());
                }
                self.ask_waiting(seat);
            }
        }
        Ok(())
    }

    /// A connection of this viewer is free, or another may be opened.
    fn ask_waiting(&mut self, seat: u32) {
        if let Some(waiting) = self.seats[seat as usize].queue.pop_front() {
            self.ask(seat, waiting);
        }
    }

    fn refused(&mut self, seat: u32, ask: Ask, status: u16) {
        if matches!(ask, Ask::Part(..)) {
            *self.failures.entry(format!("part: {status}")).or_default() += 1;
        } else {
            self.failed(seat, ask, &status.to_string());
        }
    }

    fn write_request(&mut self, ask: Ask) {
        let request = &mut self.request;
        request.clear();
        let _ = write!(request, "GET /live/{}/", self.options.stream);
        let rendition = |track: Track| &self.renditions[track.index()];
        // Writing to a String cannot fail.
        let _ = match ask {
            Ask::Master => write!(request, "master.m3u8"),
            Ask::Playlist(track) => write!(request, "{}playlist.m3u8", rendition(track)),
            Ask::Reload(track, PartKey { sequence, part }) => {
                let skip = if self.can_skip { "&_HLS_skip=YES" } else { "" };
                let directives = format_args!("_HLS_msn={sequence}&_HLS_part={part}{skip}");
                write!(request, "{}playlist.m3u8?{directives}", rendition(track))
            }
            Ask::Init(track) => {
                write!(request, "{}{}", rendition(track), self.inits[track.index()])
            }
            Ask::Part(track, PartKey { sequence, part }) => {
                let folder = &self.folder;
                write!(request, "{}{folder}{sequence}.{part}.m4s", rendition(track))
            }
        };
        request.push_str(&self.headers);
    }

    pub(super) fn births(&self) -> Result<HashMap<Piece, Micros>, Failed> {
        let Some(path) = &self.options.server_log else {
            return Ok(HashMap::new());
        };
        let text = std::fs::read_to_string(path)?;
        let [video, audio] = &self.renditions;
        let names = [video, audio].map(|folder| folder.trim_end_matches('/'));
        Ok(log::births(&text, names, self.zero_on_the_wall))
    }
}

fn body_of(ask: Ask) -> Body {
    match ask {
        Ask::Init(_) | Ask::Part(..) => Body::Media,
        Ask::Master | Ask::Playlist(_) | Ask::Reload(..) => Body::Text,
    }
}

/// What a good answer changes.
struct Answered<'a> {
    viewer: &'a mut Viewer,
    renditions: &'a mut [String; 2],
    folder: &'a mut String,
    inits: &'a mut [String; 2],
    can_skip: &'a mut bool,
    hold_back_s: &'a mut f64,
    editions: &'a mut [Editions; 2],
    arrivals: &'a mut Arrivals,
}

impl Answered<'_> {
    fn take(
        &mut self,
        seat: u32,
        ask: Ask,
        body: &[u8],
        now: Micros,
        asks: &mut Vec<Ask>,
    ) -> Result<(), playlist::Unusable> {
        match ask {
            Ask::Master => {
                *self.renditions = playlist::renditions(&playlist::text(body)?)?;
                self.viewer.master(asks);
            }
            Ask::Playlist(track) | Ask::Reload(track, _) => {
                let (listing, is_new) = self.editions[track.index()].read(body)?;
                if is_new {
                    for &key in &listing.parts {
                        self.arrivals.seen((track, key), now);
                    }
                    self.folder.clone_from(&listing.folder);
                    self.inits[track.index()].clone_from(&listing.init);
                    *self.can_skip = listing.can_skip;
                    *self.hold_back_s = listing.hold_back_s;
                }
                self.viewer.playlist(track, &listing, asks);
            }
            Ask::Init(track) => self.viewer.init(track, asks),
            Ask::Part(track, key) => {
                match seat.checked_sub(1) {
                    Some(counted) => self.arrivals.got((track, key), counted, now),
                    None => self.arrivals.seen((track, key), now),
                }
                self.viewer.part(track, key, asks);
            }
        }
        Ok(())
    }
}

/// Viewers come from several loopback addresses, all of which are this machine.
fn source(seat: u32) -> IpAddr {
    let address = u32::from(Ipv4Addr::new(127, 0, 1, 1)) + seat / VIEWERS_PER_ADDRESS;
    IpAddr::V4(Ipv4Addr::from(address))
}

/// What Chromium sends with hls.js's requests: a server has to read all of it.
fn browser_headers(options: &Options) -> String {
    let Options { server, stream, .. } = options;
    format!(
        " HTTP/1.1\r\nHost: {server}\r\nConnection: keep-alive\r\n\
         sec-ch-ua-platform: \"Linux\"\r\n\
         User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36\r\n\
         sec-ch-ua: \"Chromium\";v=\"142\", \"Not_A Brand\";v=\"99\"\r\n\
         sec-ch-ua-mobile: ?0\r\nAccept: */*\r\n\
         Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\n\
         Referer: http://{server}/watch/{stream}\r\n\
         Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-US,en;q=0.9\r\n\r\n"
    )
}
