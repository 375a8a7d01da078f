//! Who publishes: what their protocols tell is a figure, and what they do not is null.

use serde_json::json;

use super::errors::assert_problem;
use super::*;
use crate::publishers::{Packets, Protocol, Role};

fn publisher(protocol: Protocol, address: &str) -> Publisher {
    Publisher {
        role: Role::Primary,
        protocol,
        address: address.parse().expect("an address"),
        connected: SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600),
        received_bytes: 1_234_567,
        dropped_bytes: 0,
        bitrate_bps: None,
        rtt: None,
        rtt_variation: None,
        latency: None,
        packets: Packets::default(),
    }
}

scratch::on_each_database! {
    async fn a_publishers_connection_is_told_as_far_as_its_protocol_knows_it(scratch) {
        let server = Server::on(scratch).await;
        let mona = server.new_streamer("mona").await;
        let id = server.stream_of(&mona, json!({ "title": "Harbour" })).await;
        let path = format!("/api/v1/streams/{id}/publishers");
        let ask = || async { server.as_user(&mona.access, "GET", &path, None).await };
        assert_eq!(ask().await.json(), json!({ "items": [], "next_cursor": null }));
        server.broadcasts.go_live(&id, SystemTime::now());
        *server.broadcasts.publishers.lock().expect("lock") = vec![
            Publisher {
                bitrate_bps: Some(6_123_456),
                rtt: Some(Duration::from_micros(41_200)),
                latency: Some(Duration::from_millis(400)),
                packets: Packets {
                    received: Some(12_000),
                    lost: Some(600),
                    retransmitted: Some(590),
                    dropped: Some(3),
                    undecryptable: Some(0),
                },
                ..publisher(Protocol::Srt, "192.0.2.7:51820")
            },
            Publisher {
                dropped_bytes: 4000,
                rtt: Some(Duration::from_micros(8_000)),
                rtt_variation: Some(Duration::from_micros(1_500)),
                packets: Packets { received: Some(900), ..Packets::default() },
                ..publisher(Protocol::Rtmps, "[2001:db8::7]:40000")
            },
        ];
        let answer = ask().await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        let expected = json!([
            {
                "protocol": "srt", "address": "192.0.2.7:51820",
                "connected_at": "2026-01-01T00:00:00.000Z", "role": "primary",
                "received_bytes": 1_234_567, "dropped_bytes": 0, "bitrate_kbps": 6123,
                "rtt_ms": 41.2, "rtt_variation_ms": null, "latency_ms": 400,
                "packets": {
                    "received": 12_000, "lost": 600, "retransmitted": 590, "dropped": 3,
                    "undecryptable": 0,
                },
            },
            {
                "protocol": "rtmps", "address": "[2001:db8::7]:40000",
                "connected_at": "2026-01-01T00:00:00.000Z", "role": "primary",
                "received_bytes": 1_234_567, "dropped_bytes": 4000, "bitrate_kbps": null,
                "rtt_ms": 8.0, "rtt_variation_ms": 1.5, "latency_ms": null,
                "packets": {
                    "received": 900, "lost": null, "retransmitted": null, "dropped": null,
                    "undecryptable": null,
                },
            },
        ]);
        assert_eq!(answer.json()["items"], expected);
    }

    async fn publishers_addresses_are_for_the_owner_admins_and_the_operator_alone(scratch) {
        let server = Server::on(scratch).await;
        let mona = server.new_streamer("mona").await;
        let id = server.stream_of(&mona, json!({ "title": "Harbour" })).await;
        server.broadcasts.go_live(&id, SystemTime::now());
        let one = publisher(Protocol::Rtmp, "192.0.2.7:51820");
        *server.broadcasts.publishers.lock().expect("lock") = vec![one];
        let path = format!("/api/v1/streams/{id}/publishers");
        let admin = server.new_admin("boss").await;
        for access in [&mona.access, &admin.access] {
            let answer = server.as_user(access, "GET", &path, None).await;
            assert!(answer.text.contains("192.0.2.7"), "{answer:?}");
        }
        assert!(server.admin("GET", &path).await.text.contains("192.0.2.7"));
        let (nils, vera) = (server.new_streamer("nils").await, server.member("vera").await);
        for access in [&nils.access, &vera.access] {
            let answer = server.as_user(access, "GET", &path, None).await;
            assert_problem(&answer, 403, "forbidden");
        }
        assert_problem(&server.stranger("GET", &path).await, 401, "unauthorized");
    }
}
