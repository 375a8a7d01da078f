//! One URL asked for again and again over plain HTTP/1.1. Bodies are dropped in the kernel, so that
//! one core of this side keeps one core of the server busy, which no client that copies them does.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::connection::{Body, Buffers, Connection, Read};
use crate::epoll::Epoll;
use crate::usage;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Address of the server.
    #[arg(long)]
    server: SocketAddr,
    /// What to ask for.
    #[arg(long)]
    path: String,
    /// Connections, each with one request under way.
    #[arg(long, default_value_t = 64)]
    connections: u32,
    /// How long to measure.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Milliseconds before the measurement.
    #[arg(long, default_value_t = 200)]
    warm_up_ms: u64,
    /// The process whose CPU time is the server's.
    #[arg(long)]
    pid: u32,
}

/// Measures, and says what came out. Any answer but 200 ends it.
pub(crate) fn run(options: &Options) -> io::Result<Value> {
    let Options { server, path, .. } = options;
    // As much as h2load sends.
    let request = format!("GET {path} HTTP/1.1\r\nHost: {server}\r\nUser-Agent: load\r\n\r\n");
    let request = request.as_bytes();
    let mut epoll = Epoll::new()?;
    let mut buffers = Buffers::new();
    let mut connections = Vec::new();
    for number in 0..options.connections {
        let source = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let mut connection = Connection::open(number, source, *server)?;
        connection.ask((), Body::Media, request)?;
        epoll.add(connection.socket(), number.into())?;
        connections.push(connection);
    }
    let pid = options.pid.to_string();
    let mut span = Duration::from_millis(options.warm_up_ms);
    let mut begun = Instant::now();
    let mut before = None;
    let (mut answers, mut bytes) = (0u64, 0u64);
    loop {
        if begun.elapsed() >= span {
            let used = (usage::of(&pid)?, usage::of("self")?);
            let Some((server, own)) = before.replace(used) else {
                (answers, bytes) = (0, 0);
                begun = Instant::now();
                span = Duration::from_secs(options.seconds);
                continue;
            };
            let seconds = begun.elapsed().as_secs_f64();
            let server_cpu_s = used.0.cpu_s - server.cpu_s;
            return Ok(json!({
                "answers": answers,
                "bytes": bytes,
                "seconds": seconds,
                "server_cpu_s": server_cpu_s,
                "server_cores": server_cpu_s / seconds,
                "generator_cores": (used.1.cpu_s - own.cpu_s) / seconds,
            }));
        }
        let ready = epoll.wait(Some(span.saturating_sub(begun.elapsed())))?;
        for &number in &ready {
            let connection = &mut connections[number as usize];
            match connection.read(&mut buffers)? {
                Read::Later => {}
                Read::Answer {
                    status: 200,
                    bytes: got,
                    ..
                } => {
                    answers += 1;
                    bytes += got as u64;
                    connection.ask((), Body::Media, request)?;
                }
                Read::Answer { status, .. } => {
                    return Err(io::Error::other(format!(
                        "{path} was answered with {status}"
                    )));
                }
                Read::Closed => return Err(io::ErrorKind::ConnectionReset.into()),
            }
        }
        epoll.recycle(ready);
    }
}
