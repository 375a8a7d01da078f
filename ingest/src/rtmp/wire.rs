//! A connection's bytes, and what the system knows of the way that they come.
#![expect(
    unsafe_code,
    reason = "what the system knows of a TCP connection (TCP_INFO) no library in use here asks for"
)]

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use crate::link::Link;

/// What a connection is driven over.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Unpin {
    /// What is known of it now.
    fn link(&self) -> Link;
}

impl Wire for TcpStream {
    fn link(&self) -> Link {
        of_socket(self)
    }
}

impl Wire for TlsStream<TcpStream> {
    fn link(&self) -> Link {
        of_socket(self.get_ref().0)
    }
}

/// Nothing is known of a pipe.
#[cfg(test)]
impl Wire for tokio::io::DuplexStream {
    fn link(&self) -> Link {
        Link::default()
    }
}

#[cfg(target_os = "linux")]
fn of_socket(socket: &TcpStream) -> Link {
    use std::mem::{offset_of, size_of, zeroed};
    use std::os::fd::AsRawFd;
    use std::time::Duration;

    use crate::link::Packets;

    // SAFETY: plain integers.
    let mut info: libc::tcp_info = unsafe { zeroed() };
    let mut info_bytes = size_of::<libc::tcp_info>() as libc::socklen_t;
    // SAFETY: the socket is open, and the system writes at most `info_bytes` bytes.
    let failed = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut info).cast(),
            &raw mut info_bytes,
        )
    };
    if failed != 0 {
        return Link::default();
    }
    // Older systems write less: Linux 4.6 is the first to count segments with data.
    let is_there = |end: usize| info_bytes as usize >= end;
    let counts_data = is_there(offset_of!(libc::tcp_info, tcpi_data_segs_in) + size_of::<u32>());
    let micros = |value: u32| Duration::from_micros(value.into());
    Link {
        rtt: Some(micros(info.tcpi_rtt)),
        rtt_variation: Some(micros(info.tcpi_rttvar)),
        latency: None,
        packets: Packets {
            received: counts_data.then_some(info.tcpi_data_segs_in.into()),
            ..Packets::default()
        },
    }
}

#[cfg(not(target_os = "linux"))]
fn of_socket(_: &TcpStream) -> Link {
    Link::default()
}
