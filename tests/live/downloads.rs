//! A recording's download in players that read MP4 with code of their own. FFmpeg's is asked in
//! `recordings`, Chromium's in tests/browser.

use std::process::Command;

use crate::clip::Clip;
use crate::decode::{self, assert_in_sync};
use crate::encoder;
use crate::players::vlc;
use crate::program::Program;
use crate::recordings::{assert_counted_from_zero, the_recording};
use crate::server::Server;

/// Four seconds.
const FRAMES: u32 = 120;

/// The size that is downloaded.
const SIZE: (usize, usize) = (320, 180);

/// The URL of the download of a recording of [`FRAMES`].
fn download(server: &Server) -> String {
    // In real time: sound that a busy machine decodes seconds of media too late is silence.
    encoder::rtmp(&Clip::new(FRAMES).file(), &server.stream().rtmp).finish();
    let id = the_recording(server);
    format!("http://{}/vod/{id}/180p/download.mp4", server.http)
}

/// Its pictures and sound as VLC decodes them, written down anew: on a screen it leaves out pictures
/// for which a busy machine has no time.
#[test]
fn vlc_plays_every_frame_of_a_download_with_its_sound() {
    let server = Server::start();
    let url = download(&server);
    let played = server.scratch().join("played.nut");
    let written = format!(
        "#transcode{{vcodec=mp4v,vb=4000,acodec=s16l}}\
         :std{{access=file,mux=avformat{{mux=nut}},dst={}}}",
        played.display()
    );
    let arguments = [
        "--play-and-exit",
        "--avcodec-hw=none",
        "--sout",
        &written,
        // Longer than the download: what comes first is written only once both tracks are known.
        "--sout-mux-caching=60000",
        &url,
    ];
    let (content, said) = Program::start(&mut vlc(&server, &arguments)).wait();
    assert!(content && played.exists(), "{said}");
    assert!(!said.contains("mp4 demux error"), "{said}");
    let pictures = decode::pictures_of(&played, SIZE);
    assert_counted_from_zero(&decode::numbers(&pictures), FRAMES);
    let flashes = decode::flashes(&pictures);
    assert_eq!(
        flashes.len() as u32,
        FRAMES / Clip::new(FRAMES).flash_every() - 1
    );
    assert_in_sync(&flashes, &decode::beeps_of(&played));
    server.stop();
}

/// By `qtdemux`, which takes a file as QuickTime does: by its tables.
#[test]
fn gstreamer_plays_every_frame_of_a_download() {
    let server = Server::start();
    let url = download(&server);
    let shown = server.scratch().join("shown.grey");
    let mut player = Command::new("gst-launch-1.0");
    player
        .args(["-q", "playbin", "audio-sink=fakesink"])
        .arg(format!("uri={url}"))
        .arg(format!(
            "video-sink=videoconvert ! video/x-raw,format=GRAY8 ! filesink location={}",
            shown.display()
        ));
    Program::start(&mut player).finish();
    let numbers = decode::numbers(&decode::raw_pictures(&shown, SIZE));
    assert_counted_from_zero(&numbers, FRAMES);
    server.stop();
}
