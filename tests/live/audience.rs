//! How many watch, as the API tells it: counted by what viewers ask for anyway.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use serde_json::{Value, json};

use crate::clip::Clip;
use crate::encoder;
use crate::http;
use crate::program::wait_for;
use crate::server::{SMALL_LADDER, Server, Stream};
use crate::viewer::attribute;

/// Players in low latency: each waits for every part.
struct Crowd {
    gone: Arc<AtomicBool>,
    players: Vec<JoinHandle<()>>,
}

impl Crowd {
    fn come(server: SocketAddr, stream: &Stream, size: usize) -> Self {
        let gone = Arc::new(AtomicBool::new(false));
        let player = |_| {
            let (gone, stream) = (Arc::clone(&gone), stream.id.clone());
            thread::spawn(move || play(server, &stream, &gone))
        };
        Self {
            players: (0..size).map(player).collect(),
            gone,
        }
    }

    fn go(self) {
        self.gone.store(true, Ordering::Relaxed);
        for player in self.players {
            player.join().expect("no player failed");
        }
    }
}

fn play(server: SocketAddr, stream: &str, gone: &AtomicBool) {
    let get = |path: &str| {
        let answer = http::get(server, path).expect("an answer");
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.text()
    };
    get(&format!("/live/{stream}/master.m3u8"));
    let path = format!("/live/{stream}/180p/playlist.m3u8");
    let mut playlist = get(&path);
    while !gone.load(Ordering::Relaxed) {
        let hint = playlist.lines().find(|line| line.contains("PRELOAD-HINT"));
        let uri = attribute(hint.expect("a hint"), "URI=").expect("a URI");
        let file = uri.rsplit('/').next().expect("a file");
        let (sequence, part) = file
            .trim_end_matches(".m4s")
            .split_once('.')
            .expect("a part");
        playlist = get(&format!("{path}?_HLS_msn={sequence}&_HLS_part={part}"));
    }
}

fn told(server: &Server, stream: &Stream) -> Value {
    let answer = http::get(server.http, &format!("/api/v1/watch/{}", stream.id));
    answer.expect("an answer").json()
}

/// Viewers now and at the peak.
fn audience(server: &Server, stream: &Stream) -> (Option<u64>, Option<u64>) {
    let told = told(server, stream);
    (told["viewers"].as_u64(), told["viewers_peak"].as_u64())
}

#[test]
fn viewers_are_counted_while_they_watch_and_the_peak_stays() {
    const SIZE: usize = 4;
    let size = SIZE as u64;
    let server = Server::impatient();
    let stream = server.stream();
    assert_eq!(audience(&server, &stream), (None, None));
    let publisher = encoder::rtmp(&Clip::new(30 * 60).file(), &stream.rtmp);
    wait_for("a playable playlist", || server.status(&stream) == "live");
    let crowd = Crowd::come(server.http, &stream, SIZE);
    wait_for("all of them", || audience(&server, &stream).0 == Some(size));
    let owner = server.admin("GET", &format!("/api/v1/streams/{}", stream.id), None);
    assert_eq!(owner.json()["viewers"], size);
    crowd.go();
    wait_for("nobody", || audience(&server, &stream).0 == Some(0));
    let (_, peak) = audience(&server, &stream);
    // Uneven requests on a busy machine may make one more for a moment.
    assert!((size..=size + 1).contains(&peak.expect("live")), "{peak:?}");

    drop(publisher);
    wait_for("the broadcast's end", || {
        server.status(&stream) == "offline"
    });
    assert_eq!(audience(&server, &stream), (None, None));
    server.stop();
}

#[test]
fn a_page_whose_playlists_come_from_a_cache_is_a_viewer() {
    let server = Server::start();
    let stream = server.stream();
    let publisher = encoder::rtmp(&Clip::new(30 * 60).file(), &stream.rtmp);
    wait_for("a playable playlist", || server.status(&stream) == "live");
    // One that says so twice as often as pages do is two. Nobody asks for a playlist.
    let asked = std::time::Instant::now();
    let mut asks = 0;
    wait_for("the page", || {
        if asked.elapsed().as_millis() > asks * 2500 {
            asks += 1;
            let path = format!("/api/v1/watch/{}?playing=1", stream.id);
            let answer = http::get(server.http, &path).expect("an answer");
            assert_eq!(answer.header("cache-control"), Some("no-store"));
        }
        audience(&server, &stream).0 == Some(2)
    });
    wait_for("nobody", || audience(&server, &stream).0 == Some(0));
    assert_eq!(audience(&server, &stream).1, Some(2));
    drop(publisher);
    server.stop();
}

#[test]
fn the_api_says_whether_a_broadcast_can_be_rewound() {
    for (reach_s, expected) in [("60", json!(60)), ("0", Value::Null)] {
        let server = Server::with(&[
            ("MILLRACE_LADDER_RUNGS", SMALL_LADDER),
            ("MILLRACE_HLS_DVR_S", reach_s),
        ]);
        let stream = server.stream();
        assert_eq!(told(&server, &stream)["playback"]["dvr"], Value::Null);
        let publisher = encoder::rtmp(&Clip::new(30 * 20).file(), &stream.rtmp);
        wait_for("a playable playlist", || server.status(&stream) == "live");
        let told = told(&server, &stream);
        assert_eq!(told["rewind_s"], expected);
        let url = format!(
            "http://{}/live/{}/master.m3u8?dvr=1",
            server.http, stream.id
        );
        let dvr = if expected.is_null() {
            Value::Null
        } else {
            json!(url)
        };
        assert_eq!(told["playback"]["dvr"], dvr);
        drop(publisher);
        server.stop();
    }
}
