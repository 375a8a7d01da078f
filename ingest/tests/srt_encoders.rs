//! Real encoders publish by SRT: ffmpeg, srt-live-transmit and GStreamer, from Debian's packages.

mod recording;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use ingest::gate::Unpublish;
use ingest::srt::{self, Config, Listener};
use recording::{RecordingGate, continuity, messages, wait_until};

const PASSPHRASE: &str = "correct horse battery";

fn listen(gate: &RecordingGate) -> Listener {
    let address = "127.0.0.1:0".parse().expect("an address");
    srt::listen(address, Config::default(), Arc::new(gate.clone())).expect("an ephemeral port")
}

/// A process that is killed when the test is over, however it ends.
struct Encoder(Child);

impl Encoder {
    fn start(command: &mut Command) -> Self {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self(child.expect("ffmpeg, srt-tools and gstreamer1.0-tools are installed"))
    }

    /// Waits for its end; whether it was content.
    fn wait(mut self) -> bool {
        self.0.wait().expect("a child").success()
    }

    /// Asks it to end, as ^C does.
    fn interrupt(&self) {
        let pid = self.0.id().to_string();
        let done = Command::new("kill").args(["-INT", &pid]).status();
        assert!(done.expect("kill is everywhere").success());
    }

    /// Kills it: no goodbye.
    fn kill(&mut self) {
        self.0.kill().expect("a child");
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// ffmpeg that encodes a test picture in real time and publishes it to `url`.
fn ffmpeg(url: &str, seconds: u32) -> Encoder {
    let duration = seconds.to_string();
    let mut command = Command::new("ffmpeg");
    command
        .args([
            "-v",
            "error",
            "-re",
            "-f",
            "lavfi",
            "-i",
            "testsrc2=s=320x180:r=25",
        ])
        .args(["-f", "lavfi", "-i", "sine=r=48000", "-t", &duration])
        .args([
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
            "-b:v",
            "1M",
            "-g",
            "25",
        ])
        .args(["-c:a", "aac", "-f", "mpegts", url]);
    Encoder::start(&mut command)
}

/// A file beside the test's own build products.
fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

#[test]
fn ffmpeg_publishes_with_aes_256_and_the_bytes_are_those_it_sent() {
    let gate = RecordingGate::default().with("key-a", Some(PASSPHRASE));
    let listener = listen(&gate);
    // Without linger ffmpeg throws away what it has not sent yet when it ends.
    // Two muxers of the same kind get the same packets: the file is what is sent.
    let copy = file("ffmpeg_aes_256.ts");
    let _ = fs::remove_file(&copy);
    let outputs = format!(
        "[f=mpegts]{}|[f=mpegts]srt://{}?streamid=#!::m=publish,r=live/key-a&passphrase={PASSPHRASE}&pbkeylen=32&pkt_size=1316&linger=5",
        copy.display(),
        listener.local_addr()
    );
    let mut sender = Command::new("ffmpeg");
    sender
        .args([
            "-v",
            "error",
            "-re",
            "-f",
            "lavfi",
            "-i",
            "testsrc2=s=320x180:r=25",
            "-t",
            "3",
        ])
        .args([
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
            "-b:v",
            "1M",
            "-map",
            "0",
        ])
        .args(["-f", "tee", &outputs]);
    assert!(
        Encoder::start(&mut sender).wait(),
        "ffmpeg could not publish"
    );
    wait_until("the publication's end", || gate.ending_of(0).is_some());
    assert_eq!(gate.ending_of(0), Some(Some(Unpublish::Finished)));
    let sent = fs::read(&copy).expect("ffmpeg wrote it");
    let received = gate.publications()[0].bytes.clone();
    assert!(
        received == sent,
        "{} bytes of {}",
        received.len(),
        sent.len()
    );
    assert_eq!(continuity(&received).1, 0);
}

#[test]
fn an_ffmpeg_that_is_stopped_has_finished_and_one_that_is_killed_is_lost() {
    let gate = RecordingGate::default()
        .with("key-a", None)
        .with("key-b", None);
    let listener = listen(&gate);
    let to = listener.local_addr();
    let stopped = ffmpeg(
        &format!("srt://{to}?streamid=publish:key-a&pkt_size=1316"),
        60,
    );
    wait_until("media", || gate.bytes_of(0) > 100_000);
    let mut killed = ffmpeg(
        &format!("srt://{to}?streamid=publish:key-b&pkt_size=1316"),
        60,
    );
    wait_until("media", || gate.bytes_of(1) > 100_000);
    stopped.interrupt();
    killed.kill();
    wait_until("both ends", || {
        (0..2).all(|index| gate.ending_of(index).is_some())
    });
    assert_eq!(gate.ending_of(0), Some(Some(Unpublish::Finished)));
    assert_eq!(gate.ending_of(1), Some(Some(Unpublish::Lost)));
    for publication in gate.publications() {
        assert_eq!(
            continuity(&publication.bytes).1,
            0,
            "{}",
            publication.stream
        );
    }
}

#[test]
fn srt_live_transmit_with_a_long_latency_and_killed_is_lost_all_the_same() {
    let gate = RecordingGate::default().with("key-a", None);
    let listener = listen(&gate);
    let input = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
    let port = input.local_addr().expect("bound").port();
    drop(input);
    let mut transmit = Encoder::start(
        Command::new("srt-live-transmit")
            .arg(format!("udp://127.0.0.1:{port}"))
            .arg(format!(
                "srt://{}?streamid=key-a&latency=2000",
                listener.local_addr()
            )),
    );
    let source = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
    // It connects only once it runs; what comes before that is lost.
    let mut feed = messages(20_000).into_iter();
    wait_until("media", || {
        for message in feed.by_ref().take(5) {
            let _ = source.send_to(&message, ("127.0.0.1", port));
        }
        gate.bytes_of(0) > 200_000
    });
    transmit.kill();
    wait_until("the publication's end", || gate.ending_of(0).is_some());
    assert_eq!(gate.ending_of(0), Some(Some(Unpublish::Lost)));
    assert_eq!(continuity(&gate.publications()[0].bytes).1, 0);
}

#[test]
fn gstreamers_srtsink_publishes_with_aes_192() {
    let gate = RecordingGate::default().with("key-a", Some(PASSPHRASE));
    let listener = listen(&gate);
    let uri = format!("uri=srt://{}", listener.local_addr());
    let passphrase = format!("passphrase={PASSPHRASE}");
    let mut command = Command::new("gst-launch-1.0");
    command
        .args(["-q", "videotestsrc", "num-buffers=75", "is-live=true", "!"])
        .args(["video/x-raw,width=320,height=180,framerate=25/1", "!"])
        .args([
            "x264enc",
            "speed-preset=ultrafast",
            "tune=zerolatency",
            "bitrate=800",
            "!",
        ])
        .args(["mpegtsmux", "alignment=7", "!", "srtsink", &uri])
        .args([
            "streamid=publish:key-a",
            &passphrase,
            "pbkeylen=24",
            "wait-for-connection=false",
        ]);
    assert!(Encoder::start(&mut command).wait(), "gst-launch-1.0 failed");
    wait_until("the publication's end", || gate.ending_of(0).is_some());
    assert_eq!(gate.ending_of(0), Some(Some(Unpublish::Finished)));
    let (packets, gaps) = continuity(&gate.publications()[0].bytes);
    assert!(packets > 500, "{packets} packets of three seconds");
    assert_eq!(gaps, 0);
}
