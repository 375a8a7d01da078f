//! What a newcomer is told at start: where to publish and where to watch.

use std::io::Write;
use std::net::SocketAddr;
use std::time::SystemTime;

use media_core::StreamId;
use storage::streams::{Filter, NewStream};
use storage::{Stream, StreamKey, Title};
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::server::Server;

/// The title of the stream that the test pattern is published to.
const DEMO_TITLE: &str = "Millrace test pattern";

/// The title of the stream that `demo` offers to a real encoder.
const OWN_TITLE: &str = "My stream";

/// Makes sure that a stream of this title exists and prints its addresses; its key only where it
/// is new.
pub(crate) async fn offer_stream(
    server: &Server,
    config: &Config,
    title: &str,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let title = Title::new(title)?;
    match find(server, &title).await? {
        Some(stream) => {
            writeln!(out, "\n  Watch    {}", page(config, &stream.id))?;
            writeln!(
                out,
                "  Publish  with the key shown when the stream was created;"
            )?;
            writeln!(
                out,
                "           a new one: millrace stream rotate-key {}\n",
                stream.id
            )?;
        }
        None => {
            let (stream, key) = server
                .streams()
                .create(NewStream::titled(title), SystemTime::now())
                .await?;
            server.reload_keys().await?;
            print_addresses(config, &stream.id, &key, out)?;
        }
    }
    Ok(())
}

/// Publishes the test pattern to a stream of its own, and offers another to a real encoder.
pub(crate) async fn start_demo(
    server: &Server,
    config: &Config,
    out: &mut dyn Write,
) -> anyhow::Result<JoinHandle<()>> {
    let (pattern, pattern_key) = with_fresh_key(server, DEMO_TITLE).await?;
    let (own, own_key) = with_fresh_key(server, OWN_TITLE).await?;
    server.reload_keys().await?;
    writeln!(out, "\n  Test pattern")?;
    writeln!(out, "  Watch    {}", page(config, &pattern.id))?;
    writeln!(out, "\n  Your own encoder (OBS, ffmpeg)")?;
    print_addresses(config, &own.id, &own_key, out)?;
    crate::demo::publish(reachable(config.rtmp), pattern_key)
}

async fn with_fresh_key(server: &Server, title: &str) -> anyhow::Result<(Stream, StreamKey)> {
    let title = Title::new(title)?;
    Ok(match find(server, &title).await? {
        Some(stream) => server.streams().rotate_key(&stream.id).await?,
        None => {
            server
                .streams()
                .create(NewStream::titled(title), SystemTime::now())
                .await?
        }
    })
}

async fn find(server: &Server, title: &Title) -> anyhow::Result<Option<Stream>> {
    let named = Filter {
        text: Some(title.as_str().to_owned()),
        ..Filter::default()
    };
    let streams = server.streams().all(&named).await?;
    Ok(streams.into_iter().find(|stream| stream.title == *title))
}

fn print_addresses(
    config: &Config,
    stream: &StreamId,
    key: &StreamKey,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let key = key.reveal();
    let (rtmp, srt) = (reachable(config.rtmp), reachable(config.srt));
    writeln!(out, "  Watch    {}", page(config, stream))?;
    writeln!(out, "  RTMP     rtmp://{rtmp}/live/{key}")?;
    writeln!(
        out,
        "           (OBS: server rtmp://{rtmp}/live, stream key {key})"
    )?;
    writeln!(out, "  SRT      srt://{srt}?streamid=publish:{key}\n")?;
    out.flush()?;
    Ok(())
}

/// The page to watch `stream` on.
pub(crate) fn page(config: &Config, stream: &StreamId) -> String {
    let base = match (&config.public.http, &config.tls) {
        // A certificate seldom is for localhost.
        (Some(public), _) => public.as_str().to_owned(),
        (None, Some(_)) => format!("https://{}", reachable(config.https)),
        (None, None) => format!("http://{}", reachable(config.http)),
    };
    format!("{base}/watch/{stream}")
}

/// An address that a program on this machine can connect to.
fn reachable(listening: SocketAddr) -> String {
    match listening.ip().is_unspecified() {
        true => format!("localhost:{}", listening.port()),
        false => listening.to_string(),
    }
}
