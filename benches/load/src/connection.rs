//! A kept-alive HTTP/1.1 connection to a server: one request at a time. Media is counted and dropped
//! in the kernel, so that it costs this side little.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, connect, recv, send,
    socket_with, sockopt,
};

/// Read at a time before media: its head and a little of it.
const HEAD_BYTES: usize = 1024;

/// Most bytes of a head; Millrace sends about 400.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// What is read and dropped.
pub(crate) struct Buffers {
    /// For heads and playlists.
    text: Vec<u8>,
    /// Never written to: `MSG_TRUNC` on TCP drops what it would have held (tcp(7)).
    void: Vec<u8>,
}

impl Buffers {
    pub(crate) fn new() -> Self {
        Self {
            text: vec![0; 64 * 1024],
            void: vec![0; 1 << 20],
        }
    }
}

/// `A` is what the caller calls its requests by.
pub(crate) struct Connection<A> {
    /// Whose it is.
    pub(crate) seat: u32,
    socket: OwnedFd,
    /// What is under way.
    asked: Option<A>,
    body: Body,
    /// A request that waits for the handshake.
    unsent: Vec<u8>,
    /// Bytes of an answer that did not come at once.
    begun: Vec<u8>,
    phase: Phase,
}

/// What is done with an answer's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// Given to the caller.
    Text,
    /// Dropped.
    Media,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Connecting,
    /// Nothing under way, or its answer has not begun.
    Head,
    /// Bytes of text to come before the answer in `begun` is whole.
    Text {
        status: u16,
        head: usize,
        whole: usize,
    },
    /// Bytes of media to come, of so many.
    Media {
        status: u16,
        remaining: usize,
        length: usize,
    },
}

/// What came of reading.
pub(crate) enum Read<'a, A> {
    /// More will come.
    Later,
    /// The answer to a request; media has no body left.
    Answer {
        ask: A,
        status: u16,
        body: &'a [u8],
        bytes: usize,
    },
    /// The server closed the connection while nothing was under way.
    Closed,
}

impl<A: Copy> Connection<A> {
    /// Begins to connect.
    pub(crate) fn open(seat: u32, source: IpAddr, server: SocketAddr) -> io::Result<Self> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let family = AddressFamily::INET;
        let socket = socket_with(family, SocketType::STREAM, flags, None)?;
        sockopt::set_tcp_nodelay(&socket, true)?;
        bind(&socket, &SocketAddr::new(source, 0))?;
        match connect(&socket, &server) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(Self {
            seat,
            socket,
            asked: None,
            body: Body::Text,
            unsent: Vec::new(),
            begun: Vec::new(),
            phase: Phase::Connecting,
        })
    }

    pub(crate) fn socket(&self) -> &OwnedFd {
        &self.socket
    }

    /// What is under way, when it ended without an answer.
    pub(crate) fn unanswered(&self) -> Option<A> {
        self.asked
    }

    /// Sends a request; nothing may be under way.
    pub(crate) fn ask(&mut self, ask: A, body: Body, request: &[u8]) -> io::Result<()> {
        self.asked = Some(ask);
        self.body = body;
        if matches!(self.phase, Phase::Connecting) {
            request.clone_into(&mut self.unsent);
            return Ok(());
        }
        self.send(request)
    }

    fn send(&self, request: &[u8]) -> io::Result<()> {
        let sent = send(&self.socket, request, SendFlags::NOSIGNAL)?;
        // An empty send buffer takes some hundred bytes.
        if sent < request.len() {
            return Err(io::ErrorKind::WriteZero.into());
        }
        Ok(())
    }

    /// Goes on after a change of the socket.
    pub(crate) fn read<'a>(&mut self, buffers: &'a mut Buffers) -> io::Result<Read<'a, A>> {
        if matches!(self.phase, Phase::Connecting) {
            match self.send(&self.unsent) {
                Ok(()) => {
                    self.phase = Phase::Head;
                    self.unsent = Vec::new();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Read::Later),
                Err(error) => return Err(error),
            }
        }
        loop {
            if let Phase::Media {
                status,
                remaining,
                length,
            } = &mut self.phase
            {
                if *remaining > 0 {
                    let room = buffers.void.len().min(*remaining);
                    let room = &mut buffers.void[..room];
                    match recv(&self.socket, room, RecvFlags::TRUNC) {
                        Ok((_, 0)) => return Err(io::ErrorKind::UnexpectedEof.into()),
                        Ok((_, read)) => *remaining -= read,
                        Err(Errno::AGAIN) => return Ok(Read::Later),
                        Err(error) => return Err(error.into()),
                    }
                    continue;
                }
                let (status, length) = (*status, *length);
                return self.answer(status, &[], length);
            }
            let is_media = self.body == Body::Media;
            let limit = if is_media {
                HEAD_BYTES
            } else {
                buffers.text.len()
            };
            let read = match recv(&self.socket, &mut buffers.text[..limit], RecvFlags::empty()) {
                Ok((0, _)) if self.asked.is_none() => return Ok(Read::Closed),
                Ok((0, _)) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok((read, _)) => read,
                Err(Errno::AGAIN) => return Ok(Read::Later),
                Err(error) => return Err(error.into()),
            };
            if self.asked.is_none() {
                return Err(io::Error::other("an answer without a request"));
            }
            if self.begun.is_empty() && matches!(self.phase, Phase::Head) {
                // Mostly all of it came at once and is read where it lies.
                let Some((status, head, length)) = parse_head(&buffers.text[..read])? else {
                    self.begun.extend_from_slice(&buffers.text[..read]);
                    continue;
                };
                let whole = head + length;
                if is_media {
                    let remaining = whole.checked_sub(read).ok_or_else(too_long)?;
                    self.phase = Phase::Media {
                        status,
                        remaining,
                        length,
                    };
                    continue;
                }
                if read == whole {
                    return self.answer(status, &buffers.text[head..whole], length);
                }
                self.phase = Phase::Text {
                    status,
                    head,
                    whole,
                };
            }
            self.begun.extend_from_slice(&buffers.text[..read]);
            if matches!(self.phase, Phase::Head) {
                let Some((status, head, length)) = parse_head(&self.begun)? else {
                    continue;
                };
                let whole = head + length;
                self.phase = if is_media {
                    let remaining = whole.checked_sub(self.begun.len()).ok_or_else(too_long)?;
                    self.begun = Vec::new();
                    Phase::Media {
                        status,
                        remaining,
                        length,
                    }
                } else {
                    Phase::Text {
                        status,
                        head,
                        whole,
                    }
                };
            }
            if let Phase::Text {
                status,
                head,
                whole,
            } = self.phase
            {
                if self.begun.len() > whole {
                    return Err(too_long());
                }
                if self.begun.len() == whole {
                    let begun = std::mem::take(&mut self.begun);
                    buffers.text.resize(buffers.text.len().max(whole), 0);
                    buffers.text[..whole].copy_from_slice(&begun);
                    return self.answer(status, &buffers.text[head..whole], whole - head);
                }
            }
        }
    }

    fn answer<'a>(&mut self, status: u16, body: &'a [u8], bytes: usize) -> io::Result<Read<'a, A>> {
        self.phase = Phase::Head;
        let ask = self.asked.take();
        let ask = ask.ok_or_else(|| io::Error::other("an answer without a request"))?;
        Ok(Read::Answer {
            ask,
            status,
            body,
            bytes,
        })
    }
}

fn too_long() -> io::Error {
    io::Error::other("more than Content-Length says")
}

/// Status, length of the head and `Content-Length`, once the head is whole.
fn parse_head(bytes: &[u8]) -> io::Result<Option<(u16, usize, usize)>> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        if bytes.len() > HEAD_BYTES_MAX {
            return Err(io::Error::other("a head without end"));
        }
        return Ok(None);
    };
    let head = std::str::from_utf8(&bytes[..end]).map_err(io::Error::other)?;
    let status = head.get(9..12).and_then(|digits| digits.parse().ok());
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.trim().parse().ok())?
    });
    match (status, length) {
        (Some(status), Some(length)) => Ok(Some((status, end + 4, length))),
        _ => Err(io::Error::other(format!(
            "an answer without status or Content-Length: {head}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_says_status_and_lengths() {
        let text = b"HTTP/1.1 404 Not Found\r\nContent-type: a\r\nCONTENT-LENGTH: 12\r\n\r\nabc";
        assert_eq!(parse_head(text).unwrap(), Some((404, text.len() - 3, 12)));
        assert_eq!(parse_head(&text[..50]).unwrap(), None);
        assert!(parse_head(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
