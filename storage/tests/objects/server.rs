//! A real S3 server: moto, from PyPI, of the test's own, on a port of its own, gone with the test.
//! It holds everything in memory and knows S3's rules on parts; it checks no signatures.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use storage::objects::{Options, Patience};

/// The one bucket.
pub(crate) const BUCKET: &str = "media";

/// How long it may take to start: it is Python, on a busy machine.
const START_MAX: Duration = Duration::from_secs(60);

/// What it says before its address.
const RUNNING: &str = "Running on http://";

pub(crate) struct Server {
    process: Child,
    address: SocketAddr,
}

impl Server {
    /// Starts one, and makes the bucket.
    pub(crate) async fn start() -> Self {
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
                    let _ = found.send(address.trim().to_owned());
                }
            }
        });
        let address = address.recv_timeout(START_MAX).expect("it starts");
        let server = Self {
            process,
            address: address.parse().expect("an address"),
        };
        let made = fetch("PUT", &server.url(""), &[]).await;
        assert_eq!(made.status(), 200);
        server
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of what lies in the bucket, past any line between.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}/{BUCKET}{path}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What a store has to know to find it at `address`.
pub(crate) fn options(address: SocketAddr) -> Options {
    Options::default()
        .with("AWS_ENDPOINT", &format!("http://{address}"))
        .with("AWS_ALLOW_HTTP", "true")
        .with("AWS_REGION", "us-east-1")
        .with("AWS_ACCESS_KEY_ID", "test")
        .with("AWS_SECRET_ACCESS_KEY", "a secret of the test")
        .with_patience(Patience {
            answer: Duration::from_secs(5),
            upload: Duration::from_secs(5),
        })
}

/// A request by a client that knows nothing of S3.
pub(crate) async fn fetch(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
) -> http::Response<Bytes> {
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let mut request = http::Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::default()).expect("a request");
    let (head, body) = client
        .request(request)
        .await
        .expect("an answer")
        .into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    http::Response::from_parts(head, body)
}

/// Where scripts/install-deps.sh puts it.
fn program() -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    root.join("target/s3-server/bin/moto_server")
}
