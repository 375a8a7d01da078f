//! An independent publisher: `rml_rtmp`'s client session over any stream.

use std::time::Duration;

use bytes::Bytes;
use rml_rtmp::handshake::{Handshake, HandshakeProcessResult, PeerType};
use rml_rtmp::sessions::{
    ClientSession, ClientSessionConfig, ClientSessionEvent, ClientSessionResult, PublishRequestType,
};
use rml_rtmp::time::RtmpTimestamp;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// How long a test waits for what must come; far longer than it takes.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const AVC_CONFIG: [u8; 13] = [0x17, 0, 0, 0, 0, 1, 0x64, 0, 0x1f, 0xff, 0xe1, 0, 0];

pub(crate) struct Client<S> {
    pub(crate) stream: S,
    session: ClientSession,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    /// Shakes hands and connects to the application.
    pub(crate) async fn connect(mut stream: S, app: &str) -> Self {
        let mut handshake = Handshake::new(PeerType::Client);
        let hello = handshake.generate_outbound_p0_and_p1().expect("C0 and C1");
        stream.write_all(&hello).await.expect("connected");
        let mut buffer = [0; 4096];
        let behind = loop {
            let count = read(&mut stream, &mut buffer).await;
            assert!(count > 0, "closed in the handshake");
            match handshake.process_bytes(&buffer[..count]).expect("valid") {
                HandshakeProcessResult::InProgress { response_bytes } => {
                    stream.write_all(&response_bytes).await.expect("connected");
                }
                HandshakeProcessResult::Completed {
                    response_bytes,
                    remaining_bytes,
                } => {
                    stream.write_all(&response_bytes).await.expect("connected");
                    break remaining_bytes;
                }
            }
        };
        assert!(behind.is_empty(), "nothing comes before connect");
        let (session, _) = ClientSession::new(ClientSessionConfig::new()).expect("a session");
        let mut client = Self { stream, session };
        let request = client.session.request_connection(app.to_owned());
        client.send(request.expect("connect")).await;
        client
            .until(|event| matches!(event, ClientSessionEvent::ConnectionRequestAccepted))
            .await
            .expect("connected");
        client
    }

    /// Asks to publish; `Err` with the code of the refusal.
    pub(crate) async fn publish(&mut self, key: &str) -> Result<(), String> {
        let live = PublishRequestType::Live;
        let request = self.session.request_publishing(key.to_owned(), live);
        self.send(request.expect("createStream")).await;
        let answer = self
            .until(|event| {
                matches!(
                    event,
                    ClientSessionEvent::PublishRequestAccepted
                        | ClientSessionEvent::UnhandleableOnStatusCode { .. }
                )
            })
            .await;
        match answer {
            Some(ClientSessionEvent::PublishRequestAccepted) => Ok(()),
            Some(ClientSessionEvent::UnhandleableOnStatusCode { code }) => Err(code),
            _ => Err("closed".to_owned()),
        }
    }

    pub(crate) async fn video(&mut self, time_ms: u32, tag: &[u8]) {
        let data = Bytes::copy_from_slice(tag);
        let time = RtmpTimestamp::new(time_ms);
        let packet = self.session.publish_video_data(data, time, false);
        self.send(packet.expect("publishing")).await;
    }

    /// Sends a keyframe whose coded bytes are `data`.
    pub(crate) async fn picture(&mut self, time_ms: u32, data: &[u8]) {
        self.video(time_ms, &[&[0x17, 1, 0, 0, 0], data].concat())
            .await;
    }

    pub(crate) async fn stop(&mut self) {
        for result in self.session.stop_publishing().expect("publishing") {
            self.send(result).await;
        }
    }

    /// The code of the status that the server ends the session with, if it gives one.
    pub(crate) async fn ending(&mut self) -> Option<String> {
        let status = self
            .until(|event| matches!(event, ClientSessionEvent::UnhandleableOnStatusCode { .. }))
            .await;
        match status {
            Some(ClientSessionEvent::UnhandleableOnStatusCode { code }) => Some(code),
            _ => None,
        }
    }

    /// Reads until the server closes.
    pub(crate) async fn closed(&mut self) {
        let mut buffer = [0; 4096];
        while read(&mut self.stream, &mut buffer).await > 0 {}
    }

    async fn send(&mut self, result: ClientSessionResult) {
        if let ClientSessionResult::OutboundResponse(packet) = result {
            self.stream
                .write_all(&packet.bytes)
                .await
                .expect("connected");
        }
    }

    /// The first event that is looked for; `None` where the connection closes before.
    async fn until(
        &mut self,
        is_it: impl Fn(&ClientSessionEvent) -> bool,
    ) -> Option<ClientSessionEvent> {
        let mut buffer = [0; 4096];
        loop {
            let count = read(&mut self.stream, &mut buffer).await;
            if count == 0 {
                return None;
            }
            let mut found = None;
            for result in self.session.handle_input(&buffer[..count]).expect("valid") {
                match result {
                    ClientSessionResult::RaisedEvent(event) if is_it(&event) => {
                        found = found.or(Some(event));
                    }
                    ClientSessionResult::RaisedEvent(_) => {}
                    other => self.send(other).await,
                }
            }
            if found.is_some() {
                return found;
            }
        }
    }
}

/// Bytes read; 0 where the connection is closed or reset.
pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin), buffer: &mut [u8]) -> usize {
    tokio::time::timeout(PATIENCE, stream.read(buffer))
        .await
        .expect("an answer")
        .unwrap_or(0)
}
