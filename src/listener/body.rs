//! The body of whichever part of the process answers.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::Full;

/// See the module.
pub(crate) enum Body {
    /// Playlists and media.
    Delivery(packager::Body),
    /// Pages.
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
            Self::Page(body) => Pin::new(body).poll_frame(context).map_err(infallible),
            Self::Api(body) => Pin::new(body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Delivery(body) => body.is_end_stream(),
            Self::Page(body) => body.is_end_stream(),
            Self::Api(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Delivery(body) => body.size_hint(),
            Self::Page(body) => body.size_hint(),
            Self::Api(body) => body.size_hint(),
        }
    }
}

fn infallible(never: Infallible) -> axum::Error {
    match never {}
}
