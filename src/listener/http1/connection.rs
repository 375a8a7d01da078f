//! One connection, from its first request to its end or its hand-over.
//!
//! Nothing is kept while a connection waits but what it waits for: bytes are read into a buffer
//! that all connections of a thread share, and copied from there only where a head is not whole
//! yet, or where a further request came before the answer to the one before it.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use packager::Body;
use packager::delivery::{Answer, Held, Reply};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::super::limits::HEAD_BYTES_MAX;
use super::super::pulse::{Exchange, Pulse};
use super::super::service::{Service, Via};
use super::head::{self, Parsed};
use super::reply::{self, Framing, HEAD_BYTES};
use super::sending::{self, Sending};

/// What comes in at once: a whole head of the largest size.
const READ_BYTES: usize = HEAD_BYTES_MAX;

thread_local! {
    static READ: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into());
    static HEAD: RefCell<Vec<u8>> = RefCell::new(Vec::with_capacity(HEAD_BYTES));
}

/// How a connection ends here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It is over.
    Closed,
    /// It is hyper's from now on.
    HandOver,
}

/// What a connection is made of, for whoever serves it on.
pub(super) struct Parts<S> {
    pub(super) io: S,
    pub(super) via: Via,
    pub(super) service: Arc<Service>,
    pub(super) pulse: Arc<Pulse>,
    /// What was read and not answered.
    pub(super) unread: Box<[u8]>,
}

/// See the module.
pub(super) struct Connection<S> {
    parts: Parts<S>,
    state: State,
    is_closing: bool,
}

/// What a connection waits for.
enum State {
    /// For a head, of which so many bytes were looked at in vain.
    Head { tried_bytes: usize },
    /// For media that is still to come.
    Held {
        held: Held,
        is_last: bool,
        exchange: Exchange,
    },
    /// For the peer to take an answer. On the heap: it is large, and rare with small answers.
    Sending(Box<Sending>),
    /// For the peer to take the last bytes.
    Closing,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(super) fn new(io: S, via: Via, service: Arc<Service>, pulse: Arc<Pulse>) -> Self {
        Self {
            parts: Parts {
                io,
                via,
                service,
                pulse,
                unread: Box::default(),
            },
            state: State::Head { tried_bytes: 0 },
            is_closing: false,
        }
    }

    pub(super) fn pulse(&self) -> &Pulse {
        &self.parts.pulse
    }

    pub(super) fn into_parts(self) -> Parts<S> {
        self.parts
    }

    /// Ends with the answer that is under way, or now if there is none.
    pub(super) fn close(&mut self) {
        self.is_closing = true;
    }

    /// Goes on as far as it can; ready at the end.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<End> {
        loop {
            let next = match &mut self.state {
                State::Head { tried_bytes } => {
                    let tried_bytes = *tried_bytes;
                    ready!(self.poll_head(tried_bytes, context))
                }
                State::Held { .. } => ready!(self.poll_held(context)),
                State::Sending(sending) => {
                    match ready!(sending.poll(&mut self.parts.io, context)) {
                        Ok(()) => self.state = after(sending.is_last),
                        Err(error) => return Poll::Ready(broken(&error)),
                    }
                    None
                }
                State::Closing => {
                    if let Err(error) = ready!(Pin::new(&mut self.parts.io).poll_shutdown(context))
                    {
                        tracing::trace!(%error, "connection");
                    }
                    Some(End::Closed)
                }
            };
            if let Some(end) = next {
                return Poll::Ready(end);
            }
        }
    }

    /// Reads and answers requests until it has to wait for something else than a head.
    fn poll_head(&mut self, tried_bytes: usize, context: &mut Context<'_>) -> Poll<Option<End>> {
        READ.with_borrow_mut(|buffer| {
            let mut length = self.parts.unread.len();
            buffer[..length].copy_from_slice(&self.parts.unread);
            if length == tried_bytes {
                match self.poll_read(&mut buffer[length..], context) {
                    Poll::Ready(Ok(0)) => return Poll::Ready(Some(End::Closed)),
                    Poll::Ready(Ok(read)) => length += read,
                    Poll::Ready(Err(error)) => return Poll::Ready(Some(broken(&error))),
                    // What was sent before the end was announced has been read now.
                    Poll::Pending if self.is_closing => {
                        self.state = State::Closing;
                        return Poll::Ready(None);
                    }
                    Poll::Pending => return Poll::Pending,
                }
            }
            Poll::Ready(self.answer(&buffer[..length], context))
        })
    }

    /// Answers the requests in `bytes` one after the other.
    fn answer(&mut self, mut bytes: &[u8], context: &mut Context<'_>) -> Option<End> {
        let mut end = None;
        self.state = loop {
            if bytes.is_empty() {
                break State::Head { tried_bytes: 0 };
            }
            match head::parse(bytes) {
                Parsed::Delivery(_) if self.parts.service.redirects(self.parts.via) => {
                    end = Some(End::HandOver);
                    break State::Head { tried_bytes: 0 };
                }
                Parsed::Delivery(head) => {
                    let exchange = self.parts.pulse.request();
                    let delivery = self.parts.service.delivery();
                    let answer = delivery.answer(&head.request());
                    bytes = &bytes[head.len_bytes..];
                    match answer {
                        Some(Answer::Now(reply)) => {
                            match self.send(reply, head.is_last, exchange, context) {
                                Ok(State::Head { .. }) => {}
                                Ok(state) => break state,
                                Err(error) => return Some(broken(&error)),
                            }
                        }
                        Some(Answer::Later(held)) => {
                            break State::Held {
                                held,
                                is_last: head.is_last,
                                exchange,
                            };
                        }
                        // Not delivery's after all.
                        None => return Some(End::Closed),
                    }
                }
                Parsed::Partial if bytes.len() < HEAD_BYTES_MAX => {
                    break State::Head {
                        tried_bytes: bytes.len(),
                    };
                }
                // Too large: hyper has an answer to that too.
                Parsed::Partial | Parsed::Other => {
                    end = Some(End::HandOver);
                    break State::Head { tried_bytes: 0 };
                }
                Parsed::NoHost => {
                    let exchange = self.parts.pulse.request();
                    bytes = &[];
                    match self.refuse(exchange, context) {
                        Ok(state) => break state,
                        Err(error) => return Some(broken(&error)),
                    }
                }
            }
        };
        if *bytes != *self.parts.unread {
            self.parts.unread = bytes.into();
        }
        end
    }

    /// Waits for the answer, and looks whether the peer is still there for it.
    fn poll_held(&mut self, context: &mut Context<'_>) -> Poll<Option<End>> {
        let State::Held { held, .. } = &mut self.state else {
            return Poll::Ready(None);
        };
        if let Poll::Ready(reply) = Pin::new(held).poll(context) {
            let held = std::mem::replace(&mut self.state, State::Closing);
            if let State::Held {
                is_last, exchange, ..
            } = held
            {
                match self.send(reply, is_last, exchange, context) {
                    Ok(state) => self.state = state,
                    Err(error) => return Poll::Ready(Some(broken(&error))),
                }
            }
            return Poll::Ready(None);
        }
        READ.with_borrow_mut(|buffer| {
            let unread = self.parts.unread.len();
            if unread == HEAD_BYTES_MAX {
                // It waits for its answers: what else it has to say can wait too.
                return Poll::Pending;
            }
            let room = &mut buffer[unread..];
            match ready!(self.poll_read(room, context)) {
                Ok(0) => Poll::Ready(Some(End::Closed)),
                Ok(read) => {
                    buffer[..unread].copy_from_slice(&self.parts.unread);
                    self.parts.unread = buffer[..unread + read].into();
                    Poll::Ready(None)
                }
                Err(error) => Poll::Ready(Some(broken(&error))),
            }
        })
    }

    fn poll_read(
        &mut self,
        buffer: &mut [u8],
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        ready!(Pin::new(&mut self.parts.io).poll_read(context, &mut buffer))?;
        Poll::Ready(Ok(buffer.filled().len()))
    }

    /// Sends an answer; what there is to wait for then.
    fn send(
        &mut self,
        reply: Reply,
        is_last: bool,
        exchange: Exchange,
        context: &mut Context<'_>,
    ) -> io::Result<State> {
        let is_last = is_last || self.is_closing;
        HEAD.with_borrow_mut(|head| {
            head.clear();
            reply::write_head(head, &reply, self.framing(is_last));
            let mut body = reply.into_body();
            sending::join(head, &mut body);
            self.write(head, body, is_last, exchange, context)
        })
    }

    fn refuse(&mut self, exchange: Exchange, context: &mut Context<'_>) -> io::Result<State> {
        let mut answer = Vec::new();
        reply::write_no_host(&mut answer, self.framing(true));
        self.write(&answer, Body::default(), true, exchange, context)
    }

    fn framing(&self, is_last: bool) -> Framing<'_> {
        Framing {
            hsts: self.parts.service.hsts(self.parts.via),
            is_last,
        }
    }

    fn write(
        &mut self,
        head: &[u8],
        body: Body,
        is_last: bool,
        exchange: Exchange,
        context: &mut Context<'_>,
    ) -> io::Result<State> {
        let io = &mut self.parts.io;
        match Sending::begin(io, head, body, is_last, exchange, context)? {
            None => Ok(after(is_last)),
            Some(unsent) => Ok(State::Sending(Box::new(unsent))),
        }
    }
}

/// What comes after an answer.
fn after(was_last: bool) -> State {
    match was_last {
        true => State::Closing,
        false => State::Head { tried_bytes: 0 },
    }
}

/// A peer that hangs up ends its own connection only.
fn broken(error: &io::Error) -> End {
    tracing::trace!(%error, "connection");
    End::Closed
}
