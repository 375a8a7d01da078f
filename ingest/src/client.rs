//! A publisher over RTMP, for `millrace demo` and for tests: `rml_rtmp`'s client session, which
//! shares no code with the listener, over tokio.

use bytes::{BufMut, Bytes, BytesMut};
use media_core::{AccessUnit, Media};
use rml_rtmp::handshake::{Handshake, HandshakeError, HandshakeProcessResult, PeerType};
use rml_rtmp::sessions::{
    ClientSession, ClientSessionConfig, ClientSessionError, ClientSessionEvent,
    ClientSessionResult, PublishRequestType,
};
use rml_rtmp::time::RtmpTimestamp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

/// What one read takes at most; the server only answers.
const READ_BYTES: usize = 16 * 1024;

/// Why publishing ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The connection broke or was never made.
    #[error("the connection to the server: {0}")]
    Connection(#[from] std::io::Error),
    /// The server's handshake is not RTMP's.
    #[error("the server's handshake: {0}")]
    Handshake(#[from] HandshakeError),
    /// The session failed.
    #[error("the session: {0}")]
    Session(#[from] ClientSessionError),
    /// The server does not want this publisher.
    #[error("the server refused: {0}")]
    Refused(String),
    /// The server closed the connection.
    #[error("the server closed the connection")]
    Closed,
    /// Only H.264 and AAC access units are sent.
    #[error("{0} cannot be sent by this client")]
    Unsupported(&'static str),
}

/// Publishes `media` (H.264 and AAC access units) to `application`/`key` at `address` until the
/// channel closes.
///
/// # Errors
/// The server refuses, or the connection breaks.
pub async fn publish(
    address: String,
    application: &str,
    key: &str,
    mut media: mpsc::Receiver<Media>,
) -> Result<(), Error> {
    let mut stream = TcpStream::connect(&address).await?;
    stream.set_nodelay(true)?;
    let early = shake_hands(&mut stream).await?;
    let (mut session, results) = ClientSession::new(ClientSessionConfig::new())?;
    send(&mut stream, results).await?;
    let connect = session.request_connection(application.to_owned())?;
    send(&mut stream, vec![connect]).await?;
    let mut buffer = vec![0; READ_BYTES];
    let mut publishing = handle(&mut stream, &mut session, &early, key).await?;
    loop {
        tokio::select! {
            read = stream.read(&mut buffer) => match read? {
                0 => return Err(Error::Closed),
                count => {
                    publishing |= handle(&mut stream, &mut session, &buffer[..count], key).await?;
                }
            },
            unit = media.recv(), if publishing => match unit {
                Some(unit) => send_media(&mut stream, &mut session, unit).await?,
                None => {
                    let ended = session.stop_publishing()?;
                    return send(&mut stream, ended).await;
                }
            },
        }
    }
}

/// Returns what the server sent after its handshake.
async fn shake_hands(stream: &mut TcpStream) -> Result<Vec<u8>, Error> {
    let mut handshake = Handshake::new(PeerType::Client);
    stream
        .write_all(&handshake.generate_outbound_p0_and_p1()?)
        .await?;
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Err(Error::Closed);
        }
        match handshake.process_bytes(&buffer[..count])? {
            HandshakeProcessResult::InProgress { response_bytes } => {
                stream.write_all(&response_bytes).await?;
            }
            HandshakeProcessResult::Completed {
                response_bytes,
                remaining_bytes,
            } => {
                stream.write_all(&response_bytes).await?;
                return Ok(remaining_bytes);
            }
        }
    }
}

/// Feeds what the server sent; `true` once it has accepted the publication.
async fn handle(
    stream: &mut TcpStream,
    session: &mut ClientSession,
    bytes: &[u8],
    key: &str,
) -> Result<bool, Error> {
    let mut accepted = false;
    for result in session.handle_input(bytes)? {
        match result {
            ClientSessionResult::OutboundResponse(packet) => {
                stream.write_all(&packet.bytes).await?
            }
            ClientSessionResult::RaisedEvent(event) => match event {
                ClientSessionEvent::ConnectionRequestAccepted => {
                    let live = PublishRequestType::Live;
                    let publish = session.request_publishing(key.to_owned(), live)?;
                    send(stream, vec![publish]).await?;
                }
                ClientSessionEvent::ConnectionRequestRejected { description } => {
                    return Err(Error::Refused(description));
                }
                ClientSessionEvent::PublishRequestAccepted => accepted = true,
                ClientSessionEvent::UnhandleableOnStatusCode { code } => {
                    return Err(Error::Refused(code));
                }
                _ => {}
            },
            ClientSessionResult::UnhandleableMessageReceived(_) => {}
        }
    }
    Ok(accepted)
}

async fn send(stream: &mut TcpStream, results: Vec<ClientSessionResult>) -> Result<(), Error> {
    for result in results {
        if let ClientSessionResult::OutboundResponse(packet) = result {
            stream.write_all(&packet.bytes).await?;
        }
    }
    Ok(())
}

async fn send_media(
    stream: &mut TcpStream,
    session: &mut ClientSession,
    media: Media,
) -> Result<(), Error> {
    let result = match media {
        Media::VideoConfig(config) => session.publish_video_data(
            tagged(&[0x17, 0, 0, 0, 0], &config.record),
            zero(),
            false,
        )?,
        Media::Video(unit) => {
            let (tag, time) = (video_tag(&unit), timestamp(&unit));
            session.publish_video_data(tagged(&tag, &unit.data), time, !unit.random_access)?
        }
        Media::AudioConfig(config) => {
            session.publish_audio_data(tagged(&[0xaf, 0], &config.record), zero(), false)?
        }
        Media::Audio(unit) => {
            session.publish_audio_data(tagged(&[0xaf, 1], &unit.data), timestamp(&unit), true)?
        }
        Media::TransportStream(_) => return Err(Error::Unsupported("a transport stream")),
    };
    send(stream, vec![result]).await
}

/// An AVC video tag's head: frame type, codec 7, NALU, composition time (FLV 10.1, E.4.3.1).
fn video_tag(unit: &AccessUnit) -> [u8; 5] {
    let frame_type = if unit.random_access { 0x17 } else { 0x27 };
    let composition_ms = unit.pts.nanos_from(unit.dts) / 1_000_000;
    let [_, high, middle, low] = (composition_ms as i32).to_be_bytes();
    [frame_type, 1, high, middle, low]
}

fn tagged(tag: &[u8], data: &[u8]) -> Bytes {
    let mut tagged = BytesMut::with_capacity(tag.len() + data.len());
    tagged.put_slice(tag);
    tagged.put_slice(data);
    tagged.freeze()
}

fn timestamp(unit: &AccessUnit) -> RtmpTimestamp {
    RtmpTimestamp::new((unit.dts.as_nanos() / 1_000_000) as u32)
}

fn zero() -> RtmpTimestamp {
    RtmpTimestamp::new(0)
}
