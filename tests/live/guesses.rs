//! Somebody who guesses secrets, and those behind the same address.

use std::io::Write;

use crate::clip::Clip;
use crate::decode::assert_every_frame_once;
use crate::encoder::{self, SRT_TAIL_FRAMES};
use crate::http;
use crate::metrics::{address_of, scrape};
use crate::program::wait_for;
use crate::rtmp_peer::{dial, publish, until_hung_up};
use crate::server::{SMALL_LADDER, Server};
use crate::viewer::Viewer;

/// Wrong keys that a minute's guessing may have (docs/operations.md).
const WRONG_MAX: usize = 10;

fn metered() -> Server {
    Server::with(&[
        ("MILLRACE_LADDER_RUNGS", SMALL_LADDER),
        ("MILLRACE_METRICS", "127.0.0.1:0"),
    ])
}

/// What an RTMP publisher is told.
fn try_key(server: &Server, key: &str) -> String {
    let mut peer = dial(server.rtmp);
    peer.write_all(&publish(key)).expect("taken");
    until_hung_up(peer)
}

#[test]
fn somebody_who_guesses_keys_is_banned_and_the_publisher_behind_the_same_address_goes_on() {
    let clip = Clip::new(30 * 12);
    let file = clip.file();
    let server = metered();
    let (stream, other) = (server.stream(), server.stream());
    let viewer = Viewer::follow(server.http, &stream.id);
    let publisher = encoder::srt(&file, &stream.srt);
    wait_for("a playable playlist", || server.status(&stream) == "live");

    // An old key, tried again and again.
    for _ in 0..3 * WRONG_MAX {
        let told = try_key(&server, "mr_last-weeks-key");
        assert!(told.contains("the stream key is wrong"), "{told}");
    }
    for number in 1..WRONG_MAX {
        let told = try_key(&server, &format!("mr_guess-{number}"));
        assert!(told.contains("the stream key is wrong"), "{told}");
    }
    assert!(!server.log_has(&["banned"]));
    for number in WRONG_MAX..5 * WRONG_MAX {
        let told = try_key(&server, &format!("mr_guess-{number}"));
        assert!(told.contains("too many wrong stream keys"), "{told}");
    }
    let told = try_key(&server, &other.key);
    assert!(told.contains("too many wrong stream keys"), "right: {told}");

    assert_eq!(server.log_count(&["banned", "stream_key", "127.0.0.1"]), 1);
    assert_eq!(server.log_count(&["refused"]), WRONG_MAX);
    let figures = scrape(address_of(&server));
    let wrong = 3 * WRONG_MAX + 5 * WRONG_MAX - 1;
    let of = |name: &str| figures.value(name, &[("secret", "stream_key")]);
    assert_eq!(of("millrace_wrong_secrets_total"), wrong as f64);
    assert_eq!(of("millrace_secret_bans_total"), 1.0);

    publisher.finish();
    let watched = viewer.until_end();
    assert_every_frame_once(&watched, clip.frames, SRT_TAIL_FRAMES, &server.scratch());
    // It has published from there before.
    let back = encoder::rtmp(&file, &stream.rtmp);
    server.wait_for_log(&["publishing", &stream.id, "rtmp"]);
    drop(back);
    server.stop();
}

#[test]
fn somebody_who_guesses_tokens_of_the_api_is_banned_and_the_operator_goes_on() {
    let server = metered();
    server.stream();
    let ask = |token: &str| {
        let header = format!("Authorization: Bearer {token}\r\n");
        http::request(server.http, "GET", "/api/v1/streams", &header, None).expect("an answer")
    };
    for number in 1..WRONG_MAX {
        assert_eq!(ask(&format!("mra_guess-{number}")).status, 401);
        assert_eq!(ask("mra_the-same-again").status, 401);
    }
    let banned = ask("mra_one-too-many");
    assert_eq!(banned.status, 429);
    let wait: u64 = banned
        .header("retry-after")
        .and_then(|it| it.parse().ok())
        .expect("seconds");
    assert!((1..=600).contains(&wait), "{wait}");
    // The admin token has opened the API from here before.
    server.stream();
    assert_eq!(server.log_count(&["banned", "api_token"]), 1);
    server.stop();
}
