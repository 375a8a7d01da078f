//! A gate that knows a few keys and keeps what publishers send, and a transport stream to send.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ingest::Link;
use ingest::gate::{
    Admission, Closed, Gate, MediaSink, Passphrase, Publisher, Refusal, StreamKey, Unpublish,
};
use media_core::{Media, StreamId};

/// Longest wait for something that must happen; far more than it takes.
const WAIT_MAX: Duration = Duration::from_secs(20);

/// What became of one publication.
#[derive(Clone, Debug, Default)]
pub(crate) struct Publication {
    pub(crate) stream: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) pushes: usize,
    /// `Some(None)`: dropped without a word.
    pub(crate) ended: Option<Option<Unpublish>>,
    /// Set by a test: what the sink answers from now on.
    pub(crate) closed: Option<Closed>,
    /// Set by a test: the sink panics.
    pub(crate) panics: bool,
    pub(crate) peer: Option<SocketAddr>,
    /// As it was told last.
    pub(crate) link: Option<Link>,
}

#[derive(Default)]
struct State {
    streams: HashMap<String, (StreamId, Option<Passphrase>)>,
    publications: Vec<Publication>,
    checks: usize,
    /// A live stream is taken over instead of refused.
    takes_over: bool,
}

#[derive(Clone, Default)]
pub(crate) struct RecordingGate(Arc<Mutex<State>>);

impl RecordingGate {
    /// Opens to `key`, whose stream id is the key itself.
    pub(crate) fn with(self, key: &str, passphrase: Option<&str>) -> Self {
        self.with_id(key, key, passphrase)
    }

    /// Opens to `key`, which belongs to stream `id`.
    pub(crate) fn with_id(self, key: &str, id: &str, passphrase: Option<&str>) -> Self {
        let id = StreamId::new(id).expect("an id");
        let passphrase = passphrase.map(|text| Passphrase::new(text).expect("a passphrase"));
        self.state()
            .streams
            .insert(key.to_owned(), (id, passphrase));
        self
    }

    pub(crate) fn taking_over(self) -> Self {
        self.state().takes_over = true;
        self
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often a key was looked up.
    pub(crate) fn checks(&self) -> usize {
        self.state().checks
    }

    pub(crate) fn publications(&self) -> Vec<Publication> {
        self.state().publications.clone()
    }

    /// Bytes of publication `index` so far.
    pub(crate) fn bytes_of(&self, index: usize) -> usize {
        self.state()
            .publications
            .get(index)
            .map_or(0, |one| one.bytes.len())
    }

    /// How publication `index` ended; `None` while it lives or has not begun.
    pub(crate) fn ending_of(&self, index: usize) -> Option<Option<Unpublish>> {
        self.state()
            .publications
            .get(index)
            .and_then(|one| one.ended)
    }

    pub(crate) fn change(&self, index: usize, change: impl FnOnce(&mut Publication)) {
        change(&mut self.state().publications[index]);
    }
}

impl Gate for RecordingGate {
    fn check(&self, key: &StreamKey, _: IpAddr) -> Result<Admission, Refusal> {
        let mut state = self.state();
        state.checks += 1;
        let known = state.streams.get(key.reveal()).cloned();
        let (stream, srt_passphrase) = known.ok_or(Refusal::UnknownKey)?;
        let live = |one: &Publication| one.stream == stream.as_str() && one.ended.is_none();
        if !state.takes_over && state.publications.iter().any(live) {
            return Err(Refusal::AlreadyLive);
        }
        Ok(Admission {
            stream,
            srt_passphrase,
        })
    }

    fn publish(
        &self,
        stream: &StreamId,
        publisher: Publisher,
    ) -> Result<Box<dyn MediaSink>, Refusal> {
        let mut state = self.state();
        for one in &mut state.publications {
            if one.stream == stream.as_str() && one.ended.is_none() {
                one.closed = Some(Closed::TakenOver);
            }
        }
        state.publications.push(Publication {
            stream: stream.as_str().to_owned(),
            peer: Some(publisher.peer),
            ..Publication::default()
        });
        Ok(Box::new(Sink {
            state: self.0.clone(),
            index: state.publications.len() - 1,
        }))
    }
}

struct Sink {
    state: Arc<Mutex<State>>,
    index: usize,
}

impl Sink {
    fn with<T>(&self, act: impl FnOnce(&mut Publication) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        act(&mut state.publications[self.index])
    }
}

impl MediaSink for Sink {
    fn push(&mut self, media: Media) -> Result<(), Closed> {
        let Media::TransportStream(bytes) = media else {
            panic!("SRT yields a transport stream");
        };
        self.with(|one| {
            assert!(!one.panics, "as the test wants it");
            if let Some(closed) = one.closed.clone() {
                return Err(closed);
            }
            one.bytes.extend_from_slice(&bytes);
            one.pushes += 1;
            Ok(())
        })
    }

    fn check(&self) -> Result<(), Closed> {
        self.with(|one| one.closed.clone().map_or(Ok(()), Err))
    }

    fn note_link(&self, link: &Link) {
        self.with(|one| one.link = Some(*link));
    }

    fn close(self: Box<Self>, how: Unpublish) {
        self.with(|one| one.ended = Some(Some(how)));
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.with(|one| {
            one.ended.get_or_insert(None);
        });
    }
}

/// Waits until `condition` holds; panics after a generous while.
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < WAIT_MAX, "waited in vain for: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The same, for async tests.
pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < WAIT_MAX, "waited in vain for: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// `count` messages of seven transport stream packets on one PID, with continuity counters and a
/// running number, so that a missing, doubled or misplaced packet shows.
pub(crate) fn messages(count: u32) -> Vec<Vec<u8>> {
    (0..count)
        .map(|message| {
            (0..7)
                .flat_map(|packet| {
                    let number = message * 7 + packet;
                    let mut bytes = [0xAA; 188];
                    bytes[..4].copy_from_slice(&[0x47, 0x01, 0x00, 0x10 | (number % 16) as u8]);
                    bytes[4..8].copy_from_slice(&number.to_be_bytes());
                    bytes
                })
                .collect()
        })
        .collect()
}

/// Counts (packets, continuity gaps) of a transport stream, over all its PIDs
/// (ISO/IEC 13818-1 §2.4.3.3: a packet may be sent twice in a row with the same counter); panics
/// where it is out of sync.
pub(crate) fn continuity(stream: &[u8]) -> (usize, usize) {
    let mut newest: HashMap<u16, &[u8]> = HashMap::new();
    let (mut packets, mut gaps) = (0, 0);
    for packet in stream.chunks(188) {
        let start = (packet.len(), packet[0]);
        assert_eq!(start, (188, 0x47), "packet {packets} out of sync");
        packets += 1;
        let pid = u16::from_be_bytes([packet[1], packet[2]]) & 0x1fff;
        let has_payload = packet[3] & 0x10 != 0;
        if pid == 0x1fff || !has_payload {
            continue;
        }
        if let Some(before) = newest.insert(pid, packet)
            && packet[3] & 0x0f != (before[3] + 1) & 0x0f
            && packet != before
        {
            gaps += 1;
        }
    }
    (packets, gaps)
}
