//! Every bound of an HTTP connection, in one place, with its reason.
//!
//! Deadlines are counted in [`TICK`]s: one timer a connection looks at what happened since it last
//! looked. A request costs no timer and no look at the clock.

use std::time::Duration;

/// Connections at once, of both ports together: a viewer has up to four. Each costs 2 to 3 KiB, by
/// HTTPS 10 to 30, and a file descriptor.
pub(super) const CONNECTIONS_MAX: usize = 65_536;

/// Connections that the kernel holds until they are accepted: a broadcast's audience comes at once.
/// Linux takes no more than `net.core.somaxconn`, 4096 by default.
pub(super) const BACKLOG: u32 = 4096;

/// What the kernel keeps of a connection's answers until they are acknowledged (it counts its own
/// overhead too, and takes no more than `net.core.wmem_max`). Without it, it would be up to 4 MB:
/// at 64 greedy readers that no longer fits the processor's caches and a core delivers a third
/// less, and stalled readers hold ten times the memory. It still carries 5 MB/s over 100 ms.
pub(super) const SEND_BUFFER_BYTES: u32 = 512 * 1024;

/// Bytes of a request's head: browsers send one or two kilobytes, and nothing here sets cookies.
pub(super) const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Pause after a failed accept, such as for want of file descriptors.
pub(super) const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// How long requests may go on after the end was announced.
pub(super) const DRAIN_MAX: Duration = Duration::from_millis(1500);

/// For TLS, and for HTTP/2's preface after it: three round trips of a bad mobile link, and a
/// server that was just restarted and shakes hands with everyone at once.
pub(super) const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// How often a connection's progress is looked at. Deadlines are exact to a tick; ten thousand
/// viewers make two thousand looks a second, of about a microsecond each.
pub(super) const TICK: Duration = Duration::from_secs(5);

/// For a request's head, from its first byte (or, for a connection's first one, from the
/// connection) to its last: 10 to 15 s. A head is one or two packets.
pub(super) const HEAD_TICKS_MAX: u32 = 2;

/// Between two requests: 30 to 35 s. A player asks again within a target duration, which is at
/// most ten seconds; one that is paused connects anew.
pub(super) const IDLE_TICKS_MAX: u32 = 6;

/// Without [`PROGRESS_BYTES_MIN`] taken while there are bytes to send: 30 to 40 s. The kernel
/// takes bytes in lumps of a third of its buffer, 350 kB of [`SEND_BUFFER_BYTES`]: a viewer who can
/// still hear the sound (128 kbit/s) takes one in 22 s; a change into a tunnel outlasts this, and
/// reconnects.
pub(super) const STALL_TICKS_MAX: u32 = 6;

/// What a connection with bytes to send must take in [`STALL_TICKS_MAX`]: 70 kbit/s, half of what
/// sound alone needs. Whoever takes less cannot play, and keeps segments in memory that have
/// left the playlist.
pub(super) const PROGRESS_BYTES_MIN: u64 = 256 * 1024;

/// For a viewer to open an HTTP/2 stream's window by [`STREAM_PROGRESS_BYTES_MIN`] where bytes
/// wait for it, as long as a connection may take.
pub(super) const STREAM_STALL_MAX: Duration = Duration::from_secs(30);

/// A quarter of the connection's: a viewer has up to four requests under way, which share it.
pub(super) const STREAM_PROGRESS_BYTES_MIN: usize = 64 * 1024;

/// HTTP/2 streams at once on a connection; RFC 9113 §6.5.2 recommends no less. A viewer has four.
pub(super) const STREAMS_MAX: u32 = 100;

/// Responses that a peer may cancel in a [`TICK`] (rapid reset, CVE-2023-44487). A player that
/// changes quality cancels four.
pub(super) const RESETS_MAX: u32 = 200;

/// What HTTP/2 queues of one stream before the socket takes it. These are references to media,
/// not copies: more of them means larger writes, and a whole part at 5 Mbit/s is 200 kB.
pub(super) const STREAM_QUEUE_BYTES_MAX: usize = 512 * 1024;
