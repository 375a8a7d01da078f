//! Requests that are held until their media is there.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use super::Counters;
use super::reply::Reply;

/// The answer to a request.
#[derive(Debug)]
pub enum Answer {
    /// It is there.
    Now(Reply),
    /// It waits for media that is still to come.
    Later(Held),
}

impl Answer {
    /// The same without content (RFC 9110 §9.3.2).
    #[must_use]
    pub(super) fn without_content(self) -> Self {
        match self {
            Self::Now(reply) => Self::Now(reply.without_content()),
            Self::Later(mut held) => {
                held.has_content = false;
                Self::Later(held)
            }
        }
    }
}

/// A request that waits. On the heap and nothing else: most connections wait most of the time.
/// Dropped, it gives its place back.
pub struct Held {
    reply: Pin<Box<dyn Future<Output = Reply> + Send>>,
    has_content: bool,
}

impl Held {
    pub(super) fn new(reply: impl Future<Output = Reply> + Send + 'static) -> Self {
        Self {
            reply: Box::pin(reply),
            has_content: true,
        }
    }
}

impl Future for Held {
    type Output = Reply;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Reply> {
        let reply = std::task::ready!(self.reply.as_mut().poll(context));
        Poll::Ready(match self.has_content {
            true => reply,
            false => reply.without_content(),
        })
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").finish_non_exhaustive()
    }
}

/// A place among those who wait, given back when the request is answered or its viewer leaves.
pub(super) struct Place(Arc<Counters>);

impl Place {
    pub(super) fn take(counters: &Arc<Counters>, max: usize) -> Option<Self> {
        let place = Self(Arc::clone(counters));
        // Dropping the place gives back what this takes, also when it was too much.
        (counters.waiting.fetch_add(1, Ordering::Relaxed) < max).then_some(place)
    }

    pub(super) fn counters(&self) -> &Counters {
        &self.0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}
