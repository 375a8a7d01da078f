//! SRT over a bad network: a proxy loses, delays and reorders packets by a seed.

mod netproxy;
mod recording;

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use ingest::gate::Unpublish;
use ingest::srt::{self, Config};
use netproxy::{Network, Proxy};
use recording::{RecordingGate, continuity, messages, wait_until};

/// Messages of 1316 bytes: eight seconds of 5 Mbit/s.
const MESSAGES: u32 = 4000;

#[test]
fn eight_percent_loss_and_jitter_leave_next_to_no_gap_at_500_ms() {
    let gate = RecordingGate::default().with("key-a", None);
    let config = Config {
        latency: Duration::from_millis(500),
        ..Config::default()
    };
    let address = "127.0.0.1:0".parse().expect("an address");
    let listener = srt::listen(address, config, Arc::new(gate.clone())).expect("a port");
    let proxy = Proxy::start(
        listener.local_addr(),
        Network {
            seed: 20,
            loss: 0.08,
            delay: Duration::from_millis(40),
            jitter: Duration::from_millis(20),
        },
    );
    // libsrt is the caller: it takes a transport stream from UDP and sends it on.
    let probe = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
    let port = probe.local_addr().expect("bound").port();
    drop(probe);
    let mut caller = Command::new("srt-live-transmit")
        .arg(format!("udp://127.0.0.1:{port}"))
        .arg(format!("srt://{}?streamid=publish:key-a", proxy.address))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("srt-tools is installed");
    let source = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
    let mut feed = messages(MESSAGES + 2000).into_iter();
    // Until it has connected, what is fed to it is lost.
    wait_until("the connection", || {
        for message in feed.by_ref().take(2) {
            let _ = source.send_to(&message, ("127.0.0.1", port));
        }
        gate.bytes_of(0) > 0
    });
    for message in feed.take(MESSAGES as usize) {
        let _ = source.send_to(&message, ("127.0.0.1", port));
        std::thread::sleep(Duration::from_millis(2));
    }
    std::thread::sleep(config.latency * 2);
    let pid = caller.id().to_string();
    Command::new("kill")
        .args(["-INT", &pid])
        .status()
        .expect("kill is everywhere");
    let _ = caller.wait();
    wait_until("the publication's end", || gate.ending_of(0).is_some());
    // Whether the goodbye came through is up to the network; that it ended is what counts.
    assert!(matches!(
        gate.ending_of(0),
        Some(Some(Unpublish::Finished | Unpublish::Lost))
    ));

    let counts = proxy.counts();
    let (packets, gaps) = continuity(&gate.publications()[0].bytes);
    println!("{packets} packets of the transport stream, {gaps} gaps; {counts:?}");
    let share = counts.lost as f64 / (counts.lost + counts.passed) as f64;
    assert!((0.06..0.10).contains(&share), "the proxy lost {share}");
    assert!(
        counts.overtaken > 1000,
        "the proxy reordered little: {counts:?}"
    );
    assert!(
        packets > 7 * MESSAGES as usize * 9 / 10,
        "{packets} packets arrived"
    );
    assert!(gaps <= 4, "{gaps} gaps in {packets} packets");
}
