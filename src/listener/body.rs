//! The bodies of requests, whichever protocol brought them, and of answers, whichever part of the
//! process gives them.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::RecvStream;
use http_body::{Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;
use packager::vod;

use super::pulse::Exchange;

/// The body of a request.
pub(crate) enum RequestBody {
    /// By HTTP/1.1.
    Http1(Incoming),
    /// By HTTP/2.
    Http2(RecvStream),
}

impl http_body::Body for RequestBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match self.get_mut() {
            Self::Http1(body) => Pin::new(body).poll_frame(context).map_err(axum::Error::new),
            Self::Http2(stream) => {
                let frame = ready!(stream.poll_data(context)).map(|data| {
                    let data = data.map_err(axum::Error::new)?;
                    // Whoever reads a body bounds it: the peer may send as much again.
                    let released = stream.flow_control().release_capacity(data.len());
                    released.map_err(axum::Error::new)?;
                    Ok(Frame::data(data))
                });
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Http1(body) => body.is_end_stream(),
            Self::Http2(stream) => stream.is_end_stream(),
        }
    }
}

/// The body of an answer.
pub(crate) enum Body {
    /// Playlists and media.
    Delivery(packager::Body),
    /// What is stored.
    Vod(vod::Body),
    /// Pages and redirections.
    Page(Full<Bytes>),
    /// The API.
    Api(axum::body::Body),
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match self.get_mut() {
            Self::Delivery(body) => Pin::new(body).poll_frame(context).map_err(axum::Error::new),
            Self::Vod(body) => Pin::new(body).poll_frame(context).map_err(axum::Error::new),
            Self::Page(body) => Pin::new(body).poll_frame(context).map_err(infallible),
            Self::Api(body) => Pin::new(body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Delivery(body) => body.is_end_stream(),
            Self::Vod(body) => body.is_end_stream(),
            Self::Page(body) => body.is_end_stream(),
            Self::Api(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Delivery(body) => body.size_hint(),
            Self::Vod(body) => body.size_hint(),
            Self::Page(body) => body.size_hint(),
            Self::Api(body) => body.size_hint(),
        }
    }
}

fn infallible(never: Infallible) -> axum::Error {
    match never {}
}

/// An answer's body with the exchange that it ends.
pub(super) struct Ending {
    pub(super) body: Body,
    pub(super) _exchange: Exchange,
}

impl http_body::Body for Ending {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
