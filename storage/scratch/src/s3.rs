//! A real S3 server: moto, from PyPI, of the test's own, on a port of its own, gone with the test.
//! It holds everything in memory and knows S3's rules on parts; it checks no signatures.

mod line;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

pub use line::{Fault, Line};

/// The one bucket.
pub const BUCKET: &str = "media";

/// How long it may take to start: it is Python, on a busy machine.
const START_MAX: Duration = Duration::from_secs(60);

/// How long one answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(20);

/// What it says before its address.
const RUNNING: &str = "Running on http://";

/// A running server.
#[derive(Debug)]
pub struct Server {
    process: Child,
    address: SocketAddr,
}

impl Server {
    /// Starts one, and makes the bucket. Blocks for a second.
    pub fn start() -> Self {
        let program = program();
        let mut process = Command::new(&program)
            .args(["-H", "127.0.0.1", "-p", "0"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!(
                    "{}: {error}; scripts/install-deps.sh test",
                    program.display()
                )
            });
        let lines = BufReader::new(process.stderr.take().expect("it is piped"));
        let (found, address) = mpsc::channel();
        // Reads on to the end: the server logs every request.
        std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                if let Some((_, address)) = line.split_once(RUNNING) {
                    // Nobody waits any more where the start took too long.
                    let _ = found.send(address.trim().to_owned());
                }
            }
        });
        let address = address.recv_timeout(START_MAX).expect("it starts");
        let server = Self {
            process,
            address: address.parse().expect("an address"),
        };
        let made = server.ask("PUT", "");
        assert!(made.starts_with("HTTP/1.1 200"), "{made}");
        server
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of what lies in the bucket, past any line between.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{BUCKET}{path}", self.address)
    }

    /// The whole answer to a request for what lies in the bucket, such as `/key` or `?uploads`.
    pub fn ask(&self, method: &str, path: &str) -> String {
        let mut stream = TcpStream::connect(self.address).expect("it listens");
        let limit = stream.set_read_timeout(Some(ANSWER_MAX));
        limit.expect("a socket");
        let head = format!(
            "{method} /{BUCKET}{path} HTTP/1.1\r\nHost: {}\r\nContent-Length: 0\r\n\
             Connection: close\r\n\r\n",
            self.address
        );
        stream.write_all(head.as_bytes()).expect("it reads");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("it answers");
        String::from_utf8_lossy(&answer).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail where it has ended, which is what is wanted.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The variables with which a client finds it at `address`: its own, or that of a [`Line`] to it.
pub fn variables(address: SocketAddr) -> Vec<(&'static str, String)> {
    vec![
        ("AWS_ENDPOINT", format!("http://{address}")),
        ("AWS_ALLOW_HTTP", "true".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "test".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "a secret of the test".to_owned()),
    ]
}

/// Where scripts/install-deps.sh puts it.
fn program() -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.join("target/s3-server/bin/moto_server")
}
