//! What a listener knows of a publisher's connection. Which of it there is depends on the protocol.

use std::time::Duration;

/// A connection as it is now. `None`: the protocol does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// Round trip: of SRT by its acknowledgements, of RTMP as the system has measured it (TCP).
    pub rtt: Option<Duration>,
    /// How much the round trip varies: the mean deviation that TCP keeps (RFC 6298).
    pub rtt_variation: Option<Duration>,
    /// The delay that both ends of SRT have agreed on, for retransmissions.
    pub latency: Option<Duration>,
    /// What became of its packets.
    pub packets: Packets,
}

/// Packets since the connection began. Of TCP only those that arrived are known: what was lost on
/// the way is the sender's knowledge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Packets {
    /// That arrived with media, retransmissions included.
    pub received: Option<u64>,
    /// Seen missing, most of them recovered.
    pub lost: Option<u64>,
    /// That arrived because they were sent again.
    pub retransmitted: Option<u64>,
    /// Missing for good: too late to be played.
    pub dropped: Option<u64>,
    /// Not decryptable.
    pub undecryptable: Option<u64>,
}
