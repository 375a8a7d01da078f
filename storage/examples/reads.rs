//! Asks the database what the API asks it, as fast as it answers. For measurements (`make
//! bench-vod`):
//!
//! ```text
//! cargo run --release -p storage --example reads -- DATA_FOLDER STREAM_ID TASKS SECONDS
//! ```
//!
//! It answers with a line of JSON: reads a second of one stream, and of a page of 100.

use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use media_core::StreamId;
use storage::database::Location;
use storage::listing::Paging;
use storage::streams::{Filter, Sort};
use storage::{Database, Streams};

/// As many as a page of the API has.
const PAGE: u32 = 100;

#[derive(Clone, Copy)]
enum Read {
    One,
    Page,
}

async fn once(streams: &Streams, read: Read, id: &StreamId) -> Result<(), storage::streams::Error> {
    match read {
        Read::One => streams.find(id).await.map(drop),
        Read::Page => {
            let paging = Paging {
                limit: PAGE,
                after: None,
            };
            let all = Filter::default();
            streams.list(&all, Sort::default(), &paging).await.map(drop)
        }
    }
}

/// Reads a second of as many tasks, for so long.
async fn rate(
    streams: &Streams,
    read: Read,
    id: &StreamId,
    tasks: usize,
    time: Duration,
) -> Result<f64, Box<dyn Error>> {
    let began = Instant::now();
    let running: Vec<_> = (0..tasks)
        .map(|_| {
            let (streams, id) = (streams.clone(), id.clone());
            tokio::spawn(async move {
                let mut count = 0_u64;
                while began.elapsed() < time {
                    once(&streams, read, &id).await?;
                    count += 1;
                }
                Ok::<_, storage::streams::Error>(count)
            })
        })
        .collect();
    let mut count = 0;
    for task in running {
        count += task.await??;
    }
    Ok(count as f64 / began.elapsed().as_secs_f64())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [data, stream, tasks, seconds] = &arguments[..] else {
        return Err("DATA_FOLDER STREAM_ID TASKS SECONDS".into());
    };
    let (id, tasks) = (StreamId::new(stream)?, tasks.parse()?);
    let time = Duration::from_secs(seconds.parse()?);
    let database = Database::open_at(&Location::in_folder(Path::new(data))?).await?;
    let streams = database.streams();
    let one = rate(&streams, Read::One, &id, tasks, time).await?;
    let page = rate(&streams, Read::Page, &id, tasks, time).await?;
    let report = serde_json::json!({ "one": one, "page": page });
    writeln!(std::io::stdout(), "{report}")?;
    database.close().await;
    Ok(())
}
