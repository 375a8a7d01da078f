//! `millrace stream …`: works on the database directly.

use std::io::{self, Write};
use std::time::SystemTime;

use anyhow::Context;
use media_core::StreamId;
use storage::streams::LIST_MAX;
use storage::{SrtPassphrase, Streams, Title, Visibility};

use crate::cli::StreamAction;

/// Carries the action out and writes its result, a line each, to `out`.
pub(crate) async fn run(
    streams: &Streams,
    action: StreamAction,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    match action {
        StreamAction::Create {
            title,
            srt_passphrase,
        } => {
            let title = Title::new(&title)?;
            let passphrase = srt_passphrase
                .as_deref()
                .map(SrtPassphrase::new)
                .transpose()?;
            let (stream, key) = streams
                .create(title, passphrase, Visibility::Public, SystemTime::now())
                .await?;
            writeln!(out, "id   {}", stream.id)?;
            writeln!(out, "key  {}", key.reveal())?;
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
    let mut after = None;
    loop {
        let page = streams.list(after.as_ref(), LIST_MAX).await?;
        for stream in &page {
            write_line(out, &stream.id, stream.title.as_str())?;
        }
        match page.last() {
            Some(last) if page.len() == LIST_MAX as usize => after = Some(last.id.clone()),
            _ => return Ok(()),
        }
    }
}

fn write_line(out: &mut dyn Write, id: &StreamId, title: &str) -> io::Result<()> {
    writeln!(out, "{id}  {title}")
}

fn stream_id(text: &str) -> anyhow::Result<StreamId> {
    StreamId::new(text).context("see millrace stream list")
}
