//! One publisher's connection as a state machine (RTMP 1.0 §7): bytes in, replies and events out.
//!
//! No socket, no clock: times are spans since any one origin that the caller keeps to. After an
//! error the session is over; what [`Session::poll_output`] still gives is to be sent before the
//! connection is closed.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use media_core::Media;

use super::amf0::Value;
use super::chunk::{Bounds, RawMessage, Reader, Writer};
use super::command::{self, Command, Status};
use super::error::{Error, Place, Wait};
use super::handshake::{Handshake, Progress};
use super::limits::{
    HANDSHAKE_MAX, HELD_BYTES_MAX, IDLE_MAX, MESSAGE_STREAMS_MAX, OUTPUT_BYTES_MAX, PUBLISH_WITHIN,
};
use super::message::{self, Aggregate, Message, event, type_id};
use super::name::Name;
use super::tracks::Tracks;
use crate::gate::{Closed, Refusal};

/// The acknowledgement window that both sides begin with; what most servers ask for.
const WINDOW_BYTES: u32 = 2_500_000;
/// Our replies to `connect` do not fit in the initial chunk size.
const OUTPUT_CHUNK_BYTES: u32 = 4096;
/// The chunk streams of our replies.
const CONTROL: u8 = 2;
const COMMANDS: u8 = 3;

/// What a session wants its caller to know or to decide.
#[derive(Clone, Debug)]
pub enum Event {
    /// A publisher asks for a place: answer by [`Session::accept_publish`] or
    /// [`Session::refuse_publish`]. Nothing more is read from the peer's bytes until then.
    PublishRequest(Name),
    /// A piece of the publication's media.
    Media(Media),
    /// The publication ended; comes exactly once after each accepted one, whatever ended it.
    Unpublish {
        /// Whether the publisher said so (RTMP `FCUnpublish`, `deleteStream`, `closeStream`).
        clean: bool,
    },
}

/// A connection to one peer.
pub struct Session {
    state: State,
    reader: Reader,
    writer: Writer,
    output: BytesMut,
    events: VecDeque<Event>,
    /// Bytes behind a `publish` command that waits for its answer.
    held: Vec<u8>,
    /// Of the current publication, or the last.
    tracks: Tracks,
    /// Ids of the message streams that the peer has created.
    message_streams: Vec<u32>,
    received_bytes: u64,
    acknowledged_bytes: u64,
    window_bytes: u32,
    last_received: Duration,
    started: Duration,
    /// Since when the peer is expected to publish.
    unpublished_since: Duration,
}

/// `tcUrl` and `app` of the `connect` command.
struct Target {
    app: String,
    tc_url: String,
}

enum State {
    Handshake(Handshake),
    /// `connect` is awaited.
    Connecting,
    /// `createStream` and `publish` are awaited.
    Connected(Target),
    /// The caller is to decide on a `publish`.
    Requested {
        target: Target,
        message_stream: u32,
    },
    Publishing {
        target: Target,
        message_stream: u32,
    },
    /// Over: the output is to be flushed and the connection closed.
    Closed,
}

impl Session {
    /// A session of a connection accepted at `now`. `seed` fills the handshake's random bytes,
    /// which need not be secret.
    pub fn new(now: Duration, seed: u64) -> Self {
        Self {
            state: State::Handshake(Handshake::new(seed)),
            reader: Reader::default(),
            writer: Writer::default(),
            output: BytesMut::new(),
            events: VecDeque::new(),
            held: Vec::new(),
            tracks: Tracks::default(),
            message_streams: Vec::new(),
            received_bytes: 0,
            acknowledged_bytes: 0,
            window_bytes: WINDOW_BYTES,
            last_received: now,
            started: now,
            unpublished_since: now,
        }
    }

    /// Takes bytes from the peer, in any cut. The events and replies that they cause are at most
    /// a small multiple of `bytes` in size and are to be polled before the next call.
    pub fn receive(&mut self, bytes: &[u8], now: Duration) -> Result<(), Error> {
        self.received_bytes += bytes.len() as u64;
        self.last_received = now;
        let result = match self.state {
            State::Requested { .. } => self.hold(bytes),
            _ => self.take(bytes, now),
        };
        result.map_err(|error| self.fail(error))
    }

    /// The peer has closed its side, or the connection broke.
    pub fn end_of_input(&mut self) {
        self.close();
    }

    /// Lets the waiting publisher begin.
    pub fn accept_publish(&mut self, now: Duration) -> Result<(), Error> {
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Requested {
                target,
                message_stream,
            } => {
                self.state = State::Publishing {
                    target,
                    message_stream,
                };
                self.tracks = Tracks::default();
                self.reader.set_bounds(Bounds::PUBLISHER);
                self.send_control(message::user_control(event::STREAM_BEGIN, message_stream));
                self.send_status(message_stream, Status::PublishStart, "publishing");
                self.last_received = now;
                let held = std::mem::take(&mut self.held);
                self.take(&held, now).map_err(|error| self.fail(error))
            }
            other => {
                self.state = other;
                Ok(())
            }
        }
    }

    /// Turns the waiting publisher away: it is told why, and the session is over.
    pub fn refuse_publish(&mut self, refusal: Refusal) {
        if let State::Requested { message_stream, .. } = self.state {
            let told = refusal.told();
            let status = match told {
                Refusal::UnknownKey | Refusal::AlreadyLive => Status::PublishBadName,
                _ => Status::PublishRejected,
            };
            self.send_status(message_stream, status, &told.to_string());
            self.close();
        }
    }

    /// Ends the session since its sink takes no more; the publisher is told why.
    pub fn end(&mut self, reason: &Closed) {
        if let State::Requested { message_stream, .. } | State::Publishing { message_stream, .. } =
            self.state
        {
            self.send_status(message_stream, Status::PublishRejected, &reason.to_string());
        }
        self.close();
    }

    /// When [`Session::handle_timeout`] is to be called next; `None` once the session is over,
    /// and while the caller decides on a publish.
    pub fn deadline(&self) -> Option<Duration> {
        self.wait().map(|(deadline, _)| deadline)
    }

    /// Ends the session where a deadline has passed.
    pub fn handle_timeout(&mut self, now: Duration) -> Result<(), Error> {
        match self.wait() {
            Some((deadline, wait)) if now >= deadline => Err(self.fail(Error::Timeout(wait))),
            _ => Ok(()),
        }
    }

    /// Bytes to be sent to the peer.
    pub fn poll_output(&mut self) -> Option<Bytes> {
        (!self.output.is_empty()).then(|| self.output.split().freeze())
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Whether the session is over: flush the output, then close.
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// Bytes received so far, the handshake's included.
    pub fn received_bytes(&self) -> u64 {
        self.received_bytes
    }

    /// Frames of the last publication that came without a configuration of their codec.
    pub fn undecodable_frames(&self) -> u64 {
        self.tracks.undecodable_frames()
    }

    /// Memory of half-received messages in bytes, for tests of its bound.
    pub fn reassembly_bytes(&self) -> usize {
        self.reader.reassembly_bytes()
    }

    fn wait(&self) -> Option<(Duration, Wait)> {
        let publish_by = self.unpublished_since + PUBLISH_WITHIN;
        match self.state {
            State::Handshake(_) => Some((self.started + HANDSHAKE_MAX, Wait::Handshake)),
            State::Connecting | State::Connected(_) => Some((publish_by, Wait::Publish)),
            State::Publishing { .. } => Some((self.last_received + IDLE_MAX, Wait::Idle)),
            State::Requested { .. } | State::Closed => None,
        }
    }

    fn take(&mut self, mut bytes: &[u8], now: Duration) -> Result<(), Error> {
        if let State::Handshake(handshake) = &mut self.state {
            match handshake.receive(&mut bytes, &mut self.output)? {
                Progress::Incomplete => return Ok(()),
                Progress::Done => {
                    let offset = self.received_bytes - bytes.len() as u64;
                    self.reader = Reader::new(offset);
                    self.state = State::Connecting;
                }
            }
        }
        loop {
            match self.state {
                State::Closed => return Ok(()),
                State::Requested { .. } => return self.hold(bytes),
                _ => {}
            }
            let Some(raw) = self.reader.read(&mut bytes)? else {
                break;
            };
            self.message(raw, now)?;
            if self.output.len() > OUTPUT_BYTES_MAX {
                return Err(Error::Limit {
                    place: Place::Connection(self.received_bytes),
                    what: "replies that the peer has not read, in bytes",
                    max: OUTPUT_BYTES_MAX as u64,
                    found: self.output.len() as u64,
                });
            }
        }
        if self.received_bytes - self.acknowledged_bytes >= u64::from(self.window_bytes) {
            self.acknowledged_bytes = self.received_bytes;
            // The sequence number is the total modulo 2³² (RTMP 1.0 §5.4.3).
            let total = self.received_bytes as u32;
            self.send_control(message::control(type_id::ACKNOWLEDGEMENT, total));
        }
        Ok(())
    }

    fn hold(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let found = self.held.len() + bytes.len();
        if found > HELD_BYTES_MAX {
            return Err(Error::Limit {
                place: Place::Connection(self.received_bytes),
                what: "bytes sent before the answer to publish",
                max: HELD_BYTES_MAX as u64,
                found: found as u64,
            });
        }
        self.held.extend_from_slice(bytes);
        Ok(())
    }

    fn message(&mut self, raw: RawMessage, now: Duration) -> Result<(), Error> {
        let (message_stream, timestamp_ms) = (raw.message_stream, raw.timestamp_ms);
        match Message::parse(raw)? {
            Message::SetChunkSize(bytes) => self.reader.set_chunk_bytes(bytes)?,
            Message::Abort(chunk_stream) => self.reader.abort(chunk_stream),
            Message::WindowAcknowledgementSize(bytes) => self.window_bytes = bytes,
            Message::PingRequest(time) => {
                self.send_control(message::user_control(event::PING_RESPONSE, time));
            }
            Message::Command(payload) => {
                let command = Command::parse(&payload)?;
                self.command(command, message_stream, now)?;
            }
            Message::Aggregate(payload) => {
                let mut tags = Aggregate::new(payload, timestamp_ms);
                while let Some(tag) = tags.next_message()? {
                    let timestamp_ms = tag.timestamp_ms;
                    // Only media is looked for in it: an aggregate in an aggregate is not.
                    let media = Message::parse(tag)?;
                    self.media(media, message_stream, timestamp_ms)?;
                }
            }
            media => self.media(media, message_stream, timestamp_ms)?,
        }
        Ok(())
    }

    fn media(
        &mut self,
        message: Message,
        message_stream: u32,
        timestamp_ms: u32,
    ) -> Result<(), Error> {
        let State::Publishing {
            message_stream: published,
            ..
        } = self.state
        else {
            // The rest of what was on its way when the publication ended.
            return Ok(());
        };
        if message_stream != published {
            return Ok(());
        }
        let media = match message {
            Message::Video(payload) => [self.tracks.video(timestamp_ms, &payload)?, None],
            Message::Audio(payload) => self.tracks.audio(timestamp_ms, &payload)?,
            _ => return Ok(()),
        };
        self.events
            .extend(media.into_iter().flatten().map(Event::Media));
        Ok(())
    }

    fn command(
        &mut self,
        command: Command,
        message_stream: u32,
        now: Duration,
    ) -> Result<(), Error> {
        match command {
            Command::Connect {
                transaction,
                app,
                tc_url,
            } => self.connect(transaction, Target { app, tc_url })?,
            Command::ReleaseStream { transaction } => {
                self.send_command(command::result(transaction, Value::Undefined));
            }
            Command::FcPublish { transaction } => {
                self.send_command(command::result(transaction, Value::Undefined));
                self.send_command(command::fc_notice("onFCPublish", Status::PublishStart));
            }
            Command::CreateStream { transaction } => self.create_stream(transaction)?,
            Command::Publish { name } => self.publish(message_stream, &name)?,
            Command::FcUnpublish { transaction } => {
                self.send_command(command::result(transaction, Value::Undefined));
                let notice = command::fc_notice("onFCUnpublish", Status::UnpublishSuccess);
                self.send_command(notice);
                self.unpublish(None, now);
            }
            Command::DeleteStream {
                message_stream: named,
            } => {
                self.message_streams.retain(|id| Some(*id) != named);
                self.unpublish(named, now);
            }
            Command::CloseStream => self.unpublish(Some(message_stream), now),
            Command::Play => {
                self.send_status(
                    message_stream,
                    Status::PlayFailed,
                    &Error::PublishOnly.to_string(),
                );
                return Err(Error::PublishOnly);
            }
            Command::Other => {}
        }
        Ok(())
    }

    fn connect(&mut self, transaction: f64, target: Target) -> Result<(), Error> {
        if !matches!(self.state, State::Connecting) {
            return Err(self.out_of_order("one connect command", "a second one", "§7.2.1.1"));
        }
        self.state = State::Connected(target);
        let window = message::control(type_id::WINDOW_ACKNOWLEDGEMENT_SIZE, WINDOW_BYTES);
        self.send_control(window);
        self.send_control(message::peer_bandwidth(WINDOW_BYTES));
        let chunk_size = message::control(type_id::SET_CHUNK_SIZE, OUTPUT_CHUNK_BYTES);
        self.send_control(chunk_size);
        self.writer.set_chunk_bytes(OUTPUT_CHUNK_BYTES);
        self.send_command(command::connected(transaction));
        Ok(())
    }

    fn create_stream(&mut self, transaction: f64) -> Result<(), Error> {
        let taken = &self.message_streams;
        let Some(id) = (1..=MESSAGE_STREAMS_MAX as u32).find(|id| !taken.contains(id)) else {
            return Err(Error::Limit {
                place: Place::Connection(self.received_bytes),
                what: "message streams",
                max: MESSAGE_STREAMS_MAX as u64,
                found: MESSAGE_STREAMS_MAX as u64 + 1,
            });
        };
        self.message_streams.push(id);
        self.send_command(command::result(transaction, Value::Number(id.into())));
        Ok(())
    }

    fn publish(&mut self, message_stream: u32, publishing_name: &str) -> Result<(), Error> {
        if !self.message_streams.contains(&message_stream) {
            let expected = "publish on a message stream that createStream gave";
            return Err(self.out_of_order(expected, "another", "§7.2.1.3"));
        }
        let target = match std::mem::replace(&mut self.state, State::Closed) {
            State::Connected(target) => target,
            other => {
                self.state = other;
                let expected = "publish once, and after connect";
                return Err(self.out_of_order(expected, "it out of order", "§7.2.2.6"));
            }
        };
        let name = Name::resolve(&target.app, &target.tc_url, publishing_name);
        self.state = State::Requested {
            target,
            message_stream,
        };
        match name {
            Some(name) => self.events.push_back(Event::PublishRequest(name)),
            // No stream has an empty key: the answer is known.
            None => {
                self.refuse_publish(Refusal::UnknownKey);
                return Err(Error::NoKey);
            }
        }
        Ok(())
    }

    /// Ends the publication on `only` (or on any message stream) at the publisher's own word.
    fn unpublish(&mut self, only: Option<u32>, now: Duration) {
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Publishing {
                target,
                message_stream,
                ..
            } if only.is_none_or(|id| id == message_stream) => {
                self.state = State::Connected(target);
                self.unpublished_since = now;
                self.reader.set_bounds(Bounds::STRANGER);
                self.events.push_back(Event::Unpublish { clean: true });
                self.send_status(message_stream, Status::UnpublishSuccess, "unpublished");
            }
            other => self.state = other,
        }
    }

    /// Ends the session by the peer's fault; an operator who can mend it is told.
    fn fail(&mut self, error: Error) -> Error {
        if let State::Publishing { message_stream, .. } = self.state
            && error.is_for_the_operator()
        {
            self.send_status(message_stream, Status::PublishRejected, &error.to_string());
        }
        self.close();
        error
    }

    fn close(&mut self) {
        if let State::Publishing { .. } = std::mem::replace(&mut self.state, State::Closed) {
            self.events.push_back(Event::Unpublish { clean: false });
        }
        self.reader = Reader::default();
        self.held = Vec::new();
    }

    fn out_of_order(
        &self,
        expected: &'static str,
        found: &'static str,
        section: &'static str,
    ) -> Error {
        Error::Malformed {
            place: Place::Connection(self.received_bytes),
            expected,
            found: found.to_owned(),
            section,
        }
    }

    fn send_control(&mut self, message: RawMessage) {
        self.writer.write(CONTROL, &message, &mut self.output);
    }

    fn send_command(&mut self, message: RawMessage) {
        self.writer.write(COMMANDS, &message, &mut self.output);
    }

    fn send_status(&mut self, message_stream: u32, status: Status, description: &str) {
        self.send_command(command::on_status(message_stream, status, description));
    }
}

#[cfg(test)]
mod tests;
