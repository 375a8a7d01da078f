//! `millrace stream …`: works on the database directly.

use std::io::{self, Write};
use std::time::SystemTime;

use anyhow::Context;
use media_core::StreamId;
use storage::playback_token::{self, Lifetime};
use storage::streams::{Filter, NewStream};
use storage::{SrtPassphrase, Stream, Streams, Title, Visibility};

use crate::cli::StreamAction;
use crate::config::Config;
use crate::welcome;

/// Carries the action out and writes its result, a line each, to `out`.
pub(crate) async fn run(
    streams: &Streams,
    config: &Config,
    action: StreamAction,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    match action {
        StreamAction::Create {
            title,
            srt_passphrase,
            private,
        } => {
            let title = Title::new(&title)?;
            let passphrase = srt_passphrase
                .as_deref()
                .map(SrtPassphrase::new)
                .transpose()?;
            let visibility = match private {
                true => Visibility::Private,
                false => Visibility::Public,
            };
            let created = streams.create(
                NewStream {
                    srt_passphrase: passphrase,
                    visibility,
                    ..NewStream::titled(title)
                },
                SystemTime::now(),
            );
            let (stream, key) = created.await?;
            writeln!(out, "id   {}", stream.id)?;
            writeln!(out, "key  {}", key.reveal())?;
        }
        StreamAction::Token { id, expires_in } => {
            let lifetime = Lifetime::new(expires_in).context("--expires-in")?;
            let id = stream_id(&id)?;
            let stream = streams.find(&id).await?;
            let stream = stream.ok_or(storage::streams::Error::UnknownStream(id))?;
            let secret = playback_token::load_or_create(&config.data)?;
            let token = secret.issue(&stream.id, lifetime, SystemTime::now());
            let until = humantime::format_rfc3339_seconds(token.expires_at());
            let page = welcome::page(config, &stream.id);
            writeln!(out, "token  {}", token.reveal())?;
            writeln!(out, "until  {until}")?;
            writeln!(out, "watch  {page}?token={}", token.reveal())?;
        }
        StreamAction::List => list(streams, out).await?,
        StreamAction::RotateKey { id } => {
            let (stream, key) = streams.rotate_key(&stream_id(&id)?).await?;
            writeln!(out, "id   {}", stream.id)?;
            writeln!(out, "key  {}", key.reveal())?;
        }
        StreamAction::Delete { id } => streams.delete(&stream_id(&id)?).await?,
    }
    Ok(())
}

async fn list(streams: &Streams, out: &mut dyn Write) -> anyhow::Result<()> {
    for stream in streams.all(&Filter::default()).await? {
        write_line(out, &stream)?;
    }
    Ok(())
}

fn write_line(out: &mut dyn Write, stream: &Stream) -> io::Result<()> {
    let private = match stream.visibility {
        Visibility::Public => "",
        Visibility::Private => "  (private)",
    };
    writeln!(out, "{}  {}{private}", stream.id, stream.title)
}

fn stream_id(text: &str) -> anyhow::Result<StreamId> {
    StreamId::new(text).context("see millrace stream list")
}
