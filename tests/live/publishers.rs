//! Every way to publish: encoders, independent clients, and the forms in which they name a stream.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::SinkExt;
use ingest::client;
use media_core::graph::TestPattern;
use srt_tokio::SrtSocket;

use crate::clip::Clip;
use crate::decode::{self, assert_every_frame_once};
use crate::encoder::{self, SRT_TAIL_FRAMES};
use crate::program::{Program, wait_for};
use crate::server::{Server, Stream, free_udp};
use crate::viewer::Viewer;

/// Transport packets in a datagram.
const DATAGRAM_BYTES: usize = 7 * 188;

/// Every frame of `clip` comes through, published by `publish`.
fn comes_through(server: Server, stream: Stream, clip: &Clip, tail: u32, publish: impl FnOnce()) {
    let viewer = Viewer::follow(server.http, &stream.id);
    publish();
    let watched = viewer.until_end();
    assert_every_frame_once(&watched, clip.frames, tail, &server.scratch());
    server.stop();
}

/// A short clip; as a transport stream where `container` says so.
fn clip(container: &'static str) -> Clip {
    Clip {
        container,
        ..Clip::new(30 * 3)
    }
}

#[test]
fn gstreamers_rtmp2sink_publishes() {
    let clip = clip("mp4");
    let file = clip.file();
    let server = Server::start();
    let stream = server.stream();
    let url = stream.rtmp.clone();
    comes_through(server, stream, &clip, 0, || {
        encoder::gstreamer(&format!(
            "flvmux name=mux streamable=true ! rtmp2sink location={url} sync=true \
             filesrc location={} ! qtdemux name=demux \
             demux.video_0 ! queue ! h264parse ! mux. \
             demux.audio_0 ! queue ! aacparse ! mux.",
            file.display()
        ))
        .finish();
    });
}

#[test]
fn gstreamers_srtsink_publishes() {
    let clip = clip("mp4");
    let file = clip.file();
    let server = Server::start();
    let stream = server.stream();
    let (to, key) = (server.srt, stream.key.clone());
    comes_through(server, stream, &clip, SRT_TAIL_FRAMES, || {
        encoder::gstreamer(&format!(
            "mpegtsmux name=mux alignment=7 ! srtsink uri=srt://{to} streamid=publish:{key} \
             wait-for-connection=false sync=true \
             filesrc location={} ! qtdemux name=demux \
             demux.video_0 ! queue ! h264parse ! mux. \
             demux.audio_0 ! queue ! aacparse ! mux.",
            file.display()
        ))
        .finish();
    });
}

#[test]
fn srt_live_transmit_publishes() {
    let clip = clip("mp4");
    let file = clip.file();
    let server = Server::impatient();
    let stream = server.stream();
    let (to, key) = (server.srt, stream.key.clone());
    comes_through(server, stream, &clip, SRT_TAIL_FRAMES, || {
        let (relay, transmit) = relay_by_srt_live_transmit(to, &key);
        let mut source = crate::program::ffmpeg(["-re", "-i"]);
        source
            .arg(&file)
            .args(["-c", "copy", "-f", "mpegts"])
            .arg(format!("udp://{relay}?pkt_size=1316"));
        Program::start(&mut source).finish();
        transmit.interrupt();
        drop(transmit);
    });
}

#[test]
fn ffmpeg_that_copies_a_transport_stream_to_rtmp_publishes() {
    let clip = clip("ts");
    let file = clip.file();
    let server = Server::start();
    let stream = server.stream();
    let viewer = Viewer::follow(server.http, &stream.id);
    encoder::rtmp(&file, &stream.rtmp).finish();
    let watched = viewer.until_end();
    let pictures = assert_every_frame_once(&watched, clip.frames, 0, &server.scratch());
    let beeps = decode::beeps(watched.rendition("audio"), &server.scratch());
    decode::assert_in_sync(&decode::flashes(&pictures), &beeps);
    server.stop();
}

/// `srt-live-transmit`, which publishes to `to` what comes to the UDP port that it has.
pub(crate) fn relay_by_srt_live_transmit(to: SocketAddr, key: &str) -> (SocketAddr, Program) {
    let relay = free_udp();
    let mut transmit = Command::new("srt-live-transmit");
    transmit
        .arg(format!("udp://:{}", relay.port()))
        .arg(format!("srt://{to}?streamid=publish:{key}"));
    let transmit = Program::start(&mut transmit);
    wait_for("srt-live-transmit's port", || is_taken(relay));
    (relay, transmit)
}

/// Whether a program listens on this UDP port.
fn is_taken(address: SocketAddr) -> bool {
    std::net::UdpSocket::bind(("0.0.0.0", address.port())).is_err()
}

/// Sends the transport stream of `file` in real time: as much each time as its clock has moved.
async fn send_by_srt_tokio(to: SocketAddr, stream_id: &str, file: &Path, length: Duration) {
    let bytes = Bytes::from(std::fs::read(file).expect("a clip"));
    let to = to.to_string();
    let call = SrtSocket::builder().call(to.as_str(), Some(stream_id));
    let mut socket = call.await.expect("a caller with the right key");
    let pause = length / u32::try_from(bytes.len().div_ceil(DATAGRAM_BYTES)).expect("few");
    let mut rest = bytes;
    while !rest.is_empty() {
        let datagram = rest.split_to(rest.len().min(DATAGRAM_BYTES));
        let sent = socket.send((Instant::now(), datagram)).await;
        sent.expect("connected");
        tokio::time::sleep(pause).await;
    }
    socket.close_and_finish().await.expect("a goodbye");
}

fn runtime() -> tokio::runtime::Runtime {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    runtime.expect("a runtime")
}

#[test]
fn srt_tokio_publishes() {
    let clip = clip("ts");
    let file = clip.file();
    let server = Server::start();
    let stream = server.stream();
    let (to, key) = (server.srt, stream.key.clone());
    comes_through(server, stream, &clip, 0, || {
        let name = format!("#!::r=live/{key},m=publish");
        runtime().block_on(send_by_srt_tokio(to, &name, &file, Duration::from_secs(3)));
    });
}

#[test]
fn rml_rtmps_client_publishes() {
    let server = Server::start();
    let stream = server.stream();
    let viewer = Viewer::follow(server.http, &stream.id);
    media_core::graph::init().expect("GStreamer's elements");
    runtime().block_on(async {
        let (pattern, units) = TestPattern::start(320, 180).expect("a pattern");
        let (sender, media) = tokio::sync::mpsc::channel(80);
        let feed = tokio::task::spawn_blocking(move || {
            let start = Instant::now();
            while let Ok(unit) = units.recv() {
                if start.elapsed() > Duration::from_secs(5) || sender.blocking_send(unit).is_err() {
                    return;
                }
            }
        });
        let address = server.rtmp.to_string();
        let published = client::publish(address, "live", &stream.key, media).await;
        published.expect("the publication");
        feed.await.expect("no panic");
        drop(pattern);
    });
    let watched = viewer.until_end();
    assert_eq!(watched.names(), ["180p", "90p", "audio"]);
    let pictures = decode::pictures(watched.rendition("180p"), &server.scratch());
    assert!(pictures.len() > 100, "{} pictures", pictures.len());
    server.stop();
}

/// All forms, one after the other, to one server: each must go live under the right stream.
#[test]
fn every_form_of_naming_a_stream_over_rtmp() {
    let file = clip("mp4").file();
    let server = Server::start();
    for form in ["live/{}", "{}", "live/{}?token=a&user=b", "live/{}/"] {
        let stream = server.stream();
        let name = form.replace("{}", &stream.key);
        let publisher = encoder::rtmp(&file, &format!("rtmp://{}/{name}", server.rtmp));
        goes_live(&server, &stream, form);
        publisher.kill();
    }
    server.stop();
}

#[test]
fn every_form_of_naming_a_stream_over_srt() {
    let file = clip("mp4").file();
    let server = Server::start();
    for form in [
        "publish:{}",
        "#!::m=publish,r={}",
        "#!::r=live/{},m=publish",
        "#!::h=127.0.0.1,r=live/{},m=publish",
        "live/{}",
        "{}",
    ] {
        let stream = server.stream();
        let name = form.replace("{}", &stream.key);
        let publisher = encoder::srt(&file, &format!("srt://{}?streamid={name}", server.srt));
        goes_live(&server, &stream, form);
        publisher.kill();
    }
    server.stop();
}

fn goes_live(server: &Server, stream: &Stream, form: &str) {
    wait_for(&format!("{form} to go live"), || {
        server.log_has(&["broadcast started", &stream.id])
    });
}

#[test]
fn an_encrypted_stream_takes_the_right_passphrase_only() {
    let file = clip("mp4").file();
    let server = Server::start();
    let passphrase = "correct-horse-battery";
    server.keep_secret(passphrase);
    let stream = server.encrypted_stream(passphrase);
    let plain = format!("srt://{}?streamid=publish:{}", server.srt, stream.key);
    for url in [
        plain.clone(),
        format!("{plain}&passphrase=wrong-horse-battery&pbkeylen=16"),
    ] {
        let (content, _) = encoder::srt(&file, &url).wait();
        assert!(!content, "let in without the passphrase");
    }
    assert_eq!(server.status(&stream), "offline");
    // The address that the API gives out is complete.
    let publisher = encoder::srt(&file, &stream.srt);
    goes_live(&server, &stream, &stream.srt);
    publisher.kill();
    for key_bytes in [16, 24, 32] {
        let stream = server.encrypted_stream(passphrase);
        let url = format!(
            "srt://{}?streamid=publish:{}&passphrase={passphrase}&pbkeylen={key_bytes}",
            server.srt, stream.key
        );
        let publisher = encoder::srt(&file, &url);
        goes_live(&server, &stream, &url);
        publisher.kill();
    }
    server.stop();
}
