//! The line to a server: a TCP proxy that fails as lines and servers do.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// The longest head of a request that a fault answers.
const HEAD_MAX: usize = 16 << 10;

/// What the line does with connections, those included that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: it works.
    None,
    /// Each ends as it begins.
    Refuses,
    /// Each is taken, and nothing comes of it.
    Hangs,
    /// Each ends by a reset after so many bytes of requests.
    Resets {
        /// So many.
        after_bytes: u64,
    },
    /// Each request is answered with this status.
    Answers {
        /// A status of HTTP.
        status: u16,
    },
}

/// A line to a server.
#[derive(Debug)]
pub struct Line {
    address: SocketAddr,
    fault: Arc<watch::Sender<Fault>>,
}

impl Line {
    /// A line to `server`, which works. It ends with its tokio runtime.
    pub async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("it is bound");
        let fault = Arc::new(watch::Sender::new(Fault::None));
        let faults = Arc::clone(&fault);
        tokio::spawn(async move {
            while let Ok((peer, _)) = listener.accept().await {
                let mut faults = faults.subscribe();
                tokio::spawn(async move {
                    let fault = *faults.borrow_and_update();
                    tokio::select! {
                        _ = carry(&peer, server, fault) => {}
                        // What was under way ends with the line's change.
                        _ = faults.changed() => {}
                    }
                    let _ = peer.set_zero_linger();
                });
            }
        });
        Self { address, fault }
    }

    /// Its near end.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on it fails so; what is under way ends.
    pub fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }
}

async fn carry(peer: &TcpStream, server: SocketAddr, fault: Fault) -> io::Result<()> {
    match fault {
        Fault::None => relay(peer, server, u64::MAX).await,
        Fault::Refuses => Ok(()),
        Fault::Hangs => std::future::pending().await,
        Fault::Resets { after_bytes } => relay(peer, server, after_bytes).await,
        Fault::Answers { status } => answer(peer, status).await,
    }
}

async fn relay(peer: &TcpStream, server: SocketAddr, bytes_max: u64) -> io::Result<()> {
    let mut server = TcpStream::connect(server).await?;
    let (mut from_server, mut to_server) = server.split();
    let up = async {
        let (mut bytes, mut left) = (vec![0; 64 << 10], bytes_max);
        loop {
            let len = read(peer, &mut bytes).await?;
            if len == 0 || len as u64 >= left {
                return Ok(());
            }
            left -= len as u64;
            to_server.write_all(&bytes[..len]).await?;
        }
    };
    let down = async {
        let mut bytes = vec![0; 64 << 10];
        loop {
            let len = from_server.read(&mut bytes).await?;
            if len == 0 {
                return Ok(());
            }
            write(peer, &bytes[..len]).await?;
        }
    };
    tokio::select! {
        ended = up => ended,
        ended = down => ended,
    }
}

/// Reads one request to its end, and answers it as S3 does.
async fn answer(peer: &TcpStream, status: u16) -> io::Result<()> {
    let (mut text, mut bytes) = (Vec::new(), vec![0; 64 << 10]);
    let head_len = loop {
        let len = read(peer, &mut bytes).await?;
        text.extend_from_slice(&bytes[..len]);
        let end = text.windows(4).position(|end| end == b"\r\n\r\n");
        match end {
            Some(end) => break end + 4,
            None if len == 0 || text.len() > HEAD_MAX => return Ok(()),
            None => {}
        }
    };
    let head = String::from_utf8_lossy(&text[..head_len]).to_lowercase();
    let length = head.split("content-length:").nth(1);
    let length = length.and_then(|rest| rest.lines().next()?.trim().parse().ok());
    let mut left = length
        .unwrap_or(0usize)
        .saturating_sub(text.len() - head_len);
    while left > 0 {
        match read(peer, &mut bytes).await? {
            0 => break,
            len => left = left.saturating_sub(len),
        }
    }
    let body =
        "<?xml version=\"1.0\"?>\n<Error><Code>TheLine</Code><Message>says no</Message></Error>";
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status} No\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    write(peer, head.as_bytes()).await?;
    write(peer, body.as_bytes()).await?;
    // The peer closes when it has read it: a reset before that would take it away.
    let _ = tokio::time::timeout(Duration::from_secs(2), read(peer, &mut bytes)).await;
    Ok(())
}

async fn read(peer: &TcpStream, bytes: &mut [u8]) -> io::Result<usize> {
    loop {
        peer.readable().await?;
        match peer.try_read(bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            other => return other,
        }
    }
}

async fn write(peer: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        peer.writable().await?;
        match peer.try_write(bytes) {
            Ok(len) => bytes = &bytes[len..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
