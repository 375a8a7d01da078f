//! The server under test: the real binary with a data folder of its own.

use std::cell::RefCell;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;

use crate::http::{self, Answer};
use crate::program::{signal, wait_for};

/// The operator's token of every server here.
pub(crate) const ADMIN_TOKEN: &str = "admin-token-of-the-live-tests";

/// Renditions that cost next to nothing.
pub(crate) const SMALL_LADDER: &str = "180p 320x180 400k, 90p 160x90 200k";

/// The server sees itself to the five seconds of an orderly stop, and its status says whether it was
/// one. This is for a machine that is busy.
const STOP_MAX: Duration = Duration::from_secs(20);

/// Ports are taken by whoever is first: between choosing and binding, another program may be.
const START_ATTEMPTS: usize = 5;

/// A running server. It must be ended by [`Server::stop`]; a test that fails prints its log.
pub(crate) struct Server {
    pub(crate) http: SocketAddr,
    pub(crate) rtmp: SocketAddr,
    pub(crate) srt: SocketAddr,
    command: Command,
    child: Child,
    folder: TempDir,
    keys: RefCell<Vec<String>>,
}

/// A stream that was created by the API.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    pub(crate) id: String,
    pub(crate) key: String,
    /// `publish.rtmp` and `publish.srt` as the API gave them.
    pub(crate) rtmp: String,
    pub(crate) srt: String,
}

impl Server {
    /// A server with the small ladder.
    pub(crate) fn start() -> Self {
        Self::with(&[("MILLRACE_LADDER_RUNGS", SMALL_LADDER)])
    }

    /// The same that does not wait for publishers that were lost.
    pub(crate) fn impatient() -> Self {
        Self::with(&[
            ("MILLRACE_LADDER_RUNGS", SMALL_LADDER),
            ("MILLRACE_INGEST_RECONNECT_MS", "1000"),
        ])
    }

    /// A server with these variables besides the fastest preset.
    pub(crate) fn with(variables: &[(&str, &str)]) -> Self {
        Self::configured(|command| _ = command.envs(variables.iter().copied()))
    }

    /// A server that is called as `configure` wants it.
    pub(crate) fn configured(configure: impl Fn(&mut Command)) -> Self {
        for _ in 0..START_ATTEMPTS {
            if let Some(server) = Self::attempt(&configure) {
                return server;
            }
        }
        panic!("no free ports in {START_ATTEMPTS} attempts");
    }

    /// `None` where somebody else took a port.
    fn attempt(configure: impl Fn(&mut Command)) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let (http, rtmp, srt) = (free_tcp(), free_tcp(), free_udp());
        let log = File::create(folder.path().join("log")).expect("a log");
        let mut command = millrace();
        command
            .arg("serve")
            .arg("--data")
            .arg(folder.path().join("data"))
            .args(["--http", &http.to_string()])
            .args(["--rtmp", &rtmp.to_string()])
            .args(["--srt", &srt.to_string()])
            .env("MILLRACE_ADMIN_TOKEN", ADMIN_TOKEN)
            .env("MILLRACE_LADDER_PRESET", "ultrafast")
            .env("MILLRACE_LADDER_ENCODER", "x264")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        configure(&mut command);
        let mut server = Self {
            http,
            rtmp,
            srt,
            child: command.spawn().expect("the binary under test"),
            command,
            folder,
            keys: RefCell::default(),
        };
        let mut ended = false;
        wait_for("the server's health", || {
            ended = server.child.try_wait().expect("a child").is_some();
            ended || http::get(http, "/health").is_ok_and(|answer| answer.status == 200)
        });
        if !ended {
            return Some(server);
        }
        assert!(server.log().contains("in use"), "the server did not start");
        None
    }

    /// Its data folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A folder for the test's own files; removed with the server.
    pub(crate) fn scratch(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// All that it has logged so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A request with the operator's token.
    pub(crate) fn admin(&self, method: &str, path: &str, body: Option<&str>) -> Answer {
        let token = format!("Authorization: Bearer {ADMIN_TOKEN}\r\n");
        http::request(self.http, method, path, &token, body).expect("an answer of the API")
    }

    /// A new stream.
    pub(crate) fn stream(&self) -> Stream {
        self.stream_of(&json!({ "title": "A stream" }))
    }

    /// A new stream whose SRT publishers must encrypt.
    pub(crate) fn encrypted_stream(&self, passphrase: &str) -> Stream {
        self.stream_of(&json!({ "title": "A stream", "srt_passphrase": passphrase }))
    }

    /// A new stream that only viewers with a token may watch.
    pub(crate) fn private_stream(&self) -> Stream {
        self.stream_of(&json!({ "title": "A stream", "visibility": "private" }))
    }

    /// A new stream of which the owner says `body`.
    pub(crate) fn stream_of(&self, body: &serde_json::Value) -> Stream {
        let answer = self.admin("POST", "/api/v1/streams", Some(&body.to_string()));
        assert_eq!(answer.status, 201, "{}", answer.text());
        let json = answer.json();
        let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
        let stream = Stream {
            id: text(&json["id"]),
            key: text(&json["stream_key"]),
            rtmp: text(&json["publish"]["rtmp"]),
            srt: text(&json["publish"]["srt"]),
        };
        self.keep_secret(&stream.key);
        stream
    }

    /// This text must not be in the log.
    pub(crate) fn keep_secret(&self, secret: &str) {
        self.keys.borrow_mut().push(secret.to_owned());
    }

    /// `status` as the API gives it.
    pub(crate) fn status(&self, stream: &Stream) -> String {
        let answer = self.admin("GET", &format!("/api/v1/streams/{}", stream.id), None);
        answer.json()["status"]
            .as_str()
            .unwrap_or("gone")
            .to_owned()
    }

    /// Waits for a line of the log that has all of `words`.
    pub(crate) fn wait_for_log(&self, words: &[&str]) {
        wait_for(&format!("a log line with {words:?}"), || {
            self.log_has(words)
        });
    }

    /// Whether a line of the log has all of `words`.
    pub(crate) fn log_has(&self, words: &[&str]) -> bool {
        self.log_count(words) > 0
    }

    /// How many lines of the log have all of `words`.
    pub(crate) fn log_count(&self, words: &[&str]) -> usize {
        let log = self.log();
        log.lines()
            .filter(|line| words.iter().all(|word| line.contains(word)))
            .count()
    }

    /// Kills it, as a power cut would, and starts it anew on the same data folder and ports.
    pub(crate) fn kill_and_restart(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("a child");
        self.child = self.command.spawn().expect("the binary under test");
        let http = self.http;
        wait_for("the server's health", || {
            http::get(http, "/health").is_ok_and(|answer| answer.status == 200)
        });
    }

    /// Asks it to stop.
    pub(crate) fn terminate(&self) {
        signal(self.pid(), "-TERM");
    }

    /// Stops it; it must end in time, without an error, and must have kept its secrets.
    pub(crate) fn stop(self) {
        self.terminate();
        self.stopped();
    }

    /// Waits for its end after [`Server::terminate`].
    pub(crate) fn stopped(mut self) {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                break status;
            }
            assert!(
                start.elapsed() < STOP_MAX,
                "it does not stop within {STOP_MAX:?}"
            );
            thread::sleep(Duration::from_millis(20));
        };
        assert_eq!(status.code(), Some(0), "{status}");
        let log = self.log();
        for word in ["panicked", " ERROR "] {
            assert!(!log.contains(word), "the log has {word:?}");
        }
        for secret in self.keys.borrow().iter() {
            assert!(
                !log.contains(secret),
                "a stream key or a token is in the log"
            );
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail where it has ended, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("--- the server's log\n{}---", self.log());
        }
    }
}

/// The binary under test, free of this environment's settings and without `/metrics`: its default
/// port is one for all servers of the machine.
pub(crate) fn millrace() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_millrace"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("MILLRACE_") {
            command.env_remove(name);
        }
    }
    command.env("MILLRACE_METRICS", "");
    command
}

/// An address whose TCP port was free a moment ago.
pub(crate) fn free_tcp() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("bound")
}

/// An address whose UDP port was free a moment ago.
pub(crate) fn free_udp() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.local_addr().expect("bound")
}
