//! What systemd hears of a server that it started.

use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use crate::clip::Clip;
use crate::encoder;
use crate::program::wait_for;
use crate::server::{SMALL_LADDER, Server};

/// Signs of life come four times as often. Long enough for a busy machine.
const WATCHDOG_US: &str = "8000000";

/// For a message that must come.
const MESSAGE_MAX: Duration = Duration::from_secs(60);

/// Listens as systemd does.
struct Systemd(UnixDatagram);

impl Systemd {
    fn next(&self) -> String {
        let mut bytes = [0; 256];
        let length = self.0.recv(&mut bytes).expect("a message in time");
        String::from_utf8(bytes[..length].to_vec()).expect("UTF-8")
    }

    /// All up to `wanted`.
    fn until(&self, wanted: &str) -> Vec<String> {
        let (mut heard, start) = (Vec::new(), Instant::now());
        while heard.last().is_none_or(|last| last != wanted) {
            assert!(start.elapsed() < MESSAGE_MAX, "no {wanted} in {heard:?}");
            heard.push(self.next());
        }
        heard
    }
}

#[test]
fn systemd_hears_when_it_is_ready_that_it_lives_what_it_does_and_that_it_stops() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    let timeout = socket.set_read_timeout(Some(MESSAGE_MAX));
    timeout.expect("an option");
    let systemd = Systemd(socket);
    let server = Server::configured(|command| {
        command
            .env("MILLRACE_LADDER_RUNGS", SMALL_LADDER)
            .env("NOTIFY_SOCKET", &path)
            .env("WATCHDOG_USEC", WATCHDOG_US);
    });
    assert_eq!(systemd.next(), "READY=1");
    for _ in 0..2 {
        systemd.until("WATCHDOG=1");
    }
    systemd.until("STATUS=0 broadcasts, 0 viewers");

    let clip = Clip::new(30 * 60);
    let stream = server.stream();
    let publisher = encoder::srt(&clip.file(), &stream.srt);
    wait_for("a playable playlist", || server.status(&stream) == "live");
    systemd.until("STATUS=1 broadcast, 0 viewers");
    drop(publisher);

    server.terminate();
    systemd.until("STOPPING=1");
    server.stopped();
}
