//! What the SRT listener logs: each edge of a session, and never a key or a passphrase.

mod recording;

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use bytes::Bytes;
use futures_util::SinkExt;
use ingest::srt::{self, Config};
use recording::{RecordingGate, messages, until};
use srt_tokio::SrtSocket;

const KEY: &str = "key-that-is-secret";
const WRONG_KEY: &str = "key-that-was-guessed";
const PASSPHRASE: &str = "correct horse battery";

/// Collects what tracing writes.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("no panic")).into_owned()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_edge_is_logged_with_the_peer_and_without_secrets() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .init();
    // The stream's id shows in logs; here the two differ.
    let gate = RecordingGate::default().with_id(KEY, "concert", Some(PASSPHRASE));
    let address = "127.0.0.1:0".parse().expect("an address");
    let listener = srt::listen(address, Config::default(), Arc::new(gate.clone())).expect("a port");
    let to = listener.local_addr().to_string();
    let call = |name: &'static str, passphrase: &'static str| {
        SrtSocket::builder()
            .encryption(16, passphrase)
            .call(to.as_str(), Some(name))
    };
    assert!(call(WRONG_KEY, PASSPHRASE).await.is_err());
    assert!(call(KEY, "another passphrase").await.is_err());
    let mut socket = call(KEY, PASSPHRASE).await.expect("the right key");
    for message in messages(100) {
        let message = (Instant::now(), Bytes::from(message));
        socket.send(message).await.expect("connected");
    }
    socket.close_and_finish().await.expect("a goodbye");
    until("the publication's end", || gate.ending_of(0).is_some()).await;
    until("the last refusal", || {
        log.text().matches(" refused ").count() == 2
    })
    .await;
    listener.shutdown();

    let text = log.text();
    let ours: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("ingest::srt"))
        .collect();
    let line = |words: &[&str]| {
        let found = ours
            .iter()
            .filter(|line| words.iter().all(|word| line.contains(word)));
        assert_eq!(found.count(), 1, "{words:?} in\n{}", ours.join("\n"));
    };
    // Packets that a busy machine loses just before the goodbye do not come again.
    let bytes = format!("bytes={}", gate.bytes_of(0));
    line(&["INFO", "listening for SRT", "address=127.0.0.1:"]);
    line(&[
        "WARN",
        "refused",
        "peer=127.0.0.1:",
        "protocol=srt",
        "the stream key is wrong",
    ]);
    line(&[
        "WARN",
        "refused",
        "peer=127.0.0.1:",
        "protocol=srt",
        "the passphrase is wrong",
    ]);
    line(&[
        "INFO",
        "stream=concert",
        "peer=127.0.0.1:",
        "protocol=srt",
        ": publishing",
    ]);
    line(&[
        "INFO",
        "stream=concert",
        "unpublished",
        "closed the connection",
        &bytes,
    ]);
    for secret in [KEY, WRONG_KEY, PASSPHRASE, "another passphrase"] {
        assert!(!ours.join("\n").contains(secret), "{secret} was logged");
    }
}
