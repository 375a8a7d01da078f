//! Every bound of an RTMP connection, in one place, with its reason.
//!
//! An unauthenticated peer may cost little memory and little time; an authenticated one may cost
//! as much as a real encoder needs. What goes over a bound ends that one session.

use std::time::Duration;

/// From accepting the connection to the end of the RTMP handshake (and of TLS before it). Three
/// round trips of a bad mobile link fit in it.
pub const HANDSHAKE_MAX: Duration = Duration::from_secs(5);

/// From accepting the connection (or from the last unpublish) to the next `publish` command.
pub const PUBLISH_WITHIN: Duration = Duration::from_secs(10);

/// Without a single byte from the peer. Encoders send audio at least every few hundred
/// milliseconds; ten seconds outlast a Wi-Fi handover.
pub const IDLE_MAX: Duration = Duration::from_secs(10);

/// For the peer to take what is written to it. We write a few hundred bytes a session, so that a
/// full socket buffer means a peer that has stopped reading.
pub const WRITE_MAX: Duration = Duration::from_secs(5);

/// Waiting for the peer's FIN after the last reply: closing with unread input in the socket sends
/// an RST, which can destroy a refusal before the encoder has shown it.
pub const LINGER_MAX: Duration = Duration::from_secs(1);

/// Bytes read and thrown away while lingering.
pub const LINGER_BYTES_MAX: usize = 4 << 20;

/// One message of a publisher: an intra picture of 2160p at 200 Mbit/s is below 4 MiB.
pub const MESSAGE_BYTES_MAX: u32 = 8 << 20;

/// One message of a peer that has not shown a valid key: commands only.
pub const MESSAGE_BYTES_BEFORE_PUBLISH_MAX: u32 = 64 << 10;

/// Messages begun and not finished at a time. Encoders interleave two or three.
pub const HALF_MESSAGES_MAX: usize = 8;

/// Chunk streams that a connection may open; encoders use four to six.
pub const CHUNK_STREAMS_MAX: usize = 64;

/// Memory of all half-received messages of a connection, grown as bytes arrive and never taken
/// from a declared length.
pub const REASSEMBLY_BYTES_MAX: usize = 16 << 20;

/// The same before publish: what all connections of a listener together can be made to hold by
/// strangers stays below 100 MiB.
pub const REASSEMBLY_BYTES_BEFORE_PUBLISH_MAX: usize = 128 << 10;

/// Largest chunk that a peer may announce (RTMP 1.0 §5.4.1 allows 2³¹−1): beyond the largest
/// message it says nothing, and OBS and FFmpeg stay at 4 KiB and 60 KiB.
pub const CHUNK_BYTES_MAX: u32 = 1 << 20;

/// Nesting of AMF0 values. `connect` and `onMetaData` nest two or three deep.
pub const AMF_DEPTH_MAX: usize = 32;

/// AMF0 values in one message, nested ones included.
pub const AMF_PROPERTIES_MAX: usize = 256;

/// Message streams open at a time; a publisher needs one.
pub const MESSAGE_STREAMS_MAX: usize = 4;

/// Replies not yet taken by the connection's writer. A peer that asks faster than it reads is
/// held to this.
pub const OUTPUT_BYTES_MAX: usize = 256 << 10;

/// Bytes that came behind a `publish` command in the same read, kept until the gate has decided.
/// The shell reads nothing more in that time, so that one read buffer is enough.
pub const HELD_BYTES_MAX: usize = READ_BUFFER_BYTES;

/// One read from the socket: at 20 Mbit/s about 75 reads a second.
pub const READ_BUFFER_BYTES: usize = 32 << 10;

/// How far a publisher's clock may run from zero, in milliseconds (34 years): a peer may push it
/// by 24 days a message, and nanoseconds must not overflow 64 bits.
pub const CLOCK_MS_MAX: i64 = 1 << 40;

/// Connections of a listener altogether.
pub const CONNECTIONS_MAX: usize = 512;

/// Connections of one address that have not yet published: a studio behind one NAT, all of whose
/// encoders reconnect at once, fits in it. IPv6 counts by /64, since that is what one host has.
pub const UNPUBLISHED_PER_ADDRESS_MAX: usize = 32;

/// How long a publisher waits where its stream is still being published by another connection:
/// who reconnects after a broken link takes over as soon as the old one is seen silent.
pub const TAKEOVER_WAIT_MAX: Duration = Duration::from_millis(500);

/// How often the gate is asked again in that time.
pub const TAKEOVER_RETRY: Duration = Duration::from_millis(50);

/// How often it is asked whether a publication that is pending has been decided on.
pub const VERDICT_POLL: Duration = Duration::from_millis(10);

/// How often a sink is asked whether its session must end, where no media tells it; and told what
/// the connection is like.
pub const SINK_CHECK_INTERVAL: Duration = crate::LINK_NOTED_EVERY;

/// Pause after a failed `accept`, which is mostly want of file descriptors: trying again at once
/// would spin.
pub const ACCEPT_RETRY: Duration = Duration::from_millis(100);
