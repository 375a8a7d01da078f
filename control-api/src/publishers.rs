//! `GET /api/v1/streams/{id}/publishers`: who publishes, and what their connections are like.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::Api;
use crate::list::Page;
use crate::problem::Problem;
use crate::streams::OwnStream;
use crate::time::rfc3339;

/// What a publisher is to its broadcast.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = PublisherRole)]
pub enum Role {
    /// Viewers see what it sends.
    Primary,
    /// It stands by: what it sends is taken when the other one's stays away.
    Backup,
}

/// By which protocol it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = PublisherProtocol)]
pub enum Protocol {
    /// RTMP over TCP.
    Rtmp,
    /// RTMP over TLS.
    Rtmps,
    /// SRT.
    Srt,
}

/// A publisher and its connection, as it was measured last. `None`: its protocol does not tell.
#[derive(Clone, Debug)]
pub struct Publisher {
    /// What it is to its broadcast.
    pub role: Role,
    /// How it came.
    pub protocol: Protocol,
    /// Where it is.
    pub address: SocketAddr,
    /// Since when it publishes.
    pub connected: SystemTime,
    /// Of media.
    pub received_bytes: u64,
    /// Of that, thrown away because too much waited for the decoder.
    pub dropped_bytes: u64,
    /// Of media, in bits a second; `None` in its first second.
    pub bitrate_bps: Option<u64>,
    /// Round trip.
    pub rtt: Option<Duration>,
    /// How much it varies.
    pub rtt_variation: Option<Duration>,
    /// The delay agreed on for retransmissions.
    pub latency: Option<Duration>,
    /// What became of its packets.
    pub packets: Packets,
}

/// Packets since the connection began; null: the protocol does not tell, or only the sender knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = PublisherPackets)]
pub struct Packets {
    /// That arrived with media, retransmissions included.
    pub received: Option<u64>,
    /// Seen missing, most of them recovered.
    pub lost: Option<u64>,
    /// That arrived because they were sent again.
    pub retransmitted: Option<u64>,
    /// Missing for good: too late to be played.
    pub dropped: Option<u64>,
    /// Not decryptable: the passphrase changed while it published.
    pub undecryptable: Option<u64>,
}

/// A publisher and its connection, measured at least once a second.
#[derive(Serialize, ToSchema)]
#[schema(as = Publisher)]
pub(crate) struct PublisherView {
    /// How it came.
    protocol: Protocol,
    /// Its address and port.
    #[schema(example = "192.0.2.7:51820")]
    address: String,
    /// Since when it publishes (RFC 3339).
    #[schema(example = "2026-03-01T12:00:00.000Z")]
    connected_at: String,
    /// What it is to the broadcast.
    role: Role,
    /// Bytes of media that it has sent.
    received_bytes: u64,
    /// Those of them that were thrown away because too much waited for the decoder.
    dropped_bytes: u64,
    /// Media over the last five seconds, in kilobits (1000 bits) a second; null in the first second.
    bitrate_kbps: Option<u64>,
    /// Round trip in milliseconds. Of RTMP the server knows it by its own few replies alone.
    #[schema(example = 41.2)]
    rtt_ms: Option<f64>,
    /// How much the round trip varies, in milliseconds; null over SRT.
    rtt_variation_ms: Option<f64>,
    /// The delay that both ends of SRT have agreed on, for retransmissions; null over RTMP.
    #[schema(example = 400)]
    latency_ms: Option<u64>,
    /// What became of its packets.
    packets: Packets,
}

impl From<Publisher> for PublisherView {
    fn from(it: Publisher) -> Self {
        // A microsecond says enough.
        let ms = |time: Duration| time.as_micros() as f64 / 1000.0;
        Self {
            protocol: it.protocol,
            address: it.address.to_string(),
            connected_at: rfc3339(it.connected),
            role: it.role,
            received_bytes: it.received_bytes,
            dropped_bytes: it.dropped_bytes,
            bitrate_kbps: it.bitrate_bps.map(|bps| bps / 1000),
            rtt_ms: it.rtt.map(ms),
            rtt_variation_ms: it.rtt_variation.map(ms),
            latency_ms: it
                .latency
                .map(|latency| u64::try_from(latency.as_millis()).unwrap_or(u64::MAX)),
            packets: it.packets,
        }
    }
}

/// Lists who publishes to a stream now, and what their connections are like: none while it is offline,
/// or waits for a publisher that was lost. Addresses are private: nobody sees them but the stream's
/// owner, admins and the operator.
#[utoipa::path(
    get,
    path = "/api/v1/streams/{id}/publishers",
    tag = "streams",
    params(("id" = String, Path, description = "The stream's id.")),
    responses(
        (status = 200, description = "Its publishers.", body = Page<PublisherView>),
        (status = 404, description = "No such stream.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn list(
    State(api): State<Api>,
    OwnStream(stream): OwnStream,
) -> Json<Page<PublisherView>> {
    let publishers = api.broadcasts.publishers(&stream.id).into_iter();
    Json(Page::whole(publishers.map(PublisherView::from).collect()))
}
