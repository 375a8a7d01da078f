//! TLS below HTTP/2, corked: records gather until the connection has nothing more to say.
//!
//! h2 writes frame by frame and flushes after each. A write to the socket for every frame of 16
//! KiB, or for every answer of a few hundred bytes, would cost more than the frames do. So h2's
//! flush is not one here: [`Cork::poll_release`] is, after h2 was polled. Records also go out when
//! rustls has no room for more (64 KiB).

use std::io::{self, IoSlice, Read, Write};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use rustls::ServerConnection;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The end that h2 has.
pub(super) struct Corked<S>(Arc<Mutex<Tls<S>>>);

/// The end that lets the records go.
pub(super) struct Cork<S>(Arc<Mutex<Tls<S>>>);

struct Tls<S> {
    socket: S,
    session: ServerConnection,
}

/// Both ends of a connection after its handshake. Only the connection's own task has them: the
/// lock between them is never waited for.
pub(super) fn cork<S>(socket: S, session: ServerConnection) -> (Corked<S>, Cork<S>) {
    let tls = Arc::new(Mutex::new(Tls { socket, session }));
    (Corked(Arc::clone(&tls)), Cork(tls))
}

fn lock<S>(tls: &Mutex<Tls<S>>) -> MutexGuard<'_, Tls<S>> {
    // After a panic the connection's task is gone, and both ends with it.
    tls.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S: AsyncWrite + Unpin> Cork<S> {
    /// Writes all records to the socket.
    pub(super) fn poll_release(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        lock(&self.0).poll_release(context)
    }
}

impl<S: AsyncWrite + Unpin> Tls<S> {
    /// Writes records until there are none.
    fn poll_release(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.session.wants_write() {
            if ready!(self.poll_write_records(context))? == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
        }
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_write_records(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut socket = Blocking {
            socket: &mut self.socket,
            context,
        };
        would_block(self.session.write_tls(&mut socket))
    }

    /// Encrypts what `write` gives; where there is no room, makes some.
    fn poll_encrypt(
        &mut self,
        context: &mut Context<'_>,
        write: impl Fn(&mut rustls::Writer<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            let taken = write(&mut self.session.writer())?;
            if taken > 0 {
                return Poll::Ready(Ok(taken));
            }
            if ready!(self.poll_write_records(context))? == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Tls<S> {
    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            // Without a copy into memory that was zeroed for it.
            match self.session.reader().into_first_chunk() {
                Ok(bytes) => {
                    let length = bytes.len().min(buffer.remaining());
                    buffer.put_slice(&bytes[..length]);
                    io::BufRead::consume(&mut self.session.reader(), length);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
            let mut socket = Blocking {
                socket: &mut self.socket,
                context,
            };
            let read = ready!(would_block(self.session.read_tls(&mut socket)))?;
            if let Err(error) = self.session.process_new_packets() {
                // An alert tells the peer; it may be lost, and this is over all the same.
                let _told = self.poll_release(context);
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error)));
            }
            if read == 0 {
                // The end without a goodbye: HTTP/2 knows by itself what is missing.
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Corked<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        lock(&self.0).poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Corked<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        lock(&self.0).poll_encrypt(context, |writer| writer.write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        lock(&self.0).poll_encrypt(context, |writer| writer.write_vectored(slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut tls = lock(&self.0);
        // Again and again until all is written: one goodbye is sent.
        tls.session.send_close_notify();
        ready!(tls.poll_release(context))?;
        Pin::new(&mut tls.socket).poll_shutdown(context)
    }
}

/// A socket as rustls wants it: one that would block instead of waiting.
struct Blocking<'a, 'b, S> {
    socket: &'a mut S,
    context: &'a mut Context<'b>,
}

impl<S: AsyncRead + Unpin> Read for Blocking<'_, '_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut buffer = ReadBuf::new(buffer);
        match Pin::new(&mut self.socket).poll_read(self.context, &mut buffer) {
            Poll::Ready(Ok(())) => Ok(buffer.filled().len()),
            Poll::Ready(Err(error)) => Err(error),
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl<S: AsyncWrite + Unpin> Write for Blocking<'_, '_, S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match Pin::new(&mut self.socket).poll_write(self.context, bytes) {
            Poll::Ready(written) => written,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match Pin::new(&mut self.socket).poll_write_vectored(self.context, slices) {
            Poll::Ready(written) => written,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn would_block(result: io::Result<usize>) -> Poll<io::Result<usize>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
        result => Poll::Ready(result),
    }
}
