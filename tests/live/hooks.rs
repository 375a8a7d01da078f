//! `hooks.on_publish` and webhooks, as their receivers see them.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::clip::Clip;
use crate::decode::assert_every_frame_once;
use crate::encoder::{self, Carrier};
use crate::library::{ENCODED_WITHIN, upload};
use crate::program::{wait_at_most, wait_for};
use crate::server::{SMALL_LADDER, Server, Stream, free_tcp};
use crate::viewer::Viewer;

/// A receiver of hooks that answers all of them alike and keeps their bodies. Its thread ends with
/// the test's process.
struct Hook {
    address: SocketAddr,
    bodies: Arc<Mutex<Vec<Value>>>,
}

impl Hook {
    fn start(status: &'static str, pause: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let hook = Self {
            address: listener.local_addr().expect("bound"),
            bodies: Arc::default(),
        };
        let bodies = Arc::clone(&hook.bodies);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let bodies = Arc::clone(&bodies);
                thread::spawn(move || answer(&stream, status, pause, &bodies));
            }
        });
        hook
    }

    fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    fn bodies(&self) -> Vec<Value> {
        self.bodies.lock().expect("lock").clone()
    }
}

/// Answers one request and closes the connection.
fn answer(mut stream: &TcpStream, status: &str, pause: Duration, bodies: &Mutex<Vec<Value>>) {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) <= 2 {
            break;
        }
        let line = line.to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().expect("a number");
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    let body = serde_json::from_slice(&body).expect("JSON");
    bodies.lock().expect("lock").push(body);
    thread::sleep(pause);
    // The server may have given up by now.
    let _gone = write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
}

fn asking(url: &str, failure: &str) -> Server {
    Server::with(&[
        ("MILLRACE_LADDER_RUNGS", SMALL_LADDER),
        ("MILLRACE_HOOKS_ON_PUBLISH", url),
        ("MILLRACE_HOOKS_ON_PUBLISH_FAILURE", failure),
    ])
}

fn refused(
    server: &Server,
    stream: &Stream,
    mut publisher: crate::program::Program,
    reason: &[&str],
) {
    let (content, _) = publisher.wait();
    assert!(!content, "let in");
    server.wait_for_log(reason);
    assert_eq!(server.status(stream), "offline");
    assert!(!server.log_has(&["broadcast begins"]), "a broadcast began");
}

#[test]
fn on_publish_vetoes_a_publisher_of_either_protocol_before_anything_begins() {
    let file = Clip::new(30 * 20).file();
    let hook = Hook::start("403 Forbidden", Duration::ZERO);
    let server = asking(&hook.url(), "allow");
    let stream = server.stream();
    let rtmp = format!("{}?user=ann&pass=p%26w&token=t1", stream.rtmp);
    let srt = format!("{}:bob:pw:x=y", stream.srt);
    let reason = "the on_publish hook refused the publisher";
    refused(
        &server,
        &stream,
        encoder::rtmp(&file, &rtmp),
        &["refused", "protocol=rtmp", reason],
    );
    refused(
        &server,
        &stream,
        encoder::srt(&file, &srt),
        &["refused", "protocol=srt", reason],
    );
    let asked = hook.bodies();
    assert_eq!(asked.len(), 2);
    let path = format!("live/{}", stream.id);
    for (asked, protocol, user, password, token, query) in [
        (
            &asked[0],
            "rtmp",
            "ann",
            "p&w",
            "t1",
            "user=ann&pass=p%26w&token=t1",
        ),
        (&asked[1], "srt", "bob", "pw", "", "x=y"),
    ] {
        let id = asked["id"].as_str().expect("a text");
        assert_eq!((id.len(), &id[14..15]), (36, "4"), "no UUID");
        let expected = json!({
            "ip": "127.0.0.1",
            "user": user,
            "password": password,
            "token": token,
            "action": "publish",
            "path": path,
            "protocol": protocol,
            "id": id,
            "query": query,
        });
        assert_eq!(asked, &expected);
        assert!(!asked.to_string().contains(&stream.key), "the key was told");
    }
    // Who has no valid key is refused as ever, and nobody is asked.
    let wrong = format!("rtmp://{}/live/mr_guess", server.rtmp);
    let (content, _) = encoder::rtmp(&file, &wrong).wait();
    assert!(!content);
    assert_eq!(hook.bodies().len(), 2);
    server.stop();
}

/// The answer takes its time: what is sent meanwhile is not lost.
fn comes_through_once_allowed(carrier: Carrier) {
    let clip = Clip::new(30 * 4);
    let file = clip.file();
    let hook = Hook::start("204 No Content", Duration::from_millis(700));
    let server = asking(&hook.url(), "deny");
    let stream = server.stream();
    let viewer = Viewer::follow(server.http, &stream.id);
    carrier.publish(&file, &stream).finish();
    let watched = viewer.until_end();
    assert_every_frame_once(
        &watched,
        clip.frames,
        carrier.tail_frames(),
        &server.scratch(),
    );
    assert_eq!(hook.bodies().len(), 1);
    server.stop();
}

#[test]
fn on_publish_allows_rtmp_and_no_frame_is_lost() {
    comes_through_once_allowed(Carrier::Rtmp);
}

#[test]
fn on_publish_allows_srt_and_no_frame_is_lost() {
    comes_through_once_allowed(Carrier::Srt);
}

#[test]
fn an_on_publish_hook_that_is_gone_denies_or_allows_as_configured() {
    let file = Clip::new(30 * 20).file();
    let gone = format!("http://{}/", free_tcp());
    let server = asking(&gone, "deny");
    let stream = server.stream();
    let reason = "the on_publish hook did not answer";
    for carrier in [Carrier::Rtmp, Carrier::Srt] {
        let publisher = carrier.publish(&file, &stream);
        refused(&server, &stream, publisher, &["refused", reason]);
    }
    server.stop();
    let server = asking(&gone, "allow");
    let stream = server.stream();
    let publisher = encoder::rtmp(&file, &stream.rtmp);
    wait_for("the broadcast", || server.status(&stream) == "live");
    publisher.kill();
    server.stop();
}

#[test]
fn a_webhook_is_told_of_a_broadcasts_start_and_end() {
    let file = Clip::new(30 * 3).file();
    let hook = Hook::start("200 OK", Duration::ZERO);
    let server = Server::start();
    let stream = server.stream();
    let body = json!({ "url": hook.url(), "events": ["broadcast.started", "broadcast.ended"] });
    let created = server.admin("POST", "/api/v1/webhooks", Some(&body.to_string()));
    assert_eq!(created.status, 201, "{}", created.text());
    let created = created.json();
    server.keep_secret(created["secret"].as_str().expect("a secret"));
    let path = format!(
        "/api/v1/webhooks/{}",
        created["id"].as_str().expect("an id")
    );
    assert_eq!(
        server.admin("POST", &format!("{path}/ping"), None).status,
        202
    );
    wait_for("the ping", || hook.bodies().len() == 1);
    encoder::rtmp(&file, &stream.rtmp).finish();
    wait_for("start and end", || hook.bodies().len() == 3);
    let bodies = hook.bodies();
    let types: Vec<_> = bodies.iter().map(|body| &body["type"]).collect();
    assert_eq!(types, ["ping", "broadcast.started", "broadcast.ended"]);
    let (started, ended) = (&bodies[1]["data"], &bodies[2]["data"]);
    assert_eq!(started["stream_id"], stream.id);
    for field in ["stream_id", "broadcast_id", "started_at"] {
        assert_eq!(started[field], ended[field]);
    }
    assert!(ended["ended_at"].as_str() > started["started_at"].as_str());
    wait_for("the log", || {
        let path = format!("{path}/deliveries?status=delivered");
        let log = server.admin("GET", &path, None).json();
        log["items"]
            .as_array()
            .is_some_and(|items| items.len() == 3)
    });
    server.stop();
}

/// A webhook that is told of recordings.
fn told_of_recordings(server: &Server, hook: &Hook) {
    let body = json!({ "url": hook.url(), "events": ["recording.ready", "recording.failed"] });
    let created = server.admin("POST", "/api/v1/webhooks", Some(&body.to_string()));
    assert_eq!(created.status, 201, "{}", created.text());
    let secret = created.json()["secret"].clone();
    server.keep_secret(secret.as_str().expect("a secret"));
}

/// It could be played, and nobody was told.
#[test]
fn a_webhook_is_told_of_a_recording_that_a_killed_server_had_begun() {
    let hook = Hook::start("200 OK", Duration::ZERO);
    let mut server = Server::start();
    told_of_recordings(&server, &hook);
    let stream = server.stream();
    let publisher = encoder::rtmp(&Clip::new(30 * 60).file(), &stream.rtmp);
    wait_for("a segment on the disk", || {
        let mut assets = fs::read_dir(server.data().join("assets")).expect("the folder");
        let asset = assets.next().map(|asset| asset.expect("an entry").path());
        let indexes = ["180p.index", "90p.index", "audio.index"];
        // A header has eight bytes or some more.
        let has = |index: &&str| -> Option<bool> {
            let index = fs::metadata(asset.as_ref()?.join(index)).ok()?;
            Some(index.len() > 64)
        };
        indexes.iter().all(|index| has(index) == Some(true))
    });
    server.kill_and_restart();
    publisher.kill();
    wait_for("the event", || !hook.bodies().is_empty());
    let body = &hook.bodies()[0];
    assert_eq!(body["type"], "recording.ready");
    let data = &body["data"];
    assert_eq!(data["stream_id"], stream.id);
    assert_eq!(data["status"], "interrupted");
    assert_eq!(data["reason"], "restart");
    assert!(data["bytes"].as_u64() > Some(0), "{data}");
    server.stop();
}

#[test]
fn a_recording_that_the_disk_does_not_take_fails_with_an_event_and_the_broadcast_goes_on() {
    let hook = Hook::start("200 OK", Duration::ZERO);
    let server = Server::start();
    told_of_recordings(&server, &hook);
    // A file where the folder was: nothing can be made in it.
    let assets = server.data().join("assets");
    fs::remove_dir(&assets).expect("it is empty");
    fs::write(&assets, "").expect("written");
    let stream = server.stream();
    let publisher = encoder::rtmp(&Clip::new(30 * 60).file(), &stream.rtmp);
    server.wait_for_log(&["recording stops, the broadcast goes on"]);
    wait_for("the event", || !hook.bodies().is_empty());
    let body = &hook.bodies()[0];
    assert_eq!(body["type"], "recording.failed");
    assert_eq!(body["data"]["stream_id"], stream.id);
    assert_eq!(body["data"]["reason"], "disk-failed");
    wait_for("a playable broadcast", || server.status(&stream) == "live");
    let listed = server.admin("GET", "/api/v1/recordings", None).json();
    assert_eq!(listed["items"][0]["status"], "failed");
    // Not by `stop`, which takes no error in the log: there is one, and should be.
    publisher.kill();
}

#[test]
fn a_webhook_is_told_of_a_video_and_of_a_file_that_becomes_none() {
    let hook = Hook::start("200 OK", Duration::ZERO);
    let server = Server::start();
    let body = json!({ "url": hook.url(), "events": ["video.ready", "video.failed"] });
    let created = server.admin("POST", "/api/v1/webhooks", Some(&body.to_string()));
    assert_eq!(created.status, 201, "{}", created.text());
    let created = created.json();
    server.keep_secret(created["secret"].as_str().expect("a secret"));
    let ready = upload(&server, &Clip::new(60).file(), 1);
    wait_at_most(ENCODED_WITHIN, "the video", || hook.bodies().len() == 1);
    let garbage = server.scratch().join("garbage.mp4");
    let head = b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41".to_vec();
    std::fs::write(&garbage, [head, vec![7; 10_000]].concat()).expect("a disk");
    let failed = upload(&server, &garbage, 1);
    wait_at_most(ENCODED_WITHIN, "the failure", || hook.bodies().len() == 2);
    let bodies = hook.bodies();
    assert_eq!(bodies[0]["type"], "video.ready");
    assert_eq!(bodies[0]["data"]["video_id"], ready.as_str());
    assert!(bodies[0]["data"]["bytes"].as_u64() > Some(0), "{bodies:?}");
    assert!(
        bodies[0]["data"]["duration_ms"].as_u64() >= Some(1900),
        "{bodies:?}"
    );
    assert_eq!(bodies[1]["type"], "video.failed");
    assert_eq!(bodies[1]["data"]["video_id"], failed.as_str());
    let reason = bodies[1]["data"]["reason"].as_str();
    assert!(
        reason.is_some_and(|reason| reason.contains("MP4")),
        "{bodies:?}"
    );
    server.stop();
}
