//! The chunk stream: messages cut into interleaved chunks (RTMP 1.0 §5.3).
//!
//! [`Reader`] copies each payload byte once, from the socket's buffer into its message, and never
//! sets memory aside for bytes that have not come. It does not know what messages mean; the chunk
//! size is told to it.

use bytes::{BufMut, Bytes, BytesMut};

use super::error::{Error, Place};
use super::limits::{
    CHUNK_BYTES_MAX, CHUNK_STREAMS_MAX, HALF_MESSAGES_MAX, MESSAGE_BYTES_BEFORE_PUBLISH_MAX,
    MESSAGE_BYTES_MAX, REASSEMBLY_BYTES_BEFORE_PUBLISH_MAX, REASSEMBLY_BYTES_MAX,
};

/// Chunk size of both sides until they announce another (RTMP 1.0 §5.4.1).
const CHUNK_BYTES_INITIAL: u32 = 128;
/// Three bytes of basic header, eleven of message header, four of extended timestamp.
const HEADER_BYTES_MAX: usize = 18;
/// In the 24-bit timestamp field: the timestamp follows in 32 bits (RTMP 1.0 §5.3.1.3).
const EXTENDED: u32 = 0x00ff_ffff;
/// The chunk stream of protocol control messages (RTMP 1.0 §5.4).
const CONTROL_CHUNK_STREAM: u32 = 2;
/// First step of a message buffer's growth; it doubles from there up to the declared length.
const BUFFER_STEP_BYTES: usize = 4096;

/// A whole message as it came off the chunk stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawMessage {
    /// What it is (RTMP 1.0 §5.4 and §7.1).
    pub type_id: u8,
    /// The message stream that it belongs to; 0 is the connection itself.
    pub message_stream: u32,
    /// Milliseconds on the peer's clock, modulo 2³².
    pub timestamp_ms: u32,
    /// The payload.
    pub payload: Bytes,
}

/// How much a peer may make a [`Reader`] hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    message_bytes: u32,
    reassembly_bytes: usize,
}

impl Bounds {
    /// For a peer that has not shown a valid key.
    pub const STRANGER: Self = Self {
        message_bytes: MESSAGE_BYTES_BEFORE_PUBLISH_MAX,
        reassembly_bytes: REASSEMBLY_BYTES_BEFORE_PUBLISH_MAX,
    };
    /// For a publisher.
    pub const PUBLISHER: Self = Self {
        message_bytes: MESSAGE_BYTES_MAX,
        reassembly_bytes: REASSEMBLY_BYTES_MAX,
    };
}

/// Puts messages together from bytes in any cut.
pub struct Reader {
    chunk_bytes: usize,
    bounds: Bounds,
    streams: Vec<ChunkStream>,
    /// The start of a chunk header whose rest has not come.
    header: Prefix<HEADER_BYTES_MAX>,
    /// Bytes that were taken for a header's end and turned out to be payload.
    returned: Prefix<4>,
    /// The chunk whose payload is coming.
    current: Option<Current>,
    half_messages: usize,
    reassembly_bytes: usize,
    offset: u64,
}

/// A few bytes kept from one read to the next.
#[derive(Clone, Copy)]
struct Prefix<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Prefix<N> {
    const EMPTY: Self = Self {
        bytes: [0; N],
        len: 0,
    };

    fn of(bytes: &[u8]) -> Self {
        let mut prefix = Self::EMPTY;
        prefix.extend(bytes);
        prefix
    }

    fn extend(&mut self, bytes: &[u8]) {
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

#[derive(Clone, Copy)]
struct Current {
    /// Index into [`Reader::streams`].
    stream: usize,
    /// Payload bytes of this chunk that have not come.
    left: usize,
}

/// What a chunk stream's next header may leave out.
struct ChunkStream {
    id: u32,
    timestamp_ms: u32,
    /// The last timestamp field, absolute or a difference: what a type 3 header repeats.
    field_ms: u32,
    is_extended: bool,
    length: u32,
    type_id: u8,
    message_stream: u32,
    /// The message being received, with the memory counted for it.
    partial: Option<(Vec<u8>, usize)>,
}

/// A chunk header, decoded.
#[derive(Debug, PartialEq, Eq)]
struct Header {
    /// Its size on the wire.
    len: usize,
    format: u8,
    chunk_stream: u32,
    /// Timestamp or difference, the extended one included. Formats 0 to 2.
    field_ms: u32,
    is_extended: bool,
    /// Formats 0 and 1.
    length: u32,
    /// Formats 0 and 1.
    type_id: u8,
    /// Format 0.
    message_stream: u32,
}

impl Default for Reader {
    fn default() -> Self {
        Self::new(0)
    }
}

impl Reader {
    /// A reader of the bytes that follow the handshake; `offset` is how many that was.
    pub fn new(offset: u64) -> Self {
        Self {
            chunk_bytes: CHUNK_BYTES_INITIAL as usize,
            bounds: Bounds::STRANGER,
            streams: Vec::new(),
            header: Prefix::EMPTY,
            returned: Prefix::EMPTY,
            current: None,
            half_messages: 0,
            reassembly_bytes: 0,
            offset,
        }
    }

    /// Takes a `Set Chunk Size` message's value (RTMP 1.0 §5.4.1).
    pub fn set_chunk_bytes(&mut self, chunk_bytes: u32) -> Result<(), Error> {
        if !(1..=CHUNK_BYTES_MAX).contains(&chunk_bytes) {
            return Err(self.limit("chunk size in bytes (from 1)", CHUNK_BYTES_MAX, chunk_bytes));
        }
        self.chunk_bytes = chunk_bytes as usize;
        Ok(())
    }

    /// Bounds the messages that begin from now on, and the memory of all.
    pub fn set_bounds(&mut self, bounds: Bounds) {
        self.bounds = bounds;
    }

    /// Forgets the half-received message of a chunk stream (RTMP 1.0 §5.4.2).
    pub fn abort(&mut self, chunk_stream: u32) {
        if let Some(index) = self.streams.iter().position(|s| s.id == chunk_stream)
            && let Some((_, counted)) = self.streams[index].partial.take()
        {
            self.half_messages -= 1;
            self.reassembly_bytes -= counted;
        }
    }

    /// Memory of half-received messages in bytes, for tests of its bound.
    pub fn reassembly_bytes(&self) -> usize {
        self.reassembly_bytes
    }

    /// Consumes `input` up to the end of the next message; `None` where it is used up before.
    pub fn read(&mut self, input: &mut &[u8]) -> Result<Option<RawMessage>, Error> {
        loop {
            let returned = std::mem::replace(&mut self.returned, Prefix::EMPTY);
            let message = if returned.len > 0 {
                let mut rest = returned.as_slice();
                let message = self.step(&mut rest)?;
                // A step over returned bytes begins without a held header, so that it returns none.
                self.returned = Prefix::of(rest);
                message
            } else {
                self.step(input)?
            };
            if message.is_some() {
                return Ok(message);
            }
            if self.returned.len == 0 && input.is_empty() {
                return Ok(None);
            }
        }
    }

    /// One header, or as much of a chunk's payload as there is.
    fn step(&mut self, input: &mut &[u8]) -> Result<Option<RawMessage>, Error> {
        if let Some(current) = self.current {
            return self.take_payload(current, input);
        }
        let held = self.header;
        let mut joined = held;
        let window = if held.len == 0 {
            &input[..input.len().min(HEADER_BYTES_MAX)]
        } else {
            joined.extend(&input[..input.len().min(HEADER_BYTES_MAX - held.len)]);
            joined.as_slice()
        };
        let Some(header) = self.parse_header(window)? else {
            // Eighteen bytes always decide, so that here the input is used up.
            self.header = Prefix::of(window);
            self.consume(input, window.len() - held.len);
            return Ok(None);
        };
        self.header = Prefix::EMPTY;
        match header.len.checked_sub(held.len) {
            Some(new) => self.consume(input, new),
            None => {
                self.returned = Prefix::of(&held.as_slice()[header.len..]);
                self.offset -= self.returned.len as u64;
            }
        }
        self.begin_chunk(&header)
    }

    fn consume(&mut self, input: &mut &[u8], count: usize) {
        *input = &input[count..];
        self.offset += count as u64;
    }

    /// Decodes a header; `None` where `bytes` does not hold all of it.
    fn parse_header(&self, bytes: &[u8]) -> Result<Option<Header>, Error> {
        let Some(&first) = bytes.first() else {
            return Ok(None);
        };
        let format = first >> 6;
        let (chunk_stream, basic) = match (first & 0x3f, bytes.get(1), bytes.get(2)) {
            (0, Some(&low), _) => (64 + u32::from(low), 2),
            (1, Some(&low), Some(&high)) => (64 + u32::from(low) + 256 * u32::from(high), 3),
            (0 | 1, _, _) => return Ok(None),
            (id, _, _) => (u32::from(id), 1),
        };
        let message = match format {
            0 => 11,
            1 => 7,
            2 => 3,
            _ => 0,
        };
        let mut header = Header {
            len: basic + message,
            format,
            chunk_stream,
            field_ms: 0,
            is_extended: false,
            length: 0,
            type_id: 0,
            message_stream: 0,
        };
        if bytes.len() < header.len {
            return Ok(None);
        }
        let fields = &bytes[basic..header.len];
        if let [a, b, c, rest @ ..] = fields {
            header.field_ms = u32::from_be_bytes([0, *a, *b, *c]);
            header.is_extended = header.field_ms == EXTENDED;
            if let [a, b, c, type_id, rest @ ..] = rest {
                header.length = u32::from_be_bytes([0, *a, *b, *c]);
                header.type_id = *type_id;
                if let [a, b, c, d] = rest {
                    // The one little-endian field of the protocol (RTMP 1.0 §5.3.1.2.1).
                    header.message_stream = u32::from_le_bytes([*a, *b, *c, *d]);
                }
            }
            if header.is_extended {
                let Some(&[a, b, c, d]) = bytes[header.len..].first_chunk() else {
                    return Ok(None);
                };
                header.field_ms = u32::from_be_bytes([a, b, c, d]);
                header.len += 4;
            }
            return Ok(Some(header));
        }
        // RTMP 1.0 §5.3.1.3 repeats the extended timestamp in type 3 headers; many encoders do
        // not. What equals the stored one is taken for it, all else is payload.
        if let Some(stream) = self.streams.iter().find(|s| s.id == chunk_stream)
            && stream.is_extended
        {
            let stored = stream.field_ms.to_be_bytes();
            let found = &bytes[header.len..bytes.len().min(header.len + 4)];
            if stored.starts_with(found) {
                if found.len() < stored.len() {
                    return Ok(None);
                }
                header.len += 4;
            }
        }
        Ok(Some(header))
    }

    /// Applies a header to its chunk stream; a message without payload is complete with it.
    fn begin_chunk(&mut self, header: &Header) -> Result<Option<RawMessage>, Error> {
        let index = self.chunk_stream(header)?;
        let stream = &mut self.streams[index];
        let received = match &stream.partial {
            Some((bytes, _)) if header.format == 3 => bytes.len(),
            Some(_) => {
                return Err(Error::Malformed {
                    place: Place::Connection(self.offset),
                    expected: "a type 3 chunk that continues the message",
                    found: format!("a type {} chunk", header.format),
                    section: "RTMP 1.0 §5.3.1.2.4",
                });
            }
            None => {
                if header.format < 3 {
                    stream.field_ms = header.field_ms;
                    stream.is_extended = header.is_extended;
                }
                if header.format < 2 {
                    stream.length = header.length;
                    stream.type_id = header.type_id;
                }
                if header.format == 0 {
                    stream.timestamp_ms = header.field_ms;
                    stream.message_stream = header.message_stream;
                } else {
                    stream.timestamp_ms = stream.timestamp_ms.wrapping_add(stream.field_ms);
                }
                let length = stream.length;
                let length_max = self.bounds.message_bytes;
                if length > length_max {
                    return Err(self.limit("message in bytes", length_max, length));
                }
                if length == 0 {
                    return Ok(Some(stream.message(Bytes::new())));
                }
                if self.half_messages == HALF_MESSAGES_MAX {
                    let max = HALF_MESSAGES_MAX as u32;
                    return Err(self.limit("half-received messages", max, max + 1));
                }
                self.half_messages += 1;
                self.streams[index].partial = Some((Vec::new(), 0));
                0
            }
        };
        let left = (self.streams[index].length as usize - received).min(self.chunk_bytes);
        self.current = Some(Current {
            stream: index,
            left,
        });
        Ok(None)
    }

    /// The index of a header's chunk stream, made where it is new.
    fn chunk_stream(&mut self, header: &Header) -> Result<usize, Error> {
        let id = header.chunk_stream;
        if let Some(index) = self.streams.iter().position(|s| s.id == id) {
            return Ok(index);
        }
        // librtmp opens the control stream by a type 1 header.
        let is_opening = header.format == 0 || header.format == 1 && id == CONTROL_CHUNK_STREAM;
        if !is_opening {
            return Err(Error::Malformed {
                place: Place::Connection(self.offset),
                expected: "a type 0 chunk that opens the chunk stream",
                found: format!("a type {} chunk on chunk stream {id}", header.format),
                section: "RTMP 1.0 §5.3.1.2.1",
            });
        }
        if self.streams.len() == CHUNK_STREAMS_MAX {
            let max = CHUNK_STREAMS_MAX as u32;
            return Err(self.limit("chunk streams", max, max + 1));
        }
        self.streams.push(ChunkStream {
            id,
            timestamp_ms: 0,
            field_ms: 0,
            is_extended: false,
            length: 0,
            type_id: 0,
            message_stream: 0,
            partial: None,
        });
        Ok(self.streams.len() - 1)
    }

    fn take_payload(
        &mut self,
        current: Current,
        input: &mut &[u8],
    ) -> Result<Option<RawMessage>, Error> {
        let count = current.left.min(input.len());
        let Current { stream: index, .. } = current;
        let length = self.streams[index].length as usize;
        let (bytes, counted) = self.streams[index].partial.get_or_insert_default();
        let needed = bytes.len() + count;
        if needed > *counted {
            let grown = needed
                .max(BUFFER_STEP_BYTES)
                .max(*counted * 2)
                .min(length)
                .max(needed);
            self.reassembly_bytes += grown - *counted;
            *counted = grown;
            if self.reassembly_bytes > self.bounds.reassembly_bytes {
                let found = self.reassembly_bytes as u32;
                let max = self.bounds.reassembly_bytes as u32;
                return Err(self.limit("half-received messages in bytes", max, found));
            }
            bytes.reserve_exact(grown - bytes.len());
        }
        bytes.extend_from_slice(&input[..count]);
        let is_complete = bytes.len() == length;
        self.consume(input, count);
        let left = current.left - count;
        self.current = (left > 0).then_some(Current { left, ..current });
        if !is_complete {
            return Ok(None);
        }
        let stream = &mut self.streams[index];
        let (bytes, counted) = stream.partial.take().unwrap_or_default();
        self.half_messages -= 1;
        self.reassembly_bytes -= counted;
        Ok(Some(stream.message(bytes.into())))
    }

    fn limit(&self, what: &'static str, max: u32, found: u32) -> Error {
        Error::Limit {
            place: Place::Connection(self.offset),
            what,
            max: max.into(),
            found: found.into(),
        }
    }
}

impl ChunkStream {
    fn message(&self, payload: Bytes) -> RawMessage {
        RawMessage {
            type_id: self.type_id,
            message_stream: self.message_stream,
            timestamp_ms: self.timestamp_ms,
            payload,
        }
    }
}

/// Cuts messages into chunks. Everything a server says to a publisher is small, rare and without
/// a timestamp, so that each message begins with a full header.
pub struct Writer {
    chunk_bytes: usize,
}

impl Default for Writer {
    fn default() -> Self {
        Self {
            chunk_bytes: CHUNK_BYTES_INITIAL as usize,
        }
    }
}

impl Writer {
    /// Cuts by another size from the next message on; the peer must have been told.
    pub fn set_chunk_bytes(&mut self, chunk_bytes: u32) {
        self.chunk_bytes = chunk_bytes.max(1) as usize;
    }

    /// Appends `message` to `output`. `chunk_stream` is from 2 to 63.
    pub fn write(&self, chunk_stream: u8, message: &RawMessage, output: &mut BytesMut) {
        let is_extended = message.timestamp_ms >= EXTENDED;
        for (index, piece) in pieces(&message.payload, self.chunk_bytes).enumerate() {
            if index == 0 {
                output.put_u8(chunk_stream & 0x3f);
                output.put_uint(message.timestamp_ms.min(EXTENDED).into(), 3);
                output.put_uint(message.payload.len() as u64, 3);
                output.put_u8(message.type_id);
                output.put_u32_le(message.message_stream);
            } else {
                output.put_u8(0xc0 | chunk_stream & 0x3f);
            }
            if is_extended {
                output.put_u32(message.timestamp_ms);
            }
            output.put_slice(piece);
        }
    }
}

/// Pieces of at most `size` bytes; one empty piece of an empty payload.
fn pieces(payload: &[u8], size: usize) -> impl Iterator<Item = &[u8]> {
    let empty = payload.is_empty().then_some(payload);
    payload.chunks(size).chain(empty)
}

#[cfg(test)]
mod tests;
