//! What a message is: protocol control (RTMP 1.0 §5.4), user control (§7.1.7), commands, data and
//! media (§7.1).

use bytes::{BufMut, Bytes, BytesMut};

use super::chunk::RawMessage;
use super::error::{Error, Place};

/// Message type ids.
pub(crate) mod type_id {
    pub(crate) const SET_CHUNK_SIZE: u8 = 1;
    pub(crate) const ABORT: u8 = 2;
    pub(crate) const ACKNOWLEDGEMENT: u8 = 3;
    pub(crate) const USER_CONTROL: u8 = 4;
    pub(crate) const WINDOW_ACKNOWLEDGEMENT_SIZE: u8 = 5;
    pub(crate) const SET_PEER_BANDWIDTH: u8 = 6;
    pub(crate) const AUDIO: u8 = 8;
    pub(crate) const VIDEO: u8 = 9;
    pub(crate) const COMMAND_AMF3: u8 = 17;
    pub(crate) const COMMAND_AMF0: u8 = 20;
    pub(crate) const AGGREGATE: u8 = 22;
}

/// User control events (RTMP 1.0 §7.1.7).
pub(crate) mod event {
    pub(crate) const STREAM_BEGIN: u16 = 0;
    pub(crate) const PING_REQUEST: u16 = 6;
    pub(crate) const PING_RESPONSE: u16 = 7;
}

/// A message as far as its receiver must tell it from others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    /// Chunks to come are of at most this many bytes.
    SetChunkSize(u32),
    /// The half-received message of this chunk stream is void.
    Abort(u32),
    /// The peer wants an acknowledgement every so many bytes.
    WindowAcknowledgementSize(u32),
    /// To be answered with the same four bytes.
    PingRequest(u32),
    /// An AMF0 command.
    Command(Bytes),
    /// An FLV audio tag's body.
    Audio(Bytes),
    /// An FLV video tag's body.
    Video(Bytes),
    /// Several FLV tags in one.
    Aggregate(Bytes),
    /// Nothing that a server of publishers acts on: acknowledgements, metadata, shared objects.
    Other,
}

impl Message {
    /// Tells what `raw` is.
    pub(crate) fn parse(raw: RawMessage) -> Result<Self, Error> {
        let payload = raw.payload;
        Ok(match raw.type_id {
            type_id::SET_CHUNK_SIZE => Self::SetChunkSize(number(&payload, 0, "RTMP 1.0 §5.4.1")?),
            type_id::ABORT => Self::Abort(number(&payload, 0, "RTMP 1.0 §5.4.2")?),
            type_id::WINDOW_ACKNOWLEDGEMENT_SIZE => {
                Self::WindowAcknowledgementSize(number(&payload, 0, "RTMP 1.0 §5.4.4")?)
            }
            type_id::USER_CONTROL if payload.starts_with(&event::PING_REQUEST.to_be_bytes()) => {
                Self::PingRequest(number(&payload, 2, "RTMP 1.0 §7.1.7")?)
            }
            type_id::COMMAND_AMF0 => Self::Command(payload),
            // One byte says which AMF follows; it is 0 with every encoder, since none sends more
            // than AMF0 can say.
            type_id::COMMAND_AMF3 => match payload.first() {
                Some(0) => Self::Command(payload.slice(1..)),
                found => {
                    return Err(Error::Malformed {
                        place: Place::Payload(0),
                        expected: "0 (the command is in AMF0)",
                        found: format!("{found:?}"),
                        section: "RTMP 1.0 §7.1.1",
                    });
                }
            },
            type_id::AUDIO => Self::Audio(payload),
            type_id::VIDEO => Self::Video(payload),
            type_id::AGGREGATE => Self::Aggregate(payload),
            _ => Self::Other,
        })
    }
}

/// The big-endian number at `offset`.
fn number(payload: &Bytes, offset: usize, section: &'static str) -> Result<u32, Error> {
    payload
        .get(offset..)
        .and_then(|rest| rest.first_chunk())
        .map(|bytes| u32::from_be_bytes(*bytes))
        .ok_or_else(|| Error::Malformed {
            place: Place::Payload(offset),
            expected: "a number of four bytes",
            found: format!("a message of {} bytes", payload.len()),
            section,
        })
}

/// Splits an aggregate message (RTMP 1.0 §7.1.6) into its tags.
pub(crate) struct Aggregate {
    rest: Bytes,
    /// Added to each tag's own time so that the first has the message's.
    shift_ms: Option<u32>,
    message_ms: u32,
}

impl Aggregate {
    pub(crate) fn new(payload: Bytes, message_ms: u32) -> Self {
        Self {
            rest: payload,
            shift_ms: None,
            message_ms,
        }
    }

    /// The next tag as a message of its own; its message stream is left 0.
    pub(crate) fn next_message(&mut self) -> Result<Option<RawMessage>, Error> {
        const HEADER_BYTES: usize = 11;
        const BACK_POINTER_BYTES: usize = 4;
        if self.rest.is_empty() {
            return Ok(None);
        }
        let cut_short = |found: usize| Error::Malformed {
            place: Place::Payload(0),
            expected: "a whole tag in the aggregate message",
            found: format!("{found} bytes"),
            section: "RTMP 1.0 §7.1.6",
        };
        let Some(&[type_id, a, b, c, t1, t2, t3, t0, _, _, _]) =
            self.rest.first_chunk::<HEADER_BYTES>()
        else {
            return Err(cut_short(self.rest.len()));
        };
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        let tag_ms = u32::from_be_bytes([t0, t1, t2, t3]);
        let end = HEADER_BYTES + length;
        if self.rest.len() < end {
            return Err(cut_short(self.rest.len()));
        }
        let shift_ms = *self
            .shift_ms
            .get_or_insert(self.message_ms.wrapping_sub(tag_ms));
        let payload = self.rest.slice(HEADER_BYTES..end);
        let next = (end + BACK_POINTER_BYTES).min(self.rest.len());
        self.rest = self.rest.slice(next..);
        Ok(Some(RawMessage {
            type_id,
            message_stream: 0,
            timestamp_ms: tag_ms.wrapping_add(shift_ms),
            payload,
        }))
    }
}

/// A message of the connection itself whose payload is one number.
pub(crate) fn control(type_id: u8, value: u32) -> RawMessage {
    raw(type_id, &value.to_be_bytes())
}

/// `Set Peer Bandwidth` with the limit type "dynamic" (RTMP 1.0 §5.4.5).
pub(crate) fn peer_bandwidth(window_bytes: u32) -> RawMessage {
    const DYNAMIC: u8 = 2;
    let [a, b, c, d] = window_bytes.to_be_bytes();
    raw(type_id::SET_PEER_BANDWIDTH, &[a, b, c, d, DYNAMIC])
}

/// A user control message about one number.
pub(crate) fn user_control(event: u16, value: u32) -> RawMessage {
    let mut payload = BytesMut::with_capacity(6);
    payload.put_u16(event);
    payload.put_u32(value);
    raw(type_id::USER_CONTROL, &payload)
}

fn raw(type_id: u8, payload: &[u8]) -> RawMessage {
    RawMessage {
        type_id,
        message_stream: 0,
        timestamp_ms: 0,
        payload: Bytes::copy_from_slice(payload),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_messages_cut_short_are_named() {
        for type_id in [1, 2, 5] {
            let error = Message::parse(raw(type_id, &[0, 0, 1])).expect_err("three bytes");
            assert!(
                error.to_string().contains("a message of 3 bytes"),
                "{error}"
            );
        }
        assert!(Message::parse(raw(type_id::USER_CONTROL, &[0, 6, 0])).is_err());
        assert_eq!(
            Message::parse(raw(type_id::USER_CONTROL, &[0, 3, 0])),
            Ok(Message::Other)
        );
    }

    #[test]
    fn a_command_in_amf3_clothes_is_taken_and_real_amf3_is_not() {
        let command = raw(type_id::COMMAND_AMF3, &[0, 5]);
        assert_eq!(
            Message::parse(command),
            Ok(Message::Command(Bytes::from_static(&[5])))
        );
        assert!(Message::parse(raw(type_id::COMMAND_AMF3, &[3, 5])).is_err());
        assert!(Message::parse(raw(type_id::COMMAND_AMF3, &[])).is_err());
    }

    #[test]
    fn an_aggregate_gives_its_tags_on_the_message_s_clock() {
        let tag = |type_id: u8, ms: u8, body: &[u8]| {
            let header = [type_id, 0, 0, body.len() as u8, 0, 0, ms, 0, 0, 0, 0];
            let back = (11 + body.len() as u32).to_be_bytes();
            [&header[..], body, &back].concat()
        };
        let payload = [tag(8, 100, b"ab"), tag(9, 123, b"c")].concat();
        let mut aggregate = Aggregate::new(payload.clone().into(), 5000);
        let first = aggregate.next_message().expect("valid").expect("a tag");
        assert_eq!((first.type_id, first.timestamp_ms), (8, 5000));
        assert_eq!(&first.payload[..], b"ab");
        let second = aggregate.next_message().expect("valid").expect("a tag");
        assert_eq!((second.type_id, second.timestamp_ms), (9, 5023));
        assert_eq!(aggregate.next_message(), Ok(None));

        let mut cut = Aggregate::new(payload[..12].to_vec().into(), 0);
        assert!(cut.next_message().is_err());
    }
}
