//! Response bodies: a text from memory, or media that is read piece by piece as it is sent.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use media_core::RenditionName;

use super::Title;
use super::library::{Lost, Pending};
use super::reads::{self, PIECE_BYTES};
use crate::progressive::{Piece, Progressive, Read};

/// The body of a response. Its size is always known: it becomes `Content-Length`.
#[derive(Debug, Default)]
pub struct Body {
    content: Content,
    /// Bytes left to send.
    remaining: u64,
}

#[derive(Debug, Default)]
enum Content {
    #[default]
    Empty,
    Whole(Bytes),
    Media(Box<Media>),
}

/// The file that a body sends.
#[derive(Clone, Debug)]
pub(super) enum File {
    /// A rendition's, as it is stored.
    Stored(RenditionName),
    /// One that is made of those of these renditions.
    Made(Arc<Progressive>, Vec<RenditionName>),
}

/// Media on its way.
struct Media {
    title: Arc<Title>,
    file: File,
    /// Bytes of the file that were not asked for yet.
    rest: Range<u64>,
    reading: Option<Pending<Result<Vec<Bytes>, Lost>>>,
    /// What was read and not sent: at most one read's.
    ready: VecDeque<Bytes>,
}

impl Body {
    pub(super) fn empty() -> Self {
        Self::default()
    }

    pub(super) fn whole(bytes: Bytes) -> Self {
        Self {
            remaining: bytes.len() as u64,
            content: Content::Whole(bytes),
        }
    }

    /// The first `len_bytes` of a title's file.
    pub(super) fn media(title: Arc<Title>, file: File, len_bytes: u64) -> Self {
        let media = Media {
            title,
            file,
            rest: 0..len_bytes,
            reading: None,
            ready: VecDeque::new(),
        };
        Self {
            content: Content::Media(Box::new(media)),
            remaining: len_bytes,
        }
    }

    /// Bytes left to send.
    pub fn len_bytes(&self) -> u64 {
        self.remaining
    }

    /// Only the bytes from `first` up to and not including `end`, which lie within it. To be called
    /// before any is sent.
    #[must_use]
    pub(super) fn slice(self, first: u64, end: u64) -> Self {
        let content = match self.content {
            Content::Empty => Content::Empty,
            Content::Whole(bytes) => Content::Whole(bytes.slice(first as usize..end as usize)),
            Content::Media(mut media) => {
                media.rest = first..end;
                Content::Media(media)
            }
        };
        Self {
            content,
            remaining: end - first,
        }
    }

    /// Waits until the first bytes are there: from then on a client is not told of a store that is
    /// gone but by the connection's end.
    pub(super) async fn start(&mut self) -> Result<(), Lost> {
        match &mut self.content {
            Content::Media(media) => poll_fn(|context| media.poll_ready(context)).await,
            Content::Empty | Content::Whole(_) => Ok(()),
        }
    }
}

impl Media {
    /// Until there is something to send, or nothing left.
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        while self.ready.is_empty() {
            if let Some(reading) = &mut self.reading {
                let read = ready!(reading.as_mut().poll(context));
                self.reading = None;
                self.ready.extend(read?);
                continue;
            }
            let Some(piece) = self.file.piece(self.rest.clone()) else {
                break;
            };
            match piece {
                Piece::Head(bytes) => {
                    self.rest.start += bytes.len() as u64;
                    self.ready.push_back(bytes);
                }
                Piece::Read(read) => {
                    let lengths = read.cuts.iter().map(|cut| (cut.end - cut.start) as u64);
                    self.rest.start += lengths.sum::<u64>();
                    let store = Arc::clone(&self.title.contents().store);
                    let file = self.file.source(read.source).clone();
                    self.reading = Some(reads::cut(store, file, read));
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl File {
    /// The next bytes of `range`, from its first on.
    fn piece(&self, range: Range<u64>) -> Option<Piece> {
        match self {
            Self::Stored(_) => {
                let end = range.end.min(range.start.saturating_add(PIECE_BYTES));
                let whole = 0..usize::try_from(end.checked_sub(range.start)?).ok()?;
                (!whole.is_empty()).then(|| {
                    Piece::Read(Read {
                        source: 0,
                        span: range.start..end,
                        cuts: vec![whole],
                    })
                })
            }
            Self::Made(made, _) => made.piece(range, PIECE_BYTES),
        }
    }

    fn source(&self, index: usize) -> &RenditionName {
        match self {
            Self::Stored(name) => name,
            Self::Made(_, names) => &names[index],
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    /// Only of what a store gives.
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.remaining == 0 {
            return Poll::Ready(None);
        }
        let bytes = match &mut self.content {
            Content::Empty => return Poll::Ready(None),
            Content::Whole(bytes) => std::mem::take(bytes),
            Content::Media(media) => {
                if let Err(lost) = ready!(media.poll_ready(context)) {
                    let asset = &media.title.contents().asset;
                    tracing::warn!(%asset, error = %Cause(&lost), "media is lost on its way");
                    return Poll::Ready(Some(Err(lost.into())));
                }
                // Ready with nothing: the file ends before its length.
                let end = || io::Error::from(io::ErrorKind::UnexpectedEof);
                media.ready.pop_front().ok_or_else(end)?
            }
        };
        self.remaining -= bytes.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.remaining == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining)
    }
}

impl From<Lost> for io::Error {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::Missing => io::ErrorKind::NotFound.into(),
            Lost::Unavailable(error) => error,
        }
    }
}

/// An error with what is behind it.
pub(super) struct Cause<'a>(pub(super) &'a Lost);

impl fmt::Display for Cause<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Lost::Missing => self.0.fmt(f),
            Lost::Unavailable(error) => write!(f, "{}: {error}", self.0),
        }
    }
}

impl fmt::Debug for Media {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Media");
        shown
            .field("file", &self.file)
            .field("rest", &self.rest)
            .finish_non_exhaustive()
    }
}
