//! An answer on its way to the socket: head and content in one write, from where they lie unless
//! they are small.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::Body as _;
use packager::Body;
use tokio::io::AsyncWrite;

use super::super::pulse::Exchange;

/// Pieces of content to a write. A segment has one or two hundred: three writes, of 400 kB each at
/// 5 Mbit/s, cost little more than one.
const SLICES_MAX: usize = 64;

/// Content of up to so many bytes is copied behind its head: a playlist, a part of the sound. The
/// kernel takes one buffer sooner than a list of them, by more than the copy costs.
const JOINED_BYTES_MAX: usize = 8 * 1024;

/// Puts what is small of `body` behind `head`.
pub(super) fn join(head: &mut Vec<u8>, body: &mut Body) {
    if body.is_stored() || body.len_bytes() > JOINED_BYTES_MAX {
        return;
    }
    while body.len_bytes() > 0 {
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let filled = body.slices(&mut slices, 0);
        let before = head.len();
        if filled == 0 {
            // Less than it said it was: as where it is sent from where it lies.
            return;
        }
        for slice in &slices[..filled] {
            head.extend_from_slice(slice);
        }
        body.sent(head.len() - before);
    }
}

/// What a socket has not taken yet.
pub(super) struct Sending {
    head: Box<[u8]>,
    head_sent: usize,
    content: Content,
    /// Whether the connection ends with it.
    pub(super) is_last: bool,
    _exchange: Exchange,
}

/// What comes after a head.
struct Content {
    body: Body,
    /// What was read last, where it comes from a file.
    piece: Bytes,
}

impl Sending {
    /// Sends what can be sent now; `None`: that was all.
    pub(super) fn begin(
        io: &mut (impl AsyncWrite + Unpin),
        head: &[u8],
        body: Body,
        is_last: bool,
        exchange: Exchange,
        context: &mut Context<'_>,
    ) -> io::Result<Option<Self>> {
        let piece = Bytes::new();
        let mut content = Content { body, piece };
        let mut head_sent = 0;
        if let Poll::Ready(sent) = content.poll(io, head, &mut head_sent, context) {
            return sent.map(|()| None);
        }
        Ok(Some(Self {
            head: head[head_sent..].into(),
            head_sent: 0,
            content,
            is_last,
            _exchange: exchange,
        }))
    }

    /// Sends more; ready when the socket has all of it.
    pub(super) fn poll(
        &mut self,
        io: &mut (impl AsyncWrite + Unpin),
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        self.content
            .poll(io, &self.head, &mut self.head_sent, context)
    }
}

impl Content {
    fn poll(
        &mut self,
        io: &mut (impl AsyncWrite + Unpin),
        head: &[u8],
        head_sent: &mut usize,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            if self.body.is_stored() && self.piece.is_empty() {
                let frame = ready!(Pin::new(&mut self.body).poll_frame(context)?);
                let data = frame.and_then(|frame| frame.into_data().ok());
                self.piece = data.unwrap_or_default();
            }
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let mut filled = 0;
            for bytes in [&head[*head_sent..], &self.piece] {
                if !bytes.is_empty() {
                    slices[filled] = IoSlice::new(bytes);
                    filled += 1;
                }
            }
            let filled = self.body.slices(&mut slices, filled);
            if filled == 0 {
                return Pin::new(io).poll_flush(context);
            }
            let io = Pin::new(&mut *io);
            let mut sent = ready!(match &slices[..filled] {
                [one] => io.poll_write(context, one),
                several => io.poll_write_vectored(context, several),
            })?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            let of_head = sent.min(head.len() - *head_sent);
            *head_sent += of_head;
            sent -= of_head;
            let of_piece = sent.min(self.piece.len());
            self.piece = self.piece.split_off(of_piece);
            self.body.sent(sent - of_piece);
        }
    }
}
