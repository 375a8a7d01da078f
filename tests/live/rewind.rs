//! Viewers who go back in a broadcast further than memory reaches.

use crate::clip::Clip;
use crate::decode;
use crate::http;
use crate::program::{Program, ffmpeg};
use crate::server::Server;

/// Two and a half minutes: memory holds one.
const FRAMES: u32 = 10 * 150;

#[test]
fn a_viewer_rewinds_to_the_beginning_and_misses_no_frame() {
    let clip = Clip {
        width: 160,
        height: 90,
        rate: (10, 1),
        ..Clip::new(FRAMES)
    };
    let file = clip.file();
    let server = Server::with(&[("MILLRACE_LADDER_RUNGS", "90p 160x90 200k")]);
    let stream = server.stream();
    let mut publisher = ffmpeg(["-readrate", "15", "-i"]);
    publisher
        .arg(&file)
        .args(["-c", "copy", "-f", "flv", &stream.rtmp]);
    Program::start(&mut publisher).finish();
    let playlist = |query: &str| {
        let path = format!("/live/{}/90p/playlist.m3u8{query}", stream.id);
        let answer = http::get(server.http, &path).expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.text()
    };
    server.wait_for_log(&["broadcast ended"]);
    let count = |text: &str| {
        text.lines()
            .filter(|line| line.starts_with("#EXTINF"))
            .count()
    };
    assert_eq!(count(&playlist("")), 10);
    let dvr = playlist("?dvr=1");
    assert_eq!(count(&dvr), 75, "{dvr}");

    let shown = server.scratch().join("shown.grey");
    let url = format!(
        "http://{}/live/{}/master.m3u8?dvr=1",
        server.http, stream.id
    );
    let mut player = ffmpeg(["-i", &url, "-map", "0:v", "-fps_mode", "passthrough"]);
    player
        .args(["-pix_fmt", "gray", "-f", "rawvideo"])
        .arg(&shown);
    let (content, said) = Program::start(&mut player).wait();
    assert!(content, "{said}");
    let numbers = decode::numbers(&decode::raw_pictures(&shown, (160, 90)));
    let expected: Vec<_> = (0..FRAMES).map(Some).collect();
    assert!(numbers == expected, "{numbers:?}");
    server.stop();
}
