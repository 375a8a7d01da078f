//! Response bodies: the muxer's own bytes, handed to the socket without a copy, or what the
//! archive has in a file.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::stored::Reader;
use crate::delivery::Stored;
use crate::disk::Disk;
use crate::segment::{Part, Segment};

/// The body of a response. Its size is always known: it becomes `Content-Length`.
#[derive(Debug, Default)]
pub struct Body {
    media: Media,
    /// The piece of the media to send next.
    next: Cursor,
    /// Bytes to leave out before the first sent; less than the piece at `next`.
    skip: usize,
    /// Bytes left to send.
    remaining: usize,
}

#[derive(Debug, Default)]
enum Media {
    #[default]
    Empty,
    Whole(Bytes),
    Part(Arc<Part>),
    Segment(Arc<Segment>),
    Stored(Box<Reader>),
}

#[derive(Clone, Copy, Debug, Default)]
struct Cursor {
    part: usize,
    piece: usize,
}

impl Body {
    /// No body.
    pub(super) fn empty() -> Self {
        Self::default()
    }

    /// A text or an initialization segment.
    pub(super) fn whole(bytes: Bytes) -> Self {
        let remaining = bytes.len();
        Self::of(Media::Whole(bytes), remaining)
    }

    /// A part.
    pub(super) fn part(part: Arc<Part>) -> Self {
        let remaining = part.len_bytes;
        Self::of(Media::Part(part), remaining)
    }

    /// A segment: all its parts one after the other.
    pub(super) fn segment(segment: Arc<Segment>) -> Self {
        let remaining = segment.len_bytes;
        Self::of(Media::Segment(segment), remaining)
    }

    /// A segment in a file.
    pub(super) fn stored(stored: Stored, disk: Disk) -> Self {
        let remaining = stored.len_bytes;
        let reader = Reader::new(stored, disk);
        Self::of(Media::Stored(Box::new(reader)), remaining)
    }

    fn of(media: Media, remaining: usize) -> Self {
        Self {
            media,
            remaining,
            ..Self::default()
        }
    }

    /// Bytes left to send.
    pub fn len_bytes(&self) -> usize {
        self.remaining
    }

    /// Only the bytes from `first` up to and not including `end`, which lie within it.
    #[must_use]
    pub(super) fn slice(mut self, first: usize, end: usize) -> Self {
        self.remaining = end - first;
        if let Media::Stored(reader) = &mut self.media {
            reader.skip(first);
            return self;
        }
        self.skip = first;
        self.skip_pieces();
        self
    }

    fn piece(&self) -> Option<&Bytes> {
        self.piece_at(self.next)
    }

    fn piece_at(&self, Cursor { part, piece }: Cursor) -> Option<&Bytes> {
        match &self.media {
            Media::Empty | Media::Stored(_) => None,
            Media::Whole(bytes) => (piece == 0).then_some(bytes),
            Media::Part(part) => part.pieces.get(piece),
            Media::Segment(segment) => segment.parts.get(part)?.pieces.get(piece),
        }
    }

    fn advance(&mut self) {
        self.next = self.after(self.next);
    }

    fn after(&self, Cursor { part, piece }: Cursor) -> Cursor {
        let piece = piece + 1;
        if let Media::Segment(segment) = &self.media {
            let pieces = segment.parts.get(part).map(|part| &part.pieces);
            if pieces.is_some_and(|pieces| piece == pieces.len()) {
                return Cursor {
                    part: part + 1,
                    piece: 0,
                };
            }
        }
        Cursor { part, piece }
    }

    fn next_frame(&mut self) -> Option<Bytes> {
        while self.remaining > 0 {
            let skip = std::mem::take(&mut self.skip);
            let piece = self.piece()?;
            let end = piece.len().min(skip + self.remaining);
            let frame = piece.slice(skip..end);
            self.advance();
            // An empty frame would say nothing.
            if !frame.is_empty() {
                self.remaining -= frame.len();
                return Some(frame);
            }
        }
        None
    }

    /// Whether the next bytes come from a file: [`http_body::Body::poll_frame`] gives them, and
    /// the two methods below do not.
    pub fn is_stored(&self) -> bool {
        matches!(self.media, Media::Stored(_))
    }

    /// The next bytes to send, from where they lie, as many pieces as `slices` has room for from
    /// `filled` on. Returns how many slices are filled.
    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>], mut filled: usize) -> usize {
        let (mut cursor, mut skip, mut remaining) = (self.next, self.skip, self.remaining);
        while remaining > 0 && filled < slices.len() {
            let Some(piece) = self.piece_at(cursor) else {
                break;
            };
            let end = piece.len().min(skip + remaining);
            if skip < end {
                slices[filled] = IoSlice::new(&piece[skip..end]);
                filled += 1;
                remaining -= end - skip;
            }
            skip = 0;
            cursor = self.after(cursor);
        }
        filled
    }

    /// Leaves out the next `count` bytes, at most those that [`slices`](Self::slices) gave: they
    /// are sent.
    pub fn sent(&mut self, count: usize) {
        self.remaining -= count;
        self.skip += count;
        if self.remaining > 0 {
            self.skip_pieces();
        }
    }

    /// Goes on to the piece that has the next byte.
    fn skip_pieces(&mut self) {
        while let Some(piece) = self.piece() {
            if self.skip < piece.len() {
                break;
            }
            self.skip -= piece.len();
            self.advance();
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    /// Only of what a disk gives.
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let Self {
            media, remaining, ..
        } = &mut *self;
        if let Media::Stored(reader) = media {
            if *remaining == 0 {
                return Poll::Ready(None);
            }
            let piece = std::task::ready!(reader.poll_piece(*remaining, context))?;
            *remaining -= piece.len();
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        Poll::Ready(self.next_frame().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.remaining == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sequence::{DiscontinuitySequence, MediaSequence};
    use media_core::MediaTime;

    fn part(pieces: &[&'static str]) -> Arc<Part> {
        let pieces: Vec<_> = pieces
            .iter()
            .map(|text| Bytes::from_static(text.as_bytes()))
            .collect();
        Arc::new(Part {
            start: MediaTime::ZERO,
            end: MediaTime::ZERO,
            independent: true,
            keyframe_bytes: None,
            len_bytes: pieces.iter().map(Bytes::len).sum(),
            pieces,
        })
    }

    fn segment(parts: Vec<Arc<Part>>) -> Arc<Segment> {
        Arc::new(Segment {
            sequence: MediaSequence::new(0),
            discontinuity: false,
            discontinuity_sequence: DiscontinuitySequence::new(0),
            after_gap: false,
            start: MediaTime::ZERO,
            len_bytes: parts.iter().map(|part| part.len_bytes).sum(),
            parts,
        })
    }

    fn sent(mut body: Body) -> (usize, Vec<Bytes>) {
        let promised = body.len_bytes();
        (promised, std::iter::from_fn(|| body.next_frame()).collect())
    }

    #[test]
    fn every_range_of_a_segment_is_what_it_says() {
        let whole = segment(vec![
            part(&["abc", "", "d"]),
            part(&["ef"]),
            part(&["", "ghij"]),
        ]);
        let text = b"abcdefghij";
        for first in 0..text.len() {
            for end in first + 1..=text.len() {
                let body = Body::segment(whole.clone()).slice(first, end);
                let (promised, frames) = sent(body);
                assert_eq!(frames.concat(), &text[first..end], "{first}..{end}");
                assert_eq!(promised, end - first);
            }
        }
    }

    #[test]
    fn vectored_writes_of_any_length_send_every_byte_once() {
        let whole = segment(vec![
            part(&["abc", "", "d"]),
            part(&["ef"]),
            part(&["", "ghij"]),
        ]);
        for room in 1..5 {
            for taken_max in 1..11 {
                let mut body = Body::segment(whole.clone()).slice(1, 9);
                let mut sent: Vec<u8> = Vec::new();
                while body.len_bytes() > 0 {
                    let mut slices = [IoSlice::new(b"head"); 5];
                    let filled = body.slices(&mut slices[..=room], 1);
                    let offered: Vec<u8> = slices[1..filled]
                        .iter()
                        .flat_map(|it| it.to_vec())
                        .collect();
                    assert!(!offered.is_empty());
                    let taken = offered.len().min(taken_max);
                    sent.extend(&offered[..taken]);
                    body.sent(taken);
                }
                assert_eq!(sent, b"bcdefghi", "{room}, {taken_max}");
            }
        }
    }

    #[test]
    fn the_muxers_own_bytes_are_sent() {
        let part = part(&["moof", "mdat"]);
        let (_, frames) = sent(Body::part(part.clone()));
        let addresses = |pieces: &[Bytes]| pieces.iter().map(|b| b.as_ptr()).collect::<Vec<_>>();
        assert_eq!(addresses(&frames), addresses(&part.pieces));
    }
}
