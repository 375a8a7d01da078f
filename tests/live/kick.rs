//! Publishers that are sent away, and publishers that come from where they may not.

use serde_json::json;

use crate::clip::Clip;
use crate::encoder::Carrier;
use crate::program::wait_for;
use crate::server::{Server, Stream};

/// Longer than anything here takes.
fn clip() -> Clip {
    Clip {
        container: "mp4",
        ..Clip::new(30 * 20)
    }
}

fn goes_live(server: &Server, stream: &Stream) {
    wait_for("the stream to go live", || server.status(stream) == "live");
}

fn ask(server: &Server, method: &str, path: &str, body: &serde_json::Value) -> serde_json::Value {
    let answer = server.admin(method, path, Some(&body.to_string()));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

#[test]
fn a_kicked_publisher_stays_away_and_a_new_key_counts_at_once() {
    let file = clip().file();
    let server = Server::start();
    for carrier in [Carrier::Rtmp, Carrier::Srt] {
        let stream = server.stream();
        let path = format!("/api/v1/streams/{}", stream.id);
        let _publisher = carrier.publish(&file, &stream);
        goes_live(&server, &stream);
        let kick = json!({ "for_s": 600, "end": true });
        let kicked = ask(&server, "POST", &format!("{path}/kick"), &kick);
        assert_eq!(kicked["disconnected"], true, "{carrier:?}");
        wait_for("the broadcast's end", || {
            server.status(&stream) == "offline"
        });
        let (content, _) = carrier.publish(&file, &stream).wait();
        assert!(!content, "{carrier:?}: let in again");
        assert!(server.log_has(&["sent away for a while"]), "{carrier:?}");

        let rotated = server.admin("POST", &format!("{path}/key"), None).json();
        let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
        let renewed = Stream {
            key: text(&rotated["stream_key"]),
            rtmp: text(&rotated["publish"]["rtmp"]),
            srt: text(&rotated["publish"]["srt"]),
            ..stream
        };
        server.keep_secret(&renewed.key);
        let publisher = carrier.publish(&file, &renewed);
        goes_live(&server, &renewed);
        publisher.kill();
    }
    server.stop();
}

#[test]
fn a_key_opens_nothing_from_an_address_that_is_not_allowed() {
    let file = clip().file();
    let server = Server::impatient();
    for carrier in [Carrier::Rtmp, Carrier::Srt] {
        let elsewhere = json!({ "title": "A stream", "publishers": ["192.0.2.0/24", "::1"] });
        let stream = server.stream_of(&elsewhere);
        let path = format!("/api/v1/streams/{}", stream.id);
        let (content, told) = carrier.publish(&file, &stream).wait();
        assert!(!content, "{carrier:?}: let in from 127.0.0.1");
        assert!(!told.contains("address"), "{carrier:?} is told why: {told}");
        assert!(
            server.log_has(&["may not be published to from this address"]),
            "{carrier:?}"
        );

        ask(
            &server,
            "PATCH",
            &path,
            &json!({ "publishers": ["127.0.0.0/8"] }),
        );
        let _publisher = carrier.publish(&file, &stream);
        goes_live(&server, &stream);
        // Who publishes already has to go.
        ask(
            &server,
            "PATCH",
            &path,
            &json!({ "publishers": ["192.0.2.7"] }),
        );
        wait_for("the broadcast's end", || {
            server.status(&stream) == "offline"
        });
    }
    server.stop();
}
