//! The bound: a server that finds the blank line at a request's end, looks at nothing else, and
//! answers with one writev of a fixed head and a file's bytes. What it reaches on a core is what
//! the kernel's loopback leaves to any server that sends from memory.

use std::fs;
use std::io::{self, IoSlice, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;

use rustix::io::Errno;
use rustix::net::RecvFlags;
use rustix::net::sockopt::set_socket_send_buffer_size;

use crate::epoll::Epoll;

/// The listener's number in the epoll set; connections count from 0.
const LISTENER: u64 = u64::MAX;

/// Bytes read at a time: more than any request's head here.
const READ_BYTES: usize = 16 * 1024;

/// Inherited by what is accepted: the kernel's own choice, of up to 4 MB, is slower, since so much
/// of 64 connections does not stay in a processor's caches.
const SEND_BUFFER_BYTES: usize = 512 * 1024;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Where to listen; port 0 takes a free one. The address is printed.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The file to answer with.
    #[arg(long)]
    file: PathBuf,
}

struct Connection {
    socket: TcpStream,
    /// How many bytes of `\r\n\r\n` were seen at the end of what was read.
    blank: usize,
    /// Requests without their whole answer.
    owed: usize,
    /// Bytes of the present answer that were written.
    written: usize,
}

struct Answer {
    head: Vec<u8>,
    body: Vec<u8>,
}

/// Serves until it is killed.
pub(crate) fn run(options: &Options) -> io::Result<()> {
    let body = fs::read(&options.file)?;
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: video/mp4\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let answer = Answer {
        head: head.into_bytes(),
        body,
    };
    let listener = TcpListener::bind(options.listen)?;
    set_socket_send_buffer_size(&listener, SEND_BUFFER_BYTES)?;
    listener.set_nonblocking(true)?;
    let mut epoll = Epoll::new()?;
    epoll.add(&listener, LISTENER)?;
    writeln!(io::stdout(), "{}", listener.local_addr()?)?;
    let mut connections: Vec<Option<Connection>> = Vec::new();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let ready = epoll.wait(None)?;
        for &number in &ready {
            if number == LISTENER {
                accept(&listener, &epoll, &mut connections)?;
                continue;
            }
            let place = &mut connections[number as usize];
            let open = place
                .as_mut()
                .is_some_and(|connection| connection.go_on(&answer, &mut buffer).is_ok());
            if !open {
                *place = None;
            }
        }
        epoll.recycle(ready);
    }
}

fn accept(
    listener: &TcpListener,
    epoll: &Epoll,
    connections: &mut Vec<Option<Connection>>,
) -> io::Result<()> {
    loop {
        match listener.accept() {
            Ok((socket, _)) => {
                socket.set_nonblocking(true)?;
                socket.set_nodelay(true)?;
                epoll.add(&socket, connections.len() as u64)?;
                connections.push(Some(Connection {
                    socket,
                    blank: 0,
                    owed: 0,
                    written: 0,
                }));
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

impl Connection {
    /// Reads and writes what can be; an error where the peer is gone.
    fn go_on(&mut self, answer: &Answer, buffer: &mut [u8]) -> io::Result<()> {
        loop {
            match rustix::net::recv(&self.socket, &mut *buffer, RecvFlags::empty()) {
                Ok((0, _)) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok((read, _)) => {
                    self.owed += blank_lines(&buffer[..read], &mut self.blank);
                    // Less than there is room for: that was all.
                    if read < buffer.len() {
                        break;
                    }
                }
                Err(Errno::AGAIN) => break,
                Err(error) => return Err(error.into()),
            }
        }
        while self.owed > 0 {
            let head = &answer.head[self.written.min(answer.head.len())..];
            let body = &answer.body[self.written.saturating_sub(answer.head.len())..];
            match rustix::io::writev(&self.socket, &[IoSlice::new(head), IoSlice::new(body)]) {
                Ok(written) => self.written += written,
                Err(Errno::AGAIN) => break,
                Err(error) => return Err(error.into()),
            }
            if self.written == answer.head.len() + answer.body.len() {
                self.written = 0;
                self.owed -= 1;
            }
        }
        Ok(())
    }
}

/// Counts the ends of heads; `seen` is how much of one the bytes before ended with.
fn blank_lines(bytes: &[u8], seen: &mut usize) -> usize {
    let mut count = 0;
    for &byte in bytes {
        *seen = match (byte, *seen) {
            (b'\r', 0 | 2) | (b'\n', 1 | 3) => *seen + 1,
            (b'\r', _) => 1,
            _ => 0,
        };
        if *seen == 4 {
            *seen = 0;
            count += 1;
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_counted_wherever_the_reads_cut_them() {
        let text = b"GET / HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\n\r\nGET";
        for cut in 0..text.len() {
            let mut seen = 0;
            let first = blank_lines(&text[..cut], &mut seen);
            let second = blank_lines(&text[cut..], &mut seen);
            assert_eq!(first + second, 2, "cut at {cut}");
        }
    }
}
